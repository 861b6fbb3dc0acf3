/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A verdict while a script's options and reason are read: what lua_verdict.c
 * and lua_option.c share.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "script.h"

struct answer {
	struct call			*call;
	const char			*name;		/* "reject" */
	struct proto_hook_verdict	 v;
	size_t				 used;		/* of lines */
	int				 reason;	/* on the stack; */
	int				 options;	/* 0 = none */
	int				 extensions;
	bool				 has_code;
	bool				 has_enhanced;
};

/* RAISES.  "reject: disconnect must be a boolean, not string". */
void	answer_unfit(lua_State *, const struct answer *, const char *what,
	    const char *wanted, int index);
/* RAISES.  "reject: " and why. */
void	answer_wrong(lua_State *, const struct answer *, const char *why);
/*
 * RAISES.  Read the table of options, if there is one; what is no option of
 * this function in this stage is an error.  Extensions, checked to be strings
 * without NUL, come to their place on the stack.
 */
void	answer_options(lua_State *, struct answer *);

#endif
