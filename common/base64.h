/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Base 64 (RFC 4648, section 4), as AUTH speaks it: with padding, in one
 * line, and in one way only.  Lengths on both sides: what is coded may hold
 * any octet.
 */
#ifndef BASE64_H
#define BASE64_H

#include <sys/types.h>

#include <stddef.h>

/* The room that n octets need when encoded, the NUL included. */
#define BASE64_SIZE(n)	(((n) + 2) / 3 * 4 + 1)

/*
 * Both return the length of what they wrote, or -1 where it is not a match
 * for size; then out is wiped.  encode puts a NUL behind it, which is not
 * counted and must fit, decode does not.
 *
 * decode also refuses what no encoder writes: white space and all else that
 * is not of the alphabet, a length that is not a multiple of four, padding
 * elsewhere than at the end, bits in the last group that belong to no octet.
 * So no two texts decode to the same octets.  The empty text is no octets.
 *
 * Secrets are the caller's to wipe: neither leaves anything anywhere else.
 */
ssize_t	base64_encode(const void *, size_t n, char *out, size_t size);
ssize_t	base64_decode(const char *, size_t n, void *out, size_t size);

#endif
