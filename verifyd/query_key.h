/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The key of a question to a database: query_key.c, for query.c.
 */
#ifndef QUERY_KEY_H
#define QUERY_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "look.h"

struct wbuf;

#define QUERY_KEY_MAX	(7 + 64 + LOOK_KEY_MAX + LOOK_ADDR_MAX)

/* The parts of a key; the texts are views of it. */
struct query_parts {
	uint32_t	 directory;	/* its id; 0 = the datasource's own */
	enum look_what	 what;
	const char	*name, *key, *sender;
};

/* Returns its length. */
size_t		 query_key(uint8_t key[QUERY_KEY_MAX],
		    const struct query_of *, const struct look_question *);
/* The same back. */
void		 query_parts(const uint8_t *key, struct query_parts *);
/*
 * The parameters of QUERY, and how many: :key, and what it is made of: of an
 * address all of it, what stands before the @ (without quotes), and behind
 * it; anything else is a domain; and :sender.
 */
uint32_t	 query_params(struct wbuf *, const struct query_parts *);

#endif
