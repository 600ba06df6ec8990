#!/bin/bash
# What upstream's entry script does, for the comparison of images.
set -euo pipefail
tensorflow_model_server --port=8500 --rest_api_port=8501 \
  --model_name="$MODEL_NAME" --model_base_path="$MODEL_BASE_PATH/$MODEL_NAME" "$@"
