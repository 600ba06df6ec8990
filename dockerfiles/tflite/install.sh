#!/bin/bash
# Lays out /out/dist (what the product consists of) from the build tree in /tree.
#   LITE_FOLDER, VERSION
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
# shellcheck source=../common/results.sh
source /common/results.sh
# shellcheck source=../common/symbols.sh
source /common/symbols.sh
# shellcheck source=licenses.sh
source "$scripts/licenses.sh"

dist=/out/dist
rm -rf "$dist" /out/contents.tsv
mkdir -p "$dist"/{lib/pkgconfig,include,bin,share/licenses}

cp /tree/build/libtensorflowlite.so /tree/build/libtensorflowlite_c.so "$dist/lib/"
cp /tree/build/tensorflow-lite/tools/benchmark/benchmark_model "$dist/bin/"

# --- headers -----------------------------------------------------------------------------------------------
# What upstream's own install rule takes, and what those headers include.
rsync --recursive --mkpath --prune-empty-dirs --chmod=D755,F644 \
  --exclude='*_test.h' --exclude='*test_util*' --exclude='*_test_common.h' --exclude='*_tester.h' --exclude-from="$scripts/header-excludes" \
  --include='*/' --include='*.h' --include='*.inc' --exclude='*' \
  "/tree/source/$LITE_FOLDER/" "$dist/include/$LITE_FOLDER/"
for extra in tensorflow/core/public tensorflow/compiler/mlir/lite; do
  [[ -d /tree/source/$extra ]] || continue
  rsync --recursive --relative --prune-empty-dirs --include='*/' --include='*.h' --include='*.inc' --exclude='*' \
    "/tree/source/./$extra/" "$dist/include/"
done
if [[ $LITE_FOLDER != tensorflow/lite ]]; then
  # Programs that were written for TFLite include it by TensorFlow's path.
  (cd "$dist/include/$LITE_FOLDER" && find . -name '*.h' -printf '%P\n') | while read -r header; do
    mkdir -p "$dist/include/tensorflow/lite/$(dirname "$header")"
    echo "#include \"$LITE_FOLDER/$header\"" > "$dist/include/tensorflow/lite/$header"
  done
fi
flatbuffers=/tree/dependencies/flatbuffers/include/flatbuffers
[[ -d $flatbuffers ]] || flatbuffers=/usr/include/flatbuffers
cp -r "$flatbuffers" "$dist/include/"
# LiteRT's own headers include Abseil's. Those are of the version that is linked in, and none else will do.
if grep --quiet '^#include "absl/' "$dist/include/$LITE_FOLDER"/*.h && [[ -d /tree/dependencies/abseil-cpp ]]; then
  rsync --recursive --prune-empty-dirs --chmod=D755,F644 --exclude='*_test*' --exclude='*benchmark*' \
    --include='*/' --include='*.h' --include='*.inc' --exclude='*' \
    /tree/dependencies/abseil-cpp/absl/ "$dist/include/absl/"
fi

# --- libraries that ours need and that no distribution's C++ runtime contains --------------------------------
libraries_of "$dist" "$dist"/lib/*.so "$dist/bin/benchmark_model" | while read -r library; do
  cp --dereference "$library" "$dist/lib/"
  package=$(package_of "$library")
  cp "/usr/share/doc/$package/copyright" "$dist/share/licenses/$package"
  note_content "lib/${library##*/}" copied "$package"
done
compiled_licenses "$dist/share/licenses"

# --- symbols -----------------------------------------------------------------------------------------------
for file in "$dist"/lib/libtensorflowlite*.so "$dist/bin/benchmark_model"; do
  separate_symbols "$file"
done

# --- pkg-config ----------------------------------------------------------------------------------------------
for name in tensorflowlite tensorflowlite_c; do
  sed "s/@VERSION@/$VERSION/" "$scripts/pkgconfig/$name.pc.in" > "$dist/lib/pkgconfig/$name.pc"
done
