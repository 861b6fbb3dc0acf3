#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What an attacker would call first, called in the name of the processes of
# a running postern; and the same calls in a process without a jail, where
# they must work, or this test would prove nothing.

. "$(dirname "$0")/lib.sh"

ROLES='smtpd verifyd dialer resolved lookupd lookupd-connects proxyd'

# live role: the name and index of the process
live()
{
	case $1 in
	lookupd-connects) echo lookupd 1 ;;
	*)	echo "$1" 0 ;;
	esac
}

if [ "$(uname -sm)" != 'Linux x86_64' ]; then
	skip 'calls in the live processes' 'they are made on Linux x86-64'
	finish
fi
if ! is_root; then
	skip 'calls in the live processes' 'only root may trace them'
	finish
fi

# probes role kind
probes()
{
	"$tools/jail" -l "$1" | sed -n "s/^$2 //p"
}

# strike name role: who died of it is remembered in $dir/struck.
strike()
{
	probes "$2" lethal | grep -qx -e "$1" || return 0
	# shellcheck disable=SC2046	# words are wanted
	old=$(pid $(live "$2"))
	said=$("$tools/jail" "$2" "$old" "$1" 2>&1)
	echo "$said" | counted
	case $said in
	ok*)	echo "$2 $old" >>"$dir/struck" ;;
	esac
}

# All come back, and the parent has lived.  $1 is what happened.
recover()
{
	while read -r role old; do
		# shellcheck disable=SC2046	# words are wanted
		wait_until has_other $(live "$role") "$old" ||
		    not_ok "$role comes back after $1"
	done <"$dir/struck"
	is "the parent outlives $1" "$(kill -0 "$parent" && echo yes)" yes
}

# Those that kill: some for each start, since a process that dies again and
# again is started ever later.
some_lethal()
{
	start daemon
	for name; do
		: >"$dir/struck"
		for role in $ROLES; do
			strike "$name" "$role"
		done
		recover "$name"
	done
	stop
}

# With -d, a call is named before it kills.
debug()
{
	start debug
	: >"$dir/struck"
	for role in $ROLES; do
		strike execve "$role"
	done
	recover 'execve with -d'
	for role in $ROLES; do
		line="postern: ${role%-*}: bad system call execve (59)"
		is "$role names it" "$(grep -Fx "$line" "$dir/stderr" | uniq)" \
		    "$line"
	done
	stop
}

"$tools/jail" -c 2>&1 | counted

start daemon
for role in $ROLES; do
	# Words are wanted.
	# shellcheck disable=SC2046
	old=$(pid $(live "$role"))
	# shellcheck disable=SC2046
	"$tools/jail" "$role" "$old" $(probes "$role" soft) 2>&1 | counted
	# shellcheck disable=SC2046
	is "$role survives what is answered" "$(pid $(live "$role"))" "$old"
done
stop

debug
for role in $ROLES; do
	probes "$role" lethal
done | sort -u >"$dir/lethal"
# Words are wanted.
# shellcheck disable=SC2046
set -- $(cat "$dir/lethal")
while [ $# -gt 0 ]; do
	some_lethal "$1" ${2+"$2"} ${3+"$3"}
	shift
	if [ $# -gt 0 ]; then shift; fi
	if [ $# -gt 0 ]; then shift; fi
done
finish
