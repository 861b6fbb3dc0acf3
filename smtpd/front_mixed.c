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
#define BATCH		256		/* recipients in a frame: fewer than
					   STATE_ITEMS_MAX, and far from
					   MSG_MAX whatever their names */

struct digest {
	SHA2_CTX	 ctx;
	uint8_t		 sum[SHA256_DIGEST_LENGTH];
	void		(*asked)(struct session *, enum held);
	void		(*kept)(struct session *);
	size_t		 frames;	/* of memory, not answered */
	size_t		 found;		/* of recipients who have it */
	bool		 unknown;	/* a frame had no answer */
};

/* --- marks ---------------------------------------------------------------- */

/*
 * "delivered 1767225600": the class and since when, behind which " given" says
 * that something was delivered, though the class is another one now.
 */
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
	m->check = m->class == MARK_DELIVERED || m->class == MARK_ALONE ||
	    strstr(text, " given") != NULL;
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
	/* There is one where a connection was replaced at this point. */
	if (tx->digest == NULL &&
	    (tx->digest = calloc(1, sizeof(*tx->digest))) == NULL) {
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

/* --- questions, in frames ------------------------------------------------- */

static bool
is_accepted(const struct rcpt *r)
{
	return r->state == RC_OK;
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

static bool
is_given(const struct rcpt *r)
{
	return is_accepted(r) && class_of(r) == MARK_DELIVERED;
}

/* The items of a frame, and what they are put with. */
struct items {
	struct proto_state	 q;
	enum mark_class		 all;	/* the class of each; MARK_NONE: its
					   own */
	bool			(*wanted)(const struct rcpt *);
	void			(*put)(struct wbuf *, const struct session *,
				    const struct rcpt *, enum mark_class);
	void			(*done)(struct session *, struct msg *);
};

/*
 * Ask for, or tell, something of each recipient that is wanted, in as many
 * frames as it takes.  false: the session ended.
 */
static bool
send_items(struct session *s, struct items *it)
{
	struct tx	*tx = s->tx;
	struct wbuf	 w;
	size_t		 i, end;

	for (i = 0; i < tx->nrcpts; i = end) {
		it->q.n = 0;
		for (end = i; end < tx->nrcpts && it->q.n < BATCH; end++)
			it->q.n += it->wanted(&tx->rcpts[end]);
		if (it->q.n == 0)
			break;
		memset(&w, 0, sizeof(w));
		put_state(&w, &it->q);
		for (; i < end; i++)
			if (it->wanted(&tx->rcpts[i]))
				it->put(&w, s, &tx->rcpts[i], it->all);
		tx->digest->frames++;
		ask_send(s, R_VERIFYD, MSG_STATE, &w, ASK_TIMEOUT,
		    it->done);
		if (s->tx != tx)
			return false;
	}
	return true;
}

/* --- who has it already? -------------------------------------------------- */

/* The key of who was given what. */
static void
put_given(struct wbuf *w, const struct session *s, const struct rcpt *r,
    enum mark_class all)
{
	uint8_t	key[STATE_KEY_MAX];
	int	n;

	(void)all;
	n = snprintf((char *)key, sizeof(key) - SHA256_DIGEST_LENGTH,
	    "%s\n%s\n%s\n", s->tx->remote->obj.name, s->tx->sender_normal,
	    r->normal);
	if (n < 0 || (size_t)n >= sizeof(key) - SHA256_DIGEST_LENGTH)
		n = 0;
	memcpy(key + n, s->tx->digest->sum, SHA256_DIGEST_LENGTH);
	put_blob(w, key, (size_t)n + SHA256_DIGEST_LENGTH);
}

static void
ask_done(struct session *s, struct msg *m)
{
	struct digest		*d = s->tx->digest;
	struct proto_state_ans	 ans = { .n = 0 };
	uint32_t		 i;
	size_t			 n;

	if (m == NULL || get_state_ans(m, &ans) == -1 || ans.n == 0)
		d->unknown = true;
	for (i = 0; !d->unknown && i < ans.n; i++) {
		d->found += get_bool(&m->body);
		(void)get_blob(&m->body, &n);
	}
	if (--d->frames > 0)
		return;
	d->asked(s, d->unknown ? HELD_UNKNOWN : d->found == 0 ? HELD_NONE :
	    d->found == s->tx->accepted ? HELD_ALL : HELD_SOME);
}

void
mixed_ask(struct session *s, void (*done)(struct session *, enum held))
{
	struct items	it = {
		.q = { .op = STATE_GET, .table = STATE_DELIVERED },
		.wanted = is_accepted, .put = put_given, .done = ask_done
	};

	digest_end(s->tx->digest);
	s->tx->digest->asked = done;
	(void)send_items(s, &it);
}

/* --- remembering ---------------------------------------------------------- */

static void
kept(struct session *s, struct msg *m)
{
	(void)m;
	if (--s->tx->digest->frames == 0)
		s->tx->digest->kept(s);
}

/*
 * The class of one.  That a message was delivered to it within a day stays
 * known, whatever becomes of this one.
 */
static void
put_class(struct wbuf *w, const struct session *s, const struct rcpt *r,
    enum mark_class all)
{
	enum mark_class	class = all != MARK_NONE ? all : class_of(r);
	char		text[STATE_KEY_MAX];

	mark_key(s, s->tx->remote, r->normal, text, sizeof(text));
	put_blob(w, text, strlen(text));
	(void)snprintf(text, sizeof(text), "%s %lld%s", classes[class],
	    (long long)time(NULL), r->mark.check ? " given" : "");
	put_blob(w, text, strlen(text));
}

static void
put_delivered(struct wbuf *w, const struct session *s, const struct rcpt *r,
    enum mark_class all)
{
	put_given(w, s, r, all);
	put_blob(w, "", 0);
}

static bool
keep_classes(struct session *s, enum mark_class all)
{
	struct items	it = {
		.q = { .op = STATE_SET, .table = STATE_LMTP_CLASS,
		    .ttl = KEEP_TIME }, .all = all,
		.wanted = is_accepted, .put = put_class, .done = kept
	};

	return send_items(s, &it);
}

static bool
keep_given(struct session *s)
{
	struct items	it = {
		.q = { .op = STATE_SET, .table = STATE_DELIVERED,
		    .ttl = KEEP_TIME },
		.wanted = is_given, .put = put_delivered, .done = kept
	};

	digest_end(s->tx->digest);
	return send_items(s, &it);
}

void
mixed_remember(struct session *s, void (*done)(struct session *))
{
	s->tx->digest->kept = done;
	if (keep_given(s))
		(void)keep_classes(s, MARK_NONE);
}

void
mixed_alone(struct session *s, void (*done)(struct session *))
{
	s->tx->digest->kept = done;
	(void)keep_classes(s, MARK_ALONE);
}
