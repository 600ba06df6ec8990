#!/bin/bash
# Compiles the smoke probe, and lays out /smoke: the probe with its loader and libraries (it runs in a container that
# has none of them), and the models.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=../common/closure.sh
source /common/closure.sh

work=$(mktemp -d)
protoc --proto_path="$here/smoke" --proto_path=/usr/include --cpp_out="$work" questions.proto
# gRPC's headers use libraries of its own dependencies; which, depends on its version.
g++ -std=c++17 -O0 -Wall -I"$work" "$here/smoke/probe.cc" "$work/questions.pb.cc" -o "$work/probe" \
  -Wl,--copy-dt-needed-entries -lgrpc++ -lgrpc -lgpr -lprotobuf -lpthread

mkdir -p /smoke/lib
cp "$work/probe" /smoke/probe
# The loader under a name that is the same for every architecture.
while read -r library; do
  case ${library##*/} in
    probe) ;;
    ld-linux*) cp --dereference "$library" /smoke/lib/loader ;;
    *) cp --dereference "$library" /smoke/lib/ ;;
  esac
done < <(closure_of "$work/probe")
# Starts a server of another architecture under the emulator, and stands in for the image's own entry program.
gcc -std=gnu11 -O1 -Wall -Wextra -Werror -static -DEMULATOR='"/smoke/qemu"' \
  "$here/entry/tf_serving_entrypoint.c" -o /smoke/entry
cp -r /out/smoke/half_plus_two /smoke/half_plus_two
cp -r "$here/smoke"/{monitoring.config,models,cases.json} /smoke/

# --- TLS: a certificate that is its own authority, for this test alone -------------------------------------------
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out /smoke/ca.pem 2> "$work/openssl.log" ||
  { cat "$work/openssl.log" >&2; exit 1; }
# SSLConfig of tensorflow_serving/config/ssl_config.proto, as a text proto: it holds the files themselves.
{
  printf 'server_key: "%s"\n' "$(sed 's/$/\\n/' "$work/key.pem" | tr -d '\n')"
  printf 'server_cert: "%s"\n' "$(sed 's/$/\\n/' /smoke/ca.pem | tr -d '\n')"
} > /smoke/tls.config
