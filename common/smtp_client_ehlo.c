/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a server offers in its reply to EHLO or LHLO: see smtp_client.h.
 *
 * Each line is a keyword and, for some, what comes with it: a size, the
 * mechanisms of AUTH, the attributes of XCLIENT.  Words that we do not know
 * are passed over.  All of it holds until the next EHLO.
 */

#include <string.h>
#include <strings.h>

#include "smtp_client_private.h"

struct word {
	const char	*name;
	unsigned int	 bit;
};

static const struct word	extensions[] = {
	{ "PIPELINING",		 EXT_PIPELINING },
	{ "SIZE",		 EXT_SIZE },
	{ "8BITMIME",		 EXT_8BITMIME },
	{ "STARTTLS",		 EXT_STARTTLS },
	{ "CHUNKING",		 EXT_CHUNKING },
	{ "BINARYMIME",		 EXT_BINARYMIME },
	{ "DSN",		 EXT_DSN },
	{ "SMTPUTF8",		 EXT_SMTPUTF8 },
	{ "ENHANCEDSTATUSCODES", EXT_ENHANCED },
	{ "XCLIENT",		 EXT_XCLIENT },
	{ "AUTH",		 EXT_AUTH },
	{ "VRFY",		 EXT_VRFY },
	{ "EXPN",		 EXT_EXPN },
	{ NULL,			 0 }
};

static const struct word	attributes[] = {
	{ "NAME",		 EXT_XC_NAME },
	{ "ADDR",		 EXT_XC_ADDR },
	{ "PORT",		 EXT_XC_PORT },
	{ "PROTO",		 EXT_XC_PROTO },
	{ "HELO",		 EXT_XC_HELO },
	{ "LOGIN",		 EXT_XC_LOGIN },
	{ "DESTADDR",		 EXT_XC_DESTADDR },
	{ "DESTPORT",		 EXT_XC_DESTPORT },
	{ NULL,			 0 }
};

static const struct word	mechanisms[] = {
	{ "PLAIN",		 MECH_PLAIN },
	{ "LOGIN",		 MECH_LOGIN },
	{ NULL,			 0 }
};

/* The bit of a word, 0 where we do not know it. */
static unsigned int
find(const struct word *words, const char *p, size_t n)
{
	for (; words->name != NULL; words++)
		if (strlen(words->name) == n &&
		    strncasecmp(words->name, p, n) == 0)
			return words->bit;
	return 0;
}

/* The bits of all words of a list. */
static unsigned int
find_all(const struct word *words, struct slice s)
{
	unsigned int	 bits = 0;
	size_t		 i, n;

	for (i = 0; i < s.n; i += n + 1) {
		for (n = 0; i + n < s.n && s.p[i + n] != ' '; n++)
			continue;
		bits |= find(words, s.p + i, n);
	}
	return bits;
}

/* RFC 1870, section 4: no number, or 0, is no fixed maximum. */
static uint64_t
size_parse(struct slice s)
{
	uint64_t	 size = 0;
	size_t		 i;

	for (i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		if (size > (UINT64_MAX - 9) / 10)
			return 0;
		size = size * 10 + (s.p[i] - '0');
	}
	return i == s.n ? size : 0;
}

void
client_extension(void *arg, struct slice line)
{
	struct smtp_client	*c = arg;
	struct slice		 rest = { NULL, 0 };
	unsigned int		 bit;
	size_t			 n = 0;

	/* the first line is the server's name */
	if (c->in->lines == 1)
		return;
	/* "AUTH=..." is an old way to say "AUTH ..." */
	while (n < line.n && line.p[n] != ' ' && line.p[n] != '=')
		n++;
	if ((bit = find(extensions, line.p, n)) == 0)
		return;
	if (n < line.n) {
		rest.p = line.p + n + 1;
		rest.n = line.n - n - 1;
	}
	c->extensions |= bit;
	if (bit == EXT_SIZE)
		c->max_size = size_parse(rest);
	else if (bit == EXT_AUTH)
		c->mechanisms |= find_all(mechanisms, rest);
	else if (bit == EXT_XCLIENT)
		c->extensions |= find_all(attributes, rest);
}

void
client_forget_offer(struct smtp_client *c)
{
	c->extensions = 0;
	c->mechanisms = 0;
	c->max_size = 0;
}
