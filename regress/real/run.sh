#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Postern among real counterparts: all scripts of this directory, one after
# the other, since each wants the machine for itself; see lib.sh for the
# options.  ONLY in the environment is a pattern; scripts whose name does not
# have it are left out.

. "$(dirname "$0")/lib.sh"
name=real

for script in clients verdicts ledger fds early certs chunking mixed \
    xclient databases lists lookupd demo verify removed stalwart \
    lookups hostile scripts lost fewer contexts waiting; do
	case $script in
	*"${ONLY-}"*) ;;
	*)	continue ;;
	esac
	echo "# $script"
	sh "$here/$script.sh" -B "$build" -T "$tools" -c "$tmp/count" 2>&1
	status=$?
	if [ -s "$tmp/count" ]; then
		passed=$((passed + $(field passed "$tmp/count")))
		failed=$((failed + $(field failed "$tmp/count")))
		skipped=$((skipped + $(field skipped "$tmp/count")))
	else
		not_ok "$script.sh comes to its end (status $status)"
	fi
	rm -f "$tmp/count"
done
finish
