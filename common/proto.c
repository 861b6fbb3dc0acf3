/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The payloads of the messages: put and get of each, adjacent.
 */

#include <string.h>

#include "log.h"
#include "msg.h"
#include "proto.h"

static const struct {
	uint16_t	 type;
	const char	*name;
	unsigned int	 from;
	unsigned int	 to;
} messages[] = {
#define X(name, number, from, to) { number, #name, from, to },
	PROTO(X)
#undef X
};

static const struct {
	unsigned int	 role;
	const char	*name;
} roles[] = {
	{ R_PARENT, "postern" },
	{ R_SMTPD, "smtpd" },
	{ R_DIALER, "dialer" },
	{ R_RESOLVED, "resolved" },
	{ R_PROXYD, "proxyd" },
	{ R_AUTHD, "authd" },
	{ R_VERIFYD, "verifyd" },
	{ R_LOOKUPD, "lookupd" },
	{ R_METRICSD, "metricsd" }
};

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

const char *
msg_name(uint16_t type)
{
	size_t	i;

	for (i = 0; i < NITEMS(messages); i++)
		if (messages[i].type == type)
			return messages[i].name;
	return "unknown";
}

bool
msg_allowed(uint16_t type, unsigned int from, unsigned int to)
{
	size_t	i;

	for (i = 0; i < NITEMS(messages); i++)
		if (messages[i].type == type)
			return (messages[i].from & from) != 0 &&
			    (messages[i].to & to) != 0;
	return false;
}

const char *
role_name(unsigned int role)
{
	size_t	i;

	for (i = 0; i < NITEMS(roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "unknown";
}

unsigned int
role_parse(const char *name)
{
	size_t	i;

	for (i = 0; i < NITEMS(roles); i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return 0;
}

void
put_init(struct wbuf *w, const struct proto_init *p)
{
	put_u32(w, p->index);
	put_u32(w, p->flags);
	put_u32(w, p->uid);
	put_u32(w, p->gid);
	put_u64(w, p->files);
	put_str(w, p->source);
}

int
get_init(struct msg *m, struct proto_init *p)
{
	p->index = get_u32(&m->body);
	p->flags = get_u32(&m->body);
	p->uid = get_u32(&m->body);
	p->gid = get_u32(&m->body);
	p->files = get_u64(&m->body);
	get_str(&m->body, p->source, sizeof(p->source));
	return get_end(&m->body);
}

void
put_peer(struct wbuf *w, const struct proto_peer *p)
{
	put_u32(w, p->role);
	put_u32(w, p->index);
}

int
get_peer(struct msg *m, struct proto_peer *p)
{
	p->role = get_u32(&m->body);
	p->index = get_u32(&m->body);
	return m->fd == -1 ? -1 : get_end(&m->body);
}

int
get_peer_broke(struct msg *m, struct proto_peer *p)
{
	p->role = get_u32(&m->body);
	p->index = get_u32(&m->body);
	return get_end(&m->body);
}

void
put_log(struct wbuf *w, const struct proto_log *p)
{
	put_u8(w, p->dest);
}

int
get_log(struct msg *m, struct proto_log *p)
{
	p->dest = get_enum(&m->body, LOG_TO_NOTHING + 1);
	return get_end(&m->body);
}

void
put_conf_fd(struct wbuf *w, const struct proto_conf_fd *p)
{
	put_u8(w, p->map);
	put_u32(w, p->id);
}

int
get_conf_fd(struct msg *m, struct proto_conf_fd *p)
{
	p->map = get_u8(&m->body);
	p->id = get_u32(&m->body);
	return m->fd == -1 ? -1 : get_end(&m->body);
}

void
put_conf_note(struct wbuf *w, const struct proto_conf_note *p)
{
	put_bool(w, p->error);
	put_line(w, p->key);
	put_line(w, p->why);
}

int
get_conf_note(struct msg *m, struct proto_conf_note *p)
{
	p->error = get_bool(&m->body);
	get_line(&m->body, p->key, sizeof(p->key));
	get_line(&m->body, p->why, sizeof(p->why));
	return get_end(&m->body);
}

void
put_conf_err(struct wbuf *w, const struct proto_conf_err *p)
{
	put_u32(w, p->line);
	put_u32(w, p->col);
	put_line(w, p->why);
}

int
get_conf_err(struct msg *m, struct proto_conf_err *p)
{
	p->line = get_u32(&m->body);
	p->col = get_u32(&m->body);
	get_line(&m->body, p->why, sizeof(p->why));
	return get_end(&m->body);
}

void
put_list(struct wbuf *w, const struct proto_list *p)
{
	put_u64(w, p->entries);
	put_raw(w, p->hash, sizeof(p->hash));
}

int
get_list(struct msg *m, struct proto_list *p)
{
	size_t	i;

	p->entries = get_u64(&m->body);
	for (i = 0; i < sizeof(p->hash); i++)
		p->hash[i] = get_u8(&m->body);
	return get_end(&m->body);
}

void
put_listen(struct wbuf *w, const struct proto_listen *p)
{
	put_u32(w, p->listener);
	put_u32(w, p->key);
	put_addr(w, &p->addr);
}

int
get_listen(struct msg *m, struct proto_listen *p)
{
	p->listener = get_u32(&m->body);
	p->key = get_u32(&m->body);
	get_addr(&m->body, &p->addr);
	return get_end(&m->body);
}

void
put_flag(struct wbuf *w, const struct proto_flag *p)
{
	put_bool(w, p->on);
}

int
get_flag(struct msg *m, struct proto_flag *p)
{
	p->on = get_bool(&m->body);
	return get_end(&m->body);
}

void
put_ctl(struct wbuf *w, const struct proto_ctl *p)
{
	put_line(w, p->request);
}

int
get_ctl(struct msg *m, struct proto_ctl *p)
{
	get_line(&m->body, p->request, sizeof(p->request));
	return m->fd == -1 ? -1 : get_end(&m->body);
}

void
put_dial(struct wbuf *w, const struct proto_dial *p)
{
	put_u32(w, p->remote);
	put_u64(w, p->session);
	put_line(w, p->domain);
}

int
get_dial(struct msg *m, struct proto_dial *p)
{
	p->remote = get_u32(&m->body);
	p->session = get_u64(&m->body);
	get_line(&m->body, p->domain, sizeof(p->domain));
	return get_end(&m->body);
}

void
put_dial_host(struct wbuf *w, const struct proto_dial_host *p)
{
	put_line(w, p->host);
	put_u16(w, p->port);
	put_u32(w, p->timeout);
	put_u64(w, p->session);
}

int
get_dial_host(struct msg *m, struct proto_dial_host *p)
{
	get_line(&m->body, p->host, sizeof(p->host));
	p->port = get_u16(&m->body);
	p->timeout = get_u32(&m->body);
	p->session = get_u64(&m->body);
	if (p->host[0] == '\0' || p->port == 0 || p->timeout == 0)
		get_fail(&m->body);
	return get_end(&m->body);
}

void
put_dial_fd(struct wbuf *w, const struct proto_dial_fd *p)
{
	put_addr(w, &p->to);
	put_line(w, p->host);
}

int
get_dial_fd(struct msg *m, struct proto_dial_fd *p)
{
	get_addr(&m->body, &p->to);
	get_line(&m->body, p->host, sizeof(p->host));
	return m->fd == -1 ? -1 : get_end(&m->body);
}

void
put_dial_err(struct wbuf *w, const struct proto_dial_err *p)
{
	put_u8(w, p->error);
	put_line(w, p->why);
}

int
get_dial_err(struct msg *m, struct proto_dial_err *p)
{
	p->error = get_enum(&m->body, DIAL_ERROR_COUNT);
	get_line(&m->body, p->why, sizeof(p->why));
	return get_end(&m->body);
}

void
put_dns(struct wbuf *w, const struct proto_dns *p)
{
	put_u32(w, p->timeout);
	put_line(w, p->name);
}

int
get_dns(struct msg *m, struct proto_dns *p)
{
	p->timeout = get_u32(&m->body);
	get_line(&m->body, p->name, sizeof(p->name));
	return get_end(&m->body);
}

void
put_dns_ans(struct wbuf *w, const struct proto_dns_ans *p)
{
	uint32_t	i;

	put_u8(w, p->status);
	put_bool(w, p->here);
	put_u32(w, p->ttl);
	put_u32(w, p->n);
	for (i = 0; i < p->n; i++)
		put_addr(w, &p->addr[i]);
}

int
get_dns_ans(struct msg *m, struct proto_dns_ans *p)
{
	uint32_t	i;

	p->status = get_enum(&m->body, DNS_STATUS_COUNT);
	p->here = get_bool(&m->body);
	p->ttl = get_u32(&m->body);
	p->n = get_u32(&m->body);
	if (p->n > DNS_ADDRS_MAX)
		return -1;
	for (i = 0; i < p->n; i++)
		get_addr(&m->body, &p->addr[i]);
	return get_end(&m->body);
}

void
put_dns_ask(struct wbuf *w, const struct proto_dns_ask *p)
{
	put_u8(w, p->type);
	put_u32(w, p->timeout);
	put_line(w, p->name);
}

int
get_dns_ask(struct msg *m, struct proto_dns_ask *p)
{
	p->type = get_enum(&m->body, DNS_TYPE_COUNT);
	p->timeout = get_u32(&m->body);
	get_line(&m->body, p->name, sizeof(p->name));
	return get_end(&m->body);
}

void
put_dns_records(struct wbuf *w, const struct proto_dns_records *p)
{
	uint32_t	i;

	put_u8(w, p->status);
	put_u32(w, p->ttl);
	put_u32(w, p->n);
	for (i = 0; i < p->n; i++) {
		put_u16(w, p->record[i].pref);
		put_line(w, p->record[i].text);
	}
}

int
get_dns_records(struct msg *m, struct proto_dns_records *p)
{
	uint32_t	i;

	p->status = get_enum(&m->body, DNS_STATUS_COUNT);
	p->ttl = get_u32(&m->body);
	p->n = get_u32(&m->body);
	if (p->n > DNS_RECORDS_MAX)
		return -1;
	for (i = 0; i < p->n; i++) {
		p->record[i].pref = get_u16(&m->body);
		get_line(&m->body, p->record[i].text,
		    sizeof(p->record[i].text));
	}
	return get_end(&m->body);
}

void
put_ptr(struct wbuf *w, const struct proto_ptr *p)
{
	put_u32(w, p->timeout);
	put_addr(w, &p->addr);
}

int
get_ptr(struct msg *m, struct proto_ptr *p)
{
	p->timeout = get_u32(&m->body);
	get_addr(&m->body, &p->addr);
	return get_end(&m->body);
}

void
put_ptr_ans(struct wbuf *w, const struct proto_ptr_ans *p)
{
	put_u8(w, p->status);
	put_line(w, p->name);
}

int
get_ptr_ans(struct msg *m, struct proto_ptr_ans *p)
{
	p->status = get_enum(&m->body, DNS_STATUS_COUNT);
	get_line(&m->body, p->name, sizeof(p->name));
	return get_end(&m->body);
}

static void
put_path(struct wbuf *w, const struct proto_path *p)
{
	put_u8(w, p->kind);
	put_u32(w, p->id);
	put_line(w, p->query);
}

static void
get_path(struct rbuf *r, struct proto_path *p)
{
	p->kind = get_enum(r, LOOK_KIND_COUNT);
	p->id = get_u32(r);
	get_line(r, p->query, sizeof(p->query));
}

void
put_lookup(struct wbuf *w, const struct proto_lookup *p)
{
	put_path(w, &p->path);
	put_u8(w, p->what);
	put_line(w, p->key);
	put_line(w, p->sender);
}

int
get_lookup(struct msg *m, struct proto_lookup *p)
{
	get_path(&m->body, &p->path);
	p->what = get_enum(&m->body, LOOK_WHAT_COUNT);
	get_line(&m->body, p->key, sizeof(p->key));
	get_line(&m->body, p->sender, sizeof(p->sender));
	return get_end(&m->body);
}

void
put_lookup_ans(struct wbuf *w, const struct proto_lookup_ans *p)
{
	put_u8(w, p->answer);
	put_line(w, p->why);
	put_u32(w, p->n);
	put_line(w, p->value);
}

int
get_lookup_ans(struct msg *m, struct proto_lookup_ans *p)
{
	p->answer = get_enum(&m->body, LOOKUP_ANSWER_COUNT);
	get_line(&m->body, p->why, sizeof(p->why));
	p->n = get_u32(&m->body);
	get_line(&m->body, p->value, sizeof(p->value));
	return m->body.failed || p->n > LOOK_ROWS_MAX ? -1 : 0;
}

void
put_judge(struct wbuf *w, const struct proto_judge *p)
{
	put_u8(w, p->flags);
	put_path(w, &p->domains);
	put_path(w, &p->addresses);
	put_u32(w, p->remote);
	put_line(w, p->rcpt);
	put_line(w, p->sender);
	put_u32(w, p->nrates);
}

int
get_judge(struct msg *m, struct proto_judge *p)
{
	p->flags = get_u8(&m->body);
	get_path(&m->body, &p->domains);
	get_path(&m->body, &p->addresses);
	p->remote = get_u32(&m->body);
	get_line(&m->body, p->rcpt, sizeof(p->rcpt));
	get_line(&m->body, p->sender, sizeof(p->sender));
	p->nrates = get_u32(&m->body);
	return m->body.failed || p->nrates > JUDGE_RATES_MAX ||
	    (p->flags & ~(JUDGE_AHEAD | JUDGE_STALE)) != 0 ? -1 : 0;
}

void
put_judge_ans(struct wbuf *w, const struct proto_judge_ans *p)
{
	put_u8(w, p->verdict);
	put_u8(w, p->by);
	put_u32(w, p->remote);
	put_bool(w, p->charged);
	put_u32(w, p->over);
	put_line(w, p->why);
}

int
get_judge_ans(struct msg *m, struct proto_judge_ans *p)
{
	p->verdict = get_enum(&m->body, JUDGE_VERDICT_COUNT);
	p->by = get_enum(&m->body, JUDGE_BY_COUNT);
	p->remote = get_u32(&m->body);
	p->charged = get_bool(&m->body);
	p->over = get_u32(&m->body);
	get_line(&m->body, p->why, sizeof(p->why));
	return p->over > JUDGE_RATES_MAX ? -1 : get_end(&m->body);
}

void
put_verdict(struct wbuf *w, const struct proto_verdict *p)
{
	put_u8(w, p->kind);
	put_bool(w, p->vouched);
	put_u32(w, p->remote);
	put_u32(w, p->asked);
	put_line(w, p->rcpt);
	put_line(w, p->sender);
	put_u16(w, p->code);
	put_line(w, p->enhanced);
	put_line(w, p->text);
}

int
get_verdict(struct msg *m, struct proto_verdict *p)
{
	p->kind = get_enum(&m->body, VERDICT_KIND_COUNT);
	p->vouched = get_bool(&m->body);
	p->remote = get_u32(&m->body);
	p->asked = get_u32(&m->body);
	get_line(&m->body, p->rcpt, sizeof(p->rcpt));
	get_line(&m->body, p->sender, sizeof(p->sender));
	p->code = get_u16(&m->body);
	get_line(&m->body, p->enhanced, sizeof(p->enhanced));
	get_line(&m->body, p->text, sizeof(p->text));
	return get_end(&m->body);
}

void
put_source(struct wbuf *w, const struct proto_source *p)
{
	put_u32(w, p->datasource);
}

int
get_source(struct msg *m, struct proto_source *p)
{
	p->datasource = get_u32(&m->body);
	return get_end(&m->body);
}

void
put_query(struct wbuf *w, const struct proto_query *p)
{
	put_u32(w, p->directory);
	put_line(w, p->query);
	put_u32(w, p->max_rows);
	put_u32(w, p->nparams);
}

int
get_query(struct msg *m, struct proto_query *p)
{
	p->directory = get_u32(&m->body);
	get_line(&m->body, p->query, sizeof(p->query));
	p->max_rows = get_u32(&m->body);
	p->nparams = get_u32(&m->body);
	return m->body.failed || p->nparams > QUERY_PARAMS_MAX ? -1 : 0;
}

void
put_query_ans(struct wbuf *w, const struct proto_query_ans *p)
{
	put_u8(w, p->status);
	put_line(w, p->why);
	put_bool(w, p->cut);
	put_u64(w, p->changed);
	put_u32(w, p->ncolumns);
	put_u32(w, p->nrows);
}

int
get_query_ans(struct msg *m, struct proto_query_ans *p)
{
	p->status = get_enum(&m->body, QUERY_STATUS_COUNT);
	get_line(&m->body, p->why, sizeof(p->why));
	p->cut = get_bool(&m->body);
	p->changed = get_u64(&m->body);
	p->ncolumns = get_u32(&m->body);
	p->nrows = get_u32(&m->body);
	return m->body.failed || p->ncolumns > QUERY_COLUMNS_MAX ? -1 : 0;
}

void
put_state(struct wbuf *w, const struct proto_state *p)
{
	put_u8(w, p->op);
	put_u8(w, p->table);
	put_u32(w, p->ttl);
	put_u32(w, p->n);
}

int
get_state(struct msg *m, struct proto_state *p)
{
	p->op = get_enum(&m->body, STATE_OP_COUNT);
	p->table = get_enum(&m->body, STATE_TABLE_COUNT);
	p->ttl = get_u32(&m->body);
	p->n = get_u32(&m->body);
	return m->body.failed || p->n > STATE_ITEMS_MAX ? -1 : 0;
}

void
put_rate(struct wbuf *w, const struct proto_rate *p)
{
	put_blob(w, p->key, p->klen);
	put_u32(w, p->count);
	put_u64(w, p->period);
}

int
get_rate(struct rbuf *r, struct proto_rate *p)
{
	p->key = get_blob(r, &p->klen);
	p->count = get_u32(r);
	p->period = get_u64(r);
	if (p->klen > STATE_KEY_MAX || p->period > INT64_MAX / 4000000 ||
	    (p->period > 0 && p->count == 0))
		get_fail(r);
	return r->failed ? -1 : 0;
}

void
put_state_ans(struct wbuf *w, const struct proto_state_ans *p)
{
	put_u8(w, p->op);
	put_u32(w, p->n);
	if (p->op == STATE_TAKE)
		put_u32(w, p->over);
}

int
get_state_ans(struct msg *m, struct proto_state_ans *p)
{
	p->op = get_enum(&m->body, STATE_OP_COUNT);
	p->n = get_u32(&m->body);
	p->over = p->op == STATE_TAKE ? get_u32(&m->body) : 0;
	return m->body.failed || p->n > STATE_ITEMS_MAX || p->over > p->n ?
	    -1 : 0;
}

void
put_error(struct wbuf *w, const struct proto_error *p)
{
	put_addr(w, &p->addr);
	put_u32(w, p->total);
	put_u64(w, p->period);
	put_u64(w, p->block);
}

int
get_error(struct msg *m, struct proto_error *p)
{
	get_addr(&m->body, &p->addr);
	p->total = get_u32(&m->body);
	p->period = get_u64(&m->body);
	p->block = get_u64(&m->body);
	if (p->total == 0 || p->period == 0 || p->period > INT64_MAX / 2 ||
	    p->block == 0 || p->block > INT64_MAX / 2)
		return -1;
	return get_end(&m->body);
}

void
put_blocked(struct wbuf *w, const struct proto_blocked *p)
{
	put_addr(w, &p->addr);
	put_u64(w, p->ms);
}

int
get_blocked(struct msg *m, struct proto_blocked *p)
{
	get_addr(&m->body, &p->addr);
	p->ms = get_u64(&m->body);
	return p->ms > INT64_MAX / 2 ? -1 : get_end(&m->body);
}

void
put_caps(struct wbuf *w, const struct proto_caps *p)
{
	put_u32(w, p->remote);
	put_u32(w, p->caps);
}

int
get_caps(struct msg *m, struct proto_caps *p)
{
	p->remote = get_u32(&m->body);
	p->caps = get_u32(&m->body);
	return get_end(&m->body);
}

void
put_unix(struct wbuf *w, const struct proto_unix *p)
{
	put_u32(w, p->remote);
	put_u32(w, p->entry);
}

int
get_unix(struct msg *m, struct proto_unix *p)
{
	p->remote = get_u32(&m->body);
	p->entry = get_u32(&m->body);
	return get_end(&m->body);
}

void
put_cache_file(struct wbuf *w, const struct proto_cache_file *p)
{
	put_line(w, p->path);
}

int
get_cache_file(struct msg *m, struct proto_cache_file *p)
{
	get_line(&m->body, p->path, sizeof(p->path));
	return get_end(&m->body);
}
