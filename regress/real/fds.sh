#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A client that goes away leaves nothing behind, whenever it goes and however:
# after thousands that did, each process has as many descriptors as before,
# no session is counted as being there, the next hop has no connection of
# theirs open, and took none of the messages that did not come to their end.
#
# CYCLES in the environment is their number; see lib.sh for the options.

. "$(dirname "$0")/lib.sh"

if [ "$san" = 1 ]; then
	: "${CYCLES:=600}"
else
	: "${CYCLES:=2400}"
fi

# fds: of each process its role, index and pid, and the number of its
# descriptors
fds()
{
	{
		echo "postern - $postern"
		children ""
	} | while read -r role index pid; do
		echo "$role $index $pid $(find "/proc/$pid/fd" -type l \
		    2>/dev/null | grep -c '')"
	done
}

# One that is not the kernel's to show has none, as it seems.
are_visible()
{
	! fds | grep -q ' 0$'
}

as_before()
{
	fds >"$tmp/after"
	cmp -s "$tmp/before" "$tmp/after"
}

# The same twice in a row, with nobody connected: they have settled.
settled()
{
	stat_is sessions.now 0 && stat_is hops.now 0 && {
		fds >"$tmp/before"
		as_before
	}
}

# The next hop has its listening socket and nothing else.
sink_is_idle()
{
	[ "$(find "/proc/$sink/fd" -type l | grep -c '')" -eq "$idle" ]
}

[ -d /proc/self/fd ] || skip_all "no /proc to look into"
# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
smtp=$1 hop=$2
certificate || skip_all "openssl makes no certificate"
cat >"$tmp/postern.yaml" <<EOF
hostname: gate.example.net
processes: {smtpd: 2}
shutdown: 5s
control: $tmp/control
log: {to: $tmp/postern.log}
tls: {certificate: {default: {cert: $tmp/cert.pem, key: $tmp/key.pem}}}
listener:
  in:
    bind: "127.0.0.1:$smtp"
    tls: starttls
    max-sessions-per-address: 0
list: {ours: [example.org]}
remote:
  hop:
    address: 127.0.0.1
    port: $hop
    tls: {mode: "off"}
    timeout: {idle: 1s}
session: {rcpt: {lookup: {domains: list/ours}}}
route: {local: hop}
EOF
if ! sink_start "$hop"; then
	not_ok "the next hop starts"
	finish
fi
idle=$(find "/proc/$sink/fd" -type l | grep -c '')
postern_start
are_visible || skip_all "the descriptors of other users are not to be seen"

# What a process opens once, it has opened behind the first clients.
real make plain "$tmp/plain"
for _ in 1 2 3 4 5 6 7 8; do
	if ! real send --to reader@example.org "$smtp" "$tmp/plain" \
	    >"$tmp/sent" || ! real send --to reader@example.org \
	    --ca "$tmp/cert.pem" "$smtp" "$tmp/plain" >>"$tmp/sent"; then
		not_ok "mail goes through before"
		shows "$tmp/sent" "$tmp/postern.log"
		finish
	fi
done
if ! wait_for 30 settled; then
	not_ok "idle connections to the next hop are closed"
	finish
fi
taken=$(stat messages.accepted)

if python3 "$here/abort.py" -n "$CYCLES" --ca "$tmp/cert.pem" "$smtp" \
    2>"$tmp/abort"; then
	ok "$CYCLES clients go away"
else
	not_ok "$CYCLES clients go away"
	shows "$tmp/abort" "$tmp/postern.log"
fi
if wait_for 30 as_before; then
	ok "each process has as many descriptors as before"
else
	not_ok "each process has as many descriptors as before"
	diff "$tmp/before" "$tmp/after" | sed 's/^/#	/'
fi
is "no session is left" "$(stat sessions.now)" 0
is "no connection to the next hop is left" "$(stat hops.now)" 0
if wait_for 30 sink_is_idle; then
	ok "the next hop sees that as well"
else
	not_ok "the next hop sees that as well"
fi

# One in twelve sent its dot: what became of it is known to the next hop.
whole=$(((CYCLES + 5) / 12))
n=$(($(stat messages.accepted) - taken))
real send --to reader@example.org "$smtp" "$tmp/plain" >"$tmp/sent"
is "mail goes through behind them" $? 0
postern_stop
sink_stop
got=$(($(field messages "$tmp/sink.sum") - taken - 1))
echo "# $whole messages came to their end, $got were taken," \
    "$n of them with postern knowing"
if [ "$got" -le "$whole" ] && [ "$n" -le "$got" ]; then
	ok "only whole messages were taken"
else
	not_ok "only whole messages were taken"
fi
finish
