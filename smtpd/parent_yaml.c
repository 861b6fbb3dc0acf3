/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * YAML to a tree of nodes, by libyaml's events.  This is the only file that
 * includes <yaml.h>.
 *
 * A configuration needs maps, sequences and scalars; everything else of YAML
 * is refused here: aliases and anchors, tags, merge keys, directives, second
 * documents, keys that are not scalars.  Every scalar stays the text it is
 * until a row of the schema gives it a type, so that `no' is a word, not a
 * boolean.  libyaml neither looks for duplicate keys nor limits the depth,
 * and takes quadratic time over deeply nested flow sequences: we count.
 *
 * Text is checked before libyaml sees it, because libyaml reports a bad
 * octet without its place, and accepts UTF-16.
 *
 * Considered and rejected: the document API (builds the whole graph before
 * anything can be refused), a parser of our own (smaller, but users expect
 * the YAML that their editors know).
 */

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "parent_error.h"
#include "parent_yaml.h"
#include "util.h"

#define KEY_MAX	512	/* libyaml reads back 1024 of what we print */

struct parse {
	yaml_parser_t		 yaml;
	const char		*file;
	const struct macros	*macros;
	struct conf_errors	*errs;
};

static struct node	*parse_node(struct parse *, yaml_event_t *,
			    unsigned int);

/* --- nodes ---------------------------------------------------------------- */

struct node *
node_new(enum node_kind kind, const struct node *at)
{
	struct node	*n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	if (at != NULL) {
		n->line = n->key_line = at->line;
		n->col = n->key_col = at->col;
	}
	return n;
}

void
node_free(struct node *n)
{
	size_t	i;

	if (n == NULL)
		return;
	for (i = 0; i < n->nkids; i++)
		node_free(n->kids[i]);
	free(n->kids);
	free(n->key);
	if (n->text != NULL)
		freezero(n->text, strlen(n->text));
	free(n);
}

void
node_add(struct node *n, const char *key, struct node *kid)
{
	size_t	c = n->nkids;

	/* Grown at powers of two. */
	if ((c & (c - 1)) == 0)
		n->kids = xreallocarray(n->kids, c == 0 ? 1 : 2 * c,
		    sizeof(struct node *));
	n->kids[n->nkids++] = kid;
	if (key != NULL) {
		free(kid->key);
		kid->key = xstrdup(key);
	}
}

struct node *
node_child(const struct node *n, const char *key)
{
	size_t	i;

	if (n == NULL || n->kind != NODE_MAP)
		return NULL;
	for (i = 0; i < n->nkids; i++)
		if (strcmp(n->kids[i]->key, key) == 0)
			return n->kids[i];
	return NULL;
}

void
node_set(struct node *n, const char *text, bool bare)
{
	char	*copy = xstrdup(text);

	free(n->text);
	n->text = copy;
	n->bare = bare;
}

bool
node_equal(const struct node *a, const struct node *b)
{
	size_t	i;

	if (a->kind != b->kind || a->nkids != b->nkids)
		return false;
	if ((a->key == NULL) != (b->key == NULL) ||
	    (a->key != NULL && strcmp(a->key, b->key) != 0))
		return false;
	if (a->kind == NODE_SCALAR)
		return strcmp(a->text, b->text) == 0;
	for (i = 0; i < a->nkids; i++)
		if (!node_equal(a->kids[i], b->kids[i]))
			return false;
	return true;
}

bool
node_is_false(const struct node *n)
{
	if (n == NULL)
		return true;
	if (n->kind != NODE_SCALAR)
		return n->nkids == 0;
	return !n->quoted &&
	    (n->text[0] == '\0' || strcmp(n->text, "false") == 0);
}

/* --- macros --------------------------------------------------------------- */

static bool
is_macro_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

int
macros_add(struct macros *m, const char *arg)
{
	const char	*eq = strchr(arg, '=');
	const char	*p;

	if (eq == NULL || eq == arg)
		return -1;
	for (p = arg; p < eq; p++)
		if (!is_macro_char(*p))
			return -1;
	m->v = xreallocarray(m->v, m->n + 1, sizeof(*m->v));
	m->v[m->n].name = xstrndup(arg, (size_t)(eq - arg));
	m->v[m->n].value = xstrdup(eq + 1);
	m->n++;
	return 0;
}

void
macros_clear(struct macros *m)
{
	size_t	i;

	for (i = 0; i < m->n; i++) {
		free(m->v[i].name);
		free(m->v[i].value);
	}
	free(m->v);
	memset(m, 0, sizeof(*m));
}

static const char *
macro_find(const struct macros *m, const char *name, size_t len)
{
	size_t	i;

	for (i = m == NULL ? 0 : m->n; i > 0; i--)
		if (strlen(m->v[i - 1].name) == len &&
		    memcmp(m->v[i - 1].name, name, len) == 0)
			return m->v[i - 1].value;
	return NULL;
}

/*
 * Replace ${name} in a scalar, and $${ by ${.  A scalar with a macro in it
 * counts as not quoted: quotes are needed around ${name} inside {...}, and
 * must not make a string of a number.
 */
static void
macros_expand(struct parse *ps, struct node *n)
{
	char		*out = NULL;
	size_t		 len = 0;
	const char	*p = n->text, *q, *end, *value;
	FILE		*f;

	if (strstr(p, "${") == NULL || (f = open_memstream(&out, &len)) == NULL)
		return;
	while ((q = strstr(p, "${")) != NULL) {
		if (q > p && q[-1] == '$') {
			fwrite(p, 1, (size_t)(q - 1 - p), f);
			fputs("${", f);
			p = q + 2;
			continue;
		}
		fwrite(p, 1, (size_t)(q - p), f);
		for (end = q + 2; is_macro_char(*end); end++)
			;
		value = NULL;
		if (*end == '}')
			value = macro_find(ps->macros, q + 2,
			    (size_t)(end - q - 2));
		if (value == NULL) {
			conf_error(ps->errs, ps->file, n->line, n->col, NULL,
			    "no macro '%.*s' (-D name=value; $${ is a "
			    "plain ${)", (int)(end - q - 2), q + 2);
			n->bad = true;
			p = q + strlen(q);
			break;
		}
		fputs(value, f);
		n->quoted = false;
		p = end + 1;
	}
	fputs(p, f);
	fclose(f);
	free(n->text);
	n->text = out;
}

/* --- text ----------------------------------------------------------------- */

/*
 * The length of the UTF-8 character at p, or 0: not one, or one that does
 * not belong into a text.
 */
static size_t
utf8_len(const unsigned char *p, size_t left)
{
	uint32_t	c;
	size_t		len, i;

	if (p[0] < 0x80)
		return p[0] == '\t' || p[0] == '\n' || p[0] == '\r' ||
		    (p[0] >= 0x20 && p[0] != 0x7f) ? 1 : 0;
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > left)
		return 0;
	c = p[0] & (0x7fU >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) ||
	    c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ||
	    c == 0xfeff || c == 0xfffe || c == 0xffff ||
	    (c >= 0x80 && c < 0xa0 && c != 0x85))
		return 0;
	return len;
}

static bool
text_ok(struct parse *ps, const char *data, size_t len)
{
	const unsigned char	*p = (const unsigned char *)data;
	unsigned int		 line = 1, col = 1;
	size_t			 i, n;
	const char		*what = NULL;

	if (len > YAML_SIZE_MAX)
		what = "larger than 1 MB";
	else if (len >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 ||
	    memcmp(p, "\xfe\xff", 2) == 0))
		what = "UTF-16; want UTF-8";
	else if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		what = "begins with a byte order mark; want plain UTF-8";
	for (i = 0; what == NULL && i < len; i += n) {
		if ((n = utf8_len(p + i, len - i)) == 0) {
			what = p[i] < 0x80 ? "control character" :
			    "not UTF-8";
			break;
		}
		col++;
		if (p[i] == '\n') {
			line++;
			col = 1;
		}
	}
	if (what == NULL)
		return true;
	conf_error(ps->errs, ps->file, line, col, NULL, "%s", what);
	return false;
}

/* --- events --------------------------------------------------------------- */

/* What libyaml's words mean to somebody who has made the usual mistake. */
static const struct {
	const char	*problem;
	const char	*hint;
} hints[] = {
	{ "did not find expected alphabetic",
	    "quote a value that begins with * or &" },
	{ "cannot start any token",
	    "indent by blanks, and quote a value that begins with "
	    "%, @, ` or a tab" },
	{ "mapping values are not allowed",
	    "quote a value that contains ': ', or look at the indentation" },
	{ "did not find expected ',' or",
	    "a , is missing, or a value needs quotes" },
	{ "did not find expected node content",
	    "quote a value that begins with a : or another sign" },
	{ "did not find expected key", "look at the indentation" },
	{ "could not find expected ':'",
	    "a key without its ':', or a wrong indentation" },
	{ "unexpected end of stream", "a quote is not closed" },
	{ "did not find expected '-' indicator", "look at the indentation" }
};

static void
syntax_error(struct parse *ps)
{
	const yaml_parser_t	*y = &ps->yaml;
	const char		*problem, *hint = NULL;
	char			 where[128] = "";
	size_t			 i;

	problem = y->problem == NULL ? "not YAML" : y->problem;
	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strstr(problem, hints[i].problem) != NULL)
			hint = hints[i].hint;
	if (y->context != NULL)
		snprintf(where, sizeof(where), " (%s that began at %zu:%zu)",
		    y->context, y->context_mark.line + 1,
		    y->context_mark.column + 1);
	conf_error(ps->errs, ps->file,
	    (unsigned int)y->problem_mark.line + 1,
	    (unsigned int)y->problem_mark.column + 1, NULL, "%s%s%s%s",
	    problem, where, hint == NULL ? "" : ": ",
	    hint == NULL ? "" : hint);
}

static bool
next_event(struct parse *ps, yaml_event_t *ev)
{
	if (yaml_parser_parse(&ps->yaml, ev) == 1)
		return true;
	syntax_error(ps);
	return false;
}

static void
event_error(struct parse *ps, const yaml_event_t *ev, const char *what)
{
	conf_error(ps->errs, ps->file,
	    (unsigned int)ev->start_mark.line + 1,
	    (unsigned int)ev->start_mark.column + 1, NULL, "%s", what);
}

/* Anchors and tags, which any node may have. */
static void
check_props(struct parse *ps, const yaml_event_t *ev)
{
	const yaml_char_t	*anchor = NULL, *tag = NULL;

	if (ev->type == YAML_SCALAR_EVENT) {
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	}
	if (anchor != NULL)
		event_error(ps, ev, "anchors are not allowed: "
		    "quote a value that begins with &");
	if (tag != NULL)
		event_error(ps, ev, "tags are not allowed: "
		    "quote a value that begins with !");
}

static void
set_scalar(struct parse *ps, const yaml_event_t *ev, struct node *n)
{
	const char	*value = (const char *)ev->data.scalar.value;

	if (memchr(value, '\0', ev->data.scalar.length) != NULL)
		event_error(ps, ev, "a NUL in a string");
	n->text = xstrdup(value);
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
}

static int
by_key(const void *a, const void *b)
{
	const struct node *const	*x = a, *const *y = b;
	int				 c;

	if ((c = strcmp((*x)->key, (*y)->key)) != 0)
		return c;
	if ((*x)->key_line != (*y)->key_line)
		return (*x)->key_line < (*y)->key_line ? -1 : 1;
	return (*x)->key_col < (*y)->key_col ? -1 : 1;
}

/* By sorting: a map may have a hundred thousand keys. */
static void
check_duplicates(struct parse *ps, const struct node *n)
{
	const struct node	**v;
	size_t			  i;

	if (n->nkids < 2)
		return;
	v = xcalloc(n->nkids, sizeof(*v));
	for (i = 0; i < n->nkids; i++)
		v[i] = n->kids[i];
	qsort(v, n->nkids, sizeof(*v), by_key);
	for (i = 1; i < n->nkids; i++)
		if (strcmp(v[i]->key, v[i - 1]->key) == 0)
			conf_error(ps->errs, ps->file, v[i]->key_line,
			    v[i]->key_col, NULL,
			    "duplicate key '%s', first at %u:%u", v[i]->key,
			    v[i - 1]->key_line, v[i - 1]->key_col);
	free(v);
}

/* False after an error: the member is left out. */
static bool
check_key(struct parse *ps, const yaml_event_t *ev, const struct node *key)
{
	const char	*what = NULL;

	if (ev->type == YAML_ALIAS_EVENT)
		return false;
	if (ev->type != YAML_SCALAR_EVENT)
		what = "a key must be a word";
	else if (strcmp(key->text, "<<") == 0 && !key->quoted)
		what = "merge keys are not allowed";
	else if (strlen(key->text) > KEY_MAX)
		what = "a key longer than 512 octets";
	if (what == NULL)
		return true;
	event_error(ps, ev, what);
	return false;
}

/* A key and its value.  False: a syntax error. */
static bool
parse_pair(struct parse *ps, struct node *map, yaml_event_t *ev,
    unsigned int depth)
{
	struct node	*key, *kid = NULL;
	yaml_event_t	 vev;
	bool		 ok;

	if ((key = parse_node(ps, ev, depth)) == NULL)
		return false;
	if ((ok = next_event(ps, &vev))) {
		kid = parse_node(ps, &vev, depth);
		yaml_event_delete(&vev);
		ok = kid != NULL;
	}
	if (ok && check_key(ps, ev, key)) {
		node_add(map, key->text, kid);
		kid->key_line = key->line;
		kid->key_col = key->col;
	} else
		node_free(kid);
	node_free(key);
	return ok;
}

/* The members up to the end of a map or sequence. */
static bool
parse_kids(struct parse *ps, struct node *n, unsigned int depth)
{
	yaml_event_t	 ev;
	struct node	*kid;
	bool		 ok = true, end = false;

	while (ok && !end) {
		if (!next_event(ps, &ev))
			return false;
		if (ev.type == YAML_MAPPING_END_EVENT ||
		    ev.type == YAML_SEQUENCE_END_EVENT)
			end = true;
		else if (n->kind == NODE_MAP)
			ok = parse_pair(ps, n, &ev, depth + 1);
		else if ((kid = parse_node(ps, &ev, depth + 1)) != NULL)
			node_add(n, NULL, kid);
		else
			ok = false;
		yaml_event_delete(&ev);
	}
	if (ok && n->kind == NODE_MAP)
		check_duplicates(ps, n);
	return ok;
}

/*
 * The node that begins with this event.  NULL: the document cannot be read
 * further.  What is not allowed but does not hinder that is an error beside.
 */
static struct node *
parse_node(struct parse *ps, yaml_event_t *ev, unsigned int depth)
{
	struct node	*n;

	if (depth > YAML_DEPTH_MAX) {
		event_error(ps, ev, "nested deeper than 32");
		return NULL;
	}
	check_props(ps, ev);
	n = node_new(NODE_SCALAR, NULL);
	n->line = (unsigned int)ev->start_mark.line + 1;
	n->col = (unsigned int)ev->start_mark.column + 1;
	if (ev->type == YAML_SCALAR_EVENT) {
		set_scalar(ps, ev, n);
		macros_expand(ps, n);
		return n;
	}
	if (ev->type == YAML_ALIAS_EVENT) {
		event_error(ps, ev, "aliases are not allowed: "
		    "quote a value that begins with *");
		n->text = xstrdup("");
		n->bad = true;
		return n;
	}
	n->kind = ev->type == YAML_MAPPING_START_EVENT ? NODE_MAP : NODE_SEQ;
	if (parse_kids(ps, n, depth))
		return n;
	node_free(n);
	return NULL;
}

/* The document between its start and its end, and nothing behind it. */
static struct node *
parse_document(struct parse *ps)
{
	struct node	*root = NULL;
	yaml_event_t	 ev;

	do {
		if (!next_event(ps, &ev))
			goto fail;
		if (ev.type == YAML_DOCUMENT_START_EVENT) {
			if (root != NULL) {
				event_error(ps, &ev, "a second document");
				yaml_event_delete(&ev);
				goto fail;
			}
			if (ev.data.document_start.version_directive != NULL ||
			    ev.data.document_start.tag_directives.start !=
			    ev.data.document_start.tag_directives.end)
				event_error(ps, &ev,
				    "directives are not allowed");
		} else if (ev.type != YAML_STREAM_START_EVENT &&
		    ev.type != YAML_STREAM_END_EVENT &&
		    ev.type != YAML_DOCUMENT_END_EVENT) {
			if ((root = parse_node(ps, &ev, 1)) == NULL) {
				yaml_event_delete(&ev);
				goto fail;
			}
		}
		if (ev.type == YAML_STREAM_END_EVENT && root == NULL)
			root = node_new(NODE_MAP, NULL);
		if (ev.type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&ev);
			return root;
		}
		yaml_event_delete(&ev);
	} while (true);
fail:
	node_free(root);
	return NULL;
}

struct node *
node_parse(const char *file, const char *data, size_t len,
    const struct macros *macros, struct conf_errors *errs)
{
	struct parse	 ps = { .file = file, .macros = macros, .errs = errs };
	struct node	*root;

	if (!text_ok(&ps, data, len))
		return NULL;
	if (yaml_parser_initialize(&ps.yaml) == 0) {
		conf_error(errs, file, 0, 0, NULL, "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&ps.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&ps.yaml, (const unsigned char *)data,
	    len);
	root = parse_document(&ps);
	yaml_parser_delete(&ps.yaml);
	return root;
}
