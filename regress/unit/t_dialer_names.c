/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer as a process: which address it tries, and when.  Lists, names
 * with a resolved that is played here, both families, addresses that do not
 * answer.
 *
 *	t_dialer_names [PROGRAM]
 */

#include "dialer_child.h"

/* In the order of the list; what is held down is passed over. */
static void
test_list(void)
{
	uint16_t	port = 0;
	int		second, first;

	begin(0);
	second = bound("127.0.0.2", &port, true);
	remote(1, "127.0.0.1 127.0.0.2", port, 5000, 0, "");
	remote(2, "127.0.0.3 127.0.0.1", port, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	want_hung_up(&smtpd0, 1, "127.0.0.2", "127.0.0.2");
	is_int(child_logged(&dialer, "event=address-down"), 1, "one is down");
	first = bound("127.0.0.1", &port, true);
	dial(&smtpd0, 1, 1);
	want_hung_up(&smtpd0, 1, "127.0.0.2", "127.0.0.2");
	is_int(child_logged(&dialer, "event=address-up"), 0, "not tried");
	/* Where there is nothing else it is: with its own name. */
	dial(&smtpd0, 1, 2);
	want_hung_up(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	is_int(child_logged(&dialer, "event=address-up"), 1, "tried");
	dial(&smtpd0, 1, 1);
	want_hung_up(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	end();
	(void)close(first);
	(void)close(second);
}

static void
test_timeout(void)
{
	struct hole	hole;
	uint16_t	port = 0;
	int64_t		begun;
	int		other;

	begin(0);
	hole_open(&hole, "127.0.0.1", &port);
	other = bound("127.0.0.2", &port, true);
	remote(1, "127.0.0.1", port, 600, 0, "");
	remote(2, "127.0.0.1 127.0.0.2", port, 2000, 0, "");
	remote(3, "127.0.0.1", port, 5000, 0, "");
	conf_send();

	/* The second of the list is asked in time; then the first is down. */
	dial(&smtpd0, 1, 2);
	want_hung_up(&smtpd0, 1, "127.0.0.2", "127.0.0.2");
	begun = now_ms();
	dial(&smtpd0, 1, 2);
	want_hung_up(&smtpd0, 1, "127.0.0.2", "127.0.0.2");
	ok(now_ms() - begun < 800, "the first is passed over");

	/* One tries the address all the same, the other is told at once. */
	begun = now_ms();
	dial(&smtpd0, 2, 1);
	settle(&smtpd0);
	dial(&smtpd1, 3, 1);
	want_error(&smtpd1, 3, DIAL_HELD, "held");
	want_error(&smtpd0, 2, DIAL_TIMEOUT, "timed out");
	ok(now_ms() - begun >= 400, "it had its time");
	ok(now_ms() - begun < 2000, "and no more");
	is_int(child_logged(&dialer, "event=address-down"), 1, "logged once");

	/* A withdrawn trial makes room for the next. */
	dial(&smtpd0, 4, 3);
	say(&smtpd0, MSG_DIAL_CANCEL, 4);
	dial(&smtpd0, 5, 1);
	want_error(&smtpd0, 5, DIAL_TIMEOUT, "timed out");
	want_nothing(&smtpd0, 0);
	end();
	hole_close(&hole);
	(void)close(other);
}

/* One question for all who wait, and its answer is kept. */
static void
test_names(void)
{
	uint16_t	port = 0;
	uint64_t	q;
	int		listener;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "mx.example", port, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	dial(&smtpd0, 2, 1);
	q = want_question("mx.example");
	dial(&smtpd1, 3, 1);
	settle(&smtpd1);
	want_nothing(&resolved, 0);
	answer(q, DNS_OK, "127.0.0.1");
	want_hung_up(&smtpd0, 1, "127.0.0.1", "mx.example");
	want_hung_up(&smtpd0, 2, "127.0.0.1", "mx.example");
	want_hung_up(&smtpd1, 3, "127.0.0.1", "mx.example");
	dial(&smtpd0, 4, 1);
	want_hung_up(&smtpd0, 4, "127.0.0.1", "mx.example");
	want_nothing(&resolved, 0);
	end();
	(void)close(listener);
}

/* Failures are told, and not kept; that there is none is. */
static void
test_no_names(void)
{
	uint16_t	port = 0;
	int		listener;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(2, "other.example", port, 5000, 0, "");
	remote(3, "none.example 127.0.0.1", port, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 1, 2);
	answer(want_question("other.example"), DNS_FAIL, "");
	want_error(&smtpd0, 1, DIAL_DNS, "other.example");
	dial(&smtpd0, 1, 2);
	answer(want_question("other.example"), DNS_TIMEOUT, "");
	want_error(&smtpd0, 1, DIAL_DNS, "do not answer");
	dial(&smtpd0, 1, 2);
	answer(want_question("other.example"), DNS_NONE, "");
	want_error(&smtpd0, 1, DIAL_NO_ADDRESS, "no such name");
	dial(&smtpd0, 1, 2);
	want_error(&smtpd0, 1, DIAL_NO_ADDRESS, "no such name");
	want_nothing(&resolved, 0);
	/* A list goes on behind a name without addresses. */
	dial(&smtpd0, 1, 3);
	answer(want_question("none.example"), DNS_NONE, "");
	want_hung_up(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	end();
	(void)close(listener);
}

/* The last one who waits takes the question back. */
static void
test_withdrawn(void)
{
	uint16_t	port = 0;
	uint64_t	q;
	int		listener;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(4, "slow.example", port, 400, 0, "");
	remote(5, "slow.example 127.0.0.1", port, 1200, 0, "");
	conf_send();
	dial(&smtpd0, 1, 4);
	q = want_question("slow.example");
	dial(&smtpd1, 2, 4);
	settle(&smtpd1);
	say(&smtpd0, MSG_DIAL_CANCEL, 1);
	settle(&smtpd0);
	want_nothing(&resolved, 0);
	say(&smtpd1, MSG_DIAL_CANCEL, 2);
	conn_expect(&resolved, MSG_DNS_CANCEL, "withdrawn");
	answer(q, DNS_OK, "127.0.0.1");
	want_nothing(&smtpd0, 0);
	/* No answer in time. */
	dial(&smtpd0, 1, 4);
	(void)want_question("slow.example");
	want_error(&smtpd0, 1, DIAL_DNS, "in time");
	conn_expect(&resolved, MSG_DNS_CANCEL, "withdrawn");
	dial(&smtpd0, 1, 5);
	(void)want_question("slow.example");
	want_hung_up(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	conn_expect(&resolved, MSG_DNS_CANCEL, "withdrawn");
	end();
	(void)close(listener);
}

/* A new resolved is asked what the old one has not answered. */
static void
test_respawned(void)
{
	uint16_t	port = 0;
	int		listener;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(4, "slow.example", port, 5000, 0, "");
	conf_send();
	dial(&smtpd0, 1, 4);
	(void)want_question("slow.example");
	conn_close(&resolved);
	child_sync(&dialer);
	child_peer(&dialer, &resolved, R_RESOLVED, 0);
	answer(want_question("slow.example"), DNS_OK, "127.0.0.1");
	want_hung_up(&smtpd0, 1, "127.0.0.1", "slow.example");
	end();
	(void)close(listener);
}

/* v6 has its head start, and no more. */
static void
test_families(void)
{
	struct hole	hole;
	uint16_t	port = 0;
	int64_t		begun;
	int		four, six, fd;

	begin(0);
	four = bound("127.0.0.1", &port, true);
	hole_open(&hole, "::1", &port);
	remote(1, "both.example", port, 5000, 0, "");
	remote(2, "both.example", port, 5000, 0, "127.0.0.1");
	conf_send();
	begun = now_ms();
	dial(&smtpd0, 1, 1);
	answer(want_question("both.example"), DNS_OK, "127.0.0.1 ::1");
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "both.example");
	ok(now_ms() - begun >= 250, "v6 had its head start");
	ok(now_ms() - begun < 1500, "and no more");
	hang_up(&smtpd0, 1, fd);
	is_int(child_stat(&dialer, "dialer.held"), 0, "to lose is no failure");
	/* A family without a source is not tried. */
	begun = now_ms();
	dial(&smtpd0, 2, 2);
	fd = want_fd(&smtpd0, 2, "127.0.0.1", "both.example");
	ok(now_ms() - begun < 250, "v4 only, at once");
	hang_up(&smtpd0, 2, fd);
	hole_close(&hole);

	/* Refused: v4 at once.  Then v6 is down, and back when v4 is gone. */
	begun = now_ms();
	dial(&smtpd0, 3, 1);
	fd = want_fd(&smtpd0, 3, "127.0.0.1", "both.example");
	ok(now_ms() - begun < 250, "v4 at once");
	hang_up(&smtpd0, 3, fd);
	is_int(child_stat(&dialer, "dialer.held"), 1, "v6 is down");
	six = bound("::1", &port, true);
	(void)close(four);
	dial(&smtpd0, 4, 1);
	want_hung_up(&smtpd0, 4, "::1", "both.example");
	dial(&smtpd0, 5, 1);
	want_hung_up(&smtpd0, 5, "::1", "both.example");
	end();
	(void)close(six);
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "dialer");
	(void)signal(SIGPIPE, SIG_IGN);
	test_list();
	test_timeout();
	test_names();
	test_no_names();
	test_withdrawn();
	test_respawned();
	test_families();
	return done("t_dialer_names");
}
