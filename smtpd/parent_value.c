/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Single values of postern.yaml: from the text of a scalar to what its row
 * says it is.  Nothing is guessed: a duration has a unit, a boolean is true
 * or false, a number is decimal.  What was understood is written back to the
 * node in one canonical way, which -nv prints.
 */

#include <sys/types.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent_files.h"
#include "parent_load.h"
#include "util.h"

#define TEXT_MAX	(256 * 1024)	/* octets of a script, a query */

struct unit {
	const char	*name;
	int64_t		 factor;
};

/* From the largest, so that the first that divides a value prints it. */
static const struct unit durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	{ "ms", 1 }, { NULL, 0 }
};
static const struct unit sizes[] = {
	{ "gb", 1LL << 30 }, { "mb", 1LL << 20 }, { "kb", 1LL << 10 },
	{ "", 1 }, { NULL, 0 }
};

/* --- numbers -------------------------------------------------------------- */

int
parse_digits(const char *text, int64_t *v, const char **rest)
{
	bool	negative = *text == '-';

	if (negative)
		text++;
	if (!isdigit((unsigned char)*text))
		return -1;
	for (*v = 0; isdigit((unsigned char)*text); text++) {
		if (*v > (INT64_MAX - 9) / 10)
			return -1;
		*v = *v * 10 + (*text - '0');
	}
	if (negative)
		*v = -*v;
	*rest = text;
	return 0;
}

static int
parse_unit(const char *text, const struct unit *u, int64_t *v)
{
	const char	*rest;

	if (parse_digits(text, v, &rest) == -1 || *v < 0)
		return -1;
	for (; u->name != NULL; u++) {
		if (strcasecmp(rest, u->name) != 0)
			continue;
		if (*v > INT64_MAX / u->factor)
			return -1;
		*v *= u->factor;
		return 0;
	}
	return -1;
}

int
parse_duration(const char *text, int64_t *v)
{
	return parse_unit(text, durations, v);
}

int
parse_size(const char *text, int64_t *v)
{
	return parse_unit(text, sizes, v);
}

static void
format_unit(const struct unit *u, int64_t v, const char *zero, char *buf,
    size_t size)
{
	if (v == 0) {
		snprintf(buf, size, "%s", zero);
		return;
	}
	while (v % u->factor != 0)
		u++;
	snprintf(buf, size, "%lld%s", (long long)(v / u->factor), u->name);
}

void
format_number(enum key_type type, int64_t v, char *buf, size_t size)
{
	if (type == T_DURATION)
		format_unit(durations, v, "0s", buf, size);
	else if (type == T_SIZE)
		format_unit(sizes, v, "0", buf, size);
	else if (type == T_BOOL)
		snprintf(buf, size, "%s", v != 0 ? "true" : "false");
	else
		snprintf(buf, size, "%lld", (long long)v);
}

static const char *
kind_name(const struct node *n)
{
	if (n->kind == NODE_MAP)
		return "a map";
	return n->kind == NODE_SEQ ? "a list" : "a value";
}

bool
is_scalar(struct load *l, const struct node *n, const char *wanted)
{
	if (n->kind != NODE_SCALAR) {
		load_error(l, n, "%s, wanted %s", kind_name(n), wanted);
		return false;
	}
	if (!n->quoted && n->text[0] == '\0') {
		load_error(l, n, "no value, wanted %s", wanted);
		return false;
	}
	return true;
}

static int
word_parse(struct load *l, const struct key *k, struct node *n, int64_t *v)
{
	char		all[256] = "";
	size_t		i;

	for (*v = 0; k->words[*v] != NULL; (*v)++)
		if (strcmp(k->words[*v], n->text) == 0)
			break;
	if (k->words[*v] == NULL) {
		for (i = 0; k->words[i] != NULL; i++) {
			strlcat(all, i == 0 ? "" : ", ", sizeof(all));
			strlcat(all, k->words[i], sizeof(all));
		}
		load_error(l, n, "'%s', wanted one of: %s", n->text, all);
		return -1;
	}
	for (i = 0; k->unbuilt != NULL && k->unbuilt[i] != NULL; i++) {
		if (strcmp(k->unbuilt[i], n->text) == 0) {
			load_error(l, n, "%s: " NOT_BUILT, n->text);
			return -1;
		}
	}
	return 0;
}

static const char *
number_wanted(enum key_type type)
{
	if (type == T_BOOL)
		return "true or false";
	if (type == T_DURATION)
		return "a duration with its unit, as 250ms, 5s, 2m, 1h, 7d";
	if (type == T_SIZE)
		return "a size in octets, or as 64kb, 25mb";
	return "a whole number";
}

/* A quoted "true" is a string; quoted numbers do no harm. */
static int
number_parse(enum key_type type, const struct node *n, int64_t *v)
{
	const char	*rest;

	if (type == T_DURATION)
		return parse_duration(n->text, v);
	if (type == T_SIZE)
		return parse_size(n->text, v);
	if (type == T_INT) {
		if (parse_digits(n->text, v, &rest) == -1 || *rest != '\0')
			return -1;
		return 0;
	}
	*v = strcmp(n->text, "true") == 0;
	if (n->quoted || (*v == 0 && strcmp(n->text, "false") != 0))
		return -1;
	return 0;
}

int
load_number(struct load *l, const struct key *k, enum key_type type,
    struct node *n, int64_t *v)
{
	char	text[32], min[32], max[32];

	if (!is_scalar(l, n, type == T_WORD ? "a word" : number_wanted(type)))
		return -1;
	if (type == T_WORD)
		return word_parse(l, k, n, v);
	if (number_parse(type, n, v) == -1) {
		load_error(l, n, "'%s'%s, wanted %s", n->text,
		    type == T_BOOL && n->quoted ? " in quotes" : "",
		    number_wanted(type));
		return -1;
	}
	format_number(type, *v, text, sizeof(text));
	if (type != T_BOOL && (*v < k->min || *v > k->max)) {
		format_number(type, k->min, min, sizeof(min));
		format_number(type, k->max, max, sizeof(max));
		load_error(l, n, "%s is out of range, wanted %s to %s",
		    n->text, min, max);
		return -1;
	}
	node_set(n, text, true);
	return 0;
}

static void
load_rate(struct load *l, const struct key *k, struct node *n,
    struct conf_rate *dst)
{
	int64_t		 count, period;
	const char	*rest;
	char		 text[64], unit[32];

	if (!is_scalar(l, n, "a rate as 100/1m"))
		return;
	if (parse_digits(n->text, &count, &rest) == -1 || *rest != '/' ||
	    parse_duration(rest + 1, &period) == -1 ||
	    count < k->min || count > k->max || period < 1) {
		load_error(l, n, "'%s', wanted a rate as 100/1m", n->text);
		return;
	}
	format_number(T_DURATION, period, unit, sizeof(unit));
	snprintf(text, sizeof(text), "%lld/%s", (long long)count, unit);
	node_set(n, text, false);
	if (dst != NULL) {
		dst->count = count;
		dst->period = period;
	}
}

/* --- strings and lists ---------------------------------------------------- */

int
load_string(struct load *l, const struct key *k, struct node *n)
{
	const char	*why;
	size_t		 len, max, i;

	if (!is_scalar(l, n, "a string"))
		return -1;
	len = strlen(n->text);
	max = k->type == T_STR && k->max > 0 ? (size_t)k->max : 1024;
	if (k->type == T_STR && len < (size_t)k->min) {
		load_error(l, n, "empty");
		return -1;
	}
	if (len > max) {
		load_error(l, n, "longer than %zu octets", max);
		return -1;
	}
	for (i = 0; i < len && k->max <= 1024; i++) {
		if ((unsigned char)n->text[i] < 0x20) {
			load_error(l, n, "more than one line");
			return -1;
		}
	}
	check_alabels(k->check, n);
	if ((why = check_text(k->check, n->text)) != NULL) {
		if ((k->flags & K_SECRET) != 0)
			load_error(l, n, "%s", why);
		else
			load_error(l, n, "'%s': %s", n->text, why);
		return -1;
	}
	if ((k->flags & K_NAME) != 0)
		check_ref(l, k, n);
	return 0;
}

bool
to_list(struct load *l, struct node *n)
{
	struct node	*kid;

	if (n->kind == NODE_SEQ)
		return true;
	if (!is_scalar(l, n, "a list"))
		return false;
	kid = node_new(NODE_SCALAR, n);
	kid->text = n->text;
	kid->quoted = n->quoted;
	kid->bad = n->bad;
	n->text = NULL;
	n->kind = NODE_SEQ;
	node_add(n, NULL, kid);
	return true;
}

static void
check_count(struct load *l, const struct key *k, const struct node *n)
{
	if (n->nkids < (size_t)k->min)
		load_error(l, n, "empty, wanted at least %lld",
		    (long long)k->min);
	if (k->max > 0 && n->nkids > (size_t)k->max)
		load_error(l, n, "%zu of them, wanted at most %lld", n->nkids,
		    (long long)k->max);
}

static void
strs_append(struct strs *dst, char *s)
{
	if (strs_add(dst, s) == -1)
		abort();	/* xstrdup has been fatal before */
}

static void
load_strs(struct load *l, const struct key *k, struct node *n,
    struct strs *dst)
{
	struct node	*kid;
	int64_t		 word;
	size_t		 i;

	if (!to_list(l, n))
		return;
	check_count(l, k, n);
	for (i = 0; i < n->nkids; i++) {
		kid = n->kids[i];
		if (kid->bad)
			continue;
		if (k->words != NULL) {
			if (load_number(l, k, T_WORD, kid, &word) == -1)
				continue;
		} else if (load_string(l, k, kid) == -1)
			continue;
		if (dst != NULL)
			strs_append(dst, xstrdup(kid->text));
	}
}

static void
load_nets(struct load *l, struct node *n, struct nets *dst)
{
	struct node	*kid;
	struct cidr	 c;
	char		 text[ADDR_TEXT_MAX];
	size_t		 i;

	if (!to_list(l, n))
		return;
	for (i = 0; i < n->nkids; i++) {
		kid = n->kids[i];
		if (kid->bad || !is_scalar(l, kid, "a network"))
			continue;
		if (cidr_parse(&c, kid->text) == -1) {
			load_error(l, kid, "'%s' is not a network: wanted an "
			    "address, or as 10.0.0.0/8", kid->text);
			continue;
		}
		node_set(kid, cidr_text(&c, text, sizeof(text)), false);
		if (dst != NULL && nets_add(dst, &c) == -1)
			abort();
	}
}

/* --- files ---------------------------------------------------------------- */

static void
load_file(struct load *l, const struct key *k, struct node *n,
    struct conf_file *dst)
{
	char	why[256];

	if (!is_scalar(l, n, "the path of a file"))
		return;
	if (n->text[0] == '\0') {
		if ((k->flags & K_REQUIRED) != 0)
			load_error(l, n, "no path");
		return;
	}
	if (check_text(CHECK_PATH, n->text) != NULL) {
		load_error(l, n, "'%s': %s", n->text,
		    check_text(CHECK_PATH, n->text));
		return;
	}
	if (dst == NULL || l->dry || (k->flags & K_LATER) != 0)
		return;
	if (parent_file_read_max(n->text, dst, (k->flags & K_SECRET) != 0,
	    (size_t)k->max, why, sizeof(why)) == -1)
		load_error(l, n, "%s: %s", n->text, why);
}

struct node *
file_form(struct node *n)
{
	if (n->kind != NODE_MAP || n->nkids != 1)
		return NULL;
	return node_child(n, "file");
}

/* The first line of the file is the secret. */
static void
load_secret(struct load *l, const struct key *k, struct node *n, char **dst)
{
	struct conf_file	 f;
	struct node		*path = file_form(n);
	char			 why[256];

	if (path == NULL) {
		if (load_string(l, k, n) == 0 && dst != NULL)
			*dst = xstrdup(n->text);
		return;
	}
	if (!is_scalar(l, path, "the path of a file") || dst == NULL)
		return;
	if (parent_file_read_max(path->text, &f, true, 4096, why,
	    sizeof(why)) == -1)
		load_error(l, path, "%s: %s", path->text, why);
	else
		*dst = xstrndup((char *)f.data,
		    strcspn((char *)f.data, "\r\n"));
	if (f.data != NULL)
		freezero(f.data, f.len);
	free(f.path);
}

static void
entry_append(struct strs *dst, const char *key, const char *value)
{
	char	*entry;

	if ((entry = conf_entry_new(key, value)) == NULL)
		abort();
	strs_append(dst, entry);
}

/* What a text says, or its file: to be freed, NULL after an error. */
static char *
load_text(struct load *l, struct node *n)
{
	struct node		*path = file_form(n);
	struct conf_file	 f;
	char			*text = NULL, why[256];

	if (!is_scalar(l, path == NULL ? n : path, "text or {file: PATH}"))
		return NULL;
	if (path == NULL)
		return xstrdup(n->text);
	memset(&f, 0, sizeof(f));
	if (parent_file_read_max(path->text, &f, false, TEXT_MAX, why,
	    sizeof(why)) == -1)
		load_error(l, path, "%s: %s", path->text, why);
	else if (memchr(f.data, '\0', f.len) != NULL)
		load_error(l, path, "%s: is no text", path->text);
	else
		text = xstrndup((char *)f.data, f.len);
	free(f.data);
	free(f.path);
	return text;
}

/* Names and text, or {file: PATH}: scripts, queries. */
static void
load_texts(struct load *l, struct node *n, struct strs *dst)
{
	const char	*why;
	char		*text;
	size_t		 i, mark;

	if (n->kind != NODE_MAP) {
		load_error(l, n, "%s, wanted a map", kind_name(n));
		return;
	}
	for (i = 0; i < n->nkids; i++) {
		mark = path_push(l, n->kids[i]->key);
		if ((why = check_name(n->kids[i]->key)) != NULL)
			load_key_error(l, n->kids[i], "%s", why);
		text = load_text(l, n->kids[i]);
		if (text != NULL && dst != NULL)
			entry_append(dst, n->kids[i]->key, text);
		free(text);
		path_pop(l, mark);
	}
}

/* -------------------------------------------------------------------------- */

void
load_value(struct load *l, const struct key *k, struct node *n, void *dst)
{
	struct rule	*rule;
	int64_t		 v;
	char		*text;

	if (n->bad)
		return;
	switch (k->type) {
	case T_BOOL:
		if (load_number(l, k, T_BOOL, n, &v) == 0 && dst != NULL)
			*(bool *)dst = v != 0;
		break;
	case T_INT:
	case T_DURATION:
	case T_SIZE:
	case T_WORD:
		if (load_number(l, k, k->type, n, &v) == 0 && dst != NULL)
			*(int64_t *)dst = v;
		break;
	case T_STR:
		if (load_string(l, k, n) == 0 && dst != NULL)
			*(char **)dst = xstrdup(n->text);
		break;
	case T_STRS:
		load_strs(l, k, n, dst);
		break;
	case T_NETS:
		load_nets(l, n, dst);
		break;
	case T_FILE:
		load_file(l, k, n, dst);
		break;
	case T_SECRET:
		load_secret(l, k, n, dst);
		break;
	case T_TEXT:
		text = load_text(l, n);
		if (text != NULL && text[strspn(text, " \t\r\n")] == '\0')
			load_error(l, n, "empty");
		if (dst != NULL)
			*(char **)dst = text;
		else
			free(text);
		break;
	case T_ENTRIES:
		load_entries(l, n, dst);
		break;
	case T_TEXTS:
		load_texts(l, n, dst);
		break;
	case T_RATE:
		load_rate(l, k, n, dst);
		break;
	case T_RULE:
	case T_COND:
		if ((rule = load_rule(l, k, n)) == NULL)
			break;
		if (dst != NULL)
			*(struct rule **)dst = rule;
		else
			rule_free(rule);
		break;
	case T_STRUCT:
	case T_MAP:
	case T_SEQ:
		break;		/* parent_conf.c's */
	case T_FDS:
		break;		/* parent_source.c's */
	}
}
