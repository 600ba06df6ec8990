#!/bin/bash
# Makes /runtime of an image with Python: Python, numpy, the content of wheels, and the libraries that they need, from
# a root filesystem of the target whose packages are unpacked. No pip, no shell.
#   /python   that root; its var/lib/dpkg/status.d has the packages' records and lists of files
#   /wheel    the wheels
#   MULTIARCH, PYTHON_VERSION, RUNTIME_UID, SOURCE_DATE_EPOCH
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
# shellcheck source=results.sh
source "$scripts/results.sh"

root=/runtime
site=$root/usr/local/lib/python$PYTHON_VERSION/dist-packages

bash "$scripts/base-files.sh"

license_of() { # PACKAGE
  local file=/python/usr/share/doc/$1/copyright source
  if [[ ! -e $file ]]; then
    # A link to the folder of another package of the same source, which was not unpacked.
    source=$(sed -n 's/^Source: \([^ ]*\).*/\1/p' "/python/var/lib/dpkg/status.d/$1")
    file=/python/usr/share/doc/$(grep --files-with-matches "^Source: $source\( \|$\)" \
      /python/var/lib/dpkg/status.d/* | xargs --max-args=1 basename | while read -r other; do
      if [[ -e /python/usr/share/doc/$other/copyright ]]; then echo "$other"; fi
    done | head -n 1)/copyright
  fi
  echo "$file"
}

mkdir /tmp/owned  # for each package a list of paths that are others than in /python

record() { # PATH in /python [PATH]
  local list name
  list=$(grep --files-with-matches --line-regexp --fixed-strings "$1" /python/var/lib/dpkg/status.d/*.files |
    head -n 1)
  name=$(basename "$list" .files)
  echo "${2:-$1}" >> "/tmp/owned/$name"
  [[ -e $root/var/lib/dpkg/status.d/$name ]] && return
  cp "/python/var/lib/dpkg/status.d/$name" "$root/var/lib/dpkg/status.d/"
  mkdir -p "$root/usr/share/doc/$name"
  cp "$(license_of "$name")" "$root/usr/share/doc/$name/copyright"
}

# --- Python, numpy, wheels -----------------------------------------------------------------------------------
mkdir -p "$root/usr/lib/python3/dist-packages" "$site"
cp "/python/usr/bin/python$PYTHON_VERSION" "$root/usr/bin/"
ln -s "python$PYTHON_VERSION" "$root/usr/bin/python3"
(
  cd /python/usr/lib
  rsync --recursive --links --perms --relative --prune-empty-dirs --exclude-from="$scripts/python-excludes" \
    "python$PYTHON_VERSION" python3/dist-packages/numpy python3/dist-packages/numpy-* "$root/usr/lib/"
)
for wheel in /wheel/*.whl; do
  python3 -m zipfile --extract "$wheel" "$site"
done
if compgen -G "$site/*.data" > /dev/null; then
  echo "a wheel has files for other places than the folder of packages" >&2
  exit 1
fi
# Plug-ins for NPUs, which need libraries of the makers' SDKs.
rm -rf "$site"/ai_edge_litert/vendors
record "/usr/bin/python$PYTHON_VERSION"
record "/usr/lib/python$PYTHON_VERSION/os.py"
record "/usr/lib/python$PYTHON_VERSION/sqlite3/__init__.py"
record /usr/lib/python3/dist-packages/numpy/__init__.py

# --- libraries -----------------------------------------------------------------------------------------------
# No loader's cache and no alternatives in a root that was only unpacked: libblas.so.3 lies in a folder of its own.
libraries=/usr/lib/$MULTIARCH
# Until Debian 12 packages put some into /lib, which only the installation makes one with /usr/lib.
places=("$libraries" "/lib/$MULTIARCH" "$libraries/blas" "$libraries/lapack")

copy_needed() { # FILE
  local needed place
  while read -r needed; do
    # Beside the file, as in the wheel (RUNPATH $ORIGIN), or already there.
    if [[ -e ${1%/*}/$needed || -e $root$libraries/$needed ]]; then continue; fi
    for place in "${places[@]}" missing; do
      if [[ -e /python$place/$needed ]]; then break; fi
    done
    if [[ $place == missing ]]; then
      echo "$1 needs $needed, which no package of the root has" >&2
      return 1
    fi
    install -D --mode=755 "/python$place/$needed" "$root$libraries/$needed"
    record "$place/$needed" "$libraries/$needed"
    copy_needed "$root$libraries/$needed"
  done < <(readelf --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux')
}

loader=$(readelf --program-headers "$root/usr/bin/python$PYTHON_VERSION" |
  sed -n 's/.*interpreter: \(.*\)\]/\1/p')
for place in "${places[@]}"; do
  if [[ -e /python$place/${loader##*/} ]]; then
    install -D --mode=755 "/python$place/${loader##*/}" "$root/usr$loader"
    record "$place/${loader##*/}" "/usr$loader"
  fi
done
while read -r file; do
  if [[ $(head -c 4 "$file" | tail -c 3) == ELF ]]; then copy_needed "$file"; fi
done < <(find "$root/usr" -type f \( -name '*.so' -o -name '*.so.*' -o -path '*/bin/*' \))

# --- bytecode ------------------------------------------------------------------------------------------------
# Nothing can be written there later. Not checked against the source, which cannot change either. The bytecode of
# one Python release is the same on every architecture.
if [[ $(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') != "$PYTHON_VERSION" ]]; then
  echo "the builder's Python is not $PYTHON_VERSION" >&2
  exit 1
fi
settle "$root/usr"
# In one process, in the order of names, with one seed: which object a .pyc only refers to depends on what the process
# has seen before (https://github.com/python/cpython/issues/78274).
PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -s "$root" -p / \
  "$root/usr/lib/python$PYTHON_VERSION" "$root/usr/lib/python3" "$site"

for owned in /tmp/owned/*; do
  name=${owned##*/}
  cat "$owned" "/python/var/lib/dpkg/status.d/$name.files" | record_files "$root" "$name"
done

chmod -R u=rwX,go=rX "$root/usr" "$root/etc"
settle "$root"
