#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Play talks, several at a time and each three ways: as it is, with every
# octet sent by itself, and with everything that may be sent at once in one
# write.  The outcome must be the same.
#
#	run-talks.sh [-B dir] [-c file] [-D name=value] [-j jobs]
#	    [-p parley] [-w ways] [-x factor] talk ...
#
#	-B	the build tree whose daemon is tested
#	-c	write "passed N failed N skipped N" there
#	-D, -x	handed to parley
#	-j	how many at a time
#	-p	the parley to use
#	-w	of "plain trickled glued", the ways wanted
#
# A line is printed for each talk and way as it ends, and after the last
# what parley said of those that failed, and how to play them again.  ONLY
# in the environment is a pattern; talks whose name does not have it are
# left out.  The exit status is 0 if no talk failed.

set -u

# Called by xargs below for one talk: $2 is the way, $3 the talk.
if [ "${1-}" = --one ]; then
	case $2 in
	plain)		flag='' ;;
	trickled)	flag=-t ;;
	glued)		flag=-g ;;
	esac
	said=$TALKS_DIR/$(printf '%s' "$3" | tr / _).$2
	# Words are wanted of both, and none of none: no quotes.
	# shellcheck disable=SC2086
	"$TALKS_PARLEY" $flag $TALKS_ARGS "$3" >"$said" 2>&1
	case $? in
	0)	echo "passed $3 $2 $said" >>"$TALKS_DIR/results"
		echo "ok - $3 ($2)" ;;
	77)	echo "skipped $3 $2 $said" >>"$TALKS_DIR/results"
		echo "ok - $3 ($2) # SKIP $(sed -n 's/.*skipped: //p' \
		    "$said")" ;;
	*)	echo "failed $3 $2 $said" >>"$TALKS_DIR/results"
		echo "not ok - $3 ($2)" ;;
	esac
	exit 0
fi

usage()
{
	sed -n 's/^#	\(run-talks.sh\)/usage: \1/p; s/^#	    \[/	[/p' \
	    "$0" >&2
	exit 1
}

build=. counts='' jobs='' parley='' ways='plain trickled glued' args=''
while getopts B:c:D:j:p:w:x: option; do
	case $option in
	B)	build=$OPTARG ;;
	c)	counts=$OPTARG ;;
	D)	args="$args -D $OPTARG" ;;
	j)	jobs=$OPTARG ;;
	p)	parley=$OPTARG ;;
	w)	ways=$OPTARG ;;
	x)	args="$args -x $OPTARG" ;;
	*)	usage ;;
	esac
done
shift $((OPTIND - 1))
for way in $ways; do
	case $way in
	plain|trickled|glued) ;;
	*)	usage ;;
	esac
done

# Talks wait more than they compute.
: "${jobs:=$((2 * $(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)))}"
: "${parley:=$build/regress/parley/parley}"
if [ ! -x "$parley" ]; then
	echo "run-talks.sh: $parley: not there" >&2
	exit 1
fi

TALKS_DIR=$(mktemp -d "${TMPDIR:-/tmp}/talks.XXXXXXXXXX") || exit 1
trap 'rm -rf "$TALKS_DIR"' EXIT
trap 'exit 1' HUP INT TERM
TALKS_PARLEY=$parley TALKS_ARGS="-B $build$args"
export TALKS_DIR TALKS_PARLEY TALKS_ARGS

: >"$TALKS_DIR/results"
for talk; do
	case $talk in
	*${ONLY-}*)
		for way in $ways; do
			echo "$way $talk"
		done ;;
	esac
done >"$TALKS_DIR/list"

if [ -s "$TALKS_DIR/list" ]; then
	xargs -n 2 -P "$jobs" sh "$0" --one <"$TALKS_DIR/list"
fi

grep '^failed' "$TALKS_DIR/results" | sort | while read -r _ talk way said; do
	case $way in
	trickled)	flag=' -t' ;;
	glued)		flag=' -g' ;;
	*)		flag='' ;;
	esac
	echo
	echo "=== $talk ($way)"
	cat "$said"
	echo "again: $parley$flag $TALKS_ARGS -v $talk"
done

count()
{
	grep -c "^$1" "$TALKS_DIR/results"
}

total=$(($(wc -l <"$TALKS_DIR/list")))
passed=$(count passed)
skipped=$(count skipped)
failed=$((total - passed - skipped))	# also those that left no result
echo "1..$total"
echo "# talks: passed $passed failed $failed skipped $skipped"
if [ -n "$counts" ]; then
	echo "passed $passed failed $failed skipped $skipped" >"$counts"
fi
[ "$failed" -eq 0 ]
