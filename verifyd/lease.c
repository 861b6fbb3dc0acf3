/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Who has how many connections to which remote, and who waits for one.
 *
 * A remote has a pool (of `mx' each domain): a count of connections in use
 * (being made or given away) against its limit, and a queue.  An asker's
 * part of a pool is a share, so that "who holds connections to this remote"
 * is answered by looking at the askers, of which there are few, and not at
 * the leases.  Pools and shares live as long as somebody is in them.
 *
 * An asker that is apart has pools of its own, without a limit: who asks for
 * mailboxes counts his connections himself, and must not wait for those that
 * carry mail, nor they for his.
 *
 * A pool with somebody in the queue and a connection to spare is on the
 * list of those that are ready: lease_next() takes one from each in turn.
 * Nothing here starts anything: whoever ends a lease asks for the next.
 *
 * Invariant: used <= limit when it is not 0, unless the limit was lowered,
 * which needs another remote (a changed one gets a new id).
 *
 * Connections that were given away before this process was respawned are
 * not counted: their holders end them in time, and a process that forgets
 * is better than one that asks all others what it was.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dialer.h"

struct pool {
	RB_ENTRY(pool)		 by_remote;
	TAILQ_ENTRY(pool)	 entry;		/* while it is ready */
	bool			 ready;
	uint32_t		 remote;
	bool			 apart;
	char			 domain[256];
	size_t			 limit;
	size_t			 used;
	TAILQ_HEAD(, lease)	 queue;
	LIST_HEAD(, share)	 shares;
};

struct share {
	LIST_ENTRY(share)	 in_pool;
	LIST_ENTRY(share)	 in_asker;
	struct pool		*pool;
	size_t			 all;		/* questions and leases */
	size_t			 held;		/* leases */
	struct asker		*asker;
};

RB_HEAD(pools, pool);

static struct pools		pools = RB_INITIALIZER(&pools);
static TAILQ_HEAD(, pool)	ready = TAILQ_HEAD_INITIALIZER(ready);
static size_t			total, held, waiting;

static int
pool_cmp(const struct pool *a, const struct pool *b)
{
	if (a->remote != b->remote)
		return a->remote < b->remote ? -1 : 1;
	if (a->apart != b->apart)
		return a->apart ? 1 : -1;
	return strcasecmp(a->domain, b->domain);
}

static int
lease_cmp(const struct lease *a, const struct lease *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(pools, pool, by_remote, pool_cmp)
RB_GENERATE(pools, pool, by_remote, pool_cmp)
RB_PROTOTYPE(leases, lease, by_sid, lease_cmp)
RB_GENERATE(leases, lease, by_sid, lease_cmp)

static struct pool *
pool_get(uint32_t remote, const char *domain, bool apart)
{
	struct pool	 key, *p;

	key.remote = remote;
	key.apart = apart;
	(void)strlcpy(key.domain, domain, sizeof(key.domain));
	if ((p = RB_FIND(pools, &pools, &key)) != NULL)
		return p;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->remote = remote;
	p->apart = apart;
	(void)strlcpy(p->domain, domain, sizeof(p->domain));
	TAILQ_INIT(&p->queue);
	LIST_INIT(&p->shares);
	RB_INSERT(pools, &pools, p);
	return p;
}

/* Put it on the list of the ready ones, or take it off. */
static void
pool_check(struct pool *p)
{
	bool	is = !TAILQ_EMPTY(&p->queue) &&
		    (p->limit == 0 || p->used < p->limit);

	if (is == p->ready)
		return;
	p->ready = is;
	if (is)
		TAILQ_INSERT_TAIL(&ready, p, entry);
	else
		TAILQ_REMOVE(&ready, p, entry);
}

static void
pool_unused(struct pool *p)
{
	if (!LIST_EMPTY(&p->shares))
		return;
	RB_REMOVE(pools, &pools, p);
	free(p);
}

static struct share *
share_get(struct asker *a, struct pool *p)
{
	struct share	*s;

	LIST_FOREACH(s, &p->shares, in_pool)
		if (s->asker == a)
			return s;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->pool = p;
	s->asker = a;
	LIST_INSERT_HEAD(&p->shares, s, in_pool);
	LIST_INSERT_HEAD(&a->shares, s, in_asker);
	return s;
}

int
lease_join(struct lease *l, struct asker *a, uint64_t sid, uint32_t remote,
    const char *domain, size_t limit)
{
	struct pool	*p;

	l->sid = sid;
	l->asker = a;
	l->state = LEASE_WAITING;
	if (lease_find(a, sid) != NULL) {
		errno = EEXIST;
		return -1;
	}
	if ((p = pool_get(remote, domain, a->apart)) == NULL)
		return -1;
	if ((l->share = share_get(a, p)) == NULL) {
		pool_unused(p);
		errno = ENOMEM;
		return -1;
	}
	RB_INSERT(leases, &a->leases, l);
	a->questions++;
	p->limit = a->apart ? 0 : limit;
	l->share->all++;
	TAILQ_INSERT_TAIL(&p->queue, l, queue);
	total++;
	waiting++;
	pool_check(p);
	return 0;
}

struct lease *
lease_find(struct asker *a, uint64_t sid)
{
	struct lease	key;

	key.sid = sid;
	return RB_FIND(leases, &a->leases, &key);
}

/* Out of the queue, one way or the other. */
static void
unqueue(struct lease *l)
{
	TAILQ_REMOVE(&l->share->pool->queue, l, queue);
	waiting--;
}

struct lease *
lease_next(void)
{
	struct pool	*p = TAILQ_FIRST(&ready);
	struct lease	*l;

	if (p == NULL)
		return NULL;
	l = TAILQ_FIRST(&p->queue);
	unqueue(l);
	l->state = LEASE_DIALLING;
	p->used++;
	/* To the end of the list, if it stays on it. */
	TAILQ_REMOVE(&ready, p, entry);
	p->ready = false;
	pool_check(p);
	return l;
}

void
lease_given(struct lease *l)
{
	l->state = LEASE_HELD;
	l->share->held++;
	l->asker->questions--;
	held++;
}

int
lease_hold(struct lease *l, struct asker *a, uint64_t sid, uint32_t remote,
    const char *domain, size_t limit)
{
	struct pool	*p;

	if (lease_join(l, a, sid, remote, domain, limit) == -1)
		return -1;
	p = l->share->pool;
	unqueue(l);
	p->used++;
	lease_given(l);
	pool_check(p);
	return 0;
}

void
lease_end(struct lease *l)
{
	struct share	*s = l->share;
	struct pool	*p = s->pool;

	switch (l->state) {
	case LEASE_WAITING:
		unqueue(l);
		l->asker->questions--;
		break;
	case LEASE_DIALLING:
		p->used--;
		l->asker->questions--;
		break;
	case LEASE_HELD:
		p->used--;
		s->held--;
		held--;
		break;
	}
	total--;
	RB_REMOVE(leases, &l->asker->leases, l);
	pool_check(p);
	if (--s->all > 0)
		return;
	LIST_REMOVE(s, in_pool);
	LIST_REMOVE(s, in_asker);
	free(s);
	pool_unused(p);
}

static void
pool_holders(const struct pool *p,
    void (*fn)(struct asker *, uint32_t, const char *))
{
	struct share	*s;

	LIST_FOREACH(s, &p->shares, in_pool)
		if (s->held > 0)
			fn(s->asker, p->remote, p->domain);
}

void
lease_holders(const struct lease *l,
    void (*fn)(struct asker *, uint32_t, const char *))
{
	pool_holders(l->share->pool, fn);
}

void
lease_wanted(void (*fn)(struct asker *, uint32_t, const char *))
{
	struct pool	*p;

	RB_FOREACH(p, pools, &pools)
		if (!TAILQ_EMPTY(&p->queue))
			pool_holders(p, fn);
}

size_t
lease_count(void)
{
	return total;
}

size_t
lease_held(void)
{
	return held;
}

size_t
lease_waiting(void)
{
	return waiting;
}
