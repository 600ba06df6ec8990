#!/bin/bash
# shellcheck disable=SC2034  # for install-builder.sh, which sources this
# What compiles the archive.
set -euo pipefail

packages=(gcc libc6-dev)
