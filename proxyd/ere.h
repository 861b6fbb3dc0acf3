/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * POSIX extended regular expressions for scripts, in time that is known
 * before: lua_re.c.  Knows no Lua.
 */
#ifndef ERE_H
#define ERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERE_GROUPS	32		/* in one pattern */
#define ERE_SUBJECT_MAX	1024		/* octets */

struct ere;

/*
 * Compile; fold: letters match those of the other case too.  NULL: *why says
 * what is wrong with it.
 */
struct ere	*ere_compile(const char *pattern, bool fold, const char **why);
/* NULL is allowed. */
void		 ere_free(struct ere *);
/* How many groups there are, the whole match not counted. */
int		 ere_groups(const struct ere *);
/*
 * The leftmost match of those the longest, in at most ERE_SUBJECT_MAX octets:
 * 1, 0, or -1: more than the *steps that were left.  at gets begin and end of
 * the whole and of each group, -1 where one took no part.
 */
int		 ere_match(const struct ere *, const char *s, size_t len,
		    int16_t at[2 * (ERE_GROUPS + 1)], int *steps);

#endif
