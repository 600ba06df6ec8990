#!/bin/bash
# PostgreSQL for the scheduler, which is the only one that reaches it.
set -euo pipefail
shopt -s nullglob
programs=(/usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/cluster
[[ -e $data/PG_VERSION ]] || "${programs[0]}/initdb" --pgdata="$data" --auth=trust --encoding=UTF8 --locale=C.UTF-8
# Of the network that compose makes for these services alone.
grep --quiet '^host all all samenet' "$data/pg_hba.conf" || echo "host all all samenet trust" >> "$data/pg_hba.conf"
exec "${programs[0]}/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
