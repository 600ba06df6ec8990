#!/bin/bash
# Lays out /out: dist/ (what the product consists of), smoke/ (upstream's test model), symbols/ (the server with
# names, for the verification), tools.txt, packages.tsv.
#   TRIPLET, MULTIARCH, STRIP, DEBUG_INFO, WHEEL_LIBRARIES, SOURCE_DATE_EPOCH
set -euo pipefail
# shellcheck source=../../common/results.sh
source /common/results.sh
# shellcheck source=../../common/symbols.sh
source /common/symbols.sh
scripts=$(dirname "$(readlink -f "$0")")
# shellcheck source=../entry/install.sh
source "$scripts/../entry/install.sh"

wheel=/tree/wheel/tensorflow
dist=/out/dist
rm -rf /out
mkdir -p "$dist"/{bin,lib,share/licenses} /out/smoke

# --- the server, and the wheel's libraries ----------------------------------------------------------------------
install --mode=755 /tree/build/tensorflow_model_server "$dist/bin/"
separate_symbols "$dist/bin/tensorflow_model_server"
install_entry "$dist"
libraries=("$wheel"/libtensorflow_{cc,framework}.so.2)
read -ra more <<< "$WHEEL_LIBRARIES"
for library in "${libraries[@]}" "${more[@]/#//tree/wheel/}"; do
  install --mode=755 "$library" "$dist/lib/"
  note_content "lib/${library##*/}" copied "$(basename /wheel/*.whl)"
  if [[ $STRIP == true ]]; then
    "$TRIPLET-strip" --strip-unneeded "$dist/lib/${library##*/}"
  fi
done

# --- what the user adds -------------------------------------------------------------------------------------------
while IFS=$'\t' read -r library file; do
  install -D --mode=755 "/further/operators/$library" "$dist/lib/operators/$library"
  note_content "lib/operators/$library" copied "$file"
  if [[ $STRIP == true ]]; then
    "$TRIPLET-strip" --strip-unneeded "$dist/lib/operators/$library"
  fi
done < <(paste /request/operators /request/operators-from)

# --- licences: Serving's, TensorFlow's with all that is in its libraries, and those of the archives --------------
cp /tree/source/LICENSE "$dist/share/licenses/tensorflow-serving"
cat "$wheel/include/LICENSE" "$wheel/THIRD_PARTY_NOTICES.txt" > "$dist/share/licenses/tensorflow"
while read -r pattern; do
  for archive in "/usr/lib/$MULTIARCH"/$pattern; do package_of "$archive"; done
done < <(cat /request/archives /request/whole-archives) | sort -u | while read -r package; do
  cp "/usr/share/doc/$package/copyright" "$dist/share/licenses/$package"
  note_content bin/tensorflow_model_server static "$package"
done

while read -r path; do
  cp "/further/$path" "$dist/share/licenses/${path%%/*}"
done < /request/further-licenses

# --- for the smoke test ------------------------------------------------------------------------------------------
cp -r /tree/source/tensorflow_serving/servables/tensorflow/testdata/saved_model_half_plus_two_cpu \
  /out/smoke/half_plus_two

# --- what it was made with ---------------------------------------------------------------------------------------
cp /etc/tfbuild-packages.tsv /out/packages.tsv
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' /tree/build/CMakeCache.txt)
{
  "$compiler" --version | head -n 1
  "$TRIPLET-ld" --version | head -n 1
  "$(sed -n 's/^PROTOC:[A-Z]*=//p' /tree/build/CMakeCache.txt)" --version
  cmake --version | head -n 1
} > /out/tools.txt
chmod -R u=rwX,go=rX /out
settle "$dist"
