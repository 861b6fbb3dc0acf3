/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer as a process: hosts that are no remotes (DIAL_HOST), and where
 * they must not lead.  Its resolved is played here.
 *
 *	t_dialer_host [PROGRAM]
 */

#include "dialer_child.h"

static struct conn	verifyd;
static uint16_t		port;

static void
start(const char *networks)
{
	begin(0);
	child_peer(&dialer, &verifyd, R_VERIFYD, 0);
	if (networks[0] != '\0')
		network(networks);
}

static void
stop(void)
{
	end();
	conn_close(&verifyd);
}

static void
ask(uint64_t sid, const char *host)
{
	dial_host(&verifyd, sid, host, port, 5000);
}

/* DNS has these addresses, or this machine. */
static void
ask_name(uint64_t sid, const char *name, const char *addrs, bool here)
{
	ask(sid, name);
	answer_as(want_question(name), addrs[0] == '\0' ? DNS_NONE : DNS_OK,
	    addrs, here);
}

/* --- leases --------------------------------------------------------------- */

static void
test_leases(void)
{
	int	listener, a, b;

	listener = bound("127.0.0.1", &port, true);
	start("");
	conf_send();
	ask(1, "127.0.0.1");
	a = want_fd(&verifyd, 1, "127.0.0.1", "127.0.0.1");
	/* No limit, and nobody is told to make room. */
	ask(2, "127.0.0.1");
	b = want_fd(&verifyd, 2, "127.0.0.1", "127.0.0.1");
	want_nothing(&verifyd, 0);
	is_int(child_stat(&dialer, "dialer.leases"), 2, "two leases");
	is_int(child_stat(&dialer, "dialer.hosts"), 2, "of hosts");
	hang_up(&verifyd, 1, a);
	settle(&verifyd);
	is_int(child_stat(&dialer, "dialer.leases"), 1, "one is over");
	/* Withdrawn while its name is looked up. */
	ask(3, "slow.example");
	(void)want_question("slow.example");
	say(&verifyd, MSG_DIAL_CANCEL, 3);
	conn_expect(&resolved, MSG_DNS_CANCEL, "the question is withdrawn");
	/* The asker is lost. */
	conn_close(&verifyd);
	(void)close(b);
	settle(&smtpd0);
	is_int(child_stat(&dialer, "dialer.leases"), 0, "none is left");
	end();
	(void)close(listener);
}

static void
test_ends(void)
{
	uint16_t	closed = 0;
	int64_t		begun;
	int		unused;

	unused = bound("127.0.0.1", &closed, false);
	start("");
	conf_send();
	dial_host(&verifyd, 1, "127.0.0.1", closed, 5000);
	want_error(&verifyd, 1, DIAL_REFUSED, "127.0.0.1:");
	is_int(child_stat(&dialer, "dialer.held"), 1, "held down");
	ask_name(2, "none.example", "", false);
	want_error(&verifyd, 2, DIAL_NO_ADDRESS, "none.example: no such name");
	ask(3, "fail.example");
	answer(want_question("fail.example"), DNS_FAIL, "");
	want_error(&verifyd, 3, DIAL_DNS, "cannot be looked up");
	begun = now_ms();
	dial_host(&verifyd, 4, "late.example", port, 300);
	(void)want_question("late.example");
	want_error(&verifyd, 4, DIAL_DNS, "no answer in time");
	ok(now_ms() - begun < 3000, "in the question's time");
	/* A path is nobody's host. */
	ask(5, "unix:/tmp/socket");
	answer(want_question("unix:/tmp/socket"), DNS_NONE, "");
	want_error(&verifyd, 5, DIAL_NO_ADDRESS, "no such name");
	stop();
	(void)close(unused);
}

/* --- where it must not lead ----------------------------------------------- */

static void
test_forbidden(void)
{
	static const char *const	bad[] = {
		"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254",
		"::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "224.0.0.1",
		"ff02::1", "0.0.0.0", "::", "100.64.0.1", "255.255.255.255"
	};
	char				name[64];
	size_t				i;
	int				three;

	three = bound("127.0.0.3", &port, true);
	start("127.0.0.3");
	conf_send();
	for (i = 0; i < nitems(bad); i++) {
		(void)snprintf(name, sizeof(name), "bad%zu.example", i);
		ask_name(i + 1, name, bad[i], false);
		want_error(&verifyd, i + 1, DIAL_FORBIDDEN,
		    "in no public network");
	}
	/* What is allowed among them is taken. */
	ask_name(30, "mixed.example", "10.0.0.1 127.0.0.3 ::1", false);
	want_hung_up(&verifyd, 30, "127.0.0.3", "mixed.example");
	stop();
	(void)close(three);
}

/* Addresses, and names that this machine itself knows, may be anything. */
static void
test_own_word(void)
{
	static const char *const	none[] = { "0.0.0.0", "::",
		"::ffff:0.0.0.0" };
	size_t				i;
	int				one;

	one = bound("127.0.0.1", &port, true);
	start("");
	conf_send();
	ask(1, "127.0.0.1");
	want_hung_up(&verifyd, 1, "127.0.0.1", "127.0.0.1");
	ask(2, "::ffff:127.0.0.1");
	want_hung_up(&verifyd, 2, "127.0.0.1", "::ffff:127.0.0.1");
	ask_name(3, "store", "127.0.0.1", true);
	want_hung_up(&verifyd, 3, "127.0.0.1", "store");
	/* That is kept with the answer. */
	ask(4, "store");
	want_hung_up(&verifyd, 4, "127.0.0.1", "store");
	want_nothing(&resolved, 0);
	/* This would be any address of ours. */
	for (i = 0; i < nitems(none); i++) {
		ask(i + 10, none[i]);
		want_error(&verifyd, i + 10, DIAL_FORBIDDEN, "of no host");
	}
	stop();
	(void)close(one);
}

/* Never ourselves, by whatever name; each address for itself. */
static void
test_loop(void)
{
	char	bind[64];
	int	ours, other;

	ours = bound("127.0.0.1", &port, true);
	other = bound("127.0.0.3", &port, true);
	start("127.0.0.0/8");
	(void)snprintf(bind, sizeof(bind), "127.0.0.1:%u", port);
	listener(1, bind);
	conf_send();
	ask(1, "127.0.0.1");
	want_error(&verifyd, 1, DIAL_LOOP, "is ourselves");
	ask_name(2, "here", "127.0.0.1", true);
	want_error(&verifyd, 2, DIAL_LOOP, "is ourselves");
	ask_name(3, "dns.example", "127.0.0.1", false);
	want_error(&verifyd, 3, DIAL_LOOP, "dns.example: 127.0.0.1:");
	ask_name(4, "both.example", "127.0.0.1 127.0.0.3", false);
	want_hung_up(&verifyd, 4, "127.0.0.3", "both.example");
	ask(5, "127.0.0.3");
	want_hung_up(&verifyd, 5, "127.0.0.3", "127.0.0.3");
	is_int(child_stat(&dialer, "dialer.held"), 0, "nothing held down");
	stop();
	(void)close(ours);
	(void)close(other);
}

static void
test_loop_any(void)
{
	char	bind[64];
	int	ours;

	ours = bound("127.0.0.2", &port, true);
	start("");
	(void)snprintf(bind, sizeof(bind), ":%u", port);
	listener(1, bind);
	conf_send();
	ask(1, "127.0.0.2");
	want_error(&verifyd, 1, DIAL_LOOP, "is ourselves");
	stop();
	(void)close(ours);
}

/* --- who may ask, and what ------------------------------------------------ */

static void
bad(const char *host, uint16_t to, uint32_t ms)
{
	start("");
	conf_send();
	dial_host(&verifyd, 1, host, to, ms);
	ok(conn_ended(&verifyd), "\"%s\" %u %u: broken", host, to, ms);
	stop();
}

static void
test_broken(void)
{
	bad("", 25, 1000);
	bad("a.example", 0, 1000);
	bad("a.example", 25, 0);
	start("");
	conf_send();
	dial_host(&smtpd0, 1, "127.0.0.1", 25, 1000);
	ok(conn_ended(&smtpd0), "smtpd may not");
	stop();
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "dialer");
	(void)signal(SIGPIPE, SIG_IGN);
	test_leases();
	test_ends();
	test_forbidden();
	test_own_word();
	test_loop();
	test_loop_any();
	test_broken();
	return done("t_dialer_host");
}
