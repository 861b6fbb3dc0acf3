/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_line.c.  What comes out is written down as one string: a clean line
 * as "(text)", a bad one as a letter.  The expectation must hold for every
 * split of the input, and the memory holds exactly what was fed, so that a
 * sanitizer sees a look behind the end.
 */

#include "smtp.h"
#include "t.h"

#define MAX	12		/* the limit all cases run with */

static const struct {
	const char	*in;
	size_t		 len;	/* 0: strlen(in) */
	const char	*want;
} cases[] = {
	{ "", 0, "" },
	{ "NOOP\r\n", 0, "(NOOP)" },
	{ "NOOP", 0, "" },
	{ "NOOP\r", 0, "" },
	{ "\r\n", 0, "()" },
	{ "\r\n\r\n", 0, "()()" },
	{ "A\r\nB\r\nC\r\n", 0, "(A)(B)(C)" },
	{ "A\r\nB", 0, "(A)" },
	{ " A \r\n", 0, "( A )" },
	{ "A\tB\x01\x7f\r\n", 0, "(A\tB\x01\x7f)" },
	{ "\xc3\xa9\r\n", 0, "(\xc3\xa9)" },

	/* LF without CR ends a line, as a bad one */
	{ "\n", 0, "L" },
	{ "NOOP\n", 0, "L" },
	{ "A\nB\r\n", 0, "L(B)" },
	{ "A\r\n\nB\r\n", 0, "(A)L(B)" },

	/* CR without LF does not */
	{ "A\rB\r\n", 0, "C" },
	{ "A\r\r\n", 0, "C" },
	{ "\r\r\n", 0, "C" },
	{ "\rA\r\nB\r\n", 0, "C(B)" },
	{ "A\rB\rC\r\n", 0, "C" },

	{ "A\0B\r\n", 5, "N" },
	{ "\0\r\nB\r\n", 6, "N(B)" },

	/* of several faults the first */
	{ "A\rB\n", 0, "C" },
	{ "A\rB\0\r\n", 6, "C" },
	{ "A\0B\rC\r\n", 7, "N" },
	{ "A\0\n", 3, "N" },
	{ "A\r\0\n", 4, "C" },

	/* MAX counts the line end */
	{ "0123456789\r\n", 0, "(0123456789)" },
	{ "01234567890\r\n", 0, "T" },
	{ "0123456789a\n", 0, "L" },
	{ "0123456789ab\n", 0, "T" },
	{ "0123456789abc\r\nA\r\n", 0, "T(A)" },
	{ "0123456789abc0123456789abc0123456789\r\nA\r\n", 0, "T(A)" },
	{ "0123456789abc0123456789abc\nA\r\n", 0, "T(A)" },
	{ "0123456789abc", 0, "" },
	{ "0123456789a\r\r\nA\r\n", 0, "T(A)" },
	{ "01\r23456789abc\r\nA\r\n", 0, "T(A)" },
	{ "0123456789abcdef\r\n0123456789abcdef\r\n", 0, "TT" },
};

static void
note(char *out, enum smtp_line result, struct slice line)
{
	static const char	 letters[] = "?.TLCN";
	size_t			 n = strlen(out);

	if (result == LINE_OK)
		snprintf(out + n, 128 - n, "(%.*s)", (int)line.n, line.p);
	else
		snprintf(out + n, 128 - n, "%c", letters[result]);
}

/* Feed in pieces, keeping what is not consumed as a session does. */
static void
feed(const char *in, size_t len, size_t way, char *out)
{
	struct smtp_lines	 st = { 0, false };
	struct slice		 line;
	enum smtp_line		 result;
	char			*buf;
	size_t			 at, end = 0, start = 0, n, used;

	out[0] = '\0';
	for (at = 0; at < len; at = end) {
		end = at + piece(way, at, len);
		do {
			n = end - start;
			buf = malloc(n + (n == 0));
			if (buf == NULL)
				abort();
			memcpy(buf, in + start, n);
			result = smtp_line_next(&st, buf, n, MAX, &line,
			    &used);
			if (result != LINE_MORE)
				note(out, result, line);
			else if (used == 0 && n >= MAX)
				strlcat(out, "!stuck", 128);
			start += used;
			free(buf);
		} while (result != LINE_MORE);
	}
}

/* Between calls the limit may change: AUTH takes longer lines. */
static void
test_limit_changes(void)
{
	struct smtp_lines	 st = { 0, false };
	const char		*in = "0123456789abcdef\r\nA\r\n";
	struct slice		 line;
	size_t			 used;

	is_int(smtp_line_next(&st, in, 12, 40, &line, &used), LINE_MORE,
	    "long limit, first part");
	is_int(used, 0, "long limit, nothing used");
	is_int(smtp_line_next(&st, in, 18, MAX, &line, &used), LINE_TOO_LONG,
	    "the limit went down");
	is_int(used, 18, "the long line used");
	is_int(smtp_line_next(&st, in, 18, 40, &line, &used), LINE_OK,
	    "the limit went up");
	is_int(line.n, 16, "and all is there");
}

int
main(void)
{
	char	 out[128];
	size_t	 i, len, way;

	for (i = 0; i < nitems(cases); i++) {
		len = cases[i].len != 0 ? cases[i].len : strlen(cases[i].in);
		for (way = 0; way <= len; way++) {
			feed(cases[i].in, len, way, out);
			is_str(out, cases[i].want, "case %zu way %zu", i, way);
		}
	}
	test_limit_changes();
	return done("t_line");
}
