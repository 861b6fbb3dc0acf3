/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The PROXY protocol's header, versions 1 and 2: what a proxy sends before
 * anything else on a connection, in clear, to tell whom it speaks for.
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <stddef.h>

#include "addr.h"

#define PROXY_HEADER_MAX	107	/* octets; version 1 is the longer */

/*
 * Write the header of that version (1 or 2) for a client's connection from
 * src to dst, both with their ports, into PROXY_HEADER_MAX octets; returns
 * its length.  A connection that has no such addresses (a unix socket's) is
 * UNKNOWN in version 1, LOCAL in version 2.
 */
size_t	proxy_header_make(char *buf, unsigned int version,
	    const struct addr *src, const struct addr *dst);

#endif
