#!/bin/bash
# cmake and ninja, nothing else.
#   JOBS
set -euo pipefail

mkdir -p /tree/superproject /out
cp -r /superproject/. /tree/superproject/
cp /request/CMakePresets.json /tree/superproject/
cmake -S /tree/superproject --preset tfbuild > /tree/configure.log
# All of ninja's output goes to a file, as ours does: BuildKit would spend time on the warnings.
if ! ninja -C /tree/build -j "$JOBS" artifacts > /tree/compile.log 2>&1; then
  tail -n 40 /tree/compile.log
  exit 1
fi
cp /tree/build/libtensorflowlite.so /tree/build/libtensorflowlite_c.so \
  /tree/build/tensorflow-lite/tools/benchmark/benchmark_model /out/
bash /bare/probe.sh /tree
