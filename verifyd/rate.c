/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rates.
 */

#include "rate.h"

bool
rate_take(const void *key, size_t klen, uint32_t count, uint64_t period)
{
	(void)key;
	(void)klen;
	(void)count;
	(void)period;
	return true;
}
