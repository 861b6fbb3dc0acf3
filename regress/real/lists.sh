#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A list of a million domains: it is found what is in it, a reload takes what
# has changed and reads nothing else, its mistakes are told by their lines,
# and while it is read, or the process that reads it hangs or is killed, the
# others are at work.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

has python3 || skip_all "no python3"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
port=$1 hop=$2

# domains n: that many, the n-th being last.example
domains()
{
	awk -v n="$1" 'BEGIN {
		for (i = 1; i < n; i++)
			print "domain" i ".example"
		print "Last.Example"
	}'
}

# Its time of change is long ago, so that it need not be read twice.
old()
{
	touch -d "$1" "$tmp/domains"
}

# rcpt domain: the reply to a recipient there
rcpt()
{
	python3 - "$port" "$1" <<-'EOT'
	import socket, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
	f = s.makefile("rwb")
	said = f.readline()
	for line in "EHLO c.test", "MAIL FROM:<>", "RCPT TO:<a@%s>" % (
	    sys.argv[2]):
	    f.write(line.encode() + b"\r\n")
	    f.flush()
	    said = f.readline()
	    while said[3:4] == b"-":
	        said = f.readline()
	print(said.decode()[:9])
	EOT
}

# How often a list was read, since there is a log.
times_read()
{
	grep -c "$tmp/domains: [0-9]* entries" "$tmp/postern.log"
}

domains 1000000 >"$tmp/domains"
old 2020-01-01
cat >"$tmp/postern.yaml" <<EOT
hostname: gate.example.net
processes: {smtpd: 2}
control: $tmp/control
log: {to: $tmp/postern.log, level: debug}
listener: {in: {bind: "127.0.0.1:$port"}}
list: {ours: {file: $tmp/domains}}
remote: {hop: {address: 127.0.0.1, port: $hop, tls: {mode: "off"}}}
session:
  connect: {reverse-dns: never}
  rcpt: {lookup: {domains: list/ours}}
route: {local: hop}
EOT
sink_start "$hop" || skip_all "no next hop"
postern_start
is "the last of a million" "$(rcpt last.example)" "250 2.1.5"
is "one of a million" "$(rcpt DOMAIN567890.example)" "250 2.1.5"
is "none of them" "$(rcpt domain1000000.example)" "550 5.7.1"

# --- reload ------------------------------------------------------------------

is "a reload" "$(ctl reload)" "ok generation 2"
is "what did not change is not read" "$(times_read)" 0
echo "more.example" >>"$tmp/domains"
old 2020-01-02
is "a reload of what changed" "$(ctl reload)" "ok generation 3"
is "what changed is read" "$(times_read)" 1
is "what is new" "$(rcpt more.example)" "250 2.1.5"

cp "$tmp/domains" "$tmp/good"
printf '10.0.0.1/8\n# a comment\nb\003d\n' >>"$tmp/domains"
ctl reload >"$tmp/out" 2>&1
is "a reload of mistakes fails" $? 1
is "the first of them" "$(grep -c "$tmp/domains:1000002: not a network" \
    "$tmp/out")" 1
is "the second" "$(grep -c "$tmp/domains:1000004: a control character" \
    "$tmp/out")" 1
is "what was good stays" "$(rcpt more.example)" "250 2.1.5"
"$build/smtpd/postern" -n -f "$tmp/postern.yaml" >"$tmp/out" 2>&1
is "postern -n finds them" $? 1
is "both" "$(grep -c "^$tmp/domains:100000[24]: " "$tmp/out")" 2

# --- the process that reads it -----------------------------------------------

# The newest verifyd is that one; it is stopped before it is done.
catch()
{
	python3 - "$postern" <<-'EOT'
	import os, signal, sys, time
	def children():
	    found = []
	    for p in os.listdir("/proc"):
	        try:
	            stat = open("/proc/%s/stat" % p).read()
	        except OSError:
	            continue
	        name, rest = stat[stat.index("(") + 1:].rsplit(")", 1)
	        if name == "verifyd" and rest.split()[1] == sys.argv[1] and \
	            rest.split()[0] != "Z":
	            found.append(int(p))
	    return found
	end = time.time() + 20
	while time.time() < end:
	    found = children()
	    if len(found) == 2:
	        try:
	            os.kill(max(found), signal.SIGSTOP)
	            print(max(found))
	            break
	        except OSError:
	            break
	EOT
}

# It may be done before it is caught; then once more.
try=0 reader=''
while [ -z "$reader" ] && [ "$try" -lt 10 ]; do
	try=$((try + 1))
	cp "$tmp/good" "$tmp/domains"
	: >"$tmp/out"
	ctl reload >"$tmp/out" 2>&1 &
	waiting=$!
	reader=$(catch)
	[ -n "$reader" ] || wait "$waiting"
done
if [ -z "$reader" ]; then
	not_ok "the process that reads a list is seen"
	postern_stop
	finish
fi
is "while it hangs, others answer" "$(rcpt last.example)" "250 2.1.5"
is "so does the parent" "$(ctl show status | grep -c '^smtpd ')" 2
is "and nothing is in force yet" "$(grep -c . "$tmp/out")" 0
kill -s KILL "$reader"
wait "$waiting"
is "it is killed: the reload fails" $? 1
is "it says why" "$(grep -c \
    "$tmp/domains: the process that was to read it ended" "$tmp/out")" 1
is "all that was good goes on" "$(rcpt more.example)" "250 2.1.5"
ctl reload >"$tmp/out" 2>&1
is "the next one is good" $? 0
is "nobody is left over" "$(pgrep -c -P "$postern" verifyd)" 1
postern_stop
sink_stop
finish
