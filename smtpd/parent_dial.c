/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Connections to sockets of the file system, for the dialer, which sees no
 * file.
 *
 * It says which address of which remote; the path is taken from our own
 * configuration, so what the dialer can reach is what the operator wrote.
 * One question is one connect, which a unix socket answers at once; nothing
 * is remembered.  Whoever asks without taking what comes is broken: our end
 * of the pipe must not fill with descriptors.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "parent.h"
#include "util.h"

#define UNSENT_MAX	1024	/* descriptors that wait in the pipe */
#define ANSWERS_MAX	(256 * 1024)	/* octets of answers, likewise */

static size_t
unsent(const struct peer *p)
{
	const struct msg_fd	*f;
	size_t			 n = 0;

	TAILQ_FOREACH(f, &p->mb.out_fds, entry)
		n++;
	return n;
}

/* A connected, nonblocking socket; or -1 and errno. */
static int
unix_connect(const char *path)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	int			fd, saved;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* A full queue is EAGAIN: no use in waiting here. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	saved = errno;
	close_fd(&fd);
	errno = saved;
	return -1;
}

int
unix_request(struct peer *p, struct msg *m)
{
	const struct conf_remote	*remote;
	const char			*address;
	struct proto_unix		 q;
	bool				 gone = false;
	int				 fd = -1, error = ENOENT;

	if (get_unix(m, &q) == -1 || p->mb.out.len > ANSWERS_MAX)
		return -1;
	remote = reload_remote(q.remote, &gone);
	if (remote == NULL && !gone)
		return -1;
	if (remote != NULL) {
		if (q.entry >= remote->address.n)
			return -1;
		address = remote->address.v[q.entry];
		if (strncmp(address, "unix:", 5) != 0)
			return -1;
		errno = EAGAIN;
		if (unsent(p) < UNSENT_MAX)
			fd = unix_connect(address + 5);
		error = fd == -1 ? errno : 0;
	}
	peer_send(p, MSG_UNIX_FD, m->sid, (uint32_t)error, fd, NULL);
	return 0;
}
