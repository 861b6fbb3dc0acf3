#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Sockets in the file system: their rights, who removes them and when, what
# is taken for a dead one's, and where none is made.

. "$(dirname "$0")/lib.sh"

sock=$dir/sub/in.sock
rights='mode: 0640'

write_config()
{
	cat >"$dir/postern.yaml" <<-EOT
	hostname: privsep.test
	processes: {smtpd: 2}
	control: $dir/control
	log: {to: $dir/log}
	listener: {a: {bind: "unix:$sock", $rights}}
	$(users)
	EOT
}

# As stat(1) has it differently everywhere: "srw-r----- 0 0".
shown()
{
	LC_ALL=C ls -lnd "$1" 2>/dev/null |
	    awk '{ print substr($1, 1, 10), $3, $4 }'
}

inode()
{
	LC_ALL=C ls -id "$1" 2>/dev/null | awk '{ print $1 }'
}

reload()
{
	write_config
	"$build/smtpd/posternctl" -s "$dir/control" reload >"$dir/said" 2>&1
}

# -n: its status, and what it says without the numbers of lines.
check()
{
	write_config
	"$build/smtpd/postern" -n -f "$dir/postern.yaml" >"$dir/said" 2>&1
}

# says what, pattern
says()
{
	if grep -q "$2" "$dir/said"; then
		ok "$1"
	else
		not_ok "$1"
		sed 's/^/#	/' "$dir/said"
	fi
}

me="$(id -u) $(id -g)"
port=0
mkdir "$dir/sub"

start debug
is 'mode' "$(shown "$sock")" "srw-r----- $me"
is 'nothing else is there' "$(ls "$dir/sub")" in.sock
first=$(inode "$sock")
reload || not_ok 'reload'
is 'a reload keeps it' "$(inode "$sock")" "$first"
rights='mode: 666'
reload || not_ok 'reload with another mode'
is 'another mode' "$(shown "$sock")" "srw-rw-rw- $me"
if is_root; then
	rights='owner: nobody'
	reload || not_ok 'reload with an owner'
	is 'an owner, and the mode without one' "$(shown "$sock")" \
	    "srw-rw---- $(id -u nobody) $(id -g)"
	rights='owner: "nobody:12345", mode: 0600'
	reload || not_ok 'reload with a group'
	is 'a group that has no name' "$(shown "$sock")" \
	    "srw------- $(id -u nobody) 12345"
	chmod 777 "$dir/sub"
	rights='mode: 0600'
	reload && not_ok 'reload where all may write'
	says 'not where everybody may write' 'sub: everybody may write there'
	chmod 755 "$dir/sub"
	is 'what was there stays' "$(shown "$sock")" \
	    "srw------- $(id -u nobody) 12345"
else
	skip 'owners' 'only root may give a socket away'
	rights='mode: 0600'
fi
check
says '-n beside the one that runs' 'configuration OK'
rm "$sock"
reload || not_ok 'reload after the socket was removed'
[ -S "$sock" ] && ok 'a reload makes it anew' ||
    not_ok 'a reload makes it anew'

# A parent that is killed leaves it; its children end, and it is dead.
kill -KILL "$parent"
wait "$parent" 2>/dev/null
[ -S "$sock" ] && ok 'a killed one leaves it' || not_ok 'a killed one leaves it'
start debug
is 'it is made anew' "$(shown "$sock")" "srw------- $me"
stop
is 'a stop removes it' "$(ls "$dir/sub")" ''

# What somebody else has put there is his.
start debug
rm "$sock"
echo his >"$sock"
stop
is 'but not the file of another' "$(cat "$sock")" his
check && not_ok '-n with a file in the way'
says 'nor may a start' 'is there, and not a socket'
rm "$sock"
rmdir "$dir/sub"
check && not_ok '-n without the directory'
says 'nor where there is no directory' 'sub: No such file'
finish
