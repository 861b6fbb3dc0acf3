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
 * What scripts keep is a state of its own, with bounds of its own: whoever
 * writes them shall not press out what workers remember.  proxyd gets at that
 * one alone, and holds nothing; the others get at all else.
 *
 * An answer is a message, and has a message's bound (MSG_MAX): a value that
 * would not fit is answered as not found, which everybody who asks must be
 * ready for.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "peer.h"
#include "rate.h"
#include "state.h"
#include "tally.h"
#include "timer.h"
#include "verifyd.h"

#define ENTRIES		(256 * 1024)
#define OCTETS		(64 * 1024 * 1024)
#define SCRIPT_ENTRIES	(64 * 1024)
#define SCRIPT_OCTETS	(32 * 1024 * 1024)

#define NUMBER_MAX	21		/* "-9223372036854775808" and NUL */

/* Each second a part of the buckets: all of them in some five minutes. */
#define SWEEP_EVERY	1000		/* ms */
#define SWEEP		1024

/* An item of an answer without the value: found, length. */
#define ITEM_MIN	5

static struct state	*state, *scripts;
static struct timer	 sweep_timer;

static void
on_sweep(void *arg)
{
	(void)arg;
	state_sweep(state, mono_now(), SWEEP);
	state_sweep(scripts, mono_now(), SWEEP);
	timer_set(&sweep_timer, SWEEP_EVERY);
}

void
shared_start(void)
{
	if ((state = state_new(ENTRIES, OCTETS)) == NULL ||
	    (scripts = state_new(SCRIPT_ENTRIES, SCRIPT_OCTETS)) == NULL)
		fatal("state");
	timer_init(&sweep_timer, on_sweep, NULL);
	timer_set(&sweep_timer, SWEEP_EVERY);
}

static struct state *
state_of(const struct proto_state *q)
{
	return q->table == STATE_SCRIPT ? scripts : state;
}

static bool
has_values(enum state_op op)
{
	return op == STATE_GET || op == STATE_SET || op == STATE_INCR;
}

/* May this process ask so? */
static bool
is_allowed(const struct peer *p, const struct proto_state *q)
{
	bool	script = p->role == R_PROXYD;

	if (q->op == STATE_INCR && q->table != STATE_SCRIPT)
		return false;
	if (has_values((enum state_op)q->op))
		return script == (q->table == STATE_SCRIPT);
	return !script || q->op == STATE_TAKE || q->op == STATE_BACK;
}

/* Are these the items of such a question, all of it?  Takes a copy. */
static bool
items_ok(const struct peer *p, const struct proto_state *q, struct rbuf r)
{
	struct proto_rate	 rate;
	uint32_t		 i;
	size_t			 len;

	if (!is_allowed(p, q) || (q->op == STATE_FREE && q->n > 0))
		return false;
	for (i = 0; i < q->n && !r.failed; i++) {
		if (!has_values((enum state_op)q->op)) {
			if (get_rate(&r, &rate) == -1 ||
			    (p->role == R_PROXYD && rate.period == 0))
				return false;
			continue;
		}
		(void)get_blob(&r, &len);
		if (r.failed || len > STATE_KEY_MAX)
			return false;
		if (q->op == STATE_GET)
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
		found = state_get(state_of(q), q->table, key, klen, mono_now(),
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
		if (state_set(state_of(q), q->table, key, klen, value, vlen,
		    q->ttl, mono_now()) == -1)
			log_debug("state: no memory");
	}
}

/* A decimal number, and nothing else. */
static bool
number(const void *p, size_t len, int64_t *n)
{
	const char	*err;
	char		 text[NUMBER_MAX];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	if (strspn(text, "-0123456789") != len)
		return false;
	*n = strtonum(text, INT64_MIN, INT64_MAX, &err);
	return err == NULL;
}

/* Add to one key; false: it cannot be done, and is not. */
static bool
incr(const struct proto_state *q, const void *key, size_t klen, int64_t by,
    char sum[NUMBER_MAX])
{
	const void	*value;
	size_t		 vlen, len;
	int64_t		 n = 0;
	bool		 found;

	found = state_get(scripts, q->table, key, klen, mono_now(), &value,
	    &vlen);
	if ((found && !number(value, vlen, &n)) ||
	    __builtin_add_overflow(n, by, &n))
		return false;
	len = (size_t)snprintf(sum, NUMBER_MAX, "%lld", (long long)n);
	return (found ? state_update(scripts, q->table, key, klen, sum, len,
	    mono_now()) : state_set(scripts, q->table, key, klen, sum, len,
	    q->ttl, mono_now())) == 0;
}

static void
do_incr(const struct proto_state *q, struct rbuf *r, struct wbuf *w)
{
	const void	*key, *value;
	size_t		 klen, vlen;
	uint32_t	 i;
	int64_t		 by;
	char		 sum[NUMBER_MAX];

	for (i = 0; i < q->n; i++) {
		key = get_blob(r, &klen);
		value = get_blob(r, &vlen);
		if (!number(value, vlen, &by) ||
		    !incr(q, key, klen, by, sum))
			sum[0] = '\0';
		put_bool(w, sum[0] != '\0');
		put_str(w, sum);
	}
}

/* --- rates, and what is held ---------------------------------------------- */

/* Who holds: a session of a worker; and whose rates it charges. */
struct holder {
	const struct peer	*worker;
	uint64_t		 sid;
	enum rate_of		 of;
};

/* One item; was: the session held it before. */
static bool
take(const struct holder *h, const struct proto_rate *r, bool *was)
{
	enum tally	t;

	*was = false;
	if (r->period > 0)
		return rate_take(h->of, r->key, r->klen, r->count,
		    r->period);
	t = tally_take(h->worker, h->sid, r->key, r->klen, r->count);
	*was = t == TALLY_WAS_HELD;
	return t != TALLY_OVER;
}

static void
give_back(const struct holder *h, const struct proto_rate *r)
{
	if (r->period > 0)
		rate_back(h->of, r->key, r->klen, r->count, r->period);
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
	struct holder		 h = { .worker = p, .sid = m->sid,
				    .of = p->role == R_PROXYD ? RATE_SCRIPTS :
				    RATE_SESSIONS };
	struct proto_state	 q;
	struct proto_state_ans	 a = { .over = 0 };
	struct wbuf		 w = { 0 };

	if (get_state(m, &q) == -1 || !items_ok(p, &q, m->body))
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
		put_state_ans(&w, &a);
		do_incr(&q, &m->body, &w);
		break;
	case STATE_OP_COUNT:
		return -1;
	}
	peer_send(p, MSG_STATE_ANS, m->sid, m->seq, -1, &w);
	return 0;
}

static int
stats_of(const struct state *st, const char *name, char *text, size_t size)
{
	struct state_stats	 s;

	state_stats(st, &s);
	return snprintf(text, size,
	    "verifyd.%s.entries %zu\n"
	    "verifyd.%s.octets %zu\n"
	    "verifyd.%s.hits %llu\n"
	    "verifyd.%s.misses %llu\n"
	    "verifyd.%s.sets %llu\n"
	    "verifyd.%s.expired %llu\n"
	    "verifyd.%s.evicted %llu\n",
	    name, s.entries, name, s.octets,
	    name, (unsigned long long)s.hits,
	    name, (unsigned long long)s.misses,
	    name, (unsigned long long)s.sets,
	    name, (unsigned long long)s.expired,
	    name, (unsigned long long)s.evicted);
}

int
shared_stats(char *text, size_t size)
{
	int	n = stats_of(state, "state", text, size);

	return n + stats_of(scripts, "script.state", text + n,
	    size - (size_t)n);
}
