/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A database of SQLite.
 *
 * A question is answered while it is asked: a datasource has as many of these
 * processes as it has `connections', and none of them does anything else
 * meanwhile.  So nothing may take longer than the time that the question has:
 * a progress handler looks at the clock every thousand steps of SQLite's
 * machine, and a lock is waited for by trying again until then.
 *
 * Of several files each process has one that it asks first, by its own
 * number; while that cannot be read the next one is asked, and every few
 * seconds it is tried again.  Once a second we look whether another file has
 * been put in the place of ours, which is then opened.
 *
 * The file is opened for reading unless scripts may write there.  What a
 * query could do beyond its database (ATTACH, PRAGMA, load_extension) is
 * refused whoever asks, and the file is not trusted either: it may have been
 * made by somebody else.
 *
 * The jail knows directories, not their names: where one is made, or another
 * one put in its place, the process ends, and its successor knows that one.
 */

#include <sys/types.h>
#include <sys/stat.h>

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "lookupd.h"
#include "proc.h"
#include "sandbox.h"
#include "util.h"

#define SCHEME		"sqlite:"
#define LOOK_EVERY	1000		/* ms: is it still the same file */
#define BACK_EVERY	5000		/* ms: to the one we ask first */
#define STEPS		1000		/* between looks at the clock */
#define LOCK_WAIT	2000000		/* ns */
#define HEAP_MAX	(256 * 1024 * 1024)

struct file {
	char		*path;
	char		*dir;		/* where it was when we started */
	struct stat	 dir_st;	/* st_ino 0: nowhere */
	bool		 said;		/* that it cannot be read */
};

static struct {
	struct file	*file;
	size_t		 n;
	size_t		 at;		/* which one db is */
	sqlite3		*db;		/* NULL: none is open */
	struct stat	 st;		/* of db */
	struct mono	 looked;
	struct mono	 opened;
	int64_t		 deadline;	/* ms of the clock, of this question */
	bool		 late;		/* it has passed */
} lite;

/* Not the turn's time, which stands still while we work. */
static int64_t
clock_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
is_late(void *arg)
{
	(void)arg;
	if (clock_ms() >= lite.deadline)
		lite.late = true;
	return lite.late;
}

static int
on_busy(void *arg, int tries)
{
	struct timespec	ts = { .tv_nsec = LOCK_WAIT };

	(void)tries;
	if (is_late(arg))
		return 0;
	(void)nanosleep(&ts, NULL);
	return 1;
}

static int
authorize(void *arg, int action, const char *a, const char *b, const char *db,
    const char *trigger)
{
	(void)arg;
	(void)a;
	(void)db;
	(void)trigger;
	switch (action) {
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
	case SQLITE_PRAGMA:
		return SQLITE_DENY;
	case SQLITE_FUNCTION:
		return b != NULL && sqlite3_stricmp(b, "load_extension") ==
		    0 ? SQLITE_DENY : SQLITE_OK;
	}
	return SQLITE_OK;
}

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
	(void)sqlite3_hard_heap_limit64(HEAP_MAX);
	lite.n = source.uri.n;
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
forget(struct statement *st)
{
	(void)sqlite3_finalize(st->priv);
	st->priv = NULL;
}

static void
db_close(void)
{
	if (lite.db == NULL)
		return;
	statements_each(forget);
	(void)sqlite3_close_v2(lite.db);
	lite.db = NULL;
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

/* What a connection may do, and that there is a database behind it. */
static int
db_set_up(sqlite3 *db)
{
	int	rc;

	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 2 * ROWS_ROOM);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_progress_handler(db, STEPS, is_late, NULL);
	(void)sqlite3_busy_handler(db, on_busy, NULL);
	rc = sqlite3_exec(db, source.scripts ?
	    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0" :
	    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
	    "PRAGMA query_only = 1", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "SELECT 1 FROM sqlite_master LIMIT 1",
		    NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_set_authorizer(db, authorize, NULL);
	return rc;
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
	lite.db = db;
	lite.at = i;
	lite.opened = lite.looked = mono_now();
	file_good(f);
	return 0;
}

/* Which one this process asks first. */
static size_t
first(void)
{
	return proc_index() % lite.n;
}

/* Another file in its place, or the one that we would rather ask? */
static void
db_look(void)
{
	struct stat	 st;
	char		 why[256];

	if (lite.db == NULL ||
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

/* One that can be read, if possible not this one. */
static int
db_open(size_t not, char *why, size_t size)
{
	size_t	i, at;

	for (i = 0; i < lite.n && !lite.late; i++) {
		at = (first() + i) % lite.n;
		if (at != not && file_open(at, why, size) == 0)
			return 0;
	}
	return -1;
}

/* --- a question ----------------------------------------------------------- */

static int
st_prepare(struct statement *st, char *why, size_t size)
{
	sqlite3_stmt	*s = NULL;
	int		 rc;

	if (st->priv != NULL)
		return SQLITE_OK;
	rc = sqlite3_prepare_v3(lite.db, st->sql.text, -1,
	    SQLITE_PREPARE_PERSISTENT, &s, NULL);
	if (rc != SQLITE_OK)
		(void)snprintf(why, size, "%s", sqlite3_errmsg(lite.db));
	else if (s == NULL || sqlite3_bind_parameter_count(s) !=
	    (int)st->sql.n) {
		(void)snprintf(why, size, "its parameters are not those that "
		    "SQLite sees");
		(void)sqlite3_finalize(s);
		return SQLITE_ERROR;
	}
	st->priv = s;
	return rc;
}

/* The file is no good, rather than the question. */
static bool
is_broken(int rc)
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

static void
take_row(struct rows *r, sqlite3_stmt *s)
{
	const void	*p;
	int		 i;

	for (i = 0; i < sqlite3_column_count(s); i++) {
		switch (sqlite3_column_type(s, i)) {
		case SQLITE_NULL:
			rows_value(r, NULL, 0);
			continue;
		case SQLITE_BLOB:
			p = sqlite3_column_blob(s, i);
			break;
		default:
			p = sqlite3_column_text(s, i);
			break;
		}
		/* An empty blob has no address. */
		rows_value(r, p == NULL ? "" : p,
		    (size_t)sqlite3_column_bytes(s, i));
	}
}

static int
step_all(const struct ask *a, sqlite3_stmt *s, struct rows *r)
{
	int	i, rc;

	for (i = 0; i < (int)a->st->sql.n; i++) {
		rc = sqlite3_bind_text64(s, i + 1, a->value[i], a->len[i],
		    SQLITE_STATIC, SQLITE_UTF8);
		if (rc != SQLITE_OK)
			return rc;
	}
	for (i = 0; i < sqlite3_column_count(s); i++)
		rows_column(r, sqlite3_column_name(s, i));
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (!rows_next(r, a->max_rows))
			return SQLITE_OK;
		take_row(r, s);
	}
	if (rc == SQLITE_DONE && r->a.ncolumns == 0)
		r->a.changed = (uint64_t)sqlite3_changes64(lite.db);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
run(struct ask *a, struct rows *r, char *why, size_t size)
{
	sqlite3_stmt	*s;
	int		 rc;

	if ((rc = st_prepare(a->st, why, size)) != SQLITE_OK)
		return rc;
	s = a->st->priv;
	if ((rc = step_all(a, s, r)) != SQLITE_OK)
		(void)snprintf(why, size, "%s", sqlite3_errmsg(lite.db));
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return rc;
}

/* Once, and once more with another connection if that one is broken. */
static int
try(struct ask *a, struct rows *r, char *why, size_t size)
{
	size_t	not = lite.n;
	int	rc = SQLITE_CANTOPEN, turns;

	for (turns = 0; turns < 2; turns++) {
		if (lite.db == NULL && db_open(not, why, size) == -1)
			return SQLITE_CANTOPEN;
		rows_init(r);
		rc = run(a, r, why, size);
		if (!is_broken(rc) || lite.late)
			return rc;
		rows_clear(r);
		file_bad(&lite.file[lite.at], why);
		db_close();
		not = lite.n > 1 ? lite.at : lite.n;
	}
	return rc;
}

static void
ask(struct ask *a)
{
	struct rows	r;
	char		why[256] = "";
	int		rc;
	int64_t		left;

	mono_turn();
	if ((left = mono_diff(a->deadline, mono_now())) <= 0) {
		source_count.timeouts++;
		ask_cannot(a, "no time left: the one before took it");
		return;
	}
	lite.late = false;
	lite.deadline = clock_ms() + left;
	db_look();
	rows_init(&r);
	rc = try(a, &r, why, sizeof(why));
	if (rc == SQLITE_OK)
		ask_answer(a, &r);
	else if (lite.late) {
		source_count.timeouts++;
		ask_cannot(a, rc == SQLITE_BUSY ? "locked for too long" :
		    "no answer in time");
	} else
		ask_cannot(a, why);
	rows_clear(&r);
}

static void
withdraw(struct ask *a)
{
	/* Answers are given at once, so that none is ever under way. */
	ask_cannot(a, "");
}

/* --- -n ------------------------------------------------------------------- */

static void
check_one(struct statement *st, const char *key)
{
	char	why[256];
	int	rc;

	if ((rc = st_prepare(st, why, sizeof(why))) != SQLITE_OK)
		source_note(!is_broken(rc) && !lite.late, key, why);
}

static void
check(const struct config *conf)
{
	char	key[256], why[256] = "";

	lite.late = false;
	lite.deadline = clock_ms() + source.timeout;
	(void)snprintf(key, sizeof(key), "datasource.%s.uri", source.name);
	if (lite.db == NULL && db_open(lite.n, why, sizeof(why)) == -1)
		source_note(false, key, why);
	else
		statements_of(conf, check_one);
	source_checked();
}

const struct backend	look_sqlite = {
	.dialect = SQL_SQLITE,
	.prepare = prepare,
	.start = start,
	.ask = ask,
	.withdraw = withdraw,
	.forget = forget,
	.check = check
};
