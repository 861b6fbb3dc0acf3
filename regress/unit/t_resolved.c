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
#include "nameserver.h"

static const char	*program;
static struct child	 res;
static struct conn	 dialer, verifyd;

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
	ok(a.n == 0 || a.here == (strstr(name, "localhost") != NULL),
	    "%s: whose word it is", name);
}

static void
ask_records(struct conn *c, uint64_t sid, enum dns_type type,
    const char *name)
{
	struct proto_dns_ask	d = { .type = (uint8_t)type };
	struct wbuf		w = { 0 };

	(void)strlcpy(d.name, name, sizeof(d.name));
	put_dns_ask(&w, &d);
	conn_send(c, MSG_DNS_ASK, sid, 0, -1, &w);
}

static int
take_records(struct conn *c, uint64_t sid, struct proto_dns_records *r)
{
	struct got	*g = conn_wait(c, MSG_DNS_ANS);
	struct msg	 m;
	int		 rc;

	if (!ok(g != NULL, "sid %llu: records", (unsigned long long)sid))
		return -1;
	m = got_msg(g);
	rc = get_dns_records(&m, r);
	is_int(rc, 0, "DNS_ANS is whole");
	is_int(g->sid, sid, "its sid");
	got_free(g);
	return rc;
}

/* The records that are expected, bars between them. */
static void
want_records(enum dns_type type, const char *name, enum dns_status status,
    const char *records)
{
	struct proto_dns_records	r;
	char				got[8192] = "", pref[16];
	uint32_t			i;

	ask_records(&verifyd, 1, type, name);
	if (take_records(&verifyd, 1, &r) == -1)
		return;
	is_int(r.status, status, "%s: status", name);
	for (i = 0; i < r.n; i++) {
		(void)snprintf(pref, sizeof(pref), "%u ", r.record[i].pref);
		(void)strlcat(got, i == 0 ? "" : "|", sizeof(got));
		if (type == DNS_TYPE_MX)
			(void)strlcat(got, pref, sizeof(got));
		(void)strlcat(got, r.record[i].text, sizeof(got));
	}
	is_str(got, records, "%s: records", name);
	ok((r.ttl > 0) == (r.n > 0), "%s: a ttl if there is one", name);
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

#define LABEL_64	\
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz123456789012"

/* What is never asked. */
static void
test_not_asked(void)
{
	static const char *const	bad[] = {
		"", ".", "a..b", ".a.test", "a b.test", "a\\.test", "1.2.3.4",
		"::1", "caf\303\251.test", "a/b.test", LABEL_64 ".test"
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
	for (i = 1; i <= 300; i++)
		ask_for(&dialer, i, "silent.test", 0);
	child_sync(&res);
	while (child_stat(&res, "resolved.asked") < 256)
		turn(1);
	is_int(child_stat(&res, "resolved.asked"), 256, "a share");
	is_int(child_stat(&res, "resolved.queued"), 44, "the rest waits");
	/* Another asker has a share of its own. */
	child_peer(&res, &verifyd, R_DIALER, 1);
	ask_for(&verifyd, 7, "four.test", 0);
	if (take(&verifyd, 7, &a) == 0)
		is_int(a.n, 2, "an answer in between");
	for (i = 1; i <= 300; i++)
		conn_send(&dialer, MSG_DNS_CANCEL, i, 0, -1, NULL);
	ask_for(&dialer, 301, "four.test", 0);
	while ((g = conn_wait_ms(&dialer, 0, 0)) != NULL)
		got_free(g);
	while (child_stat(&res, "resolved.queued") > 1)
		turn(1);
	is_int(child_stat(&res, "resolved.queued"), 1, "it waits");
	is_int(child_stat(&res, "resolved.asked"), 256, "for c-ares");
	/* It comes to its turn, or its time is up: once, either way. */
	ok(take(&dialer, 301, &a) == 0, "one answer");
	/* An asker that goes takes all with it. */
	for (i = 1; i <= 300; i++)
		ask_for(&verifyd, i, "silent.test", 0);
	conn_close(&verifyd);
	child_sync(&res);
	while (child_stat(&res, "resolved.queued") > 0)
		turn(1);
	want("four.test", DNS_OK, "192.0.2.1 192.0.2.2", 100);
	end();
}

static void
test_mx(void)
{
	struct proto_dns_records	r;
	bool				first[2] = { false, false };
	size_t				i;

	want_records(DNS_TYPE_MX, "mx.test", DNS_OK,
	    "5 B.mx.test|10 a.mx.test|30 c.mx.test");
	want_records(DNS_TYPE_MX, "null.test", DNS_OK, "0 ");
	want_records(DNS_TYPE_MX, "nullandmore.test", DNS_OK,
	    "10 a.mx.test");
	want_records(DNS_TYPE_MX, "self.test", DNS_OK, "10 self.test");
	want_records(DNS_TYPE_MX, "odd.test", DNS_OK,
	    "10 a?b.mx.test|20 192.0.2.1");
	want_records(DNS_TYPE_MX, "nomx.test", DNS_OK, "");
	want_records(DNS_TYPE_MX, "both.test", DNS_OK, "");
	want_records(DNS_TYPE_MX, "nx.test", DNS_NONE, "");
	want_records(DNS_TYPE_MX, "fail.test", DNS_FAIL, "");
	want_records(DNS_TYPE_MX, "loop.test", DNS_FAIL, "");
	want_records(DNS_TYPE_MX, "mxcut.test", DNS_FAIL, "");
	want_records(DNS_TYPE_MX, "mxcounts.test", DNS_FAIL, "");
	want_records(DNS_TYPE_MX, "a..b", DNS_NONE, "");
	want_records(DNS_TYPE_MX, "localhost", DNS_OK, "");
	ask_records(&verifyd, 1, DNS_TYPE_MX, "manymx.test");
	if (take_records(&verifyd, 1, &r) == 0) {
		is_int(r.n, DNS_RECORDS_MAX, "as many as there is room for");
		for (i = 0; i < r.n; i++)
			is_int(r.record[i].pref, (long long)i + 1, "the best");
	}
	/* A server that has not been first in 100 is never asked. */
	for (i = 0; i < 100; i++) {
		ask_records(&verifyd, 1, DNS_TYPE_MX, "equal.test");
		if (take_records(&verifyd, 1, &r) == 0 && r.n == 2)
			first[r.record[0].text[0] == 'a'] = true;
	}
	ok(first[0] && first[1], "equal ones are shuffled");
}

static void
test_names(void)
{
	struct proto_dns_records	r;
	unsigned int			asked;

	want_records(DNS_TYPE_PTR, "192.0.2.1", DNS_OK,
	    "both.test|nx.test|six.test|four.test");
	want_records(DNS_TYPE_PTR, "192.0.2.5", DNS_OK, "");
	want_records(DNS_TYPE_PTR, "192.0.2.200", DNS_NONE, "");
	want_records(DNS_TYPE_PTR, "a.test", DNS_NONE, "");
	/* Of /etc/hosts, whatever else it says. */
	asked = ns.asked;
	ask_records(&verifyd, 1, DNS_TYPE_PTR_FC, "127.0.0.1");
	if (take_records(&verifyd, 1, &r) == 0)
		ok(r.status == DNS_OK && r.n > 0, "we have a name ourselves");
	is_int(ns.asked, asked, "DNS is not asked for it");
	want_records(DNS_TYPE_PTR_FC, "192.0.2.1", DNS_OK,
	    "both.test|four.test");
	want_records(DNS_TYPE_PTR_FC, "2001:db8::1", DNS_OK, "six.test");
	want_records(DNS_TYPE_PTR_FC, "192.0.2.9", DNS_OK, "");
	want_records(DNS_TYPE_PTR_FC, "192.0.2.8", DNS_FAIL, "");
	/* Its AAAA would not be answered, and is not asked for. */
	want_records(DNS_TYPE_PTR_FC, "192.0.2.7", DNS_OK, "");
	want_records(DNS_TYPE_PTR_FC, "192.0.2.6", DNS_TIMEOUT, "");
	want_records(DNS_TYPE_PTR_FC, "192.0.2.5", DNS_OK, "");
	want_records(DNS_TYPE_PTR_FC, "192.0.2.200", DNS_NONE, "");
}

static void
test_records(void)
{
	struct got	*g;

	begin(1000);
	child_peer(&res, &verifyd, R_VERIFYD, 0);
	test_mx();
	test_names();
	want_records(DNS_TYPE_A, "both.test", DNS_OK, "192.0.2.1");
	want_records(DNS_TYPE_AAAA, "both.test", DNS_OK, "2001:db8::1");
	want_records(DNS_TYPE_AAAA, "four.test", DNS_OK, "");
	want_records(DNS_TYPE_A, "nx.test", DNS_NONE, "");
	want_records(DNS_TYPE_A, "x.localhost", DNS_OK, "127.0.0.1");
	want_records(DNS_TYPE_A, "cut.test", DNS_FAIL, "");
	want_records(DNS_TYPE_TXT, "txt.test", DNS_OK,
	    "v=spf1-all|tab?here ??");
	want_records(DNS_TYPE_TXT, "four.test", DNS_OK, "");
	want_records(DNS_TYPE_MX, "mxsilent.test", DNS_TIMEOUT, "");
	/* Withdrawn: no answer. */
	ask_records(&verifyd, 5, DNS_TYPE_MX, "mxsilent.test");
	conn_send(&verifyd, MSG_DNS_CANCEL, 5, 0, -1, NULL);
	ask_records(&verifyd, 6, DNS_TYPE_PTR_FC, "192.0.2.6");
	conn_send(&verifyd, MSG_DNS_CANCEL, 6, 0, -1, NULL);
	while (child_stat(&res, "resolved.asked") > 0)
		turn(10);
	g = conn_wait_ms(&verifyd, 0, 0);
	ok(g == NULL, "what was withdrawn is not answered");
	got_free(g);
	/* One who goes while names are being confirmed. */
	ask_records(&verifyd, 7, DNS_TYPE_PTR_FC, "192.0.2.6");
	child_sync(&res);
	conn_close(&verifyd);
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
	program = child_program(argc, argv, "resolved");
	(void)signal(SIGPIPE, SIG_IGN);
	ns_start();
	other_fds = ns_fds;
	other_ready = ns_ready;
	test_answers();
	test_many();
	test_not_asked();
	test_time();
	test_share();
	test_records();
	test_reload();
	test_broken();
	test_drain();
	return done("t_resolved");
}
