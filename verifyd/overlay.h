/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What was learnt since the file of verdicts was written: records by hash.
 *
 * An entry that is pinned says something else than the file does, so it
 * cannot be dropped without the file's word coming back; the others are
 * loose, in the order in which they were last used.  An entry without a
 * record is a tombstone: pinned, and a miss.
 */
#ifndef OVERLAY_H
#define OVERLAY_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siphash.h"

struct entry {
	LIST_ENTRY(entry)	 chain;
	TAILQ_ENTRY(entry)	 used;		/* if loose */
	uint8_t			 hash[SIPHASH_LEN];
	uint32_t		 mark;		/* see overlay_forget */
	uint32_t		 written;	/* for who writes them */
	bool			 pinned;
	uint16_t		 len;		/* 0: a tombstone */
	char			 record[];
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(entries, entry);

struct overlay {
	struct bucket	**segment;
	size_t		 nsegments;
	size_t		 buckets;	/* whole + split */
	size_t		 whole;		/* a power of two */
	uint32_t	 floor;		/* lower marks are forgotten */
	size_t		 hand;		/* overlay_sweep: the next bucket */
	struct entries	 used;		/* loose ones, the last used first */
	size_t		 entries, loose, tombstones;
	size_t		 octets;	/* of memory */
};

/* -1 without memory. */
int		 overlay_init(struct overlay *);
struct entry	*overlay_find(struct overlay *, const uint8_t *hash);
/* A loose one is now the last used. */
void		 overlay_touch(struct overlay *, struct entry *);
/* Takes the place of what it had; NULL without memory: it has nothing then. */
struct entry	*overlay_set(struct overlay *, const uint8_t *hash,
		    const char *record, size_t len, bool pinned,
		    uint32_t mark);
void		 overlay_drop(struct overlay *, struct entry *);
/* The loose one that was not used for longest, or a forgotten one; NULL. */
struct entry	*overlay_oldest(struct overlay *);
/*
 * Forget all that has a lower mark; what they take is given back by
 * overlay_sweep, which looks at n buckets: true when it has seen all.
 */
void		 overlay_forget(struct overlay *, uint32_t mark);
bool		 overlay_sweep(struct overlay *, size_t n);
/*
 * The first of bucket i, some of which may be forgotten; NULL: it is empty.
 * There are o->buckets.
 */
struct entry	*overlay_bucket(const struct overlay *, size_t i);
/* All go; so does the memory. */
void		 overlay_free(struct overlay *);

#endif
