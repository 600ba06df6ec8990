#!/bin/bash
# For scripts that compile in phases, to be sourced: phases, take_source. Each phase is a command of the script:
# "SCRIPT PHASE" carries out one.
#   /tree    cache mount of the build: source copy, build tree, logs; survives failure and interruption
#   /source, /request/patches, /common   only for take_source
#   What the script may set after it has sourced this:
#   error_start      where the first error of a log begins, as a regular expression
#   failed PHASE STATUS   what else to do where a phase fails
#   source_change    a program that changes the source further: source_change TREE
#   ended            what else to do at the end, whatever it is
set -euo pipefail

log=/tree/log
error_start='^FAILED: '
source_change=

failed() { :; }
ended() { :; }

# Each phase is a bash of its own: inside "phase || ..." errexit would be off, and a failed patch would pass.
run_phase() { # PHASE
  local status=0
  echo "tfbuild: $1" >&3
  bash "$(readlink -f "$0")" "$1" > "$log/$1.log" 2>&1 || status=$?
  if ((status != 0)); then
    echo "$1" > "$log/failed"
    echo "tfbuild: $1 failed with exit code $status" >&3
    failed "$1" "$status"
    # From the first error on, without the flood of warnings before it.
    { sed -E -n "/$error_start/,\$p" "$log/$1.log" | grep --extended-regexp --invert-match 'warning:|note:' |
      head -n 40 || true; tail -n 20 "$log/$1.log"; } | cut -c -500 >&3
    exit "$status"
  fi
}

# The complete logs are files: BuildKit clips what a step prints at 2 MiB. Only progress goes to descriptor 3.
phases() { # PHASE...
  mkdir -p "$log"
  exec 3>&1
  trap 'echo $? > "$log/exit-code"; ended' EXIT
  local phase
  for phase; do
    run_phase "$phase"
  done
}

# Before the phases of a command that begins anew.
forget_logs() {
  rm -rf "$log"
}

# Makes /tree/source: the source with its patches, and with what source_change does to a copy. By content, not by time:
# an unchanged file keeps its time and so what was made of it; a changed or a reverted one becomes new.
take_source() {
  local tree=/source patches
  # Written from the plan in any case: without it nobody knows how many there are.
  patches=$(wc -l < /request/patches/series)
  if ((patches != 0)) || [[ -n $source_change ]]; then
    tree=/tree/incoming
    rm -rf "$tree"
    cp -r --preserve=mode /source "$tree"
    if ((patches != 0)); then
      bash /common/apply-patches.sh /request/patches "$tree"
    fi
    if [[ -n $source_change ]]; then
      bash "$source_change" "$tree"
    fi
  fi
  mirror_folder "$tree" /tree/source
  rm -rf /tree/incoming
}

mirror_folder() { # FROM TO [OPTION OF RSYNC...]
  mkdir -p "$2"
  rsync --recursive --links --perms --checksum --delete "${@:3}" "$1/" "$2/"
}
