/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What EHLO and LHLO offer.
 *
 * `default' is what we can do whatever the next hop can, and those services
 * that only it can render where every remote that mail of this listener may
 * go to offered them when it was last greeted.  Nobody connects only to
 * learn that, so what is not known is not offered; a name in the listener's
 * list is offered in any case.
 *
 * A script may say all that in our place.  What it takes out is not offered;
 * what it puts in that we know is, as if the listener named it, and what we do
 * not know is announced and no more: there is a script that understands it.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "front.h"
#include "front_ask.h"
#include "front_stage.h"
#include "wire.h"

/* In the order of the reply. */
static const struct {
	const char	*name;		/* in the configuration */
	const char	*keyword;
	unsigned int	 bit;
} keywords[] = {
	{ "pipelining",		 "PIPELINING",	EXT_PIPELINING },
	{ "size",		 "SIZE",	EXT_SIZE },
	{ "8bitmime",		 "8BITMIME",	EXT_8BITMIME },
	{ "enhancedstatuscodes", "ENHANCEDSTATUSCODES", EXT_ENHANCED },
	{ "chunking",		 "CHUNKING",	EXT_CHUNKING },
	{ "binarymime",		 "BINARYMIME",	EXT_BINARYMIME },
	{ "dsn",		 "DSN",		EXT_DSN },
	{ "smtputf8",		 "SMTPUTF8",	EXT_SMTPUTF8 }
};

/* OFFER_*, behind them. */
static const struct {
	const char	*keyword;
	unsigned int	 bit;
} others[] = {
	{ "STARTTLS",	OFFER_STARTTLS },
	{ "VRFY",	OFFER_VRFY },
	{ "EXPN",	OFFER_EXPN }
};

#define NOTHERS		(sizeof(others) / sizeof(others[0]))
#define NKEYWORDS	(sizeof(keywords) / sizeof(keywords[0]))
#define OURS		(EXT_PIPELINING | EXT_SIZE | EXT_8BITMIME | \
			    EXT_ENHANCED | EXT_CHUNKING)
#define THEIRS		(EXT_DSN | EXT_SMTPUTF8 | EXT_BINARYMIME)

struct rendered {
	unsigned int	bits;
	size_t		remotes;
};

/* What this one does not offer, not all do. */
static void
take_away(struct conf_remote *r, void *arg)
{
	struct rendered	*all = arg;
	bool		 known;

	all->bits &= caps_of(r->obj.id, &known);
	all->remotes++;
}

/* The services that every remote can render that mail may go to. */
static unsigned int
rendered_by_all(const struct session *s)
{
	struct rendered	all = { THEIRS, 0 };

	if (!front_reach(s->listener, take_away, &all) || all.remotes == 0)
		return 0;
	return all.bits;
}

static unsigned int
listed(const struct session *s)
{
	const struct strs	*e = &s->listener->extensions;
	unsigned int		 bits = 0;
	size_t			 i, k;

	for (i = 0; i < e->n; i++) {
		if (strcmp(e->v[i], "default") == 0)
			bits |= OURS | rendered_by_all(s);
		for (k = 0; k < NKEYWORDS; k++)
			if (strcmp(e->v[i], keywords[k].name) == 0)
				bits |= keywords[k].bit;
	}
	/* RFC 3030, section 3: the one is nothing without the other. */
	if (!(bits & EXT_CHUNKING))
		bits &= ~(unsigned int)EXT_BINARYMIME;
	return bits;
}

/* Those of OFFER_* that are possible. */
static unsigned int
possible(const struct session *s, unsigned int more)
{
	return more | (ftls_is_possible(s) ? OFFER_STARTTLS : 0);
}

unsigned int
offer_reply(const struct session *s, unsigned int more, struct smtp_reply *r)
{
	unsigned int	bits = listed(s);
	char		line[64];
	size_t		i;

	(void)smtp_reply_fmt(r, "250 %s", s->conf->hostname);
	for (i = 0; i < NKEYWORDS; i++) {
		if (!(bits & keywords[i].bit))
			continue;
		(void)snprintf(line, sizeof(line), "\n%s",
		    keywords[i].keyword);
		(void)strlcat(r->text, line, sizeof(r->text));
		if (keywords[i].bit != EXT_SIZE)
			continue;
		(void)snprintf(line, sizeof(line), " %lld",
		    (long long)s->conf->session.max_size);
		(void)strlcat(r->text, line, sizeof(r->text));
	}
	more = possible(s, more);
	for (i = 0; i < NOTHERS; i++) {
		if (!(more & others[i].bit))
			continue;
		(void)strlcat(r->text, "\n", sizeof(r->text));
		(void)strlcat(r->text, others[i].keyword, sizeof(r->text));
	}
	return bits;
}

/* --- as a script has it --------------------------------------------------- */

static void
put_text(struct wbuf *w, const char *text)
{
	put_raw(w, text, strlen(text));
}

/* What we know of a keyword: EXT_* and OFFER_*, in this order; else 0. */
static unsigned int
known(const char *name, unsigned int *other)
{
	size_t	i;

	*other = 0;
	for (i = 0; i < NOTHERS; i++)
		if (strcasecmp(name, others[i].keyword) == 0)
			*other = others[i].bit;
	for (i = 0; i < NKEYWORDS; i++)
		if (strcasecmp(name, keywords[i].keyword) == 0)
			return keywords[i].bit;
	return 0;
}

/* The script's keywords; returns the EXT_* among them, *others the rest. */
static unsigned int
put_keywords(const struct session *s, const struct hook_pairs *x,
    struct wbuf *w, unsigned int *offers)
{
	unsigned int	bits = 0, bit, other;
	uint32_t	i;

	*offers = 0;
	for (i = 0; i < x->n; i++) {
		bit = known(x->name[i], &other);
		/* RFC 3207, section 4.2: never within TLS. */
		if (other == OFFER_STARTTLS && !ftls_is_possible(s))
			continue;
		bits |= bit;
		*offers |= other;
		put_text(w, "\n");
		put_text(w, x->name[i]);
		if (x->value[i][0] != '\0')
			put_text(w, " ");
		put_text(w, x->value[i]);
	}
	if (!(bits & EXT_CHUNKING))
		bits &= ~(unsigned int)EXT_BINARYMIME;
	return bits;
}

int
offer_words(const struct session *s, const char *words)
{
	size_t	n = strcspn(words, "\n"), room = SMTP_REPLY_LINE_MAX -
		    strlen("250- \r\n"), host = strlen(s->conf->hostname);

	room = host < room ? room - host : 0;
	return (int)(n < room ? n : room);
}

char *
offer_staged(const struct session *s, const struct staged *st,
    unsigned int more, struct smtp_reply *r, unsigned int *offered,
    unsigned int *withheld)
{
	struct wbuf	w = { .data = NULL };
	const char	*words = st->reply.text, *ours;
	unsigned int	offers = OFFER_ALL;

	*offered = offer_reply(s, more, r);
	ours = r->text + strlen(s->conf->hostname);
	put_text(&w, s->conf->hostname);
	if (st->reply.code != 0 && words[0] != '\0') {
		put_text(&w, " ");
		put_raw(&w, words, (size_t)offer_words(s, words));
	}
	if (st->set & HOOKV_SET_EXTENSIONS)
		*offered = put_keywords(s, &st->v.extensions, &w, &offers);
	else
		put_text(&w, ours);
	put_u8(&w, '\0');
	if (!wire_ok(&w)) {
		wbuf_clear(&w);
		return NULL;
	}
	*withheld = OFFER_ALL & ~offers;
	r->whole = (const char *)w.data;
	return (char *)w.data;
}
