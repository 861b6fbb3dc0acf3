/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Values by key for a while: see state.h.
 *
 * An entry keeps no key, but 128 bits of a hash of table and key under a
 * secret of this state's own: so addresses of people do not lie about in
 * memory, entries are small whatever their keys are, and who sends keys
 * cannot aim at a bucket.  Two keys with one hash do not happen.
 *
 * The table of buckets grows by linear hashing: an insertion that makes more
 * entries than buckets adds one bucket, and splits one in two.  No operation
 * ever does more than that, whatever the size: it costs one chain, and once
 * in SEGMENT times an allocation of 8 KiB.  Buckets are not given back: they
 * are the tenth part of what the entries took at their most.
 *
 * All entries are in one list, the last used in front.  When there is no room
 * the end of the list goes, expired or not; expired ones are also found on
 * the way, by whoever asks for them and by a hand that goes round the
 * buckets with every insertion (state_sweep).
 *
 * A new value of the same size takes the old one's place; else an entry is
 * one allocation, and a flood of keys is one allocation and one release
 * for each of them.
 *
 * Rejected: a table that is copied when it is full (a stall of some 100 ms at
 * a million entries), a table as large as it may become from the beginning
 * (few entries would be spread over all its pages), a heap by expiry (memory
 * and time for something that the hand does for nothing).
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "siphash.h"
#include "state.h"

#define SEGMENT		1024		/* buckets that are allocated at once */
#define SWEEP		2		/* buckets looked at by a set */
#define SWEEP_FULL	16		/* where there is no room */
#define MALLOC_COST	16		/* octets that malloc(3) adds */

struct entry {
	LIST_ENTRY(entry)	 chain;
	TAILQ_ENTRY(entry)	 used;
	uint8_t			 hash[SIPHASH_LEN];
	struct mono		 expires;
	size_t			 len;
	uint8_t			 value[];
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(entries, entry);

struct state {
	uint8_t			 secret[SIPHASH_KEY];
	struct bucket		**segment;
	size_t			 nsegments;	/* room for pointers to them */
	size_t			 buckets;	/* whole + split */
	size_t			 whole;		/* a power of two */
	size_t			 hand;
	size_t			 max_entries, max_octets;
	struct entries		 used;
	struct state_stats	 stats;
};

static size_t
cost(size_t len)
{
	return sizeof(struct entry) + len + MALLOC_COST;
}

/* --- buckets -------------------------------------------------------------- */

static struct bucket *
bucket_at(const struct state *st, size_t i)
{
	return &st->segment[i / SEGMENT][i % SEGMENT];
}

/* Those before the split have two halves already. */
static size_t
bucket_of(const struct state *st, const uint8_t *hash)
{
	uint64_t	 h;
	size_t		 i;

	memcpy(&h, hash, sizeof(h));
	i = (size_t)h & (st->whole - 1);
	if (i < st->buckets - st->whole)
		i = (size_t)h & (2 * st->whole - 1);
	return i;
}

static int
segment_add(struct state *st)
{
	size_t	 i = st->buckets / SEGMENT;

	if (i == st->nsegments)
		return -1;
	if (st->segment[i] != NULL)
		return 0;
	st->segment[i] = calloc(SEGMENT, sizeof(struct bucket));
	if (st->segment[i] == NULL)
		return -1;
	st->stats.octets += SEGMENT * sizeof(struct bucket);
	return 0;
}

/* One bucket more; without memory, chains get longer instead. */
static void
grow(struct state *st)
{
	struct bucket	*from, *to;
	struct entry	*e, *next;
	size_t		 new = st->buckets;

	if (segment_add(st) == -1)
		return;
	from = bucket_at(st, new - st->whole);
	to = bucket_at(st, new);
	LIST_INIT(to);
	st->buckets++;
	for (e = LIST_FIRST(from); e != NULL; e = next) {
		next = LIST_NEXT(e, chain);
		if (bucket_of(st, e->hash) != new)
			continue;
		LIST_REMOVE(e, chain);
		LIST_INSERT_HEAD(to, e, chain);
	}
	if (st->buckets == 2 * st->whole)
		st->whole = st->buckets;
}

/* --- entries -------------------------------------------------------------- */

static void
entry_free(struct state *st, struct entry *e)
{
	LIST_REMOVE(e, chain);
	TAILQ_REMOVE(&st->used, e, used);
	st->stats.entries--;
	st->stats.octets -= cost(e->len);
	free(e);
}

static bool
is_expired(const struct entry *e, struct mono now)
{
	return mono_diff(e->expires, now) <= 0;
}

static void
hash_key(const struct state *st, unsigned int table, const void *key,
    size_t klen, uint8_t *hash)
{
	struct siphash	 h;
	uint8_t		 space = (uint8_t)table;

	siphash_init(&h, st->secret);
	siphash_update(&h, &space, sizeof(space));
	siphash_update(&h, key, klen);
	siphash_final(&h, hash);
}

/* One that has not expired. */
static struct entry *
find(struct state *st, const uint8_t *hash, struct mono now)
{
	struct entry	*e;

	LIST_FOREACH(e, bucket_at(st, bucket_of(st, hash)), chain)
		if (memcmp(e->hash, hash, SIPHASH_LEN) == 0)
			break;
	if (e == NULL || !is_expired(e, now))
		return e;
	entry_free(st, e);
	st->stats.expired++;
	return NULL;
}

static bool
is_full(const struct state *st, size_t octets)
{
	return st->stats.entries >= st->max_entries ||
	    st->stats.octets + octets > st->max_octets;
}

/*
 * Press out until there is room for these octets and one entry more: first
 * what has expired and is near.
 */
static int
make_room(struct state *st, size_t octets, struct mono now)
{
	struct entry	*e;

	if (is_full(st, octets))
		state_sweep(st, now, SWEEP_FULL);
	while (is_full(st, octets)) {
		if ((e = TAILQ_LAST(&st->used, entries)) == NULL)
			return -1;
		entry_free(st, e);
		st->stats.evicted++;
	}
	return 0;
}

static struct entry *
entry_new(struct state *st, const uint8_t *hash, size_t len, struct mono now)
{
	struct entry	*e;
	size_t		 segment = 0;

	if (len > st->max_octets)
		return NULL;
	/* The bucket that may be added has to fit, too. */
	if (st->buckets % SEGMENT == 0)
		segment = SEGMENT * sizeof(struct bucket);
	if (make_room(st, cost(len) + segment, now) == -1 ||
	    (e = malloc(sizeof(*e) + len)) == NULL)
		return NULL;
	memcpy(e->hash, hash, SIPHASH_LEN);
	e->len = len;
	LIST_INSERT_HEAD(bucket_at(st, bucket_of(st, hash)), e, chain);
	TAILQ_INSERT_HEAD(&st->used, e, used);
	st->stats.octets += cost(len);
	if (++st->stats.entries > st->buckets)
		grow(st);
	return e;
}

/* --- calls ---------------------------------------------------------------- */

struct state *
state_new(size_t entries, size_t octets)
{
	struct state	*st;

	if ((st = calloc(1, sizeof(*st))) == NULL)
		return NULL;
	arc4random_buf(st->secret, sizeof(st->secret));
	TAILQ_INIT(&st->used);
	st->max_entries = entries;
	st->max_octets = octets;
	st->nsegments = entries / SEGMENT + 1;
	st->segment = calloc(st->nsegments, sizeof(struct bucket *));
	if (st->segment == NULL || segment_add(st) == -1) {
		state_free(st);
		return NULL;
	}
	st->stats.octets += sizeof(*st) +
	    st->nsegments * sizeof(struct bucket *);
	st->whole = st->buckets = 1;
	return st;
}

void
state_free(struct state *st)
{
	struct entry	*e;
	size_t		 i;

	if (st == NULL)
		return;
	while ((e = TAILQ_FIRST(&st->used)) != NULL)
		entry_free(st, e);
	for (i = 0; st->segment != NULL && i < st->nsegments; i++)
		free(st->segment[i]);
	free(st->segment);
	freezero(st, sizeof(*st));
}

bool
state_get(struct state *st, unsigned int table, const void *key, size_t klen,
    struct mono now, const void **value, size_t *vlen)
{
	uint8_t		 hash[SIPHASH_LEN];
	struct entry	*e;

	hash_key(st, table, key, klen, hash);
	if ((e = find(st, hash, now)) == NULL) {
		st->stats.misses++;
		return false;
	}
	st->stats.hits++;
	TAILQ_REMOVE(&st->used, e, used);
	TAILQ_INSERT_HEAD(&st->used, e, used);
	*value = e->value;
	*vlen = e->len;
	return true;
}

int
state_set(struct state *st, unsigned int table, const void *key, size_t klen,
    const void *value, size_t vlen, int64_t ttl, struct mono now)
{
	uint8_t		 hash[SIPHASH_LEN];
	struct entry	*e;

	st->stats.sets++;
	state_sweep(st, now, SWEEP);
	hash_key(st, table, key, klen, hash);
	e = find(st, hash, now);
	if (e != NULL && (e->len != vlen || ttl <= 0)) {
		entry_free(st, e);
		e = NULL;
	}
	if (ttl <= 0)
		return 0;
	if (e == NULL && (e = entry_new(st, hash, vlen, now)) == NULL)
		return -1;
	TAILQ_REMOVE(&st->used, e, used);
	TAILQ_INSERT_HEAD(&st->used, e, used);
	e->expires = mono_add(now, ttl);
	if (vlen > 0)
		memcpy(e->value, value, vlen);
	return 0;
}

int
state_update(struct state *st, unsigned int table, const void *key,
    size_t klen, const void *value, size_t vlen, struct mono now)
{
	uint8_t		 hash[SIPHASH_LEN];
	struct entry	*e;
	struct mono	 expires;

	hash_key(st, table, key, klen, hash);
	if ((e = find(st, hash, now)) == NULL)
		return -1;
	st->stats.sets++;
	expires = e->expires;
	if (e->len != vlen) {
		entry_free(st, e);
		if ((e = entry_new(st, hash, vlen, now)) == NULL)
			return -1;
	}
	TAILQ_REMOVE(&st->used, e, used);
	TAILQ_INSERT_HEAD(&st->used, e, used);
	e->expires = expires;
	if (vlen > 0)
		memcpy(e->value, value, vlen);
	return 0;
}

void
state_sweep(struct state *st, struct mono now, size_t n)
{
	struct entry	*e, *next;

	for (; n > 0; n--) {
		if (++st->hand >= st->buckets)
			st->hand = 0;
		for (e = LIST_FIRST(bucket_at(st, st->hand)); e != NULL;
		    e = next) {
			next = LIST_NEXT(e, chain);
			if (!is_expired(e, now))
				continue;
			entry_free(st, e);
			st->stats.expired++;
		}
	}
}

void
state_stats(const struct state *st, struct state_stats *stats)
{
	*stats = st->stats;
}
