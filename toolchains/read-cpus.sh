#!/bin/bash
# Prints what a compiler says itself of the names that its -march and -mtune take, as build_configs/compilers/ has it.
#   read-cpus.sh KIND SUITE ORIGIN ARCH=COMPILER...
#   KIND gcc or clang; SUITE the Debian suite whose default compiler it is, or null; ORIGIN where it came from.
#   ARCH amd64, arm64 or armhf; its compiler may be the driver or the compiler proper (cc1), each a command with its
#   first arguments.
set -euo pipefail
export LC_ALL=C

kind=$1 suite=$2 origin=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
touch "$scratch/empty.c"

# A name that there is not makes a compiler list all that there are.
listed() { # COMMAND OPTION=NAME
  local command
  read -ra command <<< "$1"
  { "${command[@]}" "$2" -E "$scratch/empty.c" 2>&1 || true; } |
    sed -n -E 's/.*note: valid .*(are|values are): //p' | head -n 1 | tr -d ',;' | tr -s ' ' '\n' | sort -u -V
}

key() { # NAME
  echo "    $1: ["
  fold --spaces --width=90 <<< "$(paste --serial --delimiters=' ' | sed 's/ /, /g')" | sed 's/ *$//; s/^/      /'
  echo "    ]"
}

# A driver says it with the first option, a compiler proper with the second.
version() { # COMMAND
  local command
  read -ra command <<< "$1"
  { "${command[@]}" -v 2>&1 || true; "${command[@]}" -version -o /dev/null "$scratch/empty.c" 2>&1 || true; } \
    < /dev/null | sed -n -E '0,/.*version ([0-9]+[.][0-9.]+).*/s//\1/p'
}

# +NAME depends on what it follows; a name that any of these takes is taken.
before_extensions() { # ARCH
  case $1 in
    arm64) echo armv8-a ;;
    armhf) echo armv7-a armv8-a ;;
  esac
}

first=$4
full=$(version "${first#*=}")
cat << END
# yaml-language-server: \$schema=schema.json
# What the compiler itself says, read with toolchains/read-cpus.sh.
compiler: $kind
version: "${full%%.*}"
suite: $suite
origin: $origin ($full)
targets:
END
for each in "${@:4}"; do
  arch=${each%%=*} compiler=${each#*=}
  # clang lists nothing for Arm's architectures.
  [[ $arch == amd64 || $kind == gcc ]] || continue
  echo "  $arch:"
  listed "$compiler" '-march=?' | key march
  read -ra bases <<< "$(before_extensions "$arch")"
  if ((${#bases[@]})); then
    for base in "${bases[@]}"; do listed "$compiler" "-march=$base+?"; done | sort -u -V | key extensions
  fi
  listed "$compiler" '-mtune=?' | key mtune
done
