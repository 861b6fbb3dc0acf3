/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Records by hash, in memory: see overlay.h.
 *
 * A table that grows by linear hashing, as in common/state.c, and for the
 * same reason: an insertion splits one bucket at most, so there is never a
 * pause in which a million entries find new places.  A split moves entries
 * to a bucket behind all others: who goes through the buckets in order
 * misses none, and may meet one twice.
 *
 * When a new file has taken over, ten thousands of entries are of no more
 * use.  They are forgotten at once, by a number, and freed little by little.
 */

#include <stdlib.h>
#include <string.h>

#include "overlay.h"

#define SEGMENT		1024		/* buckets that are allocated at once */
#define MALLOC_COST	16		/* octets that malloc(3) adds */

static size_t
cost(const struct entry *e)
{
	return sizeof(*e) + e->len + MALLOC_COST;
}

static struct bucket *
bucket_at(const struct overlay *o, size_t i)
{
	return &o->segment[i / SEGMENT][i % SEGMENT];
}

static size_t
bucket_of(const struct overlay *o, const uint8_t *hash)
{
	uint64_t	 h;
	size_t		 i;

	memcpy(&h, hash, sizeof(h));
	i = (size_t)h & (o->whole - 1);
	if (i < o->buckets - o->whole)
		i = (size_t)h & (2 * o->whole - 1);
	return i;
}

static int
segment_add(struct overlay *o)
{
	struct bucket	**all;
	size_t		  i = o->buckets / SEGMENT;

	if (i == o->nsegments) {
		all = recallocarray(o->segment, o->nsegments,
		    2 * i + 1, sizeof(*all));
		if (all == NULL)
			return -1;
		o->segment = all;
		o->octets += (i + 1) * sizeof(*all);
		o->nsegments = 2 * i + 1;
	}
	if (o->segment[i] != NULL)
		return 0;
	if ((o->segment[i] = calloc(SEGMENT, sizeof(struct bucket))) == NULL)
		return -1;
	o->octets += SEGMENT * sizeof(struct bucket);
	return 0;
}

/* One bucket more; without memory, chains get longer instead. */
static void
grow(struct overlay *o)
{
	struct bucket	*from, *to;
	struct entry	*e, *next;
	size_t		 new = o->buckets;

	if (segment_add(o) == -1)
		return;
	from = bucket_at(o, new - o->whole);
	to = bucket_at(o, new);
	LIST_INIT(to);
	o->buckets++;
	for (e = LIST_FIRST(from); e != NULL; e = next) {
		next = LIST_NEXT(e, chain);
		if (bucket_of(o, e->hash) != new)
			continue;
		LIST_REMOVE(e, chain);
		LIST_INSERT_HEAD(to, e, chain);
	}
	if (o->buckets == 2 * o->whole)
		o->whole = o->buckets;
}

int
overlay_init(struct overlay *o)
{
	memset(o, 0, sizeof(*o));
	TAILQ_INIT(&o->used);
	if (segment_add(o) == -1)
		return -1;
	o->whole = o->buckets = 1;
	return 0;
}

struct entry *
overlay_find(struct overlay *o, const uint8_t *hash)
{
	struct entry	*e;

	LIST_FOREACH(e, bucket_at(o, bucket_of(o, hash)), chain)
		if (memcmp(e->hash, hash, SIPHASH_LEN) == 0)
			break;
	if (e != NULL && e->mark < o->floor) {
		overlay_drop(o, e);
		e = NULL;
	}
	return e;
}

void
overlay_touch(struct overlay *o, struct entry *e)
{
	if (e->pinned || e == TAILQ_FIRST(&o->used))
		return;
	TAILQ_REMOVE(&o->used, e, used);
	TAILQ_INSERT_HEAD(&o->used, e, used);
}

void
overlay_drop(struct overlay *o, struct entry *e)
{
	LIST_REMOVE(e, chain);
	if (!e->pinned) {
		TAILQ_REMOVE(&o->used, e, used);
		o->loose--;
	}
	if (e->len == 0)
		o->tombstones--;
	o->entries--;
	o->octets -= cost(e);
	free(e);
}

struct entry *
overlay_set(struct overlay *o, const uint8_t *hash, const char *record,
    size_t len, bool pinned, uint32_t mark)
{
	struct entry	*e;

	if ((e = overlay_find(o, hash)) != NULL)
		overlay_drop(o, e);
	if ((e = malloc(sizeof(*e) + len)) == NULL)
		return NULL;
	memcpy(e->hash, hash, SIPHASH_LEN);
	e->mark = mark;
	e->written = 0;
	e->pinned = pinned;
	e->len = (uint16_t)len;
	if (len > 0)
		memcpy(e->record, record, len);
	else
		o->tombstones++;
	LIST_INSERT_HEAD(bucket_at(o, bucket_of(o, hash)), e, chain);
	if (!pinned) {
		TAILQ_INSERT_HEAD(&o->used, e, used);
		o->loose++;
	}
	o->octets += cost(e);
	if (++o->entries > o->buckets)
		grow(o);
	return e;
}

struct entry *
overlay_oldest(struct overlay *o)
{
	return TAILQ_LAST(&o->used, entries);
}

void
overlay_forget(struct overlay *o, uint32_t mark)
{
	o->floor = mark;
	o->hand = 0;
}

bool
overlay_sweep(struct overlay *o, size_t n)
{
	struct entry	*e, *next;

	for (; n > 0 && o->hand < o->buckets; n--, o->hand++)
		for (e = overlay_bucket(o, o->hand); e != NULL; e = next) {
			next = LIST_NEXT(e, chain);
			if (e->mark < o->floor)
				overlay_drop(o, e);
		}
	return o->hand >= o->buckets;
}

struct entry *
overlay_bucket(const struct overlay *o, size_t i)
{
	return LIST_FIRST(bucket_at(o, i));
}

void
overlay_free(struct overlay *o)
{
	struct entry	*e;
	size_t		 i;

	for (i = 0; i < o->buckets; i++)
		while ((e = overlay_bucket(o, i)) != NULL)
			overlay_drop(o, e);
	for (i = 0; i < o->nsegments; i++)
		free(o->segment[i]);
	free(o->segment);
	memset(o, 0, sizeof(*o));
}
