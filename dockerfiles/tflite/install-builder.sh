#!/bin/bash
# Installs the compiler, the build tools and the release's dependencies into the builder image.
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target
#   DEPENDENCIES              NAME=VERSION ... for the target architecture
#   HOST_TOOLS                what the build compiles for itself, and so needs a native compiler for
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

apt-get "${apt_options[@]}" update
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" "${compiler[@]}" "${pinned[@]}" "${downloads[@]}"

# What went in, for the manifest: name, version, architecture.
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /etc/tfbuild-packages.tsv
