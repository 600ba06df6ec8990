#!/bin/bash
# Prints the revision of the source for the version string, as upstream's script of this name does.
set -euo pipefail
if [[ -d .git ]]; then
  revision=$(git rev-parse --short HEAD)
else
  revision=no_git
fi
echo "BUILD_SCM_REVISION $revision"
