#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The two examples of Stalwart's pages on the RCPT stage, as they are in
# etc/examples: one asks a directory in a database, here SQLite and then
# PostgreSQL, the other asks the server that has the mailboxes, a Dovecot,
# over LMTP.  What those pages promise is asked of each: local recipients
# that exist, that do not, foreign domains, the number of recipients, errors
# that end the session.  And what pages do not tell: a server or a database
# that stops, hangs or starts again costs those who need it a 451, and nobody
# else anything.  Their greylist has a database of its own, once SQLite and
# once PostgreSQL; elsewhere its rule is left out, so that those who are asked
# for are not all new.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"
. "$here/postgres.sh"

why=$(dovecot_missing)$(pg_missing)
has sqlite3 || why="no sqlite3"
[ -z "$why" ] || skip_all "$why"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 3)
smtp=$1 lmtp=$2 pgport=$3

# Whoever lookupd is, its directory is such that it can write.
mkdir "$tmp/state"
sqlite3 "$tmp/state/state.db" 'CREATE TABLE greylist (addr TEXT PRIMARY KEY)'
chmod 777 "$tmp/state"
chmod 666 "$tmp/state/state.db"
state=sqlite:$tmp/state/state.db grey='/^    script: /d'

# example name script: that one, with what differs on this machine: ports,
# paths, and how long one waits for an error.  The script makes it another.
# The greylist is in $state, and in force if $grey does not delete its rule.
example()
{
	sed -e "s/127\.0\.0\.1:2525/127.0.0.1:$smtp/" \
	    -e "s/port: 24\$/port: $lmtp/" \
	    -e 's/wait: 5s}/wait: 0s, per-address: {total: 1000000}}/' \
	    -e "s,sqlite:/var/db/postern/users.db,$uri," \
	    -e "s,sqlite:/var/db/postern/state/state.db,$state," -e "$grey" \
	    -e "${2-}" "$here/../../etc/examples/$1.yaml"
	cat <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 2s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	verify-cache: {path: $tmp/verify.cdb}
	EOT
}

# runs name uri [script]
runs()
{
	uri=$2
	rm -f "$tmp/postern.log" "$tmp/verify.cdb"
	(umask 077 && example "$1" "${3-}" >"$tmp/postern.yaml")
	postern_start
}

# reloads what name [script]
reloads()
{
	example "$2" "${3-}" >"$tmp/postern.yaml"
	ctl reload >"$tmp/reload" 2>&1
	is "reload: $1" "$(cut -d' ' -f1 "$tmp/reload")" ok
}

# verb word ...: all that is said to it
verb()
{
	ask -v "$1" "$smtp" "$2"
}

tables='CREATE TABLE users (address TEXT PRIMARY KEY);
	CREATE TABLE lists (list TEXT, member TEXT);
	INSERT INTO users VALUES ('\''john@foobar.com'\'');
	INSERT INTO users VALUES ('\''jane@foobar.net'\'');
	INSERT INTO lists VALUES
	    ('\''all@foobar.com'\'', '\''john@foobar.com'\''),
	    ('\''all@foobar.com'\'', '\''jane@foobar.net'\'');'
for i in $(seq 30); do
	tables="$tables INSERT INTO users VALUES ('u$i@foobar.com');"
done

# page what: all that both pages promise
page()
{
	is "$1: recipients" "$(ask "$smtp" john@foobar.com jane@foobar.net \
	    JOHN@FooBar.com john+list@foobar.com bill@foobar.com \
	    jane@foobar.com john@elsewhere.example)" \
	    "250 2.1.5 john@foobar.com
250 2.1.5 jane@foobar.net
250 2.1.5 JOHN@FooBar.com
250 2.1.5 john+list@foobar.com
550 5.1.1 bill@foobar.com
550 5.1.1 jane@foobar.com
550 5.7.1 john@elsewhere.example"
	# shellcheck disable=SC2046	# words are wanted
	is "$1: twenty-five, not one more" "$(ask -p -c "$smtp" \
	    $(seq -f 'u%g@foobar.com' 30))" \
	    "250 2.1.5 25
452 4.5.3 5"
	is "$1: the fifth error ends the session" "$(ask -p "$smtp" \
	    a@foobar.com john@foobar.com b@foobar.com c@x.example \
	    d@foobar.com e@foobar.com john@foobar.com | cut -c1-9)" \
	    "550 5.1.1
250 2.1.5
550 5.1.1
550 5.7.1
550 5.1.1
550 5.1.1
421 4.7.0"
}

# delivers what: a message to one that is vouched for arrives
delivers()
{
	before=$(mails john | grep -c '')
	real talk --to john@foobar.com "$smtp" "$tmp/plain" >"$tmp/talk" 2>&1
	wait_for 10 has_mails john $((before + 1))
	is "$1: a message arrives" $? 0
}

# nobody_can_tell what: those who need it are told to come back
nobody_can_tell()
{
	is "$1: who needs it comes back" "$(ask "$smtp" u7@foobar.com \
	    nobody7@foobar.net)" \
	    "451 4.4.3 u7@foobar.com
451 4.4.3 nobody7@foobar.net"
	says "$1: who does not is told" '550 5.7.1' john@elsewhere.example
}

# comes_back what
comes_back()
{
	comes_to "$1: a recipient" '250 2.1.5' u8@foobar.com
	says "$1: one that is not there" '550 5.1.1' nobody8@foobar.net
}

# both_verbs: what the first and last lines of VRFY and EXPN are
verbs_said()
{
	verb VRFY john@foobar.com
	verb VRFY bill@foobar.com
	verb EXPN all@foobar.com
	verb EXPN nothing@foobar.com
}

# --- the page that asks a server ---------------------------------------------

# --- the greylist of both ----------------------------------------------------

# says_to what, wanted, line ...: to a client that may say who has logged in
says_to()
{
	what=$1 wanted=$2
	shift 2
	is "$what" "$(timeout 100 python3 -S "$here/say.py" "$smtp" "$@")" \
	    "$wanted"
}

mail='MAIL FROM:<ann@example.net>' said='250 2.1.0 ok'
late='422 4.2.2 Greylisted, please try again in a few moments.'

# greylists what, command that runs a statement
greylists()
{
	says_to "$1: a triplet is new once" "$late
250 2.1.5 ok
$late
550 5.1.1 no such user
550 5.7.1 relaying denied
250 2.1.5 ok" 'RCPT TO:<john@foobar.com>' \
	    'RCPT TO:<john@foobar.com>' 'RCPT TO:<jane@foobar.net>' \
	    'RCPT TO:<bill@foobar.com>' 'RCPT TO:<john@elsewhere.example>' \
	    'RCPT TO:<JANE@FooBar.net>'
	says_to "$1: for each sender" "$said
$late
250 2.1.5 ok" "$mail" 'RCPT TO:<john@foobar.com>' \
	    'RCPT TO:<john@foobar.com>'
	says_to "$1: another session, the same triplets" \
	    '250 2.1.5 ok
250 2.1.5 ok' 'RCPT TO:<john@foobar.com>' \
	    'RCPT TO:<jane@foobar.net>'
	is "$1: what is kept" "$($2 'SELECT addr FROM greylist ORDER BY 1')" \
	    "127.0.0.1.ann@example.net.john@foobar.com
127.0.0.1.sender@example.net.jane@foobar.net
127.0.0.1.sender@example.net.john@foobar.com"
}

# cannot_greylist what: its database cannot be asked, and on-error decides
cannot_greylist()
{
	says_to "$1: on-error" '451 4.3.0 cannot judge that now, try again later
550 5.1.1 no such user' 'RCPT TO:<jane@foobar.net>' 'RCPT TO:<bill@foobar.com>'
	reloads 'on-error: accept' stalwart-lookups \
	    's/^    script: .*/&\n    on-error: accept/'
	says_to "$1: on-error, accept" '250 2.1.5 ok' \
	    'RCPT TO:<jane@foobar.net>'
	reloads 'as it was' stalwart-lookups
}

# Nobody can log in yet, so that who has not is the one who is exempt here.
exempts()
{
	reloads 'for others' stalwart-lookups '/^    script: /s/eq: ""/ne: ""/'
	says_to "$1: for whom the rule is false" '250 2.1.5 ok' \
	    'RCPT TO:<u9@foobar.com>'
	reloads 'as it was' stalwart-lookups
}

state_lite()
{
	sqlite3 "$tmp/state/state.db" "$1"
}

state_pg()
{
	pg_sql db state "$1"
}

real make plain "$tmp/plain"
users="john jane $(seq -f 'u%g' 30 | tr '\n' ' ')"
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

runs stalwart-lookups ''
page LMTP
is "LMTP: VRFY and EXPN are for those who logged in" "$(verbs_said |
    cut -c1-9 | uniq -c | awk '{ print $1, $2, $3 }')" '4 252 2.5.1'
is "LMTP: nor are they offered" "$(verb EHLO x | grep -c 'VRFY\|EXPN')" 0
delivers LMTP
reloads 'for others' stalwart-lookups \
    's/authenticated-as, ne: ""/listener, eq: inbound/'
is "LMTP: for others VRFY asks it, and it has no EXPN" "$(verbs_said)" \
    "250 2.1.5 john@foobar.com
550 5.1.1 no such user
550 5.1.1 no such list
550 5.1.1 no such list"
is "LMTP: and they are offered" "$(verb EHLO x | grep -c 'VRFY\|EXPN')" 2
reloads 'as it was' stalwart-lookups
ctl cache flush >/dev/null
dovecot_stop "$lmtp"
nobody_can_tell "LMTP: it is down"
dovecot_start mailboxes
comes_back "LMTP: it is back"
postern_stop

# --- the page that asks a database -------------------------------------------

# by_directory what: VRFY and EXPN are the directory's
by_directory()
{
	is "$1: VRFY and EXPN ask it" "$(verbs_said)" \
	    "250 2.1.5 john@foobar.com
550 5.1.1 no such user
250-2.1.5 john@foobar.com
250 2.1.5 jane@foobar.net
550 5.1.1 no such list"
}

# changes what, command that runs a statement
changes()
{
	how=$2
	says "$1: not there yet" '550 5.1.1' new@foobar.com
	$how "INSERT INTO users VALUES ('new@foobar.com')"
	says "$1: there now, and that is not known" '550 5.1.1' new@foobar.com
	$how "DELETE FROM users WHERE address = 'john@foobar.com'"
	says "$1: nor that one is not" '250 2.1.5' john@foobar.com
	reloads 'keep it longer' stalwart-directory \
	    's/^    uri:.*/&\n    cache-life: 2h/'
	says "$1: there now" '250 2.1.5' new@foobar.com
	says "$1: not there now" '550 5.1.1' john@foobar.com
	reloads 'keep nothing' stalwart-directory \
	    's/^    uri:.*/&\n    no-cache: true/'
	$how "INSERT INTO users VALUES ('john@foobar.com')"
	says "$1: nothing is kept" '250 2.1.5' john@foobar.com
	$how "DELETE FROM users WHERE address = 'john@foobar.com'"
	says "$1: not even a yes" '550 5.1.1' john@foobar.com
	$how "INSERT INTO users VALUES ('@foobar.net'), ('john@foobar.com')"
	reloads 'a catch-all, no tags' stalwart-directory \
	    's/type: sql/&\n    catch-all: true\n    subaddressing: false/'
	is "$1: a catch-all" "$(ask "$smtp" any@foobar.net any@foobar.com \
	    john+list@foobar.com)" \
	    "250 2.1.5 any@foobar.net
550 5.1.1 any@foobar.com
550 5.1.1 john+list@foobar.com"
	reloads 'as it was' stalwart-directory
	$how "DELETE FROM users WHERE address = '@foobar.net'"
}

# has_processes number: those of the configuration before have gone
has_processes()
{
	[ "$(children lookupd | grep -c '')" -eq "$1" ]
}

lite()
{
	sqlite3 "$tmp/users.db" "$1"
}

# lock file: nobody else writes to it, or reads it
lock()
{
	rm -f "$tmp/locked"
	mkfifo "$tmp/locked"
	sqlite3 "$1" <"$tmp/locked" >"$tmp/locked.out" &
	writer=$!
	started="$started $writer"
	exec 5>"$tmp/locked"
	echo "BEGIN EXCLUSIVE; SELECT 'locked';" >&5
	wait_for 20 grep -q locked "$tmp/locked.out"
}

unlock()
{
	echo "COMMIT;" >&5
	exec 5>&-
	wait "$writer"
}

lite "$tables"
chmod 644 "$tmp/users.db"
runs stalwart-directory "sqlite:$tmp/users.db"
page SQLite
by_directory SQLite
delivers SQLite
changes SQLite lite

# Another file in its place: what is open is the old one, no more.
reloads 'keep nothing' stalwart-directory 's/^    uri:.*/&\n    no-cache: true/'
says "SQLite: one that is to go" '250 2.1.5' u10@foobar.com
cp "$tmp/users.db" "$tmp/users.new"
chmod 644 "$tmp/users.new"
sqlite3 "$tmp/users.new" "DELETE FROM users WHERE address = 'u10@foobar.com'"
mv "$tmp/users.new" "$tmp/users.db"
comes_to "SQLite: a file in its place is taken" '550 5.1.1' u10@foobar.com

# Who writes locks it for a time; who writes for longer is not waited for.
reloads 'a short timeout, nothing kept' stalwart-directory \
    's/^    uri:.*/&\n    timeout: 500ms\n    no-cache: true/'
lock "$tmp/users.db"
nobody_can_tell "SQLite: it is locked"
unlock
comes_back "SQLite: it is not locked any more"

# A process of it that is lost
reloads 'as it was' stalwart-directory
wait_for 10 has_processes 8
die lookupd
is "SQLite: all its processes are killed, and there are others" $? 0
comes_back "SQLite: they were killed"
postern_stop

pg_make db "$pgport" "log_statement = 'all'"
pg_start db
pg_role db edge 'se:cr@et' mail
pg_sql db mail "SET ROLE edge; $tables" >/dev/null

pg()
{
	pg_sql db mail "$1" >/dev/null
}

# pg_asked address: how often, which it logs before it answers
pg_asked()
{
	grep -c "parameters:.*'$1'" "$tmp/db/log"
}

runs stalwart-directory \
    "postgresql://edge:se%3Acr%40et@127.0.0.1:$pgport/mail"
page PostgreSQL
is "PostgreSQL: john was asked for once" "$(pg_asked john@foobar.com)" 1
by_directory PostgreSQL
delivers PostgreSQL
changes PostgreSQL pg

before=$(pg_asked u29@foobar.com)
is "PostgreSQL: nine at once ask for one" "$(ask -c -n 9 "$smtp" \
    u29@foobar.com)" '250 2.1.5 9'
is "PostgreSQL: that is one question" "$(pg_asked u29@foobar.com)" \
    $((before + 1))

reloads 'a short timeout, nothing kept' stalwart-directory \
    's/^    uri:.*/&\n    timeout: 1s\n    no-cache: true/'
pg_stop db
nobody_can_tell "PostgreSQL: stopped"
pg_start db
comes_back "PostgreSQL: started again"
pg_freeze db
nobody_can_tell "PostgreSQL: it hangs"
pg_thaw db
comes_back "PostgreSQL: it goes on"
pg_kill db
nobody_can_tell "PostgreSQL: killed"
pg_start db
comes_back "PostgreSQL: it has recovered"
pg_restart db
is "PostgreSQL: restarted, nobody sees it" "$(ask "$smtp" u15@foobar.com \
    nobody15@foobar.net)" \
    "250 2.1.5 u15@foobar.com
550 5.1.1 nobody15@foobar.net"
is "its password is in no log" "$(cat "$tmp/postern.log" "$tmp/postern.out" |
    grep -c 'se:cr@et\|se%3Acr')" 0
is "nor in what anybody can see of processes" \
    "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' |
    grep -c 'edge:[s]e%3Acr')" 0
postern_stop

# --- the greylist ------------------------------------------------------------

grey='s/^    scripts: true/&\n    timeout: 1s/'
runs stalwart-lookups ''
greylists "greylist in SQLite" state_lite
exempts "greylist in SQLite"
lock "$tmp/state/state.db"
cannot_greylist "greylist in SQLite: it is locked"
unlock
comes_to "greylist in SQLite: it is back" '250 2.1.5' john@foobar.com
postern_stop

pg_role db grey 'secret' state
pg_sql db state "SET ROLE grey;
    CREATE TABLE greylist (addr TEXT PRIMARY KEY)" >/dev/null
state=postgresql://grey:secret@127.0.0.1:$pgport/state
runs stalwart-lookups ''
greylists "greylist in PostgreSQL" state_pg
exempts "greylist in PostgreSQL"
pg_stop db
cannot_greylist "greylist in PostgreSQL: it is stopped"
pg_start db
comes_to "greylist in PostgreSQL: it is back" '250 2.1.5' john@foobar.com
postern_stop
finish
