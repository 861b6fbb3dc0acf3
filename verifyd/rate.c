/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rates: see rate.h.
 *
 * The bucket is one time for each key (the generic cell rate algorithm of
 * ATM): when it will be full again.  A charge moves that by period / count;
 * it is refused where the time would then lie farther away than a full bucket
 * takes.  A key whose time has passed is a full bucket, and so is one that is
 * not there: it costs no memory.
 *
 * The step is whole nanoseconds, and a full bucket is count steps, not a
 * period: so a burst is exactly count, whatever the division leaves over, and
 * a period is shorter than it should be by less than count nanoseconds.
 *
 * The table is bounded (state.h).  A flood of keys presses out those that
 * were not charged for longest, whose buckets are full then: whoever can make
 * up a hundred thousand keys can have a rate of his own for each of them
 * anyway.  It is a table of its own, so that such a flood forgets no
 * deliveries; and scripts have another one, so that what a script charges
 * counts for nobody else.
 *
 * Rejected: windows that begin anew with the period (twice the count around
 * the border), and a list of times for each key (memory that grows with the
 * rate).
 */

#include <sys/types.h>

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "rate.h"
#include "state.h"
#include "timer.h"

#define ENTRIES		(256 * 1024)
#define OCTETS		(48 * 1024 * 1024)

#define SWEEP_EVERY	1000		/* ms */
#define SWEEP		1024
#define NANO		1000000		/* ns in a ms */

struct table {
	struct state	*buckets;
	uint64_t	 taken, refused;
};

static struct table	 tables[RATE_OF_COUNT];
static struct timer	 sweep_timer;

static int64_t
step(uint32_t count, uint64_t period)
{
	int64_t	ns = (int64_t)(period * NANO / count);

	return ns == 0 ? 1 : ns;
}

/* When the bucket is full again, in ns; now or before: it is. */
static int64_t
full_at(struct state *st, const void *key, size_t klen, struct mono now)
{
	const void	*value;
	size_t		 len;
	int64_t		 at;

	if (!state_get(st, 0, key, klen, now, &value, &len) ||
	    len != sizeof(at))
		return 0;
	memcpy(&at, value, sizeof(at));
	return at;
}

/* Without memory it is full: who cannot be counted is not refused. */
static void
set_full_at(struct state *st, const void *key, size_t klen, int64_t at,
    struct mono now)
{
	int64_t	ms = (at + NANO - 1) / NANO - now.ms;

	if (state_set(st, 0, key, klen, &at, sizeof(at), ms, now) == -1)
		log_debug("rate: no memory");
}

bool
rate_charge(struct state *st, const void *key, size_t klen, uint32_t count,
    uint64_t period, struct mono now)
{
	int64_t	at = full_at(st, key, klen, now);
	int64_t	one = step(count, period), ns = now.ms * NANO;

	if (at < ns)
		at = ns;
	if (at + one - ns > one * count)
		return false;
	set_full_at(st, key, klen, at + one, now);
	return true;
}

void
rate_return(struct state *st, const void *key, size_t klen, uint32_t count,
    uint64_t period, struct mono now)
{
	int64_t	at = full_at(st, key, klen, now);

	if (at != 0)
		set_full_at(st, key, klen, at - step(count, period), now);
}

/* --- of this process ------------------------------------------------------ */

static void
on_sweep(void *arg)
{
	size_t	i;

	(void)arg;
	for (i = 0; i < RATE_OF_COUNT; i++)
		state_sweep(tables[i].buckets, mono_now(), SWEEP);
	timer_set(&sweep_timer, SWEEP_EVERY);
}

void
rate_start(void)
{
	size_t	i;

	for (i = 0; i < RATE_OF_COUNT; i++)
		if ((tables[i].buckets = state_new(ENTRIES, OCTETS)) == NULL)
			fatal("rates");
	timer_init(&sweep_timer, on_sweep, NULL);
	timer_set(&sweep_timer, SWEEP_EVERY);
}

bool
rate_take(enum rate_of of, const void *key, size_t klen, uint32_t count,
    uint64_t period)
{
	struct table	*t = &tables[of];

	if (!rate_charge(t->buckets, key, klen, count, period, mono_now())) {
		t->refused++;
		return false;
	}
	t->taken++;
	return true;
}

void
rate_back(enum rate_of of, const void *key, size_t klen, uint32_t count,
    uint64_t period)
{
	rate_return(tables[of].buckets, key, klen, count, period, mono_now());
}

static int
table_stats(const struct table *t, const char *name, char *text, size_t size)
{
	struct state_stats	 s;

	state_stats(t->buckets, &s);
	return snprintf(text, size,
	    "verifyd.%s.keys %zu\n"
	    "verifyd.%s.taken %llu\n"
	    "verifyd.%s.refused %llu\n"
	    "verifyd.%s.evicted %llu\n",
	    name, s.entries, name, (unsigned long long)t->taken, name,
	    (unsigned long long)t->refused, name,
	    (unsigned long long)s.evicted);
}

int
rate_stats(char *text, size_t size)
{
	int	n = table_stats(&tables[RATE_SESSIONS], "rate", text, size);

	return n + table_stats(&tables[RATE_SCRIPTS], "script.rate", text + n,
	    size - (size_t)n);
}
