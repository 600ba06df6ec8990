#!/bin/bash
# Compiles the smoke programs against the dist folder alone, as a user of it would, and the models.
#   TRIPLET, QEMU (name of the emulator, empty for the build machine's own architecture), XNNPACK, PYTHON_VERSION,
#   LITE_FOLDER, LITERT_FOLDER
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")/smoke

compile_programs() {
  cd "$(mktemp -d)"
  export PKG_CONFIG_LIBDIR=/out/dist/lib/pkgconfig
  defines=()
  [[ $XNNPACK == true ]] && defines=(-DTFBUILD_XNNPACK)
  # shellcheck disable=SC2046  # pkg-config prints separate words
  "$TRIPLET-gcc" -std=c11 -O1 -Wall -Werror "${defines[@]}" "$here/smoke.c" -o /smoke/smoke-c \
    $(pkg-config --cflags --libs tensorflowlite_c)
  # shellcheck disable=SC2046
  "$TRIPLET-g++" -std=c++17 -O1 -Wall "$here/smoke.cc" -o /smoke/smoke-cc \
    $(pkg-config --cflags --libs tensorflowlite)
}

# The operator suite, by the CMake packages of the dist folder.
cmake_programs() {
  local litert=OFF
  [[ -z $LITERT_FOLDER ]] || litert=ON
  cmake -S "$here" -B "$PWD/programs" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=/out/dist \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="${TRIPLET%%-*}" \
    -DCMAKE_C_COMPILER="$TRIPLET-gcc" -DCMAKE_CXX_COMPILER="$TRIPLET-g++" \
    -DTFBUILD_XNNPACK="$XNNPACK" -DTFBUILD_LITERT="$litert"
  ninja -C "$PWD/programs"
  cp "$PWD"/programs/operators-* /smoke/
}

mkdir -p /smoke
for pack in operators zoo; do
  gunzip --stdout "$here/$pack.pack.gz" > "/smoke/$pack.pack"
done
if [[ -n $PYTHON_VERSION ]]; then
  cp "$here/smoke.py" "$here/operators.py" /smoke/
else
  compile_programs
  cmake_programs
fi

# The one that was compiled for the build, where there is one.
PATH=/out/host-tools:$PATH
# It moved there with the headers that the converter has too.
# shellcheck disable=SC2153  # LITE_FOLDER and LITERT_FOLDER both come from outside
for schema in "tensorflow/compiler/mlir/lite" "$LITE_FOLDER/converter" "$LITE_FOLDER"; do
  schema=/source/$schema/schema/schema.fbs
  [[ ! -e $schema ]] || break
done
for model in "$here"/models/*.json; do
  flatc --binary -o /smoke "$schema" "$model"
done
cp "/source/$LITE_FOLDER/testdata/add.bin" "/source/$LITE_FOLDER/testdata/add_quantized.bin" /smoke/
bash /common/copy-emulator.sh /smoke
