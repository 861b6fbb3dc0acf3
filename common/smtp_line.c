/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The line reader: the one place where it is decided what a line is.
 *
 * Every LF ends a line, but only CR LF ends a clean one.  Nobody else in
 * the tree looks for line ends in what a peer sends outside of a message
 * body, so nobody else can disagree about them.
 *
 * An LF without CR ends its line (as a bad one) instead of being swallowed
 * up to the next CR LF: a peer that sends only LF then gets an answer for
 * every command and is found out, where it would otherwise wait for ever.
 *
 * LF is searched first and alone; CR and NUL are looked for when the line is
 * whole, so that a line trickling in octet by octet costs no more than one
 * that comes at once.  An over-long line says nothing else about itself:
 * its front is gone when its end comes, and any answer that depended on how
 * much of it happened to be in one read would differ with the split.
 */

#include <string.h>

#include "smtp.h"

/* What is wrong with buf[0..end], where buf[end] is the LF, if anything. */
static enum smtp_line
line_check(const char *buf, size_t end)
{
	const char	*cr, *nul;
	size_t		 n = end;

	cr = memchr(buf, '\r', end);
	if (cr != NULL)
		n = cr - buf;
	nul = memchr(buf, '\0', n);
	if (nul != NULL)
		return LINE_NUL;
	if (cr == NULL)
		return LINE_BARE_LF;
	return n + 1 == end ? LINE_OK : LINE_BARE_CR;
}

/* Swallow an over-long line; no LF in buf[0..from). */
static enum smtp_line
line_skip(struct smtp_lines *st, const char *buf, size_t from, size_t len,
    size_t *used)
{
	const char	*lf;

	lf = memchr(buf + from, '\n', len - from);
	st->seen = 0;
	st->skip = lf == NULL;
	*used = lf == NULL ? len : (size_t)(lf - buf) + 1;
	return lf == NULL ? LINE_MORE : LINE_TOO_LONG;
}

enum smtp_line
smtp_line_next(struct smtp_lines *st, const char *buf, size_t len, size_t max,
    struct slice *line, size_t *used)
{
	const char	*lf = NULL;
	size_t		 limit, from;
	enum smtp_line	 result;

	line->p = buf;
	line->n = 0;
	*used = 0;
	if (len == 0)
		return LINE_MORE;
	if (st->skip)
		return line_skip(st, buf, 0, len, used);

	from = st->seen < len ? st->seen : len;
	limit = max < len ? max : len;
	if (from < limit)
		lf = memchr(buf + from, '\n', limit - from);
	if (lf == NULL) {
		if (len >= max)
			return line_skip(st, buf, from, len, used);
		st->seen = len;
		return LINE_MORE;
	}

	st->seen = 0;
	*used = (size_t)(lf - buf) + 1;
	result = line_check(buf, *used - 1);
	if (result == LINE_OK)
		line->n = *used - 2;
	return result;
}
