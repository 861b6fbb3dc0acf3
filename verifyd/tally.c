/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Counters: see tally.h.
 *
 * Two trees.  Counters by the hash of their key, under a secret of this
 * process; there is one as long as somebody holds it.  Holds by worker,
 * session and hash: so that a session's are together, and a worker's too,
 * and both can be given back without a look at the others.
 *
 * Nothing here is pressed out: a counter that forgot would let in one too
 * many, and never come down to zero again.  It is bounded by what workers
 * hold, each session but a few; beyond TALLY_MAX nobody holds more.
 */

#include <sys/types.h>
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"
#include "tally.h"

struct counter {
	RB_ENTRY(counter)	 node;
	uint8_t			 hash[SIPHASH_LEN];
	uint32_t		 n;
};

struct hold {
	RB_ENTRY(hold)		 node;
	const void		*worker;
	uint64_t		 sid;
	struct counter		*counter;
};

RB_HEAD(counter_tree, counter);
RB_HEAD(hold_tree, hold);

static struct counter_tree	counters = RB_INITIALIZER(&counters);
static struct hold_tree		holds = RB_INITIALIZER(&holds);
static size_t			ncounters, nholds;
static uint64_t			refused;

static int
counter_cmp(const struct counter *a, const struct counter *b)
{
	return memcmp(a->hash, b->hash, SIPHASH_LEN);
}

static int
hold_cmp(const struct hold *a, const struct hold *b)
{
	if (a->worker != b->worker)
		return (uintptr_t)a->worker < (uintptr_t)b->worker ? -1 : 1;
	if (a->sid != b->sid)
		return a->sid < b->sid ? -1 : 1;
	/* No counter: in front of all that the session holds. */
	if (a->counter == NULL || b->counter == NULL)
		return (a->counter != NULL) - (b->counter != NULL);
	return counter_cmp(a->counter, b->counter);
}

RB_PROTOTYPE(counter_tree, counter, node, counter_cmp)
RB_GENERATE(counter_tree, counter, node, counter_cmp)
RB_PROTOTYPE(hold_tree, hold, node, hold_cmp)
RB_GENERATE(hold_tree, hold, node, hold_cmp)

static void
hash_key(const void *key, size_t klen, uint8_t *hash)
{
	static uint8_t	secret[SIPHASH_KEY];
	static bool	have;
	struct siphash	h;

	if (!have) {
		arc4random_buf(secret, sizeof(secret));
		have = true;
	}
	siphash_init(&h, secret);
	siphash_update(&h, key, klen);
	siphash_final(&h, hash);
}

static struct counter *
counter_get(struct counter *key)
{
	struct counter	*c;

	if ((c = RB_FIND(counter_tree, &counters, key)) != NULL)
		return c;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	memcpy(c->hash, key->hash, SIPHASH_LEN);
	RB_INSERT(counter_tree, &counters, c);
	ncounters++;
	return c;
}

static void
counter_put(struct counter *c)
{
	if (c->n > 0)
		return;
	RB_REMOVE(counter_tree, &counters, c);
	free(c);
	ncounters--;
}

static void
hold_free(struct hold *h)
{
	struct counter	*c = h->counter;

	RB_REMOVE(hold_tree, &holds, h);
	free(h);
	nholds--;
	c->n--;
	counter_put(c);
}

enum tally
tally_take(const void *worker, uint64_t sid, const void *key, size_t klen,
    uint32_t limit)
{
	struct counter	 look, *c;
	struct hold	 mine = { .worker = worker, .sid = sid,
			     .counter = &look }, *h;

	hash_key(key, klen, look.hash);
	if (RB_FIND(hold_tree, &holds, &mine) != NULL)
		return TALLY_WAS_HELD;
	c = nholds < TALLY_MAX ? counter_get(&look) : NULL;
	if (c == NULL || (limit > 0 && c->n >= limit) ||
	    (h = calloc(1, sizeof(*h))) == NULL) {
		refused++;
		if (c != NULL)
			counter_put(c);
		return TALLY_OVER;
	}
	*h = mine;
	h->counter = c;
	c->n++;
	nholds++;
	RB_INSERT(hold_tree, &holds, h);
	return TALLY_HELD;
}

void
tally_back(const void *worker, uint64_t sid, const void *key, size_t klen)
{
	struct counter	 look;
	struct hold	 mine = { .worker = worker, .sid = sid,
			     .counter = &look }, *h;

	hash_key(key, klen, look.hash);
	if ((h = RB_FIND(hold_tree, &holds, &mine)) != NULL)
		hold_free(h);
}

void
tally_free(const void *worker, uint64_t sid)
{
	struct hold	 first = { .worker = worker, .sid = sid }, *h, *next;

	for (h = RB_NFIND(hold_tree, &holds, &first); h != NULL &&
	    h->worker == worker && h->sid == sid; h = next) {
		next = RB_NEXT(hold_tree, &holds, h);
		hold_free(h);
	}
}

void
tally_worker_gone(const void *worker)
{
	struct hold	 first = { .worker = worker }, *h, *next;

	for (h = RB_NFIND(hold_tree, &holds, &first); h != NULL &&
	    h->worker == worker; h = next) {
		next = RB_NEXT(hold_tree, &holds, h);
		hold_free(h);
	}
}

int
tally_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.tally.keys %zu\n"
	    "verifyd.tally.held %zu\n"
	    "verifyd.tally.refused %llu\n",
	    ncounters, nholds, (unsigned long long)refused);
}
