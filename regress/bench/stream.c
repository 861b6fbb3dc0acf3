/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Sockets of load.c and sink.c: see stream.h.  TCP_NODELAY on both sides, as
 * a server and its clients should have it: else Nagle and delayed
 * acknowledgements would be what is measured.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tls.h>

#include "stream.h"

uint64_t
now_us(void)
{
	struct timespec	ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		err(1, "clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static struct sockaddr_in
loopback(uint16_t port)
{
	struct sockaddr_in	sin = { .sin_family = AF_INET };

	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sin;
}

static void
prepare(int fd)
{
	int	on = 1;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(1, "socket");
}

int
stream_connect(uint16_t port)
{
	struct sockaddr_in	sin = loopback(port);
	int			fd;

	if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		return -1;
	prepare(fd);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 &&
	    errno != EINPROGRESS) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
stream_listen(uint16_t *port)
{
	struct sockaddr_in	sin = loopback(0);
	socklen_t		len = sizeof(sin);
	int			fd;

	if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(fd, 1024) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "listen");
	*port = ntohs(sin.sin_port);
	return fd;
}

int
stream_accept(int lfd)
{
	int	fd;

	if ((fd = accept(lfd, NULL, NULL)) != -1)
		prepare(fd);
	return fd;
}

/* What libtls says, in our words. */
static ssize_t
tls_result(struct stream *s, ssize_t n)
{
	if (n != TLS_WANT_POLLIN && n != TLS_WANT_POLLOUT)
		return n;
	s->want = n == TLS_WANT_POLLIN ? POLLIN : POLLOUT;
	return STREAM_WAIT;
}

static ssize_t
plain_result(struct stream *s, ssize_t n, short want)
{
	if (n != -1 || (errno != EAGAIN && errno != EINTR))
		return n;
	s->want = want;
	return STREAM_WAIT;
}

ssize_t
stream_read(struct stream *s, void *p, size_t n)
{
	if (s->tls != NULL)
		return tls_result(s, tls_read(s->tls, p, n));
	return plain_result(s, recv(s->fd, p, n, 0), POLLIN);
}

ssize_t
stream_write(struct stream *s, const void *p, size_t n)
{
	if (s->tls != NULL)
		return tls_result(s, tls_write(s->tls, p, n));
	return plain_result(s, send(s->fd, p, n, MSG_NOSIGNAL), POLLOUT);
}

int
stream_handshake(struct stream *s)
{
	return (int)tls_result(s, tls_handshake(s->tls));
}

void
stream_close(struct stream *s)
{
	tls_free(s->tls);
	s->tls = NULL;
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
}
