/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Patterns in bounded time.
 */

#include <string.h>

#include "script.h"

enum match_result
match_find(struct match *m, const char *s, size_t len, const char *pattern,
    size_t plen, size_t init, int *steps)
{
	(void)s;
	(void)len;
	(void)pattern;
	(void)plen;
	(void)init;
	(void)steps;
	memset(m, 0, sizeof(*m));
	return MATCH_NO;
}
