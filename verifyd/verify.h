/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward: asking the server that has the mailbox.
 *
 *	verify.c	the cache, the probe that is under way, or a new one
 *	target.c	remotes: their queues; those that do not answer
 *	probe.c		connections to them
 *	dialogue.c	what is said on a connection
 *	reply.c		what a reply says of a mailbox
 *	verdict.c	what next hops said: VERDICT; marks
 *	rcptto.c	questions of scripts: PROBE
 *	adhoc.c		hosts that only scripts name
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
	int64_t			 timeout;	/* ms; 0: by the remote's */
};

/* Before the first question.  Fatal without memory. */
void		 verify_start(void);
/*
 * As look_ask and look_cancel; the callback's too.  With LOOK_AHEAD the answer
 * is LOOKUP_CANNOT, at once, where the cache has none.
 */
struct verify	*verify_ask(const struct verify_question *,
		    void (*)(void *, const struct look_answer *), void *);
void		 verify_cancel(struct verify *);
/* The sender that this remote is asked under for a client's. */
const char	*verify_sender(const struct conf_remote *, const char *);
int		 verify_stats(char *, size_t);

/* VERDICT. */
int		 verdict_told(struct peer *, struct msg *);
/* Before the first of these.  Fatal without memory. */
void		 verdict_start(void);
/* Has this remote refused somebody who was vouched for, within the hour? */
bool		 verdict_is_marked(uint32_t remote, const char *sender,
		    const char *rcpt);

#endif
