#!/bin/bash
# What a compile needs to work with a cluster; to be sourced.
#   /request/remote  NAME<TAB>VALUE of the section 'remote', made from the plan; not there without one
#   /remote          root filesystem with the programs of the client
#   /run/secrets     remote-ca, remote-certificate, remote-key, remote-token, as far as there are such
set -euo pipefail

declare -A remote=()
if [[ -e /request/remote ]]; then
  while IFS=$'\t' read -r name value; do remote[$name]=$value; done < /request/remote
fi

# By the loader and the libraries of its own root filesystem: those of the builder are older.
remote_program() { # NAME ARGUMENT...
  local loader program=/remote/usr/bin/$1
  loader=$(echo /remote/usr/lib/*-linux-gnu/ld-linux-*.so.*)
  shift
  "$loader" --library-path "${loader%/*}" "$program" "$@"
}

# Into the CAS, with what the server asks for.
remote_upload() { # OPTION... FOLDER
  local options=()
  [[ ! -s /run/secrets/remote-ca ]] || options+=(--server-cert=/run/secrets/remote-ca)
  [[ ! -s /run/secrets/remote-certificate ]] || options+=(--client-cert=/run/secrets/remote-certificate)
  [[ ! -s /run/secrets/remote-key ]] || options+=(--client-key=/run/secrets/remote-key)
  [[ ! -s /run/secrets/remote-token ]] || options+=(--access-token=/run/secrets/remote-token)
  remote_program casupload --remote="${remote[cas]}" --instance="${remote[instance]}" --retry-limit=2 \
    "${options[@]}" "$@" >&2
}

# The root filesystem of the builder goes into the CAS, and stdout gets its digest: an action that names it runs in
# it, and has another key when any file of it is another one. What is mounted here is no part of it, and neither is
# what every container gets for itself, or Java's keystore: it has the times at which it was made, so a builder that is
# made again, here or by a colleague, would have no hit, and no compiler reads it.
remote_root() {
  local entry
  for entry in /*; do
    case $entry in
      /usr | /etc | /bin | /sbin | /lib | /lib32 | /lib64 | /libx32) ;;
      *) echo "$entry" ;;
    esac
  done > /tmp/remote-ignored
  printf '/etc/%s\n' hosts hostname resolv.conf mtab ssl/certs/java >> /tmp/remote-ignored
  rm -f /tmp/remote-digest
  # Not "/": of that casupload 1.4.30 leaves out no file below a folder.
  remote_upload --ignore-file=/tmp/remote-ignored --output-digest-file=/tmp/remote-digest /. || return
  cat /tmp/remote-digest
}

# For a cache alone: nothing has to be there, and the same files have the same digest.
local_root() {
  local entry folders=()
  for entry in /usr /etc /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [[ -e $entry ]]; then folders+=("$entry"); fi
  done
  {
    find "${folders[@]}" -xdev -type f ! -path /etc/hosts ! -path /etc/hostname ! -path /etc/resolv.conf \
      ! -path '/etc/ssl/certs/java/*' -print0 |
      sort --zero-terminated | xargs --null sha256sum --
    find "${folders[@]}" -xdev -type l ! -path /etc/mtab -printf '%p %l\n' | sort
  } | sha256sum | cut --delimiter=' ' --fields=1
}

# What this build step has moved over the network until now: it has one of its own.
remote_moved() {
  awk '$1 != "lo:" && NR > 2 { received += $2; sent += $10 }
    END { printf "%.1f MB sent, %.1f MB received\n", sent / 1e6, received / 1e6 }' /proc/net/dev
}
