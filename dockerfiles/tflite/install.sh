#!/bin/bash
# Lays out /out/dist (what the product consists of) from the build tree in /tree, as /request asks.
#   LITE_FOLDER, LITERT_FOLDER, VERSION
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
[[ -z $LITERT_FOLDER ]] || cp /tree/build/libLiteRt.so "$dist/lib/"
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
# LiteRT's own API, and how it was configured.
if [[ -n $LITERT_FOLDER ]]; then
  (cd "/tree/source/$LITERT_FOLDER" &&
    rsync --recursive --relative --mkpath --prune-empty-dirs --chmod=D755,F644 --exclude='*test*' \
      --include='*/' --include='*.h' --exclude='*' c cc core/options.h "$dist/include/litert/")
  install -D --mode=644 /tree/build/litert/include/litert/build_common/build_config.h \
    "$dist/include/litert/build_common/build_config.h"
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
# The C++ run-time that a program brings.
if grep --quiet '"TFBUILD_STATIC_CXX": "ON"' /request/CMakePresets.json; then
  package=$(package_of "$("$TRIPLET-g++" -print-file-name=libstdc++.a)")
  note_content bin/benchmark_model static "$package"
  cp "/usr/share/doc/$package/copyright" "$dist/share/licenses/$package"
fi

# --- symbols -----------------------------------------------------------------------------------------------
own=("$dist"/lib/libtensorflowlite{,_c}.so)
packages=(tensorflowlite tensorflowlite_c)
if [[ -n $LITERT_FOLDER ]]; then
  own+=("$dist/lib/libLiteRt.so")
  packages+=(litert)
fi
for file in "${own[@]}" "$dist/bin/benchmark_model"; do
  separate_symbols "$file"
done

# --- pkg-config ----------------------------------------------------------------------------------------------
for name in "${packages[@]}"; do
  sed "s/@VERSION@/$VERSION/" "$scripts/pkgconfig/$name.pc.in" > "$dist/lib/pkgconfig/$name.pc"
done

# --- CMake -----------------------------------------------------------------------------------------------------
for config in "$scripts"/cmake-package/*-config.cmake; do
  name=${config##*/}
  name=${name%-config.cmake}
  [[ $name == tensorflowlite || -n $LITERT_FOLDER ]] || continue
  install -D --mode=644 "$config" "$dist/lib/cmake/$name/$name-config.cmake"
  cmake -DFILE="$dist/lib/cmake/$name/$name-config-version.cmake" -DVERSION="$VERSION" \
    -P "$scripts/cmake-package/write-version.cmake"
done
