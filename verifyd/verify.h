/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward: asking the server that has the mailbox.
 *
 *	verify.c	the cache, the probe that is under way, or a new one
 *	probe.c		connections to remotes, and the dialogues on them
 *	reply.c		what a reply says of a mailbox
 *	verdict.c	what next hops said: VERDICT; marks
 *
 * One probe for a key at a time: whoever asks meanwhile waits for it too.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdbool.h>

#include "look.h"

struct conf_remote;
struct msg;
struct peer;
struct verify;

/* The strings are copied where they are needed for longer. */
struct verify_question {
	/* Of a generation that lives. */
	const struct conf_remote *remote;
	enum look_what		 what;		/* ADDRESS, VRFY, EXPN */
	unsigned int		 flags;		/* LOOK_* */
	const char		*rcpt;		/* in normal form */
	const char		*sender;	/* the client's, likewise */
};

/* As look_ask and look_cancel; the callback's too. */
struct verify	*verify_ask(const struct verify_question *,
		    void (*)(void *, const struct look_answer *), void *);
void		 verify_cancel(struct verify *);

/* VERDICT. */
int		 verdict_told(struct peer *, struct msg *);
/* Has this remote refused somebody who was vouched for, within the hour? */
bool		 verdict_is_marked(uint32_t remote, const char *sender,
		    const char *rcpt);

#endif
