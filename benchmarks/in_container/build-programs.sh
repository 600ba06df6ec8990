#!/bin/bash
# Compiles the programs against the dist folder alone.
#   TRIPLET
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")

mkdir -p /bench
export PKG_CONFIG_LIBDIR=/dist/lib/pkgconfig
# shellcheck disable=SC2046  # pkg-config prints separate words
"$TRIPLET-gcc" -std=gnu11 -O2 -Wall "$here/bench_c.c" -o /bench/bench-c \
  $(pkg-config --cflags --libs tensorflowlite_c) -Wl,-rpath,/dist/lib
# shellcheck disable=SC2046
"$TRIPLET-g++" -std=c++17 -O2 -Wall "$here/bench_cc.cc" -o /bench/bench-cc \
  $(pkg-config --cflags --libs tensorflowlite) -Wl,-rpath,/dist/lib
