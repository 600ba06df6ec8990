#!/bin/bash
# Installs what the smoke probe is compiled with, for the machine that builds.
set -euo pipefail

# shellcheck source=../common/apt.sh
source /common/apt.sh
apt_update
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  g++ libgrpc++-dev libprotobuf-dev pax-utils protobuf-compiler
apt_clean
