#!/bin/bash
# One "bazel build" and nothing else, or two; no cache of any kind but the output base.
#   LIMITS, BINARY
#   FIRST       option of a build before the build, or empty
set -euo pipefail

# What makes our Bazel quicker is ours.
mapfile -t startup < <(grep --invert-match '^--host_jvm_args=' /request/bazel-startup)
mapfile -t arguments < /request/bazel-args
mapfile -t targets < /request/bazel-targets
read -ra limits <<< "${LIMITS:-}"
# Debian's package: what a self-extracting Bazel brings lies here.
if [[ -d /usr/share/bazel/embedded_tools ]]; then
  startup+=(--install_base=/usr/share/bazel --trust_install_base)
fi

mkdir -p /tree/overrides /out
ln -s /tree/overrides /overrides
cp -r /source /tree/source
# Empty fields between tabs stay fields.
while IFS=$'\x1f' read -r repository archive prefix subtree build; do
  folder=/overrides/$repository
  mkdir "$folder"
  tar --extract --file="/archives/$archive" --directory="$folder" --strip-components=1 "$prefix${subtree:+/$subtree}"
  cp "/toolchains/overrides/$build" "$folder/BUILD.bazel"
  echo "workspace(name = \"$repository\")" > "$folder/WORKSPACE"
done < <(tr '\t' '\037' < /request/bazel-overrides)

cd /tree/source
# All of its output goes to a file, as ours does: BuildKit would spend time on it.
build() { # OPTION...
  if ! env --ignore-environment PATH="$PATH" HOME=/root \
    /usr/bin/bazel --batch "${startup[@]}" --output_user_root=/tree/user-root --output_base=/tree/output-base \
    build --repository_cache=/tree/repositories --distdir=/archives --symlink_prefix=/tree/bazel- \
    "${arguments[@]}" "${limits[@]}" "$@" -- "${targets[@]}" >> /out/compile.log 2>&1; then
    tail -n 40 /out/compile.log
    exit 1
  fi
}
if [[ -n $FIRST ]]; then build "$FIRST"; fi
build
cp "/tree/bazel-bin/$BINARY" /out/
