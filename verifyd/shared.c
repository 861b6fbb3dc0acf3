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
#include "state.h"
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
	uint32_t	 i;
	size_t		 len;

	for (i = 0; i < q->n && !r.failed; i++) {
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

int
shared_state(struct peer *p, struct msg *m)
{
	struct proto_state	 q;
	struct proto_state_ans	 a;
	struct wbuf		 w = { 0 };

	if (get_state(m, &q) == -1 || !items_ok(&q, m->body))
		return -1;
	a.op = q.op;
	a.n = q.n;
	put_state_ans(&w, &a);
	switch ((enum state_op)q.op) {
	case STATE_GET:
		do_get(&q, &m->body, &w);
		break;
	case STATE_SET:
		do_set(&q, &m->body);
		break;
	case STATE_OP_COUNT:
		break;
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
