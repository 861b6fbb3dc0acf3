#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A lookupd in its jail and real servers of PostgreSQL: what it answers while
# they are started, stopped, frozen, killed and full, that it finds back by
# itself, and what `postern -n' says of queries.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"
. "$here/postgres.sh"

why=$(pg_missing)
[ -z "$why" ] || skip_all "$why"
driver=$tools/../unit/t_lookupd_pq
[ -x "$driver" ] || skip_all "no $driver"

# --- the driver: a line for each question, and one for its answer ------------

mkfifo "$tmp/in" "$tmp/out"

# begin timeout connections uri ...
begin()
{
	B=$build "$driver" -i "$@" <"$tmp/in" >"$tmp/out" 2>"$tmp/driver" &
	driver_pid=$!
	started="$started $driver_pid"
	exec 3>"$tmp/in" 4<"$tmp/out"
}

end()
{
	# A server that was started meanwhile has these open, too.
	echo end >&3
	wait "$driver_pid"
	is "$1: lookupd ends well" $? 0
	exec 3>&- 4<&-
}

# ask question: $answer
ask()
{
	echo "$*" >&3
	answer=nothing
	read -r answer <&4
}

asks()
{
	ask "$1"
	is "$3" "$answer" "$2"
}

# Until it says that: a server is back when it is tried again.
says()
{
	ask "$1"
	[ "$answer" = "$2" ]
}

comes_to()
{
	if wait_for 20 says "$1" "$2"; then
		ok "$3"
	else
		not_ok "$3"
		echo "#	got:    $answer"
	fi
}

cannot()
{
	ask "$1"
	like "$2" "$answer" '!*'
}

# fill name n: its database, with that for a@example.org
fill()
{
	pg_role "$1" u 'hidden-word' mail
	pg_sql "$1" mail "CREATE TABLE users (address text PRIMARY KEY, n int);
	    INSERT INTO users VALUES ('a@example.org', $2),
	    ('b@example.org', $2 + 1);
	    CREATE TABLE changing (a int); INSERT INTO changing VALUES (5);
	    GRANT ALL ON users, changing TO u; ALTER TABLE changing OWNER TO u"
}

uri()
{
	echo "postgresql://u:hidden-word@127.0.0.1:$1/mail"
}

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
port1=$1 port2=$2
pg_make one "$port1" 'max_connections = 10' 'superuser_reserved_connections = 3'
pg_make two "$port2"
pg_start one
pg_start two
fill one 1
fill two 11

# --- one server --------------------------------------------------------------

begin 1500 3 "$(uri "$port1")"
asks 'n a@example.org' 'n|1' 'a row'
asks 'n nobody' 'n' 'no row'
asks "n ' OR 1=1 --" 'n' 'a value is never SQL'
asks 'all' 'address,n|a@example.org,1|b@example.org,2' 'rows and columns'
asks 'cast 41' 'sum|42' 'a parameter that is cast'
asks 'null' 'x,y|NULL,' 'NULL is not empty'
asks 'text K' 't|:no:noK' 'what is no parameter'
asks 'add x@example.org' 'changed 1' 'a statement without rows'
asks 'many 9' 'i|1|2|3|4|5|6|7|8|9' 'as many rows as wanted'
asks 'many 3000000' 'i|1|2|3|4|5|6|7|8|9+' 'and no more of millions'
ask 'big'
like 'a value that is too long' "$answer" '!*longer than 900 kilobytes'
asks 'bad' '!column "m" does not exist' 'a bad query'
ask 'cast x'
like 'a value that is no number' "$answer" '!invalid input syntax*'
asks 'many 300 n a@example.org' '300 n|1' 'three hundred at once'
cannot 'sleep 30' 'one that takes too long'
asks 'n a@example.org' 'n|1' 'and the next one'
asks 'type' 'a|5' 'a prepared statement'
asks 'alter' 'changed 0' 'whose table changes'
asks 'type' 'a,b|5,NULL' 'is prepared anew'

pg_restart one
comes_to 'n a@example.org' 'n|1' 'the server was restarted'
pg_stop one
cannot 'n a@example.org' 'it is stopped'
ask 'many 50 n a@example.org'
like 'nor for fifty' "$answer" '50 !*'
pg_start one
comes_to 'n a@example.org' 'n|1' 'it is started again'
pg_freeze one
cannot 'n a@example.org' 'it is frozen'
cannot 'n b@example.org' 'still frozen'
pg_thaw one
comes_to 'n a@example.org' 'n|1' 'it is thawed'
pg_kill one
cannot 'n a@example.org' 'it is killed'
pg_start one
comes_to 'n a@example.org' 'n|1' 'it has recovered'
pg_sql one postgres "SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity WHERE usename = 'u'" >"$tmp/terminated"
asks 'n a@example.org' 'n|1' 'a connection that was cut off is not seen'
asks 'log hidden-word' 0 'the password is in no log'
end 'one server'

# --- two servers, sockets, names ---------------------------------------------

begin 1500 2 "$(uri "$port1")" "$(uri "$port2")"
ask 'n a@example.org'
like 'two servers' "$answer" 'n|1*'
pg_stop one
comes_to 'n a@example.org' 'n|11' 'the first is stopped'
pg_start one
pg_stop two
comes_to 'n a@example.org' 'n|1' 'the second is, and the first is back'
pg_start two
end 'two servers'

begin 1500 2 "postgresql://u:hidden-word@/mail?host=$tmp/one/run&port=$port1"
asks 'n a@example.org' 'n|1' 'by its socket'
end 'a socket'

begin 1500 1 "postgresql://u:wrong@127.0.0.1:$port1/mail"
cannot 'n a@example.org' 'a wrong password'
asks 'log wrong' 0 'which is in no log'
end 'a wrong password'

# More connections than the server takes: those that it has must do.
begin 5000 30 "$(uri "$port1")"
ask 'many 30 sleep 0.05'
asks 'many 100 n a@example.org' '100 n|1' 'a server that is full'
end 'a full server'

# --- postern -n --------------------------------------------------------------

check()
{
	cat >"$tmp/n.yaml" <<-EOT
	hostname: mx.example.org
	listener: {in: {bind: "127.0.0.1:2525"}}
	datasource:
	  users:
	    uri: "postgresql://u:hidden-word@$1:$port1/mail"
	    query:
	      good: "SELECT n FROM users WHERE address = :key"
	      $2: "SELECT $2 FROM users"
	EOT
	"$build/smtpd/postern" -n -f "$tmp/n.yaml" >"$tmp/said" 2>&1
}

check localhost n
is '-n: good queries' "$? $(tail -n 1 "$tmp/said")" '0 configuration OK'
check localhost m
is '-n: a bad one' "$? $(cat "$tmp/said")" "1 $tmp/n.yaml:8:10: \
datasource.users.query.m: column \\\"m\\\" does not exist"
pg_stop one
check 127.0.0.1 m
like '-n: a database that is not there' "$? $(cat "$tmp/said")" \
    "0*n.yaml:5:10: warning: datasource.users.uri:*refused*"
finish
