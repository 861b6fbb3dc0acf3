/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */


/*
 * A connection to PostgreSQL: opened, lost, closed.
 *
 * Its server's name is asked of resolved, whose addresses are tried one after
 * the other within the datasource's timeout.  libpq opens it without blocking,
 * and may change its socket meanwhile: what is watched is put in anew each
 * time.  Everything ends with a look at who waits (pool_pump).
 */

#include <string.h>

#include "log.h"
#include "look_pq.h"
#include "peer.h"
#include "util.h"

struct pool		 pool;

static struct peer	*resolved;
static uint64_t		 last_sid;

static void	on_event(int, short, void *);

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

void
conn_close(struct conn *c)
{
	unwatch(c);
	timer_del(&c->timer);
	if (c->state == CONN_NAME || c->state == CONN_OPENING)
		pool.opening--;
	if (c->pg != NULL)
		PQfinish(c->pg);
	c->pg = NULL;
	c->ask = NULL;
	c->copies = false;
	c->state = CONN_DOWN;
	rows_clear(&c->rows);
	if (c->prepared != NULL)
		memset(c->prepared, 0, c->nprepared);
	memset(c->slot, 0, sizeof(c->slot));
	c->script = c->dirty = false;
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
	if (check_is_on())
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
	pool_pump();
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

void
conn_open(struct conn *c, struct uri *u)
{
	c->uri = u;
	c->naddr = c->at = 0;
	pool.opening++;
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

void
conns_resolved(struct peer *p)
{
	size_t	i;

	resolved = p;
	for (i = 0; p != NULL && i < pool.n; i++)
		if (pool.v[i].state == CONN_NAME)
			ask_address(&pool.v[i]);
}

void
conns_address(uint64_t sid, const struct proto_dns_ans *a)
{
	struct conn	*c;
	size_t		 i;

	for (i = 0; i < pool.n; i++)
		if (pool.v[i].state == CONN_NAME && pool.v[i].sid == sid)
			break;
	if (i == pool.n)
		return;
	c = &pool.v[i];
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
	pool_pump();
}

static void
conn_ready(struct conn *c)
{
	timer_del(&c->timer);
	pool.opening--;
	c->state = CONN_IDLE;
	uri_good(c->uri);
	if (PQsetnonblocking(c->pg, 1) == -1) {
		conn_close(c);
		return;
	}
	watch(c, EV_READ | EV_PERSIST);
	if (check_is_on())
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

void
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
		pool_again(a, why);
	if (check_is_on())
		check_over(why);
}

bool
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

static void
on_event(int fd, short events, void *arg)
{
	struct conn	*c = arg;

	(void)fd;
	if (c->state == CONN_OPENING)
		conn_opening(c);
	else if ((events & EV_READ) != 0 && PQconsumeInput(c->pg) == 0) {
		/* What came before the end may say why. */
		step_results(c);
		if (c->state != CONN_DOWN)
			conn_lost(c);
	} else {
		if ((events & EV_WRITE) == 0 || conn_flush(c))
			step_results(c);
		if (c->state == CONN_IDLE && PQstatus(c->pg) ==
		    CONNECTION_BAD)
			conn_lost(c);
	}
	pool_pump();
}

void
conns_start(void)
{
	size_t	i;

	pool.n = (size_t)source.connections;
	pool.v = xcalloc(pool.n, sizeof(*pool.v));
	for (i = 0; i < pool.n; i++)
		timer_init(&pool.v[i].timer, conn_late, &pool.v[i]);
}
