#!/bin/bash
# A worker of the scheduler at URL, with a storage of its own between itself and the scheduler's. It ends, to be started
# again, when the scheduler is not there.
#   worker.sh URL
set -euo pipefail
socket=/tmp/casd.sock
rm -f "$socket"
buildbox-casd --cas-remote="$1" --bind="unix:$socket" --quota-high=20G /var/cas &
until [[ -S $socket ]]; do
  kill -0 $!
  sleep 0.1
done
buildbox-worker --instance= --bots-remote="$1" --cas-remote="unix:$socket" --concurrent-jobs=1 \
  --buildbox-run=/usr/bin/buildbox-run-bubblewrap "$HOSTNAME" &
wait -n
exit 1
