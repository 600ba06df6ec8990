#!/bin/bash
# For scripts that install a model server, to be sourced after results.sh and symbols.sh: install_entry.
#   TRIPLET
set -euo pipefail

# The image's entry program. Static: it needs nothing that an image might not have, and has a part of each of these.
install_entry() { # DIST
  local name=bin/tf_serving_entrypoint archive package
  "$TRIPLET-gcc" -std=gnu11 -O2 -Wall -Wextra -Werror -static \
    "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/tf_serving_entrypoint.c" -o "$1/$name"
  separate_symbols "$1/$name"
  for archive in libc.a libgcc.a; do
    package=$(package_of "$("$TRIPLET-gcc" -print-file-name="$archive")")
    note_content "$name" static "$package"
    cp "/usr/share/doc/$package/copyright" "$1/share/licenses/$package"
  done
}
