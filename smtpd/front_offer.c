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
 */

#include <string.h>

#include "front.h"
#include "front_ask.h"

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

void
offer_reply(struct session *s, unsigned int more, struct smtp_reply *r)
{
	char	line[64];
	size_t	i;

	s->offered = listed(s);
	(void)smtp_reply_fmt(r, "250 %s", s->conf->hostname);
	for (i = 0; i < NKEYWORDS; i++) {
		if (!(s->offered & keywords[i].bit))
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
	if (ftls_is_offered(s))
		(void)strlcat(r->text, "\nSTARTTLS", sizeof(r->text));
	if (more & OFFER_VRFY)
		(void)strlcat(r->text, "\nVRFY", sizeof(r->text));
	if (more & OFFER_EXPN)
		(void)strlcat(r->text, "\nEXPN", sizeof(r->text));
}
