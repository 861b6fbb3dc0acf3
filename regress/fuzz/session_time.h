/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fuzz_session: time passes when nothing else happens.
 *
 * Part of that file: it has included what is used here.
 */
#ifndef SESSION_TIME_H
#define SESSION_TIME_H

#include "../clock.h"

static struct session	*present_session;

/*
 * Go on to the next timer and run it; false: there is none.  idle: nothing
 * else can happen any more, so nobody may wait for a next hop.
 */
static bool
time_passes(bool idle)
{
	struct timer	*first;

	must(!idle || session_count() == 0 || present_session == NULL ||
	    present_session->wait != WAIT_HOP);

	if ((first = timer_first()) == NULL)
		return false;
	timer_run(first);
	return true;
}

#endif
