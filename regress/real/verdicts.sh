#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What a real Postfix says of a message is what the client reads, and where
# it says nothing any more, because it was stopped or killed, the client
# reads 451: never a 250 for what is not there.
#
# Each case has a recipient of its own.  At the end Postfix is started again
# and given a last message; then what was acknowledged must be in a maildir
# and nothing else in any.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

why=$(postfix_missing)
[ -z "$why" ] || skip_all "$why"
has pgrep || skip_all "no pgrep"

size_limit=1000000
accepted=''			# the users whose mail was acknowledged

# talk message user option ...: what was said to it is in $tmp/talk
talk()
{
	message=$1 user=$2
	shift 2
	real talk --to "$user@example.org" "$@" "$smtp" "$tmp/$message" \
	    >"$tmp/talk" 2>&1
}

# said command [n]: the nth reply to it, without the text
said()
{
	grep "^$1 " "$tmp/talk" | sed -n "${2-1}p" | cut -d' ' -f2,3
}

# verdict what, command, wanted [, n]
verdict()
{
	is "$1" "$(said "$2" "${4-1}")" "$3"
	[ "$(said "$2" "${4-1}")" = "$3" ] ||
	    shows "$tmp/talk" "$tmp/postern.log" "$tmp/hop/log"
}

# holding message user where: a client that has come so far, and waits
holding()
{
	rm -f "$tmp/pipe"
	mkfifo "$tmp/pipe"
	: >"$tmp/talk"
	real talk --to "$2@example.org" --hold "$tmp/pipe" --at "$3" "$smtp" \
	    "$tmp/$1" >"$tmp/talk" 2>&1 &
	client=$!
	started="$started $client"
	wait_for 90 holds
}

holds()
{
	grep -q '^hold' "$tmp/talk" || gone "$client"
}

# going_on: let it, to its end; there is nothing to let if it never came so
# far, and who opens the pipe then waits for ever
going_on()
{
	if gone "$client" || ! grep -q '^hold' "$tmp/talk"; then
		not_ok "the client came to where it holds"
		shows "$tmp/talk" "$tmp/postern.log" "$tmp/hop/log"
		kill -KILL "$client" 2>/dev/null
	else
		echo >"$tmp/pipe"
	fi
	wait "$client"
}

# kill_postfix program: those of this instance that are called so
kill_postfix()
{
	victims=$(postfix_pids "$tmp/hop" "$1")
	# shellcheck disable=SC2086	# words are wanted
	[ -n "$victims" ] && kill -KILL $victims
}

logged()
{
	grep -q "$1" "$tmp/postern.log"
}

refusals()
{
	talk plain nobody-there
	verdict "an unknown recipient is refused" rcpt "550 5.1.1"
	verdict "and without another there is no message" data "554 5.5.1"

	talk plain good1 --to nobody-there@example.org
	verdict "beside it a known one is taken" rcpt "250 2.1.5"
	verdict "in the same transaction" rcpt "550 5.1.1" 2
	verdict "and gets its message" dot "250 2.0.0"
	accepted="$accepted good1"

	talk plain later
	verdict "a recipient that is put off" rcpt "450 4.2.0"
	talk plain good2 --from refused@example.net
	verdict "a sender that is refused, to the recipient" rcpt "554 5.7.9"
	talk plain closing
	verdict "a 421 to the recipient" rcpt "451 4.3.2"

	talk plain no-data
	verdict "a recipient that is taken, but" rcpt "250 2.1.5"
	verdict "no DATA for it" data "554 5.7.10"

	talk forbidden good3
	verdict "a header that is refused, to the dot" dot "550 5.7.1"
	talk body good3
	verdict "a body that is refused, to the dot" dot "550 5.7.1"
	talk plain no-end
	verdict "a message that is put off, to the dot" dot "451 4.7.11"

	talk two-megabytes good3
	verdict "a message that is too big, to the dot" dot "552 5.3.4"
	talk two-megabytes good3 --size
	verdict "and if it says so, to the recipient" rcpt "552 5.3.4"

	real make plain "$tmp/three"
	talk forbidden good3 --again 3
	verdict "the session goes on after a refusal" dot "550 5.7.1" 3
}

losses()
{
	holding one-megabyte lost1 half
	kill_postfix smtpd || not_ok "there is an smtpd of Postfix's"
	going_on
	verdict "its smtpd is killed in the middle" dot "451 4.4.2"

	holding one-megabyte lost2 half
	kill_postfix cleanup || not_ok "there is a cleanup of Postfix's"
	going_on
	like "its cleanup is killed in the middle: its own word" \
	    "$(said dot)" "451 4.3.*"

	holding plain slow dot
	wait_for 30 grep -q 'warn: END-OF-MESSAGE' "$tmp/hop/log"
	kill_postfix smtpd || not_ok "there is an smtpd of Postfix's"
	going_on
	verdict "its smtpd is killed behind the dot" dot "451 4.4.2"
	if wait_for 10 logged 'event=message outcome=unknown'; then
		ok "which the log calls unknown"
	else
		not_ok "which the log calls unknown"
		shows "$tmp/postern.log"
	fi

	holding one-megabyte lost3 half
	postfix_kill "$tmp/hop"
	going_on
	verdict "all of it is killed in the middle" dot "451 4.4.2"

	talk plain lost4
	verdict "there is none" rcpt "451 4.4.1"
	verdict "and no message" data "554 5.5.1"

	holding plain good4 mail
	postfix_start hop
	wait_for 60 delivers
	going_on
	verdict "there is one again, for a session that was there" dot \
	    "250 2.0.0"
	accepted="$accepted good4"

	holding plain lost5 mail
	postfix -c "$tmp/hop/etc" stop >"$tmp/stop" 2>&1
	going_on
	verdict "it was stopped, with a connection to it open" rcpt \
	    "451 4.4.1"
	postfix_start hop
	wait_for 60 delivers
}

# A remote that was dead is not asked again at once.
delivers()
{
	real talk --to last@example.org "$smtp" "$tmp/plain" \
	    >"$tmp/last" 2>&1 && grep -q '^dot 250' "$tmp/last"
}

# All that Postfix has acknowledged is in a maildir.  What it lost with a
# killed process is a file without the x, which is no message to it.
queue_is_empty()
{
	for q in maildrop incoming active deferred; do
		[ -z "$(find "$tmp/hop/spool/$q" -type f -perm -u=x)" ] ||
		    return 1
	done
}

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
smtp=$1 hop=$2
users='good1 good2 good3 good4 later closing no-data no-end slow last
    lost1 lost2 lost3 lost4 lost5'
real make plain "$tmp/plain"
sed 's/^Subject: .*/Subject: forbidden\r/' "$tmp/plain" >"$tmp/forbidden"
{
	cat "$tmp/plain"
	printf 'a forbidden line\r\n'
} >"$tmp/body"
real make big "$tmp/big"
head -c 2000000 "$tmp/big" | sed '$d' >"$tmp/two-megabytes"
head -c 900000 "$tmp/big" | sed '$d' >"$tmp/one-megabyte"

postfix_make hop "$hop" <<EOF
smtpd_delay_reject = no
smtpd_sender_restrictions =
    check_sender_access texthash:$tmp/hop/at-mail
smtpd_recipient_restrictions =
    check_recipient_access texthash:$tmp/hop/at-rcpt
smtpd_data_restrictions =
    check_recipient_access texthash:$tmp/hop/at-data
smtpd_end_of_data_restrictions =
    check_recipient_access texthash:$tmp/hop/at-end
    check_recipient_access texthash:$tmp/hop/asleep
header_checks = regexp:$tmp/hop/headers
body_checks = regexp:$tmp/hop/bodies
EOF
echo 'refused@example.net	554 5.7.9 not this one' >"$tmp/hop/at-mail"
cat >"$tmp/hop/at-rcpt" <<EOF
later@example.org	450 4.2.0 not now
closing@example.org	421 4.3.2 we are closing
EOF
echo 'no-data@example.org	554 5.7.10 no data' >"$tmp/hop/at-data"
cat >"$tmp/hop/at-end" <<EOF
no-end@example.org	451 4.7.11 not now
slow@example.org	WARN falling asleep
EOF
echo 'slow@example.org	sleep 300' >"$tmp/hop/asleep"
echo '/^Subject: forbidden/	REJECT this subject' >"$tmp/hop/headers"
echo '/^a forbidden line/	REJECT this line' >"$tmp/hop/bodies"
postfix_start hop

cat >"$tmp/postern.yaml" <<EOF
hostname: gate.example.net
processes: {smtpd: 2}
shutdown: 5s
control: $tmp/control
log: {to: $tmp/postern.log}
listener: {in: {bind: "127.0.0.1:$smtp", tls: "off"}}
list: {ours: [example.org]}
remote: {hop: {address: 127.0.0.1, port: $hop, tls: {mode: "off"}}}
session:
  rcpt:
    lookup: {domains: list/ours}
    errors: {total: 100, wait: 0s, per-address: {total: 1000}}
route: {local: hop}
EOF
postern_start

refusals
losses

if wait_for 60 queue_is_empty; then
	ok "Postfix has delivered all that it took"
else
	not_ok "Postfix has delivered all that it took"
	shows "$tmp/hop/log"
fi
for user in $users; do
	[ "$user" = last ] && continue
	case " $accepted " in
	*" $user "*)
		is "$user has the mail that was acknowledged" \
		    "$(mails "$user" | grep -c '')" 1 ;;
	*)
		is "$user has no mail" "$(mails "$user" | grep -c '')" 0 ;;
	esac
done
postern_stop
finish
