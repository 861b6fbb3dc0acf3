/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd as a process, in its jail; smtpd, resolved and the parent are
 * played here.
 *
 *	t_verifyd [PROGRAM]
 */

#include "child.h"

#include <cdb.h>

static const char	*program;
static struct child	 ver;
static struct conn	 smtpd0, smtpd1, resolved;

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
settings(uint32_t generation)
{
	struct config	*conf;

	if ((conf = conf_new(generation)) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
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
begin(void)
{
	child_start(&ver, program, 0);
	child_peer(&ver, &smtpd0, R_SMTPD, 0);
	child_peer(&ver, &smtpd1, R_SMTPD, 1);
	child_peer(&ver, &resolved, R_RESOLVED, 0);
	configure(settings(1));
}

static void
end(void)
{
	child_stop(&ver);
	conn_close(&smtpd0);
	conn_close(&smtpd1);
	conn_close(&resolved);
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

/* The answer to that question; the message's body stands behind its head. */
static struct got *
state_answer(struct conn *c, uint64_t sid, enum state_op op, uint32_t n,
    struct msg *m)
{
	struct got		*g = conn_wait(c, MSG_STATE_ANS);
	struct proto_state_ans	 a;

	if (!ok(g != NULL, "an answer"))
		exit(done("t_verifyd"));
	*m = got_msg(g);
	is_int(get_state_ans(m, &a), 0, "its head is whole");
	is_int(g->sid, sid, "its sid");
	is_int(g->seq, 7, "its seq");
	is_int(a.op, op, "its op");
	is_int(a.n, n, "its n");
	return g;
}

static void
state_set(struct conn *c, enum state_table table, const char *key,
    const char *value, uint32_t ttl)
{
	struct wbuf	 w = { 0 };
	struct msg	 m;
	struct got	*g;

	put_head(&w, STATE_SET, table, ttl, 1);
	put_blob(&w, key, strlen(key));
	put_blob(&w, value, strlen(value));
	conn_send(c, MSG_STATE, 5, 7, -1, &w);
	g = state_answer(c, 5, STATE_SET, 1, &m);
	is_int(get_end(&m.body), 0, "nothing behind it");
	got_free(g);
}

static void
take_value(struct msg *m, const char *key, const char *want)
{
	const uint8_t	*value;
	size_t		 len;
	bool		 found;

	found = get_bool(&m->body);
	value = get_blob(&m->body, &len);
	if (want == NULL)
		ok(!found && value != NULL && len == 0, "%s: none", key);
	else
		ok(found && value != NULL && len == strlen(want) &&
		    memcmp(value, want, len) == 0, "%s: %s", key, want);
}

/* want NULL: none. */
static void
state_want(struct conn *c, enum state_table table, const char *key,
    const char *want)
{
	struct wbuf	 w = { 0 };
	struct msg	 m;
	struct got	*g;

	put_head(&w, STATE_GET, table, 0, 1);
	put_blob(&w, key, strlen(key));
	conn_send(c, MSG_STATE, 6, 7, -1, &w);
	g = state_answer(c, 6, STATE_GET, 1, &m);
	take_value(&m, key, want);
	is_int(get_end(&m.body), 0, "nothing behind it");
	got_free(g);
}

static void
test_state(void)
{
	struct wbuf	 w = { 0 };
	struct msg	 m;
	struct got	*g;

	begin();
	state_want(&smtpd0, STATE_LMTP_CLASS, "k", NULL);
	state_set(&smtpd0, STATE_LMTP_CLASS, "k", "one", 3600000);
	state_want(&smtpd1, STATE_LMTP_CLASS, "k", "one");
	state_want(&smtpd1, STATE_DELIVERED, "k", NULL);
	state_set(&smtpd1, STATE_LMTP_CLASS, "k", "", 3600000);
	state_want(&smtpd0, STATE_LMTP_CLASS, "k", "");
	state_set(&smtpd1, STATE_LMTP_CLASS, "k", "x", 0);
	state_want(&smtpd0, STATE_LMTP_CLASS, "k", NULL);

	put_head(&w, STATE_SET, STATE_DELIVERED, 60000, 3);
	put_blob(&w, "a", 1);
	put_blob(&w, "1", 1);
	put_blob(&w, "b", 1);
	put_blob(&w, "2", 1);
	put_blob(&w, "a", 1);
	put_blob(&w, "3", 1);
	conn_send(&smtpd0, MSG_STATE, 1, 7, -1, &w);
	got_free(state_answer(&smtpd0, 1, STATE_SET, 3, &m));
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, 3);
	put_blob(&w, "b", 1);
	put_blob(&w, "c", 1);
	put_blob(&w, "a", 1);
	conn_send(&smtpd1, MSG_STATE, 2, 7, -1, &w);
	g = state_answer(&smtpd1, 2, STATE_GET, 3, &m);
	take_value(&m, "b", "2");
	take_value(&m, "c", NULL);
	take_value(&m, "a", "3");
	is_int(get_end(&m.body), 0, "nothing behind it");
	got_free(g);
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, 0);
	conn_send(&smtpd1, MSG_STATE, 2, 7, -1, &w);
	got_free(state_answer(&smtpd1, 2, STATE_GET, 0, &m));
	is_int(child_stat(&ver, "verifyd.state.entries"), 2, "entries");
	end();
}

/* As many as may be asked for, each as large as may be: over MSG_MAX. */
static void
test_state_cut(void)
{
	static uint8_t	 big[STATE_VALUE_MAX];
	struct wbuf	 w = { 0 };
	struct msg	 m;
	struct got	*g;
	size_t		 i, len, found = 0;
	uint8_t		 key;

	begin();
	for (i = 0; i < 2; i++) {
		key = (uint8_t)i;
		put_head(&w, STATE_SET, STATE_LMTP_CLASS, 60000, 1);
		put_blob(&w, &key, 1);
		put_blob(&w, big, i == 0 ? sizeof(big) : 1);
		conn_send(&smtpd0, MSG_STATE, 1, 7, -1, &w);
		got_free(state_answer(&smtpd0, 1, STATE_SET, 1, &m));
	}
	put_head(&w, STATE_GET, STATE_LMTP_CLASS, 0, STATE_ITEMS_MAX);
	for (i = 0; i < STATE_ITEMS_MAX; i++) {
		key = i == STATE_ITEMS_MAX - 1;
		put_blob(&w, &key, 1);
	}
	conn_send(&smtpd0, MSG_STATE, 2, 7, -1, &w);
	g = state_answer(&smtpd0, 2, STATE_GET, STATE_ITEMS_MAX, &m);
	for (i = 0; i < STATE_ITEMS_MAX; i++) {
		found += get_bool(&m.body);
		(void)get_blob(&m.body, &len);
	}
	is_int(get_end(&m.body), 0, "the answer is whole");
	is_int(found, MSG_MAX / (STATE_VALUE_MAX + 5), "as many as fit");
	got_free(g);
	end();
}

/* A frame that its sender should not have sent costs him his pipe. */
static void
want_broken(struct wbuf *w, uint16_t type, const char *what)
{
	struct proto_peer	 p;
	struct msg		 m;
	struct got		*g;

	conn_send(&smtpd1, type, 1, 1, -1, w);
	ok(conn_ended(&smtpd1), "%s: the pipe is closed", what);
	g = conn_wait(&ver.parent, MSG_PEER_BROKE);
	if (ok(g != NULL, "%s: the parent is told", what)) {
		m = got_msg(g);
		is_int(get_peer_broke(&m, &p), 0, "PEER_BROKE is whole");
		is_int(p.index, 1, "%s: of whom", what);
	}
	got_free(g);
	conn_close(&smtpd1);
	child_peer(&ver, &smtpd1, R_SMTPD, 1);
}

static void
test_state_broken(void)
{
	static uint8_t	 big[STATE_VALUE_MAX + 1];
	struct wbuf	 w = { 0 };

	begin();
	put_u8(&w, STATE_OP_COUNT);
	put_raw(&w, big, 9);
	want_broken(&w, MSG_STATE, "an op that is none");
	put_head(&w, STATE_GET, STATE_TABLE_COUNT, 0, 0);
	want_broken(&w, MSG_STATE, "a table that is none");
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, STATE_ITEMS_MAX + 1);
	want_broken(&w, MSG_STATE, "too many items");
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, 2);
	put_blob(&w, "a", 1);
	want_broken(&w, MSG_STATE, "an item too few");
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, 0);
	put_u8(&w, 0);
	want_broken(&w, MSG_STATE, "an octet too many");
	put_head(&w, STATE_GET, STATE_DELIVERED, 0, 1);
	put_blob(&w, big, STATE_KEY_MAX + 1);
	want_broken(&w, MSG_STATE, "a key too long");
	put_head(&w, STATE_SET, STATE_DELIVERED, 60000, 2);
	put_blob(&w, "good", 4);
	put_blob(&w, "x", 1);
	put_blob(&w, "bad", 3);
	put_blob(&w, big, STATE_VALUE_MAX + 1);
	want_broken(&w, MSG_STATE, "a value too long");
	state_want(&smtpd0, STATE_DELIVERED, "good", NULL);
	end();
}

/* --- TAKE, and errors ----------------------------------------------------- */

#define AN_HOUR	3600000

/* A question of one item, or of two alike but for the key. */
static void
send_take(struct conn *c, enum state_op op, uint64_t sid, const char *key,
    const char *key2, uint32_t count, uint64_t period)
{
	struct proto_rate	r = { .count = count, .period = period };
	struct wbuf		w = { 0 };

	put_head(&w, op, STATE_LMTP_CLASS, 0, key == NULL ? 0 :
	    key2 == NULL ? 1 : 2);
	if (key != NULL) {
		r.key = (const uint8_t *)key;
		r.klen = strlen(key);
		put_rate(&w, &r);
	}
	if (key2 != NULL) {
		r.key = (const uint8_t *)key2;
		r.klen = strlen(key2);
		put_rate(&w, &r);
	}
	conn_send(c, MSG_STATE, sid, 7, -1, &w);
}

static void
want_take(struct conn *c, uint64_t sid, const char *key, const char *key2,
    uint32_t count, uint64_t period, uint32_t over)
{
	struct got		*g;
	struct proto_state_ans	 a;
	struct msg		 m;

	send_take(c, STATE_TAKE, sid, key, key2, count, period);
	if (!ok((g = conn_wait(c, MSG_STATE_ANS)) != NULL, "an answer"))
		return;
	m = got_msg(g);
	is_int(get_state_ans(&m, &a), 0, "its head is whole");
	is_int(get_end(&m.body), 0, "nothing behind it");
	is_int(a.op, STATE_TAKE, "its op");
	is_int(g->sid, sid, "its sid");
	is_int(a.over, over, "%s, session %llu", key,
	    (unsigned long long)sid);
	got_free(g);
}

static void
test_take(void)
{
	struct wbuf	w = { 0 };

	begin();
	/* Rates, of all workers; all of them or none. */
	want_take(&smtpd0, 1, "r", NULL, 2, AN_HOUR, 0);
	want_take(&smtpd1, 1, "r", NULL, 2, AN_HOUR, 0);
	want_take(&smtpd0, 1, "r", NULL, 2, AN_HOUR, 1);
	want_take(&smtpd0, 1, "q", "r", 2, AN_HOUR, 2);
	want_take(&smtpd0, 1, "q", NULL, 2, AN_HOUR, 0);
	want_take(&smtpd0, 1, "q", NULL, 2, AN_HOUR, 0);
	want_take(&smtpd0, 1, "q", NULL, 2, AN_HOUR, 1);
	send_take(&smtpd1, STATE_BACK, 9, "r", "q", 2, AN_HOUR);
	child_sync(&ver);
	want_take(&smtpd0, 1, "r", "q", 2, AN_HOUR, 0);
	want_take(&smtpd0, 1, "r", NULL, 2, AN_HOUR, 1);

	/* What is held, of all workers, until it is given back. */
	want_take(&smtpd0, 1, "h", "i", 2, 0, 0);
	want_take(&smtpd1, 1, "h", NULL, 2, 0, 0);
	want_take(&smtpd1, 1, "h", NULL, 2, 0, 0);
	want_take(&smtpd1, 2, "h", NULL, 2, 0, 1);
	want_take(&smtpd1, 2, "i", "h", 2, 0, 2);
	want_take(&smtpd1, 3, "i", NULL, 2, 0, 0);
	send_take(&smtpd0, STATE_FREE, 1, NULL, NULL, 0, 0);
	child_sync(&ver);
	want_take(&smtpd1, 2, "h", "i", 2, 0, 0);
	is_int(child_stat(&ver, "verifyd.tally.held"), 4, "held");
	send_take(&smtpd0, STATE_HELD, 5, "h", "i", 0, 0);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.tally.held"), 6, "over the limit");
	send_take(&smtpd0, STATE_BACK, 5, "h", NULL, 0, 0);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.tally.held"), 5, "given back");
	conn_close(&smtpd1);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.tally.held"), 1, "a worker is lost");
	child_peer(&ver, &smtpd1, R_SMTPD, 1);

	put_head(&w, STATE_TAKE, STATE_LMTP_CLASS, 0, 1);
	put_blob(&w, "k", 1);
	put_u32(&w, 0);
	put_u64(&w, 1);
	want_broken(&w, MSG_STATE, "a rate of nothing");
	put_head(&w, STATE_TAKE, STATE_LMTP_CLASS, 0, 1);
	put_blob(&w, "k", 1);
	put_u32(&w, 1);
	want_broken(&w, MSG_STATE, "a rate cut short");
	put_head(&w, STATE_FREE, STATE_LMTP_CLASS, 0, 1);
	put_blob(&w, "k", 1);
	put_u32(&w, 1);
	put_u64(&w, 1);
	want_broken(&w, MSG_STATE, "something to free");
	end();
}

static void
address_error(struct conn *c, const char *ip, uint32_t total)
{
	struct proto_error	e = { .total = total, .period = AN_HOUR,
				    .block = AN_HOUR };
	struct wbuf		w = { 0 };

	if (addr_parse(&e.addr, ip) == -1)
		die(ip);
	e.addr.port = 25;
	put_error(&w, &e);
	conn_send(c, MSG_ADDRESS_ERROR, 3, 0, -1, &w);
	child_sync(&ver);
}

/* ip NULL: nobody is blocked. */
static void
want_blocked(struct conn *c, const char *ip)
{
	struct got		*g;
	struct proto_blocked	 b;
	struct addr		 a;
	struct msg		 m;

	state_want(c, STATE_DELIVERED, "nothing", NULL);
	g = conn_wait_ms(c, MSG_BLOCKED, 0);
	if (ip == NULL || g == NULL) {
		ok((ip == NULL) == (g == NULL), "%s",
		    ip == NULL ? "nobody is blocked" : ip);
		got_free(g);
		return;
	}
	m = got_msg(g);
	is_int(get_blocked(&m, &b), 0, "BLOCKED is whole");
	ok(addr_parse(&a, ip) == 0 && addr_equal(&a, &b.addr), "%s", ip);
	ok(b.ms > 0 && b.ms <= AN_HOUR, "for how long");
	got_free(g);
}

static void
test_errors(void)
{
	struct proto_error	e = { .total = 0 };
	struct wbuf		w = { 0 };

	begin();
	address_error(&smtpd0, "192.0.2.1", 3);
	address_error(&smtpd1, "192.0.2.1", 3);
	address_error(&smtpd1, "192.0.2.2", 3);
	want_blocked(&smtpd0, NULL);
	address_error(&smtpd0, "192.0.2.1", 3);
	want_blocked(&smtpd0, "192.0.2.1");
	want_blocked(&smtpd1, "192.0.2.1");
	address_error(&smtpd0, "192.0.2.1", 1);
	want_blocked(&smtpd1, NULL);
	address_error(&smtpd0, "2001:db8::1", 2);
	address_error(&smtpd0, "2001:db8:0:0:1::2", 2);
	want_blocked(&smtpd1, "2001:db8::");
	is_int(child_stat(&ver, "verifyd.errors.blocked"), 2, "blocked");

	/* A worker that is started anew. */
	conn_close(&smtpd1);
	child_peer(&ver, &smtpd1, R_SMTPD, 1);
	want_blocked(&smtpd1, "192.0.2.1");
	want_blocked(&smtpd1, "2001:db8::");
	want_blocked(&smtpd1, NULL);
	put_error(&w, &e);
	want_broken(&w, MSG_ADDRESS_ERROR, "no total");
	e.total = 1;
	e.period = e.block = 1000;
	put_error(&w, &e);
	want_broken(&w, MSG_ADDRESS_ERROR, "no address");
	end();
}

/* --- REMOTE_CAPS ---------------------------------------------------------- */

static void
add_remote(struct config *conf, uint32_t id)
{
	struct conf_remote	*r = calloc(1, sizeof(*r));
	char			 name[16];

	(void)snprintf(name, sizeof(name), "r%u", id);
	if (r == NULL || strs_add(&r->address, copy("192.0.2.1")) == -1)
		die("remote");
	r->obj.name = copy(name);
	r->obj.id = id;
	r->port = 25;
	if (conf_map_add(&conf->remotes, &r->obj) == -1)
		die("remote");
}

static void
seen(struct conn *c, uint32_t remote, uint32_t caps)
{
	struct proto_caps	 p = { remote, caps };
	struct wbuf		 w = { 0 };

	put_caps(&w, &p);
	conn_send(c, MSG_REMOTE_SEEN, 0, 0, -1, &w);
}

static void
want_caps(struct conn *c, uint32_t remote, uint32_t caps)
{
	struct got		*g = conn_wait(c, MSG_REMOTE_CAPS);
	struct proto_caps	 p;
	struct msg		 m;

	if (!ok(g != NULL, "caps of remote %u", remote))
		return;
	m = got_msg(g);
	is_int(get_caps(&m, &p), 0, "REMOTE_CAPS is whole");
	is_int(p.remote, remote, "of whom");
	is_int(p.caps, caps, "what");
	got_free(g);
}

/* The next one, which is about that remote. */
static uint32_t
next_caps(struct conn *c, uint32_t remote)
{
	struct got		*g = conn_wait(c, MSG_REMOTE_CAPS);
	struct proto_caps	 p = { 0 };
	struct msg		 m;

	if (g == NULL)
		die("no REMOTE_CAPS");
	m = got_msg(g);
	is_int(get_caps(&m, &p), 0, "REMOTE_CAPS is whole");
	is_int(p.remote, remote, "of whom");
	got_free(g);
	return p.caps;
}

/* Whatever it was going to say to what was sent so far, it has said. */
static void
want_no_caps(struct conn *c)
{
	struct got	*g;

	state_want(c, STATE_DELIVERED, "nothing", NULL);
	g = conn_wait_ms(c, MSG_REMOTE_CAPS, 0);
	ok(g == NULL, "no REMOTE_CAPS");
	got_free(g);
}

static void
test_caps(void)
{
	struct config	*conf = settings(2);
	struct wbuf	 w = { 0 };
	uint32_t	 i;

	begin();
	add_remote(conf, 11);
	add_remote(conf, 12);
	configure(conf);
	seen(&smtpd0, 12, 0);
	want_caps(&smtpd0, 12, 0);
	want_caps(&smtpd1, 12, 0);
	seen(&smtpd1, 11, 0x81);
	want_caps(&smtpd0, 11, 0x81);
	want_caps(&smtpd1, 11, 0x81);
	seen(&smtpd0, 11, 0x81);
	want_no_caps(&smtpd0);
	want_no_caps(&smtpd1);
	seen(&smtpd0, 12, 0x7);
	want_caps(&smtpd0, 12, 0x7);
	want_caps(&smtpd1, 12, 0x7);
	/* One that cannot make up its mind does not flood the others. */
	for (i = 0; i < 1000; i++)
		seen(&smtpd0, 12, i & 1);
	seen(&smtpd0, 12, 0x7);
	for (i = 0; next_caps(&smtpd1, 12) != 0x7; i++)
		continue;
	ok(i < 500, "told %u times", i);
	while (next_caps(&smtpd0, 12) != 0x7)
		continue;
	seen(&smtpd0, 13, 1);		/* nobody knows that one */
	want_no_caps(&smtpd0);

	/* A worker that is started anew. */
	conn_close(&smtpd1);
	child_peer(&ver, &smtpd1, R_SMTPD, 1);
	want_caps(&smtpd1, 11, 0x81);
	want_caps(&smtpd1, 12, 0x7);
	want_no_caps(&smtpd1);

	/* Remote 11 goes with its last generation, not before. */
	conf = settings(3);
	add_remote(conf, 12);
	add_remote(conf, 13);
	configure(conf);
	is_int(child_stat(&ver, "verifyd.caps.remotes"), 2, "both");
	conn_send(&ver.parent, MSG_CONF_DROP, 0, 1, -1, NULL);
	is_int(child_stat(&ver, "verifyd.caps.remotes"), 2, "both still");
	conn_send(&ver.parent, MSG_CONF_DROP, 0, 2, -1, NULL);
	is_int(child_stat(&ver, "verifyd.caps.remotes"), 1, "one is left");
	seen(&smtpd0, 11, 0);
	want_no_caps(&smtpd0);
	seen(&smtpd0, 13, 1);
	want_caps(&smtpd0, 13, 1);

	put_u32(&w, 12);
	want_broken(&w, MSG_REMOTE_SEEN, "cut short");
	end();
}

/* --- PTR ------------------------------------------------------------------ */

static void
ptr_ask_ms(struct conn *c, uint64_t sid, const char *ip, uint32_t ms)
{
	struct proto_ptr	p = { .timeout = ms };
	struct wbuf		w = { 0 };

	if (addr_parse(&p.addr, ip) == -1)
		die(ip);
	p.addr.port = (uint16_t)sid;	/* of no consequence */
	put_ptr(&w, &p);
	conn_send(c, MSG_PTR_ASK, sid, (uint32_t)sid + 1, -1, &w);
}

static void
ptr_ask(struct conn *c, uint64_t sid, const char *ip)
{
	ptr_ask_ms(c, sid, ip, 0);
}

static void
want_ptr(struct conn *c, uint64_t sid, enum dns_status status,
    const char *name)
{
	struct got		*g = conn_wait(c, MSG_PTR_ANS);
	struct proto_ptr_ans	 a;
	struct msg		 m;

	if (!ok(g != NULL, "sid %llu: an answer", (unsigned long long)sid))
		return;
	m = got_msg(g);
	is_int(get_ptr_ans(&m, &a), 0, "PTR_ANS is whole");
	is_int(g->sid, sid, "its sid");
	is_int(g->seq, sid + 1, "its seq");
	is_int(a.status, status, "%s: status", name);
	is_str(a.name, name, "its name");
	got_free(g);
}

/* A question to resolved: its sid.  timeout 0: one that has waited. */
static uint64_t
want_question(const char *ip, uint32_t timeout)
{
	struct got		*g = conn_wait(&resolved, MSG_DNS_ASK);
	struct proto_dns_ask	 q;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "a question for %s", ip))
		return 0;
	m = got_msg(g);
	is_int(get_dns_ask(&m, &q), 0, "DNS_ASK is whole");
	is_int(q.type, DNS_TYPE_PTR_FC, "for a name that leads back");
	if (timeout != 0)
		is_int(q.timeout, timeout, "the time-out");
	ok(q.timeout != 0 && q.timeout <= 60000, "within bounds");
	is_str(q.name, ip, "the address");
	sid = g->sid;
	got_free(g);
	return sid;
}

static void
answer(uint64_t sid, enum dns_status status, const char *name, uint32_t ttl)
{
	static struct proto_dns_records	 r;
	struct wbuf			 w = { 0 };

	memset(&r, 0, sizeof(r));
	r.status = (uint8_t)status;
	r.ttl = ttl;
	if (name != NULL) {
		r.n = 2;
		(void)strlcpy(r.record[0].text, name,
		    sizeof(r.record[0].text));
		(void)strlcpy(r.record[1].text, "second.test",
		    sizeof(r.record[1].text));
	}
	put_dns_records(&w, &r);
	conn_send(&resolved, MSG_DNS_ANS, sid, 0, -1, &w);
}

/* Nobody was asked for anything so far that he was not. */
static void
want_no_question(void)
{
	struct got	*g;

	child_sync(&ver);
	g = conn_wait_ms(&resolved, MSG_DNS_ASK, 0);
	ok(g == NULL, "nobody is asked");
	got_free(g);
}

static void
test_ptr(void)
{
	uint64_t	 sid;

	begin();
	ptr_ask(&smtpd0, 1, "192.0.2.1");
	sid = want_question("192.0.2.1", 5000);
	answer(sid, DNS_OK, "mail.test", 100);
	want_ptr(&smtpd0, 1, DNS_OK, "mail.test");
	ptr_ask(&smtpd1, 2, "192.0.2.1");
	want_ptr(&smtpd1, 2, DNS_OK, "mail.test");
	ptr_ask_ms(&smtpd1, 3, "2001:db8::1", 700);
	answer(want_question("2001:db8::1", 700), DNS_NONE, NULL, 0);
	want_ptr(&smtpd1, 3, DNS_NONE, "");
	ptr_ask(&smtpd0, 4, "2001:db8::1");
	want_ptr(&smtpd0, 4, DNS_NONE, "");
	ptr_ask(&smtpd0, 5, "192.0.2.2");
	answer(want_question("192.0.2.2", 5000), DNS_FAIL, NULL, 0);
	want_ptr(&smtpd0, 5, DNS_FAIL, "");
	/* A name without names, an address without address. */
	ptr_ask(&smtpd0, 6, "192.0.2.3");
	answer(want_question("192.0.2.3", 5000), DNS_OK, NULL, 0);
	want_ptr(&smtpd0, 6, DNS_NONE, "");
	ptr_ask_ms(&smtpd0, 7, "192.0.2.4", 99999);
	answer(want_question("192.0.2.4", 5000), DNS_OK, "", 0);
	want_ptr(&smtpd0, 7, DNS_NONE, "");
	is_int(child_stat(&ver, "verifyd.ptr.asked"), 7, "asked");
	is_int(child_stat(&ver, "verifyd.ptr.cached"), 2, "cached");
	is_int(child_stat(&ver, "verifyd.ptr.queries"), 0, "none under way");
	/* Answers to what nobody asks, or does not any more. */
	answer(sid, DNS_OK, "late.test", 100);
	answer(4711, DNS_OK, "never.test", 100);
	ptr_ask(&smtpd0, 8, "192.0.2.1");
	want_ptr(&smtpd0, 8, DNS_OK, "mail.test");
	want_no_question();
	end();
}

static void
test_ptr_joined(void)
{
	uint64_t	 sid, other;

	begin();
	ptr_ask(&smtpd0, 1, "192.0.2.1");
	sid = want_question("192.0.2.1", 5000);
	ptr_ask(&smtpd1, 2, "192.0.2.1");
	ptr_ask(&smtpd0, 3, "192.0.2.2");
	other = want_question("192.0.2.2", 5000);
	ptr_ask(&smtpd0, 4, "192.0.2.1");
	state_want(&smtpd0, STATE_DELIVERED, "nothing", NULL);
	state_want(&smtpd1, STATE_DELIVERED, "nothing", NULL);
	want_no_question();
	is_int(child_stat(&ver, "verifyd.ptr.joined"), 2, "joined");
	answer(other, DNS_OK, "two.test", 100);
	want_ptr(&smtpd0, 3, DNS_OK, "two.test");

	/* One of those who wait goes away. */
	conn_close(&smtpd1);
	child_peer(&ver, &smtpd1, R_SMTPD, 1);
	child_sync(&ver);
	answer(sid, DNS_OK, "one.test", 100);
	want_ptr(&smtpd0, 1, DNS_OK, "one.test");
	want_ptr(&smtpd0, 4, DNS_OK, "one.test");
	is_int(child_stat(&ver, "verifyd.ptr.queries"), 0, "none under way");
	end();
}

static void
test_ptr_lost(void)
{
	struct wbuf	 w = { 0 };
	uint64_t	 sid;
	struct got	*g;

	begin();
	/* resolved says nothing. */
	ptr_ask_ms(&smtpd0, 1, "192.0.2.1", 100);
	sid = want_question("192.0.2.1", 100);
	want_ptr(&smtpd0, 1, DNS_TIMEOUT, "");
	g = conn_wait(&resolved, MSG_DNS_CANCEL);
	ok(g != NULL && g->sid == sid, "it is told");
	got_free(g);
	/* It goes away, and comes back. */
	ptr_ask(&smtpd0, 2, "192.0.2.2");
	ptr_ask(&smtpd1, 3, "192.0.2.2");
	(void)want_question("192.0.2.2", 5000);
	state_want(&smtpd1, STATE_DELIVERED, "nothing", NULL);
	conn_close(&resolved);
	want_ptr(&smtpd0, 2, DNS_FAIL, "");
	want_ptr(&smtpd1, 3, DNS_FAIL, "");
	ptr_ask(&smtpd1, 4, "192.0.2.2");
	want_ptr(&smtpd1, 4, DNS_FAIL, "");
	child_peer(&ver, &resolved, R_RESOLVED, 0);
	child_sync(&ver);
	ptr_ask(&smtpd0, 5, "192.0.2.2");
	answer(want_question("192.0.2.2", 5000), DNS_OK, "b.test", 100);
	want_ptr(&smtpd0, 5, DNS_OK, "b.test");

	put_u32(&w, 100);
	put_addr(&w, &(struct addr){ .family = ADDR_UNIX });
	want_broken(&w, MSG_PTR_ASK, "an address without octets");
	end();
}

/* Is resolved asked for so many, and no more?  sid of the first. */
static uint64_t
want_questions(size_t n)
{
	struct got	*g;
	uint64_t	 first = 0;
	size_t		 i;

	for (i = 0; i < n; i++) {
		if (!ok((g = conn_wait(&resolved, MSG_DNS_ASK)) != NULL,
		    "question %zu", i))
			return first;
		if (i == 0)
			first = g->sid;
		got_free(g);
	}
	want_no_question();
	return first;
}

/* A flood of one worker's waits for itself. */
static void
test_ptr_share(void)
{
	uint64_t	first, i;
	char		ip[32];

	begin();
	for (i = 1; i <= 100; i++) {
		(void)snprintf(ip, sizeof(ip), "10.0.0.%u", (unsigned int)i);
		ptr_ask(&smtpd0, i, ip);
	}
	state_want(&smtpd0, STATE_DELIVERED, "nothing", NULL);
	first = want_questions(64);
	ptr_ask(&smtpd1, 1, "192.0.2.1");
	answer(want_question("192.0.2.1", 5000), DNS_OK, "a.test", 100);
	want_ptr(&smtpd1, 1, DNS_OK, "a.test");
	/* One that waits there is asked as its own. */
	ptr_ask(&smtpd1, 2, "10.0.0.99");
	answer(want_question("10.0.0.99", 0), DNS_OK, "b.test", 100);
	want_ptr(&smtpd1, 2, DNS_OK, "b.test");
	want_ptr(&smtpd0, 99, DNS_OK, "b.test");
	want_no_question();
	/* Each answer makes room for another question. */
	answer(first, DNS_OK, "c.test", 100);
	want_ptr(&smtpd0, 1, DNS_OK, "c.test");
	(void)want_question("10.0.0.65", 0);
	want_no_question();
	/* With the asker those go that nobody waits for. */
	conn_close(&smtpd0);
	child_sync(&ver);
	while (child_stat(&ver, "verifyd.ptr.queries") > 64)
		child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.ptr.queries"), 64, "queries");
	end();
}

/* What waits in the queue of one that goes is another's, if he waits too. */
static void
test_ptr_heir(void)
{
	uint64_t	i, first;
	char		ip[32];

	begin();
	for (i = 1; i <= 64; i++) {
		(void)snprintf(ip, sizeof(ip), "10.0.1.%u", (unsigned int)i);
		ptr_ask(&smtpd1, i, ip);
	}
	state_want(&smtpd1, STATE_DELIVERED, "nothing", NULL);
	first = want_questions(64);
	for (i = 1; i <= 66; i++) {
		(void)snprintf(ip, sizeof(ip), "10.0.0.%u", (unsigned int)i);
		ptr_ask(&smtpd0, i, ip);
	}
	state_want(&smtpd0, STATE_DELIVERED, "nothing", NULL);
	(void)want_questions(64);
	ptr_ask(&smtpd1, 65, "10.0.0.66");
	state_want(&smtpd1, STATE_DELIVERED, "nothing", NULL);
	want_no_question();
	conn_close(&smtpd0);
	while (child_stat(&ver, "verifyd.ptr.queries") > 129)
		child_sync(&ver);
	want_no_question();
	answer(first, DNS_OK, "a.test", 100);
	want_ptr(&smtpd1, 1, DNS_OK, "a.test");
	answer(want_question("10.0.0.66", 0), DNS_OK, "b.test", 100);
	want_ptr(&smtpd1, 65, DNS_OK, "b.test");
	end();
}

/* However often one asks, what waits has an end. */
static void
test_ptr_flood(void)
{
	struct config	*conf = settings(2);
	uint64_t	 i, n = 16384;

	begin();
	conf->resolver.timeout = 60000;
	configure(conf);
	for (i = 1; i <= n + 1; i++) {
		ptr_ask(&smtpd0, i, "10.0.0.1");
		if (i % 256 == 0)	/* a pipe does not hold them all */
			state_want(&smtpd0, STATE_DELIVERED, "nothing", NULL);
	}
	want_ptr(&smtpd0, n + 1, DNS_FAIL, "");
	ptr_ask(&smtpd1, 1, "10.0.0.1");
	state_want(&smtpd1, STATE_DELIVERED, "nothing", NULL);
	answer(want_question("10.0.0.1", 60000), DNS_OK, "a.test", 100);
	want_ptr(&smtpd1, 1, DNS_OK, "a.test");
	for (i = 1; i <= n; i++)
		want_ptr(&smtpd0, i, DNS_OK, "a.test");
	end();
}

/* --- LOOKUP --------------------------------------------------------------- */

/* An open file, without a name any more. */
static int
new_file(void)
{
	char	path[] = "/tmp/postern-unit.XXXXXX";
	int	fd = mkostemp(path, O_CLOEXEC);

	if (fd == -1)
		die(path);
	(void)unlink(path);
	return fd;
}

/* "key value key value"; what needs more is added by the test. */
static int
new_cdb(const char *pairs, const char *key, const char *value, size_t vlen)
{
	struct cdb_make	 m;
	char		*all = copy(pairs), *rest = all, *k, *v;
	int		 fd = new_file();

	(void)cdb_make_start(&m, fd);
	while ((k = strsep(&rest, " ")) != NULL &&
	    (v = strsep(&rest, " ")) != NULL)
		(void)cdb_make_add(&m, k, (unsigned int)strlen(k), v,
		    (unsigned int)strlen(v));
	if (key != NULL)
		(void)cdb_make_add(&m, key, (unsigned int)strlen(key), value,
		    (unsigned int)vlen);
	if (cdb_make_finish(&m) == -1)
		die("cdb_make_finish");
	free(all);
	return fd;
}

/* The files are the configuration's; -1 ends them. */
static void
add_source(struct config *conf, uint32_t id, int fd, int fd2)
{
	struct conf_datasource	*ds = calloc(1, sizeof(*ds));
	char			 name[16];

	(void)snprintf(name, sizeof(name), "d%u", id);
	if (ds == NULL || strs_add(&ds->uri, copy("cdb:/x")) == -1)
		die("datasource");
	ds->obj.name = copy(name);
	ds->obj.id = id;
	if (fd != -1 && fds_add(&ds->files, fd) == -1)
		die("datasource");
	if (fd2 != -1 && fds_add(&ds->files, fd2) == -1)
		die("datasource");
	if (conf_map_add(&conf->datasources, &ds->obj) == -1)
		die("datasource");
}

static void
look_up(uint32_t id, const char *query, const char *key,
    enum lookup_answer answer, const char *value)
{
	struct proto_lookup	 q = { .path = { LOOK_DB, id, "" } };
	struct proto_lookup_ans	 a;
	struct wbuf		 w = { 0 };
	struct msg		 m;
	struct got		*g;

	(void)strlcpy(q.path.query, query, sizeof(q.path.query));
	(void)strlcpy(q.key, key, sizeof(q.key));
	put_lookup(&w, &q);
	conn_send(&smtpd0, MSG_LOOKUP, 8, 9, -1, &w);
	if (!ok((g = conn_wait(&smtpd0, MSG_LOOKUP_ANS)) != NULL,
	    "%s: an answer", key))
		return;
	m = got_msg(g);
	is_int(get_lookup_ans(&m, &a), 0, "LOOKUP_ANS is whole");
	is_int(g->sid, 8, "its sid");
	is_int(g->seq, 9, "its seq");
	is_int(a.answer, answer, "%s: the answer", key);
	is_str(a.value, value, "%s: the value", key);
	got_free(g);
}

static void
test_lookup(void)
{
	static char	 big[1025];
	struct config	*conf = settings(2);
	struct wbuf	 w = { 0 };
	int		 fd, cut;

	begin();
	memset(big, 'v', sizeof(big));
	fd = new_cdb("a@example.org remote1 B two @example.org all", "long",
	    big, 1024);
	cut = dup(fd);
	add_source(conf, 21, fd, -1);
	add_source(conf, 22, new_cdb("", "long", big, 1025), -1);
	add_source(conf, 23, new_cdb("", "lines", "one\ntwo", 7), -1);
	add_source(conf, 24, new_cdb("", "empty", "", 0), -1);
	add_source(conf, 25, -1, -1);
	configure(conf);
	look_up(21, "", "a@example.org", LOOKUP_YES, "remote1");
	look_up(21, "", "A@example.org", LOOKUP_NO, "");
	look_up(21, "", "B", LOOKUP_YES, "two");
	look_up(21, "", "", LOOKUP_NO, "");
	big[1024] = '\0';
	look_up(21, "", "long", LOOKUP_YES, big);
	look_up(21, "", big, LOOKUP_NO, "");
	look_up(22, "", "long", LOOKUP_CANNOT, "");
	look_up(22, "", "short", LOOKUP_NO, "");
	look_up(23, "", "lines", LOOKUP_CANNOT, "");
	look_up(24, "", "empty", LOOKUP_YES, "");
	look_up(25, "", "x", LOOKUP_CANNOT, "");
	look_up(26, "", "x", LOOKUP_CANNOT, "");
	look_up(21, "query", "B", LOOKUP_CANNOT, "");
	is_int((long long)child_logged(&ver, "datasource d22, file 1: a value "
	    "is too long"), 1, "it says so");

	/* Somebody cuts the file: no answer, never a no; said once. */
	if (ftruncate(cut, 2200) == -1)
		die("ftruncate");
	(void)close(cut);
	look_up(21, "", "B", LOOKUP_CANNOT, "");
	look_up(21, "", "nobody", LOOKUP_CANNOT, "");
	is_int((long long)child_logged(&ver, "datasource d21, file 1: changed "
	    "in place"), 1, "it says so, once");

	/* The same datasource with another file; then as one cut before. */
	conf = settings(3);
	add_source(conf, 21, new_cdb("B three", NULL, NULL, 0), -1);
	configure(conf);
	look_up(21, "", "B", LOOKUP_YES, "three");
	look_up(24, "", "empty", LOOKUP_YES, "");
	conn_send(&ver.parent, MSG_CONF_DROP, 0, 2, -1, NULL);
	child_sync(&ver);
	look_up(24, "", "empty", LOOKUP_CANNOT, "");
	conf = settings(4);
	fd = new_cdb("B three", NULL, NULL, 0);
	if (ftruncate(fd, 2048) == -1)
		die("ftruncate");
	add_source(conf, 27, fd, -1);
	configure(conf);
	look_up(27, "", "B", LOOKUP_CANNOT, "");
	put_u32(&w, 27);
	want_broken(&w, MSG_LOOKUP, "cut short");
	end();
}

/* Two files: in turns, and the one for the other. */
static void
test_lookup_turns(void)
{
	struct config	*conf = settings(2);
	int		 fd = new_cdb("k one", NULL, NULL, 0);

	begin();
	add_source(conf, 21, fd, new_cdb("k two", NULL, NULL, 0));
	fd = dup(fd);
	configure(conf);
	look_up(21, "", "k", LOOKUP_YES, "one");
	look_up(21, "", "k", LOOKUP_YES, "two");
	look_up(21, "", "k", LOOKUP_YES, "one");
	if (ftruncate(fd, 0) == -1)
		die("ftruncate");
	(void)close(fd);
	look_up(21, "", "k", LOOKUP_YES, "two");
	look_up(21, "", "k", LOOKUP_YES, "two");
	look_up(21, "", "k", LOOKUP_YES, "two");
	is_int(child_stat(&ver, "verifyd.lookup.yes"), 6, "counted");
	end();
}

/* --- the process ---------------------------------------------------------- */

/* To drain is to go on while anybody may ask. */
static void
test_drain(void)
{
	begin();
	conn_send(&ver.parent, MSG_STOP, 0, STOP_DRAIN, -1, NULL);
	child_sync(&ver);
	state_set(&smtpd0, STATE_DELIVERED, "k", "v", 60000);
	conn_close(&smtpd0);
	state_want(&smtpd1, STATE_DELIVERED, "k", "v");
	conn_close(&smtpd1);
	is_int(child_wait(&ver), 0, "it ends when the last has gone");
	conn_close(&ver.parent);
	(void)close(ver.log);
	conn_close(&resolved);
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "verifyd");
	test_state();
	test_state_cut();
	test_state_broken();
	test_take();
	test_errors();
	test_caps();
	test_ptr();
	test_ptr_joined();
	test_ptr_lost();
	test_ptr_share();
	test_ptr_heir();
	test_ptr_flood();
	test_lookup();
	test_lookup_turns();
	test_drain();
	return done("t_verifyd");
}
