/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proto.c.  Every payload comes out as it went in; cut anywhere, or with an
 * octet too many, it is refused; and the table says who may speak to whom.
 */

#include "log.h"
#include "msg.h"
#include "proto.h"
#include "t.h"

static const struct addr	v4 = { ADDR_V4, 25, { 192, 0, 2, 1 } };
static const struct addr	v6 = { ADDR_V6, 24, { 0x20, 0x01, 0x0d, 0xb8,
	[15] = 1 } };

/* A message of the first n octets, in memory that ends there. */
static void
message(struct msg *m, const struct wbuf *w, size_t n, int fd)
{
	static uint8_t	*mem;

	free(mem);
	mem = malloc(n + (n == 0));
	if (n > 0)
		memcpy(mem, w->data, n);
	memset(m, 0, sizeof(*m));
	m->fd = fd;
	rbuf_init(&m->body, mem, n);
}

/*
 * Round trip, every cut, an octet too many.  fd: what must come with it.
 * The structs hold no padding that matters: all of them are set to zero
 * before, and compared as the strings and numbers that they hold.
 */
#define TRIP(name, put, get, type, in, fd_needed)			\
	TRIP_OF(name, put, get, type, in, fd_needed, -1)
/* Heads: what is behind them is for others. */
#define TRIP_HEAD(name, put, get, type, in)				\
	TRIP_OF(name, put, get, type, in, false, 0)

#define TRIP_OF(name, put, get, type, in, fd_needed, tail)		\
	do {								\
		struct wbuf	 w_ = { 0 };				\
		struct msg	 m_;					\
		type		 out_;					\
		size_t		 n_;					\
									\
		put(&w_, &(in));					\
		memset(&out_, 0, sizeof(out_));				\
		message(&m_, &w_, w_.len, 99);				\
		ok(get(&m_, &out_) == 0, name);				\
		ok(memcmp(&out_, &(in), sizeof(in)) == 0,		\
		    name " comes out as it went in");			\
		for (n_ = 0; n_ < w_.len; n_++) {			\
			message(&m_, &w_, n_, 99);			\
			ok(get(&m_, &out_) == -1, name " cut to %zu",	\
			    n_);					\
		}							\
		message(&m_, &w_, w_.len, -1);				\
		ok(get(&m_, &out_) == ((fd_needed) ? -1 : 0),		\
		    name " without descriptor");			\
		put_u8(&w_, 0);						\
		message(&m_, &w_, w_.len, 99);				\
		ok(get(&m_, &out_) == (tail), name " with a tail");	\
		wbuf_clear(&w_);					\
	} while (0)

/* All fields are given: what is not is zero, padding too (static). */
static struct proto_init	init = { 3, INIT_DEBUG | INIT_IDS, 1000, 1001,
	65536, "sqlite:/var/db/users.db\n" };
static struct proto_peer	peer = { R_DIALER, 7 };
static struct proto_log		logfd = { LOG_TO_FILE };
static struct proto_conf_note	conf_note = { true, "datasource.a.query.b",
	"no such column" };
static struct proto_conf_err	conf_err = { 12, 5, "listener: no such" };
static struct proto_listen	listening = { 4, 9, { ADDR_V4, 25, { 127 } } };
static struct proto_flag	flag = { true };
static struct proto_ctl		ctl = { "show stats" };
static struct proto_dial	dial = { 0xfffffffe, 1ULL << 63, "a.example" };
static struct proto_dial_fd	dial_fd;
static struct proto_dial_err	dial_err = { DIAL_HELD, "held down" };
static struct proto_dns		dns = { 5000, "mx.example.org" };
static struct proto_dial_host	dial_host = { "mx.example.org", 0xfff0,
	60000, 1ULL << 63 };
static struct proto_dns_ans	dns_ans = { DNS_OK, true, 300, 2,
	{ { 0 } } };

static struct proto_dns_ask	dns_ask = { DNS_TYPE_PTR_FC, 900,
	"192.0.2.1" };
static struct proto_dns_records	dns_records = { DNS_OK, 60, 2, { { 0 } } };
static struct proto_unix	unix_req = { 7, 63 };
static struct proto_cache_file	cache_file = { "/var/db/verify.cdb" };

static void
test_records(void)
{
	struct wbuf	w = { 0 };
	struct msg	m;
	size_t		i;

	TRIP("DNS_ASK", put_dns_ask, get_dns_ask, struct proto_dns_ask,
	    dns_ask, false);
	dns_records.record[0].pref = 65535;
	(void)strlcpy(dns_records.record[0].text, "mx.example",
	    sizeof(dns_records.record[0].text));
	TRIP("DNS_ANS", put_dns_records, get_dns_records,
	    struct proto_dns_records, dns_records, false);
	dns_records.n = DNS_RECORDS_MAX;
	for (i = 0; i < DNS_RECORDS_MAX; i++)
		(void)memset(dns_records.record[i].text, 'a', 255);
	TRIP("as many records as there may be", put_dns_records,
	    get_dns_records, struct proto_dns_records, dns_records, false);
	TRIP("CACHE_FILE", put_cache_file, get_cache_file,
	    struct proto_cache_file, cache_file, false);
	TRIP("UNIX_REQ", put_unix, get_unix, struct proto_unix, unix_req,
	    false);
	put_u8(&w, DNS_TYPE_COUNT);
	put_u32(&w, 1);
	put_str(&w, "a");
	message(&m, &w, w.len, -1);
	is_int(get_dns_ask(&m, &dns_ask), -1, "no such type");
	wbuf_clear(&w);
	put_u8(&w, DNS_OK);
	put_u32(&w, 1);
	put_u32(&w, DNS_RECORDS_MAX + 1);
	for (i = 0; i < DNS_RECORDS_MAX + 1; i++) {
		put_u16(&w, 1);
		put_str(&w, "");
	}
	message(&m, &w, w.len, -1);
	is_int(get_dns_records(&m, &dns_records), -1, "one record too many");
	wbuf_clear(&w);
	message(&m, &w, 0, -1);
}

static void
test_trips(void)
{
	size_t	i;

	dial_fd.to = v6;
	(void)strlcpy(dial_fd.host, "h.example", sizeof(dial_fd.host));
	dns_ans.addr[0] = v4;
	dns_ans.addr[1] = v6;
	TRIP("INIT", put_init, get_init, struct proto_init, init, false);
	TRIP("PEER", put_peer, get_peer, struct proto_peer, peer, true);
	TRIP("PEER_BROKE", put_peer, get_peer_broke, struct proto_peer, peer,
	    false);
	TRIP("LOG_FD", put_log, get_log, struct proto_log, logfd,
	    false);
	TRIP("CONF_NOTE", put_conf_note, get_conf_note,
	    struct proto_conf_note, conf_note, false);
	TRIP("CONF_ERR", put_conf_err, get_conf_err, struct proto_conf_err,
	    conf_err, false);
	TRIP("LISTEN_FD", put_listen, get_listen, struct proto_listen,
	    listening, false);
	TRIP("VERBOSE", put_flag, get_flag, struct proto_flag, flag, false);
	TRIP("CTL", put_ctl, get_ctl, struct proto_ctl, ctl, true);
	TRIP("DIAL_REQ", put_dial, get_dial, struct proto_dial, dial, false);
	TRIP("DIAL_HOST", put_dial_host, get_dial_host,
	    struct proto_dial_host, dial_host, false);
	TRIP("DIAL_FD", put_dial_fd, get_dial_fd, struct proto_dial_fd,
	    dial_fd, true);
	TRIP("DIAL_ERR", put_dial_err, get_dial_err, struct proto_dial_err,
	    dial_err, false);
	TRIP("DNS_ADDR", put_dns, get_dns, struct proto_dns, dns, false);
	TRIP("DNS_ADDR_ANS", put_dns_ans, get_dns_ans, struct proto_dns_ans,
	    dns_ans, false);
	logfd.dest = LOG_TO_NOTHING;
	TRIP("LOG_FD to nothing", put_log, get_log, struct proto_log, logfd,
	    false);
	dns_ans.n = DNS_ADDRS_MAX;
	for (i = 0; i < DNS_ADDRS_MAX; i++)
		dns_ans.addr[i] = i % 2 ? v4 : v6;
	TRIP("as many addresses as there may be", put_dns_ans, get_dns_ans,
	    struct proto_dns_ans, dns_ans, false);
}

/* Strings: as long as they may be, one longer, and with control octets. */
static void
test_strings(void)
{
	struct proto_dns	out;
	struct proto_dial_err	err = { DIAL_DNS, "a\r\nb\x1b[2J\x7f" };
	struct proto_dial_err	got;
	struct wbuf		w = { 0 };
	struct msg		m;

	memset(dns.name, 'a', sizeof(dns.name));
	dns.name[sizeof(dns.name) - 1] = '\0';
	TRIP("the longest name", put_dns, get_dns, struct proto_dns, dns,
	    false);
	put_u32(&w, 1);
	put_blob(&w, (char[256]){ "x" }, 256);
	message(&m, &w, w.len, -1);
	is_int(get_dns(&m, &out), -1, "NULs in a name");
	wbuf_clear(&w);
	put_u32(&w, 1);
	put_u32(&w, 256);
	while (w.len < 8 + 256)
		put_u8(&w, 'a');
	message(&m, &w, w.len, -1);
	is_int(get_dns(&m, &out), -1, "a name one too long");
	wbuf_clear(&w);
	/* Text for a log must not make the other side call us broken. */
	put_dial_err(&w, &err);
	message(&m, &w, w.len, -1);
	is_int(get_dial_err(&m, &got), 0, "controls are taken out by put");
	is_str(got.why, "a??b?[2J?", "each by one");
	wbuf_clear(&w);
	put_u8(&w, DIAL_DNS);
	put_str(&w, "a\nb");
	message(&m, &w, w.len, -1);
	is_int(get_dial_err(&m, &got), -1, "and refused by get");
	wbuf_clear(&w);
}

static void
test_ranges(void)
{
	struct proto_dial_err	err;
	struct proto_dns_ans	*ans;
	struct proto_log	l;
	struct wbuf		w = { 0 };
	struct msg		m;
	uint32_t		i;

	put_u8(&w, DIAL_ERROR_COUNT);
	put_str(&w, "");
	message(&m, &w, w.len, -1);
	is_int(get_dial_err(&m, &err), -1, "no such error");
	wbuf_clear(&w);
	put_u8(&w, LOG_TO_NOTHING + 1);
	message(&m, &w, w.len, 99);
	is_int(get_log(&m, &l), -1, "no such destination");
	wbuf_clear(&w);
	put_u8(&w, DNS_OK);
	put_bool(&w, false);
	put_u32(&w, 1);
	put_u32(&w, DNS_ADDRS_MAX + 1);
	for (i = 0; i < DNS_ADDRS_MAX + 1; i++)
		put_addr(&w, &v4);
	ans = calloc(1, sizeof(*ans));
	message(&m, &w, w.len, -1);
	is_int(get_dns_ans(&m, ans), -1, "one address too many");
	wbuf_clear(&w);
	put_u8(&w, DNS_OK);
	put_bool(&w, false);
	put_u32(&w, 1);
	put_u32(&w, UINT32_MAX);
	message(&m, &w, w.len, -1);
	is_int(get_dns_ans(&m, ans), -1, "4 G of addresses");
	free(ans);
	wbuf_clear(&w);
	message(&m, &w, 0, -1);
}

/* Questions to verifyd, and its answers. */
static void
test_verifyd(void)
{
	static struct proto_conf_fd	file = { 9, 0xfffffff0 };
	static struct proto_ptr		ptr = { 700, { ADDR_V4, 0, { 192 } } };
	static struct proto_ptr_ans	ptr_ans = { DNS_OK, "h.example" };
	static struct proto_lookup	ask = { { LOOK_DB, 7, "by-name" },
	    LOOK_ADDRESS, "a@b.example", "s@c.example" };
	static struct proto_lookup_ans	ans = { LOOKUP_YES, "", 3, "value" };
	static struct proto_caps	caps = { 12, 0x80000001 };
	static struct proto_list	list = { 1ULL << 40, "0123456789abcde"
	};
	static struct proto_error	error = { { ADDR_V4, 0, { 192 } }, 50,
	    900000, 86400000 };
	static struct proto_blocked	blocked = { { ADDR_V4, 0, { 10 } },
	    7 };

	TRIP("CONF_FD", put_conf_fd, get_conf_fd, struct proto_conf_fd, file,
	    true);
	TRIP("PTR_ASK", put_ptr, get_ptr, struct proto_ptr, ptr, false);
	ptr.addr = v6;
	TRIP("PTR_ASK, v6", put_ptr, get_ptr, struct proto_ptr, ptr, false);
	TRIP("PTR_ANS", put_ptr_ans, get_ptr_ans, struct proto_ptr_ans,
	    ptr_ans, false);
	TRIP("LOOKUP", put_lookup, get_lookup, struct proto_lookup, ask,
	    false);
	memset(ask.key, 'k', sizeof(ask.key) - 1);
	TRIP("LOOKUP, the longest key", put_lookup, get_lookup,
	    struct proto_lookup, ask, false);
	TRIP_HEAD("LOOKUP_ANS", put_lookup_ans, get_lookup_ans,
	    struct proto_lookup_ans, ans);
	memset(ans.value, 'v', sizeof(ans.value) - 1);
	TRIP_HEAD("LOOKUP_ANS, the longest value", put_lookup_ans,
	    get_lookup_ans, struct proto_lookup_ans, ans);
	TRIP("LIST_DONE", put_list, get_list, struct proto_list, list, false);
	TRIP("REMOTE_CAPS", put_caps, get_caps, struct proto_caps, caps,
	    false);
	TRIP("ADDRESS_ERROR", put_error, get_error, struct proto_error, error,
	    false);
	TRIP("BLOCKED", put_blocked, get_blocked, struct proto_blocked,
	    blocked, false);
}

/* Recipients: the question, the answer, and what the next hop said. */
static void
test_judge(void)
{
	static struct proto_judge	ask = { JUDGE_AHEAD | JUDGE_STALE,
	    { LOOK_LIST, 7, "" }, { LOOK_DB, 8, "by-name" }, 9, "a@b.example",
	    "s@c.example", JUDGE_RATES_MAX };
	static struct proto_judge_ans	ans = { JUDGE_UNKNOWN, JUDGE_BY_PROBE,
	    9, true, JUDGE_RATES_MAX, "550 5.1.1 who" };
	static struct proto_verdict	said = { VERDICT_REFUSED, true, 9, 10,
	    "a@b.example", "", 552, "5.2.2", "full" };

	TRIP_HEAD("JUDGE", put_judge, get_judge, struct proto_judge, ask);
	TRIP("JUDGE_ANS", put_judge_ans, get_judge_ans,
	    struct proto_judge_ans, ans, false);
	TRIP("VERDICT", put_verdict, get_verdict, struct proto_verdict, said,
	    false);
}

/* Databases. */
static void
test_query(void)
{
	static struct proto_source	source = { 12 };
	static struct proto_query	ask = { 3, "address", 100,
	    QUERY_PARAMS_MAX };
	static struct proto_query_ans	ans = { QUERY_OK, "", true, 7,
	    QUERY_COLUMNS_MAX, 100 };

	TRIP("SOURCE_UP", put_source, get_source, struct proto_source, source,
	    false);
	TRIP_HEAD("QUERY", put_query, get_query, struct proto_query, ask);
	TRIP_HEAD("QUERY_ANS", put_query_ans, get_query_ans,
	    struct proto_query_ans, ans);
}

/* These are heads, with items behind them. */
static void
test_state(void)
{
	struct proto_state	s = { STATE_SET, STATE_DELIVERED, 3600000,
				    STATE_ITEMS_MAX }, got;
	struct proto_state_ans	a = { .op = STATE_GET,
				    .n = STATE_ITEMS_MAX }, got_ans;
	struct wbuf		w = { 0 }, wa = { 0 };
	struct msg		m;
	size_t			n;

	put_state(&w, &s);
	put_state_ans(&wa, &a);
	for (n = 0; n < w.len; n++) {
		message(&m, &w, n, -1);
		is_int(get_state(&m, &got), -1, "STATE cut to %zu", n);
	}
	for (n = 0; n < wa.len; n++) {
		message(&m, &wa, n, -1);
		is_int(get_state_ans(&m, &got_ans), -1, "its answer cut to "
		    "%zu", n);
	}
	put_u8(&w, 77);
	message(&m, &w, w.len, -1);
	is_int(get_state(&m, &got), 0, "STATE");
	ok(got.op == s.op && got.table == s.table && got.ttl == s.ttl &&
	    got.n == s.n, "STATE comes out as it went in");
	is_int(get_u8(&m.body), 77, "what is behind it is left");
	put_u8(&wa, 77);
	message(&m, &wa, wa.len, -1);
	is_int(get_state_ans(&m, &got_ans), 0, "STATE_ANS");
	ok(got_ans.op == a.op && got_ans.n == a.n, "and its answer");
	is_int(get_u8(&m.body), 77, "what is behind it is left");
	wbuf_clear(&w);
	wbuf_clear(&wa);
	s.n = a.n = STATE_ITEMS_MAX + 1;
	put_state(&w, &s);
	put_state_ans(&wa, &a);
	message(&m, &w, w.len, -1);
	is_int(get_state(&m, &got), -1, "an item too many");
	message(&m, &wa, wa.len, -1);
	is_int(get_state_ans(&m, &got_ans), -1, "an answer too many");
	wbuf_clear(&w);
	wbuf_clear(&wa);
	message(&m, &w, 0, -1);
}

static void
test_rate(void)
{
	static const uint8_t	key[STATE_KEY_MAX + 1] = "a key";
	struct proto_rate	r = { key, 5, 7, 60000 }, got;
	struct proto_state_ans	a = { STATE_TAKE, 3, 3 }, got_ans;
	struct wbuf		w = { 0 };
	struct msg		m;
	size_t			n;

	put_rate(&w, &r);
	for (n = 0; n < w.len; n++) {
		message(&m, &w, n, -1);
		is_int(get_rate(&m.body, &got), -1, "rate cut to %zu", n);
	}
	message(&m, &w, w.len, -1);
	is_int(get_rate(&m.body, &got), 0, "rate");
	is_int(get_end(&m.body), 0, "all of it");
	ok(got.klen == 5 && memcmp(got.key, key, 5) == 0 && got.count == 7 &&
	    got.period == 60000, "as it went in");
	wbuf_clear(&w);
	r.count = 0;
	put_rate(&w, &r);
	message(&m, &w, w.len, -1);
	is_int(get_rate(&m.body, &got), -1, "a rate of nothing");
	wbuf_clear(&w);
	r.period = 0;
	put_rate(&w, &r);
	message(&m, &w, w.len, -1);
	is_int(get_rate(&m.body, &got), 0, "held by any number");
	wbuf_clear(&w);
	r.klen = sizeof(key);
	put_rate(&w, &r);
	message(&m, &w, w.len, -1);
	is_int(get_rate(&m.body, &got), -1, "a key too long");
	wbuf_clear(&w);
	put_state_ans(&w, &a);
	message(&m, &w, w.len, -1);
	ok(get_state_ans(&m, &got_ans) == 0 && get_end(&m.body) == 0 &&
	    got_ans.over == 3, "STATE_ANS to a TAKE");
	wbuf_clear(&w);
	a.over = 4;
	put_state_ans(&w, &a);
	message(&m, &w, w.len, -1);
	is_int(get_state_ans(&m, &got_ans), -1, "over what was not asked");
	wbuf_clear(&w);
	message(&m, &w, 0, -1);
}

static const struct {
	uint16_t	type;
	unsigned int	from, to;
	bool		allowed;
} rights[] = {
	{ MSG_INIT, R_PARENT, R_SMTPD, true },
	{ MSG_INIT, R_PARENT, R_RESOLVED, true },
	{ MSG_INIT, R_SMTPD, R_DIALER, false },
	{ MSG_INIT, R_SMTPD, R_PARENT, false },
	{ MSG_PEER, R_DIALER, R_SMTPD, false },
	{ MSG_CONF_COMMIT, R_RESOLVED, R_PARENT, false },
	{ MSG_STOP, R_SMTPD, R_SMTPD, false },
	{ MSG_CONF_FD, R_PARENT, R_VERIFYD, true },
	{ MSG_CONF_FD, R_VERIFYD, R_PARENT, false },
	{ MSG_STATE, R_SMTPD, R_VERIFYD, true },
	{ MSG_STATE, R_DIALER, R_VERIFYD, false },
	{ MSG_STATE_ANS, R_SMTPD, R_VERIFYD, false },
	{ MSG_LOOKUP, R_RESOLVED, R_VERIFYD, false },
	{ MSG_PTR_ASK, R_SMTPD, R_VERIFYD, true },
	{ MSG_PTR_ASK, R_SMTPD, R_RESOLVED, false },
	{ MSG_REMOTE_CAPS, R_VERIFYD, R_SMTPD, true },
	{ MSG_MARKED, R_VERIFYD, R_SMTPD, true },
	{ MSG_MARKED, R_SMTPD, R_VERIFYD, false },
	{ MSG_REMOTE_CAPS, R_SMTPD, R_VERIFYD, false },
	{ MSG_LISTEN_FD, R_PARENT, R_SMTPD, true },
	{ MSG_LISTEN_FD, R_PARENT, R_DIALER, false },
	{ MSG_READY, R_SMTPD, R_PARENT, true },
	{ MSG_READY, R_SMTPD, R_DIALER, false },
	{ MSG_GEN_ENDED, R_SMTPD, R_PARENT, true },
	{ MSG_GEN_ENDED, R_DIALER, R_PARENT, false },
	{ MSG_DIAL_REQ, R_SMTPD, R_DIALER, true },
	{ MSG_DIAL_REQ, R_DIALER, R_SMTPD, false },
	{ MSG_DIAL_REQ, R_SMTPD, R_RESOLVED, false },
	{ MSG_DIAL_REQ, R_RESOLVED, R_DIALER, false },
	{ MSG_DIAL_FD, R_DIALER, R_SMTPD, true },
	{ MSG_DIAL_FD, R_SMTPD, R_DIALER, false },
	{ MSG_DIAL_FD, R_DIALER, R_RESOLVED, false },
	{ MSG_DNS_ADDR, R_DIALER, R_RESOLVED, true },
	{ MSG_DNS_ADDR, R_SMTPD, R_RESOLVED, false },
	{ MSG_DNS_ADDR_ANS, R_RESOLVED, R_DIALER, true },
	{ MSG_DNS_ADDR_ANS, R_RESOLVED, R_SMTPD, false },
	{ MSG_DNS_ASK, R_DIALER, R_RESOLVED, true },
	{ MSG_DNS_ASK, R_VERIFYD, R_RESOLVED, true },
	{ MSG_DNS_ASK, R_SMTPD, R_RESOLVED, false },
	{ MSG_DNS_ANS, R_RESOLVED, R_VERIFYD, true },
	{ MSG_DNS_ANS, R_VERIFYD, R_DIALER, false },
	{ MSG_UNIX_REQ, R_DIALER, R_PARENT, true },
	{ MSG_UNIX_REQ, R_SMTPD, R_PARENT, false },
	{ MSG_UNIX_FD, R_PARENT, R_DIALER, true },
	{ MSG_UNIX_FD, R_PARENT, R_SMTPD, false },
	{ MSG_NONE, R_PARENT, R_SMTPD, false },
	{ 9999, R_PARENT, R_SMTPD, false },
	{ UINT16_MAX, R_SMTPD, R_PARENT, false }
};

static void
test_rights(void)
{
	static const unsigned int	all[] = { R_PARENT, R_SMTPD, R_DIALER,
	    R_RESOLVED, R_PROXYD, R_AUTHD, R_VERIFYD, R_LOOKUPD, R_METRICSD };
	size_t				i;

	for (i = 0; i < nitems(rights); i++)
		is_int(msg_allowed(rights[i].type, rights[i].from,
		    rights[i].to), rights[i].allowed, "%s %s > %s",
		    msg_name(rights[i].type), role_name(rights[i].from),
		    role_name(rights[i].to));
	for (i = 0; i < nitems(all); i++)
		is_int(role_parse(role_name(all[i])), all[i], "role %s",
		    role_name(all[i]));
	is_int(role_parse("nobody"), 0, "no such role");
	is_int(role_parse(""), 0, "no role");
	is_str(role_name(R_SMTPD | R_DIALER), "unknown", "two roles");
	is_str(msg_name(MSG_DIAL_REQ), "DIAL_REQ", "a message");
	is_str(msg_name(9999), "unknown", "none");
}

/* No number is given twice, and every one has a name and a sender. */
static void
test_table(void)
{
	static const struct {
		const char	*name;
		unsigned int	 number, from, to;
	} t[] = {
#define X(name, number, from, to) { #name, number, from, to },
		PROTO(X)
#undef X
	};
	size_t	i, k;

	for (i = 0; i < nitems(t); i++) {
		is_str(msg_name((uint16_t)t[i].number), t[i].name, "its name");
		ok(t[i].number > 0 && t[i].number < 1000, "%s in range",
		    t[i].name);
		ok(t[i].from != 0 && t[i].to != 0, "%s has ends", t[i].name);
		for (k = 0; k < i; k++)
			ok(t[i].number != t[k].number, "%s and %s", t[i].name,
			    t[k].name);
	}
}

int
main(void)
{
	test_trips();
	test_records();
	test_strings();
	test_ranges();
	test_verifyd();
	test_judge();
	test_query();
	test_state();
	test_rate();
	test_rights();
	test_table();
	return done("t_proto");
}
