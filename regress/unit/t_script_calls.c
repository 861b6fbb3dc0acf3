/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What scripts ask for, function by function: what goes out, what comes of
 * each answer, and what is refused before anybody is asked.
 */

#include <math.h>

#include "t.h"
#include "script_play.h"

static struct play	play = { .sess = { .sid = 0x1234 } };

/* The question sent last. */
static struct msg
asked(void)
{
	struct play_sent	*s;
	struct msg		 m = { .fd = -1 };

	s = &play_sent[(play_nsent - 1) % PLAY_SENT_MAX];
	m.type = s->type;
	rbuf_init(&m.body, s->body, s->len);
	return m;
}

/* The script ends with an error that says so, and nobody was asked. */
static void
refused(const char *text, const char *why)
{
	size_t	before = play_nsent;

	play_run(&play, text);
	ok(play_end == CO_ERROR && strstr(play_text, why) != NULL,
	    "%s: \"%s\"", text, play_text);
	is_int(play_nsent, before, "%s: nobody is asked", text);
	is_int(op_count(), 0, "%s: nothing is out", text);
	if (play_end == CO_WAIT)
		play_over(&play.call);
}

static void
says(const char *text)
{
	is_int(play_end, CO_DONE, "%s: it ends well", text);
	is_str(play_text, text, "what it says");
}

/* --- db ------------------------------------------------------------------- */

struct cell {
	enum sql_type	 type;
	const char	*text;
};

static void
put_rows(struct wbuf *w, struct proto_query_ans *a, const char *const *names,
    const struct cell *cells)
{
	struct sql_value	v;
	uint32_t		i;

	memset(w, 0, sizeof(*w));
	put_query_ans(w, a);
	for (i = 0; i < a->ncolumns; i++)
		put_str(w, names[i]);
	for (i = 0; i < a->ncolumns * a->nrows; i++) {
		v.type = (uint8_t)cells[i].type;
		v.p = cells[i].text;
		v.len = strlen(cells[i].text);
		put_sql_value(w, &v);
	}
}

static const char *const	names[] = { "name", "n" };

/* Answer with one column of one row. */
static int
one(enum sql_type type, const char *text)
{
	struct proto_query_ans	a = { .ncolumns = 1, .nrows = 1 };
	struct cell		c = { type, text };
	struct wbuf		w;

	put_rows(&w, &a, names, &c);
	return play_answer(0, MSG_SQL_ANS, &w);
}

static void
test_rows(void)
{
	static const struct cell	cells[] = {
		{ SQL_TEXT, "ann" }, { SQL_INT, "-9223372036854775808" },
		{ SQL_NULL, "" }, { SQL_REAL, "0.5" },
		{ SQL_TEXT, "" }, { SQL_BOOL, "1" }
	};
	struct proto_query_ans		a = { .ncolumns = 2, .nrows = 3,
					    .cut = true };
	struct wbuf			w;

	play_run(&play, "local r = db.query('users', 'SELECT') return #r, "
	    "r.cut, r[1].name, r[1][1], r[1].n == math.mininteger, r[2].name, "
	    "r[2][2], r[3].name, r[3].n, r[3][3]");
	put_rows(&w, &a, names, cells);
	is_int(play_answer(0, MSG_SQL_ANS, &w), 0, "rows");
	says("3 true ann ann true nil 0.5  true nil");

	memset(&a, 0, sizeof(a));
	play_run(&play, "local r = db.query('users', 'SELECT') return #r, "
	    "r.cut, next(r)");
	put_rows(&w, &a, names, cells);
	is_int(play_answer(0, MSG_SQL_ANS, &w), 0, "no rows");
	says("0 nil nil");

	a.changed = 12;
	play_run(&play, "return db.execute('users', 'DELETE')");
	put_rows(&w, &a, names, cells);
	is_int(play_answer(0, MSG_SQL_ANS, &w), 0, "changed");
	says("12");

	a.status = QUERY_CANNOT;
	(void)strlcpy(a.why, "no such table: t", sizeof(a.why));
	play_run(&play, "return db.value('users', 'SELECT')");
	put_rows(&w, &a, names, cells);
	is_int(play_answer(0, MSG_SQL_ANS, &w), 0, "an error is an answer");
	is_str(play_text, "test:1: db.value users: nobody can tell: "
	    "no such table: t", "what it says");
}

static void
test_rows_bad(void)
{
	static const struct proto_query_ans	bad[] = {
		{ .nrows = 1 },
		{ .nrows = UINT32_MAX },
		{ .ncolumns = 1, .nrows = UINT32_MAX },
		{ .ncolumns = 256, .nrows = 0x1000000 },
		{ .ncolumns = 2, .nrows = 1 },
		{ .changed = UINT64_MAX, .ncolumns = 1, .nrows = 0 }
	};
	struct proto_query_ans			a;
	struct wbuf				w;
	size_t					i;

	for (i = 0; i < nitems(bad); i++) {
		a = bad[i];
		play_run(&play, i == 5 ? "return db.execute('users', 'X')" :
		    "return db.query('users', 'X')");
		memset(&w, 0, sizeof(w));
		put_query_ans(&w, &a);
		put_str(&w, "a");
		is_int(play_answer(0, MSG_SQL_ANS, &w), -1, "bad %zu", i);
		is_int(play_end, CO_ERROR, "bad %zu: raised", i);
	}
}

static void
test_values(void)
{
	static const struct {
		enum sql_type	 type;
		const char	*text;
		const char	*value;		/* NULL: no answer */
		const char	*exists;
	} t[] = {
		{ SQL_TEXT, "x", "x", "true" },
		{ SQL_TEXT, "", "", "false" },
		{ SQL_TEXT, "0", "0", "true" },
		{ SQL_NULL, "", "nil", "false" },
		{ SQL_INT, "0", "0", "false" },
		{ SQL_INT, "7", "7", "true" },
		{ SQL_REAL, "0", "0.0", "false" },
		{ SQL_REAL, "1e3", "1000.0", "true" },
		{ SQL_BOOL, "0", "false", "false" },
		{ SQL_BOOL, "1", "true", "true" },
		{ SQL_BOOL, "2", NULL, NULL },
		{ SQL_BOOL, "", NULL, NULL },
		{ SQL_INT, "", NULL, NULL },
		{ SQL_INT, "x", NULL, NULL },
		{ SQL_INT, "1x", NULL, NULL },
		{ SQL_INT, " 1", NULL, NULL },
		{ SQL_INT, "9223372036854775808", NULL, NULL },
		{ SQL_REAL, "1.x", NULL, NULL },
		{ SQL_NULL, "x", NULL, NULL },
		{ SQL_TYPE_COUNT, "x", NULL, NULL }
	};
	size_t	i;
	int	want;

	for (i = 0; i < nitems(t); i++) {
		want = t[i].value == NULL ? -1 : 0;
		play_run(&play, "return db.value('users', 'SELECT')");
		is_int(one(t[i].type, t[i].text), want, "value %zu", i);
		if (want == 0)
			says(t[i].value);
		play_run(&play, "return db.exists('users', 'SELECT')");
		is_int(one(t[i].type, t[i].text), want, "exists %zu", i);
		if (want == 0)
			says(t[i].exists);
		is_int(play_end, want == 0 ? CO_DONE : CO_ERROR, "%zu", i);
	}
}

/* Parameters as they go out: "name=type:text" each. */
static void
sent_params(const char *script, const char *want)
{
	struct proto_sql	q;
	struct sql_value	v;
	struct msg		m;
	char			text[512] = "", name[64];
	uint32_t		i;
	size_t			used = 0;

	play_run(&play, script);
	is_int(play_end, CO_WAIT, "%s: %s", script, play_text);
	m = asked();
	is_int(m.type, MSG_SQL, "it is SQL");
	is_int(get_sql(&m, &q), 0, "a good question");
	for (i = 0; i < q.nparams; i++) {
		get_str(&m.body, name, sizeof(name));
		get_sql_value(&m.body, &v);
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s%s=%d:%.*s", i == 0 ? "" : " ", name, v.type,
		    (int)v.len, v.p);
	}
	is_int(get_end(&m.body), 0, "%s: nothing behind", script);
	is_str(text, want, "%s", script);
	play_over(&play.call);
}

static void
test_params(void)
{
	sent_params("db.query('users', 'S')", "");
	sent_params("db.query('users', 'S', nil, true, false, -1, 0.5, 'x')",
	    "=0: =4:1 =4:0 =2:-1 =3:0.5 =1:x");
	sent_params("db.query('users', 'S', 1, nil)", "=2:1 =0:");
	sent_params("db.query('users', 'S', 1, {raise=false})", "=2:1");
	sent_params("db.query('users', 'S', {raise=false})", "");
	sent_params("db.query('users', 'S', {a='x'})", "a=1:x");
	sent_params("db.query('users', 'S', {a='x'}, {raise=true})", "a=1:x");
	sent_params("db.query('users', 'S', {raise='x'})", "raise=1:x");
	sent_params("db.query('users', 'S', {})", "");

	refused("db.query('none', 'S')", "there is no datasource none");
	refused("db.query('mute', 'S')", "`scripts: true'");
	refused("db.query('users')", "string expected");
	refused("db.query('users', 'a\\0b')", "holds a NUL");
	refused("db.query('users', ('x'):rep(65537))", "over 65536 octets");
	refused("db.query('users', 'S', 'a\\0b')", "holds a NUL");
	refused("db.query('users', 'S', 1, {a=1})", "a parameter is a table");
	refused("db.query('users', 'S', print)", "a parameter is a function");
	refused("db.query('users', 'S', {1})", "name is a number");
	refused("db.query('users', 'S', {a={}})", "a parameter is a table");
	refused("db.query('users', 'S', {['']=1})", "name is none");
	refused("db.query('users', 'S', 0/0)", "no finite number");
	refused("db.query('users', 'S', 1/0)", "no finite number");
	refused("db.query('users', 'S', table.unpack({}, 1, 101))",
	    "over 100 parameters");
	refused("local t = {} for i = 1, 101 do t['p' .. i] = i end "
	    "db.query('users', 'S', t)", "over 100 parameters");
	refused("db.query('users', 'S', ('x'):rep(1000000))", "too long");
}

static void
test_sources(void)
{
	const struct peer	*first;

	sent_params("db.value('users', 'S')", "");
	first = play_sent[(play_nsent - 1) % PLAY_SENT_MAX].to;
	sent_params("db.value('users', 'S')", "");
	ok(play_sent[(play_nsent - 1) % PLAY_SENT_MAX].to != first,
	    "in turns");
	source_down(&play_lookupd[0]);
	sent_params("db.value('users', 'S')", "");
	sent_params("db.value('users', 'S')", "");
	ok(play_sent[(play_nsent - 1) % PLAY_SENT_MAX].to == &play_lookupd[1],
	    "who is there");
	source_down(&play_lookupd[1]);
	refused("db.value('users', 'S')", "no process is there");
	play_up(&play_lookupd[0], 7);
	play_up(&play_lookupd[1], 6);
	play_up(&play_lookupd[1], 7);
}

/* --- dns ------------------------------------------------------------------ */

static struct proto_dns_records	recs;

static int
dns_says(enum dns_status status, uint32_t n)
{
	struct wbuf	w = { .data = NULL };

	recs.status = (uint8_t)status;
	recs.n = n;
	put_dns_records(&w, &recs);
	return play_answer(0, MSG_DNS_LOOK_ANS, &w);
}

static void
dns_sent(const char *script, enum dns_type type, const char *name)
{
	struct proto_dns_ask	q;
	struct msg		m;

	play_run(&play, script);
	is_int(play_end, CO_WAIT, "%s: %s", script, play_text);
	m = asked();
	is_int(m.type, MSG_DNS_LOOK, "%s", script);
	is_int(get_dns_ask(&m, &q), 0, "a good question");
	is_int(q.type, type, "%s: type", script);
	is_str(q.name, name, "%s: name", script);
	is_int(q.timeout, 5000, "resolver.timeout");
}

static void
test_dns(void)
{
	(void)strlcpy(recs.record[0].text, "mx1", sizeof(recs.record[0].text));
	(void)strlcpy(recs.record[1].text, "mx2", sizeof(recs.record[1].text));
	recs.record[0].pref = 10;
	dns_sent("return table.unpack(dns.query('example.org.'))",
	    DNS_TYPE_A, "example.org");
	is_int(dns_says(DNS_OK, 2), 0, "two");
	says("mx1 mx2");
	dns_sent("local r = dns.query('example.org', 'mx') return #r, "
	    "r[1].exchange, r[1].preference, r[2].preference",
	    DNS_TYPE_MX, "example.org");
	is_int(dns_says(DNS_OK, 2), 0, "mx");
	says("2 mx1 10 0");
	dns_sent("return #dns.query('x', 'TXT')", DNS_TYPE_TXT, "x");
	is_int(dns_says(DNS_NONE, 1), 0, "no such name");
	says("0");
	dns_sent("return #dns.query('x', 'AAAA')", DNS_TYPE_AAAA, "x");
	is_int(dns_says(DNS_OK, 0), 0, "no such records");
	says("0");
	dns_sent("return #dns.query('192.0.2.1', 'PTR')", DNS_TYPE_PTR,
	    "192.0.2.1");
	is_int(dns_says(DNS_TIMEOUT, 0), 0, "late");
	is_str(play_text, "test:1: dns.query 192.0.2.1: nobody can tell: DNS "
	    "did not answer in time", "late");
	dns_sent("return dns.query('x', {raise=false})", DNS_TYPE_A, "x");
	is_int(dns_says(DNS_FAIL, 0), 0, "SERVFAIL");
	says("nil dns.query x: nobody can tell: DNS failed");
	dns_sent("return dns.query('x')", DNS_TYPE_A, "x");
	is_int(dns_says(DNS_STATUS_COUNT, 0), -1, "no status");
	is_int(play_end, CO_ERROR, "raised");
}

static void
test_dnsbl(void)
{
	dns_sent("return #dns.dnsbl('192.0.2.99', 'bl.example')", DNS_TYPE_A,
	    "99.2.0.192.bl.example");
	is_int(dns_says(DNS_NONE, 0), 0, "not listed");
	says("0");
	dns_sent("return dns.dnsbl('2001:db8::1', 'bl.example', 'TXT')[1]",
	    DNS_TYPE_TXT, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "8.b.d.0.1.0.0.2.bl.example");
	is_int(dns_says(DNS_OK, 1), 0, "listed");
	says("mx1");
	play_run(&play, "return dns.reverse('::ffff:192.0.2.1', 'z.')");
	says("1.2.0.192.z.");
	refused("dns.dnsbl('x', 'bl.example')", "no address");
	refused("dns.dnsbl('192.0.2.1', '')", "no name");
	refused("dns.dnsbl('192.0.2.1', 'b l')", "no name");
	refused("dns.dnsbl('192.0.2.1', 'bl', 'MX')", "not A or TXT");
	refused("dns.query('')", "no name");
	refused("dns.query('a b')", "no name");
	refused("dns.query('a\\r\\nb')", "no name");
	refused("dns.query('x', 'SOA')", "not A, AAAA, MX, TXT or PTR");
	refused("dns.query('x', 'PTR')", "no address");
	refused("dns.query(('x'):rep(254))", "over 253 octets");
}

/* --- rcptto_proxy --------------------------------------------------------- */

/* The lines of Momentum's page, and what they say. */
#define PAGE								\
	"require(\"msys.beta.rcptto_proxy\");\n"			\
	"local res, err = msys.beta.rcptto_proxy.query("		\
	"{mailfrom = \"foo@foo.com\",\n rcptto = \"bar@bar.com\",\n"	\
	" host = \"smtp.foo.com\",\n port = 25,\n timeout = 60 -- optional\n"\
	" });\n return res, err"

static int
probe_says(enum probe_result result)
{
	struct proto_probe_ans	a = { .result = (uint8_t)result, .code = 550,
				    .enhanced = "5.1.1", .stage = "rcpt",
				    .text = "no", .cached = true };
	struct wbuf		w = { .data = NULL };

	put_probe_ans(&w, &a);
	return play_answer(0, MSG_PROBE_ANS, &w);
}

#define Q	"msys.beta.rcptto_proxy.query"

static void
test_probe(void)
{
	struct proto_probe	q;
	struct msg		m;

	play_run(&play, PAGE);
	is_int(play_end, CO_WAIT, "it waits: %s", play_text);
	m = asked();
	is_int(m.type, MSG_PROBE, "a probe");
	is_int(get_probe(&m, &q), 0, "a good question");
	is_str(q.host, "smtp.foo.com", "host");
	is_str(q.sender, "foo@foo.com", "sender");
	is_str(q.rcpt, "bar@bar.com", "recipient");
	is_int(q.port, 25, "port");
	is_int(q.timeout, 60000, "timeout");
	is_int(probe_says(PROBE_YES), 0, "yes");
	says("true nil");
	play_run(&play, PAGE);
	is_int(probe_says(PROBE_NO), 0, "no");
	says("false fail");
	play_run(&play, PAGE);
	is_int(probe_says(PROBE_FAILED), 0, "failed");
	says("false rcpt: no");
	play_run(&play, PAGE);
	is_int(probe_says(PROBE_RESULT_COUNT), -1, "no result");
	play_run(&play, PAGE);
	play_wait(60000);
	says("false timeout: no answer in time");
	play_run(&play, PAGE);
	op_peer_down(&play_verifyd);
	says("false ask: the process that was asked is gone");

	play_run(&play, "local q = require 'msys.beta.rcptto_proxy' "
	    "local r, e, t = q.query{mailfrom='<>', rcptto='<a@b>', "
	    "host='mx', timeout=0.5} return r, e, t.code, t.enhanced, t.text, "
	    "t.stage, t.cached");
	m = asked();
	is_int(get_probe(&m, &q), 0, "a good question");
	is_str(q.sender, "", "the null sender");
	is_str(q.rcpt, "a@b", "without its brackets");
	is_int(q.port, 0, "the remote's own port");
	is_int(q.timeout, 500, "half a second");
	is_int(probe_says(PROBE_NO), 0, "no");
	says("false fail 550 5.1.1 no rcpt true");
}

static void
test_probe_refused(void)
{
	refused(Q "()", "table expected");
	refused(Q "{rcptto='a', host='h'}", "mailfrom must be a string");
	refused(Q "{mailfrom='a', host='h'}", "rcptto must be a string");
	refused(Q "{mailfrom='a', rcptto='b'}", "host must be a string");
	refused(Q "{mailfrom=1, rcptto='b', host='h'}", "it is number");
	refused(Q "{mailfrom='a', rcptto='', host='h'}", "rcptto is empty");
	refused(Q "{mailfrom='a', rcptto='b', host=''}", "host is empty");
	refused(Q "{mailfrom='a', rcptto='b\\r\\nDATA', host='h'}", "control");
	refused(Q "{mailfrom='a\\0', rcptto='b', host='h'}", "control");
	refused(Q "{mailfrom='a', rcptto='b', host='h', port='25'}",
	    "port must be a number");
	refused(Q "{mailfrom='a', rcptto='b', host='h', port=0}", "range");
	refused(Q "{mailfrom='a', rcptto='b', host='h', port=65536}", "range");
	refused(Q "{mailfrom='a', rcptto='b', host='h', port=25.5}",
	    "no integer");
	refused(Q "{mailfrom='a', rcptto='b', host='h', timeout=0}", "range");
	refused(Q "{mailfrom='a', rcptto='b', host='h', timeout=0/0}",
	    "range");
	refused(Q "{mailfrom='a', rcptto=('b'):rep(512), host='h'}",
	    "rcptto is too long");
}

/* --- remoteptr ------------------------------------------------------------ */

static int
ptr_says(enum dns_status status, const char *name)
{
	struct proto_ptr_ans	a = { .status = (uint8_t)status };
	struct wbuf		w = { .data = NULL };

	(void)strlcpy(a.name, name, sizeof(a.name));
	put_ptr_ans(&w, &a);
	return play_answer(0, MSG_PTR_ANS, &w);
}

static void
test_ptr(void)
{
	size_t	before;

	(void)addr_parse(&play.sess.view.remote, "192.0.2.1");
	play_run(&play, "return ptr()");
	is_int(ptr_says(DNS_TIMEOUT, ""), 0, "late");
	says("nil");
	play_run(&play, "return ptr(), ptr()");
	is_int(ptr_says(DNS_OK, "c.example"), 0, "asked again");
	says("c.example c.example");
	before = play_nsent;
	play_run(&play, "return ptr()");
	says("c.example");
	is_int(play_nsent, before, "and then it is known");
	hook_session_clear(&play.sess.view);
	play_run(&play, "return ptr()");
	says("nil");
	(void)addr_parse(&play.sess.view.remote, "192.0.2.1");
	play_run(&play, "return ptr()");
	is_int(ptr_says(DNS_NONE, ""), 0, "it has none");
	says("nil");
	before = play_nsent;
	play_run(&play, "return ptr()");
	is_int(play_nsent, before, "which is known, too");
	hook_session_clear(&play.sess.view);
}

/* --- what is shared ------------------------------------------------------- */

static void
test_lists(void)
{
	static struct proto_lookup	q;
	struct msg			m;
	size_t				before;

	play_run(&play, "list.has('blocked', 'Ann@Example.ORG')");
	m = asked();
	is_int(get_lookup(&m, &q), 0, "a good question");
	is_str(q.key, "ann@example.org", "in lower case");
	is_int(q.path.id, 9, "the list");
	is_int(q.path.kind, LOOK_LIST, "a list");
	play_over(&play.call);
	play_run(&play, "cidr.has('blocked', '::ffff:192.0.2.1')");
	m = asked();
	is_int(get_lookup(&m, &q), 0, "a good question");
	is_str(q.key, "192.0.2.1", "a mapped address");
	play_over(&play.call);
	before = play_nsent;
	play_run(&play, "return list.has('blocked', 'a\\nb')");
	says("false");
	is_int(play_nsent, before, "no entry holds that");
	refused("list.has('none', 'x')", "there is no list none");
	refused("list.has('blocked')", "string expected");
	refused("list.has('blocked', 'a\\0b')", "holds a NUL");
	refused("cidr.has('blocked', 'x')", "no address");
	refused("cidr.has('blocked', '10.0.0.0/8')", "no address");
}

/* STATE_ANS with one value, or of SET, TAKE without. */
static int
state_says(enum state_op op, bool found, const char *value, uint32_t overrun)
{
	struct proto_state_ans	a = { .op = (uint8_t)op, .n = 1,
				    .over = overrun };
	struct wbuf		w = { .data = NULL };

	put_state_ans(&w, &a);
	if (op == STATE_GET || op == STATE_INCR) {
		put_bool(&w, found);
		put_blob(&w, value, strlen(value));
	}
	return play_answer(0, MSG_STATE_ANS, &w);
}

/* What set sends, get gives. */
static void
test_store_types(void)
{
	static const char *const	values[] = { "42", "-1", "'text'",
		"''", "'a\\0b'", "0.5", "1e300", "true", "false", "1/0",
		"math.mininteger", "3.0" };
	struct proto_state_ans		a = { .op = STATE_GET, .n = 1 };
	struct proto_state		head;
	struct wbuf			w;
	struct msg			m;
	char				text[256];
	const uint8_t			*key, *value;
	size_t				i, klen, vlen;

	for (i = 0; i < nitems(values); i++) {
		(void)snprintf(text, sizeof(text),
		    "return store.set('ns', 'key', %s, 1.5)", values[i]);
		play_run(&play, text);
		m = asked();
		is_int(get_state(&m, &head), 0, "a good question");
		is_int(head.op, STATE_SET, "it sets");
		is_int(head.table, STATE_SCRIPT, "of scripts");
		is_int(head.ttl, 1500, "for so long");
		key = get_blob(&m.body, &klen);
		ok(klen == 6 && memcmp(key, "ns\0key", 6) == 0, "its key");
		value = get_blob(&m.body, &vlen);
		is_int(get_end(&m.body), 0, "nothing behind it");
		memset(&w, 0, sizeof(w));
		put_state_ans(&w, &a);
		put_bool(&w, true);
		put_blob(&w, value, vlen);
		is_int(state_says(STATE_SET, false, "", 0), 0, "it is set");
		says("");
		(void)snprintf(text, sizeof(text), "local v = %s local w = "
		    "store.get('ns', 'key') return v == w and math.type(v) == "
		    "math.type(w) and type(v) == type(w)", values[i]);
		play_run(&play, text);
		is_int(play_answer(0, MSG_STATE_ANS, &w), 0, "there");
		says("true");
	}
}

static void
test_store(void)
{
	static const char *const	bad[] = { "", "x", "1x",
		"f", "fx", "f ", " 1", "99999999999999999999", "tt" };
	struct proto_state		head;
	struct msg			m;
	size_t				i;

	play_run(&play, "return store.get('ns', 'key')");
	is_int(state_says(STATE_GET, false, "", 0), 0, "none");
	says("nil");
	for (i = 0; i < nitems(bad); i++) {
		play_run(&play, "return store.get('ns', 'key')");
		is_int(state_says(STATE_GET, true, bad[i], 0), -1,
		    "\"%s\" was never set", bad[i]);
	}
	play_run(&play, "return store.get('ns', 'key')");
	is_int(state_says(STATE_SET, true, "1", 0), -1, "of another op");
	play_run(&play, "store.set('ns', 'key', nil)");
	m = asked();
	is_int(get_state(&m, &head), 0, "a good question");
	is_int(head.ttl, 0, "nil forgets");
	play_over(&play.call);
	play_run(&play, "return store.incr('ns', 'key')");
	m = asked();
	is_int(get_state(&m, &head), 0, "a good question");
	is_int(head.op, STATE_INCR, "incr");
	is_int(head.ttl, 3600000, "an hour");
	is_int(state_says(STATE_INCR, true, "5", 0), 0, "the sum");
	says("5");
	play_run(&play, "return store.incr('ns', 'key', -2, 10, "
	    "{raise=false})");
	is_int(state_says(STATE_INCR, false, "", 0), 0, "no number");
	says("nil store.incr ns: nobody can tell: what is there is no "
	    "integer, or the sum would be none");
	play_run(&play, "return store.incr('ns', 'key')");
	is_int(state_says(STATE_INCR, true, "stext", 0), -1, "no sum");
	refused("store.set('ns', 'key')", "value expected");
	refused("store.set('ns', 'key', 1)", "number expected");
	refused("store.set('ns', 'key', {}, 1)", "a table cannot be kept");
	refused("store.set('ns', 'key', 1, -1)", "not in 0");
	refused("store.set('ns', 'key', ('x'):rep(4096), 1)", "over 4095");
	refused("store.set('n\\0s', 'key', 1, 1)", "holds a NUL");
	refused("store.get('ns', ('x'):rep(1022))", "over 1023 octets");
	refused("store.get('ns')", "string expected");
	refused("store.incr('ns', 'key', 1.5)", "integer");
	refused("store.incr('ns', 'key', 1, 0)", "out of range");
}

static void
test_rate(void)
{
	struct proto_state	head;
	struct proto_rate	r;
	struct msg		m;

	play_run(&play, "return rate('ns', 'key', 10, 3600)");
	m = asked();
	is_int(get_state(&m, &head), 0, "a good question");
	is_int(head.op, STATE_TAKE, "it charges");
	is_int(get_rate(&m.body, &r), 0, "a rate");
	is_int(r.count, 10, "so many");
	is_int(r.period, 3600000, "in that time");
	ok(r.klen == 13 && memcmp(r.key, "script\0ns\0key", 13) == 0,
	    "its key");
	is_int(state_says(STATE_TAKE, false, "", 0), 0, "there is room");
	says("true");
	play_run(&play, "return rate('ns', 'key', 10, 3600)");
	is_int(state_says(STATE_TAKE, false, "", 1), 0, "there is none");
	says("false");
	play_run(&play, "return rate('ns', 'key', 10, 3600)");
	is_int(state_says(STATE_TAKE, false, "", 2), -1, "of which there is "
	    "none");
	refused("rate('ns', 'key', 0, 1)", "out of range");
	refused("rate('ns', 'key', 1, 0)", "out of range");
	refused("rate('ns', 'key', 1 << 32, 1)", "out of range");
	refused("rate('ns', 'key', 1, 1e12)", "not in 0");
	refused("rate('ns', 'key', 1)", "number expected");
	refused("rate('ns', ('x'):rep(1015), 1, 1)", "over 1016 octets");
}

/* --- log ------------------------------------------------------------------ */

static char	logged[256 * 1024];
static size_t	nlogged;

static void
log_take(const char *p, size_t n)
{
	if (n > sizeof(logged) - 1 - nlogged)
		n = sizeof(logged) - 1 - nlogged;
	memcpy(logged + nlogged, p, n);
	nlogged += n;
	logged[nlogged] = '\0';
}

static void
test_log(void)
{
	const char	*p;
	size_t		 n = 0;

	log_init("proxyd", 0);
	log_through(LOG_TO_FILE, log_take);
	log_set(LOG_LEVEL_INFO, false);
	play_run(&play, "log.info('a', 1, nil, 'x\\nlevel=error')");
	(void)log_flush();
	ok(strstr(logged, "event=script-log") != NULL &&
	    strstr(logged, "script=test") != NULL &&
	    strstr(logged, "a 1 nil x") != NULL, "a line: %s", logged);
	ok(strchr(logged, '\n') == logged + nlogged - 1, "one line");
	nlogged = 0;
	play_run(&play, "log.info({}, print, setmetatable({}, {__tostring = "
	    "function() return 'T' end}))");
	(void)log_flush();
	ok(strstr(logged, "text=\"table function T\"") != NULL,
	    "no addresses: %s", logged);
	nlogged = 0;
	play_run(&play, "for i = 1, 1000 do log.warn('n') end");
	(void)log_flush();
	for (p = logged; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	is_int(n, 101, "a hundred, and one that says so");
	nlogged = 0;
	play_run(&play, "log.info(('x'):rep(100000))");
	(void)log_flush();
	ok(nlogged < 4096, "not the whole of it");
	play_run(&play, "return clock.now() > 1e9, clock.monotonic() > 0, "
	    "math.type(clock.now())");
	says("true true float");
}

int
main(void)
{
	log_to(LOG_TO_NOTHING, -1);
	play_start(NULL);
	test_rows();
	test_rows_bad();
	test_values();
	test_params();
	test_sources();
	test_dns();
	test_dnsbl();
	test_probe();
	test_probe_refused();
	test_ptr();
	test_lists();
	test_store_types();
	test_store();
	test_rate();
	test_log();
	lua_close(lua_main);
	conf_unref(play_conf);
	return done("t_script_calls");
}
