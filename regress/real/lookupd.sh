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

# script answer name statement [value ...]
script()
{
	want=$1 why=$2
	line="sql~$3"
	shift 3
	for v; do line="$line~$v"; done
	ask "$line"
	is "$why" "$answer" "$want"
}

# refuses statement: a script may not say that
refuses()
{
	ask "sql~$1"
	like "refused: $1" "$answer" '!*'
	asks 'n a@example.org' 'n|1' "and a query behind it"
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
	    CREATE TABLE greylist (addr text PRIMARY KEY);
	    GRANT ALL ON users, changing, greylist TO u;
	    GRANT CREATE ON SCHEMA public TO u; ALTER TABLE changing OWNER TO u"
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

# --- scripts -----------------------------------------------------------------

begin 1500 2 "$(uri "$port1")"
exists='SELECT EXISTS(SELECT 1 FROM greylist WHERE addr=? LIMIT 1)'
insert='INSERT INTO greylist (addr) VALUES (?)'
script 'exists|b:0' 'script: not in the greylist' "$exists" t:192.0.2.1.a.b
script 'changed 1' 'script: it is put there' "$insert" t:192.0.2.1.a.b
script 'exists|b:1' 'script: it is there' "$exists" t:192.0.2.1.a.b
ask "sql~$insert~t:192.0.2.1.a.b"
like 'script: not twice' "$answer" '!duplicate key*'
script 'a,b,c,d,e,f,g,h|i:1,r:0.5,t:x,b:1,b:0,n:,i:-5,r:0.1' \
    'script: types' "SELECT 1 AS a, 0.5::float AS b, 'x' AS c, true AS d, \
false AS e, NULL AS f, -5::bigint AS g, 0.1::real AS h"
script 'a,b,c,d|i:12,r:12.50,t:1234567890123456789,t:0.1234567890123456' \
    'script: numeric' "SELECT 12::numeric AS a, 12.50::numeric AS b, \
1234567890123456789::numeric AS c, 0.1234567890123456 AS d"
script 'a,b|r:inf,r:nan' 'script: what is no number' \
    "SELECT 'Infinity'::float AS a, 'NaN'::float AS b"
script 's|i:42' 'script: a number' 'SELECT ?::int + 1 AS s' i:41
script 's|t:ba' 'script: names' 'SELECT :b::text || :a AS s' a=t:a b=t:b
script 's|t:aba' 'script: numbers' 'SELECT ?1::text || ?2 || ?1 AS s' t:a t:b
script 's|b:1' 'script: NULL' 'SELECT ?::text IS NULL AS s' n:
script 's|b:0' 'script: a boolean' 'SELECT NOT ?::bool AS s' b:1
script 's|t::no?' 'script: what is no parameter' "SELECT \$\$:no?\$\$ AS s"
script '!parameter 1 has no value' 'script: a value is missing' "$exists"
script '!parameter :b has no value' 'script: by name' 'SELECT :b' c=t:1
script '!a value for parameter 2, which the statement does not have' \
    'script: one too many' "$exists" t:1 t:2
script 'changed 0' 'script: a table of its own' \
    'CREATE TABLE IF NOT EXISTS own (k text PRIMARY KEY, v int)'
script 'v|i:1*1' 'script: rows of a change' "INSERT INTO own VALUES ('a', 1) \
ON CONFLICT (k) DO UPDATE SET v = own.v + 1 RETURNING v"
script 'i|i:1|i:2|i:3|i:4|i:5|i:6|i:7|i:8|i:9+*30' \
    'script: all is done, and some is told' \
    'INSERT INTO changing SELECT generate_series(1, 30) RETURNING a AS i'
script 'changed 31' 'script: so many' 'DELETE FROM changing WHERE a < 31'
script 'changed 1' 'script: one is left' 'INSERT INTO changing VALUES (5)'
script '!it returns a thousand rows more than max-rows' \
    'script: too many to be told' \
    'INSERT INTO changing SELECT generate_series(1, 50000) RETURNING a'
script 'n|i:1' 'script: that is undone' 'SELECT count(*) AS n FROM changing'
script 'k,v|t:a,i:1' 'script: prepared' 'SELECT * FROM own'
script 'changed 0' 'script: another column' 'ALTER TABLE own ADD COLUMN w int'
script 'k,v,w|t:a,i:1,n:' 'script: is prepared anew' 'SELECT * FROM own'
cut='pg_terminate_backend(pg_backend_pid())'
ask "sql~INSERT INTO own SELECT 'cut', $cut::int"
like 'script: a write whose connection is lost is not put again' "$answer" \
    '!the connection was lost, and it may have been done: *'
cannot "sql~SELECT $cut" 'script: nor a question for ever'
script 'k|t:a' 'script: and nothing was written' 'SELECT k FROM own'
for i in $(seq 140); do
	ask "sql~SELECT $i AS i"
	[ "$answer" = "i|i:$i" ] || break
done
is 'script: more statements than are kept' "$answer" 'i|i:140'
script 'i|i:1' 'script: and the first again' 'SELECT 1 AS i'
for s in BEGIN 'START TRANSACTION' COMMIT ROLLBACK 'SAVEPOINT x' \
    "PREPARE TRANSACTION 'x'" 'COPY users TO STDOUT' 'COPY users FROM STDIN' \
    "COPY users TO PROGRAM 'true'" 'LISTEN x' 'NOTIFY x' \
    'SET search_path = x' 'RESET ALL' 'DISCARD ALL' 'DEALLOCATE ALL' \
    'LOCK users' 'DECLARE x CURSOR FOR SELECT 1' 'VACUUM' 'DO $$BEGIN END$$' \
    "LOAD 'x'" 'SELECT 1; SELECT 2' 'SHOW ALL' \
    "SELECT pg_read_file('/etc/passwd')" "SELECT repeat('x', 1000000000)" \
    'SELECT pg_sleep(100)' \
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i FROM r) \
SELECT max(i) FROM r"
do
	refuses "$s"
done

# What it leaves on a connection is nobody else's.
script 'x|t:nowhere' 'script: a setting' \
    "SELECT set_config('search_path', 'nowhere', false) AS x"
script 'x|t:nowhere' 'script: it stays' \
    "SELECT current_setting('search_path') AS x"
ask 'many 40 n a@example.org'
is 'script: but for no query' "$answer" '40 n|1'
script 'changed 0' 'script: a temporary table' \
    "CREATE TEMP TABLE users AS SELECT 'a@example.org' AS address, 666 AS n"
ask 'many 40 n a@example.org'
is 'script: is in no query' "$answer" '40 n|1'

# A thousand of one worker that sleep: a query has its connection.
asks 'flood 1000 0.2' 1000 'script: a thousand that sleep'
asks 'many 20 n a@example.org' '20 n|1' 'script: a query has its connection'
ask 'sql~SELECT 1 AS one'
is 'script: another worker has its turn' "$answer" 'one|i:1'
end 'scripts'

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

# A file that scripts are to write to, and that nobody can.
has sqlite3 || finish
sqlite3 "$tmp/scripts.db" 'CREATE TABLE greylist (addr TEXT PRIMARY KEY)'
chmod 444 "$tmp/scripts.db"
cat >"$tmp/n.yaml" <<-EOT
hostname: mx.example.org
listener: {in: {bind: "127.0.0.1:2525"}}
datasource:
  grey:
    uri: "sqlite:$tmp/scripts.db"
    scripts: true
EOT
"$build/smtpd/postern" -n -f "$tmp/n.yaml" >"$tmp/said" 2>&1
like '-n: scripts cannot write there' "$? $(cat "$tmp/said")" \
    "0*n.yaml:6:14: warning: datasource.grey.scripts: scripts cannot write: \
the user that lookupd runs as (_postlookup) must be able to write both*"
finish
