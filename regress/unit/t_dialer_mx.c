/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer as a process: mail exchangers, where DNS must not lead, and
 * sockets of the file system.  Its resolved and its parent are played here.
 *
 *	t_dialer_mx [PROGRAM]
 */

#include "dialer_child.h"

#include <ifaddrs.h>

static uint16_t	port;

/* Ask for a domain whose MX are these; the addresses are asked for later. */
static void
ask(uint64_t sid, const char *domain, enum dns_status status,
    const char *records)
{
	dial_domain(&smtpd0, sid, 1, domain);
	answer_mx(want_mx_question(domain), status, records);
}

static void
host(const char *name, const char *addrs)
{
	answer(want_question(name), addrs[0] == '\0' ? DNS_NONE : DNS_OK,
	    addrs);
}

static void
begin_mx(const char *networks, const char *source)
{
	begin(0);
	remote_mx(1, port, 5000, 0, source);
	if (networks[0] != '\0')
		network(networks);
}

/* --- who is asked --------------------------------------------------------- */

static void
test_order(void)
{
	int	three;

	three = bound("127.0.0.3", &port, true);
	begin_mx("127.0.0.0/8", "");
	conf_send();
	/* In order of preference, and what failed is held down. */
	ask(1, "a.example", DNS_OK, "10 m1.example 20 m2.example");
	host("m1.example", "127.0.0.2");
	host("m2.example", "127.0.0.3");
	want_hung_up(&smtpd0, 1, "127.0.0.3", "m2.example");
	is_int(child_logged(&dialer, "event=address-down"), 1, "one is down");
	/* Kept, by whatever case. */
	dial_domain(&smtpd0, 2, 1, "A.Example");
	want_hung_up(&smtpd0, 2, "127.0.0.3", "m2.example");
	want_nothing(&resolved, 0);
	/* A host without an address is passed over. */
	ask(3, "b.example", DNS_OK, "10 none.example 20 m2.example");
	host("none.example", "");
	want_hung_up(&smtpd0, 3, "127.0.0.3", "m2.example");
	/* None: the domain itself. */
	ask(4, "m2.example", DNS_OK, "");
	want_hung_up(&smtpd0, 4, "127.0.0.3", "m2.example");
	/* Address literals are nobody's to answer for. */
	dial_domain(&smtpd0, 5, 1, "[127.0.0.3]");
	want_hung_up(&smtpd0, 5, "127.0.0.3", "127.0.0.3");
	want_nothing(&resolved, 0);
	/* What DNS calls a host is never read as an address. */
	ask(6, "c.example", DNS_OK, "10 127.0.0.3");
	host("127.0.0.3", "");
	want_error(&smtpd0, 6, DIAL_NO_ADDRESS, "127.0.0.3: no such name");
	/* A few hosts only. */
	ask(7, "d.example", DNS_OK, "1 none.example 2 none2.example "
	    "3 none3.example 4 none4.example 5 none5.example 6 m2.example");
	host("none2.example", "");
	host("none3.example", "");
	host("none4.example", "");
	host("none5.example", "");
	want_error(&smtpd0, 7, DIAL_NO_ADDRESS, "none5.example");
	end();
	(void)close(three);
}

static void
test_ends(void)
{
	begin_mx("127.0.0.0/8", "");
	remote(2, "127.0.0.1", port, 5000, 0, "");
	conf_send();
	ask(1, "null.example", DNS_OK, "0 .");
	want_error(&smtpd0, 1, DIAL_NULL_MX, "takes no mail");
	ask(2, "nx.example", DNS_NONE, "");
	want_error(&smtpd0, 2, DIAL_NO_DOMAIN, "no such domain");
	/* That there is none is kept for a moment, failures are not. */
	dial_domain(&smtpd0, 3, 1, "nx.example");
	want_error(&smtpd0, 3, DIAL_NO_DOMAIN, "no such domain");
	want_nothing(&resolved, 0);
	ask(4, "fail.example", DNS_FAIL, "");
	want_error(&smtpd0, 4, DIAL_DNS, "cannot be looked up");
	ask(5, "fail.example", DNS_TIMEOUT, "");
	want_error(&smtpd0, 5, DIAL_DNS, "do not answer");
	dial_domain(&smtpd0, 6, 1, "[127.0.0]");
	want_error(&smtpd0, 6, DIAL_NO_DOMAIN, "not an address");
	dial_domain(&smtpd0, 7, 1, "[IPv6:::1");
	want_error(&smtpd0, 7, DIAL_NO_DOMAIN, "not an address");
	ask(8, "dead.example", DNS_OK, "10 dead.example");
	answer(want_question("dead.example"), DNS_FAIL, "");
	want_error(&smtpd0, 8, DIAL_DNS, "dead.example: cannot");
	/* A domain and mx go together. */
	dial(&smtpd0, 9, 1);
	want_error(&smtpd0, 9, DIAL_NO_ADDRESS, "go together");
	dial_domain(&smtpd0, 10, 2, "a.example");
	want_error(&smtpd0, 10, DIAL_NO_ADDRESS, "go together");
	/* Withdrawn while the MX are looked up. */
	dial_domain(&smtpd0, 11, 1, "gone.example");
	(void)want_mx_question("gone.example");
	say(&smtpd0, MSG_DIAL_CANCEL, 11);
	conn_expect(&resolved, MSG_DNS_CANCEL, "the question is withdrawn");
	end();
}

static void
test_time(void)
{
	int64_t	begun = now_ms();

	begin(0);
	remote_mx(1, port, 600, 0, "");
	conf_send();
	dial_domain(&smtpd0, 1, 1, "slow.example");
	(void)want_mx_question("slow.example");
	want_error(&smtpd0, 1, DIAL_DNS, "slow.example: no answer in time");
	ok(now_ms() - begun < 3000, "in the remote's time");
	end();
}

/* --- where it must not lead ----------------------------------------------- */

static void
test_forbidden(void)
{
	static const char *const	bad[] = {
		"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254",
		"::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "224.0.0.1",
		"100.64.0.1", "64:ff9b::10.0.0.1"
	};
	char				name[64];
	size_t				i;
	int				three;

	three = bound("127.0.0.3", &port, true);
	begin_mx("127.0.0.3", "");
	conf_send();
	for (i = 0; i < nitems(bad); i++) {
		(void)snprintf(name, sizeof(name), "bad%zu.example", i);
		ask(i + 1, name, DNS_OK, "");
		host(name, bad[i]);
		want_error(&smtpd0, i + 1, DIAL_FORBIDDEN,
		    "in no public network");
	}
	dial_domain(&smtpd0, 20, 1, "[127.0.0.1]");
	want_error(&smtpd0, 20, DIAL_FORBIDDEN, "127.0.0.1");
	dial_domain(&smtpd0, 21, 1, "[ipv6:::1]");
	want_error(&smtpd0, 21, DIAL_FORBIDDEN, "::1");
	/* What is allowed among them is taken. */
	ask(22, "mixed.example", DNS_OK, "10 x.example 20 mixed.example");
	host("x.example", "10.0.0.1 127.0.0.1");
	host("mixed.example", "10.0.0.1 127.0.0.3 ::1");
	want_hung_up(&smtpd0, 22, "127.0.0.3", "mixed.example");
	end();
	(void)close(three);
}

/* We are in the list ourselves. */
static void
test_our_name(void)
{
	int	three;

	three = bound("127.0.0.3", &port, true);
	begin_mx("127.0.0.0/8", "");
	conf_send();
	ask(1, "a.example", DNS_OK, "10 US.example");
	want_error(&smtpd0, 1, DIAL_LOOP, "ourselves");
	ask(2, "b.example", DNS_OK, "10 us.example 10 m2.example "
	    "20 m3.example");
	want_error(&smtpd0, 2, DIAL_LOOP, "ourselves");
	want_nothing(&resolved, 0);
	ask(3, "c.example", DNS_OK, "5 m3.example 10 us.example");
	host("m3.example", "127.0.0.3");
	want_hung_up(&smtpd0, 3, "127.0.0.3", "m3.example");
	/* The better one is down: that is what is told. */
	ask(4, "d.example", DNS_OK, "5 m4.example 10 us.example "
	    "20 m3.example");
	host("m4.example", "127.0.0.4");
	want_error(&smtpd0, 4, DIAL_REFUSED, "127.0.0.4");
	end();
	(void)close(three);
}

/* An address of this machine that is not loopback; "" if there is none. */
static const char *
own_address(void)
{
	static char		 text[ADDR_TEXT_MAX];
	struct ifaddrs		*all, *i;
	struct addr		 a;

	text[0] = '\0';
	if (getifaddrs(&all) == -1)
		die("getifaddrs");
	for (i = all; i != NULL && text[0] == '\0'; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
			continue;
		addr_from_sa(&a, i->ifa_addr, sizeof(struct sockaddr_in));
		if (!addr_is_loopback(&a))
			(void)addr_text(&a, text, sizeof(text));
	}
	freeifaddrs(all);
	return text;
}

/* Our end has another address than theirs, by `source': both are ours. */
static void
test_listener_source(void)
{
	const char	*own = own_address();
	char		 bind[64];
	int		 fd;

	if (own[0] == '\0')
		return;
	port = 0;
	fd = bound(own, &port, true);
	begin_mx("0.0.0.0/0", "127.0.0.1");
	(void)snprintf(bind, sizeof(bind), ":%u", port);
	listener(5, bind);
	conf_send();
	ask(1, "a.example", DNS_OK, "10 m1.example");
	host("m1.example", own);
	want_error(&smtpd0, 1, DIAL_LOOP, "is ourselves");
	end();
	(void)close(fd);
}

/* One of our listeners is reached by another name. */
static void
test_listener(void)
{
	char	bind[64];
	int	one, two, three;

	one = bound("127.0.0.1", &port, true);
	two = bound("127.0.0.2", &port, true);
	three = bound("127.0.0.3", &port, true);
	begin_mx("127.0.0.0/8", "");
	(void)snprintf(bind, sizeof(bind), "127.0.0.1:%u unix:/x:%u", port,
	    port);
	listener(5, bind);
	remote(2, "127.0.0.1", port, 5000, 0, "");
	conf_send();
	ask(1, "a.example", DNS_OK, "10 m1.example");
	host("m1.example", "127.0.0.1");
	want_error(&smtpd0, 1, DIAL_LOOP, "m1.example: 127.0.0.1:");
	/* Of the same preference and worse none is asked, better ones are. */
	ask(2, "b.example", DNS_OK, "10 m1.example 10 m3.example");
	want_error(&smtpd0, 2, DIAL_LOOP, "is ourselves");
	want_nothing(&resolved, 0);
	ask(3, "c.example", DNS_OK, "5 m4.example 10 m1.example "
	    "20 m3.example");
	host("m4.example", "127.0.0.4");
	want_error(&smtpd0, 3, DIAL_REFUSED, "ourselves");
	/* Held down by now, and passed over: it is tried again, no other. */
	dial_domain(&smtpd0, 4, 1, "c.example");
	want_error(&smtpd0, 4, DIAL_REFUSED, "127.0.0.4");
	/* Another address of this machine is somebody else's. */
	ask(5, "d.example", DNS_OK, "");
	host("d.example", "127.0.0.2");
	want_hung_up(&smtpd0, 5, "127.0.0.2", "d.example");
	/* A remote of the file may be anything. */
	dial(&smtpd0, 6, 2);
	want_hung_up(&smtpd0, 6, "127.0.0.1", "127.0.0.1");

	/* All addresses are bound. */
	conf_start(2);
	remote_mx(1, port, 5000, 0, "");
	network("127.0.0.0/8");
	(void)snprintf(bind, sizeof(bind), ":%u", port);
	listener(6, bind);
	conf_send();
	ask(7, "e.example", DNS_OK, "");
	host("e.example", "127.0.0.3");
	want_error(&smtpd0, 7, DIAL_LOOP, "is ourselves");
	end();
	(void)close(one);
	(void)close(two);
	(void)close(three);
}

/* The limit is each domain's. */
static void
test_limit(void)
{
	struct proto_dial	 d;
	struct got		*g;
	struct msg		 m;
	int			 three, a, b;

	three = bound("127.0.0.3", &port, true);
	begin(0);
	remote_mx(1, port, 5000, 1, "");
	network("127.0.0.0/8");
	conf_send();
	ask(1, "a.example", DNS_OK, "10 m.example");
	host("m.example", "127.0.0.3");
	a = want_fd(&smtpd0, 1, "127.0.0.3", "m.example");
	ask(2, "b.example", DNS_OK, "10 m.example");
	b = want_fd(&smtpd0, 2, "127.0.0.3", "m.example");
	dial_domain(&smtpd1, 3, 1, "a.example");
	g = conn_wait(&smtpd0, MSG_DIAL_WANT);
	if (ok(g != NULL, "the holder hears of it")) {
		m = got_msg(g);
		is_int(get_dial(&m, &d), 0, "DIAL_WANT is whole");
		is_str(d.domain, "a.example", "its domain");
		is_int(d.remote, 1, "its remote");
	}
	got_free(g);
	hang_up(&smtpd0, 2, b);
	settle(&smtpd0);
	is_int(child_stat(&dialer, "dialer.waiting"), 1, "still full");
	hang_up(&smtpd0, 1, a);
	want_hung_up(&smtpd1, 3, "127.0.0.3", "m.example");
	end();
	(void)close(three);
}

/* --- sockets of the file system ------------------------------------------- */

static uint64_t
want_unix(uint32_t id, uint32_t entry)
{
	struct got		*g = conn_wait(&dialer.parent, MSG_UNIX_REQ);
	struct proto_unix	 q;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "the parent is asked"))
		return 0;
	m = got_msg(g);
	is_int(get_unix(&m, &q), 0, "UNIX_REQ is whole");
	is_int(q.remote, id, "the remote");
	is_int(q.entry, entry, "which of its addresses");
	sid = g->sid;
	got_free(g);
	return sid;
}

static void
answer_unix(uint64_t sid, int fd, int error)
{
	conn_send(&dialer.parent, MSG_UNIX_FD, sid, (uint32_t)error, fd,
	    NULL);
}

/* Our end of what was passed as a connection: is it closed? */
static bool
is_closed(int fd)
{
	struct pollfd	pfd = { .fd = fd, .events = POLLIN };
	char		c;

	return poll(&pfd, 1, WAIT_MAX) == 1 && read(fd, &c, 1) == 0;
}

static void
test_unix(void)
{
	uint64_t	q;
	int		three, fd[2];

	three = bound("127.0.0.3", &port, true);
	begin(0);
	remote(1, "unix:/run/a unix:/run/b 127.0.0.3", port, 5000, 0,
	    "127.0.0.9");
	remote(2, "unix:/run/b", port, 600, 0, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	answer_unix(want_unix(1, 0), -1, ECONNREFUSED);
	q = want_unix(1, 1);
	pair(fd);
	answer_unix(q, fd[1], 0);
	want_hung_up(&smtpd0, 1, "unix", "/run/b");
	ok(is_closed(fd[0]), "it was given away, and closed");
	(void)close(fd[0]);
	ok(child_logged(&dialer, "event=address-down remote=r1 "
	    "to=unix:/run/a error=\"Connection refused\"") == 1,
	    "the log names the path");
	/* The first is held down now; useless, the second is too. */
	dial(&smtpd0, 2, 1);
	q = want_unix(1, 1);
	pair(fd);
	answer_unix(q, fd[1], 0);
	(void)close(want_fd(&smtpd0, 2, "unix", "/run/b"));
	conn_send(&smtpd0, MSG_DIAL_DONE, 2, DONE_USELESS, -1, NULL);
	(void)close(fd[0]);
	dial(&smtpd0, 3, 1);
	want_hung_up(&smtpd0, 3, "127.0.0.3", "127.0.0.3");
	/* One path is one, whichever remote it is of: tried by one at most. */
	dial(&smtpd0, 4, 2);
	q = want_unix(2, 0);
	dial(&smtpd1, 5, 2);
	want_error(&smtpd1, 5, DIAL_HELD, "held");
	/* Withdrawn: what comes late is closed. */
	say(&smtpd0, MSG_DIAL_CANCEL, 4);
	settle(&smtpd0);
	pair(fd);
	answer_unix(q, fd[1], 0);
	ok(is_closed(fd[0]), "a late one is closed");
	(void)close(fd[0]);
	/* No answer: it is not waited for. */
	dial(&smtpd0, 6, 2);
	q = want_unix(2, 0);
	want_error(&smtpd0, 6, DIAL_TIMEOUT, "unix:/run/b: timed out");
	answer_unix(q, -1, EAGAIN);
	dial(&smtpd0, 7, 2);
	answer_unix(want_unix(2, 0), -1, 0);
	want_error(&smtpd0, 7, DIAL_REFUSED, "no socket came");
	end();
	(void)close(three);
}

int
main(int argc, char **argv)
{
	int	hold;

	program = child_program(argc, argv, "dialer");
	(void)signal(SIGPIPE, SIG_IGN);
	/* One port for all, held where no test listens. */
	hold = bound("127.0.0.99", &port, true);
	test_order();
	test_ends();
	test_time();
	test_forbidden();
	test_our_name();
	test_listener();
	test_listener_source();
	test_limit();
	test_unix();
	(void)close(hold);
	return done("t_dialer_mx");
}
