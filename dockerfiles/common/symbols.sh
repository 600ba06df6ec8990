#!/bin/bash
# For scripts that install programs and libraries, to be sourced: separate_symbols, strip_symbols.
#   TRIPLET
#   STRIP, DEBUG_INFO    for separate_symbols
set -euo pipefail

# With their names to FOLDER: the verification tells by them which functions are chosen at run time.
# What is shipped has the symbols of the dynamic linker alone.
strip_symbols() { # FILE FOLDER
  mkdir -p "$2"
  "$TRIPLET-strip" --strip-debug -o "$2/${1##*/}" "$1"
  "$TRIPLET-strip" --strip-unneeded "$1"
}

# As STRIP and DEBUG_INFO say. gdb looks for the link in .debug beside the file, wherever the folder was moved to:
# https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html
separate_symbols() { # FILE
  local debug_file=${1%/*}/.debug/${1##*/}.debug
  if [[ $DEBUG_INFO == separate ]]; then
    mkdir -p "${debug_file%/*}"
    "$TRIPLET-objcopy" --only-keep-debug "$1" "$debug_file"
    chmod 644 "$debug_file"
  fi
  if [[ $STRIP == true ]]; then
    strip_symbols "$1" /out/symbols
  fi
  if [[ $DEBUG_INFO == separate ]]; then
    "$TRIPLET-objcopy" --add-gnu-debuglink="$debug_file" "$1"
  fi
}
