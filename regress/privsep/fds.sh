#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Each child holds its pipes of links[], its listening sockets, the log and
# what the event loop needs; nothing else, at the start, after a reload and
# after one of them was started anew.

. "$(dirname "$0")/lib.sh"

if [ "$(uname -s)" != Linux ]; then
	skip 'descriptors' '/proc is wanted'
	finish
fi
if ! is_root; then
	skip 'descriptors' 'only root may look at them'
	finish
fi

# What is in all of them; libevent waits for signals by a pipe to itself.
common="/dev/null /dev/null epoll parent pipe-self pipe-self stderr"

# role: items ...
line()
{
	role=$1
	shift
	# Words are wanted.
	# shellcheck disable=SC2046,SC2086
	echo "$role:" $(printf '%s\n' $common "$@" | LC_ALL=C sort)
}

wanted()
{
	line smtpd verifyd dialer proxyd "listen:$port" listen:unix "$dir/log"
	line smtpd verifyd dialer proxyd "listen:$port" listen:unix "$dir/log"
	line verifyd smtpd smtpd dialer resolved proxyd lookupd lookupd \
	    lookupd "$dir/log" "$dir/users.cdb"
	# Only the database that lets scripts in.
	line proxyd smtpd smtpd verifyd lookupd
	line dialer smtpd smtpd verifyd resolved "$dir/log"
	line resolved verifyd dialer lookupd lookupd lookupd "$dir/log"
	line lookupd verifyd resolved proxyd "$dir/log"
	line lookupd verifyd resolved "$dir/log"
	line lookupd verifyd resolved "$dir/log"
}

# shellcheck disable=SC2317	# called by wait_until
has_wanted()
{
	"$tools/fds" "$parent" >"$dir/fds.raw" 2>"$dir/fds.err" || return 1
	LC_ALL=C sort "$dir/fds.raw" >"$dir/fds"
	cmp -s "$dir/fds" "$dir/wanted"
}

# look when
look()
{
	if wait_until has_wanted; then
		ok "descriptors $1"
	else
		not_ok "descriptors $1 (< wanted, > seen)"
		diff "$dir/wanted" "$dir/fds" | sed 's/^/#	/'
		sed 's/^/#	/' "$dir/fds.err"
	fi
}

start debug
wanted | LC_ALL=C sort >"$dir/wanted"
look 'at the start'
"$build/smtpd/posternctl" -s "$dir/control" reload >"$dir/said" 2>&1 ||
    not_ok "reload: $(cat "$dir/said")"
look 'after a reload'
for role in smtpd verifyd dialer resolved lookupd proxyd; do
	old=$(pid "$role" 0)
	kill -KILL "$old"
	wait_until has_other "$role" 0 "$old" || not_ok "$role comes back"
	look "after the death of $role"
done
stop
finish
