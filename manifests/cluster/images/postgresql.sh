#!/bin/bash
# Makes the database at the first start and runs PostgreSQL.
#   PGDATA         folder of the database on a volume, made here
#   DATABASE_NAME, DATABASE_USER
#   PASSWORD_FILE  file with the user's password, read at every start, so that the Secret is the one truth
# Sockets and scratch files are in /tmp, which must be writable; everything else may be read-only.
set -euo pipefail
: "${PGDATA:?}" "${DATABASE_NAME:?}" "${DATABASE_USER:?}" "${PASSWORD_FILE:?}"
password=$(<"$PASSWORD_FILE")
[ -n "$password" ] || { echo "the password file is empty" >&2; exit 1; }
text() { printf "'%s'" "${1//\'/\'\'}"; }
name() { printf '"%s"' "${1//\"/\"\"}"; }
# Without a server: no socket is open before the password stands.
sql() { postgres --single -j -c log_statement=none -c log_min_error_statement=panic -D "$1" postgres >/dev/null; }

# Held until the server ends, so that a second container on the volume waits for the first.
mkdir -p "$(dirname "$PGDATA")"; exec 9>"$PGDATA.lock"; flock -w 30 9 || { echo "another server runs on $PGDATA" >&2; exit 1; }
# A container that was killed leaves the file of process 1, which we are now.
rm -f "$PGDATA/postmaster.pid"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  new=$PGDATA.new; rm -rf "$new"
  initdb -D "$new" -U postgres --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums >/dev/null
  echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf"
  printf 'CREATE ROLE %s LOGIN;\n\nCREATE DATABASE %s OWNER %s;\n\n' "$(name "$DATABASE_USER")" "$(name "$DATABASE_NAME")" "$(name "$DATABASE_USER")" | sql "$new"
  mv "$new" "$PGDATA"   # a start that was cut short begins anew
fi
chmod 700 "$PGDATA"     # a volume's group may have been given rights, which the server refuses
printf 'ALTER ROLE %s PASSWORD %s;\n\n' "$(name "$DATABASE_USER")" "$(text "$password")" | sql "$PGDATA"
unset password
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections="${MAX_CONNECTIONS:-500}"
