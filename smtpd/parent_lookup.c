/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Look-ups of postern.yaml: what list/NAME, db/NAME/QUERY, directory/NAME and
 * remote/NAME lead to, and whether it can tell what it is asked.
 *
 * Everything here goes by the tree of the file, which is whole when the first
 * key is typed: a path may name what stands further down.  What a path may
 * lead to depends on what is asked by it: an address, a domain (which no
 * server tells), or a value (which a server has not got).
 */

#include <stdio.h>
#include <string.h>

#include "parent_load.h"

#define DEPTH_MAX	8	/* directories that take domains of others */

static const struct node *
object(const struct load *l, const char *map, const char *name)
{
	const struct node	*all = node_child(l->root, map);

	return all == NULL || all->kind != NODE_MAP ? NULL :
	    node_child(all, name);
}

/* The text of a key of an object; "" if it has none. */
static const char *
text_of(const struct node *n, const char *key)
{
	const struct node	*kid;

	if (n == NULL || n->kind != NODE_MAP ||
	    (kid = node_child(n, key)) == NULL || kid->kind != NODE_SCALAR)
		return "";
	return kid->text;
}

static bool
has(const struct node *n, const char *key)
{
	const struct node	*kid;

	if (n == NULL || n->kind != NODE_MAP ||
	    (kid = node_child(n, key)) == NULL)
		return false;
	return !node_is_false(kid);
}

/* --- datasources ---------------------------------------------------------- */

/* Are these files of keys?  One URI or a list of them. */
static bool
is_files(const struct node *uri)
{
	size_t	i;

	if (uri->kind == NODE_SCALAR)
		return strncmp(uri->text, "cdb:", 4) == 0 ||
		    strncmp(uri->text, "file:", 5) == 0;
	for (i = 0; i < uri->nkids; i++)
		if (uri->kids[i]->kind != NODE_SCALAR ||
		    !is_files(uri->kids[i]))
			return false;
	return true;
}

/* A URI that is not there, or none, is an error of its own. */
static bool
has_uri(const struct node *ds)
{
	const struct node	*uri;

	return ds != NULL && ds->kind == NODE_MAP &&
	    (uri = node_child(ds, "uri")) != NULL &&
	    uri->kind != NODE_MAP;
}

/* db/NAME/QUERY; name is what stands behind db/. */
static void
check_db(struct load *l, const struct node *n, const char *name)
{
	const char		*query = strchr(name, '/');
	const struct node	*ds;
	char			 only[256];
	bool			 files;

	if (strlcpy(only, name, sizeof(only)) < sizeof(only))
		only[strcspn(only, "/")] = '\0';
	if ((ds = object(l, "datasource", only)) == NULL) {
		check_object(l, n, "datasource", only);
		return;
	}
	if (!has_uri(ds))
		return;
	files = is_files(node_child(ds, "uri"));
	if (files && query != NULL)
		load_error(l, n, "%s has keys and no queries: wanted db/%s",
		    only, only);
	else if (!files && query == NULL)
		load_error(l, n, "%s is a database: wanted db/%s/QUERY",
		    only, only);
	else if (query != NULL && !has(node_child(ds, "query"), query + 1))
		load_error(l, n, "datasource %s has no query '%s'", only,
		    query + 1);
}

/* --- directories, remotes ------------------------------------------------- */

/* Can it tell whether a domain is local? */
static bool
knows_domains(const struct node *dir)
{
	return has(dir, "domains") || (strcmp(text_of(dir, "type"), "sql") ==
	    0 && has(node_child(dir, "query"), "domain"));
}

static void
check_directory(struct load *l, const struct node *n, const char *name,
    enum lookup_asks asks)
{
	const struct node	*dir = object(l, "directory", name);

	if (dir == NULL)
		check_object(l, n, "directory", name);
	else if (asks == ASKS_DOMAIN && !knows_domains(dir))
		load_error(l, n, "directory %s knows no domains: it needs "
		    "domains%s", name, strcmp(text_of(dir, "type"), "sql") ==
		    0 ? " or query.domain" : "");
}

/* NULL, or why call-forward does not go there. */
static const char *
why_not_asked(const struct load *l, const char *name)
{
	if (strcmp(name, "mx") == 0)
		return "mx is no server that could be asked";
	if (has(object(l, "remote", name), "auth"))
		return "a server where we log in is not asked for addresses";
	return NULL;
}

static void
check_remote(struct load *l, const struct node *n, const char *name,
    enum lookup_asks asks)
{
	const char	*why = why_not_asked(l, name);

	if (why != NULL)
		load_error(l, n, "%s", why);
	else if (object(l, "remote", name) == NULL)
		check_object(l, n, "remote", name);
	else if (asks == ASKS_DOMAIN)
		load_error(l, n, "a server is not asked for domains");
	else if (asks == ASKS_VALUE)
		load_error(l, n, "a server says yes or no, and has no "
		    "values");
}

/* --- paths ---------------------------------------------------------------- */

void
check_lookup(struct load *l, const struct node *n, enum lookup_asks asks)
{
	const char	*path = n->text;

	if (strncmp(path, "list/", 5) == 0)
		check_object(l, n, "list", path + 5);
	else if (strncmp(path, "db/", 3) == 0)
		check_db(l, n, path + 3);
	else if (strncmp(path, "directory/", 10) == 0)
		check_directory(l, n, path + 10, asks);
	else if (strncmp(path, "remote/", 7) == 0)
		check_remote(l, n, path + 7, asks);
	else
		load_error(l, n, "'%s', wanted list/NAME, db/NAME, "
		    "directory/NAME or remote/NAME", path);
}

void
check_directory_ref(struct load *l, const struct node *n)
{
	check_directory(l, n, n->text, ASKS_DOMAIN);
}

/* --- a directory as a whole ----------------------------------------------- */

static void
wanted(struct load *l, const struct node *dir, const char *key)
{
	load_key_error(l, dir, "a directory of type %s needs %s",
	    text_of(dir, "type"), key);
}

/* What is wrong with a key of it that has a value. */
static void
bad_key(struct load *l, const struct node *dir, const char *key,
    const char *why)
{
	size_t	mark = path_push(l, key);

	load_error(l, node_child(dir, key), "%s", why);
	path_pop(l, mark);
}

/* sql, cdb: a datasource of that kind. */
static void
check_source(struct load *l, const struct node *dir, bool files)
{
	const struct node	*ds = object(l, "datasource",
				    text_of(dir, "datasource"));

	if (!has(dir, "datasource"))
		wanted(l, dir, "datasource");
	else if (has_uri(ds) && is_files(node_child(ds, "uri")) != files)
		bad_key(l, dir, "datasource", files ?
		    "is a database: wanted one of cdb: or file:" :
		    "is of files and has no queries: wanted a database");
	if (!files && !has(node_child(dir, "query"), "address"))
		wanted(l, dir, "query.address");
}

static void
check_list(struct load *l, const struct node *dir)
{
	const struct node	*n = node_child(dir, "addresses");
	char			 why[256];

	if (!has(dir, "addresses"))
		wanted(l, dir, "addresses");
	else if (strncmp(n->text, "list/", 5) != 0) {
		(void)snprintf(why, sizeof(why), "'%s', wanted list/NAME",
		    n->text);
		bad_key(l, dir, "addresses", why);
	}
}

/* That mx is for routes only was said by check_ref. */
static void
check_server(struct load *l, const struct node *dir)
{
	const char	*why;

	if (!has(dir, "remote"))
		wanted(l, dir, "remote");
	else if (strcmp(text_of(dir, "remote"), "mx") != 0 &&
	    (why = why_not_asked(l, text_of(dir, "remote"))) != NULL)
		bad_key(l, dir, "remote", why);
	if (!has(dir, "domains"))
		wanted(l, dir, "domains");
}

/* domains: directory/NAME, whose domains are those of ... */
static bool
loops(const struct load *l, const struct node *dir)
{
	const char	*domains;
	int		 depth;

	for (depth = 0; depth < DEPTH_MAX; depth++) {
		domains = text_of(dir, "domains");
		if (strncmp(domains, "directory/", 10) != 0 ||
		    (dir = object(l, "directory", domains + 10)) == NULL)
			return false;
	}
	return true;
}

static void
check_one(struct load *l, const struct node *dir)
{
	const char		*type = text_of(dir, "type");
	const struct node	*query = node_child(dir, "query");
	size_t			 i;

	if (strcmp(type, "sql") == 0)
		check_source(l, dir, false);
	else if (strcmp(type, "cdb") == 0)
		check_source(l, dir, true);
	else if (strcmp(type, "list") == 0)
		check_list(l, dir);
	else if (strcmp(type, "remote") == 0)
		check_server(l, dir);
	else
		return;		/* has its error already */
	for (i = 0; strcmp(type, "sql") != 0 && query != NULL &&
	    query->kind == NODE_MAP && i < query->nkids; i++)
		if (!query->kids[i]->is_default)
			load_key_error(l, query->kids[i],
			    "a directory of type %s has no queries", type);
	if (loops(l, dir))
		bad_key(l, dir, "domains",
		    "leads from one directory to the next without an end");
}

void
load_directories(struct load *l)
{
	const struct node	*all = node_child(l->root, "directory");
	size_t			 i;

	if (all == NULL || all->kind != NODE_MAP)
		return;
	for (i = 0; i < all->nkids; i++) {
		if (all->kids[i]->kind != NODE_MAP)
			continue;
		(void)snprintf(l->path, sizeof(l->path), "directory.%s",
		    all->kids[i]->key);
		check_one(l, all->kids[i]);
		l->path[0] = '\0';
	}
}
