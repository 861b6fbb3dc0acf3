/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A key in a cdb file, by libcdb on a descriptor.
 *
 * Read, not mapped: a file that somebody cuts while we hold it would be a
 * SIGBUS.  The format has no checksum, so all that can be seen is that the
 * file is not as long as it was, or that it leads to where it has nothing;
 * then there is no answer, rather than a no.  That a hash table without a
 * free slot is walked in a circle is prevented by libcdb, which counts them.
 *
 * A NUL at the end of a value is not of it: files of lists have one
 * (list_file.h), and so have those that some programs write.
 *
 * A value must be a line: what it is for are addresses, names of remotes
 * and the like, and it goes into replies and logs.
 */

#include <sys/types.h>

#include <cdb.h>
#include <string.h>
#include <unistd.h>

#include "lookup.h"

static bool
is_line(const char *s, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

off_t
lookup_size(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

enum lookup_answer
lookup_cdb(int fd, off_t size, const char *key, char *value, size_t room,
    const char **why)
{
	unsigned int	len;

	*why = "changed in place";
	if (size <= 0 || lookup_size(fd) != size)
		return LOOKUP_CANNOT;
	*why = "damaged";
	switch (cdb_seek(fd, key, (unsigned int)strlen(key), &len)) {
	case 0:
		return LOOKUP_NO;
	case 1:
		break;
	default:
		return LOOKUP_CANNOT;
	}
	if (len >= room) {
		*why = "a value is too long";
		return LOOKUP_CANNOT;
	}
	if (cdb_bread(fd, value, (int)len) != 0)
		return LOOKUP_CANNOT;
	if (len > 0 && value[len - 1] == '\0')
		len--;
	value[len] = '\0';
	if (is_line(value, len))
		return LOOKUP_YES;
	*why = "a value is no line of text";
	return LOOKUP_CANNOT;
}
