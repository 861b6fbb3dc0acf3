/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * FNV-1a, 64 bits, an octet at a time: what ledger says of a content and
 * sink finds again.  It need not stand against anybody who wants it to
 * agree, only see what was mixed up, lost or doubled on the way.
 */
#ifndef FNV_H
#define FNV_H

#include <stdint.h>

#define FNV_BEGIN	0xcbf29ce484222325ULL

/* The hash of what hash is one of, and c behind it. */
static inline uint64_t
fnv(uint64_t hash, unsigned char c)
{
	return (hash ^ c) * 0x100000001b3ULL;
}

#endif
