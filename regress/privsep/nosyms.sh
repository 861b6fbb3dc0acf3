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
sockets='bind connect listen socket'

# symbols object ...: undefined ones, without what fortification and large
# files make of their names.  1 if an object cannot be read.
symbols()
{
	nm -u "$@" >"$dir/raw" 2>"$dir/nm" || return 1
	sed -n 's/^ *[Uw] //p' "$dir/raw" | sed 's/@.*//; s/^__//
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

# Those in $dir/objects but one.
except()
{
	grep -v "/$1\.o\$" "$dir/objects" >"$dir/some"
	mv "$dir/some" "$dir/objects"
}

# without what, forbidden symbol ...: in none of $dir/objects.
without()
{
	what=$1
	shift
	if [ ! -s "$dir/objects" ]; then
		not_ok "$what: no objects"
		return
	fi
	# shellcheck disable=SC2046	# words are wanted
	if ! symbols $(cat "$dir/objects") >"$dir/symbols"; then
		not_ok "$what: $(head -n 1 "$dir/nm")"
		return
	fi
	printf '%s\n' "$@" | sort -u >"$dir/forbidden"
	is "$what" "$(comm -12 "$dir/symbols" "$dir/forbidden" |
	    tr '\n' ' ')" ''
}

# Is anything found at all?  The parent has what the others must not.
objects postern >"$dir/objects"
# shellcheck disable=SC2046
symbols $(cat "$dir/objects") >"$dir/symbols"
for symbol in bind execve fork open socketpair; do
	is "the parent has $symbol" "$(grep -cx "$symbol" "$dir/symbols")" 1
done

# Words are wanted everywhere below.
# shellcheck disable=SC2086
{
	own_objects smtpd >"$dir/objects"
	without 'smtpd: no files, processes, names, sockets' \
	    $files $processes $names $sockets accept
	# Before the jail, one handshake with itself has OpenSSL load all.
	except 'common/tlsctx_prepare'
	without 'smtpd: a pair of sockets only for tlsctx_prepare.c' \
	    socketpair

	own_objects verifyd >"$dir/objects"
	without 'verifyd: no files, processes, names, sockets' \
	    $files $processes $names $sockets accept accept4
	except 'common/tlsctx_prepare'
	without 'verifyd: a pair of sockets only for tlsctx_prepare.c' \
	    socketpair

	own_objects dialer >"$dir/objects"
	without 'dialer: no files, processes, names, listening' \
	    $files $processes $names listen socketpair accept accept4
	# Frames come by recvmsg, and only msg.c takes frames.
	without 'dialer: reads nothing' read readv recv recvfrom recvmmsg
	except common/msg
	without 'dialer: reads nothing but frames' recvmsg

	own_objects resolved >"$dir/objects"
	without 'resolved: no processes, names, sockets of its own' \
	    $processes $names $sockets socketpair accept accept4
	except verifyd/dns
	except verifyd/hosts
	without 'resolved: files only for dns.c and hosts.c' $files

	own_objects proxyd >"$dir/objects"
	without 'proxyd: no files, processes, names, sockets' \
	    $files $processes $names $sockets socketpair accept accept4
	# Lua is a library; what loads code or opens files is not called.
	without 'proxyd: of Lua no bytecode, no files, no modules' \
	    lua_dump luaL_loadfilex luaL_dofile luaL_openlibs luaopen_io \
	    luaopen_os luaopen_package luaopen_debug luaopen_coroutine

	# What opens and connects there is SQLite and libpq.
	own_objects lookupd >"$dir/objects"
	without 'lookupd: no files, processes, names, sockets of its own' \
	    $files $processes $names $sockets socketpair accept accept4
}
finish
