#!/bin/bash
# Every public header of the dist folder compiles with nothing but the dist folder, from C++ and, the C API, from C.
set -euo pipefail
cd /dist/include
lite=tensorflow/lite

includes() { # FOLDER...
  find "$@" -maxdepth 1 -name '*.h' | sort | sed 's/.*/#include "&"/'
}

{
  includes $lite $lite/c $lite/core $lite/core/api $lite/core/c $lite/core/async $lite/core/async/c \
    $lite/core/kernels $lite/delegates/xnnpack $lite/delegates/external $lite/schema
  for header in register builtin_op_kernels kernel_util custom_ops_register; do
    [[ -e $lite/kernels/$header.h ]] && echo "#include \"$lite/kernels/$header.h\""
  done
} > /tmp/all.cc
"$TRIPLET-g++" -std=c++17 -fsyntax-only -I. /tmp/all.cc

{
  includes $lite/core/c $lite/delegates/xnnpack $lite/delegates/external | grep --invert-match --extended-regexp \
    'quantization_util|weight_cache|_tester|telemetry'
  for header in c_api c_api_experimental c_api_types common builtin_op_data; do
    echo "#include \"$lite/c/$header.h\""
  done
} > /tmp/all.c
"$TRIPLET-gcc" -std=c11 -fsyntax-only -I. /tmp/all.c
echo "$(wc -l < /tmp/all.cc) headers from C++, $(wc -l < /tmp/all.c) from C"
