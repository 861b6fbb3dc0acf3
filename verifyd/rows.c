/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What lookupd's QUERY_ANS says, as lines.
 *
 * Only the first column is looked at: further ones are for those who ask
 * lookupd themselves.  A value goes to a client's reply or names something of
 * the configuration, and so must be a line, and not longer than a key: else
 * nobody can tell.
 *
 * What a database means by no is not one thing: no row, NULL, an empty text,
 * 0, false.  And "f", which is how PostgreSQL writes the boolean: taken for a
 * yes it would let in whoever the database says is not to be let in, while a
 * column that holds the text f and is meant as a yes can be selected as 1.
 * Rejected: to go by the type of the column (SQLite has none that can be
 * relied on), and to take other spellings (`off', `no', `0.0'), which are
 * as likely to be somebody's name.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "msg.h"
#include "rows.h"

static bool
is_line(const uint8_t *s, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if (s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

static bool
is_true(const uint8_t *s, size_t len)
{
	static const char *const	 no[] = { "", "0", "f", "false" };
	size_t				 i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strlen(no[i]) == len &&
		    strncasecmp((const char *)s, no[i], len) == 0)
			return false;
	return true;
}

static void
cannot(struct rows *r, const char *why)
{
	r->answer = LOOKUP_CANNOT;
	(void)strlcpy(r->why, why, sizeof(r->why));
}

/* One value of the first column: does it count, and is it a line? */
static void
take(struct rows *r, enum rows_want want, const uint8_t *s, size_t len)
{
	if (r->answer == LOOKUP_CANNOT || r->n == LOOK_ROWS_MAX ||
	    (want != ROWS_ALL && r->n > 0))
		return;
	if (want == ROWS_VALUE ? false : want == ROWS_TRUE ?
	    !is_true(s, len) : len == 0)
		return;
	if (len >= LOOK_KEY_MAX || !is_line(s, len)) {
		cannot(r, len >= LOOK_KEY_MAX ? "a value is too long" :
		    "a value is no line of text");
		return;
	}
	memcpy(r->text + r->len, s, len);
	r->len += len;
	r->text[r->len++] = '\0';
	r->n++;
	r->answer = LOOKUP_YES;
}

int
rows_get(struct msg *m, enum rows_want want, struct rows *r)
{
	struct proto_query_ans	 a;
	const uint8_t		*s;
	size_t			 len;
	uint32_t		 i, c;
	bool			 there;

	r->answer = LOOKUP_NO;
	r->why[0] = '\0';
	r->n = r->len = 0;
	if (get_query_ans(m, &a) == -1)
		return -1;
	if (a.status != QUERY_OK) {
		cannot(r, a.why[0] == '\0' ? "the database does not tell" :
		    a.why);
		return get_end(&m->body);
	}
	for (c = 0; c < a.ncolumns; c++)
		(void)get_blob(&m->body, &len);
	for (i = 0; a.ncolumns > 0 && i < a.nrows && !m->body.failed; i++) {
		for (c = 0; c < a.ncolumns; c++) {
			there = get_bool(&m->body);
			s = get_blob(&m->body, &len);
			/* A value that is NULL is one that is not there. */
			if (c == 0 && there && s != NULL &&
			    (i == 0 || want != ROWS_VALUE))
				take(r, want, s, len);
		}
	}
	if (a.ncolumns == 0)
		cannot(r, "the query gives no rows");
	return get_end(&m->body);
}
