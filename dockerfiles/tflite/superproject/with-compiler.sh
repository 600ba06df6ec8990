#!/bin/bash
# Compiler launcher: clang does what GCC is asked.
#   with-compiler.sh CLANG TRIPLET [LAUNCHER...] GCC ARGUMENT...
set -euo pipefail

compiler=$1 triplet=$2
shift 2
launcher=()
while [[ $1 != *-gcc ]]; do
  launcher+=("$1")
  shift
done
shift

# What XNNPACK's CMakeLists.txt gives one of both alone: how the stack of its kernels is aligned.
arguments=()
for word in "$@"; do
  case $word in
    -mpreferred-stack-boundary=*) arguments+=("-mstack-alignment=$((1 << ${word#*=}))") ;;
    -mincoming-stack-boundary=*) ;;
    *) arguments+=("$word") ;;
  esac
done
exec "${launcher[@]}" "$compiler" "--target=$triplet" "${arguments[@]}"
