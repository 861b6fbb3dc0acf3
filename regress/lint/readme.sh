#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Files that the README and the manual pages of this tree speak of exist.

set -u
cd "$(dirname "$0")/../.." || exit 2

for page in README man/*.[1-8]; do
	[ -e "$page" ] || continue
	tr -c 'A-Za-z0-9_./\n-' ' ' <"$page" | awk '{
		for (i = 1; i <= NF; i++)
			if ($i ~ \
			    /^(common|smtpd|verifyd|proxyd|regress|etc|man)\//)
				print NR, $i
	}' | sed 's/[.]*$//' | while read -r line path; do
		case $path in
		etc/postern/*|*/\**)	continue ;;	# installed; a pattern
		smtpd/postern|smtpd/posternctl|smtpd/smtpd)	continue ;;
		verifyd/verifyd|verifyd/dialer)	continue ;;
		verifyd/resolved|proxyd/lookupd)	continue ;;
		esac
		[ -e "$path" ] || [ -e "$path.c" ] ||
		    echo "$page:$line: $path does not exist"
	done
done

# Pages that name each other by .Xr and are ours.
for page in man/*.[1-8]; do
	grep -n '^\.Xr p[oa][a-z.-]* [1-8]' "$page" |
	    while IFS=': ' read -r line macro name section rest; do
		case $name in
		postern*|parley)
			[ -e "man/$name.$section" ] ||
			    echo "$page:$line: $name($section) is not there"
			;;
		esac
	done
done
