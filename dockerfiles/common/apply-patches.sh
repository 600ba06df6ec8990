#!/bin/bash
# Applies the planned patches to a source tree, in their order. Each one has to apply whole and to change something;
# what is there has to be what was planned.
#   apply-patches.sh FOLDER TREE
#   FOLDER/series  a patch in a line: FILE in FOLDER, its sha256 and its name for people, with tabs between
set -euo pipefail
folder=$1 tree=$2

fail() {
  echo "error: $*"
  exit 1
}

# Names, modes, links and content of all files, but no times.
state() {
  tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --directory="$tree" . | sha256sum
}

planned=$(wc -l < "$folder/series")
present=$(find "$folder" -mindepth 1 ! -path "$folder/series" -printf x | wc -c)
((present == planned)) || fail "$planned patches were planned, and $present are there"

before=$(state)
applied=0
while IFS=$'\t' read -r file sha256 name; do
  echo "applying $name"
  sha256sum --check --quiet <<< "$sha256  $folder/$file" || fail "the patch $name is not the one that was planned"
  patch --directory="$tree" --strip=1 --forward --batch --no-backup-if-mismatch --input="$folder/$file" ||
    fail "the patch $name does not apply"
  after=$(state)
  [[ $after != "$before" ]] || fail "the patch $name changes nothing"
  before=$after
  applied=$((applied + 1))
done < "$folder/series"
((applied == planned)) || fail "$planned patches were planned, and $applied were applied"
echo "$applied of $planned patches applied"
