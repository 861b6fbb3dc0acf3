/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward: the cache, the probe that is under way, or a new one.
 *
 * What the cache knows is answered before verify_ask returns, and costs no
 * memory; where it should be known anew soon, that is asked for behind the
 * answer.  All else is a question: one for each key at a time, with a list of
 * those who wait for its answer.  A question without anybody is worth its
 * answer all the same, as that goes into the cache.
 *
 * Clients choose the keys, so the table is under a secret of this process,
 * and two keys are the same where all 128 bits are.
 *
 * Only what a server has said is kept: that nobody could tell is no verdict.
 * VRFY and EXPN are not kept either; but where VRFY went by way of RCPT that
 * was a question for the address.
 *
 * What was asked ahead and is no verdict is kept for whom it was asked for: he
 * comes soon, and would have it asked a second time, and alone.  The first who
 * comes takes it.
 *
 * Each who waits has a deadline of his own: one that joins late must not be
 * told no for the time that others have waited.
 */

#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache.h"
#include "config.h"
#include "log.h"
#include "probe.h"
#include "siphash.h"
#include "timer.h"
#include "verify.h"

#define BUCKETS		4096	/* a power of two */
#define WAITING_MAX	65536	/* who wait, in all */
#define KEPT_MAX	4096	/* answers for those who come */
#define KEPT_LIFE	10000	/* ms */

struct question {
	LIST_ENTRY(question)	 entry;
	uint8_t			 hash[SIPHASH_LEN];
	struct probe		 probe;
	TAILQ_HEAD(, verify)	 waiting;
	bool			 ahead;		/* nobody has waited yet */
	bool			 ended;
	/* When it is kept, in the order of time. */
	TAILQ_ENTRY(question)	 kept;
	struct mono		 since;
	enum lookup_answer	 answer;
	char			*why;
	uint32_t		 id;		/* of the remote */
	char			*remote;	/* its name */
	char			 text[];	/* all strings */
};

struct verify {
	TAILQ_ENTRY(verify)	 entry;
	struct question		*question;
	struct timer		 timer;
	unsigned int		 flags;		/* LOOK_* */
	void			(*done)(void *, const struct look_answer *);
	void			*arg;
};

LIST_HEAD(questions, question);

static struct questions	buckets[BUCKETS];
static TAILQ_HEAD(, question)	kept = TAILQ_HEAD_INITIALIZER(kept);
static size_t		nkept;
static uint8_t		secret[SIPHASH_KEY];
static size_t		nwaiting;
static struct {
	uint64_t	asked, cached, joined, refreshed, ahead, stale;
} count;

void
verify_start(void)
{
	arc4random_buf(secret, sizeof(secret));
	verdict_start();
}

const char *
verify_sender(const struct conf_remote *remote, const char *sender)
{
	if (remote->mail_from == NULL)
		return "";
	return strcmp(remote->mail_from, "sender") == 0 ? sender :
	    remote->mail_from;
}

static uint64_t
now(void)
{
	return (uint64_t)time(NULL);
}

/* --- keys ----------------------------------------------------------------- */

static void
key_hash(const struct verify_question *q, const char *sender,
    uint8_t out[SIPHASH_LEN])
{
	struct siphash	h;
	uint32_t	head[2];

	head[0] = q->remote->obj.id;
	head[1] = (uint32_t)q->what;
	siphash_init(&h, secret);
	siphash_update(&h, head, sizeof(head));
	siphash_update(&h, sender, strlen(sender) + 1);
	siphash_update(&h, q->rcpt, strlen(q->rcpt));
	siphash_final(&h, out);
}

static struct questions *
bucket(const uint8_t hash[SIPHASH_LEN])
{
	return &buckets[(hash[0] | (size_t)hash[1] << 8) & (BUCKETS - 1)];
}

static struct question *
find(const uint8_t hash[SIPHASH_LEN])
{
	struct question	*qn;

	LIST_FOREACH(qn, bucket(hash), entry)
		if (memcmp(qn->hash, hash, SIPHASH_LEN) == 0)
			return qn;
	return NULL;
}

/* What may stand in a command, and reads there as what it is. */
static bool
is_mailbox(const char *s, int flags)
{
	struct smtp_path	path;
	struct slice		all = { s, strlen(s) };
	size_t			used;

	return smtp_path_parse(&path, all, flags | PATH_BARE, &used) ==
	    PATH_OK && used == all.n;
}

static bool
is_clean(const char *s)
{
	if (*s == '\0' || strlen(s) > SMTP_REPLY_LINE_MAX)
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* --- who waits ------------------------------------------------------------ */

static void
verify_free(struct verify *v)
{
	timer_del(&v->timer);
	TAILQ_REMOVE(&v->question->waiting, v, entry);
	nwaiting--;
	free(v);
}

/* One who waits gets his answer. */
static void
tell(struct verify *v, const struct look_answer *a)
{
	void	(*done)(void *, const struct look_answer *) = v->done;
	void	*arg = v->arg;

	verify_free(v);
	done(arg, a);
}

/* An expired yes, for those who take it when nobody can tell. */
static bool
has_yes(const struct question *qn)
{
	struct cache_key	k = { qn->remote, qn->probe.sender,
				    qn->probe.rcpt };
	struct cache_verdict	v;

	return qn->probe.what == LOOK_ADDRESS &&
	    cache_find(&k, now(), &v) != CACHE_MISS && v.exists;
}

static void
tell_stale(struct verify *v, const struct look_answer *a)
{
	struct look_answer	yes = *a;

	if (a->answer != LOOKUP_CANNOT || (v->flags & LOOK_STALE) == 0 ||
	    !has_yes(v->question)) {
		tell(v, a);
		return;
	}
	count.stale++;
	yes.answer = LOOKUP_YES;
	yes.by = JUDGE_BY_CACHE;
	tell(v, &yes);
}

static void
on_deadline(void *arg)
{
	struct verify		*v = arg;
	struct question		*qn = v->question;
	struct look_answer	 a = { .answer = LOOKUP_CANNOT,
				    .by = JUDGE_BY_PROBE, .remote = qn->id };
	char			 why[256];

	(void)snprintf(why, sizeof(why), "%s did not answer in time",
	    qn->remote);
	a.why = why;
	a.at = AT_TIMEOUT;
	if (TAILQ_NEXT(TAILQ_FIRST(&qn->waiting), entry) == NULL)
		probe_wait(&qn->probe, false);
	tell_stale(v, &a);
}

static struct verify *
join(struct question *qn, const struct verify_question *q,
    void (*done)(void *, const struct look_answer *), void *arg)
{
	const struct conf_timeouts	*t = &q->remote->timeout;
	struct verify			*v;

	if (nwaiting >= WAITING_MAX || (v = calloc(1, sizeof(*v))) == NULL)
		return NULL;
	v->question = qn;
	v->flags = q->flags;
	v->done = done;
	v->arg = arg;
	timer_init(&v->timer, on_deadline, v);
	timer_set(&v->timer, q->timeout > 0 ? q->timeout :
	    t->connect + t->command);
	qn->ahead = false;
	TAILQ_INSERT_TAIL(&qn->waiting, v, entry);
	nwaiting++;
	return v;
}

void
verify_cancel(struct verify *v)
{
	struct question	*qn;

	if (v == NULL)
		return;
	qn = v->question;
	verify_free(v);
	if (!TAILQ_EMPTY(&qn->waiting) || qn->ended)
		return;
	probe_wait(&qn->probe, false);
	if (qn->probe.what == LOOK_ADDRESS || !probe_cancel(&qn->probe))
		return;
	LIST_REMOVE(qn, entry);
	free(qn);
}

/* --- questions ------------------------------------------------------------ */

/* Keep what a server has said of an address, or that it did not. */
static void
keep(const struct question *qn, const struct probe_answer *res)
{
	struct cache_key	k = { qn->remote, qn->probe.sender,
				    qn->probe.rcpt };
	struct cache_verdict	v = { .exists = res->answer == LOOKUP_YES };

	if (qn->probe.what != LOOK_ADDRESS && !qn->probe.as_rcpt)
		return;
	if (res->reply == NULL || res->remote == NULL ||
	    (res->answer != LOOKUP_YES && res->answer != LOOKUP_NO)) {
		cache_put_off(&k, now());
		return;
	}
	v.code = (uint16_t)res->reply->code;
	(void)strlcpy(v.enhanced, res->reply->enhanced, sizeof(v.enhanced));
	(void)strlcpy(v.text, res->reply->text, sizeof(v.text));
	v.text[strcspn(v.text, "\n")] = '\0';
	cache_store(&k, &v, &res->remote->ttl, now(), true);
}

static void
kept_drop(struct question *qn)
{
	LIST_REMOVE(qn, entry);
	TAILQ_REMOVE(&kept, qn, kept);
	nkept--;
	free(qn->why);
	free(qn);
}

static bool
kept_is_old(const struct question *qn)
{
	return mono_diff(mono_now(), qn->since) > KEPT_LIFE;
}

/* An answer that nobody has had, and that the cache does not take. */
static bool
kept_add(struct question *qn, const struct probe_answer *res)
{
	struct question	*old;

	if (!qn->ahead || res->reply == NULL || res->reply->code == 421 ||
	    (res->answer != LOOKUP_LIVE && res->answer != LOOKUP_CANNOT) ||
	    (qn->why = strdup(res->why)) == NULL)
		return false;
	while ((old = TAILQ_FIRST(&kept)) != NULL &&
	    (nkept >= KEPT_MAX || kept_is_old(old)))
		kept_drop(old);
	qn->answer = res->answer;
	qn->since = mono_now();
	qn->ended = true;
	TAILQ_INSERT_TAIL(&kept, qn, kept);
	nkept++;
	return true;
}

static void
on_probe(struct probe *p, const struct probe_answer *res)
{
	struct question		*qn = (struct question *)(void *)((char *)p -
				    offsetof(struct question, probe));
	struct verify		*v;
	struct look_answer	 a = { .answer = res->answer,
				    .by = JUDGE_BY_PROBE, .remote = qn->id,
				    .why = res->why, .values = res->values,
				    .nvalues = res->nvalues, .at = p->at };

	if (res->reply != NULL) {
		a.code = (uint16_t)res->reply->code;
		a.enhanced = res->reply->enhanced;
		a.text = res->reply->text;
	}
	if (p->as_rcpt && a.answer == LOOKUP_YES) {
		a.values = &p->rcpt;
		a.nvalues = 1;
	}
	if (kept_add(qn, res))
		return;
	LIST_REMOVE(qn, entry);
	qn->ended = true;
	keep(qn, res);
	while ((v = TAILQ_FIRST(&qn->waiting)) != NULL)
		tell_stale(v, &a);
	free(qn);
}

static char *
put(char **p, const char *s)
{
	char	*at = *p;
	size_t	 n = strlen(s) + 1;

	memcpy(at, s, n);
	*p += n;
	return at;
}

static struct question *
question_new(const struct verify_question *q, const char *sender,
    const uint8_t hash[SIPHASH_LEN])
{
	struct question	*qn;
	char		*p;

	qn = calloc(1, sizeof(*qn) + strlen(q->remote->obj.name) +
	    strlen(q->rcpt) + strlen(sender) + 3);
	if (qn == NULL)
		return NULL;
	memcpy(qn->hash, hash, SIPHASH_LEN);
	TAILQ_INIT(&qn->waiting);
	qn->id = q->remote->obj.id;
	p = qn->text;
	qn->remote = put(&p, q->remote->obj.name);
	qn->probe.what = q->what;
	qn->probe.rcpt = put(&p, q->rcpt);
	qn->probe.sender = put(&p, sender);
	qn->probe.done = on_probe;
	return qn;
}

/* Ask the remote.  NULL: *qn is the question; else why not. */
static const char *
start(const struct verify_question *q, const char *sender,
    const uint8_t hash[SIPHASH_LEN], bool waited, struct question **qn)
{
	const char	*why;

	if ((why = probe_refused(q->remote, waited)) != NULL)
		return why;
	if ((*qn = question_new(q, sender, hash)) == NULL)
		return "no memory";
	(*qn)->probe.waited = waited;
	if ((why = probe_ask(&(*qn)->probe, q->remote)) != NULL) {
		free(*qn);
		return why;
	}
	LIST_INSERT_HEAD(bucket(hash), *qn, entry);
	return NULL;
}

/* Behind an answer, or ahead of a question: nobody waits. */
static void
ask_aside(const struct verify_question *q, const char *sender, bool ahead)
{
	struct question	*qn;
	uint8_t		 hash[SIPHASH_LEN];

	key_hash(q, sender, hash);
	if ((qn = find(hash)) != NULL) {
		if (!qn->ended || (ahead && !kept_is_old(qn)))
			return;
		kept_drop(qn);
	}
	if (start(q, sender, hash, false, &qn) == NULL)
		qn->ahead = ahead;
}

/* --- asking --------------------------------------------------------------- */

/* The cache's answer.  false: it has none that will do. */
static bool
tell_cached(const struct verify_question *q, const char *sender, bool stale,
    void (*done)(void *, const struct look_answer *), void *arg)
{
	struct cache_key	 k = { q->remote->obj.name, sender, q->rcpt };
	struct cache_verdict	 v;
	struct look_answer	 a = { .by = JUDGE_BY_CACHE,
				    .remote = q->remote->obj.id };
	enum cache_view		 view;
	char			 why[256];

	if (q->what != LOOK_ADDRESS)
		return false;
	view = cache_find(&k, now(), &v);
	if (view == CACHE_MISS ||
	    (view == CACHE_STALE && (!stale || !v.exists)))
		return false;
	if (view == CACHE_REFRESH) {
		count.refreshed++;
		ask_aside(q, sender, false);
	}
	if (stale)
		count.stale++;
	else
		count.cached++;
	(void)snprintf(why, sizeof(why), "%u %s%s%s", v.code, v.enhanced,
	    v.enhanced[0] != '\0' ? " " : "", v.text);
	a.answer = v.exists ? LOOKUP_YES : LOOKUP_NO;
	a.why = why;
	a.at = AT_RCPT;
	a.code = v.code;
	a.enhanced = v.enhanced;
	a.text = v.text;
	done(arg, &a);
	return true;
}

static void
tell_cannot(const struct verify_question *q, const char *sender,
    const char *why, void (*done)(void *, const struct look_answer *),
    void *arg)
{
	struct look_answer	a = { .answer = LOOKUP_CANNOT,
				    .by = JUDGE_BY_PROBE,
				    .remote = q->remote->obj.id, .why = why,
				    .at = probe_at(q->remote) };

	if ((q->flags & LOOK_STALE) == 0 ||
	    !tell_cached(q, sender, true, done, arg))
		done(arg, &a);
}

/* An answer to what was asked ahead, if there is one.  It is told once. */
static bool
tell_kept(const struct verify_question *q, const char *sender,
    struct question *qn, void (*done)(void *, const struct look_answer *),
    void *arg)
{
	struct look_answer	a = { .answer = qn->answer,
				    .by = JUDGE_BY_PROBE,
				    .remote = q->remote->obj.id };
	char			why[256];
	bool			no = kept_is_old(qn) ||
				    (q->flags & LOOK_AS_GIVEN) != 0;

	a.why = why;
	(void)strlcpy(why, qn->why, sizeof(why));
	kept_drop(qn);
	if (no)
		return false;
	if (a.answer == LOOKUP_CANNOT)
		tell_cannot(q, sender, why, done, arg);
	else
		done(arg, &a);
	return true;
}

/* Can it be asked at all?  What cannot be said is no address of anybody. */
static bool
can_be_said(const struct verify_question *q, const char *sender)
{
	if (q->what == LOOK_EXPN)
		return is_clean(q->rcpt);
	return is_mailbox(q->rcpt, PATH_FORWARD) &&
	    is_mailbox(sender, PATH_REVERSE);
}

struct verify *
verify_ask(const struct verify_question *q,
    void (*done)(void *, const struct look_answer *), void *arg)
{
	const char	*sender = (q->flags & LOOK_AS_GIVEN) != 0 ?
			    q->sender : verify_sender(q->remote, q->sender);
	const char	*why = NULL;
	struct question	*qn;
	struct verify	*v;
	uint8_t		 hash[SIPHASH_LEN];

	count.asked++;
	if (tell_cached(q, sender, false, done, arg))
		return NULL;
	if (!can_be_said(q, sender)) {
		tell_cannot(q, sender, "no address that can be asked for",
		    done, arg);
		return NULL;
	}
	if ((q->flags & LOOK_AHEAD) != 0) {
		count.ahead++;
		ask_aside(q, sender, true);
		tell_cannot(q, sender, "asked ahead", done, arg);
		return NULL;
	}
	key_hash(q, sender, hash);
	if ((qn = find(hash)) != NULL && qn->ended) {
		if (tell_kept(q, sender, qn, done, arg))
			return NULL;
		qn = NULL;
	}
	if (qn != NULL)
		count.joined++;
	else
		why = start(q, sender, hash, true, &qn);
	if (why == NULL && (v = join(qn, q, done, arg)) != NULL) {
		probe_wait(&qn->probe, true);
		return v;
	}
	tell_cannot(q, sender, why != NULL ? why : "too many questions",
	    done, arg);
	return NULL;
}

int
verify_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.verify.asked %llu\n"
	    "verifyd.verify.cached %llu\n"
	    "verifyd.verify.joined %llu\n"
	    "verifyd.verify.ahead %llu\n"
	    "verifyd.verify.refreshed %llu\n"
	    "verifyd.verify.stale %llu\n",
	    (unsigned long long)count.asked,
	    (unsigned long long)count.cached,
	    (unsigned long long)count.joined,
	    (unsigned long long)count.ahead,
	    (unsigned long long)count.refreshed,
	    (unsigned long long)count.stale);
}
