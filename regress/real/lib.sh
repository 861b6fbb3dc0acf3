# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What the scripts of this directory share: options, counting, and the
# starting and ending of a postern, of a Postfix and of our own tools.  Read
# in by each of them:
#
#	-B dir	the build tree whose programs are tested (.)
#	-T dir	where ledger and sink are (regress/real below -B); what is
#		not there is built into the directory of the test
#	-c file	write "passed N failed N skipped N" there
#
# A script prints one line "ok N - " or "not ok N - " for each question,
# "# SKIP" and the reason behind those that could not be asked, and the sum
# at the end; its exit status is 0 if nothing failed.  With KEEP=1 in the
# environment the directory of the test stays, and its name is printed.
#
# Everything is in one temporary directory and on loopback.  What is started
# is ended by its process id.  Nothing waits for a time: wait_for asks until
# a condition holds, and its time is only that after which it never will.

set -u

# shellcheck disable=SC2034	# used by those that read this in
here=$(cd "$(dirname "$0")" && pwd) || exit 1
name=$(basename "$0" .sh)
build=. tools='' counts=''
while getopts B:T:c: option; do
	case $option in
	B)	build=$OPTARG ;;
	T)	tools=$OPTARG ;;
	c)	counts=$OPTARG ;;
	*)	echo "usage: ${0##*/} [-B dir] [-T dir] [-c file]" >&2
		exit 1 ;;
	esac
done
shift $((OPTIND - 1))
build=$(cd "$build" && pwd) || exit 1
: "${tools:=$build/regress/real}"

# A sanitizer's daemon is several times slower.
san=${SAN:-0}

# Postfix refuses a queue below a directory that others may write to, unless
# it is sticky; and virtual(8) walks down as another user.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/real.XXXXXXXXXX") || exit 1
chmod 755 "$tmp"
number=0 passed=0 failed=0 skipped=0
started=''			# pids of what we started, to end at the exit
postfixes=''			# configuration directories of running ones
trap 'clean_up' EXIT
trap 'exit 1' HUP INT TERM

clean_up()
{
	for c in $postfixes; do
		postfix_kill "$c"
	done
	for p in $started; do
		kill -TERM "$p" 2>/dev/null
	done
	for p in $started; do
		wait_for 10 gone "$p" || kill -KILL "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	if [ "${KEEP:-0}" = 1 ]; then
		echo "# kept: $tmp"
	else
		rm -rf "$tmp"
	fi
}

# --- counting ----------------------------------------------------------------

ok()
{
	number=$((number + 1)) passed=$((passed + 1))
	echo "ok $number - $*"
}

not_ok()
{
	number=$((number + 1)) failed=$((failed + 1))
	echo "not ok $number - $*"
}

# skip what, why
skip()
{
	number=$((number + 1)) skipped=$((skipped + 1))
	echo "ok $number - $1 # SKIP $2"
}

# is what, got, wanted
is()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		echo "#	got:    $2"
		echo "#	wanted: $3"
	fi
}

# like what, got, wanted: a pattern of the shell
like()
{
	# shellcheck disable=SC2254	# it is a pattern
	case $2 in
	$3)	ok "$1" ;;
	*)	not_ok "$1"
		echo "#	got:    $2"
		echo "#	wanted: $3" ;;
	esac
}

# shows file ...: for a failure, what a log has at its end
shows()
{
	for f; do
		[ -s "$f" ] || continue
		echo "#	--- ${f##*/}"
		tail -n 15 "$f" | sed 's/^/#	/'
	done
}

# The sum; the last thing that a script does.
finish()
{
	echo "$name: $passed passed, $failed failed, $skipped skipped"
	if [ -n "$counts" ]; then
		echo "passed $passed failed $failed skipped $skipped" >"$counts"
	fi
	[ "$failed" -eq 0 ]
	exit
}

# skip_all why
skip_all()
{
	skip "$name" "$1"
	finish
}

# --- conditions --------------------------------------------------------------

# wait_for seconds command ...: try it until it succeeds
wait_for()
{
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

has()
{
	command -v "$1" >/dev/null 2>&1
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

# ports name ...: a free port in each variable.  They are all held while they
# are chosen, and lie below those that the kernel gives to who connects: a
# port stays ours although its server ends and starts again.
ports()
{
	set -- "$@" -- $(python3 "$here/ports.py" $#)
	while [ "$1" != -- ]; do
		var=$1
		shift
		i=0
		for word; do
			[ "$word" = -- ] && break
			i=$((i + 1))
		done
		shift_to=$((i + 1))
		eval "$var=\${$((shift_to + 1))}"
		set -- "$@"
		eval "set -- $(rest_of $i "$@")"
	done
}
