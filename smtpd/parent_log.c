/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Where log lines go: the parent opens it, everybody writes to it himself.
 *
 * One descriptor is kept here, and children are given copies of it.  It is
 * opened anew for SIGUSR1 (the file was moved away), for another log.to,
 * and when the other end of the socket has gone (syslogd was started
 * again): then with growing pauses until somebody is there.
 *
 * Without a syslogd at the start there is nothing to write to; -d falls
 * back to stderr, a daemon says so on stderr, goes on, and tries again.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "util.h"

#ifndef _PATH_LOG
#define _PATH_LOG	"/dev/log"
#endif

#define RETRY_MIN	500
#define RETRY_MAX	60000

struct target {
	char		*to;		/* as configured; NULL = none */
	enum log_dest	 dest;
	int		 fd;		/* -1 for LOG_TO_NOTHING */
	bool		 missing;	/* syslog: nobody is there */
};

static struct {
	struct target	 now, next;
	bool		 adopted;	/* our own lines go there */
	struct timer	 retry;
	int64_t		 wait;
} plog = { .now.fd = -1, .next.fd = -1 };

static int
open_syslog(void)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	int			fd, saved;

	(void)strlcpy(sun.sun_path, _PATH_LOG, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		saved = errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* A daemon's stderr leads nowhere. */
static void
to_stderr(struct target *t)
{
	t->dest = LOG_TO_NOTHING;
	if (parent.debug &&
	    (t->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) != -1)
		t->dest = LOG_TO_STDERR;
}

/* -1 and errno if a file cannot be opened. */
static int
target_open(struct target *t)
{
	t->fd = -1;
	t->missing = false;
	t->dest = LOG_TO_NOTHING;
	if (strcmp(t->to, "/dev/null") == 0)
		return 0;
	if (strcmp(t->to, "stderr") == 0) {
		to_stderr(t);
		return 0;
	}
	if (strcmp(t->to, "syslog") != 0) {
		t->dest = LOG_TO_FILE;
		t->fd = open(t->to, O_WRONLY | O_APPEND | O_CREAT |
		    O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
		return t->fd == -1 ? -1 : 0;
	}
	if ((t->fd = open_syslog()) != -1)
		t->dest = LOG_TO_SYSLOG;
	else {
		t->missing = true;
		to_stderr(t);
	}
	return 0;
}

static void
target_close(struct target *t)
{
	close_fd(&t->fd);
	free(t->to);
	t->to = NULL;
}

void
plog_feed(struct child *c)
{
	struct proto_log	l = { .dest = (uint8_t)plog.now.dest };
	struct wbuf		w = { 0 };
	int			fd = -1;

	if (parent.check || plog.now.to == NULL)
		return;			/* stderr, as it starts */
	if (plog.now.fd != -1 && c->prog->role != R_PROXYD &&
	    (fd = fcntl(plog.now.fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		log_warn("no descriptor for the log of %s", child_name(c));
		return;
	}
	put_log(&w, &l);
	peer_send(&c->peer, MSG_LOG_FD, 0, 0, fd, &w);
}

void
plog_adopt(void)
{
	int	fd = -1;

	plog.adopted = true;
	if (plog.now.dest == LOG_TO_STDERR)
		fd = STDERR_FILENO;
	else if (plog.now.fd != -1 &&
	    (fd = fcntl(plog.now.fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		log_warn("log");
		return;
	}
	log_to(plog.now.dest, fd);
}

/* The present target is another one: all are to know. */
static void
spread(void)
{
	struct child	*c;

	TAILQ_FOREACH(c, &children, entry)
		if (child_is_wired(c))
			plog_feed(c);
	if (plog.adopted)
		plog_adopt();
}

static void
on_retry(void *arg)
{
	(void)arg;
	plog_reopen();
}

static void
retry_later(void)
{
	if (plog.retry.fn == NULL)
		timer_init(&plog.retry, on_retry, NULL);
	if (timer_is_set(&plog.retry))
		return;
	plog.wait = plog.wait == 0 ? RETRY_MIN : plog.wait * 2;
	if (plog.wait > RETRY_MAX)
		plog.wait = RETRY_MAX;
	timer_set(&plog.retry, plog.wait);
}

void
plog_reopen(void)
{
	struct target	t = { .to = plog.now.to };
	bool		was_missing = plog.now.missing;

	if (t.to == NULL)
		return;
	if (target_open(&t) == -1) {
		log_warn("%s", t.to);
		return;
	}
	if (t.missing)
		retry_later();
	else
		plog.wait = 0;
	if (t.missing && was_missing) {
		close_fd(&t.fd);
		return;
	}
	close_fd(&plog.now.fd);
	plog.now = t;
	spread();
}

void
plog_lost(void)
{
	retry_later();
}

int
plog_prepare(const struct conf_log *conf, struct conf_errors *errs)
{
	struct target	*t = &plog.next;
	int		 saved;

	if (plog.now.to != NULL && strcmp(conf->to, plog.now.to) == 0)
		return 0;
	t->to = xstrdup(conf->to);
	if (target_open(t) == -1) {
		saved = errno;
		conf_error(errs, parent.file, 0, 0, "log.to", "%s: %s", t->to,
		    strerror(saved));
		target_close(t);
		return -1;
	}
	if (!parent.ready && strcmp(t->to, "stderr") == 0 && !parent.debug)
		log_warnx("log.to: stderr: nothing is logged without -d");
	if (t->missing) {
		log_warnx("nobody listens at %s: %s", _PATH_LOG,
		    t->dest == LOG_TO_STDERR ? "logging to stderr" :
		    "nothing is logged");
		retry_later();
	}
	return 0;
}

void
plog_abort(void)
{
	target_close(&plog.next);
}

void
plog_commit(const struct conf_log *conf)
{
	log_set((int)conf->level, conf->format == LOGF_JSON);
	if (plog.next.to == NULL)
		return;
	target_close(&plog.now);
	plog.now = plog.next;
	plog.next = (struct target){ .fd = -1 };
	spread();
}
