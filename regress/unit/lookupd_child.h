/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * For tests of lookupd: play its parent and its askers.
 */
#ifndef LOOKUPD_CHILD_H
#define LOOKUPD_CHILD_H

#include "child.h"

#include <stdarg.h>

#include "proto_script.h"

static const char		*program;
static struct child		 db;
static struct conn		 asker0, asker1;	/* verifyd */
static struct conn		 script0, script1;	/* proxyd, if scripts */
static struct config		*conf;
static struct conf_datasource	*ds;
static bool			 any_sid;	/* answers in any order */

static inline char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

/* A configuration with the datasource, to be sent by begin(). */
static inline void
conf_begin(int64_t timeout, int64_t connections)
{
	if ((conf = conf_new(1)) == NULL ||
	    (ds = calloc(1, sizeof(*ds))) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	ds->obj.name = copy("users");
	ds->obj.id = 7;
	ds->timeout = timeout;
	ds->connections = connections;
	ds->max_rows = 100;
	if (conf_map_add(&conf->datasources, &ds->obj) == -1)
		die("conf_map_add");
}

static inline void
query_add(const char *name, const char *text)
{
	char	*entry = conf_entry_new(name, text);

	if (entry == NULL || strs_add(&ds->query, entry) == -1)
		die("query");
}

static inline void
want_up(struct conn *c)
{
	struct proto_source	 up = { 0 };
	struct msg		 m;
	struct got		*g = conn_wait(c, MSG_SOURCE_UP);

	if (!ok(g != NULL, "it says what it serves"))
		return;
	m = got_msg(g);
	ok(get_source(&m, &up) == 0, "SOURCE_UP");
	is_int(up.datasource, 7, "its datasource");
	got_free(g);
}

static inline void
begin(const char *uris)
{
	child_source = uris;
	child_start(&db, program, 0);
	child_conf(&db, conf, R_LOOKUPD);
	child_peer(&db, &asker0, R_VERIFYD, 0);
	child_peer(&db, &asker1, R_VERIFYD, 1);
	want_up(&asker0);
	want_up(&asker1);
	if (ds->scripts) {
		child_peer(&db, &script0, R_PROXYD, 0);
		child_peer(&db, &script1, R_PROXYD, 1);
		want_up(&script0);
		want_up(&script1);
	}
	conf_unref(conf);
}

static inline void
end(void)
{
	child_stop(&db);
	conn_close(&asker0);
	conn_close(&asker1);
	if (script0.mb.fd > 0)
		conn_close(&script0);
	if (script1.mb.fd > 0)
		conn_close(&script1);
}

/* Ask; names and values in pairs, NULL behind the last. */
static void __attribute__((__sentinel__))
put_ask(struct conn *c, uint64_t sid, uint32_t directory, const char *query,
    uint32_t max_rows, ...)
{
	struct proto_query	 q = { .directory = directory,
				    .max_rows = max_rows };
	struct wbuf		 w = { 0 }, params = { 0 };
	const char		*name, *value;
	va_list			 ap;

	va_start(ap, max_rows);
	while ((name = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		put_str(&params, name);
		put_blob(&params, value, strlen(value));
		q.nparams++;
	}
	va_end(ap);
	(void)strlcpy(q.query, query, sizeof(q.query));
	put_query(&w, &q);
	put_raw(&w, params.data, params.len);
	wbuf_clear(&params);
	conn_send(c, MSG_QUERY, sid, 9, -1, &w);
}

/*
 * The answer as a text: "name,n|a,1|b,NULL", "changed 2", "!why"; "+" behind
 * one that was cut.  Static.
 */
static inline const char *
answer(struct conn *c, uint64_t sid)
{
	static char		 text[4096];
	struct proto_query_ans	 a;
	struct msg		 m;
	struct got		*g = conn_wait(c, MSG_QUERY_ANS);
	char			 name[256];
	const uint8_t		*p;
	size_t			 len;
	uint32_t		 i, j;
	bool			 there;

	if (g == NULL)
		return "nothing";
	m = got_msg(g);
	if (!any_sid)
		is_int((int64_t)g->sid, (int64_t)sid, "sid");
	is_int(g->seq, 9, "seq");
	text[0] = '\0';
	if (get_query_ans(&m, &a) == -1)
		return "bad";
	if (a.status == QUERY_CANNOT)
		(void)snprintf(text, sizeof(text), "!%s", a.why);
	else if (a.ncolumns == 0)
		(void)snprintf(text, sizeof(text), "changed %llu",
		    (unsigned long long)a.changed);
	for (i = 0; i < a.ncolumns; i++) {
		get_str(&m.body, name, sizeof(name));
		(void)strlcat(text, i > 0 ? "," : "", sizeof(text));
		(void)strlcat(text, name, sizeof(text));
	}
	for (i = 0; i < a.nrows; i++) {
		for (j = 0; j < a.ncolumns; j++) {
			there = get_bool(&m.body);
			p = get_blob(&m.body, &len);
			(void)strlcat(text, j > 0 ? "," : "|", sizeof(text));
			(void)snprintf(name, sizeof(name), "%.*s", (int)len,
			    (const char *)p);
			(void)strlcat(text, there ? name : "NULL",
			    sizeof(text));
		}
	}
	if (a.cut)
		(void)strlcat(text, "+", sizeof(text));
	ok(get_end(&m.body) == 0, "all of the answer: %s", text);
	got_free(g);
	return text;
}

/*
 * Ask as a script.  Each value is a text: "name=" before it, if it has one,
 * then its type, and what it is: "n:", "t:text", "i:1", "r:0.5", "b:1".
 */
static inline void __attribute__((__sentinel__))
put_script(struct conn *c, uint64_t sid, uint32_t max_rows,
    const char *text, ...)
{
	static const char	 types[] = "ntirb";
	struct proto_sql	 q = { .sql = text, .len = strlen(text),
				    .max_rows = max_rows };
	struct sql_value	 v;
	struct wbuf		 w = { 0 }, params = { 0 };
	const char		*p, *colon, *equal;
	char			 name[64];
	va_list			 ap;

	va_start(ap, text);
	while ((p = va_arg(ap, const char *)) != NULL) {
		name[0] = '\0';
		equal = strchr(p, '=');
		colon = strchr(p, ':');
		if (equal != NULL && equal < colon) {
			(void)snprintf(name, sizeof(name), "%.*s",
			    (int)(equal - p), p);
			p = equal + 1;
		}
		v.type = (uint8_t)(strchr(types, *p) - types);
		v.p = p + 2;
		v.len = strlen(v.p);
		put_str(&params, name);
		put_sql_value(&params, &v);
		q.nparams++;
	}
	va_end(ap);
	put_sql(&w, &q);
	put_raw(&w, params.data, params.len);
	wbuf_clear(&params);
	conn_send(c, MSG_SQL, sid, 9, -1, &w);
}

/*
 * Its answer as a text: "a,b|i:1,t:x|n:,r:0.5", "changed 2", "!why"; "+"
 * behind one that was cut, "*2" behind one that has rows and changed 2.
 */
static inline const char *
script_answer(struct conn *c, uint64_t sid)
{
	static const char	 types[] = "ntirb";
	static char		 text[4096];
	struct proto_query_ans	 a;
	struct sql_value	 v;
	struct msg		 m;
	struct got		*g = conn_wait(c, MSG_SQL_ANS);
	char			 one[256];
	uint32_t		 i, j;

	if (g == NULL)
		return "nothing";
	m = got_msg(g);
	if (!any_sid)
		is_int((int64_t)g->sid, (int64_t)sid, "sid");
	is_int(g->seq, 9, "seq");
	text[0] = '\0';
	if (get_query_ans(&m, &a) == -1)
		return "bad";
	if (a.status == QUERY_CANNOT)
		(void)snprintf(text, sizeof(text), "!%s", a.why);
	else if (a.ncolumns == 0)
		(void)snprintf(text, sizeof(text), "changed %llu",
		    (unsigned long long)a.changed);
	for (i = 0; i < a.ncolumns; i++) {
		get_str(&m.body, one, sizeof(one));
		(void)strlcat(text, i > 0 ? "," : "", sizeof(text));
		(void)strlcat(text, one, sizeof(text));
	}
	for (i = 0; i < a.nrows; i++) {
		for (j = 0; j < a.ncolumns; j++) {
			get_sql_value(&m.body, &v);
			(void)snprintf(one, sizeof(one), "%s%c:%.*s",
			    j > 0 ? "," : "|", types[v.type], (int)v.len,
			    v.p == NULL ? "" : v.p);
			(void)strlcat(text, one, sizeof(text));
		}
	}
	if (a.cut)
		(void)strlcat(text, "+", sizeof(text));
	if (a.ncolumns > 0 && a.changed > 0) {
		(void)snprintf(one, sizeof(one), "*%llu",
		    (unsigned long long)a.changed);
		(void)strlcat(text, one, sizeof(text));
	}
	ok(get_end(&m.body) == 0, "all of the answer: %s", text);
	got_free(g);
	return text;
}

/* Ask, and the answer. */
static uint64_t	script_sid __attribute__((__unused__)) = 700000;
#define script(...)							\
	(put_script(&script0, ++script_sid, 100, __VA_ARGS__, NULL),	\
	    script_answer(&script0, script_sid))
#endif
