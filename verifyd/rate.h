/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rates: how often something may happen, for all workers.
 *
 * A key is a bucket that holds `count' and is filled evenly, `count' in each
 * period: a burst of count at once, and never more than that many and what
 * the time has brought since.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mono.h"

struct state;

/* Whose: keys of one are not those of another. */
enum rate_of { RATE_SESSIONS, RATE_SCRIPTS, RATE_OF_COUNT };

/* Before the first question.  Fatal without memory. */
void	rate_start(void);
/*
 * Charge a key that may be charged count times in each period (ms).  False:
 * it is over its rate, and was not charged.
 */
bool	rate_take(enum rate_of, const void *key, size_t klen, uint32_t count,
	    uint64_t period);
/* Undo one rate_take that was true. */
void	rate_back(enum rate_of, const void *key, size_t klen, uint32_t count,
	    uint64_t period);
int	rate_stats(char *, size_t);

/* The same in a table and at a time of one's own: for tests. */
bool	rate_charge(struct state *, const void *key, size_t klen,
	    uint32_t count, uint64_t period, struct mono now);
void	rate_return(struct state *, const void *key, size_t klen,
	    uint32_t count, uint64_t period, struct mono now);

#endif
