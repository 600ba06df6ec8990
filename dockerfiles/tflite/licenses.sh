#!/bin/bash
# For those who source this: the licences of what is compiled.
#   LITE_FOLDER; /request/dependencies (NAME<TAB>LICENSE_FILE), the sources below /tree
set -euo pipefail

# Copies the licence of the source, and of each source that is linked in statically, to FOLDER.
compiled_licenses() { # FOLDER
  local name license_file license
  if [[ $LITE_FOLDER == tensorflow/lite ]]; then
    cp /tree/source/LICENSE "$1/tensorflow"
  else
    cp /tree/source/LICENSE "$1/litert"
  fi
  while IFS=$'\t' read -r name license_file; do
    [[ -n $license_file ]] || continue
    license=/tree/dependencies/$name/$license_file
    if [[ -d $license ]]; then
      cat "$license"/*.txt > "$1/$name"
    else
      cp "$license" "$1/$name"
    fi
  done < /request/dependencies
}
