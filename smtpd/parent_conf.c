/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * From the tree of postern.yaml to struct config, by the rows of schema*.c.
 *
 * One walk does all: a key that no row has is an error with the nearest one
 * that exists, a row without a key gets its default as if it had been
 * written, values are typed and stored.  Since defaults become nodes of the
 * tree, there is one way in for both, and what -nv prints is what is in
 * force.  Errors do not end the walk.
 *
 * Keys of features that are not built (K_LATER, K_REFUSE) are checked like
 * others.  Where such a key says what is done anyway (its default) nothing
 * is reported, so the output of -nv can be read back in silence.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent_conf.h"
#include "parent_files.h"
#include "parent_load.h"
#include "util.h"

static void	load_any(struct load *, const struct key *, struct node *,
		    void *);

/* --- messages ------------------------------------------------------------- */

void
load_error(struct load *l, const struct node *n, const char *fmt, ...)
{
	char	what[512];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	conf_error(l->errs, l->file, n->line, n->col, l->path, "%s", what);
}

void
load_key_error(struct load *l, const struct node *n, const char *fmt, ...)
{
	char	what[512];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	conf_error(l->errs, l->file, n->key_line, n->key_col, l->path, "%s",
	    what);
}

size_t
path_push(struct load *l, const char *name)
{
	size_t	mark = strlen(l->path);

	if (mark > 0)
		strlcat(l->path, ".", sizeof(l->path));
	strlcat(l->path, name, sizeof(l->path));
	return mark;
}

void
path_pop(struct load *l, size_t mark)
{
	l->path[mark] = '\0';
}

/* --- defaults ------------------------------------------------------------- */

static void
mark_default(struct node *n, const struct node *at)
{
	size_t	i;

	n->is_default = true;
	n->line = n->key_line = at->line;
	n->col = n->key_col = at->col;
	for (i = 0; i < n->nkids; i++)
		mark_default(n->kids[i], at);
}

static struct node *
scalar_new(const char *text, bool bare)
{
	struct node	*n = node_new(NODE_SCALAR, NULL);

	node_set(n, text, bare);
	return n;
}

/* One smtpd per CPU; whoever wants fewer says so. */
static struct node *
default_cpus(const struct key *k)
{
	char	text[32];
	long	n = sysconf(_SC_NPROCESSORS_ONLN);

	if ((k->flags & K_HALF_CPUS) != 0)
		n /= 2;
	if (n < k->min)
		n = (long)k->min;
	if (n > k->max)
		n = (long)k->max;
	snprintf(text, sizeof(text), "%ld", n);
	return scalar_new(text, true);
}

static struct node *
default_hostname(void)
{
	char	name[256];

	if (gethostname(name, sizeof(name)) == -1)
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	return scalar_new(name, false);
}

/*
 * K_DERIVED is tls.verify of a remote: a certificate is judged unless the
 * file says no, but only where a failure can stop the mail.  mode stands
 * before it in the table, so it is there.
 */
static bool
derived(const struct node *tls)
{
	const struct node	*mode = node_child(tls, "mode");

	return mode != NULL && mode->kind == NODE_SCALAR &&
	    (strcmp(mode->text, "required") == 0 ||
	    strcmp(mode->text, "implicit") == 0);
}

static struct node *
default_text(struct load *l, const char *text, const struct node *at)
{
	struct node	*n;

	n = node_parse("default", text, strlen(text), NULL, l->errs);
	if (n != NULL)
		mark_default(n, at);
	return n;
}

/* The node that a key has where the file has none; NULL if it has none. */
static struct node *
default_node(struct load *l, const struct key *k, const struct node *at)
{
	struct node	*n = NULL;

	if ((k->flags & K_HIDDEN) != 0)
		return NULL;
	if (l->in_mx && k->mx != NULL)
		return default_text(l, k->mx, at);
	if ((k->flags & K_DERIVED) != 0 && !derived(at))
		return NULL;
	if ((k->flags & K_HOSTNAME) != 0)
		n = default_hostname();
	else if ((k->flags & (K_CPUS | K_HALF_CPUS)) != 0)
		n = default_cpus(k);
	else if (k->def != NULL)
		return default_text(l, k->def, at);
	if (n != NULL)
		mark_default(n, at);
	return n;
}

/*
 * Does the (canonical) node say what its default says?  The default is
 * loaded into nothing to make it canonical too.
 */
static bool
same_as_default(struct load *l, const struct key *k, const struct node *n)
{
	struct conf_errors	 none = { .errors = { .n = 0 } };
	struct load		 dry = *l;
	struct node		*def;
	bool			 same;

	dry.errs = &none;
	dry.dry = true;
	if ((def = default_node(&dry, k, n)) == NULL)
		return node_is_false(n);
	free(def->key);
	def->key = n->key == NULL ? NULL : xstrdup(n->key);
	load_any(&dry, k, def, NULL);
	same = node_equal(def, n);
	node_free(def);
	conf_errors_clear(&none);
	return same;
}

/* --- structs -------------------------------------------------------------- */

static const struct key *
find_row(const struct schema *s, const char *name)
{
	const struct key	*k;

	for (k = s->keys; k->name != NULL; k++) {
		if ((k->flags & K_HIDDEN) != 0)
			continue;
		if (strcmp(k->name, name) == 0 ||
		    (k->alias != NULL && strcmp(k->alias, name) == 0))
			return k;
	}
	return NULL;
}

static void
unknown_key(struct load *l, const struct schema *s, const struct node *n)
{
	const struct key	*k;
	struct nearest		 near;
	size_t			 mark = path_push(l, n->key);

	nearest_init(&near, n->key);
	for (k = s->keys; k->name != NULL; k++)
		if ((k->flags & K_HIDDEN) == 0)
			nearest_offer(&near, k->name);
	load_key_error(l, n, "unknown key%s%s%s",
	    near.best == NULL ? "" : ", did you mean ",
	    near.best == NULL ? "" : near.best,
	    near.best == NULL ? "" : "?");
	path_pop(l, mark);
}

/* Every key has a row; a key by its other name gets the proper one. */
static void
check_keys(struct load *l, const struct schema *s, struct node *n)
{
	const struct key	*k;
	struct node		*kid;
	size_t			 i;

	for (i = 0; i < n->nkids; i++) {
		kid = n->kids[i];
		if ((k = find_row(s, kid->key)) == NULL) {
			unknown_key(l, s, kid);
			continue;
		}
		if (strcmp(k->name, kid->key) == 0)
			continue;
		if (node_child(n, k->name) != NULL)
			load_key_error(l, kid, "%s and %s are the same key",
			    kid->key, k->name);
		free(kid->key);
		kid->key = xstrdup(k->name);
	}
}

/* A heading with nothing below it is an empty map. */
static bool
to_map(struct load *l, struct node *n)
{
	if (n->kind == NODE_MAP)
		return true;
	if (n->kind == NODE_SCALAR && !n->quoted && n->text[0] == '\0') {
		n->kind = NODE_MAP;
		return true;
	}
	load_error(l, n, "%s, wanted a map",
	    n->kind == NODE_SEQ ? "a list" : "a value");
	return false;
}

static void
load_kid(struct load *l, const struct key *k, struct node *parent,
    void *base)
{
	struct node	*n;
	size_t		 mark;
	void		*dst = NULL;

	if (base != NULL && k->off != KEY_NOWHERE)
		dst = (char *)base + k->off;
	mark = path_push(l, k->name);
	if ((n = node_child(parent, k->name)) == NULL) {
		if ((n = default_node(l, k, parent)) != NULL)
			node_add(parent, k->name, n);
		else if ((k->flags & K_REQUIRED) != 0)
			load_error(l, parent, "missing");
	}
	if (n != NULL)
		load_any(l, k, n, dst);
	path_pop(l, mark);
}

/* The remote called mx has no such key, nor its default. */
static bool
is_not_mx(struct load *l, const struct key *k, const struct node *parent)
{
	const struct node	*n = node_child(parent, k->name);
	size_t			 mark;

	if (!l->in_mx || k->mx == NULL || strcmp(k->mx, KEY_NOT_MX) != 0)
		return false;
	if (n != NULL) {
		mark = path_push(l, k->name);
		load_key_error(l, n, "mx stands for the servers that DNS "
		    "names: it has no such key");
		path_pop(l, mark);
	}
	return true;
}

/* Members in the order of the rows, so that -nv always prints the same. */
static void
sort_kids(const struct schema *s, struct node *n)
{
	const struct key	*k;
	struct node		**sorted;
	size_t			 i, at = 0;

	if (n->nkids == 0)
		return;
	sorted = xcalloc(n->nkids, sizeof(struct node *));
	for (k = s->keys; k->name != NULL; k++) {
		for (i = 0; i < n->nkids; i++) {
			if (n->kids[i] == NULL ||
			    strcmp(n->kids[i]->key, k->name) != 0)
				continue;
			sorted[at++] = n->kids[i];
			n->kids[i] = NULL;
		}
	}
	for (i = 0; i < n->nkids; i++)
		if (n->kids[i] != NULL)
			sorted[at++] = n->kids[i];
	/* Room for a power of two, as node_add wants it. */
	memcpy(n->kids, sorted, n->nkids * sizeof(struct node *));
	free(sorted);
}

void
load_struct(struct load *l, const struct schema *s, struct node *n,
    void *base)
{
	const struct key	*k;

	if (n->bad || !to_map(l, n))
		return;
	check_keys(l, s, n);
	for (k = s->keys; k->name != NULL; k++)
		if (!is_not_mx(l, k, n))
			load_kid(l, k, n, base);
	sort_kids(s, n);
}

/* --- maps and sequences --------------------------------------------------- */

/* Does an object consist of the value of its only key?  Lists do. */
static bool
is_direct(const struct schema *s)
{
	return s->keys[0].type == T_ENTRIES || s->keys[0].type == T_TEXT;
}

/* The rows of a remote are the only ones that are others for mx. */
static bool
is_mx(const struct schema *s, const struct node *n)
{
	return s->size == sizeof(struct conf_remote) &&
	    strcmp(s->name, "remote") == 0 && strcmp(n->key, "mx") == 0;
}

static void
load_obj(struct load *l, const struct schema *s, struct node *n,
    struct conf_map *map)
{
	struct conf_obj	*obj = NULL;
	const char	*why;
	size_t		 mark;

	mark = path_push(l, n->key);
	if ((why = check_name(n->key)) != NULL)
		load_key_error(l, n, "%s", why);
	if (map != NULL && s->size > 0) {
		obj = xcalloc(1, s->size);
		obj->name = xstrdup(n->key);
	}
	l->in_mx = is_mx(s, n);
	if (!is_direct(s))
		load_struct(l, s, n, obj);
	else
		load_value(l, &s->keys[0], n, obj == NULL ? NULL :
		    (char *)obj + s->keys[0].off);
	if (obj != NULL && l->in_mx)
		((struct conf_remote *)(void *)obj)->mx = true;
	l->in_mx = false;
	if (obj != NULL && conf_map_add(map, obj) == -1)
		abort();
	path_pop(l, mark);
}

/* A single nameless struct where a map may be: {default: it}. */
static void
wrap_bare(const struct key *k, struct node *n)
{
	struct node	*inner;
	size_t		 i;

	for (i = 0; i < n->nkids; i++)
		if (n->kids[i]->kind != NODE_MAP &&
		    find_row(k->sub, n->kids[i]->key) != NULL)
			break;
	if (i == n->nkids)
		return;
	inner = node_new(NODE_MAP, n);
	inner->kids = n->kids;
	inner->nkids = n->nkids;
	n->kids = NULL;
	n->nkids = 0;
	node_add(n, "default", inner);
}

static void
load_map(struct load *l, const struct key *k, struct node *n,
    struct conf_map *map)
{
	size_t	i;

	if (!to_map(l, n))
		return;
	if ((k->flags & K_BARE) != 0)
		wrap_bare(k, n);
	if (n->nkids == 0 && (k->flags & K_REQUIRED) != 0)
		load_error(l, n, "empty");
	for (i = 0; i < n->nkids; i++)
		load_obj(l, k->sub, n->kids[i], map);
}

static void
load_seq(struct load *l, const struct key *k, struct node *n,
    struct conf_map *seq)
{
	struct conf_obj	*obj;
	char		 name[24];
	size_t		 i, mark;

	if (n->kind != NODE_SEQ) {
		load_error(l, n, "wanted a list");
		return;
	}
	for (i = 0; i < n->nkids; i++) {
		snprintf(name, sizeof(name), "%zu", i + 1);
		mark = path_push(l, name);
		obj = seq == NULL ? NULL : xcalloc(1, k->sub->size);
		load_struct(l, k->sub, n->kids[i], obj);
		if (obj != NULL && conf_map_add(seq, obj) == -1)
			abort();
		path_pop(l, mark);
	}
}

/* --- a key ---------------------------------------------------------------- */

static bool
is_plain_false(const struct node *n)
{
	return n->kind == NODE_SCALAR && !n->quoted &&
	    strcmp(n->text, "false") == 0;
}

static void
load_typed(struct load *l, const struct key *k, struct node *n, void *dst)
{
	if (n->bad)
		return;
	if (k->type == T_STRUCT)
		load_struct(l, k->sub, n, dst);
	else if (k->type == T_MAP)
		load_map(l, k, n, dst);
	else if (k->type == T_SEQ)
		load_seq(l, k, n, dst);
	else
		load_value(l, k, n, dst);
}

/* A key that is there, written or as its default. */
static void
load_any(struct load *l, const struct key *k, struct node *n, void *dst)
{
	size_t	before = l->errs->errors.n;

	if ((k->flags & K_REFUSE) != 0 && !n->is_default &&
	    !node_is_false(n)) {
		load_key_error(l, n, NOT_BUILT ", and to ignore it would "
		    "let in what it is to keep out");
		return;
	}
	if (is_plain_false(n) && ((k->flags & K_FALSE) != 0 ||
	    ((k->flags & K_REFUSE) != 0 && k->type != T_RULE &&
	    k->type != T_BOOL))) {
		n->bare = true;
		return;
	}
	load_typed(l, k, n, dst);
	if ((k->flags & K_LATER) == 0 || n->is_default || l->dry ||
	    l->errs->errors.n > before || same_as_default(l, k, n))
		return;
	conf_warning(l->errs, l->file, n->key_line, n->key_col, l->path,
	    "%s: ignored", NOT_BUILT);
}

/* --- the file ------------------------------------------------------------- */

/*
 * A route leads to mx, and the file does not say how mail goes there: a
 * remote of defaults, which is not in the tree and so not in what -nv prints.
 */
static void
add_mx(struct load *l)
{
	const struct key	*row;
	struct conf_map		*map;
	struct rule_value	 v;
	struct node		*n;
	size_t			 i;

	/* A script of RCPT can name any remote. */
	if (!rule_is_constant(l->conf->session.script[STAGE_RCPT], &v) ||
	    v.str != NULL)
		l->use_mx = true;
	if (!l->use_mx || conf_find(&l->conf->remotes, "mx") != NULL)
		return;
	for (i = 0; (row = conf_map_row(l->conf, i, &map)) != NULL; i++)
		if (map == &l->conf->remotes)
			break;
	if (row == NULL)
		return;
	n = node_new(NODE_MAP, l->root);
	n->key = xstrdup("mx");
	load_obj(l, row->sub, n, map);
	node_free(n);
}

struct config *
parent_conf_parse(const char *file, const char *data, size_t len,
    const struct macros *macros, struct conf_errors *errs,
    struct node **effective)
{
	struct load	l = { .file = file, .errs = errs };

	if (effective != NULL)
		*effective = NULL;
	l.root = node_parse(file, data, len, macros, errs);
	if (l.root != NULL) {
		if ((l.conf = conf_new(0)) == NULL)
			abort();
		if (l.root->line == 0)
			l.root->line = l.root->col = 1;
		load_struct(&l, &schema_top, l.root, l.conf);
		add_mx(&l);
		load_cross(&l);
	}
	conf_errors_sort(errs, file);
	if (errs->errors.n > 0) {
		conf_unref(l.conf);
		l.conf = NULL;
	}
	if (l.conf != NULL && effective != NULL)
		*effective = l.root;
	else
		node_free(l.root);
	return l.conf;
}

struct config *
parent_conf_load(const char *file, const struct macros *macros,
    struct conf_errors *errs, struct node **effective)
{
	struct conf_file	 f;
	struct config		*conf = NULL;
	char			 why[256];

	if (effective != NULL)
		*effective = NULL;
	if (parent_file_read(file, &f, false, why, sizeof(why)) == -1)
		conf_error(errs, file, 0, 0, NULL, "%s", why);
	else
		conf = parent_conf_parse(file, (char *)f.data, f.len, macros,
		    errs, effective);
	/* It may hold passwords. */
	if (f.data != NULL)
		freezero(f.data, f.len);
	free(f.path);
	return conf;
}

/* --- ids ------------------------------------------------------------------ */

static void
resolve(const struct key *k, struct rule *r, void *arg)
{
	(void)k;
	rule_resolve(r, arg);
}

void
conf_assign_ids(struct config *conf, const struct config *old,
    uint32_t *next_id)
{
	const struct key	*row;
	const struct conf_obj	*was;
	struct conf_map		*map, *omap;
	size_t			 m, i;

	for (m = 0; (row = conf_map_row(conf, m, &map)) != NULL; m++) {
		conf_map_row(old, m, &omap);
		for (i = 0; i < map->n; i++) {
			was = omap == NULL ? NULL :
			    conf_find(omap, map->v[i]->name);
			if (was != NULL &&
			    conf_obj_same(row->sub, was, map->v[i]))
				map->v[i]->id = was->id;
			else
				map->v[i]->id = ++*next_id;
		}
	}
	conf_each_rule(conf, resolve, conf);
}
