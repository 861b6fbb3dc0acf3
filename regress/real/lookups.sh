#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Rules that look things up in what is not ours: conditions in directories,
# in databases and at a server, and values that a database has: where mail of
# a domain goes, how many recipients a sender may have.  One database is
# SQLite, the other PostgreSQL; the servers are two Dovecots, which have
# different mailboxes, so that what they say tells which of them was asked.
#
# When one of those is away, those who need it get 451 and nobody else does.
# A reload brings datasources and takes them.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"
. "$here/postgres.sh"

why=$(dovecot_missing)$(pg_missing)
has sqlite3 || why="no sqlite3"
[ -z "$why" ] || skip_all "$why"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 4)
smtp=$1 one=$2 two=$3 pgport=$4

# remote name port
remote()
{
	echo "  $1: {address: 127.0.0.1, port: $2, protocol: lmtp," \
	    "tls: {mode: \"off\"}, timeout: {connect: 2s, command: 5s}}"
}

# configure: with what of PostgreSQL there is in $pg, and the rule for $relay
configure()
{
	cat >"$tmp/postern.yaml" <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 2s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener: {in: {bind: "127.0.0.1:$smtp"}}
	remote:
	$(remote one "$one")
	$(remote two "$two")
	datasource:
	  users:
	    uri: "sqlite:$tmp/users.db"
	    no-cache: true
	    query:
	      ours: "SELECT 1 FROM domains WHERE domain = :key"
	      route: "SELECT remote FROM domains WHERE domain = :key"
	      friends: "SELECT friend FROM friends WHERE sender = :key"
	$pg
	directory:
	  people:
	    type: sql
	    datasource: users
	    query:
	      domain: "SELECT asked FROM domains WHERE domain = :domain"
	      address: "SELECT 1 FROM people WHERE address = :address"
	session:
	  rcpt:
	    errors: {total: 1000, wait: 0s, per-address: {total: 1000000}}
	    max-recipients: $limit
	    relay: $relay
	    lookup:
	      domains: db/users/ours
	      addresses:
	        - {if: rcpt-domain, in-list: directory/people,
	            then: directory/people}
	        - {else: false}
	route:
	  local:
	    - {if: rcpt-domain, ne: "",
	        then: {lookup: db/users/route, key: rcpt-domain}}
	    - {else: two}
	  relay: two
	verify-cache: {path: $tmp/verify.cdb}
	EOT
}

# With PostgreSQL and without
with_pg()
{
	pg="  more:
    uri: \"postgresql://edge:secret@127.0.0.1:$pgport/mail\"
    no-cache: true
    timeout: 1s
    query:
      clients: \"SELECT 1 FROM clients WHERE address = :key::inet\"
      limits: \"SELECT n FROM limits WHERE sender = :key\""
	limit='[{if: sender, starts-with: lim, then: {lookup: db/more/limits,
        key: sender}}, {else: 20}]'
}

without_pg()
{
	pg=''
	limit=20
}

reload()
{
	configure
	is "reload: $1" "$(ctl reload 2>&1 | cut -d' ' -f1,2)" "ok generation"
}

# from what, wanted, sender, address
from()
{
	is "$1" "$(ask -f "$3" "$smtp" "$4")" "$2 $4"
}

users='ann'
dovecot_make one "$one" </dev/null
dovecot_start one
users='bob sender'
dovecot_make two "$two" </dev/null
dovecot_start two
sqlite3 "$tmp/users.db" "
    CREATE TABLE domains (domain TEXT PRIMARY KEY, remote TEXT, asked INT);
    INSERT INTO domains VALUES ('one.example', 'one', 0);
    INSERT INTO domains VALUES ('two.example', 'two', NULL);
    INSERT INTO domains VALUES ('none.example', NULL, 0);
    INSERT INTO domains VALUES ('wrong.example', 'three', 0);
    INSERT INTO domains VALUES ('people.example', 'one', 1);
    CREATE TABLE people (address TEXT PRIMARY KEY);
    INSERT INTO people VALUES ('ann@people.example'), ('eve@people.example');
    CREATE TABLE friends (sender TEXT, friend TEXT);
    INSERT INTO friends VALUES ('friend@x.example', 'true');
    INSERT INTO friends VALUES ('foe@x.example', 'false');
    INSERT INTO friends VALUES ('none@x.example', NULL)"
chmod 644 "$tmp/users.db"
pg_make db "$pgport"
pg_start db
pg_role db edge secret mail
pg_sql db mail "SET ROLE edge;
    CREATE TABLE clients (address inet);
    INSERT INTO clients VALUES ('192.0.2.1');
    CREATE TABLE limits (sender text, n int);
    INSERT INTO limits VALUES ('lim2@x.example', 2), ('lim0@x.example', 0)" \
    >"$tmp/made"
without_pg
relay='[{else: false}]'
configure
postern_start

# --- where mail goes ---------------------------------------------------------

says "a domain goes where the database says" '250 2.1.5' ann@one.example
says "and that has not the other's" '550 5.1.1' bob@one.example
says "another goes elsewhere" '250 2.1.5' bob@two.example
says "and that has not the first's" '550 5.1.1' ann@two.example
says "where the database has no word, the next block" '250 2.1.5' \
    bob@none.example
says "what is no remote can not be told" '451 4.4.3' bob@wrong.example
is "and the log says so" "$(grep -c 'warn.*three' "$tmp/postern.log")" 1
says "a domain that is not there" '550 5.7.1' bob@three.example
is "two that go to different servers" "$(ask "$smtp" ann@one.example \
    bob@two.example)" \
    "250 2.1.5 ann@one.example
452 4.5.3 bob@two.example"
sqlite3 "$tmp/users.db" "UPDATE domains SET remote = 'two'
    WHERE domain = 'one.example'"
says "the database has changed" '250 2.1.5' bob@one.example

# --- which directory is asked ------------------------------------------------

says "a domain of the directory: it vouches" '250 2.1.5' ann@people.example
says "also for one that the next hop has not" '250 2.1.5' eve@people.example
says "it does not know all" '550 5.1.1' bob@people.example

# --- who may relay -----------------------------------------------------------

there=x@elsewhere.example
relay='[{if: sender, in-list: directory/people, then: true}, {else: false}]'
reload "senders of a directory"
from "a sender who is in it" '550 5.1.1' ann@people.example "$there"
from "a sender who is not" '550 5.7.1' bob@people.example "$there"
from "in any case" '550 5.1.1' ANN@People.Example "$there"
from "the null one is in nothing" '550 5.7.1' '' "$there"

relay='[{if: sender-domain, in-list: directory/people, then: true},
        {else: false}]'
reload "domains of a directory"
from "a sender of its domains" '550 5.1.1' bob@people.example "$there"
from "a sender of none" '550 5.7.1' bob@one.example "$there"

relay='[{if: sender, in-list: remote/two, then: true}, {else: false}]'
reload "senders who have a mailbox"
from "one that has" '550 5.1.1' bob@any.example "$there"
from "one that has not" '550 5.7.1' ann@any.example "$there"
from "the null one has none" '550 5.7.1' '' "$there"

relay='[{if: sender, ne: "", then: {lookup: db/users/friends, key: sender}},
        {else: false}]'
reload "a value is the answer"
from "which is true" '550 5.1.1' friend@x.example "$there"
from "which is false" '550 5.7.1' foe@x.example "$there"
from "which is NULL" '550 5.7.1' none@x.example "$there"
from "which is not there" '550 5.7.1' other@x.example "$there"

# --- a database comes by a reload --------------------------------------------

# lookupds number: so many processes, and no others
lookupds()
{
	[ "$(children lookupd | grep -c '')" -eq "$1" ]
}

with_pg
relay='[{if: remote-ip, in-list: db/more/clients, then: true},
        {else: false}]'
wait_for 10 lookupds 4
reload "PostgreSQL comes"
wait_for 10 lookupds 5
is "a process for it" $? 0
from "an address that is not in it" '550 5.7.1' a@x.example "$there"
pg_sql db mail "INSERT INTO clients VALUES ('127.0.0.1')" >"$tmp/made"
from "one that is" '550 5.1.1' a@x.example "$there"
is "a number that it has" "$(ask -c -f lim2@x.example "$smtp" \
    ann@people.example eve@people.example ann+a@people.example)" \
    "250 2.1.5 2
452 4.5.3 1"
is "one that it has not" "$(ask -c -f lim3@x.example "$smtp" \
    ann@people.example eve@people.example ann+a@people.example)" \
    "250 2.1.5 3"
from "one that is none" '451 4.4.3' lim0@x.example ann@people.example

pg_stop db
from "it is stopped: who needs it" '451 4.4.3' a@x.example "$there"
from "who needs it for a number" '451 4.4.3' lim2@x.example ann@people.example
from "who needs it not" '250 2.1.5' a@x.example ann@people.example
relay='[{if: remote-ip, in-list: db/more/clients, then: true,
        on-lookup-failure: false}, {else: false}]'
reload "a failure is a no"
from "who needs it" '550 5.7.1' a@x.example "$there"
relay='[{if: sender, eq: b@x.example, then: true},
        {if: remote-ip, in-list: db/more/clients, then: true},
        {else: false}]'
reload "what comes first is asked first"
from "who need not ask" '550 5.1.1' b@x.example "$there"
from "who must" '451 4.4.3' a@x.example "$there"
pg_start db
comes_to "it is started again" '550 5.1.1' "$there"

# --- and goes ----------------------------------------------------------------

without_pg
configure
ctl reload >"$tmp/refused" 2>&1
is "a datasource that is wanted cannot go" \
    "$? $(grep -c 'relay.*more' "$tmp/refused")" "1 1"
is "nothing has changed" "$(children lookupd | grep -c '')" 5
relay='[{else: false}]'
reload "PostgreSQL goes"
wait_for 10 lookupds 4
is "its process goes" $? 0
says "nobody misses it" '250 2.1.5' ann@people.example
is "the database has no client" "$(pg_sql db postgres "SELECT count(*)
    FROM pg_stat_activity WHERE usename = 'edge'")" 0

# --- a server that is asked is away ------------------------------------------

relay='[{if: sender, in-list: remote/two, then: true}, {else: false}]'
reload "senders who have a mailbox"
dovecot_stop "$two"
from "it is away: one that is known" '451 4.4.1' bob@any.example "$there"
from "one that is known not to be there" '550 5.7.1' ann@any.example "$there"
from "one that is not known" '451 4.4.3' sender@any.example "$there"
from "who needs it not" '250 2.1.5' sender@any.example ann@people.example
postern_stop
finish
