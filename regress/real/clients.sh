#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Real clients deliver through postern to a real Postfix, in the clear, with
# STARTTLS and, where they can, with TLS from the start: four messages each,
# of which one is big, one has octets over 127 and one many dots at the
# start of lines.  Each must arrive byte for byte: without the fields that
# hops put on top, its hash is that of what was sent.
#
# See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

why=$(postfix_missing)
[ -z "$why" ] || skip_all "$why"
kinds='plain big eight dots'

# The clients: each gets the way (clear, starttls or implicit), the message
# and the recipient.

port_of()
{
	case $1 in
	clear)		echo "$clear" ;;
	starttls)	echo "$starttls" ;;
	implicit)	echo "$implicit" ;;
	esac
}

with_smtplib()
{
	if [ "$1" = starttls ]; then
		set -- "$@" --ca "$tmp/cert.pem"
	fi
	way=$1 message=$2 to=$3
	shift 3
	real send --to "$to" "$@" "$(port_of "$way")" "$message"
}

# Its own repair of a message is switched off, and with it the stuffing.
with_swaks()
{
	way=$1 message=$2 to=$3
	case $way in
	clear)		set -- ;;
	starttls)	set -- --tls ;;
	implicit)	set -- --tls-on-connect ;;
	esac
	if [ $# -gt 0 ]; then
		set -- "$@" --tls-verify --tls-ca-path "$tmp/cert.pem"
	fi
	{
		sed 's/^\./../' "$message"
		printf '.\r\n'
	} >"$tmp/stuffed"
	swaks --server 127.0.0.1 --port "$(port_of "$way")" "$@" \
	    --ehlo client.test --from sender@example.net --to "$to" \
	    --no-data-fixup --data "@$tmp/stuffed" --suppress-data
}

with_curl()
{
	way=$1 message=$2 to=$3
	case $way in
	clear)		set -- smtp ;;
	starttls)	set -- smtp --ssl-reqd --cacert "$tmp/cert.pem" ;;
	implicit)	set -- smtps --cacert "$tmp/cert.pem" ;;
	esac
	scheme=$1
	shift
	curl -sS -v "$@" --mail-from sender@example.net --mail-rcpt "$to" \
	    --upload-file "$message" \
	    "$scheme://127.0.0.1:$(port_of "$way")/client.test"
}

# Line ends of its input are those of files here.
with_msmtp()
{
	way=$1 message=$2 to=$3
	case $way in
	clear)		set -- --tls=off ;;
	starttls)	set -- --tls=on --tls-starttls=on ;;
	implicit)	set -- --tls=on --tls-starttls=off ;;
	esac
	tr -d '\r' <"$message" |
	    msmtp --file=/dev/null --host=127.0.0.1 --port="$(port_of "$way")" \
	    "$@" --tls-trust-file="$tmp/cert.pem" --domain=client.test \
	    --from=sender@example.net --set-from-header=off \
	    --set-date-header=off --debug "$to"
}

# Postfix is given the message by SMTP and says itself whether it got rid of
# it: in its log.
with_postfix()
{
	real send --to "$3" "$(eval "echo \$outward_$1")" "$2" &&
	    wait_for 60 grep -q "to=<$3>.* status=" "$tmp/outward/log" &&
	    grep "to=<$3>.* status=sent" "$tmp/outward/log"
}

# deliver client way kind [domain]: and see that it arrived
deliver()
{
	user=$1-$2-$3
	what="$1, $2: $3"
	if ! "with_$1" "$2" "$tmp/$3" "$user@${4-example.org}" \
	    >"$tmp/said" 2>&1; then
		not_ok "$what is taken"
		shows "$tmp/said" "$tmp/postern.log"
		return
	fi
	if ! wait_for 60 has_mails "$user" 1; then
		not_ok "$what arrives"
		shows "$tmp/inward/log"
		return
	fi
	is "$what arrives byte for byte" "$(real hash "$(mails "$user")")" \
	    "$(real hash "$tmp/$3")"
	case $2 in
	clear)	wanted=ESMTP ;;
	*)	wanted=ESMTPS ;;
	esac
	is "$what: its trace says how it came" \
	    "$(sed -n 's/.*(postern) with \([A-Z]*\) id .*/\1/p' \
	    "$(mails "$user")")" "$wanted"
}

# client name way ...: all four kinds in each of the ways
client()
{
	name_of=$1
	shift
	if [ "$name_of" != smtplib ] && ! has "$name_of"; then
		skip "$name_of" "it is not installed"
		return
	fi
	for way_of; do
		if [ "$name_of/$way_of" != swaks/clear ] &&
		    [ "$name_of" = swaks ] &&
		    ! swaks --support 2>&1 | grep -q '^=== TLS supported'; then
			skip "swaks, $way_of" "it lacks Net::SSLeay"
			continue
		fi
		for kind in $kinds; do
			deliver "$name_of" "$way_of" "$kind"
		done
	done
}

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 6)
clear=$1 starttls=$2 implicit=$3 inward=$4 outward_clear=$5
outward_starttls=$6
certificate || skip_all "openssl makes no certificate"
for kind in $kinds; do
	real make "$kind" "$tmp/$kind"
	for c in smtplib swaks curl msmtp postfix; do
		for w in clear starttls implicit; do
			users="${users-} $c-$w-$kind"
		done
	done
done
users="$users smtplib-clear-onward"

postfix_make inward "$inward" <<EOF
smtpd_tls_cert_file = $tmp/cert.pem
smtpd_tls_key_file = $tmp/key.pem
smtpd_tls_security_level = may
smtpd_tls_cert_file = $tmp/cert.pem
smtpd_tls_key_file = $tmp/key.pem
smtpd_tls_security_level = may
EOF
postfix_start inward

postfix_make outward "$outward_clear" <<EOF
smtp_tls_CAfile = $tmp/cert.pem
smtp_tls_secure_cert_match = localhost
EOF
sed -i '1s/$/\n    -o content_filter=clear:[127.0.0.1]:'"$clear/" \
    "$tmp/outward/etc/master.cf"
cat >>"$tmp/outward/etc/master.cf" <<EOF
127.0.0.1:$outward_starttls inet n - n - 100 smtpd
    -o content_filter=starttls:[127.0.0.1]:$starttls
clear     unix  - - n -     - smtp
    -o smtp_tls_security_level=none
starttls  unix  - - n -     - smtp
    -o smtp_tls_security_level=secure
EOF
postfix_start outward

cat >"$tmp/postern.yaml" <<EOF
hostname: gate.example.net
processes: {smtpd: 2}
shutdown: 5s
control: $tmp/control
log: {to: $tmp/postern.log}
tls: {certificate: {default: {cert: $tmp/cert.pem, key: $tmp/key.pem}}}
listener:
  clear: {bind: "127.0.0.1:$clear", tls: "off"}
  starttls: {bind: "127.0.0.1:$starttls", tls: starttls}
  implicit: {bind: "127.0.0.1:$implicit", tls: implicit}
list: {ours: [example.org, tls.example.org]}
remote:
  hop: {address: 127.0.0.1, port: $inward, tls: {mode: "off"}}
  tls:
    address: 127.0.0.1
    port: $inward
    tls: {mode: required, name: localhost, ca: $tmp/cert.pem}
session: {rcpt: {lookup: {domains: list/ours}}}
route:
  local:
    - {if: rcpt-domain, eq: tls.example.org, then: tls}
    - {else: hop}
EOF
postern_start

client smtplib clear starttls
client swaks clear starttls implicit
client curl clear starttls implicit
client msmtp clear starttls implicit
client postfix clear starttls

# Onward by TLS: the same, and Postfix says that it came so.
cp "$tmp/big" "$tmp/onward"
deliver smtplib clear onward tls.example.org
is "the next hop was spoken to by TLS" \
    "$(grep -c 'by inward.* with ESMTPS' "$(mails smtplib-clear-onward)")" 1

is "nothing was refused" "$(stat messages.refused)" 0
is "nothing was deferred" "$(stat messages.deferred)" 0
postern_stop
finish
