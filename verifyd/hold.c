/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses that did not answer, and in which order the others are tried.
 *
 * An address which failed is held down for 10 s, and twice as long each time
 * that it fails again, up to a minute.  That is no ban: it is left alone
 * while the remote has another one; where all are held down, they are tried
 * all the same.  But as long as an address has not answered again, no more
 * than one dial at a time tries it, during the hold and after it: a server
 * that swallows connections costs one session its time-out, not all of them.
 *
 * The key is address and port: two remotes on one server share what is
 * known of it, and a reload forgets nothing.
 *
 * Failures of attempts that began before the hold do not lengthen it, or a
 * hundred connections lost at once would count as a hundred tries.
 *
 * Considered and rejected: holding a remote (one address of five is down),
 * and counting time-outs more than refusals (a refusal costs a session
 * nothing, but the address is tried just as rarely as it deserves).
 */

#include <stdlib.h>
#include <string.h>

#include "dialer.h"

struct hold {
	RB_ENTRY(hold)		by_addr;
	TAILQ_ENTRY(hold)	by_age;		/* of the last failure */
	struct addr		addr;
	struct mono		until;
	unsigned int		fails;
	bool			taken;		/* on trial now */
};

RB_HEAD(holds, hold);
TAILQ_HEAD(hold_ages, hold);

static struct holds	holds = RB_INITIALIZER(&holds);
static struct hold_ages	ages = TAILQ_HEAD_INITIALIZER(ages);
static size_t		nholds;

static int
hold_cmp(const struct hold *a, const struct hold *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	if (a->addr.port != b->addr.port)
		return a->addr.port < b->addr.port ? -1 : 1;
	return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

RB_PROTOTYPE(holds, hold, by_addr, hold_cmp)
RB_GENERATE(holds, hold, by_addr, hold_cmp)

static struct hold *
find(const struct addr *a)
{
	struct hold	key;

	key.addr = *a;
	return RB_FIND(holds, &holds, &key);
}

static void
forget(struct hold *h)
{
	RB_REMOVE(holds, &holds, h);
	TAILQ_REMOVE(&ages, h, by_age);
	nholds--;
	free(h);
}

/* Make room: what is past, and of the rest the oldest if there are many. */
static void
expire(struct mono now)
{
	struct hold	*h, *next;

	TAILQ_FOREACH_SAFE(h, &ages, by_age, next) {
		if (nholds < HOLD_MAX &&
		    mono_diff(now, h->until) < HOLD_MEMORY)
			break;
		if (!h->taken)
			forget(h);
	}
}

enum hold_view
hold_view(const struct addr *a, struct mono now)
{
	struct hold	*h = find(a);

	if (h == NULL)
		return HOLD_GOOD;
	if (h->taken)
		return HOLD_TAKEN;
	return mono_diff(h->until, now) > 0 ? HOLD_DOWN : HOLD_TRIAL;
}

bool
hold_try(const struct addr *a)
{
	struct hold	*h = find(a);

	if (h == NULL || h->taken)
		return false;
	h->taken = true;
	return true;
}

static struct hold *
hold_new(const struct addr *a, struct mono now)
{
	struct hold	*h;

	expire(now);
	if ((h = calloc(1, sizeof(*h))) == NULL)
		return NULL;
	h->addr = *a;
	RB_INSERT(holds, &holds, h);
	TAILQ_INSERT_TAIL(&ages, h, by_age);
	nholds++;
	return h;
}

bool
hold_failed(const struct addr *a, bool trial, struct mono now)
{
	struct hold	*h = find(a);
	int64_t		 ms = HOLD_FIRST;
	unsigned int	 i;

	/* Without memory it is tried again a little too often. */
	if (h == NULL && (h = hold_new(a, now)) == NULL)
		return false;
	if (trial)
		h->taken = false;
	else if (h->fails > 0 && mono_diff(h->until, now) > 0)
		return false;
	for (i = 0; i < h->fails && ms < HOLD_LONGEST; i++)
		ms *= 2;
	h->until = mono_add(now, ms < HOLD_LONGEST ? ms : HOLD_LONGEST);
	TAILQ_REMOVE(&ages, h, by_age);
	TAILQ_INSERT_TAIL(&ages, h, by_age);
	return h->fails++ == 0;
}

bool
hold_worked(const struct addr *a)
{
	struct hold	*h = find(a);

	if (h == NULL)
		return false;
	forget(h);
	return true;
}

void
hold_dropped(const struct addr *a, bool trial)
{
	struct hold	*h;

	if (trial && (h = find(a)) != NULL)
		h->taken = false;
}

size_t
hold_count(struct mono now)
{
	struct hold	*h;
	size_t		 n = 0;

	TAILQ_FOREACH(h, &ages, by_age)
		if (mono_diff(h->until, now) > 0)
			n++;
	return n;
}

void
hold_clear(void)
{
	struct hold	*h;

	while ((h = TAILQ_FIRST(&ages)) != NULL)
		forget(h);
}

/* Is v[i] there before? */
static bool
is_repeated(const struct addr *v, size_t i)
{
	size_t	j;

	for (j = 0; j < i; j++)
		if (addr_equal(&v[j], &v[i]))
			return true;
	return false;
}

size_t
hold_order(struct addr *v, size_t n, bool v4, bool v6)
{
	struct addr	tmp;
	size_t		i, j, left = 0;
	uint8_t		want = ADDR_V6;

	for (i = 0; i < n; i++)
		if (!is_repeated(v, i) && ((v4 && v[i].family == ADDR_V4) ||
		    (v6 && v[i].family == ADDR_V6)))
			v[left++] = v[i];
	for (i = 0; i < left; i++) {
		for (j = i; j < left && v[j].family != want; j++)
			continue;
		want = want == ADDR_V6 ? ADDR_V4 : ADDR_V6;
		if (j == left)
			continue;	/* only the other family is left */
		tmp = v[j];
		memmove(v + i + 1, v + i, (j - i) * sizeof(*v));
		v[i] = tmp;
	}
	return left;
}
