/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A message whose recipients fare differently at an LMTP remote.
 *
 * A client of SMTP can be told one word only.  So it is told to try again,
 * and for an hour the class of each recipient's answer is remembered (by
 * remote, sender and recipient): a transaction then takes recipients of one
 * class only, so that the next word is true for all of them.
 *
 * Those that have the message must not get it twice.  A digest of what each
 * was given (sender, recipient, content without our trace) is remembered for
 * a day.  When they come again the content is sent like any other, but its
 * end is held back until it is known who has it: all, and the connection is
 * closed without the end and the client hears 250; nobody, and it goes on;
 * some, and each has to come alone.
 *
 * All of it is verifyd's to keep, for every worker.  Where it cannot tell,
 * the client has to come again: a second copy cannot be taken back.
 *
 * Rejected: to keep the message here and send it to the others later (that
 * would be a queue), and to tell the client the worst of the words (it would
 * bounce mail that was delivered).
 */

#include <sys/types.h>

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "front_relay.h"
#include "msg.h"

#define CLASS_TIME	(60 * 60)	/* s: a class is believed */
#define KEEP_TIME	(24 * 60 * 60 * 1000) /* ms: all is kept */
#define ITEMS		(STATE_ITEMS_MAX / 2) /* fit, however long the keys */

struct digest {
	SHA2_CTX	 ctx;
	uint8_t		 sum[SHA256_DIGEST_LENGTH];
	void		(*asked)(struct session *, enum held);
	void		(*kept)(struct session *);
	enum mark_class	 all;		/* to be kept; MARK_NONE: of each */
	size_t		 frames;	/* of memory, not answered */
	size_t		 told, found;	/* items of those that were */
};

/* --- marks ---------------------------------------------------------------- */

/* "delivered 1767225600" */
static const char *const	classes[] = {
	[MARK_NONE] = "", [MARK_DELIVERED] = "delivered",
	[MARK_4XX] = "4xx", [MARK_5XX] = "5xx", [MARK_ALONE] = "alone"
};

static bool
is_split(const struct conf_remote *r)
{
	return r->protocol == PROTO_LMTP && r->lmtp_mixed == MIXED_SPLIT;
}

/* Control octets are in none of them. */
static void
mark_key(const struct session *s, const struct conf_remote *remote,
    const char *rcpt, char *key, size_t size)
{
	(void)snprintf(key, size, "%s\n%s\n%s", remote->obj.name,
	    s->tx->sender_normal, rcpt);
}

static void
mark_parse(const char *text, struct mark *m)
{
	size_t		 i, n = strcspn(text, " ");
	long long	 since;

	for (i = MARK_DELIVERED; i <= MARK_ALONE; i++)
		if (strlen(classes[i]) == n &&
		    strncmp(text, classes[i], n) == 0)
			m->class = (enum mark_class)i;
	m->check = m->class == MARK_DELIVERED || m->class == MARK_ALONE;
	if (sscanf(text + n, " %lld", &since) != 1 ||
	    (long long)time(NULL) - since >= CLASS_TIME)
		m->class = MARK_NONE;
}

enum rule_result
mixed_mark(struct session *s, const struct conf_remote *remote,
    const char *rcpt, struct mark *m)
{
	enum rule_result	 r;
	const char		*value;
	char			 key[STATE_KEY_MAX];

	memset(m, 0, sizeof(*m));
	/* A client of LMTP hears a word for each: nothing can be mixed. */
	if (!is_split(remote) || s->listener->protocol == PROTO_LMTP)
		return RULE_VALUE;
	mark_key(s, remote, rcpt, key, sizeof(key));
	r = memory_ask(s, STATE_LMTP_CLASS, key, &value);
	if (r == RULE_VALUE && value != NULL)
		mark_parse(value, m);
	return r;
}

bool
mixed_fits(const struct tx *tx, const struct conf_remote *remote,
    const struct mark *m)
{
	const struct rcpt	*r;
	size_t			 i;

	if (remote->protocol != PROTO_LMTP)
		return true;
	for (i = 0; i < tx->nrcpts; i++) {
		r = &tx->rcpts[i];
		/* One that is repeated is of the class of the first. */
		if (r->state == RC_NO || r->same != 0)
			continue;
		if (remote->lmtp_mixed == MIXED_SINGLE ||
		    m->class != r->mark.class || m->class == MARK_ALONE)
			return false;
	}
	return true;
}

/* --- the digest ----------------------------------------------------------- */

bool
mixed_must_hold(const struct tx *tx)
{
	size_t	i;

	for (i = 0; i < tx->nrcpts; i++)
		if (tx->rcpts[i].state == RC_OK && tx->rcpts[i].mark.check)
			return true;
	return false;
}

void
mixed_begin(struct session *s)
{
	struct tx	*tx = s->tx;

	if (!is_split(tx->remote) || s->listener->protocol == PROTO_LMTP ||
	    (tx->accepted < 2 && !mixed_must_hold(tx)))
		return;
	if ((tx->digest = calloc(1, sizeof(*tx->digest))) == NULL) {
		session_end(s, "no memory");
		return;
	}
	SHA256Init(&tx->digest->ctx);
}

void
mixed_content(struct tx *tx, const char *p, size_t n)
{
	if (tx->digest != NULL)
		SHA256Update(&tx->digest->ctx, (const uint8_t *)p, n);
}

/* The digest of the whole; once. */
static void
digest_end(struct digest *d)
{
	SHA2_CTX	ctx = d->ctx;

	SHA256Final(d->sum, &ctx);
}

/* --- questions of many items ---------------------------------------------- */

/* Who is in a question, and what is put there for each. */
struct items {
	bool	(*is_in)(const struct rcpt *);
	void	(*put)(struct wbuf *, const struct session *,
		    const struct rcpt *);
};

/*
 * A transaction may have more recipients than a question items: ask as often
 * as that takes, and count what is out.
 */
static void
ask_items(struct session *s, const struct items *items,
    struct proto_state head, void (*done)(struct session *, struct msg *))
{
	struct tx	*tx = s->tx;
	struct wbuf	 w;
	size_t		 i, end;

	for (i = 0; i < tx->nrcpts; i = end) {
		head.n = 0;
		for (end = i; end < tx->nrcpts && head.n < ITEMS; end++)
			head.n += items->is_in(&tx->rcpts[end]);
		if (head.n == 0)
			return;
		memset(&w, 0, sizeof(w));
		put_state(&w, &head);
		for (; i < end; i++)
			if (items->is_in(&tx->rcpts[i]))
				items->put(&w, s, &tx->rcpts[i]);
		tx->digest->frames++;
		ask_send(s, R_VERIFYD, MSG_STATE, &w, done);
		if (s->tx == NULL)	/* no memory: the session is over */
			return;
	}
}

static bool
is_accepted(const struct rcpt *r)
{
	return r->state == RC_OK;
}

/* Who was given what. */
static void
put_given(struct wbuf *w, const struct session *s, const struct rcpt *r)
{
	uint8_t	key[STATE_KEY_MAX];
	int	n;

	n = snprintf((char *)key, sizeof(key) - SHA256_DIGEST_LENGTH,
	    "%s\n%s\n%s\n", s->tx->remote->obj.name, s->tx->sender_normal,
	    r->normal);
	if (n < 0 || (size_t)n >= sizeof(key) - SHA256_DIGEST_LENGTH)
		n = 0;
	memcpy(key + n, s->tx->digest->sum, SHA256_DIGEST_LENGTH);
	put_blob(w, key, (size_t)n + SHA256_DIGEST_LENGTH);
}

/* --- who has it already? -------------------------------------------------- */

static enum held
held(const struct tx *tx)
{
	const struct digest	*d = tx->digest;

	if (d->told != tx->accepted)
		return HELD_UNKNOWN;
	if (d->found == 0)
		return HELD_NONE;
	return d->found == d->told ? HELD_ALL : HELD_SOME;
}

/* One that cannot tell leaves its items out of what is told. */
static void
ask_done(struct session *s, struct msg *m)
{
	struct digest		*d = s->tx->digest;
	struct proto_state_ans	 ans = { .n = 0 };
	uint32_t		 i;
	size_t			 n;

	if (m != NULL && get_state_ans(m, &ans) == -1)
		ans.n = 0;
	for (i = 0; i < ans.n; i++) {
		d->found += get_bool(&m->body);
		(void)get_blob(&m->body, &n);
	}
	d->told += ans.n;
	if (--d->frames == 0)
		d->asked(s, held(s->tx));
}

void
mixed_ask(struct session *s, void (*done)(struct session *, enum held))
{
	static const struct items	given = { is_accepted, put_given };
	struct proto_state		q = { .op = STATE_GET,
					    .table = STATE_DELIVERED };
	struct digest			*d = s->tx->digest;

	digest_end(d);
	d->asked = done;
	d->told = d->found = 0;
	ask_items(s, &given, q, ask_done);
}

/* --- remembering ---------------------------------------------------------- */

static void
kept(struct session *s, struct msg *m)
{
	(void)m;
	if (--s->tx->digest->frames == 0)
		s->tx->digest->kept(s);
}

static enum mark_class
class_of(const struct rcpt *r)
{
	switch (r->verdict == NULL ? 4 : r->verdict->code / 100) {
	case 2:
		return MARK_DELIVERED;
	case 5:
		return MARK_5XX;
	}
	return MARK_4XX;
}

static void
put_class(struct wbuf *w, const struct session *s, const struct rcpt *r)
{
	enum mark_class	class = s->tx->digest->all;
	char		text[STATE_KEY_MAX];

	mark_key(s, s->tx->remote, r->normal, text, sizeof(text));
	put_blob(w, text, strlen(text));
	(void)snprintf(text, sizeof(text), "%s %lld",
	    classes[class != MARK_NONE ? class : class_of(r)],
	    (long long)time(NULL));
	put_blob(w, text, strlen(text));
}

/* Remember the class of each, or the same one of all. */
static void
keep_classes(struct session *s, enum mark_class all)
{
	static const struct items	class = { is_accepted, put_class };
	struct proto_state		q = { .op = STATE_SET,
					    .table = STATE_LMTP_CLASS,
					    .ttl = KEEP_TIME };

	if (s->tx == NULL)
		return;
	s->tx->digest->all = all;
	ask_items(s, &class, q, kept);
}

static bool
has_it(const struct rcpt *r)
{
	return is_accepted(r) && class_of(r) == MARK_DELIVERED;
}

static void
put_delivery(struct wbuf *w, const struct session *s, const struct rcpt *r)
{
	put_given(w, s, r);
	put_blob(w, "", 0);
}

static void
keep_given(struct session *s)
{
	static const struct items	given = { has_it, put_delivery };
	struct proto_state		q = { .op = STATE_SET,
					    .table = STATE_DELIVERED,
					    .ttl = KEEP_TIME };

	digest_end(s->tx->digest);
	ask_items(s, &given, q, kept);
}

void
mixed_remember(struct session *s, void (*done)(struct session *))
{
	s->tx->digest->kept = done;
	keep_given(s);
	keep_classes(s, MARK_NONE);
}

void
mixed_alone(struct session *s, void (*done)(struct session *))
{
	s->tx->digest->kept = done;
	keep_classes(s, MARK_ALONE);
}
