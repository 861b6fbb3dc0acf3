/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * lookupd as a process, in its jail, with real files of SQLite.
 *
 *	t_lookupd [PROGRAM]
 */

#include "lookupd_child.h"

#include <sys/stat.h>

#include <sqlite3.h>

static char	dir[] = "/tmp/postern-unit.XXXXXX";

static const char *
path_of(const char *name)
{
	static char	path[4][128];
	static size_t	n;
	char		*p = path[n++ % nitems(path)];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static const char *
uri_of(const char *name)
{
	static char	uri[256];

	(void)snprintf(uri, sizeof(uri), "sqlite:%s\n", path_of(name));
	return uri;
}

/* Run SQL on a file. */
static void
sql(const char *name, const char *text)
{
	sqlite3	*lite;
	char	*why = NULL;

	if (sqlite3_open(path_of(name), &lite) != SQLITE_OK ||
	    sqlite3_exec(lite, text, NULL, NULL, &why) != SQLITE_OK) {
		printf("not ok: %s: %s\n", name, why == NULL ? "open" : why);
		exit(1);
	}
	(void)sqlite3_close(lite);
}

#define USERS								\
	"CREATE TABLE users (address TEXT PRIMARY KEY, n INT, b BLOB);"	\
	"INSERT INTO users VALUES ('a@example.org', 1, x'00ff');"	\
	"INSERT INTO users VALUES ('b@example.org', 2, NULL);"		\
	"INSERT INTO users VALUES ('c''@example.org', 3, '')"

static void
queries(void)
{
	query_add("n", "SELECT n FROM users WHERE address = :key;");
	query_add("place", "SELECT n FROM users WHERE address = ? -- it\n");
	query_add("all", "SELECT address, n FROM users ORDER BY n");
	query_add("blob", "SELECT length(b), b IS NULL FROM users "
	    "WHERE address = $key");
	query_add("add", "INSERT INTO users VALUES (:key, 9, NULL)");
	query_add("bad", "SELECT m FROM users");
	query_add("attach", "ATTACH '/tmp/x' AS x");
	query_add("pragma", "PRAGMA query_only = 0");
	query_add("long", "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL "
	    "SELECT i + 1 FROM r) SELECT count(*) FROM r");
	query_add("big", "SELECT hex(zeroblob(240000)), "
	    "hex(zeroblob(240000))");
	query_add("null", "SELECT NULL AS x, '' AS y");
}

static void
want(const char *query, const char *key, const char *text)
{
	static uint64_t	sid = 100;

	put_ask(&asker0, ++sid, 0, query, 100, "key", key, NULL);
	is_str(answer(&asker0, sid), text, "%s of %s", query, key);
}

static void
test_answers(void)
{
	struct conf_directory	*d;

	sql("users.db", USERS);
	conf_begin(5000, 1);
	queries();
	if ((d = calloc(1, sizeof(*d))) == NULL)
		die("calloc");
	d->obj.name = copy("d");
	d->obj.id = 8;
	d->type = DIR_SQL;
	d->datasource = copy("users");
	d->query_address = copy("SELECT 1 FROM users WHERE address = :address");
	if (conf_map_add(&conf->directories, &d->obj) == -1)
		die("conf_map_add");
	begin(uri_of("users.db"));
	want("n", "a@example.org", "n|1");
	want("n", "nobody", "n");
	want("n", "c'@example.org", "n|3");
	want("n", "' OR 1=1 --", "n");
	want("place", "b@example.org", "n|2");
	want("all", "", "address,n|a@example.org,1|b@example.org,2|"
	    "c'@example.org,3");
	put_ask(&asker1, 1, 0, "all", 2, NULL);
	is_str(answer(&asker1, 1), "address,n|a@example.org,1|"
	    "b@example.org,2+", "cut");
	want("blob", "a@example.org", "length(b),b IS NULL|2,0");
	want("null", "", "x,y|NULL,");
	want("n", "", "n");
	put_ask(&asker0, 2, 0, "n", 1, NULL);
	is_str(answer(&asker0, 2), "n", "without the parameter");
	put_ask(&asker0, 3, 8, "address", 1, "address", "a@example.org",
	    "other", "x", NULL);
	is_str(answer(&asker0, 3), "1|1", "a directory's");
	put_ask(&asker0, 4, 8, "vrfy", 1, NULL);
	is_str(answer(&asker0, 4), "!no such query", "one it has not");
	put_ask(&asker0, 5, 99, "address", 1, NULL);
	is_str(answer(&asker0, 5), "!no such query", "another directory");
	want("none", "", "!no such query");
	want("bad", "", "!no such column: m");
	want("add", "x", "!attempt to write a readonly database");
	want("attach", "", "!not authorized");
	want("pragma", "", "!not authorized");
	want("big", "", "!the answer is longer than 900 kilobytes");
	want("n", "a@example.org", "n|1");
	is_int(child_stat(&db, "lookupd.opened"), 1, "opened once");
	end();
}

/* The process that has it for too long is asked once, not in turns. */
static void
test_locked(void)
{
	sqlite3		*lite;
	uint64_t	 i;

	sql("locked.db", USERS);
	conf_begin(300, 1);
	queries();
	begin(uri_of("locked.db"));
	want("n", "a@example.org", "n|1");
	if (sqlite3_open(path_of("locked.db"), &lite) != SQLITE_OK ||
	    sqlite3_exec(lite, "BEGIN EXCLUSIVE", NULL, NULL, NULL) !=
	    SQLITE_OK)
		die("lock");
	for (i = 1; i <= 20; i++)
		put_ask(&asker0, i, 0, "n", 1, "key", "a@example.org", NULL);
	is_str(answer(&asker0, 1), "!locked for too long", "locked");
	for (i = 2; i <= 20; i++)
		is_str(answer(&asker0, i), "!no time left: the one before "
		    "took it", "and those behind it");
	(void)sqlite3_close(lite);
	want("n", "b@example.org", "n|2");
	want("long", "", "!no answer in time");
	want("n", "b@example.org", "n|2");
	is_int(child_stat(&db, "lookupd.timeouts"), 21, "timeouts");
	end();
}

/* Ask until it says that: another file is seen within a second. */
static void
until(const char *query, const char *key, const char *text)
{
	static uint64_t	 sid = 5000;
	const char	*got = "";
	int64_t		 stop = now_ms() + WAIT_MAX;

	do {
		put_ask(&asker0, ++sid, 0, query, 9, "key", key, NULL);
		got = answer(&asker0, sid);
		if (strcmp(got, text) == 0)
			break;
		turn(20);
	} while (now_ms() < stop);
	is_str(got, text, "%s of %s, in the end", query, key);
}

static void
test_replaced(void)
{
	sql("old.db", USERS);
	sql("new.db", USERS ";UPDATE users SET n = n + 10");
	conf_begin(1000, 1);
	queries();
	begin(uri_of("old.db"));
	want("n", "a@example.org", "n|1");
	/* A row that is written is seen at once. */
	sql("old.db", "UPDATE users SET n = 5 WHERE n = 1");
	want("n", "a@example.org", "n|5");
	if (rename(path_of("new.db"), path_of("old.db")) == -1)
		die("rename");
	until("n", "a@example.org", "n|11");
	/* Gone: what cannot be read is no answer; and it comes back. */
	if (unlink(path_of("old.db")) == -1)
		die("unlink");
	until("n", "a@example.org", "!unable to open database file");
	sql("old.db", USERS);
	until("n", "a@example.org", "n|1");
	is_int(child_logged(&db, "unable to open"), 1, "said once");
	is_int(child_logged(&db, "can be read again"), 1, "and that it is "
	    "back");
	end();
}

/* Its own file is not there, or none: the next one has its turn. */
static void
test_several(void)
{
	char	uris[1024];
	int	fd;

	sql("two.db", USERS ";UPDATE users SET n = n + 20");
	fd = open(path_of("one.db"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd == -1 || write(fd, "this is not a database, whatever it "
	    "may be called, but a text", 61) != 61 || close(fd) == -1)
		die("one.db");
	(void)snprintf(uris, sizeof(uris), "sqlite:%s\nsqlite:%s\n"
	    "sqlite:%s\n", path_of("one.db"), path_of("none.db"),
	    path_of("two.db"));
	conf_begin(1000, 1);
	queries();
	begin(uris);
	want("n", "a@example.org", "n|21");
	is_int(child_logged(&db, "not a database"), 1, "the first");
	is_int(child_logged(&db, "unable to open"), 1, "the second");
	end();
}

/* Written to by others, as long as they hold it open or made it so. */
static void
test_wal(void)
{
	sqlite3	*lite;

	sql("wal.db", "PRAGMA journal_mode = WAL;" USERS);
	if (sqlite3_open(path_of("wal.db"), &lite) != SQLITE_OK ||
	    sqlite3_exec(lite, "INSERT INTO users VALUES ('w', 7, NULL)",
	    NULL, NULL, NULL) != SQLITE_OK)
		die("wal");
	conf_begin(1000, 1);
	queries();
	begin(uri_of("wal.db"));
	want("n", "w", "n|7");
	if (sqlite3_exec(lite, "UPDATE users SET n = 8 WHERE n = 7",
	    NULL, NULL, NULL) != SQLITE_OK)
		die("wal");
	want("n", "w", "n|8");
	(void)sqlite3_close(lite);
	want("n", "w", "n|8");
	end();
	conf_begin(1000, 1);
	queries();
	begin(uri_of("wal.db"));
	want("n", "w", "n|8");
	end();
}

/*
 * The jail knows a directory, not its name: the process gives way.  One whose
 * kernel keeps no directories, or whose sanitizers want no jail, need not.
 */
static void
test_directory(void)
{
	conf_begin(1000, 1);
	queries();
	begin(uri_of("sub/users.db"));
	want("n", "a@example.org", "!unable to open database file");
	if (mkdir(path_of("sub"), 0755) == -1)
		die("mkdir");
	sql("sub/users.db", USERS);
	if (child_logged(&db, "landlock") == 0) {
		want("n", "a@example.org", "n|1");
		end();
		return;
	}
	put_ask(&asker0, 1, 0, "n", 1, "key", "a@example.org", NULL);
	is_int(child_wait(&db), 0, "it ends, well");
	conn_close(&db.parent);
	(void)close(db.log);
	conn_close(&asker0);
	conn_close(&asker1);
	conf_begin(1000, 1);
	queries();
	begin(uri_of("sub/users.db"));
	want("n", "a@example.org", "n|1");
	end();
}

/* Scripts may write, queries too; but never beyond the file. */
static void
test_writable(void)
{
	sql("rw.db", USERS);
	conf_begin(1000, 1);
	queries();
	ds->scripts = true;
	begin(uri_of("rw.db"));
	want("add", "x@example.org", "changed 1");
	want("n", "x@example.org", "n|9");
	want("attach", "", "!not authorized");
	want("pragma", "", "!not authorized");
	end();
}

/* An asker that breaks the rules loses its pipe, and nobody else does. */
static void
test_rules(void)
{
	struct wbuf	 w = { 0 };

	sql("rules.db", USERS);
	conf_begin(1000, 1);
	queries();
	begin(uri_of("rules.db"));
	put_u32(&w, 1);
	conn_send(&asker1, MSG_QUERY, 1, 1, -1, &w);
	ok(conn_ended(&asker1), "its pipe is closed");
	want("n", "a@example.org", "n|1");
	conn_expect(&db.parent, MSG_PEER_BROKE, "the parent is told");
	end();
}

static void
clean_up(void)
{
	char	command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		printf("cannot remove %s\n", dir);
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "lookupd");
	if (mkdtemp(dir) == NULL)
		die("mkdtemp");
	test_answers();
	test_locked();
	test_replaced();
	test_several();
	test_wal();
	test_directory();
	test_writable();
	test_rules();
	clean_up();
	return done("lookupd");
}
