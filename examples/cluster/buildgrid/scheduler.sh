#!/bin/bash
# The tables, as this version of BuildGrid wants them, and then the server.
set -euo pipefail
until bgd migrate apply postgresql://postgres@database/postgres; do sleep 1; done
exec bgd server start /etc/cluster/buildgrid.yml
