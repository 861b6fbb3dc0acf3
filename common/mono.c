/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Monotonic time: see mono.h.
 */

#include <time.h>

#include "mono.h"

static struct mono	now;

void
mono_turn(void)
{
	now.ms = 0;
}

struct mono
mono_now(void)
{
	struct timespec	ts;

	if (now.ms == 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
		now.ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1;
	}
	return now;
}

struct mono
mono_add(struct mono m, int64_t ms)
{
	m.ms += ms;
	return m;
}

int64_t
mono_diff(struct mono a, struct mono b)
{
	return a.ms - b.ms;
}

bool
mono_is_set(struct mono m)
{
	return m.ms != 0;
}

bool
mono_passed(struct mono m)
{
	return m.ms != 0 && m.ms <= mono_now().ms;
}

struct timeval
mono_tv(int64_t ms)
{
	struct timeval	tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	return tv;
}
