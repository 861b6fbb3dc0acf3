/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * peer.c on the event loop: who may say what, what becomes of one that
 * breaks the rules, and that a pipe which is full stops nobody.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <event.h>
#include <fcntl.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "peer.h"
#include "t.h"

/* Two ends: a dialer's, and the one that an smtpd has of it. */
static struct {
	struct peer	 smtpd;		/* leads to the smtpd */
	struct peer	 dialer;	/* leads to the dialer */
	unsigned int	 asked, told;	/* messages that came through */
	unsigned int	 lost;
	bool		 broken;
	bool		 refuse;	/* the handler says -1 */
	bool		 close;		/* the handler closes its peer */
	uint64_t	 octets;
} x;

static int
on_request(struct peer *p, struct msg *m)
{
	struct proto_dial	d;

	if (get_dial(m, &d) == -1)
		return -1;
	x.asked++;
	ok(p->role == R_SMTPD && p->index == 2 && d.remote == 7 &&
	    m->sid == 11 && m->seq == 13, "as it was sent");
	if (x.close)
		peer_close(p);
	return x.refuse ? -1 : 0;
}

static int
on_error(struct peer *p, struct msg *m)
{
	(void)p;
	x.told++;
	x.octets += (size_t)(m->body.end - m->body.p);
	return 0;
}

static const struct peer_handler	dialer_handlers[] = {
	{ MSG_DIAL_REQ, on_request },
	{ 0, NULL }
};

static const struct peer_handler	smtpd_handlers[] = {
	{ MSG_DIAL_ERR, on_error },
	{ 0, NULL }
};

static void
on_lost(struct peer *p, bool broken)
{
	ok(p->dead, "it is closed when we are told");
	x.lost++;
	x.broken = broken;
}

static void
begin(void)
{
	int	pair[2];

	memset(&x, 0, sizeof(x));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    pair) == -1)
		abort();
	peer_init(&x.smtpd, pair[0], R_DIALER, R_SMTPD, 2, dialer_handlers,
	    on_lost);
	peer_init(&x.dialer, pair[1], R_SMTPD, R_DIALER, 0, smtpd_handlers,
	    on_lost);
}

static void
end(void)
{
	peer_close(&x.smtpd);
	peer_close(&x.dialer);
	peer_close(&x.dialer);
}

/* Turn the loop as long as something is left to do, but no longer. */
static void
turns(void)
{
	unsigned int	i;

	for (i = 0; i < 50; i++) {
		peer_flush_all();
		if (event_loop(EVLOOP_ONCE | EVLOOP_NONBLOCK) != 0)
			break;
		mono_turn();
	}
}

static void
ask(void)
{
	struct proto_dial	d = { .remote = 7 };
	struct wbuf		w = { 0 };

	put_dial(&w, &d);
	peer_send(&x.dialer, MSG_DIAL_REQ, 11, 13, -1, &w);
	ok(w.data == NULL, "the payload is taken");
}

static void
test_talk(void)
{
	begin();
	ask();
	ask();
	ok(x.asked == 0, "sending only queues");
	turns();
	is_int(x.asked, 2, "both are there");
	is_int(x.lost, 0, "and nobody is lost");
	end();
}

static void
test_rules(void)
{
	struct wbuf	w = { 0 };

	begin();
	peer_send(&x.dialer, MSG_DIAL_ERR, 1, 1, -1, NULL);
	turns();
	ok(x.lost >= 1 && x.smtpd.dead, "not from this role");
	end();

	begin();
	peer_send(&x.smtpd, MSG_DIAL_WANT, 1, 1, -1, NULL);
	turns();
	ok(x.lost >= 1 && x.dialer.dead, "no handler");
	end();

	begin();
	peer_send(&x.dialer, 9999, 1, 1, -1, NULL);
	turns();
	ok(x.lost >= 1 && x.smtpd.dead, "no such message");
	end();

	begin();
	put_u8(&w, 1);
	peer_send(&x.dialer, MSG_DIAL_REQ, 11, 13, -1, &w);
	turns();
	ok(x.asked == 0 && x.smtpd.dead, "a bad payload");
	end();

	begin();
	x.refuse = true;
	ask();
	ask();
	turns();
	ok(x.asked == 1 && x.smtpd.dead && x.lost == 2,
	    "the handler says no: %u asked, %u lost", x.asked, x.lost);
	end();

	begin();
	(void)send(x.dialer.mb.fd, "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0"
	    "\0\0\0\0", 20, 0);
	turns();
	ok(x.smtpd.dead && x.asked == 0, "no frame at all");
	end();
}

static void
test_end(void)
{
	int	p[2];

	begin();
	peer_close(&x.dialer);
	turns();
	ok(x.lost == 1 && !x.broken && x.smtpd.dead, "the other end closed");
	if (pipe(p) == -1)
		abort();
	peer_send(&x.smtpd, MSG_DIAL_FD, 1, 1, p[0], NULL);
	ok(fcntl(p[0], F_GETFD) == -1, "to the dead, and nothing leaks");
	(void)close(p[1]);
	end();

	/* Closed by its own handler: nobody is told, nothing more comes. */
	begin();
	x.close = true;
	ask();
	ask();
	turns();
	ok(x.asked == 1 && x.smtpd.dead, "closed inside");
	is_int(x.lost, 1, "the other end only is told");
	end();
}

/* Far more than a pipe takes: it waits, and all of it comes. */
static void
test_full(void)
{
	struct wbuf	w = { 0 };
	unsigned int	i, k;

	begin();
	for (i = 0; i < 200; i++) {
		for (k = 0; k < 3000; k++)
			put_u32(&w, k);
		peer_send(&x.smtpd, MSG_DIAL_ERR, i, i, -1, &w);
	}
	peer_flush_all();
	ok(x.smtpd.mb.out.len > 0, "the pipe is full");
	for (i = 0; i < 1000 && x.told < 200; i++)
		turns();
	ok(x.told == 200 && x.octets == 200 * 12000, "%u told, %llu octets",
	    x.told, (unsigned long long)x.octets);
	ok(x.smtpd.mb.out.len == 0 && x.lost == 0, "nothing is left");
	end();
}

int
main(void)
{
	log_to(LOG_TO_NOTHING, -1);
	(void)event_init();
	test_talk();
	test_rules();
	test_end();
	test_full();
	return done("t_peer");
}
