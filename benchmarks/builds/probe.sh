#!/bin/bash
# Writes to /probe what ninja knows of the build tree in WORK/build, and how large WORK is.
#   probe.sh WORK
set -euo pipefail
work=$1

mkdir -p /probe
cp "$work/build/.ninja_log" /probe/ninja_log
# Each object with the files that it depends on, by the compiler's own word.
ninja -C "$work/build" -t deps > /probe/deps
ninja -C "$work/build" -t commands artifacts | wc -l > /probe/edges
du --summarize --block-size=1 "$work" | cut -f1 > /probe/bytes
