#!/bin/bash
# Compiles Serving's source, links it with the wheel's libraries, looks at the result, installs. Runs without network.
#   /source       Serving's extracted source, read only
#   /tensorflow   what is extracted of TensorFlow's source, read only
#   /further      sources of other projects, and protoc where the suite has another; read only
#   /wheel        the wheel, read only
#   /request      CMakePresets.json, lists and patches/, made from the plan, read only
#   /tree         cache mount of this build: source copy, unpacked wheel, build tree, logs; survives failure
#   /out          what becomes part of the image layer
#   JOBS, TRIPLET, STRIP, DEBUG_INFO, WHEEL_LIBRARIES, SOURCE_DATE_EPOCH
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

# shellcheck source=../../common/phases.sh
source /common/phases.sh

prepare() {
  take_source
  # Only what is compiled against, linked with or installed; a wheel has a hash, so its name says enough.
  local wheel more wanted
  wheel=$(basename /wheel/*.whl)
  local members=('tensorflow/include/*' 'tensorflow/libtensorflow_*.so.*' 'tensorflow/THIRD_PARTY_NOTICES.txt')
  read -ra more <<< "$WHEEL_LIBRARIES"
  wanted="$wheel ${members[*]} ${more[*]}"
  if [[ $(cat /tree/wheel/stamp 2> /dev/null) != "$wanted" ]]; then
    rm -rf /tree/wheel
    mkdir -p /tree/wheel
    unzip -q "/wheel/$wheel" "${members[@]}" "${more[@]}" -d /tree/wheel
    # Not every wheel has TensorFlow's licence among its headers.
    [[ -e /tree/wheel/tensorflow/include/LICENSE ]] ||
      unzip -p "/wheel/$wheel" '*.dist-info/LICENSE' > /tree/wheel/tensorflow/include/LICENSE
    echo "$wanted" > /tree/wheel/stamp
  fi
}

configure() {
  mkdir -p /tree/superproject
  rsync --checksum --recursive --delete "$scripts"/{CMakeLists.txt,exports.map,operators.cc,operators.h.in,without} \
    /request/CMakePresets.json /tree/superproject/
  local fresh=()
  # A variable that the plan no longer sets would live on in CMake's cache.
  if ! cmp --silent /request/CMakePresets.json /tree/build/tfbuild-presets.json; then
    fresh=(--fresh)
  fi
  cmake -S /tree/superproject --preset tfbuild "${fresh[@]}"
  cp /request/CMakePresets.json /tree/build/tfbuild-presets.json
}

compile() {
  # No CCACHE_BASEDIR: paths are the same in every build, and relative ones would end up in the objects.
  # DEPEND: what a file includes is read from the compiler's own list (-MD), so a miss costs no second preprocessor.
  export CCACHE_DIR=/ccache CCACHE_MAXSIZE=5G CCACHE_DEPEND=1
  # "[n/m] ..." goes to the terminal too; grep finds none where nothing is to do.
  ninja -C /tree/build -j "$JOBS" tensorflow_model_server 2>&1 |
    tee >(grep --line-buffered '^\[' >&3 || true)
}

case ${1:-all} in
  all)
    mkdir -p /tree/build
    forget_logs
    phases prepare isolate configure compile gate install
    cp -r "$log" /out/log
    ;;
  prepare | configure | compile) "$1" ;;
  isolate | gate | install) bash "$scripts/$1.sh" ;;
  *)
    echo "usage: compile.sh" >&2
    exit 2
    ;;
esac
