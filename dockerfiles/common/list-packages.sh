#!/bin/bash
# Prints what is installed, for the manifest: name, version, architecture, name and version of its source, and room
# for the sha256 of its .deb, which dpkg does not keep.
#   list-packages.sh [--admindir=FOLDER]
set -euo pipefail

dpkg-query "$@" --show \
  --showformat='${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t\n'
