/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The statements of scripts, by their text.
 *
 * A script asks by text, and the same few texts all day: the last of them are
 * kept, read and prepared.  Whoever makes up a text for each question only
 * throws out what others would have used again; what is long, or comes while
 * all that are kept are in use, is used once and forgotten.
 *
 * A statement is judged by its first word before a database sees it.  Scripts
 * have no transactions, since a session may wait for minutes with one open,
 * and have no business with what belongs to a connection, which is not
 * theirs.  What else a database refuses is the backend's part.
 */

#include <stdlib.h>
#include <string.h>

#include "lookupd.h"

#define TEXT_KEPT	8192		/* octets; what is longer is not kept */

RB_HEAD(texts, statement);

static struct texts			all = RB_INITIALIZER(&all);
static TAILQ_HEAD(used_list, statement)	used =
					    TAILQ_HEAD_INITIALIZER(used);
static int				nkept;
static uint32_t				last_number;

static int
text_cmp(const struct statement *a, const struct statement *b)
{
	return strcmp(a->text, b->text);
}

RB_PROTOTYPE(texts, statement, entry, text_cmp)
RB_GENERATE(texts, statement, entry, text_cmp)

/* NULL, or what scripts are told of it. */
static const char *
verb_wrong(const char *verb)
{
	static const char *const	transactions[] = {
		"abort", "begin", "commit", "end", "release", "rollback",
		"savepoint", "start"
	};
	size_t				i;

	for (i = 0; backend->verbs[i] != NULL; i++)
		if (strcmp(backend->verbs[i], verb) == 0)
			return NULL;
	for (i = 0; i < sizeof(transactions) / sizeof(transactions[0]); i++)
		if (strcmp(transactions[i], verb) == 0)
			return "scripts have no transactions: each statement "
			    "is one";
	return "not a statement for scripts: they read and change tables, "
	    "and make them";
}

/* A place among those that are kept; -1: all of them are in use. */
static int
slot_take(void)
{
	struct statement	*st;
	int			 slot;

	if (nkept < SCRIPT_SLOTS)
		return nkept++;
	TAILQ_FOREACH_REVERSE(st, &used, used_list, used)
		if (st->users == 0)
			break;
	if (st == NULL)
		return -1;
	slot = st->slot;
	RB_REMOVE(texts, &all, st);
	TAILQ_REMOVE(&used, st, used);
	statement_free(st);
	return slot;
}

static struct statement *
script_sql_new(char *text, size_t len, const char **why)
{
	struct statement	*st;

	if ((st = calloc(1, sizeof(*st))) == NULL) {
		free(text);
		*why = "no memory";
		return NULL;
	}
	st->text = text;
	st->slot = -1;
	*why = sql_params_read(&st->sql, text, backend->dialect);
	if (*why == NULL && (*why = verb_wrong(st->sql.verb)) != NULL)
		sql_params_clear(&st->sql);
	if (*why != NULL) {
		free(text);
		free(st);
		return NULL;
	}
	if ((st->number = ++last_number) == 0)
		st->number = ++last_number;
	if (len <= TEXT_KEPT)
		st->slot = slot_take();
	st->gone = st->slot == -1;
	if (!st->gone) {
		RB_INSERT(texts, &all, st);
		TAILQ_INSERT_HEAD(&used, st, used);
	}
	return st;
}

struct statement *
script_sql_find(const char *text, size_t len, const char **why)
{
	struct statement	 key, *st;
	char			*copy;

	*why = "no memory";
	if ((copy = malloc(len + 1)) == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	key.text = copy;
	if ((st = RB_FIND(texts, &all, &key)) == NULL)
		return script_sql_new(copy, len, why);
	free(copy);
	TAILQ_REMOVE(&used, st, used);
	TAILQ_INSERT_HEAD(&used, st, used);
	return st;
}

void
script_sql_each(void (*fn)(struct statement *))
{
	struct statement	*st;

	TAILQ_FOREACH(st, &used, used)
		fn(st);
}
