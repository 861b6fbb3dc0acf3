/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The queries of the configuration, by directory and name.
 *
 * A datasource that a reload changed is another one and has processes of its
 * own, so its queries never change here; a directory that was changed has
 * another id.  What an id and a name stand for is thus fixed, and read once.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "lookupd.h"
#include "proc.h"

RB_HEAD(statements, statement);

static struct statements	all = RB_INITIALIZER(&all);
static uint32_t			last_number;

static int
statement_cmp(const struct statement *a, const struct statement *b)
{
	if (a->directory != b->directory)
		return a->directory < b->directory ? -1 : 1;
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE(statements, statement, entry, statement_cmp)
RB_GENERATE(statements, statement, entry, statement_cmp)

static const char *
text_of_directory(const struct conf_directory *d, const char *name)
{
	if (strcmp(name, "address") == 0)
		return d->query_address;
	if (strcmp(name, "domain") == 0)
		return d->query_domain;
	if (strcmp(name, "vrfy") == 0)
		return d->query_vrfy;
	return strcmp(name, "expn") == 0 ? d->query_expn : NULL;
}

static const char *
text_of_source(const struct conf_datasource *ds, const char *name)
{
	size_t	i;

	for (i = 0; i < ds->query.n; i++)
		if (strcmp(ds->query.v[i], name) == 0)
			return conf_entry_value(ds->query.v[i]);
	return NULL;
}

static const char *
text_of(uint32_t directory, const char *name)
{
	struct conf_obj	*o;

	if (directory == 0)
		o = proc_conf_obj(offsetof(struct config, datasources),
		    source.id);
	else
		o = proc_conf_obj(offsetof(struct config, directories),
		    directory);
	if (o == NULL)
		return NULL;
	return directory == 0 ? text_of_source((void *)o, name) :
	    text_of_directory((void *)o, name);
}

static struct statement *
statement_new(uint32_t directory, const char *name, const char *text)
{
	struct statement	*st;
	const char		*why = "no memory";

	st = calloc(1, sizeof(*st));
	if (st == NULL || (why = sql_params_read(&st->sql, text,
	    backend->dialect)) != NULL) {
		log_warnx("datasource %s: query %s: %s", source.name, name,
		    why);
		free(st);
		return NULL;
	}
	st->directory = directory;
	(void)strlcpy(st->name, name, sizeof(st->name));
	st->number = ++last_number;
	st->slot = -1;
	RB_INSERT(statements, &all, st);
	return st;
}

struct statement *
statement_find(uint32_t directory, const char *name)
{
	struct statement	 key = { .directory = directory }, *st;
	const char		*text;

	(void)strlcpy(key.name, name, sizeof(key.name));
	if ((st = RB_FIND(statements, &all, &key)) != NULL)
		return st;
	if ((text = text_of(directory, name)) == NULL)
		return NULL;
	return statement_new(directory, name, text);
}

void
statement_free(struct statement *st)
{
	backend->forget(st);
	sql_params_clear(&st->sql);
	free(st->text);
	free(st);
}

void
statement_use(struct statement *st)
{
	st->users++;
}

void
statement_unuse(struct statement *st)
{
	if (--st->users == 0 && st->gone)
		statement_free(st);
}

void
statements_prune(void)
{
	struct statement	*st, *next;

	for (st = RB_MIN(statements, &all); st != NULL; st = next) {
		next = RB_NEXT(statements, &all, st);
		if (text_of(st->directory, st->name) != NULL)
			continue;
		RB_REMOVE(statements, &all, st);
		st->gone = true;
		if (st->users == 0)
			statement_free(st);
	}
}

void
statements_each(void (*fn)(struct statement *))
{
	struct statement	*st;

	RB_FOREACH(st, statements, &all)
		fn(st);
}

static void
one_of(uint32_t directory, const char *object, const char *name,
    void (*fn)(struct statement *, const char *))
{
	struct statement	*st;
	char			 key[256];

	if ((st = statement_find(directory, name)) == NULL)
		return;
	(void)snprintf(key, sizeof(key), "%s.%s.query.%s",
	    directory == 0 ? "datasource" : "directory", object, name);
	fn(st, key);
}

void
statements_of(const struct config *conf,
    void (*fn)(struct statement *, const char *))
{
	static const char *const	 names[] = {
		"address", "domain", "vrfy", "expn"
	};
	const struct conf_datasource	*ds;
	const struct conf_obj		*o;
	size_t				 i, j;

	for (i = 0; i < conf->datasources.n; i++) {
		ds = (const void *)conf->datasources.v[i];
		for (j = 0; j < ds->query.n; j++)
			one_of(0, ds->obj.name, ds->query.v[j], fn);
	}
	for (i = 0; i < conf->directories.n; i++) {
		o = conf->directories.v[i];
		for (j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			one_of(o->id, o->name, names[j], fn);
	}
}
