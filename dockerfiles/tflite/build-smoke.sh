#!/bin/bash
# Compiles the smoke programs against the dist folder alone, as a user of it would, and the models.
#   TRIPLET, QEMU (name of the emulator, empty for the build machine's own architecture), XNNPACK, PYTHON_VERSION, LITE_FOLDER
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
  "$TRIPLET-gcc" -std=c11 -O1 -Wall -Wextra -Werror -c "$here/operators.c" -o operators.o
  # shellcheck disable=SC2046
  "$TRIPLET-gcc" -std=c11 -O1 -Wall -Wextra -Werror "${defines[@]}" "$here/operators_c.c" operators.o \
    -o /smoke/operators-c $(pkg-config --cflags --libs tensorflowlite_c) -lm
  # shellcheck disable=SC2046
  "$TRIPLET-g++" -std=c++17 -O1 -Wall "$here/operators_cc.cc" operators.o \
    -o /smoke/operators-cc $(pkg-config --cflags --libs tensorflowlite) -lm
}

mkdir -p /smoke
gunzip --stdout "$here/operators.pack.gz" > /smoke/operators.pack
if [[ -n $PYTHON_VERSION ]]; then
  cp "$here/smoke.py" "$here/operators.py" /smoke/
else
  compile_programs
fi

# The one that was compiled for the build, where there is one.
PATH=/out/host-tools:$PATH
# It moved there with the headers that the converter has too.
for schema in "tensorflow/compiler/mlir/lite" "$LITE_FOLDER/converter" "$LITE_FOLDER"; do
  schema=/source/$schema/schema/schema.fbs
  [[ ! -e $schema ]] || break
done
for model in "$here"/models/*.json; do
  flatc --binary -o /smoke "$schema" "$model"
done
cp "/source/$LITE_FOLDER/testdata/add.bin" "/source/$LITE_FOLDER/testdata/add_quantized.bin" /smoke/
bash /common/copy-emulator.sh /smoke
