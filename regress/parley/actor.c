/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Connections: how they begin, where in the script they are, how their
 * octets leave, and how they end.
 *
 * An actor is what the talk declares; a connection plays its lines.  A
 * client has one at a time, a server one for everybody who connects.
 *
 * Invariants: a connection reads only while one of its lines wants to, so
 * an actor that does not listen is a peer that does not read.  Octets are
 * sent before any line that does not send is begun.  Writing never fails a
 * talk: whether the kernel still took the octets before the peer was gone
 * depends on how they were cut up, and the three ways must agree.  What
 * the peer said before it left is for the next line to judge.
 *
 * A script that ends half closes its connection and drops what still comes
 * in, because a close with octets unread is a reset, which may destroy what
 * we said last.  Who wants a reset writes so.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

#define NO_SLOT		SIZE_MAX
#define BULK_SMALL	512	/* octets of a message sent in small pieces */
#define BULK_CHUNK	1021
#define BULK_TAIL	64	/* and at its end, where the dot is */

struct actor *
actor_find(const char *name)
{
	struct actor	*a;

	TAILQ_FOREACH(a, &talk.actors, entry)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

/* --- where in the script ----------------------------------------------- */

static void
frame_begin(struct conn *c, struct block *body, int rounds, int argc,
    char **argv)
{
	struct frame	*f = &c->frames[c->depth++];

	f->body = body;
	f->next = TAILQ_FIRST(body);
	f->left = f->next == NULL ? 0 : rounds - 1;
	f->since = now_us();
	f->call = argv != NULL;
	f->argc = argc;
	f->argv = argv;
}

static void
frame_leave(struct conn *c)
{
	struct frame	*f = &c->frames[--c->depth];
	int		 i;

	for (i = 0; i < f->argc; i++)
		free(f->argv[i]);
	free(f->argv);
	memset(f, 0, sizeof(*f));
}

enum res
conn_enter(struct conn *c, const struct step *s, int rounds, int argc,
    char **argv)
{
	int	i;

	if (c->depth < FRAME_MAX) {
		frame_begin(c, s->body, rounds, argc, argv);
		return R_DONE;
	}
	for (i = 0; i < argc; i++)
		free(argv[i]);
	free(argv);
	fail(c, s->line, "nested too deeply");
	return R_FAIL;
}

/* The step to do now; NULL at the end of the script. */
static struct step *
conn_step(struct conn *c)
{
	struct frame	*f;

	while (c->depth > 0) {
		f = &c->frames[c->depth - 1];
		if (f->next == NULL && f->left > 0) {
			f->left--;
			f->next = TAILQ_FIRST(f->body);
		}
		if (f->next != NULL)
			return f->next;
		frame_leave(c);
	}
	return NULL;
}

/*
 * A server waits for the daemon, which waits for a client, so it waits
 * longer: when nothing happens, it is the client that should say so.
 */
int64_t
conn_limit(const struct conn *c)
{
	return c->since + (c->actor->server ? 2 : 1) * talk.deadline;
}

enum res
conn_wait(struct conn *c, short want)
{
	struct step	*s;
	char		*unread;
	int64_t		 limit = conn_limit(c);

	if (now_us() < limit) {
		c->want = want;
		c->until = limit;
		return R_WAIT;
	}
	s = conn_step(c);
	unread = escape(bytes_head(&c->in), bytes_len(&c->in));
	fail(c, s == NULL ? c->actor->line : s->line,
	    "timeout at: %s %s; unread: \"%s\"",
	    s == NULL ? "the end" : s->verb->word, s == NULL ? "" : s->arg,
	    unread);
	free(unread);
	return R_FAIL;
}

/* --- octets ------------------------------------------------------------ */

enum res
conn_fill(struct conn *c)
{
	ssize_t	n;

	if (c->eof)
		return R_DONE;
	n = conn_read(c, bytes_room(&c->in, 16384), 16384);
	if (n == -1)
		return conn_wait(c, c->want);
	if (n == 0)
		c->eof = true;
	c->in.n += n;
	c->since = now_us();
	return R_DONE;
}

/*
 * How many octets go into the next write.  A message is cut small where
 * its first and last lines are and coarsely, at an odd size, between.
 */
static size_t
chunk_size(const struct conn *c)
{
	size_t	n = bytes_len(&c->out), small = c->sent % 7 + 1;

	if (c->slow > 0)
		return n < c->slow ? n : c->slow;
	if (!talk.trickle)
		return n;
	if (!c->bulk)
		return 1;
	if (c->sent >= BULK_SMALL && n > BULK_TAIL + BULK_CHUNK)
		return BULK_CHUNK;
	if (c->sent >= BULK_SMALL && n > BULK_TAIL)
		return n - BULK_TAIL;
	return n < small ? n : small;
}

static void
out_drop(struct conn *c)
{
	bytes_take(&c->out, bytes_len(&c->out));
	c->chunk = c->sent = 0;
	c->bulk = false;
}

static enum res
conn_flush(struct conn *c)
{
	ssize_t	n;

	while (bytes_len(&c->out) > 0 && !c->broken) {
		if (c->paced > now_us()) {
			c->want = 0;
			c->until = c->paced;
			return R_WAIT;
		}
		if (c->chunk == 0)
			c->chunk = chunk_size(c);
		n = conn_write(c, bytes_head(&c->out), c->chunk);
		if (n == -1)
			return conn_wait(c, c->want);
		if (n == -2) {
			tracef(c, 0, "(the peer is gone)");
			c->broken = true;
			break;
		}
		c->chunk = 0;
		c->sent += n;
		bytes_take(&c->out, n);
		c->since = now_us();
		if (c->slow > 0)
			c->paced = c->since + c->gap;
		if (talk.trickle && bytes_len(&c->out) > 0)
			return conn_wait(c, POLLOUT);
	}
	out_drop(c);
	return R_DONE;
}

/* --- beginning and end ------------------------------------------------- */

struct conn *
conn_new(struct actor *a, int fd, struct block *body)
{
	struct conn	*c = xcalloc(1, sizeof(*c));
	int		 on = 1;

	c->actor = a;
	c->fd = fd;
	c->slot = NO_SLOT;
	c->number = ++a->connections;
	c->since = now_us();
	a->busy++;
	if (a->path == NULL)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	frame_begin(c, body, 1, 0, NULL);
	TAILQ_INSERT_TAIL(&talk.conns, c, entry);
	return c;
}

static void
conn_free(struct conn *c)
{
	int	i;

	TAILQ_REMOVE(&talk.conns, c, entry);
	if (c->state != CONN_LINGERING)
		c->actor->busy--;
	tls_drop(c);
	if (c->fd != -1)
		close(c->fd);
	while (c->depth > 0)
		frame_leave(c);
	for (i = 0; i < GROUP_MAX; i++)
		free(c->group[i]);
	bytes_free(&c->in);
	bytes_free(&c->out);
	bytes_free(&c->got);
	free(c);
}

void
conns_close(void)
{
	struct conn	*c;

	while ((c = TAILQ_FIRST(&talk.conns)) != NULL)
		conn_free(c);
}

void
conn_shut(struct conn *c)
{
	tls_end(c);
	if (c->fd != -1)
		shutdown(c->fd, SHUT_WR);
	c->broken = true;		/* nothing can be sent any more */
}

static void
conn_linger(struct conn *c)
{
	tracef(c, 0, "end of the script");
	conn_shut(c);
	c->state = CONN_LINGERING;
	c->want = POLLIN;
	c->until = 0;
	c->actor->busy--;
}

/* Drop what comes in after the script's end. */
static void
conn_drain(struct conn *c)
{
	char	buf[16384];
	ssize_t	n;

	n = c->fd == -1 ? 0 : recv(c->fd, buf, sizeof(buf), 0);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		c->tls_on = false;
		conn_free(c);
	}
}

void
conn_talk(struct conn *c)
{
	struct step	*s;
	int		 top;

	for (;;) {
		s = conn_step(c);
		if (bytes_len(&c->out) > 0 && (!talk.glue || s == NULL ||
		    (s->verb->flags & V_SENDS) == 0)) {
			if (conn_flush(c) != R_DONE)
				return;
		}
		if (s == NULL) {
			conn_linger(c);
			return;
		}
		top = c->depth - 1;
		if (s->verb->act(c, s) != R_DONE)
			return;
		c->frames[top].next = TAILQ_NEXT(s, entry);
		c->begun = false;
		bytes_free(&c->got);
		c->since = now_us();
	}
}

static void
conn_connected(struct conn *c)
{
	int		error = 0;
	socklen_t	len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0) {
		fail(c, c->actor->line, "connect: %s", strerror(error));
		return;
	}
	tracef(c, 0, "connected");
	c->state = CONN_TALKING;
	c->since = now_us();
	conn_talk(c);
}

static void
conn_run(struct conn *c)
{
	c->kick = false;
	c->want = 0;
	c->until = 0;
	switch (c->state) {
	case CONN_CONNECTING:
		conn_connected(c);
		break;
	case CONN_TALKING:
		conn_talk(c);
		break;
	case CONN_LINGERING:
		c->want = POLLIN;
		conn_drain(c);
		break;
	}
}

/* --- the loop's side --------------------------------------------------- */

void
actors_poll(struct pollset *ps)
{
	struct actor	*a;
	struct conn	*c;

	TAILQ_FOREACH(a, &talk.actors, entry)
		a->slot = a->fd == -1 ? NO_SLOT :
		    pollset_add(ps, a->fd, POLLIN);
	TAILQ_FOREACH(c, &talk.conns, entry) {
		c->slot = c->want == 0 || c->fd == -1 ? NO_SLOT :
		    pollset_add(ps, c->fd, c->want);
		if (c->until != 0)
			pollset_until(ps, c->until);
		if (c->kick || c->fd == -1)
			pollset_until(ps, 1);
	}
}

void
actors_ready(const struct pollset *ps)
{
	struct actor	*a;
	struct conn	*c, *next;
	int64_t		 now = now_us();

	TAILQ_FOREACH_SAFE(c, &talk.conns, entry, next) {
		if (talk.failures > 0)
			return;
		if (c->kick || c->fd == -1 ||
		    (c->until != 0 && now >= c->until) ||
		    (c->slot != NO_SLOT && ps->fds[c->slot].revents != 0))
			conn_run(c);
	}
	TAILQ_FOREACH(a, &talk.actors, entry)
		if (a->slot != NO_SLOT && ps->fds[a->slot].revents != 0 &&
		    talk.failures == 0)
			actor_accept(a);
}

bool
actors_busy(void *arg)
{
	struct actor	*a;

	(void)arg;
	TAILQ_FOREACH(a, &talk.actors, entry)
		if (a->busy > 0)
			return true;
	return false;
}
