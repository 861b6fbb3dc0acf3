/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What every fuzz target needs.  A target is a property, not only a search
 * for crashes: must() says what has to hold for every input.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define must(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n",		\
			    __FILE__, __LINE__, #cond);			\
			abort();					\
		}							\
	} while (0)

/* n octets in memory that ends where they end; free() it. */
static inline char *
exact(const void *p, size_t n)
{
	char	*copy;

	copy = malloc(n + (n == 0));
	must(copy != NULL);
	memcpy(copy, p, n);
	return copy;
}

/*
 * How to cut an input: seed 0 is not at all, 1 octet by octet, anything else
 * in pieces of 1 to 16 that depend on the seed and the place.
 */
static inline size_t
piece(unsigned int seed, size_t at, size_t len)
{
	size_t	 n = len - at;

	if (seed == 1)
		n = 1;
	else if (seed != 0)
		n = 1 + (((at + 1) * 2654435761U + seed * 40503U) >> 7) % 16;
	return n < len - at ? n : len - at;
}

#endif
