/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The payloads of scripts' messages, but for what a script sees of a session
 * (hook_session.c): each put and its get, next to each other.
 *
 * Strings of variable length are copied by the getters, so that what was got
 * outlives the frame; they are bounded, and so are counts, before anything is
 * allocated.
 */

#include <stdlib.h>
#include <string.h>

#include "msg.h"
#include "proto_script.h"

/* --- HOOK_CALL ------------------------------------------------------------ */

static const char *const	stages[HOOK_STAGE_COUNT] = {
	[HOOK_COMMAND] = "proxy",
	[HOOK_CONNECT] = "connect",
	[HOOK_EHLO] = "ehlo",
	[HOOK_AUTH] = "auth",
	[HOOK_MAIL] = "mail",
	[HOOK_RCPT] = "rcpt",
	[HOOK_DATA] = "data"
};

const char *
hook_stage_name(enum hook_stage stage)
{
	return stage < HOOK_STAGE_COUNT ? stages[stage] : "unknown";
}

void
put_hook_call(struct wbuf *w, const struct proto_hook_call *c)
{
	put_u8(w, c->stage);
	put_u32(w, c->script);
}

int
get_hook_call(struct msg *m, struct proto_hook_call *c)
{
	c->stage = get_enum(&m->body, HOOK_STAGE_COUNT);
	c->script = get_u32(&m->body);
	return m->body.failed ? -1 : 0;
}

void
put_hook_args(struct wbuf *w, const struct hook_args *a)
{
	put_bool(w, a->flag);
	put_u64(w, a->size);
	put_u32(w, a->number);
	put_str(w, a->verb);
	put_str(w, a->text);
	put_str(w, a->localpart);
	put_str(w, a->domain);
	hook_put_pairs(w, &a->pairs);
}

int
get_hook_args(struct rbuf *r, struct hook_args *a, bool *nomem)
{
	memset(a, 0, sizeof(*a));
	*nomem = false;
	a->flag = get_bool(r);
	a->size = get_u64(r);
	a->number = get_u32(r);
	a->verb = hook_get_text(r, nomem);
	a->text = hook_get_text(r, nomem);
	a->localpart = hook_get_text(r, nomem);
	a->domain = hook_get_text(r, nomem);
	hook_get_pairs(r, &a->pairs, HOOK_PARAMS_MAX, nomem);
	return *nomem ? -1 : get_end(r);
}

void
hook_args_clear(struct hook_args *a)
{
	free(a->verb);
	free(a->text);
	free(a->localpart);
	free(a->domain);
	hook_pairs_clear(&a->pairs);
	memset(a, 0, sizeof(*a));
}

/* --- HOOK_VERDICT --------------------------------------------------------- */

void
put_hook_verdict(struct wbuf *w, const struct proto_hook_verdict *v)
{
	put_u8(w, v->kind);
	put_u8(w, v->flags);
	put_u16(w, v->code);
	put_str(w, v->enhanced);
	put_u32(w, v->nlines);
	put_str(w, v->lines);
	if (v->flags & HOOKV_SET_COMMAND)
		put_str(w, v->command);
	if (v->flags & HOOKV_SET_HOST)
		put_str(w, v->host);
	if (v->flags & HOOKV_SET_ADDRESS)
		put_str(w, v->address);
	if (v->flags & HOOKV_SET_TRANSPORTID)
		put_str(w, v->transportid);
	if (v->flags & HOOKV_SET_EXTENSIONS)
		hook_put_pairs(w, &v->extensions);
	put_line(w, v->why);
	put_u32(w, v->usec);
}

/* As many lines as it says, of what may stand in a reply. */
static bool
lines_are_good(const struct proto_hook_verdict *v)
{
	const unsigned char	*p = (const unsigned char *)v->lines;
	uint32_t		 n = 1;

	if (strlen(v->lines) > HOOK_REPLY_MAX || v->nlines > HOOK_REPLY_LINES)
		return false;
	if (v->nlines == 0)
		return *p == '\0';
	for (; *p != '\0'; p++) {
		if (*p == '\n')
			n++;
		else if (*p < ' ' || *p > '~')
			return false;
	}
	return n == v->nlines;
}

int
get_hook_verdict(struct msg *m, struct proto_hook_verdict *v)
{
	struct rbuf	*r = &m->body;
	bool		 nomem = false;

	memset(v, 0, sizeof(*v));
	v->kind = get_enum(r, HOOK_VERDICT_COUNT);
	v->flags = get_u8(r);
	v->code = get_u16(r);
	get_line(r, v->enhanced, sizeof(v->enhanced));
	v->nlines = get_u32(r);
	v->lines = get_strdup(r);
	if (v->flags & HOOKV_SET_COMMAND)
		get_line(r, v->command, sizeof(v->command));
	if (v->flags & HOOKV_SET_HOST)
		get_line(r, v->host, sizeof(v->host));
	if (v->flags & HOOKV_SET_ADDRESS)
		get_line(r, v->address, sizeof(v->address));
	if (v->flags & HOOKV_SET_TRANSPORTID)
		get_line(r, v->transportid, sizeof(v->transportid));
	if (v->flags & HOOKV_SET_EXTENSIONS)
		hook_get_pairs(r, &v->extensions, HOOK_EXTENSIONS_MAX,
		    &nomem);
	get_line(r, v->why, sizeof(v->why));
	v->usec = get_u32(r);
	if (nomem || get_end(r) == -1 || v->lines == NULL ||
	    !lines_are_good(v))
		return -1;
	return 0;
}

void
hook_verdict_clear(struct proto_hook_verdict *v)
{
	free(v->lines);
	v->lines = NULL;
	hook_pairs_clear(&v->extensions);
}

/* --- PROBE ---------------------------------------------------------------- */

void
put_probe(struct wbuf *w, const struct proto_probe *p)
{
	put_str(w, p->host);
	put_u16(w, p->port);
	put_u32(w, p->timeout);
	put_str(w, p->rcpt);
	put_str(w, p->sender);
}

int
get_probe(struct msg *m, struct proto_probe *p)
{
	get_str(&m->body, p->host, sizeof(p->host));
	p->port = get_u16(&m->body);
	p->timeout = get_u32(&m->body);
	get_str(&m->body, p->rcpt, sizeof(p->rcpt));
	get_str(&m->body, p->sender, sizeof(p->sender));
	if (p->timeout == 0)
		get_fail(&m->body);
	return get_end(&m->body);
}

void
put_probe_ans(struct wbuf *w, const struct proto_probe_ans *a)
{
	put_u8(w, a->result);
	put_bool(w, a->cached);
	put_u16(w, a->code);
	put_line(w, a->enhanced);
	put_line(w, a->stage);
	put_line(w, a->text);
}

int
get_probe_ans(struct msg *m, struct proto_probe_ans *a)
{
	a->result = get_enum(&m->body, PROBE_RESULT_COUNT);
	a->cached = get_bool(&m->body);
	a->code = get_u16(&m->body);
	get_line(&m->body, a->enhanced, sizeof(a->enhanced));
	get_line(&m->body, a->stage, sizeof(a->stage));
	get_line(&m->body, a->text, sizeof(a->text));
	return get_end(&m->body);
}

/* --- SQL ------------------------------------------------------------------ */

void
put_sql(struct wbuf *w, const struct proto_sql *s)
{
	put_blob(w, s->sql, s->len);
	put_u32(w, s->max_rows);
	put_u32(w, s->nparams);
}

int
get_sql(struct msg *m, struct proto_sql *s)
{
	s->sql = (const char *)get_blob(&m->body, &s->len);
	s->max_rows = get_u32(&m->body);
	s->nparams = get_u32(&m->body);
	if (m->body.failed || s->len > SQL_MAX || s->nparams > SQL_VALUES_MAX ||
	    memchr(s->sql, '\0', s->len) != NULL)
		return -1;
	return 0;
}

void
put_sql_value(struct wbuf *w, const struct sql_value *v)
{
	put_u8(w, v->type);
	put_blob(w, v->p, v->len);
}

/* A decimal number of 64 bits or so; not where they end. */
static bool
is_integer(const char *p, size_t n)
{
	size_t	i = n > 0 && *p == '-' ? 1 : 0;

	if (i == n || n > 20)
		return false;
	for (; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

static bool
value_is_good(const struct sql_value *v)
{
	switch ((enum sql_type)v->type) {
	case SQL_NULL:
		return v->len == 0;
	case SQL_INT:
		return is_integer(v->p, v->len);
	case SQL_REAL:
		return v->len > 0 && memchr(v->p, '\0', v->len) == NULL;
	case SQL_BOOL:
		return v->len == 1 && (*v->p == '0' || *v->p == '1');
	case SQL_TEXT:
	case SQL_TYPE_COUNT:
		break;
	}
	return true;
}

void
get_sql_value(struct rbuf *r, struct sql_value *v)
{
	v->type = get_enum(r, SQL_TYPE_COUNT);
	v->p = (const char *)get_blob(r, &v->len);
	if (v->p != NULL && !value_is_good(v))
		get_fail(r);
}
