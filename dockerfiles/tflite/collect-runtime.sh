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
for library in /out/dist/lib/lib{tensorflowlite,tensorflowlite_c,LiteRt}.so; do
  [[ ! -e $library ]] || cp "$library" "$root/usr/lib/$MULTIARCH/"
done
# Of TensorFlow and of what is linked in statically; packages bring their own.
for license in /out/dist/share/licenses/*; do
  name=${license##*/}
  [[ -e /usr/share/doc/$name/copyright ]] ||
    install -D --mode=644 "$license" "$root/usr/share/doc/$name/copyright"
done
bash /common/collect-closure.sh "$root"/usr/bin/* "$root/usr/lib/$MULTIARCH"/*.so
