# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# PostgreSQL for tests: clusters of their own below $tmp, on a port of
# loopback and a socket of the file system; read in after lib.sh.  The server
# refuses to be root's: root starts it as `postgres', or as nobody.
#
#	pg_missing			says what there is not; else nothing
#	pg_make name port [line ...]	a cluster, with lines of its settings
#	pg_start name			it answers when this returns
#	pg_role name role password database
#	pg_sql name database statement	superuser's; one line for each row,
#					columns with | between
#	pg_stop, pg_restart		orderly; clients are cut off
#	pg_freeze, pg_thaw		it holds its connections, says nothing
#	pg_kill				as if the power had failed
#
# Each logs in with a password, the superuser, `postgres', too: nobody else
# on this machine has anything of a test's.  $tmp/name/run is the directory
# of the socket, and $tmp/name/log is the log.  Nothing is synced.

clusters=''			# those that may run
endings="$endings pg_end"

# pg_program name: its path; Debian keeps versions apart, and out of PATH
pg_program()
{
	for p in /usr/lib/postgresql/*/bin/"$1"; do
		[ -x "$p" ] && pg_path=$p
	done
	[ -n "${pg_path-}" ] || pg_path=$(command -v "$1") || return 1
	echo "$pg_path"
	pg_path=''
}

pg_missing()
{
	if ! pg_program initdb >/dev/null || ! pg_program postgres >/dev/null
	then
		echo "no PostgreSQL server"
	elif ! has psql; then
		echo "no psql"
	elif is_root && ! has setpriv; then
		echo "no setpriv to leave root by"
	fi
}

# pg_as command ...: instead of this shell, as who may run it
pg_as()
{
	cd "$tmp" || exit 1
	if is_root; then
		pg_owner=postgres
		id postgres >/dev/null 2>&1 || pg_owner=nobody
		exec setpriv --reuid "$pg_owner" --regid \
		    "$(id -g "$pg_owner")" --clear-groups "$@"
	fi
	exec "$@"
}

pg_make()
{
	pg=$tmp/$1 pg_port=$2 pg_name=$1
	shift 2
	mkdir -p "$pg/run"
	openssl rand -hex 16 >"$pg/password"
	if is_root; then
		chown "$(pg_as id -u)" "$pg" "$pg/run" "$pg/password"
	fi
	chmod 600 "$pg/password"
	if ! (pg_as "$(pg_program initdb)" -D "$pg/data" -U postgres -N \
	    -A scram-sha-256 --pwfile="$pg/password" -E UTF8 \
	    --locale=C) >"$pg/initdb" 2>&1; then
		not_ok "PostgreSQL makes a cluster"
		shows "$pg/initdb"
		finish
	fi
	cat >>"$pg/data/postgresql.conf" <<-EOT
	listen_addresses = '127.0.0.1'
	port = $pg_port
	unix_socket_directories = '$pg/run'
	fsync = off
	full_page_writes = off
	synchronous_commit = off
	shared_buffers = 16MB
	logging_collector = off
	log_line_prefix = '%p '
	$(for line; do echo "$line"; done)
	EOT
	echo "$pg_port" >"$pg/port"
	clusters="$clusters $pg_name"
}

pg_start()
{
	pg_as "$(pg_program postgres)" -D "$tmp/$1/data" </dev/null \
	    >>"$tmp/$1/log" 2>&1 &
	echo $! >"$tmp/$1/pid"
	wait_for 60 pg_answers_or_gone "$1"
	pg_gone "$1" || return 0
	not_ok "PostgreSQL starts"
	shows "$tmp/$1/log"
	finish
}

pg_pid()
{
	cat "$tmp/$1/pid"
}

pg_gone()
{
	gone "$(pg_pid "$1")"
}

pg_answers_or_gone()
{
	pg_sql "$1" postgres 'SELECT 1' >/dev/null 2>&1 || pg_gone "$1"
}

# Neither the caller's PG variables nor its files are part of a test.
pg_sql()
{
	env -i PATH="$PATH" HOME="$tmp" PGCONNECT_TIMEOUT=5 \
	    PGPASSWORD="$(cat "$tmp/$1/password")" \
	    psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$tmp/$1/run" \
	    -p "$(cat "$tmp/$1/port")" -U postgres -d "$2" -c "$3"
}

# pg_role name role password database: both are new, and the role owns it
pg_role()
{
	pg_sql "$1" postgres "CREATE ROLE \"$2\" LOGIN PASSWORD '$3'" &&
	    pg_sql "$1" postgres "CREATE DATABASE \"$4\" OWNER \"$2\""
}

# pg_signal name signal: it and all of its processes
pg_signal()
{
	# shellcheck disable=SC2046	# words are wanted
	kill -s "$2" "$(pg_pid "$1")" $(pgrep -P "$(pg_pid "$1")") \
	    2>/dev/null
}

pg_stop()
{
	kill -s INT "$(pg_pid "$1")"
	wait_for 60 pg_gone "$1"
	wait "$(pg_pid "$1")" 2>/dev/null
}

pg_restart()
{
	pg_stop "$1"
	pg_start "$1"
}

# It makes no process meanwhile, so none is missed.
pg_freeze()
{
	kill -s STOP "$(pg_pid "$1")"
	pg_signal "$1" STOP
}

pg_thaw()
{
	pg_signal "$1" CONT
}

# What it leaves is a piece of shared memory, which its next start takes.
pg_kill()
{
	pids=$(pgrep -P "$(pg_pid "$1")")
	pg_signal "$1" KILL
	for p in $(pg_pid "$1") $pids; do
		wait_for 10 gone "$p"
	done
	wait "$(pg_pid "$1")" 2>/dev/null
}

# At the exit: also of those that were killed, or are frozen.
pg_end()
{
	for c in $clusters; do
		[ -s "$tmp/$c/pid" ] || continue
		if ! pg_gone "$c"; then
			pg_signal "$c" CONT
			kill -s QUIT "$(pg_pid "$c")"
			wait_for 10 pg_gone "$c" || pg_kill "$c"
			wait "$(pg_pid "$c")" 2>/dev/null
		fi
		shm=$(awk 'NR == 7 { print $2 }' \
		    "$tmp/$c/data/postmaster.pid" 2>/dev/null)
		[ -z "$shm" ] || ipcrm -m "$shm" 2>/dev/null
	done
	clusters=''
}
