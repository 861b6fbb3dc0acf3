/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A datasource for configurations that need one to be there: a cdb file
 * without records, 256 tables of no slots behind themselves.
 */
#ifndef CDB_FILE_H
#define CDB_FILE_H

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its path; the caller unlinks it when the configuration is read. */
static const char *
cdb_file(void)
{
	static char	path[] = "/tmp/postern-cdb.XXXXXX";
	char		toc[2048];
	size_t		i;
	int		fd;

	memset(toc, 0, sizeof(toc));
	for (i = 0; i < sizeof(toc); i += 8)
		toc[i + 1] = 8;
	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	if ((fd = mkstemp(path)) == -1 ||
	    write(fd, toc, sizeof(toc)) != (ssize_t)sizeof(toc))
		err(1, "%s", path);
	(void)close(fd);
	return path;
}

#endif
