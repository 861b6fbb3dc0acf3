#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Recipients are judged by the servers that have their mailboxes: a Dovecot
# behind LMTP, a Postfix behind SMTP.  What they said once is known: a second
# question reaches nobody, also after a restart, after verifyd was killed, and
# while they are down; who is not known then is told to come back.  Many who
# ask for the same at once are one question.  See lib.sh for the options.
#
# That a server was not asked is seen where it cannot be: it is down.  How
# often it was asked is what its own log says of it.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"

why=$(dovecot_missing)
[ -z "$why" ] || skip_all "$why"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 3)
smtp=$1 lmtp=$2 hop2=$3

# configure [line ...]: lines of the remote called hop
configure()
{
	cat >"$tmp/postern.yaml" <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 2s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener:
	  in: {bind: "127.0.0.1:$smtp", max-sessions-per-address: 0}
	list: {ours: [example.org, tls.example.org]}
	remote:
	  hop:
	    address: 127.0.0.1
	    port: $lmtp
	    protocol: lmtp
	    tls: {mode: "off"}
	    timeout: {connect: 2s, command: 5s}
	  other:
	    address: 127.0.0.1
	    port: $hop2
	    tls: {mode: "off"}
	    timeout: {connect: 2s, command: 5s}
	session:
	  rcpt:
	    lookup:
	      domains: list/ours
	      addresses:
	        - {if: rcpt-domain, eq: tls.example.org, then: remote/other}
	        - {else: remote/hop}
	      vrfy: remote/hop
	    errors: {total: 1000, wait: 0s, per-address: {total: 1000000}}
	route:
	  local:
	    - {if: rcpt-domain, eq: tls.example.org, then: other}
	    - {else: hop}
	verify-cache: {path: $tmp/verify.cdb, snapshot: 2s}
	EOT
}

ask()
{
	timeout 150 python3 "$here/rcpt.py" "$@"
}

# says what wanted address: to one recipient
says()
{
	is "$1" "$(ask "$smtp" "$3")" "$2 $3"
}

answers()
{
	[ "$(ask "$smtp" "$2")" = "$1 $2" ]
}

# asked user: how often Dovecot looked it up
asked()
{
	grep -c "userdb.*($1@example.org.*: Performing\|lookup.*user=$1@" \
	    "$tmp/hop/log"
}

# --- Dovecot -----------------------------------------------------------------

users='alice bob dave frank'
dovecot_make hop "$lmtp" <<-EOT
auth_debug = yes
EOT
dovecot_start hop
configure
postern_start

says "a recipient that is there" '250 2.1.5' alice@example.org
says "one that is not" '550 5.1.1' nobody@example.org
says "its domain's postmaster is somebody" '250 2.1.5' postmaster@example.org
says "a foreign domain" '550 5.7.1' alice@elsewhere.example

# Together: one packet, answers in order, known and unknown.
# shellcheck disable=SC2046	# words are wanted
is "fifty in one packet, in order" "$(ask -p "$smtp" \
    $(for i in $(seq 25); do echo "bob@example.org n$i@example.org"; done) |
    grep -c '')" 50
is "each of them right" "$(ask -p -c "$smtp" alice@example.org \
    bob@example.org n1@example.org n2@example.org n3@example.org)" \
    "250 2.1.5 2
550 5.1.1 3"

is "a hundred at once ask for one" "$(ask -c -n 100 "$smtp" \
    dave@example.org)" '250 2.1.5 100'
is "and that is one question" "$(stat verifyd.probe.recipients.dave)" ''

# --- it is known -------------------------------------------------------------

kill -TERM "$dovecot"
wait_for 20 gone "$dovecot"
says "known, and nobody is there to ask" '250 2.1.5' alice@example.org
says "known not to be there" '550 5.1.1' nobody@example.org
says "not known" '451 4.4.3' frank@example.org

postern_stop
: >"$tmp/postern.log"
postern_start
says "known after a restart" '250 2.1.5' alice@example.org
says "known not to be there after it" '550 5.1.1' nobody@example.org
says "not known after it" '451 4.4.3' frank@example.org

set -- $(children verifyd)
kill -KILL "$3"
wait_for 10 answers '250 2.1.5' alice@example.org
is "known when verifyd was killed" $? 0

ctl reload >/dev/null
says "known after a reload" '250 2.1.5' alice@example.org

# --- it is there again -------------------------------------------------------

dovecot_start hop
wait_for 30 answers '250 2.1.5' frank@example.org
is "it is back, and is asked" $? 0

finish
