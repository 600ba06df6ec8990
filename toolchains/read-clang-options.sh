#!/bin/bash
# Prints the options that a clang says it knows, as build_configs/compilers/clang-VERSION.options has them.
#   read-clang-options.sh ORIGIN COMPILER GCC_OPTIONS
#   ORIGIN where the compiler came from; COMPILER a command with its first arguments; GCC_OPTIONS a file that
#   read-options.sh wrote: clang takes some options of GCC without a word, and does not list them.
# Not of -W: clang warns of one that it does not know, and goes on.
set -euo pipefail
export LC_ALL=C

origin=$1 gcc_options=$3
read -ra clang <<< "$2"

# Some of the names that it lists end in a full stop.
all=$({
  "${clang[@]}" --autocomplete=-f
  "${clang[@]}" --autocomplete=-m
  grep -E '^-[fm]' "$gcc_options"
} | cut -f 1 | grep '^-' | sed -E 's/=.*/=/; s/[.]$//' | sort -u)

# Those that it does not refuse for TARGET, each asked for by itself; one that takes something gets an x.
known() { # TARGET
  local option said
  while read -r option; do
    said=$("${clang[@]}" "--target=$1" "-###" -x c -c /dev/null "${option/%=/=x}" 2>&1 < /dev/null || true)
    grep -qE "unknown argument|unsupported option" <<< "$said" || echo "$option"
  done <<< "$all"
}

amd64=$(known x86_64-linux-gnu)
arm64=$(known aarch64-linux-gnu)
cat << END
# What the compiler itself says, read with toolchains/read-clang-options.sh. Where an option ends in '=' or '-', more
# follows.
# $origin ($("${clang[@]}" -dumpversion))
[all]
$(comm -12 <(echo "$amd64") <(echo "$arm64"))
[amd64]
$(comm -23 <(echo "$amd64") <(echo "$arm64"))
[arm64]
$(comm -13 <(echo "$amd64") <(echo "$arm64"))
END
