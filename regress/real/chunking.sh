#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Messages in chunks however they are cut, in octets, with UTF-8 and with the
# parameters of DSN, to next hops that take all of that, some or none: each
# arrives octet for octet, with its parameters, or its client hears that it
# cannot be taken.  The cases are those of chunking.py; see lib.sh for the
# options and counterparts.sh for MODE.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"

# shellcheck disable=SC2034	# between takes it
extensions='default, dsn, smtputf8, binarymime'
chunked='one many single zero nothing cr dots dotcut noeol big eight eightdata'

chunking()
{
	python3 "$here/chunking.py" "$@" 2>&1
}

# lines_are what wanted: each line of $tmp/lines behind the name of its case
lines_are()
{
	while read -r case_of line; do
		is "$1, $case_of" "$line" "$2"
	done <"$tmp/lines"
}

# deliver what wanted case ...: what the client hears
deliver()
{
	what=$1 wanted=$2
	shift 2
	# shellcheck disable=SC2086	# words are wanted
	chunking ${client-} send "$port" "$@" >"$tmp/lines"
	lines_are "$what" "$wanted"
	is "$what: it was asked of all" "$(lines "$tmp/lines")" $#
}

# --- one that keeps all ------------------------------------------------------

# kept_by what option "extensions" "line": it is started for what follows
kept_by()
{
	mkdir "$tmp/kept"
	: >"$tmp/hop.out"
	# shellcheck disable=SC2086	# words are wanted
	python3 "$here/hop.py" $2 "$hop" "$tmp/kept" $3 \
	    >"$tmp/hop.out" 2>&1 &
	keeper=$!
	started="$started $keeper"
	if ! wait_for 20 grep -q ready "$tmp/hop.out"; then
		not_ok "$1: the next hop starts"
		shows "$tmp/hop.out"
	fi
	between "$hop" "$4"
}

kept_end()
{
	between_stop
	kill -TERM "$keeper"
	wait "$keeper" 2>/dev/null
	rm -rf "$tmp/kept"
}

# keeps what case ...
keeps()
{
	what=$1
	shift
	deliver "$what" "250 250 250" "$@"
	chunking hop "$tmp/kept" "$@" >"$tmp/lines"
	lines_are "$what, kept" "the same"
	is "$what, kept: all of them" "$(lines "$tmp/lines")" $#
}

everything='PIPELINING 8BITMIME SIZE ENHANCEDSTATUSCODES CHUNKING BINARYMIME
    SMTPUTF8 DSN'

# What a next hop is sent that offers it all, in either protocol.
all_offered()
{
	client=''
	[ "$MODE/$2" != direct/--lmtp ] || client=--lmtp
	kept_by "$1" "$2" "$everything" "$3"
	# shellcheck disable=SC2086	# words are wanted
	keeps "$1" $chunked data binary utf8-header utf8-sender utf8-rcpt \
	    utf8-ascii utf8-all dsn dsn-never
	kept_end
	client=''
}

# What becomes of it before one that offers nothing of it.
nothing_offered()
{
	what='a hop with 8BITMIME only'
	kept_by "$what" '' 8BITMIME 'protocol: smtp'
	# shellcheck disable=SC2086	# words are wanted
	keeps "$what" $chunked data
	deliver "$what" "250 554_5.6.3 -" binary
	deliver "$what" "250 250 250" utf8-ascii
	deliver "$what" "250 553_5.6.7 -" utf8-rcpt
	deliver "$what" "250 550_5.6.7 -" utf8-sender
	deliver "$what" "250 250 554_5.6.9" utf8-header
	deliver "$what" "250 250 250" dsn
	is "$what: nothing else is there" \
	    "$(find "$tmp/kept" -name '*.msg' | lines -)" \
	    "$(echo "$chunked" data utf8-ascii dsn | wc -w | tr -d ' ')"
	kept_end
	# Eight bits go as they are, unless that is forbidden.
	what='a hop with nothing'
	kept_by "$what" '' '' 'protocol: smtp'
	# shellcheck disable=SC2086	# words are wanted
	keeps "$what" $chunked data
	kept_end
	what='a hop with nothing, strict'
	kept_by "$what" '' '' 'protocol: smtp, eight-bit: strict'
	keeps "$what" one data
	deliver "$what" "250 554_5.6.3 -" eight
	kept_end
}

# --- real ones ---------------------------------------------------------------

# arrives what case ...: in a maildir of its name
arrives()
{
	what=$1
	shift
	deliver "$what" "250 250 250" "$@"
	chunking maildir "$tmp/mail" "$@" >"$tmp/lines"
	lines_are "$what, arrives" "the same"
	is "$what, arrives: all of them" "$(lines "$tmp/lines")" $#
}

# refuses what case direct postern: with the counterpart's own word, or ours
refuses()
{
	if [ "$MODE" = postern ]; then
		deliver "$1" "$4" "$2"
	else
		deliver "$1" "$3" "$2"
	fi
}

# offers what wanted: of the three that depend on the next hop
offers()
{
	is "$1" "$(chunking offers "$smtp" DSN SMTPUTF8 BINARYMIME)" "$2"
}

# What is not forced is offered when the next hop was seen to offer it.
offers_follow()
{
	[ "$MODE" = postern ] || return 0
	forced=$extensions
	extensions=default
	between "$postfix" 'protocol: smtp'
	offers "before Postfix was met nothing is promised for it" ''
	arrives "Postfix is met" one
	rm -rf "$tmp/mail"/*
	wait_for 10 offers_are "DSN SMTPUTF8"
	offers "what Postfix offers is offered" "DSN SMTPUTF8"
	between_stop
	extensions=$forced
}

offers_are()
{
	[ "$(chunking offers "$smtp" DSN SMTPUTF8 BINARYMIME)" = "$1" ]
}

# The notice of success for the message dsn, in which Postfix gives back what
# it was told: the envelope's name, and for whom it was at first.
notified()
{
	wait_for 30 has_mails notices 1
	is "Postfix was asked for one notice" "$(mails notices | lines -)" 1
	for line in 'Original-Envelope-Id: a+b=c' \
	    'Original-Recipient: rfc822;first+last@example.com' \
	    'Final-Recipient: rfc822; dsn@example.org' 'Action: delivered'; do
		# shellcheck disable=SC2046	# names without blanks
		if grep -qixF "$line" $(mails notices) /dev/null; then
			ok "Postfix's notice has $line"
		else
			not_ok "Postfix's notice has $line"
			# shellcheck disable=SC2046
			shows $(mails notices)
		fi
	done
}

to_postfix()
{
	why=$(postfix_missing)
	if [ -n "$why" ]; then
		skip "Postfix" "$why"
		return
	fi
	rm -rf "$tmp/mail"
	postfix_make postfix "$postfix" <<-EOF
	smtputf8_enable = yes
	virtual_mailbox_domains = example.org, example.net
	virtual_mailbox_maps = texthash:$tmp/postfix/users,
	    regexp:$tmp/postfix/utf8
	EOF
	echo 'sender@example.net notices/' >>"$tmp/postfix/users"
	# The recipients of these in UTF-8, as chunking.py has them.
	printf '/^utf8-%b@/ %s/\n' \
	    '\0344\0275\0240\0345\0245\0275' utf8-rcpt \
	    '\0303\0274\0303\0266' utf8-all >"$tmp/postfix/utf8"
	postfix_start postfix
	offers_follow
	between "$postfix" 'protocol: smtp'
	# An empty chunk is a crime to it.
	[ "$MODE" = postern ] || chunked=$(echo " $chunked " |
	    sed 's/ nothing / /')
	# shellcheck disable=SC2086	# words are wanted
	arrives Postfix $chunked data utf8-header utf8-sender utf8-rcpt \
	    utf8-ascii utf8-all dsn dsn-never
	refuses Postfix binary "555_5.5.4 - -" "250 554_5.6.3 -"
	between_stop
	notified
	postfix_kill "$tmp/postfix"
}

to_dovecot()
{
	why=$(dovecot_missing)
	if [ -n "$why" ]; then
		skip "Dovecot" "$why"
		return
	fi
	rm -rf "$tmp/mail"
	dovecot_make lmtp "$lmtp" </dev/null
	dovecot_start lmtp
	[ "$MODE" = postern ] || client=--lmtp
	between "$lmtp" 'protocol: lmtp'
	# shellcheck disable=SC2086	# words are wanted
	arrives Dovecot $chunked data
	refuses Dovecot binary "555_5.5.4 - -" "250 554_5.6.3 -"
	refuses Dovecot utf8-rcpt "555_5.5.4 - -" "250 553_5.6.7 -"
	refuses Dovecot utf8-sender "555_5.5.4 - -" "250 550_5.6.7 -"
	refuses Dovecot utf8-header "555_5.5.4 - -" "250 250 554_5.6.9"
	refuses Dovecot dsn "555_5.5.4 - -" "250 250 250"
	between_stop
	client=''
	[ "$MODE" = postern ] || return 0
	rm -rf "$tmp/mail"/*
	between "unix:$tmp/lmtp/run/lmtp" 'protocol: lmtp'
	arrives "Dovecot's socket" one zero data
	between_stop
}

# It knows neither PIPELINING nor CHUNKING.
to_opensmtpd()
{
	why=$(opensmtpd_missing)
	if [ -n "$why" ]; then
		skip "OpenSMTPD" "$why"
		return
	fi
	rm -rf "$tmp/mail"
	opensmtpd_make open "$open" </dev/null
	opensmtpd_start open "$open"
	between "$open" 'protocol: smtp'
	[ "$MODE" = postern ] || client=--data
	# shellcheck disable=SC2086	# words are wanted
	arrives OpenSMTPD $chunked data dsn dsn-never
	refuses OpenSMTPD binary "503_5.5.4 - -" "250 554_5.6.3 -"
	refuses OpenSMTPD utf8-ascii "503_5.5.4 - -" "250 250 250"
	refuses OpenSMTPD utf8-rcpt "503_5.5.4 - -" "250 553_5.6.7 -"
	refuses OpenSMTPD utf8-sender "553_5.1.0 - -" "250 550_5.6.7 -"
	refuses OpenSMTPD utf8-header "503_5.5.4 - -" "250 250 554_5.6.9"
	between_stop
	client=''
}

users=$(chunking cases) || skip_all "no Python 3"
# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 5)
# shellcheck disable=SC2034	# between takes smtp
smtp=$1 hop=$2 postfix=$3 lmtp=$4 open=$5
all_offered 'a hop with all' '' 'protocol: smtp'
all_offered 'an LMTP hop with all' --lmtp 'protocol: lmtp'
[ "$MODE" != postern ] || nothing_offered
to_dovecot
to_opensmtpd
to_postfix
finish
