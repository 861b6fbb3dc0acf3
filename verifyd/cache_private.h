/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files of the cache share, and nobody else sees.
 */
#ifndef CACHE_PRIVATE_H
#define CACHE_PRIVATE_H

#include "cache.h"
#include "overlay.h"
#include "record.h"
#include "snap.h"

/*
 * Longer than any period of the configuration: a verdict that is good for
 * longer was kept by a clock that went wrong.
 */
#define CACHE_LIFE_MAX	(366ULL * 24 * 3600)

struct cache {
	struct overlay		 overlay;
	struct snap		 snap;
	size_t			 bound;
	/* Entries that are made now; those of a file are lower. */
	uint32_t		 mark;
	uint32_t		 writing;	/* the file's; 0: none is */
	/* Of the file it is as if these remotes' were not there. */
	char			**flushed;
	size_t			 nflushed;
	bool			 flushed_all;
	uint32_t		 flush_mark;
	uint64_t		 unsaved_begin;	/* as writing began */
	size_t			 most;		/* octets in memory, since
						   the heap was trimmed */
	struct cache_stats	 stats;
};
extern struct cache	cache;

/* The last second in which it is of any use; 0: it was never right. */
uint64_t	 cache_last(const struct record *, uint64_t now);
/* Was it flushed?  Of records of the file. */
bool		 cache_is_flushed(const struct record *);
void		 cache_flush_end(void);

#endif
