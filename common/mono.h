/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Monotonic time is a type of its own, so that it cannot be mixed up with
 * the wall clock, which jumps.  Milliseconds; the clock is read at most once
 * per turn of the event loop, so that a turn sees one time.
 */
#ifndef MONO_H
#define MONO_H

#include <sys/time.h>

#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t	ms;			/* 0 = unset */
};

/* The time of this turn. */
struct mono	mono_now(void);
/* A turn has ended: the next mono_now() reads the clock again. */
void		mono_turn(void);
struct mono	mono_add(struct mono, int64_t ms);
/* a - b in milliseconds. */
int64_t		mono_diff(struct mono a, struct mono b);
bool		mono_is_set(struct mono);
/* Set, and not in the future. */
bool		mono_passed(struct mono);
/* For event_add(3); negative becomes zero. */
struct timeval	mono_tv(int64_t ms);

#endif
