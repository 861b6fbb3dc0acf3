/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Texts as words of a line: see word.h.
 *
 * Rejected: quotes, which would make it two questions where a word ends.
 */

#include <string.h>

#include "word.h"

#define WORST		4		/* octets for one */

static const char	hex[] = "0123456789abcdef";

size_t
word_put(char *to, size_t len, size_t size, const char *s)
{
	unsigned char	c;

	for (; (c = (unsigned char)*s) != '\0'; s++) {
		if (size - len < WORST + 1)
			return 0;
		if (c > ' ' && c != '\\' && c != 0x7f) {
			to[len++] = (char)c;
			continue;
		}
		to[len++] = '\\';
		to[len++] = 'x';
		to[len++] = hex[c >> 4];
		to[len++] = hex[c & 15];
	}
	if (size - len < 1)
		return 0;
	to[len++] = ' ';
	return len;
}

/* The digit's value, 16 for none. */
static unsigned int
digit(char c)
{
	const char	*p = c == '\0' ? NULL : strchr(hex, c);

	return p == NULL ? 16 : (unsigned int)(p - hex);
}

int
word_get(const char **line, char *to, size_t size)
{
	const char	*p = *line;
	unsigned int	 hi, lo;
	size_t		 len = 0;

	for (; *p != '\0' && *p != ' '; p++) {
		if (len + 1 >= size)
			return -1;
		to[len++] = *p;
		if (*p != '\\')
			continue;
		if (p[1] != 'x' || (hi = digit(p[2])) > 15 ||
		    (lo = digit(p[3])) > 15 || hi + lo == 0)
			return -1;
		to[len - 1] = (char)(hi << 4 | lo);
		p += 3;
	}
	if (len == 0)
		return -1;
	to[len] = '\0';
	*line = p + strspn(p, " ");
	return 0;
}
