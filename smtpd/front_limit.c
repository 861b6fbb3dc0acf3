/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * How many sessions a client address has in this worker, and how many a
 * listener.  Counted are whole v4 addresses and v6 networks of 64 bits, as
 * that is what one customer of a provider has.  A tree, so that no choice
 * of addresses makes it slow.
 *
 * A listener is its id: sessions of older generations count as long as a
 * reload did not change it.  It stands in the tree as an address of a
 * family that no client has.
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

static struct addr
client_key(const struct addr *a)
{
	struct addr	key = *a;

	addr_mask(&key, 32, 64);
	return key;
}

static struct addr
listener_key(uint32_t id)
{
	struct addr	key = { .family = ADDR_NONE };

	memcpy(key.ip, &id, sizeof(id));
	return key;
}

static struct counter *
find(struct addr key)
{
	struct counter	c;

	c.addr = key;
	return RB_FIND(counters, &counters, &c);
}

static unsigned int
count(struct addr key)
{
	struct counter	*c = find(key);

	return c == NULL ? 0 : c->n;
}

static int
add(struct addr key)
{
	struct counter	*c;

	if ((c = find(key)) == NULL) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			return -1;
		c->addr = key;
		RB_INSERT(counters, &counters, c);
	}
	c->n++;
	return 0;
}

static void
take_away(struct addr key)
{
	struct counter	*c;

	if ((c = find(key)) == NULL || --c->n > 0)
		return;
	RB_REMOVE(counters, &counters, c);
	free(c);
}

unsigned int
limit_count(const struct addr *a)
{
	return count(client_key(a));
}

unsigned int
limit_count_listener(uint32_t id)
{
	return count(listener_key(id));
}

int
limit_add(const struct addr *a, uint32_t listener)
{
	if (add(client_key(a)) == -1)
		return -1;
	if (add(listener_key(listener)) == 0)
		return 0;
	take_away(client_key(a));
	return -1;
}

void
limit_remove(const struct addr *a, uint32_t listener)
{
	take_away(client_key(a));
	take_away(listener_key(listener));
}
