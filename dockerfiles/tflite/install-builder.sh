#!/bin/bash
# Installs the compiler, the build tools and the release's dependencies into the builder image.
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target
#   DEPENDENCIES              NAME=VERSION ... for the target architecture
#   TOOLS                     further packages of the machine that builds
#   HOST_TOOLS                what the build compiles for itself, and so needs a native compiler for
#   /downloads                .deb files, checked by hash before they came here
set -euo pipefail

# shellcheck source=../common/apt.sh
source /common/apt.sh

packages=(
  ca-certificates ccache cmake ninja-build patch pax-utils pkgconf rsync
)
# A flatc on PATH would be taken before one of the version that the source demands:
# https://github.com/tensorflow/tensorflow/pull/98643
if [[ " $HOST_TOOLS " != *" flatc "* ]]; then
  packages+=(flatbuffers-compiler)
fi
compiler=(g++)
suffix=""
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  dpkg --add-architecture "$TARGET_ARCH"
  compiler=("g++-${TRIPLET//_/-}" qemu-user-static)
  suffix=":$TARGET_ARCH"
  # For the image, and for what the emulator runs; the cross compiler brings copies outside of any package path.
  packages+=("libstdc++6:$TARGET_ARCH")
  if [[ -n $HOST_TOOLS ]]; then
    compiler+=(g++)
  fi
fi

pinned=()
for dependency in $DEPENDENCIES; do
  name=${dependency%%=*}
  version=${dependency#*=}
  pinned+=("$name$suffix=$version")
done

mapfile -t downloads < <(find /downloads -name '*.deb')

apt_update
# shellcheck disable=SC2086  # TOOLS are separate words
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" $TOOLS "${compiler[@]}" "${pinned[@]}" "${downloads[@]}"
apt_clean

# What went in, for the manifest: name, version, architecture.
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /etc/tfbuild-packages.tsv
