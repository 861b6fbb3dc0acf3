#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What our own object files ask of the libraries: a process that never names
# connect cannot be talked into calling it, whatever the kernel would say.
# The lists of objects are GNUmakefile's, as they are linked.

. "$(dirname "$0")/lib.sh"

files='creat fdopendir fopen freopen mkdir mkdtemp mkstemp open openat opendir
    rename renameat rmdir symlink tmpfile truncate unlink unlinkat'
processes='daemon dlopen execl execle execlp execv execve execvp fexecve fork
    kill popen posix_spawn posix_spawnp ptrace system vfork wordexp'
names='getaddrinfo gethostbyaddr gethostbyname getnameinfo getpwnam getpwuid
    getservbyname openlog res_query res_search syslog vsyslog'
sockets='bind connect listen socket socketpair'

# symbols object ...: undefined ones, without what fortification and large
# files make of their names.
symbols()
{
	nm -u "$@" | sed -n 's/^ *[Uw] //p' | sed 's/@.*//; s/^__//
	    s/_chk$//; s/_2$//; s/64$//' | sort -u
}

# objects program
objects()
{
	make -s -C "$build" "print-OBJS_$1" | tr -s ' \t' '\n' |
	    sed -n "/./s|.*|$objects/&.o|p"
}

# The one file that knows the jail may do what it does before it is entered.
own_objects()
{
	objects "$1" | grep -v '/common/sandbox_[a-z]*\.o$'
}

# without what, forbidden symbols; objects on standard input
without()
{
	xargs nm -u >/dev/null 2>"$dir/nm" <"$dir/objects" ||
	    { not_ok "$1: $(head -n 1 "$dir/nm")"; return; }
	# shellcheck disable=SC2046
	symbols $(cat "$dir/objects") >"$dir/symbols"
	shift_what=$1
	shift
	printf '%s\n' "$@" | sort -u >"$dir/forbidden"
	found=$(comm -12 "$dir/symbols" "$dir/forbidden" | tr '\n' ' ')
	is "$shift_what" "$found" ''
}

# Is anything found at all?  The parent has what the others must not.
objects postern >"$dir/objects"
# shellcheck disable=SC2046
symbols $(cat "$dir/objects") >"$dir/symbols" 2>/dev/null
for symbol in bind execve fork open socketpair; do
	is "the parent has $symbol" "$(grep -cx "$symbol" "$dir/symbols")" 1
done

# Words are wanted everywhere below.
# shellcheck disable=SC2086
{
	own_objects smtpd >"$dir/objects"
	without 'smtpd: no files, processes, names, sockets' \
	    $files $processes $names $sockets accept

	own_objects dialer >"$dir/objects"
	without 'dialer: no files, processes, names, listening' \
	    $files $processes $names listen socketpair accept accept4
	# Frames come by recvmsg, and only msg.c takes frames.
	without 'dialer: reads nothing' read readv recv recvfrom recvmmsg
	grep -v '/common/msg\.o$' "$dir/objects" >"$dir/some"
	mv "$dir/some" "$dir/objects"
	without 'dialer: reads nothing but frames' recvmsg

	own_objects resolved >"$dir/objects"
	without 'resolved: no processes, names, sockets of its own' \
	    $processes $names $sockets accept accept4
	grep -v '/verifyd/\(dns\|hosts\)\.o$' "$dir/objects" >"$dir/some"
	mv "$dir/some" "$dir/objects"
	without 'resolved: files only for dns.c and hosts.c' $files
}
finish
