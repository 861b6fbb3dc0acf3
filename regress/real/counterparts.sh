# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Real next hops besides lib.sh's Postfix, and what a Postfix has for these
# tests that it has not by itself; read in after lib.sh.  All deliver into
# $tmp/mail, so that mails and has_mails of lib.sh hold for each.
#
# MODE in the environment says what a script tests: with "postern", as it is
# by itself, there is one between client and counterpart; with "direct" there
# is none: then it is the script and the counterpart that are tested.

: "${MODE:=postern}"

# between port|unix:path [line ...]: where clients go to come to that; with a
# postern, of whose remote these are more lines, it is $smtp.  $extensions
# are its listener's, $resolver is the port of its name server.  Without one
# it asks nobody: no name server of the machine's is part of a test.
between()
{
	port=$1
	shift
	[ "$MODE" = postern ] || return 0
	case $port in
	unix:*)	address="{address: \"$port\"," ;;
	*)	address="{address: 127.0.0.1, port: $port," ;;
	esac
	if [ -n "${resolver-}" ]; then
		dns="{server: \"127.0.0.1:$resolver\"}" reverse=auto
	else
		dns='{}' reverse=never
	fi
	cat >"$tmp/postern.yaml" <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2}
	shutdown: 5s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener:
	  in:
	    bind: "127.0.0.1:$smtp"
	    tls: "off"
	    extensions: [${extensions:-default}]
	list: {ours: [example.org]}
	remote:
	  hop: $address tls: {mode: "off"}$(for line; do
		printf ', %s' "$line"; done)}
	session:
	  connect: {reverse-dns: $reverse}
	  rcpt: {lookup: {domains: list/ours}}
	resolver: $dns
	route: {local: hop}
	EOT
	postern_start
	port=$smtp
}

between_stop()
{
	[ "$MODE" != postern ] || postern_stop
}

# --- Dovecot's LMTP ----------------------------------------------------------

dovecot_missing()
{
	if ! has dovecot && ! [ -x /usr/sbin/dovecot ]; then
		echo "no Dovecot"
	elif ! [ -x /usr/lib/dovecot/lmtp ] &&
	    ! [ -x /usr/libexec/dovecot/lmtp ]; then
		echo "no LMTP server of Dovecot's"
	fi
}

# dovecot_make name port [proxy-port]: a Dovecot below $tmp/name that serves
# LMTP for $users, or for anybody if there are none.  Those of $full are over
# quota for good, those of $full_now for the time being; that shows when a
# message has come, not at RCPT.  It takes XCLIENT, at the second port PROXY.
# Its standard input is added to the configuration.  Who is not root owns all
# of it.
dovecot_make()
{
	mkdir -p "$tmp/$1/run" "$tmp/$1/state" "$tmp/mail" "$tmp/$1/home"
	if is_root; then
		owner=nobody
		chown nobody "$tmp/mail" "$tmp/$1/home"
		own=''
	else
		owner=$(id -un)
		own="default_internal_user = $owner
		default_internal_group = $(id -gn)
		default_login_user = $owner"
	fi
	ids="$(id -u "$owner"):$(id -g "$owner")"
	for u in ${users-}; do
		echo "$u::$ids::$tmp/$1/home/$u::$(dovecot_extra "$u")"
	done >"$tmp/$1/users"
	whom="driver = passwd-file
		args = username_format=%n $tmp/$1/users"
	if [ -z "${users-}" ]; then
		whom="driver = static
		args = uid=${ids%:*} gid=${ids#*:} allow_all_users=yes"
	fi
	proxy=''
	if [ -n "${3-}" ]; then
		proxy="inet_listener proxy {
			address = 127.0.0.1
			port = $3
			haproxy = yes
		}"
	fi
	cat >"$tmp/$1/dovecot.conf" <<-EOT
	base_dir = $tmp/$1/run
	state_dir = $tmp/$1/state
	log_path = $tmp/$1/log
	protocols = lmtp
	listen = 127.0.0.1
	ssl = no
	$own
	hostname = $1.example.net
	mail_location = maildir:$tmp/mail/%n
	mail_home = $tmp/$1/home/%n
	mail_plugins = quota
	first_valid_uid = 0
	first_valid_gid = 0
	lmtp_rcpt_check_quota = no
	login_trusted_networks = 127.0.0.0/8
	haproxy_trusted_networks = 127.0.0.0/8
	passdb {
		driver = static
		args = nopassword=y
	}
	userdb {
		$whom
	}
	protocol lmtp {
		postmaster_address = postmaster@example.org
	}
	plugin {
		quota = maildir:User quota
		quota_rule = *:storage=1G
		quota_exceeded_message = over quota
	}
	service anvil {
		chroot =
	}
	service lmtp {
		client_limit = 1
		process_limit = 50
		inet_listener lmtp {
			address = 127.0.0.1
			port = $2
		}
		unix_listener lmtp {
			mode = 0666
		}
		$proxy
	}
	EOT
	cat >>"$tmp/$1/dovecot.conf"
}

# dovecot_extra user: the last field of its line
dovecot_extra()
{
	case " ${full-} " in
	*" $1 "*)
		echo "userdb_quota_rule=*:bytes=1" ;;
	esac
	case " ${full_now-} " in
	*" $1 "*)
		echo "userdb_quota_rule=*:bytes=1" \
		    "userdb_quota_full_tempfail=yes" ;;
	esac
}

# dovecot_empty name user: it is not over quota any more
dovecot_empty()
{
	sed "s/^\($2:.*::\)userdb_quota_rule.*/\1/" "$tmp/$1/users" \
	    >"$tmp/$1/users.new" &&
	    mv "$tmp/$1/users.new" "$tmp/$1/users"
}

# dovecot_drop name port user: there is no such mailbox any more, which it
# sees the next second
dovecot_drop()
{
	sed "/^$3:/d" "$tmp/$1/users" >"$tmp/$1/users.new" &&
	    mv "$tmp/$1/users.new" "$tmp/$1/users"
	wait_for 10 dovecot_says "$2" '550 5.1.1' "$3@example.org"
}

# dovecot_add name port user: there is one again
dovecot_add()
{
	if is_root; then
		owner=nobody
	else
		owner=$(id -un)
	fi
	echo "$3::$(id -u "$owner"):$(id -g "$owner")::$tmp/$1/home/$3::" \
	    >>"$tmp/$1/users"
	wait_for 10 dovecot_says "$2" '250 2.1.5' "$3@example.org"
}

dovecot_says()
{
	[ "$(ask -l "$1" "$3")" = "$2 $3" ]
}

# dovecot_start name: it listens when this returns; its pid is $dovecot
dovecot_start()
{
	rm -f "$tmp/$1/log"
	PATH=$PATH:/usr/sbin dovecot -F -c "$tmp/$1/dovecot.conf" \
	    </dev/null >"$tmp/$1/out" 2>&1 &
	dovecot=$!
	started="$started $dovecot"
	wait_for 20 dovecot_has_started "$1"
	gone "$dovecot" || return 0
	not_ok "Dovecot starts"
	shows "$tmp/$1/out" "$tmp/$1/log"
	finish
}

dovecot_has_started()
{
	grep -q 'starting up' "$tmp/$1/log" 2>/dev/null || gone "$dovecot"
}

# dovecot_stop port: nobody is there when this returns
dovecot_stop()
{
	kill -TERM "$dovecot"
	wait_for 20 gone "$dovecot"
	wait "$dovecot" 2>/dev/null
	wait_for 20 nobody_at "$1"
}

nobody_at()
{
	python3 - "$1" <<-'EOT'
	import socket, sys
	s = socket.socket()
	sys.exit(s.connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0)
	EOT
}

# dovecot_asked name port user: how often it looked that one up.  What it
# logs comes behind what it says, but in order: one more question, and that
# is there when its own line is.
dovecot_asked()
{
	markers=$((${markers-0} + 1))
	ask -l "$2" "marker$markers@example.org" >/dev/null
	wait_for 10 grep -q "lookup: user=marker$markers " "$tmp/$1/log"
	grep -c "lookup: user=$3 " "$tmp/$1/log"
}

# --- OpenSMTPD ---------------------------------------------------------------

opensmtpd=$here/../../.obj/peers/opensmtpd

# It changes to users of its own, and its directories are compiled in: it has
# a root of its own, with copies of all that it runs.  (Rejected: a mount
# namespace, which containers do not give.)
opensmtpd_missing()
{
	if ! is_root; then
		echo "OpenSMTPD must be started by root"
	elif ! [ -x "$opensmtpd/usr/sbin/smtpd" ]; then
		echo "no OpenSMTPD below .obj/peers; make deps-test fetches it"
	elif ! chroot / true 2>/dev/null; then
		echo "root may not change its root here"
	fi
}

# Each program, and the libraries that it is linked with, to the same place.
copied_to()
{
	root=$1
	shift
	for f in "$@" $(ldd "$@" | awk '$2 == "=>" { print $3 }
	    $1 ~ /^\// && NF == 2 { print $1 }' | grep '^/' | sort -u); do
		mkdir -p "$root/${f%/*}" && cp -L "$f" "$root/$f"
	done
}

# opensmtpd_make name port: one below $tmp/name, which delivers for $users
# into $tmp/mail, a link to where that is in its root.  Its standard input is
# put on top of its configuration.
opensmtpd_make()
{
	dir=$tmp/$1
	mkdir -p "$dir/etc" "$dir/mail" "$dir/run" "$dir/tmp" \
	    "$dir/usr" "$dir/var/empty" "$dir/var/lib/opensmtpd/empty" \
	    "$dir/var/spool/smtpd"
	chmod 711 "$dir/var/spool/smtpd"
	chmod 1777 "$dir/tmp"
	chown nobody "$dir/mail"
	rm -rf "$tmp/mail"
	ln -s "$dir/mail" "$tmp/mail"
	ln -s ../run "$dir/var/run"
	cp -R "$opensmtpd/usr/sbin" "$opensmtpd/usr/libexec" "$dir/usr"
	copied_to "$dir" /bin/sh
	# shellcheck disable=SC2046	# words are wanted
	copied_to "$dir" $(ldd "$opensmtpd/usr/sbin/smtpd" |
	    awk '$2 == "=>" && $3 ~ /^\// { print $3 }')
	ids="$(id -u nobody):$(id -g nobody)"
	cat >"$dir/etc/passwd" <<-EOT
	root:x:0:0::/:/bin/sh
	nobody:x:$ids::/nonexistent:/bin/sh
	opensmtpd:x:64001:64002::/var/empty:/bin/false
	opensmtpq:x:64002:64002::/var/empty:/bin/false
	EOT
	cat >"$dir/etc/group" <<-EOT
	root:x:0:
	nogroup:x:${ids#*:}:
	opensmtpq:x:64002:
	EOT
	echo "127.0.0.1 localhost" >"$dir/etc/hosts"
	echo "lookup file" >"$dir/etc/resolv.conf"
	for u in ${users-}; do
		echo "$u	$ids:/mail/$u"
	done >"$dir/etc/users"
	for u in ${users-}; do
		echo "$u	$u"
	done >"$dir/etc/aliases"
	{
		cat
		cat <<-EOT
		table users file:/etc/users
		table aliases file:/etc/aliases
		listen on 127.0.0.1 port $2 hostname $1.example.net
		action "in" maildir "/mail/%{user.username}" \
		    virtual <aliases> userbase <users>
		match from any for domain "example.org" action "in"
		EOT
	} >"$dir/etc/smtpd.conf"
}

# opensmtpd_start name port: it listens when this returns
opensmtpd_start()
{
	chroot "$tmp/$1" /usr/sbin/smtpd -d -f /etc/smtpd.conf \
	    </dev/null >"$tmp/$1/log" 2>&1 &
	smtpd=$!
	started="$started $smtpd"
	wait_for 20 answers_or_gone "$smtpd" "$2"
	gone "$smtpd" || return 0
	not_ok "OpenSMTPD starts"
	shows "$tmp/$1/log"
	finish
}

# answers port: somebody says 220 there
answers()
{
	python3 - "$1" 2>/dev/null <<-'EOT'
	import socket, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
	sys.exit(s.recv(3) != b"220")
	EOT
}

answers_or_gone()
{
	gone "$1" || answers "$2"
}

# --- a Postfix's further ways ------------------------------------------------

# postfix_listens name port option=value ...: at one more port, with these
postfix_listens()
{
	echo "127.0.0.1:$2 inet n - n - 100 smtpd" >"$tmp/more"
	more=$1
	shift 2
	for o; do
		echo "    -o $o"
	done >>"$tmp/more"
	cat "$tmp/more" >>"$tmp/$more/etc/master.cf"
}

# What makes one a client that does not tire, for postfix_make: relay to a
# port, and again in a second what was put off.
#
# postfix_relays transport port
postfix_relays()
{
	cat <<-EOT
	virtual_mailbox_domains =
	relay_domains =
	default_transport = $1:[127.0.0.1]:$2
	minimal_backoff_time = 1s
	maximal_backoff_time = 2s
	queue_run_delay = 1s
	smtp_tls_security_level = none
	lmtp_tls_security_level = none
	EOT
}
