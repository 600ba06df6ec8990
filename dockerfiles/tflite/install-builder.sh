#!/bin/bash
# Installs the compiler, the build tools and the release's dependencies into the builder image.
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target
#   DEPENDENCIES              NAME=VERSION ... for the target architecture
#   /downloads                .deb files, checked by hash before they came here
set -euo pipefail

# shellcheck source=../common/apt.sh
source /common/apt.sh

packages=(
  ca-certificates ccache cmake flatbuffers-compiler ninja-build patch pax-utils pkgconf rsync
)
compiler=(g++)
suffix=""
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  dpkg --add-architecture "$TARGET_ARCH"
  compiler=("g++-${TRIPLET//_/-}" qemu-user-static)
  suffix=":$TARGET_ARCH"
fi

pinned=()
for dependency in $DEPENDENCIES; do
  name=${dependency%%=*}
  version=${dependency#*=}
  pinned+=("$name$suffix=$version")
done

mapfile -t downloads < <(find /downloads -name '*.deb')

apt_update
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" "${compiler[@]}" "${pinned[@]}" "${downloads[@]}"
apt_clean

# What went in, for the manifest: name, version, architecture.
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /etc/tfbuild-packages.tsv
