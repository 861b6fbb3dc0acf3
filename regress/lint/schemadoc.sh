#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The tables of postern.yaml(5) are those of the program: between
#	.\" BEGIN schema NAME
#	.\" END schema
# stands what regress/tools/schemadoc prints for NAME, and every table stands
# somewhere.  With -u they are written anew.
#
# usage: SCHEMADOC=program schemadoc.sh [-u] [page]

set -u
update=false
if [ "${1:-}" = -u ]; then
	update=true
	shift
fi
page=${1:-$(dirname "$0")/../../man/postern.yaml.5}
new=$(mktemp "${TMPDIR:-/tmp}/schemadoc.XXXXXX") || exit 2
trap 'rm -f "$new"' EXIT

skip=false
while IFS= read -r line; do
	case $line in
	'.\" BEGIN schema '*)
		printf '%s\n' "$line"
		"${SCHEMADOC:?}" "${line#'.\" BEGIN schema '}" || exit 1
		skip=true
		;;
	'.\" END schema')
		skip=false
		printf '%s\n' "$line"
		;;
	*)
		$skip || printf '%s\n' "$line"
		;;
	esac
done <"$page" >"$new" || exit 1

res=0
"$SCHEMADOC" -l >"$new.names" || exit 1
while IFS= read -r name; do
	grep -qxF '.\" BEGIN schema '"$name" "$page" || {
		echo "$page: no table of $name"
		res=1
	}
done <"$new.names"
rm -f "$new.names"
if $update; then
	cat "$new" >"$page"
elif ! diff -u "$page" "$new"; then
	echo "$page: tables differ, see $0 -u"
	res=1
fi
exit $res
