#!/bin/bash
# What every image from scratch has in /runtime besides its programs: certificates, the distribution's name, a user
# that is not root, a folder for temporary files, and the links of a merged /usr.
#   RUNTIME_UID
set -euo pipefail
# shellcheck source=results.sh
source "$(dirname "$(readlink -f "$0")")/results.sh"

root=/runtime

mkdir -p "$root"/{etc/ssl/certs,tmp,usr/bin,usr/lib,var/lib/dpkg/status.d}
chmod 1777 "$root/tmp"
# Debian's merged /usr, which the paths inside the libraries expect.
ln -s usr/lib "$root/lib"
ln -s usr/bin "$root/bin"
if [[ -e /lib64 ]]; then
  mkdir "$root/usr/lib64"
  ln -s usr/lib64 "$root/lib64"
fi

cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp /etc/os-release /etc/debian_version "$root/etc/"
for package in ca-certificates base-files; do
  dpkg-query --status "$package" > "$root/var/lib/dpkg/status.d/$package"
  mkdir -p "$root/usr/share/doc/$package"
  cp "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done

write_users "$root/etc" "$RUNTIME_UID" /
