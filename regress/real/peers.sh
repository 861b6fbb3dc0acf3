#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Mail servers for tests that cannot be installed beside another: Debian has
# one mail-transport-agent at a time, and Postfix is that.  Their packages
# are fetched and unpacked, not installed.
#
#	peers.sh dir package ...
#
# What there is none of, because the machine has no apt or no net, is said,
# and is no error: the tests that want it say so again when they skip.  Only
# what such a program needs besides itself must be installed by its names in
# the makefile.

dir=${1:?}
shift
mkdir -p "$dir" || exit 1
dir=$(cd "$dir" && pwd) || exit 1

# fetch package: into $dir/package, which is there when all of it is
fetch()
{
	rm -rf "$dir/new"
	mkdir "$dir/new" || return 1
	(cd "$dir/new" && apt-get download -qq -o APT::Sandbox::User=root \
	    "$1" && dpkg -x "$1"_*.deb root) </dev/null >"$dir/log" 2>&1 &&
	    mv "$dir/new/root" "$dir/$1"
}


for p; do
	[ -d "$dir/$p" ] && continue
	if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null
	then
		echo "  no apt to fetch $p by: its tests will be skipped"
	elif fetch "$p"; then
		echo "  fetched  $p"
	elif [ "$(id -u)" -eq 0 ] && apt-get update -qq >/dev/null 2>&1 &&
	    fetch "$p"; then
		echo "  fetched  $p"
	else
		echo "  $p cannot be fetched: its tests will be skipped"
		sed 's/^/    /' "$dir/log"
	fi
done
rm -rf "$dir/new"
exit 0
