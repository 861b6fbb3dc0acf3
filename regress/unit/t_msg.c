/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * msg.c over a real socketpair.  Frames go in by our own hands, cut at every
 * place, or by msg_put; what comes out is written down as one string.  At the
 * end every descriptor of the process is accounted for.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "msg.h"
#include "t.h"

static struct {
	struct msgbuf	 mb;		/* the end under test */
	int		 other;
	char		 log[4096];	/* what was handed on */
	int		 fds[64];	/* and its descriptors */
	size_t		 nfds;
	int		 verdict;	/* of the handler */
	bool		 leave;		/* descriptors are not taken */
	bool		 close;		/* the handler closes the msgbuf */
	bool		 equal;		/* large payloads are as expected */
} x;

static size_t
open_fds(void)
{
	struct dirent	*e;
	DIR		*d;
	size_t		 n = 0;

	if ((d = opendir("/dev/fd")) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
nonblock(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void
begin(void)
{
	int	pair[2];

	memset(&x, 0, sizeof(x));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		abort();
	nonblock(pair[0]);
	nonblock(pair[1]);
	msgbuf_init(&x.mb, pair[0]);
	x.other = pair[1];
}

static void
end(void)
{
	size_t	i;

	for (i = 0; i < x.nfds; i++)
		(void)close(x.fds[i]);
	msgbuf_clear(&x.mb);
	if (x.other != -1)
		(void)close(x.other);
}

/* The octet that position i of a large payload has. */
static uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

/* "type/sid/seq payload[+fd];" */
static int
take(void *arg, struct msg *m)
{
	size_t	i, n = (size_t)(m->body.end - m->body.p), at = strlen(x.log);

	(void)arg;
	if (n > 64) {
		x.equal = true;
		for (i = 0; i < n; i++)
			x.equal &= m->body.p[i] == pattern(i);
		snprintf(x.log + at, sizeof(x.log) - at, "%u/%llu/%u (%zu)%s;",
		    m->type, (unsigned long long)m->sid, m->seq, n,
		    m->fd == -1 ? "" : "+fd");
	} else
		snprintf(x.log + at, sizeof(x.log) - at, "%u/%llu/%u %.*s%s;",
		    m->type, (unsigned long long)m->sid, m->seq, (int)n,
		    n == 0 ? "" : (const char *)m->body.p,
		    m->fd == -1 ? "" : "+fd");
	if (m->fd != -1 && !x.leave && x.nfds < nitems(x.fds))
		x.fds[x.nfds++] = msg_take_fd(m);
	if (x.close)
		msgbuf_clear(&x.mb);
	return x.verdict;
}

/* Read until there is no more. */
static enum msg_read
drain(void)
{
	enum msg_read	r;

	while ((r = msg_read(&x.mb, take, NULL)) == MSG_READ_OK)
		if (x.mb.fd == -1)
			break;
	return r;
}

/* A frame as octets: for what msg_put would never write. */
static size_t
frame(uint8_t *out, uint32_t len, uint16_t type, uint16_t flags, uint64_t sid,
    uint32_t seq, const char *payload)
{
	struct wbuf	w = { 0 };
	size_t		n;

	put_u32(&w, len);
	put_u16(&w, type);
	put_u16(&w, flags);
	put_u64(&w, sid);
	put_u32(&w, seq);
	put_raw(&w, payload, strlen(payload));
	memcpy(out, w.data, n = w.len);
	wbuf_clear(&w);
	return n;
}

/* Octets with descriptors, as one sendmsg(2). */
static void
push(const uint8_t *p, size_t n, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr	hdr;
		char		space[CMSG_SPACE(sizeof(int) * 8)];
	} control;
	struct iovec	 iov;
	struct msghdr	 mh;
	struct cmsghdr	*cmsg;
	uint8_t		 copy[256];

	memcpy(copy, p, n);
	memset(&mh, 0, sizeof(mh));
	memset(&control, 0, sizeof(control));
	iov.iov_base = copy;
	iov.iov_len = n;
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	if (sendmsg(x.other, &mh, MSG_NOSIGNAL) != (ssize_t)n)
		abort();
}

/* A pipe's end whose other end has one octet, to know it again. */
static int
marked(char c)
{
	int	p[2];

	if (pipe(p) == -1 || write(p[1], &c, 1) != 1)
		abort();
	(void)close(p[1]);
	return p[0];
}

static char
mark_of(int fd)
{
	char	c;

	return read(fd, &c, 1) == 1 ? c : '?';
}

/* Whole frames, cut in every way. */
static void
test_splits(void)
{
	uint8_t	 in[256];
	size_t	 n = 0, way, at, k;

	n += frame(in, 3, 7, 0, 1, 2, "abc");
	n += frame(in + n, 0, 8, 0, UINT64_MAX, UINT32_MAX, "");
	n += frame(in + n, 2, 9, FRAME_MORE, 5, 6, "de");
	n += frame(in + n, 0, 9, FRAME_MORE, 5, 6, "");
	n += frame(in + n, 1, 9, 0, 5, 6, "f");
	n += frame(in + n, 1, 10, 0, 0, 0, "g");
	for (way = 0; way <= n; way++) {
		begin();
		for (at = 0; at < n; at += k) {
			k = piece(way, at, n);
			push(in + at, k, NULL, 0);
			is_int(drain(), MSG_READ_AGAIN, "way %zu", way);
		}
		is_str(x.log, "7/1/2 abc;8/18446744073709551615/4294967295 ;"
		    "9/5/6 def;10/0/0 g;", "way %zu", way);
		ok(x.mb.in.len == 0 && x.mb.in.data == NULL, "nothing is kept");
		(void)close(x.other);
		x.other = -1;
		is_int(drain(), MSG_READ_EOF, "the end");
		end();
	}
}

/* By msg_put and msg_flush, from one end to the other. */
static void
send_to(struct msgbuf *to, uint16_t type, const char *payload, int fd)
{
	struct wbuf	w = { 0 };

	put_raw(&w, payload, strlen(payload));
	is_int(msg_put(to, type, 1, 2, fd, &w), 0, "put %u", type);
	wbuf_clear(&w);
}

static void
test_fds(void)
{
	struct msgbuf	from;
	size_t		i;
	char		c;

	begin();
	msgbuf_init(&from, x.other);
	x.other = -1;
	send_to(&from, 1, "none", -1);
	for (c = 'a'; c <= 'e'; c++)
		send_to(&from, 2, "fd", marked(c));
	send_to(&from, 3, "none", -1);
	send_to(&from, 4, "", marked('f'));
	is_int(msg_flush(&from), 1, "all is written");
	ok(TAILQ_EMPTY(&from.out_fds) && from.out.len == 0, "and gone");
	is_int(drain(), MSG_READ_AGAIN, "read");
	is_str(x.log, "1/1/2 none;2/1/2 fd+fd;2/1/2 fd+fd;2/1/2 fd+fd;"
	    "2/1/2 fd+fd;2/1/2 fd+fd;3/1/2 none;4/1/2 +fd;", "in order");
	is_int((long long)x.nfds, 6, "descriptors");
	for (i = 0; i < x.nfds; i++) {
		is_int(mark_of(x.fds[i]), 'a' + (int)i, "the right one");
		ok(fcntl(x.fds[i], F_GETFD) & FD_CLOEXEC, "close on exec");
	}
	msgbuf_clear(&from);
	end();

	/* Not taken: closed. */
	begin();
	msgbuf_init(&from, x.other);
	x.other = -1;
	x.leave = true;
	send_to(&from, 2, "fd", marked('a'));
	send_to(&from, 2, "fd", marked('b'));
	(void)msg_flush(&from);
	is_int(drain(), MSG_READ_AGAIN, "nobody takes them");
	/* Never sent: closed with the queue. */
	send_to(&from, 2, "fd", marked('c'));
	msgbuf_clear(&from);
	end();
}

/* As much as fits no pipe at once, with descriptors between. */
static void
test_large(void)
{
	static const size_t	 sizes[] = { 0, 1, MSG_FRAME_MAX - 1,
	    MSG_FRAME_MAX, MSG_FRAME_MAX + 1, 2 * MSG_FRAME_MAX, 300000,
	    MSG_MAX };
	struct msgbuf	from;
	struct wbuf	w = { 0 };
	char		want[64];
	size_t		i, k, rounds;
	int		fd;

	for (i = 0; i < nitems(sizes); i++) {
		begin();
		msgbuf_init(&from, x.other);
		x.other = -1;
		for (k = 0; k < sizes[i]; k++)
			put_u8(&w, pattern(k));
		fd = i % 2 ? marked('x') : -1;
		is_int(msg_put(&from, 5, 6, 7, fd, &w), 0, "put %zu", sizes[i]);
		wbuf_clear(&w);
		for (rounds = 0; x.log[0] == '\0' && rounds < 10000; rounds++) {
			ok(msg_flush(&from) != -1, "flush");
			ok(drain() == MSG_READ_AGAIN, "read");
		}
		if (sizes[i] > 64) {
			snprintf(want, sizeof(want), "5/6/7 (%zu)%s;",
			    sizes[i], i % 2 ? "+fd" : "");
			is_str(x.log, want, "whole");
			ok(x.equal, "octets of %zu", sizes[i]);
		}
		is_int((long long)x.nfds, i % 2, "descriptor of %zu", sizes[i]);
		msgbuf_clear(&from);
		end();
	}
	begin();
	for (k = 0; k < MSG_MAX + 1; k++)
		put_u8(&w, 0);
	is_int(msg_put(&x.mb, 5, 6, 7, marked('y'), &w), -1, "over MSG_MAX");
	ok(x.mb.out.len == 0 && TAILQ_EMPTY(&x.mb.out_fds), "nothing queued");
	wbuf_clear(&w);
	w.failed = true;
	is_int(msg_put(&x.mb, 5, 6, 7, marked('z'), &w), -1, "failed body");
	ok(x.mb.out.len == 0 && TAILQ_EMPTY(&x.mb.out_fds), "nothing queued");
	end();
}

/* What is wrong, and how many messages are handed on before. */
static const struct {
	const char	*what;
	uint32_t	 len;
	uint16_t	 type, flags;
	const char	*payload;
	size_t		 nfds;		/* sent with the frame */
	int		 want;
} bad[] = {
	{ "well", 1, 1, 0, "a", 0, MSG_READ_AGAIN },
	{ "well, with fd", 1, 1, FRAME_FD, "a", 1, MSG_READ_AGAIN },
	{ "waits for its rest", 2, 1, FRAME_FD, "a", 1, MSG_READ_AGAIN },
	{ "too long", MSG_FRAME_MAX + 1, 1, 0, "a", 0, MSG_READ_BAD },
	{ "far too long", UINT32_MAX, 1, 0, "a", 0, MSG_READ_BAD },
	{ "unknown flag", 1, 1, 0x04, "a", 0, MSG_READ_BAD },
	{ "unknown flags", 1, 1, 0x8001, "a", 1, MSG_READ_BAD },
	{ "type 0", 1, 0, 0, "a", 0, MSG_READ_BAD },
	{ "type 0 with more", 1, 0, FRAME_MORE, "a", 0, MSG_READ_BAD },
	{ "fd missing", 1, 1, FRAME_FD, "a", 0, MSG_READ_BAD },
	{ "fd stray", 1, 1, 0, "a", 1, MSG_READ_BAD },
	{ "one fd too many", 1, 1, FRAME_FD, "a", 2, MSG_READ_BAD },
	{ "two for a frame to come", 2, 1, FRAME_FD, "a", 2, MSG_READ_BAD },
	{ "more than we have room for", 1, 1, FRAME_FD, "a", 8, MSG_READ_BAD }
};

static void
test_bad(void)
{
	uint8_t	 in[64];
	size_t	 i, n, k;
	int	 fds[8];

	for (i = 0; i < nitems(bad); i++) {
		begin();
		for (k = 0; k < bad[i].nfds; k++)
			fds[k] = marked('q');
		n = frame(in, bad[i].len, bad[i].type, bad[i].flags, 1, 2,
		    bad[i].payload);
		push(in, n, fds, bad[i].nfds);
		is_int(drain(), bad[i].want, "%s", bad[i].what);
		for (k = 0; k < bad[i].nfds; k++)
			(void)close(fds[k]);
		end();
	}
}

/* Two frames that do not fit each other. */
static void
bad_pair(const char *what, size_t n1, size_t n2, const uint8_t *in, bool fd1,
    bool fd2)
{
	int	fd = marked('p');

	begin();
	push(in, n1, &fd, fd1);
	push(in + n1, n2, &fd, fd2);
	is_int(drain(), MSG_READ_BAD, "%s", what);
	(void)close(fd);
	end();
}

static void
test_more(void)
{
	static uint8_t	 big[MSG_HEADER + MSG_FRAME_MAX];
	uint8_t		 in[256];
	size_t		 a, b, i, sent;
	ssize_t		 n;

	a = frame(in, 1, 1, FRAME_MORE, 1, 2, "a");
	b = frame(in + a, 1, 2, 0, 1, 2, "b");
	bad_pair("another type between", a, b, in, false, false);
	b = frame(in + a, 1, 1, 0, 3, 2, "b");
	bad_pair("another session between", a, b, in, false, false);
	b = frame(in + a, 1, 1, 0, 1, 3, "b");
	bad_pair("another sequence number", a, b, in, false, false);
	b = frame(in + a, 1, 1, FRAME_FD, 1, 2, "b");
	bad_pair("a descriptor late", a, b, in, false, true);
	a = frame(in, 1, 1, FRAME_MORE | FRAME_FD, 1, 2, "a");
	b = frame(in + a, 1, 1, FRAME_FD, 1, 2, "b");
	bad_pair("a second descriptor", a, b, in, true, true);

	/* Without end. */
	begin();
	(void)frame(big, MSG_FRAME_MAX, 1, FRAME_MORE, 1, 2, "");
	for (i = 0; i <= MSG_MAX / MSG_FRAME_MAX; i++)
		for (sent = 0; sent < sizeof(big); sent += (size_t)n) {
			n = send(x.other, big + sent, sizeof(big) - sent,
			    MSG_NOSIGNAL);
			if (n == -1)
				n = 0;
			if (drain() == MSG_READ_BAD)
				goto over;
		}
over:
	ok(i == MSG_MAX / MSG_FRAME_MAX && x.log[0] == '\0',
	    "over MSG_MAX in %zu frames", i);
	end();
}

/*
 * One descriptor a frame is all that may pile up: a frame that never gets
 * whole, with a descriptor to each octet, ends at the second.
 */
static void
test_flood(void)
{
	uint8_t	in[64];
	size_t	n, i;
	int	fd = marked('f');

	begin();
	n = frame(in, MSG_FRAME_MAX, 1, FRAME_FD, 1, 2, "some octets");
	for (i = 0; i < n; i++) {
		push(in + i, 1, &fd, 1);
		if (drain() == MSG_READ_BAD)
			break;
	}
	is_int((long long)i, 1, "the second descriptor is one too many");
	(void)close(fd);
	end();
}

static void
test_handler(void)
{
	uint8_t	 in[128];
	size_t	 n, way;

	n = frame(in, 1, 1, 0, 1, 2, "a");
	n += frame(in + n, 1, 2, 0, 1, 2, "b");
	begin();
	x.verdict = -1;
	push(in, n, NULL, 0);
	is_int(drain(), MSG_READ_BAD, "the handler says no");
	is_str(x.log, "1/1/2 a;", "nothing is handed on behind it");
	end();
	/* It closes the end that it is called from, with octets kept. */
	for (way = 0; way < 2; way++) {
		begin();
		x.close = true;
		if (way == 1) {
			push(in, 5, NULL, 0);
			is_int(drain(), MSG_READ_AGAIN, "a beginning");
			push(in + 5, n - 5, NULL, 0);
		} else
			push(in, n, NULL, 0);
		is_int(msg_read(&x.mb, take, NULL), MSG_READ_OK, "closed");
		is_str(x.log, "1/1/2 a;", "that was all");
		end();
	}
}

static void
test_gone(void)
{
	struct wbuf	w = { 0 };

	begin();
	(void)close(x.other);
	x.other = -1;
	put_u32(&w, 1);
	is_int(msg_put(&x.mb, 1, 0, 0, marked('g'), &w), 0, "put");
	wbuf_clear(&w);
	is_int(msg_flush(&x.mb), -1, "nobody there");
	is_int(drain(), MSG_READ_EOF, "nor to read from");
	end();
}

int
main(void)
{
	size_t	before = open_fds();

	test_splits();
	test_fds();
	test_large();
	test_bad();
	test_more();
	test_flood();
	test_handler();
	test_gone();
	ok(before > 3, "descriptors can be counted");
	is_int((long long)open_fds(), (long long)before, "no descriptor leaks");
	return done("t_msg");
}
