#!/bin/bash
# Prints the options that a GCC says it knows, as build_configs/compilers/gcc-VERSION.options has them.
#   read-options.sh ORIGIN ARCH=COMPILER...
#   ORIGIN where the compilers came from; a compiler is a driver, as a command with its first arguments. What they have
#   in common is asked of the first.
set -euo pipefail
export LC_ALL=C

origin=$1

# What an option takes after '=' is left out, and so is the negative form of one that has a positive form.
known() { # COMMAND PREFIX...
  local command prefix
  read -ra command <<< "$1"
  shift
  for prefix in "$@"; do
    # https://gcc.gnu.org/onlinedocs/gcc/Overall-Options.html#index-completion
    "${command[@]}" "--completion=$prefix"
  done | sed -E 's/=.*/=/' | sort -u | awk '
    { seen[$0] = 1; order[NR] = $0 }
    END {
      for (i = 1; i <= NR; i++) {
        positive = order[i]
        if (sub(/^-[fmW]no-/, substr(positive, 1, 2), positive) && positive in seen) continue
        print order[i]
      }
    }'
}

read -ra first <<< "${2#*=}"
cat << END
# What the compiler itself says, read with toolchains/read-options.sh. Where an option ends in '=' or '-', more follows.
# $origin ($("${first[@]}" -dumpfullversion))
[all]
$(known "${2#*=}" -f -W -n -p -r -s)
END
for each in "${@:2}"; do
  echo "[${each%%=*}]"
  known "${each#*=}" -m
done
