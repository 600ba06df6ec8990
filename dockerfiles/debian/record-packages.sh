#!/bin/sh
# Hook of mmdebstrap for a root whose packages are unpacked but not installed, so that dpkg knows nothing of them:
# writes what it would have written, a record and a list of files for each.
#   $1   the root filesystem, with the packages still in apt's cache
set -eu

info="$1/var/lib/dpkg/info"
records="$1/var/lib/dpkg/status.d"
mkdir -p "$info" "$records"
for deb in "$1"/var/cache/apt/archives/*.deb; do
  name=$(dpkg-deb --field "$deb" Package)
  {
    echo "Package: $name"
    echo "Status: install ok installed"
    dpkg-deb --field "$deb" | sed '/^Package: /d'
  } > "$records/$name"
  dpkg-deb --fsys-tarfile "$deb" | tar --list | sed 's,^\.,,; s,/$,,' > "$info/$name.list"
done
