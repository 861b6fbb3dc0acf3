#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Runs what installs packages for tests, so that no server among them is
# started by that, and so that PostgreSQL's makes no database of its own,
# which it would else do at its first installation.
#
#	install.sh name=value ... command argument ...
#
# Debian's scripts ask the run level, and postgresql-common(7) the files of
# this directory.  Ours is there for the time of the installation only: who
# wants a cluster on this machine later gets one.

dir=/etc/postgresql-common/createcluster.d
file=$dir/postern-tests.conf
made=''

undo()
{
	rm -f "$file"
	for d in $made; do
		rmdir "$d" 2>/dev/null
	done
}

trap undo EXIT
trap 'exit 1' HUP INT TERM
for d in "${dir%/*}" "$dir"; do
	[ -d "$d" ] || made="$d $made"
done
mkdir -p "$dir" && echo 'create_main_cluster = false' >"$file" || exit 1
env RUNLEVEL=1 "$@"
