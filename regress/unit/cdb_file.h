/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A cdb file for configurations that must name one: as short as there is,
 * with 256 tables of no slots, and so without a key.
 */
#ifndef CDB_FILE_H
#define CDB_FILE_H

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#define CDB_FILE	"/tmp/postern-cdb.XXXXXX"

/* path holds CDB_FILE; the caller unlinks it, as soon as it was opened. */
static inline void
cdb_file(char *path)
{
	int	fd = mkstemp(path);

	if (fd == -1 || ftruncate(fd, 2048) == -1)
		err(1, "%s", path);
	(void)close(fd);
}

#endif
