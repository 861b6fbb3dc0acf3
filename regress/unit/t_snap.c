/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd/snap.c, snap_write.c: files of verdicts, as they were written and
 * as they should not be.  Of whatever was done to a file, a verdict that
 * comes out of it is the one that was put into it.
 */

#include <cdb.h>
#include <fcntl.h>

#include "cache_file.h"

#define NOW		1700000000ULL
#define COUNT		1500

static struct cache_verdict
verdict_n(unsigned int n)
{
	struct cache_verdict	v = n % 3 == 0 ? no : yes;

	(void)snprintf(v.text, sizeof(v.text), "text of %u", n * n);
	return v;
}

static int
make(void)
{
	struct cache_verdict	v;
	struct cache_key	k;
	unsigned int		n;

	cache_clear();
	cache_bound(COUNT);
	for (n = 0; n < COUNT; n++) {
		k = key_n(n);
		v = verdict_n(n);
		cache_store(&k, &v, &ttl, NOW, true);
	}
	return write_all(NOW);
}

static void
put_at(int fd, const void *data, size_t n, off_t at)
{
	if (pwrite(fd, data, n, at) != (ssize_t)n)
		err(1, "pwrite");
}

static int
file_of_nothing(off_t size)
{
	int	fd = new_file();

	if (ftruncate(fd, size) == -1)
		err(1, "ftruncate");
	return fd;
}

/* How many are found; none may be wrong. */
static unsigned int
count_found(const char *name)
{
	struct cache_verdict	v, want;
	struct cache_key	k;
	unsigned int		n, found = 0, wrong = 0;

	for (n = 0; n < COUNT + 100; n++) {
		k = key_n(n);
		if (cache_find(&k, NOW, &v) == CACHE_MISS)
			continue;
		found++;
		want = verdict_n(n);
		wrong += n >= COUNT || v.exists != want.exists ||
		    v.code != want.code || strcmp(v.text, want.text) != 0 ||
		    strcmp(v.enhanced, want.enhanced) != 0;
	}
	is_int(wrong, 0, "%s: wrong verdicts", name);
	return found;
}

static size_t
size_of(int fd)
{
	return (size_t)lseek(fd, 0, SEEK_END);
}

static int
copy(int fd, size_t size)
{
	static char	buf[1 << 20];
	int		to = new_file();

	if (size > sizeof(buf) || pread(fd, buf, size, 0) != (ssize_t)size ||
	    pwrite(to, buf, size, 0) != (ssize_t)size)
		err(1, "copy");
	return to;
}

static void
test_good(int fd)
{
	const char	*why;
	size_t		 i;

	for (i = 1; i < 100000; i = i * 7 + 1) {
		cache_clear();
		ok(cache_load(dup(fd), &why) == 0, "opened");
		is_int(count_found("good"), COUNT, "all, before it is read");
		is_int(check_all(i), 1, "good in pieces of %zu", i);
		is_int(count_found("good"), COUNT, "all");
	}
}

/* Cut at any place, before it is opened and behind that. */
static void
test_cut(int fd)
{
	const char	*why;
	size_t		 size = size_of(fd), at;
	int		 cut;

	for (at = 0; at < size; at += at + 1000 < size ? 999 : 1) {
		cut = copy(fd, at);
		cache_clear();
		ok(cache_load(cut, &why) == -1, "cut at %zu", at);
		is_int(count_found("cut"), 0, "none");
	}
	for (at = 0; at < size; at += 9999) {
		cut = copy(fd, size);
		cache_clear();
		ok(cache_load(dup(cut), &why) == 0, "opened");
		ok(ftruncate(cut, (off_t)at) == 0, "cut");
		(void)count_found("cut in use");
		is_int(check_all(5000), -1, "cut in use at %zu", at);
		is_int(count_found("dropped"), 0, "none");
		(void)close(cut);
	}
}

/* Change an octet here and there. */
static void
test_change(int fd)
{
	const char	*why;
	size_t		 size = size_of(fd), at;
	unsigned char	 c;
	int		 bad;

	for (at = 0; at < size; at += at < SNAP_TOC ? 1 : 1 + at % 501) {
		bad = copy(fd, size);
		if (pread(bad, &c, 1, (off_t)at) != 1)
			err(1, "pread");
		c ^= (unsigned char)(1 << at % 8);
		put_at(bad, &c, 1, (off_t)at);
		cache_clear();
		if (cache_load(bad, &why) == -1)
			continue;
		(void)count_found("changed");
		is_int(check_all(SNAP_CHUNK), -1, "changed at %zu", at);
	}
}

/* A cdb, and the rest of what a file may be. */
static void
test_foreign(int fd)
{
	const char	*why;
	struct cdb_make	 m;
	char		 text[5000];
	int		 other = new_file(), size = (int)size_of(fd);

	if (cdb_make_start(&m, other) == -1 ||
	    cdb_make_add(&m, "user1@example.org", 17, "250", 3) == -1 ||
	    cdb_make_finish(&m) == -1)
		err(1, "cdb");
	cache_clear();
	ok(cache_load(other, &why) == -1, "another cdb");
	is_int(count_found("another cdb"), 0, "none");
	memset(text, 'x', sizeof(text));
	other = new_file();
	put_at(other, text, sizeof(text), 0);
	ok(cache_load(other, &why) == -1, "no cdb");
	ok(cache_load(file_of_nothing(3 << 20), &why) == -1, "only NULs");
	ok(cache_load(file_of_nothing(1LL << 33), &why) == -1, "too large");
	other = copy(fd, (size_t)size);
	put_at(other, text, 1, size);
	ok(cache_load(other, &why) == -1, "an octet more");
	ok(cache_load(new_file(), &why) == -1, "empty");
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ok(cache_load(other, &why) == -1, "no file");
}

/* Another secret: it finds nothing, and is not taken for what it says. */
static void
test_secret(int fd)
{
	const char	*why;
	off_t		 at;
	int		 other;
	struct snap	 s;

	if (snap_open(&s, dup(fd), &why) == -1)
		errx(1, "%s", why);
	at = (off_t)s.end + SNAP_HEAD + SIPHASH_LEN + 38;
	snap_close(&s);
	other = copy(fd, size_of(fd));
	put_at(other, "0123456789abcdef0123456789abcdef", 32, at);
	cache_clear();
	ok(cache_load(other, &why) == 0, "opened");
	is_int(count_found("secret"), 0, "none");
	is_int(check_all(10000), -1, "not as it was written");
}

/* What cdb(1) and libcdb make of it. */
static void
test_cdb(int fd)
{
	struct cdb	 c;
	unsigned int	 pos, n = 0;
	int		 bad = 0;

	if (cdb_init(&c, fd) == -1)
		err(1, "cdb_init");
	cdb_seqinit(&pos, &c);
	while (cdb_seqnext(&pos, &c) > 0) {
		char	key[16];

		n++;
		bad += cdb_keylen(&c) != 16 ||
		    cdb_read(&c, key, 16, cdb_keypos(&c)) == -1 ||
		    cdb_find(&c, key, 16) <= 0;
	}
	is_int(n, COUNT + 1, "a cdb");
	is_int(bad, 0, "whose keys are found");
	ok(cdb_find(&c, SNAP_KEY, 16) > 0 && cdb_datalen(&c) == SNAP_META,
	    "and its last record");
	cdb_free(&c);
}

int
main(void)
{
	int	fd = make();

	test_good(fd);
	test_cut(fd);
	test_change(fd);
	test_foreign(fd);
	test_secret(fd);
	test_cdb(fd);
	cache_clear();
	(void)close(fd);
	return done("snap");
}
