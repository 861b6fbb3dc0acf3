/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The resolved process: questions, shares, deadlines.
 *
 * A question is one to DNS or a few (find.c).  Of A and AAAA both are waited
 * for; but when one has given addresses, the other has no more than a quarter
 * of a second left: some servers never answer for AAAA.
 *
 * Each asker has a share: so many questions of its are under way, the rest
 * waits in a queue of its own, so that one asker cannot keep the others from
 * being answered.  What c-ares has begun cannot be taken back, so that a
 * question which was answered early or withdrawn uses its place in the share
 * until c-ares is through with it (struct question outlives its answer).
 *
 * The deadline is the shorter one of the asker's and resolver.timeout, from
 * when the question came, waiting in the queue included.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "resolved.h"
#include "timer.h"

#define SHARE		256		/* questions of one asker under way */
#define QUEUE_MAX	65536		/* and waiting */
#define GRACE		250		/* ms for the other family */
#define WARN_AGAIN	60000		/* ms between warnings */

enum question_state {
	Q_QUEUED,
	Q_ASKED,
	Q_OVER			/* answered or withdrawn, c-ares has it still */
};

struct question {
	RB_ENTRY(question)	 by_sid;	/* until it is over */
	TAILQ_ENTRY(question)	 queue;		/* queued, or under way */
	struct share		*share;		/* NULL: the asker has gone */
	enum question_state	 state;
	uint64_t		 sid;
	struct timer		 timer;
	struct find		 find;
};

RB_HEAD(questions, question);
TAILQ_HEAD(question_list, question);

/* An asker's. */
struct share {
	LIST_ENTRY(share)	 entry;
	struct peer		*peer;
	struct questions	 questions;
	struct question_list	 queue, asked;
	size_t			 nqueue, nasked;
};

static LIST_HEAD(, share)	shares = LIST_HEAD_INITIALIZER(shares);
static bool			draining;
static struct {
	uint64_t	questions, answered, none, failed, timeouts;
} count;

static int
sid_cmp(const struct question *a, const struct question *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(questions, question, by_sid, sid_cmp)
RB_GENERATE(questions, question, by_sid, sid_cmp)

/* --- answers -------------------------------------------------------------- */

static void
warn_timeout(const char *name)
{
	static struct mono	last;

	if (mono_is_set(last) && mono_diff(mono_now(), last) < WARN_AGAIN)
		return;
	last = mono_now();
	log_warnx("the name servers do not answer (asked for %s)", name);
}

/* Count it, and say it to whoever reads debug lines. */
static void
note_answer(const char *name, const char *type, uint8_t status, uint32_t n,
    uint32_t ttl)
{
	static const char *const	words[] = {
		[DNS_OK] = "ok",
		[DNS_NONE] = "none",
		[DNS_FAIL] = "failed",
		[DNS_TIMEOUT] = "timeout"
	};

	switch ((enum dns_status)status) {
	case DNS_OK:
		count.answered++;
		break;
	case DNS_NONE:
		count.none++;
		break;
	case DNS_FAIL:
		count.failed++;
		break;
	case DNS_TIMEOUT:
		count.timeouts++;
		warn_timeout(name);
		break;
	case DNS_STATUS_COUNT:
		break;
	}
	if (log_begin(LOG_LEVEL_DEBUG, 0, "dns")) {
		log_str("name", name);
		log_str("type", type);
		log_str("result", words[status]);
		log_num("records", n);
		log_num("ttl", ttl);
		log_end();
	}
}

static void
send_addrs(struct share *s, uint64_t sid, const char *name,
    const struct proto_dns_ans *a)
{
	struct wbuf	w = { 0 };

	note_answer(name, "address", a->status, a->n, a->ttl);
	put_dns_ans(&w, a);
	peer_send(s->peer, MSG_DNS_ADDR_ANS, sid, 0, -1, &w);
}

static void
send_records(struct share *s, uint64_t sid, enum dns_type type,
    const char *name, const struct proto_dns_records *r)
{
	static const char *const	types[] = {
		[DNS_TYPE_A] = "a",
		[DNS_TYPE_AAAA] = "aaaa",
		[DNS_TYPE_MX] = "mx",
		[DNS_TYPE_TXT] = "txt",
		[DNS_TYPE_PTR] = "ptr",
		[DNS_TYPE_PTR_FC] = "ptr-confirmed"
	};
	struct wbuf			w = { 0 };

	note_answer(name, types[type], r->status, r->n, r->ttl);
	put_dns_records(&w, r);
	peer_send(s->peer, MSG_DNS_ANS, sid, 0, -1, &w);
}

/* What is known of it by now. */
static void
send_found(struct question *q)
{
	struct proto_dns_records	r;
	struct proto_dns_ans		a;

	if (q->find.both) {
		find_addrs(&q->find, &a);
		send_addrs(q->share, q->sid, q->find.name, &a);
	} else {
		find_records(&q->find, &r);
		send_records(q->share, q->sid, q->find.type, q->find.name,
		    &r);
	}
}

/* --- the life of a question ----------------------------------------------- */

static void
question_free(struct question *q)
{
	struct share	*s = q->share;

	timer_del(&q->timer);
	if (s != NULL && q->state == Q_QUEUED) {
		TAILQ_REMOVE(&s->queue, q, queue);
		s->nqueue--;
	} else if (s != NULL) {
		TAILQ_REMOVE(&s->asked, q, queue);
		s->nasked--;
	}
	find_clear(&q->find);
	free(q);
}

/* Nobody waits for it any more. */
static void
question_over(struct question *q)
{
	timer_del(&q->timer);
	if (q->state != Q_OVER && q->share != NULL)
		RB_REMOVE(questions, &q->share->questions, q);
	q->find.over = true;
	if (q->find.pending == 0)
		question_free(q);
	else
		q->state = Q_OVER;
}

static void
question_answer(struct question *q)
{
	send_found(q);
	question_over(q);
}

static void
on_deadline(void *arg)
{
	question_answer(arg);
}

/* A step is done. */
static void
on_step(void *arg)
{
	struct question	*q = arg;

	if (q->state == Q_OVER) {
		if (q->find.pending == 0)
			question_free(q);
		return;
	}
	if (q->find.pending == 0)
		question_answer(q);
	else if (q->find.v4.n + q->find.v6.n > 0 &&
	    mono_diff(q->timer.when, mono_now()) > GRACE)
		timer_set(&q->timer, GRACE);
}

static void
question_ask(struct question *q)
{
	struct share	*s = q->share;

	TAILQ_REMOVE(&s->queue, q, queue);
	s->nqueue--;
	TAILQ_INSERT_TAIL(&s->asked, q, queue);
	s->nasked++;
	q->state = Q_ASKED;
	find_start(&q->find);
}

/* At the end of each turn: what may be asked is asked. */
static void
pump(void)
{
	struct share	*s;

	LIST_FOREACH(s, &shares, entry)
		while (s->nasked < SHARE && !TAILQ_EMPTY(&s->queue))
			question_ask(TAILQ_FIRST(&s->queue));
}

static int64_t
time_allowed(uint32_t asked)
{
	const struct config	*conf = proc_conf();
	int64_t			 ms = conf == NULL ? 5000 :
				    conf->resolver.timeout;

	return asked != 0 && asked < ms ? (int64_t)asked : ms;
}

/* NULL: it cannot be asked. */
static struct question *
question_new(struct share *s, uint64_t sid, const char *name,
    uint32_t timeout)
{
	struct question	*q = NULL;

	if (s->nqueue < QUEUE_MAX)
		q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->share = s;
	q->sid = sid;
	q->state = Q_QUEUED;
	find_init(&q->find, on_step, q);
	(void)strlcpy(q->find.name, name, sizeof(q->find.name));
	RB_INSERT(questions, &s->questions, q);
	TAILQ_INSERT_TAIL(&s->queue, q, queue);
	s->nqueue++;
	timer_init(&q->timer, on_deadline, q);
	timer_set(&q->timer, time_allowed(timeout));
	return q;
}

static struct question *
question_find(struct share *s, uint64_t sid)
{
	struct question	key;

	key.sid = sid;
	return RB_FIND(questions, &s->questions, &key);
}

static int
on_dns_addr(struct peer *p, struct msg *m)
{
	struct share		*s = p->arg;
	struct question		*q;
	struct proto_dns	 req;
	struct proto_dns_ans	 a = { .status = DNS_FAIL };

	if (get_dns(m, &req) == -1 || question_find(s, m->sid) != NULL)
		return -1;
	count.questions++;
	if (find_addrs_here(req.name, &a))
		send_addrs(s, m->sid, req.name, &a);
	else if ((q = question_new(s, m->sid, req.name, req.timeout)) == NULL)
		send_addrs(s, m->sid, req.name, &a);
	else
		q->find.both = true;
	return 0;
}

static int
on_dns_ask(struct peer *p, struct msg *m)
{
	struct share			*s = p->arg;
	struct question			*q;
	struct proto_dns_ask		 req;
	struct proto_dns_records	 r, fail = { .status = DNS_FAIL };

	if (get_dns_ask(m, &req) == -1 || question_find(s, m->sid) != NULL)
		return -1;
	count.questions++;
	if (find_records_here(req.type, req.name, &r))
		send_records(s, m->sid, req.type, req.name, &r);
	else if ((q = question_new(s, m->sid, req.name, req.timeout)) == NULL)
		send_records(s, m->sid, req.type, req.name, &fail);
	else
		q->find.type = req.type;
	return 0;
}

static int
on_dns_cancel(struct peer *p, struct msg *m)
{
	struct question	*q = question_find(p->arg, m->sid);

	if (get_end(&m->body) == -1)
		return -1;
	if (q != NULL)
		question_over(q);
	return 0;
}

static const struct peer_handler	handlers[] = {
	{ MSG_DNS_ADDR,		on_dns_addr },
	{ MSG_DNS_ASK,		on_dns_ask },
	{ MSG_DNS_CANCEL,	on_dns_cancel },
	{ 0,			NULL }
};

/* --- the process ---------------------------------------------------------- */

static void
prepare(void)
{
	dns_prepare();
	hosts_prepare();
}

static void
peer_up(struct peer *p)
{
	struct share	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal("share");
	RB_INIT(&s->questions);
	TAILQ_INIT(&s->queue);
	TAILQ_INIT(&s->asked);
	s->peer = p;
	p->arg = s;
	LIST_INSERT_HEAD(&shares, s, entry);
}

static void
end_if_drained(void)
{
	if (draining && LIST_EMPTY(&shares))
		proc_exit();
}

static void
peer_down(struct peer *p)
{
	struct share	*s = p->arg;
	struct question	*q;

	while ((q = RB_ROOT(&s->questions)) != NULL)
		question_over(q);
	while ((q = TAILQ_FIRST(&s->asked)) != NULL) {
		TAILQ_REMOVE(&s->asked, q, queue);
		q->share = NULL;
	}
	LIST_REMOVE(s, entry);
	free(s);
	p->arg = NULL;
	end_if_drained();
}

static void
conf_commit(struct config *conf, struct config *old)
{
	(void)old;
	(void)dns_setup(&conf->resolver);
}

static void
stop(uint32_t how)
{
	if (how == STOP_NOW) {
		proc_exit();
		return;
	}
	draining = true;
	end_if_drained();
}

static void
ctl(const char *request, int fd)
{
	const struct share	*s;
	char			 text[512];
	size_t			 asked = 0, queued = 0;
	int			 n;

	LIST_FOREACH(s, &shares, entry) {
		asked += s->nasked;
		queued += s->nqueue;
	}
	if (strcmp(request, "show stats") == 0) {
		n = snprintf(text, sizeof(text),
		    "resolved.questions %llu\n"
		    "resolved.answered %llu\n"
		    "resolved.none %llu\n"
		    "resolved.failed %llu\n"
		    "resolved.timeouts %llu\n"
		    "resolved.asked %zu\n"
		    "resolved.queued %zu\n",
		    (unsigned long long)count.questions,
		    (unsigned long long)count.answered,
		    (unsigned long long)count.none,
		    (unsigned long long)count.failed,
		    (unsigned long long)count.timeouts, asked, queued);
		if (write(fd, text, (size_t)n) == -1)
			log_debug("show stats: %s", strerror(errno));
	}
	(void)close(fd);
}

static const struct proc_class	class = {
	.name = "resolved",
	.role = R_RESOLVED,
	.handlers = handlers,
	.prepare = prepare,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.conf_commit = conf_commit,
	.stop = stop,
	.ctl = ctl,
	.turn = pump
};

int
main(int argc, char **argv)
{
	proc_run(&class, argc, argv);
}
