/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What scripts ask DNS: DNS_LOOK in, DNS_LOOK_ANS out.
 *
 * resolved does the work, and this process is one asker to it, for clients'
 * names (ptr.c) as for scripts.  So scripts have a part of its share and no
 * more, PLACES; of these each proxyd has PLACES_OF at most, and what waits for
 * one waits by session, in turn: a session that asks for a thousand names has
 * one of them looked up for each that another session asks for.
 *
 * A place is taken until resolved answers, also where nobody waits any more:
 * what c-ares has begun it cannot take back, and a script whose own time is
 * short, or that is lost with its process again and again, would else have
 * more under way than its part.  So resolved is asked for the time that it
 * takes anyway (resolver.timeout), and who waits has a timer here.
 *
 * Nothing is kept or joined: name servers do that, and a script has store.
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
#include "timer.h"
#include "verifyd.h"

#define PLACES		128		/* questions at resolved */
#define PLACES_OF	64		/* of one proxyd */
#define SESSION_MAX	256		/* without an answer, of a session */
#define ASKER_MAX	16384		/* and of a proxyd */
#define GRACE		1000		/* ms; resolved has a deadline */

struct dnslook {
	RB_ENTRY(dnslook)		 by_sid;	/* at resolved */
	TAILQ_ENTRY(dnslook)	 entry;		/* of its session's */
	struct looker		*looker;	/* NULL: nobody waits */
	bool			 asked;		/* else it is in the queue */
	uint64_t		 sid;		/* resolved knows it by */
	uint32_t		 seq;
	struct timer		 timer;
	struct proto_dns_ask	 ask;
};

TAILQ_HEAD(looks, dnslook);

/* A session that has questions out. */
struct looker {
	RB_ENTRY(looker)	 by_sid;
	TAILQ_ENTRY(looker)	 turn;		/* while it has a queue */
	struct dnsasker		*asker;
	uint64_t		 sid;
	struct looks		 queue, asked;
	size_t			 n;		/* of both */
};

RB_HEAD(lookers, looker);

/* A proxyd. */
struct dnsasker {
	LIST_ENTRY(dnsasker)	 entry;
	struct peer		*peer;
	struct lookers		 sessions;
	TAILQ_HEAD(, looker)	 turns;
	size_t			 n;		/* without an answer */
	size_t			 nasked;
};

RB_HEAD(look_tree, dnslook);

static struct look_tree		by_sid = RB_INITIALIZER(&by_sid);
static LIST_HEAD(, dnsasker)	askers = LIST_HEAD_INITIALIZER(askers);
static struct peer		*resolved;
static uint64_t			 last_sid;
static struct {
	size_t		places;		/* taken */
	size_t		waiting;	/* questions without an answer */
	uint64_t	asked, failed, refused;
} count;

static int
look_cmp(const struct dnslook *a, const struct dnslook *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

static int
looker_cmp(const struct looker *a, const struct looker *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(look_tree, dnslook, by_sid, look_cmp)
RB_GENERATE(look_tree, dnslook, by_sid, look_cmp)
RB_PROTOTYPE(lookers, looker, by_sid, looker_cmp)
RB_GENERATE(lookers, looker, by_sid, looker_cmp)

/* --- sessions ------------------------------------------------------------- */

static struct dnsasker *
asker_of(const struct peer *p)
{
	struct dnsasker	*a;

	LIST_FOREACH(a, &askers, entry)
		if (a->peer == p)
			break;
	return a;
}

static struct looker *
looker_get(struct dnsasker *a, uint64_t sid)
{
	struct looker	 key = { .sid = sid }, *s;

	if ((s = RB_FIND(lookers, &a->sessions, &key)) != NULL ||
	    (s = calloc(1, sizeof(*s))) == NULL)
		return s;
	s->asker = a;
	s->sid = sid;
	TAILQ_INIT(&s->queue);
	TAILQ_INIT(&s->asked);
	RB_INSERT(lookers, &a->sessions, s);
	return s;
}

/* It has nothing out any more. */
static void
looker_unused(struct looker *s)
{
	if (s->n > 0)
		return;
	RB_REMOVE(lookers, &s->asker->sessions, s);
	free(s);
}

/* --- questions ------------------------------------------------------------ */

/* Out of the queue of its session, which has a turn while it has one. */
static void
unqueue(struct dnslook *q)
{
	struct looker	*s = q->looker;

	TAILQ_REMOVE(&s->queue, q, entry);
	if (TAILQ_EMPTY(&s->queue))
		TAILQ_REMOVE(&s->asker->turns, s, turn);
}

/* Nobody waits for it any more; its session may go with that. */
static void
leave(struct dnslook *q)
{
	struct looker	*s = q->looker;

	if (q->asked) {
		TAILQ_REMOVE(&s->asked, q, entry);
		s->asker->nasked--;
	} else
		unqueue(q);
	q->looker = NULL;
	s->n--;
	s->asker->n--;
	count.waiting--;
	looker_unused(s);
}

static void
look_free(struct dnslook *q)
{
	if (q->looker != NULL)
		leave(q);
	timer_del(&q->timer);
	if (q->asked) {
		RB_REMOVE(look_tree, &by_sid, q);
		count.places--;
	}
	free(q);
}

static void
send_answer(struct peer *p, uint64_t sid, uint32_t seq,
    const struct proto_dns_records *r)
{
	struct wbuf	w = { 0 };

	if (r->status == DNS_FAIL || r->status == DNS_TIMEOUT)
		count.failed++;
	put_dns_records(&w, r);
	peer_send(p, MSG_DNS_LOOK_ANS, sid, seq, -1, &w);
}

static void
tell(struct dnslook *q, const struct proto_dns_records *r)
{
	if (q->looker != NULL)
		send_answer(q->looker->asker->peer, q->looker->sid, q->seq,
		    r);
}

static void
tell_status(struct dnslook *q, enum dns_status status)
{
	static struct proto_dns_records	r;

	r.status = (uint8_t)status;
	tell(q, &r);
}

static int64_t
resolver_time(void)
{
	const struct config	*conf = proc_conf();

	return conf == NULL ? 5000 : conf->resolver.timeout;
}

static void
ask(struct dnslook *q)
{
	struct proto_dns_ask	 a = q->ask;
	struct looker		*s = q->looker;
	struct wbuf		 w = { 0 };

	unqueue(q);
	TAILQ_INSERT_TAIL(&s->asked, q, entry);
	q->asked = true;
	s->asker->nasked++;
	count.places++;
	q->sid = DNSLOOK_SID | ++last_sid;
	RB_INSERT(look_tree, &by_sid, q);
	a.timeout = 0;
	put_dns_ask(&w, &a);
	peer_send(resolved, MSG_DNS_ASK, q->sid, 0, -1, &w);
}

/* Of one proxyd the next one, of the session whose turn it is. */
static bool
ask_one(struct dnsasker *a)
{
	struct looker	*s = TAILQ_FIRST(&a->turns);

	if (s == NULL || a->nasked >= PLACES_OF || count.places >= PLACES)
		return false;
	TAILQ_REMOVE(&a->turns, s, turn);
	TAILQ_INSERT_TAIL(&a->turns, s, turn);
	ask(TAILQ_FIRST(&s->queue));
	return true;
}

static void
pump(void)
{
	struct dnsasker	*a;
	bool		 some = resolved != NULL;

	while (some) {
		some = false;
		LIST_FOREACH(a, &askers, entry)
			some |= ask_one(a);
	}
}

/* His time is over; or resolved's is, which should have answered. */
static void
on_timer(void *arg)
{
	struct dnslook	*q = arg;

	tell_status(q, DNS_TIMEOUT);
	if (q->asked && q->looker != NULL) {
		leave(q);
		timer_set(&q->timer, resolver_time() + GRACE);
		return;
	}
	if (q->asked && resolved != NULL)
		peer_send(resolved, MSG_DNS_CANCEL, q->sid, 0, -1, NULL);
	look_free(q);
	pump();
}

static struct dnslook *
look_new(struct dnsasker *a, const struct msg *m,
    const struct proto_dns_ask *ask)
{
	struct looker	*s;
	struct dnslook	*q;

	if (a->n >= ASKER_MAX || (s = looker_get(a, m->sid)) == NULL)
		return NULL;
	if (s->n >= SESSION_MAX || (q = calloc(1, sizeof(*q))) == NULL) {
		looker_unused(s);
		return NULL;
	}
	q->looker = s;
	q->seq = m->seq;
	q->ask = *ask;
	timer_init(&q->timer, on_timer, q);
	if (TAILQ_EMPTY(&s->queue))
		TAILQ_INSERT_TAIL(&a->turns, s, turn);
	TAILQ_INSERT_TAIL(&s->queue, q, entry);
	s->n++;
	a->n++;
	count.waiting++;
	return q;
}

int
dnslook_ask(struct peer *p, struct msg *m)
{
	static const struct proto_dns_records	 fail = {
		.status = DNS_FAIL };
	struct proto_dns_ask			 req;
	struct dnsasker				*a = asker_of(p);
	struct dnslook				*q;
	int64_t					 time = resolver_time();

	if (get_dns_ask(m, &req) == -1)
		return -1;
	count.asked++;
	if (resolved == NULL || a == NULL ||
	    (q = look_new(a, m, &req)) == NULL) {
		count.refused++;
		send_answer(p, m->sid, m->seq, &fail);
		return 0;
	}
	if (req.timeout != 0 && req.timeout < time)
		time = req.timeout;
	timer_set(&q->timer, time);
	pump();
	return 0;
}

int
dnslook_ans(struct peer *p, struct msg *m)
{
	static struct proto_dns_records	 r;
	struct dnslook			 key = { .sid = m->sid }, *q;

	(void)p;
	if (get_dns_records(m, &r) == -1)
		return -1;
	if ((q = RB_FIND(look_tree, &by_sid, &key)) == NULL)
		return 0;
	tell(q, &r);
	look_free(q);
	pump();
	return 0;
}

/* --- pipes ---------------------------------------------------------------- */

void
dnslook_resolved_up(struct peer *p)
{
	resolved = p;
}

static void
fail_queued(struct dnsasker *a)
{
	struct looker	*s;
	struct dnslook	*q;

	while ((s = TAILQ_FIRST(&a->turns)) != NULL) {
		q = TAILQ_FIRST(&s->queue);
		tell_status(q, DNS_FAIL);
		look_free(q);
	}
}

void
dnslook_resolved_down(void)
{
	struct dnsasker	*a;
	struct dnslook	*q;

	resolved = NULL;
	while ((q = RB_ROOT(&by_sid)) != NULL) {
		tell_status(q, DNS_FAIL);
		look_free(q);
	}
	LIST_FOREACH(a, &askers, entry)
		fail_queued(a);
}

void
dnslook_peer_up(struct peer *p)
{
	struct dnsasker	*a;

	if (p->role != R_PROXYD)
		return;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal("asker");
	a->peer = p;
	RB_INIT(&a->sessions);
	TAILQ_INIT(&a->turns);
	LIST_INSERT_HEAD(&askers, a, entry);
}

/* Those at resolved keep their places until it answers. */
void
dnslook_peer_down(const struct peer *p)
{
	struct dnsasker	*a = asker_of(p);
	struct looker	*s;
	struct dnslook	*q;

	if (a == NULL)
		return;
	while ((s = TAILQ_FIRST(&a->turns)) != NULL)
		look_free(TAILQ_FIRST(&s->queue));
	while ((s = RB_ROOT(&a->sessions)) != NULL) {
		q = TAILQ_FIRST(&s->asked);
		leave(q);
		timer_set(&q->timer, resolver_time() + GRACE);
	}
	LIST_REMOVE(a, entry);
	free(a);
}

int
dnslook_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.script.dns %llu\n"
	    "verifyd.script.dns.failed %llu\n"
	    "verifyd.script.dns.refused %llu\n"
	    "verifyd.script.dns.waiting %zu\n"
	    "verifyd.script.dns.places %zu\n",
	    (unsigned long long)count.asked, (unsigned long long)count.failed,
	    (unsigned long long)count.refused, count.waiting, count.places);
}
