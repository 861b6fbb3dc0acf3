#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# No message is acknowledged that the next hop did not acknowledge, while one
# smtpd is killed every second; and nothing at all is lost or refused, while
# the configuration is changed and read again every second.
#
# A is what the clients saw acknowledged, U what the next hop acknowledged:
# A must be a subset of U, and U have nothing twice.  |U-A| is what clients
# would send again.  It may be more than 0 only where a process dies between
# the final dot and the reply; the next hop takes its time for that reply, so
# that many are there when one does.  N in the environment is the number of
# messages; see lib.sh for the options.

. "$(dirname "$0")/lib.sh"

# think: ms that the next hop takes for a reply to a dot
if [ "$san" = 1 ]; then
	: "${N:=3000}"
	think=100
else
	: "${N:=20000}"
	think=20
fi
sessions=50 octets=10240

# config variant: the generations differ in what a session keeps hold of, the
# listener and the remote
config()
{
	cat >"$tmp/new.yaml" <<-EOF
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 5s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener:
	  in:
	    bind: "127.0.0.1:$smtp"
	    tls: "off"
	    greeting: ESMTP $1
	    max-sessions-per-address: 0
	list: {ours: [example.org, "$1.test"]}
	remote:
	  hop:
	    address: 127.0.0.1
	    port: $hop
	    tls: {mode: "off"}
	    limits: {messages: $((100 + $1 % 2))}
	session: {rcpt: {lookup: {domains: list/ours}}}
	route: {local: hop}
	EOF
	mv "$tmp/new.yaml" "$tmp/postern.yaml"
}

# begin: a new next hop, and a postern before it
begin()
{
	set -- "$(real ports 2)"
	smtp=${1% *} hop=${1#* }
	config 0
	if ! sink_start "$hop" -d "$think" -o "$tmp/U"; then
		not_ok "the next hop starts"
		shows "$tmp/sink.err"
		finish
	fi
	postern_start
	first=$(ctl show status | awk '$1 == "postern" { print $4 }')
}

# load name: the ledger runs until it is done; its output is in name.sum
load()
{
	"$ledger" -s "$sessions" -m "$N" -l "$octets" -o "$tmp/A" "$smtp" \
	    >"$tmp/$1.sum" 2>"$tmp/$1.err" &
	client=$!
	started="$started $client"
}

parent_is_the_same()
{
	is "$1: the parent is the one that was started" \
	    "$(ctl show status | awk '$1 == "postern" { print $4 }')" \
	    "$first"
	is "$1: and that is the process" "$first" "$postern"
}

# judge name: when the client is done and the next hop has ended
judge()
{
	sort "$tmp/A" >"$tmp/a"
	awk '{ print $1 }' "$tmp/U" | sort >"$tmp/u"
	sent=$(field sent "$tmp/$1.sum")
	lost=$(field lost "$tmp/$1.sum")
	over=$(comm -13 "$tmp/a" "$tmp/u" | lines -)
	echo "# $1: sent $sent, acknowledged $(lines "$tmp/a"), at the next" \
	    "hop $(lines "$tmp/u"), |U-A| $over," \
	    "connections lost with a message $lost," \
	    "without $(field failed "$tmp/$1.sum")," \
	    "$(field ms "$tmp/$1.sum") ms"
	is "$1: all messages were sent once" "$sent" "$N"
	is "$1: each has one fate" "$sent" \
	    $(($(lines "$tmp/a") + lost + $(field refused "$tmp/$1.sum")))
	is "$1: what was acknowledged is at the next hop" \
	    "$(comm -23 "$tmp/a" "$tmp/u" | lines -)" 0
	is "$1: nothing is there twice" "$(uniq -d "$tmp/u" | lines -)" 0
	is "$1: nothing was changed or mixed up" \
	    "$(field bad "$tmp/sink.sum")" 0
	is "$1: nothing was refused" "$(field refused "$tmp/$1.sum")" 0
	if [ "$over" -le "$lost" ]; then
		ok "$1: what is there unacknowledged was lost on the way back"
	else
		not_ok "$1: $over unacknowledged, but only $lost lost"
	fi
	# A client whose smtpd is killed has to complain.
	[ "$1" = kill ] || shows "$tmp/$1.err"
}

# often name n what: each smtpd was meant more than once; how often in all is
# the machine's matter, since the messages have their number and not their time
often()
{
	if [ "$2" -ge 4 ]; then
		ok "$1: $2 $3"
	else
		not_ok "$1: only $2 $3"
	fi
}

# kill_one n: smtpd n modulo 2; 1 if there is none just now
kill_one()
{
	pid=$(children smtpd | awk -v n=$(($1 % 2)) '$2 == n { print $3 }')
	[ -n "$pid" ] && kill -KILL "$pid"
}

kills()
{
	begin
	load kill
	n=0
	while ! gone "$client"; do
		sleep 1			# the rate of it
		gone "$client" || ! kill_one "$n" || n=$((n + 1))
	done
	wait "$client"
	is "kill: the client comes to its end" $? 0
	often kill "$n" "smtpds killed"
	parent_is_the_same kill
	wait_for 30 both_run
	is "kill: both smtpds run again" "$(children smtpd | lines -)" 2
	postern_stop
	sink_stop
	judge kill
}

both_run()
{
	[ "$(children smtpd | lines -)" -eq 2 ]
}

reloads()
{
	begin
	load reload
	n=0 bad=0
	children | sort >"$tmp/before"
	while ! gone "$client"; do
		sleep 1			# the rate of it
		gone "$client" && break
		n=$((n + 1))
		config "$n"
		ctl reload >>"$tmp/reload.out" 2>&1 || bad=$((bad + 1))
	done
	wait "$client"
	is "reload: the client comes to its end" $? 0
	often reload "$n" "changes of the configuration"
	is "reload: none failed" "$bad" 0
	[ "$bad" -eq 0 ] || shows "$tmp/reload.out" "$tmp/postern.log"
	children | sort >"$tmp/after"
	is "reload: no process was replaced" "$(cat "$tmp/after")" \
	    "$(cat "$tmp/before")"
	is "reload: the last generation is in force" \
	    "$(ctl show status | awk '$1 == "postern" { print $8 }')" \
	    $((n + 1))
	parent_is_the_same reload
	postern_stop
	sink_stop
	judge reload
	is "reload: no connection was lost" "$(field lost "$tmp/reload.sum")" 0
	is "reload: or could not be made" "$(field failed "$tmp/reload.sum")" 0
	is "reload: nothing is there unacknowledged" \
	    "$(comm -13 "$tmp/a" "$tmp/u" | lines -)" 0
}

# Postfix's own, which knows nothing of ids and takes any fault for the end.
smtp_source()
{
	if ! has smtp-source; then
		skip "smtp-source" "no Postfix"
		return
	fi
	think=0
	begin
	timeout 120 smtp-source -s "$sessions" -m "$N" -l "$octets" \
	    -f sender@example.net -t reader@example.org "127.0.0.1:$smtp" \
	    >"$tmp/source.out" 2>&1
	is "smtp-source: comes to its end" $? 0
	shows "$tmp/source.out"
	parent_is_the_same smtp-source
	postern_stop
	sink_stop
	is "smtp-source: the next hop has all" \
	    "$(field messages "$tmp/sink.sum")" "$N"
}

if ! tool ledger; then
	not_ok "ledger can be built"
	finish
fi
ledger=$tool
kills
reloads
smtp_source
finish
