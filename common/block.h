/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses that are blocked for a while: a bounded table.
 *
 * No clock and no timer: the time is an argument, and does not go backwards.
 * Whose time is over is not there any more, and goes when somebody asks for
 * it or when there is no room.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "mono.h"

/* Addresses in a table, at most: 8 MiB of them. */
#define BLOCKS_MAX	65536

struct blocks;

/* NULL without memory. */
struct blocks	*blocks_new(void);
/* NULL is allowed. */
void		 blocks_free(struct blocks *);
/*
 * What is counted as one address: a v4 one, the first 64 bits of a v6 one,
 * without a port.  False: it has none.
 */
bool		 block_key(const struct addr *, struct addr *key);
/*
 * Block a key from now on for ms milliseconds; one that is blocked already,
 * anew.  Where the table is full the one that was blocked first goes.  -1
 * without memory.
 */
int		 blocks_add(struct blocks *, const struct addr *key,
		    int64_t ms, struct mono now);
/* Is this one, or what block_key makes of it? */
bool		 blocks_has(struct blocks *, const struct addr *,
		    struct mono now);
/* Call fn for each that is blocked, with the ms that are left of it. */
void		 blocks_each(struct blocks *, struct mono now,
		    void (*fn)(const struct addr *, int64_t ms, void *),
		    void *);
/* How many are in the table, some of which may be over. */
size_t		 blocks_count(const struct blocks *);

#endif
