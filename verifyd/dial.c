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
 * An attempt that is given up tells something about the address only if it
 * had a fair time.  Errors of our own (descriptors, a source address that
 * is not there) tell nothing about any.
 *
 * The settings are looked up by the remote's id at each step: nothing here
 * points into a configuration between two turns of the loop.
 *
 * No octet is read from or written to a socket here.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialer.h"
#include "log.h"
#include "timer.h"
#include "util.h"

#define FAIR_TIME	1000		/* ms; less tells nothing */

/* A socket that is being connected. */
struct attempt {
	LIST_ENTRY(attempt)	 entry_of;
	struct dial		*dial;
	struct event		 ev;
	int			 fd;
	struct addr		 to;
	size_t			 entry;		/* of the remote's */
	bool			 trial;		/* see hold_try() */
	struct mono		 since;
};

/* An address that this dial has come across. */
struct seen {
	struct addr		 addr;
	size_t			 entry;		/* of the remote's */
	bool			 passed;	/* over, as it was held down */
};

enum dial_state { D_ENTRIES, D_PASSED };

struct dial {
	enum dial_state		 state;
	uint32_t		 remote;
	uint64_t		 sid;
	struct mono		 deadline;
	int64_t			 fair;		/* ms an attempt deserves */
	size_t			 entry;		/* the next of the remote's */
	char			 host[256];	/* the present one */
	struct mono		 until;		/* its part of the time */
	struct name_wait	 wait;
	struct addr		 addr[DNS_ADDRS_MAX];
	size_t			 n, next;
	struct seen		*seen;
	size_t			 nseen;
	LIST_HEAD(, attempt)	 attempts;
	struct timer		 timer;		/* stagger, or until */
	/* What has been found out, for the error. */
	bool			 dns_failed, refused, timed_out, held;
	char			 why[256];
	void			(*done)(void *, const struct dial_result *);
	void			*arg;
};

static void	next_entry(struct dial *);
static void	next_address(struct dial *);

/* --- ends ----------------------------------------------------------------- */

static void
attempt_free(struct attempt *t)
{
	LIST_REMOVE(t, entry_of);
	(void)event_del(&t->ev);
	close_fd(&t->fd);
	free(t);
}

void
dial_free(struct dial *d)
{
	struct attempt	*t;

	if (d == NULL)
		return;
	while ((t = LIST_FIRST(&d->attempts)) != NULL) {
		hold_dropped(&t->to, t->trial);
		attempt_free(t);
	}
	names_forget(&d->wait);
	timer_del(&d->timer);
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

static void
fail(struct dial *d, enum dial_error error, const char *why)
{
	struct dial_result	r = { .fd = -1, .error = error };

	if (why != NULL)
		(void)strlcpy(d->why, why, sizeof(d->why));
	finish(d, &r);
}

/* Nothing is left to try. */
static void
give_up(struct dial *d)
{
	if (d->timed_out)
		fail(d, DIAL_TIMEOUT, NULL);
	else if (d->refused)
		fail(d, DIAL_REFUSED, NULL);
	else if (d->held)
		fail(d, DIAL_HELD, "held down, and being tried by another");
	else if (d->dns_failed)
		fail(d, DIAL_DNS, NULL);
	else
		fail(d, DIAL_NO_ADDRESS, d->why[0] == '\0' ?
		    "no address of a family that can be used" : NULL);
}

static void __attribute__((__format__(printf, 2, 3)))
set_why(struct dial *d, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(d->why, sizeof(d->why), fmt, ap);
	va_end(ap);
}

/* --- what becomes of an attempt ------------------------------------------- */

static void
note_failure(struct dial *d, const struct addr *to, bool trial,
    const char *error)
{
	const struct conf_remote	*remote = dialer_remote(d->remote);
	char				 text[ADDR_TEXT_MAX];

	set_why(d, "%s: %s", addr_port_text(to, text, sizeof(text)), error);
	if (log_begin(LOG_LEVEL_DEBUG, d->sid, "attempt-failed")) {
		log_str("to", text);
		log_str("error", error);
		log_end();
	}
	if (!hold_failed(to, trial, mono_now()))
		return;
	if (log_begin(LOG_LEVEL_WARN, 0, "address-down")) {
		log_str("remote", remote == NULL ? "" : remote->obj.name);
		log_str("to", text);
		log_str("error", error);
		log_end();
	}
}

static void
note_success(const struct conf_remote *remote, const struct addr *to)
{
	char	text[ADDR_TEXT_MAX];

	if (!hold_worked(to))
		return;
	if (log_begin(LOG_LEVEL_INFO, 0, "address-up")) {
		log_str("remote", remote == NULL ? "" : remote->obj.name);
		log_str("to", addr_port_text(to, text, sizeof(text)));
		log_end();
	}
}

/* The first one that connected: it is given away, all others closed. */
static void
won(struct dial *d, struct attempt *t)
{
	const struct conf_remote	*remote = dialer_remote(d->remote);
	struct dial_result		 r = { .fd = t->fd, .to = t->to };

	note_success(remote, &t->to);
	if (remote == NULL) {
		fail(d, DIAL_UNKNOWN_REMOTE, "the remote is gone");
		return;
	}
	(void)strlcpy(d->host, remote->address.v[t->entry], sizeof(d->host));
	t->fd = -1;
	attempt_free(t);
	finish(d, &r);
}

static void
on_connect(int fd, short events, void *arg)
{
	struct attempt	*t = arg;
	struct dial	*d = t->dial;
	int		 error;

	(void)events;
	if ((error = connect_error(fd, &t->to)) == 0) {
		won(d, t);
		return;
	}
	d->refused = true;
	note_failure(d, &t->to, t->trial, strerror(error));
	attempt_free(t);
	next_address(d);
}

/* Their time is over. */
static void
time_out_attempts(struct dial *d)
{
	struct attempt	*t;

	while ((t = LIST_FIRST(&d->attempts)) != NULL) {
		d->timed_out = true;
		if (mono_diff(mono_now(), t->since) >= d->fair)
			note_failure(d, &t->to, t->trial, "timed out");
		else
			hold_dropped(&t->to, t->trial);
		attempt_free(t);
	}
}

/* --- attempts ------------------------------------------------------------- */

enum outcome { STARTED, FAILED, ENDED };

/* A socket on its way, or there.  ENDED: and the dial is over with it. */
static enum outcome
attempt_begin(struct dial *d, int fd, const struct addr *to, size_t entry,
    bool connected)
{
	struct attempt	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL) {
		(void)close(fd);
		fail(d, DIAL_LIMIT, "no memory");
		return ENDED;
	}
	t->dial = d;
	t->fd = fd;
	t->to = *to;
	t->entry = entry;
	t->since = mono_now();
	t->trial = hold_try(to);
	LIST_INSERT_HEAD(&d->attempts, t, entry_of);
	event_set(&t->ev, fd, EV_WRITE, on_connect, t);
	if (connected) {
		won(d, t);
		return ENDED;
	}
	if (event_add(&t->ev, NULL) == 0)
		return STARTED;
	fail(d, DIAL_LIMIT, "no event");
	return ENDED;
}

static enum outcome
attempt(struct dial *d, const struct conf_remote *remote,
    const struct addr *to, size_t entry)
{
	char	text[ADDR_TEXT_MAX];
	int	fd, error;

	switch (connect_start(remote, to, &fd, &error)) {
	case CONNECT_DONE:
		return attempt_begin(d, fd, to, entry, true);
	case CONNECT_STARTED:
		return attempt_begin(d, fd, to, entry, false);
	case CONNECT_EXHAUSTED:
		fail(d, DIAL_LIMIT, strerror(error));
		return ENDED;
	case CONNECT_OURS:
		set_why(d, "%s: %s", addr_port_text(to, text, sizeof(text)),
		    strerror(error));
		break;
	case CONNECT_FAILED:
		note_failure(d, to, hold_try(to), strerror(error));
		break;
	}
	d->refused = true;
	return FAILED;
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
		if (!s->passed)
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

/* Start one more attempt, or wait for those on their way, or go on. */
static void
next_address(struct dial *d)
{
	const struct conf_remote	*remote = dialer_remote(d->remote);
	struct addr			 to;
	size_t				 entry;

	while (remote != NULL && pick(d, &to, &entry)) {
		switch (attempt(d, remote, &to, entry)) {
		case STARTED:
			set_timer(d);
			return;
		case FAILED:
			break;
		case ENDED:
			return;
		}
	}
	if (LIST_EMPTY(&d->attempts))
		next_entry(d);
	else
		set_timer(d);
}

/* --- entries -------------------------------------------------------------- */

static void
use_addresses(struct dial *d, const struct conf_remote *remote,
    const struct addr *v, size_t n)
{
	size_t	i;

	for (i = 0; i < n && i < DNS_ADDRS_MAX; i++) {
		d->addr[i] = v[i];
		d->addr[i].port = (uint16_t)remote->port;
	}
	d->n = hold_order(d->addr, i, connect_can(remote, ADDR_V4),
	    connect_can(remote, ADDR_V6));
	d->next = 0;
}

static void
use_answer(struct dial *d, const struct conf_remote *remote,
    const struct name_answer *a)
{
	switch (a->status) {
	case DNS_OK:
		use_addresses(d, remote, a->addr, a->n);
		return;
	case DNS_NONE:
		set_why(d, "%s: no such name, or no address", d->host);
		return;
	case DNS_TIMEOUT:
	case DNS_FAIL:
	case DNS_STATUS_COUNT:
		set_why(d, "%s: %s", d->host, a->status == DNS_TIMEOUT ?
		    "the name servers do not answer" : "cannot be looked up");
		break;
	}
	d->dns_failed = true;
}

static void
on_name(void *arg, const struct name_answer *a)
{
	struct dial			*d = arg;
	const struct conf_remote	*remote = dialer_remote(d->remote);

	timer_del(&d->timer);
	if (remote != NULL)
		use_answer(d, remote, a);
	next_address(d);
}

/*
 * Take the next entry of the remote.  True: its addresses are there to be
 * tried; false: a name is being looked up.
 */
static bool
open_entry(struct dial *d, const struct conf_remote *remote)
{
	struct name_answer	 answer;
	struct addr		 literal;
	int64_t			 left = mono_diff(d->deadline, mono_now());
	size_t			 parts = remote->address.n - d->entry;
	const char		*host = remote->address.v[d->entry++];

	d->until = mono_add(mono_now(), left / (int64_t)parts);
	d->n = d->next = 0;
	(void)strlcpy(d->host, host, sizeof(d->host));
	if (addr_parse(&literal, host) == 0) {
		use_addresses(d, remote, &literal, 1);
		return true;
	}
	if (names_ask(&d->wait, host, &answer)) {
		use_answer(d, remote, &answer);
		return true;
	}
	timer_set(&d->timer, mono_diff(d->until, mono_now()));
	return false;
}

static void
next_entry(struct dial *d)
{
	const struct conf_remote	*remote = dialer_remote(d->remote);

	timer_del(&d->timer);
	if (remote == NULL) {
		fail(d, DIAL_UNKNOWN_REMOTE, "the remote is gone");
		return;
	}
	if (d->state == D_PASSED ||
	    mono_diff(d->deadline, mono_now()) <= 0) {
		give_up(d);
		return;
	}
	if (d->entry < remote->address.n) {
		if (open_entry(d, remote))
			next_address(d);
		return;
	}
	d->state = D_PASSED;
	d->next = 0;
	d->until = d->deadline;
	next_address(d);
}

static void
on_timer(void *arg)
{
	struct dial	*d = arg;

	if (mono_diff(d->until, mono_now()) > 0) {
		next_address(d);
		return;
	}
	if (d->wait.name != NULL) {
		names_forget(&d->wait);
		d->dns_failed = true;
		set_why(d, "%s: no answer in time", d->host);
	}
	time_out_attempts(d);
	next_entry(d);
}

/* --- begin ---------------------------------------------------------------- */

struct dial *
dial_new(uint32_t remote, uint64_t sid, struct mono deadline,
    void (*done)(void *, const struct dial_result *), void *arg)
{
	struct dial	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->state = D_ENTRIES;
	d->remote = remote;
	d->sid = sid;
	d->deadline = deadline;
	d->fair = mono_diff(deadline, mono_now()) / 2;
	if (d->fair > FAIR_TIME)
		d->fair = FAIR_TIME;
	LIST_INIT(&d->attempts);
	d->wait.fn = on_name;
	d->wait.arg = d;
	timer_init(&d->timer, on_timer, d);
	d->done = done;
	d->arg = arg;
	return d;
}

void
dial_go(struct dial *d)
{
	next_entry(d);
}
