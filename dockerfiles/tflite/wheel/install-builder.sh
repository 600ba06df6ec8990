#!/bin/bash
# Installs what takes the files of an image together.
#   QEMU      emulator of the target, empty where none is needed
#   /report   packages.tsv and tools.txt, for the manifest
set -euo pipefail

# shellcheck source=../../common/apt.sh
source /common/apt.sh

packages=(binutils ca-certificates python3 rsync)
if [[ -n $QEMU ]]; then
  packages+=(qemu-user-static)
fi

apt_update
apt-get "${apt_options[@]}" install --yes --no-install-recommends "${packages[@]}"
apt_clean

mkdir /report
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /report/packages.tsv
python3 --version > /report/tools.txt
