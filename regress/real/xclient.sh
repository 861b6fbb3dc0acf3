#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Who the client is reaches the next hop, by XCLIENT and by PROXY, and never
# is one client taken for another, though connections to the next hop serve
# many clients.
#
# Each client has a loopback address and a name of its own and says in every
# message what they are; the next hop writes down whom it takes the client
# for.  Many clients at once go to a sink, a few to a real Postfix, which says
# it in its log, and to Dovecot's LMTP, which says it in the message.  The
# names that DNS has for them are those of names.py: some have none, some have
# another one's.  N in the environment is the number of clients; see lib.sh
# for the options and counterparts.sh for MODE.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"

if [ "$san" = 1 ]; then
	: "${N:=600}"
else
	: "${N:=2000}"
fi
at_once=40 each=2

# What names.py has for an address, and confirms; nobody is what there is for
# one without.
name_of='
	function name_of(address, nobody,	a)
	{
		if (split(address, a, ".") != 4 || a[4] % 4 < 2)
			return nobody
		return "c" a[2] "-" a[3] "-" a[4] ".names.test"
	}'

# judge file name|helo|address: how many of the messages are another client's:
# with all that XCLIENT says, with all but the name, with the address alone
judge()
{
	awk -v by="$2" "$name_of"'
	$2 != $10 || $3 != $11 { n++; next }
	by != "address" && ($4 != $12 || $5 != $13 || $6 != "-") { n++; next }
	by == "name" && $1 != name_of($2, "-") { n++ }
	END { print n + 0 }' "$1"
}

# different file: clients that the next hop tells from each other
different()
{
	awk '{ print $2, $3 }' "$1" | sort -u | lines -
}

# claimed file: and those that there were
claimed()
{
	awk '{ print $10, $11 }' "$1" | sort -u | lines -
}

# The judge and the sink: what is said is believed, and what is left out is
# seen.
judges_are_not_blind()
{
	sink_start "$hop" -x -c "$tmp/C" || not_ok "the sink starts"
	is "XCLIENT is said to a sink" \
	    "$(python3 "$here/xclient.py" xclient "$hop" 8 127.7.0.1 2>&1)" ""
	sink_stop
	is "it was written down for each" "$(lines "$tmp/C")" 8
	is "who was forgotten is found" "$(judge "$tmp/C" name)" 1
	is "by the address too" "$(judge "$tmp/C" address)" 1
	for v in v1 v2; do
		sink_start "$hop" -p -c "$tmp/C" || not_ok "the sink starts"
		is "PROXY $v is said to a sink" \
		    "$(python3 "$here/xclient.py" $v "$hop" 4 127.7.0.1 2>&1)" \
		    ""
		sink_stop
		is "$v: all of it is understood" "$(judge "$tmp/C" helo)" 0
		is "$v: for each" "$(different "$tmp/C")" 4
	done
}

# leaks what option name|helo|address line: N clients, each with two
# messages or three
leaks()
{
	what=$1 option=$2 by=$3
	shift 3
	if ! sink_start "$hop" "$option" -c "$tmp/C"; then
		not_ok "$what: the next hop starts"
		shows "$tmp/sink.err"
		return
	fi
	between "$hop" "$@"
	"$ledger" -a -s "$at_once" -n "$each" -m $((N * each)) -l 200 \
	    "$port" >"$tmp/leak.sum" 2>"$tmp/leak.err"
	is "$what: all clients come to their end" $? 0
	between_stop
	sink_stop
	clients=$(field connections "$tmp/leak.sum")
	acknowledged=$(field acknowledged "$tmp/leak.sum")
	over=$(field connections "$tmp/sink.sum")
	echo "# $what: $clients clients, $acknowledged messages over" \
	    "$over connections, $(field broken "$tmp/leak.sum") broken off," \
	    "$(field ms "$tmp/leak.sum") ms"
	is "$what: nothing was refused or lost" \
	    "$(field refused "$tmp/leak.sum") $(field lost "$tmp/leak.sum")" \
	    "0 0"
	shows "$tmp/leak.err"
	is "$what: every message has its client" "$(lines "$tmp/C")" \
	    "$acknowledged"
	is "$what: and that is who sent it" "$(judge "$tmp/C" "$by")" 0
	is "$what: every client was another's" "$(different "$tmp/C")" \
	    "$(claimed "$tmp/C")"
	is "$what: no message was changed" "$(field bad "$tmp/sink.sum")" 0
}

fewer_connections()
{
	[ "$MODE" = postern ] || return 0
	if [ "$over" -lt "$clients" ]; then
		ok "$1: connections served more than one client"
	else
		not_ok "$1: $over connections for $clients clients"
	fi
}

# by_postfix what name|address port line: a few clients, and what its log has.
# The line of cleanup(8) has the claim, that of smtpd(8) the client.
by_postfix()
{
	what="Postfix, $1" by=$2
	: >"$tmp/hop/log"
	shift 2
	between "$@"
	"$ledger" -a -s 5 -n 2 -m 40 -l 200 "$port" \
	    >"$tmp/few.sum" 2>"$tmp/few.err"
	is "$what: all clients come to their end" $? 0
	between_stop
	judge_log "$by"
	is "$what: all messages are in its log" "$all" \
	    "$(field acknowledged "$tmp/few.sum")"
	is "$what: with the client that sent them" "$others" 0
	shows "$tmp/few.err"
}

# judge_log name|address
judge_log()
{
	awk -v by="$1" "$name_of"'
	function queue_id() { return $6 }
	/ client=/ {
		split($0, a, " client=")
		sub(/,.*/, "", a[2])
		client[queue_id()] = a[2]
	}
	/ header X-Client: / {
		split($0, a, " header X-Client: ")
		split(a[2], claim, " ")
		name = by == "name" ? name_of(claim[1], "unknown") : "unknown"
		print client[queue_id()], name "[" claim[1] "]"
	}' "$tmp/hop/log" >"$tmp/judged"
	all=$(lines "$tmp/judged")
	others=$(awk '$1 != $2 { n++ } END { print n + 0 }' "$tmp/judged")
	[ "$others" = 0 ] || shows "$tmp/judged"
}

# judge_mail: the maildirs, where the uppermost Received is the next hop's
judge_mail()
{
	find "$tmp/mail" -path '*/new/*' -type f -exec cat {} + | awk '
	/^Return-Path: / { who = "" }
	/^Received: from / && who == "" {
		who = $0
		sub(/.*\(\[/, "", who)
		sub(/\]\).*/, "", who)
	}
	/^X-Client: / { print who, $2 }' >"$tmp/judged"
	all=$(lines "$tmp/judged")
	others=$(awk '$1 != $2 { n++ } END { print n + 0 }' "$tmp/judged")
}

# by_dovecot what port line
by_dovecot()
{
	what="Dovecot, $1"
	rm -rf "$tmp/mail"/*
	shift
	between "$@" "protocol: lmtp"
	"$ledger" -a -s 5 -n 2 -m 40 -l 200 "$port" \
	    >"$tmp/few.sum" 2>"$tmp/few.err"
	is "$what: all clients come to their end" $? 0
	between_stop
	judge_mail
	is "$what: all messages are there" "$all" \
	    "$(field acknowledged "$tmp/few.sum")"
	is "$what: with the client that sent them" "$others" 0
	shows "$tmp/few.err"
}

to_dovecot()
{
	why=$(dovecot_missing)
	if [ -n "$why" ]; then
		skip "XCLIENT to a Dovecot" "$why"
		return
	fi
	users=''
	dovecot_make lmtp "$lmtp" "$lmtp_proxied" </dev/null
	dovecot_start lmtp
	if [ "$MODE" = postern ]; then
		by_dovecot XCLIENT "$lmtp" "xclient: required"
		for v in v1 v2; do
			by_dovecot "PROXY $v" "$lmtp_proxied" \
			    "proxy-protocol: $v" 'xclient: "no"'
		done
		return
	fi
	is "Dovecot is told by XCLIENT" \
	    "$(python3 "$here/xclient.py" lmtp "$lmtp" 8 127.7.0.1 2>&1)" ""
	judge_mail
	is "it believes that, and who was forgotten is found" \
	    "$all $others" "8 1"
}

names_start()
{
	# shellcheck disable=SC2034	# between takes it
	resolver=$1
	python3 "$here/names.py" "$1" >"$tmp/names.out" 2>&1 &
	started="$started $!"
	wait_for 20 grep -q ready "$tmp/names.out" && return 0
	not_ok "the name server starts"
	shows "$tmp/names.out"
	finish
}

if ! tool ledger; then
	not_ok "ledger can be built"
	finish
fi
ledger=$tool
# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 7)
smtp=$1 hop=$2 postfix=$3 proxied=$4 lmtp=$5 lmtp_proxied=$6 names=$7
names_start "$names"

judges_are_not_blind
# Without a postern nobody asks for names.
by_xclient=name
[ "$MODE" = postern ] || by_xclient=helo
leaks XCLIENT -x "$by_xclient" "xclient: required"
fewer_connections XCLIENT
if [ "$MODE" = postern ]; then
	for v in v1 v2; do
		leaks "PROXY $v" -p address "proxy-protocol: $v" \
		    'xclient: "no"'
	done
fi
to_dovecot

why=$(postfix_missing)
if [ -n "$why" ]; then
	skip "XCLIENT to a Postfix" "$why"
	finish
fi
users=all
postfix_make hop "$postfix" <<EOF
smtpd_authorized_xclient_hosts = 127.0.0.0/8
virtual_mailbox_maps = static:all/
header_checks = regexp:$tmp/headers
EOF
echo '/^X-Client:/ INFO' >"$tmp/headers"
postfix_listens hop "$proxied" smtpd_upstream_proxy_protocol=haproxy
postfix_start hop
by_postfix XCLIENT "$by_xclient" "$postfix" "xclient: required"
if [ "$MODE" = postern ]; then
	for v in v1 v2; do
		by_postfix "PROXY $v" address "$proxied" \
		    "proxy-protocol: $v" 'xclient: "no"'
	done
else
	for v in v1 v2; do
		: >"$tmp/hop/log"
		is "Postfix is told by PROXY $v" \
		    "$(python3 "$here/xclient.py" $v "$proxied" 4 127.7.0.1 \
		    2>&1)" ""
		judge_log address
		is "$v: and says so" "$all $others" "4 0"
	done
fi
finish
