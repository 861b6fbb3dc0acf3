/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * "file NAME sqlite": a database, made by the SQL that is its text.
 *
 * The daemon's processes run as users of their own, and SQLite wants to write
 * its journal beside the file.  So the file may have a directory of its own,
 * which is made, and both can be written to by anybody.
 */

#include <sys/stat.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "parley.h"

/* The directory of the file; that of the talk is there already. */
static int
make_directory(int line, const char *path)
{
	char	*dir = xasprintf("%s", path), *slash = strrchr(dir, '/');
	int	 rv = 0;

	if (slash != NULL) {
		*slash = '\0';
		if (mkdir(dir, 0777) == 0)
			rv = chmod(dir, 0777);
		else if (errno != EEXIST)
			rv = -1;
	}
	if (rv == -1)
		fail(NULL, line, "%s: %s", dir, strerror(errno));
	free(dir);
	return rv;
}

int
sqlite_make(int line, const char *path, const char *sql)
{
	sqlite3	*db = NULL;
	int	 rv = -1;

	if (make_directory(line, path) == -1)
		return -1;
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_busy_timeout(db, 5000) != SQLITE_OK ||
	    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(NULL, line, "%s: %s", path, db == NULL ? "no memory" :
		    sqlite3_errmsg(db));
	else if (chmod(path, 0666) == -1)
		fail(NULL, line, "%s: %s", path, strerror(errno));
	else
		rv = 0;
	(void)sqlite3_close(db);
	return rv;
}
