#!/bin/bash
# Makes the folder FOLDER, with the static emulator of the target as "qemu" in it where one is needed.
#   copy-emulator.sh FOLDER
#   QEMU   its name, empty where none is needed
set -euo pipefail

mkdir -p "$1"
if [[ -z $QEMU ]]; then
  exit
fi
# Which of the two names it has changed with QEMU 9.1.
for name in "qemu-$QEMU-static" "qemu-$QEMU"; do
  if [[ -e /usr/bin/$name ]]; then
    cp "/usr/bin/$name" "$1/qemu"
    exit
  fi
done
echo "the builder has no emulator qemu-$QEMU" >&2
exit 1
