/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The remotes that are asked for mailboxes: their queues, and what to do when
 * they do not answer.
 *
 * A remote that cannot be reached, or does not answer, is held down: whoever
 * asks is told so at once, for a second first, for up to a minute in the
 * end.  After that one probe is let through; any answer ends the hold.  The
 * dialer holds addresses down too, but knows only whether they connect.
 * Where one connection fails beside others that may answer, nothing is held:
 * only no more are made for a moment.
 *
 * The queue is bounded for each remote and in all.  Where it is full those
 * that nobody waits for go first, the oldest of them before the others.
 *
 * A remote is known by its id, and another generation's remote of the same
 * id is the same to the letter: so a queue outlives a generation.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "log.h"
#include "probe_private.h"

#define HOLD_FIRST	1000	/* ms; doubled with every failure */
#define HOLD_LONGEST	60000
#define PAUSE		1000	/* ms before one more, when one failed */
#define WARN_EVERY	60000

static int
target_cmp(struct target *a, struct target *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

static RB_HEAD(targets, target)	targets = RB_INITIALIZER(&targets);
RB_PROTOTYPE(targets, target, by_id, target_cmp)
RB_GENERATE(targets, target, by_id, target_cmp)
static TAILQ_HEAD(, target)	dirty = TAILQ_HEAD_INITIALIZER(dirty);
static size_t			nprobes;
static struct {
	uint64_t	asked, yes, no, live, cannot, dropped, failed;
} count;

/* --- remotes -------------------------------------------------------------- */

void
target_mark(struct target *t)
{
	if (t->is_dirty)
		return;
	t->is_dirty = true;
	TAILQ_INSERT_TAIL(&dirty, t, dirty);
}

static void
on_pause(void *arg)
{
	target_mark(arg);
}

struct target *
target_find(uint32_t id)
{
	struct target	key = { .id = id };

	return RB_FIND(targets, &targets, &key);
}

static struct target *
target_get(const struct conf_remote *remote)
{
	struct target	*t = target_find(remote->obj.id);

	if (t != NULL || (t = calloc(1, sizeof(*t))) == NULL)
		return t;
	t->id = remote->obj.id;
	t->remote = remote;
	TAILQ_INIT(&t->waited);
	TAILQ_INIT(&t->ahead);
	LIST_INIT(&t->links);
	timer_init(&t->pause, on_pause, t);
	RB_INSERT(targets, &targets, t);
	return t;
}

static struct probes *
queue_of(struct target *t, const struct probe *p)
{
	return p->waited ? &t->waited : &t->ahead;
}

void
target_unqueue(struct target *t, struct probe *p)
{
	TAILQ_REMOVE(queue_of(t, p), p, entry);
	t->nqueued--;
}

void
target_again(struct target *t, struct probe *p)
{
	TAILQ_INSERT_HEAD(queue_of(t, p), p, entry);
	t->nqueued++;
	target_mark(t);
}

void
target_warn(struct target *t, const char *what, const struct smtp_reply *r)
{
	char	text[256];

	if (adhoc_is(t->id))
		return;		/* who asked is told */
	if (mono_is_set(t->warned) &&
	    mono_diff(mono_now(), t->warned) < WARN_EVERY)
		return;
	t->warned = mono_now();
	log_warnx("%s answers our %s with %s, so nobody can tell whom it has",
	    t->remote->obj.name, what, reply_text(r, text, sizeof(text)));
}

/* --- the end of probes ---------------------------------------------------- */

static void
end(struct probe *p, const struct probe_answer *res)
{
	struct target	*t = p->target;

	if (t->trial == p)
		t->trial = NULL;
	t->nprobes--;
	nprobes--;
	p->target = NULL;
	switch (res->answer) {
	case LOOKUP_YES:
		count.yes++;
		break;
	case LOOKUP_NO:
		count.no++;
		break;
	case LOOKUP_LIVE:
		count.live++;
		break;
	case LOOKUP_CANNOT:
	case LOOKUP_ANSWER_COUNT:
		count.cannot++;
		break;
	}
	p->done(p, res);
}

void
probe_end(struct probe *p, enum lookup_answer answer,
    const struct smtp_reply *r, const char *why)
{
	struct probe_answer	res = { .answer = answer, .reply = r,
				    .why = why };

	res.remote = p->target->remote;
	end(p, &res);
}

void
probe_end_values(struct probe *p, const struct smtp_reply *r,
    const char *const *values, size_t n)
{
	struct probe_answer	res = { .answer = LOOKUP_YES, .reply = r,
				    .why = "", .values = values,
				    .nvalues = n };

	res.remote = p->target->remote;
	end(p, &res);
}

void
target_flush(struct target *t, enum look_at at, const char *why)
{
	struct probes	 all = TAILQ_HEAD_INITIALIZER(all);
	struct probe	*p;

	/* Who is told may ask again: that is another question. */
	TAILQ_CONCAT(&all, &t->waited, entry);
	TAILQ_CONCAT(&all, &t->ahead, entry);
	t->nqueued = 0;
	TAILQ_FOREACH(p, &all, entry)
		p->flushed = true;
	while ((p = TAILQ_FIRST(&all)) != NULL) {
		TAILQ_REMOVE(&all, p, entry);
		p->at = at;
		probe_end(p, LOOKUP_CANNOT, NULL, why);
	}
}

/* --- a remote that does not answer ---------------------------------------- */

void
target_works(struct target *t)
{
	if (t->hold == 0)
		return;
	t->hold = 0;
	t->trial = NULL;
	if (log_begin(adhoc_is(t->id) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, 0,
	    "remote-up")) {
		log_str("remote", t->remote->obj.name);
		log_end();
	}
}

static void
hold(struct target *t, enum look_at at, const char *why)
{
	struct mono	now = mono_now();
	bool		first = t->hold == 0;

	if (!first && mono_diff(t->until, now) > 0)
		return;
	t->hold = first ? HOLD_FIRST : t->hold * 2;
	if (t->hold > HOLD_LONGEST)
		t->hold = HOLD_LONGEST;
	t->until = mono_add(now, t->hold);
	t->trial = NULL;
	t->lost = 0;
	t->at = at;
	(void)snprintf(t->why, sizeof(t->why), "%s is down: %s",
	    t->remote->obj.name, why);
	if (log_begin(first && !adhoc_is(t->id) ? LOG_LEVEL_WARN :
	    LOG_LEVEL_DEBUG, 0, "remote-down")) {
		log_str("remote", t->remote->obj.name);
		log_str("why", why);
		log_num("hold", t->hold);
		log_end();
	}
}

/* Has it another connection that answers, or may come to? */
static bool
has_hope(const struct target *t)
{
	const struct link	*l;

	LIST_FOREACH(l, &t->links, entry)
		if (l->state == LINK_DIALLING || l->state == LINK_GREETING ||
		    (l->state == LINK_UP && !link_is_slow(l)))
			return true;
	return false;
}

void
target_failed(struct target *t, enum look_at at, const char *why)
{
	count.failed++;
	target_mark(t);
	if (has_hope(t)) {
		timer_set(&t->pause, PAUSE);
		return;
	}
	hold(t, at, why);
	target_flush(t, t->at, t->why);
}

static bool
is_held(const struct target *t)
{
	return t->hold != 0 &&
	    (t->trial != NULL || mono_diff(t->until, mono_now()) > 0);
}

/* --- asking --------------------------------------------------------------- */

/* Drop the oldest one that nobody waits for.  false: there is none. */
static bool
drop_one(struct target *t)
{
	struct probe	*p = TAILQ_FIRST(&t->ahead);

	if (p == NULL)
		return false;
	count.dropped++;
	target_unqueue(t, p);
	p->at = AT_CONNECT;
	probe_end(p, LOOKUP_CANNOT, NULL, "too many questions");
	return true;
}

static bool
make_room(struct target *t)
{
	struct target	*o;

	if (t->nprobes >= PROBES_TARGET && !drop_one(t))
		return false;
	if (nprobes < PROBES_MAX || drop_one(t))
		return true;
	RB_FOREACH(o, targets, &targets)
		if (drop_one(o))
			return true;
	return false;
}

const char *
probe_refused(const struct conf_remote *remote, bool waited)
{
	struct target	*t = target_find(remote->obj.id);

	if (remote->mx)
		return "mail exchangers are not asked";
	if (t != NULL && is_held(t))
		return t->why;
	/* What nobody waits for makes no room for itself. */
	if (!waited && (nprobes >= PROBES_MAX ||
	    (t != NULL && t->nprobes >= PROBES_TARGET)))
		return "too many questions";
	return NULL;
}

enum look_at
probe_at(const struct conf_remote *remote)
{
	const struct target	*t = target_find(remote->obj.id);

	return t != NULL && is_held(t) ? t->at : AT_CONNECT;
}

static bool
has_8bit(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s > 0x7f)
			return true;
	return false;
}

const char *
probe_ask(struct probe *p, const struct conf_remote *remote)
{
	const char	*why = probe_refused(remote, p->waited);
	struct target	*t;

	if (why != NULL)
		return why;
	if ((t = target_get(remote)) == NULL)
		return "no memory";
	if (!make_room(t))
		return "too many questions";
	if (t->hold != 0)
		t->trial = p;
	p->target = t;
	p->utf8 = p->what == LOOK_EXPN ? false :
	    has_8bit(p->rcpt) || has_8bit(p->sender);
	TAILQ_INSERT_TAIL(queue_of(t, p), p, entry);
	t->nqueued++;
	t->nprobes++;
	nprobes++;
	count.asked++;
	target_mark(t);
	return NULL;
}

void
probe_wait(struct probe *p, bool waited)
{
	struct target	*t = p->target;

	if (p->waited == waited)
		return;
	if (t == NULL || p->link != NULL || p->flushed) {
		p->waited = waited;
		return;
	}
	target_unqueue(t, p);
	p->waited = waited;
	TAILQ_INSERT_TAIL(queue_of(t, p), p, entry);
	t->nqueued++;
	target_mark(t);
}

bool
probe_cancel(struct probe *p)
{
	struct target	*t = p->target;

	if (t == NULL || p->link != NULL || p->flushed)
		return false;
	target_unqueue(t, p);
	if (t->trial == p)
		t->trial = NULL;
	t->nprobes--;
	nprobes--;
	p->target = NULL;
	return true;
}

/* --- for probe.c ---------------------------------------------------------- */

struct probe *
target_first(const struct target *t)
{
	struct probe	*p = TAILQ_FIRST(&t->waited);

	return p != NULL ? p : TAILQ_FIRST(&t->ahead);
}

struct target *
target_marked(void)
{
	struct target	*t = TAILQ_FIRST(&dirty);

	if (t != NULL) {
		TAILQ_REMOVE(&dirty, t, dirty);
		t->is_dirty = false;
	}
	return t;
}

bool
target_is_idle(const struct target *t)
{
	return t->nprobes == 0 && t->nlinks == 0;
}

void
target_leave(struct target *t)
{
	/* Who is told so, and asks again at once, is not let in. */
	t->hold = HOLD_LONGEST;
	t->until = mono_add(mono_now(), t->hold);
	(void)strlcpy(t->why, "the remote has left the configuration",
	    sizeof(t->why));
	target_flush(t, AT_CONNECT, t->why);
	if (t->is_dirty)
		TAILQ_REMOVE(&dirty, t, dirty);
	timer_del(&t->pause);
	RB_REMOVE(targets, &targets, t);
	free(t);
}

void
target_each(void (*fn)(struct target *, const struct config *),
    const struct config *conf)
{
	struct target	*t, *next;

	RB_FOREACH_SAFE(t, targets, &targets, next)
		fn(t, conf);
}

int
target_stats(char *text, size_t size)
{
	struct target	*t;
	size_t		 held = 0;

	RB_FOREACH(t, targets, &targets)
		held += t->hold != 0;
	return snprintf(text, size,
	    "verifyd.probe.asked %llu\n"
	    "verifyd.probe.yes %llu\n"
	    "verifyd.probe.no %llu\n"
	    "verifyd.probe.live %llu\n"
	    "verifyd.probe.cannot %llu\n"
	    "verifyd.probe.dropped %llu\n"
	    "verifyd.probe.failed %llu\n"
	    "verifyd.probe.waiting %zu\n"
	    "verifyd.probe.held %zu\n",
	    (unsigned long long)count.asked, (unsigned long long)count.yes,
	    (unsigned long long)count.no, (unsigned long long)count.live,
	    (unsigned long long)count.cannot,
	    (unsigned long long)count.dropped,
	    (unsigned long long)count.failed, nprobes, held);
}
