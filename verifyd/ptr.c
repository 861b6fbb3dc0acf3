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
#define QUERIES_MAX	65536		/* addresses on their way */
#define GRACE		250		/* ms; resolved has the same deadline */

/* How long an answer is kept, in seconds. */
#define TTL_MIN		5
#define TTL_MAX		3600
#define TTL_NONE	300
#define TTL_FAIL	10

struct waiter {
	TAILQ_ENTRY(waiter)	 entry;
	struct peer		*peer;
	uint64_t		 sid;
	uint32_t		 seq;
};

struct query {
	RB_ENTRY(query)		 by_addr, by_sid;
	uint64_t		 sid;		/* resolved knows it by */
	struct addr		 addr;		/* port 0 */
	struct timer		 timer;
	TAILQ_HEAD(, waiter)	 waiters;
};

RB_HEAD(addr_tree, query);
RB_HEAD(sid_tree, query);
static struct addr_tree	by_addr = RB_INITIALIZER(&by_addr);
static struct sid_tree	by_sid = RB_INITIALIZER(&by_sid);
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
query_free(struct query *q)
{
	timer_del(&q->timer);
	RB_REMOVE(addr_tree, &by_addr, q);
	RB_REMOVE(sid_tree, &by_sid, q);
	count.queries--;
	free(q);
}

/* All who wait are told; that is its end. */
static void
query_answer(struct query *q, const struct proto_ptr_ans *a)
{
	struct waiter	*w;

	if (a->status == DNS_FAIL || a->status == DNS_TIMEOUT)
		count.failed++;
	while ((w = TAILQ_FIRST(&q->waiters)) != NULL) {
		TAILQ_REMOVE(&q->waiters, w, entry);
		send_answer(w->peer, w->sid, w->seq, a);
		free(w);
	}
	query_free(q);
}

static void
on_deadline(void *arg)
{
	struct query		*q = arg;
	struct proto_ptr_ans	 a = { .status = DNS_TIMEOUT };

	if (resolved != NULL)
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

static void
send_question(const struct query *q, uint32_t timeout)
{
	struct proto_dns_ask	 ask = { .type = DNS_TYPE_PTR_FC,
				    .timeout = timeout };
	struct wbuf		 w = { 0 };

	(void)addr_text(&q->addr, ask.name, sizeof(ask.name));
	put_dns_ask(&w, &ask);
	peer_send(resolved, MSG_DNS_ASK, q->sid, 0, -1, &w);
}

/* The question for an address, asked now if nobody has; NULL: impossible. */
static struct query *
query_of(const struct addr *addr, uint32_t timeout)
{
	struct query	 key = { .addr = *addr }, *q;

	if ((q = RB_FIND(addr_tree, &by_addr, &key)) != NULL) {
		count.joined++;
		return q;
	}
	if (resolved == NULL || count.queries >= QUERIES_MAX ||
	    (q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	q->addr = *addr;
	q->sid = ++last_sid;
	TAILQ_INIT(&q->waiters);
	RB_INSERT(addr_tree, &by_addr, q);
	RB_INSERT(sid_tree, &by_sid, q);
	count.queries++;
	timeout = time_allowed(timeout);
	timer_init(&q->timer, on_deadline, q);
	timer_set(&q->timer, (int64_t)timeout + GRACE);
	send_question(q, timeout);
	return q;
}

int
ptr_ask(struct peer *p, struct msg *m)
{
	struct proto_ptr	 req;
	struct proto_ptr_ans	 a, fail = { .status = DNS_FAIL };
	struct query		*q;
	struct waiter		*w = NULL;

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
	if ((q = query_of(&req.addr, req.timeout)) != NULL)
		w = calloc(1, sizeof(*w));
	if (w == NULL) {
		count.failed++;
		send_answer(p, m->sid, m->seq, &fail);
		return 0;
	}
	w->peer = p;
	w->sid = m->sid;
	w->seq = m->seq;
	TAILQ_INSERT_TAIL(&q->waiters, w, entry);
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
ptr_peer_down(const struct peer *p)
{
	struct query	*q;
	struct waiter	*w, *next;

	RB_FOREACH(q, sid_tree, &by_sid)
		TAILQ_FOREACH_SAFE(w, &q->waiters, entry, next) {
			if (w->peer != p)
				continue;
			TAILQ_REMOVE(&q->waiters, w, entry);
			free(w);
		}
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
