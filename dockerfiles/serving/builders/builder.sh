#!/bin/bash
# shellcheck disable=SC2034  # for install-builder.sh, which sources this
# What Bazel needs around it. The plan adds Bazel, the compiler and the release's packages.
set -euo pipefail

# git, patch, unzip, zip, Python: programs that upstream's repository rules and version stamping call.
# gcc compiles the entry program, whatever compiles the server.
packages=(bzip2 ca-certificates gcc git libc6-dev patch pax-utils python3 rsync unzip xz-utils zip)
emulator=true
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  packages+=("gcc-${TRIPLET//_/-}" "libc6-dev-$TARGET_ARCH-cross")
fi
