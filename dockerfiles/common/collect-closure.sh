#!/bin/bash
# Completes /runtime, which holds the artifacts: the loader and every shared library that they need, each with its
# package record (var/lib/dpkg/status.d, as scanners expect it of images without a package manager) and its
# licence, CA certificates and a user that is not root.
# With RUNTIME_BASE=debian nothing is added: the distribution has the rest.
#   arguments: the ELF files below /runtime whose libraries are wanted
#   MULTIARCH, RUNTIME_BASE, RUNTIME_UID, SOURCE_DATE_EPOCH
set -euo pipefail

root=/runtime

# No time of the build in the files.
finish() {
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

if [[ $RUNTIME_BASE == debian ]]; then
  finish
  exit
fi

mkdir -p "$root"/{etc/ssl/certs,tmp,usr/bin,usr/lib,var/lib/dpkg/status.d}
chmod 1777 "$root/tmp"
# Debian's merged /usr, which the paths inside the libraries expect.
ln -s usr/lib "$root/lib"
ln -s usr/bin "$root/bin"
if [[ -e /lib64 ]]; then
  mkdir "$root/usr/lib64"
  ln -s usr/lib64 "$root/lib64"
fi

record() { # PACKAGE
  local name=${1%%:*}
  [[ -e $root/var/lib/dpkg/status.d/$name ]] && return
  dpkg-query --status "$1" > "$root/var/lib/dpkg/status.d/$name"
  mkdir -p "$root/usr/share/doc/$name"
  cp "/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/"
}

# lddtree reads ELF headers only, so it works for a foreign architecture too. Libraries that lie beside ours
# in dist/ are the same files as the distribution's; the image takes them from their packages.
mkdir /tmp/closure
cp "$@" /tmp/closure/
lddtree --list --skip-non-elfs /tmp/closure/* | grep -v '^/tmp/closure/' | sort -u > /tmp/closure.txt
while read -r library; do
  real=$(readlink -f "$library")
  case $library in
    */ld-linux*) destination=$library ;;
    *) destination=/usr/lib/$MULTIARCH/${library##*/} ;;
  esac
  # The package of the merged path.
  package=$(dpkg-query --search "$real" | head -n 1 | sed 's/: .*//')
  install -D --mode=755 "$real" "$root$(realpath --no-symlinks --canonicalize-missing "$destination")"
  record "$package"
done < /tmp/closure.txt

cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp /etc/os-release /etc/debian_version "$root/etc/"
record ca-certificates
record base-files

echo "root:x:0:0:root:/root:/sbin/nologin" > "$root/etc/passwd"
echo "nonroot:x:$RUNTIME_UID:$RUNTIME_UID:nonroot:/:/sbin/nologin" >> "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:%s:\n' "$RUNTIME_UID" > "$root/etc/group"

finish
