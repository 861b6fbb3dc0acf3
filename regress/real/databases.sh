#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The databases that other tests ask are what those take them for: one that
# was stopped, killed or frozen is that, and comes back with what it had.
# See lib.sh for the options.

. "$(dirname "$0")/lib.sh"
. "$here/postgres.sh"

# --- SQLite ------------------------------------------------------------------

if has sqlite3; then
	sqlite3 "$tmp/users.db" "CREATE TABLE users (address TEXT PRIMARY KEY);
	    INSERT INTO users VALUES ('joe@example.org')"
	is "SQLite: a row" "$(sqlite3 "$tmp/users.db" \
	    "SELECT count(*) FROM users WHERE address = 'joe@example.org'")" 1
else
	skip "SQLite" "no sqlite3"
fi

# --- PostgreSQL --------------------------------------------------------------

why=$(pg_missing)
if [ -n "$why" ]; then
	skip "PostgreSQL" "$why"
	finish
fi

# as host: what the role is told there, by its password in $password
as()
{
	env -i PATH="$PATH" HOME="$tmp" PGCONNECT_TIMEOUT=2 \
	    PGPASSWORD="$password" psql -X -q -A -t -h "$1" -p "$port" \
	    -U reader -d users -c 'SELECT address FROM users' 2>&1
}

refused()
{
	! as 127.0.0.1 >/dev/null
}

port=$(real ports 1)
pg_make db "$port" 'max_connections = 20'
pg_start db
ok "PostgreSQL: a cluster of our own starts"
pg_role db reader 'pass word' users
pg_sql db users "CREATE TABLE users (address text PRIMARY KEY);
    INSERT INTO users VALUES ('joe@example.org');
    GRANT SELECT ON users TO reader"
password='pass word'
is "PostgreSQL: by TCP" "$(as 127.0.0.1)" joe@example.org
is "PostgreSQL: by its socket" "$(as "$tmp/db/run")" joe@example.org
is "PostgreSQL: its settings are taken" \
    "$(pg_sql db postgres 'SHOW max_connections')" 20
password=wrong
like "PostgreSQL: not without the password" "$(as 127.0.0.1)" \
    '*password authentication failed*'
password='pass word'

pg_freeze db
# Not by its time: one that is frozen never answers.
if refused; then
	ok "PostgreSQL: a frozen one does not answer"
else
	not_ok "PostgreSQL: a frozen one does not answer"
fi
pg_thaw db
is "PostgreSQL: thawed" "$(as 127.0.0.1)" joe@example.org

pg_stop db
if refused; then
	ok "PostgreSQL: a stopped one refuses"
else
	not_ok "PostgreSQL: a stopped one refuses"
fi
pg_start db
is "PostgreSQL: started again" "$(as 127.0.0.1)" joe@example.org
pg_kill db
if refused; then
	ok "PostgreSQL: a killed one refuses"
else
	not_ok "PostgreSQL: a killed one refuses"
fi
pg_start db
is "PostgreSQL: recovered" "$(as 127.0.0.1)" joe@example.org
pg_restart db
is "PostgreSQL: restarted" "$(as 127.0.0.1)" joe@example.org
pg_end
if pg_gone db; then
	ok "PostgreSQL: nothing is left"
else
	not_ok "PostgreSQL: nothing is left"
fi
finish
