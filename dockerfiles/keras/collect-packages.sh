#!/bin/bash
# Adds to /runtime the files of the Debian packages in /target-root, which were extracted and not installed: a C
# library, an interpreter and what it loads. No shell, no package manager.
#   RUNTIME_UID
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh

root=/runtime
status=var/lib/dpkg/status.d

mkdir -p "$root"/{etc/ssl/certs,tmp,usr/{bin,lib,sbin},$status}
chmod 1777 "$root/tmp"
# Debian's merged /usr, which packages up to Debian 12 leave to the installation.
for folder in bin lib sbin; do
  ln -s "usr/$folder" "$root/$folder"
done
if [[ -e /target-root/lib64 || -e /target-root/usr/lib64 ]]; then
  mkdir "$root/usr/lib64"
  ln -s usr/lib64 "$root/lib64"
fi

grep -v '^#' /tfbuild/leave-out-packages > /tmp/unwanted
for files in "/target-root/$status"/*.files; do
  name=$(basename "$files" .files)
  if grep -qxF "$name" /tmp/unwanted; then
    continue
  fi
  cp "/target-root/$status/$name" "$root/$status/$name"
  cat "$files"
done > /tmp/files
# Licences stay, manuals do not. The interpreter's modules are there already, with their bytecode.
grep -vE '^/usr/share/(man|locale|lintian|bash-completion|ca-certificates|bug|info|readline|debconf|perl5?)/' \
  /tmp/files | grep -vE '^/usr/share/doc/.*/[^/]*$' | grep -vE '^/(s?bin|usr/s?bin)/' \
  | grep -vE '^/(usr/lib/python3[^/]*/|etc/(init\.d|cron|logrotate|default|dpkg|apt)|usr/lib/(lsb|systemd)/)' \
  > /tmp/wanted
grep -E '^/usr/share/doc/[^/]*/copyright$' /tmp/files >> /tmp/wanted
grep -E '^/usr/bin/python3\.[0-9]+$' /tmp/files >> /tmp/wanted
# Only what is there: a package's list may name what its installation would have made.
sed 's,^/,,' /tmp/wanted | sort -u | while read -r path; do
  if [[ -e /target-root/$path || -L /target-root/$path ]]; then
    echo "$path"
  fi
done > /tmp/present
tar --create --directory=/target-root --files-from=/tmp/present \
  | tar --extract --directory="$root" --keep-directory-symlink

for files in "/target-root/$status"/*.files; do
  name=$(basename "$files" .files)
  if [[ -e $root/$status/$name ]]; then record_files "$root" "$name" < "$files"; fi
done

cat /target-root/usr/share/ca-certificates/mozilla/*.crt > "$root/etc/ssl/certs/ca-certificates.crt"
write_users "$root/etc" "$RUNTIME_UID" /tmp
