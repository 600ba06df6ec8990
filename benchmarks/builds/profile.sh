#!/bin/bash
# Runs /models/*.tflite in /dist/bin/benchmark_model, which is instrumented; /out gets the merged profile.
#   LLVM   version of llvm-profdata
set -euo pipefail

mkdir -p /out /counted
for model in /models/*.tflite; do
  echo "running $(basename "$model")"
  # As many runs as make the counts of setting up small beside those of inference.
  LLVM_PROFILE_FILE=/counted/%p.profraw /dist/bin/benchmark_model --graph="$model" --num_threads=1 --warmup_runs=1 \
    --num_runs=30 --min_secs=1 --max_secs=60 > /counted/log 2>&1 || { tail -n 20 /counted/log; exit 1; }
done
# Sparse: functions that no model has run are compiled as without a profile, and not as if nobody ever ran them.
"llvm-profdata-$LLVM" merge --sparse --output=/out/profile.profdata /counted/*.profraw
"llvm-profdata-$LLVM" show /out/profile.profdata
