/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Reading the files that the configuration names: certificates, keys, lists,
 * the configuration itself.  The parent is the only process that opens a
 * path, and this is where it does so for reading.
 *
 * Only the operator names files here, never a client; what is guarded
 * against is the mistake: a fifo or a terminal, on which open(2) or read(2)
 * would hang for ever (O_NONBLOCK, O_NOCTTY, regular files only), a file that
 * is far too large, and a private key that others can read or replace.
 * Symbolic links are followed: certificates usually are ones.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent_files.h"
#include "util.h"

static int
fail(char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s: %s", what, strerror(errno));
	return -1;
}

/* May the owner and mode of a file with a secret be what they are? */
static int
secret_ok(const struct stat *st, char *why, size_t size)
{
	unsigned int	 mode = st->st_mode & 07777;
	const char	*what = NULL;

	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		snprintf(why, size, "owner is uid %u, want root or uid %u",
		    (unsigned int)st->st_uid, (unsigned int)geteuid());
		return -1;
	}
	if ((mode & (S_IWGRP | S_IWOTH)) != 0)
		what = "writable";
	else if ((mode & S_IROTH) != 0)
		what = "readable";
	if (what == NULL)
		return 0;
	snprintf(why, size, "mode %04o is %s by others, want 0600", mode,
	    what);
	return -1;
}

static int
file_check(int fd, bool secret, size_t max, char *why, size_t size)
{
	struct stat	 st;

	if (fstat(fd, &st) == -1)
		return fail(why, size, "stat");
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, size, "not a regular file");
		return -1;
	}
	if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
		snprintf(why, size, "larger than %zu octets", max);
		return -1;
	}
	return secret ? secret_ok(&st, why, size) : 0;
}

/*
 * Read to the end, whatever fstat(2) said: a file may grow meanwhile, and
 * those of /proc have no size.
 */
static int
file_slurp(int fd, struct conf_file *f, size_t max, char *why, size_t size)
{
	size_t	 room = 4096;
	ssize_t	 n;

	f->data = xmalloc(room);
	for (;;) {
		if (f->len + 1 == room) {
			f->data = f->secret ?
			    recallocarray(f->data, room, 2 * room, 1) :
			    xreallocarray(f->data, 2 * room, 1);
			if (f->data == NULL)
				return fail(why, size, "memory");
			room *= 2;
		}
		n = read(fd, f->data + f->len, room - 1 - f->len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail(why, size, "read");
		if (n == 0)
			break;
		f->len += (size_t)n;
		if (f->len > max) {
			snprintf(why, size, "larger than %zu octets", max);
			return -1;
		}
	}
	f->data[f->len] = '\0';
	return 0;
}

int
parent_file_open(const char *path, size_t max, char *why, size_t whysize)
{
	int	fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return fail(why, whysize, "open");
	if (file_check(fd, false, max, why, whysize) == 0)
		return fd;
	close(fd);
	return -1;
}

int
parent_file_read_max(const char *path, struct conf_file *f, bool secret,
    size_t max, char *why, size_t whysize)
{
	int	fd, res;

	memset(f, 0, sizeof(*f));
	f->path = xstrdup(path);
	f->secret = secret;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return fail(why, whysize, "open");
	res = file_check(fd, secret, max, why, whysize);
	if (res == 0)
		res = file_slurp(fd, f, max, why, whysize);
	close(fd);
	if (res == -1) {
		if (f->data != NULL)
			freezero(f->data, f->len);
		f->data = NULL;
		f->len = 0;
	}
	return res;
}

int
parent_file_read(const char *path, struct conf_file *f, bool secret,
    char *why, size_t whysize)
{
	return parent_file_read_max(path, f, secret, FILE_MAX_CONF, why,
	    whysize);
}
