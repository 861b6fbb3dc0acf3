/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What look_pq.c asks of look_pq_uri.c: where to connect.
 */
#ifndef LOOK_PQ_H
#define LOOK_PQ_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "mono.h"

struct uri {
	PQconninfoOption	*opts;
	const char		*host;		/* name, address or a path */
	char			*what;		/* host:port/database */
	struct addr		 addr;		/* where host is an address */
	bool			 is_name;	/* DNS must be asked */
	unsigned int		 failed;	/* times in a row */
	struct mono		 held;		/* until then; see failed */
	bool			 trying;	/* by one, whether it is back */
	char			 why[256];	/* it failed */
};

/* Before the jail: read source.uri; which files do they name? */
void	 uris_prepare(void);
/*
 * The next one in turn that may be tried; NULL: none now.  uri_good or
 * uri_bad must follow.
 */
struct uri *uri_next(void);
/* Milliseconds until there is one; -1: when one that is tried has answered. */
int64_t	 uris_wait(void);
/* All have failed several times: why, of one of them.  Else NULL. */
const char *uris_dead(void);
/* A connection stands; there is none, and why: logged when that is new. */
void	 uri_good(struct uri *);
void	 uri_bad(struct uri *, const char *why);
/* Why without the password, on one line. */
void	 uri_clean(const struct uri *, const char *why, char *, size_t);
/* Begin a connection to an address of it (NULL: a path); NULL: no memory. */
PGconn	*uri_connect(const struct uri *, const struct addr *);

#endif
