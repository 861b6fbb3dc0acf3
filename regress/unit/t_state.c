/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * state.c, with a clock that the test turns; and the hash below it.
 */

#include "mono.h"
#include "proto.h"
#include "siphash.h"
#include "state.h"
#include "state_model.h"
#include "t.h"

#define FOREVER		(1LL << 40)
#define BUCKETS		(1024 * sizeof(void *))	/* octets of a segment */

static struct mono	now = { 1000 };
static struct state	*st;

static void
begin(size_t entries, size_t octets)
{
	st = state_new(entries, octets);
	ok(st != NULL, "state_new");
}

static void
end(void)
{
	state_free(st);
	st = NULL;
}

static int
set(unsigned int table, const char *key, const char *value, int64_t ttl)
{
	return state_set(st, table, key, strlen(key), value, strlen(value),
	    ttl, now);
}

/* "-" if there is none; static. */
static const char *
get(unsigned int table, const char *key)
{
	static char	 text[64];
	const void	*value;
	size_t		 len;

	if (!state_get(st, table, key, strlen(key), now, &value, &len))
		return "-";
	if (len >= sizeof(text))
		return "too long";
	memcpy(text, value, len);
	text[len] = '\0';
	return text;
}

static struct state_stats
stats(void)
{
	struct state_stats	 s;

	state_stats(st, &s);
	return s;
}

/* --- the hash ------------------------------------------------------------- */

/* The authors' vectors: the key is 0 1 2 ..., the message 0 1 2 ... too. */
static const struct {
	size_t		 len;
	const char	*hash;
} vectors[] = {
	{ 0, "a3817f04ba25a8e66df67214c7550293" },
	{ 1, "da87c1d86b99af44347659119b22fc45" },
	{ 7, "a1f1ebbed8dbc153c0b84aa61ff08239" },
	{ 8, "3b62a9ba6258f5610f83e264f31497b4" },
	{ 15, "5493e99933b0a8117e08ec0f97cfc3d9" },
	{ 63, "5150d1772f50834a503e069a973fbd7c" },
};

static void
test_hash(void)
{
	struct siphash	 h;
	uint8_t		 key[SIPHASH_KEY], text[64], out[SIPHASH_LEN];
	char		 hex[2 * SIPHASH_LEN + 1];
	size_t		 i, j, way, at, n;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	memcpy(key, text, sizeof(key));
	for (i = 0; i < nitems(vectors); i++)
		for (way = 0; way <= vectors[i].len; way++) {
			siphash_init(&h, key);
			for (at = 0; at < vectors[i].len; at += n) {
				n = piece(way, at, vectors[i].len);
				siphash_update(&h, text + at, n);
			}
			siphash_final(&h, out);
			for (j = 0; j < sizeof(out); j++)
				(void)snprintf(hex + 2 * j, 3, "%02x", out[j]);
			is_str(hex, vectors[i].hash, "%zu octets, way %zu",
			    vectors[i].len, way);
		}
}

/* --- values --------------------------------------------------------------- */

static void
test_values(void)
{
	static uint8_t	 big[STATE_VALUE_MAX];
	const void	*value;
	size_t		 len;

	begin(100, 1 << 20);
	is_str(get(0, "a"), "-", "nothing yet");
	is_int(set(0, "a", "one", FOREVER), 0, "set");
	is_str(get(0, "a"), "one", "what was set");
	is_str(get(1, "a"), "-", "another table");
	is_int(set(1, "a", "other", FOREVER), 0, "set there");
	is_str(get(0, "a"), "one", "the first is as it was");
	is_str(get(1, "a"), "other", "the other");
	is_int(set(0, "a", "two", FOREVER), 0, "of the same length");
	is_str(get(0, "a"), "two", "it took its place");
	is_int(set(0, "a", "longer", FOREVER), 0, "of another length");
	is_str(get(0, "a"), "longer", "it did, too");
	is_int(stats().entries, 2, "entries");
	is_int(set(0, "a", "", FOREVER), 0, "empty");
	is_str(get(0, "a"), "", "an empty value is one");
	is_int(set(0, "", "no key", FOREVER), 0, "the empty key");
	is_str(get(0, ""), "no key", "is one");
	is_int(set(0, "a", "", 0), 0, "forget");
	is_str(get(0, "a"), "-", "forgotten");
	is_int(set(0, "a", "x", -1), 0, "forget what is not there");
	is_int(stats().entries, 2, "entries that are left");

	memset(big, 0xa5, sizeof(big));
	is_int(state_set(st, 0, big, STATE_KEY_MAX, big, sizeof(big), FOREVER,
	    now), 0, "as large as there may be");
	ok(state_get(st, 0, big, STATE_KEY_MAX, now, &value, &len) &&
	    len == sizeof(big) && memcmp(value, big, len) == 0, "it is whole");
	ok(!state_get(st, 0, big, STATE_KEY_MAX - 1, now, &value, &len),
	    "the key is the whole key");
	end();
}

static void
test_ttl(void)
{
	begin(100, 1 << 20);
	(void)set(0, "a", "1", 1000);
	(void)set(0, "b", "2", 2000);
	now = mono_add(now, 999);
	is_str(get(0, "a"), "1", "not yet");
	now = mono_add(now, 1);
	is_str(get(0, "a"), "-", "to the millisecond");
	is_str(get(0, "b"), "2", "the other has not");
	is_int(stats().entries, 1, "the expired one is gone");
	is_int(stats().expired, 1, "and counted");
	(void)set(0, "b", "3", 5000);
	now = mono_add(now, 4999);
	is_str(get(0, "b"), "3", "a set counts from its own time");
	now = mono_add(now, 1);
	(void)set(0, "b", "4", 1000);
	is_str(get(0, "b"), "4", "after it has expired");
	is_int(stats().entries, 1, "no entry twice");

	/* Nobody asks for it: the hand finds it. */
	now = mono_add(now, 1000);
	state_sweep(st, now, 4);
	is_int(stats().entries, 0, "swept");
	end();
}

/* Another value lives as long as the one before would have. */
static void
test_update(void)
{
	begin(100, 1 << 20);
	is_int(state_update(st, 0, "a", 1, "x", 1, now), -1, "there is none");
	is_str(get(0, "a"), "-", "nor is there one now");
	(void)set(0, "a", "9", 1000);
	now = mono_add(now, 600);
	is_int(state_update(st, 0, "a", 1, "8", 1, now), 0, "as long");
	is_str(get(0, "a"), "8", "its value");
	is_int(state_update(st, 0, "a", 1, "10", 2, now), 0, "longer");
	is_str(get(0, "a"), "10", "its value");
	is_int(state_update(st, 1, "a", 1, "1", 1, now), -1,
	    "not in another table");
	is_int(stats().entries, 1, "one entry");
	now = mono_add(now, 399);
	is_str(get(0, "a"), "10", "it is there");
	now = mono_add(now, 1);
	is_str(get(0, "a"), "-", "for the time that it was set for");
	is_int(state_update(st, 0, "a", 1, "1", 1, now), -1, "expired");
	end();
}

/* What has expired goes before what has not, used long ago or not. */
static void
test_expired_first(void)
{
	char	key[2] = "a";
	size_t	i;

	begin(16, 1 << 20);
	for (i = 0; i < 16; i++, key[0]++)
		(void)set(0, key, "1", i < 12 ? FOREVER : 1000);
	now = mono_add(now, 1000);
	for (i = 0; i < 4; i++, key[0]++)
		(void)set(0, key, "2", FOREVER);
	is_int(stats().evicted, 0, "nothing was pressed out");
	is_int(stats().expired, 4, "but for those that were over");
	is_str(get(0, "a"), "1", "the oldest is there");
	(void)set(0, key, "3", FOREVER);
	is_int(stats().evicted, 1, "then one that lives");
	end();
}

/* Who is used stays; who is not goes, in order. */
static void
test_lru(void)
{
	begin(3, 1 << 20);
	(void)set(0, "a", "1", FOREVER);
	(void)set(0, "b", "2", FOREVER);
	(void)set(0, "c", "3", FOREVER);
	is_str(get(0, "a"), "1", "a is used");
	(void)set(0, "d", "4", FOREVER);
	is_str(get(0, "b"), "-", "b was the oldest");
	(void)set(0, "c", "5", FOREVER);
	(void)set(0, "e", "6", FOREVER);
	is_str(get(0, "a"), "-", "then a: c was written anew");
	is_str(get(0, "c"), "5", "c is there");
	is_str(get(0, "d"), "4", "d is there");
	is_str(get(0, "e"), "6", "e is there");
	is_int(stats().entries, 3, "three of them");
	is_int(stats().evicted, 2, "two went");
	end();
}

static void
test_octets(void)
{
	static char	 big[8192];
	size_t		 base, i;
	char		 key[16];

	begin(1000, BUCKETS + 10000);
	base = stats().octets;
	ok(base >= BUCKETS && base < BUCKETS + 1000, "empty: %zu", base);
	for (i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "%zu", i);
		is_int(state_set(st, 0, key, strlen(key), big, 1000, FOREVER,
		    now), 0, "set %zu", i);
		ok(stats().octets <= BUCKETS + 10000, "the bound holds");
	}
	ok(stats().entries >= 7 && stats().entries <= 9, "%zu entries",
	    stats().entries);
	is_int(state_set(st, 0, "x", 1, big, 8000, FOREVER, now), 0,
	    "a large one presses out many");
	ok(stats().entries <= 2, "%zu entries", stats().entries);
	is_int(set(0, "y", "small", FOREVER), 0, "a small one");
	is_int(state_set(st, 0, "y", 1, big, 20000, FOREVER, now), -1,
	    "one that never fits");
	is_str(get(0, "y"), "-", "and what was there before is not");
	is_int(set(0, "y", "small", FOREVER), 0, "it goes on");
	is_str(get(0, "y"), "small", "as before");
	end();
}

/* --- many ----------------------------------------------------------------- */

static uint64_t	seed = 88172645463325252ULL;

static uint64_t
chance(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Two million keys that nobody asks for again. */
static void
test_flood(void)
{
	const size_t	 entries = 50000, octets = 4 << 20;
	const void	*value;
	uint64_t	 key;
	size_t		 len, i, most = 0;

	begin(entries, octets);
	(void)set(0, "mine", "kept", FOREVER);
	for (i = 0; i < 2000000; i++) {
		key = chance();
		if (state_set(st, 0, &key, sizeof(key), &key,
		    (size_t)(key % 9), FOREVER, now) == -1)
			break;
		if (stats().entries > entries || stats().octets > octets)
			break;
		if (stats().octets > most)
			most = stats().octets;
		if (i % 10000 == 0 && !state_get(st, 0, "mine", 4, now,
		    &value, &len))
			break;
	}
	is_int(i, 2000000, "all of them, within the bounds");
	ok(most > octets / 2, "at most %zu octets", most);
	is_str(get(0, "mine"), "kept", "what is used is not pressed out");
	is_int(stats().entries + stats().evicted, 2000001, "none is lost");

	now = mono_add(now, FOREVER);
	state_sweep(st, now, entries);
	is_int(stats().entries, 0, "one turn of the hand finds all");
	end();
}

/*
 * Half a million at once, all of which must be found again: the buckets have
 * grown with them.
 */
static void
test_growth(void)
{
	const void	*value;
	uint32_t	 i;
	size_t		 len, found = 0;

	begin(500000, 256 << 20);
	for (i = 0; i < 500000; i++)
		(void)state_set(st, 0, &i, sizeof(i), &i, sizeof(i), FOREVER,
		    now);
	is_int(stats().entries, 500000, "entries");
	for (i = 0; i < 500000; i++)
		found += state_get(st, 0, &i, sizeof(i), now, &value, &len) &&
		    len == sizeof(i) && memcmp(value, &i, len) == 0;
	is_int(found, 500000, "found");
	end();
}

/* --- against the model ---------------------------------------------------- */

/* One operation; false if it came out otherwise.  less: it may have less. */
static bool
step(struct model *m, int64_t most_ttl, bool less)
{
	unsigned int		 table = (unsigned int)(chance() % 3);
	unsigned int		 key = (unsigned int)(chance() % 40);
	uint8_t			 new[MODEL_VALUE];
	struct model_entry	*e;
	const void		*value;
	size_t			 len;
	int64_t			 ttl;
	uint64_t		 op = chance() % 5;

	now = mono_add(now, (int64_t)(chance() % 5));
	memset(new, (int)(chance() & 0xff), sizeof(new));
	len = (size_t)(chance() % (MODEL_VALUE + 1));
	if (op == 0) {
		if (state_update(st, table, &key, sizeof(key), new, len,
		    now) == 0)
			return model_update(m, table, key, new, len, now.ms);
		return less ||
		    !model_update(m, table, key, new, len, now.ms);
	}
	if (op < 3) {
		ttl = most_ttl == FOREVER ? FOREVER :
		    (int64_t)(chance() % (uint64_t)most_ttl);
		if (state_set(st, table, &key, sizeof(key), new, len, ttl,
		    now) == -1)
			return false;
		model_set(m, table, key, new, len, ttl, now.ms);
		return true;
	}
	e = model_get(m, table, key, now.ms);
	if (!state_get(st, table, &key, sizeof(key), now, &value, &len))
		return e == NULL || less;
	return e != NULL && len == e->len &&
	    memcmp(value, e->value, len) == 0;
}

static void
test_model(const char *what, size_t entries, int64_t ttl, bool less)
{
	struct model	 m = { .max = less ? MODEL_MAX : entries };
	size_t		 i;

	begin(entries, 1 << 20);
	for (i = 0; i < 100000; i++) {
		if (!step(&m, ttl, less) || stats().entries > entries)
			break;
		if (i % 1000 == 0)
			state_sweep(st, now, 1);
	}
	is_int(i, 100000, "%s: like the model", what);
	end();
}

int
main(void)
{
	test_hash();
	test_values();
	test_ttl();
	test_update();
	test_expired_first();
	test_lru();
	test_octets();
	test_flood();
	test_growth();
	test_model("only expiry", MODEL_MAX, 20, false);
	test_model("only a bound", 17, FOREVER, false);
	test_model("one entry", 1, FOREVER, false);
	test_model("both", 17, 200, true);
	return done("t_state");
}
