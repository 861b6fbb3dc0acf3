/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Accepting.  The sockets come from the parent, by a key that names the same
 * socket as long as it lives; each worker has its own (SO_REUSEPORT), so
 * that there is no herd and a queue survives its worker.  A socket in the
 * file system is shared by all: whoever comes first has the client, the
 * others read EAGAIN.
 *
 * A reload names the sockets of the new generation; at its commit the new
 * ones begin, and those that were not named are emptied and closed: a
 * client that the kernel has already answered is never dropped.
 *
 * Descriptors are kept in reserve: accepting stops while so many sessions
 * and next hops are open that a handful would be left, and for a moment
 * after EMFILE.  The clients wait in the kernel's queue meanwhile.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front.h"
#include "log.h"
#include "msg.h"
#include "proc.h"
#include "proto.h"
#include "util.h"

#define BATCH		16		/* accepts in one turn */
#define RESERVE		64		/* descriptors */
#define BACKOFF		500		/* ms after EMFILE */

struct lsock {
	TAILQ_ENTRY(lsock)	 entry;
	uint32_t		 key;
	uint32_t		 generation;	/* the last that named it */
	uint32_t		 listener;
	struct addr		 addr;
	bool			 any;		/* bound to all addresses */
	int			 fd;
	bool			 active;
	struct event		 ev;
};

static TAILQ_HEAD(, lsock)	socks = TAILQ_HEAD_INITIALIZER(socks);
static struct timer		backoff;
static bool			paused;

static bool
is_any(const struct addr *a)
{
	static const uint8_t	zero[16];

	return a->family != ADDR_UNIX &&
	    memcmp(a->ip, zero, sizeof(zero)) == 0;
}

static size_t
fd_limit(void)
{
	static size_t	limit;
	struct rlimit	rl;

	if (limit == 0) {
		if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
			rl.rlim_cur = 256;
		limit = (size_t)rl.rlim_cur;
	}
	return limit;
}

static void
listen_pause(void)
{
	struct lsock	*l;

	paused = true;
	TAILQ_FOREACH(l, &socks, entry)
		if (l->active)
			(void)event_del(&l->ev);
	timer_set(&backoff, BACKOFF);
}

void
listen_resume(void)
{
	struct lsock	*l;

	if (!paused || session_count() + hop_count() + RESERVE >= fd_limit())
		return;
	paused = false;
	timer_del(&backoff);
	TAILQ_FOREACH(l, &socks, entry)
		if (l->active)
			(void)event_add(&l->ev, NULL);
}

static void
on_backoff(void *arg)
{
	(void)arg;
	listen_resume();
	if (paused)
		timer_set(&backoff, BACKOFF);
}

/* One client.  false: there are no more, or not now. */
static bool
accept_one(struct lsock *l, struct config *conf, struct conf_listener *cl)
{
	struct sockaddr_storage	ss;
	socklen_t		len = sizeof(ss);
	struct addr		remote, local;
	int			fd;

	fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			log_warn("accept: pausing");
			listen_pause();
		}
		return errno == ECONNABORTED || errno == EINTR;
	}
	addr_from_sa(&remote, (struct sockaddr *)&ss, len);
	/* Some systems give no address at all to one without a name. */
	if (l->addr.family == ADDR_UNIX)
		remote = l->addr;
	local = l->addr;
	if (l->any)
		local.family = ADDR_NONE;
	session_new(fd, conf, cl, &remote, &local);
	if (session_count() + hop_count() + RESERVE >= fd_limit()) {
		log_warnx("%zu sessions: pausing, descriptors run out",
		    session_count());
		listen_pause();
	}
	return !paused;
}

static void
on_accept(int fd, short events, void *arg)
{
	struct lsock		*l = arg;
	struct config		*conf = proc_conf();
	struct conf_listener	*cl;
	int			 i;

	(void)fd;
	(void)events;
	cl = (struct conf_listener *)(void *)conf_find_id(&conf->listeners,
	    l->listener);
	for (i = 0; cl != NULL && i < BATCH; i++)
		if (!accept_one(l, conf, cl))
			break;
}

int
listen_take(struct peer *p, struct msg *m)
{
	struct proto_listen	 pl;
	struct lsock		*l;

	(void)p;
	if (get_listen(m, &pl) == -1)
		return -1;
	TAILQ_FOREACH(l, &socks, entry)
		if (l->key == pl.key)
			break;
	if (l == NULL) {
		if (m->fd == -1)
			return -1;
		if ((l = calloc(1, sizeof(*l))) == NULL)
			fatal("listener");
		l->key = pl.key;
		l->fd = msg_take_fd(m);
		l->addr = pl.addr;
		l->any = is_any(&pl.addr);
		event_set(&l->ev, l->fd, EV_READ | EV_PERSIST, on_accept, l);
		TAILQ_INSERT_TAIL(&socks, l, entry);
	}
	l->listener = pl.listener;
	l->generation = m->seq;
	return 0;
}

static void
sock_free(struct lsock *l)
{
	if (l->active)
		(void)event_del(&l->ev);
	(void)close(l->fd);
	TAILQ_REMOVE(&socks, l, entry);
	free(l);
}

/* Empty the queue of a socket that goes, for the listener it had. */
static void
finish(struct lsock *l, struct config *conf)
{
	struct conf_listener	*cl;

	paused = false;
	cl = (struct conf_listener *)(void *)proc_conf_obj(
	    offsetof(struct config, listeners), l->listener);
	if (cl == NULL && conf->listeners.n > 0)
		cl = (struct conf_listener *)(void *)conf->listeners.v[0];
	while (cl != NULL && accept_one(l, conf, cl))
		;
	sock_free(l);
}

void
listen_commit(struct config *conf)
{
	struct lsock	*l, *next;

	if (backoff.fn == NULL)
		timer_init(&backoff, on_backoff, NULL);
	for (l = TAILQ_FIRST(&socks); l != NULL; l = next) {
		next = TAILQ_NEXT(l, entry);
		if (l->generation != conf->generation) {
			finish(l, conf);
			continue;
		}
		if (!l->active) {
			l->active = true;
			if (!paused)
				(void)event_add(&l->ev, NULL);
		}
	}
}

void
listen_stop(bool leave)
{
	struct lsock	*l;

	while ((l = TAILQ_FIRST(&socks)) != NULL)
		if (leave)
			sock_free(l);
		else
			finish(l, proc_conf());
	timer_del(&backoff);
}
