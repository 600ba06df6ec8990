#!/bin/bash
# Configures, compiles and installs. Runs without network.
#   /source       the extracted source, read only
#   /dependencies the extracted locked sources, read only; empty where dependencies are packages
#   /request      CMakePresets.json, dependencies (NAME<TAB>LICENSE_FILE), patches/ and, where not all operators are
#                 wanted, operators (see select-operators.awk), made from the plan, read only
#   /tree         cache mount of this build: source copy, build tree, logs; survives failure and interruption
#   /out          what becomes part of the image layer
#   JOBS, TRIPLET, LITE_FOLDER, VERSION, STRIP, DEBUG_INFO, PYTHON_VERSION, SOURCE_DATE_EPOCH, HOST_TOOLS
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

# shellcheck source=../common/phases.sh
source /common/phases.sh

prepare() {
  local name license_file
  if [[ -e /request/operators ]]; then
    take_source "$scripts/select-operators.sh"
  else
    take_source
  fi
  # A copy: upstream's CMake files write into some of them.
  mirror_folder /dependencies /tree/dependencies
  # Of a source without a licence file upstream's CMake would download one: tools/cmake/modules/
  # OverridableFetchContent.cmake. Where this one lies, it does not.
  while IFS=$'\t' read -r name license_file; do
    [[ -n $license_file ]] ||
      echo "The archive of $name holds no licence file." > "/tree/dependencies/$name/${name}_LICENSE.txt"
  done < /request/dependencies
}

# Programs that run during the build, for the machine that builds, from the same sources as what is built.
host_tools() {
  local tool
  for tool in $HOST_TOOLS; do
    cmake -S "$scripts/host-tools/$tool" -B "/tree/host-tools/build-$tool" -G Ninja \
      -DDEPENDENCIES=/tree/dependencies -DCMAKE_BUILD_TYPE=Release -DCMAKE_POLICY_VERSION_MINIMUM=3.5 \
      -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
    CCACHE_DIR=/ccache ninja -C "/tree/host-tools/build-$tool" -j "$JOBS" "$tool"
    install -D "/tree/host-tools/build-$tool/bin/$tool" "/tree/host-tools/bin/$tool"
  done
}

configure() {
  mkdir -p /tree/superproject
  rsync --recursive --checksum --delete "$scripts/superproject/" /tree/superproject/
  cp /request/CMakePresets.json /tree/superproject/CMakePresets.json
  local fresh=()
  # A variable that the plan no longer sets would live on in CMake's cache.
  if ! cmp --silent /request/CMakePresets.json /tree/build/tfbuild-presets.json ||
    [[ ! -e /tree/build/tfbuild-unused-entries ]]; then
    fresh=(--fresh)
  fi
  cmake -S /tree/superproject --preset tfbuild "${fresh[@]}" 2>&1 | tee /tree/configure-output
  # There is no network; but a source that is not handed over would only be noticed by what fails later.
  if grep --extended-regexp 'Cloning into|Downloading |downloading https?:|Performing (download|git)' \
    /tree/configure-output; then
    echo "the configure step wants to download what stands above: the lock does not cover it" >&2
    exit 1
  fi
  # CMake tells of them only when it sees an entry for the first time.
  if ((${#fresh[@]} > 0)); then
    sed -n '/Manually-specified variables were not used by the project:/,/^[^ ]/s/^    //p' \
      /tree/configure-output > /tree/build/tfbuild-unused-entries
  fi
  cp /tree/build/tfbuild-unused-entries "$log/unused-cmake-entries"
  cp /request/CMakePresets.json /tree/build/tfbuild-presets.json
}

compile() {
  # No CCACHE_BASEDIR: paths are the same in every build, and relative ones would end up in the objects.
  # DEPEND: what a file includes is read from the compiler's own list (-MD), so a miss costs no second preprocessor.
  export CCACHE_DIR=/ccache CCACHE_MAXSIZE=5G CCACHE_DEPEND=1
  # "[n/m] ..." goes to the terminal too; grep finds none where nothing is to do.
  ninja -C /tree/build -j "$JOBS" artifacts 2>&1 |
    tee >(grep --line-buffered '^\[' >&3 || true)
}

case ${1:-all} in
  all)
    mkdir -p /tree/build
    forget_logs
    phases prepare host_tools configure compile install
    cp -r "$log" /out/log
    ;;
  prepare | host_tools | configure | compile) "$1" ;;
  install)
    if [[ -n $PYTHON_VERSION ]]; then
      bash "$scripts/python-wheel.sh"
    else
      bash "$scripts/install.sh"
    fi
    bash "$scripts/finish-install.sh"
    ;;
esac
