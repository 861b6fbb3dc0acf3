/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What lookupd's QUERY_ANS says, as lines: rows.c, for query.c.
 */
#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>

#include "proto.h"

struct msg;

/* What is wanted of them. */
enum rows_want {
	ROWS_VALUE,		/* the first column of the first row */
	ROWS_TRUE,		/* that of the first row where it is true */
	ROWS_ALL,		/* that of all rows */
	ROWS_WANT_COUNT
};

#define ROWS_TEXT_MAX	(LOOK_ROWS_MAX * LOOK_KEY_MAX)

struct rows {
	enum lookup_answer	 answer;	/* YES, NO, CANNOT */
	char			 why[256];	/* CANNOT */
	size_t			 n;		/* values of a YES */
	size_t			 len;		/* of text */
	char			 text[ROWS_TEXT_MAX];	/* each ends with NUL */
};

/*
 * Take an answer to its end.  -1: it is none, its sender is broken.
 */
int	rows_get(struct msg *, enum rows_want, struct rows *);

#endif
