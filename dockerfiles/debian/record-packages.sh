#!/bin/sh
# A hook of mmdebstrap, after the packages were extracted and before they are deleted: keeps what a package
# manager would know of them. Scanners read var/lib/dpkg/status.d of images without a package manager.
#   $1  the root filesystem
set -eu

mkdir -p "$1/var/lib/dpkg/status.d"
for deb in "$1"/var/cache/apt/archives/*.deb; do
  name=$(dpkg-deb --field "$deb" Package)
  record="$1/var/lib/dpkg/status.d/$name"
  { dpkg-deb --field "$deb"; echo "Status: install ok installed"; } > "$record"
  # Paths with a slash at their start, without folders.
  dpkg-deb --fsys-tarfile "$deb" | tar -t | sed -n 's,^\./\(.*[^/]\)$,/\1,p' > "$record.files"
done
