/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What has come of a script, as the lines that transcripts have for it.
 */
#ifndef PLAY_SHOW_H
#define PLAY_SHOW_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto_script.h"

#define FACTS_MAX	(HOOK_REPLY_LINES + HOOK_EXTENSIONS_MAX + 8)
#define FACT_MAX	2200		/* octets of one: a command fits */

struct facts {
	size_t	 n;
	char	 text[FACTS_MAX][FACT_MAX];
	bool	 met[FACTS_MAX];
};

void		 facts_of(struct facts *, enum hook_stage,
		    const struct proto_hook_verdict *);
/* Is there one, not met yet, that this line is for?  It is met now. */
bool		 facts_meet(struct facts *, const char *want);
/* One that no line was for, or NULL. */
const char	*facts_unmet(const struct facts *);

/* As printf(3), but for what a terminal would take as an order. */
void	print_clean(const char *, va_list)
	    __attribute__((__format__(printf, 1, 0)));
void	print_text(const char *, ...)
	    __attribute__((__format__(printf, 1, 2)));

#endif
