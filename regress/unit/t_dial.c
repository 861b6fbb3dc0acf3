/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer's and resolved's decisions, without processes: what to leave
 * alone and for how long, in which order, who gets the next connection, who
 * is asked to give one up, and which names need no name server.
 */

#include <sys/types.h>

#include <errno.h>

#include "dialer.h"
#include "resolved.h"
#include "t.h"

static struct addr
addr(const char *s, uint16_t port)
{
	struct addr	a;

	if (addr_parse(&a, s) == -1)
		abort();
	a.port = port;
	return a;
}

static struct mono
at(int64_t ms)
{
	struct mono	m = { 1000000 + ms };

	return m;
}

/* --- hold ----------------------------------------------------------------- */

static void
test_hold(void)
{
	struct addr	a = addr("192.0.2.1", 25), b = addr("192.0.2.1", 26);

	is_int(hold_view(&a, at(0)), HOLD_GOOD, "nothing known");
	ok(!hold_try(&a), "a good address needs no trial");
	ok(!hold_worked(&a), "and is not back");
	ok(hold_failed(&a, false, at(0)), "goes down");
	is_int(hold_view(&a, at(0)), HOLD_DOWN, "is down");
	is_int(hold_view(&b, at(0)), HOLD_GOOD, "another port is not");
	is_int(hold_count(at(0)), 1, "one down");
	ok(!hold_failed(&a, false, at(1)), "it was down before");
	is_int(hold_view(&a, at(HOLD_FIRST - 1)), HOLD_DOWN, "still down");
	is_int(hold_view(&a, at(HOLD_FIRST)), HOLD_TRIAL, "over");
	is_int(hold_count(at(HOLD_FIRST)), 0, "none down");
	ok(hold_try(&a), "the one trial");
	ok(!hold_try(&a), "is one");
	is_int(hold_view(&a, at(HOLD_FIRST)), HOLD_TAKEN, "taken");
	hold_dropped(&a, true);
	is_int(hold_view(&a, at(HOLD_FIRST)), HOLD_TRIAL, "dropped");
	ok(hold_try(&a), "again");
	ok(!hold_failed(&a, true, at(HOLD_FIRST)), "fails again");
	is_int(hold_view(&a, at(3 * HOLD_FIRST - 1)), HOLD_DOWN, "twice");
	is_int(hold_view(&a, at(3 * HOLD_FIRST)), HOLD_TRIAL, "then over");
	ok(hold_worked(&a), "back");
	is_int(hold_view(&a, at(3 * HOLD_FIRST)), HOLD_GOOD, "and good");
	hold_clear();
}

/* Down as well: one may try it before the time is over, and fail. */
static void
test_hold_longest(void)
{
	struct addr	a = addr("2001:db8::1", 25);
	int64_t		now = 0;
	int		i;

	(void)hold_failed(&a, false, at(now));
	for (i = 0; i < 40; i++) {
		ok(hold_try(&a), "trial %d", i);
		(void)hold_failed(&a, true, at(now));
	}
	is_int(hold_view(&a, at(now + HOLD_LONGEST - 1)), HOLD_DOWN, "down");
	is_int(hold_view(&a, at(now + HOLD_LONGEST)), HOLD_TRIAL,
	    "no longer than the longest");
	/* What has not been tried for long is forgotten, when room is made. */
	a.port++;
	now += HOLD_LONGEST + HOLD_MEMORY;
	(void)hold_failed(&a, false, at(now));
	a.port--;
	is_int(hold_view(&a, at(now)), HOLD_GOOD, "forgotten");
	hold_clear();
}

/* A trial survives that its address is forgotten and fails anew. */
static void
test_hold_crossing(void)
{
	struct addr	a = addr("192.0.2.1", 25);

	(void)hold_failed(&a, false, at(0));
	ok(hold_try(&a), "trial");
	ok(hold_worked(&a), "an older attempt connects");
	ok(hold_failed(&a, true, at(0)), "the trial fails");
	is_int(hold_view(&a, at(0)), HOLD_DOWN, "down, not taken");
	hold_clear();
	hold_dropped(&a, true);
	is_int(hold_view(&a, at(0)), HOLD_GOOD, "nothing is made up");
}

static void
test_hold_full(void)
{
	struct addr	a = addr("10.0.0.0", 25), first = a, second = a;
	int		i;

	second.ip[3] = 1;
	for (i = 0; i <= HOLD_MAX; i++) {
		a.ip[2] = (uint8_t)(i >> 8);
		a.ip[3] = (uint8_t)i;
		(void)hold_failed(&a, false, at(i));
		if (i == 0)
			ok(hold_try(&first), "the first is on trial");
	}
	is_int(hold_count(at(0)), HOLD_MAX, "no more than the most");
	is_int(hold_view(&first, at(0)), HOLD_TAKEN, "trials are kept");
	is_int(hold_view(&second, at(0)), HOLD_GOOD, "the oldest goes");
	is_int(hold_view(&a, at(0)), HOLD_DOWN, "the newest is there");
	hold_clear();
	is_int(hold_count(at(0)), 0, "clear");
}

/* --- order ---------------------------------------------------------------- */

static const struct {
	const char	*in;		/* 4a 6b ...: family, last octet */
	bool		 v4, v6;
	const char	*out;
} orders[] = {
	{ "",			true, true,	"" },
	{ "4a",			true, true,	"4a" },
	{ "4a 4b 4c",		true, true,	"4a 4b 4c" },
	{ "6a 6b",		true, true,	"6a 6b" },
	{ "4a 6a",		true, true,	"6a 4a" },
	{ "4a 4b 4c 6a",	true, true,	"6a 4a 4b 4c" },
	{ "6a 6b 6c 4a",	true, true,	"6a 4a 6b 6c" },
	{ "4a 4b 6a 6b 6c",	true, true,	"6a 4a 6b 4b 6c" },
	{ "4a 4a 6a 4a 6a",	true, true,	"6a 4a" },
	{ "4a 6a 4b 6b",	true, false,	"4a 4b" },
	{ "4a 6a 4b 6b",	false, true,	"6a 6b" },
	{ "4a 6a",		false, false,	"" }
};

static void
test_order(void)
{
	struct addr	 v[16];
	const char	*p;
	char		 out[64];
	size_t		 i, j, n;

	for (i = 0; i < nitems(orders); i++) {
		n = 0;
		for (p = orders[i].in; *p != '\0'; p += p[2] == ' ' ? 3 : 2) {
			v[n] = addr(*p == '4' ? "10.0.0.0" : "2001:db8::", 0);
			v[n++].ip[*p == '4' ? 3 : 15] = (uint8_t)p[1];
		}
		n = hold_order(v, n, orders[i].v4, orders[i].v6);
		out[0] = '\0';
		for (j = 0; j < n; j++)
			(void)snprintf(out + strlen(out),
			    sizeof(out) - strlen(out), "%s%c%c",
			    j == 0 ? "" : " ",
			    v[j].family == ADDR_V4 ? '4' : '6',
			    v[j].ip[v[j].family == ADDR_V4 ? 3 : 15]);
		is_str(out, orders[i].out, "order of %s", orders[i].in);
	}
}

/* --- leases --------------------------------------------------------------- */

static struct asker	x, y;
static char		wants[64];

static void
on_want(struct asker *a, uint32_t remote, const char *domain)
{
	(void)snprintf(wants + strlen(wants), sizeof(wants) - strlen(wants),
	    "%c%u%s ", a == &x ? 'x' : 'y', remote, domain);
}

static void
reset(void)
{
	memset(&x, 0, sizeof(x));
	memset(&y, 0, sizeof(y));
}

/* Who dials next, by sid; 0 = nobody. */
static uint64_t
next(void)
{
	struct lease	*l = lease_next();

	return l == NULL ? 0 : l->sid;
}

/* Who is apart neither waits for the others nor makes them wait. */
static void
test_lease_apart(void)
{
	struct lease	l[4];
	size_t		i;

	reset();
	y.apart = true;
	is_int(lease_join(&l[0], &x, 1, 7, "", 1), 0, "one");
	is_int(lease_join(&l[1], &y, 1, 7, "", 1), 0, "apart");
	is_int(lease_join(&l[2], &y, 2, 7, "", 1), 0, "apart again");
	is_int(lease_join(&l[3], &x, 2, 7, "", 1), 0, "one too many");
	for (i = 0; i < 3; i++)
		ok(lease_next() != NULL, "may dial");
	ok(lease_next() == NULL, "but for one over the limit");
	is_int(l[3].state, LEASE_WAITING, "which waits");
	lease_end(&l[2]);
	ok(lease_next() == NULL, "not for those apart");
	lease_end(&l[0]);
	ok(lease_next() == &l[3], "but for its own");
	lease_end(&l[1]);
	lease_end(&l[3]);
	is_int(lease_count(), 0, "nothing is left");
}

static void
test_lease_queue(void)
{
	struct lease	l[5], twice;
	size_t		i;

	reset();
	for (i = 0; i < 5; i++)
		is_int(lease_join(&l[i], i == 1 ? &y : &x, i + 1, 7, "", 2), 0,
		    "join %zu", i);
	is_int(lease_join(&twice, &x, 1, 7, "", 2), -1, "a sid twice");
	is_int(lease_hold(&twice, &x, 1, 7, "", 2), -1, "nor held");
	is_int(errno, EEXIST, "says so");
	is_int(lease_join(&twice, &y, 1, 8, "", 2), 0, "of another asker, not");
	is_int(lease_waiting(), 6, "all wait at first");
	is_int(x.questions, 4, "x's questions");
	is_int(next(), 1, "remote 7: first");
	is_int(next(), 1, "remote 8: first");
	is_int(next(), 2, "remote 7: second");
	is_int(next(), 0, "no more than two");
	is_int(l[2].state, LEASE_WAITING, "the third waits");
	lease_given(&l[0]);
	is_int(next(), 0, "a connection given away counts");
	is_int(x.questions, 3, "but is no question");
	is_int(lease_held(), 1, "is held");
	lease_end(&l[2]);
	lease_end(&l[0]);
	is_int(next(), 4, "the third has gone: the fourth");
	lease_end(&l[1]);
	is_int(next(), 5, "an attempt that failed makes room");
	ok(lease_find(&x, 4) == &l[3], "found");
	ok(lease_find(&y, 4) == NULL, "only with its asker");
	lease_end(&l[3]);
	lease_end(&l[4]);
	lease_end(&twice);
	is_int(lease_count(), 0, "nothing is left");
	is_int(lease_waiting() + lease_held(), 0, "of any kind");
	is_int(x.questions + y.questions, 0, "no questions");
}

static void
test_lease_no_limit(void)
{
	struct lease	l[100];
	size_t		i;

	reset();
	for (i = 0; i < nitems(l); i++)
		(void)lease_join(&l[i], &x, i + 1, 7, "", 0);
	for (i = 0; i < nitems(l); i++)
		is_int(next(), (long long)i + 1, "all may, in order");
	for (i = 0; i < nitems(l); i++)
		lease_end(&l[i]);
}

/* Remotes take turns; one that is full does not stop the others. */
static void
test_lease_pools(void)
{
	struct lease	l[6];
	size_t		i;

	reset();
	for (i = 0; i < 6; i++)
		(void)lease_join(&l[i], &x, i + 1, i < 3 ? 1 : 2, "",
		    i < 3 ? 1 : 2);
	is_int(next(), 1, "remote 1");
	is_int(next(), 4, "remote 2");
	is_int(next(), 5, "remote 2 again");
	is_int(next(), 0, "both full");
	for (i = 0; i < 6; i++)
		lease_end(&l[i]);
	is_int(next(), 0, "empty");
	is_int(lease_count(), 0, "nothing is left");
}

/* Of mx each domain has its own limit. */
static void
test_lease_domains(void)
{
	struct lease	a, b, c;

	reset();
	(void)lease_join(&a, &x, 1, 7, "a.example", 1);
	(void)lease_join(&b, &y, 2, 7, "A.Example", 1);
	(void)lease_join(&c, &y, 3, 7, "b.example", 1);
	is_int(next(), 1, "a domain");
	is_int(next(), 3, "another one");
	is_int(next(), 0, "the first is full");
	lease_given(&a);
	wants[0] = '\0';
	lease_holders(&b, on_want);
	is_str(wants, "x7a.example ", "the holder is told the domain");
	lease_end(&a);
	is_int(next(), 2, "by whatever case");
	lease_end(&b);
	lease_end(&c);
	is_int(lease_count(), 0, "nothing is left");
}

/* What a dialer before this one gave away. */
static void
test_lease_hold(void)
{
	struct lease	a, b, c;

	reset();
	is_int(lease_hold(&a, &x, 1, 7, "", 1), 0, "held at once");
	is_int(lease_hold(&b, &x, 2, 7, "", 1), 0, "over the limit too");
	is_int(a.state, LEASE_HELD, "it is held");
	is_int(lease_held(), 2, "both are");
	is_int(lease_waiting() + x.questions, 0, "and no question is open");
	is_int(next(), 0, "nothing is to be dialled");
	(void)lease_join(&c, &y, 3, 7, "", 1);
	is_int(next(), 0, "they count");
	lease_end(&a);
	is_int(next(), 0, "each of them");
	lease_end(&b);
	is_int(next(), 3, "now there is room");
	lease_end(&c);
	is_int(lease_count(), 0, "nothing is left");
}

static void
test_lease_want(void)
{
	struct lease	a, b, c, d;

	reset();
	(void)lease_join(&a, &x, 1, 7, "", 2);
	(void)lease_join(&b, &y, 2, 7, "", 2);
	is_int(next(), 1, "a dials");
	is_int(next(), 2, "b dials");
	(void)lease_join(&c, &y, 3, 7, "", 2);
	wants[0] = '\0';
	lease_holders(&c, on_want);
	is_str(wants, "", "nobody holds one yet");
	lease_given(&a);
	lease_holders(&c, on_want);
	is_str(wants, "x7 ", "x holds one");
	wants[0] = '\0';
	lease_wanted(on_want);
	is_str(wants, "x7 ", "again");
	lease_given(&b);
	(void)lease_join(&d, &x, 4, 9, "", 1);
	is_int(next(), 4, "d dials");
	lease_given(&d);
	wants[0] = '\0';
	lease_wanted(on_want);
	ok(strcmp(wants, "x7 y7 ") == 0 || strcmp(wants, "y7 x7 ") == 0,
	    "both hold one; nobody waits for 9: %s", wants);
	lease_end(&c);
	wants[0] = '\0';
	lease_wanted(on_want);
	is_str(wants, "", "nobody waits");
	lease_end(&a);
	lease_end(&b);
	lease_end(&d);
	is_int(lease_count(), 0, "nothing is left");
}

/* --- names ---------------------------------------------------------------- */

#define LABEL_63	\
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz12345678901"

static void
test_names(void)
{
	static const char *const good[] = {
		"a", "a.b", "mx1.example.org", "mx1.example.org.", "_dmarc.x",
		"3com.com", "a-b.c", "localhost", LABEL_63, LABEL_63 ".org"
	};
	static const char *const bad[] = {
		"", ".", "..", ".a", "a..b", "a..", "a b", "a\tb", "a\nb",
		"a\\.b", "a\\000b", "caf\303\251.org", "10.0.0.1", "1", "::1",
		"a.1", "a@b", "a/b", "*.b", "a" LABEL_63, LABEL_63 "a.org"
	};
	char	name[300];
	size_t	i;

	for (i = 0; i < nitems(good); i++)
		ok(hosts_name_ok(good[i]), "good: %s", good[i]);
	for (i = 0; i < nitems(bad); i++)
		ok(!hosts_name_ok(bad[i]), "bad: %s", bad[i]);
	for (i = 0; i < 254; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[253] = '\0';
	ok(hosts_name_ok(name), "253 octets");
	(void)strlcat(name, ".", sizeof(name));
	ok(hosts_name_ok(name), "253 octets and a dot");
	(void)strlcat(name, "a", sizeof(name));
	ok(!hosts_name_ok(name), "255 octets");
	ok(hosts_is_localhost("localhost"), "localhost");
	ok(hosts_is_localhost("LocalHost."), "LocalHost.");
	ok(hosts_is_localhost("a.localhost"), "a.localhost");
	ok(!hosts_is_localhost("alocalhost"), "alocalhost");
	ok(!hosts_is_localhost("localhost.org"), "localhost.org");
	ok(!hosts_is_localhost(""), "nothing");
}

static const char	hosts[] =
    "# 192.0.2.9 commented\n"
    "127.0.0.1\tlocalhost\n"
    "192.0.2.1 one.example one # two\n"
    "2001:db8::1 one\r\n"
    "192.0.2.1 one\n"
    "::ffff:192.0.2.3 three\n"
    "0.0.0.0 blocked.example\n"
    "not-an-address one\n"
    "192.0.2.4\n"
    "\n"
    "  192.0.2.5   five.example.   \n"
    "fe80::1%eth0 one\n"
    "192.0.2.6 last";

static const struct {
	const char	*name;
	const char	*want;
} host_cases[] = {
	{ "one",		"192.0.2.1 2001:db8::1 " },
	{ "ONE",		"192.0.2.1 2001:db8::1 " },
	{ "one.example",	"192.0.2.1 " },
	{ "one.exampl",		"" },
	{ "two",		"" },
	{ "commented",		"" },
	{ "three",		"192.0.2.3 " },
	{ "blocked.example",	"" },
	{ "five.example",	"192.0.2.5 " },
	{ "five.example.",	"192.0.2.5 " },
	{ "192.0.2.4",		"" },
	{ "last",		"192.0.2.6 " }
};

static void
test_hosts(void)
{
	struct dns_result	r;
	char			out[256], ip[ADDR_TEXT_MAX];
	size_t			i, j;

	for (i = 0; i < nitems(host_cases); i++) {
		memset(&r, 0, sizeof(r));
		hosts_find(hosts, sizeof(hosts) - 1, host_cases[i].name, &r);
		out[0] = '\0';
		for (j = 0; j < r.n; j++) {
			addr_text(&r.addr[j], ip, sizeof(ip));
			(void)strlcat(out, ip, sizeof(out));
			(void)strlcat(out, " ", sizeof(out));
		}
		is_str(out, host_cases[i].want, "hosts: %s",
		    host_cases[i].name);
	}
	/* No more than there is room for; cut anywhere, it stays a text. */
	memset(&r, 0, sizeof(r));
	for (i = 0; i < 2 * DNS_ADDRS_MAX; i++) {
		(void)snprintf(out, sizeof(out), "10.0.0.%zu many\n", i + 1);
		hosts_find(out, strlen(out), "many", &r);
	}
	is_int(r.n, DNS_ADDRS_MAX, "no more than there is room for");
	for (i = 0; i < sizeof(hosts); i++) {
		char	*cut = malloc(i == 0 ? 1 : i);

		if (cut == NULL)
			abort();
		memcpy(cut, hosts, i);
		memset(&r, 0, sizeof(r));
		hosts_find(cut, i, "one", &r);
		ok(r.n <= 2, "cut at %zu", i);
		free(cut);
	}
}

/* The first names of the lines that have the address. */
static void
test_hosts_names(void)
{
	static const struct {
		const char	*addr, *want;
	} cases[] = {
		{ "192.0.2.1",		"one.example one " },
		{ "2001:db8::1",	"one " },
		{ "192.0.2.3",		"three " },
		{ "192.0.2.4",		"" },
		{ "192.0.2.5",		"five.example " },
		{ "192.0.2.6",		"last " },
		{ "192.0.2.9",		"" }
	};
	struct proto_dns_records	r;
	struct addr			a;
	char				out[256];
	size_t				i, j;

	for (i = 0; i < nitems(cases); i++) {
		memset(&r, 0, sizeof(r));
		if (!ok(addr_parse(&a, cases[i].addr) == 0, "an address"))
			continue;
		hosts_find_names(hosts, sizeof(hosts) - 1, &a, &r);
		out[0] = '\0';
		for (j = 0; j < r.n; j++) {
			(void)strlcat(out, r.record[j].text, sizeof(out));
			(void)strlcat(out, " ", sizeof(out));
		}
		is_str(out, cases[i].want, "names of %s", cases[i].addr);
	}
	memset(&r, 0, sizeof(r));
	for (i = 0; i < 2 * DNS_RECORDS_MAX; i++) {
		(void)snprintf(out, sizeof(out), "10.0.0.1 n%zu\n", i);
		if (addr_parse(&a, "10.0.0.1") == 0)
			hosts_find_names(out, strlen(out), &a, &r);
	}
	is_int(r.n, DNS_RECORDS_MAX, "no more names than there is room for");
}

int
main(void)
{
	test_hold();
	test_hold_longest();
	test_hold_crossing();
	test_hold_full();
	test_order();
	test_lease_queue();
	test_lease_apart();
	test_lease_no_limit();
	test_lease_pools();
	test_lease_domains();
	test_lease_hold();
	test_lease_want();
	test_names();
	test_hosts();
	test_hosts_names();
	return done("t_dial");
}
