#!/bin/bash
# For scripts that install wheels, to be sourced: unpack_wheels, compile_bytecode.
#   PYTHON              as 3.11
#   /wheels             the wheels
#   /request/platforms  the platform tags of the target
set -euo pipefail

# Nothing of the target runs: pip unpacks. The lock is complete, so nothing is left to resolve (and pip would
# evaluate the markers for the wrong machine).
unpack_wheels() { # FOLDER REQUIREMENTS
  local platforms
  mapfile -t platforms < /request/platforms
  python3 -m pip install --no-index --find-links /wheels --require-hashes --no-deps --no-compile \
    --only-binary :all: --implementation cp --python-version "$PYTHON" "${platforms[@]/#/--platform=}" \
    --disable-pip-version-check --no-cache-dir --root-user-action ignore \
    --target "$1" --requirement "$2"
  # Programs in bin/ have the builder's Python in their first line; python3 -m does the same.
  rm -rf "${1:?}/bin"
}

# Bytecode that is valid whatever the times of the sources are. The builder has the same Python (same suite).
compile_bytecode() { # ROOT [OPTION...] PATH
  local root=$1
  shift
  PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -s "$root" -p / "$@"
}
