/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * tally.c and rate.c: operations from the input, held against models.  Four
 * octets are an operation.
 *
 * What is held: a table of who holds what.  Rates: a bucket as one would
 * write it down, a level in units so small that nothing is rounded, which the
 * real one must follow but for its rounding: a step is whole nanoseconds, and
 * never longer than it should be.
 */

#include "fuzz.h"
#include "rate.h"
#include "state.h"
#include "tally.h"

#define WORKERS		2
#define SESSIONS	4
#define KEYS		8

static const char	workers[WORKERS];	/* their addresses */
static bool		held[WORKERS][SESSIONS][KEYS];

static unsigned int
holders(unsigned int key)
{
	unsigned int	w, s, n = 0;

	for (w = 0; w < WORKERS; w++)
		for (s = 0; s < SESSIONS; s++)
			n += held[w][s][key];
	return n;
}

static void
try_tally(const uint8_t *p)
{
	unsigned int	w = p[1] % WORKERS, s = p[1] / WORKERS % SESSIONS;
	unsigned int	i, k = p[2] % KEYS, limit = p[3] % 6;
	uint8_t		key = (uint8_t)k;
	enum tally	want;

	switch (p[0] % 8) {
	case 0:
		tally_back(&workers[w], s, &key, 1);
		held[w][s][k] = false;
		break;
	case 1:
		tally_free(&workers[w], s);
		memset(held[w][s], 0, sizeof(held[w][s]));
		break;
	case 2:
		tally_worker_gone(&workers[w]);
		memset(held[w], 0, sizeof(held[w]));
		break;
	default:
		want = held[w][s][k] ? TALLY_WAS_HELD :
		    limit > 0 && holders(k) >= limit ? TALLY_OVER : TALLY_HELD;
		must(tally_take(&workers[w], s, &key, 1, limit) == want);
		if (want == TALLY_HELD)
			held[w][s][k] = true;
		break;
	}
	for (i = 0; i < KEYS; i++)
		must(holders(i) <= WORKERS * SESSIONS);
}

/* A bucket: what is missing in it, a charge being `period' of it. */
struct bucket {
	int64_t	missing;
	int64_t	when;
};

static struct bucket	buckets[4];
static struct mono	now;

static void
try_rate(struct state *st, const uint8_t *p)
{
	static const int64_t	counts[] = { 1, 3, 7, 100 };
	static const int64_t	periods[] = { 10, 1000, 777, 60000 };
	unsigned int		k = p[1] % 4;
	int64_t			count = counts[k], period = periods[k];
	struct bucket		*b = &buckets[k];
	uint8_t			key = (uint8_t)k;

	now = mono_add(now, p[2] * (p[3] % 16));
	b->missing -= (now.ms - b->when) * count;
	b->when = now.ms;
	if (b->missing < 0)
		b->missing = 0;
	if (p[0] & 0x10) {
		rate_return(st, &key, 1, (uint32_t)count, (uint64_t)period,
		    now);
		b->missing = b->missing > period ? b->missing - period : 0;
	} else if (rate_charge(st, &key, 1, (uint32_t)count,
	    (uint64_t)period, now)) {
		b->missing += period;
		/* Never more than count, and a nanosecond for each. */
		must(b->missing <= count * period + count);
	} else
		must(b->missing + period > count * period);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct state	*st;
	char		 text[256];
	size_t		 at;
	unsigned int	 i;

	memset(held, 0, sizeof(held));
	memset(buckets, 0, sizeof(buckets));
	now.ms = 1;
	must((st = state_new(64, 1 << 20)) != NULL);
	for (at = 0; at + 4 <= len; at += 4)
		if (data[at] & 0x80)
			try_rate(st, data + at);
		else
			try_tally(data + at);
	for (i = 0; i < WORKERS; i++)
		tally_worker_gone(&workers[i]);
	(void)tally_stats(text, sizeof(text));
	must(strstr(text, "keys 0\nverifyd.tally.held 0\n") != NULL);
	state_free(st);
	return 0;
}
