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
 * A statement is prepared once on each connection.  Where a connection is
 * lost or the server does not know the statement any more, the question is
 * put once more on another connection: so a server that was started anew
 * costs nobody anything but time.  A query may therefore run twice.
 *
 * Rows come one by one, so that of many no more than max-rows are ever here.
 * What a server still sends behind those is read and dropped, if it is not
 * too much.
 *
 * Rejected: pipelines (a slow statement would hold up the others on its
 * connection), one process for each connection as with SQLite (libpq does not
 * block where it is asked not to).
 */

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "look_pq.h"
#include "lookupd.h"
#include "peer.h"
#include "proc.h"
#include "util.h"

#define DROP_MAX	1000		/* rows read for nothing */

enum conn_state {
	CONN_DOWN,
	CONN_NAME,		/* asks resolved */
	CONN_OPENING,
	CONN_IDLE,
	CONN_PREPARE,
	CONN_QUERY
};

struct conn {
	enum conn_state	 state;
	struct uri	*uri;
	uint64_t	 sid;		/* of the question to resolved */
	struct addr	 addr[DNS_ADDRS_MAX];
	size_t		 naddr, at;	/* which of them is tried */
	PGconn		*pg;
	struct event	 ev;
	bool		 watched;
	struct timer	 timer;		/* NAME, OPENING; its rest is read */
	struct ask	*ask;		/* NULL: answered already, or -n */
	struct statement *st;
	struct rows	 rows;
	unsigned int	 dropped;
	bool		 copies;	/* it was told to COPY */
	char		 why[256];	/* the server's word; "" */
	char		 sqlstate[6];
	uint8_t		*prepared;	/* a bit for each statement */
	size_t		 nprepared;	/* octets */
};

struct check {
	struct statement *st;
	char		 key[256];
};

TAILQ_HEAD(ask_list, ask);

static struct conn	*conns;
static size_t		 nconns, opening;
static struct ask_list	 queue = TAILQ_HEAD_INITIALIZER(queue);
static size_t		 nqueue;
static struct timer	 again;		/* when a server may be tried */
static struct peer	*resolved;
static uint64_t		 last_sid;

/* -n: the statements, and how many have been tried. */
static struct {
	bool		 on, over;
	struct check	*v;
	size_t		 n, done;
	struct timer	 timer;
} checks;

static void	on_event(int, short, void *);
static void	pump(void);
static void	check_next(struct conn *);
static void	check_over(const char *why);

/* --- a connection: opening and closing ------------------------------------ */

static void
unwatch(struct conn *c)
{
	if (c->watched)
		(void)event_del(&c->ev);
	c->watched = false;
}

/* libpq may have changed the socket: taken out before, put in behind. */
static void
watch(struct conn *c, short events)
{
	unwatch(c);
	event_set(&c->ev, PQsocket(c->pg), events, on_event, c);
	c->watched = event_add(&c->ev, NULL) == 0;
}

static void
conn_close(struct conn *c)
{
	unwatch(c);
	timer_del(&c->timer);
	if (c->state == CONN_NAME || c->state == CONN_OPENING)
		opening--;
	if (c->pg != NULL)
		PQfinish(c->pg);
	c->pg = NULL;
	c->ask = NULL;
	c->copies = false;
	c->state = CONN_DOWN;
	rows_clear(&c->rows);
	if (c->prepared != NULL)
		memset(c->prepared, 0, c->nprepared);
}

/* libpq would print them. */
static void
no_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static void
conn_try(struct conn *c)
{
	c->state = CONN_OPENING;
	c->pg = uri_connect(c->uri, c->naddr == 0 ? NULL : &c->addr[c->at]);
	timer_set(&c->timer, source.timeout);
	if (c->pg != NULL)
		(void)PQsetNoticeReceiver(c->pg, no_notice, NULL);
	if (c->pg != NULL && PQstatus(c->pg) != CONNECTION_BAD)
		watch(c, EV_WRITE);
}

/* There is no connection this way; are there other addresses? */
static void
conn_failed(struct conn *c, const char *why)
{
	char	text[512];

	(void)strlcpy(text, why, sizeof(text));
	unwatch(c);
	if (c->pg != NULL)
		PQfinish(c->pg);
	c->pg = NULL;
	if (++c->at < c->naddr) {
		conn_try(c);
		if (c->watched)
			return;
	}
	uri_bad(c->uri, text);
	conn_close(c);
	if (checks.on)
		check_over(c->uri->why);
}

static void
conn_late(void *arg)
{
	struct conn	*c = arg;

	if (c->state == CONN_QUERY)
		conn_close(c);		/* whoever asked has his answer */
	else
		conn_failed(c, c->state == CONN_NAME ?
		    "its name cannot be looked up" : "no answer in time");
	pump();
}

static void
ask_address(struct conn *c)
{
	struct proto_dns	q = { .timeout = (uint32_t)source.timeout };
	struct wbuf		w = { 0 };

	if (resolved == NULL)
		return;		/* when it is there */
	(void)strlcpy(q.name, c->uri->host, sizeof(q.name));
	put_dns(&w, &q);
	peer_send(resolved, MSG_DNS_ADDR, c->sid, 0, -1, &w);
}

static void
conn_open(struct conn *c, struct uri *u)
{
	c->uri = u;
	c->naddr = c->at = 0;
	opening++;
	if (u->is_name) {
		c->state = CONN_NAME;
		c->sid = ++last_sid;
		timer_set(&c->timer, source.timeout);
		ask_address(c);
		return;
	}
	if (*u->host != '/' && *u->host != '@') {
		c->addr[0] = u->addr;
		c->naddr = 1;
	}
	conn_try(c);
	if (!c->watched)
		conn_failed(c, c->pg == NULL ? "no memory" :
		    PQerrorMessage(c->pg));
}

static void
on_resolved(struct peer *p)
{
	size_t	i;

	resolved = p;
	for (i = 0; p != NULL && i < nconns; i++)
		if (conns[i].state == CONN_NAME)
			ask_address(&conns[i]);
}

static void
on_address(uint64_t sid, const struct proto_dns_ans *a)
{
	struct conn	*c;
	size_t		 i;

	for (i = 0; i < nconns; i++)
		if (conns[i].state == CONN_NAME && conns[i].sid == sid)
			break;
	if (i == nconns)
		return;
	c = &conns[i];
	if (a->status != DNS_OK || a->n == 0) {
		conn_failed(c, a->status == DNS_NONE || a->status == DNS_OK ?
		    "its name has no address" :
		    "its name cannot be looked up");
	} else {
		memcpy(c->addr, a->addr, a->n * sizeof(a->addr[0]));
		c->naddr = a->n;
		conn_try(c);
		if (!c->watched)
			conn_failed(c, c->pg == NULL ? "no memory" :
			    PQerrorMessage(c->pg));
	}
	pump();
}

static void
conn_ready(struct conn *c)
{
	timer_del(&c->timer);
	opening--;
	c->state = CONN_IDLE;
	uri_good(c->uri);
	if (PQsetnonblocking(c->pg, 1) == -1) {
		conn_close(c);
		return;
	}
	watch(c, EV_READ | EV_PERSIST);
	if (checks.on)
		check_next(c);
}

static void
conn_opening(struct conn *c)
{
	unwatch(c);
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		watch(c, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		watch(c, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		conn_ready(c);
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		conn_failed(c, PQerrorMessage(c->pg));
		break;
	}
}

/* --- a question on a connection ------------------------------------------- */

/* It waits again, in front of all others; but not for ever. */
static void
ask_again(struct ask *a, const char *why)
{
	if (a->again) {
		timer_del(&a->timer);
		ask_cannot(a, why);
		return;
	}
	a->again = true;
	a->conn = NULL;
	TAILQ_INSERT_HEAD(&queue, a, entry);
	nqueue++;
}

static void
conn_lost(struct conn *c)
{
	struct ask	*a = c->ask;
	char		 why[256];

	uri_clean(c->uri, c->why[0] != '\0' ? c->why : PQerrorMessage(c->pg),
	    why, sizeof(why));
	log_debug("datasource %s: lost %s: %s", source.name, c->uri->what,
	    why);
	conn_close(c);
	if (a != NULL)
		ask_again(a, why);
	if (checks.on)
		check_over(why);
}

/* Write what libpq has; false: the connection is lost. */
static bool
conn_flush(struct conn *c)
{
	int	n = PQflush(c->pg);

	if (n == -1) {
		conn_lost(c);
		return false;
	}
	watch(c, n == 0 ? EV_READ | EV_PERSIST :
	    EV_READ | EV_WRITE | EV_PERSIST);
	return true;
}

static bool
is_prepared(const struct conn *c, const struct statement *st)
{
	size_t	at = st->number / 8;

	return at < c->nprepared &&
	    (c->prepared[at] & 1 << st->number % 8) != 0;
}

static void
set_prepared(struct conn *c, const struct statement *st)
{
	size_t	 at = st->number / 8;
	uint8_t	*p;

	if (at >= c->nprepared) {
		if ((p = recallocarray(c->prepared, c->nprepared, at + 16,
		    1)) == NULL)
			return;		/* it is prepared anew: an error */
		c->prepared = p;
		c->nprepared = at + 16;
	}
	c->prepared[at] |= (uint8_t)(1 << st->number % 8);
}

static void
name_of(const struct statement *st, char *name, size_t size)
{
	(void)snprintf(name, size, "postern_%u", st->number);
}

static void
send_prepare(struct conn *c, struct statement *st)
{
	char	name[32];

	name_of(st, name, sizeof(name));
	c->state = CONN_PREPARE;
	c->st = st;
	c->why[0] = c->sqlstate[0] = '\0';
	if (PQsendPrepare(c->pg, name, st->sql.text, 0, NULL) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

static void
send_query(struct conn *c)
{
	const struct ask	*a = c->ask;
	char			 name[32];

	name_of(a->st, name, sizeof(name));
	c->state = CONN_QUERY;
	c->why[0] = c->sqlstate[0] = '\0';
	c->dropped = 0;
	rows_init(&c->rows);
	if (PQsendQueryPrepared(c->pg, name, (int)a->st->sql.n, a->value,
	    NULL, NULL, 0) == 0 || PQsetSingleRowMode(c->pg) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

static void
conn_run(struct conn *c, struct ask *a)
{
	c->ask = a;
	a->conn = c;
	if (is_prepared(c, a->st))
		send_query(c);
	else
		send_prepare(c, a->st);
}

/* --- results -------------------------------------------------------------- */

static void
take_error(struct conn *c, const PGresult *res)
{
	const char	*state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char	*text = PQresultErrorField(res,
			    PG_DIAG_MESSAGE_PRIMARY);

	if (c->why[0] != '\0')
		return;
	(void)strlcpy(c->sqlstate, state == NULL ? "" : state,
	    sizeof(c->sqlstate));
	uri_clean(c->uri, text == NULL ? PQresultErrorMessage(res) : text,
	    c->why, sizeof(c->why));
	if (c->why[0] == '\0')
		(void)strlcpy(c->why, "an error without a text",
		    sizeof(c->why));
}

static void
take_columns(struct conn *c, const PGresult *res)
{
	int	i;

	if (c->rows.a.ncolumns > 0)
		return;
	for (i = 0; i < PQnfields(res); i++)
		rows_column(&c->rows, PQfname(res, i));
}

static void
take_row(struct conn *c, const PGresult *res)
{
	int	i;

	take_columns(c, res);
	if (c->ask == NULL || !rows_next(&c->rows, c->ask->max_rows)) {
		c->dropped++;
		return;
	}
	for (i = 0; i < PQnfields(res); i++)
		rows_value(&c->rows, PQgetisnull(res, 0, i) ? NULL :
		    PQgetvalue(res, 0, i), (size_t)PQgetlength(res, 0, i));
}

static void
take_result(struct conn *c, PGresult *res)
{
	const char	*n;

	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		take_row(c, res);
		break;
	case PGRES_TUPLES_OK:
		take_columns(c, res);
		break;
	case PGRES_COMMAND_OK:
		n = PQcmdTuples(res);
		c->rows.a.changed = strtoull(n, NULL, 10);
		break;
	case PGRES_EMPTY_QUERY:
	case PGRES_NONFATAL_ERROR:
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
		/* There is no other way out of that. */
		c->copies = true;
		break;
	case PGRES_BAD_RESPONSE:
	case PGRES_FATAL_ERROR:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED:
		take_error(c, res);
		break;
	}
}

/* The server has forgotten the statement, or will not use it any more. */
static bool
is_forgotten(const struct conn *c)
{
	return strcmp(c->sqlstate, "26000") == 0 ||
	    strcmp(c->sqlstate, "0A000") == 0;
}

/* Whoever asked is told; the connection may be busy for a while. */
static void
conn_answer(struct conn *c)
{
	struct ask	*a = c->ask;

	c->ask = NULL;
	timer_del(&a->timer);
	if (c->state == CONN_QUERY)
		timer_set(&c->timer, source.timeout);
	if (c->why[0] == '\0') {
		ask_answer(a, &c->rows);
		return;
	}
	if (strcmp(c->sqlstate, "57014") == 0)
		source_count.timeouts++;
	ask_cannot(a, c->why);
}

/* All of a step's results have been read. */
static void
step_done(struct conn *c)
{
	struct ask	*a = c->ask;

	if (c->state == CONN_PREPARE && c->why[0] == '\0') {
		set_prepared(c, c->st);
		if (a != NULL) {
			send_query(c);
			return;
		}
	}
	c->state = CONN_IDLE;
	timer_del(&c->timer);
	if (checks.on)
		check_next(c);
	else if (a != NULL && c->state == CONN_IDLE && is_forgotten(c) &&
	    !a->again) {
		conn_close(c);
		ask_again(a, "");
	} else if (a != NULL)
		conn_answer(c);
	rows_clear(&c->rows);
}

/* A statement that is no question: the connection is of no use now. */
static void
conn_copies(struct conn *c)
{
	struct ask	*a = c->ask;

	conn_close(c);
	if (a == NULL)
		return;
	timer_del(&a->timer);
	ask_cannot(a, "COPY is no query");
}

static void
conn_results(struct conn *c)
{
	PGresult	*res;

	while ((c->state == CONN_PREPARE || c->state == CONN_QUERY) &&
	    PQisBusy(c->pg) == 0) {
		if ((res = PQgetResult(c->pg)) != NULL) {
			take_result(c, res);
			PQclear(res);
			if (c->copies) {
				conn_copies(c);
				return;
			}
		} else if (PQstatus(c->pg) == CONNECTION_BAD) {
			conn_lost(c);
			return;
		} else
			step_done(c);
		if (c->state == CONN_QUERY && c->ask != NULL &&
		    (c->rows.a.cut || c->rows.failed != NULL))
			conn_answer(c);
		if (c->dropped > DROP_MAX && c->state == CONN_QUERY) {
			conn_close(c);
			return;
		}
	}
}

static void
on_event(int fd, short events, void *arg)
{
	struct conn	*c = arg;

	(void)fd;
	if (c->state == CONN_OPENING)
		conn_opening(c);
	else if ((events & EV_READ) != 0 && PQconsumeInput(c->pg) == 0) {
		/* What came before the end may say why. */
		conn_results(c);
		if (c->state != CONN_DOWN)
			conn_lost(c);
	} else {
		if ((events & EV_WRITE) == 0 || conn_flush(c))
			conn_results(c);
		if (c->state == CONN_IDLE && PQstatus(c->pg) ==
		    CONNECTION_BAD)
			conn_lost(c);
	}
	pump();
}

/* --- the pool ------------------------------------------------------------- */

static struct conn *
conn_find(enum conn_state state)
{
	size_t	i;

	for (i = 0; i < nconns; i++)
		if (conns[i].state == state)
			return &conns[i];
	return NULL;
}

static struct ask *
queue_take(void)
{
	struct ask	*a = TAILQ_FIRST(&queue);

	TAILQ_REMOVE(&queue, a, entry);
	nqueue--;
	return a;
}

/* Does any connection stand?  Then a server is full, not dead. */
static bool
is_served(void)
{
	return conn_find(CONN_IDLE) != NULL ||
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

	while (why != NULL && nqueue > opening) {
		a = TAILQ_LAST(&queue, ask_list);
		TAILQ_REMOVE(&queue, a, entry);
		nqueue--;
		timer_del(&a->timer);
		ask_cannot(a, why);
	}
}

/* Who waits gets what is free; more is opened if that does not do. */
static void
pump(void)
{
	struct conn	*c;
	struct uri	*u;
	int64_t		 ms;

	while (!TAILQ_EMPTY(&queue) && (c = conn_find(CONN_IDLE)) != NULL)
		conn_run(c, queue_take());
	while (opening < nqueue && (c = conn_find(CONN_DOWN)) != NULL) {
		if ((u = uri_next()) == NULL) {
			fail_waiting();
			break;
		}
		conn_open(c, u);
	}
	if (opening < nqueue && conn_find(CONN_DOWN) != NULL &&
	    (ms = uris_wait()) != -1)
		timer_set(&again, ms);
}

static void
on_again(void *arg)
{
	(void)arg;
	pump();
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
		TAILQ_REMOVE(&queue, a, entry);
		nqueue--;
		ask_cannot(a, why != NULL ? why :
		    "no connection came free in time");
	}
	pump();
}

static void
ask(struct ask *a)
{
	timer_init(&a->timer, ask_late, a);
	timer_set(&a->timer, mono_diff(a->deadline, mono_now()));
	TAILQ_INSERT_TAIL(&queue, a, entry);
	nqueue++;
	pump();
}

static void
withdraw(struct ask *a)
{
	if (a->conn != NULL)
		return;		/* to nobody, when it is answered */
	TAILQ_REMOVE(&queue, a, entry);
	nqueue--;
	ask_cannot(a, "");
}

/* Connections forget it when they end; its number is not used again. */
static void
forget(struct statement *st)
{
	(void)st;
}

static void
start(void)
{
	size_t	i;

	nconns = (size_t)source.connections;
	conns = xcalloc(nconns, sizeof(*conns));
	for (i = 0; i < nconns; i++)
		timer_init(&conns[i].timer, conn_late, &conns[i]);
	timer_init(&again, on_again, NULL);
}

/* --- -n ------------------------------------------------------------------- */

static void
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
static void
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
		send_prepare(c, checks.v[checks.done].st);
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
	conn_open(&conns[0], uri_next());
}

const struct backend	look_pq = {
	.dialect = SQL_PQ,
	.prepare = uris_prepare,
	.start = start,
	.ask = ask,
	.withdraw = withdraw,
	.forget = forget,
	.check = check,
	.resolved = on_resolved,
	.address = on_address
};
