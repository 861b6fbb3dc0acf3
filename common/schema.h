/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * How the rows of the tables are written and their fields found: for
 * schema*.c and config*.c only.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <stddef.h>

#include "config.h"

#define K(n, t)		.name = n, .type = t
#define AT(s, f)	.off = offsetof(struct s, f)
#define NOWHERE		.off = KEY_NOWHERE
/* The keys of a YAML struct that lie in the C struct around it. */
#define INLINE		.off = 0
#define DEF(d)		.def = d
#define RANGE(a, b)	.min = a, .max = b
#define TO(w)		.where = w
#define HELP(h)		.help = h

#define SECOND		1000LL
#define MINUTE		(60 * SECOND)
#define HOUR		(60 * MINUTE)
#define DAY		(24 * HOUR)
#define KILO		1024LL
#define MEGA		(1024 * KILO)
#define GIGA		(1024 * MEGA)

/* The field of a row in a struct. */
static inline void *
field(void *base, const struct key *k)
{
	return (char *)base + k->off;
}

static inline const void *
cfield(const void *base, const struct key *k)
{
	return (const char *)base + k->off;
}

#endif
