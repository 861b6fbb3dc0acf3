/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012): a hash under a
 * secret, so that who chooses the keys of a table can neither make them fall
 * into one bucket nor find two that are taken for one another.
 */
#ifndef SIPHASH_H
#define SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY	16
#define SIPHASH_LEN	16

/* A message that comes in pieces. */
struct siphash {
	uint64_t	v[4];
	uint64_t	word;		/* the octets of the last, short one */
	size_t		len;
};

void	siphash_init(struct siphash *, const uint8_t key[SIPHASH_KEY]);
void	siphash_update(struct siphash *, const void *, size_t);
void	siphash_final(struct siphash *, uint8_t out[SIPHASH_LEN]);

#endif
