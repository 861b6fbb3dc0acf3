#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# posternctl script test: every NAME.play against NAME.lua beside it, or, of
# etc/scripts, against the script there.  What it prints is NAME.out, where
# there is one (what must not be ok), and exits with the status that stands on
# its last line; else all must be ok.
#
#	run.sh [-B dir]		where smtpd/posternctl is

set -u
B=.
while getopts B: o; do
	case $o in
	B) B=$OPTARG ;;
	*) exit 2 ;;
	esac
done
here=$(dirname "$0")
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

not_ok() {
	echo "not ok - $1"
	cat "$tmp/out"
	failed=$((failed + 1))
}

for play in "$here"/*.play "$here"/../../etc/scripts/*.play; do
	[ -e "$play" ] || continue
	base=${play%.play}
	"$B/smtpd/posternctl" script test "$base.lua" "$play" \
	    >"$tmp/out" 2>&1 </dev/null
	status=$?
	if [ -e "$base.out" ]; then
		echo "status $status" >>"$tmp/out"
		if diff -u "$base.out" "$tmp/out"; then
			passed=$((passed + 1))
		else
			not_ok "$play"
		fi
	elif [ $status = 0 ]; then
		passed=$((passed + 1))
	else
		not_ok "$play: status $status"
	fi
done
echo "script: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
