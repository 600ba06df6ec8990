#!/bin/bash
# shellcheck disable=SC2034  # for install-builder.sh, which sources this
# What the smoke probe is compiled with, for the machine that builds.
set -euo pipefail

packages=(g++ libgrpc++-dev libprotobuf-dev openssl pax-utils protobuf-compiler)
