/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Hosts that are asked for mailboxes although no remote of the configuration
 * names them: a script did.  Each is a remote that was made up, with settings
 * that are the same for all, and an id that no object of a configuration has.
 */
#ifndef ADHOC_H
#define ADHOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_remote;

#define ADHOC_MAX	1024	/* hosts with their ports */
#define ADHOC_LINKS	256	/* connections to all of them */
#define ADHOC_ID	0x80000000U

static inline bool
adhoc_is(uint32_t id)
{
	return (id & ADHOC_ID) != 0;
}

/*
 * A host name or an address, in any spelling.  NULL and why: it is none, or
 * there are too many.  It is good until the next call, and for as long as it
 * has questions or connections (target.c).
 */
const struct conf_remote *adhoc_get(const char *host, uint16_t port,
		    const char **why);
/* Where it is: of one that adhoc_get gave. */
void		 adhoc_where(const struct conf_remote *, char host[256],
		    uint16_t *port);
/* Forget those that are idle; for tests, and the end of a process. */
void		 adhoc_clear(void);
int		 adhoc_stats(char *, size_t);

#endif
