#!/bin/bash
# Prints what is installed, for the manifest: name, version, architecture.
#   list-packages.sh [--admindir=FOLDER]
set -euo pipefail

dpkg-query "$@" --show --showformat='${Package}\t${Version}\t${Architecture}\n'
