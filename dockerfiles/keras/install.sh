#!/bin/bash
# Makes of wheels the files of the runtime image: /runtime, and /out with what is told about them. No network.
#   PYTHON         as 3.11
#   MULTIARCH      Debian's library folder of the target
#   RUNTIME_BASE   scratch or debian
#   RUNTIME_UID    user of the image
#   SOURCE_DATE_EPOCH
#   /wheels        the wheels          /request  requirements.txt, platforms, leave-out
#   /target-root   the Debian packages of the image, for its architecture
#   /tfbuild       this folder         /common   scripts that several products use
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh
# shellcheck source=wheels.sh
source /tfbuild/wheels.sh

packages=/usr/local/lib/python$PYTHON/dist-packages
root=/runtime
tree=$root$packages
mkdir -p "$root" "$tree" /out/dist /out/log

unpack_wheels "$tree" /request/requirements.txt

mapfile -t groups < /request/leave-out
python3 /tfbuild/slim.py "$tree" /tfbuild/leave-out "${groups[@]}" > /out/dist/left-out.tsv

# The interpreter's own modules, and links as users type them.
mkdir -p "$root/usr/bin" "$root/usr/lib/python$PYTHON" "$root/usr/local/bin" "$root/etc/tfbuild" "$root/app"
cp --archive "/target-root/usr/lib/python$PYTHON/." "$root/usr/lib/python$PYTHON/"
ln -sf "python$PYTHON" "$root/usr/bin/python3"
ln -sf "python$PYTHON" "$root/usr/bin/python"
install --mode=755 /tfbuild/entry.py "$root/usr/local/bin/keras-entry"

# A package may ship files that are templates or tests of syntax errors: they are told, and do not matter.
for folder in "/usr/lib/python$PYTHON" "$packages"; do
  compile_bytecode "$root" -j 0 "$root$folder" \
    >> /out/log/bytecode.log 2>&1 || echo "not everything in $folder is Python $PYTHON" >> /out/log/bytecode.log
done

# One file instead of thousands: importing TensorFlow is mostly finding and reading modules.
cp /tfbuild/quick_start.py "$tree/"
echo "import quick_start" > "$tree/quick_start.pth"
python3 /tfbuild/pack_modules.py "$root" "$packages" >> /out/log/bytecode.log
find "$tree" -name __pycache__ -type d -empty -delete
compile_bytecode "$root" "$tree/quick_start.py"

if [[ $RUNTIME_BASE == scratch ]]; then
  bash /tfbuild/collect-packages.sh
fi

{
  python3 --version
  python3 -m pip --version | sed 's/ from .*//'
  eu-strip --version | head -n 1
} > /out/tools.txt
field() { # NAME FILE
  sed -n "s/^$1: //p" "$2"
}
# The line of list-packages.sh for a package that was only unpacked.
print_record() { # FILE
  local source version
  source=$(field Source "$1") version=$(field Version "$1")
  if [[ -z $source ]]; then source=$(field Package "$1"); fi
  if [[ $source == *' ('*')' ]]; then version=${source#* (} version=${version%)}; fi
  printf '%s\t%s\t%s\t%s\t%s\t\n' "$(field Package "$1")" "$(field Version "$1")" "$(field Architecture "$1")" \
    "${source%% *}" "$version"
}
{
  bash /common/list-packages.sh
  if [[ -d /target-root/var/lib/dpkg/status.d ]]; then
    for record in /target-root/var/lib/dpkg/status.d/*; do
      [[ $record == *.files ]] || print_record "$record"
    done
  else
    bash /common/list-packages.sh --admindir=/target-root/var/lib/dpkg
  fi
} | sort -u > /out/packages.tsv

# Whatever the umask of who builds is.
chmod -R u=rwX,go=rX "$root"/{usr,etc,app}
settle "$root"
