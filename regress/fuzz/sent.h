/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Is a message that arrived one that was sent, whole?
 *
 * What a client sends is a mess of commands and content, and which is which
 * is for the server to say.  Here nobody follows it: it is enough that there
 * is a DATA, or a first chunk, from which on the octets are those that
 * arrived, up to the end that they have there.  So a message that lost its
 * head or its tail, or got octets of another, is seen; one that was sent but
 * refused is not told from one that was taken.
 */
#ifndef SENT_H
#define SENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the line behind that at p begins, or NULL; *is: p is the verb. */
static const char *
next_line(const char *p, const char *end, const char *verb, bool *is)
{
	const char	*nl = memchr(p, '\n', (size_t)(end - p));

	*is = nl != NULL && (size_t)(nl - p) >= strlen(verb) &&
	    strncasecmp(p, verb, strlen(verb)) == 0;
	return nl == NULL ? NULL : nl + 1;
}

/* Is what stands at p, dot-stuffed and ended, the content? */
static bool
is_data(const char *p, const char *end, const char *content, size_t len)
{
	bool	begins = true;
	size_t	i = 0;

	for (; p < end; p++) {
		if (begins && *p == '.') {
			p++;
			if (end - p >= 2 && memcmp(p, "\r\n", 2) == 0)
				return i == len;
			if (p == end)
				return false;
		}
		if (i == len || content[i++] != *p)
			return false;
		begins = *p == '\n';
	}
	return false;
}

/* "BDAT 7 LAST": false if that is no such line; n is what follows it. */
static bool
is_bdat(const char *p, const char *end, size_t *n, bool *last,
    const char **next)
{
	char	*rest;
	bool	 is;

	*next = next_line(p, end, "BDAT ", &is);
	if (!is)
		return false;
	/* The line's end ends the number. */
	*n = (size_t)strtoull(p + 5, &rest, 10);
	*last = rest[0] == ' ' && strncasecmp(rest + 1, "LAST", 4) == 0;
	return *n <= (size_t)(end - *next);
}

/* A RSET with an argument is refused, and resets nothing. */
static bool
is_rset(const char *p, const char *end)
{
	const char	*nl;
	bool		 is;

	if ((nl = next_line(p, end, "RSET", &is)) == NULL || !is)
		return false;
	for (p += 4; p < nl; p++)
		if (strchr(" \t\r\n", *p) == NULL)
			return false;
	return true;
}

/* Are the chunks from p on, up to the last, the content? */
static bool
is_chunks(const char *p, const char *end, const char *content, size_t len)
{
	const char	*next;
	size_t		 n, at = 0;
	bool		 last;

	for (; p != NULL && p < end; p = next) {
		if (!is_bdat(p, end, &n, &last, &next)) {
			/* A MAIL between them is refused, and they go on. */
			if (is_rset(p, end))
				return false;
			continue;
		}
		if (n > len - at || memcmp(next, content + at, n) != 0)
			return false;
		next += n;
		at += n;
		if (last)
			return at == len;
	}
	return false;
}

/* Does the chunk at p stand right behind another one? */
static bool
is_behind(const char *all, const char *end, const char *p)
{
	const char	*line, *next;
	size_t		 n;
	bool		 last;

	for (line = all; line != NULL && line < p; line = next)
		if (is_bdat(line, end, &n, &last, &next) && next + n == p)
			return true;
	return false;
}

/* Is content (len octets of it) what follows a DATA or first BDAT of all? */
static bool
sent_whole(const char *all, size_t n, const char *content, size_t len)
{
	const char	*p, *next, *end = all + n;
	bool		 is;

	for (p = all; p != NULL && p < end; p = next) {
		next = next_line(p, end, "DATA", &is);
		if (is && is_data(next, end, content, len))
			return true;
		(void)next_line(p, end, "BDAT", &is);
		if (is && !is_behind(all, end, p) &&
		    is_chunks(p, end, content, len))
			return true;
	}
	return false;
}

#endif
