#!/bin/bash
# Installs what takes the files of an image together.
#   QEMU      emulator of the target, empty where none is needed
#   /report   packages.tsv and tools.txt, for the manifest
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
# As in ../tflite/install-builder.sh: a frozen mirror or snapshot keeps Valid-Until dates that have passed.
apt_options=(-o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
if [[ -s /run/secrets/ca ]]; then
  apt_options+=(-o Acquire::https::CaInfo=/run/secrets/ca)
fi
packages=(binutils ca-certificates python3 rsync)
if [[ -n $QEMU ]]; then
  packages+=(qemu-user-static)
fi

apt-get "${apt_options[@]}" update
apt-get "${apt_options[@]}" install --yes --no-install-recommends "${packages[@]}"

mkdir /report
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /report/packages.tsv
python3 --version > /report/tools.txt
