#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Scripts that lose what they stand on, and what clients hear of it, counted
# exactly: proxyd killed and stopped, once and again and again, while it has
# commands, recipients and what is kept of sessions, and while bodies are on
# their way; verifyd and lookupd killed while scripts wait for them; smtpd
# killed under its calls; a reload and an end of all while scripts think.
# See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

if [ "$san" = 1 ]; then
	: "${SESSIONS:=10}"
else
	: "${SESSIONS:=40}"
fi

has sqlite3 || skip_all "no sqlite3"
# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 3)
smtp=$1 hop=$2 mute=$3

# configure: with a script and the rule that names it; $never is refused
configure()
{
	cat <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2, proxyd: 1}
	shutdown: 20s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener:
	  in:
	    bind: "127.0.0.1:$smtp"
	    tls: "off"
	    max-sessions-per-address: 0
	remote:
	  hop: {address: 127.0.0.1, port: $hop, tls: {mode: "off"},
	    connections: 2000}
	list: {ours: [example.org]}
	route: {local: hop}
	datasource: {users: {uri: "sqlite:$tmp/users.db", scripts: true}}
	script:
	  edge: |
	    local c = arguments.command
	    if c == "XSLEEP" then sleep(60) end
	    if c == "XNAP" then sleep(1.5) proxy.Reply("slept") end
	    if c == "XKEEP" then context = {"kept"} proxy.Reply("ok") end
	    if c == "XSAY" then
	      proxy.Reply(context and context[1] or "none")
	    end
	  mailer: |
	    if arguments.sender == "slow@a.test" then sleep(60) end
	    if arguments.sender == "no@a.test" then reject() end
	  judge: |
	    local ask = require("msys.beta.rcptto_proxy")
	    local user = arguments.recipient:match("^[^@]*")
	    if user == "slow" then sleep(60) end
	    if user == "nap" then sleep(1.5) accept("250 2.1.5 old") end
	    if user == "no" or user == "$never" then reject() end
	    if user == "ask" then
	      local _, err = ask.query{mailfrom = "a@a.test", port = $mute,
	        rcptto = arguments.recipient, host = "127.0.0.1"}
	      defer("450 4.4.9 " .. err)
	    end
	    if user == "sql" then
	      db.value("users", "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL " ..
	        "SELECT n + 1 FROM c) SELECT count(*) FROM c")
	    end
	    if user == "one" and db.value("users", "SELECT 1") ~= 1 then
	      reject()
	    end
	$other
	proxy: {script: edge, commands: [XSLEEP, XNAP, XKEEP, XSAY]}
	session:
	  mail: {script: mailer, on-error: accept}
	  rcpt:
	    lookup: {domains: list/ours}
	    max-recipients: 10000
	    errors: {total: 1000, wait: 0s}
	    script: $rule
	EOT
}

# play phase: what was counted, and what it took
play()
{
	timeout 100 python3 "$here/lost.py" \
	    "$build/smtpd/posternctl -s $tmp/control" "$smtp" "$1" \
	    "$SESSIONS" >"$tmp/played" 2>&1 || echo "lost.py: $?" \
	    >>"$tmp/played"
	grep '^#' "$tmp/played"
	grep -v '^#' "$tmp/played" >"$tmp/counted"
}

# comes_to what, lines: all are as many as there are of a kind
comes_to()
{
	is "$1" "$(cat "$tmp/counted")" \
	    "$(echo "$2" | sed "s/ all / $SESSIONS /")"
}

sqlite3 "$tmp/users.db" 'CREATE TABLE users (name TEXT)' || exit 1
other='' rule=judge never=yes
configure >"$tmp/later.yaml"
never=never rule='[{if: rcpt, eq: other@example.org, then: other},
      {else: judge}]'
other='  other: |
    sleep(1.5) accept("250 2.1.5 other")'
configure >"$tmp/postern.yaml"
export CONF="$tmp/postern.yaml" LATER="$tmp/later.yaml"
if ! sink_start "$hop"; then
	not_ok "the next hop starts"
	finish
fi
# It lets clients in, and has nothing to say to them.
python3 -S -c 'import socket, signal, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=500)
signal.pause()' "$mute" &
started="$started $!"
postern_start

# Each hears what it has lost; a body is nobody's but the next hop's.
whole='body all 250 2.0.0
body all 250 2.0.0 none
context all 421 4.3.0
context all end
context-body all 250 2.0.0
context-body all 421 4.3.0
flight all 421 4.3.0
flight all end
idle all 250 2.0.0 none
mail all 250 2.1.0
mail-again all 250 2.1.5
never all 250 2.0.0
rcpt all 451 4.3.0
rcpt-again all 250 2.1.5
rcpt-again all 550 5.7.1'
play kill
comes_to "a proxyd that is killed" "$whole"
play stop
comes_to "a proxyd that is stopped" "$whole"
grep -q 'proxyd/0 pid [0-9]* hangs' "$tmp/postern.log"
is "which is ended for it" $? 0

# While there is none, on-error decides, and a script's no is never a yes.
play repeat
is "a proxyd that is killed again and again: nothing else is heard" \
    "$(grep -vx -e 'at-last [0-9]* 250 2.1.5' -e 'command [0-9]* 421 4.3.0' \
    -e 'command [0-9]* 250 2.0.0 none' \
    -e 'mail [0-9]* 250 2.1.0' -e 'mail [0-9]* 550 5.7.1' \
    -e 'rcpt [0-9]* 451 4.3.0' -e 'rcpt [0-9]* 550 5.7.1' \
    "$tmp/counted")" ""
is "and how often" "$(awk '{ n[$1] += $2 } END { print n["at-last"],
    n["command"], n["mail"], n["rcpt"] }' "$tmp/counted")" \
    "$SESSIONS $SESSIONS $((8 * SESSIONS)) $((8 * SESSIONS))"

play verifyd
comes_to "a verifyd that is killed" \
    'rcpt all 450 4.4.9 ask: the process that was asked is gone
rcpt-again all 250 2.1.5'
play lookupd
comes_to "a lookupd that is killed" 'rcpt all 451 4.3.0
rcpt-again all 250 2.1.5'
play smtpd
comes_to "smtpds that are killed" 'flight all end
rcpt all end'
play reload
comes_to "a reload" 'gone all 250 2.1.5
kept all 250 2.0.0 kept
new all 550 5.7.1
rcpt all 250 2.1.5'
play drain
comes_to "the end" 'flight all 250 2.0.0
rcpt all 421 4.3.2
rcpt-then all end'
wait_for 30 gone "$postern"
wait "$postern"
is "postern has ended" $? 0
sink_stop
is "the next hop has all bodies" "$(field messages "$tmp/sink.sum")" \
    $((4 * SESSIONS))
finish
