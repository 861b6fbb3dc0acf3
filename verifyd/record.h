/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A verdict as a line of text, as it is in memory and in the file:
 *
 *	REMOTE SENDER ADDRESS CODE:EXPIRE:REFRESH:KEEP:X.Y.Z:CHECK TEXT
 *
 * Times are seconds since 1970, REFRESH 0 is never; the null sender is "<>",
 * no enhanced code "-".  In the three words an octet that would end one, is
 * not printable or is a backslash is \xHH.  CHECK are 32 bits of a hash of
 * all the rest under the file's secret.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siphash.h"

#define RECORD_MAX	2048		/* octets */

struct cache_key;

struct record {
	uint16_t	 code;		/* 2xx or 5xx */
	uint64_t	 expire, refresh, keep;
	const char	*words;		/* with the blank behind them */
	size_t		 nwords;
	const char	*enhanced;	/* not "-": nenhanced is 0 then */
	size_t		 nenhanced;
	const char	*text;
	size_t		 ntext;
};

/* The three words, a blank behind each; 0: they do not fit. */
size_t	record_words(const struct cache_key *, char *, size_t);
/* The hash that a verdict is found by: of its words. */
void	record_hash(const uint8_t *secret, const char *words,
	    size_t len, uint8_t *hash);
/*
 * Write it whole; its length, 0 if it does not fit.  Of enhanced and text
 * only what is printable is taken.
 */
size_t	record_put(const uint8_t *secret,
	    const struct record *, char *, size_t);
/*
 * Take it apart: views into data.  -1: this is no record, or one that was
 * not written under this secret.  Without a secret (NULL) the check is not
 * looked at: for what has been in our own memory all the time.
 */
int	record_get(const uint8_t *secret, const char *data,
	    size_t len, struct record *);

#endif
