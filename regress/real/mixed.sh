#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# One message to ten mailboxes behind LMTP, of which three are full.  LMTP
# answers for each recipient, SMTP has one answer for all: a real Postfix
# that is the client must nevertheless end with one copy in each of the seven
# and a bounce for each of the three, after few attempts.
#
# Then the three are full only for the time being: their copies are put off,
# nobody else gets a second one, and when there is room they arrive, once.
#
# What postern remembers from one attempt to the next is verifyd's: when all
# smtpd die between two attempts nothing changes.  When verifyd dies it is
# forgotten, and what is promised then is that nobody's copy is lost: the
# seven may get a second one.
#
# At last, what there is without such arts (lmtp-mixed: single): a recipient
# at a time, each heard at once.
#
# Each copy is counted as a file.  What is waited for is what the client's
# log says of each recipient; its queue tells nothing, for files move about in
# it while one looks.  See lib.sh for the options and counterparts.sh for
# MODE: without a postern, this Postfix speaks LMTP.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"

why=$(postfix_missing)$(dovecot_missing)
[ -z "$why" ] || skip_all "$why"

good='u0 u1 u3 u4 u6 u7 u9'
bad='u2 u5 u8'
most=3				# attempts, for any recipient

# send tag: to the ten with that tag, in one transaction
send()
{
	# shellcheck disable=SC2086	# words are wanted
	set -- "$1" $good $bad
	tag=$1
	shift
	cat >"$tmp/$tag.eml" <<-EOT
	From: Sender <sender@example.net>
	To: All <all@example.org>
	Subject: $tag
	Date: Mon, 02 Jan 2023 03:04:05 +0000
	Message-ID: <$tag@example.net>

	To all of you.
	EOT
	python3 - "$outward" "$tmp/$tag.eml" "$tag" "$@" <<-'EOT'
	import smtplib, sys
	port, name, tag = int(sys.argv[1]), sys.argv[2], sys.argv[3]
	with smtplib.SMTP("127.0.0.1", port, "client.test", 60) as c:
	    with open(name, "rb") as f:
	        refused = c.sendmail("sender@example.net",
	            ["%s-%s@example.org" % (tag, u) for u in sys.argv[4:]],
	            f.read())
	sys.exit(len(refused))
	EOT
	is "$tag: the client's server takes it for all" $? 0
}

# attempts user: how often Postfix says what became of it
attempts()
{
	grep -c "to=<$1@example.org>.* status=" "$tmp/client/log"
}

# fate user status
fate()
{
	grep "to=<$1@example.org>.* status=" "$tmp/client/log" | tail -1 |
	    grep -q "status=$2"
}

all_have() # status user ...
{
	status=$1
	shift
	for u; do
		fate "$u" "$status" || return 1
	done
}

# copies tag number user ...: each has so many; most attempts were few
copies()
{
	tag=$1 number_of=$2
	shift 2
	for u; do
		is "$tag-$u has $number_of copies" \
		    "$(mails "$tag-$u" | grep -c '')" "$number_of"
	done
}

few_attempts()
{
	tag=$1
	shift
	for u; do
		n=$(attempts "$tag-$u")
		if [ "$n" -ge 1 ] && [ "$n" -le "$most" ]; then
			ok "$tag-$u: $n attempts"
		else
			not_ok "$tag-$u: $n attempts"
			grep "to=<$tag-$u@" "$tmp/client/log" |
			    tail -n 3 | sed 's/^/#	/'
		fi
	done
}

tagged()
{
	tag=$1
	shift
	printf "$tag-%s " "$@"
}

say_log()
{
	shows "$tmp/client/log" "$tmp/hop/log" "$tmp/postern.log"
}

# gets_rid tag: it is over for all ten
gets_rid()
{
	# shellcheck disable=SC2046,SC2086	# words are wanted
	if ! wait_for 30 all_have 'sent\|bounced' \
	    $(tagged "$1" $good $bad); then
		not_ok "$1: the client gets rid of it"
		say_log
		return 1
	fi
	ok "$1: the client gets rid of it"
}

# told_right tag: what was said of each in the end
told_right()
{
	for u in $good; do
		if fate "$1-$u" sent; then
			ok "$1-$u is sent"
		else
			not_ok "$1-$u is sent"
		fi
	done
	for u in $bad; do
		if fate "$1-$u" "bounced.*552 5.2.2"; then
			ok "$1-$u bounces, and says why"
		else
			not_ok "$1-$u bounces, and says why"
			say_log
		fi
	done
}

for_good()
{
	send full
	gets_rid full || return
	# shellcheck disable=SC2086	# words are wanted
	{
		copies full 1 $good
		copies full 0 $bad
		few_attempts full $good $bad
	}
	told_right full
	if wait_for 20 grep -q 'sender non-delivery notification' \
	    "$tmp/client/log"; then
		ok "full: the sender is told"
	else
		not_ok "full: the sender is told"
		say_log
	fi
}

for_now()
{
	send later
	# shellcheck disable=SC2046,SC2086	# words are wanted
	if wait_for 30 all_have sent $(tagged later $good) &&
	    wait_for 30 all_have deferred $(tagged later $bad); then
		ok "later: the seven are sent, the three put off"
	else
		not_ok "later: the seven are sent, the three put off"
		say_log
	fi
	# shellcheck disable=SC2086	# words are wanted
	few_attempts later $good
	# One more attempt than there were changes nothing for the seven.
	before=$(attempts later-u2)
	wait_for 30 more_attempts later-u2 $((before + 1)) ||
	    not_ok "later: the client tries again"
	# shellcheck disable=SC2086	# words are wanted
	{
		copies later 1 $good
		copies later 0 $bad
		for u in $bad; do
			dovecot_empty hop "later-$u"
		done
	}
	# shellcheck disable=SC2046,SC2086	# words are wanted
	if wait_for 30 all_have sent $(tagged later $good $bad); then
		ok "later: with room the client gets rid of the rest"
	else
		not_ok "later: with room the client gets rid of the rest"
		say_log
	fi
	# shellcheck disable=SC2086	# words are wanted
	copies later 1 $good $bad
}

# dies_between tag role: after the first attempt
dies_between()
{
	send "$1"
	wait_for 30 more_attempts "$1-u9" 1 ||
	    not_ok "$1: the client tries"
	echo "# $2 dies after $(attempts "$1-u9") attempt"
	if die "$2"; then
		ok "$1: there is another $2"
	else
		not_ok "$1: there is another $2"
	fi
	gets_rid "$1" || return
	told_right "$1"
	# shellcheck disable=SC2086	# words are wanted
	copies "$1" 0 $bad
}

without_smtpd()
{
	dies_between worker smtpd
	# shellcheck disable=SC2086	# words are wanted
	{
		copies worker 1 $good
		few_attempts worker $good $bad
	}
}

without_verifyd()
{
	dies_between memory verifyd
	second=0
	for u in $good; do
		n=$(mails "memory-$u" | grep -c '')
		case $n in
		1)	ok "memory-$u has its copy" ;;
		2)	ok "memory-$u has its copy, and another"
			second=$((second + 1)) ;;
		*)	not_ok "memory-$u has $n copies" ;;
		esac
	done
	echo "# $second of seven have a second copy"
}

# With one recipient a transaction nobody is asked twice, but most must wait.
one_at_a_time()
{
	between_stop
	between "$hop" "protocol: lmtp" "lmtp-mixed: single"
	most=10
	send single
	gets_rid single || return
	# shellcheck disable=SC2086	# words are wanted
	{
		few_attempts single $good $bad
		copies single 1 $good
		copies single 0 $bad
	}
	told_right single
}

more_attempts()
{
	[ "$(attempts "$1")" -ge "$2" ]
}

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 3)
smtp=$1 hop=$2 outward=$3
# shellcheck disable=SC2086	# words are wanted
{
	users=$(tagged full $good $bad)$(tagged later $good $bad)
	full=''
	for t in full worker memory single; do
		users=$users$(tagged $t $good $bad)
		full=$full$(tagged $t $bad)
	done
	full_now=$(tagged later $bad)
}
dovecot_make hop "$hop" </dev/null
dovecot_start hop

transport=lmtp
[ "$MODE" != postern ] || transport=smtp
between "$hop" "protocol: lmtp"
echo 'example.net discard:' >"$tmp/back"
{
	postfix_relays "$transport" "$port"
	echo "transport_maps = texthash:$tmp/back"
} >"$tmp/relays"
postfix_make client "$outward" <"$tmp/relays"
postfix_start client

for_good
for_now
if [ "$MODE" = postern ]; then
	without_smtpd
	without_verifyd
	one_at_a_time
fi
between_stop
finish
