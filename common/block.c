/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Blocked addresses: see block.h.
 *
 * A tree, as clients choose their addresses, and a list in the order in which
 * they were blocked.  All blocks of a configuration are of one length, so that
 * those that are over stand in front; after a reload some may not, and these
 * are found when they are asked for, or leave by age.
 *
 * Rejected: common/state.c, which keeps a hash of the key only: a worker that
 * is started anew has to be told the addresses themselves.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "block.h"

struct block {
	RB_ENTRY(block)		 node;
	TAILQ_ENTRY(block)	 entry;
	struct addr		 addr;
	struct mono		 until;
};

RB_HEAD(block_tree, block);

struct blocks {
	struct block_tree	 tree;
	TAILQ_HEAD(, block)	 order;
	size_t			 n;
};

static int
block_cmp(const struct block *a, const struct block *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

RB_PROTOTYPE(block_tree, block, node, block_cmp)
RB_GENERATE(block_tree, block, node, block_cmp)

struct blocks *
blocks_new(void)
{
	struct blocks	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	RB_INIT(&t->tree);
	TAILQ_INIT(&t->order);
	return t;
}

static void
block_free(struct blocks *t, struct block *b)
{
	RB_REMOVE(block_tree, &t->tree, b);
	TAILQ_REMOVE(&t->order, b, entry);
	t->n--;
	free(b);
}

void
blocks_free(struct blocks *t)
{
	if (t == NULL)
		return;
	while (!TAILQ_EMPTY(&t->order))
		block_free(t, TAILQ_FIRST(&t->order));
	free(t);
}

bool
block_key(const struct addr *a, struct addr *key)
{
	*key = *a;
	key->port = 0;
	if (a->family != ADDR_V4 && a->family != ADDR_V6)
		return false;
	addr_mask(key, 32, 64);
	return true;
}

static struct block *
find(struct blocks *t, const struct addr *key)
{
	struct block	b;

	b.addr = *key;
	return RB_FIND(block_tree, &t->tree, &b);
}

/* From the oldest on, those that are over, and one more if there is no room. */
static void
make_room(struct blocks *t, struct mono now)
{
	struct block	*b;

	while ((b = TAILQ_FIRST(&t->order)) != NULL &&
	    (t->n >= BLOCKS_MAX || mono_diff(b->until, now) <= 0))
		block_free(t, b);
}

int
blocks_add(struct blocks *t, const struct addr *key, int64_t ms,
    struct mono now)
{
	struct block	*b;

	if ((b = find(t, key)) != NULL)
		block_free(t, b);
	make_room(t, now);
	if (ms <= 0)
		return 0;
	if ((b = calloc(1, sizeof(*b))) == NULL)
		return -1;
	b->addr = *key;
	b->until = mono_add(now, ms);
	RB_INSERT(block_tree, &t->tree, b);
	TAILQ_INSERT_TAIL(&t->order, b, entry);
	t->n++;
	return 0;
}

bool
blocks_has(struct blocks *t, const struct addr *a, struct mono now)
{
	struct block	*b;
	struct addr	 key;

	if (t->n == 0 || !block_key(a, &key) || (b = find(t, &key)) == NULL)
		return false;
	if (mono_diff(b->until, now) > 0)
		return true;
	block_free(t, b);
	return false;
}

void
blocks_each(struct blocks *t, struct mono now,
    void (*fn)(const struct addr *, int64_t, void *), void *arg)
{
	struct block	*b;
	int64_t		 ms;

	TAILQ_FOREACH(b, &t->order, entry)
		if ((ms = mono_diff(b->until, now)) > 0)
			fn(&b->addr, ms, arg);
}

size_t
blocks_count(const struct blocks *t)
{
	return t->n;
}
