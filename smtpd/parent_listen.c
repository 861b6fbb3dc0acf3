/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Listening sockets.  Those in the file system are made by parent_unix.c.
 *
 * On Linux every worker has a socket of its own at every address, with
 * SO_REUSEPORT, and the kernel spreads the connections; elsewhere all share
 * one, as they do everywhere with a socket in the file system.  We keep a
 * copy of each: a worker that dies leaves its queue to the one that takes
 * its place.  A socket lives as long as its address is wanted, whatever else
 * changes; its key is the name that the workers know it by.  Where there are
 * fewer workers than before, those that stay get the others' sockets too,
 * and give them up when there are more again: closing one would reset the
 * connections that are queued there.
 *
 * A new configuration's sockets are bound when it is judged and listen only
 * when it is committed: nobody is let in by one that is thrown away.
 *
 * SO_REUSEPORT would let a second postern take half of our connections, so
 * a new address is first tried without it.
 *
 * The table holds nothing but address (or path), worker, descriptor and key
 * on purpose: a new binary that is to take over needs only these and the
 * descriptors.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "log.h"
#include "parent.h"
#include "util.h"

#ifdef __linux__
#define ONE_PER_WORKER	true
#else
#define ONE_PER_WORKER	false
#endif

#define START_PATIENCE	1500	/* ms for a predecessor's children */
#define START_RETRY	50

#define SHARED		(-1)		/* by all workers */
#define ANY		(-2)

struct lsock {
	TAILQ_ENTRY(lsock)	 entry;
	struct addr		 addr;
	struct usock		*un;		/* NULL: not ADDR_UNIX */
	int			 fd;
	uint32_t		 key;
	/* In force: whose it is, and its listener's id. */
	int			 worker;
	uint32_t		 listener;
	/* What the configuration at hand makes of it. */
	bool			 wanted;
	int			 next_worker;
	uint32_t		 next_listener;
	int			 backlog;
	bool			 fresh;		/* does not listen yet */
};

TAILQ_HEAD(lsocks, lsock);

static struct {
	struct lsocks	 all;
	uint32_t	 key;		/* the last one given */
} ls = { .all = TAILQ_HEAD_INITIALIZER(ls.all) };

/* --- one socket ------------------------------------------------------ */

static int
set_on(int fd, int level, int option)
{
	int	on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

/* A bound socket; -1 and errno. */
static int
bind_socket(const struct addr *a, bool reuseport)
{
	struct sockaddr_storage	ss;
	socklen_t		len = addr_to_sa(a, &ss);
	int			fd, saved;

	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	if (set_on(fd, SOL_SOCKET, SO_REUSEADDR) == -1 ||
	    (a->family == ADDR_V6 &&
	    set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) == -1) ||
	    (reuseport && set_on(fd, SOL_SOCKET, SO_REUSEPORT) == -1) ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1) {
		saved = errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	/* Accepted ones inherit these. */
	(void)set_on(fd, IPPROTO_TCP, TCP_NODELAY);
	(void)set_on(fd, SOL_SOCKET, SO_KEEPALIVE);
	return fd;
}

static bool
is_any(const struct addr *a)
{
	static const uint8_t	zero[sizeof(a->ip)];

	return memcmp(a->ip, zero, a->family == ADDR_V4 ? 4 : 16) == 0;
}

/* Do we have a socket ourselves that would be in the way of a trial? */
static bool
is_ours(const struct addr *a)
{
	struct lsock	*s;

	TAILQ_FOREACH(s, &ls.all, entry)
		if (s->un == NULL && s->addr.family == a->family &&
		    s->addr.port == a->port && (addr_same_ip(&s->addr, a) ||
		    is_any(&s->addr) || is_any(a)))
			return true;
	return false;
}

/*
 * Is somebody else there?  At a start behind a parent that was killed its
 * children may be about to notice: they are given a moment.
 */
static int
try_bind(const struct addr *a)
{
	int	fd, waited = 0;

	while ((fd = bind_socket(a, false)) == -1) {
		if (errno != EADDRINUSE || reload_conf() != NULL ||
		    waited >= START_PATIENCE)
			return -1;
		(void)poll(NULL, 0, START_RETRY);
		waited += START_RETRY;
	}
	(void)close(fd);
	return 0;
}

static struct lsock *
lsock_add(const struct addr *a, int fd)
{
	struct lsock	*s = xcalloc(1, sizeof(*s));

	s->addr = *a;
	s->worker = SHARED;
	s->fd = fd;
	s->key = ++ls.key;
	s->fresh = true;
	TAILQ_INSERT_TAIL(&ls.all, s, entry);
	return s;
}

static struct lsock *
lsock_new(const struct addr *a)
{
	int	fd;

	if (ONE_PER_WORKER && !is_ours(a) && try_bind(a) == -1)
		return NULL;
	if ((fd = bind_socket(a, ONE_PER_WORKER)) == -1)
		return NULL;
	return lsock_add(a, fd);
}

static void
lsock_free(struct lsock *s)
{
	TAILQ_REMOVE(&ls.all, s, entry);
	if (s->un != NULL)
		usock_free(s->un);	/* the descriptor keeps its inode */
	(void)close(s->fd);
	free(s);
}

/* --- what a configuration wants -------------------------------------- */

/* One at that address that nobody has claimed yet, of this worker or any. */
static struct lsock *
spare(const struct addr *a, int worker)
{
	struct lsock	*s;

	TAILQ_FOREACH(s, &ls.all, entry)
		if (!s->wanted && (worker == ANY || s->worker == worker) &&
		    addr_equal(&s->addr, a))
			return s;
	return NULL;
}

static bool
has_one(const struct addr *a, int worker)
{
	struct lsock	*s;

	TAILQ_FOREACH(s, &ls.all, entry)
		if (s->wanted && s->next_worker == worker &&
		    addr_equal(&s->addr, a))
			return true;
	return false;
}

static void
claim(struct lsock *s, const struct conf_listener *l, int worker)
{
	s->wanted = true;
	s->next_worker = worker;
	s->next_listener = l->obj.id;
	s->backlog = (int)l->backlog;
}

/* The worker gets a socket at that address, a new one if need be. */
static int
want_one(const struct conf_listener *l, const struct addr *a, int worker)
{
	struct lsock	*s;

	if ((s = spare(a, ANY)) == NULL && (s = lsock_new(a)) == NULL)
		return -1;
	claim(s, l, worker);
	return 0;
}

/* The index of number i of the workers that stay. */
static int
worker_at(unsigned int i)
{
	struct child	*c;

	TAILQ_FOREACH(c, &children, entry)
		if (c->prog->role == R_SMTPD && !c->leaving && i-- == 0)
			return (int)c->index;
	return ANY;
}

/* For n workers: each keeps its own, or gets one; then what is left over. */
static int
want_addr(const struct conf_listener *l, const struct addr *a,
    unsigned int n)
{
	struct lsock	*s;
	unsigned int	 i;

	if (!ONE_PER_WORKER)
		return want_one(l, a, SHARED);
	for (i = 0; i < n; i++)
		if ((s = spare(a, worker_at(i))) != NULL)
			claim(s, l, worker_at(i));
	for (i = 0; i < n; i++)
		if (!has_one(a, worker_at(i)) &&
		    want_one(l, a, worker_at(i)) == -1)
			return -1;
	for (i = 0; (s = spare(a, ANY)) != NULL; i++)
		claim(s, l, worker_at(i % n));
	return 0;
}

static void
bind_error(struct conf_errors *errs, const struct conf_listener *l,
    const struct addr *a)
{
	char	text[ADDR_TEXT_MAX], path[128];
	int	saved = errno;

	(void)snprintf(path, sizeof(path), "listener.%s.bind", l->obj.name);
	conf_error(errs, parent.file, 0, 0, path, "%s: %s",
	    addr_port_text(a, text, sizeof(text)), strerror(saved));
}

/* ":25": both families, or the one that the system has. */
static int
want_any(const struct conf_listener *l, const struct addr *port,
    unsigned int n, struct conf_errors *errs)
{
	struct addr	a = { .family = ADDR_V6, .port = port->port };
	bool		have6 = true;

	if (want_addr(l, &a, n) == -1) {
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
			bind_error(errs, l, &a);
			return -1;
		}
		have6 = false;
	}
	a.family = ADDR_V4;
	if (want_addr(l, &a, n) == 0 || (errno == EAFNOSUPPORT && have6))
		return 0;
	bind_error(errs, l, &a);
	return -1;
}

/* One at that path that is not claimed, and still has its name. */
static struct lsock *
spare_unix(const char *path)
{
	struct lsock	*s;

	TAILQ_FOREACH(s, &ls.all, entry)
		if (s->un != NULL && !s->wanted &&
		    usock_is_placed(s->un, path))
			return s;
	return NULL;
}

/* Kept if its rights are to be the same; else a new one takes its place. */
static int
want_unix(const struct conf_listener *l, const char *path, char *why,
    size_t size)
{
	struct addr	 a = { .family = ADDR_UNIX };
	struct lsock	*s = spare_unix(path);
	struct usock	*u;
	int		 fd;

	if ((u = usock_new(l, path, why, size)) == NULL)
		return -1;
	if (s != NULL && usock_same(s->un, u)) {
		usock_free(u);
		claim(s, l, SHARED);
		return 0;
	}
	if ((fd = usock_bind(u, s != NULL, why, size)) == -1) {
		usock_free(u);
		return -1;
	}
	s = lsock_add(&a, fd);
	s->un = u;
	claim(s, l, SHARED);
	return 0;
}

static void
unix_error(struct conf_errors *errs, const struct conf_listener *l,
    const char *text, const char *why)
{
	char	path[128];

	(void)snprintf(path, sizeof(path), "listener.%s.bind", l->obj.name);
	conf_error(errs, parent.file, 0, 0, path, "%s: %s", text, why);
}

static int
want_bind(const struct conf_listener *l, const char *text, unsigned int n,
    struct conf_errors *errs)
{
	struct addr	 a;
	const char	*path, *why;
	char		 reason[256];
	bool		 any;

	if (conf_bind_parse(text, &a, &any, &why) == -1) {
		conf_error(errs, parent.file, 0, 0, text, "%s", why);
		return -1;
	}
	if ((path = conf_bind_path(text)) != NULL) {
		if (want_unix(l, path, reason, sizeof(reason)) == 0)
			return 0;
		unix_error(errs, l, text, reason);
		return -1;
	}
	if (any)
		return want_any(l, &a, n, errs);
	if (want_addr(l, &a, n) == 0)
		return 0;
	bind_error(errs, l, &a);
	return -1;
}

int
listen_prepare(const struct config *conf, unsigned int n,
    struct conf_errors *errs)
{
	const struct conf_listener	*l;
	struct lsock			*s;
	size_t				 i, j;
	int				 r = 0;

	TAILQ_FOREACH(s, &ls.all, entry)
		s->wanted = false;
	for (i = 0; i < conf->listeners.n; i++) {
		l = (const struct conf_listener *)conf->listeners.v[i];
		for (j = 0; j < l->bind.n; j++)
			if (want_bind(l, l->bind.v[j], n, errs) == -1)
				r = -1;
	}
	return r;
}

/*
 * Where a postern runs it is no mistake that somebody answers at a path:
 * most probably it is that one, and this is the check before a reload.
 */
static void
check_unix(const struct conf_listener *l, const char *text, bool running,
    struct conf_errors *errs)
{
	struct usock	*u;
	char		 why[256];

	u = usock_new(l, conf_bind_path(text), why, sizeof(why));
	if (u == NULL || usock_check(u, running, why, sizeof(why)) == -1)
		unix_error(errs, l, text, why);
	if (u != NULL)
		usock_free(u);
}

void
listen_check(const struct config *conf, struct conf_errors *errs)
{
	const struct conf_listener	*l;
	bool				 running = ctl_answers(conf->control);
	size_t				 i, j;

	for (i = 0; i < conf->listeners.n; i++) {
		l = (const struct conf_listener *)conf->listeners.v[i];
		for (j = 0; j < l->bind.n; j++)
			if (conf_bind_path(l->bind.v[j]) != NULL)
				check_unix(l, l->bind.v[j], running, errs);
	}
}

void
listen_abort(void)
{
	struct lsock	*s, *next;

	for (s = TAILQ_FIRST(&ls.all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->fresh)
			lsock_free(s);
	}
}

static void
commit_one(struct lsock *s)
{
	char	text[ADDR_TEXT_MAX];

	s->worker = s->next_worker;
	s->listener = s->next_listener;
	s->fresh = false;
	/* Again for one that listens: the backlog may be new. */
	if (listen(s->fd, s->backlog) == -1 ||
	    (s->un != NULL && usock_place(s->un) == -1))
		log_warn("%s", s->un != NULL ? usock_path(s->un) :
		    addr_port_text(&s->addr, text, sizeof(text)));
}

/* The old ones last: a path is never without a socket meanwhile. */
void
listen_commit(void)
{
	struct lsock	*s, *next;

	TAILQ_FOREACH(s, &ls.all, entry)
		if (s->wanted)
			commit_one(s);
	for (s = TAILQ_FIRST(&ls.all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (!s->wanted)
			lsock_free(s);
	}
}

static bool
has_key(const struct child *c, uint32_t key)
{
	size_t	i;

	for (i = 0; i < c->nkeys; i++)
		if (c->keys[i] == key)
			return true;
	return false;
}

/* The descriptor goes along where the child does not have it. */
static int
send_one(struct child *c, const struct lsock *s, uint32_t generation)
{
	struct proto_listen	pl = { .listener = s->listener };
	struct wbuf		w = { 0 };
	int			fd = -1;

	if (!has_key(c, s->key) &&
	    (fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return -1;
	pl.key = s->key;
	pl.addr = s->addr;
	put_listen(&w, &pl);
	peer_send(&c->peer, MSG_LISTEN_FD, 0, generation, fd, &w);
	return 0;
}

void
listen_send(struct child *c, uint32_t generation)
{
	struct lsock	*s;
	uint32_t	*keys = NULL;
	size_t		 n = 0;

	TAILQ_FOREACH(s, &ls.all, entry) {
		if (s->fresh || (s->worker != SHARED &&
		    s->worker != (int)c->index))
			continue;
		if (send_one(c, s, generation) == -1) {
			log_warn("fcntl");
			child_kill(c, "cannot be given a socket");
			break;
		}
		keys = xreallocarray(keys, n + 1, sizeof(*keys));
		keys[n++] = s->key;
	}
	free(c->keys);
	c->keys = keys;
	c->nkeys = n;
}

void
listen_close(void)
{
	struct lsock	*s;

	while ((s = TAILQ_FIRST(&ls.all)) != NULL)
		lsock_free(s);
}
