/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Databases: lookupd's processes are asked, in turns.
 *
 * A datasource (struct backend) has any number of processes (struct pipe),
 * each of which said by SOURCE_UP whom it serves.  A question (struct query)
 * goes to the next of them that has not its share already, or waits in a
 * queue.  Its end is the datasource's timeout, counted from when it was
 * asked, so that everybody has an answer in time whatever a database does.
 *
 * Who asks the same meanwhile waits for the same answer.  It is kept for
 * cache-life, a no as well as a yes; that nobody can tell is never kept.  A
 * question whose askers have gone or were told that it takes too long keeps
 * its place in the share of its process until that answers: a database that
 * hangs is not given more to do.  The answer that comes late is kept, too.
 *
 * A pipe that is lost has its questions asked again, once: what ended one
 * process shall not end all of them in turn.
 *
 * A backend belongs to the generations that have the datasource, by its id,
 * and goes with the last; a changed datasource has another id, and begins
 * with nothing kept.  A process may be there before its datasource is, or
 * after: they find each other by id.
 *
 * Rejected: the least busy process instead of the next (they are alike, and
 * a query that is slow fills the share of one only); to ask a second one
 * when the first is slow (it loads a database that is in trouble).
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "look.h"
#include "peer.h"
#include "query_key.h"
#include "state.h"
#include "timer.h"
#include "values.h"

#define QUEUE_MAX	16384		/* questions that wait, of a backend */
#define AHEAD_MAX	256		/* beyond, nothing is added to it by
					   what nobody waits for */
#define TRIES		2
#define ANSWER_OCTETS	512		/* of a kept one, on average */

TAILQ_HEAD(queries, query);
RB_HEAD(query_keys, query);
RB_HEAD(query_sids, query);

struct backend {
	LIST_ENTRY(backend)	 entry;
	uint32_t		 id;
	unsigned int		 refs;
	int64_t			 timeout, life;
	uint32_t		 max_rows;
	size_t			 share;		/* of a pipe */
	struct state		*cache;		/* NULL: nothing is kept */
	TAILQ_HEAD(, pipe)	 pipes;		/* in turns */
	struct query_keys		 by_key;
	struct queries		 queue;
	size_t			 nqueued;
};

struct pipe {
	LIST_ENTRY(pipe)	 entry;
	TAILQ_ENTRY(pipe)	 turn;		/* of its backend */
	struct peer		*peer;
	uint32_t		 id;		/* whom it serves, or 0 */
	struct backend		*backend;	/* NULL: not there */
	struct query_sids		 out;
	size_t			 nout;
};

struct waiter {
	TAILQ_ENTRY(waiter)	 entry;
	struct query		*query;
	struct look_to		 to;
};

struct query {
	RB_ENTRY(query)		 by_key, by_sid;
	TAILQ_ENTRY(query)	 queue;
	struct backend		*backend;	/* NULL: it has gone */
	struct pipe		*pipe;		/* NULL: it waits */
	bool			 open;		/* may be joined: by_key */
	unsigned int		 tries;
	uint64_t		 sid;
	struct timer		 timer;
	TAILQ_HEAD(, waiter)	 waiters;
	size_t			 klen;
	const uint8_t		*key;		/* as query_key has it */
};

static LIST_HEAD(, backend)	backends = LIST_HEAD_INITIALIZER(backends);
static LIST_HEAD(, pipe)	pipes = LIST_HEAD_INITIALIZER(pipes);
static uint64_t			last_sid;
static struct {
	size_t		queries;	/* on their way now */
	uint64_t	asked, joined, cached, late, lost, cannot;
} count;

static int
key_cmp(const struct query *a, const struct query *b)
{
	if (a->klen != b->klen)
		return a->klen < b->klen ? -1 : 1;
	return memcmp(a->key, b->key, a->klen);
}

static int
sid_cmp(const struct query *a, const struct query *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(query_keys, query, by_key, key_cmp)
RB_GENERATE(query_keys, query, by_key, key_cmp)
RB_PROTOTYPE(query_sids, query, by_sid, sid_cmp)
RB_GENERATE(query_sids, query, by_sid, sid_cmp)

/* --- what is kept --------------------------------------------------------- */

static enum values_want
want_of(enum look_what what)
{
	switch (what) {
	case LOOK_DOMAIN:
	case LOOK_ADDRESS:
		return VALUES_TRUE;
	case LOOK_VRFY:
	case LOOK_EXPN:
		return VALUES_ALL;
	case LOOK_KEY:
	case LOOK_WHAT_COUNT:
		break;
	}
	return VALUES_FIRST;
}

/* The values, each of which ends with NUL, of a YES; nothing of a NO. */
static bool
tell_kept(struct look_to to, const char *text, size_t len)
{
	static const char	*values[LOOK_ROWS_MAX];
	struct look_answer	 a = { .answer = LOOKUP_NO,
				     .by = JUDGE_BY_DB, .why = "",
				     .values = values };
	const char		*end = text + len;

	for (; text < end && a.nvalues < LOOK_ROWS_MAX;
	    text += strlen(text) + 1)
		values[a.nvalues++] = text;
	if (a.nvalues > 0)
		a.answer = LOOKUP_YES;
	to.done(to.arg, &a);
	return false;
}

static void
keep(struct backend *b, const struct query *q, const struct values *r)
{
	if (b == NULL || b->cache == NULL || r->answer == LOOKUP_CANNOT)
		return;
	if (state_set(b->cache, 0, q->key, q->klen, r->text, r->len, b->life,
	    mono_now()) == -1)
		log_debug("an answer was not kept: no room");
}

/* --- the end of a question ------------------------------------------------ */

/* Nobody joins it any more, and its time is not looked at. */
static void
query_close(struct query *q)
{
	timer_del(&q->timer);
	if (q->open)
		RB_REMOVE(query_keys, &q->backend->by_key, q);
	q->open = false;
}

static void
query_free(struct query *q)
{
	query_close(q);
	if (q->pipe != NULL) {
		RB_REMOVE(query_sids, &q->pipe->out, q);
		q->pipe->nout--;
	} else if (q->backend != NULL) {
		TAILQ_REMOVE(&q->backend->queue, q, queue);
		q->backend->nqueued--;
	}
	count.queries--;
	free(q);
}

/* They may ask anew at once; the question must be closed. */
static void
tell_waiters(struct query *q, const struct look_answer *a)
{
	struct waiter	*w;
	struct look_to	 to;

	while ((w = TAILQ_FIRST(&q->waiters)) != NULL) {
		TAILQ_REMOVE(&q->waiters, w, entry);
		to = w->to;
		free(w);
		if (a->answer == LOOKUP_CANNOT)
			count.cannot++;
		to.done(to.arg, a);
	}
}

static void
tell_cannot(struct query *q, const char *why)
{
	struct look_answer	a = { .answer = LOOKUP_CANNOT,
				    .by = JUDGE_BY_DB, .why = why };

	query_close(q);
	tell_waiters(q, &a);
}

static void
on_late(void *arg)
{
	struct query	*q = arg;

	count.late++;
	tell_cannot(q, "the database does not answer in time");
	if (q->pipe == NULL)
		query_free(q);
}

/* --- asking --------------------------------------------------------------- */

/* False: no process has room. */
static bool
query_send(struct query *q)
{
	struct backend		*b = q->backend;
	struct proto_query	 head = { .max_rows = LOOK_ROWS_MAX };
	struct wbuf		 w = { 0 }, params = { 0 };
	struct query_parts	 parts;
	struct pipe		*p;

	TAILQ_FOREACH(p, &b->pipes, turn)
		if (p->nout < b->share)
			break;
	if (p == NULL)
		return false;
	TAILQ_REMOVE(&b->pipes, p, turn);
	TAILQ_INSERT_TAIL(&b->pipes, p, turn);
	query_parts(q->key, &parts);
	head.directory = parts.directory;
	(void)strlcpy(head.query, parts.name, sizeof(head.query));
	if (head.max_rows > b->max_rows)
		head.max_rows = b->max_rows;
	head.nparams = query_params(&params, &parts);
	put_query(&w, &head);
	put_raw(&w, params.data, params.len);
	w.failed = w.failed || params.failed;
	wbuf_clear(&params);
	q->pipe = p;
	q->sid = ++last_sid;
	q->tries++;
	(void)RB_INSERT(query_sids, &p->out, q);
	p->nout++;
	count.asked++;
	peer_send(p->peer, MSG_QUERY, q->sid, 0, -1, &w);
	return true;
}

/* There may be room now. */
static void
backend_pump(struct backend *b)
{
	struct query	*q;

	while ((q = TAILQ_FIRST(&b->queue)) != NULL) {
		if (!query_send(q))
			return;
		TAILQ_REMOVE(&b->queue, q, queue);
		b->nqueued--;
	}
}

/* A new question, on its way or in the queue; NULL without memory or room. */
static struct query *
query_new(struct backend *b, const uint8_t *key, size_t klen, bool ahead)
{
	struct query	*q;

	if (b->nqueued >= (ahead ? AHEAD_MAX : QUEUE_MAX) ||
	    (q = calloc(1, sizeof(*q) + klen)) == NULL)
		return NULL;
	q->backend = b;
	TAILQ_INIT(&q->waiters);
	q->key = memcpy(q + 1, key, klen);
	q->klen = klen;
	q->open = true;
	(void)RB_INSERT(query_keys, &b->by_key, q);
	timer_init(&q->timer, on_late, q);
	timer_set(&q->timer, b->timeout);
	count.queries++;
	if (b->nqueued > 0 || !query_send(q)) {
		TAILQ_INSERT_TAIL(&b->queue, q, queue);
		b->nqueued++;
	}
	return q;
}

static struct query *
query_find(struct backend *b, const uint8_t *key, size_t klen)
{
	struct query	find = { .key = key, .klen = klen };

	return RB_FIND(query_keys, &b->by_key, &find);
}

static void
waiter_cancel(void *arg)
{
	struct waiter	*w = arg;
	struct query	*q = w->query;

	TAILQ_REMOVE(&q->waiters, w, entry);
	free(w);
	if (TAILQ_EMPTY(&q->waiters) && q->pipe == NULL)
		query_free(q);
}

bool
query_ask(struct look *l, struct backend *b, const struct query_of *of,
    const struct look_question *ask, struct look_to to)
{
	uint8_t		 key[QUERY_KEY_MAX];
	size_t		 klen = query_key(key, of, ask), len;
	bool		 ahead = (ask->flags & LOOK_AHEAD) != 0;
	struct query	*q;
	struct waiter	*w;
	const void		*kept;

	if (b->cache != NULL && state_get(b->cache, 0, key, klen, mono_now(),
	    &kept, &len)) {
		count.cached++;
		return tell_kept(to, kept, len);
	}
	if ((q = query_find(b, key, klen)) != NULL)
		count.joined++;
	else
		q = query_new(b, key, klen, ahead);
	if (ahead)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE, "");
	if (q == NULL || (w = calloc(1, sizeof(*w))) == NULL) {
		count.cannot++;
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "too many questions to the database");
	}
	w->query = q;
	w->to = to;
	TAILQ_INSERT_TAIL(&q->waiters, w, entry);
	l->cancel = waiter_cancel;
	l->of = w;
	return true;
}

/* --- backends ------------------------------------------------------------- */

static void
attach(struct pipe *p, struct backend *b)
{
	p->backend = b;
	TAILQ_INSERT_TAIL(&b->pipes, p, turn);
}

static int
backend_set_cache(struct backend *b, const struct conf_datasource *ds)
{
	size_t	n = (size_t)ds->cache_size;

	if (ds->no_cache || n == 0 || ds->cache_life <= 0)
		return 0;
	b->life = ds->cache_life;
	b->cache = state_new(n, 65536 + n * ANSWER_OCTETS);
	return b->cache == NULL ? -1 : 0;
}

struct backend *
backend_ref(const struct conf_datasource *ds)
{
	struct backend	*b;
	struct pipe	*p;

	LIST_FOREACH(b, &backends, entry)
		if (b->id == ds->obj.id) {
			b->refs++;
			return b;
		}
	if ((b = calloc(1, sizeof(*b))) == NULL)
		return NULL;
	b->id = ds->obj.id;
	b->refs = 1;
	b->timeout = ds->timeout;
	b->max_rows = (uint32_t)ds->max_rows;
	/* What it works on, and as much to begin with when that is done. */
	b->share = 2 * (size_t)ds->connections;
	TAILQ_INIT(&b->pipes);
	TAILQ_INIT(&b->queue);
	RB_INIT(&b->by_key);
	if (backend_set_cache(b, ds) == -1) {
		free(b);
		return NULL;
	}
	LIST_INSERT_HEAD(&backends, b, entry);
	LIST_FOREACH(p, &pipes, entry)
		if (p->id == b->id)
			attach(p, b);
	return b;
}

void
backend_unref(struct backend *b)
{
	struct pipe	*p;
	struct query	*q;

	if (--b->refs > 0)
		return;
	LIST_REMOVE(b, entry);
	while ((q = TAILQ_FIRST(&b->queue)) != NULL) {
		tell_cannot(q, "not in the configuration any more");
		query_free(q);
	}
	while ((p = TAILQ_FIRST(&b->pipes)) != NULL) {
		TAILQ_REMOVE(&b->pipes, p, turn);
		p->backend = NULL;
		while ((q = RB_MIN(query_sids, &p->out)) != NULL) {
			tell_cannot(q, "not in the configuration any more");
			query_free(q);
		}
	}
	state_free(b->cache);
	free(b);
}

/* --- lookupd -------------------------------------------------------------- */

void
query_peer_up(struct peer *peer)
{
	struct pipe	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		fatal("pipe");
	p->peer = peer;
	RB_INIT(&p->out);
	peer->arg = p;
	LIST_INSERT_HEAD(&pipes, p, entry);
}

/* What it was asked goes to another one, or back into the queue. */
static void
pipe_recall(struct pipe *p)
{
	struct backend	*b = p->backend;
	struct query	*q;

	while ((q = RB_MAX(query_sids, &p->out)) != NULL) {
		if (TAILQ_EMPTY(&q->waiters) || q->tries >= TRIES) {
			tell_cannot(q, "the database's process was lost");
			query_free(q);
			continue;
		}
		count.lost++;
		RB_REMOVE(query_sids, &p->out, q);
		p->nout--;
		q->pipe = NULL;
		TAILQ_INSERT_HEAD(&b->queue, q, queue);
		b->nqueued++;
	}
}

static void
detach(struct pipe *p)
{
	struct backend	*b = p->backend;

	if (b == NULL)
		return;
	TAILQ_REMOVE(&b->pipes, p, turn);
	pipe_recall(p);
	p->backend = NULL;
	backend_pump(b);
}

void
query_peer_down(struct peer *peer)
{
	struct pipe	*p = peer->arg;

	detach(p);
	LIST_REMOVE(p, entry);
	peer->arg = NULL;
	free(p);
}

int
query_source_up(struct peer *peer, struct msg *m)
{
	struct pipe		*p = peer->arg;
	struct proto_source	 s;
	struct backend		*b;

	if (get_source(m, &s) == -1)
		return -1;
	if (s.datasource == p->id)
		return 0;
	detach(p);
	p->id = s.datasource;
	LIST_FOREACH(b, &backends, entry)
		if (b->id == p->id)
			break;
	if (b == NULL)
		return 0;
	attach(p, b);
	backend_pump(b);
	return 0;
}

int
query_ans(struct peer *peer, struct msg *m)
{
	static struct values	 rows;
	static const char	*values[LOOK_ROWS_MAX];
	struct look_answer	 a = { .by = JUDGE_BY_DB, .values = values };
	struct pipe		*p = peer->arg;
	struct backend		*b = p->backend;
	struct query		 key = { .sid = m->sid }, *q;
	struct query_parts	 parts = { .what = LOOK_KEY };
	const char		*text = rows.text;

	if ((q = RB_FIND(query_sids, &p->out, &key)) != NULL)
		query_parts(q->key, &parts);
	if (values_get(m, want_of(parts.what), &rows) == -1)
		return -1;
	if (q == NULL)
		return 0;	/* its datasource has gone meanwhile */
	query_close(q);
	keep(b, q, &rows);
	a.answer = rows.answer;
	a.why = rows.why;
	for (; a.nvalues < rows.n; text += strlen(text) + 1)
		values[a.nvalues++] = text;
	tell_waiters(q, &a);
	query_free(q);
	if (b != NULL)
		backend_pump(b);
	return 0;
}

int
query_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.query.asked %llu\n"
	    "verifyd.query.joined %llu\n"
	    "verifyd.query.cached %llu\n"
	    "verifyd.query.late %llu\n"
	    "verifyd.query.lost %llu\n"
	    "verifyd.query.cannot %llu\n"
	    "verifyd.query.out %zu\n",
	    (unsigned long long)count.asked,
	    (unsigned long long)count.joined,
	    (unsigned long long)count.cached, (unsigned long long)count.late,
	    (unsigned long long)count.lost, (unsigned long long)count.cannot,
	    count.queries);
}
