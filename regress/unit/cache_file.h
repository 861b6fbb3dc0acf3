/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * For tests of the cache: files without a name, whole writings, and
 * verdicts by number.
 */
#ifndef CACHE_FILE_H
#define CACHE_FILE_H

#include <sys/mman.h>

#include <err.h>
#include <unistd.h>

#include "cache_private.h"
#include "config.h"
#include "t.h"

#define DAY		(24 * 3600)

static const struct conf_ttl	ttl = { 1 * DAY * 1000LL, 3600 * 1000LL,
				    DAY / 2 * 1000LL, 7 * DAY * 1000LL };

static int
new_file(void)
{
	int	fd = memfd_create("cache", MFD_CLOEXEC);

	if (fd == -1)
		err(1, "memfd_create");
	return fd;
}

/* The cache as it is after a start. */
static void
cache_clear(void)
{
	cache_write_stop();
	cache_flush_end();
	overlay_free(&cache.overlay);
	snap_close(&cache.snap);
	memset(&cache, 0, sizeof(cache));
	cache.snap.fd = -1;
	cache.mark = 1;
	cache.bound = 1000;
	if (cache_init() == -1)
		err(1, "cache_init");
}

/* Write it all; the file, which is the caller's.  It is not in its place. */
static int
write_all(uint64_t now)
{
	int	fd = new_file(), r = 0;

	ok(cache_write_begin(dup(fd), now) == 0, "begin to write");
	while (r == 0)
		r = cache_write_go(7);
	is_int(r, 1, "written");
	return fd;
}

/* And put it in its place, as another process would find it. */
static inline int
write_and_take(uint64_t now)
{
	const char	*why = "";
	int		 fd = write_all(now);

	ok(cache_write_done(dup(fd), &why) == 0, "taken: %s", why);
	while (!cache_tidy(3))
		continue;
	return fd;
}

static inline int
check_all(size_t octets)
{
	const char	*why;
	int		 r;

	do
		r = cache_check(octets, &why);
	while (r == 0);
	return r;
}

static struct cache_key
key_of(const char *rcpt)
{
	struct cache_key	k = { "lmtp", "", rcpt };

	return k;
}

static inline struct cache_key
key_n(unsigned int n)
{
	static char	text[32];

	(void)snprintf(text, sizeof(text), "user%u@example.org", n);
	return key_of(text);
}

static const struct cache_verdict	yes = { true, 250, "2.1.5", "fine" };
static const struct cache_verdict	no = { false, 550, "5.1.1", "no one" };

#endif
