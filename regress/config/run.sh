#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Configurations and what postern says to them.
#
#	NNN-name.yml	a configuration
#	NNN-name.ok	what -nv prints for it; that text, read again, must
#			print itself and warn no more than the file did
#	NNN-name.warn	the warnings that it gets (none without the file)
#	NNN-name.err	or all the lines of errors and warnings that it gets
#
# usage: run.sh [-u] [name ...]
#	-u	write .ok, .warn and .err anew: look at the difference then
#
# CONFDUMP is a program used as confdump(regress/tools); without it POSTERN is
# asked by -n.  The macro dir is a directory with files that the cases name.

set -u
update=false
if [ "${1:-}" = -u ]; then
	update=true
	shift
fi
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d "${TMPDIR:-/tmp}/config.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

show() {	# FILE: canonical YAML on stdout, messages on stderr
	if [ -n "${CONFDUMP:-}" ]; then
		$CONFDUMP -v -D dir="$tmp" -D name=lmtp -D port=2525 "$1"
	else
		${POSTERN:?} -nv -D dir="$tmp" -D name=lmtp -D port=2525 \
		    -f "$1"
	fi
}

# The directory's name differs from run to run, the file's is not of interest.
# Databases that the cases name are nowhere, of which only -n, who asks them,
# warns.
clean() {
	sed -e "/^configuration OK\$/d" -e "s|$tmp|DIR|g" \
	    -e "s|^[0-9]*-[a-z0-9-]*\\.yml:|postern.yaml:|" |
	    if [ -n "${CONFDUMP:-}" ]; then
		cat
	    else
		sed -e '/^[^ ]* lookupd\/[0-9]* warn: datasource /d' \
		    -e '/: warning: datasource\.[a-z]*\.uri: /d'
	    fi
}

# Files that the cases name.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 30 -subj /CN=mx1.example.org -keyout "$tmp/key.pem" \
    -out "$tmp/cert.pem" 2>/dev/null || { echo "no openssl"; exit 2; }
chmod 600 "$tmp/key.pem"
cp "$tmp/key.pem" "$tmp/open.pem"
chmod 644 "$tmp/open.pem"
printf '# networks and names\n10.0.0.0/8\nUser@Example.ORG\tits value\n' \
    >"$tmp/list.txt"
printf 'good\n10.0.0.1/8\n' >"$tmp/bad.txt"
# A cdb without records: 256 tables of no slots, behind themselves.
awk 'BEGIN { for (; i < 256; i++) printf "@b@@@@@@" }' | tr '@b' '\0\10' \
    >"$tmp/empty.cdb"
head -c 2000 "$tmp/empty.cdb" >"$tmp/short.cdb"
cat "$tmp/empty.cdb" "$tmp/list.txt" >"$tmp/torn.cdb"
{ printf '\000\010\000\000\002\000\000\000'
    tail -c +9 "$tmp/empty.cdb"; } >"$tmp/cut.cdb"
printf 'if arguments.command == "NOOP" then\n\tproxy.Reply("file: #1")\nend' \
    >"$tmp/edge.lua"
printf 'x = 1\0' >"$tmp/nul.lua"
: >"$tmp/nothing.lua"
awk 'BEGIN {
	for (; i < 8192; i++)
		print "-- a line that has 32 octets..."
}' >"$tmp/most.lua"
{ cat "$tmp/most.lua"; echo; } >"$tmp/more.lua"

failed=0
total=0
fail() {
	failed=$((failed + 1))
	echo "not ok config/$1: $2"
	echo "#	regress/config/run.sh $1"
}

same() {	# NAME WANTED GOT
	if [ ! -e "$2" ]; then
		fail "$1" "no $2"
	elif ! diff -u "$2" "$3"; then
		fail "$1" "not as $2"
	fi
}

one() {		# NAME
	show "$1.yml" >"$tmp/out" 2>"$tmp/msg"
	res=$?
	clean <"$tmp/msg" >"$tmp/msg.clean"
	clean <"$tmp/out" >"$tmp/out.clean"
	if $update; then
		rm -f "$1.ok" "$1.warn" "$1.err"
		if [ $res -ne 0 ]; then
			cp "$tmp/msg.clean" "$1.err"
		else
			cp "$tmp/out.clean" "$1.ok"
			[ -s "$tmp/msg.clean" ] &&
			    cp "$tmp/msg.clean" "$1.warn"
		fi
	fi
	if [ $res -ne 0 ]; then
		same "$1" "$1.err" "$tmp/msg.clean"
		return
	fi
	same "$1" "$1.ok" "$tmp/out.clean"
	if [ -e "$1.warn" ] || [ -s "$tmp/msg.clean" ]; then
		same "$1" "$1.warn" "$tmp/msg.clean"
	fi
	# What was printed means the same.
	cp "$tmp/out" "$tmp/again.yml"
	if ! show "$tmp/again.yml" >"$tmp/out2" 2>"$tmp/msg2"; then
		cat "$tmp/msg2"
		fail "$1" "its -nv is refused"
	elif ! diff -u "$tmp/out" "$tmp/out2"; then
		fail "$1" "its -nv reads otherwise"
	elif [ "$(wc -l <"$tmp/msg")" != "$(wc -l <"$tmp/msg2")" ]; then
		cat "$tmp/msg2"
		fail "$1" "its -nv has other warnings"
	fi
}

all=false
[ $# -gt 0 ] || { all=true; set -- [0-9]*.yml; }
for case; do
	total=$((total + 1))
	one "${case%.yml}"
done

# The examples that are installed, and those of the manual.
clean_run() {	# FILE NAME
	total=$((total + 1))
	if ! show "$1" >/dev/null 2>"$tmp/msg"; then
		cat "$tmp/msg"
		fail "$2" "refused"
	elif [ -n "$(clean <"$tmp/msg")" ]; then
		cat "$tmp/msg"
		fail "$2" "has warnings"
	fi
}
if $all; then
	clean_run ../../etc/postern.yaml etc/postern.yaml
	for file in ../../etc/examples/*.yaml; do
		clean_run "$file" "${file#../../}"
	done
	awk -v dir="$tmp" '
	    /^\.Sh/ { on = $2 == "EXAMPLES" }
	    /^\.Bd/ { if (on) { n++; text = 1 }; next }
	    /^\.Ed/ { text = 0 }
	    text { print >(dir "/example" n ".yml") }
	' ../../man/postern.yaml.5
	for file in "$tmp"/example[0-9]*.yml; do
		clean_run "$file" "man/postern.yaml.5 ${file##*/}"
	done
fi
echo "config: $((total - failed)) passed, $failed failed"
[ $failed -eq 0 ]
