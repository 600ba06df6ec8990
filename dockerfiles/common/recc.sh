#!/bin/bash
# Compiler launcher: the cluster compiles, or gives what it has compiled before.
#   /request/recc       environment of recc, made from the plan
#   /request/remote     whether a fallback is wanted
#   /tree/remote        property: NAME=DIGEST of the builder's root filesystem; log: what was compiled here instead
#   JOBS                how many may be compiled here at a time
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

# shellcheck source=remote.sh
source "$scripts/remote.sh"

# The cluster did not answer when the compile began, and nobody minds.
[[ -e /tree/remote/property ]] || exec "$@"

# recc knows no compiler by TRIPLET-g++. Of this machine's own there is a plain name for the same file; with another's
# recc compiles here, and says so.
plain=/usr/bin/${1##*-}
if [[ $(readlink -f "$plain") == "$(readlink -f "$(command -v "$1")")" ]]; then
  set -- "$plain" "${@:2}"
fi

# No more at a time than this machine has room for.
compile_here() { # PROGRAM ARGUMENT...
  echo "$*" >> /tree/remote/compiled-here
  exec flock "/tree/remote/slot-$((RANDOM % JOBS))" "$@"
}

mapfile -t environment < /request/recc
environment+=("RECC_REMOTE_PLATFORM_$(< /tree/remote/property)")
loader=$(echo /remote/usr/lib/*-linux-gnu/ld-linux-*.so.*)
# GCC's driver and clang's: the worker had no memory for it, which is no fault of the source.
killed='Killed signal terminated program|unable to execute command: Killed'
# A worker that died, or a server that begins anew: the cluster is asked again for a while. Where that did not help
# once, nobody waits for it any more.
exec 3>&1
for pause in 1 4 15 0; do
  status=0
  said=$(env "${environment[@]}" "RECC_LOG_DIRECTORY=/tree/remote/log" RECC_LOG_LEVEL=info \
    "$loader" --library-path "${loader%/*}" /remote/usr/bin/recc "$@" 2>&1 >&3) || status=$?
  if [[ -n $said ]]; then echo "$said" >&2; fi
  # Others say that recc has failed, and not the compiler.
  if ((status < 100 || status > 109)); then
    if ((status != 0)) && [[ $said =~ $killed && ${remote[fallback]} == local ]]; then
      echo "tfbuild: killed on its worker, and so compiled here" >&2
      compile_here "$@"
    fi
    exit "$status"
  fi
  if ((pause == 0)) || [[ -e /tree/remote/gone ]]; then break; fi
  echo "tfbuild: the cluster is asked again in $pause s (recc ended with exit code $status)" >&2
  echo "$*" >> /tree/remote/asked-again
  sleep "$pause"
done
touch /tree/remote/gone
if [[ ${remote[fallback]} != local ]]; then
  echo "tfbuild: the cluster did not compile it (recc ended with exit code $status)" >&2
  exit "$status"
fi
compile_here "$@"
