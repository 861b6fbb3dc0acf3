/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proto.c: every getter on the input as a payload.  What a getter takes, its
 * putter writes, octet for octet the same, and no shorter payload is taken.
 * Strings that were taken hold no control octets, enums are in range.
 */

#include <stdbool.h>

#include "fuzz.h"
#include "log.h"
#include "msg.h"
#include "proto.h"

static void
message(struct msg *m, const void *data, size_t n)
{
	memset(m, 0, sizeof(*m));
	m->fd = 99;		/* nobody looks at more than that it is there */
	rbuf_init(&m->body, data, n);
}

static void
check_line(const char *s, size_t size)
{
	size_t	i;

	must(memchr(s, '\0', size) != NULL);
	for (i = 0; s[i] != '\0'; i++)
		must((unsigned char)s[i] >= ' ' && s[i] != 0x7f);
}

static void
check_addr(const struct addr *a)
{
	must(a->family <= ADDR_UNIX);
}

static void
check_init(const struct proto_init *p)
{
	(void)p;
}

static void
check_peer(const struct proto_peer *p)
{
	(void)p;
}

static void
check_log(const struct proto_log *p)
{
	must(p->dest <= LOG_TO_NOTHING);
}

static void
check_conf_err(const struct proto_conf_err *p)
{
	check_line(p->why, sizeof(p->why));
}

static void
check_conf_note(const struct proto_conf_note *p)
{
	check_line(p->key, sizeof(p->key));
	check_line(p->why, sizeof(p->why));
}

static void
check_listen(const struct proto_listen *p)
{
	check_addr(&p->addr);
}

static void
check_flag(const struct proto_flag *p)
{
	must(p->on == true || p->on == false);
}

static void
check_ctl(const struct proto_ctl *p)
{
	check_line(p->request, sizeof(p->request));
}

static void
check_conf_fd(const struct proto_conf_fd *p)
{
	(void)p;
}

static void
check_list(const struct proto_list *p)
{
	(void)p;
}

static void
check_ptr(const struct proto_ptr *p)
{
	check_addr(&p->addr);
}

static void
check_ptr_ans(const struct proto_ptr_ans *p)
{
	must(p->status < DNS_STATUS_COUNT);
	check_line(p->name, sizeof(p->name));
}

static void
check_path(const struct proto_path *p)
{
	must(p->kind < LOOK_KIND_COUNT);
	check_line(p->query, sizeof(p->query));
}

static void
check_lookup(const struct proto_lookup *p)
{
	check_path(&p->path);
	check_line(p->key, sizeof(p->key));
	check_line(p->sender, sizeof(p->sender));
}

static void
check_lookup_ans(const struct proto_lookup_ans *p)
{
	must(p->answer < LOOKUP_ANSWER_COUNT && p->n <= LOOK_ROWS_MAX);
	check_line(p->why, sizeof(p->why));
	check_line(p->value, sizeof(p->value));
}

static void
check_judge(const struct proto_judge *p)
{
	check_path(&p->domains);
	check_path(&p->addresses);
	check_line(p->rcpt, sizeof(p->rcpt));
	check_line(p->sender, sizeof(p->sender));
	must(p->nrates <= JUDGE_RATES_MAX);
}

static void
check_judge_ans(const struct proto_judge_ans *p)
{
	must(p->verdict < JUDGE_VERDICT_COUNT && p->by < JUDGE_BY_COUNT);
	must(p->over <= JUDGE_RATES_MAX);
	check_line(p->why, sizeof(p->why));
}

static void
check_verdict(const struct proto_verdict *p)
{
	must(p->kind < VERDICT_KIND_COUNT);
	check_line(p->rcpt, sizeof(p->rcpt));
	check_line(p->sender, sizeof(p->sender));
	check_line(p->enhanced, sizeof(p->enhanced));
	check_line(p->text, sizeof(p->text));
}

static void
check_source(const struct proto_source *p)
{
	(void)p;
}

static void
check_query(const struct proto_query *p)
{
	check_line(p->query, sizeof(p->query));
	must(p->nparams <= QUERY_PARAMS_MAX);
}

static void
check_query_ans(const struct proto_query_ans *p)
{
	must(p->status < QUERY_STATUS_COUNT);
	must(p->ncolumns <= QUERY_COLUMNS_MAX);
	check_line(p->why, sizeof(p->why));
}

static void
check_caps(const struct proto_caps *p)
{
	(void)p;
}

static void
check_error(const struct proto_error *p)
{
	must(p->total > 0 && p->period > 0 && p->block > 0);
}

static void
check_blocked(const struct proto_blocked *p)
{
	must(p->ms <= INT64_MAX / 2);
}

/* One item, which is a view. */
static void
try_rate(const char *data, size_t len)
{
	struct proto_rate	r;
	struct wbuf		w = { 0 };
	struct msg		m;

	message(&m, data, len);
	if (get_rate(&m.body, &r) == -1)
		return;
	must(r.klen <= STATE_KEY_MAX && (r.period == 0 || r.count > 0));
	put_rate(&w, &r);
	must(w.len + (size_t)(m.body.end - m.body.p) == len);
	must(memcmp(w.data, data, w.len) == 0);
	wbuf_clear(&w);
}

/* Heads only: what is behind them is left for others. */
static void
try_state(const char *data, size_t len)
{
	struct proto_state	 s;
	struct proto_state_ans	 a;
	struct wbuf		 w = { 0 };
	struct msg		 m;

	message(&m, data, len);
	if (get_state(&m, &s) == 0) {
		must(s.op < STATE_OP_COUNT && s.table < STATE_TABLE_COUNT);
		must(s.n <= STATE_ITEMS_MAX);
		put_state(&w, &s);
		must(w.len + (size_t)(m.body.end - m.body.p) == len);
		must(memcmp(w.data, data, w.len) == 0);
		wbuf_clear(&w);
	}
	message(&m, data, len);
	if (get_state_ans(&m, &a) == 0) {
		must(a.op < STATE_OP_COUNT && a.n <= STATE_ITEMS_MAX);
		put_state_ans(&w, &a);
		must(w.len + (size_t)(m.body.end - m.body.p) == len);
		must(memcmp(w.data, data, w.len) == 0);
		wbuf_clear(&w);
	}
}

static void
check_dial(const struct proto_dial *p)
{
	(void)p;
}

static void
check_dial_host(const struct proto_dial_host *p)
{
	check_line(p->host, sizeof(p->host));
	must(p->host[0] != '\0' && p->port != 0 && p->timeout != 0);
}

static void
check_dial_fd(const struct proto_dial_fd *p)
{
	check_addr(&p->to);
	check_line(p->host, sizeof(p->host));
}

static void
check_dial_err(const struct proto_dial_err *p)
{
	must(p->error < DIAL_ERROR_COUNT);
	check_line(p->why, sizeof(p->why));
}

static void
check_dns(const struct proto_dns *p)
{
	check_line(p->name, sizeof(p->name));
}

static void
check_dns_ans(const struct proto_dns_ans *p)
{
	uint32_t	i;

	must(p->status < DNS_STATUS_COUNT && p->n <= DNS_ADDRS_MAX);
	for (i = 0; i < p->n; i++)
		check_addr(&p->addr[i]);
}

static void
check_dns_ask(const struct proto_dns_ask *p)
{
	must(p->type < DNS_TYPE_COUNT);
	check_line(p->name, sizeof(p->name));
}

static void
check_dns_records(const struct proto_dns_records *p)
{
	uint32_t	i;

	must(p->status < DNS_STATUS_COUNT && p->n <= DNS_RECORDS_MAX);
	for (i = 0; i < p->n; i++)
		check_line(p->record[i].text, sizeof(p->record[i].text));
}

static void
check_cache_file(const struct proto_cache_file *p)
{
	check_line(p->path, sizeof(p->path));
}

static void
check_unix(const struct proto_unix *p)
{
	(void)p;
}

#define TRY(name)							\
	do {								\
		static struct proto_##name	 p;			\
		struct msg			 m;			\
		struct wbuf			 w = { 0 };		\
									\
		message(&m, copy, len);					\
		if (get_##name(&m, &p) == -1)				\
			break;						\
		taken = true;						\
		check_##name(&p);					\
		put_##name(&w, &p);					\
		must(wire_ok(&w) && w.len == len);			\
		must(memcmp(w.data, copy, len) == 0);			\
		wbuf_clear(&w);						\
		if (len > 0) {						\
			message(&m, copy, len - 1);			\
			must(get_##name(&m, &p) == -1);			\
		}							\
	} while (0)

/* The same of a head: what is behind it stays. */
#define TRY_HEAD(name)							\
	do {								\
		static struct proto_##name p;				\
		struct wbuf	w = { 0 };				\
		struct msg	m;					\
									\
		memset(&p, 0xa5, sizeof(p));				\
		message(&m, copy, len);					\
		if (get_##name(&m, &p) == -1)				\
			break;						\
		taken = true;						\
		check_##name(&p);					\
		put_##name(&w, &p);					\
		must(w.len + (size_t)(m.body.end - m.body.p) == len);	\
		must(memcmp(w.data, copy, w.len) == 0);			\
		wbuf_clear(&w);						\
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*copy;
	bool	 taken = false;

	copy = exact(data, len);
	TRY(init);
	TRY(peer);
	TRY(log);
	TRY(conf_fd);
	TRY(list);
	TRY(conf_err);
	TRY(conf_note);
	TRY(listen);
	TRY(flag);
	TRY(ctl);
	TRY(ptr);
	TRY(ptr_ans);
	TRY(lookup);
	TRY_HEAD(lookup_ans);
	TRY_HEAD(judge);
	TRY(judge_ans);
	TRY(verdict);
	TRY(source);
	TRY_HEAD(query);
	TRY_HEAD(query_ans);
	TRY(caps);
	try_state(copy, len);
	try_rate(copy, len);
	TRY(error);
	TRY(blocked);
	TRY(dial);
	TRY(dial_host);
	TRY(dial_fd);
	TRY(dial_err);
	TRY(dns);
	TRY(dns_ans);
	TRY(dns_ask);
	TRY(dns_records);
	TRY(unix);
	TRY(cache_file);
	must(!taken || len > 0);
	free(copy);
	return 0;
}
