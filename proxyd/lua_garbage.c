/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * When garbage is collected: in slices, at the end of a turn of the loop and
 * behind its answers, so that nobody waits for more than one.
 *
 * Lua's own pace is switched off.  It counts what is allocated since its last
 * step and works that off at once: whoever makes a string of a megabyte would
 * have the garbage of ten thousand sessions collected in the middle of a
 * command, and its shortest steps sweep for milliseconds.  Here a cycle
 * begins when there is twice as much as the last one left; until it is over
 * each turn does a step, and one more for each STEP_MADE octets that scripts
 * made in it.
 *
 * A session that has filled most of its room may have filled it with garbage,
 * so that begins a cycle, too; and up to the end of the turn Lua has its own
 * pace, since one call can make any amount.  What is refused at the limit Lua
 * asks for again when it has collected everything at once, but its buffers of
 * strings do not: that is seldom to come to that.
 *
 * Rejected: generations (what is old is collected at once, for 0.5 ms a
 * megabyte; and each young one, for all sessions).
 */

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "script.h"

#define CYCLE_LEAST	(1024 * 1024)	/* octets between two cycles */
#define STEP_MADE	(16 * 1024)	/* octets for which a step is done */
#define STEPS_MAX	32		/* of a turn */
/* To Lua: a step does half of the work that is due for 2^10 octets. */
#define STEP_SIZE	10
#define STEP_WORK	50

static struct timer	timer;
static size_t		start_at = CYCLE_LEAST;
static size_t		made;		/* octets, in this turn */
static bool		collecting;
static bool		wanted;		/* a session fills */

/* From here on: what it uses is no garbage, for all that is known. */
static void
note_low(struct owner *o)
{
	size_t	room = o->max - o->used;

	o->low = o->used;
	o->full = room < o->max / 16 ? o->max : o->used + room / 4 * 3;
}

void
garbage_made(struct owner *o, size_t n)
{
	if (collecting)
		made += n;
	if (o->max == 0)
		return;
	if (o->used < o->low || o->full == 0)
		note_low(o);
	if (o->used <= o->full)
		return;
	note_low(o);
	wanted = true;
	/* This sets two numbers, as is done by Lua itself where it counts. */
	(void)lua_gc(lua_main, LUA_GCRESTART);
}

bool
garbage_waits(void)
{
	return collecting || wanted || lua_memory_used() >= start_at;
}

static void
over(void)
{
	size_t	left = lua_memory_used();

	collecting = false;
	start_at = left < CYCLE_LEAST ? left + CYCLE_LEAST : 2 * left;
}

void
garbage_turn(void)
{
	size_t	n = 1 + made / STEP_MADE;

	made = 0;
	if (!garbage_waits())
		return;
	if (wanted)
		(void)lua_gc(lua_main, LUA_GCSTOP);
	wanted = false;
	collecting = true;
	for (n = n > STEPS_MAX ? STEPS_MAX : n; n > 0 && collecting; n--)
		if (lua_gc(lua_main, LUA_GCSTEP, 0))
			over();
	if (collecting)
		timer_set(&timer, 0);
}

/* That there is a turn. */
static void
on_timer(void *arg)
{
	(void)arg;
}

/*
 * Small blocks that were freed are to be joined with their neighbours then
 * and there: glibc would do it for thousands at once, in a turn of anybody's.
 */
void
garbage_start(void)
{
	timer_init(&timer, on_timer, NULL);
#ifdef __GLIBC__
	(void)mallopt(M_MXFAST, 0);
#endif
	(void)lua_gc(lua_main, LUA_GCINC, 0, STEP_WORK, STEP_SIZE);
	(void)lua_gc(lua_main, LUA_GCSTOP);
}
