#!/bin/bash
# For scripts that lay out what a build gives, to be sourced: libraries, users, times.
#   SOURCE_DATE_EPOCH    for settle
set -euo pipefail

# shellcheck source=closure.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/closure.sh"

# The libraries outside of FOLDER that files in it need and that no distribution's C++ runtime contains.
libraries_of() { # FOLDER FILE...
  local folder=$1 library
  shift
  closure_of "$@" | while read -r library; do
    if [[ $library == "$folder"/* ]]; then continue; fi
    case ${library##*/} in
      ld-linux*|libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*|libgcc_s.so.*|libstdc++.so.*) continue ;;
    esac
    echo "$library"
  done
}

# With its architecture where Debian names that (libc6:arm64). Up to Debian 12 dpkg knows a file in the merged /usr/lib
# by its old path in /lib.
owner_of() { # FILE
  local file found
  file=$(readlink -f "$1")
  found=$(dpkg-query --search "$file" 2> /dev/null) || found=$(dpkg-query --search "${file#/usr}")
  found=${found%%$'\n'*}
  echo "${found%%: *}"
}

package_of() { # FILE
  local owner
  owner=$(owner_of "$1")
  echo "${owner%%:*}"
}

# For the bill of materials: what somebody else made and is in a file of dist/ (or of the wheel in it).
# HOW is copied or static.
note_content() { # FILE HOW PACKAGE-OR-DOWNLOAD
  printf '%s\t%s\t%s\n' "$@" >> /out/contents.tsv
}

# Of the paths on stdin (from the root, one a line), the files that are in ROOT, as scanners read which package a
# file belongs to where there is no package manager: var/lib/dpkg/status.d/PACKAGE.md5sums. Links are left out, and
# packages may name /lib for what lies in the merged /usr/lib.
record_files() { # ROOT PACKAGE
  local path place
  while read -r path; do
    for place in "usr/${path#/}" "${path#/}"; do
      if [[ -f $1/$place && ! -L $1/$place ]]; then
        echo "$place"
        break
      fi
    done
  done | sort -u | (cd "$1" && xargs --no-run-if-empty --delimiter='\n' md5sum) \
    > "$1/var/lib/dpkg/status.d/$2.md5sums"
}

# A user that is not root, for images without a distribution.
write_users() { # ETC USER_ID HOME
  echo "root:x:0:0:root:/root:/sbin/nologin" > "$1/passwd"
  echo "nonroot:x:$2:$2:nonroot:$3:/sbin/nologin" >> "$1/passwd"
  printf 'root:x:0:\nnonroot:x:%s:\n' "$2" > "$1/group"
}

# No time of the build in the files.
settle() { # FOLDER...
  find "$@" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}
