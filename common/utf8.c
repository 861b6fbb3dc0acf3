/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Decoding UTF-8: see utf8.h.
 *
 * The second octet alone tells over-long forms, surrogates and what is too
 * high (RFC 3629, section 4), so nothing is computed before it is known to
 * be good.  Rejected: mbrtowc(3), which asks the locale.
 */

#include "utf8.h"

/* Is p[1] a second octet that p[0] may have? */
static int
second_is_good(const unsigned char *p)
{
	unsigned char	 low = 0x80, high = 0xbf;

	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	return p[1] >= low && p[1] <= high;
}

size_t
utf8_char(const char *s, size_t n, uint32_t *u)
{
	const unsigned char	*p = (const unsigned char *)s;
	uint32_t		 c;
	size_t			 i, want;

	if (n == 0)
		return 0;
	c = p[0];
	want = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (want > 1) {
		if (c < 0xc2 || c > 0xf4 || n < want || !second_is_good(p))
			return 0;
		c &= 0xff >> (want + 1);
	}
	for (i = 1; i < want; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (u != NULL)
		*u = c;
	return want;
}
