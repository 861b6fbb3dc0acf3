/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * values.c, what lookupd's QUERY_ANS says.  The first octet says what is wanted
 * and whether the rest is the payload as it is, or values of which a good one
 * is made: each up to the next octet of 0xff, which is NULL if it is empty and
 * stands behind another.
 *
 * Whatever the payload: values are lines, as many as it says, and nothing is
 * behind them.  Of a good one the answer is known: see expect().
 */

#include <strings.h>

#include "fuzz.h"
#include "msg.h"
#include "values.h"

#define GIVEN_MAX	256

struct value {
	const uint8_t	*p;
	size_t		 len;
	bool		 null;
};

static struct values	rows;

static void
check_rows(enum values_want want)
{
	const char	*p = rows.text;
	size_t		 i, j;

	must(rows.answer == LOOKUP_YES || rows.answer == LOOKUP_NO ||
	    rows.answer == LOOKUP_CANNOT);
	must(rows.answer != LOOKUP_YES || rows.n > 0);
	must(rows.answer != LOOKUP_NO || rows.n == 0);
	must(rows.answer != LOOKUP_CANNOT || rows.why[0] != '\0');
	must(rows.n <= (want == VALUES_ALL ? LOOK_ROWS_MAX : 1));
	must(rows.len <= sizeof(rows.text));
	for (i = 0; i < rows.n; i++) {
		must(memchr(p, '\0', rows.len - (size_t)(p - rows.text)) !=
		    NULL);
		for (j = 0; p[j] != '\0'; j++)
			must((unsigned char)p[j] >= ' ' && p[j] != 0x7f);
		must(j < LOOK_KEY_MAX);
		must(want == VALUES_FIRST || j > 0);
		p += j + 1;
	}
	must(p == rows.text + rows.len);
}

static bool
is_no(const struct value *v)
{
	char	text[8] = "";

	if (v->len < sizeof(text))
		memcpy(text, v->p, v->len);
	return v->null || v->len == 0 || (v->len == 1 && text[0] == '0') ||
	    strcasecmp(text, "f") == 0 || strcasecmp(text, "false") == 0;
}

/* The answer to values that are all good lines. */
static enum lookup_answer
expect(enum values_want want, const struct value *v, size_t n)
{
	size_t	i;

	if (want == VALUES_FIRST)
		return n > 0 && !v[0].null ? LOOKUP_YES : LOOKUP_NO;
	for (i = 0; i < n; i++)
		if (want == VALUES_ALL ? v[i].len > 0 : !is_no(&v[i]))
			return LOOKUP_YES;
	return LOOKUP_NO;
}

static bool
all_lines(const struct value *v, size_t n)
{
	size_t	i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < v[i].len; j++)
			if (v[i].len >= LOOK_KEY_MAX || v[i].p[j] < ' ' ||
			    v[i].p[j] == 0x7f)
				return false;
	return true;
}

static int
get(enum values_want want, const uint8_t *p, size_t len)
{
	struct msg	 m = { .fd = -1, .type = MSG_QUERY_ANS };
	char		*copy = exact(p, len);
	int		 r;

	rbuf_init(&m.body, copy, len);
	r = values_get(&m, want, &rows);
	free(copy);
	return r;
}

static void
good(enum values_want want, const uint8_t *p, size_t len)
{
	struct proto_query_ans	 a = { .status = QUERY_OK, .ncolumns = 2 };
	struct value		 v[GIVEN_MAX];
	struct wbuf		 w = { .data = NULL };
	const uint8_t		*end;
	size_t			 n = 0, i;

	for (; len > 0 && n < GIVEN_MAX; n++) {
		end = memchr(p, 0xff, len);
		v[n].p = p;
		v[n].len = end == NULL ? len : (size_t)(end - p);
		v[n].null = v[n].len == 0 && n > 0;
		i = v[n].len + (end != NULL);
		p += i;
		len -= i;
	}
	a.nrows = (uint32_t)n;
	put_query_ans(&w, &a);
	put_str(&w, "first");
	put_str(&w, "second");
	for (i = 0; i < n; i++) {
		put_bool(&w, !v[i].null);
		put_blob(&w, v[i].p, v[i].len);
		put_bool(&w, true);
		put_blob(&w, "1", 1);
	}
	must(wire_ok(&w));
	must(get(want, w.data, w.len) == 0);
	check_rows(want);
	if (all_lines(v, n))
		must(rows.answer == expect(want, v, n));
	must(get(want, w.data, w.len - 1) == -1);
	wbuf_clear(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	enum values_want	want;

	if (len == 0)
		return 0;
	want = (enum values_want)(p[0] % VALUES_WANT_COUNT);
	if (p[0] >= 128)
		good(want, p + 1, len - 1);
	else if (get(want, p + 1, len - 1) == 0)
		check_rows(want);
	return 0;
}
