#!/bin/bash
# Configures, compiles and installs. Runs without network.
#   /source       the extracted source, read only
#   /request      CMakePresets.json and patches/, made from the plan, read only
#   /work         cache mount of this build: source copy, build tree, logs; survives failure and interruption
#   /out          what becomes part of the image layer
#   JOBS, TARGET_ARCH, TRIPLET, VERSION, STRIP, DEBUG_INFO, CCACHE
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

log=/work/log
mkdir -p "$log" /work/build
rm -f "$log"/*
# The complete log is a file: BuildKit clips what a step prints at 2 MiB. Only progress goes to stdout.
exec 3>&1
trap 'echo $? > "$log/exit-code"' EXIT

step() { # NAME COMMAND...
  local name=$1
  shift
  echo "tfbuild: $name" >&3
  local status=0
  "$@" > "$log/$name.log" 2>&1 || status=$?
  if ((status != 0)); then
    echo "tfbuild: $name failed with exit code $status" >&3
    tail -n 40 "$log/$name.log" >&3
    return "$status"
  fi
}

# By content, not by time: an unchanged file keeps its time and so its object; a changed or a reverted one
# becomes new.
prepare() {
  local tree=/source patches=(/request/patches/*.patch)
  if [[ -e ${patches[0]} ]]; then
    tree=/work/incoming
    rm -rf "$tree"
    cp -r --preserve=mode /source "$tree"
    local patch
    for patch in "${patches[@]}"; do
      echo "applying ${patch##*/}"
      patch --directory="$tree" --strip=1 --forward --batch --no-backup-if-mismatch --input="$patch"
    done
  fi
  mkdir -p /work/source
  rsync --recursive --links --perms --checksum --delete "$tree/" /work/source/
  rm -rf /work/incoming
}

configure() {
  mkdir -p /work/superproject
  rsync --recursive --checksum --delete "$scripts/superproject/" /work/superproject/
  cp /request/CMakePresets.json /work/superproject/CMakePresets.json
  local fresh=()
  # A variable that the plan no longer sets would live on in CMake's cache.
  if ! cmp --silent /request/CMakePresets.json /work/build/tfbuild-presets.json; then
    fresh=(--fresh)
  fi
  cmake -S /work/superproject --preset tfbuild "${fresh[@]}"
  cp /request/CMakePresets.json /work/build/tfbuild-presets.json
}

compile() {
  local status=0
  export CCACHE_DIR=/ccache CCACHE_MAXSIZE=5G CCACHE_BASEDIR=/work CCACHE_NOHASHDIR=1
  # Only "[n/m] ..." reaches the terminal; the log gets everything.
  ninja -C /work/build -j "$JOBS" artifacts 2>&1 | tee "$log/compile.log" |
    { grep --line-buffered '^\[' || [[ $? == 1 ]]; } >&3 || status=$?
  if ((status != 0)); then
    # From the first failed edge on, without the flood of warnings before it.
    sed -n '/^FAILED: /,$p' "$log/compile.log" | grep --extended-regexp --invert-match 'warning:|note:' |
      head -n 40 | cut -c -500 >&3
  fi
  return "$status"
}

step prepare prepare
step configure configure
echo "tfbuild: compile" >&3
compile
step install bash "$scripts/install.sh"
cp -r "$log" /out/log
