#!/bin/bash
# signing.command for a key in a device that speaks PKCS#11 (a token, an HSM, SoftHSM): gets the bytes to sign on the
# standard input, prints the signature in base64. pkcs11-tool is in Debian's package opensc.
#   $1              p256 or p384: which ECDSA key it is
#   PKCS11_MODULE   the device's library, as /usr/lib/softhsm/libsofthsm2.so
#   PKCS11_TOKEN    label of the token
#   PKCS11_KEY      id of the key in it, as 01
#   PKCS11_PIN      the PIN: no word of a command, which other users of the machine see
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The device signs a hash. With Ed25519 it would sign the message itself, which pkcs11-tool sends in parts when it is
# long, and devices refuse that.
case ${1:-} in
  p256) hash=sha256 ;;
  p384) hash=sha384 ;;
  *)
    echo "usage: pkcs11.sh p256|p384" >&2
    exit 2
    ;;
esac
openssl dgst "-$hash" -binary > "$work/input"
pkcs11-tool --module "$PKCS11_MODULE" --token-label "$PKCS11_TOKEN" --login --pin env:PKCS11_PIN \
  --sign --id "$PKCS11_KEY" --mechanism ECDSA --signature-format openssl \
  --input-file "$work/input" --output-file "$work/signature" > "$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
base64 --wrap=0 "$work/signature"
