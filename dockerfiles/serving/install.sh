#!/bin/bash
# Lays out /out: dist/ (what the product consists of), smoke/ (what the probe is made from), symbols/ (with names,
# for the verification), tools.txt, packages.tsv.
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh
# shellcheck source=../common/symbols.sh
source /common/symbols.sh

dist=/out/dist
rm -rf /out
mkdir -p "$dist"/{bin,share/licenses} /out/smoke/protos

# --- the server --------------------------------------------------------------------------------------------
server=$dist/bin/tensorflow_model_server
install --mode=755 "/tree/bazel-bin/$BINARY" "$server"

# The linker was told -rdynamic: the symbols that op registration needs are dynamic ones, which stay.
separate_symbols "$server"
cp /tree/source/LICENSE "$dist/share/licenses/tensorflow-serving"

# --- for the smoke test ------------------------------------------------------------------------------------
# The messages of a prediction and nothing else of TensorFlow; protoc finds out whether that is all.
tensorflow=/tree/output-base/external/org_tensorflow
for proto in /tree/source/tensorflow_serving/apis/{model,predict}.proto; do
  install -D --mode=644 "$proto" "/out/smoke/protos/${proto#/tree/source/}"
done
for proto in "$tensorflow"/tensorflow/core/framework/{tensor,tensor_shape,types,resource_handle}.proto; do
  [[ -e $proto ]] || continue
  install -D --mode=644 "$proto" "/out/smoke/protos/${proto#"$tensorflow"/}"
done
cp -r /tree/source/tensorflow_serving/servables/tensorflow/testdata/saved_model_half_plus_two_cpu \
  /out/smoke/half_plus_two

# --- what it was made with ---------------------------------------------------------------------------------
cp /etc/tfbuild-packages.tsv /out/packages.tsv
{
  # Debian's says "development version" of itself.
  echo "bazel $(tail -n 1 /tree/log/check.log | sed 's/^release //')" \
    "$(dpkg-query --show --showformat='${Package} ${Version}' bazel-bootstrap 2> /dev/null || true)"
  "$TRIPLET-gcc" --version | head -n 1
  "$TRIPLET-ld" --version | head -n 1
} > /out/tools.txt
chmod -R u=rwX,go=rX /out
settle "$dist"
