#!/bin/bash
# A package without dependencies of its own.
set -euo pipefail
# shellcheck source=../../../dockerfiles/common/apt.sh
source /common/apt.sh
apt_update
apt-get "${apt_options[@]}" install --yes --no-install-recommends hello
