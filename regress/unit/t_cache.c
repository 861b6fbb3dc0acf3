/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd/cache.c, cache_write.c: what is found when, against a clock of our
 * own, in memory, over a file, and while one is being written.
 */

#include <fcntl.h>

#include "cache_file.h"

#define NOW		1700000000ULL

static void
is_view(const char *rcpt, uint64_t now, enum cache_view want,
    const struct cache_verdict *what, const char *name)
{
	struct cache_verdict	v;
	struct cache_key	k = key_of(rcpt);
	enum cache_view		view = cache_find(&k, now, &v);

	is_int(view, want, "%s: %s", name, rcpt);
	if (view == CACHE_MISS || what == NULL)
		return;
	ok(v.exists == what->exists && v.code == what->code, "%s: verdict",
	    name);
	is_str(v.enhanced, what->enhanced, "%s: enhanced", name);
	is_str(v.text, what->text, "%s: text", name);
}

static void
put(const char *rcpt, const struct cache_verdict *v, uint64_t now, bool probe)
{
	struct cache_key	k = key_of(rcpt);

	cache_store(&k, v, &ttl, now, probe);
}

/* The life of a yes and of a no; in_file: they have to come from there. */
static void
test_times(bool in_file)
{
	const char	*name = in_file ? "file" : "memory";

	cache_clear();
	is_view("a@x", NOW, CACHE_MISS, NULL, name);
	put("a@x", &yes, NOW, true);
	put("b@x", &no, NOW, true);
	if (in_file) {
		(void)close(write_and_take(NOW));
		is_int(cache.overlay.entries, 0, "all are in the file");
	}
	is_view("a@x", NOW, CACHE_FRESH, &yes, name);
	is_view("a@x", NOW + DAY / 2 - 1, CACHE_FRESH, &yes, name);
	is_view("a@x", NOW + DAY / 2, CACHE_REFRESH, &yes, name);
	is_view("a@x", NOW + DAY - 1, CACHE_REFRESH, &yes, name);
	is_view("a@x", NOW + DAY, CACHE_STALE, &yes, name);
	is_view("a@x", NOW + 7 * DAY - 1, CACHE_STALE, &yes, name);
	is_view("a@x", NOW + 7 * DAY, CACHE_MISS, NULL, name);
	is_view("b@x", NOW + 3599, CACHE_FRESH, &no, name);
	is_view("b@x", NOW + 3600, CACHE_MISS, NULL, name);
	/* The clock goes back: an hour is nothing, two years are. */
	is_view("a@x", NOW - 3600, CACHE_FRESH, &yes, name);
	is_view("a@x", NOW - 800 * DAY, CACHE_MISS, NULL, name);
	is_view("b@x", NOW - 800 * DAY, CACHE_MISS, NULL, name);
}

static void
test_replace(bool in_file)
{
	const char		*name = in_file ? "over a file" : "in memory";
	struct cache_key	 a = key_of("a@x");

	cache_clear();
	put("a@x", &yes, NOW, true);
	put("b@x", &no, NOW, true);
	if (in_file)
		(void)close(write_and_take(NOW));
	put("a@x", &no, NOW + 10, true);
	is_view("a@x", NOW + 10, CACHE_FRESH, &yes, name);
	put("b@x", &yes, NOW + 10, true);
	is_view("b@x", NOW + 10, CACHE_FRESH, &yes, name);
	/* Due to be asked anew, and refused: for an hour that is enough. */
	put("a@x", &no, NOW + DAY / 2 + 5, true);
	is_view("a@x", NOW + DAY / 2 + 6, CACHE_FRESH, &yes, name);
	is_view("a@x", NOW + DAY / 2 + 5 + 3600, CACHE_REFRESH, &yes, name);
	is_view("a@x", NOW + DAY, CACHE_STALE, &yes, name);
	/* Nobody could tell: not asked for a minute. */
	cache_put_off(&a, NOW + DAY / 2 + 5 + 3599);
	is_view("a@x", NOW + DAY / 2 + 5 + 3600, CACHE_REFRESH, &yes, name);
	cache_put_off(&a, NOW + DAY / 2 + 5 + 3600);
	is_view("a@x", NOW + DAY / 2 + 5 + 3659, CACHE_FRESH, &yes, name);
	is_view("a@x", NOW + DAY / 2 + 5 + 3660, CACHE_REFRESH, &yes, name);
	cache_put_off(&a, NOW + DAY);
	is_view("a@x", NOW + DAY, CACHE_STALE, &yes, name);
	/* What a next hop says of a message is another thing. */
	put("a@x", &no, NOW + 20, false);
	is_view("a@x", NOW + 20, CACHE_FRESH, &no, name);
	put("a@x", &yes, NOW + 30, true);
	is_view("a@x", NOW + 30, CACHE_FRESH, &yes, name);
	/* An expired yes is replaced, and is then no stale one. */
	put("a@x", &no, NOW + 30 + DAY, true);
	is_view("a@x", NOW + 31 + DAY, CACHE_FRESH, &no, name);
	is_view("a@x", NOW + 30 + DAY + 3600, CACHE_MISS, NULL, name);
}

static void
test_delete(bool in_file)
{
	struct cache_key	k = key_of("a@x");
	struct cache_verdict	v;

	cache_clear();
	put("a@x", &yes, NOW, true);
	if (in_file)
		(void)close(write_and_take(NOW));
	ok(cache_delete(&k, NOW), "there was one");
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "there is none");
	ok(!cache_delete(&k, NOW), "there was none");
	is_int(cache.overlay.tombstones, in_file, "a tombstone");
	(void)close(write_and_take(NOW));
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "there is none in a file");
	is_int(cache.snap.count, 0, "none at all");
	is_int(cache.overlay.entries, 0, "no tombstone");
	put("a@x", &yes, NOW, true);
	is_view("a@x", NOW, CACHE_FRESH, &yes, "again");
}

/* Periods of nothing, and words that are no words. */
static void
test_odd(void)
{
	struct conf_ttl		t = ttl;
	struct cache_verdict	v, odd = { true, 0, "2.x", "a\nb\x7f" };
	struct cache_key	k = { "r", "a b@\"c\\\"", " \t@x" }, k2 = k;
	static char		longest[1200];

	cache_clear();
	cache_store(&k, &odd, &t, NOW, true);
	ok(cache_find(&k, NOW, &v) == CACHE_FRESH && v.code == 250 &&
	    strcmp(v.text, "a?b?") == 0 && strcmp(v.enhanced, "2.") == 0,
	    "only what can be printed: %u %s %s", v.code, v.enhanced, v.text);
	k2.sender = "a";
	k2.rcpt = "b@\"c\\\"  \t@x";
	ok(cache_find(&k2, NOW, &v) == CACHE_MISS, "not cut elsewhere");
	(void)close(write_and_take(NOW));
	ok(cache_find(&k, NOW, &v) == CACHE_FRESH, "nor in a file");
	is_int(check_all(1000), 1, "which is good");

	memset(longest, ' ', sizeof(longest) - 1);
	k.rcpt = longest;
	cache_store(&k, &yes, &t, NOW, true);
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "too long to be kept");
	ok(!cache_delete(&k, NOW), "nor deleted");
	k.rcpt = "";
	cache_store(&k, &yes, &t, NOW, true);
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "no address");

	t.refresh = 0;
	k.rcpt = "x";
	cache_store(&k, &yes, &t, NOW, true);
	ok(cache_find(&k, NOW + DAY - 1, &v) == CACHE_FRESH, "no refresh");
	t.keep = 0;
	cache_store(&k, &yes, &t, NOW, true);
	ok(cache_find(&k, NOW + DAY, &v) == CACHE_MISS, "not kept");
	t.negative = 0;
	cache_store(&k, &no, &t, NOW, true);
	ok(cache_find(&k, NOW, &v) == CACHE_FRESH && v.exists, "a yes stays");
	cache_store(&k, &no, &t, NOW, false);
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "noes are not kept");
	t.positive = 0;
	cache_store(&k, &yes, &t, NOW, true);
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "nor yeses");
}

/* What is learnt while a file is written. */
static void
test_meanwhile(void)
{
	struct cache_key	k;
	const char		*why;
	unsigned int		n;
	int			fd, r;

	cache_clear();
	for (n = 0; n < 100; n++) {
		k = key_n(n);
		cache_store(&k, &yes, &ttl, NOW, true);
	}
	(void)close(write_and_take(NOW));
	for (; n < 200; n++) {
		k = key_n(n);
		cache_store(&k, &yes, &ttl, NOW, true);
	}
	fd = new_file();
	ok(cache_write_begin(dup(fd), NOW) == 0, "begin");
	for (n = 0, r = 0; r == 0; n++) {
		r = cache_write_go(3);
		/* Of all ages: each becomes a no, or nothing. */
		if (n < 200) {
			k = key_n(n * 7 % 200);
			if (n % 2)
				cache_store(&k, &no, &ttl, NOW, false);
			else
				(void)cache_delete(&k, NOW);
		}
	}
	is_int(r, 1, "written");
	for (; n < 200; n++) {
		k = key_n(n * 7 % 200);
		if (n % 2)
			cache_store(&k, &no, &ttl, NOW, false);
		else
			(void)cache_delete(&k, NOW);
	}
	for (r = 0; r < 3; r++) {
		struct cache_verdict	v;
		unsigned int		bad = 0;

		for (n = 0; n < 200; n++) {
			k = key_n(n * 7 % 200);
			if (n % 2)
				bad += cache_find(&k, NOW, &v) !=
				    CACHE_FRESH || v.exists;
			else
				bad += cache_find(&k, NOW, &v) != CACHE_MISS;
		}
		is_int(bad, 0, "as it was said last, %d", r);
		if (r == 0)
			ok(cache_write_done(fd, &why) == 0, "taken");
		else if (r == 1)
			(void)close(write_and_take(NOW));
	}
	is_int(cache.snap.count, 100, "those that are left");
	is_int(cache.overlay.entries, 0, "all are in the file");
	is_int(cache.stats.unsaved, 0, "nothing is unsaved");
}

/* A writing that comes to nothing changes nothing. */
static void
test_given_up(void)
{
	const char	*why;
	int		 fd;

	cache_clear();
	put("a@x", &yes, NOW, true);
	(void)close(write_and_take(NOW));
	put("a@x", &no, NOW, false);
	put("b@x", &yes, NOW, true);
	ok(cache_write_begin(new_file(), NOW) == 0, "begin");
	(void)cache_write_go(1);
	cache_write_stop();
	is_view("a@x", NOW, CACHE_FRESH, &no, "stopped");
	fd = write_all(NOW);
	ok(ftruncate(fd, 3000) == 0, "cut");
	ok(cache_write_done(fd, &why) == -1, "not taken");
	is_view("a@x", NOW, CACHE_FRESH, &no, "cut");
	is_view("b@x", NOW, CACHE_FRESH, &yes, "cut");
	fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	ok(cache_write_begin(fd, NOW) == 0, "begin on a full disk");
	while ((fd = cache_write_go(1)) == 0)
		continue;
	is_int(fd, -1, "no room");
	is_view("b@x", NOW, CACHE_FRESH, &yes, "no room");
	(void)close(write_and_take(NOW));
	is_view("a@x", NOW, CACHE_FRESH, &no, "at last");
}

/* A file that somebody cuts while it is in use: the next one is whole. */
static void
test_cut(void)
{
	const char	*why;
	int		 fd, counted;

	for (counted = 0; counted < 2; counted++) {
		cache_clear();
		put("a@x", &yes, NOW, true);
		fd = write_and_take(NOW);
		put("b@x", &yes, NOW, true);
		ok(ftruncate(fd, 2050) == 0, "cut");
		is_view("a@x", NOW, CACHE_MISS, NULL, "cut: a miss");
		is_view("b@x", NOW, CACHE_FRESH, &yes, "in memory");
		if (counted)
			cache_bound(1);
		(void)close(fd);
		(void)close(write_and_take(NOW));
		is_int(check_all(1000), 1, "a good file");
		is_int(cache.snap.count, 1, "with what there is");
		is_view("b@x", NOW, CACHE_FRESH, &yes, "of the new file");
		ok(cache_load(-1, &why) == 0, "none");
	}
}

static void
test_restart(void)
{
	const char	*why;
	int		 fd, other;

	cache_clear();
	put("a@x", &yes, NOW, true);
	put("old@x", &no, NOW - 4000, true);
	fd = write_all(NOW);
	cache_clear();
	put("b@x", &yes, NOW, true);
	other = write_and_take(NOW);
	put("c@x", &yes, NOW, true);
	ok(cache_load(fd, &why) == 0, "another file");
	is_int(check_all(100), 1, "a good one");
	is_int(cache.snap.count, 1, "without what has expired");
	is_view("a@x", NOW, CACHE_FRESH, &yes, "of it");
	is_view("b@x", NOW, CACHE_MISS, NULL, "of the one before");
	is_view("c@x", NOW, CACHE_FRESH, &yes, "of memory");
	ok(cache_load(-1, &why) == 0, "none");
	is_view("a@x", NOW, CACHE_MISS, NULL, "without it");
	is_view("c@x", NOW, CACHE_FRESH, &yes, "of memory");
	(void)close(write_and_take(NOW));
	is_view("c@x", NOW, CACHE_FRESH, &yes, "of its file");
	ok(cache_load(other, &why) == 0, "the first one");
	is_view("b@x", NOW, CACHE_FRESH, &yes, "of the first one");
}

static void
test_flush(void)
{
	struct cache_key	k = { "other", "", "a@x" }, caps = { CACHE_CAPS,
				    "lmtp", "0123" };
	struct cache_verdict	v;
	int			i;

	for (i = 0; i < 2; i++) {
		cache_clear();
		put("a@x", &yes, NOW, true);
		cache_store(&k, &yes, &ttl, NOW, true);
		cache_store(&caps, &yes, &ttl, NOW, true);
		if (i == 1)
			(void)close(write_and_take(NOW));
		cache_flush("lmt");
		is_view("a@x", NOW, CACHE_FRESH, &yes, "another remote's");
		cache_flush("lmtp");
		cache_flush("lmtp");
		is_int(cache.nflushed, 2, "each is noted once");
		is_view("a@x", NOW, CACHE_MISS, NULL, "flushed");
		ok(cache_find(&k, NOW, &v) == CACHE_FRESH, "the other's");
		ok(cache.stats.unsaved > 0, "to be saved");
		put("a@x", &no, NOW, true);
		is_view("a@x", NOW, CACHE_FRESH, &no, "learnt since");
		cache_flush(NULL);
		ok(cache_find(&k, NOW, &v) == CACHE_MISS, "all");
		is_view("a@x", NOW, CACHE_MISS, NULL, "all");
		ok(cache_find(&caps, NOW, &v) == CACHE_FRESH, "but offers");
		(void)close(write_and_take(NOW));
		is_int(cache.snap.count, 1, "in the file, too");
		ok(!cache.flushed_all && cache.nflushed == 0, "forgotten");
	}
	/* While one is written, which has them. */
	put("b@x", &yes, NOW, true);
	i = write_all(NOW);
	cache_flush(NULL);
	{
		const char	*why;

		ok(cache_write_done(i, &why) == 0, "taken");
	}
	is_view("b@x", NOW, CACHE_MISS, NULL, "flushed meanwhile");
	(void)close(write_and_take(NOW));
	is_view("b@x", NOW, CACHE_MISS, NULL, "in the next, too");
	is_int(cache.snap.count, 1, "not there");
}

static void
test_bound(void)
{
	struct cache_verdict	v;
	struct cache_key	k;
	unsigned int		n, found = 0, yeses = 0;

	cache_clear();
	for (n = 0; n < 5000; n++) {
		k = key_n(n);
		cache_store(&k, &no, &ttl, NOW, true);
		k = key_n(0);
		(void)cache_find(&k, NOW, &v);
	}
	ok(cache.overlay.entries <= 1000, "memory is bounded: %zu",
	    cache.overlay.entries);
	is_int(cache.stats.evicted, 4000, "counted");
	k = key_n(0);
	ok(cache_find(&k, NOW, &v) == CACHE_FRESH, "what is used stays");
	k = key_n(4000);
	ok(cache_find(&k, NOW, &v) == CACHE_MISS, "what is not goes");
	/* Yeses last longer. */
	cache_clear();
	for (n = 0; n < 900; n++) {
		k = key_n(n);
		cache_store(&k, n % 3 == 0 ? &yes : &no, &ttl, NOW, true);
	}
	(void)close(write_and_take(NOW));
	for (; n < 1100; n++) {
		k = key_n(n);
		cache_store(&k, &yes, &ttl, NOW, true);
	}
	ok(cache.overlay.entries <= 100, "a tenth in memory");
	cache_bound(950);
	(void)close(write_and_take(NOW));
	is_int(cache.snap.count, 855, "a tenth is free");
	for (n = 0; n < 1100; n++) {
		k = key_n(n);
		if (cache_find(&k, NOW, &v) != CACHE_FRESH)
			continue;
		found++;
		yeses += v.exists;
	}
	is_int(found, 855, "all of it");
	is_int(yeses, 400, "all yeses");
	/* All alike. */
	cache_bound(100);
	(void)close(write_and_take(NOW));
	is_int(cache.snap.count, 90, "some of those that are alike");
	(void)close(write_and_take(NOW + 8 * DAY));
	is_int(cache.snap.count, 0, "expired");
}

int
main(void)
{
	test_times(false);
	test_times(true);
	test_replace(false);
	test_replace(true);
	test_delete(false);
	test_delete(true);
	test_odd();
	test_meanwhile();
	test_given_up();
	test_cut();
	test_restart();
	test_flush();
	test_bound();
	cache_clear();
	return done("cache");
}
