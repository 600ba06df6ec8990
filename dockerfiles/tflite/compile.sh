#!/bin/bash
# Configures, compiles and installs. Runs without network, unless a cluster or a cache of others is used.
#   /source       the extracted source, read only
#   /dependencies the extracted locked sources, read only; empty where dependencies are packages
#   /request      CMakePresets.json, dependencies (NAME<TAB>LICENSE_FILE), patches/, dependency-patches/ with
#                 patched-dependencies (NAME) and, where not all operators are wanted, operators (see
#                 select-operators.awk), made from the plan, read only
#   /tree         cache mount of this build: source copy, build tree, logs; survives failure and interruption
#   /out          what becomes part of the image layer
#   /request/remote, /request/recc   what ../common/remote.sh and recc.sh read; only where a cluster or cache is used
#   JOBS, TRIPLET, LITE_FOLDER, VERSION, STRIP, DEBUG_INFO, PYTHON_VERSION, SOURCE_DATE_EPOCH, HOST_TOOLS
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

# shellcheck source=../common/phases.sh
source /common/phases.sh
if [[ -e /request/operators ]]; then
  # take_source reads it
  # shellcheck disable=SC2034
  source_change=$scripts/select-operators.sh
fi
# shellcheck source=../common/remote.sh
source /common/remote.sh

prepare() {
  local name license_file
  take_source
  take_dependencies
  # Of a source without a licence file upstream's CMake would download one: tools/cmake/modules/
  # OverridableFetchContent.cmake. Where this one lies, it does not.
  while IFS=$'\t' read -r name license_file; do
    [[ -n $license_file ]] ||
      echo "The archive of $name holds no licence file." > "/tree/dependencies/$name/${name}_LICENSE.txt"
  done < /request/dependencies
}

# A copy, with the patches that are theirs: upstream's CMake files write into some of them.
take_dependencies() {
  local name patched=() others=()
  mapfile -t patched < /request/patched-dependencies
  for name in "${patched[@]}"; do
    others+=(--exclude "/$name")
  done
  mirror_folder /dependencies /tree/dependencies "${others[@]}"
  ((${#patched[@]})) || return 0
  rm -rf /tree/incoming
  mkdir -p /tree/incoming/dependencies
  for name in "${patched[@]}"; do
    cp -r --preserve=mode "/dependencies/$name" /tree/incoming/dependencies/
  done
  bash /common/apply-patches.sh /request/dependency-patches /tree/incoming
  for name in "${patched[@]}"; do
    mirror_folder "/tree/incoming/dependencies/$name" "/tree/dependencies/$name"
  done
  rm -rf /tree/incoming
}

# No CCACHE_BASEDIR: paths are the same in every build, and relative ones would end up in the objects.
# DEPEND: what a file includes is read from the compiler's own list (-MD), so a miss costs no second preprocessor.
# RESHARE: what only this machine's own ccache has becomes the team's too.
use_ccache() {
  export CCACHE_DIR=/ccache CCACHE_MAXSIZE=5G CCACHE_DEPEND=1
  [[ -z ${remote[ccache]:-} ]] || export CCACHE_REMOTE_STORAGE=${remote[ccache]} CCACHE_RESHARE=1
}

# Programs that run during the build, for the machine that builds, from the same sources as what is built.
host_tools() {
  local tool
  use_ccache
  for tool in $HOST_TOOLS; do
    cmake -S "$scripts/host-tools/$tool" -B "/tree/host-tools/build-$tool" -G Ninja \
      -DDEPENDENCIES=/tree/dependencies -DCMAKE_BUILD_TYPE=Release -DCMAKE_POLICY_VERSION_MINIMUM=3.5 \
      -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
    ninja -C "/tree/host-tools/build-$tool" -j "${JOBS:?}" "$tool"
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

# A cache that is only read has no place to try.
cached_root() {
  if [[ ${remote[upload]} == true ]]; then remote_upload /request || return; fi
  local_root
}

# Whether the cluster is there, and what its workers run actions in.
remote() {
  local digest
  rm -rf /tree/remote
  [[ -e /request/recc ]] || return 0
  mkdir -p /tree/remote/log
  if ! digest=$(if [[ -n ${remote[executor]} ]]; then remote_root; else cached_root; fi); then
    [[ ${remote[fallback]} == local ]] || { echo "tfbuild: the cluster does not answer" && return 1; }
    echo "tfbuild: the cluster does not answer: everything is compiled here"
    return 0
  fi
  echo "root filesystem of the builder: ${remote[property]}=$digest"
  echo "${remote[property]}=$digest" > /tree/remote/property
}

compile() {
  local jobs=$JOBS
  use_ccache
  export CCACHE_STATSLOG=/tree/ccache-asked
  rm -f "$CCACHE_STATSLOG"
  if [[ -e /tree/remote/property ]]; then
    # What is in no cache here goes to the cluster as it is: it preprocesses.
    export CCACHE_PREFIX=/common/recc.sh
    [[ -z ${remote[executor]} ]] || jobs=${remote[jobs]:-$JOBS}
  elif has_room; then
    export CCACHE_PREFIX=/common/roomy-gcc.sh
  fi
  # "[n/m] ..." goes to the terminal too; grep finds none where nothing is to do.
  ninja -C /tree/build -j "$jobs" artifacts 2>&1 |
    tee >(grep --line-buffered '^\[' >&3 || true)
  cp /tree/build/.ninja_log "$log/ninja.log"  # what each file took
  # Nobody was asked where nothing was to be compiled, or without ccache.
  if [[ -e $CCACHE_STATSLOG ]]; then
    awk '/^(direct|preprocessed)_cache_hit$/ { hits++ } /^cache_miss$/ { misses++ }
      END { printf "tfbuild: ccache: %d hits, %d misses\n", hits, misses }' "$CCACHE_STATSLOG"
  fi
  if [[ -e /tree/remote/property ]]; then remote_summary; fi
}

# Two GiB for each job, as the plan has it.
has_room() {
  local available
  available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  ((available / JOBS >= 2 << 20))
}

remote_summary() {
  local hits executed kept here=0 again=0
  touch /tree/remote/log/none  # nothing was to be compiled
  # awk counts none as well, where grep ends with 1.
  hits=$(cat /tree/remote/log/* | awk '/Action Cache hit/ { n++ } END { print n + 0 }')
  executed=$(cat /tree/remote/log/* | awk '/Executing action remotely/ { n++ } END { print n + 0 }')
  if [[ -e /tree/remote/compiled-here ]]; then here=$(wc -l < /tree/remote/compiled-here); fi
  if [[ -e /tree/remote/asked-again ]]; then again=$(wc -l < /tree/remote/asked-again); fi
  kept=$(cat /tree/remote/log/* | awk '/so running locally/ { n++ } END { print n + 0 }')
  echo "tfbuild: remote: $hits cache hits, $executed executed there, $here here after a failure, $kept not for it;" \
    "asked again $again times; $SECONDS s, $(remote_moved)" | tee /dev/fd/3
  cat /tree/remote/log/* > "$log/recc.log"
}

case ${1:-all} in
  all)
    mkdir -p /tree/build
    forget_logs
    phases prepare host_tools configure remote compile install
    cp -r "$log" /out/log
    ;;
  prepare | host_tools | configure | remote | compile) "$1" ;;
  install)
    if [[ -n $PYTHON_VERSION ]]; then
      bash "$scripts/python-wheel.sh"
    else
      bash "$scripts/install.sh"
    fi
    bash "$scripts/finish-install.sh"
    ;;
esac
