#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# A child that has been taken over writes what it likes to its parent: it is
# ended and started anew, and nobody else is any the worse for it.

. "$(dirname "$0")/lib.sh"

if [ "$(uname -sm)" != 'Linux x86_64' ]; then
	skip 'garbage to the parent' 'it is injected on Linux x86-64'
	finish
fi
if ! is_root; then
	skip 'garbage to the parent' 'only root may trace the processes'
	finish
fi

for kind in $("$tools/jail" -g); do
	start daemon
	for role in smtpd verifyd dialer resolved lookupd proxyd; do
		old=$(pid "$role" 0)
		children | grep -v "^$role 0 " >"$dir/others"
		if ! "$tools/jail" -g "$kind" "$old" >"$dir/said" 2>&1; then
			not_ok "$role: $kind: $(cat "$dir/said")"
			continue
		fi
		if wait_until has_other "$role" 0 "$old"; then
			ok "$role: $kind: ended and started anew"
		else
			not_ok "$role: $kind: ended and started anew"
		fi
		children | grep -v "^$role 0 " >"$dir/others.after"
		is "$role: $kind: all others live" \
		    "$(cat "$dir/others.after")" "$(cat "$dir/others")"
	done
	is "the parent outlives $kind" \
	    "$(kill -0 "$parent" && echo yes)" yes
	stop
done
finish
