#!/bin/bash
# Prints what is installed, for the manifest: name, version, architecture, and name and version of its source.
#   list-packages.sh [--admindir=FOLDER]
set -euo pipefail

dpkg-query "$@" --show \
  --showformat='${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n'
