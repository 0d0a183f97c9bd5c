#!/usr/bin/env bash
# start ARGUMENT...: become CrateDB. Beside it, and from its own address, the users of the deployment are made.
# ready: whether it answers, and the users are there.
# Nothing but bash and CrateDB itself, so that it works with any image that has both.
set -eu
made=/tmp/users-made

# sql STATEMENT [VALUE]: says the status of the answer. As the superuser, who has no password and whom CrateDB therefore
# trusts from its own address alone. A value stands in no log of statements.
sql() {
	local body status=
	body=$(printf '{"stmt": "%s", "args": [%s]}' "$1" "${2:+\"$2\"}")
	exec 3<>/dev/tcp/127.0.0.1/4200 || return 0
	printf 'POST /_sql HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
		"${#body}" "$body" >&3
	read -r -t 30 _version status _rest <&3 || true
	exec 3>&-
	echo "$status"
}

# user NAME: with the password that lies in the Secret, also when it has changed.
user() {
	local file=/run/secrets/database/password
	[ "$1" = mlflow ] || file=/run/secrets/database/owner-password
	[ "$(sql "CREATE USER $1 WITH (password = ?)" "$(<"$file")")" = 200 ] ||
		[ "$(sql "ALTER USER $1 SET (password = ?)" "$(<"$file")")" = 200 ]
}

# The owner makes and restores tables, and sees who is connected. What the server may, the owner says.
users() {
	until user mlflow_owner && user mlflow && [ "$(sql 'GRANT AL, DDL, DML, DQL TO mlflow_owner')" = 200 ]; do
		sleep 2
	done
	: >"$made"
	echo "The users of the deployment are there."
}

case $1 in
start)
	shift
	if [ "$NODES" -gt 1 ] && [ "$(</proc/sys/vm/max_map_count)" -lt 262144 ]; then
		echo "vm.max_map_count of this node is $(</proc/sys/vm/max_map_count), and several nodes of CrateDB need 262144." \
			"Set it on the machine: sysctl -w vm.max_map_count=262144, and in /etc/sysctl.d to keep it." >&2
		exit 1
	fi
	rm -f "$made"
	users 2>/dev/null &
	exec crate "$@"
	;;
ready)
	[ -e "$made" ] && [ "$(sql 'SELECT 1')" = 200 ]
	;;
esac
