/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The attributes of XCLIENT, as Postfix documents them: a pure function.
 *
 * All that the next hop lists are given every time, the unknown ones as
 * [UNAVAILABLE]: one that was left out would stay what it was for the client
 * before.  Values are xtext (RFC 3461, section 4).  What the next hop would
 * refuse together with all the rest (a name that is none, a value for which
 * the line has no room) is [UNAVAILABLE] too.
 *
 * Not all servers take that back which they were told: Dovecot lets the
 * client before stand for one that is [UNAVAILABLE].  So a value is only
 * ever followed by another value, but for NAME: who lists that does as
 * Postfix does, and many clients have none.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "front.h"

#define UNAVAILABLE	"[UNAVAILABLE]"
#define TEMPUNAVAIL	"[TEMPUNAVAIL]"
/* More than the longest value, each of its octets made three. */
#define VALUE_MAX	XCLIENT_TEXT_MAX

static const struct {
	const char	*name;
	unsigned int	 cap;
} attributes[] = {
	{ "NAME", EXT_XC_NAME }, { "ADDR", EXT_XC_ADDR },
	{ "PORT", EXT_XC_PORT }, { "PROTO", EXT_XC_PROTO },
	{ "HELO", EXT_XC_HELO }, { "LOGIN", EXT_XC_LOGIN },
	{ "DESTADDR", EXT_XC_DESTADDR }, { "DESTPORT", EXT_XC_DESTPORT }
};
#define NATTRIBUTES	(sizeof(attributes) / sizeof(attributes[0]))

/*
 * A client that says so itself would be taken for one of whom it is not
 * known, by servers that decode first too.
 */
static bool
is_no_value(const char *s)
{
	return strcasecmp(s, UNAVAILABLE) == 0 ||
	    strcasecmp(s, TEMPUNAVAIL) == 0;
}

/* xtext; what is empty or does not fit is not available. */
static void
xtext(const char *s, char *out, size_t size)
{
	static const char	hex[] = "0123456789ABCDEF";
	const unsigned char	*p = (const unsigned char *)s;
	size_t			 n = 0;

	for (; s != NULL && *p != '\0' && n + 4 <= size; p++) {
		if (*p > ' ' && *p < 0x7f && *p != '+' && *p != '=') {
			out[n++] = (char)*p;
			continue;
		}
		out[n++] = '+';
		out[n++] = hex[*p >> 4];
		out[n++] = hex[*p & 0x0f];
	}
	out[n] = '\0';
	if (n == 0 || *p != '\0' || is_no_value(s))
		(void)strlcpy(out, UNAVAILABLE, size);
}

/* A name of DNS that is a host name: in ASCII, and no number. */
static bool
is_host(const char *name)
{
	struct slice	s = { name, strlen(name) };
	bool		number = true;

	for (; *name != '\0'; name++) {
		if ((unsigned char)*name >= 0x80)
			return false;
		if (strchr("0123456789.", *name) == NULL)
			number = false;
	}
	return !number && smtp_is_domain(s);
}

static void
name_value(const struct xclient *x, char *out, size_t size)
{
	if (x->name_later)
		(void)strlcpy(out, TEMPUNAVAIL, size);
	else
		xtext(x->name != NULL && is_host(x->name) ? x->name : NULL,
		    out, size);
}

static void
addr_value(const struct addr *a, char *out, size_t size)
{
	char	ip[ADDR_TEXT_MAX];

	if (a->family != ADDR_V4 && a->family != ADDR_V6)
		(void)strlcpy(out, UNAVAILABLE, size);
	else
		(void)snprintf(out, size, "%s%s",
		    a->family == ADDR_V6 ? "IPV6:" : "",
		    addr_text(a, ip, sizeof(ip)));
}

static void
port_value(const struct addr *a, char *out, size_t size)
{
	if ((a->family != ADDR_V4 && a->family != ADDR_V6) || a->port == 0)
		(void)strlcpy(out, UNAVAILABLE, size);
	else
		(void)snprintf(out, size, "%u", a->port);
}

static void
value(const struct xclient *x, unsigned int cap, char *out, size_t size)
{
	switch (cap) {
	case EXT_XC_NAME:
		name_value(x, out, size);
		break;
	case EXT_XC_ADDR:
		addr_value(&x->addr, out, size);
		break;
	case EXT_XC_PORT:
		port_value(&x->addr, out, size);
		break;
	case EXT_XC_PROTO:
		/* It knows no others, and LMTP's clients say LHLO. */
		(void)strlcpy(out, x->esmtp ? "ESMTP" : "SMTP", size);
		break;
	case EXT_XC_HELO:
		xtext(x->helo, out, size);
		break;
	case EXT_XC_LOGIN:
		xtext(x->login, out, size);
		break;
	case EXT_XC_DESTADDR:
		addr_value(&x->dest, out, size);
		break;
	case EXT_XC_DESTPORT:
		port_value(&x->dest, out, size);
		break;
	}
}

/* What the attributes behind number i need, if none is available. */
static size_t
reserve(unsigned int caps, size_t i)
{
	size_t	n = 0;

	for (i++; i < NATTRIBUTES; i++)
		if (caps & attributes[i].cap)
			n += strlen(attributes[i].name) + sizeof(" =") - 1 +
			    sizeof(UNAVAILABLE) - 1;
	return n;
}

unsigned int
xclient_text(const struct xclient *x, unsigned int caps,
    char text[XCLIENT_TEXT_MAX])
{
	char		v[VALUE_MAX];
	unsigned int	given = 0;
	size_t		i, n = 0;

	text[0] = '\0';
	for (i = 0; i < NATTRIBUTES; i++) {
		if (!(caps & attributes[i].cap))
			continue;
		value(x, attributes[i].cap, v, sizeof(v));
		if (n + strlen(attributes[i].name) + strlen(v) + sizeof(" =") +
		    reserve(caps, i) > XCLIENT_TEXT_MAX)
			(void)strlcpy(v, UNAVAILABLE, sizeof(v));
		n += (size_t)snprintf(text + n, XCLIENT_TEXT_MAX - n,
		    "%s%s=%s", n > 0 ? " " : "", attributes[i].name, v);
		if (!is_no_value(v))
			given |= attributes[i].cap;
	}
	return given;
}

bool
xclient_covers(unsigned int told, unsigned int caps, unsigned int given)
{
	return (told & ~(given | (caps & EXT_XC_NAME))) == 0;
}
