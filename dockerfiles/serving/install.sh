#!/bin/bash
# Lays out /out: dist/ (what the product consists of), smoke/ (upstream's test model), symbols/ (with names,
# for the verification), tools.txt, packages.tsv.
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh
# shellcheck source=../common/symbols.sh
source /common/symbols.sh
scripts=$(dirname "$(readlink -f "$0")")
# shellcheck source=entry/install.sh
source "$scripts/entry/install.sh"

dist=/out/dist
rm -rf /out
mkdir -p "$dist"/{bin,share/licenses} /out/smoke

# --- the server --------------------------------------------------------------------------------------------
server=$dist/bin/tensorflow_model_server
install --mode=755 "/tree/bazel-bin/$BINARY" "$server"

# The linker was told -rdynamic: the symbols that op registration needs are dynamic ones, which stay.
separate_symbols "$server"
cp /tree/source/LICENSE "$dist/share/licenses/tensorflow-serving"
install_entry "$dist"

# --- for the smoke test ------------------------------------------------------------------------------------
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
