/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd's look-ups and judgements as a process, in its jail; smtpd, the
 * parent and the databases' processes are played here.
 *
 *	t_judge [PROGRAM]
 *
 * With -t N as the second argument, N questions are put that it can answer
 * alone, and how long they take is printed; nothing depends on it.
 */

#include "child.h"

#include <cdb.h>

enum { LIST_D = 11, LIST_A, DS_CDB = 21, DS_SQL, DIR_S = 31, DIR_C, DIR_L,
	DIR_Q };

static const char	*program;
static struct child	 ver;
static struct conn	 smtpd0, smtpd1, look0, look1;

/* --- the configuration ---------------------------------------------------- */

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

static void *
add_object(struct conf_map *map, size_t size, uint32_t id, const char *name)
{
	struct conf_obj	*o = calloc(1, size);

	if (o == NULL)
		die("calloc");
	o->id = id;
	o->name = copy(name);
	if (conf_map_add(map, o) == -1)
		die("conf_map_add");
	return o;
}

static void
add_list(struct config *conf, uint32_t id, const char *name, const char *words)
{
	struct conf_list	*l = add_object(&conf->lists, sizeof(*l), id,
				    name);
	char			*all = copy(words), *rest = all, *word, *e;

	while ((word = strsep(&rest, " ")) != NULL)
		if ((e = conf_entry_new(word, "")) == NULL ||
		    strs_add(&l->entries, e) == -1)
			die("list");
	free(all);
}

/* An open cdb file of "key value key value". */
static int
new_cdb(const char *pairs)
{
	struct cdb_make	 m;
	char		 path[] = "/tmp/postern-unit.XXXXXX";
	char		*all = copy(pairs), *rest = all, *k, *v;
	int		 fd = mkostemp(path, O_CLOEXEC);

	if (fd == -1)
		die(path);
	(void)unlink(path);
	(void)cdb_make_start(&m, fd);
	while ((k = strsep(&rest, " ")) != NULL &&
	    (v = strsep(&rest, " ")) != NULL)
		(void)cdb_make_add(&m, k, (unsigned int)strlen(k), v,
		    (unsigned int)strlen(v));
	if (cdb_make_finish(&m) == -1)
		die("cdb_make_finish");
	free(all);
	return fd;
}

static struct conf_datasource *
add_source(struct config *conf, uint32_t id, const char *name)
{
	struct conf_datasource	*ds = add_object(&conf->datasources,
				    sizeof(*ds), id, name);

	ds->cache_life = 3600000;
	ds->cache_size = 100;
	ds->max_rows = 100;
	ds->timeout = 5000;
	ds->connections = 1;
	return ds;
}

static void
add_query(struct conf_datasource *ds, const char *name, const char *sql)
{
	char	*e = conf_entry_new(name, sql);

	if (e == NULL || strs_add(&ds->query, e) == -1)
		die("query");
}

static struct conf_directory *
add_directory(struct config *conf, uint32_t id, const char *name,
    enum directory_type type)
{
	struct conf_directory	*d = add_object(&conf->directories,
				    sizeof(*d), id, name);

	d->type = type;
	d->subaddressing = true;
	return d;
}

/* Two lists, a file, a database, and directories of them. */
static struct config *
settings(uint32_t generation, uint32_t sql)
{
	struct config		*conf = conf_new(generation);
	struct conf_datasource	*ds;
	struct conf_directory	*d;

	if (conf == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	conf->resolver.timeout = 5000;
	add_list(conf, LIST_D, "domains", "a.test b.test");
	add_list(conf, LIST_A, "addresses",
	    "x@a.test y@b.test \"j,d\"@a.test 10.0.0.0/8");
	ds = add_source(conf, DS_CDB, "file");
	if (fds_add(&ds->files, new_cdb("u@a.test full @b.test all")) == -1)
		die("fds_add");
	ds = add_source(conf, sql, "sql");
	add_query(ds, "route", "SELECT r FROM t WHERE k = :key");
	add_query(ds, "from", "SELECT r FROM t WHERE k = :key AND s = :sender");
	add_query(ds, "dollar", "SELECT r FROM t WHERE s = $sender");
	add_query(ds, "mark", "SELECT r FROM t WHERE ? = ? AND s = ?");
	d = add_directory(conf, DIR_S + sql - DS_SQL, "users", DIR_SQL);
	d->datasource = copy("sql");
	d->query_address = copy("SELECT 1 FROM u WHERE a = :address");
	d->query_domain = copy("SELECT 1 FROM d WHERE d = :domain");
	d->query_expn = copy("SELECT m FROM l WHERE l = :address");
	d->catch_all = true;
	d = add_directory(conf, DIR_C + 100, "file", DIR_CDB);
	d->datasource = copy("file");
	d->domains = copy("list/domains");
	d->catch_all = true;
	d = add_directory(conf, DIR_L + 100, "lists", DIR_LIST);
	d->addresses = copy("list/addresses");
	d->domains = copy("directory/file");
	return conf;
}

static void
configure(struct config *conf)
{
	child_conf(&ver, conf, R_VERIFYD);
	child_sync(&ver);
	conf_unref(conf);
}

static void
source_up(struct conn *c, uint32_t id)
{
	struct proto_source	s = { id };
	struct wbuf		w = { 0 };

	put_source(&w, &s);
	conn_send(c, MSG_SOURCE_UP, 0, 0, -1, &w);
}

static void
begin(void)
{
	child_start(&ver, program, 0);
	child_peer(&ver, &smtpd0, R_SMTPD, 0);
	child_peer(&ver, &smtpd1, R_SMTPD, 1);
	configure(settings(1, DS_SQL));
}

static void
end(void)
{
	child_stop(&ver);
	conn_close(&smtpd0);
	conn_close(&smtpd1);
}

static void
begin_sql(void)
{
	begin();
	child_peer(&ver, &look0, R_LOOKUPD, 0);
	child_peer(&ver, &look1, R_LOOKUPD, 1);
	source_up(&look0, DS_SQL);
	source_up(&look1, DS_SQL);
	/* A PONG comes behind what was read before it. */
	child_sync(&ver);
	child_sync(&ver);
}

static void
end_sql(void)
{
	end();
	conn_close(&look0);
	conn_close(&look1);
}

/* --- questions ------------------------------------------------------------ */

static void
look(struct conn *c, uint32_t seq, enum lookup_kind kind, uint32_t id,
    const char *query, enum look_what what, const char *key)
{
	struct proto_lookup	 q = { .path = { (uint8_t)kind, id, "" },
				     .what = (uint8_t)what };
	struct wbuf		 w = { 0 };

	(void)strlcpy(q.path.query, query, sizeof(q.path.query));
	(void)strlcpy(q.key, key, sizeof(q.key));
	(void)strlcpy(q.sender, "s@c.test", sizeof(q.sender));
	put_lookup(&w, &q);
	conn_send(c, MSG_LOOKUP, 8, seq, -1, &w);
}

/* values: what is found, with a comma between; NULL: not looked at. */
static void
want_look(struct conn *c, uint32_t seq, enum lookup_answer answer,
    const char *values)
{
	struct proto_lookup_ans	 a;
	struct got		*g = conn_wait(c, MSG_LOOKUP_ANS);
	char			 all[4096], line[LOOK_KEY_MAX];
	struct msg		 m;
	uint32_t		 i;

	if (!ok(g != NULL, "an answer"))
		exit(done("t_judge"));
	m = got_msg(g);
	is_int(get_lookup_ans(&m, &a), 0, "LOOKUP_ANS");
	is_int(g->seq, seq, "its seq");
	is_int(a.answer, answer, "%u: the answer (%s)", seq, a.why);
	(void)strlcpy(all, a.value, sizeof(all));
	for (i = 1; i < a.n; i++) {
		get_line(&m.body, line, sizeof(line));
		(void)strlcat(all, ",", sizeof(all));
		(void)strlcat(all, line, sizeof(all));
	}
	is_int(get_end(&m.body), 0, "nothing behind it");
	if (values != NULL)
		is_str(all, values, "%u: the values", seq);
	got_free(g);
}

static void
look_want(uint32_t kind, uint32_t id, enum look_what what, const char *key,
    enum lookup_answer answer, const char *values)
{
	look(&smtpd0, 77, (enum lookup_kind)kind, id, "", what, key);
	want_look(&smtpd0, 77, answer, values);
}

static void
put_rates(struct wbuf *w, uint32_t n)
{
	uint32_t	i;

	for (i = 0; i < n; i++) {
		put_blob(w, "key", 3);
		put_u32(w, 1000);
		put_u64(w, 60000);
	}
}

static void
judge(struct conn *c, uint32_t seq, uint8_t flags, struct proto_path domains,
    struct proto_path addresses, const char *rcpt)
{
	struct proto_judge	 q = { .flags = flags, .domains = domains,
				     .addresses = addresses, .nrates = 2 };
	struct wbuf		 w = { 0 };

	(void)strlcpy(q.rcpt, rcpt, sizeof(q.rcpt));
	(void)strlcpy(q.sender, "s@c.test", sizeof(q.sender));
	put_judge(&w, &q);
	put_rates(&w, q.nrates);
	conn_send(c, MSG_JUDGE, 5, seq, -1, &w);
}

static void
want_judge(struct conn *c, uint32_t seq, enum judge_verdict verdict,
    enum judge_by by)
{
	struct proto_judge_ans	 a;
	struct got		*g = conn_wait(c, MSG_JUDGE_ANS);
	struct msg		 m;

	if (!ok(g != NULL, "an answer"))
		exit(done("t_judge"));
	m = got_msg(g);
	is_int(get_judge_ans(&m, &a), 0, "JUDGE_ANS");
	is_int(g->sid, 5, "its sid");
	is_int(g->seq, seq, "its seq");
	is_int(a.verdict, verdict, "%u: the verdict (%s)", seq, a.why);
	is_int(a.by, by, "%u: whose word", seq);
	is_int(a.charged, verdict == JUDGE_VOUCHED || verdict == JUDGE_LIVE,
	    "charged");
	is_int(a.over, 0, "no rate is passed");
	got_free(g);
}

/* A question with rates: words "KEY COUNT PERIOD ...". */
static void
judge_rates(struct conn *c, uint8_t flags, struct proto_path domains,
    struct proto_path addresses, const char *rcpt, const char *words)
{
	struct proto_judge	 q = { .flags = flags, .domains = domains,
				     .addresses = addresses };
	struct wbuf		 w = { 0 }, rates = { 0 };
	char			*all = strdup(words), *rest = all, *key;

	while (rest != NULL && (key = strsep(&rest, " ")) != NULL) {
		put_str(&rates, key);
		put_u32(&rates, (uint32_t)atoi(strsep(&rest, " ")));
		put_u64(&rates, (uint64_t)atoll(strsep(&rest, " ")));
		q.nrates++;
	}
	(void)strlcpy(q.rcpt, rcpt, sizeof(q.rcpt));
	put_judge(&w, &q);
	put_raw(&w, rates.data, rates.len);
	conn_send(c, MSG_JUDGE, 5, 1, -1, &w);
	wbuf_clear(&rates);
	free(all);
}

static void
want_over(uint32_t over, bool charged, const char *what)
{
	struct proto_judge_ans	 a;
	struct got		*g = conn_wait(&smtpd0, MSG_JUDGE_ANS);
	struct msg		 m;

	if (!ok(g != NULL, "an answer"))
		exit(done("t_judge"));
	m = got_msg(g);
	is_int(get_judge_ans(&m, &a), 0, "JUDGE_ANS");
	is_int(a.over, over, "%s: over", what);
	is_int(a.charged, charged, "%s: charged", what);
	got_free(g);
}

#define PATH(kind, id)	((struct proto_path){ kind, id, "" })
#define NOWHERE_	PATH(LOOK_NONE, 0)

/* --- databases ------------------------------------------------------------ */

/*
 * The next QUERY of a database's process: its number; the text is
 * "directory query key=value ...".
 */
static uint64_t
want_query(struct conn *c, const char *want)
{
	struct proto_query	 q;
	struct got		*g = conn_wait(c, MSG_QUERY);
	char			 text[4096];
	const uint8_t		*value;
	struct msg		 m;
	uint64_t		 sid;
	uint32_t		 i;
	size_t			 len, n;
	char			 name[64];

	if (!ok(g != NULL, "a query: %s", want))
		exit(done("t_judge"));
	m = got_msg(g);
	sid = g->sid;
	is_int(get_query(&m, &q), 0, "QUERY");
	n = (size_t)snprintf(text, sizeof(text), "%u %s", q.directory,
	    q.query);
	for (i = 0; i < q.nparams; i++) {
		get_str(&m.body, name, sizeof(name));
		value = get_blob(&m.body, &len);
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%.*s",
		    name, (int)len, value == NULL ? "" : (const char *)value);
	}
	is_int(get_end(&m.body), 0, "nothing behind it");
	is_str(text, want, "the query");
	got_free(g);
	return sid;
}

/* Rows of one column: the words; "NULL" is that; NULL: it cannot tell. */
static void
answer(struct conn *c, uint64_t sid, const char *words)
{
	struct proto_query_ans	 a = { .status = QUERY_OK, .ncolumns = 1 };
	struct wbuf		 w = { 0 }, rows = { 0 };
	char			*all = copy(words == NULL ? "" : words);
	char			*rest = all, *word;

	if (words == NULL) {
		a.status = QUERY_CANNOT;
		(void)strlcpy(a.why, "it is locked", sizeof(a.why));
		a.ncolumns = 0;
	} else {
		put_str(&rows, "column");
		while (*all != '\0' && (word = strsep(&rest, " ")) != NULL) {
			a.nrows++;
			put_bool(&rows, strcmp(word, "NULL") != 0);
			put_str(&rows, strcmp(word, "NULL") == 0 ? "" : word);
		}
	}
	put_query_ans(&w, &a);
	put_raw(&w, rows.data, rows.len);
	conn_send(c, MSG_QUERY_ANS, sid, 0, -1, &w);
	wbuf_clear(&rows);
	free(all);
}

static bool
has_query(struct conn *c)
{
	child_sync(&ver);
	turn(0);
	return c->first != NULL;
}

/* --- tests ---------------------------------------------------------------- */

static void
test_lists(void)
{
	begin();
	look_want(LOOK_LIST, LIST_D, LOOK_DOMAIN, "a.test", LOOKUP_YES, "");
	look_want(LOOK_LIST, LIST_D, LOOK_DOMAIN, "c.test", LOOKUP_NO, "");
	look_want(LOOK_LIST, LIST_A, LOOK_KEY, "10.1.2.3", LOOKUP_YES, "");
	look_want(LOOK_LIST, LIST_A, LOOK_ADDRESS, "10.1.2.3", LOOKUP_NO, "");
	look_want(LOOK_LIST, 99, LOOK_KEY, "a.test", LOOKUP_CANNOT, "");
	look_want(LOOK_NONE, LIST_D, LOOK_KEY, "a.test", LOOKUP_CANNOT, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_ADDRESS, "x@a.test",
	    LOOKUP_YES, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_ADDRESS, "x+t+u@a.test",
	    LOOKUP_YES, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_ADDRESS, "+x@a.test",
	    LOOKUP_NO, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_ADDRESS,
	    "\"j,d+t\"@a.test", LOOKUP_YES, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_ADDRESS,
	    "\"x+j,d\"@a.test", LOOKUP_YES, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_DOMAIN, "b.test",
	    LOOKUP_YES, "");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_VRFY, "x+t@a.test",
	    LOOKUP_YES, "x@a.test");
	look_want(LOOK_DIRECTORY, DIR_L + 100, LOOK_EXPN, "x@a.test",
	    LOOKUP_CANNOT, "");
	look_want(LOOK_DIRECTORY, DIR_C + 100, LOOK_ADDRESS, "u@a.test",
	    LOOKUP_YES, "full");
	look_want(LOOK_DIRECTORY, DIR_C + 100, LOOK_ADDRESS, "u+1@a.test",
	    LOOKUP_YES, "full");
	look_want(LOOK_DIRECTORY, DIR_C + 100, LOOK_ADDRESS, "any@b.test",
	    LOOKUP_YES, "all");
	look_want(LOOK_DIRECTORY, DIR_C + 100, LOOK_ADDRESS, "any@a.test",
	    LOOKUP_NO, "");
	look_want(LOOK_DIRECTORY, DIR_C + 100, LOOK_VRFY, "any@b.test",
	    LOOKUP_YES, "any@b.test");
	is_int(child_stat(&ver, "verifyd.lookup.out"), 0, "nothing is out");
	end();
}

static void
test_judge(void)
{
	struct proto_path	d = PATH(LOOK_LIST, LIST_D);
	struct proto_path	a = PATH(LOOK_DIRECTORY, DIR_C + 100);
	struct wbuf		w = { 0 };
	struct proto_judge	q = { .nrates = 1 };

	begin();
	judge(&smtpd0, 1, 0, d, a, "u@a.test");
	want_judge(&smtpd0, 1, JUDGE_VOUCHED, JUDGE_BY_DB);
	judge(&smtpd0, 2, 0, d, a, "nobody@a.test");
	want_judge(&smtpd0, 2, JUDGE_UNKNOWN, JUDGE_BY_DB);
	judge(&smtpd0, 3, 0, d, a, "u@c.test");
	want_judge(&smtpd0, 3, JUDGE_FOREIGN, JUDGE_BY_LIST);
	judge(&smtpd0, 4, 0, d, NOWHERE_, "u@a.test");
	want_judge(&smtpd0, 4, JUDGE_LIVE, JUDGE_BY_LIST);
	judge(&smtpd0, 5, 0, NOWHERE_, PATH(LOOK_LIST, LIST_A), "x@a.test");
	want_judge(&smtpd0, 5, JUDGE_VOUCHED, JUDGE_BY_LIST);
	judge(&smtpd0, 6, 0, PATH(LOOK_LIST, 99), a, "x@a.test");
	want_judge(&smtpd0, 6, JUDGE_NO_DOMAIN, JUDGE_BY_NONE);
	judge(&smtpd0, 7, 0, d, PATH(LOOK_DB, 99), "x@a.test");
	want_judge(&smtpd0, 7, JUDGE_NO_ADDRESS, JUDGE_BY_NONE);
	judge(&smtpd0, 8, JUDGE_AHEAD, d, a, "u@a.test");
	judge(&smtpd0, 9, JUDGE_STALE, d, a, "u+x@a.test");
	want_judge(&smtpd0, 9, JUDGE_VOUCHED, JUDGE_BY_DB);
	is_int(child_stat(&ver, "verifyd.judge.out"), 0, "nothing is out");
	is_int(child_stat(&ver, "verifyd.judge.asked"), 8, "asked");
	is_int(child_stat(&ver, "verifyd.judge.ahead"), 1, "ahead");

	/* Rates that are not there. */
	put_judge(&w, &q);
	conn_send(&smtpd1, MSG_JUDGE, 5, 1, -1, &w);
	ok(conn_ended(&smtpd1), "it is cut off");
	judge(&smtpd0, 10, 0, d, a, "u@a.test");
	want_judge(&smtpd0, 10, JUDGE_VOUCHED, JUDGE_BY_DB);
	end();
}

/* Who asks the same waits for the same answer, which is kept. */
static void
test_sql(void)
{
	struct proto_path	d = PATH(LOOK_DIRECTORY, DIR_S);
	uint64_t		sid;

	begin_sql();
	judge(&smtpd0, 1, 0, d, d, "bob+x@a.test");
	sid = want_query(&look0, "31 domain key=a.test domain=a.test sender=");
	judge(&smtpd1, 2, 0, d, d, "eve@a.test");
	child_sync(&ver);
	answer(&look0, sid, "1");
	sid = want_query(&look1, "31 address key=bob+x@a.test "
	    "address=bob+x@a.test localpart=bob+x domain=a.test sender=");
	answer(&look1, sid, "0 f FALSE NULL");
	sid = want_query(&look1, "31 address key=bob@a.test "
	    "address=bob@a.test localpart=bob domain=a.test sender=");
	answer(&look1, sid, "0 1");
	want_judge(&smtpd0, 1, JUDGE_VOUCHED, JUDGE_BY_DB);
	sid = want_query(&look0, "31 address key=eve@a.test "
	    "address=eve@a.test localpart=eve domain=a.test sender=");
	answer(&look0, sid, "");
	sid = want_query(&look0, "31 address key=@a.test "
	    "address=@a.test localpart= domain=a.test sender=");
	answer(&look0, sid, "NULL");
	want_judge(&smtpd1, 2, JUDGE_UNKNOWN, JUDGE_BY_DB);
	is_int(child_stat(&ver, "verifyd.query.joined"), 1, "joined");

	/* All of that is known now. */
	judge(&smtpd0, 3, 0, d, d, "bob+x@a.test");
	want_judge(&smtpd0, 3, JUDGE_VOUCHED, JUDGE_BY_DB);
	judge(&smtpd0, 4, 0, d, d, "bob+y@a.test");
	sid = want_query(&look1, "31 address key=bob+y@a.test "
	    "address=bob+y@a.test localpart=bob+y domain=a.test sender=");
	answer(&look1, sid, "");
	want_judge(&smtpd0, 4, JUDGE_VOUCHED, JUDGE_BY_DB);
	judge(&smtpd0, 5, 0, d, d, "eve@a.test");
	want_judge(&smtpd0, 5, JUDGE_UNKNOWN, JUDGE_BY_DB);

	/* That nobody can tell is not kept. */
	judge(&smtpd0, 6, 0, d, d, "u@b.test");
	sid = want_query(&look0, "31 domain key=b.test domain=b.test sender=");
	answer(&look0, sid, NULL);
	want_judge(&smtpd0, 6, JUDGE_NO_DOMAIN, JUDGE_BY_DB);
	judge(&smtpd0, 7, 0, d, d, "u@b.test");
	sid = want_query(&look1, "31 domain key=b.test domain=b.test sender=");
	answer(&look1, sid, "");
	want_judge(&smtpd0, 7, JUDGE_FOREIGN, JUDGE_BY_DB);
	ok(!has_query(&look0) && !has_query(&look1), "nothing else is asked");
	end_sql();
}

static void
test_queries(void)
{
	uint64_t	sid;

	begin_sql();
	look(&smtpd0, 1, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	sid = want_query(&look0, "0 route key=a.test domain=a.test sender=");
	answer(&look0, sid, "hub other");
	want_look(&smtpd0, 1, LOOKUP_YES, "hub");
	look(&smtpd0, 2, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	want_look(&smtpd0, 2, LOOKUP_YES, "hub");
	look(&smtpd0, 3, LOOK_DB, DS_SQL, "from", LOOK_KEY, "b.test");
	sid = want_query(&look1,
	    "0 from key=b.test domain=b.test sender=s@c.test");
	answer(&look1, sid, "0");
	want_look(&smtpd0, 3, LOOKUP_YES, "0");
	look(&smtpd0, 4, LOOK_DB, DS_SQL, "from", LOOK_DOMAIN, "b.test");
	sid = want_query(&look0,
	    "0 from key=b.test domain=b.test sender=s@c.test");
	answer(&look0, sid, "0");
	want_look(&smtpd0, 4, LOOKUP_NO, "");
	look(&smtpd0, 4, LOOK_DB, DS_SQL, "dollar", LOOK_KEY, "b.test");
	sid = want_query(&look1,
	    "0 dollar key=b.test domain=b.test sender=s@c.test");
	answer(&look1, sid, "1");
	want_look(&smtpd0, 4, LOOKUP_YES, "1");
	look(&smtpd0, 4, LOOK_DB, DS_SQL, "mark", LOOK_KEY, "b.test");
	sid = want_query(&look0,
	    "0 mark key=b.test domain=b.test sender=s@c.test");
	answer(&look0, sid, "1");
	want_look(&smtpd0, 4, LOOKUP_YES, "1");
	look(&smtpd0, 5, LOOK_DB, DS_SQL, "nothing", LOOK_KEY, "b.test");
	want_look(&smtpd0, 5, LOOKUP_CANNOT, "");
	look(&smtpd0, 6, LOOK_DB, DS_SQL, "route", LOOK_KEY, "c.test");
	sid = want_query(&look1, "0 route key=c.test domain=c.test sender=");
	answer(&look1, sid, "two\nlines");
	want_look(&smtpd0, 6, LOOKUP_CANNOT, "");
	look(&smtpd0, 7, LOOK_DIRECTORY, DIR_S, "", LOOK_EXPN, "l@a.test");
	sid = want_query(&look0, "31 expn key=l@a.test address=l@a.test "
	    "localpart=l domain=a.test sender=");
	answer(&look0, sid, "m1@a.test NULL m2@a.test");
	want_look(&smtpd0, 7, LOOKUP_YES, "m1@a.test,m2@a.test");
	look(&smtpd0, 8, LOOK_DIRECTORY, DIR_S, "", LOOK_VRFY,
	    "\"j \\\" d+x\"@a.test");
	sid = want_query(&look1, "31 address key=\"j \\\" d+x\"@a.test "
	    "address=\"j \\\" d+x\"@a.test localpart=j \" d+x domain=a.test "
	    "sender=");
	answer(&look1, sid, "");
	sid = want_query(&look0, "31 address key=\"j \\\" d\"@a.test "
	    "address=\"j \\\" d\"@a.test localpart=j \" d domain=a.test "
	    "sender=");
	answer(&look0, sid, "1");
	want_look(&smtpd0, 8, LOOKUP_YES, "\"j \\\" d\"@a.test");
	end_sql();
}

/* Another datasource of that name: what was kept of the one before is not. */
static void
test_changed(void)
{
	uint64_t	sid;

	begin_sql();
	look(&smtpd0, 1, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	sid = want_query(&look0, "0 route key=a.test domain=a.test sender=");
	answer(&look0, sid, "one");
	want_look(&smtpd0, 1, LOOKUP_YES, "one");
	look(&smtpd0, 2, LOOK_DB, DS_SQL, "route", LOOK_KEY, "b.test");
	sid = want_query(&look1, "0 route key=b.test domain=b.test sender=");
	source_up(&look0, DS_SQL + 40);
	child_sync(&ver);
	configure(settings(2, DS_SQL + 40));
	look(&smtpd0, 3, LOOK_DB, DS_SQL + 40, "route", LOOK_KEY, "a.test");
	answer(&look0, want_query(&look0,
	    "0 route key=a.test domain=a.test sender="), "two");
	want_look(&smtpd0, 3, LOOKUP_YES, "two");
	look(&smtpd0, 4, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	want_look(&smtpd0, 4, LOOKUP_YES, "one");
	conn_send(&ver.parent, MSG_CONF_DROP, 0, 1, -1, NULL);
	want_look(&smtpd0, 2, LOOKUP_CANNOT, "");
	answer(&look1, sid, "late");
	look(&smtpd0, 5, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	want_look(&smtpd0, 5, LOOKUP_CANNOT, "");
	is_int(child_stat(&ver, "verifyd.query.out"), 0, "nothing is out");
	end_sql();
}

/* A process that is lost: its question goes elsewhere, but not twice. */
static void
test_lost(void)
{
	begin_sql();
	look(&smtpd0, 1, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	(void)want_query(&look0, "0 route key=a.test domain=a.test sender=");
	conn_close(&look0);
	answer(&look1, want_query(&look1,
	    "0 route key=a.test domain=a.test sender="), "one");
	want_look(&smtpd0, 1, LOOKUP_YES, "one");
	look(&smtpd0, 2, LOOK_DB, DS_SQL, "route", LOOK_KEY, "b.test");
	(void)want_query(&look1, "0 route key=b.test domain=b.test sender=");
	child_peer(&ver, &look0, R_LOOKUPD, 0);
	source_up(&look0, DS_SQL);
	child_sync(&ver);
	conn_close(&look1);
	(void)want_query(&look0, "0 route key=b.test domain=b.test sender=");
	conn_close(&look0);
	want_look(&smtpd0, 2, LOOKUP_CANNOT, "");

	/* Nobody is there: it waits for the one that comes. */
	look(&smtpd0, 3, LOOK_DB, DS_SQL, "route", LOOK_KEY, "c.test");
	child_sync(&ver);
	child_peer(&ver, &look0, R_LOOKUPD, 0);
	source_up(&look0, DS_SQL);
	answer(&look0, want_query(&look0,
	    "0 route key=c.test domain=c.test sender="), "");
	want_look(&smtpd0, 3, LOOKUP_NO, "");

	/* The asker is lost, the answer is for the next one. */
	look(&smtpd1, 4, LOOK_DB, DS_SQL, "route", LOOK_KEY, "d.test");
	judge(&smtpd1, 4, 0, NOWHERE_, PATH(LOOK_DIRECTORY, DIR_S),
	    "u@d.test");
	answer(&look0, want_query(&look0,
	    "0 route key=d.test domain=d.test sender="), "one");
	conn_expect(&smtpd1, MSG_LOOKUP_ANS, "the answer");
	(void)want_query(&look0, "31 address key=u@d.test address=u@d.test "
	    "localpart=u domain=d.test sender=");
	is_int(child_stat(&ver, "verifyd.judge.out"), 1, "one is out");
	conn_close(&smtpd1);
	child_sync(&ver);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.judge.out"), 0, "cancelled");
	child_stop(&ver);
	conn_close(&smtpd0);
	conn_close(&look0);
}

/* A database that hangs gets its share and no more; its askers are told. */
static void
test_late(void)
{
	struct config		*conf = settings(2, DS_SQL + 1);
	struct conf_datasource	*ds;
	uint64_t		 sid[2];
	uint32_t		 i;
	char			 key[32];

	begin();
	ds = (struct conf_datasource *)(void *)conf_find(&conf->datasources,
	    "sql");
	ds->timeout = 300;
	configure(conf);
	child_peer(&ver, &look0, R_LOOKUPD, 0);
	source_up(&look0, DS_SQL + 1);
	child_sync(&ver);
	for (i = 0; i < 3; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		look(&smtpd0, i, LOOK_DB, DS_SQL + 1, "route", LOOK_KEY, key);
	}
	sid[0] = want_query(&look0, "0 route key=k0 domain=k0 sender=");
	sid[1] = want_query(&look0, "0 route key=k1 domain=k1 sender=");
	for (i = 0; i < 3; i++)
		want_look(&smtpd0, i, LOOKUP_CANNOT, "");
	ok(!has_query(&look0), "no more than its share");
	is_int(child_stat(&ver, "verifyd.query.out"), 2, "those are out");
	answer(&look0, sid[0], "late");
	answer(&look0, sid[1], NULL);
	look(&smtpd0, 5, LOOK_DB, DS_SQL + 1, "route", LOOK_KEY, "k0");
	want_look(&smtpd0, 5, LOOKUP_YES, "late");
	is_int(child_stat(&ver, "verifyd.query.late"), 3, "counted");
	end();
	conn_close(&look0);
}

/* What is asked ahead is asked once, and nobody waits for it. */
static void
test_ahead(void)
{
	struct proto_path	d = PATH(LOOK_DIRECTORY, DIR_S);
	uint64_t		sid;

	begin_sql();
	judge(&smtpd0, 1, JUDGE_AHEAD, PATH(LOOK_LIST, LIST_D), d,
	    "bob@a.test");
	sid = want_query(&look0, "31 address key=bob@a.test "
	    "address=bob@a.test localpart=bob domain=a.test sender=");
	judge(&smtpd0, 2, 0, PATH(LOOK_LIST, LIST_D), d, "bob@a.test");
	child_sync(&ver);
	answer(&look0, sid, "1");
	want_judge(&smtpd0, 2, JUDGE_VOUCHED, JUDGE_BY_DB);
	ok(!has_query(&look1), "asked once");
	ok(conn_wait_ms(&smtpd0, MSG_JUDGE_ANS, 0) == NULL, "no answer");
	end_sql();
}

/*
 * Rates are charged in order; the first that is passed ends that, and those
 * before it stay charged.  Whoever is not admitted charges none.
 */
static void
test_rates(void)
{
	struct proto_path	d = PATH(LOOK_LIST, LIST_D);
	struct proto_path	a = PATH(LOOK_DIRECTORY, DIR_C + 100);
	static const char	three[] = "a 3 600000 b 1 600000 c 9 600000";
	static const char	*const bad[] = { "a 0 600000", "a 1 0",
				    "a 1 9000000000000" };
	size_t			i;

	begin();
	judge_rates(&smtpd0, 0, d, a, "nobody@a.test", three);
	want_over(0, false, "unknown");
	judge_rates(&smtpd0, 0, d, PATH(LOOK_DB, 99), "u@a.test", three);
	want_over(0, false, "cannot tell");
	judge_rates(&smtpd0, JUDGE_AHEAD, d, a, "u@a.test", three);
	judge_rates(&smtpd0, 0, d, a, "u@a.test", three);
	want_over(0, true, "vouched");
	judge_rates(&smtpd0, 0, d, a, "u@c.test", three);
	want_over(0, false, "foreign");
	judge_rates(&smtpd0, 0, d, NOWHERE_, "u@a.test", three);
	want_over(2, true, "the second is passed");
	judge_rates(&smtpd0, 0, d, NOWHERE_, "u@a.test", "a 3 600000");
	want_over(0, true, "the first was charged twice");
	judge_rates(&smtpd0, 0, d, a, "u@a.test", "a 3 600000");
	want_over(1, true, "and now it is passed");
	for (i = 0; i < 8; i++) {
		judge_rates(&smtpd0, 0, d, a, "u@a.test", "c 9 600000");
		want_over(0, true, "the third was charged once");
	}
	judge_rates(&smtpd0, 0, d, a, "u@a.test", "c 9 600000");
	want_over(1, true, "and now that is passed");

	/* What is no rate ends the pipe, not the process. */
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		judge_rates(&smtpd1, 0, d, a, "u@a.test", bad[i]);
		ok(conn_ended(&smtpd1), "%s: it is cut off", bad[i]);
		conn_close(&smtpd1);
		child_peer(&ver, &smtpd1, R_SMTPD, 1);
	}
	judge_rates(&smtpd0, 0, d, a, "u@a.test", "d 1 1000");
	want_over(0, true, "the other pipe");
	end();
}

/* Questions that wait with as many and as long rates as there can be. */
static void
test_fat(void)
{
	struct config		*conf = settings(2, DS_SQL + 1);
	struct conf_datasource	*ds;
	struct proto_judge_ans	 a;
	struct got		*g;
	struct msg		 m;
	static char		 words[64 * 1040];
	char			*p = words;
	int			 i;

	begin();
	ds = (struct conf_datasource *)(void *)conf_find(&conf->datasources,
	    "sql");
	ds->timeout = 100000;
	configure(conf);
	for (i = 0; i < 64; i++)
		p += sprintf(p, "%s%01020d 1 60000", i == 0 ? "" : " ", i);
	for (i = 0; i < 1100; i++) {
		judge_rates(&smtpd0, 0, NOWHERE_, PATH(LOOK_DIRECTORY,
		    DIR_S + 1), "u@a.test", words);
		child_sync(&ver);
	}
	g = conn_wait(&smtpd0, MSG_JUDGE_ANS);
	if (ok(g != NULL, "beyond the bound there is an answer")) {
		m = got_msg(g);
		is_int(get_judge_ans(&m, &a), 0, "JUDGE_ANS");
		is_int(a.verdict, JUDGE_NO_ADDRESS, "nobody can tell");
		is_str(a.why, "too many questions", "why");
		got_free(g);
	}
	ok(child_stat(&ver, "verifyd.judge.out") > 900, "the others wait");
	conn_close(&smtpd0);
	child_sync(&ver);
	child_sync(&ver);
	is_int(child_stat(&ver, "verifyd.judge.out"), 0, "until they go");
	judge_rates(&smtpd1, 0, PATH(LOOK_LIST, LIST_D), NOWHERE_,
	    "u@a.test", words);
	conn_expect(&smtpd1, MSG_JUDGE_ANS, "the next one is answered");
	child_stop(&ver);
	conn_close(&smtpd1);
}

/* What is no answer ends the pipe. */
static void
test_broken(void)
{
	struct wbuf	w = { 0 };

	begin_sql();
	put_u32(&w, 7);
	conn_send(&look0, MSG_QUERY_ANS, 1, 0, -1, &w);
	ok(conn_ended(&look0), "it is cut off");
	look(&smtpd0, 1, LOOK_DB, DS_SQL, "route", LOOK_KEY, "a.test");
	answer(&look1, want_query(&look1,
	    "0 route key=a.test domain=a.test sender="), "one");
	want_look(&smtpd0, 1, LOOKUP_YES, "one");
	end_sql();
}

/* --- how long it takes ---------------------------------------------------- */

static void
measure(int n)
{
	struct proto_path	d = PATH(LOOK_LIST, LIST_D);
	struct proto_path	a = PATH(LOOK_DIRECTORY, DIR_C + 100);
	int64_t			t;
	int			i, got = 0;

	begin();
	t = now_ms();
	for (i = 0; i < n; i++) {
		judge(&smtpd0, (uint32_t)i, 0, d, a, "u+x@a.test");
		if (i % 64 != 63)
			continue;
		for (; got <= i; got++)
			got_free(conn_wait(&smtpd0, MSG_JUDGE_ANS));
	}
	t = now_ms() - t;
	printf("%d questions in %lld ms\n", got, (long long)t);
	end();
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "verifyd");
	if (argc > 3 && strcmp(argv[2], "-t") == 0) {
		measure(atoi(argv[3]));
		return done("t_judge");
	}
	test_lists();
	test_judge();
	test_sql();
	test_queries();
	test_changed();
	test_lost();
	test_late();
	test_ahead();
	test_rates();
	test_fat();
	test_broken();
	return done("t_judge");
}
