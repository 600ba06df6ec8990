#!/bin/bash
# Makes the wheel from the compiled module and upstream's Python files, with upstream's setup.py, as
# tensorflow/lite/tools/pip_package/build_pip_package_with_cmake.sh does. Libraries that no platform tag allows lie
# beside the module in it. Which tag it may have is decided later, from what it needs.
#   /out/python   the wheel, tagged for the machine only
#   TRIPLET, VERSION, STRIP, SOURCE_DATE_EPOCH
set -euo pipefail

lite=/tree/source/tensorflow/lite
package=/tree/wheel/tflite_runtime
licenses=/out/dist/share/licenses
module=_pywrap_tensorflow_interpreter_wrapper.so

rm -rf /tree/wheel /out/dist /out/python
mkdir -p "$package" /out/python "$licenses"
cp "$lite/python/interpreter.py" "$lite/python/metrics/metrics_interface.py" \
  "$lite/python/metrics/metrics_portable.py" "$package/"
printf "__version__ = '%s'\n" "$VERSION" > "$package/__init__.py"
cp "$lite/tools/pip_package/setup_with_binary.py" /tree/wheel/setup.py
cp "/tree/build/tensorflow-lite/$module" "$package/"
cp /tree/source/LICENSE "$licenses/tensorflow"

lddtree --list --skip-non-elfs "$package/$module" | grep -v "^$package/" | sort -u | while read -r library; do
  case ${library##*/} in
    ld-linux*|libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*|libgcc_s.so.*|libstdc++.so.*) continue ;;
  esac
  cp --dereference "$library" "$package/"
  owner=$(dpkg-query --search "$(readlink -f "$library")" | head -n 1 | cut -d: -f1)
  cp "/usr/share/doc/$owner/copyright" "$licenses/$owner"
done
for license in "$licenses"/*; do
  cp "$license" "/tree/wheel/LICENSE.${license##*/}"
done
echo 'recursive-include tflite_runtime *.so.*' > /tree/wheel/MANIFEST.in

if [[ $STRIP == true ]]; then
  # With their names: the verification tells by them which functions are chosen at run time.
  mkdir -p /out/symbols
  "$TRIPLET-strip" --strip-debug -o "/out/symbols/$module" "$package/$module"
  "$TRIPLET-strip" --strip-unneeded "$package/$module"
fi
find /tree/wheel -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
cd /tree/wheel
PROJECT_NAME=tflite_runtime PACKAGE_VERSION=$VERSION \
  python3 setup.py bdist_wheel --plat-name "linux_${TRIPLET%%-*}" --dist-dir /out/python
