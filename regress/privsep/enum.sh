#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Every system call there is, in the jail of each role: what does not kill
# must be what ROLE.golden lists.  With UPDATE=1 in the environment those
# files are written anew: the difference is for a reviewer.

. "$(dirname "$0")/lib.sh"

if [ "$(uname -sm)" != 'Linux x86_64' ]; then
	skip 'all calls' 'the lists are for Linux on x86-64'
	finish
fi

for role in smtpd verifyd dialer resolved lookupd lookupd-connects proxyd; do
	"$tools/enum" "$role" >"$dir/$role" 2>"$dir/$role.err" &
done
wait

for role in smtpd verifyd dialer resolved lookupd lookupd-connects proxyd; do
	if [ -n "${UPDATE-}" ]; then
		cp "$dir/$role" "$here/$role.golden" || exit 1
	fi
	if [ ! -s "$dir/$role" ]; then
		not_ok "$role: calls that do not kill"
		sed 's/^/#	/' "$dir/$role.err"
	elif diff "$here/$role.golden" "$dir/$role" >"$dir/diff"; then
		ok "$role: calls that do not kill"
	else
		not_ok "$role: calls that do not kill (< golden, > seen)"
		sed 's/^/#	/' "$dir/diff"
	fi
done
finish
