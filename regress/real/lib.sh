# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What the scripts of this directory share: options, counting, and the
# starting and ending of a postern, of a Postfix and of our own tools.  Read
# in by each of them:
#
#	-B dir	the build tree whose programs are tested (.)
#	-T dir	where ledger and sink are (.obj/regress/real below -B); what
#		is not there is built into the directory of the test
#	-c file	write "passed N failed N skipped N" there
#
# A script prints one line "ok N - " or "not ok N - " for each question,
# "# SKIP" and the reason behind those that could not be asked, and the sum
# at the end; its exit status is 0 if nothing failed.  With KEEP=1 in the
# environment the directory of the test stays, and its name is printed.
#
# Everything is in one temporary directory and on loopback.  What is started
# is ended by its process id.  Nothing waits for a time: wait_for asks until
# a condition holds, and its time is only that after which it never will.

set -u

# shellcheck disable=SC2034	# used by those that read this in
here=$(cd "$(dirname "$0")" && pwd) || exit 1
name=$(basename "$0" .sh)
build=. tools='' counts=''
while getopts B:T:c: option; do
	case $option in
	B)	build=$OPTARG ;;
	T)	tools=$OPTARG ;;
	c)	counts=$OPTARG ;;
	*)	echo "usage: ${0##*/} [-B dir] [-T dir] [-c file]" >&2
		exit 1 ;;
	esac
done
shift $((OPTIND - 1))
build=$(cd "$build" && pwd) || exit 1
: "${tools:=$build/.obj/regress/real}"
case $tools in
/*)	;;
*)	tools=$PWD/$tools ;;
esac

# A sanitizer's daemon is several times slower.
san=${SAN:-0}

# Postfix refuses a queue below a directory that others may write to, unless
# it is sticky; and virtual(8) walks down as another user.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/real.XXXXXXXXXX") || exit 1
chmod 755 "$tmp"
number=0 passed=0 failed=0 skipped=0
started=''			# pids of what we started, to end at the exit
postfixes=''			# configuration directories of running ones
endings=''			# functions to call at the exit
trap 'clean_up' EXIT
trap 'exit 1' HUP INT TERM

clean_up()
{
	for c in $postfixes; do
		postfix_kill "$c"
	done
	for p in $started; do
		kill -TERM "$p" 2>/dev/null
	done
	for f in $endings; do
		"$f"
	done
	for p in $started; do
		wait_for 10 gone "$p" || kill -KILL "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	if [ "${KEEP:-0}" = 1 ]; then
		echo "# kept: $tmp"
	else
		rm -rf "$tmp"
	fi
}

# --- counting ----------------------------------------------------------------

ok()
{
	number=$((number + 1)) passed=$((passed + 1))
	echo "ok $number - $*"
}

not_ok()
{
	number=$((number + 1)) failed=$((failed + 1))
	echo "not ok $number - $*"
}

# skip what, why
skip()
{
	number=$((number + 1)) skipped=$((skipped + 1))
	echo "ok $number - $1 # SKIP $2"
}

# is what, got, wanted
is()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		echo "#	got:    $2"
		echo "#	wanted: $3"
	fi
}

# like what, got, wanted: a pattern of the shell
like()
{
	# shellcheck disable=SC2254	# it is a pattern
	case $2 in
	$3)	ok "$1" ;;
	*)	not_ok "$1"
		echo "#	got:    $2"
		echo "#	wanted: $3" ;;
	esac
}

# shows file ...: for a failure, what a log has at its end
shows()
{
	for f; do
		[ -s "$f" ] || continue
		echo "#	--- ${f##*/}"
		tail -n 15 "$f" | sed 's/^/#	/'
	done
}

# The sum; the last thing that a script does.
finish()
{
	echo "$name: $passed passed, $failed failed, $skipped skipped"
	if [ -n "$counts" ]; then
		echo "passed $passed failed $failed skipped $skipped" >"$counts"
	fi
	[ "$failed" -eq 0 ]
	exit
}

# skip_all why
skip_all()
{
	skip "$name" "$1"
	finish
}

# --- conditions --------------------------------------------------------------

# wait_for seconds command ...: try it until it succeeds
wait_for()
{
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

has()
{
	command -v "$1" >/dev/null 2>&1
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

real()
{
	python3 "$here/real.py" "$@"
}

# lines file: how many
lines()
{
	grep -c '' "$1"
}

# --- our tools ---------------------------------------------------------------

# tool name: its path in $tool; built here where the build tree has none
tool()
{
	tool=$tools/$1
	[ -x "$tool" ] && return 0
	tool=$tmp/$1
	[ -x "$tool" ] && return 0
	"${CC:-cc}" -O2 -std=c11 -D_GNU_SOURCE -o "$tool" "$here/$1.c"
}

# sink_start port option ...: a next hop that keeps nothing, $sink; what it
# counted is in sink.sum when it has ended
sink_start()
{
	tool sink || return 1
	sink_port=$1
	shift
	: >"$tmp/sink.err"
	"$tool" "$@" "$sink_port" >"$tmp/sink.sum" 2>"$tmp/sink.err" &
	sink=$!
	started="$started $sink"
	wait_for 10 grep -q ready "$tmp/sink.err"
}

sink_stop()
{
	kill -TERM "$sink"
	wait "$sink"
}

# field name file: the number behind a name in a line of such pairs
field()
{
	tr ' ' '\n' <"$2" | awk -v name="$1" \
	    'found { print; exit } $0 == name { found = 1 }'
}

# --- a postern ---------------------------------------------------------------

# postern_start: with $tmp/postern.yaml; its pid is $postern
postern_start()
{
	: >"$tmp/postern.out"
	"$build/smtpd/postern" -d -f "$tmp/postern.yaml" \
	    </dev/null >"$tmp/postern.out" 2>&1 &
	postern=$!
	started="$started $postern"
	wait_for 30 postern_has_started
	grep -q '^ready' "$tmp/postern.out" && return 0
	not_ok "postern starts"
	shows "$tmp/postern.out" "$tmp/postern.log"
	finish
}

postern_has_started()
{
	grep -q '^ready' "$tmp/postern.out" || gone "$postern"
}

# The end of one that nobody talks to any more is an orderly one.
postern_stop()
{
	kill -TERM "$postern"
	wait_for 30 gone "$postern" || kill -KILL "$postern"
	wait "$postern"
	is "postern ends when it is told to" $? 0
}

ctl()
{
	"$build/smtpd/posternctl" -s "$tmp/control" "$@"
}

# children [role]: all that run, as "role index pid"
children()
{
	ctl show status | awk -v role="${1-}" '$3 == "pid" && $4 != "-" &&
	    $1 != "postern" && (role == "" || $1 == role) {
		print $1, $2, $4 }'
}

# die role: all processes of it, at once; they are started again
die()
{
	old=$(children "$1" | awk '{ print $3 }')
	# shellcheck disable=SC2086	# words are wanted
	kill -KILL $old
	for p in $old; do
		wait_for 10 gone "$p"
	done
	wait_for 20 all_others "$1" "$old"
}

# all_others role pids: as many, and none of those
all_others()
{
	new=$(children "$1" | awk '{ print $3 }')
	[ "$(echo "$new" | wc -w)" -eq "$(echo "$2" | wc -w)" ] || return 1
	for p in $new; do
		case " $(echo "$2" | tr '\n' ' ') " in
		*" $p "*) return 1 ;;
		esac
	done
}

# stat name: a number of show stats
stat()
{
	ctl show stats | awk -v name="$1" '$1 == name { print $2 }'
}

stat_is()
{
	[ "$(stat "$1")" = "$2" ]
}

# cached key [remote address]: a value of show cache, or of that verdict
cached()
{
	key=$1
	shift
	if [ $# -eq 0 ]; then
		ctl show cache
	else
		ctl cache get "$@"
	fi | awk -v key="$key" '$1 == key { print $2 }'
}

# cached_is value key [remote address]
cached_is()
{
	value=$1
	shift
	[ "$(cached "$@")" = "$value" ]
}

# --- a client that asks, and sends nothing -----------------------------------

# ask [option ...] port word ...: see rcpt.py
ask()
{
	timeout 150 python3 -S "$here/rcpt.py" "$@"
}

# says what, wanted, address: to one recipient, of the postern at $smtp
says()
{
	is "$1" "$(ask "$smtp" "$3")" "$2 $3"
}

# comes_to what, wanted, address: it says that in the end
comes_to()
{
	wait_for 15 told "$2" "$3"
	is "$1" "$answer" "$2 $3"
}

told()
{
	answer=$(ask "$smtp" "$2")
	[ "$answer" = "$1 $2" ]
}

# certificate: a self-signed one for 127.0.0.1 in $tmp/cert.pem
certificate()
{
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
	    -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
	    -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/openssl" &&
	    chmod 600 "$tmp/key.pem"
}

# --- a Postfix ---------------------------------------------------------------

# What is missing for one to run, in words; nothing if it can.
postfix_missing()
{
	if ! is_root; then
		echo "Postfix must be started by root"
	elif ! has postfix; then
		echo "no Postfix"
	fi
}

# postfix_make name port: an instance below $tmp/name, with its own queue and
# log, that delivers user@example.org and user@tls.example.org into the
# maildir $tmp/mail/user, for the users in $users.  The lines of its standard
# input are added to main.cf.  What qmgr(8) found locked when it wanted to try
# again lies in the incoming queue until it wakes, each second here.
postfix_make()
{
	mkdir -p "$tmp/$1/etc" "$tmp/$1/spool" "$tmp/$1/data" "$tmp/mail"
	chown postfix "$tmp/$1/data"
	chown nobody "$tmp/mail"
	for u in ${users-}; do
		echo "$u@example.org $u/"
		echo "$u@tls.example.org $u/"
	done >"$tmp/$1/users"
	cat >"$tmp/$1/etc/main.cf" <<-EOF
	compatibility_level = 3.6
	queue_directory = $tmp/$1/spool
	data_directory = $tmp/$1/data
	maillog_file_prefixes = $tmp
	maillog_file = $tmp/$1/log
	myhostname = $1.example.net
	mydestination =
	alias_maps =
	alias_database =
	mynetworks = 127.0.0.0/8
	inet_interfaces = 127.0.0.1
	inet_protocols = ipv4
	smtp_dns_support_level = disabled
	smtp_host_lookup = native
	smtpd_peername_lookup = no
	smtpd_client_connection_rate_limit = 0
	smtpd_error_sleep_time = 0
	smtpd_relay_restrictions = permit_mynetworks, reject
	local_header_rewrite_clients =
	in_flow_delay = 0
	service_throttle_time = 1s
	biff = no
	message_size_limit = ${size_limit:-0}
	mailbox_size_limit = 0
	virtual_mailbox_limit = 0
	virtual_mailbox_domains = example.org, tls.example.org
	virtual_mailbox_base = $tmp/mail
	virtual_mailbox_maps = texthash:$tmp/$1/users
	virtual_uid_maps = static:$(id -u nobody)
	virtual_gid_maps = static:$(id -g nobody)
	EOF
	cat >>"$tmp/$1/etc/main.cf"
	cat >"$tmp/$1/etc/master.cf" <<-EOF
	127.0.0.1:$2 inet n - n - 100 smtpd
	pickup    unix  n - n 60    1 pickup
	cleanup   unix  n - n -     0 cleanup
	qmgr      unix  n - n 1     1 qmgr
	tlsmgr    unix  - - n 1000? 1 tlsmgr
	rewrite   unix  - - n -     - trivial-rewrite
	bounce    unix  - - n -     0 bounce
	defer     unix  - - n -     0 bounce
	trace     unix  - - n -     0 bounce
	verify    unix  - - n -     1 verify
	flush     unix  n - n 1000? 0 flush
	proxymap  unix  - - n -     - proxymap
	smtp      unix  - - n -     - smtp
	relay     unix  - - n -     - smtp
	lmtp      unix  - - n -     - lmtp
	error     unix  - - n -     - error
	retry     unix  - - n -     - error
	discard   unix  - - n -     - discard
	virtual   unix  - n n -     - virtual
	anvil     unix  - - n -     1 anvil
	scache    unix  - - n -     1 scache
	postlog   unix-dgram n - n - 1 postlogd
	EOF
}

# postfix_start name: it listens when this returns
postfix_start()
{
	if ! postfix -c "$tmp/$1/etc" start >"$tmp/$1/start" 2>&1; then
		not_ok "Postfix starts"
		shows "$tmp/$1/start" "$tmp/$1/log"
		finish
	fi
	postfixes="$postfixes $tmp/$1"
}

# postfix_pids directory [program]: the master's children, by their name
postfix_pids()
{
	master=$(tr -d ' ' <"$1/spool/pid/master.pid") &&
	    pgrep -P "$master" ${2+-x "$2"}
}

# postfix_kill directory: all of it at once, as if the power had failed
postfix_kill()
{
	[ -s "$1/spool/pid/master.pid" ] || return 0
	pids="$(tr -d ' ' <"$1/spool/pid/master.pid") $(postfix_pids "$1")"
	# shellcheck disable=SC2086	# words are wanted
	kill -KILL $pids 2>/dev/null
	for p in $pids; do
		wait_for 10 gone "$p"
	done
	postfixes=$(echo "$postfixes" | tr ' ' '\n' | grep -vxF "$1" |
	    tr '\n' ' ')
	rm -f "$1/spool/pid/master.pid"
}

# mails user: the files that were delivered to it
mails()
{
	find "$tmp/mail/$1/new" -type f 2>/dev/null
}

# has_mails user number
has_mails()
{
	[ "$(mails "$1" | grep -c '')" -eq "$2" ]
}
