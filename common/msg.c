/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Frames on a socketpair: see msg.h.
 *
 * Output is one queue of octets; a descriptor is remembered with the number
 * of octets that stand before its frame, and a write never runs over the
 * beginning of such a frame, so that the descriptor goes with its first
 * octet.  Input comes in large reads; the kernel ends a read behind data
 * that carried a descriptor, so descriptors are queued in their order and
 * each frame with FRAME_FD takes the next one.  Behind the last whole frame
 * of a read at most one descriptor may wait, that of a frame whose rest is to
 * come: so nobody can fill our table with descriptors that no frame takes.
 * What is wrong in any way (a length, a flag, a type of 0, a descriptor too
 * many or too few, another message between the frames of one) is
 * MSG_READ_BAD: the caller ends the other side, never itself.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"
#include "util.h"

#define READ_SIZE	(64 * 1024)
#define OUT_MAX		(64 * 1024 * 1024)	/* what a stuck peer may cost */

struct header {
	uint32_t	len;
	uint16_t	type;
	uint16_t	flags;
	uint64_t	sid;
	uint32_t	seq;
};

int
msg_take_fd(struct msg *m)
{
	int	fd = m->fd;

	m->fd = -1;
	return fd;
}

void
msgbuf_init(struct msgbuf *mb, int fd)
{
	memset(mb, 0, sizeof(*mb));
	mb->fd = fd;
	mb->whole_fd = -1;
	buf_init(&mb->out, OUT_MAX);
	buf_init(&mb->in, READ_SIZE + MSG_HEADER + MSG_FRAME_MAX);
	mb->in.secret = mb->out.secret = true;
	TAILQ_INIT(&mb->out_fds);
	TAILQ_INIT(&mb->in_fds);
}

static int
fds_pop(struct msg_fds *q)
{
	struct msg_fd	*e;
	int		 fd;

	if ((e = TAILQ_FIRST(q)) == NULL)
		return -1;
	TAILQ_REMOVE(q, e, entry);
	fd = e->fd;
	free(e);
	return fd;
}

static int
fds_push(struct msg_fds *q, int fd, size_t at)
{
	struct msg_fd	*e;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		return -1;
	e->fd = fd;
	e->at = at;
	TAILQ_INSERT_TAIL(q, e, entry);
	return 0;
}

static void
fds_clear(struct msg_fds *q)
{
	while (!TAILQ_EMPTY(q))
		(void)close(fds_pop(q));
}

void
msgbuf_clear(struct msgbuf *mb)
{
	fds_clear(&mb->out_fds);
	fds_clear(&mb->in_fds);
	buf_clear(&mb->out);
	buf_clear(&mb->in);
	wbuf_clear(&mb->whole);
	close_fd(&mb->whole_fd);
	close_fd(&mb->fd);
}

/* One frame of a message. */
static int
put_frame(struct msgbuf *mb, const struct header *h, const uint8_t *data)
{
	struct wbuf	w = { 0 };
	int		ok;

	put_u32(&w, h->len);
	put_u16(&w, h->type);
	put_u16(&w, h->flags);
	put_u64(&w, h->sid);
	put_u32(&w, h->seq);
	ok = wire_ok(&w) && buf_add(&mb->out, w.data, w.len) == 0 &&
	    buf_add(&mb->out, data, h->len) == 0;
	wbuf_clear(&w);
	return ok ? 0 : -1;
}

int
msg_put(struct msgbuf *mb, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    const struct wbuf *body)
{
	struct header	 h = { .type = type, .sid = sid, .seq = seq };
	size_t		 left = body == NULL ? 0 : body->len;
	const uint8_t	*p = body == NULL ? NULL : body->data;

	if ((body != NULL && !wire_ok(body)) || left > MSG_MAX)
		goto fail;
	if (fd != -1) {
		if (fds_push(&mb->out_fds, fd, mb->out.len) == -1)
			goto fail;
		h.flags = FRAME_FD;
		fd = -1;
	}
	do {
		h.len = left > MSG_FRAME_MAX ? MSG_FRAME_MAX : (uint32_t)left;
		left -= h.len;
		if (left > 0)
			h.flags |= FRAME_MORE;
		else
			h.flags &= (uint16_t)~FRAME_MORE;
		if (put_frame(mb, &h, p) == -1)
			goto fail;
		if (p != NULL)
			p += h.len;
		h.flags &= (uint16_t)~FRAME_FD;
	} while (left > 0);
	return 0;
fail:
	if (fd != -1)
		(void)close(fd);
	errno = ENOMEM;
	return -1;
}

/* One sendmsg: up to the next descriptor's frame, or with it. */
static ssize_t
send_some(struct msgbuf *mb, struct msg_fd *first)
{
	union {
		struct cmsghdr	hdr;
		char		space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr	 mh;
	struct iovec	 iov;
	struct cmsghdr	*cmsg;
	struct msg_fd	*next = first;

	memset(&mh, 0, sizeof(mh));
	iov.iov_base = buf_data(&mb->out);
	iov.iov_len = mb->out.len;
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (first != NULL && first->at == 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &first->fd, sizeof(int));
		next = TAILQ_NEXT(first, entry);
	}
	if (next != NULL)
		iov.iov_len = next->at;
	return sendmsg(mb->fd, &mh, MSG_NOSIGNAL);
}

int
msg_flush(struct msgbuf *mb)
{
	struct msg_fd	*first, *e;
	ssize_t		 n;

	while (mb->out.len > 0) {
		first = TAILQ_FIRST(&mb->out_fds);
		if ((n = send_some(mb, first)) == -1) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
		}
		if (first != NULL && first->at == 0)
			(void)close(fds_pop(&mb->out_fds));
		TAILQ_FOREACH(e, &mb->out_fds, entry)
			e->at -= (size_t)n;
		buf_drain(&mb->out, (size_t)n);
	}
	return 1;
}

/* Read once, into the shared buffer; descriptors go to the queue. */
static ssize_t
recv_some(struct msgbuf *mb, char *data, size_t size)
{
	union {
		struct cmsghdr	hdr;
		char		space[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct msghdr	 mh;
	struct iovec	 iov = { .iov_base = data, .iov_len = size };
	struct cmsghdr	*cmsg;
	ssize_t		 n;
	size_t		 i, nfds;
	int		 fd;

	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	mh.msg_control = &control;
	mh.msg_controllen = sizeof(control.space);
	do
		n = recvmsg(mb->fd, &mh, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return n;
	for (cmsg = CMSG_FIRSTHDR(&mh); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(&mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < nfds; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			    sizeof(fd));
			if (fds_push(&mb->in_fds, fd, 0) == -1)
				(void)close(fd);
		}
	}
	if (mh.msg_flags & MSG_CTRUNC) {
		errno = EPROTO;
		return -1;
	}
	return n;
}

static void
get_header(const char *p, struct header *h)
{
	struct rbuf	r;

	rbuf_init(&r, p, MSG_HEADER);
	h->len = get_u32(&r);
	h->type = get_u16(&r);
	h->flags = get_u16(&r);
	h->sid = get_u64(&r);
	h->seq = get_u32(&r);
}

/* Add a frame to the message it is a part of. */
static int
gather(struct msgbuf *mb, const struct header *h, const char *data, int fd)
{
	struct wbuf	*w = &mb->whole;

	if (mb->whole_type == 0) {
		mb->whole_type = h->type;
		mb->whole_sid = h->sid;
		mb->whole_seq = h->seq;
		mb->whole_fd = fd;
		w->secret = true;
	} else if (mb->whole_type != h->type || mb->whole_sid != h->sid ||
	    mb->whole_seq != h->seq || fd != -1) {
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	if (w->len + h->len > MSG_MAX)
		return -1;
	put_raw(w, data, h->len);
	return wire_ok(w) ? 0 : -1;
}

/* Hand one whole message on. */
static int
deliver(struct msgbuf *mb, const struct header *h, const char *data, int fd,
    int (*fn)(void *, struct msg *), void *arg)
{
	struct msg	m = { .type = h->type, .sid = h->sid, .seq = h->seq };
	struct wbuf	whole = { 0 };
	int		r;

	m.fd = fd;
	rbuf_init(&m.body, data, h->len);
	if (mb->whole_type != 0 || (h->flags & FRAME_MORE)) {
		if (gather(mb, h, data, fd) == -1)
			return -1;
		if (h->flags & FRAME_MORE)
			return 0;
		whole = mb->whole;
		m.fd = mb->whole_fd;
		memset(&mb->whole, 0, sizeof(mb->whole));
		mb->whole_fd = -1;
		mb->whole_type = 0;
		rbuf_init(&m.body, whole.data, whole.len);
	}
	r = fn(arg, &m);
	close_fd(&m.fd);
	wbuf_clear(&whole);
	return r;
}

/* Every whole frame in data; *used gets the octets of those. */
static int
take_frames(struct msgbuf *mb, const char *data, size_t n, size_t *used,
    int (*fn)(void *, struct msg *), void *arg)
{
	struct header	h;
	int		fd;

	for (*used = 0; n - *used >= MSG_HEADER; *used += MSG_HEADER + h.len) {
		get_header(data + *used, &h);
		if (h.len > MSG_FRAME_MAX || h.type == 0 || (h.flags &
		    ~(FRAME_FD | FRAME_MORE)) != 0)
			return -1;
		if (n - *used - MSG_HEADER < h.len)
			break;
		fd = -1;
		if ((h.flags & FRAME_FD) &&
		    (fd = fds_pop(&mb->in_fds)) == -1)
			return -1;
		if (deliver(mb, &h, data + *used + MSG_HEADER, fd, fn,
		    arg) == -1)
			return -1;
		if (mb->fd == -1)	/* closed by what it said */
			return 0;
	}
	return 0;
}

/* Do descriptors wait that no frame will take?  left: octets of a frame. */
static bool
has_stray_fd(const struct msgbuf *mb, size_t left)
{
	const struct msg_fd	*first = TAILQ_FIRST(&mb->in_fds);

	return first != NULL && (left == 0 ||
	    TAILQ_NEXT(first, entry) != NULL);
}

enum msg_read
msg_read(struct msgbuf *mb, int (*fn)(void *, struct msg *), void *arg)
{
	static char	 shared[READ_SIZE];
	char		*data = shared;
	size_t		 len, used;
	ssize_t		 n;
	int		 r;

	if ((n = recv_some(mb, shared, sizeof(shared))) == 0)
		return MSG_READ_EOF;
	if (n == -1) {
		if (errno == EAGAIN)
			return MSG_READ_AGAIN;
		return errno == EPROTO ? MSG_READ_BAD : MSG_READ_EOF;
	}
	len = (size_t)n;
	if (mb->in.len > 0) {
		if (buf_add(&mb->in, shared, len) == -1)
			return MSG_READ_BAD;
		data = buf_data(&mb->in);
		len = mb->in.len;
	}
	r = take_frames(mb, data, len, &used, fn, arg);
	if (r == 0 && mb->fd != -1) {
		if (data != shared)
			buf_drain(&mb->in, used);
		else
			r = buf_add(&mb->in, data + used, len - used);
		if (has_stray_fd(mb, len - used))
			r = -1;
	}
	explicit_bzero(shared, (size_t)n);
	return r == 0 ? MSG_READ_OK : MSG_READ_BAD;
}
