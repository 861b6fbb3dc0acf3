/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The datasources of postern.yaml: their URIs, the files behind them, and
 * the queries that are put to them.
 *
 * Databases are lookupd's; what can be said of a URI and of a query without
 * asking one is said here, with its line: the form of the one, and of the
 * other its parameters, since a name that nobody gives a value would match
 * nothing and turn mail away.
 *
 * A cdb: file is opened here, once for each time that the configuration is
 * read, and verifyd reads it; a file that was put in its place is taken by a
 * reload.  So that `postern -n' and a reload find a damaged one, its table of
 * contents is looked at: 256 times the place and the number of slots of a
 * hash table, all of which stand behind the records, at the end.  A file that
 * was cut has tables that it does not reach.
 *
 * A file: is the text of a list of any length (parent_list.c).
 *
 * Rejected: to read the file through (it may have gigabytes, and has no
 * checksum), to leave it to verifyd (which knows no lines of postern.yaml).
 */

#include <sys/types.h>
#include <sys/stat.h>

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent_conf.h"
#include "parent_files.h"
#include "parent_load.h"
#include "sql_params.h"

#define CDB		"cdb:"
#define LIST		"file:"		/* parent_build.c too */
#define SQLITE		"sqlite:"
#define PQ		"postgresql://"
#define SQLITE_TIME	8000		/* ms: it does nothing else then, */
					/* and a reload waits 10 s */
#define CDB_TOC		2048		/* octets: 256 tables */
#define CDB_SLOT	8
#define ONE_HOST	"one host only; further ones have URIs of their own"
#define ESCAPED		"an @ in a user or password is written %40, a / %2F"

static uint32_t
number_at(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* NULL, or what is wrong with it. */
static const char *
cdb_judge(int fd)
{
	static uint8_t	 toc[CDB_TOC];
	struct stat	 st;
	uint64_t	 begin, end;
	size_t		 i, tables = 0;

	if (fstat(fd, &st) == -1 ||
	    pread(fd, toc, sizeof(toc), 0) != (ssize_t)sizeof(toc))
		return "not a cdb file: too short";
	for (i = 0; i < sizeof(toc); i += CDB_SLOT) {
		begin = number_at(toc + i);
		end = begin + (uint64_t)number_at(toc + i + 4) * CDB_SLOT;
		if (end == begin)
			continue;
		tables++;
		if (begin < CDB_TOC || end > (uint64_t)st.st_size)
			return "damaged, or not a cdb file";
	}
	if (tables == 0 && st.st_size != CDB_TOC)
		return "damaged, or not a cdb file";
	return NULL;
}

static void
open_cdb(struct load *l, const struct node *n, struct conf_fds *files)
{
	const char	*path = n->text + strlen(CDB), *what;
	char		 why[256];
	int		 fd;

	if (check_text(CHECK_PATH, path) != NULL) {
		load_error(l, n, "'%s': %s", path,
		    check_text(CHECK_PATH, path));
		return;
	}
	fd = parent_file_open(path, UINT32_MAX, why, sizeof(why));
	if (fd == -1) {
		load_error(l, n, "%s: %s", path, why);
		return;
	}
	if ((what = cdb_judge(fd)) != NULL) {
		load_error(l, n, "%s: %s", path, what);
		close(fd);
		return;
	}
	(void)fds_add(files, fd);
}

/* The text of a list, which becomes a cdb file before anybody gets it. */
static void
open_text(struct load *l, const struct node *n, struct conf_fds *files)
{
	int	fd = open_list(l, n, n->text + strlen(LIST));

	if (fd != -1)
		(void)fds_add(files, fd);
}

static bool
is_scheme(const struct node *n, const char *scheme)
{
	return n->kind == NODE_SCALAR &&
	    strncmp(n->text, scheme, strlen(scheme)) == 0;
}

/* --- URIs ----------------------------------------------------------------- */

enum scheme { SCHEME_NONE, SCHEME_CDB, SCHEME_SQLITE, SCHEME_PQ, SCHEME_FILE,
	SCHEME_COUNT };

static enum scheme
scheme_of(const struct node *n)
{
	if (is_scheme(n, CDB))
		return SCHEME_CDB;
	if (is_scheme(n, SQLITE))
		return SCHEME_SQLITE;
	if (is_scheme(n, PQ))
		return SCHEME_PQ;
	return is_scheme(n, LIST) ? SCHEME_FILE : SCHEME_NONE;
}

static void
check_sqlite(struct load *l, const struct node *n)
{
	const char	*path = n->text + strlen(SQLITE), *why;

	if ((why = check_text(CHECK_PATH, path)) != NULL)
		load_error(l, n, "'%s': %s", path, why);
	else if (path[1] == '/')
		load_error(l, n, "'%s': wanted sqlite:/PATH, with one slash",
		    n->text);
	else if (path[strlen(path) - 1] == '/')
		load_error(l, n, "'%s': wanted the path of a file", path);
}

/* What may stand behind the `?': nothing that leads to other files. */
static bool
is_pq_option(const char *s, size_t len)
{
	static const char *const	names[] = {
		"application_name", "client_encoding", "host", "options",
		"port", "sslcert", "sslcrl", "sslkey", "sslmode",
		"sslrootcert", "ssl_min_protocol_version",
		"target_session_attrs"
	};
	size_t				i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncmp(names[i], s, len) == 0)
			return true;
	return false;
}

static bool
is_port(const char *s, size_t len)
{
	int64_t		 port;
	const char	*rest;

	return parse_digits(s, &port, &rest) == 0 && rest == s + len &&
	    port >= 1 && port <= UINT16_MAX;
}

static bool
is_sslmode(const char *s, size_t len)
{
	static const char *const	modes[] = {
		"disable", "allow", "prefer", "require", "verify-ca",
		"verify-full"
	};
	size_t				i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strlen(modes[i]) == len && strncmp(modes[i], s, len) == 0)
			return true;
	return false;
}

/* NULL, or what is wrong with the value of an option. */
static const char *
pq_value_wrong(const char *name, size_t len, const char *s, size_t n)
{
	if (len == 4 && strncmp(name, "port", len) == 0)
		return is_port(s, n) ? NULL : "wanted port=1 to 65535";
	if (len == 4 && strncmp(name, "host", len) == 0)
		return memchr(s, ',', n) == NULL ? NULL : ONE_HOST;
	if (len == 7 && strncmp(name, "sslmode", len) == 0)
		return is_sslmode(s, n) ? NULL : "wanted sslmode=disable, "
		    "allow, prefer, require, verify-ca or verify-full";
	return NULL;
}

static void
check_pq_options(struct load *l, const struct node *n, const char *s)
{
	const char	*why;
	size_t		 len, name;

	for (; *s != '\0'; s += len + (s[len] == '&')) {
		len = strcspn(s, "&");
		name = strcspn(s, "=&");
		if (name >= len)
			load_error(l, n, "'%.*s': wanted NAME=VALUE",
			    (int)len, s);
		else if (!is_pq_option(s, name))
			load_error(l, n, "'%.*s' is not an option of a "
			    "postgresql: URI here", (int)name, s);
		else if ((why = pq_value_wrong(s, name, s + name + 1,
		    len - name - 1)) != NULL)
			load_error(l, n, "%s", why);
	}
}

/* Each %, with two digits behind it, stands for an octet that is not NUL. */
static bool
is_percent_ok(const char *s)
{
	for (; (s = strchr(s, '%')) != NULL; s++)
		if (!isxdigit((unsigned char)s[1]) ||
		    !isxdigit((unsigned char)s[2]) ||
		    (s[1] == '0' && s[2] == '0'))
			return false;
	return true;
}

/* HOST[:PORT], of len octets.  NULL, or what is wrong. */
static const char *
pq_host_wrong(const char *s, size_t len)
{
	const char	*end = s + len, *colon;

	if (memchr(s, ',', len) != NULL)
		return ONE_HOST;
	if (*s == '[') {
		if ((s = memchr(s, ']', len)) == NULL)
			return "'[' without ']'";
		s++;
	}
	colon = memchr(s, ':', (size_t)(end - s));
	if (colon != NULL && !is_port(colon + 1, (size_t)(end - colon - 1)))
		return "wanted a port of 1 to 65535";
	return NULL;
}

/*
 * libpq reads it again, in lookupd; what it would stumble over is found
 * here.  An @ or a slash in a password would make a part of that a host, which
 * is logged.  The password is in no message of ours.
 */
static const char *
pq_wrong(const char *p)
{
	const char	*end = p + strcspn(p, "?");
	const char	*slash = p + strcspn(p, "/?"), *at;

	at = memchr(p, '@', (size_t)(slash - p));
	if (at == NULL && memchr(p, '@', (size_t)(end - p)) != NULL)
		return ESCAPED;
	if (at == NULL || at == p || *p == ':')
		return "wanted postgresql://USER[:PASSWORD]@HOST[:PORT]/"
		    "DATABASE";
	if (memchr(at + 1, '@', (size_t)(slash - at - 1)) != NULL)
		return ESCAPED;
	if (!is_percent_ok(p))
		return "% stands before two hexadecimal digits, and is "
		    "written %25 itself";
	return pq_host_wrong(at + 1, (size_t)(slash - at - 1));
}

static void
check_pq(struct load *l, const struct node *n)
{
	const char	*p = n->text + strlen(PQ), *why, *question;

	if ((why = pq_wrong(p)) != NULL)
		load_error(l, n, "%s", why);
	else if ((question = strchr(p, '?')) != NULL)
		check_pq_options(l, n, question + 1);
}

static void
load_uri(struct load *l, const struct node *n, struct conf_fds *files)
{
	switch (scheme_of(n)) {
	case SCHEME_CDB:
		open_cdb(l, n, files);
		break;
	case SCHEME_SQLITE:
		check_sqlite(l, n);
		break;
	case SCHEME_PQ:
		check_pq(l, n);
		break;
	case SCHEME_FILE:
		open_text(l, n, files);
		break;
	case SCHEME_NONE:
	case SCHEME_COUNT:
		load_error(l, n, "'%.*s': wanted sqlite:PATH, "
		    "postgresql://USER@HOST/DATABASE, cdb:PATH or file:PATH",
		    (int)strcspn(n->text, ":") + 1, n->text);
		break;
	}
}

/* All of one kind: they are asked in turns, for the same keys. */
static enum scheme
load_uris(struct load *l, const struct node *uri, struct conf_fds *files)
{
	const struct node	*n;
	enum scheme		 scheme = SCHEME_NONE, s;
	bool			 mixed = false;
	size_t			 i;

	for (i = 0; i < uri->nkids; i++) {
		n = uri->kids[i];
		if (n->kind != NODE_SCALAR)
			continue;	/* has its error already */
		load_uri(l, n, files);
		if ((s = scheme_of(n)) == SCHEME_NONE)
			continue;
		mixed |= scheme != SCHEME_NONE && s != scheme;
		scheme = s;
	}
	if (mixed)
		load_error(l, uri, "cdb:, file:, sqlite: and postgresql: do "
		    "not go together");
	return scheme;
}

/* --- queries -------------------------------------------------------------- */

/* What those who ask give a value. */
static bool
is_given(const char *name)
{
	static const char *const	names[] = {
		"", "address", "domain", "key", "localpart", "login", "sender",
		"username"
	};
	size_t				i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
check_query(struct load *l, const struct node *n, const char *text,
    enum scheme scheme)
{
	struct sql_params	 sql;
	const char		*why;
	size_t			 i, mark;

	if (n == NULL || text == NULL)
		return;
	mark = path_push(l, n->key);
	why = sql_params_read(&sql, text, scheme == SCHEME_PQ ? SQL_PQ :
	    SQL_SQLITE);
	if (why != NULL) {
		load_error(l, n, "%s", why);
	} else {
		for (i = 0; i < sql.n; i++)
			if (!is_given(sql.param[i].name))
				load_error(l, n, "nobody gives :%s a value; "
				    "known are :key, :address, "
				    ":localpart, :domain, :sender, :login "
				    "and :username", sql.param[i].name);
		sql_params_clear(&sql);
	}
	path_pop(l, mark);
}

/* Where a script's SQL would go. */
static void
check_scripts(struct load *l, const struct node *n,
    const struct conf_datasource *ds, enum scheme scheme)
{
	size_t	mark = path_push(l, "scripts");

	if (ds->scripts && (scheme == SCHEME_CDB || scheme == SCHEME_FILE))
		load_error(l, n, "a file of keys has no SQL");
	if (ds->scripts && scheme == SCHEME_SQLITE && ds->uri.n > 1)
		load_error(l, n, "with sqlite: one file only: of several "
		    "each process would write to another one");
	path_pop(l, mark);
}

static void
check_source(struct load *l, const struct node *n,
    const struct conf_datasource *ds, enum scheme scheme)
{
	const struct node	*query = node_child(n, "query");
	size_t			 i, mark;

	if (scheme == SCHEME_SQLITE && ds->timeout > SQLITE_TIME) {
		mark = path_push(l, "timeout");
		load_error(l, node_child(n, "timeout"), "at most 8s with "
		    "sqlite:");
		path_pop(l, mark);
	}
	check_scripts(l, node_child(n, "scripts"), ds, scheme);
	if (query == NULL || ds->query.n == 0)
		return;
	mark = path_push(l, "query");
	if (scheme == SCHEME_CDB || scheme == SCHEME_FILE)
		load_key_error(l, query, "a file of keys is asked without a "
		    "query");
	for (i = 0; (scheme == SCHEME_SQLITE || scheme == SCHEME_PQ) &&
	    i < ds->query.n; i++)
		check_query(l, node_child(query, ds->query.v[i]),
		    conf_entry_value(ds->query.v[i]), scheme);
	path_pop(l, mark);
}

static void
check_directory(struct load *l, const struct node *n,
    const struct conf_directory *d)
{
	const struct node	*ds, *query = node_child(n, "query");
	enum scheme		 scheme = SCHEME_NONE;
	size_t			 mark;

	ds = d->datasource == NULL ? NULL :
	    node_child(node_child(l->root, "datasource"), d->datasource);
	if ((ds = node_child(ds, "uri")) != NULL && ds->nkids > 0)
		scheme = scheme_of(ds->kids[0]);
	if (scheme != SCHEME_SQLITE && scheme != SCHEME_PQ)
		return;
	mark = path_push(l, "query");
	check_query(l, node_child(query, "address"), d->query_address,
	    scheme);
	check_query(l, node_child(query, "domain"), d->query_domain, scheme);
	check_query(l, node_child(query, "vrfy"), d->query_vrfy, scheme);
	check_query(l, node_child(query, "expn"), d->query_expn, scheme);
	path_pop(l, mark);
}

static void
check_directories(struct load *l)
{
	const struct node	*all = node_child(l->root, "directory");
	const struct conf_obj	*o;
	size_t			 i;

	for (i = 0; i < l->conf->directories.n; i++) {
		o = l->conf->directories.v[i];
		snprintf(l->path, sizeof(l->path), "directory.%s", o->name);
		check_directory(l, node_child(all, o->name), (const void *)o);
		l->path[0] = '\0';
	}
}

void
load_sources(struct load *l)
{
	const struct node	*all = node_child(l->root, "datasource"), *n;
	const struct node	*uri;
	struct conf_datasource	*ds;
	enum scheme		 scheme;
	size_t			 i, mark;

	for (i = 0; i < l->conf->datasources.n; i++) {
		ds = (struct conf_datasource *)l->conf->datasources.v[i];
		n = node_child(all, ds->obj.name);
		if ((uri = node_child(n, "uri")) == NULL ||
		    uri->kind != NODE_SEQ)
			continue;
		snprintf(l->path, sizeof(l->path), "datasource.%s",
		    ds->obj.name);
		mark = path_push(l, "uri");
		scheme = load_uris(l, uri, &ds->files);
		path_pop(l, mark);
		check_source(l, n, ds, scheme);
		l->path[0] = '\0';
	}
	check_directories(l);
}

unsigned int
conf_source_processes(const struct conf_datasource *ds)
{
	const char	*uri = ds->uri.n == 0 ? "" : ds->uri.v[0];

	if (strncmp(uri, SQLITE, strlen(SQLITE)) == 0)
		return (unsigned int)ds->connections;
	return strncmp(uri, PQ, strlen(PQ)) == 0 ? 1 : 0;
}

/* --- where a key stands --------------------------------------------------- */

/* The member that a key leads to: names may have dots in them. */
static const struct node *
locate(const struct node *n, const char *key)
{
	const struct node	*found;
	size_t			 i, len;

	for (i = 0; n->kind == NODE_MAP && i < n->nkids; i++) {
		len = strlen(n->kids[i]->key);
		if (strncmp(n->kids[i]->key, key, len) != 0)
			continue;
		if (key[len] == '\0')
			return n->kids[i];
		if (key[len] == '.' && (found = locate(n->kids[i],
		    key + len + 1)) != NULL)
			return found;
	}
	return NULL;
}

void
parent_conf_locate(const char *file, const struct macros *macros,
    const char *key, unsigned int *line, unsigned int *col)
{
	struct conf_errors	 errs = { 0 };
	struct conf_file	 f;
	struct node		*root = NULL;
	const struct node	*n;
	char			 why[256];

	if (parent_file_read(file, &f, false, why, sizeof(why)) == 0)
		root = node_parse(file, (char *)f.data, f.len, macros, &errs);
	if (root != NULL && (n = locate(root, key)) != NULL) {
		*line = n->line;
		*col = n->col;
	}
	node_free(root);
	conf_errors_clear(&errs);
	if (f.data != NULL)
		freezero(f.data, f.len);
	free(f.path);
}
