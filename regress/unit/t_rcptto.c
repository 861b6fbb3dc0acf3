/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * PROBE: whether a server would take a recipient, for scripts; and hosts that
 * no remote names.  See probe_play.h for what is around it.
 */

#include "probe_play.h"

#include "adhoc.h"
#include "msg.h"
#include "proto_script.h"
#include "rcptto.h"

static struct peer	proxyd, other;

/* Answers, by their sid. */
static struct {
	size_t			times;
	uint32_t		seq;
	struct proto_probe_ans	a;
} got[64];

static void
take(uint16_t type, uint64_t sid, uint32_t seq, const struct wbuf *body)
{
	struct msg	m = { .sid = sid, .fd = -1 };

	is_int(type, MSG_PROBE_ANS, "an answer");
	if (sid >= nitems(got))
		return;
	rbuf_init(&m.body, body->data, body->len);
	got[sid].times++;
	got[sid].seq = seq;
	is_int(get_probe_ans(&m, &got[sid].a), 0, "PROBE_ANS is whole");
}

static struct proto_probe
question(const char *host, uint16_t port, const char *rcpt)
{
	struct proto_probe	p = { .port = port, .timeout = 60000,
				    .sender = "S@Client.test" };

	strlcpy(p.host, host, sizeof(p.host));
	strlcpy(p.rcpt, rcpt, sizeof(p.rcpt));
	return p;
}

static void
send_question(struct peer *p, uint64_t sid, const struct proto_probe *q)
{
	struct wbuf	w = { 0 };
	struct msg	m = { .sid = sid, .seq = 9, .fd = -1 };

	put_probe(&w, q);
	rbuf_init(&m.body, w.data, w.len);
	is_int(rcptto_probe(p, &m), 0, "PROBE");
	wbuf_clear(&w);
}

static void
ask_host(uint64_t sid, const char *host, uint16_t port, const char *rcpt)
{
	struct proto_probe	q = question(host, port, rcpt);

	send_question(&proxyd, sid, &q);
}

static void
want(uint64_t sid, enum probe_result result, unsigned int code,
    const char *stage, const char *text)
{
	const struct proto_probe_ans	*a = &got[sid].a;

	is_int(got[sid].times, 1, "%llu: one answer",
	    (unsigned long long)sid);
	is_int(got[sid].seq, 9, "its seq");
	is_int(a->result, result, "%llu: %s %u %s", (unsigned long long)sid,
	    a->stage, a->code, a->text);
	is_int(a->code, code, "its code");
	is_str(a->stage, stage, "where");
	is_str(a->text, text, "the text");
}

static void
anew(void)
{
	struct config	*old = conf;

	settle();
	rcptto_peer_down(&proxyd);
	rcptto_peer_down(&other);
	pass(600000);
	adhoc_clear();
	conf = NULL;
	probe_release(old);
	conf_unref(old);
	settle();
	is_int(open_servers(), 0, "no connection is left");
	ok(LIST_EMPTY(&timers), "no timer is left");
	reset();
	memset(got, 0, sizeof(got));
	configure(1);
}

static long long
number(int (*fn)(char *, size_t), const char *name)
{
	char	 text[1024], *p;

	(void)fn(text, sizeof(text));
	p = strstr(text, name);
	return p == NULL ? -1 : strtoll(p + strlen(name), NULL, 10);
}

/* --- answers -------------------------------------------------------------- */

static void
test_answers(void)
{
	ask_host(1, "mx.far.test", 0, "Joe@D.Test");
	ask_host(2, "MX.far.test.", 25, "550.5.1.1.x@d.test");
	ask_host(3, "mx.far.test", 25, "550.5.7.1.x@d.test");
	ask_host(4, "mx.far.test", 25, "450.4.2.0.x@d.test");
	ask_host(5, "mx.far.test", 25, "553.x@d.test");
	settle();
	want(1, PROBE_YES, 250, "rcpt", "fine");
	is_str(got[1].a.enhanced, "2.1.5", "its enhanced code");
	ok(!got[1].a.cached, "asked");
	want(2, PROBE_NO, 550, "rcpt", "said");
	want(3, PROBE_NO, 550, "rcpt", "said");
	want(4, PROBE_NO, 450, "rcpt", "said");
	want(5, PROBE_NO, 553, "rcpt", "said");
	is_int(seen.connections, 1, "one connection for all of them");
	is_str(seen.last_mail, "MAIL FROM:<s@client.test>", "their sender");
	is_str(seen.last_ehlo, "EHLO us.test", "our name");
	is_str(dial.host.host, "mx.far.test", "the host");
	is_int(dial.host.port, 25, "the port");
	is_int(dial.host.timeout, 10000, "a time");
	is_int(cache.stores, 3, "yes and no, nothing else");
	is_str(cache.remote, "mx.far.test:25", "under its name and port");
	is_int(cache.ttl.positive, 86400000, "for a day");
	is_int(cache.ttl.negative, 3600000, "or an hour");
	is_int(number(rcptto_stats, "probes "), 5, "asked");
	is_int(number(rcptto_stats, "probes.no "), 4, "no");
	is_int(number(adhoc_stats, "hosts "), 1, "one host");
}

/* A host of another port, and spellings of one. */
static void
test_hosts(void)
{
	ask_host(1, "192.0.2.1", 25, "a@d.test");
	ask_host(2, "[192.0.2.1]", 0, "b@d.test");
	ask_host(3, "::ffff:192.0.2.1", 25, "c@d.test");
	ask_host(4, "192.0.2.1", 26, "d@d.test");
	ask_host(5, "2001:DB8::1", 25, "e@d.test");
	ask_host(6, "[2001:db8:0::1]", 25, "f@d.test");
	ask_host(7, "b\xc3\xbc""cher.test", 25, "g@d.test");
	settle();
	is_int(number(adhoc_stats, "hosts "), 4, "four of them");
	is_int(seen.connections, 4, "a connection each");
	is_str(dial.host.host, "xn--bcher-kva.test", "A-labels");
	ask_host(8, "", 25, "a@d.test");
	ask_host(9, "a b", 25, "a@d.test");
	ask_host(10, "unix:/tmp/x", 25, "a@d.test");
	ask_host(11, "x\r\ny", 25, "a@d.test");
	ask_host(12, "[mx.test]", 25, "a@d.test");
	ask_host(13, ".", 25, "a@d.test");
	want(8, PROBE_FAILED, 0, "resolve", "no host name, and no address");
	want(9, PROBE_FAILED, 0, "resolve", "no host name, and no address");
	want(10, PROBE_FAILED, 0, "resolve", "no host name, and no address");
	want(11, PROBE_FAILED, 0, "resolve", "no host name, and no address");
	want(12, PROBE_FAILED, 0, "resolve", "no host name, and no address");
	want(13, PROBE_FAILED, 0, "resolve", "no host name, and no address");
}

/* A remote's name is that remote: its settings, but the script's sender. */
static void
test_remote(void)
{
	struct answer	b;

	ask_host(1, "store", 0, "a@d.test");
	settle();
	want(1, PROBE_YES, 250, "rcpt", "fine");
	is_int(dial.hosts, 0, "it is no host");
	is_int(dial.reqs, 1, "but a remote");
	is_str(cache.remote, "store", "in the cache too");
	is_str(cache.sender, "s@client.test", "under the script's sender");
	is_str(seen.last_mail, "MAIL FROM:<s@client.test>", "asked so");
	ask(&b, "b@d.test");
	settle();
	is_str(seen.last_mail, "MAIL FROM:<>", "others under the remote's");
	is_int(seen.connections, 1, "on the same connection");
	remote->port = 2500;
	ask_host(2, "store", 25, "c@d.test");
	settle();
	is_int(dial.hosts, 1, "of another port it is a host");
	ask_host(3, "store", 2500, "d@d.test");
	settle();
	want(3, PROBE_YES, 250, "rcpt", "fine");
	is_int(dial.hosts, 1, "its own port");
}

static void
test_join(void)
{
	uint64_t	sid;

	for (sid = 1; sid <= 20; sid++)
		ask_host(sid, "mx.far.test", 25, "Same@d.test");
	settle();
	for (sid = 1; sid <= 20; sid++)
		want(sid, PROBE_YES, 250, "rcpt", "fine");
	is_int(seen.rcpts, 1, "one RCPT for all of them");
	is_int(cache.stores, 1, "kept once");
}

static void
test_cached(void)
{
	cache.view = CACHE_FRESH;
	cache.verdict.exists = true;
	cache.verdict.code = 250;
	strlcpy(cache.verdict.text, "known", sizeof(cache.verdict.text));
	ask_host(1, "mx.far.test", 25, "a@d.test");
	want(1, PROBE_YES, 250, "rcpt", "known");
	ok(got[1].a.cached, "from the cache");
	cache.verdict.exists = false;
	cache.verdict.code = 550;
	strlcpy(cache.verdict.enhanced, "5.1.1", 6);
	ask_host(2, "mx.far.test", 25, "a@d.test");
	want(2, PROBE_NO, 550, "rcpt", "known");
	is_str(got[2].a.enhanced, "5.1.1", "its code");
	is_int(seen.connections, 0, "nobody was asked");
	is_int(number(rcptto_stats, "probes.out "), 0, "none is out");
	ok(number(rcptto_stats, "probes.cached ") >= 2, "counted");
}

/* --- what goes wrong ------------------------------------------------------ */

static void
test_stages(void)
{
	dial.refuse = true;
	ask_host(1, "a.test", 25, "r@d.test");
	settle();
	want(1, PROBE_FAILED, 0, "connect", "a.test:25 is down: refused");
	dial.error = DIAL_NO_ADDRESS;
	ask_host(2, "b.test", 25, "r@d.test");
	settle();
	want(2, PROBE_FAILED, 0, "resolve", "b.test:25 is down: refused");
	dial.error = DIAL_FORBIDDEN;
	ask_host(3, "c.test", 25, "r@d.test");
	settle();
	want(3, PROBE_FAILED, 0, "resolve", "c.test:25 is down: refused");
	/* It is held down: that is said where it was lost. */
	ask_host(4, "b.test", 25, "other@d.test");
	want(4, PROBE_FAILED, 0, "resolve", "b.test:25 is down: refused");
	dial.refuse = false;
	how.greeting = "554 5.7.1 go away\r\n";
	ask_host(5, "d.test", 25, "r@d.test");
	settle();
	is_str(got[5].a.stage, "banner", "the banner");
	ok(strstr(got[5].a.text, "go away") != NULL, "what it said: %s",
	    got[5].a.text);
	how.greeting = NULL;
	how.ehlo = "550 not you\r\n";
	ask_host(6, "e.test", 25, "r@d.test");
	settle();
	is_str(got[6].a.stage, "ehlo", "EHLO: %s", got[6].a.text);
	is_int(got[6].a.result, PROBE_FAILED, "no answer");
	how.ehlo = NULL;
	how.mail = "550 5.7.1 not you\r\n";
	ask_host(7, "f.test", 25, "r@d.test");
	settle();
	want(7, PROBE_FAILED, 550, "mail", "not you");
	is_str(got[7].a.enhanced, "5.7.1", "its code");
	is_int(cache.stores, 0, "none of it is a verdict");
}

/* A 421 to RCPT is a no; a lost connection is nothing. */
static void
test_rcpt_lost(void)
{
	how.bye_over = "bye";
	ask_host(1, "a.test", 25, "bye@d.test");
	settle();
	want(1, PROBE_NO, 421, "rcpt", "enough");
	how.bye_over = NULL;
	how.lost_over = "lost";
	ask_host(2, "b.test", 25, "lost@d.test");
	settle();
	is_int(got[2].times, 1, "one answer");
	is_int(got[2].a.result, PROBE_FAILED, "no answer: %s", got[2].a.text);
	is_str(got[2].a.stage, "rcpt", "where");
	is_int(got[2].a.code, 0, "no code");
	is_int(cache.stores, 0, "none of it is a verdict");
}

/* TLS that is offered and refused is done without. */
static void
test_tls(void)
{
	how.ehlo = "250-here\r\n250 STARTTLS\r\n";
	ask_host(1, "a.test", 25, "r@d.test");
	settle();
	want(1, PROBE_YES, 250, "rcpt", "fine");
	is_int(dial.hosts, 1, "on the same connection");
}

static void
test_time(void)
{
	struct proto_probe	q = question("a.test", 25, "r@d.test");

	how.mute = true;
	q.timeout = 700;
	send_question(&proxyd, 1, &q);
	q.timeout = 3000;
	send_question(&other, 2, &q);
	pass(600);
	is_int(got[1].times, 0, "not yet");
	pass(300);
	want(1, PROBE_FAILED, 0, "timeout", "a.test:25 did not answer in time");
	is_int(got[2].times, 0, "each has his own");
	how.mute = false;
	say(&servers[0], "250 2.1.5 fine\r\n");
	settle();
	want(2, PROBE_YES, 250, "rcpt", "fine");
	is_int(seen.rcpts, 1, "one question");
	is_int(cache.stores, 1, "and its answer is kept");
}

/* The time counts where nobody dials, too. */
static void
test_dialer_lost(void)
{
	struct proto_probe	q = question("a.test", 25, "r@d.test");

	dial.mute = true;
	q.timeout = 2000;
	send_question(&proxyd, 1, &q);
	q.timeout = 60000;
	send_question(&proxyd, 2, &q);
	settle();
	is_int(dial.hosts, 1, "asked");
	/* It is lost with the question, and a new one is asked. */
	nasked = 0;
	pass(1000);
	probe_dialer_up();
	is_int(dial.hosts, 2, "asked again");
	pass(1500);
	want(1, PROBE_FAILED, 0, "timeout", "a.test:25 did not answer in time");
	dial.mute = false;
	settle();
	want(2, PROBE_YES, 250, "rcpt", "fine");
	/* What it gave away it need not be told of. */
	is_int(dial.hosts, 2, "asked twice");
	probe_dialer_up();
	settle();
	is_int(dial.hosts, 2, "nothing is held");
}

static void
test_bad(void)
{
	static const char *const	bad[] = { "", "a", "a@", "@d.test",
		"a@d.test>", "<a@d.test>", "a@d.test\r\nDATA", "a b@d.test",
		"a@d.test SIZE=1", "a@b@d.test", "\"a@d.test", "a@d.test ",
		"\x01@d.test", "a@-" };
	struct proto_probe		q;
	struct wbuf			w = { 0 };
	struct msg			m = { .fd = -1 };
	size_t				i;

	for (i = 0; i < nitems(bad); i++) {
		ask_host(i + 1, "mx.far.test", 25, bad[i]);
		want(i + 1, PROBE_FAILED, 0, "rcpt",
		    "no address of a recipient");
	}
	for (i = 1; i < nitems(bad); i++) {
		q = question("mx.far.test", 25, "r@d.test");
		strlcpy(q.sender, bad[i], sizeof(q.sender));
		send_question(&proxyd, i + 20, &q);
		want(i + 20, PROBE_FAILED, 0, "mail",
		    "no address of a sender");
	}
	settle();
	is_int(seen.connections, 0, "nothing of it is sent");
	q = question("mx.far.test", 25, "r@d.test");
	q.sender[0] = '\0';
	send_question(&proxyd, 60, &q);
	settle();
	want(60, PROBE_YES, 250, "rcpt", "fine");
	is_str(seen.last_mail, "MAIL FROM:<>", "the null sender");
	q.timeout = 0;
	put_probe(&w, &q);
	rbuf_init(&m.body, w.data, w.len);
	is_int(rcptto_probe(&proxyd, &m), -1, "no time");
	rbuf_init(&m.body, w.data, w.len - 1);
	is_int(rcptto_probe(&proxyd, &m), -1, "cut short");
	wbuf_clear(&w);
}

/* --- who asks, and how many ----------------------------------------------- */

static void
test_peer_gone(void)
{
	struct proto_probe	q = question("a.test", 25, "r@d.test");

	how.mute = true;
	send_question(&proxyd, 1, &q);
	send_question(&other, 2, &q);
	settle();
	rcptto_peer_down(&proxyd);
	is_int(number(rcptto_stats, "probes.out "), 1, "one is out");
	how.mute = false;
	say(&servers[0], "250 2.1.5 fine\r\n");
	settle();
	is_int(got[1].times, 0, "nobody to tell");
	want(2, PROBE_YES, 250, "rcpt", "fine");
}

/* Those that have nothing to do make room, and go after a while. */
static void
test_forget(void)
{
	char		host[64];
	long long	before;
	size_t		i;

	before = number(adhoc_stats, "hosts.forgotten ");
	dial.refuse = true;
	for (i = 0; i < ADHOC_MAX + 10; i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask_host(63, host, 25, "r@d.test");
		settle();
	}
	is_int(number(adhoc_stats, "hosts "), ADHOC_MAX, "as many as may be");
	is_int(number(adhoc_stats, "hosts.forgotten ") - before, 10,
	    "the oldest went");
	is_int(number(adhoc_stats, "hosts.refused "), 0, "nobody is refused");
	is_int(stat_of("probe.waiting "), 0, "no question is left");
	pass(5 * 60 * 1000);
	ask_host(63, "h500.test", 25, "r@d.test");
	pass(6 * 60 * 1000);
	is_int(number(adhoc_stats, "hosts "), 1, "but what was used is gone");
}

/* Where all have something to do there is no room for another. */
static void
test_full(void)
{
	long long	before = number(adhoc_stats, "hosts.refused ");
	char		host[64];
	size_t		i;

	dial.mute = true;
	for (i = 0; i < ADHOC_LINKS + 5; i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask_host(63, host, 25, "r@d.test");
		probe_turn();
		if (i % 32 == 0)
			nasked = 0;
	}
	nasked = 0;
	is_int(stat_of("script.connections "), ADHOC_LINKS,
	    "as many connections as may be");
	is_int(got[63].times, 5, "the others are told");
	is_str(got[63].a.text, "too many connections to hosts of scripts",
	    "why");
	is_str(got[63].a.stage, "connect", "where");
	/* Those of the configuration are not held up by them. */
	dial.mute = false;
	ask_host(1, "store", 0, "r@d.test");
	settle();
	want(1, PROBE_YES, 250, "rcpt", "fine");
	is_int(number(adhoc_stats, "hosts.refused "), before,
	    "hosts there is room for");
	pass(20000);
	is_int(stat_of("script.connections "), 0, "no connection is left");
	is_int(number(rcptto_stats, "probes.out "), 0, "none is out");
}

/* One that rests makes room. */
static void
test_rest(void)
{
	char	host[64];
	size_t	i;

	ask_host(1, "first.test", 25, "r@d.test");
	settle();
	want(1, PROBE_YES, 250, "rcpt", "fine");
	is_int(open_servers(), 1, "it rests");
	dial.mute = true;
	for (i = 0; i < ADHOC_LINKS; i++) {
		snprintf(host, sizeof(host), "h%zu.test", i);
		ask_host(63, host, 25, "r@d.test");
		probe_turn();
		if (i % 32 == 0)
			nasked = 0;
	}
	nasked = 0;
	is_int(got[63].times, 0, "nobody is refused");
	settle();
	is_int(open_servers(), 0, "it has ended");
}

/* A reload is nothing to hosts. */
static void
test_reload(void)
{
	struct config	*old = conf;

	how.mute = true;
	ask_host(1, "a.test", 25, "r@d.test");
	settle();
	configure(2);
	probe_commit();
	settle();
	probe_release(old);
	conf_unref(old);
	settle();
	is_int(got[1].times, 0, "it is asked yet");
	how.mute = false;
	say(&servers[0], "250 2.1.5 fine\r\n");
	settle();
	want(1, PROBE_YES, 250, "rcpt", "fine");
	is_int(seen.rcpts, 1, "once");
	is_int(seen.quits, 1, "and its connection ends");
}

int
main(void)
{
	static void	(*const tests[])(void) = { test_answers, test_hosts,
		test_remote, test_join, test_cached, test_stages,
		test_rcpt_lost, test_tls, test_time, test_dialer_lost,
		test_bad, test_peer_gone, test_forget, test_full, test_rest,
		test_reload };
	size_t	i;

	play_init();
	on_message = take;
	for (i = 0; i < nitems(tests); i++) {
		tests[i]();
		anew();
	}
	return done("t_rcptto");
}
