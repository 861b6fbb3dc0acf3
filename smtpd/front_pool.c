/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The pools: connections to next hops that are nobody's for now.
 *
 * A pool is of one worker and one remote (by id: another generation's
 * remote of the same id is the same to the letter); of `mx' there is one for
 * each domain.  A commit closes all
 * that are idle, and those of older generations do not come back, so that
 * no pool holds a generation alive.  The connection that was used last is
 * taken first: the others come to their idle time, and the pool is as large
 * as it needs to be.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front_hop.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

struct pool {
	RB_ENTRY(pool)		 node;
	uint32_t		 remote;
	char			*domain;	/* of `mx'; else "" */
	struct hop_list		 hops;		/* the last used first */
};

static int
pool_cmp(struct pool *a, struct pool *b)
{
	if (a->remote != b->remote)
		return a->remote < b->remote ? -1 : 1;
	return strcmp(a->domain, b->domain);
}

static RB_HEAD(pools, pool)	pools = RB_INITIALIZER(&pools);
RB_PROTOTYPE(pools, pool, node, pool_cmp)
RB_GENERATE(pools, pool, node, pool_cmp)

static struct pool *
pool_find(uint32_t remote, char *domain)
{
	struct pool	key = { .remote = remote, .domain = domain };

	return RB_FIND(pools, &pools, &key);
}

/* NULL without memory. */
static struct pool *
pool_new(uint32_t remote, const char *domain)
{
	struct pool	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->domain = strdup(domain)) == NULL) {
		free(p);
		return NULL;
	}
	p->remote = remote;
	TAILQ_INIT(&p->hops);
	RB_INSERT(pools, &pools, p);
	return p;
}

void
pool_remove(struct hop *h)
{
	struct pool	*p = pool_find(h->remote->obj.id, h->domain);

	TAILQ_REMOVE(&p->hops, h, entry);
	timer_del(&h->timer);
	stats.hops_idle--;
	if (!TAILQ_EMPTY(&p->hops))
		return;
	RB_REMOVE(pools, &pools, p);
	free(p->domain);
	free(p);
}

struct hop *
pool_take(uint32_t remote, char *domain, struct session *s)
{
	struct pool	*p;
	struct hop	*h, *best = NULL;
	enum hop_suit	 suit;

	if ((p = pool_find(remote, domain)) == NULL)
		return NULL;
	TAILQ_FOREACH(h, &p->hops, entry) {
		suit = hop_suits(h, s);
		if (suit == SUIT_BEST || (suit == SUIT_YES && best == NULL))
			best = h;
		if (suit == SUIT_BEST)
			break;
	}
	if (best != NULL)
		pool_remove(best);
	return best;
}

static bool
leads_to(const struct hop *h, uint32_t remote, const char *domain)
{
	return h->remote->obj.id == remote && strcmp(h->domain, domain) == 0;
}

/*
 * Who waits for a connection to there and may have this one; it matters only
 * where connections are few.  In place of one that turned out to be stale
 * none will do that may be stale, too.
 */
static struct hop *
find_waiting(const struct hop *h)
{
	struct hop	*w;

	if (h->remote->connections == 0)
		return NULL;
	TAILQ_FOREACH(w, &hops_dialing, entry)
		if (!w->again && leads_to(w, h->remote->obj.id, h->domain) &&
		    hop_suits(h, w->s) != SUIT_NO)
			return w;
	return NULL;
}

/*
 * Free for the next one.  Where connections are few, somebody may wait for
 * one: he need not wait until this one is closed for him.
 */
void
pool_put(struct hop *h)
{
	struct hop	*waiting;
	struct pool	*p;

	if ((waiting = find_waiting(h)) != NULL) {
		hop_take_over(h, waiting);
		return;
	}
	if (h->wanted) {
		hop_quit(h);
		return;
	}
	if ((p = pool_find(h->remote->obj.id, h->domain)) == NULL &&
	    (p = pool_new(h->remote->obj.id, h->domain)) == NULL) {
		hop_abort(h);
		return;
	}
	h->state = HOP_IDLE;
	TAILQ_INSERT_HEAD(&p->hops, h, entry);
	timer_set(&h->timer, h->remote->timeout.idle);
	stats.hops_idle++;
}

/* A connection to there that only waits for work; NULL: none. */
static struct hop *
find_idle(uint32_t remote, char *domain)
{
	struct pool	*p;
	struct hop	*h;

	if ((p = pool_find(remote, domain)) != NULL)
		return TAILQ_LAST(&p->hops, hop_list);
	RB_FOREACH(h, hops, &hops)
		if (h->state == HOP_KEPT && leads_to(h, remote, domain))
			return h;
	return NULL;
}

/* One that works, and is not to be closed already. */
static struct hop *
find_busy(uint32_t remote, const char *domain)
{
	struct hop	*h;

	RB_FOREACH(h, hops, &hops)
		if ((h->state == HOP_BUSY || h->state == HOP_RESETTING) &&
		    !h->wanted && leads_to(h, remote, domain))
			return h;
	return NULL;
}

/*
 * Somebody waits, perhaps in another worker: an idle one makes room, or the
 * first that comes free and that nobody here takes over.
 */

int
hop_dial_want(struct peer *p, struct msg *m)
{
	struct proto_dial	 d;
	struct hop		*h;

	(void)p;
	if (get_dial(m, &d) == -1)
		return -1;
	if ((h = find_idle(d.remote, d.domain)) != NULL)
		hop_quit(h);
	else if ((h = find_busy(d.remote, d.domain)) != NULL)
		h->wanted = true;
	return 0;
}

void
hop_close_idle(void)
{
	struct pool	*p;

	while ((p = RB_MIN(pools, &pools)) != NULL)
		hop_quit(TAILQ_FIRST(&p->hops));
}

static size_t
idle_of(uint32_t remote)
{
	struct pool	*p;
	struct hop	*h;
	size_t		 n = 0;

	RB_FOREACH(p, pools, &pools)
		if (p->remote == remote)
			TAILQ_FOREACH(h, &p->hops, entry)
				n++;
	return n;
}

void
pool_show(int fd)
{
	const struct config	*conf = proc_conf();
	char			 line[512];
	size_t			 i;
	int			 n;

	for (i = 0; conf != NULL && i < conf->remotes.n; i++) {
		n = snprintf(line, sizeof(line), "route %s idle %zu\n",
		    conf->remotes.v[i]->name,
		    idle_of(conf->remotes.v[i]->id));
		if (n > 0 && (size_t)n < sizeof(line))
			(void)send(fd, line, (size_t)n,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}
