/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Streams: what is told, in which order, and what it costs in memory.  What
 * can be asked of both is asked in clear text and over TLS.
 */

#include <errno.h>
#include <tls.h>

#include "t_net.h"
#include "tlsctx.h"

#define BIG	(8 * 1024 * 1024)

/* What an end does with IO_DATA. */
enum how {
	TAKE,			/* consume all */
	LEAVE,			/* nothing */
	LINES,			/* whole lines only */
	PAUSE,			/* nothing, and pause */
	HOLD,			/* take a line, pause, resume */
	CLOSE			/* close and free */
};

struct end {
	struct io	 io;
	enum how	 how;
	char		 events[64];	/* D T t d E F, in order */
	char		 got[1024];	/* the first octets taken */
	size_t		 n;		/* of all taken */
	size_t		 seen;		/* of the last IO_DATA */
	uint32_t	 sum;
	bool		 inside;	/* in the callback */
	size_t		 to_send;	/* BIG: feed on IO_DRAINED */
	size_t		 most;		/* the most that was queued */
};

static struct tls		*server;
static struct tlsctx_remote	*remote;
static struct t_cert		 cert;

static void
note(struct end *e, char c)
{
	size_t	 n = strlen(e->events);

	if (n + 1 < sizeof(e->events) && (c != 'D' || n < 40)) {
		e->events[n] = c;
		e->events[n + 1] = '\0';
	}
}

static uint32_t
mix(uint32_t sum, const char *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)p[i];
	return sum;
}

static void
take(struct end *e, const char *p, size_t n)
{
	size_t	 room = e->n < sizeof(e->got) - 1 ?
	    sizeof(e->got) - 1 - e->n : 0;

	memcpy(e->got + (room > 0 ? e->n : 0), p, n < room ? n : room);
	e->sum = mix(e->sum, p, n);
	e->n += n;
	io_consume(&e->io, n);
}

/* Send what is left of a large amount, as long as the stream lets us. */
static void
feed(struct end *e)
{
	static char	 chunk[48 * 1024];
	size_t		 i, n;

	while (e->to_send > 0 && !io_is_full(&e->io)) {
		n = e->to_send < sizeof(chunk) ? e->to_send : sizeof(chunk);
		for (i = 0; i < n; i++)
			chunk[i] = (e->to_send - i) % 251;
		e->sum = mix(e->sum, chunk, n);
		ok(io_write(&e->io, chunk, n) == 0, "write a chunk");
		e->to_send -= n;
		if (io_queued(&e->io) > e->most)
			e->most = io_queued(&e->io);
	}
}

static void
on_data(struct end *e)
{
	const char	*p, *lf;
	size_t		 n;

	p = io_data(&e->io, &n);
	e->seen = n;
	switch (e->how) {
	case TAKE:
		take(e, p, n);
		break;
	case LEAVE:
		break;
	case LINES:
		while ((p = io_data(&e->io, &n)) != NULL &&
		    (lf = memchr(p, '\n', n)) != NULL)
			take(e, p, lf + 1 - p);
		break;
	case PAUSE:
		io_pause(&e->io);
		break;
	case HOLD:
		io_pause(&e->io);
		if ((lf = memchr(p, '\n', n)) != NULL)
			take(e, p, lf + 1 - p);
		io_resume(&e->io);
		break;
	case CLOSE:
		io_close(&e->io);
		/* the view stays until we return */
		ok(memcmp(p, "hello", 5) == 0, "view behind io_close");
		free(e);
		break;
	}
}

static void
on_event(struct io *io, enum io_event ev)
{
	struct end	*e = io->arg;
	bool		 gone = ev == IO_DATA && e->how == CLOSE;

	ok(!e->inside, "a callback inside a callback");
	e->inside = true;
	note(e, "DTtdEF"[ev]);
	if (ev == IO_DATA)
		on_data(e);
	else if (ev == IO_DRAINED)
		feed(e);
	if (!gone)
		e->inside = false;
}

static void
end_init(struct end *e, int fd, enum how how)
{
	memset(e, 0, sizeof(*e));
	e->how = how;
	io_init(&e->io, fd, 4096, on_event, e);
	io_start(&e->io);
}

static void
secure(struct end *a, struct end *b)
{
	struct tls	*client = tlsctx_client(remote);

	ok(client != NULL, "client context");
	a->events[0] = b->events[0] = '\0';
	ok(io_tls_server(&a->io, server) == 0, "TLS server");
	ok(io_tls_client(&b->io, client, "a.test") == 0, "TLS client");
	ok(a->events[0] == '\0' && b->events[0] == '\0', "told too early");
	until(strchr(a->events, 'T') != NULL && strchr(b->events, 'T') != NULL,
	    "handshake");
	a->events[0] = b->events[0] = '\0';
}

static void
ends(struct end *a, enum how how_a, struct end *b, enum how how_b, bool tls)
{
	int	 fd[2];

	t_pair(fd);
	end_init(a, fd[0], how_a);
	end_init(b, fd[1], how_b);
	if (tls)
		secure(a, b);
}

static void
say(struct end *e, const char *text)
{
	ok(io_write(&e->io, text, strlen(text)) == 0, "write");
}

static void
stop(struct end *a, struct end *b)
{
	io_close(&a->io);
	io_close(&b->io);
}

/* --- both in clear text and over TLS ------------------------------------- */

static void
test_talk(bool tls)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, tls);
	say(&b, "hel");
	say(&b, "lo");
	ok(io_queued(&b.io) == 5, "gathered");
	until(a.n == 5, "greeting");
	is_str(a.got, "hello", "octets");
	is_str(a.events, "D", "one write, one event");
	say(&a, "world");
	until(b.n == 5, "answer");
	is_str(b.got, "world", "octets");
	is_int(a.io.octets_in, 5, "octets in");
	is_int(a.io.octets_out, 5, "octets out");
	t_settle();
	ok(a.io.in.data == NULL && a.io.out.data == NULL &&
	    b.io.in.data == NULL && b.io.out.data == NULL,
	    "an idle stream holds a buffer");
	io_close(&b.io);
	until(strchr(a.events, 'E') != NULL, "end");
	is_str(a.events, "DE", "no event but the end");
	say(&a, "into the void");
	stop(&a, &b);
}

/* What was written as a secret stays one until it has left. */
static void
test_secret(bool tls)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, tls);
	ok(!b.io.out.secret, "no secret");
	io_secret(&b.io, true);
	say(&b, "hunter2");
	io_secret(&b.io, false);
	ok(b.io.out.secret, "queued, and still one");
	until(a.n == 7, "secret");
	io_secret(&b.io, false);
	ok(!b.io.out.secret, "no secret any more");
	stop(&a, &b);
}

static void
test_leftover(bool tls)
{
	struct end	 a, b;

	ends(&a, LINES, &b, TAKE, tls);
	say(&b, "one\ntw");
	until(a.n == 4, "first line");
	ok(io_has_input(&a.io), "leftover");
	say(&b, "o\nthree");
	until(a.n == 8, "second line");
	is_str(a.got, "one\ntwo\n", "lines");
	is_int(a.seen, 9, "leftover and new in one view");
	io_close(&b.io);
	until(strchr(a.events, 'E') != NULL, "end");
	is_str(a.events, "DDE", "leftover is not told again at the end");
	stop(&a, &b);
}

static void
test_pause(bool tls)
{
	struct end	 a, b;
	size_t		 n;

	ends(&a, PAUSE, &b, TAKE, tls);
	say(&b, "one");
	until(a.events[0] != '\0', "first");
	ok(io_is_paused(&a.io), "paused");
	say(&b, "two");
	t_settle();
	is_str(a.events, "D", "nothing in a pause");
	a.how = LEAVE;
	io_resume(&a.io);
	is_str(a.events, "D", "nothing from inside io_resume");
	until(a.seen == 6, "all after the pause");
	(void)io_data(&a.io, &n);
	is_int(n, 6, "looked at outside of the callback");
	io_consume(&a.io, 5);
	a.how = TAKE;
	/* a pause without input costs nothing and brings nothing */
	io_pause(&a.io);
	io_resume(&a.io);
	until(a.n == 1, "the rest");
	is_str(a.got, "o", "the rest");
	a.events[0] = '\0';
	io_pause(&a.io);
	io_resume(&a.io);
	t_settle();
	is_str(a.events, "", "resumed with nothing to show");
	stop(&a, &b);
}

/* One line a turn, pausing for each: the pattern of a session. */
static void
test_hold(bool tls)
{
	struct end	 a, b;

	ends(&a, HOLD, &b, TAKE, tls);
	say(&b, "1\n2\n3\n4\n5\nrest");
	io_flush(&b.io);
	io_close(&b.io);
	until(strchr(a.events, 'E') != NULL, "end");
	is_str(a.got, "1\n2\n3\n4\n5\n", "lines");
	is_int(a.seen, 4, "rest");
	is_int(strcspn(a.events, "E"), strlen(a.events) - 1, "the end is last");
	stop(&a, &b);
}

static void
test_end_in_pause(bool tls)
{
	struct end	 a, b;

	ends(&a, PAUSE, &b, TAKE, tls);
	say(&b, "one");
	until(a.events[0] != '\0', "first");
	say(&b, "two");
	io_close(&b.io);
	t_settle();
	is_str(a.events, "D", "the end in a pause is not told");
	/* it is read now, and the pause begins anew */
	io_resume(&a.io);
	t_settle();
	io_resume(&a.io);
	t_settle();
	is_str(a.events, "DDD", "nor in one that begins when it is read");
	a.how = TAKE;
	io_resume(&a.io);
	until(strchr(a.events, 'E') != NULL, "end");
	is_str(a.got, "onetwo", "data first");
	is_int(strcspn(a.events, "E"), strlen(a.events) - 1, "then the end");
	stop(&a, &b);
}

static void
test_big(bool tls)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, tls);
	a.to_send = BIG;
	io_pause(&b.io);
	feed(&a);
	t_settle();
	ok(io_is_full(&a.io), "full while nobody reads");
	ok(a.to_send > 0, "not all was taken");
	io_resume(&b.io);
	until(b.n == BIG, "all came");
	ok(a.sum == b.sum, "the same octets");
	ok(a.most <= IO_HIGH + 48 * 1024, "%zu were queued", a.most);
	until(io_queued(&a.io) == 0, "drained");
	ok(a.io.out.data == NULL, "and freed");
	stop(&a, &b);
}

static void
test_overflow(bool tls)
{
	static char	 all[IO_OUT_MAX + 1];
	struct end	 a, b;
	size_t		 n;

	ends(&a, TAKE, &b, PAUSE, tls);
	ok(io_write(&a.io, all, sizeof(all)) == -1 && errno == ENOBUFS,
	    "too much at once");
	is_int(io_queued(&a.io), 0, "nothing was added");
	while (io_write(&a.io, all, IO_OUT_MAX / 2) == 0)
		continue;
	n = io_queued(&a.io);
	ok(errno == ENOBUFS && n > IO_OUT_MAX / 2 && n <= IO_OUT_MAX,
	    "queued up to the maximum");
	stop(&a, &b);
}

static void
test_stuck(bool tls)
{
	char		 many[5000];
	struct end	 a, b;

	ends(&a, LEAVE, &b, TAKE, tls);
	memset(many, 'x', sizeof(many));
	ok(io_write(&b.io, many, sizeof(many)) == 0, "write");
	until(strchr(a.events, 'F') != NULL, "failed");
	is_str(io_error(&a.io), "input too long", "reason");
	stop(&a, &b);
	is_int(a.io.fd, -1, "closed");
}

static void
test_close_inside(bool tls)
{
	struct end	*a, b;
	int		 fd[2];

	t_pair(fd);
	a = malloc(sizeof(*a));
	ok(a != NULL, "memory");
	end_init(a, fd[0], CLOSE);
	end_init(&b, fd[1], TAKE);
	if (tls)
		secure(a, &b);
	say(a, "goodbye");
	say(&b, "hello");
	until(strchr(b.events, 'E') != NULL, "end");
	is_str(b.got, "goodbye", "what was queued came before the end");
	io_close(&b.io);
}

/* The same where the view lies in the stream's own buffer. */
static void
test_close_leftover(bool tls)
{
	struct end	*a, b;
	int		 fd[2];

	t_pair(fd);
	a = malloc(sizeof(*a));
	ok(a != NULL, "memory");
	end_init(a, fd[0], LEAVE);
	end_init(&b, fd[1], TAKE);
	if (tls)
		secure(a, &b);
	say(&b, "hel");
	until(a->seen == 3, "first part");
	a->how = CLOSE;
	say(&b, "lo");
	until(strchr(b.events, 'E') != NULL, "end");
	io_close(&b.io);
}

static void
test_close_sends(bool tls)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, tls);
	say(&a, "last words");
	io_close(&a.io);
	io_close(&a.io);
	until(strchr(b.events, 'E') != NULL, "end");
	is_str(b.got, "last words", "sent at the end");
	io_close(&b.io);

	ends(&a, TAKE, &b, TAKE, tls);
	say(&a, "taken back");
	io_drop(&a.io);
	io_close(&a.io);
	until(strchr(b.events, 'E') != NULL, "end");
	is_int(b.n, 0, "dropped");
	io_close(&b.io);
	ok(io_write(&b.io, "x", 1) == -1 && errno == EPIPE, "closed");
}

/* --- of one kind only ---------------------------------------------------- */

static void
test_half_closed(void)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, false);
	say(&b, "question");
	io_flush(&b.io);
	(void)shutdown(b.io.fd, SHUT_WR);
	until(strchr(a.events, 'E') != NULL, "end");
	is_str(a.got, "question", "question");
	say(&a, "answer");
	until(b.n == 6, "answer to a half-closed one");
	t_settle();
	is_str(a.events, "DE", "the end is told once");
	stop(&a, &b);
}

static void
test_reset(void)
{
	struct end	 a, b;
	int		 fd[2];

	t_tcp_pair(fd);
	end_init(&a, fd[0], TAKE);
	end_init(&b, fd[1], TAKE);
	say(&b, "never sent");
	io_reset(&b.io);
	until(strchr(a.events, 'F') != NULL, "lost");
	is_str(io_error(&a.io), "connection reset", "reason");
	is_int(a.n, 0, "nothing was sent");
	ok(io_write(&a.io, "x", 1) == -1 && errno == EPIPE, "broken");
	t_settle();
	is_str(a.events, "F", "told once");
	stop(&a, &b);
}

/* A loss that a write finds is told from the loop, also in a pause. */
static void
test_write_fails(void)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, false);
	io_pause(&a.io);
	io_close(&b.io);
	say(&a, "x");
	io_flush(&a.io);
	is_str(a.events, "", "not from inside io_flush");
	until(strchr(a.events, 'F') != NULL, "lost");
	stop(&a, &b);
}

static void
test_starttls(void)
{
	struct end	 a, b;

	ends(&a, LEAVE, &b, TAKE, false);
	say(&b, "injected");
	until(a.seen == 8, "clear text");
	secure(&a, &b);
	ok(!io_has_input(&a.io), "clear text is forgotten");
	a.how = TAKE;
	say(&b, "secret");
	until(a.n == 6, "over TLS");
	is_str(a.got, "secret", "only what came over TLS");
	stop(&a, &b);
}

/* What is written in a handshake waits for its end. */
static void
test_early_write(void)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, false);
	ok(io_tls_server(&a.io, server) == 0 && io_tls_client(&b.io,
	    tlsctx_client(remote), NULL) == 0, "begin");
	say(&a, "banner");
	until(b.n == 6, "banner");
	is_str(b.events, "TD", "TLS first");
	stop(&a, &b);
}

static void
test_tls_junk(void)
{
	struct end	 a, b;

	ends(&a, TAKE, &b, TAKE, false);
	ok(io_tls_server(&a.io, server) == 0, "begin");
	say(&b, "EHLO this is no handshake\r\n");
	until(a.events[0] != '\0', "failed");
	is_str(a.events, "t", "handshake failed");
	ok(strlen(io_error(&a.io)) > 0, "reason");
	t_settle();
	is_str(a.events, "t", "told once");
	stop(&a, &b);

	ends(&a, TAKE, &b, TAKE, false);
	ok(io_tls_server(&a.io, server) == 0, "begin");
	io_close(&b.io);
	until(a.events[0] != '\0', "failed");
	is_str(a.events, "t", "closed in the handshake");
	stop(&a, &b);
}

/* An end without goodbye is an end; junk behind the handshake is not. */
static void
test_tls_cut(void)
{
	struct end	 a, b;
	static const char junk[] = "no record at all";

	ends(&a, TAKE, &b, TAKE, true);
	say(&b, "data");
	io_flush(&b.io);
	(void)shutdown(b.io.fd, SHUT_RDWR);
	until(strchr(a.events, 'E') != NULL, "end");
	is_str(a.events, "DE", "no error");
	stop(&a, &b);

	ends(&a, TAKE, &b, TAKE, true);
	ok(write(b.io.fd, junk, sizeof(junk)) == sizeof(junk), "junk");
	until(strchr(a.events, 'F') != NULL, "failed");
	ok(strlen(io_error(&a.io)) > 0, "reason");
	stop(&a, &b);
}

/* Many records at once: each is told, though the socket is read empty. */
static void
test_tls_records(void)
{
	struct end	 a, b;
	int		 i;

	ends(&a, TAKE, &b, TAKE, true);
	io_pause(&a.io);
	for (i = 0; i < 50; i++) {
		say(&b, "record ");
		io_flush(&b.io);
	}
	io_resume(&a.io);
	until(a.n == 50 * 7, "all records");
	stop(&a, &b);
}

static void
setup(void)
{
	static char		 name[] = "default";
	struct conf_cert	 c = { .obj.name = name };
	struct conf_obj		*objs[] = { &c.obj };
	struct conf_tls		 tls = { .certs.v = objs, .certs.n = 1 };
	struct conf_remote	 r;
	char			 why[256] = "";

	tlsctx_prepare();
	t_cert_make(&cert, "a.test", "DNS:a.test", NULL, 1);
	c.cert = t_pem(cert.cert_pem);
	c.key = t_pem(cert.key_pem);
	server = tlsctx_server(&tls, why, sizeof(why));
	ok(server != NULL, "server context: %s", why);
	memset(&r, 0, sizeof(r));
	r.tls.mode = RTLS_REQUIRED;
	remote = tlsctx_remote_new(&r, why, sizeof(why));
	ok(remote != NULL, "client context: %s", why);
}

int
main(void)
{
	static void	(*const tests[])(bool) = {
		test_talk, test_secret, test_leftover, test_pause, test_hold,
		test_end_in_pause, test_big, test_overflow, test_stuck,
		test_close_inside, test_close_leftover, test_close_sends
	};
	static void	(*const others[])(void) = {
		test_half_closed, test_reset, test_write_fails, test_starttls,
		test_early_write, test_tls_junk, test_tls_cut, test_tls_records
	};
	size_t		 i;

	t_net_init();
	setup();
	for (i = 0; i < nitems(tests); i++) {
		tests[i](false);
		tests[i](true);
	}
	for (i = 0; i < nitems(others); i++)
		others[i]();
	tls_free(server);
	tlsctx_remote_free(remote);
	t_cert_free(&cert);
	return done("io");
}
