/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The sockets of the dialer: made, bound, sent on their way.
 *
 * All of them are nonblocking, closed on exec and without Nagle's delay, and
 * are passed on so: whoever gets one has nothing left to set.
 *
 * The last descriptors are not used: a pipe or a control connection that the
 * parent passes must find room, or this process cannot go on at all.
 *
 * What goes wrong is of three kinds, and the caller must know which: the
 * process has no more descriptors (no address would do better), our own side
 * of the connection is at fault (the address is not to blame), or the
 * address did not take it.
 */

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "dialer.h"
#include "log.h"
#include "util.h"

#define WARN_AGAIN	1000		/* ms between warnings of one kind */
#define RESERVE		32		/* descriptors left for pipes */

static int	fd_limit;

void
connect_prepare(void)
{
	struct rlimit	rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("getrlimit");
	fd_limit = INT_MAX;
	if (rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur < INT_MAX)
		fd_limit = (int)rl.rlim_cur;
	fd_limit -= fd_limit > 2 * RESERVE ? RESERVE : fd_limit / 2;
}

/* Not more than one line a second, however many dials fail. */
static bool
may_warn(struct mono *last)
{
	if (mono_is_set(*last) && mono_diff(mono_now(), *last) < WARN_AGAIN)
		return false;
	*last = mono_now();
	return true;
}

static bool
is_exhausted(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

bool
connect_has_room(int fd)
{
	return fd < fd_limit;
}

bool
connect_can(const struct conf_remote *remote, enum addr_family family)
{
	struct addr	a;
	size_t		i;

	for (i = 0; i < remote->source.n; i++)
		if (addr_parse(&a, remote->source.v[i]) == 0 &&
		    a.family == family)
			return true;
	return remote->source.n == 0;
}

/* Let connect choose the port, which knows where to. */
static void
choose_port_late(int fd)
{
#ifdef IP_BIND_ADDRESS_NO_PORT
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT,
	    &(int){ 1 }, sizeof(int));
#endif
}

/*
 * Take a local address where the remote has some: the first of the family
 * that can be had.  0 or errno.
 */
static int
bind_source(int fd, const struct conf_remote *remote, uint8_t family)
{
	static struct mono	 warned;
	struct sockaddr_storage	 ss;
	struct addr		 src;
	socklen_t		 len;
	size_t			 i;
	int			 error = EADDRNOTAVAIL;

	if (remote->source.n == 0)
		return 0;
	choose_port_late(fd);
	for (i = 0; i < remote->source.n; i++) {
		if (addr_parse(&src, remote->source.v[i]) == -1 ||
		    src.family != family)
			continue;
		len = addr_to_sa(&src, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len) == 0)
			return 0;
		error = errno;
		if (may_warn(&warned))
			log_warnx("remote %s: source %s: %s",
			    remote->obj.name, remote->source.v[i],
			    strerror(error));
	}
	return error;
}

/* 0 or errno. */
static int
prepare(int fd, const struct conf_remote *remote, uint8_t family)
{
	int	on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		return errno;
	return bind_source(fd, remote, family);
}

static enum connect_state
no_socket(int error)
{
	static struct mono	warned;

	if (!is_exhausted(error))
		return CONNECT_OURS;
	if (may_warn(&warned))
		log_warnx("no socket for a connection: %s", strerror(error));
	return CONNECT_EXHAUSTED;
}

enum connect_state
connect_start(const struct conf_remote *remote, const struct addr *to,
    int *fd, int *error)
{
	struct sockaddr_storage	ss;
	socklen_t		len = addr_to_sa(to, &ss);

	*fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	if (*fd == -1 || *fd >= fd_limit) {
		*error = *fd == -1 ? errno : EMFILE;
		close_fd(fd);
		return no_socket(*error);
	}
	if ((*error = prepare(*fd, remote, to->family)) != 0) {
		close_fd(fd);
		return CONNECT_OURS;
	}
	if (connect(*fd, (struct sockaddr *)&ss, len) == 0)
		return CONNECT_DONE;
	*error = errno;
	if (*error == EINPROGRESS || *error == EINTR)
		return CONNECT_STARTED;
	close_fd(fd);
	return is_exhausted(*error) ? no_socket(*error) : CONNECT_FAILED;
}

/*
 * A connection to a port of this machine where nobody listens may meet
 * itself, if that port is the one it got as its own.
 */
static bool
met_itself(int fd, const struct addr *to)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len = sizeof(ss);
	struct addr		 me;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		return false;
	addr_from_sa(&me, (struct sockaddr *)&ss, len);
	return addr_equal(&me, to);
}

int
connect_error(int fd, const struct addr *to)
{
	socklen_t	len = sizeof(int);
	int		error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	return error == 0 && met_itself(fd, to) ? ECONNREFUSED : error;
}

static bool
can_bind(const struct addr *a)
{
	struct sockaddr_storage	 ss;
	struct addr		 any_port = *a;
	socklen_t		 len;
	bool			 can;
	int			 fd;

	any_port.port = 0;
	len = addr_to_sa(&any_port, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	if (fd == -1)
		return false;
	choose_port_late(fd);
	can = bind(fd, (struct sockaddr *)&ss, len) == 0;
	close_fd(&fd);
	return can;
}

bool
connect_is_here(const struct addr *a)
{
	struct addr	nobodys;

	/* Some systems are set up to bind what they have not (yet). */
	if (addr_parse(&nobodys, a->family == ADDR_V4 ? "240.0.0.1" :
	    "100::1") == -1 || can_bind(&nobodys))
		return false;
	return can_bind(a);
}
