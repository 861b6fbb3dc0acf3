#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Sessions whose scripts keep more than a worker has for all of them: those
# that want much are refused, those that want little are not, none has what
# is another's, and the worker lives.  When they have left, so has what they
# had, though no script runs any more.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

rounds=10
[ "$san" = 0 ] || rounds=2
[ -r /proc/self/status ] || skip_all "no /proc to look into"
# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
smtp=$1 hop=$2
cat >"$tmp/postern.yaml" <<EOT
hostname: gate.example.net
processes: {smtpd: 1, proxyd: 1}
control: $tmp/control
log: {to: $tmp/postern.log}
listener:
  in:
    bind: "127.0.0.1:$smtp"
    tls: "off"
    max-sessions-per-address: 0
remote: {hop: {address: 127.0.0.1, port: $hop, tls: {mode: "off"}}}
route: {local: hop}
script-limits: {cpu: 1s}
script:
  edge: |
    local verb, n, id = arguments.command:match("^(%w+) (%d+) ?(%d*)")
    if verb == "XKEEP" then
      context = {id = id}
      for i = 1, tonumber(n) do
        context[i] = (id .. " "):rep(2000 * tonumber(n) // (#id + 1))
      end
      proxy.Reply("kept")
    end
    local good = context.id == n
    for _, text in ipairs(context) do
      good = good and text:sub(1, #n + 1) == n .. " "
    end
    proxy.Reply(good and "mine" or "another's")
proxy: {script: edge, commands: [XKEEP, XOWN]}
EOT
postern_start
children proxyd >"$tmp/before"
# Of 300 sessions 225 want 5 MB each.
timeout 100 python3 "$here/contexts.py" "$build/smtpd/posternctl -s \
$tmp/control" "$smtp" 300 "$rounds" >"$tmp/played"
is "all rounds are played" $? 0
grep '^round [01]:\|^resident' "$tmp/played" | sed 's/^/# /'
is "each has its own, and none when it has left" \
    "$(grep '^wrong' "$tmp/played")" ""
is "those that are small have what they want" \
    "$(grep -c ': small 250 2.0.0 75$' "$tmp/played")" "$rounds"
is "of those that are large only some have" \
    "$(grep -c ': large 250' "$tmp/played") $(grep -c ': large 421' \
    "$tmp/played")" "$rounds $rounds"
is "all together have no more than there is" \
    "$(awk '$3 == "octets" && $4 > 1100000000' "$tmp/played")" ""
grep -q 'no memory is left for scripts' "$tmp/postern.log"
is "the log tells who was refused" $? 0
is "the worker lives" "$(children proxyd)" "$(cat "$tmp/before")"
if [ "$san" = 0 ]; then
	is "what it had is the system's again" \
	    "$(($(field after "$tmp/played") < 100))" 1
fi
postern_stop
finish
