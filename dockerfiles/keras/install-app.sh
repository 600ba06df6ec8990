#!/bin/bash
# Makes /application: the program, the model, their settings, and the wheels that only the program needs. No network.
#   PYTHON, SOURCE_DATE_EPOCH
#   /app  /model  the user's          /wheels  /request  as for install.sh
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh

root=/application
packages=/usr/local/lib/python$PYTHON/dist-packages
mkdir -p "$root/app" "$root/etc/tfbuild" "$root/models"
cp --recursive /app/. "$root/app/"
cp --recursive /model/. "$root/models/"
cp /request/app.json "$root/etc/tfbuild/app.json"

if [[ -s /request/app-requirements.txt ]]; then
  mapfile -t platforms < /request/platforms
  mkdir -p "$root$packages"
  python3 -m pip install --no-index --find-links /wheels --require-hashes --no-deps --no-compile \
    --only-binary :all: --implementation cp --python-version "$PYTHON" "${platforms[@]/#/--platform=}" \
    --disable-pip-version-check --no-cache-dir --root-user-action ignore \
    --target "$root$packages" --requirement /request/app-requirements.txt
  rm -rf "$root${packages:?}/bin"
  python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$root" -p / "$root$packages" \
    || echo "not everything in the application's packages is Python $PYTHON"
fi
python3 -m compileall -q --invalidation-mode unchecked-hash -s "$root" -p / "$root/app" \
  || echo "not everything in the application is Python $PYTHON"

chmod -R a+rX "$root"
settle "$root"
