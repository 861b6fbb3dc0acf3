/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * db/: a cdb file is read here, a database is asked by query.c.
 *
 * Files came with the configuration, as descriptors; each generation has its
 * own, so that a reload takes a new file and an old one is let go with the
 * last session that may ask for it.  A question names a datasource by its id,
 * which a new file does not change: it is answered from the newest generation
 * that has it.
 *
 * Several files are asked in turns; where one cannot answer the next one is
 * asked.  That a file is bad is said once.
 *
 * What a database answered is kept by id too (struct backend), for as long
 * as any generation has the datasource as it is.  Of files nothing is kept:
 * they are as near as a table in memory.
 */

#include <sys/types.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "look.h"
#include "lookup.h"

/* What is known of a datasource: the priv of its object. */
struct source {
	struct backend	*backend;	/* NULL: it has files */
	size_t		 next;		/* whose turn it is */
	struct {
		off_t	size;		/* when it came */
		bool	said;		/* that it is bad */
	}		 file[];
};

static struct source *
source_new(const struct conf_datasource *ds)
{
	struct source	*src;
	size_t		 i;

	src = calloc(1, sizeof(*src) + ds->files.n * sizeof(src->file[0]));
	if (src == NULL)
		return NULL;
	for (i = 0; i < ds->files.n; i++)
		src->file[i].size = lookup_size(ds->files.v[i]);
	if (ds->files.n == 0 && (src->backend = backend_ref(ds)) == NULL) {
		free(src);
		return NULL;
	}
	return src;
}

int
source_prepare(struct config *conf, struct proto_conf_err *err)
{
	struct conf_obj	*o;
	size_t		 i;

	for (i = 0; i < conf->datasources.n; i++) {
		o = conf->datasources.v[i];
		o->priv = source_new((struct conf_datasource *)(void *)o);
		if (o->priv == NULL) {
			(void)strlcpy(err->why, "memory", sizeof(err->why));
			return -1;
		}
	}
	return 0;
}

void
source_release(struct config *conf)
{
	struct source	*src;
	size_t		 i;

	for (i = 0; i < conf->datasources.n; i++) {
		src = conf->datasources.v[i]->priv;
		conf->datasources.v[i]->priv = NULL;
		if (src != NULL && src->backend != NULL)
			backend_unref(src->backend);
		free(src);
	}
}

/* --- files ---------------------------------------------------------------- */

static enum lookup_answer
ask_file(const struct conf_datasource *ds, size_t i, const char *key,
    char *value, size_t room, const char **why)
{
	struct source		*src = ds->obj.priv;
	enum lookup_answer	 answer;

	answer = lookup_cdb(ds->files.v[i], src->file[i].size, key, value,
	    room, why);
	if (answer == LOOKUP_CANNOT && !src->file[i].said) {
		src->file[i].said = true;
		log_warnx("datasource %s, file %zu: %s", ds->obj.name, i + 1,
		    *why);
	}
	return answer;
}

static bool
ask_files(const struct conf_datasource *ds, const char *key,
    struct look_to to)
{
	static char		 value[LOOK_KEY_MAX];
	struct source		*src = ds->obj.priv;
	enum lookup_answer	 answer = LOOKUP_CANNOT;
	const char		*why = "";
	size_t			 i;

	for (i = 0; i < ds->files.n && answer == LOOKUP_CANNOT; i++) {
		answer = ask_file(ds, src->next, key, value, sizeof(value),
		    &why);
		src->next = (src->next + 1) % ds->files.n;
	}
	if (answer == LOOKUP_YES)
		return look_tell_value(to, JUDGE_BY_DB, value);
	return look_tell(to, answer, JUDGE_BY_DB,
	    answer == LOOKUP_NO ? "" : why);
}

/* --- asking --------------------------------------------------------------- */

/* The SQL of one of its queries; NULL if it has none of that name. */
static const char *
own_query(const struct conf_datasource *ds, const char *name)
{
	size_t	i;

	for (i = 0; i < ds->query.n; i++)
		if (strcmp(ds->query.v[i], name) == 0)
			return conf_entry_value(ds->query.v[i]);
	return NULL;
}

bool
source_ask(struct look *l, const struct conf_datasource *ds,
    const struct look_question *q, struct look_to to)
{
	struct source	*src = ds->obj.priv;
	struct query_of	 of = { .name = q->path.query };

	/* Not prepared: a generation that is not here as a whole yet. */
	if (src == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "not in the configuration");
	if (src->backend == NULL && of.name[0] == '\0')
		return ask_files(ds, q->key, to);
	if (src->backend == NULL || (of.sql = own_query(ds, of.name)) == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "no such query");
	return query_ask(l, src->backend, &of, q, to);
}

bool
source_ask_directory(struct look *l, const struct conf_datasource *ds,
    const struct conf_directory *d, const char *query,
    const struct look_question *q, struct look_to to)
{
	struct source	*src = ds->obj.priv;
	struct query_of	 of = { .directory = d->obj.id, .name = query };

	if (strcmp(query, "address") == 0)
		of.sql = d->query_address;
	else if (strcmp(query, "domain") == 0)
		of.sql = d->query_domain;
	else if (strcmp(query, "vrfy") == 0)
		of.sql = d->query_vrfy;
	else
		of.sql = d->query_expn;
	if (src == NULL || src->backend == NULL || of.sql == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "no such query");
	return query_ask(l, src->backend, &of, q, to);
}
