/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * `postern -nv': the canonical tree as YAML.  Maps are blocks, lists of
 * scalars and the blocks of rules are written in flow style, one to a line.
 *
 * The reader of the output is not only postern: what other YAML parsers
 * would take for a boolean, a null or a number is quoted where it is a
 * string here ("off", "no", "1e3"), and so is everything that is not plainly
 * a word.  A "${" is written "$${", or it would be taken for a macro.
 */

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "parent_print.h"
#include "parent_yaml.h"

static void
indent(FILE *f, unsigned int depth)
{
	fprintf(f, "%*s", (int)(2 * depth), "");
}

/* Words that YAML 1.1 or 1.2 gives a meaning of its own. */
static bool
is_yaml_word(const char *s)
{
	static const char *const words[] = {
		"true", "false", "yes", "no", "on", "off", "y", "n", "null",
		"~"
	};
	size_t	i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i], s) == 0)
			return true;
	return false;
}

/*
 * Is this a word that needs no quotes?  Letters first, so that it cannot
 * be a number; a path or an address with a slash or dots may follow.
 */
static bool
is_plain(const char *s)
{
	if (!isalpha((unsigned char)s[0]) && s[0] != '/' && s[0] != '_')
		return false;
	if (is_yaml_word(s))
		return false;
	return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_./@+-")] == '\0';
}

static void
print_quoted(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (s[0] == '$' && s[1] == '{')
			fputs("$$", f);
		else if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", f);
		else if (*s == '\t')
			fputs("\\t", f);
		else if ((unsigned char)*s < 0x20)
			fprintf(f, "\\x%02x", (unsigned char)*s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void
print_scalar(FILE *f, const char *s, bool bare)
{
	if (bare || is_plain(s))
		fputs(s, f);
	else
		print_quoted(f, s);
}

static void
print_flow(FILE *f, const struct node *n)
{
	size_t	i;

	if (n->kind == NODE_SCALAR) {
		print_scalar(f, n->text, n->bare);
		return;
	}
	fputc(n->kind == NODE_MAP ? '{' : '[', f);
	for (i = 0; i < n->nkids; i++) {
		if (i > 0)
			fputs(", ", f);
		if (n->kind == NODE_MAP) {
			print_scalar(f, n->kids[i]->key, false);
			fputs(": ", f);
		}
		print_flow(f, n->kids[i]);
	}
	fputc(n->kind == NODE_MAP ? '}' : ']', f);
}

/* A list of nothing but scalars goes on one line. */
static bool
is_short(const struct node *n)
{
	size_t	i;

	if (n->nkids == 0)
		return true;
	if (n->kind != NODE_SEQ)
		return false;
	for (i = 0; i < n->nkids; i++)
		if (n->kids[i]->kind != NODE_SCALAR)
			return false;
	return true;
}

static void
print_map(FILE *f, const struct node *n, unsigned int depth)
{
	const struct node	*kid;
	size_t			 i, j;

	for (i = 0; i < n->nkids; i++) {
		kid = n->kids[i];
		indent(f, depth);
		print_scalar(f, kid->key, false);
		fputc(':', f);
		if (kid->kind == NODE_SCALAR || is_short(kid)) {
			fputc(' ', f);
			print_flow(f, kid);
			fputc('\n', f);
			continue;
		}
		fputc('\n', f);
		if (kid->kind == NODE_MAP) {
			print_map(f, kid, depth + 1);
			continue;
		}
		for (j = 0; j < kid->nkids; j++) {
			indent(f, depth + 1);
			fputs("- ", f);
			print_flow(f, kid->kids[j]);
			fputc('\n', f);
		}
	}
}

void
parent_conf_print(FILE *f, const struct node *n)
{
	print_map(f, n, 0);
}
