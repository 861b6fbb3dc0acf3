/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Verdicts into a new file, some at a time, while the cache is in use.
 *
 * First the records of the old file that the memory has nothing newer of,
 * then those of the memory that were there when it began (their mark is lower
 * than the file's); what is learnt meanwhile has the file's mark, stays in
 * memory, and goes into the next one.  So when the file has taken its place
 * all entries of lower marks are forgotten, and nothing is ever found that
 * was replaced, whatever becomes of the file.
 *
 * Expired verdicts are left out.  If there are still more than the bound, so
 * many of the old file's are left out that a tenth of the bound is free:
 * those that expire next, which are the noes before the yeses.  The old file
 * is gone through once more for that, to count how long its records last, by
 * the hour.
 *
 * An old file that was damaged while it was in use ends where it cannot be
 * read: the new one is then the cure.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"
#include "log.h"

#define HOUR		3600
#define HOURS		(CACHE_LIFE_MAX / HOUR + 2)
#define TABLES		8	/* at a time: as much work as the records */

enum phase { PHASE_COUNT, PHASE_FILE, PHASE_MEMORY, PHASE_TABLES };

static struct {
	enum phase		 phase;
	uint64_t		 now;
	struct snap_new		 to;
	struct snap_walk	 walk;
	bool			 full;		/* no more goes into it */
	size_t			 bucket;	/* of memory */
	uint32_t		 left[HOURS];	/* records, by hours left */
	/* Left out: all with less hours, and so many with as many. */
	size_t			 hours;
	uint64_t		 more;
} job = { .to = { .fd = -1 } };

void
cache_write_stop(void)
{
	if (cache.writing == 0)
		return;
	snap_new_clear(&job.to);
	snap_walk_clear(&job.walk);
	cache.writing = 0;
}

int
cache_write_begin(int fd, uint64_t now)
{
	size_t	 all = cache.overlay.loose + cache.snap.count;

	cache_write_stop();
	if (snap_new_init(&job.to, fd, cache.snap.secret) == -1)
		return -1;
	if (snap_walk_init(&job.walk) == -1) {
		snap_new_clear(&job.to);
		return -1;
	}
	cache.writing = ++cache.mark;
	cache.unsaved_begin = cache.stats.unsaved;
	job.now = now;
	job.full = false;
	job.bucket = 0;
	job.hours = 0;
	job.more = 0;
	job.phase = all > cache.bound ? PHASE_COUNT : PHASE_FILE;
	memset(job.left, 0, sizeof(job.left));
	return 0;
}

static int
add(const uint8_t *key, const char *value, size_t len)
{
	if (job.full)
		return 0;
	if (snap_new_add(&job.to, key, value, len) == 0)
		return 0;
	if (errno != EFBIG)
		return -1;
	job.full = true;
	return 0;
}

/* --- the old file --------------------------------------------------------- */

/* The next record, and is it still of use?  false: there is none. */
static bool
next_good(const uint8_t **key, const char **value, size_t *len,
    struct record *r, bool *good)
{
	int	 res = snap_walk_next(&job.walk, &cache.snap, key, value, len);

	if (res == -1) {
		cache.stats.bad++;
		log_warnx("the cache's file is damaged: what cannot be read "
		    "of it is left out");
	}
	if (res != 1)
		return false;
	*good = record_get(cache.snap.secret, *value, *len, r) == 0 &&
	    cache_last(r, job.now) > job.now && !cache_is_flushed(r) &&
	    overlay_find(&cache.overlay, *key) == NULL;
	return true;
}

static size_t
hours_left(const struct record *r)
{
	return (size_t)((cache_last(r, job.now) - job.now) / HOUR);
}

/* All are counted: what is left out? */
static void
decide(void)
{
	uint64_t	 n = cache.overlay.loose, goal, all = 0;
	size_t		 i;

	goal = cache.bound - cache.bound / 10;
	for (i = 0; i < HOURS; i++)
		n += job.left[i];
	if (n <= cache.bound)
		return;
	for (i = 0; i < HOURS - 1; i++) {
		if (all + job.left[i] >= n - goal)
			break;
		all += job.left[i];
	}
	job.hours = i;
	job.more = n - goal - all;
}

static bool
is_left_out(const struct record *r)
{
	size_t	 hours;

	if (job.hours == 0 && job.more == 0)
		return false;
	hours = hours_left(r);
	if (hours > job.hours || (hours == job.hours && job.more == 0))
		return false;
	if (hours == job.hours)
		job.more--;
	cache.stats.evicted++;
	return true;
}

static int
go_count(size_t n)
{
	const uint8_t	*key;
	const char	*value;
	struct record	 r;
	size_t		 len;
	bool		 good;

	for (; n > 0; n--) {
		if (!next_good(&key, &value, &len, &r, &good))
			break;
		if (good)
			job.left[hours_left(&r)]++;
	}
	if (n > 0) {
		decide();
		snap_walk_clear(&job.walk);
		job.phase = PHASE_FILE;
		return snap_walk_init(&job.walk);
	}
	return 0;
}

static int
go_file(size_t n)
{
	const uint8_t	*key;
	const char	*value;
	struct record	 r;
	size_t		 len;
	bool		 good;

	for (; n > 0; n--) {
		if (!next_good(&key, &value, &len, &r, &good)) {
			job.phase = PHASE_MEMORY;
			break;
		}
		if (good && !is_left_out(&r) && add(key, value, len) == -1)
			return -1;
	}
	return 0;
}

/* --- memory, tables ------------------------------------------------------- */

static int
add_entry(struct entry *e)
{
	struct record	 r;

	if (e->mark >= cache.writing || e->mark < cache.overlay.floor ||
	    e->len == 0 || e->written == cache.writing)
		return 0;
	e->written = cache.writing;
	if (record_get(NULL, e->record, e->len, &r) == -1 ||
	    cache_last(&r, job.now) <= job.now)
		return 0;
	return add(e->hash, e->record, e->len);
}

static int
go_memory(size_t n)
{
	struct entry	*e;

	for (; n > 0 && job.bucket < cache.overlay.buckets; n--, job.bucket++)
		for (e = overlay_bucket(&cache.overlay, job.bucket);
		    e != NULL; e = LIST_NEXT(e, chain))
			if (add_entry(e) == -1)
				return -1;
	if (job.bucket >= cache.overlay.buckets)
		job.phase = PHASE_TABLES;
	return 0;
}

static int
go_tables(void)
{
	int	 res = snap_new_finish(&job.to, TABLES);

	if (res == 1) {
		snap_new_clear(&job.to);
		snap_walk_clear(&job.walk);
	}
	return res;
}

int
cache_write_go(size_t n)
{
	int	 res = -1, saved;

	switch (job.phase) {
	case PHASE_COUNT:
		res = go_count(n);
		break;
	case PHASE_FILE:
		res = go_file(n);
		break;
	case PHASE_MEMORY:
		res = go_memory(n);
		break;
	case PHASE_TABLES:
		res = go_tables();
		break;
	}
	if (res == -1) {
		saved = errno;
		cache_write_stop();
		errno = saved;
	}
	return res;
}

/* --- in its place --------------------------------------------------------- */

int
cache_write_done(int fd, const char **why)
{
	struct snap	 new;

	if (snap_open(&new, fd, why) == -1) {
		cache.writing = 0;
		return -1;
	}
	*why = "is not the one that was written";
	if (memcmp(new.secret, cache.snap.secret, SIPHASH_KEY) != 0) {
		snap_close(&new);
		cache.writing = 0;
		return -1;
	}
	snap_close(&cache.snap);
	cache.snap = new;
	if (cache.overlay.octets > cache.most)
		cache.most = cache.overlay.octets;
	overlay_forget(&cache.overlay, cache.writing);
	if (cache.flush_mark < cache.writing)
		cache_flush_end();
	cache.stats.unsaved -= cache.unsaved_begin;
	cache.writing = 0;
	return 0;
}
