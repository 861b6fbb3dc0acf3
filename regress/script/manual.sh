#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Scripts that are examples of the manual.  What a display is stands in the
# comment before it; in postern-scripts(7) every one has to say so:
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
man=$(dirname "$0")/../../man
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

# PAGE:LINE-KIND[-NAME] for each, as a reader sees it.
awk -v dir="$tmp" '
    FNR == 1 { page = FILENAME; sub(/.*\//, "", page); kind = ""
	text = 0; must = page == "postern-scripts.7" }
    /^\.\\" / { kind = $2 ($3 == "" ? "" : "-" $3); next }
    /^\.Bd -literal/ {
	text = kind != "" || must
	out = dir "/" page ":" FNR "-" (kind == "" ? "none" : kind)
	if (text) printf "" >out
	kind = ""
	next
    }
    /^\.Ed/ { if (text) close(out); text = 0 }
    !text { kind = "" }
    text { gsub(/\\&/, ""); gsub(/\\e/, "\\"); print >out }
' "$man"/*.[1-8]

check() {	# WHAT COMMAND ...
	what=$1
	shift
	if "$@" >"$tmp/out" 2>&1 </dev/null; then
		passed=$((passed + 1))
	else
		echo "not ok - $what"
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
for block in "$tmp"/*:*; do
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
