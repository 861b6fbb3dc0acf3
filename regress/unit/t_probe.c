/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward: what is asked of servers, how often, and what their answers
 * become.  See probe_play.h for what is around it.
 */

#include "probe_play.h"

/* Everything is forgotten: connections, holds, the generation. */
static void
anew(void)
{
	struct config	*old = conf;

	settle();
	conf = NULL;
	probe_release(old);
	conf_unref(old);
	settle();
	is_int(open_servers(), 0, "no connection is left");
	reset();
	configure(1);
}

static void
want(const struct answer *a, enum lookup_answer answer, const char *what)
{
	is_int(a->times, 1, "%s: one answer", what);
	is_int(a->answer, answer, "%s: %s", what, a->why);
}

/* --- how much it takes ---------------------------------------------------- */

static void
test_burst(void)
{
	static struct answer	a[50];
	char			rcpt[64];
	size_t			i;

	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), i % 5 == 0 ?
		    "550.5.1.1.u%zu@d.test" : "u%zu@d.test", i);
		ask(&a[i], rcpt);
	}
	settle();
	for (i = 0; i < nitems(a); i++) {
		want(&a[i], i % 5 == 0 ? LOOKUP_NO : LOOKUP_YES, "burst");
		is_int(a[i].by, JUDGE_BY_PROBE, "by a probe");
		is_int(a[i].remote, 7, "of the remote");
	}
	is_str(a[0].why, "550 5.1.1 said", "the server's words");
	is_int(seen.connections, 1, "one connection");
	is_int(seen.mails, 1, "one transaction");
	is_int(seen.rcpts, 50, "as many RCPTs");
	is_int(seen.reads, 3, "EHLO, all of the questions, QUIT");
	is_str(seen.last_ehlo, "EHLO us.test", "our name");
	is_str(seen.last_mail, "MAIL FROM:<>", "the null sender");
	is_int(cache.stores, 50, "all are kept");
	ok(cache.probe, "as call-forward's word");
	is_int(seen.quits, 1, "limits.recipients ends the connection");
	is_int(dial.done, 1, "and the lease");
}

static void
test_pool(void)
{
	struct answer	a;

	ask(&a, "one@d.test");
	settle();
	want(&a, LOOKUP_YES, "the first");
	ask(&a, "two@d.test");
	settle();
	want(&a, LOOKUP_YES, "the second");
	is_int(seen.connections, 1, "on the same connection");
	is_int(seen.mails, 1, "in the same transaction");
	is_int(seen.quits, 0, "which is kept");
	pass(29000);
	is_int(open_servers(), 1, "for a while");
	pass(2000);
	is_int(seen.quits, 1, "timeout.idle ends it");
	is_int(open_servers(), 0, "closed");
}

static void
ask_users(struct answer *a, size_t n, const char *name, unsigned int flags)
{
	char	rcpt[64];
	size_t	i;

	for (i = 0; i < n; i++) {
		snprintf(rcpt, sizeof(rcpt), "%s%zu@d.test", name, i);
		ask_what(&a[i], rcpt, "", LOOK_ADDRESS, flags);
	}
	settle();
}

/* A server that takes its time for each has few of them at a time. */
static void
test_pace(void)
{
	static struct answer	a[40], ahead[40];
	struct answer		b;
	size_t			i, sent;

	how.mute = true;
	ask_users(a, 40, "u", 0);
	is_int(seen.rcpts, 40, "nothing is known of it: all at once");
	is_int(seen.connections, 1, "on one connection");
	for (i = 0; i < 40; i++) {
		pass(5);
		say(&servers[0], "250 2.1.5 fine\r\n");
		settle();
		want(&a[i], LOOKUP_YES, "in time");
	}
	ask_users(ahead, 40, "ahead", LOOK_AHEAD);
	sent = seen.rcpts;
	ok(sent >= 42 && sent <= 44, "few ahead: %zu", sent - 40);
	is_int(seen.connections, 1, "for which nobody is called");
	ask(&b, "waited@d.test");
	settle();
	is_int(seen.rcpts, sent + 1, "what is waited for goes at once");
	is_str(seen.last_rcpt, "RCPT TO:<waited@d.test>", "that one");
	ask_users(a, 40, "v", 0);
	is_int(seen.connections, 4, "as many as there may be");
	sent = seen.rcpts - 40;
	ok(sent >= 16 && sent <= 32, "few on each: %zu", sent);
	how.mute = false;
	for (i = 0; i < sent; i++)
		say(&servers[i % 4], "250 2.1.5 fine\r\n");
	settle();
	want(&b, LOOKUP_YES, "the one");
	for (i = 0; i < 40; i++)
		want(&a[i], LOOKUP_YES, "all of them");
	is_int(seen.rcpts, 40 + 40 + 1 + 40, "each asked once");
}

/* A quick one has all of it on one connection. */
static void
test_quick(void)
{
	static struct answer	a[25];

	ask_users(a, 25, "u", 0);
	ask_users(a, 25, "v", 0);
	is_int(seen.connections, 1, "one connection");
	is_int(seen.reads, 4, "EHLO, all of them, all of the others, QUIT");
}

static void
test_join(void)
{
	static struct answer	a[100];
	size_t			i;

	for (i = 0; i < nitems(a); i++)
		ask(&a[i], "same@d.test");
	settle();
	for (i = 0; i < nitems(a); i++)
		want(&a[i], LOOKUP_YES, "joined");
	is_int(seen.rcpts, 1, "one RCPT for all of them");
	is_int(cache.stores, 1, "kept once");
}

static void
test_senders(void)
{
	struct answer	a, b, c;

	set_text(&remote->mail_from, "sender");
	ask_what(&a, "r@d.test", "one@c.test", LOOK_ADDRESS, 0);
	ask_what(&b, "r@d.test", "two@c.test", LOOK_ADDRESS, 0);
	ask_what(&c, "s@d.test", "two@c.test", LOOK_ADDRESS, 0);
	settle();
	want(&a, LOOKUP_YES, "one sender");
	want(&b, LOOKUP_YES, "another");
	want(&c, LOOKUP_YES, "the same");
	is_int(seen.mails, 2, "a transaction for each sender");
	is_int(seen.rsets, 1, "RSET between");
	is_int(seen.reads, 2, "and all of it in one write");
	is_str(seen.last_mail, "MAIL FROM:<two@c.test>", "its sender");
	is_str(cache.sender, "two@c.test", "is in the key");
	set_text(&remote->mail_from, "probe@us.test");
	ask(&a, "t@d.test");
	settle();
	is_str(seen.last_mail, "MAIL FROM:<probe@us.test>", "an address");
}

static void
test_one_by_one(void)
{
	static struct answer	a[10];
	char			rcpt[64];
	size_t			i;

	how.ehlo = "250 here\r\n";
	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), "u%zu@d.test", i);
		ask(&a[i], rcpt);
	}
	settle();
	for (i = 0; i < nitems(a); i++)
		want(&a[i], LOOKUP_YES, "without PIPELINING");
	ok(seen.most > 1, "more connections: %zu", seen.most);
	ok(seen.most <= 4, "as many as probes says: %zu", seen.most);
}

/* --- answers -------------------------------------------------------------- */

static void
test_readings(void)
{
	static const struct {
		const char		*local;
		enum lookup_answer	 answer;
	} cases[] = {
		{ "250", LOOKUP_YES }, { "251", LOOKUP_YES },
		{ "550.5.1.1", LOOKUP_NO }, { "550.5.1.0", LOOKUP_NO },
		{ "553.5.1.3", LOOKUP_NO }, { "550.5.1.6", LOOKUP_NO },
		{ "556.5.1.10", LOOKUP_NO }, { "550", LOOKUP_NO },
		{ "551", LOOKUP_NO }, { "553", LOOKUP_NO },
		{ "552", LOOKUP_LIVE }, { "554", LOOKUP_LIVE },
		{ "550.5.7.1", LOOKUP_LIVE }, { "550.5.2.1", LOOKUP_LIVE },
		{ "524.5.2.4", LOOKUP_LIVE }, { "550.5.4.1", LOOKUP_NO },
		{ "500", LOOKUP_CANNOT }, { "501.5.1.3", LOOKUP_CANNOT },
		{ "503", LOOKUP_CANNOT }, { "530", LOOKUP_CANNOT },
		{ "555", LOOKUP_CANNOT }, { "550.5.5.0", LOOKUP_CANNOT },
		{ "450", LOOKUP_CANNOT }, { "451.4.1.1", LOOKUP_CANNOT },
		{ "452", LOOKUP_CANNOT }
	};
	struct answer	a;
	char		rcpt[64];
	size_t		i, kept = 0;

	if (strs_add(&remote->unknown_codes, copy("5.4.1")) == -1)
		abort();
	for (i = 0; i < nitems(cases); i++) {
		snprintf(rcpt, sizeof(rcpt), "%s.u@d.test", cases[i].local);
		ask(&a, rcpt);
		settle();
		want(&a, cases[i].answer, cases[i].local);
		kept += cases[i].answer == LOOKUP_YES ||
		    cases[i].answer == LOOKUP_NO;
		is_int(cache.stores, kept, "%s: verdicts are kept, and "
		    "nothing else", cases[i].local);
	}
	is_int(seen.connections, 1, "none of them costs the connection");
}

static void
test_mail_refused(void)
{
	struct answer	a, b;

	how.mail = "550 5.7.1 not you\r\n";
	ask(&a, "r@d.test");
	ask(&b, "s@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "MAIL refused");
	want(&b, LOOKUP_CANNOT, "and its other recipient");
	is_str(a.why, "MAIL: 550 5.7.1 not you", "why");
	how.mail = NULL;
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_YES, "taken again");
	is_int(seen.connections, 1, "on the same connection");
	is_int(cache.stores, 1, "a refused MAIL is no verdict");
}

static void
test_crowded(void)
{
	static struct answer	a[50];
	char			rcpt[64];
	size_t			i;

	how.max = 20;
	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), "u%zu@d.test", i);
		ask(&a[i], rcpt);
	}
	settle();
	for (i = 0; i < nitems(a); i++)
		want(&a[i], LOOKUP_YES, "452 behind others");
	ok(seen.mails >= 3, "transactions: %zu", seen.mails);
}

static void
test_full(void)
{
	struct answer	a, b;

	ask(&a, "ok@d.test");
	ask(&b, "452.4.2.2.full@d.test");
	settle();
	want(&a, LOOKUP_YES, "one");
	want(&b, LOOKUP_CANNOT, "always 452");
	is_int(seen.rcpts, 3, "asked again alone, and no more");
}

static void
test_errors(void)
{
	struct answer	a, b;

	remote->limits.errors = 2;
	ask(&a, "550.5.1.1.a@d.test");
	ask(&b, "550.5.1.1.b@d.test");
	settle();
	want(&b, LOOKUP_NO, "the second error");
	is_int(seen.quits, 1, "limits.errors ends the connection");
	ask(&a, "c@d.test");
	settle();
	want(&a, LOOKUP_YES, "on another one");
	is_int(seen.connections, 2, "a new one");
}

static void
test_utf8(void)
{
	struct answer	a;

	ask(&a, "j\xc3\xbcrg@d.test");
	settle();
	want(&a, LOOKUP_YES, "SMTPUTF8");
	is_str(seen.last_mail, "MAIL FROM:<> SMTPUTF8", "says so");
	ask(&a, "\"a b\"@d.test");
	settle();
	want(&a, LOOKUP_YES, "quoted");
	is_str(seen.last_rcpt, "RCPT TO:<\"a b\"@d.test>", "as it is");
	is_str(seen.last_mail, "MAIL FROM:<>", "in a transaction without");
	anew();
	how.ehlo = "250-here\r\n250 PIPELINING\r\n";
	ask(&a, "j\xc3\xbcrg@d.test");
	settle();
	want(&a, LOOKUP_LIVE, "not offered");
	is_int(seen.rcpts, 0, "and not asked");
	ask(&a, "a b@d.test> x");
	want(&a, LOOKUP_CANNOT, "no address is not asked for");
}

static void
test_vrfy(void)
{
	struct answer	a, b;

	how.vrfy = "250-2.1.5 Joe <joe@d.test>\r\n250 <jane@d.test>\r\n";
	ask_what(&a, "joe@d.test", "", LOOK_VRFY, 0);
	ask(&b, "r@d.test");
	settle();
	want(&a, LOOKUP_YES, "VRFY");
	is_int(a.nvalues, 2, "its lines");
	is_str(a.value[0], "Joe <joe@d.test>", "the first");
	is_str(a.value[1], "<jane@d.test>", "the second");
	want(&b, LOOKUP_YES, "and a RCPT beside it");
	is_int(cache.stores, 1, "VRFY is not kept");
	how.vrfy = NULL;
	ask_what(&a, "joe@d.test", "", LOOK_VRFY, 0);
	settle();
	want(&a, LOOKUP_YES, "252, then RCPT");
	is_str(a.value[0], "joe@d.test", "the address itself");
	how.vrfy = "550 5.1.1 none\r\n";
	ask_what(&a, "list", "", LOOK_EXPN, 0);
	settle();
	want(&a, LOOKUP_NO, "EXPN refused");
	how.vrfy = "502 no\r\n";
	ask_what(&a, "list", "", LOOK_EXPN, 0);
	settle();
	want(&a, LOOKUP_NO, "EXPN not there");
	anew();
	how.ehlo = "250 here\r\n";
	ask_what(&a, "550.5.1.1.u@d.test", "", LOOK_VRFY, 0);
	ask_what(&b, "list", "", LOOK_EXPN, 0);
	settle();
	want(&a, LOOKUP_NO, "VRFY not offered: RCPT");
	want(&b, LOOKUP_NO, "EXPN not offered");
}

/* --- servers that fail ---------------------------------------------------- */

static void
test_lost(void)
{
	static struct answer	a[20];
	char			rcpt[64];
	size_t			i;

	how.lost_at = 5;
	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), "u%zu@d.test", i);
		ask(&a[i], rcpt);
	}
	settle();
	for (i = 0; i < nitems(a); i++)
		want(&a[i], LOOKUP_YES, "a connection lost every 5");
	is_int(seen.connections, 4, "four of them");
	anew();
	how.bye_at = 8;
	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), "u%zu@d.test", i);
		ask(&a[i], rcpt);
	}
	settle();
	for (i = 0; i < nitems(a); i++)
		want(&a[i], LOOKUP_YES, "421 every 8");
	anew();
	how.bye_at = 1;
	ask(&a[0], "r@d.test");
	settle();
	want(&a[0], LOOKUP_CANNOT, "421 always");
	is_int(seen.connections, 2, "asked again once");
	ok(strstr(a[0].why, "421 4.7.0 enough") != NULL, "%s", a[0].why);
	anew();
	how.lost_over = "deadly";
	ask(&a[0], "one@d.test");
	ask(&a[1], "deadly@d.test");
	ask(&a[2], "two@d.test");
	settle();
	want(&a[0], LOOKUP_YES, "before the one that it dies of");
	want(&a[1], LOOKUP_CANNOT, "that one");
	want(&a[2], LOOKUP_YES, "behind it");
}

/* Nor does one that it says goodbye to, of however many connections. */
static void
test_goodbye(void)
{
	static struct answer	a[40];
	struct answer		b;
	char			rcpt[64];
	size_t			i;

	how.bye_over = "deadly";
	remote->limits.recipients = 4;		/* there are always others */
	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), "u%zu@d.test", i);
		ask(&a[i], rcpt);
		if (i == 1)
			ask(&b, "deadly@d.test");
	}
	settle();
	want(&b, LOOKUP_CANNOT, "it is given up");
	for (i = 0; i < nitems(a); i++)
		want(&a[i], LOOKUP_YES, "all others are answered");
	is_int(stat_of("probe.held "), 0, "it is not down");
}

/* An address that the server dies of costs nobody else his answer. */
static void
test_deadly(void)
{
	struct answer	a, b, c, d;

	how.lost_over = "deadly";
	ask(&a, "deadly@d.test");
	ask(&b, "one@d.test");
	ask(&c, "deadly.too@d.test");
	ask(&d, "two@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "deadly");
	want(&b, LOOKUP_YES, "one");
	want(&c, LOOKUP_CANNOT, "deadly, too");
	want(&d, LOOKUP_YES, "two");
	is_int(stat_of("probe.held "), 0, "it is not down");
	ask(&a, "deadly@d.test");
	settle();
	ask(&b, "three@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "deadly alone");
	want(&b, LOOKUP_YES, "nor then");

	/* The replies in front of it are lost as well. */
	anew();
	how.lost_over = "deadly";
	how.dies = true;
	ask(&a, "one@d.test");
	ask(&b, "two@d.test");
	ask(&c, "deadly@d.test");
	ask(&d, "three@d.test");
	settle();
	want(&a, LOOKUP_YES, "one, died");
	want(&b, LOOKUP_YES, "two, died");
	want(&c, LOOKUP_CANNOT, "deadly, died");
	want(&d, LOOKUP_YES, "three, died");
	is_int(stat_of("probe.held "), 0, "it is not down");

	/* One that dies of everybody is. */
	anew();
	how.lost_over = "@d.test";
	ask(&a, "one@d.test");
	ask(&b, "two@d.test");
	ask(&c, "three@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "one of all");
	want(&b, LOOKUP_CANNOT, "two of all");
	want(&c, LOOKUP_CANNOT, "three of all");
	is_int(stat_of("probe.held "), 1, "it is down");
	how.lost_over = NULL;
	pass(1100);
	ask(&a, "one@d.test");
	settle();
	want(&a, LOOKUP_YES, "up again");
}

/* The server closed it while nobody needed it. */
static void
test_stale_connection(void)
{
	struct answer	a;
	size_t		i;

	ask(&a, "one@d.test");
	settle();
	for (i = 0; i < SERVERS; i++)
		if (servers[i].fd != -1)
			server_close(&servers[i]);
	ask(&a, "two@d.test");
	settle();
	want(&a, LOOKUP_YES, "on a fresh one");
	is_int(seen.connections, 2, "a fresh one");
}

static void
test_silent(void)
{
	struct answer	a, b;

	how.mute = true;
	ask(&a, "r@d.test");
	settle();
	is_int(a.times, 0, "no answer yet");
	pass(19000);
	is_int(a.times, 0, "nor soon");
	pass(1500);
	want(&a, LOOKUP_CANNOT, "timeout.command");
	ask(&b, "s@d.test");
	want(&b, LOOKUP_CANNOT, "held down: at once");
	ok(strstr(b.why, "store is down") != NULL, "%s", b.why);
	is_int(stat_of("probe.held "), 1, "told by the statistics");
	how.mute = false;
	pass(1500);
	ask(&a, "r@d.test");
	ask(&b, "s@d.test");
	want(&b, LOOKUP_CANNOT, "beside the one that tries");
	settle();
	want(&a, LOOKUP_YES, "the one that tries");
	ask(&b, "s@d.test");
	settle();
	want(&b, LOOKUP_YES, "and all after it");
	is_int(stat_of("probe.held "), 0, "it is up");
}

static void
test_dribble(void)
{
	struct answer	a;
	int		i;

	how.mute = true;
	ask(&a, "r@d.test");
	settle();
	for (i = 0; i < 30 && a.times == 0; i++) {
		say(&servers[0], "250-x\r\n");
		pass(1000);
	}
	want(&a, LOOKUP_CANNOT, "a line a second");
	ok(i <= 26, "within timeout.command: %d s", i);
}

static void
test_garbage(void)
{
	struct answer	a;

	how.octets = "rubbish\r\n";
	how.repeat = 1;
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "not SMTP");
	anew();
	how.octets = "250-more and more and more and more and more\r\n";
	how.repeat = 500;
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "without an end");
	is_int(open_servers(), 0, "closed");
}

static void
test_down(void)
{
	struct answer	a;
	int64_t		hold = 1000;
	int		i;

	dial.refuse = true;
	for (i = 0; i < 9; i++) {
		ask(&a, "r@d.test");
		settle();
		want(&a, LOOKUP_CANNOT, "refused");
		is_int(dial.reqs, i + 1, "dialled once");
		ask(&a, "r@d.test");
		want(&a, LOOKUP_CANNOT, "held");
		pass(hold - 10);
		ask(&a, "r@d.test");
		want(&a, LOOKUP_CANNOT, "still held");
		pass(20);
		hold = hold * 2 > 60000 ? 60000 : hold * 2;
	}
	dial.refuse = false;
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_YES, "up again");
	anew();
	dial.mute = true;
	ask(&a, "r@d.test");
	pass(26000);
	want(&a, LOOKUP_CANNOT, "a dialer that is mute");
	is_int(dial.cancels, 1, "is told so");
	nasked = 0;
}

static void
test_greeting(void)
{
	struct answer	a;

	how.greeting = "554 go away\r\n";
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "not greeted");
	is_int(dial.useless, 1, "the dialer is told");
	anew();
	remote->tls.mode = RTLS_REQUIRED;
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "no TLS");
	ok(strstr(a.why, "STARTTLS") != NULL, "%s", a.why);
	is_int(dial.useless, 0, "it serves others");
	anew();
	remote->tls.mode = RTLS_REQUIRED;
	if (strs_add(&remote->address, copy("mx2.test")) == -1)
		abort();
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "no TLS anywhere");
	is_int(dial.useless, 3, "each was tried");
	anew();
	if (strs_add(&remote->address, copy("mx2.test")) == -1)
		abort();
	how.greeting = "421 later\r\n";
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_CANNOT, "no server greets");
	is_int(seen.connections, 3, "three were tried");
	anew();
	remote->proxy_protocol = RPROXY_V1;
	ask(&a, "r@d.test");
	settle();
	want(&a, LOOKUP_YES, "behind a PROXY header");
	is_int(seen.first, 1, "which came first");
}

/* --- all of that at once -------------------------------------------------- */

static uint32_t	dice = 1;

static unsigned int
roll(unsigned int sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

static void
any_server(void)
{
	how.max = roll(3) == 0 ? 1 + roll(5) : 0;
	how.lost_at = roll(4) == 0 ? 1 + roll(6) : 0;
	how.bye_at = roll(4) == 0 ? 1 + roll(6) : 0;
	how.lost_over = roll(3) == 0 ? "u1" : NULL;
	how.dies = how.lost_over != NULL && roll(2) == 0;
	how.mute = roll(12) == 0;
	how.stays_mute = true;
	how.mail = roll(8) == 0 ? "451 4.3.0 not now\r\n" : NULL;
	how.ehlo = roll(4) == 0 ? "250 here\r\n" : NULL;
	how.greeting = roll(16) == 0 ? "421 busy\r\n" : NULL;
	dial.refuse = roll(16) == 0;
}

/* The generation that there is goes, behind the next one or before. */
static void
reload(void)
{
	struct config	*old = conf;
	bool		 gap = roll(4) == 0;

	if (gap) {
		conf = NULL;
		probe_release(old);
	}
	configure(2);
	set_text(&remote->mail_from, roll(2) ? "sender" : "");
	remote->limits.recipients = 1 + roll(20);
	remote->limits.errors = 1 + roll(10);
	probe_commit();
	if (!gap)
		probe_release(old);
	conf_unref(old);
}

/*
 * Servers that change their minds all the time, reloads, and askers who
 * leave: no one is ever told what was said of another.
 */
static void
test_storm(void)
{
	static struct answer	a[64];
	static const char	*const code[] = { "", "550.5.1.1.",
				    "550.5.7.1." };
	static const enum lookup_answer	truth[] = { LOOKUP_YES, LOOKUP_NO,
					    LOOKUP_LIVE };
	unsigned int		kind[64];
	char			rcpt[64], sender[32];
	size_t			i, round, wrong = 0, told = 0, good = 0;

	for (round = 0; round < 300; round++) {
		reload();
		for (i = 0; i < nitems(a); i++) {
			any_server();
			if (roll(100) == 0)
				reload();
			kind[i] = roll(3);
			snprintf(rcpt, sizeof(rcpt), "%su%u@d.test",
			    code[kind[i]], roll(30));
			snprintf(sender, sizeof(sender), "s%u@c.test",
			    roll(3));
			ask_what(&a[i], rcpt, sender, LOOK_ADDRESS, 0);
			if (roll(8) == 0 && a[i].v != NULL) {
				verify_cancel(a[i].v);
				a[i].times = 1;
				a[i].answer = LOOKUP_CANNOT;
			}
			if (roll(4) == 0)
				turn_all();
		}
		pass(100000);
		for (i = 0; i < nitems(a); i++) {
			told += a[i].times;
			good += a[i].answer == truth[kind[i]];
			wrong += a[i].answer != truth[kind[i]] &&
			    a[i].answer != LOOKUP_CANNOT;
		}
		if (stat_of("probe.waiting ") != 0)
			break;
		how.greeting = NULL;
	}
	is_int(round, 300, "nothing is left");
	is_int(told, 300 * nitems(a), "each has one answer");
	is_int(wrong, 0, "and it is not another's");
	ok(good > 300 * nitems(a) / 4, "there are some: %zu", good);
}

/* --- the cache ------------------------------------------------------------ */

static void
test_cache(void)
{
	struct answer	a;

	cache.view = CACHE_FRESH;
	cache.verdict.exists = true;
	ask(&a, "r@d.test");
	want(&a, LOOKUP_YES, "fresh");
	is_int(a.by, JUDGE_BY_CACHE, "by the cache");
	ok(a.v == NULL, "at once");
	settle();
	is_int(dial.reqs, 0, "nobody is asked");
	cache.verdict = (struct cache_verdict){ .code = 550,
	    .enhanced = "5.1.1", .text = "none" };
	ask(&a, "r@d.test");
	want(&a, LOOKUP_NO, "a fresh no");
	is_str(a.why, "550 5.1.1 none", "the server's words");
	cache.view = CACHE_REFRESH;
	cache.verdict.exists = true;
	ask(&a, "550.5.1.1.r@d.test");
	want(&a, LOOKUP_YES, "to be refreshed: answered");
	settle();
	is_int(seen.rcpts, 1, "and asked");
	is_int(cache.stores, 1, "the answer is for the cache to judge");
	is_int(cache.put_off, 0, "it is one");
	ask(&a, "451.4.3.0.r@d.test");
	ask(&a, "550.5.7.1.r@d.test");
	settle();
	is_int(seen.rcpts, 3, "those are asked, too");
	is_int(cache.stores, 1, "they say nothing");
	is_int(cache.put_off, 2, "and are put off");
	ask_what(&a, "451.4.3.0.s@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	settle();
	is_int(cache.put_off, 3, "asked ahead, too");
	ask(&a, "451.4.3.0.s@d.test");
	settle();
	is_int(seen.rcpts, 5, "which is in the way of no other");
}

static void
test_stale(void)
{
	struct answer	a;

	cache.view = CACHE_STALE;
	cache.verdict.exists = true;
	dial.refuse = true;
	ask_what(&a, "r@d.test", "", LOOK_ADDRESS, LOOK_STALE);
	settle();
	want(&a, LOOKUP_YES, "an expired yes");
	is_int(a.by, JUDGE_BY_CACHE, "by the cache");
	is_int(dial.reqs, 1, "after asking");
	ask_what(&a, "r@d.test", "", LOOK_ADDRESS, LOOK_STALE);
	want(&a, LOOKUP_YES, "while it is held down, too");
	ask(&a, "r@d.test");
	want(&a, LOOKUP_CANNOT, "not for those who do not take it");
	cache.view = CACHE_MISS;
	ask_what(&a, "s@d.test", "", LOOK_ADDRESS, LOOK_STALE);
	want(&a, LOOKUP_CANNOT, "where there was none");
	anew();
	cache.view = CACHE_STALE;
	cache.verdict.exists = true;
	ask_what(&a, "550.5.1.1.r@d.test", "", LOOK_ADDRESS, LOOK_STALE);
	settle();
	want(&a, LOOKUP_NO, "the server's no counts");
}

static void
test_ahead(void)
{
	struct answer	a, b, c;

	ask_what(&a, "r@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	ok(a.v == NULL, "nobody waits");
	ask_what(&b, "r@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	ask(&c, "r@d.test");
	settle();
	want(&c, LOOKUP_YES, "the question itself");
	is_int(seen.rcpts, 1, "was asked once");
}

/* What was asked ahead and is no verdict is told once, and asked once. */
static void
test_ahead_kept(void)
{
	struct answer	a, b;

	ask_what(&a, "552.5.2.2.r@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	ask_what(&a, "450.4.2.1.r@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	settle();
	is_int(seen.rcpts, 2, "asked");
	ask_what(&a, "552.5.2.2.r@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	ask(&a, "552.5.2.2.r@d.test");
	ask(&b, "450.4.2.1.r@d.test");
	want(&a, LOOKUP_LIVE, "no word of it");
	is_int(a.remote, 7, "of the remote");
	want(&b, LOOKUP_CANNOT, "not now");
	is_str(b.why, "450 4.2.1 said", "and why");
	is_int(seen.rcpts, 2, "asked once");
	ask(&a, "552.5.2.2.r@d.test");
	ask(&b, "450.4.2.1.r@d.test");
	settle();
	want(&a, LOOKUP_LIVE, "the next one has it asked anew");
	want(&b, LOOKUP_CANNOT, "both of them");
	is_int(seen.rcpts, 4, "asked again");
	ask_what(&a, "450.4.2.1.r@d.test", "", LOOK_ADDRESS, LOOK_AHEAD);
	settle();
	pass(60000);
	ask(&b, "450.4.2.1.r@d.test");
	settle();
	want(&b, LOOKUP_CANNOT, "too old to be told");
	is_int(seen.rcpts, 6, "asked anew");
}

static void
test_cancel(void)
{
	struct answer	a, b;

	ask(&a, "r@d.test");
	ask(&b, "r@d.test");
	verify_cancel(a.v);
	settle();
	is_int(a.times, 0, "cancelled");
	want(&b, LOOKUP_YES, "the other one");
	ask(&a, "s@d.test");
	verify_cancel(a.v);
	settle();
	is_int(a.times, 0, "cancelled alone");
	is_int(cache.stores, 2, "its answer is kept");
	ask_what(&a, "t@d.test", "", LOOK_VRFY, 0);
	verify_cancel(a.v);
	settle();
	is_int(a.times, 0, "VRFY cancelled");
	how.mute = true;
	ask(&a, "u@d.test");
	settle();
	verify_cancel(a.v);
	verify_cancel(NULL);
	pass(30000);
	is_int(a.times, 0, "cancelled after it was sent");
	is_int(stat_of("probe.waiting "), 0, "none is left");
}

/* --- bounds, generations, verdicts ---------------------------------------- */

static void
test_bounds(void)
{
	static struct answer	a[PROBES_TARGET + 1];
	char			rcpt[64];
	size_t			i, cannot = 0;

	dial.mute = true;
	for (i = 0; i < 100; i++) {
		snprintf(rcpt, sizeof(rcpt), "ahead%zu@d.test", i);
		ask_what(&a[0], rcpt, "", LOOK_ADDRESS, LOOK_AHEAD);
	}
	is_int(stat_of("probe.waiting "), 100, "ahead");
	for (i = 0; i < nitems(a); i++) {
		snprintf(rcpt, sizeof(rcpt), "u%zu@d.test", i);
		ask(&a[i], rcpt);
	}
	is_int(stat_of("probe.waiting "), PROBES_TARGET, "no more");
	ok(stat_of("probe.dropped ") >= 100, "those ahead went first");
	want(&a[PROBES_TARGET], LOOKUP_CANNOT, "one too many");
	for (i = 0; i < nitems(a); i++)
		cannot += a[i].times;
	is_int(cannot, 1, "and only that one");
	nasked = 0;
	pass(30000);
	for (i = 0; i < nitems(a); i++)
		is_int(a[i].times, 1, "all are answered in time");
}

static void
test_generation(void)
{
	struct config	*old = conf;
	struct answer	 a;

	how.mute = true;
	ask(&a, "r@d.test");
	settle();
	is_int(seen.rcpts, 1, "sent");
	how.mute = false;
	configure(2);
	probe_commit();
	settle();
	is_int(seen.quits, 0, "nobody is cut off by a commit");
	probe_release(old);
	conf_unref(old);
	settle();
	want(&a, LOOKUP_YES, "asked again in the new one");
	is_int(seen.connections, 2, "on its own connection");
	probe_commit();
	settle();
	is_int(seen.quits, 1, "an idle one ends at a commit");
	how.mute = true;
	ask(&a, "s@d.test");
	settle();
	anew();
	want(&a, LOOKUP_CANNOT, "the remote has gone");
}

static void
told(const struct proto_verdict *v)
{
	struct msg	m = { .fd = -1 };
	struct wbuf	w = { 0 };

	put_verdict(&w, v);
	rbuf_init(&m.body, w.data, w.len);
	is_int(verdict_told(&dialer, &m), 0, "VERDICT");
	wbuf_clear(&w);
}

static void
test_verdicts(void)
{
	struct proto_verdict	v = { .kind = VERDICT_UNKNOWN, .remote = 9,
				    .asked = 7, .rcpt = "r@d.test",
				    .sender = "c@c.test", .code = 550,
				    .enhanced = "5.1.1", .text = "no" };
	struct msg		m = { .fd = -1 };

	told(&v);
	is_int(cache.stores, 1, "a no is kept");
	ok(!cache.probe && !cache.stored.exists, "as a next hop's");
	is_str(cache.remote, "store", "of the remote that was asked");
	is_str(cache.sender, "", "under the sender that was used");
	is_str(cache.stored.text, "no", "its text");
	ok(!verdict_is_marked(9, "c@c.test", "r@d.test"), "not marked");
	v.kind = VERDICT_REFUSED;
	v.vouched = true;
	told(&v);
	is_int(cache.deletes, 1, "a yes is forgotten");
	ok(verdict_is_marked(9, "c@c.test", "r@d.test"), "marked");
	ok(!verdict_is_marked(7, "c@c.test", "r@d.test"), "there alone");
	ok(!verdict_is_marked(9, "", "r@d.test"), "for that sender");
	pass(59 * 60 * 1000);
	ok(verdict_is_marked(9, "c@c.test", "r@d.test"), "for an hour");
	pass(2 * 60 * 1000);
	ok(!verdict_is_marked(9, "c@c.test", "r@d.test"), "and no longer");
	v.asked = 0;
	told(&v);
	is_int(cache.deletes, 1, "nobody was asked");
	rbuf_init(&m.body, "x", 1);
	is_int(verdict_told(&dialer, &m), -1, "no VERDICT");
}

int
main(void)
{
	static void	(*const tests[])(void) = { test_burst, test_pool,
		test_pace, test_quick, test_join, test_senders,
		test_one_by_one, test_readings, test_mail_refused,
		test_crowded, test_full, test_errors, test_utf8, test_vrfy,
		test_lost, test_deadly, test_goodbye, test_stale_connection,
		test_silent, test_dribble, test_garbage, test_down,
		test_greeting, test_storm, test_cache, test_stale,
		test_ahead, test_ahead_kept, test_cancel, test_bounds,
		test_generation, test_verdicts };
	size_t	i;

	play_init();
	for (i = 0; i < nitems(tests); i++) {
		tests[i]();
		anew();
	}
	return done("t_probe");
}
