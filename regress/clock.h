/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A clock that tests wind, in place of mono.c and timer.c: `now' is theirs to
 * set, and a timer runs when they take it from timer_first().
 *
 * Part of the file that includes it, once for each program.
 */
#ifndef REGRESS_CLOCK_H
#define REGRESS_CLOCK_H

#include <sys/queue.h>

#include <stddef.h>

#include "mono.h"
#include "timer.h"

static struct mono		now = { 1000 };
static LIST_HEAD(, timer)	timers = LIST_HEAD_INITIALIZER(timers);

struct mono
mono_now(void)
{
	return now;
}

void
mono_turn(void)
{
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
	return m.ms != 0 && m.ms <= now.ms;
}

struct timeval
mono_tv(int64_t ms)
{
	struct timeval	tv = { ms / 1000, ms % 1000 * 1000 };

	return tv;
}

void
timer_start(void)
{
}

void
timer_init(struct timer *t, void (*fn)(void *), void *arg)
{
	t->when.ms = 0;
	t->fn = fn;
	t->arg = arg;
}

void
timer_set(struct timer *t, int64_t ms)
{
	timer_del(t);
	t->when = mono_add(now, ms < 0 ? 0 : ms);
	LIST_INSERT_HEAD(&timers, t, entry);
}

void
timer_del(struct timer *t)
{
	if (t->when.ms == 0)
		return;
	LIST_REMOVE(t, entry);
	t->when.ms = 0;
}

bool
timer_is_set(const struct timer *t)
{
	return t->when.ms != 0;
}

/* The next one, of several at a time the oldest; NULL: none is set. */
static struct timer *
timer_first(void)
{
	struct timer	*t, *first = NULL;

	LIST_FOREACH(t, &timers, entry)
		if (first == NULL || t->when.ms <= first->when.ms)
			first = t;
	return first;
}

/* It is that time, if it was not yet. */
static void
timer_run(struct timer *t)
{
	if (now.ms < t->when.ms)
		now = t->when;
	timer_del(t);
	t->fn(t->arg);
}

#endif
