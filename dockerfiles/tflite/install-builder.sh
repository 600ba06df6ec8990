#!/bin/bash
# Installs the compiler, the build tools and the release's dependencies into the builder image.
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target
#   DEPENDENCIES              NAME=VERSION ... for the target architecture
#   TOOLS                     further packages of the machine that builds
#   /downloads                .deb files, checked by hash before they came here
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
# A frozen mirror or snapshot keeps Valid-Until dates that have passed. Signatures are still checked, and the
# versions of everything that gets linked are pinned by the release.
apt_options=(-o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
# A mirror behind a private CA: the host's bundle comes as a secret and stays out of the image.
if [[ -s /run/secrets/ca ]]; then
  apt_options+=(-o Acquire::https::CaInfo=/run/secrets/ca)
fi

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

apt-get "${apt_options[@]}" update
# shellcheck disable=SC2086  # TOOLS are separate words
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" $TOOLS "${compiler[@]}" "${pinned[@]}" "${downloads[@]}"

# What went in, for the manifest: name, version, architecture.
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /etc/tfbuild-packages.tsv
