/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * lookup.c on files that are not what they should be.  The first octet says
 * whether the rest is the file as it is, or changes to a good one: three
 * octets each, a place and what stands there, and a last one that cuts it.
 *
 * Whatever the file: an answer comes, and a value is a line that fits.  A good
 * file has every key that was put into it, and no other; a file that was cut
 * never says no.
 */

#include <sys/mman.h>

#include <cdb.h>
#include <unistd.h>

#include "fuzz.h"
#include "lookup.h"

#define KEYS	40
#define ROOM	64

static uint8_t	good[8192];
static size_t	ngood;
static int	fd = -1;

static void
key_of(char *key, size_t size, unsigned int i)
{
	(void)snprintf(key, size, "user%u@example.org", i);
}

static void
make_good(void)
{
	struct cdb_make	 m;
	char		 key[64];
	unsigned int	 i;

	fd = memfd_create("cdb", MFD_CLOEXEC);
	must(fd != -1 && cdb_make_start(&m, fd) == 0);
	for (i = 0; i < KEYS; i++) {
		key_of(key, sizeof(key), i);
		/* The last values: too long by one, and none. */
		must(cdb_make_add(&m, key, (unsigned int)strlen(key),
		    "................................................"
		    "................", i == KEYS - 1 ? ROOM :
		    i == KEYS - 2 ? 0 : i) == 0);
	}
	must(cdb_make_finish(&m) == 0);
	ngood = (size_t)lseek(fd, 0, SEEK_END);
	must(ngood <= sizeof(good));
	must(pread(fd, good, sizeof(good), 0) == (ssize_t)ngood);
}

static void
write_file(const uint8_t *p, size_t len)
{
	must(ftruncate(fd, 0) == 0);
	must(len == 0 || pwrite(fd, p, len, 0) == (ssize_t)len);
}

static enum lookup_answer
ask(const char *key)
{
	enum lookup_answer	 answer;
	const char		*why;
	char			 value[ROOM];
	size_t			 i, len;

	memset(value, 'x', sizeof(value));
	answer = lookup_cdb(fd, lookup_size(fd), key, value, sizeof(value),
	    &why);
	must(answer < LOOKUP_ANSWER_COUNT);
	must(answer != LOOKUP_CANNOT || why != NULL);
	if (answer != LOOKUP_YES)
		return answer;
	len = strnlen(value, sizeof(value));
	must(len < sizeof(value));
	for (i = 0; i < len; i++)
		must((unsigned char)value[i] >= ' ' && value[i] != 0x7f);
	return answer;
}

/* Every key; n of them may be answered otherwise than by a good file. */
static void
ask_all(bool is_good, bool is_cut)
{
	enum lookup_answer	 answer;
	char			 key[64];
	unsigned int		 i;

	for (i = 0; i < KEYS; i++) {
		key_of(key, sizeof(key), i);
		answer = ask(key);
		if (is_good)
			must(answer == (i == KEYS - 1 ? LOOKUP_CANNOT :
			    LOOKUP_YES));
		if (is_cut)
			must(answer != LOOKUP_NO);
	}
	answer = ask("nobody@example.org");
	must(!is_good || answer == LOOKUP_NO);
	answer = ask("");
	must(!is_good || answer == LOOKUP_NO);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t	 file[sizeof(good)];
	size_t		 i, n;
	bool		 changed = false;

	if (fd == -1)
		make_good();
	if (len == 0)
		return 0;
	if (data[0] & 1) {
		write_file(data + 1, len - 1);
		ask_all(false, false);
		return 0;
	}
	memcpy(file, good, ngood);
	for (i = 1; i + 3 <= len; i += 3) {
		n = (data[i] | (size_t)data[i + 1] << 8) % ngood;
		changed = changed || file[n] != data[i + 2];
		file[n] = data[i + 2];
	}
	n = ngood;
	if (i < len)
		n = n * data[i] / 255;
	write_file(file, n);
	ask_all(!changed && n == ngood, !changed && n < ngood);
	return 0;
}
