#!/bin/bash
# Installs what the smoke probe is compiled with, for the machine that builds.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
apt_options=(-o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
if [[ -s /run/secrets/ca ]]; then
  apt_options+=(-o Acquire::https::CaInfo=/run/secrets/ca)
fi
apt-get "${apt_options[@]}" update
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  g++ libgrpc++-dev libprotobuf-dev pax-utils protobuf-compiler
