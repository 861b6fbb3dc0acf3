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
set -- $(real ports 5)
smtp=$1 lmtp=$2 store=$3 hop2=$4 hop3=$5
failure=defer ttl='' local=hop verbs=hop
tls='mode: "off"' from='""'

# configure: example.org is asked of hop and goes to $local;
# tls.example.org is the Postfix's.
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
	    cache: {ttl: {$ttl}}
	  store:
	    address: 127.0.0.1
	    port: $store
	    protocol: lmtp
	    tls: {mode: "off"}
	    timeout: {connect: 2s, command: 5s}
	  other:
	    address: 127.0.0.1
	    port: $hop2
	    tls: {$tls}
	    mail-from: $from
	    timeout: {connect: 2s, command: 5s}
	session:
	  rcpt:
	    postmaster: alice@example.org
	    verify-failure: $failure
	    lookup:
	      domains: list/ours
	      addresses:
	        - {if: rcpt-domain, eq: tls.example.org, then: remote/other}
	        - {else: remote/hop}
	      vrfy: remote/$verbs
	      expn: remote/$verbs
	    errors: {total: 1000, wait: 0s, per-address: {total: 1000000}}
	route:
	  local:
	    - {if: rcpt-domain, eq: tls.example.org, then: other}
	    - {else: $local}
	verify-cache: {path: $tmp/verify.cdb, snapshot: 2s}
	EOT
}

reload()
{
	configure
	is "reload: $1" "$(ctl reload | cut -d' ' -f1,2)" "ok generation"
}

# verb word: what is said to that, whole
verb()
{
	ask -v "$1" "$smtp" "$2"
}

# fifty domain known: that one and 25 unknown ones in turns, in one packet
fifty()
{
	# shellcheck disable=SC2046	# words are wanted
	set -- $(for i in $(seq 25); do
		echo "$2@$1 n$i@$1"
	done)
	wanted=$(for word; do
		case $word in
		n*)	echo "550 5.1.1 $word" ;;
		*)	echo "250 2.1.5 $word" ;;
		esac
	done)
	is "fifty in one packet, each right, in order" \
	    "$(ask -p "$smtp" "$@")" "$wanted"
}

# probed: questions put to servers
probed()
{
	stat verifyd.probe.asked
}

# --- a Dovecot, by LMTP ------------------------------------------------------

users='alice bob carol dave erin frank'
echo auth_debug = yes | dovecot_make hop "$lmtp"
dovecot_start hop
configure
postern_start

says "a recipient that is there" '250 2.1.5' alice@example.org
says "one that is not" '550 5.1.1' nobody@example.org
says "a foreign domain" '550 5.7.1' alice@elsewhere.example
says "in any case" '250 2.1.5' ALICE@Example.ORG
says "a domain's postmaster is somebody" '250 2.1.5' postmaster@example.org
says "so is the one without" '250 2.1.5' postmaster
says "what the server says to a tag" '250 2.1.5' alice+tag@example.org
says "a quoted one" '550 5.1.1' '"no body"@example.org'
is "VRFY" "$(verb VRFY alice@example.org)" '250 2.1.5 alice@example.org'
is "VRFY of one that is not there" "$(verb VRFY nobody@example.org)" \
    '550 5.1.1 no such user'
is "EXPN, which it has not" "$(verb EXPN alice@example.org)" \
    '550 5.1.1 no such list'
fifty example.org bob
is "the known one was asked for once" "$(dovecot_asked hop "$lmtp" bob)" 1
is "an unknown one, too" "$(dovecot_asked hop "$lmtp" n17)" 1

before=$(probed)
is "a hundred at once ask for one" "$(ask -c -n 100 "$smtp" \
    dave@example.org)" '250 2.1.5 100'
is "and that is one question" "$(probed)" $((before + 1))
is "as the server says, too" "$(dovecot_asked hop "$lmtp" dave)" 1
is "a hundred who ask for one that is not there" "$(ask -c -n 100 "$smtp" \
    erik@example.org)" '550 5.1.1 100'
is "are one question" "$(dovecot_asked hop "$lmtp" erik)" 1

# --- nobody is there to ask --------------------------------------------------

# known when: what was asked for above, and nothing else
known()
{
	is "$1: what was asked is known" "$(ask "$smtp" alice@example.org \
	    nobody@example.org n25@example.org frank@example.org \
	    dave@example.org)" \
	    "250 2.1.5 alice@example.org
550 5.1.1 nobody@example.org
550 5.1.1 n25@example.org
451 4.4.3 frank@example.org
250 2.1.5 dave@example.org"
}

dovecot_stop "$lmtp"
known "it is down"
is "a hundred at once ask for what is not known" "$(ask -c -n 100 "$smtp" \
    frank@example.org)" '451 4.4.3 100'
postern_stop
postern_start
known "postern was restarted"
wait_for 20 cached_is 0 unsaved
is "what it knows is in the file" $? 0
die verifyd
is "verifyd was killed" $? 0
comes_to "there is another" '250 2.1.5' alice@example.org
known "verifyd was killed"
reload "of nothing new"
known "reloaded"
is "a verdict" "$(ctl cache get hop nobody@example.org | awk '
    /^(state|exists|code|enhanced) / { printf "%s ", $2 }')" \
    "fresh no 550 5.1.1 "

dovecot_start hop
comes_to "it is back, and is asked" '250 2.1.5' frank@example.org
is "and only for that" "$(dovecot_asked hop "$lmtp" alice)" 0

# --- posternctl cache --------------------------------------------------------

ctl cache delete hop alice@example.org >/dev/null
is "a verdict is forgotten" "$(cached state hop alice@example.org)" none
says "then it is asked for" '250 2.1.5' alice@example.org
is "once" "$(dovecot_asked hop "$lmtp" alice)" 1
dovecot_stop "$lmtp"
ctl cache delete hop alice@example.org >/dev/null
says "forgotten while it is down" '451 4.4.3' alice@example.org
says "which is not another" '250 2.1.5' dave@example.org
ctl cache flush other >/dev/null
says "another server's are forgotten" '250 2.1.5' dave@example.org
ctl cache flush hop >/dev/null
says "all of this one are" '451 4.4.3' dave@example.org
says "also those that are not there" '451 4.4.3' nobody@example.org
postern_stop
postern_start
says "they are not in the file either" '451 4.4.3' dave@example.org

# --- periods -----------------------------------------------------------------

dovecot_start hop
ttl='refresh: 1s'
reload "a period to ask again"
comes_to "it is asked" '250 2.1.5' carol@example.org
wait_for 20 cached_is refresh state hop carol@example.org
is "its time comes" $? 0
before=$(dovecot_asked hop "$lmtp" carol) yes=$(stat verifyd.probe.yes)
says "it is believed" '250 2.1.5' carol@example.org
wait_for 20 stat_is verifyd.probe.yes $((yes + 1))
is "and asked for behind that" $? 0
is "of the server" "$(dovecot_asked hop "$lmtp" carol)" $((before + 1))

ttl='positive: 1s, refresh: 0s, negative: 1s' failure=stale
reload "short periods"
says "one that is there" '250 2.1.5' bob@example.org
says "one that is not" '550 5.1.1' nemo@example.org
wait_for 20 cached_is stale state hop bob@example.org
is "their time is over" $? 0
wait_for 20 cached_is none state hop nemo@example.org
is "both" $? 0
dovecot_drop hop "$lmtp" bob
says "it is asked again" '550 5.1.1' bob@example.org
says "while another is there" '250 2.1.5' erin@example.org
wait_for 20 cached_is stale state hop erin@example.org
dovecot_stop "$lmtp"
says "stale: one that was there" '250 2.1.5' erin@example.org
says "stale: one that is not known" '451 4.4.3' dave@example.org
says "stale: one that was not there" '451 4.4.3' nemo@example.org
failure=defer
reload "no stale ones"
says "defer: one that was there" '451 4.4.3' erin@example.org

# --- the next hop is another, and says it ------------------------------------

users='alice'
dovecot_make store "$store" </dev/null
dovecot_start store
failure=accept local=store
reload "the next hop is asked then"
says "accept: it has the mailbox" '250 2.1.5' alice@example.org
says "accept: it has not" '550 5.1.1' heidi@example.org
dovecot_stop "$store"
says "accept: it is not there either" '451 4.4.1' ivan@example.org
postern_stop

# --- a Postfix, by SMTP ------------------------------------------------------

why=$(postfix_missing)
if [ -n "$why" ]; then
	skip "Postfix" "$why"
	finish
fi

# postfix_asked user: each RCPT is a line of its log, which it writes first
postfix_asked()
{
	grep -c "asked; .*to=<$1@tls.example.org>" "$tmp/other/log"
}

users='alice bob dave frank'
postfix_make other "$hop2" <<EOT
virtual_mailbox_domains = tls.example.org
smtpd_recipient_limit = 20
smtpd_client_connection_count_limit = 2
smtpd_client_event_limit_exceptions =
smtpd_null_access_lookup_key = <>
smtpd_tls_cert_file = $tmp/cert.pem
smtpd_tls_key_file = $tmp/key.pem
recipient_delimiter = +
smtpd_recipient_restrictions =
    check_recipient_access regexp:$tmp/other/all
    check_recipient_access texthash:$tmp/other/some
EOT
echo '/./ WARN asked' >"$tmp/other/all"
cat >"$tmp/other/some" <<EOT
later@tls.example.org	450 4.2.0 not now
policy@tls.example.org	554 5.7.1 not from there
EOT
certificate
echo '<>	554 5.7.1 no null senders' >"$tmp/other/senders"
postfix_listens other "$hop3" smtpd_tls_security_level=encrypt \
    smtpd_delay_reject=no \
    "smtpd_sender_restrictions=check_sender_access,texthash:$tmp/other/senders"
postfix_start other
failure=defer ttl='' local=hop verbs=other
configure
postern_start
says "Postfix: a recipient that is there" '250 2.1.5' alice@tls.example.org
says "Postfix: one that is not" '550 5.1.1' nobody@tls.example.org
says "Postfix: one that it puts off" '451 4.4.3' later@tls.example.org
says "Postfix: and again" '451 4.4.3' later@tls.example.org
is "Postfix: that is not kept" "$(postfix_asked later)" 2
says "Postfix: one that it will not have" '554 5.7.1' policy@tls.example.org
is "Postfix: VRFY" "$(verb VRFY alice@tls.example.org | cut -c1-9)" \
    '250 2.1.5'
is "Postfix: VRFY of one that is not there" \
    "$(verb VRFY nobody@tls.example.org | cut -c1-9)" '550 5.1.1'
fifty tls.example.org bob
is "Postfix: the known one was asked for once" "$(postfix_asked bob)" 1
is "Postfix: a hundred at once ask for one" "$(ask -c -n 100 "$smtp" \
    dave@tls.example.org)" '250 2.1.5 100'
is "Postfix: and that is one question" "$(postfix_asked dave)" 1
# shellcheck disable=SC2046	# words are wanted
is "Postfix: more than it takes at once" "$(ask -c -p "$smtp" \
    $(seq -f 'dave+%g@tls.example.org' 60))" '250 2.1.5 60'
# It does not give it all the connections that it would use: 421 for a banner.
# shellcheck disable=SC2046	# words are wanted
is "Postfix: more than it has connections for" "$(ask -p -c "$smtp" \
    $(seq -f 'erin%g@tls.example.org' 500))" '550 5.1.1 500'
if grep -q 'Connection concurrency limit exceeded' "$tmp/other/log"; then
	ok "Postfix: so it says"
else
	not_ok "Postfix: so it says"
fi
postfix_kill "$tmp/other"
says "Postfix: it is killed: known" '250 2.1.5' alice@tls.example.org
says "Postfix: known not to be there" '550 5.1.1' nobody@tls.example.org
says "Postfix: not known" '451 4.4.3' frank@tls.example.org
postfix_start other
comes_to "Postfix: it is back" '250 2.1.5' frank@tls.example.org

# It wants TLS, and no null sender.
hop2=$hop3
reload "TLS is wanted"
says "Postfix: without it" '451 4.4.3' carol@tls.example.org
tls="mode: required, ca: $tmp/cert.pem, name: another.example.net"
from=probe@example.net
reload "TLS with another"
says "Postfix: another's certificate" '451 4.4.3' carol@tls.example.org
tls="mode: required, ca: $tmp/cert.pem, name: 127.0.0.1" from='""'
reload "TLS, and the null sender"
says "Postfix: it has no null senders" '451 4.4.3' carol@tls.example.org
is "Postfix: which is a warning" "$(grep -c \
    'warn: other answers our MAIL with 554 5.7.1' "$tmp/postern.log")" 1
from=sender
reload "the client is the sender"
comes_to "Postfix: with TLS and a sender" '550 5.1.1' carol@tls.example.org
says "Postfix: one that is there" '250 2.1.5' frank@tls.example.org
is "Postfix: for a null one nobody can tell" "$(ask -f '' "$smtp" \
    grace@tls.example.org)" '451 4.4.3 grace@tls.example.org'
is "a verdict is for a sender" "$(for sender in sender@example.net \
    other@example.net; do
	ctl cache get other frank@tls.example.org "$sender"
    done | awk '$1 == "state" { print $2 }' | tr '\n' ' ')" "fresh none "
postern_stop
finish
