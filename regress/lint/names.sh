#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Names and sizes: a prototype in a header has a comment of its own or
# belongs to a group that has one; no function is over 100 lines and no file
# over 900 (tests: 1200).  Functions over 80 lines are counted on stderr, that
# is all.

set -u
cd "$(dirname "$0")/../.." || exit 2
sources='common/*.c smtpd/*.c verifyd/*.c regress/*/*.c'
headers='common/*.h smtpd/*.h verifyd/*.h'

for f in $sources $headers; do
	[ -e "$f" ] || continue
	case $f in
	*/misc.c|*/misc.h|*/utils.c|*/common.c)
		echo "$f: a name that says nothing"
		;;
	esac
	n=$(wc -l <"$f")
	case $f in
	regress/*)	most=1200 ;;
	*)		most=900 ;;
	esac
	[ "$n" -le $most ] || echo "$f:$n: over $most lines"
	head -n 5 "$f" | grep -q 'SPDX-License-Identifier: ISC' ||
	    echo "$f:1: no licence"
done

# A group is what stands between blank lines, or a struct and what follows
# it; a line like /* --- front_log.c --- */ comments the group behind it.
# shellcheck disable=SC2086
awk '
FNR == 1 {
	commented = section = in_comment = 0
}
/^\/\* ---/ {
	section = 1
}
/^};/ {
	section = commented
}
/^$/ {
	if (!section)
		commented = 0
	section = 0
	next
}
/\/\*/ {
	commented = 1
}
/^[a-z][A-Za-z0-9_ *\t]*[ *\t][a-z0-9_]+\(/ && !/^static|^typedef|^#/ {
	if (!commented)
		print FILENAME ":" FNR ": prototype without a comment"
}
' $headers

# shellcheck disable=SC2086
awk -v stderr=/dev/stderr '
/^[a-z_A-Z]/ {
	begun = FNR
	name = $0
	sub(/\(.*/, "", name)
}
/^\{/ {
	from = FNR
}
/^\}/ && from > 0 {
	n = FNR - from + 1
	if (n > 100)
		print FILENAME ":" begun ": " name "() has " n " lines"
	else if (n > 80)
		many++
	from = 0
}
END {
	if (many > 0)
		print many " functions over 80 lines" >stderr
}
' $sources
