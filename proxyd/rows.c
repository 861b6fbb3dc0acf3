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

#include "lookupd.h"

void
rows_init(struct rows *r)
{
	*r = (struct rows){ .a = { .status = QUERY_OK } };
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
rows_value(struct rows *r, const void *p, size_t len)
{
	if (r->failed != NULL)
		return;
	if (len > ROWS_ROOM) {
		r->failed = "a value is longer than 900 kilobytes";
		return;
	}
	put_bool(&r->body, p != NULL);
	put_blob(&r->body, p == NULL ? "" : p, p == NULL ? 0 : len);
	check_room(r);
}
