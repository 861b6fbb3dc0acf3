/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The names of clients' addresses: PTR_ASK in, PTR_ANS out.
 *
 * resolved does the work, names that lead back to the address only
 * (DNS_TYPE_PTR_FC).  Here askers of one address are joined, and the answer
 * is kept for a while, as a client rarely comes once.
 *
 * A question (struct query) is one address on its way to resolved, with all
 * who wait for it.  It ends by the answer, by its deadline, which is that of
 * the one who asked first, or by the loss of resolved; so everybody has an
 * answer in time, whatever resolved does.  Who goes away meanwhile is taken
 * out; the question goes on, for the memory.
 *
 * Each asker has a share: so many of its questions are with resolved, the
 * rest waits in a queue of its own, and there is an end to that too.  A
 * worker with a flood of clients, or taken over, does not keep the others
 * from being answered: resolved has a place for all of these shares as long
 * as they are few, and little in its queue where they are many.
 *
 * What is kept: the status and the name, for the time that DNS says but not
 * longer than TTL_MAX, failures for a few seconds.  The table is its own: a
 * flood of clients shall not press out what shared.c remembers.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "state.h"
#include "timer.h"
#include "verifyd.h"

#define ENTRIES		65536
#define OCTETS		(16 * 1024 * 1024)
#define SHARE		64		/* questions of one asker at resolved */
#define WAITERS_MAX	16384		/* of one asker without an answer */
#define GRACE		250		/* ms; resolved has the same deadline */

/* How long an answer is kept, in seconds. */
#define TTL_MIN		5
#define TTL_MAX		3600
#define TTL_NONE	300
#define TTL_FAIL	10

TAILQ_HEAD(queries, query);

/* An asker's. */
struct share {
	LIST_ENTRY(share)	 entry;
	struct peer		*peer;
	struct queries		 queue;		/* not with resolved yet */
	size_t			 nasked;
	size_t			 nwaiters;
};

struct waiter {
	TAILQ_ENTRY(waiter)	 entry;
	struct share		*share;
	uint64_t		 sid;
	uint32_t		 seq;
};

struct query {
	RB_ENTRY(query)		 by_addr, by_sid;
	TAILQ_ENTRY(query)	 queue;
	struct share		*share;		/* whose place it takes; NULL:
						   its asker has gone */
	bool			 asked;		/* else it is in the queue */
	struct mono		 deadline;	/* of resolved's answer */
	uint64_t		 sid;		/* resolved knows it by */
	struct addr		 addr;		/* port 0 */
	struct timer		 timer;
	TAILQ_HEAD(, waiter)	 waiters;
};

RB_HEAD(addr_tree, query);
RB_HEAD(sid_tree, query);
static struct addr_tree	by_addr = RB_INITIALIZER(&by_addr);
static struct sid_tree	by_sid = RB_INITIALIZER(&by_sid);
static LIST_HEAD(, share) shares = LIST_HEAD_INITIALIZER(shares);
static struct state	*cache;
static struct peer	*resolved;
static uint64_t		 last_sid;
static struct {
	size_t		queries;	/* on their way now */
	uint64_t	asked, joined, cached, failed;
} count;

static int
addr_cmp(const struct query *a, const struct query *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

static int
sid_cmp(const struct query *a, const struct query *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(addr_tree, query, by_addr, addr_cmp)
RB_GENERATE(addr_tree, query, by_addr, addr_cmp)
RB_PROTOTYPE(sid_tree, query, by_sid, sid_cmp)
RB_GENERATE(sid_tree, query, by_sid, sid_cmp)

void
ptr_start(void)
{
	if ((cache = state_new(ENTRIES, OCTETS)) == NULL)
		fatal("state");
}

/* --- answers -------------------------------------------------------------- */

static void
send_answer(struct peer *p, uint64_t sid, uint32_t seq,
    const struct proto_ptr_ans *a)
{
	struct wbuf	w = { 0 };

	put_ptr_ans(&w, a);
	peer_send(p, MSG_PTR_ANS, sid, seq, -1, &w);
}

static void
send_question(struct query *q)
{
	struct proto_dns_ask	 ask = { .type = DNS_TYPE_PTR_FC };
	struct wbuf		 w = { 0 };
	int64_t			 left = mono_diff(q->deadline, mono_now());

	ask.timeout = left > 0 ? (uint32_t)left : 1;
	(void)addr_text(&q->addr, ask.name, sizeof(ask.name));
	put_dns_ask(&w, &ask);
	peer_send(resolved, MSG_DNS_ASK, q->sid, 0, -1, &w);
	q->asked = true;
}

/* What of a share may be asked is asked. */
static void
pump(struct share *s)
{
	struct query	*q;

	while (resolved != NULL && s->nasked < SHARE &&
	    (q = TAILQ_FIRST(&s->queue)) != NULL) {
		TAILQ_REMOVE(&s->queue, q, queue);
		s->nasked++;
		send_question(q);
	}
}

/* Take it out of its share. */
static void
query_leave(struct query *q)
{
	struct share	*s = q->share;

	q->share = NULL;
	if (s != NULL && q->asked)
		s->nasked--;
	else if (s != NULL)
		TAILQ_REMOVE(&s->queue, q, queue);
}

static void
query_join(struct query *q, struct share *s)
{
	q->share = s;
	if (q->asked)
		s->nasked++;
	else
		TAILQ_INSERT_TAIL(&s->queue, q, queue);
	pump(s);
}

static void
query_free(struct query *q)
{
	timer_del(&q->timer);
	query_leave(q);
	RB_REMOVE(addr_tree, &by_addr, q);
	RB_REMOVE(sid_tree, &by_sid, q);
	count.queries--;
	free(q);
}

static void
waiter_free(struct query *q, struct waiter *w)
{
	TAILQ_REMOVE(&q->waiters, w, entry);
	w->share->nwaiters--;
	free(w);
}

/* All who wait are told; that is its end. */
static void
query_answer(struct query *q, const struct proto_ptr_ans *a)
{
	struct share	*s = q->share;
	struct waiter	*w;

	if (a->status == DNS_FAIL || a->status == DNS_TIMEOUT)
		count.failed++;
	while ((w = TAILQ_FIRST(&q->waiters)) != NULL) {
		send_answer(w->share->peer, w->sid, w->seq, a);
		waiter_free(q, w);
	}
	query_free(q);
	if (s != NULL)
		pump(s);
}

static void
on_deadline(void *arg)
{
	struct query		*q = arg;
	struct proto_ptr_ans	 a = { .status = DNS_TIMEOUT };

	if (resolved != NULL && q->asked)
		peer_send(resolved, MSG_DNS_CANCEL, q->sid, 0, -1, NULL);
	query_answer(q, &a);
}

/* --- memory --------------------------------------------------------------- */

static int64_t
time_kept(const struct proto_ptr_ans *a, uint32_t ttl)
{
	switch ((enum dns_status)a->status) {
	case DNS_OK:
		if (ttl < TTL_MIN)
			return TTL_MIN;
		return ttl < TTL_MAX ? ttl : TTL_MAX;
	case DNS_NONE:
		return TTL_NONE;
	case DNS_FAIL:
	case DNS_TIMEOUT:
	case DNS_STATUS_COUNT:
		break;
	}
	return TTL_FAIL;
}

/* The status in the first octet, the name behind it. */
static void
keep(const struct addr *addr, const struct proto_ptr_ans *a, uint32_t ttl)
{
	uint8_t	value[1 + sizeof(a->name)];
	size_t	len = strlen(a->name);

	value[0] = a->status;
	memcpy(value + 1, a->name, len);
	(void)state_set(cache, addr->family, addr->ip, sizeof(addr->ip),
	    value, 1 + len, time_kept(a, ttl) * 1000, mono_now());
}

static bool
is_kept(const struct addr *addr, struct proto_ptr_ans *a)
{
	const void	*value;
	size_t		 len;

	if (!state_get(cache, addr->family, addr->ip, sizeof(addr->ip),
	    mono_now(), &value, &len))
		return false;
	memset(a, 0, sizeof(*a));
	a->status = *(const uint8_t *)value;
	memcpy(a->name, (const uint8_t *)value + 1, len - 1);
	return true;
}

/* --- questions ------------------------------------------------------------ */

static uint32_t
time_allowed(uint32_t asked)
{
	const struct config	*conf = proc_conf();
	int64_t			 ms = conf == NULL ? 5000 :
				    conf->resolver.timeout;

	return asked != 0 && asked < ms ? asked : (uint32_t)ms;
}

/*
 * One that waits in another's queue is asked now if the newcomer has a place
 * for it.
 */
static void
query_hurry(struct query *q, struct share *s)
{
	if (q->asked || q->share == s || s->nasked >= SHARE)
		return;
	query_leave(q);
	query_join(q, s);
}

/* The question for an address, new if nobody has asked; NULL: impossible. */
static struct query *
query_of(struct share *s, const struct addr *addr, uint32_t timeout)
{
	struct query	 key = { .addr = *addr }, *q;

	if ((q = RB_FIND(addr_tree, &by_addr, &key)) != NULL) {
		count.joined++;
		query_hurry(q, s);
		return q;
	}
	if (resolved == NULL || (q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	q->addr = *addr;
	q->sid = ++last_sid;
	TAILQ_INIT(&q->waiters);
	RB_INSERT(addr_tree, &by_addr, q);
	RB_INSERT(sid_tree, &by_sid, q);
	count.queries++;
	timeout = time_allowed(timeout);
	q->deadline = mono_add(mono_now(), timeout);
	timer_init(&q->timer, on_deadline, q);
	timer_set(&q->timer, (int64_t)timeout + GRACE);
	query_join(q, s);
	return q;
}

static struct share *
share_of(const struct peer *p)
{
	struct share	*s;

	LIST_FOREACH(s, &shares, entry)
		if (s->peer == p)
			break;
	return s;
}

/* One more who waits for an address; -1: he cannot. */
static int
wait_for(struct share *s, const struct proto_ptr *req, const struct msg *m)
{
	struct query	*q;
	struct waiter	*w;

	if (s == NULL || s->nwaiters >= WAITERS_MAX ||
	    (w = calloc(1, sizeof(*w))) == NULL)
		return -1;
	if ((q = query_of(s, &req->addr, req->timeout)) == NULL) {
		free(w);
		return -1;
	}
	w->share = s;
	w->sid = m->sid;
	w->seq = m->seq;
	TAILQ_INSERT_TAIL(&q->waiters, w, entry);
	s->nwaiters++;
	return 0;
}

int
ptr_ask(struct peer *p, struct msg *m)
{
	struct proto_ptr	 req;
	struct proto_ptr_ans	 a, fail = { .status = DNS_FAIL };

	if (get_ptr(m, &req) == -1 ||
	    (req.addr.family != ADDR_V4 && req.addr.family != ADDR_V6))
		return -1;
	req.addr.port = 0;
	count.asked++;
	if (is_kept(&req.addr, &a)) {
		count.cached++;
		send_answer(p, m->sid, m->seq, &a);
		return 0;
	}
	if (wait_for(share_of(p), &req, m) == -1) {
		count.failed++;
		send_answer(p, m->sid, m->seq, &fail);
	}
	return 0;
}

/* Late ones, of questions that had their deadline, are dropped. */
int
ptr_dns_ans(struct peer *p, struct msg *m)
{
	struct proto_dns_records	 r;
	struct proto_ptr_ans		 a = { .status = DNS_NONE };
	struct query			 key = { .sid = m->sid }, *q;

	(void)p;
	if (get_dns_records(m, &r) == -1)
		return -1;
	if ((q = RB_FIND(sid_tree, &by_sid, &key)) == NULL)
		return 0;
	if (r.status != DNS_OK)
		a.status = r.status;
	else if (r.n > 0 && r.record[0].text[0] != '\0') {
		a.status = DNS_OK;
		(void)strlcpy(a.name, r.record[0].text, sizeof(a.name));
	}
	keep(&q->addr, &a, r.ttl);
	query_answer(q, &a);
	return 0;
}

/* --- pipes ---------------------------------------------------------------- */

void
ptr_resolved_up(struct peer *p)
{
	resolved = p;
}

void
ptr_resolved_down(void)
{
	struct proto_ptr_ans	 a = { .status = DNS_FAIL };
	struct query		*q;

	resolved = NULL;
	while ((q = RB_ROOT(&by_sid)) != NULL)
		query_answer(q, &a);
}

void
ptr_peer_up(struct peer *p)
{
	struct share	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal("share");
	s->peer = p;
	TAILQ_INIT(&s->queue);
	LIST_INSERT_HEAD(&shares, s, entry);
}

/* Its questions that others wait for are theirs, or resolved has them. */
static void
share_end(struct share *s)
{
	struct query	*q, *next;

	RB_FOREACH_SAFE(q, sid_tree, &by_sid, next) {
		if (q->share != s)
			continue;
		if (!q->asked && TAILQ_EMPTY(&q->waiters)) {
			query_free(q);
			continue;
		}
		query_leave(q);
		if (!q->asked)
			query_join(q, TAILQ_FIRST(&q->waiters)->share);
	}
	LIST_REMOVE(s, entry);
	free(s);
}

void
ptr_peer_down(const struct peer *p)
{
	struct share	*s = share_of(p);
	struct query	*q;
	struct waiter	*w, *next;

	if (s == NULL)
		return;
	RB_FOREACH(q, sid_tree, &by_sid)
		TAILQ_FOREACH_SAFE(w, &q->waiters, entry, next)
			if (w->share == s)
				waiter_free(q, w);
	share_end(s);
}

int
ptr_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.ptr.asked %llu\n"
	    "verifyd.ptr.joined %llu\n"
	    "verifyd.ptr.cached %llu\n"
	    "verifyd.ptr.failed %llu\n"
	    "verifyd.ptr.queries %zu\n",
	    (unsigned long long)count.asked,
	    (unsigned long long)count.joined,
	    (unsigned long long)count.cached,
	    (unsigned long long)count.failed, count.queries);
}
