/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */


/*
 * A question on a connection to PostgreSQL: its statement, and the results.
 *
 * A statement is prepared once on each connection.  Where the server does not
 * know it any more, the question is put once more on another connection.
 * Rows come one by one, so that of many no more than max-rows are ever here.
 * What a server still sends behind those is read and dropped, if it is not
 * too much, and if that loses nothing: who writes is heard to the end.
 *
 * Scripts' statements have slots: a name on each connection that one after the
 * other is prepared by.  What is used once has no name at all.  What a script
 * left on a connection (settings, temporary tables, locks) is cleared away
 * before a query of the configuration is put there: it might be found instead
 * of what that means.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look_pq.h"

#define DROP_MAX	1000		/* rows read for nothing */

static bool
is_prepared(const struct conn *c, const struct statement *st)
{
	size_t	at = st->number / 8;

	if (st->text != NULL)
		return st->slot != -1 && c->slot[st->slot] == st->number;
	return at < c->nprepared &&
	    (c->prepared[at] & 1 << st->number % 8) != 0;
}

static void
set_prepared(struct conn *c, const struct statement *st)
{
	size_t	 at = st->number / 8;
	uint8_t	*p;

	if (st->text != NULL) {
		if (st->slot != -1)
			c->slot[st->slot] = st->number;
		return;
	}
	if (at >= c->nprepared) {
		if ((p = recallocarray(c->prepared, c->nprepared, at + 16,
		    1)) == NULL)
			return;		/* it is prepared anew: an error */
		c->prepared = p;
		c->nprepared = at + 16;
	}
	c->prepared[at] |= (uint8_t)(1 << st->number % 8);
}

static void
name_of(const struct statement *st, char *name, size_t size)
{
	if (st->text == NULL)
		(void)snprintf(name, size, "postern_%u", st->number);
	else if (st->slot != -1)
		(void)snprintf(name, size, "postern_script_%d", st->slot);
	else
		name[0] = '\0';
}

static void
step_begin(struct conn *c, enum conn_state state)
{
	c->state = state;
	c->why[0] = c->sqlstate[0] = '\0';
}

void
step_prepare(struct conn *c, struct statement *st)
{
	char	name[32];

	name_of(st, name, sizeof(name));
	step_begin(c, CONN_PREPARE);
	c->st = st;
	if (PQsendPrepare(c->pg, name, st->sql.text, 0, NULL) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

static void
send_query(struct conn *c)
{
	const char	*values[SQL_PARAMS_MAX];
	struct ask	*a = c->ask;
	char		 name[32];
	size_t		 i, n = a->st->sql.n;

	for (i = 0; i < n; i++)
		values[i] = a->value[i].type == SQL_NULL ? NULL :
		    a->value[i].p;
	name_of(a->st, name, sizeof(name));
	step_begin(c, CONN_QUERY);
	c->dropped = 0;
	rows_init(&c->rows, a->script);
	a->sent = true;
	if (PQsendQueryPrepared(c->pg, name, (int)n, values, NULL, NULL,
	    0) == 0 || PQsetSingleRowMode(c->pg) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

static bool
is_slot_taken(const struct conn *c, const struct statement *st)
{
	return st->slot != -1 && c->slot[st->slot] != 0 &&
	    c->slot[st->slot] != st->number;
}

/* Whatever a session of PostgreSQL may keep, but statements. */
static void
step_tidy(struct conn *c, const struct statement *st, bool script)
{
	char	text[512] = "", name[32];

	if (c->dirty && !script)
		(void)strlcpy(text, "CLOSE ALL;"
		    "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; "
		    "UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; "
		    "SELECT pg_catalog.pg_advisory_unlock_all();",
		    sizeof(text));
	if (is_slot_taken(c, st)) {
		name_of(st, name, sizeof(name));
		(void)strlcat(text, "DEALLOCATE ", sizeof(text));
		(void)strlcat(text, name, sizeof(text));
	}
	step_begin(c, CONN_TIDY);
	if (PQsendQuery(c->pg, text) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

void
step_ask(struct conn *c, struct ask *a)
{
	c->ask = a;
	a->conn = c;
	c->script = a->script;
	if ((c->dirty && !a->script) || is_slot_taken(c, a->st))
		step_tidy(c, a->st, a->script);
	else if (is_prepared(c, a->st))
		send_query(c);
	else
		step_prepare(c, a->st);
}

/* It is out of the way now: there is one state to go back to. */
static void
tidy_done(struct conn *c)
{
	struct ask	*a = c->ask;
	char		 why[sizeof(c->why)];

	(void)strlcpy(why, c->why, sizeof(why));
	if (why[0] != '\0') {
		conn_close(c);
		pool_again(a, why);
		return;
	}
	if (is_slot_taken(c, a->st))
		c->slot[a->st->slot] = 0;
	if (!a->script)
		c->dirty = false;
	step_ask(c, a);
}

/* --- results -------------------------------------------------------------- */

static void
take_error(struct conn *c, const PGresult *res)
{
	const char	*state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char	*text = PQresultErrorField(res,
			    PG_DIAG_MESSAGE_PRIMARY);

	if (c->why[0] != '\0')
		return;
	(void)strlcpy(c->sqlstate, state == NULL ? "" : state,
	    sizeof(c->sqlstate));
	uri_clean(c->uri, text == NULL ? PQresultErrorMessage(res) : text,
	    c->why, sizeof(c->why));
	if (c->why[0] == '\0')
		(void)strlcpy(c->why, "an error without a text",
		    sizeof(c->why));
}

static void
take_columns(struct conn *c, const PGresult *res)
{
	int	i;

	if (c->rows.a.ncolumns > 0)
		return;
	for (i = 0; i < PQnfields(res); i++)
		rows_column(&c->rows, PQfname(res, i));
}

/* From the server's catalog, where they never change. */
enum {
	OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23,
	OID_FLOAT4 = 700, OID_FLOAT8 = 701, OID_NUMERIC = 1700
};

/*
 * A numeric is a number as far as one of ours is the same number, and text
 * beyond: what counts money shall not lose a cent.
 */
static enum sql_type
type_of_numeric(const char *s, size_t len)
{
	size_t	i, digits = 0;
	bool	whole = true;

	for (i = *s == '-'; i < len; i++) {
		if (s[i] == '.')
			whole = false;
		else if (s[i] < '0' || s[i] > '9')
			return SQL_TEXT;
		else
			digits++;
	}
	if (whole)
		return digits <= 18 ? SQL_INT : SQL_TEXT;
	return digits <= 15 ? SQL_REAL : SQL_TEXT;
}

static void
take_value(struct conn *c, const PGresult *res, int i)
{
	const char	*s = PQgetvalue(res, 0, i);
	size_t		 len = (size_t)PQgetlength(res, 0, i);
	enum sql_type	 type = SQL_TEXT;

	if (PQgetisnull(res, 0, i)) {
		rows_value(&c->rows, SQL_NULL, NULL, 0);
		return;
	}
	if (!c->rows.typed) {
		rows_value(&c->rows, SQL_TEXT, s, len);
		return;
	}
	switch (PQftype(res, i)) {
	case OID_BOOL:
		rows_value(&c->rows, SQL_BOOL, *s == 't' ? "1" : "0", 1);
		return;
	case OID_FLOAT4:
	case OID_FLOAT8:
		rows_real(&c->rows, strtod(s, NULL));
		return;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
		type = SQL_INT;
		break;
	case OID_NUMERIC:
		type = type_of_numeric(s, len);
		break;
	}
	rows_value(&c->rows, type, s, len);
}

static void
take_row(struct conn *c, const PGresult *res)
{
	int	i;

	take_columns(c, res);
	if (c->ask == NULL || !rows_next(&c->rows, c->ask->max_rows)) {
		c->dropped++;
		return;
	}
	for (i = 0; i < PQnfields(res); i++)
		take_value(c, res, i);
}

/* Of INSERT and its like, also where those return rows. */
static void
take_changed(struct conn *c, PGresult *res)
{
	static const char *const	words[] = {
		"INSERT ", "UPDATE ", "DELETE ", "MERGE "
	};
	size_t				i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(PQcmdStatus(res), words[i],
		    strlen(words[i])) == 0)
			c->rows.a.changed = strtoull(PQcmdTuples(res), NULL,
			    10);
}

static void
take_result(struct conn *c, PGresult *res)
{
	if (c->state == CONN_TIDY) {
		if (PQresultStatus(res) == PGRES_FATAL_ERROR)
			take_error(c, res);
		return;
	}
	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		take_row(c, res);
		break;
	case PGRES_TUPLES_OK:
		take_columns(c, res);
		take_changed(c, res);
		break;
	case PGRES_COMMAND_OK:
		take_changed(c, res);
		break;
	case PGRES_EMPTY_QUERY:
	case PGRES_NONFATAL_ERROR:
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
		/* There is no other way out of that. */
		c->copies = true;
		break;
	case PGRES_BAD_RESPONSE:
	case PGRES_FATAL_ERROR:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED:
		take_error(c, res);
		break;
	}
}

/* The server has forgotten the statement, or will not use it any more. */
static bool
is_forgotten(const struct conn *c, const struct ask *a)
{
	if (a->script && a->st->slot == -1)
		return false;
	return strcmp(c->sqlstate, "26000") == 0 ||
	    strcmp(c->sqlstate, "0A000") == 0;
}

/* So it is prepared once more: nothing has been done. */
static void
conn_forgot(struct conn *c, struct ask *a)
{
	bool	missing = strcmp(c->sqlstate, "26000") == 0;

	a->sent = false;
	if (a->script) {
		c->slot[a->st->slot] = missing ? 0 : SLOT_STALE;
		c->ask = NULL;
	} else
		conn_close(c);
	pool_again(a, "");
}

/* Whoever asked is told; the connection may be busy for a while. */
static void
conn_answer(struct conn *c)
{
	struct ask	*a = c->ask;

	c->ask = NULL;
	timer_del(&a->timer);
	if (c->state == CONN_QUERY)
		timer_set(&c->timer, source.timeout);
	if (c->why[0] == '\0') {
		ask_answer(a, &c->rows);
		return;
	}
	if (strcmp(c->sqlstate, "57014") == 0)
		source_count.timeouts++;
	ask_cannot(a, c->why);
}

/* All of a step's results have been read. */
static void
step_done(struct conn *c)
{
	struct ask	*a = c->ask;
	bool		 asked;

	if (c->state == CONN_TIDY) {
		tidy_done(c);
		return;
	}
	if (c->state == CONN_PREPARE && c->why[0] == '\0') {
		set_prepared(c, c->st);
		if (a != NULL) {
			send_query(c);
			return;
		}
	}
	asked = c->state == CONN_QUERY;
	c->state = CONN_IDLE;
	c->dirty |= c->script;
	c->script = false;
	timer_del(&c->timer);
	if (check_is_on())
		check_next(c);
	else if (a != NULL && asked && is_forgotten(c, a) && !a->again)
		conn_forgot(c, a);
	else if (a != NULL)
		conn_answer(c);
	rows_clear(&c->rows);
}

/* A statement that is no question: the connection is of no use now. */
static void
conn_copies(struct conn *c)
{
	struct ask	*a = c->ask;

	conn_close(c);
	if (a == NULL)
		return;
	timer_del(&a->timer);
	ask_cannot(a, "COPY is no query");
}

/* More rows than anybody wants to read: there is no end in sight. */
static void
conn_drowns(struct conn *c)
{
	struct ask	*a = c->ask;

	conn_close(c);
	if (a == NULL)
		return;
	timer_del(&a->timer);
	ask_cannot(a, "it returns a thousand rows more than max-rows");
}

/* Who writes is told when that is done, or is not. */
static bool
is_enough(const struct conn *c)
{
	return c->state == CONN_QUERY && c->ask != NULL &&
	    (c->rows.a.cut || c->rows.failed != NULL) &&
	    !c->ask->st->sql.writes;
}

static bool
has_results(const struct conn *c)
{
	return c->state == CONN_TIDY || c->state == CONN_PREPARE ||
	    c->state == CONN_QUERY;
}

void
step_results(struct conn *c)
{
	PGresult	*res;

	while (has_results(c) && PQisBusy(c->pg) == 0) {
		if ((res = PQgetResult(c->pg)) != NULL) {
			take_result(c, res);
			PQclear(res);
			if (c->copies) {
				conn_copies(c);
				return;
			}
		} else if (PQstatus(c->pg) == CONNECTION_BAD) {
			conn_lost(c);
			return;
		} else
			step_done(c);
		if (is_enough(c))
			conn_answer(c);
		if (c->dropped > DROP_MAX && c->state == CONN_QUERY) {
			conn_drowns(c);
			return;
		}
	}
}
