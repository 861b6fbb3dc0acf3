/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer as a process, in its jail: real connections to listeners on
 * loopback, askers that queue, withdraw, vanish and break the rules.
 *
 *	t_dialer [PROGRAM]
 */

#include "dialer_child.h"

/* The descriptor is ready to use, and not an octet has gone over it. */
static void
test_connect(void)
{
	socklen_t	len = sizeof(int);
	uint16_t	port = 0;
	int		listener, fd, peer, value = 0;
	char		c;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 0, "");
	conf_send();

	dial(&smtpd0, 77, 1);
	fd = want_fd(&smtpd0, 77, "127.0.0.1", "127.0.0.1");
	if ((peer = accept(listener, NULL, NULL)) == -1)
		die("accept");
	ok((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, "nonblocking");
	ok(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0 &&
	    value != 0, "no delay");
	ok(recv(peer, &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN,
	    "nothing was written to it");
	ok(write(peer, "220 ", 4) == 4, "banner");
	child_sync(&dialer);
	ok(recv(fd, &c, 1, 0) == 1 && c == '2', "nothing was read from it");
	is_int(child_stat(&dialer, "dialer.leases"), 1, "a lease");
	hang_up(&smtpd0, 77, fd);
	settle(&smtpd0);
	is_int(child_stat(&dialer, "dialer.leases"), 0, "it has ended");
	/* The dialer keeps no copy of it. */
	ok(recv(peer, &c, 1, 0) <= 0, "the connection is closed");
	(void)close(peer);
	end();
	(void)close(listener);
}

static void
test_refused(void)
{
	uint16_t	closed = 0;
	int		unused;

	begin(0);
	unused = bound("127.0.0.1", &closed, false);
	remote(2, "127.0.0.1", closed, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 78, 2);
	want_error(&smtpd0, 78, DIAL_REFUSED, "127.0.0.1:");
	dial(&smtpd0, 78, 2);
	want_error(&smtpd0, 78, DIAL_REFUSED, "refused");
	is_int(child_logged(&dialer, "event=address-down"), 1, "logged once");
	is_int(child_stat(&dialer, "dialer.held"), 1, "held down");
	if (listen(unused, 1) == -1)
		die("listen");
	dial(&smtpd0, 79, 2);
	want_hung_up(&smtpd0, 79, "127.0.0.1", "127.0.0.1");
	settle(&smtpd0);
	is_int(child_logged(&dialer, "event=address-up"), 1, "and back");
	is_int(child_stat(&dialer, "dialer.held"), 0, "not held down");
	is_int(child_stat(&dialer, "dialer.dials"), 4, "dials");
	is_int(child_stat(&dialer, "dialer.failed"), 3, "failed");
	end();
	(void)close(unused);
}

static void
test_source(void)
{
	struct sockaddr_storage	ss;
	socklen_t		len = sizeof(ss);
	struct addr		a;
	uint16_t		port = 0;
	char			text[ADDR_TEXT_MAX];
	int			listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 0, "127.0.0.9");
	remote(2, "127.0.0.1", port, 5000, 0, "::1");
	remote(3, "127.0.0.1", port, 5000, 0, "192.0.2.1 127.0.0.8");
	remote(4, "127.0.0.1", port, 5000, 0, "192.0.2.1");
	conf_send();
	dial(&smtpd0, 1, 1);
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	ok(getsockname(fd, (struct sockaddr *)&ss, &len) == 0, "getsockname");
	addr_from_sa(&a, (struct sockaddr *)&ss, len);
	is_str(addr_text(&a, text, sizeof(text)), "127.0.0.9", "source");
	hang_up(&smtpd0, 1, fd);
	dial(&smtpd0, 2, 2);
	want_error(&smtpd0, 2, DIAL_NO_ADDRESS, "family");
	dial(&smtpd0, 3, 3);
	fd = want_fd(&smtpd0, 3, "127.0.0.1", "127.0.0.1");
	len = sizeof(ss);
	ok(getsockname(fd, (struct sockaddr *)&ss, &len) == 0, "getsockname");
	addr_from_sa(&a, (struct sockaddr *)&ss, len);
	is_str(addr_text(&a, text, sizeof(text)), "127.0.0.8", "the second");
	hang_up(&smtpd0, 3, fd);
	dial(&smtpd0, 4, 4);
	want_error(&smtpd0, 4, DIAL_REFUSED, "assign");
	is_int(child_logged(&dialer, "source 192.0.2.1: "), 1, "one warning");
	is_int(child_stat(&dialer, "dialer.held"), 0, "nothing held down");
	end();
	(void)close(listener);
}

static void
test_limit(void)
{
	uint16_t	port = 0;
	int		listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 1, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	/* Two wait, and the holder hears of it, more than once. */
	dial(&smtpd1, 1, 1);
	conn_expect(&smtpd0, MSG_DIAL_WANT, "the holder hears of it");
	settle(&smtpd1);
	dial(&smtpd0, 2, 1);
	settle(&smtpd0);
	is_int(child_stat(&dialer, "dialer.waiting"), 2, "two wait");
	conn_expect(&smtpd0, MSG_DIAL_WANT, "the holder hears of it");
	conn_expect(&smtpd0, MSG_DIAL_WANT, "told again");
	hang_up(&smtpd0, 1, fd);
	fd = want_fd(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	conn_expect(&smtpd1, MSG_DIAL_WANT, "the new holder hears");
	hang_up(&smtpd1, 1, fd);
	fd = want_fd(&smtpd0, 2, "127.0.0.1", "127.0.0.1");
	is_int(child_stat(&dialer, "dialer.leases"), 1, "one lease");
	hang_up(&smtpd0, 2, fd);
	end();
	(void)close(listener);
}

/* One that withdraws does not get it; one that vanishes gives up all. */
static void
test_queue_left(void)
{
	uint16_t	port = 0;
	int		listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 1, "");
	conf_send();
	dial(&smtpd0, 2, 1);
	fd = want_fd(&smtpd0, 2, "127.0.0.1", "127.0.0.1");
	dial(&smtpd1, 3, 1);
	dial(&smtpd1, 4, 1);
	say(&smtpd1, MSG_DIAL_CANCEL, 3);
	settle(&smtpd1);
	hang_up(&smtpd0, 2, fd);
	fd = want_fd(&smtpd1, 4, "127.0.0.1", "127.0.0.1");
	/* To withdraw what is answered means nothing: the lease is ended. */
	say(&smtpd1, MSG_DIAL_CANCEL, 4);
	settle(&smtpd1);
	is_int(child_stat(&dialer, "dialer.leases"), 1, "still a lease");

	/* One that vanishes gives up all it has. */
	dial(&smtpd1, 5, 1);
	dial(&smtpd0, 6, 1);
	settle(&smtpd1);
	settle(&smtpd0);
	conn_close(&smtpd1);
	(void)close(fd);
	fd = want_fd(&smtpd0, 6, "127.0.0.1", "127.0.0.1");
	is_int(child_stat(&dialer, "dialer.leases"), 1, "one lease");
	hang_up(&smtpd0, 6, fd);
	child_peer(&dialer, &smtpd1, R_SMTPD, 1);
	end();
	(void)close(listener);
}

/* Time is up in the queue. */
static void
test_queue_time(void)
{
	uint16_t	port = 0;
	int64_t		begun;
	int		listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(2, "127.0.0.1", port, 400, 1, "");
	conf_send();
	dial(&smtpd0, 7, 2);
	fd = want_fd(&smtpd0, 7, "127.0.0.1", "127.0.0.1");
	begun = now_ms();
	dial(&smtpd1, 1, 2);
	want_error(&smtpd1, 1, DIAL_LIMIT, "free");
	ok(now_ms() - begun >= 250, "it waited");
	hang_up(&smtpd0, 7, fd);
	/* An unknown lease is that of a dialer before this one. */
	hang_up(&smtpd0, 12345, -1);
	settle(&smtpd0);
	end();
	(void)close(listener);
}

static void
test_reload(void)
{
	uint16_t	port = 0, closed = 0;
	int		listener, unused, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	unused = bound("127.0.0.1", &closed, false);
	remote(1, "127.0.0.1", port, 5000, 1, "");
	remote(2, "127.0.0.1", port, 5000, 1, "");
	remote(3, "127.0.0.1", closed, 5000, 1, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	dial(&smtpd0, 2, 3);
	want_error(&smtpd0, 2, DIAL_REFUSED, "refused");

	/* Remote 2 is in the old generation only. */
	conf_start(2);
	remote(1, "127.0.0.1", port, 5000, 1, "");
	remote(4, "127.0.0.1", port, 5000, 1, "");
	conf_send();
	dial(&smtpd0, 3, 2);
	want_hung_up(&smtpd0, 3, "127.0.0.1", "127.0.0.1");
	dial(&smtpd0, 4, 4);
	want_hung_up(&smtpd0, 4, "127.0.0.1", "127.0.0.1");
	is_int(child_stat(&dialer, "dialer.held"), 1, "holds survive");
	/* The lease of remote 1 counts. */
	dial(&smtpd1, 5, 1);
	settle(&smtpd1);
	is_int(child_stat(&dialer, "dialer.waiting"), 1, "counts survive");
	hang_up(&smtpd0, 1, fd);
	want_hung_up(&smtpd1, 5, "127.0.0.1", "127.0.0.1");
	conn_send(&dialer.parent, MSG_CONF_DROP, 0, 1, -1, NULL);
	child_sync(&dialer);
	dial(&smtpd0, 6, 2);
	want_error(&smtpd0, 6, DIAL_UNKNOWN_REMOTE, "no such remote");
	end();
	(void)close(listener);
	(void)close(unused);
}

/* A remote that goes while it is dialled, and while its name is asked. */
static void
test_gone(void)
{
	struct hole	hole;
	uint16_t	port = 0;
	uint64_t	q;

	begin(0);
	hole_open(&hole, "127.0.0.1", &port);
	remote(1, "127.0.0.1", port, 600, 0, "");
	remote(2, "mx.example", port, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	dial(&smtpd1, 2, 2);
	q = want_question("mx.example");
	settle(&smtpd0);
	conf_start(2);
	conf_send();
	conn_send(&dialer.parent, MSG_CONF_DROP, 0, 1, -1, NULL);
	child_sync(&dialer);
	answer(q, DNS_OK, "127.0.0.1");
	want_error(&smtpd1, 2, DIAL_UNKNOWN_REMOTE, "gone");
	want_error(&smtpd0, 1, DIAL_UNKNOWN_REMOTE, "gone");
	end();
	hole_close(&hole);
}

/* The parent is told whose pipe was closed. */
static void
want_accused(uint32_t role, uint32_t index)
{
	struct got		*g = conn_wait(&dialer.parent, MSG_PEER_BROKE);
	struct proto_peer	 pp = { 0 };
	struct msg		 m;

	if (!ok(g != NULL, "the parent hears of it"))
		return;
	m = got_msg(g);
	is_int(get_peer_broke(&m, &pp), 0, "PEER_BROKE");
	is_int(pp.role, role, "the accused");
	is_int(pp.index, index, "its index");
	got_free(g);
}

/* Askers that break the rules lose their pipe, the others go on. */
static void
test_broken(void)
{
	struct wbuf	w = { 0 };
	uint16_t	port = 0;
	int		listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 0, "");
	remote(2, "mx.example", port, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	dial(&smtpd0, 1, 1);
	ok(conn_ended(&smtpd0), "a sid used twice");
	want_accused(R_SMTPD, 0);
	(void)close(fd);
	is_int(child_stat(&dialer, "dialer.leases"), 0, "no leases are left");
	conn_close(&smtpd0);

	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	dial(&smtpd0, 1, 2);
	say(&smtpd0, MSG_DIAL_DONE, 1);
	ok(conn_ended(&smtpd0), "the end of what has not begun");
	conn_close(&smtpd0);

	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	put_u32(&w, 1);
	put_u64(&w, 0);
	put_u8(&w, 0);
	conn_send(&smtpd0, MSG_DIAL_REQ, 1, 0, -1, &w);
	ok(conn_ended(&smtpd0), "an octet too many");
	conn_close(&smtpd0);

	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	say(&smtpd0, MSG_DIAL_FD, 1);
	ok(conn_ended(&smtpd0), "a message it may not send");
	dial(&smtpd1, 1, 1);
	want_hung_up(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	end();
	(void)close(listener);
}

/* A DIAL_ERR, to whatever question. */
static void
want_error_of_any(struct conn *c, const char *why)
{
	struct got		*g = conn_wait(c, MSG_DIAL_ERR);
	struct proto_dial_err	 e;
	struct msg		 m;

	if (!ok(g != NULL, "a dial fails"))
		return;
	m = got_msg(g);
	is_int(get_dial_err(&m, &e), 0, "DIAL_ERR is whole");
	is_int(e.error, DIAL_LIMIT, "by a limit");
	ok(strstr(e.why, why) != NULL, "%s", e.why);
	got_free(g);
}

/* Without descriptors dials fail, and the process stays. */
static void
test_exhausted(void)
{
	struct hole	hole;
	uint16_t	port = 0, good = 0;
	uint64_t	i;
	int		listener;

	begin(80);
	hole_open(&hole, "127.0.0.1", &port);
	listener = bound("127.0.0.1", &good, true);
	remote(1, "127.0.0.1", port, 60000, 0, "");
	remote(2, "127.0.0.1", good, 5000, 0, "");
	conf_send();
	for (i = 1; i <= 100; i++)
		dial(&smtpd0, i, 1);
	want_error_of_any(&smtpd0, "too many at once");
	/* What is left is for the others, until they want too much. */
	dial(&smtpd1, 1, 2);
	want_hung_up(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	is_int(child_logged(&dialer, "no socket for a connection"), 0,
	    "there are some left");
	for (i = 2; i <= 100; i++)
		dial(&smtpd1, i, 1);
	want_error_of_any(&smtpd1, "");
	child_sync(&dialer);
	is_int(child_logged(&dialer, "no socket for a connection"), 1,
	    "one warning");
	is_int(child_stat(&dialer, "dialer.held"), 0, "nothing held down");
	conn_close(&smtpd0);
	child_sync(&dialer);
	conn_close(&smtpd1);
	child_peer(&dialer, &smtpd1, R_SMTPD, 1);
	dial(&smtpd1, 1, 2);
	want_hung_up(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	end();
	hole_close(&hole);
	(void)close(listener);
}

static void
test_drain(void)
{
	uint16_t	port = 0;
	int		listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 0, "");
	conf_send();
	conn_send(&dialer.parent, MSG_STOP, 0, 1, -1, NULL);
	child_sync(&dialer);
	dial(&smtpd0, 1, 1);
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	conn_close(&smtpd1);
	child_sync(&dialer);
	hang_up(&smtpd0, 1, fd);
	settle(&smtpd0);
	conn_close(&smtpd0);
	is_int(child_wait(&dialer), 0, "it ends with its last asker");
	conn_close(&dialer.parent);
	conn_close(&resolved);
	(void)close(dialer.log);
	(void)close(listener);
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "dialer");
	(void)signal(SIGPIPE, SIG_IGN);
	test_connect();
	test_refused();
	test_source();
	test_limit();
	test_queue_left();
	test_queue_time();
	test_reload();
	test_gone();
	test_broken();
	test_exhausted();
	test_drain();
	return done("t_dialer");
}
