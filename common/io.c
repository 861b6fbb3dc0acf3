/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Nonblocking streams: see io.h.
 *
 * Re-entry: the owner's callback is called by on_event() and what that
 * calls, and by nobody else.  What an owner's call finds out (an error, room
 * for output, input to show again) is noted in the flags and on_event() is
 * made to run by event_active(3): see io_wake().  So no callback is ever inside
 * another one, and "current" needs to remember only one stream: io_close()
 * clears it, and whoever called the callback touches the struct only if it
 * is still there.
 *
 * System calls: the read event is added once and stays; a pause takes it
 * away only if input comes meanwhile, and the write event exists only
 * while the socket has refused output.  A plain stream is read once per
 * event: what is left in the socket raises the event again (it is
 * level-triggered), so nothing is read just to see EAGAIN.
 *
 * Copies: input is looked at where it was read; only leftovers are kept.
 * Output of half a chunk and more goes to the socket from where it lies,
 * behind what is queued, in one sendmsg(2).
 *
 * Considered and rejected: evbuffers and bufferevents (a list of chunks and
 * several hundred octets per idle stream, and libtls does not fit them);
 * timeouts in here (they belong to the protocol: a deadline is for a whole
 * reply, not for an octet).
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io_private.h"

static TAILQ_HEAD(, io)	 dirty = TAILQ_HEAD_INITIALIZER(dirty);
static char		 shared[IO_CHUNK];
static struct io	*current;	/* whose callback runs */
static struct buf	 corpse;	/* input closed while it was shown */

/* --- events -------------------------------------------------------------- */

void
io_wake(struct io *io)
{
	io->flags |= F_WOKEN;
	event_active(&io->rev, EV_TIMEOUT, 1);
}

void
io_read_off(struct io *io)
{
	if (has(io, F_READING))
		(void)event_del(&io->rev);
	io->flags &= ~F_READING;
	/* event_del(3) takes that away too */
	if (has(io, F_WOKEN))
		io_wake(io);
}

void
io_write_off(struct io *io)
{
	if (has(io, F_WRITING))
		(void)event_del(&io->wev);
	io->flags &= ~F_WRITING;
}

void
io_broken(struct io *io, const char *why)
{
	if (has(io, F_BROKEN))
		return;
	io->flags |= F_BROKEN;
	io->error = why;
	io_read_off(io);
	io_write_off(io);
	io_wake(io);
}

void
io_read_on(struct io *io)
{
	if (has(io, F_READING | F_EOF | F_BROKEN))
		return;
	if (event_add(&io->rev, NULL) == -1)
		io_broken(io, "cannot wait for input");
	else
		io->flags |= F_READING;
}

void
io_write_on(struct io *io)
{
	if (has(io, F_WRITING | F_BROKEN))
		return;
	if (event_add(&io->wev, NULL) == -1)
		io_broken(io, "cannot wait for output");
	else
		io->flags |= F_WRITING;
}

bool
io_tell(struct io *io, enum io_event ev)
{
	current = io;
	io->cb(io, ev);
	if (current != io)
		return false;
	current = NULL;
	return true;
}

static const char *
why(int error)
{
	switch (error) {
	case ECONNRESET:
		return "connection reset";
	case EPIPE:
		return "connection closed";
	case ETIMEDOUT:
		return "connection timed out";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "host unreachable";
	}
	return "input/output error";
}

/* --- input --------------------------------------------------------------- */

void
io_no_more(struct io *io)
{
	io->flags |= F_EOF;
	io_read_off(io);
}

static size_t
read_plain(struct io *io, char *p, size_t size)
{
	ssize_t	 n;

	n = recv(io->fd, p, size, 0);
	if (n > 0)
		return n;
	if (n == 0)
		io_no_more(io);
	else if (errno != EAGAIN && errno != EINTR)
		io_broken(io, why(errno));
	return 0;
}

/* Read.  Returns whether there is something to show. */
static bool
fill(struct io *io)
{
	size_t	 n;

	/* full: showing it once more makes it move, or end */
	if (io->in.len >= io->in_max)
		return true;
	n = io->tls != NULL ? io_tls_read(io, shared, sizeof(shared)) :
	    read_plain(io, shared, sizeof(shared));
	if (n == 0)
		return false;
	io->octets_in += n;
	if (io->in.len == 0) {
		io->view = shared;
		io->nview = n;
	} else if (buf_add(&io->in, shared, n) == -1) {
		io_broken(io, "no memory");
		return false;
	}
	return true;
}

/* Behind IO_DATA: keep what is left. */
static void
keep(struct io *io, size_t shown)
{
	bool	 stuck = io->nview == shown;

	io->flags &= ~F_SHOWING;
	if (has(io, F_FROM_IN))
		buf_drain(&io->in, io->in.len - io->nview);
	else if (buf_add(&io->in, io->view, io->nview) == -1)
		io_broken(io, "no memory");
	io->flags &= ~F_FROM_IN;
	io->view = NULL;
	io->nview = 0;
	if (has(io, F_PAUSED))
		return;
	/* paused and resumed in one: to show the same again is no use */
	if (stuck || io->in.len == 0)
		io->flags &= ~F_AGAIN;
	if (has(io, F_AGAIN))
		io_wake(io);
	else if (stuck && io->in.len >= io->in_max)
		io_broken(io, "input too long");
}

/* IO_DATA.  false: closed. */
static bool
show(struct io *io)
{
	size_t	 shown;

	buf_clear(&corpse);
	if (io->nview == 0) {
		io->flags |= F_FROM_IN;
		io->view = buf_data(&io->in);
		io->nview = io->in.len;
	}
	shown = io->nview;
	io->flags |= F_SHOWING;
	if (!io_tell(io, IO_DATA))
		return false;
	keep(io, shown);
	return true;
}

static void
input(struct io *io, short what)
{
	bool	 some = has(io, F_AGAIN) && io->in.len > 0;

	if (has(io, F_PAUSED)) {
		/* only now is it worth an epoll_ctl(2) */
		if ((what & EV_READ) != 0 && !has(io, F_WRITE_WAITS))
			io_read_off(io);
		return;
	}
	io->flags &= ~F_AGAIN;
	if ((what & EV_READ) != 0 && !has(io, F_EOF) && fill(io))
		some = true;
	if (some && !show(io))
		return;
	if ((io->flags & (F_EOF | F_EOF_TOLD | F_PAUSED | F_AGAIN)) == F_EOF) {
		io->flags |= F_EOF_TOLD;
		(void)io_tell(io, IO_EOF);
	}
}

/* --- output -------------------------------------------------------------- */

/* After writing: wait for room, or tell that there is. */
static void
settle(struct io *io)
{
	bool	 owed = false;

	if (has(io, F_BROKEN))
		return;
	if (io->out.len > IO_HIGH)
		io->flags |= F_FULL;
	else if (has(io, F_FULL) && io->out.len <= IO_LOW) {
		io->flags &= ~F_FULL;
		owed = true;
	}
	if (io->out.len == 0) {
		if (has(io, F_BLOCKED))
			owed = true;
		io->flags &= ~F_BLOCKED;
		if (!has(io, F_READ_WAITS))
			io_write_off(io);
	} else {
		io->flags |= F_BLOCKED;
		if (!has(io, F_WRITE_WAITS))
			io_write_on(io);
	}
	if (owed) {
		io->flags |= F_DRAINED;
		io_wake(io);
	}
}

/* Returns what the socket took of n octets at p behind those queued. */
static size_t
send_plain(struct io *io, const void *p, size_t n)
{
	struct iovec	 iov[2];
	struct msghdr	 msg = { .msg_iov = iov };
	size_t		 queued = io->out.len;
	ssize_t		 sent;

	if (queued > 0) {
		iov[msg.msg_iovlen].iov_base = buf_data(&io->out);
		iov[msg.msg_iovlen++].iov_len = queued;
	}
	if (n > 0) {
		/* iovec has no const; sendmsg does not write there */
		memcpy(&iov[msg.msg_iovlen].iov_base, &p, sizeof(p));
		iov[msg.msg_iovlen++].iov_len = n;
	}
	sent = sendmsg(io->fd, &msg, MSG_NOSIGNAL);
	if (sent == -1) {
		if (errno != EAGAIN && errno != EINTR)
			io_broken(io, why(errno));
		return 0;
	}
	io->octets_out += sent;
	if ((size_t)sent < queued) {
		buf_drain(&io->out, sent);
		return 0;
	}
	buf_drain(&io->out, queued);
	return sent - queued;
}

void
io_output(struct io *io)
{
	if (io->fd == -1 || has(io, F_BROKEN | F_HANDSHAKE))
		return;
	if (io->out.len > 0) {
		if (io->tls != NULL)
			io_tls_send(io);
		else
			(void)send_plain(io, NULL, 0);
	}
	settle(io);
}

/* Send p behind what is queued and queue what was not taken. */
static int
write_through(struct io *io, const char *p, size_t n)
{
	size_t	 sent;

	sent = send_plain(io, p, n);
	/* part of it may be gone already: without memory all is lost */
	if (!has(io, F_BROKEN) && buf_add(&io->out, p + sent, n - sent) == -1)
		io_broken(io, "no memory");
	settle(io);
	if (!has(io, F_BROKEN))
		return 0;
	errno = EPIPE;
	return -1;
}

int
io_write(struct io *io, const void *p, size_t n)
{
	bool	 much = io->out.len + n >= IO_CHUNK / 2;

	if (io->fd == -1 || has(io, F_BROKEN)) {
		errno = EPIPE;
		return -1;
	}
	if (n > IO_OUT_MAX - io->out.len) {
		errno = ENOBUFS;
		return -1;
	}
	if (much && io->tls == NULL && !has(io, F_BLOCKED))
		return write_through(io, p, n);
	if (buf_add(&io->out, p, n) == -1)
		return -1;
	if (io->out.len > IO_HIGH)
		io->flags |= F_FULL;
	if (much && !has(io, F_BLOCKED))
		io_output(io);
	else if (!has(io, F_DIRTY | F_BLOCKED) && n > 0) {
		TAILQ_INSERT_TAIL(&dirty, io, dirty);
		io->flags |= F_DIRTY;
	}
	return 0;
}

static void
clean(struct io *io)
{
	if (has(io, F_DIRTY))
		TAILQ_REMOVE(&dirty, io, dirty);
	io->flags &= ~F_DIRTY;
}

void
io_flush(struct io *io)
{
	clean(io);
	io_output(io);
}

void
io_secret(struct io *io, bool secret)
{
	io->out.secret = secret || (io->out.secret && io->out.len > 0);
}

void
io_flush_all(void)
{
	struct io	*io;

	while ((io = TAILQ_FIRST(&dirty)) != NULL)
		io_flush(io);
}

size_t
io_queued(const struct io *io)
{
	return io->out.len;
}

bool
io_is_full(const struct io *io)
{
	return has(io, F_FULL);
}

/* --- the loop ------------------------------------------------------------ */

/* Tell what is owed.  false: closed or lost, there is no more to do. */
static bool
report(struct io *io)
{
	if (has(io, F_DRAINED) && !has(io, F_BROKEN)) {
		io->flags &= ~F_DRAINED;
		if (!io_tell(io, IO_DRAINED))
			return false;
	}
	if (!has(io, F_BROKEN))
		return true;
	if (!has(io, F_BROKEN_TOLD)) {
		io->flags |= F_BROKEN_TOLD;
		(void)io_tell(io, IO_FAIL);
	}
	return false;
}

/* For both events, and for io_wake(). */
static void
on_event(int fd, short what, void *arg)
{
	struct io	*io = arg;

	(void)fd;
	io->flags &= ~F_WOKEN;
	if (has(io, F_HANDSHAKE)) {
		if (!has(io, F_BROKEN))
			io_tls_handshake(io);
		else
			(void)report(io);
		return;
	}
	if ((what & EV_WRITE) != 0 && has(io, F_READ_WAITS)) {
		io->flags &= ~F_READ_WAITS;
		io_read_on(io);
		what |= EV_READ;
	}
	if ((what & EV_WRITE) != 0 ||
	    ((what & EV_READ) != 0 && has(io, F_WRITE_WAITS)))
		io_output(io);
	if (report(io))
		input(io, what);
}

void
io_init(struct io *io, int fd, size_t in_max,
    void (*cb)(struct io *, enum io_event), void *arg)
{
	memset(io, 0, sizeof(*io));
	io->fd = fd;
	io->in_max = in_max;
	io->cb = cb;
	io->arg = arg;
	buf_init(&io->in, in_max + IO_CHUNK);
	buf_init(&io->out, IO_OUT_MAX);
	event_set(&io->rev, fd, EV_READ | EV_PERSIST, on_event, io);
	event_set(&io->wev, fd, EV_WRITE | EV_PERSIST, on_event, io);
}

void
io_start(struct io *io)
{
	io_read_on(io);
}

/* --- the end ------------------------------------------------------------- */

static void
end(struct io *io)
{
	clean(io);
	(void)event_del(&io->rev);
	(void)event_del(&io->wev);
	io_tls_free(io);
	(void)close(io->fd);
	io->fd = -1;
	if (has(io, F_SHOWING)) {
		/* the owner may still look at it: until the next IO_DATA */
		buf_clear(&corpse);
		corpse = io->in;
		buf_init(&io->in, io->in.max);
	}
	buf_clear(&io->in);
	buf_clear(&io->out);
	io->view = NULL;
	io->nview = 0;
	io->flags &= F_PAUSED | F_EOF;
	if (current == io)
		current = NULL;
}

void
io_close(struct io *io)
{
	if (io->fd == -1)
		return;
	io_output(io);
	io_tls_goodbye(io);
	end(io);
}

void
io_drop(struct io *io)
{
	clean(io);
	buf_clear(&io->out);
}

void
io_reset(struct io *io)
{
	struct linger	 now = { .l_onoff = 1, .l_linger = 0 };

	if (io->fd == -1)
		return;
	(void)setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	end(io);
}

const char *
io_error(const struct io *io)
{
	if (has(io, F_TLS_ERROR))
		return io_tls_error(io);
	return io->error != NULL ? io->error : "";
}

/* --- what the owner says about input ------------------------------------- */

void
io_pause(struct io *io)
{
	io->flags |= F_PAUSED;
}

void
io_resume(struct io *io)
{
	if (!has(io, F_PAUSED))
		return;
	io->flags &= ~F_PAUSED;
	if (io->fd == -1 || has(io, F_BROKEN))
		return;
	io_read_on(io);
	io->flags |= F_AGAIN;
	/* keep() looks after it when the callback is done */
	if (has(io, F_SHOWING))
		return;
	if (io->in.len > 0 || has(io, F_EOF))
		io_wake(io);
}

bool
io_is_paused(const struct io *io)
{
	return has(io, F_PAUSED);
}

const char *
io_data(const struct io *io, size_t *n)
{
	*n = has(io, F_SHOWING) ? io->nview : io->in.len;
	return has(io, F_SHOWING) ? io->view : buf_data(&io->in);
}

void
io_consume(struct io *io, size_t n)
{
	if (!has(io, F_SHOWING)) {
		buf_drain(&io->in, n);
		return;
	}
	if (n > io->nview)
		n = io->nview;
	io->view += n;
	io->nview -= n;
}

bool
io_has_input(const struct io *io)
{
	return (has(io, F_SHOWING) ? io->nview : io->in.len) > 0;
}
