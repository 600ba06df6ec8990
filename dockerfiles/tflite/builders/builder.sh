#!/bin/bash
# shellcheck disable=SC2034  # for install-builder.sh, which sources this
# The compiler and the tools that TFLite is built with. The plan adds the release's dependencies.
set -euo pipefail

packages=(ca-certificates ccache cmake ninja-build patch pax-utils pkgconf rsync)
emulator=true
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  packages+=("g++-${TRIPLET//_/-}")
  # For the image, and for what the emulator runs; the cross compiler brings copies outside of any package path.
  target=(libstdc++6)
else
  packages+=(g++)
fi
