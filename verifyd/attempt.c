/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The attempts of a dial: a socket each, on its way to an address, or a
 * question to the parent for a socket of the file system.
 *
 * No asker has more than its share of them: one that asks for servers which
 * swallow connections does not use up the descriptors of all.
 *
 * An attempt that is given up tells something about the address only if it
 * had a fair time.  Errors of our own (descriptors, a source address that
 * is not there) tell nothing about any.
 *
 * No octet is read from or written to a socket here.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dial_private.h"
#include "log.h"
#include "util.h"

void
attempt_free(struct attempt *t)
{
	LIST_REMOVE(t, entry_of);
	(*t->dial->sockets)--;
	local_forget(&t->local);
	if (t->fd != -1) {
		(void)event_del(&t->ev);
		close_fd(&t->fd);
	}
	free(t);
}

void
attempts_drop(struct dial *d)
{
	struct attempt	*t;

	while ((t = LIST_FIRST(&d->attempts)) != NULL) {
		hold_dropped(&t->to, t->trial);
		attempt_free(t);
	}
}

/* --- what becomes of one -------------------------------------------------- */

/* For logs. */
static const char *
where(const struct dial *d, const struct conf_remote *remote,
    const struct addr *to, size_t entry, char *buf, size_t size)
{
	if (to->family != ADDR_UNIX || remote == NULL)
		return addr_port_text(to, buf, size);
	(void)strlcpy(buf, dial_entry(d, remote, entry), size);
	return buf;
}

static void
note_failure(struct dial *d, const struct addr *to, size_t entry, bool trial,
    const char *error)
{
	const struct conf_remote	*remote = dial_remote(d);
	char				 text[WHERE_MAX];

	dial_why(d, "%s: %s", where(d, remote, to, entry, text,
	    sizeof(text)), error);
	if (log_begin(LOG_LEVEL_DEBUG, d->sid, "attempt-failed")) {
		log_str("to", text);
		log_str("error", error);
		log_end();
	}
	if (!hold_failed(to, trial, mono_now()))
		return;
	if (log_begin(d->port == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, 0,
	    "address-down")) {
		log_str("remote", remote == NULL ? "" : remote->obj.name);
		log_str("to", text);
		log_str("error", error);
		log_end();
	}
}

static void
note_success(const struct dial *d, const struct conf_remote *remote,
    const struct attempt *t)
{
	char	text[WHERE_MAX];

	if (!hold_worked(&t->to))
		return;
	if (log_begin(d->port == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, 0,
	    "address-up")) {
		log_str("remote", remote == NULL ? "" : remote->obj.name);
		log_str("to", where(d, remote, &t->to, t->entry, text,
		    sizeof(text)));
		log_end();
	}
}

static void
failed(struct attempt *t, const char *error)
{
	struct dial	*d = t->dial;

	d->refused = true;
	note_failure(d, &t->to, t->entry, t->trial, error);
	attempt_free(t);
	dial_next(d);
}

/*
 * It connected.  Not so if that is ourselves: then the dial goes on without
 * that; and of an exchanger without all that would lead here, those on their
 * way included.
 */
static void
connected(struct attempt *t)
{
	struct dial			*d = t->dial;
	const struct conf_remote	*remote = dial_remote(d);

	note_success(d, remote, t);
	if (remote == NULL)
		dial_fail(d, DIAL_UNKNOWN_REMOTE, "the remote is gone");
	else if (where_is_loop(d, remote, t)) {
		if (dial_is_mx(d)) {
			attempts_drop(d);
			d->n = 0;
		} else
			attempt_free(t);
		dial_next(d);
	} else
		dial_won(d, t);
}

static void
on_connect(int fd, short events, void *arg)
{
	struct attempt	*t = arg;
	int		 error;

	(void)events;
	if ((error = connect_error(fd, &t->to)) == 0)
		connected(t);
	else
		failed(t, strerror(error));
}

static void
on_local(void *arg, int fd, int error)
{
	struct attempt	*t = arg;

	if (fd == -1) {
		failed(t, error == 0 ? "no socket came" : strerror(error));
		return;
	}
	t->fd = fd;
	event_set(&t->ev, fd, EV_WRITE, on_connect, t);
	if (connect_has_room(fd))
		connected(t);
	else
		dial_fail(t->dial, DIAL_LIMIT, "no descriptor");
}

void
attempts_time_out(struct dial *d)
{
	struct attempt	*t;

	while ((t = LIST_FIRST(&d->attempts)) != NULL) {
		d->timed_out = true;
		if (mono_diff(mono_now(), t->since) >= d->fair)
			note_failure(d, &t->to, t->entry, t->trial,
			    "timed out");
		else
			hold_dropped(&t->to, t->trial);
		attempt_free(t);
	}
}

/* --- begin ---------------------------------------------------------------- */

/* Takes the descriptor.  NULL without memory, and the dial is over. */
static struct attempt *
attempt_new(struct dial *d, int fd, const struct addr *to, size_t entry)
{
	struct attempt	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL) {
		close_fd(&fd);
		dial_fail(d, DIAL_LIMIT, "no memory");
		return NULL;
	}
	t->dial = d;
	t->fd = fd;
	t->to = *to;
	t->entry = entry;
	t->since = mono_now();
	t->trial = hold_try(to);
	t->local.fn = on_local;
	t->local.arg = t;
	LIST_INSERT_HEAD(&d->attempts, t, entry_of);
	(*d->sockets)++;
	if (fd != -1)
		event_set(&t->ev, fd, EV_WRITE, on_connect, t);
	return t;
}

static enum attempt_end
start_local(struct dial *d, const struct addr *to, size_t entry)
{
	struct attempt	*t;

	if ((t = attempt_new(d, -1, to, entry)) == NULL)
		return ATTEMPT_ENDED;
	local_ask(&t->local, d->remote, entry);
	return ATTEMPT_STARTED;
}

static enum attempt_end
start_socket(struct dial *d, int fd, const struct addr *to, size_t entry,
    bool is_there)
{
	struct attempt	*t;

	if ((t = attempt_new(d, fd, to, entry)) == NULL)
		return ATTEMPT_ENDED;
	if (is_there) {
		connected(t);
		return ATTEMPT_ENDED;
	}
	if (event_add(&t->ev, NULL) == 0)
		return ATTEMPT_STARTED;
	dial_fail(d, DIAL_LIMIT, "no event");
	return ATTEMPT_ENDED;
}

enum attempt_end
attempt_start(struct dial *d, const struct conf_remote *remote,
    const struct addr *to, size_t entry)
{
	char	text[ADDR_TEXT_MAX];
	int	fd, error;

	if (*d->sockets >= connect_share()) {
		dial_fail(d, DIAL_LIMIT, "too many at once");
		return ATTEMPT_ENDED;
	}
	if (to->family == ADDR_UNIX)
		return start_local(d, to, entry);
	switch (connect_start(remote, to, &fd, &error)) {
	case CONNECT_DONE:
		return start_socket(d, fd, to, entry, true);
	case CONNECT_STARTED:
		return start_socket(d, fd, to, entry, false);
	case CONNECT_EXHAUSTED:
		dial_fail(d, DIAL_LIMIT, strerror(error));
		return ATTEMPT_ENDED;
	case CONNECT_OURS:
		dial_why(d, "%s: %s", addr_port_text(to, text, sizeof(text)),
		    strerror(error));
		break;
	case CONNECT_FAILED:
		note_failure(d, to, entry, hold_try(to), strerror(error));
		break;
	}
	d->refused = true;
	return ATTEMPT_FAILED;
}
