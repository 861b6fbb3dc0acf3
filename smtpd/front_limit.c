/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * How many sessions a client address has in this worker.  Counted are whole
 * v4 addresses and v6 networks of 64 bits, as that is what one customer of
 * a provider has.  A tree, so that no choice of addresses makes it slow.
 */

#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "front.h"

struct counter {
	RB_ENTRY(counter)	entry;
	struct addr		addr;
	unsigned int		n;
};

static int
counter_cmp(struct counter *a, struct counter *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

static RB_HEAD(counters, counter)	counters = RB_INITIALIZER(&counters);
RB_PROTOTYPE(counters, counter, entry, counter_cmp)
RB_GENERATE(counters, counter, entry, counter_cmp)

static struct counter *
find(const struct addr *a)
{
	struct counter	key;

	key.addr = *a;
	addr_mask(&key.addr, 32, 64);
	return RB_FIND(counters, &counters, &key);
}

unsigned int
limit_count(const struct addr *a)
{
	struct counter	*c = find(a);

	return c == NULL ? 0 : c->n;
}

int
limit_add(const struct addr *a)
{
	struct counter	*c;

	if ((c = find(a)) == NULL) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			return -1;
		c->addr = *a;
		addr_mask(&c->addr, 32, 64);
		RB_INSERT(counters, &counters, c);
	}
	c->n++;
	return 0;
}

void
limit_remove(const struct addr *a)
{
	struct counter	*c;

	if ((c = find(a)) == NULL || --c->n > 0)
		return;
	RB_REMOVE(counters, &counters, c);
	free(c);
}
