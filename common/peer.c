/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A pipe end on the event loop: see peer.h.
 *
 * Sending only queues: a turn's messages to one peer leave in one write.
 * When a write finds the other end gone, nothing is done but to stop: the
 * read event tells it, from the loop, where nobody holds a pointer into
 * what lost() may free.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <event.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "peer.h"

static TAILQ_HEAD(, peer)	dirty = TAILQ_HEAD_INITIALIZER(dirty);

static int
dispatch(void *arg, struct msg *m)
{
	struct peer			*p = arg;
	const struct peer_handler	*h;

	if (!msg_allowed(m->type, p->role, p->self)) {
		log_warnx("%s/%u sent message %u, which it may not",
		    role_name(p->role), p->index, m->type);
		return -1;
	}
	for (h = p->handlers; h->type != 0; h++)
		if (h->type == m->type)
			break;
	if (h->type == 0 || h->fn(p, m) == -1) {
		log_warnx("%s/%u sent a bad %s", role_name(p->role), p->index,
		    msg_name(m->type));
		return -1;
	}
	return 0;
}

static void
peer_read(int fd, short events, void *arg)
{
	struct peer	*p = arg;
	bool		 broken = false;

	(void)fd;
	(void)events;
	switch (msg_read(&p->mb, dispatch, p)) {
	case MSG_READ_OK:
	case MSG_READ_AGAIN:
		return;
	case MSG_READ_EOF:
		break;
	case MSG_READ_BAD:
		broken = true;
		break;
	}
	if (p->dead)
		return;
	peer_close(p);
	p->lost(p, broken);
}

static void
peer_flush(struct peer *p)
{
	if (msg_flush(&p->mb) == 0)
		(void)event_add(&p->wev, NULL);
}

static void
peer_writable(int fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	peer_flush(arg);
}

void
peer_init(struct peer *p, int fd, unsigned int self, unsigned int role,
    unsigned int index, const struct peer_handler *handlers,
    void (*lost)(struct peer *, bool))
{
	memset(p, 0, sizeof(*p));
	p->self = self;
	p->role = role;
	p->index = index;
	p->handlers = handlers;
	p->lost = lost;
	msgbuf_init(&p->mb, fd);
	event_set(&p->rev, fd, EV_READ | EV_PERSIST, peer_read, p);
	event_set(&p->wev, fd, EV_WRITE, peer_writable, p);
	(void)event_add(&p->rev, NULL);
}

void
peer_close(struct peer *p)
{
	if (p->dead)
		return;
	p->dead = true;
	if (p->is_dirty) {
		TAILQ_REMOVE(&dirty, p, dirty);
		p->is_dirty = false;
	}
	(void)event_del(&p->rev);
	(void)event_del(&p->wev);
	msgbuf_clear(&p->mb);
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	if (p->dead) {
		if (fd != -1)
			(void)close(fd);
	} else if (msg_put(&p->mb, type, sid, seq, fd, body) == -1) {
		/*
		 * Never half a conversation: without memory for a message
		 * the pipe is no longer to be trusted.  Its end is seen by
		 * both sides.
		 */
		log_warn("%s to %s/%u", msg_name(type), role_name(p->role),
		    p->index);
		(void)shutdown(p->mb.fd, SHUT_RDWR);
	} else if (!p->is_dirty) {
		p->is_dirty = true;
		TAILQ_INSERT_TAIL(&dirty, p, dirty);
	}
	if (body != NULL)
		wbuf_clear(body);
}

void
peer_flush_all(void)
{
	struct peer	*p;

	while ((p = TAILQ_FIRST(&dirty)) != NULL) {
		TAILQ_REMOVE(&dirty, p, dirty);
		p->is_dirty = false;
		peer_flush(p);
	}
}

void
peer_drain(struct peer *p, int ms)
{
	struct pollfd	pfd;

	while (!p->dead && msg_flush(&p->mb) == 0) {
		pfd.fd = p->mb.fd;
		pfd.events = POLLOUT;
		if (poll(&pfd, 1, ms) <= 0)
			return;
	}
}
