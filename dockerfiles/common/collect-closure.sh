#!/bin/bash
# Completes /runtime, which holds the artifacts: the loader and every shared library that they need, each with its
# package record (var/lib/dpkg/status.d, as scanners expect it of images without a package manager) and its
# licence, CA certificates and a user that is not root.
# With RUNTIME_BASE=debian nothing is added: the distribution has the rest.
#   arguments: the ELF files below /runtime whose libraries are wanted
#   MULTIARCH, RUNTIME_BASE, RUNTIME_UID, SOURCE_DATE_EPOCH
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
# shellcheck source=results.sh
source "$scripts/results.sh"

root=/runtime

if [[ $RUNTIME_BASE == debian ]]; then
  settle "$root"
  exit
fi

bash "$scripts/base-files.sh"

mkdir /tmp/owned  # a list of paths for each package

record() { # PACKAGE PATH
  local name=${1%%:*}
  echo "$2" >> "/tmp/owned/$name"
  [[ -e $root/var/lib/dpkg/status.d/$name ]] && return
  dpkg-query --status "$1" > "$root/var/lib/dpkg/status.d/$name"
  mkdir -p "$root/usr/share/doc/$name"
  cp "/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/"
}

# Libraries that lie beside ours in dist/ are the same files as the distribution's; the image takes them from their
# packages.
mkdir /tmp/closure
cp "$@" /tmp/closure/
closure_of /tmp/closure/* | grep -v '^/tmp/closure/' > /tmp/closure.txt
while read -r library; do
  # One of ours, which lies elsewhere in the image.
  if [[ -e /tmp/closure/${library##*/} ]]; then continue; fi
  real=$(readlink -f "$library")
  case $library in
    */ld-linux*) destination=$library ;;
    *) destination=/usr/lib/$MULTIARCH/${library##*/} ;;
  esac
  package=$(owner_of "$real")
  destination=$(realpath --no-symlinks --canonicalize-missing "$destination")
  install -D --mode=755 "$real" "$root$destination"
  record "$package" "$destination"
done < /tmp/closure.txt
for owned in /tmp/owned/*; do
  if [[ -e $owned ]]; then record_files "$root" "${owned##*/}" < "$owned"; fi
done

settle "$root"
