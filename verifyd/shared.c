/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What all processes remember together: the STATE frames.
 *
 * The tables are common/state.c's; here is only how they are asked.  A
 * question is read whole before any of it is done: one that is malformed has
 * changed nothing when its sender is cut off.
 *
 * An answer is a message, and has a message's bound (MSG_MAX): a value that
 * would not fit is answered as not found, which everybody who asks must be
 * ready for.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stdio.h>

#include "log.h"
#include "peer.h"
#include "rate.h"
#include "state.h"
#include "tally.h"
#include "timer.h"
#include "verifyd.h"

#define ENTRIES		(256 * 1024)
#define OCTETS		(64 * 1024 * 1024)

/* Each second a part of the buckets: all of them in some five minutes. */
#define SWEEP_EVERY	1000		/* ms */
#define SWEEP		1024

/* An item of an answer without the value: found, length. */
#define ITEM_MIN	5

static struct state	*state;
static struct timer	 sweep_timer;

static void
on_sweep(void *arg)
{
	(void)arg;
	state_sweep(state, mono_now(), SWEEP);
	timer_set(&sweep_timer, SWEEP_EVERY);
}

void
shared_start(void)
{
	if ((state = state_new(ENTRIES, OCTETS)) == NULL)
		fatal("state");
	timer_init(&sweep_timer, on_sweep, NULL);
	timer_set(&sweep_timer, SWEEP_EVERY);
}

/* Are these the items of such a question, all of it?  Takes a copy. */
static bool
items_ok(const struct proto_state *q, struct rbuf r)
{
	struct proto_rate	 rate;
	uint32_t		 i;
	size_t			 len;

	if (q->op == STATE_FREE && q->n > 0)
		return false;
	for (i = 0; i < q->n && !r.failed; i++) {
		if (q->op != STATE_GET && q->op != STATE_SET) {
			if (get_rate(&r, &rate) == -1)
				return false;
			continue;
		}
		(void)get_blob(&r, &len);
		if (r.failed || len > STATE_KEY_MAX)
			return false;
		if (q->op != STATE_SET)
			continue;
		(void)get_blob(&r, &len);
		if (r.failed || len > STATE_VALUE_MAX)
			return false;
	}
	return get_end(&r) == 0;
}

static void
do_get(const struct proto_state *q, struct rbuf *r, struct wbuf *w)
{
	const void	*key, *value;
	size_t		 klen, vlen;
	uint32_t	 i;
	bool		 found;

	for (i = 0; i < q->n; i++) {
		key = get_blob(r, &klen);
		found = state_get(state, q->table, key, klen, mono_now(),
		    &value, &vlen);
		/* Whatever this one takes, the others need theirs. */
		if (found && w->len + vlen + (q->n - i) * ITEM_MIN > MSG_MAX)
			found = false;
		put_bool(w, found);
		put_blob(w, found ? value : "", found ? vlen : 0);
	}
}

static void
do_set(const struct proto_state *q, struct rbuf *r)
{
	const void	*key, *value;
	size_t		 klen, vlen;
	uint32_t	 i;

	for (i = 0; i < q->n; i++) {
		key = get_blob(r, &klen);
		value = get_blob(r, &vlen);
		if (state_set(state, q->table, key, klen, value, vlen, q->ttl,
		    mono_now()) == -1)
			log_debug("state: no memory");
	}
}

/* --- rates, and what is held ---------------------------------------------- */

/* Who holds: a session of a worker. */
struct holder {
	const struct peer	*worker;
	uint64_t		 sid;
};

/* One item; was: the session held it before. */
static bool
take(const struct holder *h, const struct proto_rate *r, bool *was)
{
	enum tally	t;

	*was = false;
	if (r->period > 0)
		return rate_take(r->key, r->klen, r->count, r->period);
	t = tally_take(h->worker, h->sid, r->key, r->klen, r->count);
	*was = t == TALLY_WAS_HELD;
	return t != TALLY_OVER;
}

static void
give_back(const struct holder *h, const struct proto_rate *r)
{
	if (r->period > 0)
		rate_back(r->key, r->klen, r->count, r->period);
	else
		tally_back(h->worker, h->sid, r->key, r->klen);
}

/* All of them, or none: 1 + the first that there is no room for, or 0. */
static uint32_t
do_take(const struct holder *h, uint32_t n, struct rbuf r)
{
	static bool		was[STATE_ITEMS_MAX];
	struct proto_rate	rate;
	struct rbuf		again = r;
	uint32_t		i, k;

	for (i = 0; i < n; i++) {
		(void)get_rate(&r, &rate);
		if (!take(h, &rate, &was[i]))
			break;
	}
	if (i == n)
		return 0;
	for (k = 0; k < i; k++) {
		(void)get_rate(&again, &rate);
		if (!was[k])
			give_back(h, &rate);
	}
	return i + 1;
}

static void
do_back(const struct holder *h, uint32_t n, struct rbuf r)
{
	struct proto_rate	rate;

	while (n-- > 0 && get_rate(&r, &rate) == 0)
		give_back(h, &rate);
}

static void
do_held(const struct holder *h, uint32_t n, struct rbuf r)
{
	struct proto_rate	rate;

	while (n-- > 0 && get_rate(&r, &rate) == 0)
		if (rate.period == 0)
			(void)tally_take(h->worker, h->sid, rate.key,
			    rate.klen, 0);
}

int
shared_state(struct peer *p, struct msg *m)
{
	struct holder		 h = { .worker = p, .sid = m->sid };
	struct proto_state	 q;
	struct proto_state_ans	 a = { .over = 0 };
	struct wbuf		 w = { 0 };

	if (get_state(m, &q) == -1 || !items_ok(&q, m->body))
		return -1;
	a.op = q.op;
	a.n = q.n;
	switch ((enum state_op)q.op) {
	case STATE_GET:
		put_state_ans(&w, &a);
		do_get(&q, &m->body, &w);
		break;
	case STATE_SET:
		put_state_ans(&w, &a);
		do_set(&q, &m->body);
		break;
	case STATE_TAKE:
		a.over = do_take(&h, q.n, m->body);
		put_state_ans(&w, &a);
		break;
	case STATE_BACK:
		do_back(&h, q.n, m->body);
		return 0;
	case STATE_HELD:
		do_held(&h, q.n, m->body);
		return 0;
	case STATE_FREE:
		tally_free(h.worker, h.sid);
		return 0;
	case STATE_INCR:
	case STATE_OP_COUNT:
		return -1;
	}
	peer_send(p, MSG_STATE_ANS, m->sid, m->seq, -1, &w);
	return 0;
}

int
shared_stats(char *text, size_t size)
{
	struct state_stats	 s;

	state_stats(state, &s);
	return snprintf(text, size,
	    "verifyd.state.entries %zu\n"
	    "verifyd.state.octets %zu\n"
	    "verifyd.state.hits %llu\n"
	    "verifyd.state.misses %llu\n"
	    "verifyd.state.sets %llu\n"
	    "verifyd.state.expired %llu\n"
	    "verifyd.state.evicted %llu\n",
	    s.entries, s.octets, (unsigned long long)s.hits,
	    (unsigned long long)s.misses, (unsigned long long)s.sets,
	    (unsigned long long)s.expired, (unsigned long long)s.evicted);
}
