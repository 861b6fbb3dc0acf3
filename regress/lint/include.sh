#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The layers: who may include what, and who may call what.
#
#	A	addr base64 block buf id log mono proxy_header siphash
#		sql_params state timer util wire word
#	B	smtp.h, smtp_*.c, idn, utf8: pure, nothing but libc, and
#		idn.c libidn2
#	C	messages, processes, configuration, sandbox
#	D	streams: io, tlsctx, smtp_client; scripts' messages
#	smtpd, verifyd, proxyd	on top of all, and never of each other
#
# A layer includes itself and what is written before it in allowed[].  What
# is said here about libraries and calls is said of sources; nosyms.sh says
# the same of the objects, where it counts.

set -u
lint=$(dirname "$0")
cd "$lint/../.." || exit 2

awk -f regress/lint/strip.awk -f - common/*.[ch] smtpd/*.[ch] \
    verifyd/*.[ch] proxyd/*.[ch] <<'EOF'
function finding(what) {
	print FILENAME ":" FNR ": " what
}

function layer(name) {
	sub(/.*\//, "", name)
	sub(/\.[ch]$/, "", name)
	if (name ~ /^(addr|base64|block|buf|id|log|mono|proxy_header)$/ ||
	    name ~ /^(siphash|sql_params|state|timer|util|wire|word)$/)
		return "A"
	if (name ~ /^(io|tlsctx|smtp_client)(_[a-z]+)*$/ ||
	    name ~ /^(list_entry|proto_script|hook_(session|verdict))$/)
		return "D"
	if (name ~ /^(smtp(_[a-z]+)?|idn|utf8)$/)
		return "B"
	if (name ~ /^(msg|proto|peer|proc)$/ ||
	    name ~ /^(config|list|rule|schema|sandbox)(_[a-z]+)?$/)
		return "C"
	return ""
}

BEGIN {
	allowed["A"] = "A"
	allowed["B"] = "B"
	allowed["C"] = "A C"
	allowed["D"] = "A B C D"

	# what layer B may have of libc: inet_pton(3) needs the sockets'
	pure = "^(ctype|endian|errno|idn2|limits|std[a-z]+|strings?|" \
	    "arpa/inet|sys/(types|socket))\\.h$"

	# libraries, and the sources that may use them
	lib["idn2.h"] = "^common/idn\\.c$"
	lib["yaml.h"] = "^smtpd/parent_yaml\\.c$"
	lib["tls.h"] = "^(common/(io|tlsctx)[a-z_]*|smtpd/front_tls)\\.c$"
	lib["openssl/"] = "^common/tlsctx[a-z_]*\\.c$"
	lib["ares.h"] = "^verifyd/(resolved|dns)\\.[ch]$"
	lib["cdb.h"] = "^verifyd/(list_build|lookup)\\.c$"
	lib["sqlite3.h"] = "^proxyd/look_sqlite[a-z_]*\\.[ch]$"
	lib["libpq-fe.h"] = "^proxyd/look_pq[a-z_]*\\.[ch]$"
	lib["lua.h"] = lib["lauxlib.h"] = lib["lualib.h"] = \
	    "^proxyd/(script\\.h|lua_[a-z]+\\.c)$"
	lib["seccomp.h"] = "^common/sandbox_linux\\.c$"
	lib["linux/"] = "^common/sandbox_linux\\.c$"
	lib["regex.h"] = "^common/rule[a-z_]*\\.[ch]$"
	lib["event.h"] = "^(common/(io|peer|proc|timer)[a-z_]*|" \
	    "smtpd/(parent|front_listen)[a-z_]*|verifyd/[a-z_]+|" \
	    "proxyd/look_(pq|sqlite_run))\\.[ch]$"

	# calls, and the sources that may make them
	parent = "smtpd/parent[a-z_]*\\.c"
	call["open|openat|fopen|opendir|creat|mkstemp|rename|unlink"] = \
	    "^(" parent "|verifyd/(resolved|dns|hosts)\\.c|" \
	    "smtpd/ctl_script\\.c|common/sandbox_[a-z]+\\.c)$"
	call["mmap"] = "^common/list_file\\.c$"
	call["socket|connect"] = "^(" parent "|smtpd/ctl\\.c|" \
	    "verifyd/(connect|dial|dns)\\.c)$"
	call["bind|listen"] = "^(" parent "|verifyd/connect\\.c)$"
	call["vfork|execve?|execvp?|execl[ep]?|posix_spawn"] = \
	    "^smtpd/(parent_program|ctl_script)\\.c$"
	call["fork|daemon"] = \
	    "^smtpd/parent(_cache|_program|_spawn)?\\.c$"
	call["system|popen|dlopen|getaddrinfo|gethostbyname|getnameinfo"] = \
	    "^$"
	call["bufferevent_[a-z_]+|pthread_[a-z_]+|alloca"] = "^$"
	call["strcpy|strcat|sprintf|vsprintf|gets|strncpy|strncat|strtok"] = \
	    "^$"
	call["atoi|atol|atoll|rand|random|srand"] = "^$"
}

# The name between the quotes or brackets of an #include.
function included(line) {
	sub(/^#[ \t]*include[ \t]+["<]/, "", line)
	sub(/[">].*/, "", line)
	return line
}

function exists(path) {
	return system("test -e " path) == 0
}

function own(name,	from, to) {
	if (!exists("common/" name)) {
		if (!exists(dir "/" name))
			finding("includes " name ", which is neither beside " \
			    "it nor in common")
		return
	}
	if (dir != "common")
		return
	from = layer(FILENAME)
	to = layer(name)
	if (from == "")
		finding("belongs to no layer: see include.sh")
	else if (index(allowed[from], to) == 0)
		finding("layer " from " includes " name " of layer " to)
}

function system_header(name,	l) {
	if (layer(FILENAME) == "B" && dir == "common" && name !~ pure)
		finding("layer B includes <" name ">")
	for (l in lib)
		if (index(name, l) == 1 && FILENAME !~ lib[l])
			finding("includes <" name ">: only " lib[l])
}

FNR == 1 {
	strip_reset()
	dir = FILENAME
	sub(/\/.*/, "", dir)
}

{
	code = strip($0)
}

/^#[ \t]*include[ \t]+"/ {
	own(included($0))
	next
}

/^#[ \t]*include[ \t]+</ {
	system_header(included($0))
	next
}

# A call: the name, an opening parenthesis, and no type before it.
code ~ /\(/ && FILENAME ~ /\.c$/ {
	for (c in call)
		if (code ~ "(^|[^A-Za-z0-9_.>])(" c ")\\(" &&
		    FILENAME !~ call[c])
			finding("calls one of " c ": only " call[c])
}
EOF
