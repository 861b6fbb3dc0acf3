#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The two examples of Stalwart's pages on the RCPT stage, as our
# configuration: one asks a directory in a database, here SQLite and then
# PostgreSQL, the other asks the server that has the mailboxes, a Dovecot,
# over LMTP.  What those pages promise is asked of each: local recipients
# that exist, that do not, foreign domains, the number of recipients, errors
# that end the session.  And what pages do not tell: a database that stops,
# hangs or starts again costs those who need it a 451, and nobody else
# anything.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"
. "$here/postgres.sh"

why=$(dovecot_missing)$(pg_missing)
has sqlite3 || why="no sqlite3"
[ -z "$why" ] || skip_all "$why"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 3)
smtp=$1 lmtp=$2 pgport=$3
rcpts=$here/rcpt.py

# head: what the pages leave to others, and both examples share
head_of()
{
	cat <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 2s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener:
	  in: {bind: "127.0.0.1:$smtp", max-sessions-per-address: 0}
	list: {domains: [foobar.com, foobar.net]}
	remote:
	  lmtp:
	    address: 127.0.0.1
	    port: $lmtp
	    protocol: lmtp
	    tls: {mode: "off"}
	    timeout: {connect: 2s, command: 5s}
	route: {local: lmtp, relay: lmtp}
	verify-cache: {path: $tmp/verify.cdb}
	EOT
}

# rcpt_of: session.rcpt of both pages; what is asked comes on standard input
rcpt_of()
{
	cat <<-EOT
	session:
	  rcpt:
	    relay: [{if: authenticated-as, ne: "", then: true},
	        {else: false}]
	    max-recipients: 25
	    errors: {total: 5, wait: ${wait:-0s},
	        per-address: {total: 1000000}}
	EOT
	sed 's/^/    /'
}

# sql uri: the page "directory"
sql()
{
	head_of
	rcpt_of <<-EOT
	directory: sql
	EOT
	cat <<-EOT
	datasource:
	  users: {uri: ["$1"], timeout: 2s, no-cache: ${no_cache:-true}}
	directory:
	  sql:
	    type: sql
	    datasource: users
	    domains: list/domains
	    query:
	      address: "SELECT 1 FROM users WHERE address = :address"
	      vrfy: "SELECT address FROM users WHERE address = :address"
	      expn: "SELECT member FROM lists WHERE list = :address"
	EOT
}

# lookups: the other page
lookups()
{
	head_of
	rcpt_of <<-EOT
	lookup:
	  domains: list/domains
	  addresses: remote/lmtp
	  vrfy: [{if: authenticated-as, ne: "", then: remote/lmtp},
	      {else: false}]
	  expn: [{if: authenticated-as, ne: "", then: remote/lmtp},
	      {else: false}]
	EOT
}

ask()
{
	timeout 150 python3 "$rcpts" "$@"
}

says()
{
	is "$1" "$(ask "$smtp" "$3")" "$2 $3"
}

answers()
{
	[ "$(ask "$smtp" "$2")" = "$1 $2" ]
}

tables='CREATE TABLE users (address TEXT PRIMARY KEY);
	CREATE TABLE lists (list TEXT, member TEXT);
	INSERT INTO users VALUES ('\''john@foobar.com'\'');
	INSERT INTO users VALUES ('\''jane@foobar.net'\'');'

# page what: all that both pages promise
page()
{
	says "$1: a local recipient" '250 2.1.5' john@foobar.com
	says "$1: in the other domain" '250 2.1.5' jane@foobar.net
	says "$1: in any case" '250 2.1.5' JOHN@FooBar.com
	says "$1: one that is not there" '550 5.1.1' bill@foobar.com
	says "$1: not in that domain" '550 5.1.1' jane@foobar.com
	says "$1: a foreign domain" '550 5.7.1' john@elsewhere.example
	# shellcheck disable=SC2046	# words are wanted
	is "$1: twenty-five recipients, not one more" "$(ask "$smtp" \
	    $(for i in $(seq 30); do echo "u$i@foobar.com"; done) |
	    awk '{ print $1, $2 }' | uniq -c | awk '{ print $1, $2, $3 }')" \
	    "25 250 2.1.5
5 452 4.5.3"
	is "$1: the fifth error ends the session" "$(ask "$smtp" \
	    a@foobar.com john@foobar.com b@foobar.com c@x.example \
	    d@foobar.com e@foobar.com john@foobar.com |
	    awk '{ print $1, $2 }')" \
	    "550 5.1.1
250 2.1.5
550 5.1.1
550 5.7.1
550 5.1.1
550 5.1.1
421 4.7.0"
	is "$1: VRFY is for those who logged in" \
	    "$(ask -v VRFY "$smtp" john@foobar.com | cut -c1-9)" '252 2.5.1'
	is "$1: EXPN too" \
	    "$(ask -v EXPN "$smtp" john@foobar.com | cut -c1-9)" '252 2.5.1'
}

# delivers what: a message to one that is vouched for arrives
delivers()
{
	before=$(mails john | grep -c '')
	timeout 60 python3 - "$smtp" <<-'EOT'
	import smtplib, sys
	with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), "client.test") as c:
	    c.sendmail("sender@example.net", ["john@foobar.com"],
	        "Subject: hello\r\n\r\nhello\r\n")
	EOT
	wait_for 10 has_mails john $((before + 1))
	is "$1: a message arrives" $? 0
}

# --- the page that asks a server ---------------------------------------------

users="john jane $(echo $(for i in $(seq 30); do echo "u$i"; done))"
dovecot_make mailboxes "$lmtp" </dev/null
# Both domains are the same to it: jane@foobar.com has to be somebody else.
sed -n 's/^john:\(.*\)/john@foobar.com:\1/p
	s/^jane:\(.*\)/jane@foobar.net:\1/p
	s/^\(u[0-9]*\):\(.*\)/\1@foobar.com:\2/p' "$tmp/mailboxes/users" \
	>"$tmp/mailboxes/users.new"
mv "$tmp/mailboxes/users.new" "$tmp/mailboxes/users"
sed -i 's/username_format=%n/username_format=%Lu/' \
    "$tmp/mailboxes/dovecot.conf"
dovecot_start mailboxes

lookups >"$tmp/postern.yaml"
postern_start
page "LMTP"
delivers "LMTP"
postern_stop

# --- the page that asks a database -------------------------------------------

sqlite3 "$tmp/users.db" "$tables $(for i in $(seq 30); do
	echo "INSERT INTO users VALUES ('u$i@foobar.com');"; done)"
chmod 644 "$tmp/users.db"
rm -f "$tmp/postern.log"
sql "sqlite:$tmp/users.db" >"$tmp/postern.yaml"
postern_start
page "SQLite"
delivers "SQLite"
says "SQLite: not there yet" '550 5.1.1' new@foobar.com
sqlite3 "$tmp/users.db" "INSERT INTO users VALUES ('new@foobar.com')"
says "SQLite: there now" '250 2.1.5' new@foobar.com
cp "$tmp/users.db" "$tmp/users.new"
chmod 644 "$tmp/users.new"
sqlite3 "$tmp/users.new" "DELETE FROM users WHERE address LIKE 'new%'"
mv "$tmp/users.new" "$tmp/users.db"
wait_for 10 answers '550 5.1.1' new@foobar.com
is "SQLite: a file in its place is taken" $? 0
postern_stop

pg_make db "$pgport"
pg_start db
pg_role db edge 'se:cr@et' mail
pg_sql db mail "SET ROLE edge; $tables $(for i in $(seq 30); do
	echo "INSERT INTO users VALUES ('u$i@foobar.com');"; done)" >/dev/null
rm -f "$tmp/postern.log"
sql "postgresql://edge:se%3Acr%40et@127.0.0.1:$pgport/mail" \
    >"$tmp/postern.yaml"
postern_start
page "PostgreSQL"
delivers "PostgreSQL"

pg_stop db
says "PostgreSQL: stopped" '451 4.4.3' john@foobar.com
says "and who needs it not is served" '550 5.7.1' john@elsewhere.example
pg_start db
wait_for 30 answers '250 2.1.5' john@foobar.com
is "PostgreSQL: started again" $? 0

pg_freeze db
ask "$smtp" john@foobar.com >"$tmp/frozen" &
frozen=$!
says "meanwhile others are served" '550 5.7.1' john@elsewhere.example
wait "$frozen"
is "PostgreSQL: it hangs" "$(cat "$tmp/frozen")" \
    '451 4.4.3 john@foobar.com'
pg_thaw db
wait_for 30 answers '250 2.1.5' john@foobar.com
is "PostgreSQL: it goes on" $? 0
is "its password is in no log" "$(grep -c 'se:cr@et\|se%3Acr' \
    "$tmp/postern.log" "$tmp/postern.out" | grep -vc ':0$')" 0
postern_stop

finish
