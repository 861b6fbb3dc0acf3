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
 * too much.
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

	return at < c->nprepared &&
	    (c->prepared[at] & 1 << st->number % 8) != 0;
}

static void
set_prepared(struct conn *c, const struct statement *st)
{
	size_t	 at = st->number / 8;
	uint8_t	*p;

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
	(void)snprintf(name, size, "postern_%u", st->number);
}

void
step_prepare(struct conn *c, struct statement *st)
{
	char	name[32];

	name_of(st, name, sizeof(name));
	c->state = CONN_PREPARE;
	c->st = st;
	c->why[0] = c->sqlstate[0] = '\0';
	if (PQsendPrepare(c->pg, name, st->sql.text, 0, NULL) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

static void
send_query(struct conn *c)
{
	const struct ask	*a = c->ask;
	char			 name[32];

	name_of(a->st, name, sizeof(name));
	c->state = CONN_QUERY;
	c->why[0] = c->sqlstate[0] = '\0';
	c->dropped = 0;
	rows_init(&c->rows);
	if (PQsendQueryPrepared(c->pg, name, (int)a->st->sql.n, a->value,
	    NULL, NULL, 0) == 0 || PQsetSingleRowMode(c->pg) == 0)
		conn_lost(c);
	else
		(void)conn_flush(c);
}

void
step_ask(struct conn *c, struct ask *a)
{
	c->ask = a;
	a->conn = c;
	if (is_prepared(c, a->st))
		send_query(c);
	else
		step_prepare(c, a->st);
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
		rows_value(&c->rows, PQgetisnull(res, 0, i) ? NULL :
		    PQgetvalue(res, 0, i), (size_t)PQgetlength(res, 0, i));
}

static void
take_result(struct conn *c, PGresult *res)
{
	const char	*n;

	switch (PQresultStatus(res)) {
	case PGRES_SINGLE_TUPLE:
		take_row(c, res);
		break;
	case PGRES_TUPLES_OK:
		take_columns(c, res);
		break;
	case PGRES_COMMAND_OK:
		n = PQcmdTuples(res);
		c->rows.a.changed = strtoull(n, NULL, 10);
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
is_forgotten(const struct conn *c)
{
	return strcmp(c->sqlstate, "26000") == 0 ||
	    strcmp(c->sqlstate, "0A000") == 0;
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

	if (c->state == CONN_PREPARE && c->why[0] == '\0') {
		set_prepared(c, c->st);
		if (a != NULL) {
			send_query(c);
			return;
		}
	}
	c->state = CONN_IDLE;
	timer_del(&c->timer);
	if (check_is_on())
		check_next(c);
	else if (a != NULL && c->state == CONN_IDLE && is_forgotten(c) &&
	    !a->again) {
		conn_close(c);
		pool_again(a, "");
	} else if (a != NULL)
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

void
step_results(struct conn *c)
{
	PGresult	*res;

	while ((c->state == CONN_PREPARE || c->state == CONN_QUERY) &&
	    PQisBusy(c->pg) == 0) {
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
		if (c->state == CONN_QUERY && c->ask != NULL &&
		    (c->rows.a.cut || c->rows.failed != NULL))
			conn_answer(c);
		if (c->dropped > DROP_MAX && c->state == CONN_QUERY) {
			conn_close(c);
			return;
		}
	}
}
