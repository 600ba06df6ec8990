#!/bin/bash
# What went into /out/dist, for the manifest, and times and modes that do not depend on the build.
#   TRIPLET, HOST_TOOLS, SOURCE_DATE_EPOCH
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh

dist=/out/dist

rm -rf /out/host-tools
if [[ -n $HOST_TOOLS ]]; then
  cp -r /tree/host-tools/bin /out/host-tools  # for the models of the smoke test
fi
cp /etc/tfbuild-packages.tsv /out/packages.tsv
{
  "$TRIPLET-g++" --version | head -n 1
  cmake --version | head -n 1
  echo "ninja $(ninja --version)"
  "$TRIPLET-ld" --version | head -n 1
} > /out/tools.txt
chmod -R u=rwX,go=rX "$dist"
settle "$dist"
