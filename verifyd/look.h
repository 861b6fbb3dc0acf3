/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Looking up by any path: list/, db/, directory/, remote/.
 *
 *	look.c		the paths; LOOKUP
 *	source.c	db/: cdb files, and lookupd's databases
 *	directory.c	directory/: sub-addressing, catch-all
 *	judge.c		JUDGE: a domain, then its address
 *
 * A question has one answer.  It may be there before look_ask returns, as
 * lists, caches and cdb files need nobody else.
 */
#ifndef LOOK_H
#define LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct look;

#define LOOK_STALE	0x01	/* an expired yes will do */
#define LOOK_AHEAD	0x02	/* nobody waits: see JUDGE_AHEAD */

/* The strings are copied where they are needed for longer. */
struct look_question {
	struct proto_path	 path;
	enum look_what		 what;
	unsigned int		 flags;		/* LOOK_* */
	const char		*key;		/* in normal form */
	const char		*sender;	/* likewise; "" */
};

/* Valid until the callback returns. */
struct look_answer {
	enum lookup_answer	 answer;
	enum judge_by		 by;
	uint32_t		 remote;	/* id of the server whose word
						   it is; 0 = none's */
	const char		*why;		/* for the log; "" */
	const char *const	*values;	/* of a YES */
	size_t			 nvalues;
};

/*
 * done is called once: perhaps before this returns, and NULL is returned
 * then; else later, unless look_cancel comes first.  Without memory the
 * answer is LOOKUP_CANNOT.
 */
struct look	*look_ask(const struct look_question *,
		    void (*done)(void *, const struct look_answer *), void *);
/* Nobody waits any more.  NULL is allowed. */
void		 look_cancel(struct look *);

#endif
