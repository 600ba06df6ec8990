#!/bin/bash
# Installs Bazel, the compiler and the release's packages into the builder image.
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target
#   BAZEL_FILE                name in /downloads of Bazel as one program; empty where it is among BUILD_PACKAGES
#   BUILD_PACKAGES            NAME[=VERSION] ... for the machine that builds: compilers and tools
#   TARGET_PACKAGES           NAME[=VERSION] ... for the target
#   /downloads                files that were checked by hash before they came here
set -euo pipefail

# shellcheck source=../common/apt.sh
source /common/apt.sh

# git, patch, unzip, zip, Python: programs that upstream's repository rules and version stamping call.
# gcc compiles the entry program, whatever compiles the server.
packages=(bzip2 ca-certificates gcc git libc6-dev patch pax-utils python3 rsync unzip xz-utils zip)
read -ra native <<< "$BUILD_PACKAGES"
suffix=""
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  dpkg --add-architecture "$TARGET_ARCH"
  suffix=":$TARGET_ARCH"
fi
foreign=()
for package in $TARGET_PACKAGES; do
  name=${package%%=*}
  foreign+=("$name$suffix${package#"$name"}")
done

# The root has no manual pages; the alternatives of the JDK, which Bazel's package needs, want their folder.
mkdir -p /usr/share/man/man1
apt_update
if [[ $TARGET_ARCH != "$BUILD_ARCH" ]]; then
  packages+=("gcc-${TRIPLET//_/-}" "libc6-dev-$TARGET_ARCH-cross")
  # Static emulators: since QEMU 9.1 in qemu-user, before in a package of their own.
  if apt-cache show qemu-user-static 2> /dev/null | grep -q '^Package:'; then
    packages+=(qemu-user-static)
  else
    packages+=(qemu-user)
  fi
fi
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" "${native[@]}" "${foreign[@]}"

if [[ -n $BAZEL_FILE ]]; then
  install --mode=755 "/downloads/$BAZEL_FILE" /usr/bin/bazel
fi
apt_clean

# What went in, for the manifest: name, version, architecture.
dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /etc/tfbuild-packages.tsv
