/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What scripts ask of lookupd, in its jail, with real files of SQLite: values
 * and their types, what is refused, who has the next turn.
 *
 *	t_lookupd_sql [PROGRAM]
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

/* Run SQL on a file, which it makes. */
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

#define TABLES								\
	"CREATE TABLE greylist (addr TEXT PRIMARY KEY);"		\
	"CREATE TABLE t (a, b);"					\
	"INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)"

static void
begin_with(const char *name, const char *tables, int64_t timeout)
{
	char	uri[256];

	sql(name, tables);
	conf_begin(timeout, 1);
	query_add("one", "SELECT b FROM t WHERE a = 1");
	query_add("key", "SELECT b FROM t WHERE b = :key");
	ds->scripts = true;
	(void)snprintf(uri, sizeof(uri), "sqlite:%s\n", path_of(name));
	begin(uri);
}

static void
is_query(const char *name)
{
	put_ask(&asker0, 77, 0, "one", 9, NULL);
	is_str(answer(&asker0, 77), "b|one", "a query, %s", name);
}

/* --- values --------------------------------------------------------------- */

static void
test_values(void)
{
	begin_with("values.db", TABLES, 5000);
	is_str(script("SELECT 1, 'x', NULL, 0.5, 1e300, x'4142', '', -7"),
	    "1,'x',NULL,0.5,1e300,x'4142','',-7|"
	    "i:1,t:x,n:,r:0.5,r:1e+300,t:AB,t:,i:-7", "types of results");
	is_str(script("SELECT 0.1, 1/3.0, 9e999, 3.0"),
	    "0.1,1/3.0,9e999,3.0|r:0.1,r:0.3333333333333333,r:inf,r:3",
	    "numbers are exact");
	is_str(script("SELECT typeof(?), typeof(?), typeof(?), typeof(?), "
	    "typeof(?) AS e", "n:", "t:1", "i:1", "r:1", "b:1"),
	    "typeof(?1),typeof(?2),typeof(?3),typeof(?4),e|"
	    "t:null,t:text,t:integer,t:real,t:integer", "types of values");
	is_str(script("SELECT ?1 || ?2 || ?1 AS x", "t:a", "t:b"),
	    "x|t:aba", "by number");
	is_str(script("SELECT :b || :a AS x", "a=t:1", "b=t:2"),
	    "x|t:21", "by name");
	is_str(script("SELECT ? || :n || ? AS x", "t:1", "n=t:2", "t:3"),
	    "x|t:123", "both");
	is_str(script("SELECT ':no', ? AS x;", "t:' OR 1=1 --"),
	    "':no',x|t::no,t:' OR 1=1 --", "a value is never SQL");
	is_str(script("SELECT ?", "i:9223372036854775807"),
	    "?1|i:9223372036854775807", "a large number");
	is_str(script("SELECT a, b FROM t ORDER BY a"),
	    "a,b|i:1,t:one|i:2,t:two|i:3,n:", "rows");
	put_script(&script1, 5, 2, "SELECT a FROM t ORDER BY a", NULL);
	is_str(script_answer(&script1, 5), "a|i:1|i:2+", "cut");
	put_script(&script1, 6, 0, "SELECT a FROM t", NULL);
	is_str(script_answer(&script1, 6), "a+", "no rows wanted");
	is_str(script("SELECT a FROM t WHERE a = ?", "i:9"), "a", "no row");
	end();
}

static void
test_missing(void)
{
	begin_with("missing.db", TABLES, 5000);
	is_str(script("SELECT ?"), "!parameter 1 has no value", "none");
	is_str(script("SELECT ?, ?", "t:a"), "!parameter 2 has no value",
	    "the second");
	is_str(script("SELECT :a, :b", "a=t:1"),
	    "!parameter :b has no value", "a name");
	is_str(script("SELECT :a", "t:1"), "!parameter :a has no value",
	    "a place is no name");
	is_str(script("SELECT ?", "t:1", "t:2"), "!a value for parameter 2, "
	    "which the statement does not have", "one more");
	is_str(script("SELECT ?2", "t:1", "t:2"), "!a value for parameter 1, "
	    "which the statement does not have", "one between");
	is_str(script("SELECT :a", "a=t:1", "b=t:1"), "!a value for :b, "
	    "which the statement does not have", "another name");
	is_str(script("SELECT ?", "i:x"), "!a parameter is no number that SQL "
	    "knows", "no number");
	is_str(script("SELECT ?", "i:1.5"), "!a parameter is no number that "
	    "SQL knows", "no whole number");
	is_str(script("SELECT ?", "r:inf"), "!a parameter is no number that "
	    "SQL knows", "not finite");
	is_str(script("SELECT ?", "b:2"), "!a parameter is neither true nor "
	    "false", "no boolean");
	is_str(script(""), "!empty", "no statement");
	is_str(script("SELECT 1; SELECT 2"), "!more than one statement",
	    "two");
	is_str(script("SELECT 1; -- that is all\n /* of it */"), "1|i:1",
	    "and a comment");
	is_str(script("SELECT x FROM t"), "!no such column: x",
	    "SQLite's word");
	end();
}

static void
test_changes(void)
{
	begin_with("changes.db", TABLES, 5000);
	is_str(script("SELECT EXISTS(SELECT 1 FROM greylist WHERE addr=? "
	    "LIMIT 1) AS x", "t:192.0.2.1.a.b"), "x|i:0", "not there");
	is_str(script("INSERT INTO greylist (addr) VALUES (?)",
	    "t:192.0.2.1.a.b"), "changed 1", "it is added");
	is_str(script("SELECT EXISTS(SELECT 1 FROM greylist WHERE addr=? "
	    "LIMIT 1) AS x", "t:192.0.2.1.a.b"), "x|i:1", "there");
	is_str(script("INSERT INTO greylist (addr) VALUES (?)",
	    "t:192.0.2.1.a.b"), "!UNIQUE constraint failed: greylist.addr",
	    "not twice");
	is_str(script("UPDATE t SET b = 'x' WHERE a > 1"), "changed 2",
	    "two are changed");
	is_str(script("SELECT 1 AS x"), "x|i:1", "and none by a question");
	is_str(script("UPDATE t SET b = 'x' WHERE a > 9"), "changed 0",
	    "none");
	is_str(script("CREATE TABLE IF NOT EXISTS own (k TEXT PRIMARY KEY, "
	    "v INT, seen INT DEFAULT (strftime('%s', 'now')))"), "changed 0",
	    "a table of its own");
	is_str(script("CREATE INDEX own_v ON own (v)"), "changed 0",
	    "an index");
	is_str(script("INSERT INTO own (k, v) VALUES ('a', 1) ON CONFLICT "
	    "(k) DO UPDATE SET v = v + 1 RETURNING v"), "v|i:1*1", "rows of "
	    "a change");
	put_script(&script0, 1, 0, "INSERT INTO own (k, v) VALUES ('a', 1), "
	    "('b', 1) ON CONFLICT (k) DO UPDATE SET v = v + 1 RETURNING v",
	    NULL);
	is_str(script_answer(&script0, 1), "v+*2", "of which none is wanted");
	is_str(script("SELECT k, v FROM own ORDER BY k"),
	    "k,v|t:a,i:2|t:b,i:1", "are changed all the same");
	is_str(script("DROP TABLE own"), "changed 0", "away with it");
	is_str(script("REPLACE INTO greylist VALUES ('192.0.2.1.a.b')"),
	    "changed 1", "REPLACE");
	is_query("then");
	end();
}

/* --- what is refused ------------------------------------------------------ */

#define NOT_YOURS	"!not a statement for scripts: they read and change " \
			"tables, and make them"
#define NO_TRANSACTIONS	"!scripts have no transactions: each statement is one"
#define DENIED		"!not authorized"

static const struct {
	const char	*sql, *want;	/* NULL: any error */
} refused[] = {
	{ "ATTACH '/tmp/x.db' AS x", NOT_YOURS },
	{ "DETACH main", NOT_YOURS },
	{ "PRAGMA query_only", NOT_YOURS },
	{ "EXPLAIN PRAGMA writable_schema = 1", NOT_YOURS },
	{ "VACUUM", NOT_YOURS },
	{ "VACUUM INTO '/tmp/x.db'", NOT_YOURS },
	{ "ALTER TABLE t ADD COLUMN c", NOT_YOURS },
	{ "ANALYZE", NOT_YOURS },
	{ "REINDEX", NOT_YOURS },
	{ "BEGIN", NO_TRANSACTIONS },
	{ "begin immediate", NO_TRANSACTIONS },
	{ "/* */ -- \n COMMIT", NO_TRANSACTIONS },
	{ "END", NO_TRANSACTIONS },
	{ "ROLLBACK", NO_TRANSACTIONS },
	{ "SAVEPOINT x", NO_TRANSACTIONS },
	{ "RELEASE x", NO_TRANSACTIONS },
	{ "\"BEGIN\"", NOT_YOURS },
	{ "1", NOT_YOURS },
	{ "SELECT load_extension('/tmp/x.so')", NULL },
	{ "SELECT fts3_tokenizer('simple', x'0000000000000000')", NULL },
	{ "SELECT * FROM pragma_table_info('t')", NULL },
	{ "SELECT * FROM pragma_database_list", NULL },
	{ "SELECT * FROM pragma_journal_mode", NULL },
	{ "CREATE TEMP TABLE t (b)", DENIED },
	{ "CREATE TABLE temp.t (b)", DENIED },
	{ "CREATE TEMP VIEW t AS SELECT 'x' AS b", DENIED },
	{ "CREATE VIEW v AS SELECT 1", DENIED },
	{ "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
	    "!more than one statement" },
	{ "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1", DENIED },
	{ "DROP TRIGGER own", DENIED },
	{ "DROP VIEW theirs", DENIED },
	{ "CREATE VIRTUAL TABLE f USING fts5(x)", DENIED },
	{ "CREATE VIRTUAL TABLE f USING fts3(x, tokenize=simple)", DENIED },
	{ "DROP TABLE ft", NULL },
	{ "SELECT * FROM ft", NULL },
	{ "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 3, "
	    "'CREATE TABLE x (y)')", "!table sqlite_master may not be "
	    "modified" },
	{ "UPDATE sqlite_schema SET sql = ''", NULL },
	{ "DELETE FROM sqlite_master", NULL },
	{ "DROP TABLE sqlite_master", NULL },
	{ "SELECT randomblob(1000000000)", "!string or blob too big" },
	{ "SELECT zeroblob(1000000000)", "!string or blob too big" },
	{ "SELECT length(hex(randomblob(90000)))",
	    "!string or blob too big" },
	{ "SELECT printf('%.*c', 2000000000, 'x')",
	    "!not authorized to use function: printf" },
	{ "SELECT format('%.*c', 2000000000, 'x')",
	    "!not authorized to use function: format" },
	{ "SELECT replace(hex(zeroblob(9000)), '0', hex(zeroblob(9000)))",
	    "!string or blob too big" },
	{ "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) "
	    "SELECT count(*) FROM r", "!no answer in time" },
	{ "WITH RECURSIVE r(i) AS (SELECT 1 UNION SELECT i + 1 FROM r) "
	    "SELECT count(*) FROM r", NULL },
	{ "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) "
	    "SELECT group_concat(i) FROM r", NULL },
	{ "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r "
	    "LIMIT 99999999) INSERT INTO t SELECT i, i FROM r",
	    "!no answer in time" },
	{ "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) "
	    "SELECT i FROM r ORDER BY i DESC", NULL },
	{ "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r "
	    "LIMIT 99999999) SELECT sum(instr(hex(zeroblob(49000)), "
	    "hex(zeroblob(24000)) || 'x')) FROM r", NULL },
	{ "SELECT count(*) FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, "
	    "t j, t k, t l, t m, t n, t o, t p, t q, t r, t s, t t, t u",
	    "!no answer in time" }
};

static void
test_refused(void)
{
	size_t		 i;
	const char	*got;

	begin_with("refused.db", TABLES ";CREATE VIEW theirs AS SELECT 1;"
	    "CREATE VIRTUAL TABLE ft USING fts5(x);"
	    "CREATE TRIGGER own AFTER INSERT ON greylist BEGIN "
	    "INSERT INTO t VALUES (4, 'four'); END", 300);
	for (i = 0; i < nitems(refused); i++) {
		got = script(refused[i].sql);
		if (refused[i].want != NULL)
			is_str(got, refused[i].want, "%s", refused[i].sql);
		else
			ok(got[0] == '!', "%s: %s", refused[i].sql, got);
		is_query("as before");
	}
	/* A trigger that was there has its way. */
	is_str(script("INSERT INTO greylist VALUES ('x')"), "changed 1",
	    "a trigger");
	is_str(script("SELECT count(*) AS n FROM t"), "n|i:4", "has run, "
	    "and nothing else is left of all that");
	is_str(script("SELECT * FROM json_each('[1]')") + strlen(
	    "key,value,type,atom,id,parent,fullkey,path|"),
	    "i:0,i:1,t:integer,i:1,i:1,n:,t:$[0],t:$", "JSON");
	end();
}

/* What is prepared looks at no clock: it has to be small. */
static void
test_large(void)
{
	static char	 text[SQL_MAX];
	const char	*got;
	size_t		 i, len;

	begin_with("large.db", TABLES, 1000);
	len = strlcpy(text, "SELECT count(*) AS n FROM t WHERE a IN (0",
	    sizeof(text));
	while (len < 10000)
		len += strlcpy(text + len, ",1", sizeof(text) - len);
	(void)strlcpy(text + len, ")", sizeof(text) - len);
	is_str(script(text), "n|i:1", "a list of five thousand");
	is_query("behind a list");
	text[len] = '\0';
	while (len < sizeof(text) - 8)
		len += strlcpy(text + len, ",1", sizeof(text) - len);
	(void)strlcpy(text + len, ")", sizeof(text) - len);
	is_str(script(text), "!out of memory", "and one too long");
	len = strlcpy(text, "SELECT ", sizeof(text));
	while (len < 40000)
		len += strlcpy(text + len, "(", sizeof(text) - len);
	(void)strlcpy(text + len, "1", sizeof(text) - len);
	got = script(text);
	ok(got[0] == '!', "parentheses: %s", got);
	len = strlcpy(text, "SELECT 1", sizeof(text));
	while (len < 40000)
		len += strlcpy(text + len, "+1", sizeof(text) - len);
	got = script(text);
	ok(strstr(got, "Expression tree is too large") != NULL, "a sum: %s",
	    got);
	len = strlcpy(text, "SELECT 1", sizeof(text));
	while (len < 40000)
		len += strlcpy(text + len, " UNION SELECT 1",
		    sizeof(text) - len);
	got = script(text);
	ok(strstr(got, "too many terms") != NULL, "unions: %s", got);
	len = strlcpy(text, "WITH a0(x) AS (SELECT 1)", sizeof(text));
	for (i = 1; i < 60; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    ", a%zu(x) AS (SELECT p.x FROM a%zu p, a%zu q)", i,
		    i - 1, i - 1);
	(void)strlcpy(text + len, " SELECT count(*) FROM a59",
	    sizeof(text) - len);
	got = script(text);
	ok(got[0] == '!', "what doubles sixty times: %s", got);
	is_query("behind all that");
	is_int(child_stat(&db, "lookupd.opened"), 1, "opened once");
	end();
}

/* Where scripts are not let in. */
static void
test_closed(void)
{
	char	uri[256];

	sql("closed.db", TABLES);
	conf_begin(1000, 1);
	query_add("one", "SELECT b FROM t WHERE a = 1");
	(void)snprintf(uri, sizeof(uri), "sqlite:%s\n", path_of("closed.db"));
	begin(uri);
	child_peer(&db, &script0, R_PROXYD, 0);
	want_up(&script0);
	is_str(script("SELECT 1"), "!scripts: is not set for this datasource",
	    "not set");
	is_query("all the same");
	end();
}

/* One that breaks the rules loses its pipe, and nobody else does. */
static void
test_rules(void)
{
	struct wbuf	 w = { 0 };

	begin_with("rules.db", TABLES, 1000);
	put_u32(&w, 1);
	conn_send(&script1, MSG_SQL, 1, 1, -1, &w);
	ok(conn_ended(&script1), "its pipe is closed");
	is_str(script("SELECT 1"), "1|i:1", "others have theirs");
	conn_expect(&db.parent, MSG_PEER_BROKE, "the parent is told");
	is_query("too");
	end();
}

/* --- statements that are kept --------------------------------------------- */

static void
test_many(void)
{
	char	 text[64], want[64];
	size_t	 i;

	begin_with("many.db", TABLES, 5000);
	for (i = 0; i < 300; i++) {
		(void)snprintf(text, sizeof(text), "SELECT %zu AS x", i % 250);
		(void)snprintf(want, sizeof(want), "x|i:%zu", i % 250);
		is_str(script(text), want, "many texts");
	}
	sql("many.db", "ALTER TABLE t ADD COLUMN c; UPDATE t SET c = a");
	is_str(script("SELECT * FROM t WHERE a = 1"),
	    "a,b,c|i:1,t:one,i:1", "another schema");
	sql("many.db", "ALTER TABLE t DROP COLUMN c");
	is_str(script("SELECT * FROM t WHERE a = 1"),
	    "a,b|i:1,t:one", "and prepared anew");
	/* All at once, more than are kept. */
	for (i = 0; i < 300; i++) {
		(void)snprintf(text, sizeof(text), "SELECT %zu AS y", i);
		put_script(&script0, i, 1, text, NULL);
	}
	for (i = 0; i < 300; i++) {
		(void)snprintf(want, sizeof(want), "y|i:%zu", i);
		is_str(script_answer(&script0, i), want, "at once");
	}
	sql("new.db", TABLES ";UPDATE t SET b = 'new'");
	if (rename(path_of("new.db"), path_of("many.db")) == -1)
		die("rename");
	for (i = 0; i < 100 && strcmp(script("SELECT b FROM t WHERE a = 1"),
	    "b|t:new") != 0; i++)
		turn(20);
	is_str(script("SELECT b FROM t WHERE a = 1"), "b|t:new",
	    "of another file");
	end();
}

/* --- turns ---------------------------------------------------------------- */

#define SLOW	"WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 "  \
		"FROM r LIMIT 300000) SELECT count(*) AS n FROM r"
#define ENDLESS	"WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 "  \
		"FROM r) SELECT count(*) FROM r"

static size_t
answered(struct conn *c)
{
	struct got	*g;
	size_t		 n = 0;

	for (g = c->first; g != NULL; g = g->next)
		n += g->type == MSG_SQL_ANS;
	return n;
}

/*
 * Hundreds of one worker: a query is answered before the most of them are,
 * and another worker's turn comes, too.
 */
static void
test_turns(void)
{
	uint64_t	i;

	begin_with("turns.db", TABLES, 8000);
	for (i = 1; i <= 100; i++)
		put_script(&script0, i, 1, SLOW, NULL);
	put_script(&script1, 1, 1, "SELECT 1", NULL);
	is_query("among a hundred");
	ok(answered(&script0) < 50, "before those: %zu",
	    answered(&script0));
	is_str(script_answer(&script1, 1), "1|i:1", "another worker");
	ok(answered(&script0) < 50, "before those: %zu",
	    answered(&script0));
	/* Its pipe is lost: what waits is forgotten. */
	conn_close(&script0);
	is_query("and then");
	child_peer(&db, &script0, R_PROXYD, 0);
	want_up(&script0);
	is_str(script("SELECT 1"), "1|i:1", "a new pipe");
	end();
}

/* One that takes all its time gives way, as soon as it has begun. */
static void
test_gives_way(void)
{
	begin_with("way.db", TABLES, 4000);
	put_script(&script0, 1, 1, ENDLESS, NULL);
	while (answered(&script0) == 0)
		is_query("while that runs");
	is_str(script_answer(&script0, 1), "!given up: others wait",
	    "it gives way");
	is_int(child_stat(&db, "lookupd.timeouts"), 1, "which is counted");
	end();
}

/* --- several processes ---------------------------------------------------- */

/* Another one of the same file. */
static void
begin_second(struct child *ch, struct conn *c, const char *name)
{
	char	uri[256];

	conf_begin(8000, 1);
	ds->scripts = true;
	(void)snprintf(uri, sizeof(uri), "sqlite:%s\n", path_of(name));
	child_source = uri;
	child_start(ch, program, 0);
	child_conf(ch, conf, R_LOOKUPD);
	child_peer(ch, c, R_PROXYD, 0);
	want_up(c);
	conf_unref(conf);
}

static void
writers(const char *name, const char *journal)
{
	static struct child	second;
	static struct conn	its;
	char			tables[512], key[32];
	uint64_t		i;
	int64_t			done = 0;

	(void)snprintf(tables, sizeof(tables), "PRAGMA journal_mode = %s;%s",
	    journal, TABLES);
	begin_with(name, tables, 8000);
	begin_second(&second, &its, name);
	for (i = 1; i <= 100; i++) {
		(void)snprintf(key, sizeof(key), "t:%llu",
		    (unsigned long long)i);
		put_script(&script0, i, 1, "INSERT INTO greylist VALUES (?)",
		    key, NULL);
		put_script(&its, i, 1, "INSERT INTO greylist VALUES "
		    "('other' || ?)", key, NULL);
	}
	for (i = 1; i <= 100; i++) {
		done += strcmp(script_answer(&script0, i), "changed 1") == 0;
		done += strcmp(script_answer(&its, i), "changed 1") == 0;
	}
	is_int(done, 200, "%s: all are written", journal);
	is_str(script("SELECT count(*) AS n FROM greylist"), "n|i:200",
	    "%s: and there", journal);
	child_stop(&second);
	conn_close(&its);
	end();
}

/* Locked by somebody else: waited for as long as there is time. */
static void
test_locked(void)
{
	sqlite3	*lite;

	begin_with("locked.db", TABLES, 300);
	is_str(script("SELECT 1"), "1|i:1", "open");
	if (sqlite3_open(path_of("locked.db"), &lite) != SQLITE_OK ||
	    sqlite3_exec(lite, "BEGIN IMMEDIATE", NULL, NULL, NULL) !=
	    SQLITE_OK)
		die("lock");
	is_str(script("SELECT b FROM t WHERE a = 1"), "b|t:one",
	    "it can be read");
	is_str(script("INSERT INTO greylist VALUES ('a')"),
	    "!locked for too long", "and not written");
	(void)sqlite3_exec(lite, "COMMIT", NULL, NULL, NULL);
	(void)sqlite3_close(lite);
	is_str(script("INSERT INTO greylist VALUES ('a')"), "changed 1",
	    "now it can");
	end();
}

/* Not to be written: that is said, and what to do. */
static void
test_unwritable(void)
{
	if (geteuid() == 0)
		return;			/* it may write anything */
	sql("ro.db", TABLES);
	if (chmod(path_of("ro.db"), 0444) == -1)
		die("chmod");
	begin_with("ro.db", "SELECT 1", 1000);
	is_query("of what cannot be written");
	is_str(script("INSERT INTO greylist VALUES ('a')"),
	    "!attempt to write a readonly database", "nor can scripts");
	is_int((int64_t)child_logged(&db, "scripts cannot write"), 1,
	    "it is said once");
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
	test_values();
	test_missing();
	test_changes();
	test_refused();
	test_large();
	test_closed();
	test_rules();
	test_many();
	test_turns();
	test_gives_way();
	writers("delete.db", "DELETE");
	writers("wal.db", "WAL");
	test_locked();
	test_unwritable();
	clean_up();
	return done("lookupd_sql");
}
