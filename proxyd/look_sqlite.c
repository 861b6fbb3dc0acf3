/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A database of SQLite: its file.
 *
 * A question is answered while it is asked (look_sqlite_run.c): a datasource
 * has as many of these processes as it has `connections', and none of them
 * does anything else meanwhile.
 *
 * Of several files each process has one that it asks first, by its own
 * number; while that cannot be read the next one is asked, and every few
 * seconds it is tried again.  Once a second we look whether another file has
 * been put in the place of ours, which is then opened.
 *
 * The file is opened for reading unless scripts may write there; one that
 * they may not write to, by its owner and mode, is opened all the same and
 * complained of, since what it has can be read.  The file is not trusted: it
 * may have been made by somebody else.
 *
 * The jail knows directories, not their names: where one is made, or another
 * one put in its place, the process ends, and its successor knows that one.
 * It may write there in any case: who reads a database in WAL mode does.
 */

#include <sys/types.h>
#include <sys/stat.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "look_sqlite.h"
#include "proc.h"
#include "sandbox.h"
#include "util.h"

#define SCHEME		"sqlite:"
#define LOOK_EVERY	1000		/* ms: is it still the same file */
#define BACK_EVERY	5000		/* ms: to the one we ask first */

sqlite3		*lite_db;

struct file {
	char		*path;
	char		*dir;		/* where it was when we started */
	struct stat	 dir_st;	/* st_ino 0: nowhere */
	bool		 said;		/* that it cannot be read */
	bool		 said_write;	/* that it cannot be written to */
};

static struct {
	struct file	*file;
	size_t		 n;
	size_t		 at;		/* which one lite_db is */
	size_t		 not;		/* the next one is not this; n: it may
					   be any */
	struct stat	 st;		/* of that */
	struct mono	 looked;
	struct mono	 opened;
} lite;

/* --- before the jail ------------------------------------------------------ */

/* The directory of a path, also where it is a link to elsewhere. */
static void
allow_directory(struct file *f, const char *path)
{
	char	dir[PATH_MAX], *slash;

	(void)strlcpy(dir, path, sizeof(dir));
	if ((slash = strrchr(dir, '/')) == NULL)
		return;
	slash[slash == dir] = '\0';
	sandbox_allow(dir, true);
	free(f->dir);
	f->dir = xstrdup(dir);
	if (stat(dir, &f->dir_st) == -1)
		memset(&f->dir_st, 0, sizeof(f->dir_st));
}

static void
prepare(void)
{
	char		real[PATH_MAX];
	struct file	*f;
	size_t		 i;

	if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK ||
	    sqlite3_initialize() != SQLITE_OK)
		fatalx("sqlite3_initialize");
	run_start();
	lite.n = lite.not = source.uri.n;
	lite.file = xcalloc(lite.n, sizeof(*lite.file));
	for (i = 0; i < lite.n; i++) {
		f = &lite.file[i];
		f->path = source.uri.v[i] + strlen(SCHEME);
		allow_directory(f, f->path);
		if (realpath(f->path, real) != NULL)
			allow_directory(f, real);
	}
}

static void
start(void)
{
	/* Opened when it is asked for. */
}

/* Was another directory put there?  Then the jail keeps us out of it. */
static void
check_directory(const struct file *f)
{
	struct stat	st;

	if (f->dir == NULL || stat(f->dir, &st) == -1 ||
	    (st.st_dev == f->dir_st.st_dev && st.st_ino == f->dir_st.st_ino))
		return;
	log_warnx("datasource %s: %s is another directory now", source.name,
	    f->dir);
	proc_exit();
}

/* --- open, close ---------------------------------------------------------- */

static void
db_close(void)
{
	if (lite_db == NULL)
		return;
	statements_each(run_forget);
	script_sql_each(run_forget);
	(void)sqlite3_close_v2(lite_db);
	lite_db = NULL;
}

/* Say it once, until it is back. */
static void
file_bad(struct file *f, const char *why)
{
	if (!f->said)
		log_warnx("datasource %s: %s: %s", source.name, f->path, why);
	f->said = true;
	check_directory(f);
}

static void
file_good(struct file *f)
{
	if (f->said)
		log_info("datasource %s: %s can be read again", source.name,
		    f->path);
	f->said = false;
	source_count.opened++;
}

/* How it is opened, and that there is a database behind it. */
static int
db_set_up(sqlite3 *db)
{
	int	rc;

	run_set_up(db);
	rc = sqlite3_exec(db, source.scripts ?
	    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0" :
	    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
	    "PRAGMA query_only = 1", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "SELECT 1 FROM sqlite_master LIMIT 1",
		    NULL, NULL, NULL);
	return rc == SQLITE_OK ? run_watch(db) : rc;
}

/* NULL, or why scripts cannot write to what is open; static. */
static const char *
unwritable(void)
{
	static char		 why[512];
	const struct file	*f = &lite.file[lite.at];
	const char		*wanted = NULL;

	if (!source.scripts)
		return NULL;
	if (sqlite3_db_readonly(lite_db, "main") == 1)
		wanted = f->path;
	else if (f->dir != NULL && access(f->dir, W_OK) == -1)
		wanted = f->dir;
	if (wanted == NULL)
		return NULL;
	(void)snprintf(why, sizeof(why), "scripts cannot write: the user that "
	    "lookupd runs as (_postlookup) must be able to write both the "
	    "file and its directory, and cannot write %s", wanted);
	return why;
}

/* Likewise once. */
static void
say_unwritable(struct file *f)
{
	const char	*why = unwritable();

	if (why != NULL && !f->said_write && !proc_is_check())
		log_warnx("datasource %s: %s", source.name, why);
	f->said_write = why != NULL;
}

static int
file_open(size_t i, char *why, size_t size)
{
	struct file	*f = &lite.file[i];
	sqlite3		*db = NULL;
	int		 rc;

	rc = sqlite3_open_v2(f->path, &db, SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_EXRESCODE | (source.scripts ? SQLITE_OPEN_READWRITE :
	    SQLITE_OPEN_READONLY), NULL);
	if (rc == SQLITE_OK && stat(f->path, &lite.st) == -1)
		rc = SQLITE_CANTOPEN;
	if (rc == SQLITE_OK)
		rc = db_set_up(db);
	if (rc != SQLITE_OK) {
		(void)snprintf(why, size, "%s", db == NULL ?
		    sqlite3_errstr(rc) : sqlite3_errmsg(db));
		(void)sqlite3_close_v2(db);
		file_bad(f, why);
		return -1;
	}
	db_close();
	lite_db = db;
	lite.at = i;
	lite.opened = lite.looked = mono_now();
	file_good(f);
	say_unwritable(f);
	return 0;
}

/* Which one this process asks first. */
static size_t
first(void)
{
	return proc_index() % lite.n;
}

void
lite_look(void)
{
	struct stat	 st;
	char		 why[256];

	if (lite_db == NULL ||
	    mono_diff(mono_now(), lite.looked) < LOOK_EVERY)
		return;
	lite.looked = mono_now();
	if (stat(lite.file[lite.at].path, &st) == -1 ||
	    st.st_dev != lite.st.st_dev || st.st_ino != lite.st.st_ino) {
		check_directory(&lite.file[lite.at]);
		db_close();
	} else if (lite.at != first() &&
	    mono_diff(mono_now(), lite.opened) >= BACK_EVERY) {
		lite.opened = mono_now();
		(void)file_open(first(), why, sizeof(why));
	}
}

int
lite_open(char *why, size_t size)
{
	size_t	i, at;

	for (i = 0; lite_db == NULL && i < lite.n && !run_is_late(); i++) {
		at = (first() + i) % lite.n;
		if (at != lite.not && file_open(at, why, size) == 0)
			break;
	}
	lite.not = lite.n;
	return lite_db == NULL ? -1 : 0;
}

void
lite_bad(const char *why)
{
	file_bad(&lite.file[lite.at], why);
	db_close();
	if (lite.n > 1)
		lite.not = lite.at;
}

bool
lite_is_broken(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_PROTOCOL:
	case SQLITE_MISUSE:
		return true;
	}
	return rc == SQLITE_READONLY_DBMOVED;
}

/* --- -n ------------------------------------------------------------------- */

static void
check_one(struct statement *st, const char *key)
{
	char	why[256];
	int	rc;

	if ((rc = run_prepare(st, why, sizeof(why))) != SQLITE_OK)
		source_note(!lite_is_broken(rc) && !run_is_late(), key, why);
}

static void
check(const struct config *conf)
{
	const char	*cannot_write;
	char		 key[256], why[256] = "";

	run_begin(false, source.timeout);
	(void)snprintf(key, sizeof(key), "datasource.%s.uri", source.name);
	if (lite_open(why, sizeof(why)) == -1) {
		source_note(false, key, why);
		source_checked();
		return;
	}
	statements_of(conf, check_one);
	(void)snprintf(key, sizeof(key), "datasource.%s.scripts",
	    source.name);
	if ((cannot_write = unwritable()) != NULL)
		source_note(false, key, cannot_write);
	source_checked();
}

/* Not ALTER: SQLite does it by functions that scripts shall not have. */
static const char *const	verbs[] = {
	"create", "delete", "drop", "insert", "replace", "select",
	"update", "values", "with", NULL
};

const struct backend	look_sqlite = {
	.dialect = SQL_SQLITE,
	.verbs = verbs,
	.prepare = prepare,
	.start = start,
	.ask = run_ask,
	.withdraw = run_withdraw,
	.forget = run_forget,
	.check = check
};
