#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A reload to fewer proxyds: those that are too many go when the last session
# is over that began before it, and no later one has its scripts there.
# See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
smtp=$1 hop=$2

configure()	# PROXYDS
{
	cat <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 1, proxyd: $1}
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener: {in: {bind: "127.0.0.1:$smtp", tls: "off"}}
	remote: {hop: {address: 127.0.0.1, port: $hop}}
	list: {ours: [example.org]}
	route: {local: hop}
	script:
	  keep: |
	    context = (context or 0) + 1
	    proxy.Reply("" .. context)
	proxy: {script: keep, commands: [XKEEP]}
	session: {rcpt: {lookup: {domains: list/ours}}}
	EOT
}

# Whether only so many are left.
proxyds()
{
	[ "$(ctl show status | grep -c '^proxyd')" = "$1" ]
}

configure 2 >"$tmp/postern.yaml"
postern_start
is "there are two" "$(ctl show status | grep -c '^proxyd')" 2
configure 1 >"$tmp/fewer.yaml"
cat "$tmp/fewer.yaml" >"$tmp/postern.yaml"
mkfifo "$tmp/go" "$tmp/come"
python3 -S -c 'import socket, sys

def client():
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
    f = c.makefile("rwb")
    f.readline()
    return c, f

def say(c, line):
    c[1].write(line + b"\r\n")
    c[1].flush()
    return c[1].readline().decode().strip()

def wait():
    print("come", file=open(sys.argv[3], "w"))
    open(sys.argv[2]).read()

old = client()
print("old", say(old, b"XKEEP"))
wait()
later = [client() for i in range(4)]
for c in later:
    print("later", say(c, b"XKEEP"))
say(old, b"QUIT")
wait()
for c in later:
    print("later", say(c, b"XKEEP"))
' "$smtp" "$tmp/go" "$tmp/come" >"$tmp/heard" 2>&1 &
client=$!
started="$started $client"
cat "$tmp/come" >"$tmp/out"
is "the reload" "$(ctl reload)" "ok generation 2"
echo go >"$tmp/go"
cat "$tmp/come" >"$tmp/out"
wait_for 30 proxyds 1
is "there is one" "$(ctl show status | grep -c '^proxyd')" 1
echo go >"$tmp/go"
wait "$client"
is "and nobody has lost anything" "$(sort "$tmp/heard" | uniq -c |
    sed 's/^ *//')" "4 later 250 2.0.0 1
4 later 250 2.0.0 2
1 old 250 2.0.0 1"
postern_stop
finish
