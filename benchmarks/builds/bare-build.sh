#!/bin/bash
# cmake and ninja, nothing else.
#   JOBS
set -euo pipefail

mkdir -p /work/superproject /out
cp -r /superproject/. /work/superproject/
cp /request/CMakePresets.json /work/superproject/
cmake -S /work/superproject --preset tfbuild > /work/configure.log
# All of ninja's output goes to a file, as ours does: BuildKit would spend time on the warnings.
if ! ninja -C /work/build -j "$JOBS" artifacts > /work/compile.log 2>&1; then
  tail -n 40 /work/compile.log
  exit 1
fi
cp /work/build/libtensorflowlite.so /work/build/libtensorflowlite_c.so \
  /work/build/tensorflow-lite/tools/benchmark/benchmark_model /out/
bash /bare/probe.sh /work
