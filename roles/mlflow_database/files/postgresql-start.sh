#!/bin/sh
# Starts PostgreSQL on the volume, and creates roles and databases in a new one. Works with any image that has a
# PostgreSQL: the official one, Debian's, your own. The folder becomes the data folder only when all of it is made:
# an interrupted first start begins anew, and loses nothing.
set -eu
PATH=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1):$PATH
data=/var/lib/postgresql/volume/data
if [ ! -s "$data/PG_VERSION" ]; then
	echo "The volume is empty: creating the databases."
	new=$data.new
	rm -rf "$new"
	initdb --pgdata="$new" --username=postgres --auth-local=trust --auth-host=scram-sha-256 --data-checksums \
		--encoding=UTF8 --locale=C.UTF-8 --no-instructions >/dev/null
	echo "host all all all scram-sha-256" >>"$new/pg_hba.conf"
	# Nobody but us: no address.
	pg_ctl --pgdata="$new" --wait --silent start --log=/tmp/create.log \
		--options="-c listen_addresses= -c unix_socket_directories=/tmp"
	psql --no-psqlrc --quiet --host=/tmp --username=postgres --set=ON_ERROR_STOP=1 <<'SQL' || { cat /tmp/create.log; exit 1; }
CREATE ROLE mlflow_owner LOGIN CREATEDB;
CREATE ROLE mlflow LOGIN;
CREATE DATABASE mlflow OWNER mlflow_owner;
CREATE DATABASE mlflow_auth OWNER mlflow_owner;
REVOKE ALL ON DATABASE mlflow, mlflow_auth FROM PUBLIC;
GRANT CONNECT ON DATABASE mlflow, mlflow_auth TO mlflow;
SQL
	pg_ctl --pgdata="$new" --wait --silent --mode=fast stop
	mv "$new" "$data"
fi
hba=/etc/postgresql/pg_hba.conf
[ -e "$hba" ] || hba=$data/pg_hba.conf
set -- -D "$data" -c config_file=/etc/postgresql/postgresql.conf -c hba_file="$hba" -c ident_file="$data/pg_ident.conf"
# Each start gives the roles the passwords that lie there now: one that was changed holds on both sides. Before anybody
# is let in, and a statement with a password must not reach the log, even if it fails.
for role in mlflow mlflow_owner; do
	file=/run/secrets/database/password
	[ "$role" = mlflow ] || file=/run/secrets/database/owner-password
	printf "ALTER ROLE %s PASSWORD '%s';\n" "$role" "$(sed "s/'/''/g" "$file")"
done | postgres --single "$@" -c log_min_error_statement=panic -c standard_conforming_strings=on postgres >/dev/null
exec postgres "$@"
