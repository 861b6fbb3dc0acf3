/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd/tally.c and common/block.c.
 */

#include "block.h"
#include "t.h"
#include "tally.h"

static const char	w1, w2;		/* two workers */

static enum tally
take(const char *worker, uint64_t sid, const char *key, uint32_t limit)
{
	return tally_take(worker, sid, key, strlen(key), limit);
}

static void
back(const char *worker, uint64_t sid, const char *key)
{
	tally_back(worker, sid, key, strlen(key));
}

/* Nobody holds anything. */
static void
want_empty(void)
{
	char	text[256];

	(void)tally_stats(text, sizeof(text));
	ok(strstr(text, "verifyd.tally.keys 0\nverifyd.tally.held 0\n") ==
	    text, "nothing is held: %s", text);
}

static void
test_take(void)
{
	is_int(take(&w1, 1, "a", 2), TALLY_HELD, "one");
	is_int(take(&w1, 1, "a", 2), TALLY_WAS_HELD, "counts once");
	is_int(take(&w2, 1, "a", 2), TALLY_HELD, "another worker's session 1");
	is_int(take(&w1, 2, "a", 2), TALLY_OVER, "too many");
	is_int(take(&w1, 2, "b", 1), TALLY_HELD, "another key");
	is_int(take(&w1, 1, "a", 1), TALLY_WAS_HELD, "a limit that sank");
	is_int(take(&w1, 3, "a", 0), TALLY_HELD, "no limit");
	back(&w1, 2, "a");
	is_int(take(&w1, 4, "a", 3), TALLY_OVER, "who held none gives none");
	back(&w1, 1, "a");
	back(&w1, 1, "a");
	is_int(take(&w1, 4, "a", 3), TALLY_HELD, "given back once");
	is_int(take(&w1, 5, "a", 3), TALLY_OVER, "and only once");
	tally_worker_gone(&w1);
	tally_worker_gone(&w2);
	want_empty();
}

static void
test_free(void)
{
	char	key[8];
	int	i;

	for (i = 0; i < 50; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		is_int(take(&w1, 7, key, 2), TALLY_HELD, "first");
		is_int(take(&w1, 8, key, 2), TALLY_HELD, "second");
		is_int(take(&w2, 7, key, 2), TALLY_OVER, "third");
	}
	tally_free(&w1, 7);
	tally_free(&w1, 7);
	tally_free(&w2, 8);
	for (i = 0; i < 50; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		is_int(take(&w2, 7, key, 2), TALLY_HELD, "there is room");
		is_int(take(&w2, 9, key, 2), TALLY_OVER, "for one");
	}
	tally_worker_gone(&w1);
	for (i = 0; i < 50; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		is_int(take(&w2, 9, key, 2), TALLY_HELD, "a worker is gone");
	}
	tally_worker_gone(&w1);
	tally_worker_gone(&w2);
	want_empty();
}

/* --- blocks --------------------------------------------------------------- */

static struct mono	now = { 1000 };
static unsigned int	seen;
static int64_t		left;

static struct addr
ip(const char *text)
{
	struct addr	a, key;

	ok(addr_parse(&a, text) == 0, "%s", text);
	a.port = 25;
	ok(block_key(&a, &key), "%s is an address", text);
	return key;
}

static bool
has(struct blocks *b, const char *text)
{
	struct addr	a;

	ok(addr_parse(&a, text) == 0, "%s", text);
	a.port = 4711;
	return blocks_has(b, &a, now);
}

static void
count(const struct addr *a, int64_t ms, void *arg)
{
	(void)a;
	(void)arg;
	seen++;
	left = ms;
}

static void
test_blocks(void)
{
	struct blocks	*b = blocks_new();
	struct addr	 a, un = { .family = ADDR_UNIX };

	ok(b != NULL, "blocks_new");
	ok(!block_key(&un, &a), "a socket in the file system is none");
	ok(!has(b, "192.0.2.1"), "nobody");
	a = ip("192.0.2.1");
	is_int(blocks_add(b, &a, 1000, now), 0, "block");
	a = ip("2001:db8:0:1::1");
	is_int(blocks_add(b, &a, 2000, now), 0, "block");
	ok(has(b, "192.0.2.1"), "it is");
	ok(!has(b, "192.0.2.2"), "its neighbour is not");
	ok(has(b, "2001:db8:0:1:ffff::1"), "the same 64 bits");
	ok(!has(b, "2001:db8:0:2::1"), "others");
	blocks_each(b, now, count, NULL);
	is_int(seen, 2, "both");
	now.ms += 999;
	ok(has(b, "192.0.2.1"), "still");
	now.ms += 1;
	ok(!has(b, "192.0.2.1"), "no more");
	seen = 0;
	blocks_each(b, now, count, NULL);
	ok(seen == 1 && left == 1000, "one, for the rest of its time");
	is_int(blocks_add(b, &a, 5000, now), 0, "anew");
	now.ms += 4999;
	ok(has(b, "2001:db8:0:1::2"), "longer");
	is_int(blocks_add(b, &a, 0, now), 0, "let go");
	ok(!has(b, "2001:db8:0:1::2"), "it is");
	is_int((long long)blocks_count(b), 0, "empty");
	blocks_free(b);
}

static void
test_blocks_full(void)
{
	struct blocks	*b = blocks_new();
	struct addr	 a = { .family = ADDR_V4 };
	uint32_t	 i;

	for (i = 0; i < BLOCKS_MAX + 10; i++) {
		memcpy(a.ip, &i, sizeof(i));
		(void)blocks_add(b, &a, 1000000, now);
	}
	is_int((long long)blocks_count(b), BLOCKS_MAX, "bounded");
	i = 9;
	memcpy(a.ip, &i, sizeof(i));
	ok(!blocks_has(b, &a, now), "the oldest went");
	i = 10;
	memcpy(a.ip, &i, sizeof(i));
	ok(blocks_has(b, &a, now), "the next is there");
	now.ms += 1000000;
	(void)blocks_add(b, &a, 1000, now);
	is_int((long long)blocks_count(b), 1, "those that are over go");
	blocks_free(b);
}

int
main(void)
{
	test_take();
	test_free();
	test_blocks();
	test_blocks_full();
	return done("t_tally");
}
