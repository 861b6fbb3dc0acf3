/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_header.c: any split gives the same, and the same as a slow reading of
 * it line by line.  The first octet of the input is how to cut.
 */

#include <strings.h>

#include "fuzz.h"
#include "smtp.h"

/* One whole line, or the last one without its end. */
static void
slow_line(struct smtp_header *h, const char *p, size_t n, bool whole)
{
	size_t	 i;

	if (whole && (n == 1 || (n == 2 && p[0] == '\r'))) {
		h->ended = true;
		return;
	}
	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] > 127)
			h->utf8 = true;
	if (n < 8 || strncasecmp(p, "received", 8) != 0)
		return;
	for (i = 8; i < n && (p[i] == ' ' || p[i] == '\t'); i++)
		;
	if (i < n && p[i] == ':')
		h->received++;
}

static void
slow(struct smtp_header *h, const char *p, size_t len)
{
	const char	*lf;
	size_t		 n;

	for (; len > 0 && !h->ended; p += n, len -= n) {
		lf = memchr(p, '\n', len);
		n = lf != NULL ? (size_t)(lf - p) + 1 : len;
		slow_line(h, p, n, lf != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smtp_header	 cut, want, whole;
	char			*copy;
	size_t			 at, n;

	if (len < 1)
		return 0;
	memset(&cut, 0, sizeof(cut));
	memset(&want, 0, sizeof(want));
	memset(&whole, 0, sizeof(whole));
	for (at = 1; at < len; at += n) {
		n = piece(data[0], at, len);
		copy = exact(data + at, n);
		smtp_header_scan(&cut, copy, n);
		free(copy);
	}
	copy = exact(data + 1, len - 1);
	smtp_header_scan(&whole, copy, len - 1);
	slow(&want, copy, len - 1);
	free(copy);

	must(whole.received == want.received && cut.received == want.received);
	must(whole.utf8 == want.utf8 && cut.utf8 == want.utf8);
	must(whole.ended == want.ended && cut.ended == want.ended);
	return 0;
}
