/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The life of a question: QUERY or SQL in, its answer out.
 *
 * A QUERY names a statement of the configuration; what it mentions and is not
 * given is empty, since a rule may have no sender.  SQL brings its text, from
 * a script, so there whatever does not fit is an error with its name: a value
 * too few would match nothing, and one too many is a typing mistake.
 *
 * Values are copied, and bounded for each asker: scripts can ask faster than
 * a database answers.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookupd.h"
#include "util.h"

#define ASKS_MAX	10000			/* of one asker */
#define OCTETS_MAX	(16 * 1024 * 1024)	/* likewise: values */

/* What came with the question: views of the message. */
struct given {
	struct sql_value	 v[SQL_VALUES_MAX];
	const char		*name[SQL_VALUES_MAX];
	size_t			 len[SQL_VALUES_MAX];	/* of the name */
	bool			 taken[SQL_VALUES_MAX];
	size_t			 n;
};

/* Where a question came from, and what it is. */
struct origin {
	struct asker	*from;
	uint64_t	 sid;
	uint32_t	 seq;
	bool		 script;
	uint32_t	 max_rows;
};

static void
ask_free(struct ask *a)
{
	timer_del(&a->timer);
	ask_orphan(a);
	statement_unuse(a->st);
	free(a->value);
	free(a);
}

void
ask_orphan(struct ask *a)
{
	if (a->asker == NULL)
		return;
	LIST_REMOVE(a, of_asker);
	a->asker->nasks--;
	a->asker->octets -= a->octets;
	a->asker = NULL;
}

static void
answer(const struct origin *o, const struct proto_query_ans *qa,
    const struct wbuf *body)
{
	struct wbuf	w = { 0 };

	if (o->from == NULL)
		return;
	put_query_ans(&w, qa);
	if (body != NULL)
		put_raw(&w, body->data, body->len);
	peer_send(o->from->peer, o->script ? MSG_SQL_ANS : MSG_QUERY_ANS,
	    o->sid, o->seq, -1, &w);
}

static void
cannot(const struct origin *o, const char *why)
{
	struct proto_query_ans	qa = { .status = QUERY_CANNOT };

	source_count.cannot++;
	(void)strlcpy(qa.why, why, sizeof(qa.why));
	answer(o, &qa, NULL);
}

static struct origin
origin_of(const struct ask *a)
{
	return (struct origin){ .from = a->asker, .sid = a->sid,
	    .seq = a->seq, .script = a->script };
}

void
ask_cannot(struct ask *a, const char *why)
{
	struct origin	o = origin_of(a);

	cannot(&o, why);
	ask_free(a);
}

void
ask_answer(struct ask *a, struct rows *r)
{
	struct origin	o = origin_of(a);

	if (r->failed != NULL) {
		ask_cannot(a, r->failed);
		return;
	}
	source_count.answered++;
	answer(&o, &r->a, &r->body);
	ask_free(a);
}

/* --- values --------------------------------------------------------------- */

static int
get_given(struct rbuf *r, uint32_t n, bool script, struct given *g)
{
	uint32_t	i;

	if (n > (script ? SQL_VALUES_MAX : QUERY_PARAMS_MAX))
		return -1;
	for (i = 0; i < n; i++) {
		g->name[i] = (const char *)get_blob(r, &g->len[i]);
		g->taken[i] = false;
		g->v[i].type = SQL_TEXT;
		if (script)
			get_sql_value(r, &g->v[i]);
		else
			g->v[i].p = (const char *)get_blob(r, &g->v[i].len);
	}
	g->n = n;
	return get_end(r);
}

static bool
is_named(const struct given *g, size_t i, const char *name)
{
	return g->len[i] == strlen(name) &&
	    memcmp(g->name[i], name, g->len[i]) == 0;
}

/*
 * Which of them a parameter of the statement is; g->n: none.  A place of a
 * script counts those that have no name, one of a query counts all.
 */
static size_t
given_find(const struct given *g, const struct sql_param *p, bool script)
{
	size_t	i, place = 0;

	if (p->name[0] == '\0' && !script)
		return p->place < g->n ? p->place : g->n;
	for (i = 0; i < g->n; i++) {
		if (!is_named(g, i, p->name))
			continue;
		if (p->name[0] != '\0' || place++ == p->place)
			break;
	}
	return i;
}

/* "12", "-0.5e3"; not inf, nan, hexadecimal. */
static bool
is_number(const struct sql_value *v)
{
	char	text[64], *end;

	if (v->len == 0 || v->len >= sizeof(text))
		return false;
	memcpy(text, v->p, v->len);
	text[v->len] = '\0';
	if (text[strspn(text, "0123456789+-.eE")] != '\0')
		return false;
	if (v->type == SQL_INT)
		(void)strtoll(text, &end, 10);
	else
		(void)strtod(text, &end);
	return *end == '\0';
}

/* NULL, or what is wrong with it. */
static const char *
value_wrong(const struct sql_value *v)
{
	if (v->len > 0 && memchr(v->p, '\0', v->len) != NULL)
		return "a NUL in a parameter";
	switch ((enum sql_type)v->type) {
	case SQL_INT:
	case SQL_REAL:
		return is_number(v) ? NULL : "a parameter is no number that "
		    "SQL knows";
	case SQL_BOOL:
		return v->len == 1 && (*v->p == '0' || *v->p == '1') ? NULL :
		    "a parameter is neither true nor false";
	case SQL_NULL:
	case SQL_TEXT:
	case SQL_TYPE_COUNT:
		break;
	}
	return NULL;
}

/* A parameter as those who wrote the statement know it; static. */
static const char *
no_value(const struct sql_param *p)
{
	static char	why[128];

	if (p->name[0] != '\0')
		(void)snprintf(why, sizeof(why), "parameter :%s has no value",
		    p->name);
	else
		(void)snprintf(why, sizeof(why), "parameter %u has no value",
		    p->place + 1);
	return why;
}

/* Of a script: is there one that the statement does not mention? */
static const char *
superfluous(const struct given *g)
{
	static char	why[128];
	size_t		i, place = 0;

	for (i = 0; i < g->n; i++) {
		place += g->len[i] == 0;
		if (!g->taken[i])
			break;
	}
	if (i == g->n)
		return NULL;
	if (g->len[i] > 0)
		(void)snprintf(why, sizeof(why), "a value for :%.*s, which "
		    "the statement does not have",
		    g->len[i] > 31 ? 31 : (int)g->len[i], g->name[i]);
	else
		(void)snprintf(why, sizeof(why), "a value for parameter %zu, "
		    "which the statement does not have", place);
	return why;
}

/* Which of the values the statement wants, and room for them. */
static const char *
choose(struct ask *a, struct given *g, size_t *which)
{
	const struct sql_params	*sql = &a->st->sql;
	const char		*why;
	size_t			 i;

	a->octets = 0;
	for (i = 0; i < sql->n; i++) {
		which[i] = given_find(g, &sql->param[i], a->script);
		a->octets++;
		if (which[i] == g->n && a->script)
			return no_value(&sql->param[i]);
		if (which[i] == g->n)
			continue;
		if ((why = value_wrong(&g->v[which[i]])) != NULL)
			return why;
		g->taken[which[i]] = true;
		a->octets += g->v[which[i]].len;
	}
	return a->script ? superfluous(g) : NULL;
}

/* Copy what the statement wants.  NULL, or why it cannot be asked. */
static const char *
ask_bind(struct ask *a, struct given *g)
{
	static const struct sql_value	 empty = { .type = SQL_TEXT, .p = "" };
	const struct sql_params		*sql = &a->st->sql;
	const struct sql_value		*v;
	size_t				 which[SQL_PARAMS_MAX], i;
	const char			*why = choose(a, g, which);
	char				*p;

	if (why != NULL || sql->n == 0) {
		a->octets = 0;
		return why;
	}
	a->octets += sql->n * sizeof(*a->value);
	if ((a->value = malloc(a->octets)) == NULL) {
		a->octets = 0;
		return "no memory";
	}
	a->asker->octets += a->octets;
	p = (char *)&a->value[sql->n];
	for (i = 0; i < sql->n; i++) {
		v = which[i] == g->n ? &empty : &g->v[which[i]];
		a->value[i] = (struct value){ v->type, p, v->len };
		if (v->len > 0)
			memcpy(p, v->p, v->len);
		p[v->len] = '\0';
		p += v->len + 1;
	}
	return NULL;
}

/* --- what is asked -------------------------------------------------------- */

static struct ask *
ask_new(const struct origin *o, struct statement *st)
{
	struct ask	*a;

	statement_use(st);
	if ((a = calloc(1, sizeof(*a))) == NULL) {
		statement_unuse(st);
		return NULL;
	}
	a->asker = o->from;
	a->sid = o->sid;
	a->seq = o->seq;
	a->script = o->script;
	a->st = st;
	a->max_rows = o->max_rows;
	if (a->max_rows > source.max_rows)
		a->max_rows = (uint32_t)source.max_rows;
	a->deadline = mono_add(came(o->from), source.timeout);
	timer_init(&a->timer, NULL, a);
	LIST_INSERT_HEAD(&o->from->asks, a, of_asker);
	o->from->nasks++;
	return a;
}

static bool
is_too_many(const struct asker *from)
{
	return from->nasks >= ASKS_MAX || from->octets >= OCTETS_MAX;
}

static void
put_question(const struct origin *o, struct statement *st, struct given *g)
{
	struct ask	*a = ask_new(o, st);
	const char	*why;

	if (a == NULL)
		cannot(o, "no memory");
	else if ((why = ask_bind(a, g)) != NULL)
		ask_cannot(a, why);
	else
		backend->ask(a);
}

int
on_query(struct peer *p, struct msg *m)
{
	struct origin		 o = { .from = p->arg, .sid = m->sid,
				    .seq = m->seq };
	struct proto_query	 q;
	struct statement	*st;
	struct given		 g;

	if (get_query(m, &q) == -1 ||
	    get_given(&m->body, q.nparams, false, &g) == -1)
		return -1;
	source_count.asked++;
	o.max_rows = q.max_rows;
	if ((st = statement_find(q.directory, q.query)) == NULL)
		cannot(&o, "no such query");
	else if (is_too_many(o.from))
		cannot(&o, "too many questions");
	else
		put_question(&o, st, &g);
	return 0;
}

int
on_sql(struct peer *p, struct msg *m)
{
	struct origin		 o = { .from = p->arg, .sid = m->sid,
				    .seq = m->seq, .script = true };
	struct proto_sql	 q;
	struct statement	*st;
	struct given		 g;
	const char		*why;

	if (get_sql(m, &q) == -1 ||
	    get_given(&m->body, q.nparams, true, &g) == -1)
		return -1;
	source_count.asked++;
	o.max_rows = q.max_rows;
	if (!source.scripts)
		cannot(&o, "scripts: is not set for this datasource");
	else if (is_too_many(o.from))
		cannot(&o, "too many questions");
	else if ((st = script_sql_find(q.sql, q.len, &why)) == NULL)
		cannot(&o, why);
	else
		put_question(&o, st, &g);
	return 0;
}
