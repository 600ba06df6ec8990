#!/bin/bash
# shellcheck disable=SC2034  # for install-builder.sh, which sources this
# What takes the files of an image with an official wheel together. Nothing is compiled.
set -euo pipefail

packages=(binutils ca-certificates python3 rsync)
emulator=true
