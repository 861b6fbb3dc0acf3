#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The examples of postern-scripts(7) and posternctl(8).  Each display of the
# first says in the comment before it what it is:
#
#	.\" lua			it compiles
#	.\" lua NAME		and is what
#	.\" transcript NAME	is met by
#	.\" yaml		postern -n has nothing to say against it
#	.\" text		nobody reads it
#
#	manual.sh [-B dir]	where smtpd/postern is

set -u
B=.
while getopts B: o; do
	case $o in
	B) B=$OPTARG ;;
	*) exit 2 ;;
	esac
done
page=$(dirname "$0")/../../man/postern-scripts.7
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

# LINE-KIND[-NAME] for each, as a reader sees it.
awk -v dir="$tmp" '
    /^\.\\" / { kind = $2 ($3 == "" ? "" : "-" $3); next }
    /^\.Bd -literal/ { out = dir "/" NR "-" (kind == "" ? "none" : kind)
	text = 1; kind = ""; printf "" >out; next }
    /^\.Ed/ { text = 0; close(out) }
    !text { kind = "" }
    text { gsub(/\\&/, ""); gsub(/\\e/, "\\"); print >out }
' "$page"

check() {	# WHAT COMMAND ...
	what=$1
	shift
	if "$@" >"$tmp/out" 2>&1 </dev/null; then
		passed=$((passed + 1))
	else
		echo "not ok - postern-scripts.7:$what"
		cat "$tmp/out"
		failed=$((failed + 1))
	fi
}

# A database that is only in the manual is nowhere.
configuration() {
	"$B/smtpd/postern" -n -f "$1" >"$tmp/said" 2>&1
	status=$?
	grep -v -e '^configuration OK$' -e 'no users of their own' \
	    -e 'no user _' -e '^[^ ]* lookupd/' \
	    -e 'warning: datasource\.[a-z]*\.uri: ' "$tmp/said" && return 1
	return $status
}

: >"$tmp/empty"
for block in "$tmp"/[0-9]*-*; do
	what=${block##*/}
	case $what in
	*-lua*)
		cp "$block" "$tmp/example.lua"
		check "$what" "$B/smtpd/posternctl" script test \
		    "$tmp/example.lua" "$tmp/empty"
		;;
	*-transcript-*)
		set -- "$tmp"/*-lua-"${what#*-transcript-}"
		check "$what" "$B/smtpd/posternctl" script test "$1" "$block"
		;;
	*-yaml)
		check "$what" configuration "$block"
		;;
	*-text)	;;
	*)
		check "$what: it does not say what it is" false
		;;
	esac
done
echo "manual: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
