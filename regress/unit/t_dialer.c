/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer as a process, in its jail: real connections to listeners on
 * loopback, answers of a resolved that is played here, askers that queue,
 * withdraw and vanish.
 *
 *	t_dialer [PROGRAM]
 */

#include "child.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "addr.h"

static const char	*program = ".obj/dialer";
static struct child	 dialer;
static struct conn	 smtpd0, smtpd1, resolved;
static struct config	*conf;

/* --- sockets -------------------------------------------------------------- */

/* A socket bound to an address; port 0 = any, and the one it got. */
static int
bound(const char *ip, uint16_t *port, bool listening)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	struct addr		 a;
	int			 fd, on = 1;

	if (addr_parse(&a, ip) == -1)
		die(ip);
	a.port = *port;
	len = addr_to_sa(&a, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)) == -1 || (a.family == ADDR_V6 && setsockopt(fd,
	    IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1) ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1 ||
	    (listening && listen(fd, 16) == -1) ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		die(ip);
	addr_from_sa(&a, (struct sockaddr *)&ss, len);
	*port = a.port;
	return fd;
}

#define HOLE_FDS	4

/* A listener that answers nobody: its queue is full. */
struct hole {
	int	 fd[HOLE_FDS];
};

static void
hole_open(struct hole *h, const char *ip, uint16_t *port)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	struct addr		 a;
	struct pollfd		 pfd;
	int			 i;

	h->fd[0] = bound(ip, port, false);
	if (listen(h->fd[0], 0) == -1 || addr_parse(&a, ip) == -1)
		die("listen");
	a.port = *port;
	len = addr_to_sa(&a, &ss);
	for (i = 1; i < HOLE_FDS; i++) {
		h->fd[i] = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
		(void)connect(h->fd[i], (struct sockaddr *)&ss, len);
	}
	/* The first fills the queue; the last must hang for the test. */
	pfd.fd = h->fd[1];
	pfd.events = POLLOUT;
	ok(poll(&pfd, 1, WAIT_MAX) == 1, "the hole takes one");
	pfd.fd = h->fd[HOLE_FDS - 1];
	ok(poll(&pfd, 1, 50) == 0, "the hole takes no more");
}

static void
hole_close(struct hole *h)
{
	int	i;

	for (i = 0; i < HOLE_FDS; i++)
		(void)close(h->fd[i]);
}

/* --- the configuration ---------------------------------------------------- */

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

/* Words, one blank between them. */
static void
words(struct strs *to, const char *s)
{
	char	*all = copy(s), *p = all, *w;

	while ((w = strsep(&p, " ")) != NULL)
		if (*w != '\0' && strs_add(to, copy(w)) == -1)
			die("strs_add");
	free(all);
}

static void
remote(uint32_t id, const char *address, uint16_t port, int64_t connect_ms,
    int64_t connections, const char *source)
{
	struct conf_remote	*r;
	char			 name[16];

	if ((r = calloc(1, sizeof(*r))) == NULL)
		die("calloc");
	(void)snprintf(name, sizeof(name), "r%u", id);
	r->obj.name = copy(name);
	r->obj.id = id;
	words(&r->address, address);
	words(&r->source, source);
	r->port = port;
	r->timeout.connect = connect_ms;
	r->connections = connections;
	if (conf_map_add(&conf->remotes, &r->obj) == -1)
		die("conf_map_add");
}

static void
conf_start(uint32_t generation)
{
	if ((conf = conf_new(generation)) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
}

static void
conf_send(void)
{
	child_conf(&dialer, conf, R_DIALER);
	child_sync(&dialer);
	conf_unref(conf);
	conf = NULL;
}

/* --- talking to it -------------------------------------------------------- */

static void
dial(struct conn *c, uint64_t sid, uint32_t id)
{
	struct proto_dial	d = { id };
	struct wbuf		w = { 0 };

	put_dial(&w, &d);
	conn_send(c, MSG_DIAL_REQ, sid, 0, -1, &w);
}

static void
say(struct conn *c, uint16_t type, uint64_t sid)
{
	conn_send(c, type, sid, 0, -1, NULL);
}

/* An error is expected; the text that must be in it. */
static void
want_error(struct conn *c, uint64_t sid, enum dial_error error,
    const char *why)
{
	struct got		*g = conn_wait(c, MSG_DIAL_ERR);
	struct proto_dial_err	 e;
	struct msg		 m;

	if (!ok(g != NULL, "sid %llu: an error", (unsigned long long)sid))
		return;
	m = got_msg(g);
	is_int(get_dial_err(&m, &e), 0, "DIAL_ERR is whole");
	is_int(g->sid, sid, "its sid");
	is_int(e.error, error, "sid %llu: error (%s)",
	    (unsigned long long)sid, e.why);
	ok(strstr(e.why, why) != NULL, "\"%s\" says \"%s\"", e.why, why);
	got_free(g);
}

/* A connection is expected, to this address.  Returns the descriptor. */
static int
want_fd(struct conn *c, uint64_t sid, const char *ip, const char *host)
{
	struct got		*g = conn_wait(c, MSG_DIAL_FD);
	struct proto_dial_fd	 f;
	struct msg		 m;
	char			 text[ADDR_TEXT_MAX];
	int			 fd;

	if (!ok(g != NULL, "sid %llu: a connection",
	    (unsigned long long)sid)) {
		child_show_log(&dialer);
		return -1;
	}
	m = got_msg(g);
	is_int(get_dial_fd(&m, &f), 0, "DIAL_FD is whole");
	is_int(g->sid, sid, "its sid");
	is_str(addr_text(&f.to, text, sizeof(text)), ip, "where it leads");
	is_str(f.host, host, "what was asked for");
	fd = g->fd;
	g->fd = -1;
	got_free(g);
	return fd;
}

static void
want_nothing(struct conn *c, int64_t ms)
{
	struct got	*g = conn_wait_ms(c, 0, ms);

	ok(g == NULL, "no message, not %s", g == NULL ? "" :
	    msg_name(g->type));
	got_free(g);
}

/* A question to resolved: its name is checked, its sid returned. */
static uint64_t
want_question(const char *name)
{
	struct got		*g = conn_wait(&resolved, MSG_DNS_ADDR);
	struct proto_dns	 d;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "a question for %s", name))
		return 0;
	m = got_msg(g);
	is_int(get_dns(&m, &d), 0, "DNS_ADDR is whole");
	is_str(d.name, name, "the name asked for");
	ok(d.timeout > 0, "a time-out");
	sid = g->sid;
	got_free(g);
	return sid;
}

static void
answer(uint64_t sid, enum dns_status status, const char *addrs)
{
	struct proto_dns_ans	 a = { .status = (uint8_t)status, .ttl = 60 };
	struct wbuf		 w = { 0 };
	struct strs		 list = { 0 };

	words(&list, addrs);
	for (a.n = 0; a.n < list.n; a.n++)
		if (addr_parse(&a.addr[a.n], list.v[a.n]) == -1)
			die(list.v[a.n]);
	strs_clear(&list);
	put_dns_ans(&w, &a);
	conn_send(&resolved, MSG_DNS_ADDR_ANS, sid, 0, -1, &w);
}

/* Give a connection back. */
static void
hang_up(struct conn *c, uint64_t sid, int fd)
{
	if (fd != -1)
		(void)close(fd);
	say(c, MSG_DIAL_DONE, sid);
}

/*
 * Wait until it has read what this asker sent, and done what could be done
 * at once: a remote that is not there is answered in its turn.
 */
static void
settle(struct conn *c)
{
	dial(c, UINT64_MAX, 999);
	want_error(c, UINT64_MAX, DIAL_UNKNOWN_REMOTE, "no such remote");
}

/* --- cases ---------------------------------------------------------------- */

static void
begin(uint64_t files)
{
	child_start(&dialer, program, files);
	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	child_peer(&dialer, &smtpd1, R_SMTPD, 1);
	child_peer(&dialer, &resolved, R_RESOLVED, 0);
	conf_start(1);
}

static void
end(void)
{
	child_stop(&dialer);
	conn_close(&smtpd0);
	conn_close(&smtpd1);
	conn_close(&resolved);
}

/* The descriptor is ready to use, and not an octet has gone over it. */
static void
test_connect(void)
{
	socklen_t	len = sizeof(int);
	uint16_t	port = 0, closed = 0;
	int		listener, unused, fd, peer, value = 0;
	char		c;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	unused = bound("127.0.0.1", &closed, false);
	remote(1, "127.0.0.1", port, 5000, 0, "");
	remote(2, "127.0.0.1", closed, 5000, 0, "");
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

	dial(&smtpd0, 78, 2);
	want_error(&smtpd0, 78, DIAL_REFUSED, "127.0.0.1:");
	dial(&smtpd0, 78, 2);
	want_error(&smtpd0, 78, DIAL_REFUSED, "refused");
	is_int(child_logged(&dialer, "event=address-down"), 1, "logged once");
	is_int(child_stat(&dialer, "dialer.held"), 1, "held down");
	if (listen(unused, 1) == -1)
		die("listen");
	dial(&smtpd0, 79, 2);
	hang_up(&smtpd0, 79, want_fd(&smtpd0, 79, "127.0.0.1", "127.0.0.1"));
	settle(&smtpd0);
	is_int(child_logged(&dialer, "event=address-up"), 1, "and back");
	is_int(child_stat(&dialer, "dialer.held"), 0, "not held down");
	is_int(child_stat(&dialer, "dialer.dials"), 6, "dials");
	is_int(child_stat(&dialer, "dialer.failed"), 4, "failed");
	end();
	(void)close(listener);
	(void)close(unused);
}

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
	hang_up(&smtpd0, 1, want_fd(&smtpd0, 1, "127.0.0.2", "127.0.0.2"));
	is_int(child_logged(&dialer, "event=address-down"), 1, "one is down");
	first = bound("127.0.0.1", &port, true);
	dial(&smtpd0, 1, 1);
	hang_up(&smtpd0, 1, want_fd(&smtpd0, 1, "127.0.0.2", "127.0.0.2"));
	is_int(child_logged(&dialer, "event=address-up"), 0, "not tried");
	/* Where there is nothing else it is: with its own name. */
	dial(&smtpd0, 1, 2);
	hang_up(&smtpd0, 1, want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1"));
	is_int(child_logged(&dialer, "event=address-up"), 1, "tried");
	dial(&smtpd0, 1, 1);
	hang_up(&smtpd0, 1, want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1"));
	end();
	(void)close(first);
	(void)close(second);
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
	int64_t		begun;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "127.0.0.1", port, 5000, 1, "");
	remote(2, "127.0.0.1", port, 400, 1, "");
	conf_send();
	dial(&smtpd0, 1, 1);
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	/* Two wait, and the holder hears of it, more than once. */
	dial(&smtpd1, 1, 1);
	got_free(conn_wait(&smtpd0, MSG_DIAL_WANT));
	settle(&smtpd1);
	dial(&smtpd0, 2, 1);
	settle(&smtpd0);
	is_int(child_stat(&dialer, "dialer.waiting"), 2, "two wait");
	got_free(conn_wait(&smtpd0, MSG_DIAL_WANT));
	ok(conn_wait(&smtpd0, MSG_DIAL_WANT) != NULL, "told again");
	hang_up(&smtpd0, 1, fd);
	fd = want_fd(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	ok(conn_wait(&smtpd1, MSG_DIAL_WANT) != NULL, "the new holder hears");
	hang_up(&smtpd1, 1, fd);
	fd = want_fd(&smtpd0, 2, "127.0.0.1", "127.0.0.1");
	is_int(child_stat(&dialer, "dialer.leases"), 1, "one lease");

	/* One that withdraws does not get it. */
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

	/* Time is up in the queue. */
	child_peer(&dialer, &smtpd1, R_SMTPD, 1);
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
test_timeout(void)
{
	struct hole	hole;
	uint16_t	port = 0;
	int64_t		begun;
	int		other, fd;

	begin(0);
	hole_open(&hole, "127.0.0.1", &port);
	other = bound("127.0.0.2", &port, true);
	remote(1, "127.0.0.1", port, 600, 0, "");
	remote(2, "127.0.0.1 127.0.0.2", port, 2000, 0, "");
	remote(3, "127.0.0.1", port, 5000, 0, "");
	conf_send();

	/* The second of the list is asked in time; then the first is down. */
	dial(&smtpd0, 1, 2);
	fd = want_fd(&smtpd0, 1, "127.0.0.2", "127.0.0.2");
	hang_up(&smtpd0, 1, fd);
	begun = now_ms();
	dial(&smtpd0, 1, 2);
	fd = want_fd(&smtpd0, 1, "127.0.0.2", "127.0.0.2");
	hang_up(&smtpd0, 1, fd);
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

static void
test_names(void)
{
	uint16_t	port = 0;
	uint64_t	q;
	int		listener, fd;

	begin(0);
	listener = bound("127.0.0.1", &port, true);
	remote(1, "mx.example", port, 5000, 0, "");
	remote(2, "other.example", port, 5000, 0, "");
	remote(3, "none.example 127.0.0.1", port, 5000, 0, "");
	remote(4, "slow.example", port, 400, 0, "");
	remote(5, "slow.example 127.0.0.1", port, 1200, 0, "");
	conf_send();

	/* One question for all, and its answer is kept. */
	dial(&smtpd0, 1, 1);
	dial(&smtpd0, 2, 1);
	q = want_question("mx.example");
	dial(&smtpd1, 3, 1);
	settle(&smtpd1);
	want_nothing(&resolved, 0);
	answer(q, DNS_OK, "127.0.0.1");
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "mx.example");
	hang_up(&smtpd0, 1, fd);
	fd = want_fd(&smtpd0, 2, "127.0.0.1", "mx.example");
	hang_up(&smtpd0, 2, fd);
	fd = want_fd(&smtpd1, 3, "127.0.0.1", "mx.example");
	hang_up(&smtpd1, 3, fd);
	dial(&smtpd0, 4, 1);
	fd = want_fd(&smtpd0, 4, "127.0.0.1", "mx.example");
	hang_up(&smtpd0, 4, fd);
	want_nothing(&resolved, 0);

	/* Failures are told, and not kept. */
	dial(&smtpd0, 1, 2);
	answer(want_question("other.example"), DNS_FAIL, "");
	want_error(&smtpd0, 1, DIAL_DNS, "other.example");
	dial(&smtpd0, 1, 2);
	answer(want_question("other.example"), DNS_TIMEOUT, "");
	want_error(&smtpd0, 1, DIAL_DNS, "do not answer");
	dial(&smtpd0, 1, 2);
	answer(want_question("other.example"), DNS_NONE, "");
	want_error(&smtpd0, 1, DIAL_NO_ADDRESS, "no such name");
	/* That there is none is kept. */
	dial(&smtpd0, 1, 2);
	want_error(&smtpd0, 1, DIAL_NO_ADDRESS, "no such name");
	want_nothing(&resolved, 0);
	/* A list goes on behind a name without addresses. */
	dial(&smtpd0, 1, 3);
	answer(want_question("none.example"), DNS_NONE, "");
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd0, 1, fd);

	/* The last one who waits takes the question back. */
	dial(&smtpd0, 1, 4);
	q = want_question("slow.example");
	dial(&smtpd1, 2, 4);
	settle(&smtpd1);
	say(&smtpd0, MSG_DIAL_CANCEL, 1);
	settle(&smtpd0);
	want_nothing(&resolved, 0);
	say(&smtpd1, MSG_DIAL_CANCEL, 2);
	ok(conn_wait(&resolved, MSG_DNS_CANCEL) != NULL, "withdrawn");
	answer(q, DNS_OK, "127.0.0.1");
	want_nothing(&smtpd0, 0);
	/* No answer in time. */
	dial(&smtpd0, 1, 4);
	(void)want_question("slow.example");
	want_error(&smtpd0, 1, DIAL_DNS, "in time");
	ok(conn_wait(&resolved, MSG_DNS_CANCEL) != NULL, "withdrawn");
	dial(&smtpd0, 1, 5);
	(void)want_question("slow.example");
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd0, 1, fd);
	ok(conn_wait(&resolved, MSG_DNS_CANCEL) != NULL, "withdrawn");

	/* A new resolved is asked what the old one has not answered. */
	dial(&smtpd0, 1, 4);
	(void)want_question("slow.example");
	conn_close(&resolved);
	child_sync(&dialer);
	child_peer(&dialer, &resolved, R_RESOLVED, 0);
	answer(want_question("slow.example"), DNS_OK, "127.0.0.1");
	fd = want_fd(&smtpd0, 1, "127.0.0.1", "slow.example");
	hang_up(&smtpd0, 1, fd);
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
	fd = want_fd(&smtpd0, 4, "::1", "both.example");
	hang_up(&smtpd0, 4, fd);
	dial(&smtpd0, 5, 1);
	fd = want_fd(&smtpd0, 5, "::1", "both.example");
	hang_up(&smtpd0, 5, fd);
	end();
	(void)close(six);
}

static void
test_reload(void)
{
	uint16_t	port = 0, closed = 0;
	int		listener, unused, fd, fd2;

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
	fd2 = want_fd(&smtpd0, 3, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd0, 3, fd2);
	dial(&smtpd0, 4, 4);
	fd2 = want_fd(&smtpd0, 4, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd0, 4, fd2);
	is_int(child_stat(&dialer, "dialer.held"), 1, "holds survive");
	/* The lease of remote 1 counts. */
	dial(&smtpd1, 5, 1);
	settle(&smtpd1);
	is_int(child_stat(&dialer, "dialer.waiting"), 1, "counts survive");
	hang_up(&smtpd0, 1, fd);
	fd = want_fd(&smtpd1, 5, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd1, 5, fd);
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
	put_u8(&w, 0);
	conn_send(&smtpd0, MSG_DIAL_REQ, 1, 0, -1, &w);
	ok(conn_ended(&smtpd0), "an octet too many");
	conn_close(&smtpd0);

	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	say(&smtpd0, MSG_DIAL_FD, 1);
	ok(conn_ended(&smtpd0), "a message it may not send");
	dial(&smtpd1, 1, 1);
	fd = want_fd(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd1, 1, fd);
	end();
	(void)close(listener);
}

/* Without descriptors dials fail, and the process stays. */
static void
test_exhausted(void)
{
	struct hole	hole;
	uint16_t	port = 0, good = 0;
	uint64_t	i;
	int		listener, fd;

	begin(80);
	hole_open(&hole, "127.0.0.1", &port);
	listener = bound("127.0.0.1", &good, true);
	remote(1, "127.0.0.1", port, 60000, 0, "");
	remote(2, "127.0.0.1", good, 5000, 0, "");
	conf_send();
	for (i = 1; i <= 100; i++)
		dial(&smtpd0, i, 1);
	got_free(conn_wait(&smtpd0, MSG_DIAL_ERR));
	settle(&smtpd1);
	is_int(child_logged(&dialer, "no socket for a connection"), 1,
	    "one warning");
	is_int(child_stat(&dialer, "dialer.held"), 0, "nothing held down");
	conn_close(&smtpd0);
	child_sync(&dialer);
	dial(&smtpd1, 1, 2);
	fd = want_fd(&smtpd1, 1, "127.0.0.1", "127.0.0.1");
	hang_up(&smtpd1, 1, fd);
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
	if (argc > 1)
		program = argv[1];
	(void)signal(SIGPIPE, SIG_IGN);
	test_connect();
	test_list();
	test_source();
	test_limit();
	test_timeout();
	test_names();
	test_families();
	test_reload();
	test_gone();
	test_broken();
	test_exhausted();
	test_drain();
	return done("t_dialer");
}
