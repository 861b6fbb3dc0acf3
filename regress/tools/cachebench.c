/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Figures of the cache of verdicts: cachebench [records [file]].  It fills
 * it, writes it as verifyd does, a slice and some questions in turns, and
 * prints how long each of them took: questions by the clock, slices in CPU
 * time.  Nothing is judged here.
 */

#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache_private.h"
#include "config.h"

#define NOW		1700000000ULL
#define RECORDS		250		/* as save.c */
#define OCTETS		(256 * 1024)
#define BUCKETS		1000
#define ASKS		20		/* between two slices */

static uint32_t	*times;			/* ns, of many of one kind */
static size_t	ntimes, room;
static unsigned int	records = 1000000;

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec	ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t
ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Of slices: where others want the CPU, too, that is not their doing. */
static uint64_t
cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void
note_ns(uint64_t n)
{
	if (ntimes == room) {
		room = 2 * room + 1024;
		if ((times = reallocarray(times, room, 4)) == NULL)
			err(1, NULL);
	}
	times[ntimes++] = (uint32_t)n;
}

static void
note(uint64_t since)
{
	note_ns(ns() - since);
}

static int
cmp(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
print_times(const char *name)
{
	if (ntimes == 0)
		return;
	qsort(times, ntimes, sizeof(*times), cmp);
	printf("%-28s %9zu times, us: median %.2f p99 %.2f max %.1f\n", name,
	    ntimes, times[ntimes / 2] / 1e3, times[ntimes * 99 / 100] / 1e3,
	    times[ntimes - 1] / 1e3);
	ntimes = 0;
}

static void
key_n(struct cache_key *k, unsigned int n)
{
	static char	text[64];

	(void)snprintf(text, sizeof(text), "user.number%u@example%u.org", n,
	    n % 100);
	k->remote = "lmtp";
	k->sender = "";
	k->rcpt = text;
}

static void
fill(unsigned int from, unsigned int to)
{
	static const struct conf_ttl	ttl = { 86400000, 3600000, 43200000,
					    604800000 };
	struct cache_verdict		v = { true, 250, "2.1.5", "OK" };
	struct cache_key		k;
	uint64_t			t;

	for (; from < to; from++) {
		key_n(&k, from);
		t = ns();
		cache_store(&k, &v, &ttl, NOW, true);
		note(t);
	}
}

/* Questions for those that are there, or for others. */
static void
ask(unsigned int n, unsigned int from)
{
	struct cache_verdict	v;
	struct cache_key	k;
	uint64_t		t;

	for (; n > 0; n--) {
		key_n(&k, from + arc4random_uniform(records));
		t = ns();
		(void)cache_find(&k, NOW, &v);
		note(t);
	}
}

/* The seconds of it; questions and slices go to *asked and times. */
static double
write_file(int fd)
{
	uint64_t	 begun = ns(), t;
	uint32_t	*slices = NULL;
	size_t		 n = 0, slice_room = 0;
	int		 r;

	if (cache_write_begin(dup(fd), NOW) == -1)
		err(1, "cache_write_begin");
	do {
		t = cpu_ns();
		r = cache_write_go(RECORDS);
		t = cpu_ns() - t;
		if (n == slice_room) {
			slice_room = 2 * slice_room + 1024;
			if ((slices = reallocarray(slices, slice_room, 4)) ==
			    NULL)
				err(1, NULL);
		}
		slices[n++] = (uint32_t)t;
		ask(ASKS, 0);
	} while (r == 0);
	if (r == -1)
		err(1, "cache_write_go");
	t = ns() - begun;
	print_times("find while writing");
	free(times);
	times = slices;
	ntimes = n;
	room = slice_room;
	print_times("slice of writing");
	return (double)t / 1e9;
}

/* In kilobytes. */
static long
memory(void)
{
	char	 line[256];
	long	 kb = 0;
	FILE	*f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			kb = strtol(line + 6, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return kb;
}

static void
check(void)
{
	const char	*why;
	uint64_t	 begun = ns(), t;
	int		 r;

	do {
		t = cpu_ns();
		r = cache_check(OCTETS, &why);
		note_ns(cpu_ns() - t);
	} while (r == 0);
	printf("read through in %.3f s: %d\n", (double)(ns() - begun) / 1e9,
	    r);
	print_times("slice of reading through");
}

static void
tidy(void)
{
	uint64_t	t;
	bool		all;

	do {
		t = cpu_ns();
		all = cache_tidy(BUCKETS);
		note_ns(cpu_ns() - t);
	} while (!all);
	print_times("slice of giving back");
}

static void
round_of(const char *path, const char *name)
{
	const char	*why;
	struct stat	 st;
	uint64_t	 t;
	double		 s;
	int		 fd;

	(void)unlink(path);
	if ((fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600)) == -1)
		err(1, "%s", path);
	printf("--- %s\n", name);
	s = write_file(fd);
	t = ns();
	if (fsync(fd) == -1 || fstat(fd, &st) == -1)
		err(1, "%s", path);
	printf("written in %.3f s, fsync %.3f s, %lld octets, %ld KB\n", s,
	    (double)(ns() - t) / 1e9, (long long)st.st_size, memory());
	if (cache_write_done(fd, &why) == -1)
		errx(1, "%s %s", path, why);
	check();
	tidy();
	ask(200000, 0);
	print_times("find in the file");
	ask(200000, 100000000);
	print_times("miss");
	printf("%ld KB\n", memory());
}

int
main(int argc, char *argv[])
{
	const char	*path = "cachebench.cdb";

	if (argc > 1)
		records = (unsigned int)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		path = argv[2];
	if (cache_init() == -1)
		err(1, NULL);
	cache_bound(2 * (size_t)records);
	printf("%u records, %ld KB\n", records, memory());
	fill(0, records);
	print_times("store");
	ask(200000, 0);
	print_times("find in memory");
	printf("%ld KB\n", memory());
	round_of(path, "all from memory");
	fill(0, records / 10);
	print_times("store over the file");
	round_of(path, "a tenth from memory");
	(void)unlink(path);
	return 0;
}
