/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Sockets: servers listen from before the first statement to the end, on a
 * port the kernel chose or a unix socket in the temporary directory;
 * clients connect when they are run.  Addresses are numbers, always: no
 * resolver stands between a talk and its outcome.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

union address {
	struct sockaddr		 sa;
	struct sockaddr_un	 un;
	struct sockaddr_storage	 ss;
};

/* "port", "address:port" or "[address]:port" -> a socket address. */
static socklen_t
address_of(const char *text, union address *addr)
{
	struct addrinfo	 hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *res;
	const char	*host = "127.0.0.1";
	char		*copy = xstrdup(text), *port;
	socklen_t	 len = 0;

	if ((port = strrchr(copy, ':')) != NULL) {
		*port++ = '\0';
		host = copy;
		if (host[0] == '[' && strchr(host, ']') != NULL) {
			*strchr(copy, ']') = '\0';
			host++;
		}
	} else
		port = copy;
	if (getaddrinfo(host, port, &hints, &res) == 0) {
		len = res->ai_addrlen;
		memcpy(addr, res->ai_addr, len);
		freeaddrinfo(res);
	}
	free(copy);
	return len;
}

static socklen_t
address_unix(const char *path, union address *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->un.sun_family = AF_UNIX;
	if (strlcpy(addr->un.sun_path, path, sizeof(addr->un.sun_path)) >=
	    sizeof(addr->un.sun_path))
		return 0;
	return sizeof(addr->un);
}

static void
listen_macros(struct actor *a)
{
	union address	 addr;
	socklen_t	 len = sizeof(addr);
	char		*name, port[NI_MAXSERV];

	name = xasprintf("%s.%s", a->name, a->path != NULL ? "path" : "port");
	if (a->path != NULL)
		macro_set(name, a->path);
	else if (getsockname(a->fd, &addr.sa, &len) == 0 &&
	    getnameinfo(&addr.sa, len, NULL, 0, port, sizeof(port),
	    NI_NUMERICSERV) == 0)
		macro_set(name, port);
	free(name);
}

int
actor_listen(struct actor *a)
{
	union address	 addr;
	char		*port, *text;
	socklen_t	 len;

	if (a->unix_socket) {
		a->path = xasprintf("%s/%s.sock", talk.tmp, a->name);
		len = address_unix(a->path, &addr);
	} else {
		port = expand(NULL, a->line, a->to == NULL ? "0" : a->to);
		if (port == NULL)
			return -1;
		text = xasprintf("[%s]:%s", a->from == NULL ? "127.0.0.1" :
		    a->from, port);
		free(port);
		len = address_of(text, &addr);
		free(text);
	}
	if (len == 0) {
		fail(NULL, a->line, "%s: bad address", a->name);
		return -1;
	}
	a->fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (a->fd == -1 || bind(a->fd, &addr.sa, len) == -1 ||
	    (a->path != NULL && chmod(a->path, 0777) == -1) ||
	    listen(a->fd, 128) == -1) {
		fail(NULL, a->line, "%s: %s", a->name, strerror(errno));
		return -1;
	}
	listen_macros(a);
	return 0;
}

/* Where a client goes to; 0 after fail(). */
static socklen_t
client_target(struct actor *a, union address *addr)
{
	char		*text;
	socklen_t	 len;

	text = expand(NULL, a->line, a->path != NULL ? a->path :
	    a->to != NULL ? a->to : "${port}");
	if (text == NULL)
		return 0;
	len = a->path != NULL ? address_unix(text, addr) :
	    address_of(text, addr);
	if (len == 0)
		fail(NULL, a->line, "%s: bad address %s", a->name, text);
	free(text);
	return len;
}

static int
client_bind(const struct actor *a, int fd)
{
	union address	 addr;
	char		*text;
	socklen_t	 len;
	int		 rv;

	if (a->from == NULL)
		return 0;
	text = xasprintf("[%s]:0", a->from);
	len = address_of(text, &addr);
	free(text);
	errno = EADDRNOTAVAIL;
	rv = len == 0 ? -1 : bind(fd, &addr.sa, len);
	return rv;
}

int
actor_run(struct actor *a)
{
	union address	 addr;
	socklen_t	 len;
	struct conn	*c;
	int		 fd;

	if ((len = client_target(a, &addr)) == 0)
		return -1;
	fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (fd == -1 || client_bind(a, fd) == -1 ||
	    (connect(fd, &addr.sa, len) == -1 && errno != EINPROGRESS)) {
		fail(NULL, a->line, "%s: %s", a->name, strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	c = conn_new(a, fd, a->blocks[0]);
	c->state = CONN_CONNECTING;
	return conn_wait(c, POLLOUT) == R_WAIT ? 0 : -1;
}

void
actor_accept(struct actor *a)
{
	struct conn	*c;
	size_t		 n = a->connections;
	int		 fd;

	fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1)
		return;			/* the peer left; poll asks again */
	if (n >= a->nblocks && a->again)
		n = a->nblocks - 1;
	if (n >= a->nblocks) {
		fail(NULL, a->line, "%s: connection %zu is one too many",
		    a->name, n + 1);
		close(fd);
		return;
	}
	c = conn_new(a, fd, a->blocks[n]);
	c->state = CONN_TALKING;
	tracef(c, 0, "accepted");
	conn_talk(c);
}
