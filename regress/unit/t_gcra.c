/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd/rate.c, with a clock that the test turns.
 */

#include "mono.h"
#include "rate.h"
#include "state.h"
#include "t.h"

static struct mono	now = { 5000 };
static struct state	*st;

static void
begin(size_t entries)
{
	st = state_new(entries, 1 << 20);
	ok(st != NULL, "state_new");
}

static bool
take(const char *key, uint32_t count, uint64_t period)
{
	return rate_charge(st, key, strlen(key), count, period, now);
}

static void
back(const char *key, uint32_t count, uint64_t period)
{
	rate_return(st, key, strlen(key), count, period, now);
}

/* How often it may be charged at once. */
static unsigned int
burst(const char *key, uint32_t count, uint64_t period)
{
	unsigned int	n = 0;

	while (n < 1000000 && take(key, count, period))
		n++;
	return n;
}

/* A full bucket is count, of whatever period, divisible or not. */
static void
test_burst(void)
{
	static const struct {
		uint32_t	count;
		uint64_t	period;
	} t[] = {
		{ 1, 1 }, { 1, 1000 }, { 3, 1000 }, { 7, 60000 },
		{ 100, 60000 }, { 999, 1000 }, { 100000, 1000 },
		{ 25, 3600000 }, { 1000, 86400000 },
		{ 1, 366ULL * 86400000 }, { 99991, 366ULL * 86400000 }
	};
	size_t	i;

	for (i = 0; i < nitems(t); i++) {
		begin(16);
		is_int(burst("k", t[i].count, t[i].period), t[i].count,
		    "%u/%llu", t[i].count, (unsigned long long)t[i].period);
		ok(!take("k", t[i].count, t[i].period), "and no more");
		ok(take("other", t[i].count, t[i].period), "another key");
		now.ms += (int64_t)t[i].period;
		is_int(burst("k", t[i].count, t[i].period), t[i].count,
		    "full again after a period");
		state_free(st);
	}
}

/* It fills evenly: one after each count-th part of a period. */
static void
test_refill(void)
{
	int	i;

	begin(16);
	is_int(burst("k", 60, 60000), 60, "a burst");
	for (i = 0; i < 200; i++) {
		now.ms += 999;
		ok(!take("k", 60, 60000), "not yet");
		now.ms += 1;
		ok(take("k", 60, 60000), "one a second");
		ok(!take("k", 60, 60000), "one");
	}
	now.ms += 30000;
	is_int(burst("k", 60, 60000), 30, "half");
	now.ms += 86400000;
	is_int(burst("k", 60, 60000), 60, "never more than full");
	state_free(st);
}

/* In the long run: as many as the rate says, and the burst. */
static void
test_long(void)
{
	unsigned int	i, n = 0;

	begin(16);
	for (i = 0; i < 100000; i++) {
		n += take("k", 7, 60000);
		now.ms += 60;
	}
	/* 6000 s: 100 minutes of 7, and 7 that were there. */
	ok(n >= 706 && n <= 707, "7/1m in 100 minutes: %u", n);
	state_free(st);
}

static void
test_back(void)
{
	begin(16);
	is_int(burst("k", 3, 60000), 3, "a burst");
	back("k", 3, 60000);
	ok(take("k", 3, 60000), "one was given back");
	ok(!take("k", 3, 60000), "one");
	back("k", 3, 60000);
	back("k", 3, 60000);
	back("k", 3, 60000);
	is_int(burst("k", 3, 60000), 3, "all of them");
	now.ms += 60000;
	/* To a bucket that is full nothing can be given. */
	back("k", 3, 60000);
	back("none", 3, 60000);
	is_int(burst("k", 3, 60000), 3, "full is full");
	is_int(burst("none", 3, 60000), 3, "likewise");
	state_free(st);
}

/* A refusal costs nothing, and moves nothing. */
static void
test_refused(void)
{
	int	i;

	begin(16);
	is_int(burst("k", 2, 10000), 2, "a burst");
	for (i = 0; i < 1000; i++)
		ok(!take("k", 2, 10000), "over");
	now.ms += 5000;
	ok(take("k", 2, 10000), "who hammers is not kept out for it");
	state_free(st);
}

/* Memory is bounded; the key that is used goes last. */
static void
test_flood(void)
{
	struct state_stats	s;
	char			key[32];
	unsigned int		i;

	begin(100);
	is_int(burst("used", 2, 3600000), 2, "a burst");
	is_int(burst("idle", 2, 3600000), 2, "a burst");
	for (i = 0; i < 10000; i++) {
		(void)snprintf(key, sizeof(key), "flood %u", i);
		ok(take(key, 2, 3600000), "a new key");
		if (i % 50 == 0)
			ok(!take("used", 2, 3600000), "is remembered");
	}
	state_stats(st, &s);
	ok(s.entries <= 100, "%zu entries", s.entries);
	ok(take("idle", 2, 3600000), "pressed out: its bucket is full");
	state_free(st);
	begin(100);
	for (i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "flood %u", i);
		(void)take(key, 1, 1000);
		now.ms += 1000;
	}
	state_stats(st, &s);
	ok(s.entries < 20, "full buckets cost nothing: %zu", s.entries);
	state_free(st);
}

int
main(void)
{
	test_burst();
	test_refill();
	test_long();
	test_back();
	test_refused();
	test_flood();
	return done("t_gcra");
}
