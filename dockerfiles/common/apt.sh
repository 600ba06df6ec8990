#!/bin/bash
# For scripts that install packages, to be sourced: apt_options for apt-get, apt_update, apt_clean.
#   /run/secrets/proxies      variables of the host's proxies, NAME=VALUE in a line
#   /run/secrets/ca           the host's CA bundle, for a mirror behind a private CA
#   /run/secrets/apt-auth     user names and passwords of mirrors, as apt's auth.conf
#   /run/secrets/apt-sources  what to take instead of the root's sources.list; after a line "#" comes the next set,
#                             to be tried where the one before it fails
# Secrets are in no layer, and in no key of the build's cache: another mirror makes no other builder.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
if [[ -s /run/secrets/proxies ]]; then
  while IFS= read -r variable; do
    export "${variable?}"
  done < /run/secrets/proxies
fi
# A frozen mirror or snapshot keeps Valid-Until dates that have passed. Signatures are still checked.
apt_options=(-o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
if [[ -s /run/secrets/ca ]]; then
  apt_options+=(-o Acquire::https::CaInfo=/run/secrets/ca)
fi
if [[ -s /run/secrets/apt-auth ]]; then
  apt_options+=(-o Dir::Etc::netrc=/run/secrets/apt-auth)
fi

apt_update() {
  if [[ ! -s /run/secrets/apt-sources ]]; then
    apt-get "${apt_options[@]}" update
    return
  fi
  # In memory, so that the layer has nothing of it.
  local sources=/dev/shm/tfbuild-sources.list line
  apt_options+=(-o "Dir::Etc::sourcelist=$sources" -o Dir::Etc::sourceparts=/dev/null)
  : > "$sources"
  while read -r line; do
    if [[ $line != "#" ]]; then
      echo "$line" >> "$sources"
      continue
    fi
    # A mirror that is down shall not pass for one that has nothing.
    if apt-get "${apt_options[@]}" -o APT::Update::Error-Mode=any update; then
      return
    fi
    echo "tfbuild: that mirror failed, trying the next one"
    : > "$sources"
  done < /run/secrets/apt-sources
  apt-get "${apt_options[@]}" -o APT::Update::Error-Mode=any update
}

# What apt has downloaded is a third of a builder, and of a bundle with it.
apt_clean() {
  apt-get clean
  rm -rf /var/lib/apt/lists/*
}
