/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */


/*
 * A database of PostgreSQL: a pool of connections and a queue of questions.
 *
 * Everything waits on the event loop.  A question takes a connection that is
 * free, or waits for one; further ones are opened while more wait than are
 * being opened, up to `connections', and stay.  A question that has waited or
 * run too long is answered, and its connection closed, which is quicker than
 * to cancel it: the server has the same limit of its own.
 *
 * Where a connection is lost the question is put once more on another one: so
 * a server that was started anew costs nobody anything but time.  A query may
 * therefore run twice; a script's statement that writes does not.
 *
 * Scripts share the pool, but for one connection, if there are several: so
 * whatever scripts ask, and for however long, queries have that one.
 *
 * Rejected: pipelines (a slow statement would hold up the others on its
 * connection), one process for each connection as with SQLite (libpq does not
 * block where it is asked not to).
 */

#include <stdio.h>
#include <string.h>

#include "look_pq.h"
#include "util.h"

struct check {
	struct statement *st;
	char		 key[256];
};

static struct timer	 again;		/* when a server may be tried */

/* -n: the statements, and how many have been tried. */
static struct {
	bool		 on, over;
	struct check	*v;
	size_t		 n, done;
	struct timer	 timer;
} checks;

void
pool_again(struct ask *a, const char *why)
{
	char	text[256];

	if (a->sent && a->script && a->st->sql.writes) {
		(void)snprintf(text, sizeof(text), "the connection was lost, "
		    "and it may have been done: %s", why);
		why = text;
	} else if (!a->again && a->asker != NULL) {
		a->again = true;
		a->conn = NULL;
		wait_add(a, true);
		return;
	}
	timer_del(&a->timer);
	ask_cannot(a, why);
}

static struct conn *
conn_find(enum conn_state state)
{
	size_t	i;

	for (i = 0; i < pool.n; i++)
		if (pool.v[i].state == state)
			return &pool.v[i];
	return NULL;
}

/* One that is idle, if possible one that needs no tidying for that. */
static struct conn *
conn_idle(bool script)
{
	struct conn	*c = NULL;
	size_t		 i;

	for (i = 0; i < pool.n; i++) {
		if (pool.v[i].state != CONN_IDLE)
			continue;
		c = &pool.v[i];
		if (c->dirty == script)
			break;
	}
	return c;
}

/* May a script have another connection? */
static bool
scripts_may(void)
{
	size_t	i, n = 0;

	for (i = 0; i < pool.n; i++)
		n += pool.v[i].script;
	return n == 0 || n + 1 < pool.n;
}

/* Does any connection stand?  Then a server is full, not dead. */
static bool
is_served(void)
{
	return conn_find(CONN_IDLE) != NULL || conn_find(CONN_TIDY) != NULL ||
	    conn_find(CONN_PREPARE) != NULL || conn_find(CONN_QUERY) != NULL;
}

/*
 * Servers that have been dead for a while are not waited for, but by those
 * for whom they are tried.
 */
static void
fail_waiting(void)
{
	const char	*why = is_served() ? NULL : uris_dead();
	struct ask	*a;

	while (why != NULL && wait_count(true) > pool.opening) {
		a = wait_last();
		wait_remove(a);
		timer_del(&a->timer);
		ask_cannot(a, why);
	}
}

void
pool_pump(void)
{
	struct conn	*c;
	struct uri	*u;
	struct ask	*a;
	int64_t		 ms;
	size_t		 waiting;

	while (conn_find(CONN_IDLE) != NULL &&
	    (a = wait_take(scripts_may())) != NULL)
		step_ask(conn_idle(a->script), a);
	waiting = wait_count(scripts_may());
	while (pool.opening < waiting && (c = conn_find(CONN_DOWN)) != NULL) {
		if ((u = uri_next()) == NULL) {
			fail_waiting();
			break;
		}
		conn_open(c, u);
	}
	waiting = wait_count(scripts_may());
	if (pool.opening < waiting && conn_find(CONN_DOWN) != NULL &&
	    (ms = uris_wait()) != -1)
		timer_set(&again, ms);
}

static void
on_again(void *arg)
{
	(void)arg;
	pool_pump();
}

static void
ask_late(void *arg)
{
	struct ask	*a = arg;
	struct conn	*c = a->conn;
	const char	*why = uris_dead();

	source_count.timeouts++;
	if (c != NULL) {
		conn_close(c);
		ask_cannot(a, "no answer in time");
	} else {
		wait_remove(a);
		ask_cannot(a, why != NULL ? why :
		    "no connection came free in time");
	}
	pool_pump();
}

static void
ask(struct ask *a)
{
	timer_init(&a->timer, ask_late, a);
	timer_set(&a->timer, mono_diff(a->deadline, mono_now()));
	wait_add(a, false);
	pool_pump();
}

static void
withdraw(struct ask *a)
{
	if (a->conn != NULL) {
		ask_orphan(a);	/* answered to nobody */
		return;
	}
	wait_remove(a);
	ask_cannot(a, "");
}

/*
 * Connections forget it when they end, or when another one takes its slot;
 * its number is not used again.
 */
static void
forget(struct statement *st)
{
	(void)st;
}

static void
start(void)
{
	conns_start();
	timer_init(&again, on_again, NULL);
}

/* --- -n ------------------------------------------------------------------- */

bool
check_is_on(void)
{
	return checks.on;
}

void
check_over(const char *why)
{
	char	key[256];

	if (checks.over)
		return;
	checks.over = true;
	timer_del(&checks.timer);
	(void)snprintf(key, sizeof(key), "datasource.%s.uri", source.name);
	if (why != NULL)
		source_note(false, key, why);
	source_checked();
}

/* What has been said of the last one, and the next one. */
void
check_next(struct conn *c)
{
	if (c->st != NULL) {
		if (c->why[0] != '\0')
			source_note(true, checks.v[checks.done].key, c->why);
		checks.done++;
	}
	if (checks.done == checks.n)
		check_over(NULL);
	else
		step_prepare(c, checks.v[checks.done].st);
}

static void
check_late(void *arg)
{
	(void)arg;
	check_over("no answer in time");
}

static void
check_add(struct statement *st, const char *key)
{
	struct check	*ch;

	checks.v = xreallocarray(checks.v, checks.n + 1, sizeof(*checks.v));
	ch = &checks.v[checks.n++];
	ch->st = st;
	(void)strlcpy(ch->key, key, sizeof(ch->key));
}

/* One of the servers is asked. */
static void
check(const struct config *conf)
{
	checks.on = true;
	statements_of(conf, check_add);
	timer_init(&checks.timer, check_late, NULL);
	timer_set(&checks.timer, source.timeout);
	conn_open(&pool.v[0], uri_next());
}

/* Not what is a connection's (SET, LISTEN), not COPY. */
static const char *const	verbs[] = {
	"alter", "create", "delete", "drop", "insert", "merge", "select",
	"table", "truncate", "update", "values", "with", NULL
};

const struct backend	look_pq = {
	.dialect = SQL_PQ,
	.verbs = verbs,
	.prepare = uris_prepare,
	.start = start,
	.ask = ask,
	.withdraw = withdraw,
	.forget = forget,
	.check = check,
	.resolved = conns_resolved,
	.address = conns_address
};
