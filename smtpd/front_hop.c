/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Connections to next hops: dialed, used by one session at a time, and kept
 * for the next one.
 *
 * A hop is a lease of the dialer's from the time its descriptor comes until
 * it is freed.  Its states:
 *
 *	DIALING		the dialer was asked
 *	BUSY		a session's; perhaps still being greeted
 *	RESETTING	its session left: answers to it, and RSET, are owed
 *	IDLE		in the pool of its remote
 *	QUITTING	QUIT is out
 *	DEAD		freed at the end of the turn
 *
 * Only a connection that owes no reply, but for that to RSET, gets into the
 * pool, so that no answer can reach a session that did not ask.  A pooled
 * one that turns out to be stale before any content went is replaced by a
 * fresh one, once, without the client seeing it: only a connection that was
 * reused may be.
 *
 * A pool is of one worker and one remote (by id: another generation's
 * remote of the same id is the same to the letter).  A commit closes all
 * that are idle, and those of older generations do not come back, so that
 * no pool holds a generation alive.
 */

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front.h"
#include "id.h"
#include "log.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

#define DIAL_SLACK	5000	/* ms over timeout.connect for the answer */
#define TRIES_MAX	3	/* servers that connect and do not serve */

enum hop_state { HOP_DIALING, HOP_BUSY, HOP_RESETTING, HOP_IDLE,
	HOP_QUITTING, HOP_DEAD };

struct hop {
	TAILQ_ENTRY(hop)	 entry;		/* in the pool, or dead */
	RB_ENTRY(hop)		 node;		/* by id */
	uint64_t		 id;		/* of the question and lease */
	enum hop_state		 state;
	struct session		*s;		/* whose it is; NULL = nobody */
	struct config		*conf;
	struct conf_remote	*remote;	/* of conf */
	struct smtp_client	*client;
	struct timer		 timer;		/* dial, or idle */
	bool			 leased;
	bool			 ready;
	bool			 reused;
	bool			 clear;		/* second try, without TLS */
	bool			 spoiled;	/* not for another client */
	bool			 stale;		/* said 421: closing */
	unsigned int		 tries;		/* that did not serve */
	int64_t			 messages;
	int64_t			 errors;
	struct addr		 to;
	char			 host[256];
};

struct pool {
	RB_ENTRY(pool)		 node;
	uint32_t		 remote;
	TAILQ_HEAD(hop_list, hop) hops;		/* the last used first */
};

static int
hop_cmp(struct hop *a, struct hop *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

static int
pool_cmp(struct pool *a, struct pool *b)
{
	return a->remote < b->remote ? -1 : a->remote > b->remote;
}

static RB_HEAD(hops, hop)	hops = RB_INITIALIZER(&hops);
static RB_HEAD(pools, pool)	pools = RB_INITIALIZER(&pools);
static TAILQ_HEAD(, hop)	dead = TAILQ_HEAD_INITIALIZER(dead);
RB_PROTOTYPE(hops, hop, node, hop_cmp)
RB_GENERATE(hops, hop, node, hop_cmp)
RB_PROTOTYPE(pools, pool, node, pool_cmp)
RB_GENERATE(pools, pool, node, pool_cmp)

static void	hop_event(void *, enum client_event,
		    const struct smtp_reply *, uint32_t);
static void	cancel_dial(struct hop *);

size_t
hop_count(void)
{
	return (size_t)stats.hops_now;
}

struct smtp_client *
hop_client(const struct hop *h)
{
	return h->ready ? h->client : NULL;
}

const char *
hop_name(const struct hop *h, char *buf, size_t size)
{
	char	to[ADDR_TEXT_MAX];

	if (h->to.family == ADDR_NONE)
		(void)strlcpy(buf, h->remote->obj.name, size);
	else if (strchr(h->host, ':') != NULL)
		(void)strlcpy(buf, addr_port_text(&h->to, to, sizeof(to)),
		    size);
	else
		(void)snprintf(buf, size, "%s[%s]", h->host,
		    addr_port_text(&h->to, to, sizeof(to)));
	return buf;
}

/* --- the pool ------------------------------------------------------------- */

static struct pool *
pool_find(uint32_t remote)
{
	struct pool	key;

	key.remote = remote;
	return RB_FIND(pools, &pools, &key);
}

static void
pool_remove(struct hop *h)
{
	struct pool	*p = pool_find(h->remote->obj.id);

	TAILQ_REMOVE(&p->hops, h, entry);
	timer_del(&h->timer);
	stats.hops_idle--;
	if (!TAILQ_EMPTY(&p->hops))
		return;
	RB_REMOVE(pools, &pools, p);
	free(p);
}

/* --- life ----------------------------------------------------------------- */

static void
lease_done(struct hop *h, uint32_t how)
{
	struct peer	*dialer = proc_peer(R_DIALER, 0);

	if (h->leased && dialer != NULL)
		peer_send(dialer, MSG_DIAL_DONE, h->id, how, -1, NULL);
	h->leased = false;
}

/* The connection goes; the hop may be dialed again. */
static void
disconnect(struct hop *h, uint32_t how)
{
	if (h->client != NULL)
		client_free(h->client);
	h->client = NULL;
	h->ready = h->stale = false;
	lease_done(h, how);
}

static void
hop_free(struct hop *h)
{
	if (h->state == HOP_DEAD)
		return;
	if (h->state == HOP_IDLE)
		pool_remove(h);
	h->state = HOP_DEAD;
	timer_del(&h->timer);
	RB_REMOVE(hops, &hops, h);
	disconnect(h, 0);
	TAILQ_INSERT_TAIL(&dead, h, entry);
	stats.hops_now--;
}

void
hop_reap(void)
{
	struct hop	*h;

	while ((h = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, h, entry);
		front_conf_unref(h->conf);
		free(h);
	}
}

static void
quit(struct hop *h)
{
	if (h->state == HOP_IDLE)
		pool_remove(h);
	h->s = NULL;
	if (client_owes(h->client)) {
		/* The reply to RSET first; then on_reset comes here. */
		h->spoiled = true;
		h->state = HOP_RESETTING;
		return;
	}
	h->state = HOP_QUITTING;
	client_quit(h->client);
}

static void
ask_dialer(struct hop *h)
{
	struct proto_dial	 d = { .remote = h->remote->obj.id,
				     .session = h->s->sid };
	struct peer		*dialer = proc_peer(R_DIALER, 0);
	struct wbuf		 w = { 0 };

	if (dialer == NULL)
		return;		/* hop_dialer_up asks */
	put_dial(&w, &d);
	peer_send(dialer, MSG_DIAL_REQ, h->id, 0, -1, &w);
}

/* A new question under a new id: answers to an old one find nobody. */
static void
dial(struct hop *h)
{
	RB_REMOVE(hops, &hops, h);
	h->id = id_new();
	RB_INSERT(hops, &hops, h);
	h->state = HOP_DIALING;
	timer_set(&h->timer, h->remote->timeout.connect + DIAL_SLACK);
	stats.hops_dialed++;
	ask_dialer(h);
}

static void
cancel_dial(struct hop *h)
{
	struct peer	*dialer = proc_peer(R_DIALER, 0);

	if (dialer != NULL)
		peer_send(dialer, MSG_DIAL_CANCEL, h->id, 0, -1, NULL);
}

/* No connection is to be had: tell the session, if there still is one. */
static void
give_up(struct hop *h, const struct smtp_reply *r, const char *why)
{
	struct session	*s = h->s;
	char		 name[320];

	stats.hops_failed++;
	if (s != NULL)
		flog_hop(s, "hop-failed", hop_name(h, name, sizeof(name)),
		    why);
	hop_free(h);
	if (s != NULL)
		relay_hop_lost(s, r);
}

static void
on_timer(void *arg)
{
	struct hop		*h = arg;
	struct smtp_reply	 r;

	switch (h->state) {
	case HOP_DIALING:
		cancel_dial(h);
		(void)smtp_reply_fmt(&r, "451 4.4.1 next hop not reached");
		give_up(h, &r, "the dialer does not answer");
		break;
	case HOP_IDLE:
		quit(h);
		break;
	case HOP_BUSY:
	case HOP_RESETTING:
	case HOP_QUITTING:
	case HOP_DEAD:
		break;
	}
}

/* A connection that was another's is this session's now. */
static void
own(struct hop *h, struct session *s)
{
	h->state = HOP_BUSY;
	h->s = s;
	h->reused = true;
	client_rebind(h->client, s->sid, hop_event, h);
	stats.hops_reused++;
}

struct hop *
hop_get(struct session *s, struct conf_remote *remote)
{
	struct pool	*p;
	struct hop	*h;

	if ((p = pool_find(remote->obj.id)) != NULL) {
		h = TAILQ_FIRST(&p->hops);
		pool_remove(h);
		own(h, s);
		return h;
	}
	if ((h = calloc(1, sizeof(*h))) == NULL)
		return NULL;
	h->s = s;
	h->conf = front_conf_ref(s->conf);
	h->remote = remote;
	timer_init(&h->timer, on_timer, h);
	h->id = id_new();
	RB_INSERT(hops, &hops, h);
	stats.hops_now++;
	dial(h);
	return h;
}

/* One of this worker's sessions that waits for a connection to it. */
static struct hop *
find_waiting(uint32_t remote)
{
	struct hop	*h;

	RB_FOREACH(h, hops, &hops)
		if (h->state == HOP_DIALING && h->remote->obj.id == remote)
			return h;
	return NULL;
}

/* The connection is a session's that had none. */
static void
take_over(struct hop *h, struct hop *waiting)
{
	struct session	*s = waiting->s;

	cancel_dial(waiting);
	hop_free(waiting);
	own(h, s);
	relay_hop_given(s, h);
}

/*
 * Free for the next one.  Where connections are few, somebody may wait for
 * one: he need not wait until this one is closed for him.
 */
static void
pool_put(struct hop *h)
{
	struct hop	*waiting;
	struct pool	*p;

	if (h->remote->connections > 0 &&
	    (waiting = find_waiting(h->remote->obj.id)) != NULL) {
		take_over(h, waiting);
		return;
	}
	if ((p = pool_find(h->remote->obj.id)) == NULL) {
		if ((p = calloc(1, sizeof(*p))) == NULL) {
			hop_abort(h);
			return;
		}
		p->remote = h->remote->obj.id;
		TAILQ_INIT(&p->hops);
		RB_INSERT(pools, &pools, p);
	}
	h->state = HOP_IDLE;
	TAILQ_INSERT_HEAD(&p->hops, h, entry);
	timer_set(&h->timer, h->remote->timeout.idle);
	stats.hops_idle++;
}

/* May another client have it? */
static bool
is_reusable(const struct hop *h)
{
	const struct conf_remote	*r = h->remote;

	return h->ready && !h->spoiled && h->conf == proc_conf() &&
	    !front_is_draining() && strcmp(r->helo, "client") != 0 &&
	    (r->limits.messages == 0 || h->messages < r->limits.messages) &&
	    (r->limits.errors == 0 || h->errors < r->limits.errors);
}

/*
 * The session left in the envelope.  Where nothing but the RSET is owed, the
 * next one may pipeline its MAIL behind it; else old answers come first.
 */
static void
reset(struct hop *h)
{
	bool	owes = client_owes(h->client);

	if (client_rset(h->client) == -1)
		hop_free(h);
	else if (owes)
		h->state = HOP_RESETTING;
	else
		pool_put(h);
}

void
hop_release(struct hop *h, bool message_done)
{
	h->s = NULL;
	if (message_done)
		h->messages++;
	if (h->state == HOP_DIALING) {
		cancel_dial(h);
		hop_free(h);
	} else if (!h->ready || h->stale)
		hop_free(h);
	else if (!is_reusable(h))
		quit(h);
	else if (client_is_idle(h->client))
		pool_put(h);
	else
		reset(h);
}

void
hop_abort(struct hop *h)
{
	if (h->state == HOP_DIALING)
		cancel_dial(h);
	h->s = NULL;
	hop_free(h);
}

void
hop_saw_error(struct hop *h, bool to_rcpt)
{
	h->errors++;
	if (to_rcpt)
		h->spoiled = true;
}

/* --- from the dialer ------------------------------------------------------ */

static struct hop *
find_dialing(uint64_t id)
{
	struct hop	 key, *h;

	key.id = id;
	h = RB_FIND(hops, &hops, &key);
	return h != NULL && h->state == HOP_DIALING ? h : NULL;
}

/* The connection is there: greet it. */
static void
connected(struct hop *h, int fd)
{
	struct client_params	 p = { 0 };
	const char		*helo = h->remote->helo;
	struct smtp_reply	 r;

	if (strcmp(helo, "hostname") == 0)
		helo = h->conf->hostname;
	else if (strcmp(helo, "client") == 0)
		helo = h->s->helo != NULL ? h->s->helo : h->conf->hostname;
	p.remote = h->remote;
	p.tls = ftls_remote(h->remote);
	p.helo = helo;
	p.host = h->host;
	p.sid = h->s->sid;
	p.clear = h->clear;
	timer_del(&h->timer);
	h->state = HOP_BUSY;
	if ((h->client = client_new(fd, &p, hop_event, h)) == NULL) {
		(void)smtp_reply_fmt(&r, "451 4.3.0 no memory");
		give_up(h, &r, "no memory");
	}
}

int
hop_dial_fd(struct peer *p, struct msg *m)
{
	struct proto_dial_fd	 d;
	struct hop		*h;

	if (get_dial_fd(m, &d) == -1)
		return -1;
	if ((h = find_dialing(m->sid)) == NULL) {
		/* Cancelled meanwhile; the descriptor closes with m. */
		peer_send(p, MSG_DIAL_DONE, m->sid, 0, -1, NULL);
		return 0;
	}
	h->leased = true;
	h->to = d.to;
	(void)strlcpy(h->host, d.host, sizeof(h->host));
	connected(h, msg_take_fd(m));
	return 0;
}

int
hop_dial_err(struct peer *p, struct msg *m)
{
	struct proto_dial_err	 e;
	struct smtp_reply	 r;
	struct hop		*h;

	(void)p;
	if (get_dial_err(m, &e) == -1)
		return -1;
	if ((h = find_dialing(m->sid)) == NULL)
		return 0;
	(void)smtp_reply_fmt(&r, "451 4.4.1 next hop not reached");
	give_up(h, &r, e.why);
	return 0;
}

int
hop_dial_want(struct peer *p, struct msg *m)
{
	struct proto_dial	 d;
	struct pool		*pool;

	(void)p;
	if (get_dial(m, &d) == -1)
		return -1;
	if ((pool = pool_find(d.remote)) != NULL)
		quit(TAILQ_LAST(&pool->hops, hop_list));
	return 0;
}

void
hop_dialer_up(struct peer *p)
{
	struct hop	*h;

	(void)p;
	RB_FOREACH(h, hops, &hops) {
		/* The new dialer knows of no lease. */
		h->leased = false;
		if (h->state == HOP_DIALING)
			ask_dialer(h);
	}
}

void
hop_close_idle(void)
{
	struct pool	*p;

	while ((p = RB_MIN(pools, &pools)) != NULL)
		quit(TAILQ_FIRST(&p->hops));
}

/* --- from the connection -------------------------------------------------- */

/* What the client reads when the connection ended this way. */
static void
end_reply(const struct hop *h, struct smtp_reply *r)
{
	switch (client_end(h->client)) {
	case END_GARBAGE:
		(void)smtp_reply_fmt(r, "451 4.5.0 protocol error at next "
		    "hop");
		break;
	case END_TLS:
		(void)smtp_reply_fmt(r, "451 4.7.5 no TLS as required with "
		    "next hop");
		break;
	case END_MEMORY:
		(void)smtp_reply_fmt(r, "451 4.3.0 no memory");
		break;
	case END_LOST:
	case END_TIMEOUT:
	case END_REFUSED:
	case END_XCLIENT:
	case END_AUTH:
	case END_QUIT:
	case END_NONE:
		(void)smtp_reply_fmt(r, h->ready ?
		    "451 4.4.2 connection to next hop lost" :
		    "451 4.4.1 next hop not reached");
		break;
	}
}

/* Why another connection is tried for this session; NULL: it is not. */
static const char *
another(const struct hop *h)
{
	enum client_end	end = client_end(h->client);

	if (!h->clear && h->remote->tls.mode == RTLS_OPPORTUNISTIC &&
	    end == END_TLS)
		return "hop-without-tls";
	if (h->reused && relay_may_replace(h->s))
		return "hop-replaced";
	if (!h->ready && end != END_TLS && end != END_MEMORY &&
	    h->remote->address.n > 1 && h->tries < TRIES_MAX)
		return "hop-useless";
	return NULL;
}

/* The connection of a session is gone: another one, or the bad news. */
static void
lost_busy(struct hop *h)
{
	struct smtp_reply	 r;
	const char		*event;
	char			 name[320], why[256];

	(void)strlcpy(why, client_why(h->client), sizeof(why));
	if ((event = another(h)) == NULL) {
		end_reply(h, &r);
		give_up(h, &r, why);
		return;
	}
	flog_hop(h->s, event, hop_name(h, name, sizeof(name)), why);
	stats.hops_replaced++;
	h->clear = client_end(h->client) == END_TLS;
	if (!h->ready && !h->clear && !h->reused)
		h->tries++;
	disconnect(h, !h->ready && !h->clear ? DONE_USELESS : 0);
	h->reused = h->spoiled = false;
	h->messages = h->errors = 0;
	dial(h);
}

static void
on_closed(struct hop *h)
{
	switch (h->state) {
	case HOP_BUSY:
		lost_busy(h);
		break;
	case HOP_RESETTING:
	case HOP_IDLE:
	case HOP_QUITTING:
	case HOP_DIALING:
		hop_free(h);
		break;
	case HOP_DEAD:
		break;
	}
}

/* The reply to RSET: a server that refuses it is not used again. */
static void
on_reset(struct hop *h, bool good)
{
	switch (h->state) {
	case HOP_RESETTING:
		if (good && is_reusable(h))
			pool_put(h);
		else
			quit(h);
		break;
	case HOP_IDLE:
		if (!good)
			quit(h);
		break;
	case HOP_BUSY:
		if (!good)
			lost_busy(h);
		break;
	case HOP_DIALING:
	case HOP_QUITTING:
	case HOP_DEAD:
		break;
	}
}

static void
hop_event(void *arg, enum client_event ev, const struct smtp_reply *r,
    uint32_t tag)
{
	struct hop	*h = arg;

	if (h->state == HOP_DEAD)
		return;
	if (ev == CLIENT_CLOSED) {
		on_closed(h);
		return;
	}
	if (ev == CLIENT_READY) {
		h->ready = true;
		if (h->state == HOP_BUSY)
			relay_hop_up(h->s);
		return;
	}
	if (ev == CLIENT_RSET) {
		on_reset(h, r->code / 100 == 2);
		return;
	}
	if (h->state != HOP_BUSY)
		return;
	if (r != NULL && r->code == 421) {
		h->stale = true;
		if (h->reused && relay_may_replace(h->s))
			return;		/* CLIENT_CLOSED follows */
	}
	relay_hop_event(h->s, ev, r, tag);
}
