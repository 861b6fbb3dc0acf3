#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Certificates with OpenSSL's own client: which one a name gets, with both
# versions of TLS; what a client's is worth, with a CA, an intermediate, one
# that has expired and one that is no client's; a client that tries to take
# up an old session; a chain that is far too large.

. "$(dirname "$0")/lib.sh"

has openssl || skip_all "no openssl"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
implicit=$1 starttls=$2

# --- certificates: all by one CA, the leaf by its intermediate ---------------

quietly()
{
	"$@" 2>"$tmp/openssl" || {
		not_ok "certificates are made: $*"
		shows "$tmp/openssl"
		finish
	}
}

# root name: signs itself
root()
{
	quietly openssl req -x509 -newkey ec -pkeyopt \
	    ec_paramgen_curve:prime256v1 -nodes -days 3 -subj "/CN=$1" \
	    -keyout "$tmp/$1.key" -out "$tmp/$1.crt"
}

# issue name issuer days extension ...: notAfter lies days ahead, or behind
issue()
{
	leaf=$1 issuer=$2 days=$3
	shift 3
	printf '%s\n' "$@" >"$tmp/ext"
	quietly openssl req -newkey ec -pkeyopt \
	    ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$leaf" \
	    -keyout "$tmp/$leaf.key" -out "$tmp/$leaf.csr"
	quietly openssl x509 -req -in "$tmp/$leaf.csr" -CA "$tmp/$issuer.crt" \
	    -CAkey "$tmp/$issuer.key" -CAcreateserial -days "$days" \
	    -extfile "$tmp/ext" -out "$tmp/$leaf.crt"
}

root ca
root stranger
issue middle ca 2 basicConstraints=critical,CA:TRUE
issue mx ca 2 subjectAltName=DNS:mx.test
issue wild ca 2 'subjectAltName=DNS:*.wild.test,DNS:wild.test'
issue good ca 2 extendedKeyUsage=clientAuth
issue deep middle 2 extendedKeyUsage=clientAuth
issue server ca 2 extendedKeyUsage=serverAuth
issue foreign stranger 2 extendedKeyUsage=clientAuth
issue old ca -1 extendedKeyUsage=clientAuth
chmod 600 "$tmp"/*.key

# repeated n: so many certificates
repeated()
{
	for _ in $(seq "$1"); do
		cat "$tmp/middle.crt"
	done
}

# More than 64 KiB of them, and less than OpenSSL refuses by itself.
repeated 120 >"$tmp/huge.pem"
repeated 40 >"$tmp/many.pem"

conf()
{
	cat >"$tmp/postern.yaml" <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 1}
	control: $tmp/control
	log: {to: $tmp/postern.log}
	tls:
	  certificate:
	    default: {cert: $tmp/mx.crt, key: $tmp/mx.key}
	    wild: {cert: $tmp/wild.crt, key: $tmp/wild.key}
	  client-ca: $tmp/ca.crt
	  client-verify: $1
	listener:
	  implicit: {bind: "127.0.0.1:$implicit", tls: implicit}
	  starttls: {bind: "127.0.0.1:$starttls", tls: starttls}
	EOT
}

# talk option ...: what a client with TLS from the start sees and hears
talk()
{
	printf 'QUIT\n' | timeout 20 openssl s_client -connect \
	    "127.0.0.1:$implicit" -CAfile "$tmp/ca.crt" -ign_eof -crlf "$@" \
	    >"$tmp/said" 2>&1
}

# shown: the subject of the certificate that the client was shown
shown()
{
	sed -n 's/^subject=.*CN *= *//p' "$tmp/said"
}

# reply: the first line of SMTP
reply()
{
	tr -d '\r' <"$tmp/said" | sed -n 's/^\([2-5][0-9][0-9] .*\)/\1/p' |
	    head -n 1
}

logged()
{
	tail -n 3 "$tmp/postern.log" | sed -n 's/.*event=tls.* verify=//p' |
	    tail -n 1
}

# worth what, wanted, option ...: the number that the log has
worth()
{
	what=$1 wanted=$2
	shift 2
	talk "$@"
	is "ask: $what is served" "$(reply)" "220 gate.example.net ESMTP"
	is "ask: what $what is worth" "$(logged)" "$wanted"
}

conf ask
postern_start

for v in -tls1_2 -tls1_3; do
	for pair in mx.test:mx wild.test:wild a.wild.test:wild \
	    A.WILD.Test:wild a.b.wild.test:mx other.test:mx; do
		talk $v -servername "${pair%:*}"
		is "$v: the certificate for ${pair%:*}" "$(shown)" "${pair#*:}"
	done
	talk $v -noservername
	is "$v: the certificate without a name" "$(shown)" mx
	worth "a good one ($v)" 0 $v -cert "$tmp/good.crt" \
	    -key "$tmp/good.key"
	worth "one of an intermediate ($v)" 0 $v -cert "$tmp/deep.crt" \
	    -key "$tmp/deep.key" -cert_chain "$tmp/middle.crt"
	worth "one whose intermediate is missing ($v)" 20 $v \
	    -cert "$tmp/deep.crt" -key "$tmp/deep.key"
	worth "an expired one ($v)" 10 $v -cert "$tmp/old.crt" \
	    -key "$tmp/old.key"
	worth "a server's ($v)" 26 $v -cert "$tmp/server.crt" \
	    -key "$tmp/server.key"
	worth "a stranger's ($v)" 20 $v -cert "$tmp/foreign.crt" \
	    -key "$tmp/foreign.key"
	worth "one that signs itself ($v)" 18 $v -cert "$tmp/stranger.crt" \
	    -key "$tmp/stranger.key"
	worth "none ($v)" "" $v

	# A session is never taken up: nobody is let in by an old judgement.
	talk $v -sess_out "$tmp/session" -cert "$tmp/good.crt" \
	    -key "$tmp/good.key"
	if [ -s "$tmp/session" ]; then
		talk $v -sess_in "$tmp/session"
		is "an old session ($v): served" "$(reply)" \
		    "220 gate.example.net ESMTP"
		is "an old session ($v): not taken up" "$(logged)" ""
		rm "$tmp/session"
	fi
done

worth "one with too many" 22 -cert "$tmp/good.crt" -key "$tmp/good.key" \
    -cert_chain "$tmp/many.pem"
talk -cert "$tmp/good.crt" -key "$tmp/good.key" -cert_chain "$tmp/huge.pem"
is "ask: a chain that is far too large" "$(reply)" \
    "554 5.7.0 your certificate: certificate chain too long"

conf required
ctl reload >"$tmp/reload" 2>&1 || {
	not_ok "reload"
	shows "$tmp/reload"
}
talk -cert "$tmp/deep.crt" -key "$tmp/deep.key" -cert_chain "$tmp/middle.crt"
is "required: a good one" "$(reply)" "220 gate.example.net ESMTP"
talk -cert "$tmp/old.crt" -key "$tmp/old.key"
is "required: an expired one" "$(reply)" \
    "554 5.7.0 your certificate: certificate has expired"
talk
is "required: none" "$(reply)" "554 5.7.0 show a certificate of yours"
talk -connect "127.0.0.1:$starttls" -starttls smtp -cert "$tmp/good.crt" \
    -key "$tmp/good.key"
is "required, STARTTLS: a good one" "$(tr -d '\r' <"$tmp/said" |
    sed -n 's/^\(221 .*\)/\1/p')" "221 2.0.0 gate.example.net goodbye"
postern_stop
finish
