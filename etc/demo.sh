#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# "make run": a demo on loopback.  A small server (regress/real/sink.c) takes
# the mail; postern stands before it on 127.0.0.1:2525.  Who is in example.com
# it looks up in a database of SQLite; about example.org it asks the server.
# Two scripts are there to be seen and changed.
#
# Everything lies in a directory that goes with the demo.  PORT in the
# environment is another port, BACKEND_PORT that of the server (PORT + 1).
#
# usage: demo.sh SINK

set -u
sink=${1:?usage: demo.sh SINK}
port=${PORT:-2525}
backport=${BACKEND_PORT:-$((port + 1))}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-demo.XXXXXX") || exit 1
chmod 755 "$tmp"
backend='' postern='' shown=''

# The second signal is for sessions that are open: nobody waits for them.
finish() {
	trap '' HUP INT TERM
	for pid in $postern $backend; do
		kill "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	[ -z "$shown" ] || wait "$shown"
	rm -rf "$tmp"
	exit "$1"
}
fail() {
	echo "demo: $*" >&2
	finish 1
}
trap 'finish 0' HUP INT TERM

for program in openssl sqlite3; do
	command -v $program >/dev/null || fail "no $program: make deps"
done

mkfifo "$tmp/said" "$tmp/log" || finish 1
"$sink" -u nobody $backport >/dev/null 2>"$tmp/said" &
backend=$!
read -r line <"$tmp/said" && [ "$line" = ready ] ||
    fail "the server does not start on 127.0.0.1:$backport: $line"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 30 -subj /CN=localhost -keyout "$tmp/key" -out "$tmp/cert" \
    2>"$tmp/openssl" && chmod 600 "$tmp/key" ||
    fail "no certificate: $(cat "$tmp/openssl")"

# lookupd has a user of its own, who must be able to read it.
sqlite3 "$tmp/users.db" <<C || fail "no database"
CREATE TABLE users (address TEXT PRIMARY KEY);
CREATE TABLE lists (list TEXT, member TEXT);
INSERT INTO users VALUES ('alice@example.com'), ('bob@example.com'),
    ('later@example.com');
INSERT INTO lists VALUES ('staff@example.com', 'alice@example.com'),
    ('staff@example.com', 'bob@example.com');
C
chmod 644 "$tmp/users.db"

cat >"$tmp/postern.yaml" <<C
# The demo's configuration.  See postern.yaml(5).
hostname: demo.postern.example
control: $tmp/postern.sock
log: {to: stderr}
tls:
  certificate:
    default: {cert: $tmp/cert, key: $tmp/key}
listener:
  demo: {bind: ["127.0.0.1:$port"], tls: starttls}

list:
  asked: [example.org]

remote:
  backend: {address: 127.0.0.1, port: $backport, tls: {mode: "off"}}
route: {local: backend}

# Short, so that a change of the database is seen soon.
datasource:
  users: {uri: "sqlite:$tmp/users.db", cache-life: 5s}

directory:
  # Domains and addresses are in the database.
  users:
    type: sql
    datasource: users
    query:
      domain: SELECT 1 FROM users WHERE address LIKE '%@' || :domain
      address: SELECT 1 FROM users WHERE address = :address
      vrfy: SELECT address FROM users WHERE address = :address
      expn: SELECT member FROM lists WHERE list = :address
  # The server is asked whether it has a mailbox, and its word remembered.
  server: {type: remote, remote: backend, domains: list/asked}

# Lua.  See postern-scripts(7).
script:
  # Who writes to later@example.com for the first time has to come back.
  later: |
    local who = connection.remoteip .. " " .. transaction.sender
    if store.incr("later", who) == 1 then
      defer("451 4.7.1 Greylisted, please try again")
    end
  # A command of its own.
  xhello: |
    local helo = connection.helo
    proxy.Reply("hello " .. (helo and helo.host or "stranger"))

proxy: {script: xhello, commands: [xhello]}

session:
  rcpt:
    directory:
    - {if: rcpt-domain, in-list: list/asked, then: server}
    - {else: users}
    script:
    - {if: rcpt, eq: later@example.com, then: later}
    - {else: false}
    errors: {total: 10, wait: 2s}

verify-cache: {path: $tmp/verify.cdb}
C
smtpd/postern -d -f "$tmp/postern.yaml" 2>"$tmp/log" &
postern=$!
exec 3<"$tmp/log"
while IFS= read -r line <&3; do
	printf '%s\n' "$line"
	[ "$line" = ready ] && break
done
[ "$line" = ready ] || finish 1
to="curl --url smtp://127.0.0.1:$port/client.example"
to="$to --mail-from you@example.net"
ctl="smtpd/posternctl -s $tmp/postern.sock"
cat <<C

postern serves on 127.0.0.1:$port.  In another terminal, in this directory:

A mailbox that is in the database, and one that is not:

  $to \\
      --mail-rcpt alice@example.com --crlf --upload-file README
  $to \\
      --mail-rcpt nobody@example.com --crlf --upload-file README
  curl smtp://127.0.0.1:$port --mail-rcpt alice@example.com
  curl smtp://127.0.0.1:$port --request EXPN --mail-rcpt staff@example.com
  sqlite3 $tmp/users.db \\
      "INSERT INTO users VALUES ('carol@example.com')"

One that the server is asked for, which has everybody but nobody; what it
said is remembered, and the second time it is not asked:

  $to \\
      --mail-rcpt someone@example.org --crlf --upload-file README
  $to \\
      --mail-rcpt nobody@example.org --crlf --upload-file README
  $ctl cache get backend nobody@example.org

Scripts: one wants whoever writes to later@example.com to come back, so type
that twice, and one has a command of its own:

  $to \\
      --mail-rcpt later@example.com --crlf --upload-file README
  curl smtp://127.0.0.1:$port/client.example --request XHELLO

More:

  openssl s_client -starttls smtp -connect 127.0.0.1:$port -crlf -quiet
  $ctl show status
  $ctl show stats
  $ctl show cache
  $ctl show routes
  $ctl show scripts
  $ctl reload

The configuration, with the scripts, is
$tmp/postern.yaml: edit it, then reload.
Mail for example.com and example.org goes to a server that takes and forgets
it.  Other domains and unknown users are refused, after a moment, as a
spammer's guesses should be.  The log follows; ^C ends the demo.

C
# A shell hears of a signal when it waits, not while a command runs.
cat <&3 &
shown=$!
wait "$shown"
finish 1
