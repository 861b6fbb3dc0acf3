/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * SipHash-2-4, 128 bits: see siphash.h.  Written from the paper, and held
 * against the vectors of its authors (regress/unit/t_state.c).
 *
 * Words are little-endian, put together octet by octet: the same on every
 * machine, and of no consequence for the keys of a few dozen octets that
 * are hashed here.
 *
 * Rejected: the libraries' (libcrypto would have to be linked to processes
 * that have no other use for it).
 */

#include <string.h>

#include "siphash.h"

static uint64_t
rotate(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void
rounds(uint64_t v[4], unsigned int n)
{
	for (; n > 0; n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t
load(const uint8_t *p)
{
	uint64_t	 word = 0;
	int		 i;

	for (i = 7; i >= 0; i--)
		word = word << 8 | p[i];
	return word;
}

static void
store(uint8_t *p, uint64_t word)
{
	int	 i;

	for (i = 0; i < 8; i++)
		p[i] = (uint8_t)(word >> 8 * i);
}

static void
absorb(struct siphash *h, uint64_t word)
{
	h->v[3] ^= word;
	rounds(h->v, 2);
	h->v[0] ^= word;
}

void
siphash_init(struct siphash *h, const uint8_t key[SIPHASH_KEY])
{
	uint64_t	 k0 = load(key), k1 = load(key + 8);

	h->v[0] = k0 ^ 0x736f6d6570736575ULL;
	h->v[1] = k1 ^ 0x646f72616e646f6dULL ^ 0xee;	/* 128 bits */
	h->v[2] = k0 ^ 0x6c7967656e657261ULL;
	h->v[3] = k1 ^ 0x7465646279746573ULL;
	h->word = 0;
	h->len = 0;
}

void
siphash_update(struct siphash *h, const void *data, size_t n)
{
	const uint8_t	*p = data;

	for (; n > 0 && h->len % 8 != 0; n--) {
		h->word |= (uint64_t)*p++ << 8 * (h->len++ % 8);
		if (h->len % 8 == 0) {
			absorb(h, h->word);
			h->word = 0;
		}
	}
	for (; n >= 8; n -= 8, p += 8, h->len += 8)
		absorb(h, load(p));
	for (; n > 0; n--)
		h->word |= (uint64_t)*p++ << 8 * (h->len++ % 8);
}

void
siphash_final(struct siphash *h, uint8_t out[SIPHASH_LEN])
{
	absorb(h, h->word | (uint64_t)h->len << 56);
	h->v[2] ^= 0xee;
	rounds(h->v, 4);
	store(out, h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3]);
	h->v[1] ^= 0xdd;
	rounds(h->v, 4);
	store(out + 8, h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3]);
}
