/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * msg.c over a socketpair.  The input is taken three ways: as octets that a
 * broken peer writes, where every way to cut them must give the same
 * messages and the same end; the same with descriptors strewn in, of which
 * none may be left; and as orders to a good peer, whose messages must come
 * out as they went in.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "fuzz.h"
#include "msg.h"

#define ORDERS	32		/* of a good peer */

/* What came out: a sum over all that a handler can see. */
struct seen {
	uint64_t	sum;
	unsigned int	messages;
	unsigned int	fds;
};

static void
add(struct seen *s, uint64_t v)
{
	s->sum = (s->sum ^ v) * 1099511628211U;
}

static int
take(void *arg, struct msg *m)
{
	struct seen	*s = arg;
	const uint8_t	*p;

	must(m->type != 0);
	add(s, m->type);
	add(s, m->sid);
	add(s, m->seq);
	for (p = m->body.p; p != m->body.end; p++)
		add(s, *p);
	s->messages++;
	if (m->fd != -1) {
		s->fds++;
		must(fcntl(m->fd, F_GETFD) & FD_CLOEXEC);
		/* Every second one is taken, the others are closed for us. */
		if (s->fds % 2 == 0)
			(void)close(msg_take_fd(m));
	}
	return 0;
}

static void
pair_new(int pair[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, pair) == 0);
}

/* Some octets, with a descriptor unless it is -1. */
static void
push(int s, const char *p, size_t n, int fd)
{
	union {
		struct cmsghdr	hdr;
		char		space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec	 iov;
	struct msghdr	 mh;
	struct cmsghdr	*cmsg;
	char		 copy[4096];

	must(n <= sizeof(copy));
	memcpy(copy, p, n);
	memset(&mh, 0, sizeof(mh));
	memset(&control, 0, sizeof(control));
	iov.iov_base = copy;
	iov.iov_len = n;
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (fd != -1) {
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	must(sendmsg(s, &mh, MSG_NOSIGNAL) == (ssize_t)n);
}

static bool
has_two(const struct msg_fds *q)
{
	const struct msg_fd	*first = TAILQ_FIRST(q);

	return first != NULL && TAILQ_NEXT(first, entry) != NULL;
}

/* All of the input, cut by seed; strew: with descriptors. */
static enum msg_read
feed(const char *data, size_t len, unsigned int seed, bool strew,
    struct seen *seen)
{
	struct msgbuf	mb;
	enum msg_read	r = MSG_READ_AGAIN;
	size_t		at, n;
	int		pair[2];

	memset(seen, 0, sizeof(*seen));
	pair_new(pair);
	msgbuf_init(&mb, pair[0]);
	for (at = 0; at < len && r == MSG_READ_AGAIN; at += n) {
		n = piece(seed, at, len);
		push(pair[1], data + at, n, strew &&
		    (data[at] & 3) == (int)(seed & 3) ? pair[1] : -1);
		while ((r = msg_read(&mb, take, seen)) == MSG_READ_OK)
			must(!has_two(&mb.in_fds));
	}
	if (r == MSG_READ_AGAIN) {
		(void)close(pair[1]);
		pair[1] = -1;
		if (!strew)
			must(msg_read(&mb, take, seen) == MSG_READ_EOF);
	}
	msgbuf_clear(&mb);
	if (pair[1] != -1)
		(void)close(pair[1]);
	return r;
}

/* Three octets are an order: type and descriptor, and the length. */
static void
good_peer(const uint8_t *data, size_t len)
{
	struct msgbuf	from, to;
	struct seen	put = { 0 }, got = { 0 };
	struct wbuf	w = { 0 };
	struct msg	m;
	size_t		i, size, rounds;
	int		pair[2], fd;

	pair_new(pair);
	msgbuf_init(&from, pair[0]);
	msgbuf_init(&to, pair[1]);
	for (i = 0; i + 3 <= len && i < ORDERS * 3; i += 3) {
		size = data[i + 1] * (size_t)(data[i + 2] + 1);
		while (w.len < size)
			put_u8(&w, (uint8_t)(w.len * data[i + 2] + i));
		fd = data[i] & 1 ? dup(pair[0]) : -1;
		memset(&m, 0, sizeof(m));
		m.type = (uint16_t)(data[i] + 1);
		m.sid = i;
		m.seq = (uint32_t)size;
		m.fd = -1;
		rbuf_init(&m.body, w.data, w.len);
		put.fds += fd != -1;
		(void)take(&put, &m);
		must(msg_put(&from, m.type, m.sid, m.seq, fd, &w) == 0);
		wbuf_clear(&w);
		if (data[i] & 2) {
			must(msg_flush(&from) != -1);
			while (msg_read(&to, take, &got) == MSG_READ_OK)
				continue;
		}
	}
	for (rounds = 0; got.messages < put.messages; rounds++) {
		must(rounds < 1000 && msg_flush(&from) != -1);
		while (msg_read(&to, take, &got) == MSG_READ_OK)
			continue;
	}
	must(put.sum == got.sum && put.fds == got.fds);
	must(TAILQ_EMPTY(&to.in_fds) && to.in.len == 0);
	msgbuf_clear(&from);
	must(msg_read(&to, take, &got) == MSG_READ_EOF);
	msgbuf_clear(&to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen	whole, cut, strewn;
	enum msg_read	end;
	unsigned int	seed;
	char		*copy;
	int		lowest;

	if (len == 0 || len > 1024)
		return 0;
	lowest = dup(STDERR_FILENO);
	(void)close(lowest);
	seed = data[0] | 2;
	copy = exact(data + 1, len - 1);
	end = feed(copy, len - 1, 0, false, &whole);
	must(whole.fds == 0);
	must(feed(copy, len - 1, 1, false, &cut) == end);
	must(cut.sum == whole.sum && cut.messages == whole.messages);
	must(feed(copy, len - 1, seed, false, &cut) == end);
	must(cut.sum == whole.sum && cut.messages == whole.messages);
	(void)feed(copy, len - 1, 0, true, &strewn);
	(void)feed(copy, len - 1, 1, true, &strewn);
	(void)feed(copy, len - 1, seed, true, &strewn);
	free(copy);
	good_peer(data, len);
	/* The lowest free descriptor is what it was: nothing is left open. */
	must(dup(STDERR_FILENO) == lowest);
	(void)close(lowest);
	return 0;
}
