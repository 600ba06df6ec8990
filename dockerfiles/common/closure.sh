#!/bin/bash
# To be sourced: which libraries a file needs.
set -euo pipefail

# FILE... and the libraries that they need, one path a line. lddtree reads ELF headers only, so it works for a foreign
# architecture too. Debian 11's is another program with the same name.
closure_of() { # FILE...
  if [[ $(lddtree --help 2>&1) == *--skip-non-elfs* ]]; then
    lddtree --list --skip-non-elfs "$@" | sort -u
  else
    lddtree -l "$@" | sort -u
  fi
}
