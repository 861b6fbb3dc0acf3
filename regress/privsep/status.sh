#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The walls as the kernel sees them from outside: /proc/PID.

. "$(dirname "$0")/lib.sh"

if [ "$(uname -s)" != Linux ]; then
	skip 'state of the processes' '/proc is wanted'
	finish
fi

# field pid name: of /proc/PID/status
field()
{
	sed -n "s/^$2:[	 ]*//p" "/proc/$1/status"
}

# limit pid name: the soft and the hard one
limit()
{
	sed -n "s/^$2  *\([^ ]*\)  *\([^ ]*\) .*/\1 \2/p" "/proc/$1/limits"
}

# Real, effective, saved, of files: none is 0.
no_zero()
{
	case " $(echo "$2" | tr '\t' ' ') " in
	*' 0 '*)	not_ok "$1: $2" ;;
	*)		ok "$1" ;;
	esac
}

as_root()
{
	no_zero "$name: user ids" "$(field "$pid" Uid)"
	no_zero "$name: group ids" "$(field "$pid" Gid)"
	no_zero "$name: groups" "$(field "$pid" Groups)"
	for set in CapInh CapPrm CapEff CapAmb; do
		is "$name: $set" "$(field "$pid" "$set")" 0000000000000000
	done
	case $name in
	resolved*|lookupd*)
		is "$name: root" "$(readlink "/proc/$pid/root")" / ;;
	*)	is "$name: empty root" "$(find "/proc/$pid/root/" \
		    -mindepth 1 2>&1)" ''
		is "$name: not the system's root" \
		    "$(stat -L -c %d:%i "/proc/$pid/root" |
		    grep -cx "$(stat -L -c %d:%i /)")" 0
		is "$name: works in its root" \
		    "$(stat -L -c %d:%i "/proc/$pid/cwd")" \
		    "$(stat -L -c %d:%i "/proc/$pid/root")" ;;
	esac
}

start daemon
children >"$dir/children"
is 'processes' "$(awk '{ print $1 }' "$dir/children" | sort | tr '\n' ' ')" \
    'dialer lookupd lookupd lookupd proxyd resolved smtpd smtpd verifyd '
is 'status names datasources' "$(status | awk '$1 == "lookupd" {
    print $12 }' | tr '\n' ' ')" 'routes people notes '
while read -r role index pid; do
	name="$role $index"
	is "$name: seccomp filters" "$(field "$pid" Seccomp)" 2
	is "$name: no new privileges" "$(field "$pid" NoNewPrivs)" 1
	is "$name: threads" "$(field "$pid" Threads)" 1
	is "$name: parent" "$(field "$pid" PPid)" "$parent"
	is "$name: core size" "$(limit "$pid" 'Max core file size')" '0 0'
	is "$name: no password in its title" \
	    "$(grep -c hidden-word "/proc/$pid/cmdline")" 0
	is "$name: processes" "$(limit "$pid" 'Max processes')" '0 0'
	# The kernel gives the files of one that may be dumped to its user.
	is "$name: not dumpable" "$(stat -c %u "/proc/$pid/stat")" 0
	if is_root; then
		as_root
	else
		skip "$name: ids, capabilities, root directory" \
		    'they are given up by root'
	fi
done <"$dir/children"
# Were these read from the wrong place, the parent would look as tight.
is 'the parent has no filter' "$(field "$parent" Seccomp)" 0
stop
finish
