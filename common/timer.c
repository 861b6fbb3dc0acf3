/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A wheel of timers: see timer.h.
 *
 * Every slot is a list of the timers whose time falls on it, this round or
 * a later one: a slot's turn fires those whose time has come and leaves the
 * others.  The tick runs only while a timer does.
 */

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stddef.h>

#include "timer.h"

#define SLOTS	8192		/* 409.6 s a round: most fire in their first */

LIST_HEAD(slot, timer);

static struct {
	struct slot	slots[SLOTS];
	struct event	tick;
	int64_t		done;	/* the last tick that was served */
	size_t		count;
	bool		armed;
} wheel;

static void
arm(void)
{
	struct timeval	tv = mono_tv(TIMER_TICK);

	(void)evtimer_add(&wheel.tick, &tv);
	wheel.armed = true;
}

/* Fire what is due in one slot.  A timer's function may set any timer. */
static void
serve(struct slot *s, int64_t tick)
{
	struct slot	 due = LIST_HEAD_INITIALIZER(due);
	struct timer	*t, *next;

	for (t = LIST_FIRST(s); t != NULL; t = next) {
		next = LIST_NEXT(t, entry);
		if (t->when.ms / TIMER_TICK > tick)
			continue;
		LIST_REMOVE(t, entry);
		LIST_INSERT_HEAD(&due, t, entry);
	}
	while ((t = LIST_FIRST(&due)) != NULL) {
		timer_del(t);
		t->fn(t->arg);
	}
}

static void
on_tick(int fd, short events, void *arg)
{
	int64_t	now = mono_now().ms / TIMER_TICK - 1, from = wheel.done + 1;

	(void)fd;
	(void)events;
	(void)arg;
	wheel.armed = false;
	/* After a long stop one round serves every slot. */
	if (now - from >= SLOTS)
		from = now - SLOTS + 1;
	for (; from <= now; from++) {
		wheel.done = from;
		serve(&wheel.slots[from % SLOTS], now);
	}
	if (wheel.count > 0 && !wheel.armed)
		arm();
}

void
timer_start(void)
{
	evtimer_set(&wheel.tick, on_tick, NULL);
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
	struct mono	now = mono_now();

	timer_del(t);
	if (wheel.count == 0)
		wheel.done = now.ms / TIMER_TICK - 1;
	t->when = mono_add(now, ms < 0 ? 0 : ms);
	LIST_INSERT_HEAD(&wheel.slots[t->when.ms / TIMER_TICK % SLOTS], t,
	    entry);
	wheel.count++;
	if (!wheel.armed)
		arm();
}

void
timer_del(struct timer *t)
{
	if (!mono_is_set(t->when))
		return;
	LIST_REMOVE(t, entry);
	t->when.ms = 0;
	wheel.count--;
}

bool
timer_is_set(const struct timer *t)
{
	return mono_is_set(t->when);
}
