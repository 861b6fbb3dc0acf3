#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What "make run" serves, on other ports: what it says to type is typed, and
# nothing is left of it when it has ended.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

for program in openssl sqlite3 curl; do
	has $program || skip_all "no $program"
done
tool sink || skip_all "no sink"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
PORT=$1 BACKEND_PORT=$2 TMPDIR=$tmp
export PORT BACKEND_PORT TMPDIR
# What it prints is typed in a checkout; a sanitizer's programs are elsewhere.
mkdir "$tmp/tree" && ln -s "$build/smtpd" "$build/proxyd" "$build/verifyd" \
    "$here/../../README" "$tmp/tree" && cd "$tmp/tree" || exit 1
sh "$here/../../etc/demo.sh" "$tool" >"$tmp/said" 2>&1 </dev/null &
demo=$!
started="$started $demo"

serves()
{
	grep -q 'ends the demo' "$tmp/said" || gone "$demo"
}

ask()
{
	timeout 60 python3 "$here/rcpt.py" "$PORT" "$@"
}

wait_for 60 serves
if ! grep -q 'ends the demo' "$tmp/said"; then
	not_ok "the demo starts"
	shows "$tmp/said"
	finish
fi
ok "the demo starts"

is "who is in the database" "$(ask alice@example.com)" \
    '250 2.1.5 alice@example.com'
is "who is not, what the server has not, what is foreign" \
    "$(ask nobody@example.com nobody@example.org alice@example.net)" \
    "550 5.1.1 nobody@example.com
550 5.1.1 nobody@example.org
550 5.7.1 alice@example.net"
is "what the server has" "$(ask someone@example.org)" \
    '250 2.1.5 someone@example.org'

# typed word: the command that has it, as the demo prints it
typed()
{
	sed -n '/^  /p' "$tmp/said" | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' |
	    grep -F -e "$1" | head -n 1 >"$tmp/line"
	timeout 60 sh "$tmp/line" 2>&1 </dev/null
}

typed 'alice@example.com --crlf' >/dev/null
is "mail for alice" $? 0
like "none for nobody" "$(typed 'nobody@example.com --crlf')" '*550*'
like "VRFY" "$(typed "$PORT --mail-rcpt")" '*250 2.1.5 alice@example.com*'
like "EXPN" "$(typed EXPN)" '*alice@example.com*bob@example.com*'
typed INSERT
is "carol is put into the database" $? 0
carol()
{
	[ "$(ask carol@example.com)" = '250 2.1.5 carol@example.com' ]
}
wait_for 60 carol
is "and is found" $? 0
like "what the server said is remembered" "$(typed 'cache get')" \
    '*state fresh*exists no*'
like "who writes to later has to come back" "$(typed later@example.com)" \
    '*451*'
typed later@example.com >/dev/null
is "and is then let in" $? 0
like "a command of a script's own" "$(typed XHELLO)" \
    '*250 2.0.0 hello client.example*'
for what in status stats cache routes scripts; do
	typed "show $what" >"$tmp/out"
	is "show $what" $? 0
done
like "reload" "$(typed ' reload')" 'ok generation 2'

kill -TERM "$demo"
wait "$demo"
is "it ends" $? 0
is "and leaves nothing" "$(find "$tmp" -name 'postern-demo*')" ''
finish
