#!/bin/bash
# Drives Bazel: "fetch-all" with network, "compile-all" without; "collect-repositories" for a bundle, without.
#   /source            the extracted source, read only
#   /request           made from the plan, read only: bazel-startup, bazel-args, bazel-remote and bazel-targets have
#                      one item in a line; remote is what ../common/remote.sh reads; bazel-overrides; bazel-downloader; patches/
#   /archives          files checked by hash: what overridden repositories are made of, and what Bazel would
#                      download and finds there by its hash; only while fetching
#   /toolchains        Bazel platforms and toolchains; overrides/ has build files for overridden repositories
#   /repositories      what a bundle brought of Bazel's repository cache, read only; only while fetching
#   /tree              cache mount of this build: source copy, output base, logs; survives failure and interruption
#   /repository-cache, /disk-cache        cache mounts that all builds share
#   /out               what becomes part of the image layer
#   LIMITS             options of Bazel for jobs and memory
#   for compile-all also BINARY, TRIPLET, STRIP, DEBUG_INFO, SOURCE_DATE_EPOCH
set -euo pipefail
scripts=$(dirname "$(readlink -f "$0")")

# shellcheck source=../common/phases.sh
source /common/phases.sh
# shellcheck source=../common/remote.sh
source /common/remote.sh

# shellcheck disable=SC2034  # for phases.sh
error_start='^(\([0-9:]+\) )?ERROR: '

lines() { # FILE
  if [[ -e /request/$1 ]]; then grep -v '^$' "/request/$1" || true; fi
}

mapfile -t startup < <(lines bazel-startup)
mapfile -t arguments < <(lines bazel-args)
mapfile -t targets < <(lines bazel-targets)
environment=()
read -ra limits <<< "${LIMITS:-}"
# Debian's package is no self-extracting program: what is in one otherwise lies here. Its own rc file says so, but
# no rc file of the system counts.
if [[ -d /usr/share/bazel/embedded_tools ]]; then
  startup+=(--install_base=/usr/share/bazel --trust_install_base)
fi

# What the network asks for, where there is one. None of it is in a key of Bazel: a repository rule sees only the
# variables that it has declared.
if [[ -s /run/secrets/ca-java ]]; then
  startup+=(--host_jvm_args=-Djavax.net.ssl.trustStore=/run/secrets/ca-java)
fi
if [[ -s /run/secrets/ca ]]; then
  # For the programs that repository rules start.
  for name in SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO PIP_CERT; do
    environment+=("$name=/run/secrets/ca")
  done
fi
if [[ -s /run/secrets/proxies ]]; then
  mapfile -t -O "${#environment[@]}" environment < /run/secrets/proxies
  if grep --quiet @ /run/secrets/proxies; then
    # Java sends no password to a proxy for https, unless it is told to (java.net's "Networking Properties").
    startup+=(--host_jvm_args=-Djdk.http.auth.tunneling.disabledSchemes=)
  fi
fi
# Mirrors. Known by this name to every Bazel from 4 to 8.
if [[ -s /request/bazel-downloader ]]; then
  arguments+=(--experimental_downloader_config=/request/bazel-downloader)
fi

# --batch where one command is all: nothing of Bazel outlives it.
bazel_program() { # COMMAND ARGUMENT...
  (
    cd /tree/source
    exec env --ignore-environment PATH="$PATH" HOME=/root "${environment[@]}" \
      /usr/bin/bazel "${BATCH:---batch}" "${startup[@]}" \
      --output_user_root=/tree/user-root --output_base="${OUTPUT_BASE:-/tree/output-base}" "$@"
  )
}

# The user's own arguments are the last of the request's, and win over what stands in "own".
own=()
bazel() { # COMMAND ARGUMENT...
  local command=$1
  shift
  bazel_program "$command" --repository_cache=/repository-cache --symlink_prefix=/tree/bazel- \
    --show_progress_rate_limit=1 "${own[@]}" "${arguments[@]}" "${limits[@]}" "$@"
}

# The folders that options of the plan point to, from pinned archives.
override() { # REPOSITORY ARCHIVE STRIP_PREFIX SUBTREE BUILD_FILE
  local folder=/tree/overrides/$1 inner=$3${4:+/$4} build=/toolchains/overrides/$5 stamp
  stamp=$(sha256sum < "/archives/$2")$inner$(sha256sum < "$build")
  [[ -e $folder.stamp && $(< "$folder.stamp") == "$stamp" ]] && return
  echo "unpacking $2 as $1"
  rm -rf "$folder" "$folder.stamp"
  mkdir -p "$folder"
  tar --extract --file="/archives/$2" --directory="$folder" --no-same-owner --strip-components=1 "$inner"
  cp "$build" "$folder/BUILD.bazel"
  echo "workspace(name = \"$1\")" > "$folder/WORKSPACE"
  echo "$stamp" > "$folder.stamp"
}

prepare() {
  take_source
  # Out of a bundle. Bazel checks each file by its hash when it takes it.
  if [[ -d /repositories/content_addressable ]]; then
    cp -r --no-clobber /repositories/. /repository-cache/
  fi

  local repository archive prefix subtree build
  # Tabs between; an empty field stays one.
  while IFS=$'\x1f' read -r repository archive prefix subtree build; do
    override "$repository" "$archive" "$prefix" "$subtree" "$build"
  done < <(lines bazel-overrides | tr '\t' '\037')
}

# "info" reads the release's .bazelrc and takes every flag of "build", and loads nothing: a wrong flag or
# configuration is told within seconds.
check() {
  bazel info release
}

# Loading and analysis of the targets need every repository that the build needs, and nothing that it does not.
# Pipes to an inner tee keep the progress visible.
fetch() {
  bazel build --nobuild --distdir=/archives -- "${targets[@]}" 2>&1 | progress
}

# Everything that the targets need, into an empty output base: what is not there without a network is told here, and
# not where the bundle is used. Bazel gives each file that it takes from the cache a new time (RepositoryCache.java).
repositories() {
  local began=/tree/bundle-began entry
  rm -rf /tree/bundle-base
  touch "$began"
  OUTPUT_BASE=/tree/bundle-base bazel build --nobuild --distdir=/archives -- "${targets[@]}" 2>&1 | progress
  mkdir -p /collected/content_addressable
  if [[ -d /repository-cache/content_addressable ]]; then
    while read -r entry; do
      (cd /repository-cache && cp -r --parents "${entry%/file}" /collected/)
    done < <(cd /repository-cache && find content_addressable -name file -newer "$began")
  fi
  chmod -R u+w /tree/bundle-base
  rm -rf /tree/bundle-base "$began"
}

# Options for a cluster or a cache of others. What the workers run actions in is a part of each key.
remote_options() {
  local digest
  mapfile -t own < <(printf '%s\n' "${own[@]}"; lines bazel-remote)
  if [[ -s /run/secrets/remote-bazelrc ]]; then startup+=(--bazelrc=/run/secrets/remote-bazelrc); fi
  if [[ -z ${remote[executor]} ]]; then
    digest=$(local_root)
  elif ! digest=$(remote_root); then
    # Bazel says so too, and ends with 34; or compiles here.
    echo "tfbuild: the cluster does not take the builder's root filesystem"
    digest=none
  fi
  echo "root filesystem of the builder: ${remote[property]}=$digest"
  own+=("--remote_default_exec_properties=${remote[property]}=$digest")
}

compile() {
  own=(--disk_cache=/disk-cache)
  if [[ -s /request/remote ]]; then remote_options; fi
  bazel build --profile="$log/profile.gz" -- "${targets[@]}" 2>&1 | progress
}

# Bazel's "[n / m] ..." and its downloads go to the terminal too; grep finds none where nothing is to do.
progress() {
  tee >(grep --line-buffered --extended-regexp '^(\([0-9:]+\) )?(\[|Fetching|Analyzing)' >&3 || true)
}

# The command lines of the server's own files, for whoever asks whether a flag arrives.
actions() {
  bazel aquery --output=text "mnemonic('CppCompile|CppLink', ${targets[0]})"
}

failed() { # PHASE STATUS
  # In the log too, for whoever explains it: https://bazel.build/run/scripts#exit-codes
  if [[ $1 != prepare && $1 != install ]]; then
    echo "tfbuild: Bazel ended with exit code $2" | tee --append "$log/$1.log" >&3
  fi
  # JVM errors are in a file of their own, with the environment of the client: not with a proxy's password.
  if [[ -e /tree/output-base/java.log ]]; then
    sed -E 's#(_proxy=([a-z0-9]+://)?)[^/[:space:]]*@#\1***@#gi' /tree/output-base/java.log > "$log/bazel-java.log"
  fi
}

# A server is ended in good order: the next step goes on with its output base.
ended() {
  if [[ ${BATCH:-} == --nobatch && -e /tree/output-base/server ]]; then
    bazel_program shutdown > /dev/null 2>&1 || true
  fi
}

overrides() {
  mkdir -p /tree/overrides
  ln -sfn /tree/overrides /overrides
}

case ${1:-} in
  fetch-all)
    forget_logs
    overrides
    # Three commands, which one server answers: it starts once, and analyses once.
    export BATCH=--nobatch
    phases prepare check fetch actions
    ;;
  compile-all)
    overrides
    phases compile install
    cp -r "$log" /out/log
    ;;
  collect-repositories)
    overrides
    phases prepare repositories
    ;;
  prepare | check | fetch | repositories | compile | actions) "$1" ;;
  install) bash "$scripts/install.sh" ;;
  *)
    echo "usage: compile.sh fetch-all | compile-all | collect-repositories" >&2
    exit 2
    ;;
esac
