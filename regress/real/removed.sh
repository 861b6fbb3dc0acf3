#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A mailbox is removed at a Dovecot after it was vouched for.  A message to it
# and to others gets 451 at DATA, and nothing of it is delivered; the next
# attempt is told the truth at RCPT, so that the others have it once.  A
# Postfix as client comes to one bounce.  So it is, too, where the server that
# is asked has the mailbox and the next hop has not.  See lib.sh for the
# options.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"

why=$(dovecot_missing)
[ -z "$why" ] || skip_all "$why"

# configure next-hop
configure()
{
	cat >"$tmp/postern.yaml" <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 2s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener: {in: {bind: "127.0.0.1:$smtp"}}
	list: {ours: [example.org]}
	remote:
	  hop:
	    address: 127.0.0.1
	    port: $lmtp
	    protocol: lmtp
	    tls: {mode: "off"}
	  store:
	    address: 127.0.0.1
	    port: $store
	    protocol: lmtp
	    tls: {mode: "off"}
	session:
	  rcpt:
	    lookup: {domains: list/ours, addresses: remote/hop}
	    errors: {total: 1000, wait: 0s, per-address: {total: 1000000}}
	route: {local: $1}
	verify-cache: {path: $tmp/verify.cdb}
	EOT
}

# talk sender user ...: one message; what was said is in $tmp/talk
talk()
{
	sender=$1
	shift
	for user; do
		set -- "$@" --to "$user@example.org"
		shift
	done
	real talk --from "$sender" "$@" "$smtp" "$tmp/plain" \
	    >"$tmp/talk" 2>&1
}

# said: to RCPTs, DATA and the dot, the codes
said()
{
	grep '^rcpt\|^data\|^dot' "$tmp/talk" | cut -d' ' -f2,3 | tr '\n' ' ' |
	    sed 's/ $//'
}

# talks what, wanted, sender, user ...
talks()
{
	what=$1 wanted=$2
	shift 2
	talk "$@"
	is "$what" "$(said)" "$wanted"
}

# have number user ...: so many mails each
have()
{
	wanted=$1
	shift
	for user; do
		wait_for 10 has_mails "$user" "$wanted"
		is "$user has $wanted mails" "$(mails "$user" | grep -c '')" \
		    "$wanted"
	done
}

vouched()
{
	for user; do
		says "$user is there" '250 2.1.5' "$user@example.org"
	done
}

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 4)
smtp=$1 lmtp=$2 store=$3 outward=$4
real make plain "$tmp/plain"
users='ann bob cat dan eve fay gus hal ida'
dovecot_make hop "$lmtp" </dev/null
dovecot_start hop
configure hop
postern_start

# --- it is gone, and others are not ------------------------------------------

vouched ann bob cat
dovecot_drop hop "$lmtp" bob
talks "one of three is gone: all try again" \
    '250 2.1.5 250 2.1.5 250 2.1.5 451 4.3.0' a@example.net ann bob cat
have 0 ann bob cat
is "it is known now" "$(cached exists hop bob@example.org)" no
talks "the retry is told at RCPT" \
    '250 2.1.5 550 5.1.1 250 2.1.5 354 end 250 2.0.0' \
    a@example.net ann bob cat
have 1 ann cat
have 0 bob
talks "so is another sender" '550 5.1.1 250 2.1.5 354 end 250 2.0.0' \
    b@example.net bob ann
have 2 ann

# --- nobody else is there ----------------------------------------------------

vouched dan
dovecot_drop hop "$lmtp" dan
talks "the only one is gone: that is said" '250 2.1.5 550 5.1.1' \
    a@example.net dan
talks "and then at RCPT" '550 5.1.1 554 5.5.1' a@example.net dan
have 0 dan

# --- it is there again -------------------------------------------------------

dovecot_add hop "$lmtp" dan
talks "it is back, and not known to be" '550 5.1.1 554 5.5.1' \
    a@example.net dan
ctl cache delete hop dan@example.org >/dev/null
talks "unless that is forgotten" '250 2.1.5 354 end 250 2.0.0' \
    a@example.net dan
have 1 dan

# --- a Postfix is the client -------------------------------------------------

why=$(postfix_missing)
if [ -n "$why" ]; then
	skip "a Postfix as client" "$why"
else
	# ended: all three, for good
	ended()
	{
		[ "$(grep -c 'to=<.*@example.org>.* status=\(sent\|bounced\)' \
		    "$tmp/client/log")" -eq 3 ]
	}

	echo 'example.net discard:' >"$tmp/back"
	postfix_relays smtp "$smtp" >"$tmp/relays"
	echo "transport_maps = texthash:$tmp/back" >>"$tmp/relays"
	postfix_make client "$outward" <"$tmp/relays"
	postfix_start client
	vouched eve fay gus
	dovecot_drop hop "$lmtp" fay
	real talk --from me@example.net --to eve@example.org \
	    --to fay@example.org --to gus@example.org "$outward" \
	    "$tmp/plain" >"$tmp/talk" 2>&1
	is "Postfix: takes it for three" "$(grep -c '^dot 250' "$tmp/talk")" 1
	wait_for 40 ended
	is "Postfix: gets rid of it" $? 0
	for user in eve gus; do
		is "Postfix: $user's is sent" "$(grep -c \
		    "to=<$user@.* status=sent" "$tmp/client/log")" 1
	done
	is "Postfix: fay's bounces" "$(grep -c \
	    'to=<fay@.* status=bounced.*550 5.1.1' "$tmp/client/log")" 1
	wait_for 20 grep -q 'sender non-delivery notification' \
	    "$tmp/client/log"
	is "Postfix: the sender is told once" "$(grep -c \
	    'sender non-delivery notification' "$tmp/client/log")" 1
	have 1 eve gus
	have 0 fay
fi

# --- the next hop is another, and has it not ---------------------------------

users='ann'
dovecot_make store "$store" </dev/null
dovecot_start store
configure store
is "the next hop is another" "$(ctl reload | cut -d' ' -f1,2)" \
    "ok generation"
before=$(mails ann | grep -c '')
talks "it has not what the one who is asked has" \
    '250 2.1.5 250 2.1.5 451 4.3.0' a@example.net ann hal
talks "the retry is told at RCPT" \
    '250 2.1.5 550 5.1.1 354 end 250 2.0.0' a@example.net ann hal
have $((before + 1)) ann
have 0 hal
talks "so is another sender: the next hop has the last word" \
    '550 5.1.1 554 5.5.1' b@example.net hal
postern_stop
finish
