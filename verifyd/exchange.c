/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Whom the mail of a domain goes to (RFC 5321, section 5.1), for the remote
 * that is called mx.
 *
 * Its MX in their order, or the domain itself where it has none; a domain
 * that is an address literal is that address.  Where we are one of its MX
 * ourselves, those of our preference and worse are left out: mail for them
 * would come back.
 *
 * Not looked at are more than a few hosts: the time for all of them is one.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dial_private.h"
#include "proc.h"

#define HOSTS_MAX	5		/* of a domain that are tried */
#define PREF_NONE	65536		/* worse than any */

/* --- the list ------------------------------------------------------------- */

static void
add_host(struct dial *d, const char *host, uint16_t pref, bool literal)
{
	struct exchange	*x = &d->mx[d->nmx++];

	(void)strlcpy(x->host, host, sizeof(x->host));
	x->pref = pref;
	x->literal = literal;
}

/* A dot at the end not looked at. */
static bool
same_host(const char *a, const char *b)
{
	size_t	na = strlen(a), nb = strlen(b);

	if (na > 0 && a[na - 1] == '.')
		na--;
	if (nb > 0 && b[nb - 1] == '.')
		nb--;
	return na == nb && strncasecmp(a, b, na) == 0;
}

/* The preference of ourselves among them. */
static uint32_t
our_pref(const struct name_answer *a)
{
	const struct config	*conf = proc_conf();
	size_t			 i;

	for (i = 0; conf != NULL && i < a->n; i++)
		if (same_host(a->record[i].text, conf->hostname))
			return a->record[i].pref;
	return PREF_NONE;
}

/* -1: that is the end. */
static int
use_records(struct dial *d, const struct name_answer *a)
{
	uint32_t	ours = our_pref(a);
	size_t		i;

	if (a->n == 0) {
		add_host(d, d->domain, 0, false);
		return 0;
	}
	if (a->n == 1 && a->record[0].text[0] == '\0') {
		dial_fail(d, DIAL_NULL_MX, "the domain takes no mail");
		return -1;
	}
	for (i = 0; i < a->n && d->nmx < HOSTS_MAX; i++)
		if (a->record[i].pref < ours)
			add_host(d, a->record[i].text, a->record[i].pref,
			    false);
	if (d->nmx > 0)
		return 0;
	dial_fail(d, DIAL_LOOP, "we are the best mail exchanger ourselves");
	return -1;
}

static void
use_mx(struct dial *d, const struct name_answer *a)
{
	switch (a->status) {
	case DNS_OK:
		if (use_records(d, a) == 0)
			dial_next_entry(d);
		break;
	case DNS_NONE:
		dial_fail(d, DIAL_NO_DOMAIN, "no such domain");
		break;
	case DNS_TIMEOUT:
		dial_fail(d, DIAL_DNS, "MX: the name servers do not answer");
		break;
	case DNS_FAIL:
	case DNS_STATUS_COUNT:
		dial_fail(d, DIAL_DNS, "MX: cannot be looked up");
		break;
	}
}

static void
on_mx(void *arg, const struct name_answer *a)
{
	struct dial	*d = arg;

	timer_del(&d->timer);
	use_mx(d, a);
}

/* [192.0.2.1], [IPv6:2001:db8::1]: its text without all that. */
static int
literal_text(const char *domain, char *buf, size_t size)
{
	struct addr	a;
	const char	*p = domain + 1;
	size_t		n;

	if (strncasecmp(p, "IPv6:", 5) == 0)
		p += 5;
	n = strlen(p);
	if (n == 0 || p[n - 1] != ']' || n > size)
		return -1;
	memcpy(buf, p, n - 1);
	buf[n - 1] = '\0';
	return addr_parse(&a, buf);
}

void
exchange_begin(struct dial *d)
{
	struct name_answer	a;
	char			text[ADDR_TEXT_MAX];

	if ((d->mx = calloc(HOSTS_MAX, sizeof(*d->mx))) == NULL) {
		dial_fail(d, DIAL_LIMIT, "no memory");
		return;
	}
	if (d->domain[0] == '[') {
		if (literal_text(d->domain, text, sizeof(text)) == -1) {
			dial_fail(d, DIAL_NO_DOMAIN, "not an address");
			return;
		}
		add_host(d, text, 0, true);
		dial_next_entry(d);
		return;
	}
	(void)strlcpy(d->host, d->domain, sizeof(d->host));
	d->until = d->deadline;
	d->wait.fn = on_mx;
	if (names_ask_mx(&d->wait, d->domain, &a))
		use_mx(d, &a);
	else
		timer_set(&d->timer, mono_diff(d->until, mono_now()));
}
