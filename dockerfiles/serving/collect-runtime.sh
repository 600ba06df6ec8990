#!/bin/bash
# Makes /runtime: the server, its entry program and model folder, and what they need (collect-closure.sh).
#   MULTIARCH, RUNTIME_BASE, RUNTIME_UID, SOURCE_DATE_EPOCH
#   /model   a folder with one model (NAME/VERSION/saved_model.pb) that becomes part of the image; may be empty
#   /request  server-args (what the entry program always passes on), batching.conf, monitoring.conf: what there is
set -euo pipefail

root=/runtime

mkdir -p "$root"/usr/{bin,share/doc} "$root/models" "$root/etc/tensorflow-serving"
cp /out/dist/bin/{tensorflow_model_server,tf_serving_entrypoint} "$root/usr/bin/"
# Upstream's name of it, which manifests and compose files give as the command.
ln -s tf_serving_entrypoint "$root/usr/bin/tf_serving_entrypoint.sh"
for license in /out/dist/share/licenses/*; do
  install -D --mode=644 "$license" "$root/usr/share/doc/${license##*/}/copyright"
done
# Where TensorFlow is not linked in.
libraries=()
for library in /out/dist/lib/*.so.*; do
  if [[ -e $library ]]; then
    install -D --mode=755 "$library" "$root/usr/lib/${library##*/}"
    libraries+=("$root/usr/lib/${library##*/}")
  fi
done
# Where the server looks for them, seen from its own folder.
for library in /out/dist/lib/operators/*.so; do
  if [[ -e $library ]]; then
    install -D --mode=755 "$library" "$root/usr/lib/operators/${library##*/}"
    libraries+=("$root/usr/lib/operators/${library##*/}")
  fi
done
cp -r --no-preserve=mode /model/. "$root/models/"
for file in server-args batching.conf monitoring.conf; do
  if [[ -s /request/$file ]]; then install --mode=644 "/request/$file" "$root/etc/tensorflow-serving/$file"; fi
done
chmod -R u=rwX,go=rX "$root/models"
bash /common/collect-closure.sh "$root/usr/bin/tensorflow_model_server" "${libraries[@]}"
