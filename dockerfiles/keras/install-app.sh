#!/bin/bash
# Makes /application: the program, the model, their settings, and the wheels that only the program needs. No network.
#   PYTHON, SOURCE_DATE_EPOCH
#   /app  /model  the user's          /wheels  /request  as for install.sh
set -euo pipefail
# shellcheck source=../common/results.sh
source /common/results.sh
# shellcheck source=wheels.sh
source /tfbuild/wheels.sh

root=/application
packages=/usr/local/lib/python$PYTHON/dist-packages
mkdir -p "$root/app" "$root/etc/tfbuild" "$root/models"
cp --recursive /app/. "$root/app/"
cp --recursive /model/. "$root/models/"
cp /request/app.json "$root/etc/tfbuild/app.json"

if [[ -s /request/app-requirements.txt ]]; then
  mkdir -p "$root$packages"
  unpack_wheels "$root$packages" /request/app-requirements.txt
  compile_bytecode "$root" -j 0 "$root$packages" \
    || echo "not everything in the application's packages is Python $PYTHON"
fi
compile_bytecode "$root" "$root/app" \
  || echo "not everything in the application is Python $PYTHON"

# Whatever the umask of who builds is.
chmod -R u=rwX,go=rX "$root"
settle "$root"
