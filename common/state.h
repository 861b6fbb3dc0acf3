/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What is remembered for a while: values by key, in several name spaces.
 *
 * Bounded in entries and in octets; what was not used for longest goes when
 * there is no room.  Nobody may rely on finding what he has put in: it may
 * have been pressed out, and it is gone with the process.
 *
 * No clock, no timer, no descriptor: the time is an argument, and does not
 * go backwards.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mono.h"

struct state;

/*
 * Bounds that are never passed: entries of all tables together, and octets of
 * memory, the administration of it included.  NULL without memory.
 */
struct state	*state_new(size_t entries, size_t octets);
/* NULL is allowed. */
void		 state_free(struct state *);

/*
 * The value of a key; false if there is none.  *value is a view, good until
 * the next call for this state.  The entry counts as used.
 */
bool		 state_get(struct state *, unsigned int table,
		    const void *key, size_t klen, struct mono now,
		    const void **value, size_t *vlen);
/*
 * From now on the value of the key, for ttl milliseconds; a ttl that is not
 * positive forgets it.  -1 without memory, or if the value alone is over
 * the bound: then the key has no value.
 */
int		 state_set(struct state *, unsigned int table,
		    const void *key, size_t klen, const void *value,
		    size_t vlen, int64_t ttl, struct mono now);
/*
 * Another value of a key that has one, which lives as long as it would have.
 * -1: it has none; or as above.
 */
int		 state_update(struct state *, unsigned int table,
		    const void *key, size_t klen, const void *value,
		    size_t vlen, struct mono now);
/*
 * Free what has expired in the next n buckets.  A full turn has as many as
 * there were ever entries at a time; every state_set does two.
 */
void		 state_sweep(struct state *, struct mono now, size_t n);

struct state_stats {
	size_t		entries, octets;	/* held now */
	uint64_t	hits, misses, sets;
	uint64_t	expired, evicted;
};
void		 state_stats(const struct state *, struct state_stats *);

#endif
