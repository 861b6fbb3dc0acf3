/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Session ids: see id.h.
 */

#include <stdio.h>
#include <stdlib.h>

#include "id.h"

static uint64_t	id_base;
static uint32_t	id_count;

void
id_init(unsigned int worker)
{
	id_base = (uint64_t)(worker & 0x3ff) << 54 |
	    (uint64_t)(arc4random() & 0x3fffff) << 32;
	id_count = 0;
}

uint64_t
id_new(void)
{
	if (++id_count == 0) {
		/* 2^32 sessions later: new random bits, same worker. */
		id_init((unsigned int)(id_base >> 54));
		id_count = 1;
	}
	return id_base | id_count;
}

const char *
id_text(uint64_t id, char out[ID_TEXT_MAX])
{
	(void)snprintf(out, ID_TEXT_MAX, "%016llx", (unsigned long long)id);
	return out;
}
