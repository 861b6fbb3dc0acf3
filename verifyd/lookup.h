/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Looking a key up in a cdb file: lookup.c, for source.c.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "proto.h"

/* The size of an open file; -1 and errno if it cannot be told. */
off_t	lookup_size(int fd);
/*
 * The value of a key in an open cdb file of that size: a line of less than
 * room octets.  LOOKUP_CANNOT with the reason, a static text, if the file is
 * not what it was or must be, or the value is no such line.
 */
enum lookup_answer lookup_cdb(int fd, off_t size, const char *key,
	    char *value, size_t room, const char **why);

#endif
