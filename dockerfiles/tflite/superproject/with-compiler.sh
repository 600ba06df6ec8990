#!/bin/bash
# Compiler launcher: another compiler does what GCC is asked.
#   with-compiler.sh CLANG TRIPLET [LAUNCHER...] GCC ARGUMENT...
set -euo pipefail

compiler=$1 triplet=$2
shift 2
launcher=()
while [[ $1 != *-gcc ]]; do
  launcher+=("$1")
  shift
done
exec "${launcher[@]}" "$compiler" "--target=$triplet" "${@:2}"
