#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Run the suite and add up.  Called by make, which builds everything first.
#
#	run.sh check	unit tests, fuzz corpora, configurations
#	run.sh all	those, the talks, the jail, and real counterparts
#
# B is the tree with the programs, R the one with the tests' own; ONLY is a
# pattern that a part's or a talk's name must have.  The last line says
# "N passed, N failed, N skipped".

set -u
ONLY=${ONLY:-}
what=${1:?}
passed=0 failed=0 skipped=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/regress.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# A part that ends in "NAME: N passed, N failed[, N skipped]".
part() {	# NAME COMMAND ...
	name=$1
	shift
	case $name in
	*"$ONLY"*) ;;
	*) return ;;
	esac
	"$@" >"$tmp/out" 2>&1
	status=$?
	line=$(sed -n 's/^.*: \([0-9]* passed, [0-9]* failed.*\)$/\1/p' \
	    "$tmp/out" | tail -1)
	if [ -z "$line" ]; then
		line="0 passed, 1 failed"
		[ $status = 0 ] && line="1 passed, 0 failed"
	fi
	set -- $line
	passed=$((passed + $1)) failed=$((failed + $3))
	skipped=$((skipped + ${5:-0}))
	if [ "$3" != 0 ] || [ $status != 0 ]; then
		[ "$3" = 0 ] && failed=$((failed + 1))
		cat "$tmp/out"
		echo "not ok - $name: $line (status $status)"
	else
		echo "ok - $name: $line"
		grep '# SKIP' "$tmp/out"
	fi
}

# A part that writes its counts to a file and prints as it goes.
counted() {	# NAME SCRIPT ARGUMENT ...
	name=$1 script=$2
	shift 2
	: >"$tmp/count"
	sh "$script" -c "$tmp/count" "$@"
	status=$?
	set -- $(cat "$tmp/count")
	if [ $# -lt 4 ]; then
		echo "not ok - $name: it did not end (status $status)"
		failed=$((failed + 1))
		return
	fi
	passed=$((passed + $2)) failed=$((failed + $4))
	skipped=$((skipped + ${6:-0}))
	echo "$name: $2 passed, $4 failed, ${6:-0} skipped"
}

for t in "$R"/unit/t_*; do
	case $t in *.[ado]) continue ;; esac
	part "unit/${t##*/}" "$t"
done
for t in "$R"/fuzz/fuzz_*; do
	case $t in *.[ado]) continue ;; esac
	part "fuzz/${t##*/}" "$t" "regress/fuzz/corpus/${t##*/fuzz_}"
done
CONFDUMP=$(pwd)/$R/tools/confdump
export CONFDUMP
part config sh regress/config/run.sh
part script sh regress/script/run.sh -B "$B"
part manual sh regress/script/manual.sh -B "$B"
if [ "$what" = all ]; then
	POSTERN=$(cd "$B" && pwd)/smtpd/postern
	export POSTERN
	CONFDUMP='' part config-n sh regress/config/run.sh
	factor=1
	[ "${SAN:-0}" = 1 ] && factor=4
	export ONLY R
	counted talks regress/run-talks.sh -B "$B" -p "$R/parley/parley" \
	    -x $factor regress/talk/*.talk
	if [ -z "$ONLY" ]; then
		counted privsep regress/privsep/run.sh -B "$B" -O "$OBJ" \
		    -T "$R/privsep"
		counted real regress/real/run.sh -B "$B" -T "$R/real"
	fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
