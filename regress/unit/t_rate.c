/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtpd/front_rate.c on a clock of our own.
 */

#include "t.h"

#include "front.h"
#include "front_tx.h"

#define TIMEOUT	300000
#define MIN	500

static struct mono
at(int64_t ms)
{
	struct mono	m = { 1000000 + ms };

	return m;
}

/* One check every step ms, of a client that sends so much each second. */
static enum rate_verdict
steady(int64_t per_second, int64_t until, int64_t step, int64_t min)
{
	struct rate		r;
	enum rate_verdict	v = RATE_OK;
	int64_t			t;

	rate_begin(&r, at(0));
	for (t = step; t <= until && v == RATE_OK; t += step)
		v = rate_check(&r, (uint64_t)(per_second * t / 1000), false,
		    at(t), TIMEOUT, min);
	return v;
}

static void
test_steady(void)
{
	is_int(steady(500, 600000, 10000, MIN), RATE_OK, "just enough");
	is_int(steady(499, 600000, 10000, MIN), RATE_SLOW, "just not");
	is_int(steady(1, 29000, 1000, MIN), RATE_OK, "the first 30 s");
	is_int(steady(1, 30000, 1000, MIN), RATE_SLOW, "and then");
	is_int(steady(1, 3600000, 10000, 0), RATE_OK, "no minimum");
	is_int(steady(0, 290000, 10000, 0), RATE_OK, "silent, for a while");
	is_int(steady(0, 300000, 10000, 0), RATE_IDLE, "silent for too long");
}

/* A pause in a fast transfer is no fault, a long one is. */
static void
test_pause(void)
{
	struct rate	r;
	int64_t		t;

	rate_begin(&r, at(0));
	is_int(rate_check(&r, 1000000, false, at(10000), TIMEOUT, MIN),
	    RATE_OK, "a burst");
	for (t = 20000; t < 310000; t += 10000)
		is_int(rate_check(&r, 1000000, false, at(t), TIMEOUT, MIN),
		    RATE_OK, "quiet at %lld", (long long)t);
	is_int(rate_check(&r, 1000000, false, at(310000), TIMEOUT, MIN),
	    RATE_IDLE, "quiet for session.timeout");
}

/* While we do not read, no time passes for the client. */
static void
test_stalled(void)
{
	struct rate	r;
	int64_t		t;

	rate_begin(&r, at(0));
	for (t = 10000; t <= 3600000; t += 10000)
		is_int(rate_check(&r, 10000, true, at(t), TIMEOUT, MIN),
		    RATE_OK, "stalled at %lld", (long long)t);
	is_int(rate_check(&r, 10001, false, at(t + 10000), TIMEOUT, MIN),
	    RATE_OK, "20 s of its own");
	is_int(rate_check(&r, 10001, false, at(t + 30000), TIMEOUT, MIN),
	    RATE_SLOW, "40 s of its own");
}

int
main(void)
{
	test_steady();
	test_pause();
	test_stalled();
	return done("t_rate");
}
