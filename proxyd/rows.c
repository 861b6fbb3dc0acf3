/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * An answer while it is made: columns first, then row by row.
 *
 * It goes over a pipe in one message, so it has a bound; what is beyond that
 * is no answer at all, rather than half of one: whoever wants less says so
 * by max-rows.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookupd.h"

void
rows_init(struct rows *r, bool typed)
{
	*r = (struct rows){ .a = { .status = QUERY_OK }, .typed = typed };
}

void
rows_clear(struct rows *r)
{
	wbuf_clear(&r->body);
}

static void
check_room(struct rows *r)
{
	if (!wire_ok(&r->body))
		r->failed = "no memory for the answer";
	else if (r->body.len > ROWS_ROOM)
		r->failed = "the answer is longer than 900 kilobytes";
}

void
rows_column(struct rows *r, const char *name)
{
	if (r->a.ncolumns == QUERY_COLUMNS_MAX) {
		r->failed = "more than 256 columns";
		return;
	}
	r->a.ncolumns++;
	put_str(&r->body, name);
	check_room(r);
}

bool
rows_next(struct rows *r, uint32_t max)
{
	if (r->failed != NULL)
		return false;
	if (r->a.nrows >= max) {
		r->a.cut = true;
		return false;
	}
	r->a.nrows++;
	return true;
}

void
rows_value(struct rows *r, enum sql_type type, const void *p, size_t len)
{
	struct sql_value	v = { .type = (uint8_t)type, .p = p,
				    .len = len };

	if (r->failed != NULL)
		return;
	if (type == SQL_NULL || p == NULL) {
		v.p = "";
		v.len = 0;
	}
	if (v.len > ROWS_ROOM) {
		r->failed = "a value is longer than 900 kilobytes";
		return;
	}
	if (r->typed) {
		put_sql_value(&r->body, &v);
	} else {
		put_bool(&r->body, type != SQL_NULL);
		put_blob(&r->body, v.p, v.len);
	}
	check_room(r);
}

/* With as few digits as lead back to it. */
void
rows_real(struct rows *r, double d)
{
	char	text[32];
	int	digits;

	if (isfinite(d)) {
		for (digits = 15; digits <= 17; digits++) {
			(void)snprintf(text, sizeof(text), "%.*g", digits, d);
			if (strtod(text, NULL) == d)
				break;
		}
	} else if (isnan(d))
		(void)strlcpy(text, "nan", sizeof(text));
	else
		(void)strlcpy(text, d > 0 ? "inf" : "-inf", sizeof(text));
	rows_value(r, SQL_REAL, text, strlen(text));
}
