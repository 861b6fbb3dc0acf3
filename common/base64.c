/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Base 64: see base64.h.
 *
 * A group is four letters, 24 bits in one word; nothing is kept between
 * groups.  Considered and rejected: libc's b64_pton(3) (it takes white space,
 * and wants a terminated string), a table for decoding (the arithmetic is
 * shorter, and does not look into memory at a place that is a secret).
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base64.h"

static const char	alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

ssize_t
base64_encode(const void *in, size_t n, char *out, size_t size)
{
	const unsigned char	*p = in;
	size_t			 used = 0;
	uint32_t		 group;

	if (n / 3 > size / 4 || BASE64_SIZE(n) > size) {
		explicit_bzero(out, size);
		return -1;
	}
	for (; n > 0; p += 3) {
		group = (uint32_t)p[0] << 16;
		if (n > 1)
			group |= (uint32_t)p[1] << 8;
		if (n > 2)
			group |= p[2];
		out[used++] = alphabet[group >> 18];
		out[used++] = alphabet[group >> 12 & 0x3f];
		out[used++] = n > 1 ? alphabet[group >> 6 & 0x3f] : '=';
		out[used++] = n > 2 ? alphabet[group & 0x3f] : '=';
		n -= n > 3 ? 3 : n;
	}
	out[used] = '\0';
	return used;
}

/* The six bits of a letter, or -1. */
static int
bits(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Decode four letters; how many octets they are, or -1. */
static int
group_decode(const char *p, bool last, unsigned char octets[3])
{
	uint32_t	 group = 0;
	int		 i, b, letters = 4;

	while (last && letters > 2 && p[letters - 1] == '=')
		letters--;
	for (i = 0; i < letters; i++) {
		if ((b = bits(p[i])) == -1)
			return -1;
		group |= (uint32_t)b << (18 - 6 * i);
	}
	/* what belongs to no octet must be zero */
	if ((letters == 2 && (group & 0xffff) != 0) ||
	    (letters == 3 && (group & 0xff) != 0))
		return -1;
	octets[0] = group >> 16;
	octets[1] = group >> 8 & 0xff;
	octets[2] = group & 0xff;
	return letters - 1;
}

ssize_t
base64_decode(const char *p, size_t n, void *out, size_t size)
{
	unsigned char	 octets[3] = { 0 }, *to = out;
	size_t		 used = 0;
	int		 got = 0;

	if (n % 4 != 0)
		got = -1;
	for (; n > 0 && got != -1; p += 4, n -= 4) {
		got = group_decode(p, n == 4, octets);
		if (got == -1 || (size_t)got > size - used)
			got = -1;
		else {
			memcpy(to + used, octets, got);
			used += got;
		}
	}
	explicit_bzero(octets, sizeof(octets));
	if (got != -1)
		return used;
	explicit_bzero(out, size);
	return -1;
}
