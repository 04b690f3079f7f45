# To be sourced: `start_postgres [-c setting=value]…` starts a throw-away PostgreSQL on loopback and sets postgres_url.
# It stops when the script that sourced this ends, however it ends.
# shellcheck shell=bash

start_postgres() {
  local programs port _
  programs="$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n1)"
  # Not below the repository: PostgreSQL refuses to run as root, and its own user cannot look into /root.
  postgres_home="$(mktemp --directory --tmpdir countersign-postgres.XXXXXX)"
  as_postgres=()
  if ((EUID == 0)); then
    chown postgres "$postgres_home"
    as_postgres=(runuser -u postgres --)
  fi
  pg_ctl=("${as_postgres[@]}" "$programs/pg_ctl" --pgdata "$postgres_home/data" --silent)
  trap stop_postgres EXIT

  cd_and "$postgres_home" "${as_postgres[@]}" "$programs/initdb" --pgdata "$postgres_home/data" \
    --username postgres --auth trust --encoding UTF8 --locale C.UTF-8 --no-sync >/dev/null
  # The port may be taken, so losing one is no reason to give up.
  for _ in {1..10}; do
    port=$((20000 + RANDOM % 10000))
    if cd_and "$postgres_home" "${pg_ctl[@]}" start --wait --log "$postgres_home/log" --options "-p $port \
      -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=500 $*" &>/dev/null; then
      # shellcheck disable=SC2034 # for the script that sources this
      postgres_url="postgres://postgres@127.0.0.1:$port/postgres"
      return
    fi
  done
  cat "$postgres_home/log" >&2
  echo "PostgreSQL did not start." >&2
  return 1
}

stop_postgres() {
  cd_and / "${pg_ctl[@]}" stop --mode immediate &>/dev/null || true
  rm -rf "$postgres_home"
}

# PostgreSQL's own user may not enter the directory that we are in.
cd_and() (
  cd "$1" || exit
  shift
  "$@"
)
