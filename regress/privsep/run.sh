#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# All that this directory asks about the separation of the processes, one
# script after the other; see lib.sh for the options.

. "$(dirname "$0")/lib.sh"

if [ "${SAN:-0}" = 1 ]; then
	skip 'all of it' 'a build with sanitizers has no jail'
	finish
fi

for script in nosyms enum status fds sockets jail garbage; do
	echo "# $script"
	sh "$here/$script.sh" -B "$build" -O "$objects" -T "$tools" 2>&1 |
	    tee "$dir/$script"
	grep '^\(not \)\{0,1\}ok ' "$dir/$script" >>"$results"
	grep -q '^privsep: ' "$dir/$script" ||
	    not_ok "$script.sh came to its end"
done
finish
