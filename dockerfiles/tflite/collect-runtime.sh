#!/bin/bash
# Makes /runtime: the artifacts, and what they need (collect-closure.sh).
#   MULTIARCH, RUNTIME_BASE, RUNTIME_UID, SOURCE_DATE_EPOCH, PYTHON_VERSION
set -euo pipefail

if [[ -n $PYTHON_VERSION ]]; then
  exec bash /common/collect-python.sh
fi

root=/runtime

mkdir -p "$root"/usr/{bin,share/doc} "$root/usr/lib/$MULTIARCH"
cp /out/dist/bin/* "$root/usr/bin/"
cp /out/dist/lib/libtensorflowlite*.so "$root/usr/lib/$MULTIARCH/"
install -D --mode=644 /out/dist/share/licenses/tensorflow "$root/usr/share/doc/tensorflow/copyright"
bash /common/collect-closure.sh "$root"/usr/bin/* "$root/usr/lib/$MULTIARCH"/*.so
