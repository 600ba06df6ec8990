#!/bin/bash
# What a compile script is to phases.sh, with one phase that goes well and one that fails.
#   FOLDER   for the logs
set -euo pipefail
# shellcheck source=../../../dockerfiles/common/phases.sh
source "$(dirname "$(readlink -f "$0")")/../../../dockerfiles/common/phases.sh"

log=$FOLDER/log
# shellcheck disable=SC2034  # for phases.sh
error_start='^(\([0-9]+\) )?ERROR: '

failed() { # PHASE STATUS
  echo "told: $1 ended with $2" >&3
}

ended() {
  touch "$FOLDER/ended"
}

good() {
  echo progress >&3
  echo "in the log"
}

bad() {
  seq -f "flood %g" 100
  echo "(7) ERROR: this is why"
  echo "warning: not this"
  false
  echo "never reached"
}

case $1 in
  all)
    shift
    forget_logs
    phases "$@"
    ;;
  good | bad) "$1" ;;
esac
