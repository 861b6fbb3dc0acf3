/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * JUDGE: may this recipient be admitted?
 *
 * Its domain is looked up, and if it is local its address; then the answer
 * goes back, and with it whether a rate is passed.  Where lists, caches and
 * cdb files know it, all of that is done before judge_ask returns, and takes
 * no memory but the answer's frame.  Otherwise a copy of the question waits.
 *
 * A question that is put ahead (JUDGE_AHEAD) goes the same way but has no
 * answer: what would have to be asked elsewhere is asked, so that the answer
 * is there, or on its way, when the question is put.  It charges no rate and
 * looks at no mark.  Only so many of them are looked at.
 *
 * What is vouched for is not, for an hour, where its next hop has said
 * otherwise to the same sender (verdict_is_marked): that server must tell.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"
#include "peer.h"
#include "rate.h"
#include "verify.h"

#define POOL_MAX	1024		/* questions kept for the next ones */
#define OUT_MAX		65536		/* without an answer */
#define AHEAD_MAX	4096		/* of those, nobody waits for */
#define COPIES_MAX	(64 * 1024 * 1024)	/* octets of their rates */

struct judge {
	LIST_ENTRY(judge)	 entry;
	struct peer		*peer;
	uint64_t		 sid;
	uint32_t		 seq;
	struct proto_judge	 q;
	struct rbuf		 rates;		/* of the frame, or the copy */
	uint8_t			*copy;
	size_t			 ncopy;
	bool			*over;		/* told so, or NULL */
	struct look		 look;
	enum judge_by		 by;		/* who knew the domain */
};

static LIST_HEAD(, judge)	judges = LIST_HEAD_INITIALIZER(judges);
static LIST_HEAD(, judge)	pool = LIST_HEAD_INITIALIZER(pool);
static size_t			npool;

static struct {
	size_t		out, ahead, copies;	/* now */
	uint64_t	asked, aheads, over;
	uint64_t	verdict[JUDGE_VERDICT_COUNT];
} count;

/* --- the pool ------------------------------------------------------------- */

static struct judge *
judge_new(void)
{
	struct judge	*j;

	if ((j = LIST_FIRST(&pool)) != NULL) {
		LIST_REMOVE(j, entry);
		npool--;
	} else if ((j = malloc(sizeof(*j))) == NULL)
		return NULL;
	LIST_INSERT_HEAD(&judges, j, entry);
	count.out++;
	j->copy = NULL;
	j->ncopy = 0;
	j->over = NULL;
	j->look.cancel = NULL;
	j->by = JUDGE_BY_NONE;
	return j;
}

static void
judge_free(struct judge *j)
{
	if (j->over != NULL)
		*j->over = true;
	LIST_REMOVE(j, entry);
	count.out--;
	count.ahead -= (j->q.flags & JUDGE_AHEAD) != 0;
	count.copies -= j->ncopy;
	free(j->copy);
	if (npool >= POOL_MAX) {
		free(j);
		return;
	}
	LIST_INSERT_HEAD(&pool, j, entry);
	npool++;
}

/* --- rates ---------------------------------------------------------------- */

/*
 * Are these the rates of such a question, all of it?  Takes a copy.  What is
 * held, not charged, has no place here.
 */
static bool
rates_ok(const struct proto_judge *q, struct rbuf r)
{
	struct proto_rate	rate;
	uint32_t		i;

	for (i = 0; i < q->nrates; i++)
		if (get_rate(&r, &rate) == -1 || rate.period == 0)
			return false;
	return get_end(&r) == 0;
}

/* 1 + the number of the first that is passed; 0 if none is. */
static uint32_t
charge(struct judge *j)
{
	struct proto_rate	r;
	uint32_t		i;

	for (i = 0; i < j->q.nrates; i++) {
		if (get_rate(&j->rates, &r) == -1)
			break;
		if (!rate_take(RATE_SESSIONS, r.key, r.klen, r.count,
		    r.period)) {
			count.over++;
			return i + 1;
		}
	}
	return 0;
}

/* --- the answer ----------------------------------------------------------- */

static void
send_answer(struct peer *p, uint64_t sid, uint32_t seq,
    const struct proto_judge_ans *ans)
{
	struct wbuf	w = { 0 };

	count.verdict[ans->verdict]++;
	put_judge_ans(&w, ans);
	peer_send(p, MSG_JUDGE_ANS, sid, seq, -1, &w);
}

static void
finish(struct judge *j, enum judge_verdict verdict, enum judge_by by,
    uint32_t remote, const char *why)
{
	static struct proto_judge_ans	ans;

	if ((j->q.flags & JUDGE_AHEAD) != 0) {
		judge_free(j);
		return;
	}
	ans.verdict = (uint8_t)verdict;
	ans.by = (uint8_t)by;
	ans.remote = remote;
	ans.charged = verdict == JUDGE_VOUCHED || verdict == JUDGE_LIVE;
	ans.over = ans.charged ? charge(j) : 0;
	(void)strlcpy(ans.why, why, sizeof(ans.why));
	send_answer(j->peer, j->sid, j->seq, &ans);
	judge_free(j);
}

static bool
is_marked(const struct judge *j)
{
	return (j->q.flags & JUDGE_AHEAD) == 0 && j->q.remote != 0 &&
	    verdict_is_marked(j->q.remote, j->q.sender, j->q.rcpt);
}

/* --- domain, address ------------------------------------------------------ */

static void
address_done(void *arg, const struct look_answer *a)
{
	struct judge	*j = arg;

	switch (a->answer) {
	case LOOKUP_YES:
		if (is_marked(j))
			finish(j, JUDGE_LIVE, JUDGE_BY_MARK, a->remote, a->why);
		else
			finish(j, JUDGE_VOUCHED, a->by, a->remote, a->why);
		return;
	case LOOKUP_NO:
		finish(j, JUDGE_UNKNOWN, a->by, a->remote, a->why);
		return;
	case LOOKUP_LIVE:
		finish(j, JUDGE_LIVE, a->by, a->remote, a->why);
		return;
	case LOOKUP_CANNOT:
	case LOOKUP_ANSWER_COUNT:
		break;
	}
	finish(j, JUDGE_NO_ADDRESS, a->by, a->remote, a->why);
}

static void
ask(struct judge *j, const struct proto_path *path, enum look_what what,
    const char *key, void (*done)(void *, const struct look_answer *))
{
	struct look_question	q = { .path = *path, .what = what,
				    .key = key, .sender = j->q.sender };

	if ((j->q.flags & JUDGE_STALE) != 0)
		q.flags |= LOOK_STALE;
	if ((j->q.flags & JUDGE_AHEAD) != 0 && what == LOOK_ADDRESS)
		q.flags |= LOOK_AHEAD;
	(void)look_ask(&j->look, &q, (struct look_to){ done, j });
}

static void
ask_address(struct judge *j)
{
	if (j->q.addresses.kind == LOOK_NONE)
		finish(j, JUDGE_LIVE, j->by, 0, "");
	else
		ask(j, &j->q.addresses, LOOK_ADDRESS, j->q.rcpt,
		    address_done);
}

/* A server's "says nothing" of a domain is as good as no answer. */
static void
domain_done(void *arg, const struct look_answer *a)
{
	struct judge	*j = arg;

	j->by = a->by;
	switch (a->answer) {
	case LOOKUP_YES:
		ask_address(j);
		return;
	case LOOKUP_NO:
		finish(j, JUDGE_FOREIGN, a->by, a->remote, a->why);
		return;
	case LOOKUP_CANNOT:
	case LOOKUP_LIVE:
	case LOOKUP_ANSWER_COUNT:
		break;
	}
	finish(j, JUDGE_NO_DOMAIN, a->by, a->remote, a->why);
}

static void
ask_domain(struct judge *j)
{
	const char	*at;

	if (j->q.domains.kind == LOOK_NONE) {
		ask_address(j);
		return;
	}
	at = strrchr(j->q.rcpt, '@');
	ask(j, &j->q.domains, LOOK_DOMAIN, at == NULL ? "" : at + 1,
	    domain_done);
}

/* --- JUDGE ---------------------------------------------------------------- */

/* The frame goes when its handler returns: copy what is needed later. */
static void
keep_rates(struct judge *j)
{
	size_t	len = (size_t)(j->rates.end - j->rates.p);

	if (j->q.nrates == 0)
		return;
	if (count.copies + len > COPIES_MAX ||
	    (j->copy = malloc(len)) == NULL) {
		look_cancel(&j->look);
		finish(j, JUDGE_NO_ADDRESS, JUDGE_BY_NONE, 0,
		    "too many questions");
		return;
	}
	count.copies += j->ncopy = len;
	memcpy(j->copy, j->rates.p, len);
	rbuf_init(&j->rates, j->copy, len);
}

static void
refuse(struct peer *p, const struct msg *m, const struct proto_judge *q)
{
	static const struct proto_judge_ans	ans = {
		.verdict = JUDGE_NO_DOMAIN, .why = "too many questions"
	};

	if ((q->flags & JUDGE_AHEAD) == 0)
		send_answer(p, m->sid, m->seq, &ans);
}

int
judge_ask(struct peer *p, struct msg *m)
{
	static struct proto_judge	 spare;
	struct judge			*j;
	bool				 over = false;

	j = count.out < OUT_MAX ? judge_new() : NULL;
	if (get_judge(m, j == NULL ? &spare : &j->q) == -1 ||
	    !rates_ok(j == NULL ? &spare : &j->q, m->body)) {
		if (j != NULL) {
			j->q.flags = 0;
			judge_free(j);
		}
		return -1;
	}
	if (j == NULL) {
		refuse(p, m, &spare);
		return 0;
	}
	j->peer = p;
	j->sid = m->sid;
	j->seq = m->seq;
	j->rates = m->body;
	count.asked += (j->q.flags & JUDGE_AHEAD) == 0;
	if ((j->q.flags & JUDGE_AHEAD) != 0) {
		count.aheads++;
		if (++count.ahead > AHEAD_MAX) {
			judge_free(j);
			return 0;
		}
	}
	j->over = &over;
	ask_domain(j);
	if (over)
		return 0;
	j->over = NULL;
	keep_rates(j);
	return 0;
}

void
judge_peer_down(const struct peer *p)
{
	struct judge	*j, *next;

	for (j = LIST_FIRST(&judges); j != NULL; j = next) {
		next = LIST_NEXT(j, entry);
		if (j->peer != p)
			continue;
		look_cancel(&j->look);
		judge_free(j);
	}
}

int
judge_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.judge.asked %llu\n"
	    "verifyd.judge.ahead %llu\n"
	    "verifyd.judge.foreign %llu\n"
	    "verifyd.judge.vouched %llu\n"
	    "verifyd.judge.unknown %llu\n"
	    "verifyd.judge.live %llu\n"
	    "verifyd.judge.cannot %llu\n"
	    "verifyd.judge.over %llu\n"
	    "verifyd.judge.out %zu\n",
	    (unsigned long long)count.asked,
	    (unsigned long long)count.aheads,
	    (unsigned long long)count.verdict[JUDGE_FOREIGN],
	    (unsigned long long)count.verdict[JUDGE_VOUCHED],
	    (unsigned long long)count.verdict[JUDGE_UNKNOWN],
	    (unsigned long long)count.verdict[JUDGE_LIVE],
	    (unsigned long long)(count.verdict[JUDGE_NO_DOMAIN] +
	    count.verdict[JUDGE_NO_ADDRESS]),
	    (unsigned long long)count.over, count.out);
}
