/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A question put to SQLite.
 *
 * It is answered while it is asked, so nothing may take longer than the time
 * that it has: a progress handler looks at the clock every so many steps of
 * SQLite's machine, and a lock is waited for by trying again until then.
 *
 * Queries of the configuration are put when they are read.  What scripts ask
 * waits for a turn of its own, one statement for each, so that whatever was
 * sent meanwhile is read before the next one; and one that runs while somebody
 * else waits gives way after a quarter of the datasource's timeout.
 *
 * What a query could do beyond its database (ATTACH, PRAGMA, load_extension)
 * is refused whoever asks.  Scripts have less than that: what they may do is
 * told, all else is refused.  Nothing stays behind on the connection, which
 * they share with the queries (transactions, temporary tables, which would be
 * found instead of those of the file), nothing that runs later in somebody
 * else's statement (triggers, views), no virtual tables.
 *
 * SQLite looks at the clock between the steps of its machine only, and one
 * step may compare a long value with a long value, so the length of values is
 * bounded for scripts; memory and the size of a statement are, too, since
 * what prepares it looks at no clock at all.
 */

#include <sys/time.h>

#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "look_sqlite.h"
#include "util.h"

#define STEPS		1000		/* between looks at the clock */
#define STEPS_SCRIPT	20
#define LOCK_WAIT	2000000		/* ns */
#define WAITS_EVERY	10		/* ms: does somebody else wait */
#define HEAP_MAX	(256 * 1024 * 1024)
#define HEAP_SCRIPT	(64 * 1024 * 1024)
#define HEAP_PREPARE	(8 * 1024 * 1024)	/* beyond what is in use */

static struct {
	int64_t		 deadline;	/* ms of the clock, of this question */
	bool		 late;		/* it has passed */
	bool		 script;	/* whose question it is */
	bool		 limited;	/* the limits are those of scripts */
	int64_t		 looked;	/* script: does somebody wait */
	int64_t		 waits;		/* since then; 0: nobody */
	bool		 gave_way;
} run;

static struct event	next_turn;

/* Limits of a connection: of queries, and of scripts. */
static const struct {
	int	id, query, script;
} limits[] = {
	{ SQLITE_LIMIT_LENGTH, 2 * ROWS_ROOM, 100000 },
	{ SQLITE_LIMIT_EXPR_DEPTH, 1000, 200 },
	{ SQLITE_LIMIT_COMPOUND_SELECT, 500, 50 },
	{ SQLITE_LIMIT_VDBE_OP, 1000000, 25000 },
	{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000, 100 },
	{ SQLITE_LIMIT_VARIABLE_NUMBER, SQL_PARAMS_MAX, SQL_PARAMS_MAX },
	{ SQLITE_LIMIT_TRIGGER_DEPTH, 100, 20 },
	{ SQLITE_LIMIT_ATTACHED, 0, 0 },
	{ SQLITE_LIMIT_WORKER_THREADS, 0, 0 }
};

/* --- time ----------------------------------------------------------------- */

/* Not the turn's time, which stands still while we work. */
static int64_t
clock_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A script's statement: has somebody else waited for long enough? */
static bool
gives_way(int64_t now)
{
	if (now - run.looked < WAITS_EVERY)
		return false;
	run.looked = now;
	if (!somebody_waits())
		run.waits = 0;
	else if (run.waits == 0)
		run.waits = now;
	return run.waits != 0 && now - run.waits >= source.timeout / 4;
}

static int
is_late(void *arg)
{
	int64_t	now = clock_ms();

	(void)arg;
	if (now >= run.deadline)
		run.late = true;
	else if (run.script && !run.late && gives_way(now))
		run.late = run.gave_way = true;
	return run.late;
}

static int
on_busy(void *arg, int tries)
{
	struct timespec	ts = { .tv_nsec = LOCK_WAIT };

	(void)tries;
	if (is_late(arg))
		return 0;
	(void)nanosleep(&ts, NULL);
	return 1;
}

bool
run_is_late(void)
{
	return run.late;
}

/* --- what may be done ----------------------------------------------------- */

static bool
is_bad_function(const char *name)
{
	return name != NULL && (sqlite3_stricmp(name, "load_extension") == 0 ||
	    sqlite3_stricmp(name, "fts3_tokenizer") == 0);
}

/* A precision of two thousand million is that many turns in one step. */
static bool
is_slow_function(const char *name)
{
	return name != NULL && (sqlite3_stricmp(name, "printf") == 0 ||
	    sqlite3_stricmp(name, "format") == 0);
}

static int
authorize_query(int action, const char *b)
{
	switch (action) {
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
	case SQLITE_PRAGMA:
		return SQLITE_DENY;
	case SQLITE_FUNCTION:
		return is_bad_function(b) ? SQLITE_DENY : SQLITE_OK;
	}
	return SQLITE_OK;
}

/*
 * CREATE and DROP write what the schema is kept in: the connection is in
 * defensive mode, so nobody does that by his own statement.
 */
static int
authorize_script(int action, const char *b, const char *db)
{
	if (db != NULL && sqlite3_stricmp(db, "temp") == 0)
		return SQLITE_DENY;
	switch (action) {
	case SQLITE_CREATE_INDEX:
	case SQLITE_CREATE_TABLE:
	case SQLITE_DELETE:
	case SQLITE_DROP_INDEX:
	case SQLITE_DROP_TABLE:
	case SQLITE_INSERT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
	case SQLITE_REINDEX:		/* of CREATE INDEX */
	case SQLITE_SELECT:
	case SQLITE_UPDATE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return is_bad_function(b) || is_slow_function(b) ?
		    SQLITE_DENY : SQLITE_OK;
	}
	return SQLITE_DENY;
}

static int
authorize(void *arg, int action, const char *a, const char *b, const char *db,
    const char *trigger)
{
	(void)arg;
	(void)a;
	(void)trigger;
	return run.script ? authorize_script(action, b, db) :
	    authorize_query(action, b);
}

static void
set_limits(sqlite3 *db, bool script)
{
	size_t	i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		(void)sqlite3_limit(db, limits[i].id, script ?
		    limits[i].script : limits[i].query);
	sqlite3_progress_handler(db, script ? STEPS_SCRIPT : STEPS, is_late,
	    NULL);
	(void)sqlite3_hard_heap_limit64(script ? HEAP_SCRIPT : HEAP_MAX);
	run.limited = script;
}

void
run_start(void)
{
	(void)sqlite3_hard_heap_limit64(HEAP_MAX);
}

void
run_set_up(sqlite3 *db)
{
	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	set_limits(db, false);
	(void)sqlite3_busy_handler(db, on_busy, NULL);
}

int
run_watch(sqlite3 *db)
{
	return sqlite3_set_authorizer(db, authorize, NULL);
}

void
run_begin(bool script, int64_t ms)
{
	run.deadline = clock_ms() + ms;
	run.late = run.gave_way = false;
	run.script = script;
	run.looked = run.waits = 0;
}

/* --- a statement ---------------------------------------------------------- */

void
run_forget(struct statement *st)
{
	(void)sqlite3_finalize(st->priv);
	st->priv = NULL;
}

int
run_prepare(struct statement *st, char *why, size_t size)
{
	sqlite3_stmt	*s = NULL;
	int		 rc;

	if (st->priv != NULL)
		return SQLITE_OK;
	if (run.limited)
		(void)sqlite3_hard_heap_limit64(sqlite3_memory_used() +
		    HEAP_PREPARE);
	rc = sqlite3_prepare_v3(lite_db, st->sql.text, -1,
	    SQLITE_PREPARE_PERSISTENT, &s, NULL);
	if (run.limited)
		(void)sqlite3_hard_heap_limit64(HEAP_SCRIPT);
	if (rc != SQLITE_OK)
		(void)snprintf(why, size, "%s", sqlite3_errmsg(lite_db));
	else if (s == NULL || sqlite3_bind_parameter_count(s) !=
	    (int)st->sql.n) {
		(void)snprintf(why, size, "its parameters are not those that "
		    "SQLite sees");
		(void)sqlite3_finalize(s);
		return SQLITE_ERROR;
	}
	st->priv = s;
	return rc;
}

static int
bind_one(sqlite3_stmt *s, int i, const struct value *v)
{
	switch ((enum sql_type)v->type) {
	case SQL_NULL:
		return sqlite3_bind_null(s, i);
	case SQL_INT:
	case SQL_BOOL:
		return sqlite3_bind_int64(s, i, strtoll(v->p, NULL, 10));
	case SQL_REAL:
		return sqlite3_bind_double(s, i, strtod(v->p, NULL));
	case SQL_TEXT:
	case SQL_TYPE_COUNT:
		break;
	}
	return sqlite3_bind_text64(s, i, v->p, v->len, SQLITE_STATIC,
	    SQLITE_UTF8);
}

static void
take_value(struct rows *r, sqlite3_stmt *s, int i)
{
	int	type = sqlite3_column_type(s, i);

	if (type == SQLITE_NULL)
		rows_value(r, SQL_NULL, NULL, 0);
	else if (type == SQLITE_FLOAT && r->typed)
		rows_real(r, sqlite3_column_double(s, i));
	else if (type == SQLITE_BLOB)
		rows_value(r, SQL_TEXT, sqlite3_column_blob(s, i),
		    (size_t)sqlite3_column_bytes(s, i));
	else
		rows_value(r, type == SQLITE_INTEGER ? SQL_INT : SQL_TEXT,
		    sqlite3_column_text(s, i),
		    (size_t)sqlite3_column_bytes(s, i));
}

/* The first step may prepare it anew, with other columns. */
static int
take_rows(const struct ask *a, sqlite3_stmt *s, struct rows *r)
{
	int	i, n, rc = sqlite3_step(s);

	n = sqlite3_column_count(s);
	for (i = 0; i < n; i++)
		rows_column(r, sqlite3_column_name(s, i));
	for (; rc == SQLITE_ROW; rc = sqlite3_step(s)) {
		if (!rows_next(r, a->max_rows))
			return SQLITE_OK;
		for (i = 0; i < n; i++)
			take_value(r, s, i);
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
step_all(const struct ask *a, sqlite3_stmt *s, struct rows *r)
{
	size_t	i;
	int	rc;

	for (i = 0; i < a->st->sql.n; i++)
		if ((rc = bind_one(s, (int)i + 1, &a->value[i])) != SQLITE_OK)
			return rc;
	return take_rows(a, s, r);
}

static int
run_once(struct ask *a, struct rows *r, char *why, size_t size)
{
	sqlite3_int64	 before = sqlite3_total_changes64(lite_db);
	sqlite3_stmt	*s;
	int		 rc, end;

	if ((rc = run_prepare(a->st, why, size)) != SQLITE_OK)
		return rc;
	s = a->st->priv;
	if ((rc = step_all(a, s, r)) != SQLITE_OK)
		(void)snprintf(why, size, "%s", sqlite3_errmsg(lite_db));
	/* One that was cut is only done now. */
	end = sqlite3_reset(s);
	if (rc == SQLITE_OK && (rc = end) != SQLITE_OK)
		(void)snprintf(why, size, "%s", sqlite3_errmsg(lite_db));
	(void)sqlite3_clear_bindings(s);
	/* sqlite3_changes() is also of the statement before. */
	if (rc == SQLITE_OK && sqlite3_total_changes64(lite_db) != before)
		r->a.changed = (uint64_t)sqlite3_changes64(lite_db);
	return rc;
}

/* Once, and once more with another connection if that one is broken. */
static int
try(struct ask *a, struct rows *r, char *why, size_t size)
{
	int	rc = SQLITE_CANTOPEN, turns;

	for (turns = 0; turns < 2; turns++) {
		if (lite_open(why, size) == -1)
			return SQLITE_CANTOPEN;
		if (run.limited != a->script)
			set_limits(lite_db, a->script);
		rows_clear(r);
		rows_init(r, a->script);
		rc = run_once(a, r, why, size);
		if (!lite_is_broken(rc) || run.late)
			return rc;
		run_forget(a->st);
		lite_bad(why);
	}
	return rc;
}

static void
put(struct ask *a)
{
	struct rows	r;
	char		why[256] = "";
	int		rc;
	int64_t		left;

	mono_turn();
	if ((left = mono_diff(a->deadline, mono_now())) <= 0) {
		source_count.timeouts++;
		ask_cannot(a, "no time left: the one before took it");
		return;
	}
	run_begin(a->script, left);
	lite_look();
	rows_init(&r, a->script);
	rc = try(a, &r, why, sizeof(why));
	if (rc == SQLITE_OK)
		ask_answer(a, &r);
	else if (run.gave_way) {
		source_count.timeouts++;
		ask_cannot(a, "given up: others wait");
	} else if (run.late) {
		source_count.timeouts++;
		ask_cannot(a, (rc & 0xff) == SQLITE_BUSY ?
		    "locked for too long" : "no answer in time");
	} else
		ask_cannot(a, why);
	rows_clear(&r);
	see_who_waits();
	peer_flush_all();	/* the next one may take long */
}

/* --- questions of scripts ------------------------------------------------- */

/* Behind what is in the pipes by now. */
static void
turn_soon(void)
{
	static const struct timeval	now = { 0, 0 };

	if (!evtimer_pending(&next_turn, NULL))
		(void)evtimer_add(&next_turn, &now);
}

static void
on_turn(int fd, short events, void *arg)
{
	struct ask	*a = wait_take(true);

	(void)fd;
	(void)events;
	(void)arg;
	if (a == NULL)
		return;
	(void)came(a->asker);	/* who comes meanwhile came now */
	put(a);
	if (wait_count(true) > 0)
		turn_soon();
}

void
run_ask(struct ask *a)
{
	static bool	is_set;

	if (!a->script) {
		put(a);
		return;
	}
	if (!is_set)
		evtimer_set(&next_turn, on_turn, NULL);
	is_set = true;
	wait_add(a, false);
	turn_soon();
}

void
run_withdraw(struct ask *a)
{
	wait_remove(a);
	ask_cannot(a, "");
}
