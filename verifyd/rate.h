/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rates: how often something may happen, for all workers.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Charge a key that may be charged count times in each period (ms).  False:
 * it is over its rate, and was not charged.
 */
bool	rate_take(const void *key, size_t klen, uint32_t count,
	    uint64_t period);

#endif
