#!/bin/bash
# Makes the wheel from the compiled module and upstream's Python files, with upstream's setup.py, as
# tensorflow/lite/tools/pip_package/build_pip_package_with_cmake.sh does. Libraries that no platform tag allows lie
# beside the module in it. Which tag it may have is decided later, from what it needs.
#   /out/python   the wheel, tagged for the machine only
#   TRIPLET, LITE_FOLDER, VERSION, STRIP, SOURCE_DATE_EPOCH, PYTHON_PACKAGE, PYTHON_MODULE
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")
# shellcheck source=../common/results.sh
source /common/results.sh
# shellcheck source=../common/symbols.sh
source /common/symbols.sh
# shellcheck source=licenses.sh
source "$scripts/licenses.sh"

lite=/tree/source/$LITE_FOLDER
package=/tree/wheel/$PYTHON_PACKAGE
# What setup.py takes for built already, and packs too: upstream's list of data files has no *.so.N.
built=/tree/wheel-lib
licenses=/out/dist/share/licenses
module=$PYTHON_MODULE.so

rm -rf /tree/wheel "$built" /out/dist /out/python /out/contents.tsv
mkdir -p "$package" "$built/$PYTHON_PACKAGE" /out/python "$licenses"
cp "$lite/python/interpreter.py" "$lite/python/metrics/metrics_interface.py" \
  "$lite/python/metrics/metrics_portable.py" "$package/"
# They look for the package by this name; LiteRT's build does the same (ci/tools/python/wheel/BUILD).
sed -i "s/tflite_runtime/$PYTHON_PACKAGE/g" "$package"/*.py
printf "__version__ = '%s'\n" "$VERSION" > "$package/__init__.py"
cp "$lite/tools/pip_package/setup_with_binary.py" /tree/wheel/setup.py
cp "/tree/build/tensorflow-lite/$module" "$package/"
compiled_licenses "$licenses"

libraries_of "$package" "$package/$module" | while read -r library; do
  cp --dereference "$library" "$built/$PYTHON_PACKAGE/"
  # They need each other, too.
  # shellcheck disable=SC2016  # for the loader, not for the shell
  patchelf --set-rpath '$ORIGIN' "$built/$PYTHON_PACKAGE/${library##*/}"
  owner=$(package_of "$library")
  cp "/usr/share/doc/$owner/copyright" "$licenses/$owner"
  note_content "$PYTHON_PACKAGE/${library##*/}" copied "$owner"
done
for license in "$licenses"/*; do
  cp "$license" "/tree/wheel/LICENSE.${license##*/}"
done

if [[ $STRIP == true ]]; then
  strip_symbols "$package/$module" /out/symbols
fi
settle /tree/wheel "$built"
cd /tree/wheel
PROJECT_NAME=$PYTHON_PACKAGE PACKAGE_VERSION=$VERSION \
  python3 setup.py build --build-lib "$built" bdist_wheel --plat-name "linux_${TRIPLET%%-*}" --dist-dir /out/python
