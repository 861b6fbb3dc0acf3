/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What lookupd's QUERY_ANS says, as lines: values.c, for query.c.
 */
#ifndef VALUES_H
#define VALUES_H

#include <stddef.h>

#include "proto.h"

struct msg;

/* What is wanted of them. */
enum values_want {
	VALUES_FIRST,		/* the first column of the first row */
	VALUES_TRUE,		/* that of the first row where it is true */
	VALUES_ALL,		/* that of all rows */
	VALUES_WANT_COUNT
};

#define VALUES_TEXT_MAX	(LOOK_ROWS_MAX * LOOK_KEY_MAX)

struct values {
	enum lookup_answer	 answer;	/* YES, NO, CANNOT */
	char			 why[256];	/* CANNOT */
	size_t			 n;		/* values of a YES */
	size_t			 len;		/* of text */
	char			 text[VALUES_TEXT_MAX];	/* each ends with NUL */
};

/*
 * Take an answer to its end.  -1: it is none, its sender is broken.
 */
int	values_get(struct msg *, enum values_want, struct values *);

#endif
