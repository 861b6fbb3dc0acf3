/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * resolved as a process, in its jail, against a name server that is played
 * here, on UDP and TCP: answers, none, failures, silence, lies and garbage.
 *
 *	t_resolved [PROGRAM]
 */

#include "child.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <strings.h>

#include "addr.h"

static const char	*program = ".obj/resolved";
static struct child	 res;
static struct conn	 dialer, verifyd;

/* --- the name server ------------------------------------------------------ */

enum { A = 1, CNAME = 5, AAAA = 28 };
enum { NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

#define SILENT	0x01		/* no answer to this family */
#define TRUNC	0x02		/* over UDP: cut, ask over TCP */
#define GARBAGE	0x04		/* noise, a lie and noise before the answer */
#define CUT	0x08		/* the answer ends in the middle */
#define ALIAS	0x10		/* the address is that of another name */
#define COUNTS	0x20		/* says that there are more records */

struct zone {
	const char	*name;
	int		 rcode;
	const char	*a, *aaaa;	/* NULL: none */
	unsigned int	 flags_a, flags_aaaa;
	uint32_t	 ttl;
};

static const struct zone	zones[] = {
	{ "both.test", NOERROR, "192.0.2.1", "2001:db8::1", 0, 0, 100 },
	{ "four.test", NOERROR, "192.0.2.1 192.0.2.2", NULL, 0, 0, 100 },
	{ "six.test", NOERROR, NULL, "2001:db8::1", 0, 0, 100 },
	{ "nodata.test", NOERROR, NULL, NULL, 0, 0, 100 },
	{ "nx.test", NXDOMAIN, NULL, NULL, 0, 0, 100 },
	{ "fail.test", SERVFAIL, NULL, NULL, 0, 0, 100 },
	{ "refused.test", REFUSED, NULL, NULL, 0, 0, 100 },
	{ "formerr.test", FORMERR, NULL, NULL, 0, 0, 100 },
	{ "silent.test", NOERROR, NULL, NULL, SILENT, SILENT, 100 },
	{ "half.test", NOERROR, "192.0.2.1", NULL, 0, SILENT, 100 },
	{ "halfnone.test", NOERROR, NULL, NULL, 0, SILENT, 100 },
	{ "mapped.test", NOERROR, "192.0.2.1", "::ffff:192.0.2.1", 0, 0, 9 },
	{ "twice.test", NOERROR, "192.0.2.1 192.0.2.1", NULL, 0, 0, 100 },
	{ "zero.test", NOERROR, "0.0.0.0", "::", 0, 0, 100 },
	{ "trunc.test", NOERROR, "192.0.2.1", NULL, TRUNC, 0, 100 },
	{ "garbage.test", NOERROR, "192.0.2.1", NULL, GARBAGE, 0, 100 },
	{ "cut.test", NOERROR, "192.0.2.1 192.0.2.2", NULL, CUT, 0, 100 },
	{ "alias.test", NOERROR, "192.0.2.1", NULL, ALIAS, 0, 100 },
	{ "counts.test", NOERROR, "192.0.2.1", NULL, COUNTS, 0, 100 }
};

static struct {
	int		udp, tcp;
	int		tcp_conn;	/* -1: none */
	uint16_t	port;
	unsigned int	asked;		/* questions for something */
	unsigned int	over_tcp;
	bool		mute;
} ns = { .udp = -1, .tcp = -1, .tcp_conn = -1 };

static const struct zone *
zone_find(const char *name)
{
	size_t	i;

	for (i = 0; i < nitems(zones); i++)
		if (strcasecmp(zones[i].name, name) == 0)
			return &zones[i];
	return NULL;
}

static void
put16(uint8_t **p, unsigned int v)
{
	*(*p)++ = (v >> 8) & 0xff;
	*(*p)++ = v & 0xff;
}

static void
put_record(uint8_t **p, int type, uint32_t ttl, const void *data, size_t len)
{
	put16(p, 0xc00c);		/* the name that was asked for */
	put16(p, (unsigned int)type);
	put16(p, 1);
	put16(p, ttl >> 16);
	put16(p, ttl & 0xffff);
	put16(p, (unsigned int)len);
	memcpy(*p, data, len);
	*p += len;
}

/* "many.test" has more addresses than there is room for in an answer. */
static unsigned int
put_many(uint8_t **p, int type)
{
	uint8_t		ip[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	unsigned int	i;

	for (i = 1; i <= 40; i++) {
		ip[15] = (uint8_t)i;
		ip[3] = type == A ? (uint8_t)i : 0xb8;
		put_record(p, type, 100, ip, type == A ? 4 : 16);
	}
	return 40;
}

static unsigned int
put_addrs(uint8_t **p, const struct zone *z, int type, const char *list)
{
	char		*all = strdup(list), *rest = all, *w;
	uint8_t		 ip[16];
	unsigned int	 n = 0;

	while ((w = strsep(&rest, " ")) != NULL) {
		/* addr_parse() would make a mapped one v4. */
		if (inet_pton(type == A ? AF_INET : AF_INET6, w, ip) != 1)
			die(w);
		put_record(p, type, z->ttl + n, ip, type == A ? 4 : 16);
		n++;
	}
	free(all);
	return n;
}

static unsigned int
zone_flags(const struct zone *z, int type)
{
	if (z == NULL)
		return 0;
	return type == A ? z->flags_a : type == AAAA ? z->flags_aaaa : 0;
}

/* The answers section; returns how many. */
static unsigned int
put_answers(uint8_t **p, const struct zone *z, const char *name, int type)
{
	static const uint8_t	other[] = "\5other\4test";
	const char		*list;
	unsigned int		 n = 0;
	uint8_t			*at;

	if (strcmp(name, "many.test") == 0)
		return put_many(p, type);
	list = z == NULL ? NULL : type == A ? z->a : z->aaaa;
	if (list == NULL)
		return 0;
	if ((zone_flags(z, type) & ALIAS) == 0)
		return put_addrs(p, z, type, list);
	put_record(p, CNAME, 7, other, sizeof(other));
	n = 1;
	at = *p;
	n += put_addrs(p, z, type, list);
	/* The address is other.test's: its name begins in that record. */
	at[1] = (uint8_t)(12 + strlen(name) + 2 + 4 + 12);
	return n;
}

/*
 * Make the reply to a question of len octets: its length, 0 = none.  What is
 * asked for is told.
 */
static size_t
reply(const uint8_t *q, size_t len, uint8_t *out, bool tcp, char *name,
    int *type)
{
	const struct zone	*z;
	uint8_t			*p;
	size_t			 i = 12, n;
	unsigned int		 answers;
	int			 rcode;

	name[0] = '\0';
	while (i < len && q[i] != 0) {
		n = q[i++];
		if (name[0] != '\0')
			(void)strlcat(name, ".", 256);
		(void)strlcat(name, (const char *)q + i, strlen(name) + n + 1);
		i += n;
	}
	if (len < 17 || i + 5 > len)
		die("a question that is none");
	*type = q[i + 2];
	ns.asked++;
	ns.over_tcp += tcp;
	z = zone_find(name);
	if (ns.mute || (zone_flags(z, *type) & SILENT))
		return 0;
	memcpy(out, q, i + 5);
	p = out + i + 5;
	answers = put_answers(&p, z, name, *type);
	if (zone_flags(z, *type) & COUNTS)
		answers++;
	rcode = z != NULL ? z->rcode : answers > 0 ? NOERROR : NXDOMAIN;
	out[2] = 0x81;
	out[3] = (uint8_t)(0x80 | rcode);
	out[6] = 0;
	out[7] = (uint8_t)answers;
	out[8] = out[9] = out[10] = out[11] = 0;
	if (!tcp && ((zone_flags(z, *type) & TRUNC) || p - out > 512)) {
		out[2] |= 0x02;
		out[7] = 0;
		return i + 5;
	}
	return (size_t)(p - out) - (zone_flags(z, *type) & CUT ? 5 : 0);
}

static void
send_noise(const uint8_t *out, size_t n, const struct sockaddr *sa,
    socklen_t salen)
{
	uint8_t	lie[1024], noise[64];

	(void)sendto(ns.udp, "", 0, 0, sa, salen);
	arc4random_buf(noise, sizeof(noise));
	(void)sendto(ns.udp, noise, sizeof(noise), 0, sa, salen);
	(void)sendto(ns.udp, out, 11, 0, sa, salen);
	/* The right id for another question, another id for the right one. */
	memcpy(lie, out, n);
	lie[13] ^= 1;
	lie[n - 1] = 66;
	(void)sendto(ns.udp, lie, n, 0, sa, salen);
	memcpy(lie, out, n);
	lie[0] ^= 0x55;
	lie[n - 1] = 66;
	(void)sendto(ns.udp, lie, n, 0, sa, salen);
}

static void
on_udp(void)
{
	struct sockaddr_storage	ss;
	socklen_t		salen = sizeof(ss);
	uint8_t			q[1024], out[4096];
	char			name[256];
	int			type;
	ssize_t			n;
	size_t			len;

	n = recvfrom(ns.udp, q, sizeof(q), MSG_DONTWAIT,
	    (struct sockaddr *)&ss, &salen);
	if (n <= 0)
		return;
	if ((len = reply(q, (size_t)n, out, false, name, &type)) == 0)
		return;
	if (zone_flags(zone_find(name), type) & GARBAGE)
		send_noise(out, len, (struct sockaddr *)&ss, salen);
	(void)sendto(ns.udp, out, len, 0, (struct sockaddr *)&ss, salen);
}

/* One question, whole: that is what c-ares sends. */
static void
on_tcp(void)
{
	uint8_t	q[1024], out[4096];
	char	name[256];
	int	type;
	ssize_t	n;
	size_t	len, at, qlen;

	n = recv(ns.tcp_conn, q, sizeof(q), 0);
	if (n <= 0) {
		(void)close(ns.tcp_conn);
		ns.tcp_conn = -1;
		return;
	}
	for (at = 0; at + 2 <= (size_t)n; at += 2 + qlen) {
		qlen = (size_t)q[at] << 8 | q[at + 1];
		len = reply(q + at + 2, qlen, out + 2, true, name, &type);
		out[0] = (uint8_t)(len >> 8);
		out[1] = (uint8_t)len;
		if (len > 0)
			(void)send(ns.tcp_conn, out, len + 2, 0);
	}
}

static size_t
ns_fds(struct pollfd *pfd, size_t max)
{
	size_t	n = 0;

	if (max < 3)
		return 0;
	pfd[n].fd = ns.udp;
	pfd[n++].events = POLLIN;
	pfd[n].fd = ns.tcp;
	pfd[n++].events = POLLIN;
	if (ns.tcp_conn != -1) {
		pfd[n].fd = ns.tcp_conn;
		pfd[n++].events = POLLIN;
	}
	return n;
}

static void
ns_ready(const struct pollfd *pfd)
{
	if (pfd->fd == ns.udp)
		on_udp();
	else if (pfd->fd == ns.tcp_conn)
		on_tcp();
	else if (pfd->fd == ns.tcp) {
		if (ns.tcp_conn != -1)
			(void)close(ns.tcp_conn);
		ns.tcp_conn = accept4(ns.tcp, NULL, NULL, SOCK_CLOEXEC);
	}
}

/* UDP and TCP on one port. */
static void
ns_start(void)
{
	struct sockaddr_in	sin;
	socklen_t		len = sizeof(sin);
	int			i;

	for (i = 0; i < 100; i++) {
		memset(&sin, 0, sizeof(sin));
		sin.sin_family = AF_INET;
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ns.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ns.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(ns.udp, (struct sockaddr *)&sin, len) == -1 ||
		    getsockname(ns.udp, (struct sockaddr *)&sin, &len) == -1)
			die("bind");
		ns.port = ntohs(sin.sin_port);
		if (bind(ns.tcp, (struct sockaddr *)&sin, len) == 0 &&
		    listen(ns.tcp, 5) == 0)
			return;
		(void)close(ns.udp);
		(void)close(ns.tcp);
	}
	die("no port for the name server");
}

/* --- talking to it -------------------------------------------------------- */

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

/* A generation with these servers; "": none. */
static void
configure(uint32_t generation, const char *servers, int64_t timeout)
{
	struct config	*conf;
	char		*all = copy(servers), *rest = all, *w;

	if ((conf = conf_new(generation)) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	conf->resolver.timeout = timeout;
	while ((w = strsep(&rest, " ")) != NULL)
		if (*w != '\0' && strs_add(&conf->resolver.server,
		    copy(w)) == -1)
			die("strs_add");
	free(all);
	child_conf(&res, conf, R_RESOLVED);
	child_sync(&res);
	conf_unref(conf);
}

static void
begin(int64_t timeout)
{
	char	server[64];

	child_start(&res, program, 0);
	child_peer(&res, &dialer, R_DIALER, 0);
	(void)snprintf(server, sizeof(server), "127.0.0.1:%u", ns.port);
	configure(1, server, timeout);
	ns.asked = ns.over_tcp = 0;
	ns.mute = false;
}

static void
end(void)
{
	child_stop(&res);
	conn_close(&dialer);
}

static void
ask_for(struct conn *c, uint64_t sid, const char *name, uint32_t timeout)
{
	struct proto_dns	d = { .timeout = timeout };
	struct wbuf		w = { 0 };

	(void)strlcpy(d.name, name, sizeof(d.name));
	put_dns(&w, &d);
	conn_send(c, MSG_DNS_ADDR, sid, 0, -1, &w);
}

/* Take an answer; -1 if there is none or it is not whole. */
static int
take(struct conn *c, uint64_t sid, struct proto_dns_ans *a)
{
	struct got	*g = conn_wait(c, MSG_DNS_ADDR_ANS);
	struct msg	 m;
	int		 rc;

	if (!ok(g != NULL, "sid %llu: an answer", (unsigned long long)sid))
		return -1;
	m = got_msg(g);
	rc = get_dns_ans(&m, a);
	is_int(rc, 0, "DNS_ADDR_ANS is whole");
	is_int(g->sid, sid, "its sid");
	got_free(g);
	return rc;
}

static void
want(const char *name, enum dns_status status, const char *addrs,
    uint32_t ttl)
{
	struct proto_dns_ans	 a;
	char			 got[2048] = "", ip[ADDR_TEXT_MAX];
	uint32_t		 i;

	ask_for(&dialer, 1, name, 0);
	if (take(&dialer, 1, &a) == -1)
		return;
	is_int(a.status, status, "%s: status", name);
	for (i = 0; i < a.n; i++) {
		(void)strlcat(got, i == 0 ? "" : " ", sizeof(got));
		(void)strlcat(got, addr_text(&a.addr[i], ip, sizeof(ip)),
		    sizeof(got));
	}
	is_str(got, addrs, "%s: addresses", name);
	is_int(a.ttl, ttl, "%s: ttl", name);
}

/* --- cases ---------------------------------------------------------------- */

static void
test_answers(void)
{
	begin(5000);
	want("both.test", DNS_OK, "2001:db8::1 192.0.2.1", 100);
	want("BOTH.test.", DNS_OK, "2001:db8::1 192.0.2.1", 100);
	want("four.test", DNS_OK, "192.0.2.1 192.0.2.2", 100);
	want("six.test", DNS_OK, "2001:db8::1", 100);
	want("nodata.test", DNS_NONE, "", 0);
	want("nx.test", DNS_NONE, "", 0);
	want("mapped.test", DNS_OK, "192.0.2.1", 9);
	want("twice.test", DNS_OK, "192.0.2.1", 100);
	want("zero.test", DNS_NONE, "", 0);
	want("alias.test", DNS_OK, "192.0.2.1", 7);
	is_int(ns.over_tcp, 0, "all over UDP");
	want("trunc.test", DNS_OK, "192.0.2.1", 100);
	ok(ns.over_tcp > 0, "over TCP");
	want("garbage.test", DNS_OK, "192.0.2.1", 100);
	want("fail.test", DNS_FAIL, "", 0);
	want("refused.test", DNS_FAIL, "", 0);
	want("formerr.test", DNS_FAIL, "", 0);
	want("cut.test", DNS_FAIL, "", 0);
	want("counts.test", DNS_FAIL, "", 0);
	is_int(child_stat(&res, "resolved.questions"), 17, "questions");
	is_int(child_stat(&res, "resolved.failed"), 5, "failed");
	is_int(child_stat(&res, "resolved.asked"), 0, "none under way");
	end();
}

/* Both families have a part in what does not fit. */
static void
test_many(void)
{
	struct proto_dns_ans	a;
	uint32_t		i, four = 0;

	begin(5000);
	ask_for(&dialer, 1, "many.test", 0);
	if (take(&dialer, 1, &a) == 0) {
		is_int(a.status, DNS_OK, "many: status");
		is_int(a.n, DNS_ADDRS_MAX, "many: as many as there is room");
		for (i = 0; i < a.n; i++)
			four += a.addr[i].family == ADDR_V4;
		is_int(four, DNS_ADDRS_MAX / 2, "many: half of them v4");
	}
	end();
}

/* What is never asked. */
static void
test_not_asked(void)
{
	static const char *const	bad[] = {
		"", ".", "a..b", ".a.test", "a b.test", "a\\.test", "1.2.3.4",
		"::1", "caf\303\251.test", "a/b.test",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz12345678"
		"90abcd.test",
	};
	char				name[256];
	size_t				i;

	begin(5000);
	for (i = 0; i < nitems(bad); i++)
		want(bad[i], DNS_NONE, "", 0);
	for (i = 0; i < 255; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[255] = '\0';
	want(name, DNS_NONE, "", 0);
	want("x.localhost", DNS_OK, "::1 127.0.0.1", 5);
	is_int(ns.asked, 0, "the name server was not asked");
	end();
}

static void
test_time(void)
{
	struct proto_dns_ans	a;
	int64_t			begun;

	begin(1000);
	begun = now_ms();
	want("half.test", DNS_OK, "192.0.2.1", 100);
	ok(now_ms() - begun < 800, "half an answer is not waited for long");
	begun = now_ms();
	want("silent.test", DNS_TIMEOUT, "", 0);
	ok(now_ms() - begun >= 900, "resolver.timeout passed");
	ok(now_ms() - begun < 3000, "and not much more");
	want("halfnone.test", DNS_TIMEOUT, "", 0);
	is_int(child_logged(&res, "name servers do not answer"), 1,
	    "one warning");
	/* The asker's time, where it is the shorter one. */
	begun = now_ms();
	ask_for(&dialer, 2, "silent.test", 200);
	if (take(&dialer, 2, &a) == 0)
		is_int(a.status, DNS_TIMEOUT, "time is up");
	ok(now_ms() - begun < 800, "the asker's time");
	end();
}

/* A flood waits for its own share, not for others'; withdrawn ones too. */
static void
test_share(void)
{
	struct proto_dns_ans	a;
	struct got		*g;
	uint64_t		 i;

	begin(1500);
	for (i = 1; i <= 100; i++)
		ask_for(&dialer, i, "silent.test", 0);
	child_sync(&res);
	while (child_stat(&res, "resolved.asked") < 64)
		turn(1);
	is_int(child_stat(&res, "resolved.asked"), 64, "a share");
	is_int(child_stat(&res, "resolved.queued"), 36, "the rest waits");
	/* Another asker has a share of its own. */
	child_peer(&res, &verifyd, R_DIALER, 1);
	ask_for(&verifyd, 7, "four.test", 0);
	if (take(&verifyd, 7, &a) == 0)
		is_int(a.n, 2, "an answer in between");
	for (i = 1; i <= 100; i++)
		conn_send(&dialer, MSG_DNS_CANCEL, i, 0, -1, NULL);
	ask_for(&dialer, 101, "four.test", 0);
	while ((g = conn_wait_ms(&dialer, 0, 0)) != NULL)
		got_free(g);
	is_int(child_stat(&res, "resolved.queued"), 1, "it waits");
	is_int(child_stat(&res, "resolved.asked"), 64, "for c-ares");
	/* It comes to its turn, or its time is up: once, either way. */
	ok(take(&dialer, 101, &a) == 0, "one answer");
	/* An asker that goes takes all with it. */
	for (i = 1; i <= 100; i++)
		ask_for(&verifyd, i, "silent.test", 0);
	conn_close(&verifyd);
	child_sync(&res);
	while (child_stat(&res, "resolved.queued") > 0)
		turn(1);
	want("four.test", DNS_OK, "192.0.2.1 192.0.2.2", 100);
	end();
}

/* Other servers: what is under way is asked there. */
static void
test_reload(void)
{
	struct proto_dns_ans	a;
	char			server[128];
	unsigned int		asked;

	begin(5000);
	ns.mute = true;
	ask_for(&dialer, 1, "both.test", 0);
	while (ns.asked < 2)
		turn(10);
	ns.mute = false;
	asked = ns.asked;
	(void)snprintf(server, sizeof(server), "127.0.0.1:%u [::1]:%u",
	    ns.port, ns.port);
	configure(2, server, 5000);
	if (take(&dialer, 1, &a) == 0) {
		is_int(a.status, DNS_OK, "answered by the new server");
		is_int(a.n, 2, "both families");
	}
	ok(ns.asked >= asked + 2, "it was asked again");
	/* resolv.conf's: nothing of it is asked here. */
	asked = ns.asked;
	configure(3, "", 5000);
	want("x.localhost", DNS_OK, "::1 127.0.0.1", 5);
	is_int(ns.asked, asked, "not asked");
	end();
}

static void
test_broken(void)
{
	struct wbuf	w = { 0 };

	begin(5000);
	ask_for(&dialer, 1, "silent.test", 0);
	ask_for(&dialer, 1, "silent.test", 0);
	ok(conn_ended(&dialer), "a sid used twice");
	conn_close(&dialer);
	child_peer(&res, &dialer, R_DIALER, 0);
	put_u32(&w, 0);
	put_str(&w, "a\nb");
	conn_send(&dialer, MSG_DNS_ADDR, 1, 0, -1, &w);
	ok(conn_ended(&dialer), "a name with a control octet");
	conn_close(&dialer);
	child_peer(&res, &dialer, R_DIALER, 0);
	want("four.test", DNS_OK, "192.0.2.1 192.0.2.2", 100);
	end();
}

static void
test_drain(void)
{
	begin(5000);
	conn_send(&res.parent, MSG_STOP, 0, 1, -1, NULL);
	want("four.test", DNS_OK, "192.0.2.1 192.0.2.2", 100);
	conn_close(&dialer);
	is_int(child_wait(&res), 0, "it ends with its last asker");
	conn_close(&res.parent);
	(void)close(res.log);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		program = argv[1];
	(void)signal(SIGPIPE, SIG_IGN);
	ns_start();
	other_fds = ns_fds;
	other_ready = ns_ready;
	test_answers();
	test_many();
	test_not_asked();
	test_time();
	test_share();
	test_reload();
	test_broken();
	test_drain();
	return done("t_resolved");
}
