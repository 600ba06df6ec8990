#!/bin/bash
# Makes ./keys for the cluster: an authority, the server's key for ADDRESS, a client's key and token; for a year.
#   keys.sh ADDRESS   IP address under which containers of the engine reach this machine, as 172.17.0.1
set -euo pipefail
address=$1
mkdir -p "$(dirname "$0")/keys"
cd "$(dirname "$0")/keys"
umask 077

openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=cluster -keyout ca.key -out ca.pem
issue() { # NAME EXTENSION
  openssl req -newkey rsa:3072 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 \
    -extfile <(echo "$2") -out "$1.pem"
  rm "$1.csr"
}
issue server "subjectAltName=IP:$address"
issue me "extendedKeyUsage=clientAuth"
openssl rand -hex 32 > token
echo "\"Bearer $(< token)\" 1;" > tokens
