#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# "make run": a demo on loopback.  A small server (regress/real/sink.c) takes
# the mail; postern stands before it on 127.0.0.1:2525.
#
# usage: demo.sh SINK

set -u
sink=${1:?usage: demo.sh SINK}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-demo.XXXXXX") || exit 1
chmod 755 "$tmp"
backend='' postern=''

finish() {
	trap '' HUP INT TERM
	for pid in $postern $backend; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
	exit "$1"
}
trap 'finish 0' HUP INT TERM

mkfifo "$tmp/said" "$tmp/log" || finish 1
port=2526
"$sink" $port >/dev/null 2>"$tmp/said" &
backend=$!
read -r line <"$tmp/said" && [ "$line" = ready ] || {
	echo "demo: the backend does not start on 127.0.0.1:$port: $line" >&2
	finish 1
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 30 -subj /CN=localhost -keyout "$tmp/key" -out "$tmp/cert" \
    2>/dev/null && chmod 600 "$tmp/key" || finish 1

cat >"$tmp/postern.yaml" <<C
# The demo's configuration.  See postern.yaml(5).
hostname: demo.postern.example
control: $tmp/postern.sock
log: {to: stderr}
tls:
  certificate:
    default: {cert: $tmp/cert, key: $tmp/key}
listener:
  demo: {bind: ["127.0.0.1:2525"], tls: starttls}
list:
  domains: [example.com, example.org]
remote:
  backend: {address: 127.0.0.1, port: $port, tls: {mode: "off"}}
route: {local: backend}
session: {rcpt: {lookup: {domains: list/domains}}}
C
smtpd/postern -d -f "$tmp/postern.yaml" 2>"$tmp/log" &
postern=$!
exec 3<"$tmp/log"
while IFS= read -r line <&3; do
	printf '%s\n' "$line"
	[ "$line" = ready ] && break
done
[ "$line" = ready ] || finish 1
cat <<C

postern serves on 127.0.0.1:2525.  In another terminal:

  curl --url smtp://127.0.0.1:2525/client.example \\
      --mail-from you@example.net --mail-rcpt someone@example.com \\
      --crlf --upload-file README
  openssl s_client -starttls smtp -connect 127.0.0.1:2525 -crlf -quiet
  smtpd/posternctl -s $tmp/postern.sock show status
  smtpd/posternctl -s $tmp/postern.sock show stats
  smtpd/posternctl -s $tmp/postern.sock reload

The configuration is $tmp/postern.yaml: edit it, then reload.
Mail for example.com and example.org goes through to a server that takes and
forgets it; other domains are refused, after a moment, as a spammer's guess
should be.  The log follows; ^C ends the demo.

C
cat <&3
finish 1
