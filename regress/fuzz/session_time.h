/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fuzz_session: the clock and the timers, in place of mono.c and timer.c.
 * Time passes when nothing else happens.
 *
 * Part of that file: it has included what is used here.
 */
#ifndef SESSION_TIME_H
#define SESSION_TIME_H

static struct mono		now = { 1 };
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

static struct session	*present_session;

/*
 * Go on to the next timer and run it; false: there is none.  idle: nothing
 * else can happen any more, so nobody may wait for a next hop.
 */
static bool
time_passes(bool idle)
{
	struct timer	*t, *first = NULL;

	must(!idle || session_count() == 0 || present_session == NULL ||
	    present_session->wait != WAIT_HOP);

	LIST_FOREACH(t, &timers, entry)
		if (first == NULL || t->when.ms <= first->when.ms)
			first = t;
	if (first == NULL)
		return false;
	if (now.ms < first->when.ms)
		now = first->when;
	timer_del(first);
	first->fn(first->arg);
	return true;
}

#endif
