#!/bin/bash
# Drives Bazel: "fetch-all" with network, "compile-all" without.
#   /source            the extracted source, read only
#   /request           made from the plan, read only; lines are arguments:
#                      bazel-startup, bazel-args, bazel-targets (the first one is the server), overrides (NAME=PATH),
#                      patches/
#   /overrides, /toolchains   what the lines of /request point to
#   /archives          while fetching: files that need not be downloaded again, found by their hash
#   /work              cache mount of this build: source copy, output base, logs; survives failure and interruption
#   /repository-cache, /disk-cache        cache mounts that all builds share
#   /out               what becomes part of the image layer
#   JOBS, and for compile-all TRIPLET, VERSION, STRIP, DEBUG_INFO, SOURCE_DATE_EPOCH
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

log=/work/log

lines() { # FILE
  if [[ -e /request/$1 ]]; then grep -v '^$' "/request/$1" || true; fi
}

mapfile -t startup < <(lines bazel-startup)
mapfile -t arguments < <(lines bazel-args)
mapfile -t targets < <(lines bazel-targets)
while read -r override; do
  arguments+=("--override_repository=$override")
done < <(lines overrides)

# Batch: nothing of Bazel may outlive the step. No rc files but the workspace's own: the plan says it all.
bazel() { # COMMAND ARGUMENT...
  local command=$1
  shift
  (
    cd /work/source
    exec /usr/bin/bazel --batch --nosystem_rc --nohome_rc --output_user_root=/work/user-root \
      --output_base=/work/output-base "${startup[@]}" "$command" \
      --repository_cache=/repository-cache --symlink_prefix=/work/bazel- --color=no --curses=no \
      --show_progress_rate_limit=1 "${arguments[@]}" "$@"
  )
}

# By content, not by time: an unchanged file keeps its time, and Bazel need not even hash it again.
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

# "info" reads the release's .bazelrc and takes every flag of "build", and loads nothing: a wrong flag or
# configuration is told within seconds.
check() {
  bazel info release
}

# Loading and analysis of the targets need every repository that the build needs, and nothing that it does not.
# Pipes to an inner tee keep the progress visible.
fetch() {
  bazel build --nobuild --distdir=/archives --jobs="$JOBS" -- "${targets[@]}" 2>&1 | progress
}

compile() {
  bazel build --disk_cache=/disk-cache --jobs="$JOBS" --profile="$log/profile.gz" \
    --generate_json_trace_profile -- "${targets[@]}" 2>&1 | progress
}

# Bazel's "[n / m] ..." and its downloads go to the terminal too; grep finds none where nothing is to do.
progress() {
  tee >(grep --line-buffered --extended-regexp '^(\[|Fetching|Analyzing)' >&3 || true)
}

# What Bazel really ran, for whoever asks whether a flag arrived.
actions() {
  bazel aquery --output=text "mnemonic('CppCompile|CppLink', ${targets[0]})"
}

explain() { # EXIT-CODE; https://bazel.build/run/scripts#exit-codes
  case $1 in
    33) echo "tfbuild: Bazel ran out of memory" ;;
    36) echo "tfbuild: a local fault of this machine stopped Bazel" ;;
    37) echo "tfbuild: Bazel itself failed" ;;
    39) echo "tfbuild: the remote cache lost what Bazel needed" ;;
  esac
}

# Each phase is a bash of its own: inside "phase || ..." errexit would be off, and a failed patch would pass.
run() { # PHASE
  local status=0
  echo "tfbuild: $1" >&3
  bash "$scripts/compile.sh" "$1" > "$log/$1.log" 2>&1 || status=$?
  if ((status != 0)); then
    echo "tfbuild: $1 failed with exit code $status" >&3
    explain "$status" >&3
    # From the first error on, without the flood of warnings before it.
    { sed -n '/^ERROR: /,$p' "$log/$1.log" | grep --extended-regexp --invert-match 'warning:|note:' |
      head -n 40 || true; tail -n 20 "$log/$1.log"; } | cut -c -500 >&3
    # JVM errors are in a file of their own.
    if [[ -e /work/output-base/java.log ]]; then cp -L /work/output-base/java.log "$log/bazel-java.log"; fi
    exit "$status"
  fi
}

# The complete logs are files: BuildKit clips what a step prints at 2 MiB. Only progress goes to descriptor 3.
phases() { # PHASE...
  exec 3>&1
  trap 'echo $? > "$log/exit-code"' EXIT
  local phase
  for phase; do
    run "$phase"
  done
}

case ${1:-} in
  fetch-all)
    mkdir -p "$log"
    rm -f "$log"/*
    phases prepare check fetch
    ;;
  compile-all)
    mkdir -p "$log"
    phases compile install
    cp -r "$log" /out/log
    ;;
  prepare | check | fetch | compile | actions) "$1" ;;
  install) bash "$scripts/install.sh" ;;
  *)
    echo "usage: compile.sh fetch-all | compile-all" >&2
    exit 2
    ;;
esac
