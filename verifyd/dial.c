/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * One connection to a remote.
 *
 * The entries of its `address' are taken in order: the next one only when
 * the one before gave nothing.  Each has its part of the time, the rest of
 * it divided by the entries that are left, so that a server which swallows
 * connections does not keep its substitute from being asked.  A name is
 * looked up when its turn comes.
 *
 * The addresses of one name are equals.  They are tried v6 first, the
 * families in turn, 250 ms apart or as soon as one fails, and the first
 * that connects wins (RFC 8305, section 5): then all others are closed.
 *
 * Addresses that are held down (hold.c) are passed over, but noted.  When
 * nothing else connected, those of them which nobody is trying are tried
 * in the time that is left.  No address is tried twice by one dial.
 *
 * The entries of `mx' are a domain's mail exchangers (exchange.c), which are
 * found out first.  A host that is no remote is its one entry.
 *
 * The settings are looked up by the remote's id at each step: nothing here
 * points into a configuration between two turns of the loop.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dial_private.h"

#define FAIR_TIME	1000		/* ms; less tells nothing */

/* What a host that is no remote has for settings. */
static const struct conf_remote	nobody = { .obj = { .name = "" } };

bool
dial_is_mx(const struct dial *d)
{
	return d->domain[0] != '\0' && d->port == 0;
}

const struct conf_remote *
dial_remote(const struct dial *d)
{
	return d->port != 0 ? &nobody : dialer_remote(d->remote);
}

/* --- ends ----------------------------------------------------------------- */

void
dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	attempts_drop(d);
	names_forget(&d->wait);
	timer_del(&d->timer);
	free(d->mx);
	free(d->seen);
	free(d);
}

static void
finish(struct dial *d, struct dial_result *r)
{
	void	(*done)(void *, const struct dial_result *) = d->done;
	void	*arg = d->arg;
	char	 why[sizeof(d->why)], host[sizeof(d->host)];

	(void)strlcpy(why, d->why, sizeof(why));
	(void)strlcpy(host, d->host, sizeof(host));
	dial_free(d);
	r->why = why;
	r->host = host;
	done(arg, r);
}

void
dial_fail(struct dial *d, enum dial_error error, const char *why)
{
	struct dial_result	r = { .fd = -1, .error = error };

	if (why != NULL)
		(void)strlcpy(d->why, why, sizeof(d->why));
	finish(d, &r);
}

/*
 * Nothing is left to try.  What a better exchanger may cure comes first: a
 * domain is refused for good only if nothing but that is in the way.
 */
static void
give_up(struct dial *d)
{
	if (d->timed_out)
		dial_fail(d, DIAL_TIMEOUT, NULL);
	else if (d->refused)
		dial_fail(d, DIAL_REFUSED, NULL);
	else if (d->held)
		dial_fail(d, DIAL_HELD, "held down, and being tried by "
		    "another");
	else if (d->dns_failed)
		dial_fail(d, DIAL_DNS, NULL);
	else if (d->loop)
		dial_fail(d, DIAL_LOOP, NULL);
	else if (d->forbidden)
		dial_fail(d, DIAL_FORBIDDEN, NULL);
	else
		dial_fail(d, DIAL_NO_ADDRESS, d->why[0] == '\0' ?
		    "no address of a family that can be used" : NULL);
}

void
dial_why(struct dial *d, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

/* The first one that connected: it is given away, all others closed. */
void
dial_won(struct dial *d, struct attempt *t)
{
	const struct conf_remote	*remote = dial_remote(d);
	struct dial_result		 r = { .fd = t->fd, .to = t->to };
	const char			*host, *path;

	if (remote == NULL) {
		dial_fail(d, DIAL_UNKNOWN_REMOTE, "the remote is gone");
		return;
	}
	host = dial_entry(d, remote, t->entry);
	if ((path = local_path(host)) != NULL)
		host = path;
	(void)strlcpy(d->host, host, sizeof(d->host));
	(void)event_del(&t->ev);
	t->fd = -1;
	attempt_free(t);
	finish(d, &r);
}

/* --- addresses ------------------------------------------------------------ */

/*
 * Come across an address.  NULL if that happened before, or without memory:
 * then it is not tried.
 */
static struct seen *
see(struct dial *d, const struct addr *a)
{
	struct seen	*s;
	size_t		 i;

	for (i = 0; i < d->nseen; i++)
		if (addr_equal(&d->seen[i].addr, a))
			return NULL;
	s = reallocarray(d->seen, d->nseen + 1, sizeof(*s));
	if (s == NULL)
		return NULL;
	d->seen = s;
	s += d->nseen++;
	s->addr = *a;
	s->entry = d->entry - 1;
	s->passed = false;
	return s;
}

/* The next one of the present entry that may be tried. */
static bool
pick_entry(struct dial *d, struct addr *to, size_t *entry)
{
	struct seen	*s;

	while (d->next < d->n) {
		*to = d->addr[d->next++];
		if ((s = see(d, to)) == NULL)
			continue;
		*entry = s->entry;
		switch (hold_view(to, mono_now())) {
		case HOLD_GOOD:
		case HOLD_TRIAL:
			return true;
		case HOLD_DOWN:
			s->passed = true;
			break;
		case HOLD_TAKEN:
			d->held = true;
			break;
		}
	}
	return false;
}

/* The next one of those that were passed over. */
static bool
pick_passed(struct dial *d, struct addr *to, size_t *entry)
{
	const struct seen	*s;

	while (d->next < d->nseen) {
		s = &d->seen[d->next++];
		if (!s->passed || (dial_is_mx(d) && s->entry >= d->nmx))
			continue;
		*to = s->addr;
		*entry = s->entry;
		if (hold_view(to, mono_now()) != HOLD_TAKEN)
			return true;
		d->held = true;
	}
	return false;
}

static bool
pick(struct dial *d, struct addr *to, size_t *entry)
{
	return d->state == D_ENTRIES ? pick_entry(d, to, entry) :
	    pick_passed(d, to, entry);
}

/* Sleep until the next address may be tried, or the time is over. */
static void
set_timer(struct dial *d)
{
	int64_t	left = mono_diff(d->until, mono_now());
	size_t	n = d->state == D_ENTRIES ? d->n : d->nseen;

	timer_set(&d->timer, d->next < n && left > DIAL_STAGGER ?
	    DIAL_STAGGER : left);
}

void
dial_next(struct dial *d)
{
	const struct conf_remote	*remote = dial_remote(d);
	struct addr			 to;
	size_t				 entry;

	while (remote != NULL && pick(d, &to, &entry)) {
		switch (attempt_start(d, remote, &to, entry)) {
		case ATTEMPT_STARTED:
			set_timer(d);
			return;
		case ATTEMPT_FAILED:
			break;
		case ATTEMPT_ENDED:
			return;
		}
	}
	if (LIST_EMPTY(&d->attempts))
		dial_next_entry(d);
	else
		set_timer(d);
}

/* --- entries -------------------------------------------------------------- */

size_t
dial_entries(const struct dial *d, const struct conf_remote *remote)
{
	if (d->port != 0)
		return 1;
	return dial_is_mx(d) ? d->nmx : remote->address.n;
}

const char *
dial_entry(const struct dial *d, const struct conf_remote *remote, size_t i)
{
	if (d->port != 0)
		return d->domain;
	return dial_is_mx(d) ? d->mx[i].host : remote->address.v[i];
}

/* here: a host's, and nobody else's word for it. */
static void
use_addresses(struct dial *d, const struct conf_remote *remote,
    const struct addr *v, size_t n, bool here)
{
	size_t	i;

	for (i = 0; i < n && i < DNS_ADDRS_MAX; i++) {
		d->addr[i] = v[i];
		d->addr[i].port = d->port != 0 ? d->port :
		    (uint16_t)remote->port;
	}
	if (dial_is_mx(d) || (d->port != 0 && !here))
		i = where_filter(d, d->addr, i);
	d->n = hold_order(d->addr, i, connect_can(remote, ADDR_V4),
	    connect_can(remote, ADDR_V6));
	d->next = 0;
}

/* One that needs no look-up; false: it is a name. */
static bool
use_literal(struct dial *d, const struct conf_remote *remote,
    const char *host)
{
	struct addr	 a;
	const char	*path = local_path(host);

	/* What DNS calls the host of an MX is never an address. */
	if (dial_is_mx(d) && !d->mx[d->entry - 1].literal)
		return false;
	if (path != NULL && d->domain[0] == '\0') {
		local_addr(&d->addr[0], path);
		d->n = 1;
		return true;
	}
	if (addr_parse(&a, host) == -1)
		return false;
	if (d->port == 0 || where_literal(d, &a))
		use_addresses(d, remote, &a, 1, true);
	return true;
}

static void
use_answer(struct dial *d, const struct conf_remote *remote,
    const struct name_answer *a)
{
	switch (a->status) {
	case DNS_OK:
		use_addresses(d, remote, a->addr, a->n, a->here);
		return;
	case DNS_NONE:
		dial_why(d, "%s: no such name, or no address", d->host);
		return;
	case DNS_TIMEOUT:
	case DNS_FAIL:
	case DNS_STATUS_COUNT:
		dial_why(d, "%s: %s", d->host, a->status == DNS_TIMEOUT ?
		    "the name servers do not answer" : "cannot be looked up");
		break;
	}
	d->dns_failed = true;
}

static void
on_name(void *arg, const struct name_answer *a)
{
	struct dial			*d = arg;
	const struct conf_remote	*remote = dial_remote(d);

	timer_del(&d->timer);
	if (remote != NULL)
		use_answer(d, remote, a);
	dial_next(d);
}

/*
 * Take the next entry of the remote.  True: its addresses are there to be
 * tried; false: a name is being looked up.
 */
static bool
open_entry(struct dial *d, const struct conf_remote *remote)
{
	struct name_answer	 answer;
	int64_t			 left = mono_diff(d->deadline, mono_now());
	size_t			 parts = dial_entries(d, remote) - d->entry;
	const char		*host = dial_entry(d, remote, d->entry++);

	d->until = mono_add(mono_now(), left / (int64_t)parts);
	d->n = d->next = 0;
	(void)strlcpy(d->host, host, sizeof(d->host));
	if (use_literal(d, remote, host))
		return true;
	d->wait.fn = on_name;
	if (names_ask(&d->wait, host, &answer)) {
		use_answer(d, remote, &answer);
		return true;
	}
	timer_set(&d->timer, mono_diff(d->until, mono_now()));
	return false;
}

void
dial_next_entry(struct dial *d)
{
	const struct conf_remote	*remote = dial_remote(d);

	timer_del(&d->timer);
	if (remote == NULL) {
		dial_fail(d, DIAL_UNKNOWN_REMOTE, "the remote is gone");
		return;
	}
	if (d->state == D_PASSED ||
	    mono_diff(d->deadline, mono_now()) <= 0) {
		give_up(d);
		return;
	}
	if (d->entry < dial_entries(d, remote)) {
		if (open_entry(d, remote))
			dial_next(d);
		return;
	}
	d->state = D_PASSED;
	d->next = 0;
	d->until = d->deadline;
	dial_next(d);
}

static void
on_timer(void *arg)
{
	struct dial	*d = arg;

	if (mono_diff(d->until, mono_now()) > 0) {
		dial_next(d);
		return;
	}
	if (d->wait.name != NULL) {
		names_forget(&d->wait);
		d->dns_failed = true;
		dial_why(d, "%s: no answer in time", d->host);
	}
	attempts_time_out(d);
	dial_next_entry(d);
}

/* --- begin ---------------------------------------------------------------- */

struct dial *
dial_new(uint32_t remote, const char *domain, uint64_t sid, size_t *sockets,
    struct mono deadline, void (*done)(void *, const struct dial_result *),
    void *arg)
{
	struct dial	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->state = D_ENTRIES;
	d->remote = remote;
	(void)strlcpy(d->domain, domain, sizeof(d->domain));
	d->sid = sid;
	d->sockets = sockets;
	d->deadline = deadline;
	d->fair = mono_diff(deadline, mono_now()) / 2;
	if (d->fair > FAIR_TIME)
		d->fair = FAIR_TIME;
	LIST_INIT(&d->attempts);
	d->wait.arg = d;
	timer_init(&d->timer, on_timer, d);
	d->done = done;
	d->arg = arg;
	return d;
}

void
dial_to_host(struct dial *d, uint16_t port)
{
	d->port = port;
}

void
dial_go(struct dial *d)
{
	if (dial_is_mx(d))
		exchange_begin(d);
	else
		dial_next_entry(d);
}
