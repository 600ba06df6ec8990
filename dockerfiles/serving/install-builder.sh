#!/bin/bash
# Installs Bazel, the compiler and the release's packages into the builder image.
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target
#   COMPILER                  package of the C++ compiler: g++ or g++-VERSION
#   BAZEL_PACKAGES            NAME[=VERSION] ... of Bazel, where the release takes it from the root's suite; or empty
#   BAZEL_FILE                name in /downloads of Bazel as one program, where the release takes upstream's; or empty
#   BUILD_PACKAGES            NAME[=VERSION] ... for the machine that builds
#   TARGET_PACKAGES           NAME[=VERSION] ... for the target
#   /downloads                files that were checked by hash before they came here
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
# A frozen mirror or snapshot keeps Valid-Until dates that have passed. Signatures are still checked.
apt_options=(-o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
# A mirror behind a private CA: the host's bundle comes as a secret and stays out of the image.
if [[ -s /run/secrets/ca ]]; then
  apt_options+=(-o Acquire::https::CaInfo=/run/secrets/ca)
fi

# git, patch, unzip, zip, Python: programs that upstream's repository rules and version stamping call.
packages=(ca-certificates git patch pax-utils python3 rsync unzip xz-utils zip)
compilers=("$COMPILER")
read -ra build_packages <<< "$BUILD_PACKAGES"
read -ra bazel_packages <<< "$BAZEL_PACKAGES"
suffix=""
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  dpkg --add-architecture "$TARGET_ARCH"
  # Beside the native one, which compiles the tools that run during the build.
  compilers+=("$COMPILER-${TRIPLET//_/-}" qemu-user)
  suffix=":$TARGET_ARCH"
fi
target_packages=()
for package in $TARGET_PACKAGES; do
  name=${package%%=*}
  target_packages+=("$name$suffix${package#"$name"}")
done

# The root has no manual pages; the alternatives of the JDK, which Bazel's package needs, want their folder.
mkdir -p /usr/share/man/man1
apt-get "${apt_options[@]}" update
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" "${compilers[@]}" "${bazel_packages[@]}" "${build_packages[@]}" "${target_packages[@]}"

if [[ -n $BAZEL_FILE ]]; then
  install --mode=755 "/downloads/$BAZEL_FILE" /usr/bin/bazel
fi

# What went in, for the manifest: name, version, architecture.
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /etc/tfbuild-packages.tsv
