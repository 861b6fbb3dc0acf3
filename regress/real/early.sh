#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A client that talks before the banner.  The worker is stopped while the
# client connects, so that its octets are there at accept for certain.  What
# it is told must reach it: input that nobody reads must not make the end of
# the connection a reset.

. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 1)
smtp=$1
cat >"$tmp/postern.yaml" <<EOF
hostname: gate.example.net
processes: {smtpd: 1}
control: $tmp/control
log: {to: $tmp/postern.log}
listener: {in: {bind: "127.0.0.1:$smtp", tls: "off"}}
session: {connect: {early-talker: reject}}
EOF

# connects early|patient: what it reads, to the end or to the banner
connects()
{
	python3 - "$smtp" "$worker" "$1" <<'EOF'
import os, signal, socket, sys

port, worker, early = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.kill(worker, signal.SIGSTOP)
try:
    s = socket.create_connection(("127.0.0.1", port), 10)
    if early == "early":
        s.sendall(b"EHLO early.test\r\n")
finally:
    os.kill(worker, signal.SIGCONT)
s.settimeout(10)
said = s.recv(1000)
if early == "early":
    while True:
        more = s.recv(1000)
        if not more:
            break
        said += more
print(said.decode().strip())
EOF
}

postern_start
worker=$(children smtpd | awk '{ print $3 }')
if ! kill -0 "$worker" 2>/dev/null; then
	skip_all "the processes of other users are not to be stopped"
fi
for i in 1 2 3 4 5 6 7 8; do
	is "an early talker hears why, and the end ($i)" \
	    "$(connects early 2>&1)" \
	    "554 5.5.0 gate.example.net you talk first"
done
is "who waits is greeted" "$(connects patient 2>&1)" \
    "220 gate.example.net ESMTP"
postern_stop
finish
