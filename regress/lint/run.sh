#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What can be said of the tree without compiling it.  Every line that a check
# prints is a finding; one is enough to fail.
#
# usage: SCHEMADOC=program run.sh

set -u
cd "$(dirname "$0")/../.." || exit 2
lint=regress/lint
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lint.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
checks=0

# Run a check by name; what it prints, or that it failed in silence, counts.
check() {
	name=$1
	shift
	checks=$((checks + 1))
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	sed 's/^/note: /' "$tmp/err"
	if [ $status -ne 0 ] && [ ! -s "$tmp/out" ]; then
		echo "failed with status $status" >"$tmp/out"
	fi
	sed "s|^|$name: |" "$tmp/out" | tee -a "$tmp/findings"
}

c_sources() {
	ls common/*.[ch] smtpd/*.[ch] verifyd/*.[ch] proxyd/*.[ch] \
	    regress/*/*.[ch]
}

knf_c() {
	# shellcheck disable=SC2046
	awk -f $lint/strip.awk -f $lint/knf.awk $(c_sources)
}

knf_text() {
	awk -v TEXT=1 -f $lint/strip.awk -f $lint/knf.awk README CHANGES \
	    GNUmakefile regress/GNUmakefile.inc \
	    $(find regress etc -name '*.sh' -o -name '*.awk' | sort)
}

manual() {
	for page in man/*.[1-8]; do
		mandoc -Tlint -Wwarning "$page"
	done
	return 0
}

shells() {
	for f in $(find . -name '*.sh' -not -path './.*' | sort) .ci/run; do
		sh -n "$f" 2>&1
	done
	return 0
}

schema() {
	[ -x "${SCHEMADOC:-}" ] || {
		echo "SCHEMADOC names no program"
		return 1
	}
	sh $lint/schemadoc.sh
}

: >"$tmp/findings"
check knf knf_c
check text knf_text
check include sh $lint/include.sh
check names sh $lint/names.sh
check readme sh $lint/readme.sh
check mandoc manual
check sh shells
check schemadoc schema

findings=$(wc -l <"$tmp/findings")
echo "lint: $checks checks, $((findings)) findings"
[ "$findings" -eq 0 ]
