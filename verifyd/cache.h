/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Verdicts of call-forward, remembered: a table in memory over a cdb file.
 *
 *	cache.c		what is found, kept, expired; the table
 *	snap.c		the file: reading it, writing a new one in slices
 *
 * Time is the real one, in seconds, as the file outlives us; it is an
 * argument, and may jump.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_ttl;

struct cache_key {
	const char	*remote;	/* its name */
	const char	*sender;	/* the one used; "" = null */
	const char	*rcpt;		/* in normal form */
};

struct cache_verdict {
	bool		exists;
	uint16_t	code;		/* the server's reply */
	char		enhanced[12];	/* "5.1.1"; "" if none */
	char		text[160];	/* of it, cut */
};

enum cache_view {
	CACHE_MISS,		/* ask */
	CACHE_FRESH,		/* the answer */
	CACHE_REFRESH,		/* the answer; ask anew behind it */
	CACHE_STALE		/* a yes that has expired, kept for
				   verify-failure: stale */
};

/* *v is set unless it is a miss. */
enum cache_view	cache_find(const struct cache_key *, uint64_t now,
		    struct cache_verdict *v);
/*
 * Keep a verdict that a server gave now.  probe: it is call-forward's word,
 * and a no does not replace a yes that has not expired; what a next hop said
 * of a real message does.
 */
void		cache_store(const struct cache_key *,
		    const struct cache_verdict *, const struct conf_ttl *,
		    uint64_t now, bool probe);
/* Forget it.  True if there was one. */
bool		cache_delete(const struct cache_key *, uint64_t now);

#endif
