#!/bin/bash
# Installs the packages of a builder, and programs that are no packages.
#   STAGE                     name of the builder: /builders/STAGE.sh lists its packages
#   BUILD_ARCH, TARGET_ARCH   Debian architecture names
#   TRIPLET                   GNU triplet of the target, for that list
#   BUILD_PACKAGES            further ones, NAME[=VERSION] ... for the machine that builds
#   TARGET_PACKAGES           further ones, NAME[=VERSION] ... for the target
#   PROGRAMS                  NAME=FILE ...: files of /downloads that become /usr/bin/NAME; of a wheel, what lies in
#                             its NAME/data becomes /usr/local
#   /downloads                .deb files and programs, checked by hash before they came here
#   /etc/tfbuild-packages.tsv what went in, for the manifest
set -euo pipefail

# shellcheck source=apt.sh
source /common/apt.sh

# What the list fills: packages of the machine that builds, packages of the target, and whether the emulator of
# another architecture is wanted.
packages=() target=() emulator=false
# shellcheck source=/dev/null
source "/builders/$STAGE.sh"

read -ra more <<< "$BUILD_PACKAGES"
packages+=("${more[@]}")
read -ra more <<< "$TARGET_PACKAGES"
target+=("${more[@]}")
mapfile -t downloads < <(find /downloads -name '*.deb')
[[ $PROGRAMS != *.whl* ]] || packages+=(unzip)

if [[ $TARGET_ARCH != "$BUILD_ARCH" && ${#target[@]} != 0 ]]; then
  dpkg --add-architecture "$TARGET_ARCH"
  for index in "${!target[@]}"; do
    name=${target[index]%%=*}
    target[index]=$name:$TARGET_ARCH${target[index]#"$name"}
  done
fi

# The root has no manual pages; the alternatives of the JDK, which Bazel's package needs, want their folder.
mkdir -p /usr/share/man/man1
apt_update
if [[ $TARGET_ARCH != "$BUILD_ARCH" && $emulator == true ]]; then
  # Static emulators have been in qemu-user since QEMU 9.1; the package that they had before brings their old names,
  # as qemu-aarch64-static. No pipe to "grep -q": it ends apt-cache early, which then counts as failed.
  if [[ $(apt-cache show qemu-user-static 2> /dev/null) == Package:* ]]; then
    packages+=(qemu-user-static)
  else
    packages+=(qemu-user)
  fi
fi
apt-get "${apt_options[@]}" install --yes --no-install-recommends \
  "${packages[@]}" "${target[@]}" "${downloads[@]}"
bash /common/list-packages.sh > /tmp/installed
cut -f 1,3 --output-delimiter=: /tmp/installed | xargs apt-cache show > /tmp/available
awk -f /common/package-hashes.awk /tmp/available /tmp/installed > /etc/tfbuild-packages.tsv
rm /tmp/available /tmp/installed
apt_clean

for program in $PROGRAMS; do
  name=${program%%=*} file=/downloads/${program#*=}
  if [[ $file == *.whl ]]; then
    unzip -q "$file" "$name/data/*" -d /tmp/wheel
    cp -r "/tmp/wheel/$name/data/." /usr/local/
    rm -r /tmp/wheel
  else
    install --mode=755 "$file" "/usr/bin/$name"
  fi
done
