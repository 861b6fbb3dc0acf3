/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The one field that we add to a message: our trace (RFC 5321, section 4.4),
 * whose id is that of the log.
 *
 * It is put together from what the client said of itself, so nothing in it
 * may end the line, open a comment, or be 8-bit in a message that is not
 * SMTPUTF8: a name keeps only what can stand in one.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "front_relay.h"
#include "id.h"

static void
safe_name(const char *name, char *out, size_t size)
{
	size_t	i;

	if (name == NULL || name[0] == '\0')
		name = "unknown";
	for (i = 0; name[i] != '\0' && i + 1 < size; i++)
		out[i] = strchr("()<>@,;\\\" \t", name[i]) != NULL ||
		    (unsigned char)name[i] >= 0x7f ? '?' : name[i];
	out[i] = '\0';
}

/* The only recipient, if there is one: more would tell on each other. */
static void
only_recipient(const struct tx *tx, char *buf, size_t size)
{
	size_t	i;

	buf[0] = '\0';
	for (i = 0; i < tx->nrcpts && tx->accepted == 1; i++)
		if (tx->rcpts[i].state == RC_OK && !tx->rcpts[i].again)
			(void)snprintf(buf, size, "\r\n\tfor <%s>",
			    tx->rcpts[i].addr);
}

/* The protocol's name (RFC 3848; RFC 6531, section 4.3). */
static void
protocol(const struct session *s, char *buf, size_t size)
{
	const char	*base = "SMTP";

	if (s->listener->protocol == PROTO_LMTP)
		base = s->tx->utf8 ? "UTF8LMTP" : "LMTP";
	else if (s->tx->utf8)
		base = "UTF8SMTP";
	else if (s->flags & SF_ESMTP)
		base = "ESMTP";
	(void)snprintf(buf, size, "%s%s", base, (s->flags &
	    (SF_TLS | SF_ESMTP)) == (SF_TLS | SF_ESMTP) ? "S" : "");
}

/*
 * What stands in brackets behind the client's name: an address literal.
 * Without an address it is a comment, which RFC 5322 allows everywhere there.
 */
static void
from_address(const struct session *s, char *buf, size_t size)
{
	char	ip[ADDR_TEXT_MAX];

	if (s->remote.family == ADDR_UNIX)
		(void)snprintf(buf, size, "local uid %lld",
		    (long long)s->uid);
	else
		(void)snprintf(buf, size, "[%s%s]",
		    s->remote.family == ADDR_V6 ? "IPv6:" : "",
		    addr_text(&s->remote, ip, sizeof(ip)));
}

int
trace_field(struct session *s, char *buf, size_t size)
{
	char		 helo[SMTP_DOMAIN_MAX + 1], ip[ADDR_TEXT_MAX + 8];
	char		 id[ID_TEXT_MAX], tls[128], date[64], rcpt[400];
	char		 with[16];
	struct tm	 tm;
	time_t		 now = time(NULL);

	safe_name(s->helo, helo, sizeof(helo));
	from_address(s, ip, sizeof(ip));
	only_recipient(s->tx, rcpt, sizeof(rcpt));
	protocol(s, with, sizeof(with));
	(void)ftls_text(s, tls, sizeof(tls));
	(void)gmtime_r(&now, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	return snprintf(buf, size, "Received: from %s (%s)%s%s%s\r\n"
	    "\tby %s (postern) with %s id %s%s;\r\n\t%s\r\n", helo, ip,
	    tls[0] != '\0' ? "\r\n\t(using " : "", tls,
	    tls[0] != '\0' ? ")" : "", s->conf->hostname, with,
	    id_text(s->sid, id), rcpt, date);
}
