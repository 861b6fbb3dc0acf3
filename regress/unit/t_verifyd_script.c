/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd as a process, in its jail, and what scripts ask of it; proxyd,
 * smtpd, resolved, the dialer and the parent are played here.
 *
 *	t_verifyd_script [PROGRAM]
 */

#include "child.h"

#include <sys/mman.h>

#include "proto_script.h"

#define AN_HOUR	3600000

static const char	*program;
static struct child	 ver;
static struct conn	 smtpd, proxyd, proxyd1, resolved, dialer;
static uint32_t		 generation;

/* --- begin and end -------------------------------------------------------- */

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

static struct config *
settings(void)
{
	struct config	*conf;

	if ((conf = conf_new(++generation)) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	conf->hostname = copy("us.test");
	conf->resolver.timeout = 5000;
	return conf;
}

static void
configure(struct config *conf)
{
	child_conf(&ver, conf, R_VERIFYD);
	child_sync(&ver);
	conf_unref(conf);
}

static void
begin(struct config *conf)
{
	child_start(&ver, program, 0);
	child_peer(&ver, &smtpd, R_SMTPD, 0);
	child_peer(&ver, &proxyd, R_PROXYD, 0);
	child_peer(&ver, &proxyd1, R_PROXYD, 1);
	child_peer(&ver, &resolved, R_RESOLVED, 0);
	child_peer(&ver, &dialer, R_DIALER, 0);
	configure(conf);
}

static void
end(void)
{
	child_stop(&ver);
	conn_close(&smtpd);
	conn_close(&proxyd);
	conn_close(&proxyd1);
	conn_close(&resolved);
	conn_close(&dialer);
}

/* A frame that its sender should not have sent costs him his pipe. */
static void
want_broken(struct conn *c, struct wbuf *w, uint16_t type, const char *what)
{
	unsigned int	role = c == &smtpd ? R_SMTPD : R_PROXYD;

	conn_send(c, type, 1, 1, -1, w);
	ok(conn_ended(c), "%s: the pipe is closed", what);
	got_free(conn_wait(&ver.parent, MSG_PEER_BROKE));
	conn_close(c);
	child_peer(&ver, c, role, 0);
}

/* --- STATE ---------------------------------------------------------------- */

static void
put_head(struct wbuf *w, enum state_op op, enum state_table table,
    uint32_t ttl, uint32_t n)
{
	struct proto_state	 s = { .op = (uint8_t)op,
				    .table = (uint8_t)table, .ttl = ttl,
				    .n = n };

	put_state(w, &s);
}

/* One key: by is its value, or what is added; want NULL: none is found. */
static void
state(struct conn *c, enum state_op op, enum state_table table,
    const char *key, const char *by, uint32_t ttl, const char *want)
{
	struct wbuf		 w = { 0 };
	struct proto_state_ans	 a;
	struct msg		 m;
	struct got		*g;
	const uint8_t		*p;
	size_t			 len;
	bool			 found;

	put_head(&w, op, table, ttl, 1);
	put_blob(&w, key, strlen(key));
	if (op != STATE_GET)
		put_str(&w, by);
	conn_send(c, MSG_STATE, 5, 7, -1, &w);
	if (!ok((g = conn_wait(c, MSG_STATE_ANS)) != NULL, "an answer"))
		return;
	m = got_msg(g);
	is_int(get_state_ans(&m, &a), 0, "its head is whole");
	ok(g->sid == 5 && g->seq == 7 && a.op == op && a.n == 1, "its head");
	if (op != STATE_SET) {
		found = get_bool(&m.body);
		p = get_blob(&m.body, &len);
		ok(found == (want != NULL), "%s: found", key);
		ok(p != NULL && len == strlen(want == NULL ? "" : want) &&
		    memcmp(p, want == NULL ? "" : want, len) == 0,
		    "%s: %.*s", key, (int)len, (const char *)p);
	}
	is_int(get_end(&m.body), 0, "nothing behind it");
	got_free(g);
}

static void
test_store(void)
{
	struct wbuf	w = { 0 };

	begin(settings());
	state(&proxyd, STATE_GET, STATE_SCRIPT, "k", "", 0, NULL);
	state(&proxyd, STATE_SET, STATE_SCRIPT, "k", "one", AN_HOUR, NULL);
	state(&proxyd1, STATE_GET, STATE_SCRIPT, "k", "", 0, "one");
	state(&smtpd, STATE_SET, STATE_DELIVERED, "k", "two", AN_HOUR, NULL);
	state(&proxyd, STATE_GET, STATE_SCRIPT, "k", "", 0, "one");
	is_int(child_stat(&ver, "verifyd.state.entries"), 1, "a worker's");
	is_int(child_stat(&ver, "verifyd.script.state.entries"), 1,
	    "a script's");
	state(&proxyd, STATE_SET, STATE_SCRIPT, "k", "", 0, NULL);
	state(&proxyd, STATE_GET, STATE_SCRIPT, "k", "", 0, NULL);
	/* Each has what is its own. */
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, 0);
	want_broken(&proxyd, &w, MSG_STATE, "proxyd reads the workers'");
	put_head(&w, STATE_SET, STATE_LMTP_CLASS, 1, 0);
	want_broken(&proxyd, &w, MSG_STATE, "and writes there");
	put_head(&w, STATE_INCR, STATE_DELIVERED, 1, 0);
	want_broken(&proxyd, &w, MSG_STATE, "and counts there");
	put_head(&w, STATE_GET, STATE_SCRIPT, 0, 0);
	want_broken(&smtpd, &w, MSG_STATE, "smtpd reads what scripts keep");
	put_head(&w, STATE_INCR, STATE_SCRIPT, 0, 0);
	want_broken(&smtpd, &w, MSG_STATE, "and counts there");
	put_head(&w, STATE_FREE, STATE_SCRIPT, 0, 0);
	want_broken(&proxyd, &w, MSG_STATE, "proxyd frees");
	state(&smtpd, STATE_GET, STATE_DELIVERED, "k", "", 0, "two");
	end();
}

static void
test_incr(void)
{
	static const char *const	bad[] = { "", "x", "1x", " 1", "1 ",
		"--1", "-", "+1", "1.0", "9223372036854775808",
		"00000000000000000000000001" };
	struct wbuf			w = { 0 };
	size_t				i;

	begin(settings());
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "n", "1", AN_HOUR, "1");
	state(&proxyd1, STATE_INCR, STATE_SCRIPT, "n", "41", AN_HOUR, "42");
	state(&proxyd, STATE_GET, STATE_SCRIPT, "n", "", 0, "42");
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "n", "-50", AN_HOUR, "-8");
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "n", "0", AN_HOUR, "-8");
	for (i = 0; i < nitems(bad); i++)
		state(&proxyd, STATE_INCR, STATE_SCRIPT, "n", bad[i],
		    AN_HOUR, NULL);
	state(&proxyd, STATE_GET, STATE_SCRIPT, "n", "", 0, "-8");
	/* As far as it goes, and no further. */
	state(&proxyd, STATE_SET, STATE_SCRIPT, "n", "9223372036854775806",
	    AN_HOUR, NULL);
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "n", "1", AN_HOUR,
	    "9223372036854775807");
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "n", "1", AN_HOUR, NULL);
	state(&proxyd, STATE_GET, STATE_SCRIPT, "n", "", 0,
	    "9223372036854775807");
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "low",
	    "-9223372036854775808", AN_HOUR, "-9223372036854775808");
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "low", "-1", AN_HOUR, NULL);
	/* What is there is text. */
	state(&proxyd, STATE_SET, STATE_SCRIPT, "t", "text", AN_HOUR, NULL);
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "t", "1", AN_HOUR, NULL);
	state(&proxyd, STATE_GET, STATE_SCRIPT, "t", "", 0, "text");
	/* For no time: it is not kept. */
	state(&proxyd, STATE_INCR, STATE_SCRIPT, "z", "5", 0, "5");
	state(&proxyd, STATE_GET, STATE_SCRIPT, "z", "", 0, NULL);
	put_head(&w, STATE_INCR, STATE_SCRIPT, 1, 1);
	put_str(&w, "key");
	want_broken(&proxyd, &w, MSG_STATE, "an amount is missing");
	end();
}

static void
take(struct conn *c, const char *key, uint32_t over)
{
	struct proto_rate	 r = { .key = (const uint8_t *)key,
				    .klen = strlen(key), .count = 2,
				    .period = AN_HOUR };
	struct proto_state_ans	 a;
	struct wbuf		 w = { 0 };
	struct msg		 m;
	struct got		*g;

	put_head(&w, STATE_TAKE, STATE_LMTP_CLASS, 0, 1);
	put_rate(&w, &r);
	conn_send(c, MSG_STATE, 3, 4, -1, &w);
	if (!ok((g = conn_wait(c, MSG_STATE_ANS)) != NULL, "an answer"))
		return;
	m = got_msg(g);
	is_int(get_state_ans(&m, &a), 0, "STATE_ANS is whole");
	is_int(a.over, over, "%s: over", key);
	got_free(g);
}

/* What scripts charge is charged to nobody else. */
static void
test_rates(void)
{
	struct proto_rate	r = { .key = (const uint8_t *)"k", .klen = 1,
				    .count = 1 };
	struct wbuf		w = { 0 };

	begin(settings());
	take(&proxyd, "k", 0);
	take(&proxyd1, "k", 0);
	take(&proxyd, "k", 1);
	take(&smtpd, "k", 0);
	take(&smtpd, "k", 0);
	take(&smtpd, "k", 1);
	is_int(child_stat(&ver, "verifyd.script.rate.taken"), 2, "taken");
	is_int(child_stat(&ver, "verifyd.script.rate.refused"), 1, "refused");
	is_int(child_stat(&ver, "verifyd.rate.taken"), 2, "by sessions");
	put_head(&w, STATE_TAKE, STATE_LMTP_CLASS, 0, 1);
	put_rate(&w, &r);
	want_broken(&proxyd, &w, MSG_STATE, "scripts hold nothing");
	end();
}

/* --- LOOKUP --------------------------------------------------------------- */

static const char	entries[] = "10.0.0.0/8 ten\n192.0.2.1 one\n"
			    "2001:db8::/32 six\nexample.org\n"
			    "joe@example.org the joe\n";

static int
memory(const char *text)
{
	int	fd = memfd_create("text", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text, strlen(text)) !=
	    (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) == -1)
		die("memfd");
	return fd;
}

/* As the parent has it made: by a verifyd of its own. */
static int
big_list(void)
{
	struct child	maker;
	int		fd = memfd_create("list", MFD_CLOEXEC |
			    MFD_ALLOW_SEALING);

	child_start(&maker, program, 0);
	conn_send(&maker.parent, MSG_LIST_TEXT, 0, 7, memory(entries), NULL);
	conn_send(&maker.parent, MSG_LIST_FILE, 0, 7, dup(fd), NULL);
	conn_expect(&maker.parent, MSG_LIST_DONE, "it is made");
	child_stop(&maker);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_WRITE | F_SEAL_SEAL) == -1)
		die("seals");
	return fd;
}

static struct conf_list *
add_list(struct config *conf, uint32_t id, const char *name)
{
	struct conf_list	*l = calloc(1, sizeof(*l));

	if (l == NULL)
		die("list");
	l->obj.name = copy(name);
	l->obj.id = id;
	if (conf_map_add(&conf->lists, &l->obj) == -1)
		die("list");
	return l;
}

static void
add_lists(struct config *conf)
{
	struct conf_list	*l = add_list(conf, 31, "small");
	char			*all = copy(entries), *p = all, *line, *key;

	while ((line = strsep(&p, "\n")) != NULL) {
		key = strsep(&line, " ");
		if (key[0] != '\0')
			(void)strs_add(&l->entries, conf_entry_new(key,
			    line == NULL ? "" : line));
	}
	free(all);
	l = add_list(conf, 32, "big");
	l->big = true;
	l->path = copy("/lists/big");
	l->hash = copy("0");
	if (fds_add(&l->files, big_list()) == -1)
		die("list");
	l->size = lseek(l->files.v[0], 0, SEEK_END);
}

/* value NULL: it is not in it. */
static void
look_up(uint32_t id, const char *key, const char *value)
{
	static struct proto_lookup	 q;
	static struct proto_lookup_ans	 a;
	struct wbuf			 w = { 0 };
	struct msg			 m;
	struct got			*g;

	q.path.kind = LOOK_LIST;
	q.path.id = id;
	q.what = LOOK_KEY;
	(void)strlcpy(q.key, key, sizeof(q.key));
	put_lookup(&w, &q);
	conn_send(&proxyd, MSG_LOOKUP, 8, 9, -1, &w);
	if (!ok((g = conn_wait(&proxyd, MSG_LOOKUP_ANS)) != NULL,
	    "%s: an answer", key))
		return;
	m = got_msg(g);
	is_int(get_lookup_ans(&m, &a), 0, "LOOKUP_ANS is whole");
	ok(g->sid == 8 && g->seq == 9, "whose it is");
	is_int(a.answer, value != NULL ? LOOKUP_YES : LOOKUP_NO, "%u: %s", id,
	    key);
	is_str(a.value, value != NULL ? value : "", "%u: %s", id, key);
	got_free(g);
}

static void
test_lists(void)
{
	struct config	*conf = settings();
	uint32_t	 id;

	add_lists(conf);
	begin(conf);
	for (id = 31; id <= 32; id++) {
		look_up(id, "10.1.2.3", "ten");
		look_up(id, "::ffff:10.1.2.3", "ten");
		look_up(id, "192.0.2.1", "one");
		look_up(id, "192.0.2.2", NULL);
		look_up(id, "2001:DB8::1", "six");
		look_up(id, "2001:db9::1", NULL);
		look_up(id, "10.0.0.0/8", "ten");
		look_up(id, "10.0.0.0/9", NULL);
		look_up(id, "Example.ORG", "");
		look_up(id, "joe@example.org", "the joe");
		look_up(id, "", NULL);
	}
	end();
}

/* --- PROBE ---------------------------------------------------------------- */

static void
probe(struct conn *c, uint64_t sid, const char *host, const char *rcpt)
{
	struct proto_probe	p = { .timeout = WAIT_MAX };
	struct wbuf		w = { 0 };

	(void)strlcpy(p.host, host, sizeof(p.host));
	(void)strlcpy(p.rcpt, rcpt, sizeof(p.rcpt));
	put_probe(&w, &p);
	conn_send(c, MSG_PROBE, sid, 3, -1, &w);
}

static void
want_probe(struct conn *c, uint64_t sid, enum probe_result result,
    bool cached, const char *text)
{
	struct got		*g = conn_wait(c, MSG_PROBE_ANS);
	struct proto_probe_ans	 a;
	struct msg		 m;

	if (!ok(g != NULL, "an answer"))
		return;
	m = got_msg(g);
	is_int(get_probe_ans(&m, &a), 0, "PROBE_ANS is whole");
	ok(g->sid == sid && g->seq == 3, "whose it is");
	is_int(a.result, result, "%s: %s", a.stage, a.text);
	is_int(a.cached, cached, "cached");
	is_str(a.text, text, "its text");
	got_free(g);
}

/* The question for a connection; its sid. */
static uint64_t
want_dial(const char *host, uint16_t port)
{
	struct got		*g = conn_wait(&dialer, MSG_DIAL_HOST);
	struct proto_dial_host	 d;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "a connection is asked for"))
		return 0;
	m = got_msg(g);
	is_int(get_dial_host(&m, &d), 0, "DIAL_HOST is whole");
	is_str(d.host, host, "the host");
	is_int(d.port, port, "the port");
	sid = g->sid;
	got_free(g);
	return sid;
}

/* Our end of a connection that it gets. */
static int
give(uint64_t sid)
{
	struct proto_dial_fd	 f = { .host = "mx.test" };
	struct timeval		 tv = { WAIT_MAX / 1000, 0 };
	struct wbuf		 w = { 0 };
	int			 fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1 ||
	    fcntl(fd[0], F_SETFL, O_NONBLOCK) == -1 ||
	    setsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -1)
		die("socketpair");
	put_dial_fd(&w, &f);
	conn_send(&dialer, MSG_DIAL_FD, sid, 0, fd[0], &w);
	child_sync(&ver);
	return fd[1];
}

/* Say something; the line that comes then. */
static void
talk(int fd, const char *reply, const char *line)
{
	char	text[512];
	ssize_t	n;

	if (write(fd, reply, strlen(reply)) == -1)
		die("write");
	n = read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	is_str(text, line, "behind %.3s", reply);
}

static void
test_probe(void)
{
	struct proto_dial_err	 e = { .error = DIAL_FORBIDDEN,
				    .why = "10.0.0.1 is in no public network" };
	struct wbuf		 w = { 0 };
	char			 text[1024];
	int			 fd;

	begin(settings());
	probe(&proxyd, 1, "store.test", "joe@d.test");
	probe(&proxyd1, 2, "Store.test", "Joe@D.test");
	fd = give(want_dial("store.test", 25));
	talk(fd, "220 here\r\n", "EHLO us.test\r\n");
	talk(fd, "250 here\r\n", "MAIL FROM:<>\r\n");
	talk(fd, "250 ok\r\n", "RCPT TO:<joe@d.test>\r\n");
	talk(fd, "550 5.1.1 nobody\r\n250 ok\r\n", "");
	(void)close(fd);
	want_probe(&proxyd, 1, PROBE_NO, false, "nobody");
	want_probe(&proxyd1, 2, PROBE_NO, false, "nobody");
	probe(&proxyd1, 3, "store.test", "joe@d.test");
	want_probe(&proxyd1, 3, PROBE_NO, true, "nobody");
	/* The operator finds it under its host, and can have it forgotten. */
	child_ctl(&ver, "cache get store.test:25 joe@d.test <>", text,
	    sizeof(text));
	ok(strstr(text, "exists no\n") != NULL, "cache get: %s", text);
	child_ctl(&ver, "cache get store.test joe@d.test <>", text,
	    sizeof(text));
	ok(strstr(text, "no remote of this name") != NULL, "%s", text);
	child_ctl(&ver, "cache get store.test:25 joe@d.test", text,
	    sizeof(text));
	ok(strstr(text, "say which") != NULL, "%s", text);
	child_ctl(&ver, "cache delete store.test:25 joe@d.test <>", text,
	    sizeof(text));
	is_str(text, "ok\n", "cache delete");
	child_ctl(&ver, "cache flush store.test:25", text, sizeof(text));
	is_str(text, "ok\n", "cache flush");
	probe(&proxyd, 4, "bad.test", "joe@d.test");
	put_dial_err(&w, &e);
	conn_send(&dialer, MSG_DIAL_ERR, want_dial("bad.test", 25), 0, -1,
	    &w);
	want_probe(&proxyd, 4, PROBE_FAILED, false, "bad.test:25 is down: "
	    "10.0.0.1 is in no public network");
	is_int(child_stat(&ver, "verifyd.script.probes"), 4, "asked");
	is_int(child_stat(&ver, "verifyd.script.probes.cached"), 1, "cached");
	is_int(child_stat(&ver, "verifyd.script.hosts"), 2, "hosts");
	put_u8(&w, 0);
	want_broken(&proxyd, &w, MSG_PROBE, "no question");
	/* The asker is lost meanwhile. */
	probe(&proxyd, 5, "gone.test", "joe@d.test");
	(void)want_dial("gone.test", 25);
	conn_close(&proxyd);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.script.probes.out"), 0,
	    "nobody waits");
	end();
}

/* --- PTR ------------------------------------------------------------------ */

static void
test_ptr(void)
{
	struct proto_ptr		 q = { .timeout = 1000 };
	struct proto_dns_records	 r = { .status = DNS_OK, .ttl = 60,
					    .n = 1 };
	struct proto_ptr_ans		 a;
	struct wbuf			 w = { 0 };
	struct msg			 m;
	struct got			*g;
	uint64_t			 sid;

	begin(settings());
	if (addr_parse(&q.addr, "192.0.2.1") == -1)
		die("addr");
	put_ptr(&w, &q);
	conn_send(&proxyd, MSG_PTR_ASK, 11, 12, -1, &w);
	put_ptr(&w, &q);
	conn_send(&smtpd, MSG_PTR_ASK, 13, 14, -1, &w);
	if (!ok((g = conn_wait(&resolved, MSG_DNS_ASK)) != NULL, "asked"))
		return;
	sid = g->sid;
	got_free(g);
	(void)strlcpy(r.record[0].text, "h.test", sizeof(r.record[0].text));
	put_dns_records(&w, &r);
	conn_send(&resolved, MSG_DNS_ANS, sid, 0, -1, &w);
	if (!ok((g = conn_wait(&proxyd, MSG_PTR_ANS)) != NULL, "an answer"))
		return;
	m = got_msg(g);
	is_int(get_ptr_ans(&m, &a), 0, "PTR_ANS is whole");
	ok(g->sid == 11 && g->seq == 12, "whose it is");
	is_str(a.name, "h.test", "the name");
	got_free(g);
	conn_expect(&smtpd, MSG_PTR_ANS, "both asked for the same");
	end();
}

/* --- DNS_LOOK ------------------------------------------------------------- */

#define PLACES		128	/* see dnslook.c */
#define PLACES_OF	64

static void
look(struct conn *c, uint64_t sid, uint32_t seq, const char *name,
    uint32_t ms)
{
	struct proto_dns_ask	d = { .type = DNS_TYPE_TXT, .timeout = ms };
	struct wbuf		w = { 0 };

	(void)strlcpy(d.name, name, sizeof(d.name));
	put_dns_ask(&w, &d);
	conn_send(c, MSG_DNS_LOOK, sid, seq, -1, &w);
}

/* What resolved is asked; name NULL: anything.  Its sid. */
static uint64_t
want_ask(const char *name)
{
	struct got		*g = conn_wait(&resolved, MSG_DNS_ASK);
	struct proto_dns_ask	 d;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "resolved is asked"))
		return 0;
	m = got_msg(g);
	is_int(get_dns_ask(&m, &d), 0, "DNS_ASK is whole");
	is_int(d.timeout, 0, "for as long as it takes");
	if (name != NULL)
		is_str(d.name, name, "for that name");
	sid = g->sid;
	got_free(g);
	return sid;
}

static void
want_no_ask(void)
{
	struct got	*g;

	child_sync(&ver);
	g = conn_wait_ms(&resolved, MSG_DNS_ASK, 0);
	ok(g == NULL, "resolved is not asked");
	got_free(g);
}

static void
answer(uint64_t sid, const char *text)
{
	static struct proto_dns_records	 r;
	struct wbuf			 w = { 0 };

	r.status = DNS_OK;
	r.ttl = 60;
	r.n = 1;
	(void)strlcpy(r.record[0].text, text, sizeof(r.record[0].text));
	put_dns_records(&w, &r);
	conn_send(&resolved, MSG_DNS_ANS, sid, 0, -1, &w);
}

static void
want_looked(struct conn *c, uint64_t sid, uint32_t seq,
    enum dns_status status, const char *text)
{
	static struct proto_dns_records	 r;
	struct got			*g = conn_wait(c, MSG_DNS_LOOK_ANS);
	struct msg			 m;

	if (!ok(g != NULL, "an answer"))
		return;
	m = got_msg(g);
	is_int(get_dns_records(&m, &r), 0, "DNS_LOOK_ANS is whole");
	is_int(g->sid, sid, "its sid");
	is_int(g->seq, seq, "its seq");
	is_int(r.status, status, "its status");
	if (status == DNS_OK)
		is_str(r.record[0].text, text, "its text");
	got_free(g);
}

static void
test_dns(void)
{
	struct wbuf	w = { 0 };
	uint64_t	sid;

	begin(settings());
	look(&proxyd, 5, 1, "a.test", 0);
	sid = want_ask("a.test");
	answer(sid, "one");
	want_looked(&proxyd, 5, 1, DNS_OK, "one");
	answer(sid, "again");
	child_sync(&ver);
	/* Its own time is shorter; its place is taken until the answer. */
	look(&proxyd, 5, 2, "slow.test", 50);
	sid = want_ask("slow.test");
	want_looked(&proxyd, 5, 2, DNS_TIMEOUT, "");
	is_int(child_stat(&ver, "verifyd.script.dns.waiting"), 0, "nobody");
	is_int(child_stat(&ver, "verifyd.script.dns.places"), 1, "a place");
	answer(sid, "late");
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.script.dns.places"), 0, "it is free");
	/* resolved is lost. */
	look(&proxyd, 5, 3, "a.test", 0);
	(void)want_ask("a.test");
	conn_close(&resolved);
	want_looked(&proxyd, 5, 3, DNS_FAIL, "");
	look(&proxyd, 5, 4, "a.test", 0);
	want_looked(&proxyd, 5, 4, DNS_FAIL, "");
	child_peer(&ver, &resolved, R_RESOLVED, 0);
	child_sync(&ver);
	look(&proxyd, 5, 5, "a.test", 0);
	answer(want_ask("a.test"), "two");
	want_looked(&proxyd, 5, 5, DNS_OK, "two");
	is_int(child_stat(&ver, "verifyd.script.dns"), 5, "asked");
	is_int(child_stat(&ver, "verifyd.script.dns.failed"), 3, "failed");
	put_u8(&w, DNS_TYPE_COUNT);
	want_broken(&proxyd, &w, MSG_DNS_LOOK, "no type");
	end();
}

/* Sessions take turns, processes have their parts, and clients theirs. */
static void
test_dns_share(void)
{
	struct proto_ptr	 q = { .timeout = 1000 };
	struct wbuf		 w = { 0 };
	struct got		*g;
	uint64_t		 sid, first[PLACES_OF];
	uint32_t		 i;

	begin(settings());
	for (i = 0; i < 200; i++)
		look(&proxyd, 1, i, "greedy.test", 0);
	for (i = 0; i < PLACES_OF; i++)
		first[i] = want_ask("greedy.test");
	want_no_ask();
	/* Another session's first one comes before the rest of these. */
	look(&proxyd, 2, 0, "modest.test", 0);
	child_sync(&ver);
	answer(first[0], "x");
	want_looked(&proxyd, 1, 0, DNS_OK, "x");
	answer(first[1], "x");
	want_looked(&proxyd, 1, 1, DNS_OK, "x");
	sid = want_ask("greedy.test");
	(void)sid;
	answer(want_ask("modest.test"), "y");
	want_looked(&proxyd, 2, 0, DNS_OK, "y");
	/* So does another process's; and a client's name has its own part. */
	look(&proxyd1, 3, 0, "third.test", 0);
	child_sync(&ver);
	while ((g = conn_wait_ms(&resolved, MSG_DNS_ASK, 0)) != NULL)
		got_free(g);
	is_int(child_stat(&ver, "verifyd.script.dns.places"), PLACES_OF + 1,
	    "one more than that process may have");
	if (addr_parse(&q.addr, "192.0.2.1") == -1)
		die("addr");
	put_ptr(&w, &q);
	conn_send(&smtpd, MSG_PTR_ASK, 13, 14, -1, &w);
	conn_expect(&resolved, MSG_DNS_ASK, "a client's name");
	/* One session may have so many. */
	for (i = 0; i < 300; i++)
		look(&proxyd1, 4, i, "many.test", 0);
	for (i = 256; i < 300; i++)
		want_looked(&proxyd1, 4, i, DNS_FAIL, "");
	is_int(child_stat(&ver, "verifyd.script.dns.refused"), 44, "refused");
	is_int(child_stat(&ver, "verifyd.script.dns.places"), PLACES, "all");
	/* A process that is lost: what is at resolved keeps its place. */
	conn_close(&proxyd);
	conn_close(&proxyd1);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.script.dns.waiting"), 0,
	    "nobody waits");
	is_int(child_stat(&ver, "verifyd.script.dns.places"), PLACES,
	    "but they are asked");
	child_peer(&ver, &proxyd, R_PROXYD, 0);
	child_sync(&ver);
	look(&proxyd, 9, 0, "next.test", 0);
	child_sync(&ver);
	answer(first[2], "x");
	while ((g = conn_wait(&resolved, MSG_DNS_ASK)) != NULL) {
		struct msg		m = got_msg(g);
		struct proto_dns_ask	d;

		is_int(get_dns_ask(&m, &d), 0, "DNS_ASK is whole");
		sid = g->sid;
		got_free(g);
		if (strcmp(d.name, "next.test") == 0)
			break;
	}
	answer(sid, "z");
	want_looked(&proxyd, 9, 0, DNS_OK, "z");
	end();
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "verifyd");
	(void)signal(SIGPIPE, SIG_IGN);
	test_store();
	test_incr();
	test_rates();
	test_lists();
	test_probe();
	test_ptr();
	test_dns();
	test_dns_share();
	return done("t_verifyd_script");
}
