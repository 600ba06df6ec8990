#!/bin/bash
# The whole way: trains a Keras model in a container, exports it, puts it into the image of a model server, asks it
# through REST and gRPC, compares with what Keras said, and measures latency and throughput, batching off and on.
#
#   pip install grpcio-tools && examples/serving/train-and-serve.sh
#
#   KERAS_RELEASE    release of build-keras      [the default one]
#   SERVING_RELEASE  release of build-serving    [the newest that is linked with a wheel]
#   SECONDS_EACH     seconds of each measurement [5]
# Images and containers are gone afterwards; what was measured is printed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

work=$(mktemp -d)
trainer=tfbuild-example/trainer:1
server=tfbuild-example/server:1
containers=()
leave() {
  for container in "${containers[@]}"; do docker rm --force --volumes "$container" > /dev/null; done
  docker image rm --force "$trainer" "$server" > /dev/null 2>&1 || true
  rm -rf "$work"
}
trap leave EXIT

step() { echo "== $1" >&2; }

# --- train and export --------------------------------------------------------------------------------------------
step "train"
invoke build-keras --app examples/keras/train ${KERAS_RELEASE:+--release "$KERAS_RELEASE"} \
  --tag "$trainer" --output "$work/dist" --json > "$work/trainer.json"
containers+=("$(docker create --network none --env MODEL_EXPORT=/tmp/spirals/1 "$trainer")")
docker start --attach "${containers[0]}" | tee "$work/trained"
docker cp --quiet "${containers[0]}:/tmp/spirals" "$work/"

# --- a server that has the model in its image --------------------------------------------------------------------
step "build the server"
invoke build-serving --from wheel ${SERVING_RELEASE:+--release "$SERVING_RELEASE"} --model "$work/spirals" \
  --tag "$server" --output "$work/dist" --json > "$work/server.json"

# Starts a container; its ports, as GRPC,REST, are in $ports. By default a server answers four requests of gRPC for each
# CPU at a time, and refuses more.
serve() { # ARGUMENT...
  local name
  name=$(docker run --detach --read-only --publish 127.0.0.1::8500 --publish 127.0.0.1::8501 \
    "$server" --grpc_max_threads=128 "$@")
  containers+=("$name")
  ports=$(docker port "$name" 8500/tcp | sed 's/.*://'),$(docker port "$name" 8501/tcp | sed 's/.*://')
  local left=300
  until docker exec "$name" /usr/bin/tf_serving_entrypoint --healthcheck 2> /dev/null; do
    ((left -= 1)) || { docker logs "$name" >&2; exit 1; }
    sleep 0.2
  done
}
serve
off=$ports
serve --enable_batching=true
on=$ports

# --- ask, and compare --------------------------------------------------------------------------------------------
step "ask"
input=$(curl --silent --show-error "http://127.0.0.1:${off#*,}/v1/models/spirals/metadata" |
  python3 -c 'import json, sys
print(*json.load(sys.stdin)["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"])')
question="{\"$input\": [[0.5, 0.5], [-0.5, -0.5], [0.9, -0.2]]}"
python3 examples/serving/client.py --host 127.0.0.1 --grpc-port "${off%,*}" --rest-port "${off#*,}" --model spirals \
  "$question" | tee "$work/answered"
python3 examples/serving/same_answers.py "$work/trained" "$work/answered"

# --- measure -----------------------------------------------------------------------------------------------------
step "measure"
python3 examples/serving/load.py --model spirals --server "off=127.0.0.1:$off" --server "on=127.0.0.1:$on" \
  --seconds "${SECONDS_EACH:-5}" "$question"
