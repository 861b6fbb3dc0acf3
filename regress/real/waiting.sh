#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A thousand sessions whose scripts wait for a name server that never answers,
# or sleep, in one proxyd: another session has all its answers, each of which
# is one of a database, before any of those is released.  See lib.sh for the
# options.

. "$(dirname "$0")/lib.sh"

for program in python3 sqlite3; do
	command -v $program >/dev/null || skip_all "no $program"
done

base=$((20000 + $$ % 10000))
slow=$base fast=$((base + 1)) names=$((base + 2)) sleeps=$((base + 3))
mkdir "$tmp/state"
sqlite3 "$tmp/state/lite.db" 'CREATE TABLE words (n INTEGER);
    INSERT INTO words VALUES (1);'
chmod 777 "$tmp/state"
chmod 666 "$tmp/state/lite.db"

# It has the port, and says nothing.
python3 -c "
import signal, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', $names))
print('ready', flush=True)
signal.pause()" >"$tmp/names.out" &
started="$started $!"
wait_for 10 grep -q ready "$tmp/names.out"

cat >"$tmp/postern.yaml" <<EOT
hostname: gate.example.net
processes: {smtpd: 1, proxyd: 1}
shutdown: 1s
control: $tmp/control
log: {to: $tmp/postern.log}
resolver: {server: "127.0.0.1:$names", timeout: 50s}
listener:
  slow: {bind: "127.0.0.1:$slow", max-sessions-per-address: 0}
  sleeps: {bind: "127.0.0.1:$sleeps", max-sessions-per-address: 0}
  fast: {bind: "127.0.0.1:$fast", max-sessions-per-address: 0}
datasource:
  lite: {uri: "sqlite:$tmp/state/lite.db", scripts: true}
script-limits: {time: 1m}
script:
  waits: |
    if connection.serverid == "sleeps" then sleep(55) end
    dns.query(connection.id .. ".example", "a", {raise=false})
    proxy.Pass()
  asks: proxy.Reply(tostring(db.query("lite", "SELECT n FROM words")[1].n))
proxy:
  commands: [ehlo, help]
  script: [{if: listener, eq: fast, then: asks}, {else: waits}]
EOT
postern_start

# What the first round has called is there in the second.
came=-100
for port in "$slow" "$sleeps"; do
	came=$((came + 1100))
	timeout 50 python3 "$here/waiting.py" "$port" "$fast" 1000 \
	    sh -c "\"$build/smtpd/posternctl\" -s \"$tmp/control\" \
	    show stats | awk -v n=$came '\$1 == \"proxyd.calls\" &&
	    \$2 >= n { ok = 1 } END { exit !ok }'" >"$tmp/said" 2>&1
	is "nobody waits for those at $port" "$(cat "$tmp/said")" \
	    "answers 100, released 0"
done
postern_stop
finish
