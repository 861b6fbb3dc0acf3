/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Is a client sending its content fast enough?  A pure function over time,
 * so that a test need not wait half a minute.
 *
 * Two things end a session: nothing at all for session.timeout, and an
 * average below session.min-rate once RATE_GRACE has passed.  The time in
 * which we did not read, because the next hop was slow, is nobody's fault
 * and does not count.
 *
 * Rejected: the rate of the last seconds, which ends a session for a pause
 * that TCP or a scanner in between makes.
 */

#include <string.h>

#include "front.h"
#include "front_tx.h"

#define RATE_GRACE	30000		/* ms */

void
rate_begin(struct rate *r, struct mono now)
{
	memset(r, 0, sizeof(*r));
	r->began = r->checked = r->progress = now;
}

enum rate_verdict
rate_check(struct rate *r, uint64_t octets, bool stalled, struct mono now,
    int64_t timeout, int64_t min_rate)
{
	int64_t	passed;

	if (stalled)
		r->stalled += mono_diff(now, r->checked);
	if (stalled || octets != r->seen)
		r->progress = now;
	r->checked = now;
	r->seen = octets;
	if (mono_diff(now, r->progress) >= timeout)
		return RATE_IDLE;
	passed = mono_diff(now, r->began) - r->stalled;
	if (min_rate > 0 && passed >= RATE_GRACE &&
	    octets < (uint64_t)(passed * min_rate / 1000))
		return RATE_SLOW;
	return RATE_OK;
}
