#!/bin/bash
# Makes /tree/archives: static libraries whose copy of a namespace gets another name. Serving takes that namespace from
# the wheel, the archives bring their own version of it, and some names are those of both: the linker would take a part
# from here and a part from there.
#   TRIPLET, MULTIARCH
#   /request/isolated   a namespace in a line, and the archives that define or use it
set -euo pipefail

archives=/tree/archives
rm -rf "$archives"
mkdir -p "$archives"
while read -r -a words; do
  namespace=${words[0]}
  # As C++ has it in names of the linker: its length and itself.
  before=${#namespace}$namespace
  after=${#namespace}${namespace^^}
  for archive in "${words[@]:1}"; do
    from=$archives/$archive
    if [[ ! -e $from ]]; then from=/usr/lib/$MULTIARCH/$archive; fi
    "$TRIPLET-nm" --format=posix "$from" | cut -d ' ' -f 1 | grep --fixed-strings "$before" | sort -u > /tmp/names
    sed "s/$before/$after/g" /tmp/names | paste -d ' ' /tmp/names - > /tmp/renames
    "$TRIPLET-objcopy" --redefine-syms=/tmp/renames "$from" "$archives/$archive.new"
    mv "$archives/$archive.new" "$archives/$archive"
    echo "$(wc -l < /tmp/names) names of $namespace in $archive"
  done
done < /request/isolated
