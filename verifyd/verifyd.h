/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd: what is known about addresses, and remembered for all.
 *
 *	shared.c	what the workers remember together: STATE
 *	verifyd.c	the process: who asks, and which part answers
 *
 * It opens nothing and connects nowhere: files come from the parent as
 * descriptors, names from resolved.
 *
 * A part's handlers return -1 for what its sender should not have sent
 * (peer.h); its stats function writes lines "NAME VALUE" as snprintf(3) does.
 */
#ifndef VERIFYD_H
#define VERIFYD_H

#include <stddef.h>

struct msg;
struct peer;

/* shared.c ---------------------------------------------------------------- */

/* Before the first question.  Fatal without memory. */
void	shared_start(void);
/* STATE. */
int	shared_state(struct peer *, struct msg *);
int	shared_stats(char *, size_t);

#endif
