#!/bin/bash
# Writes /told: what the cluster did for one command, before and after the compiler behind its path was changed; last,
# the digest of a root filesystem that it has.
#   NONCE  makes the source another one, which nobody has compiled
set -euo pipefail

# shellcheck source=../../../dockerfiles/common/remote.sh
source /common/remote.sh

compile() { # WORD
  rm -rf /tree/remote
  mkdir -p /tree/remote/log
  echo "${remote[property]}=$(remote_root)" > /tree/remote/property
  JOBS=1 /common/recc.sh /usr/bin/c++ -O2 -c -o a.o a.cc
  if grep --quiet --recursive "Action Cache hit" /tree/remote/log; then
    echo "$1 hit" >> /told
  else
    echo "$1 miss" >> /told
  fi
  echo "$1 $(local_root)" >> /told
}

# A builder that is made again has another one.
keystore=/etc/ssl/certs/java/cacerts
mkdir -p /tree "${keystore%/*}"
cd /tree
echo "int answer() { return 42; } // $NONCE" > a.cc
compile first
echo "$NONCE" > "$keystore"
compile second
# Behind the same path: the command line and all that it reads stay as they are.
compiler=$(readlink -f "$(c++ -print-prog-name=cc1plus)")
echo changed >> "$compiler"
compile changed
sed 's/^[^=]*=/root /' /tree/remote/property >> /told
