/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The datasources: LOOKUP in, LOOKUP_ANS out.
 *
 * Their files came with the configuration, as descriptors; each generation
 * has its own, so that a reload takes a new file and an old one is let go
 * with the last session that may ask for it.  A question names a datasource
 * by its id, which a new file does not change: it is answered from the newest
 * generation that has it.
 *
 * Several files are asked in turns; where one cannot answer the next one is
 * asked.  That a file is bad is said once.
 */

#include <sys/types.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "log.h"
#include "lookup.h"
#include "peer.h"
#include "proc.h"
#include "verifyd.h"

/* What is known of a datasource's files: the priv of its object. */
struct source {
	size_t	next;			/* whose turn it is */
	struct {
		off_t	size;		/* when it came */
		bool	said;		/* that it is bad */
	}	file[];
};

static struct {
	uint64_t	asked, yes, no, cannot;
} count;

int
source_prepare(struct config *conf, struct proto_conf_err *err)
{
	struct conf_datasource	*ds;
	struct source		*src;
	size_t			 i, j;

	for (i = 0; i < conf->datasources.n; i++) {
		ds = (struct conf_datasource *)conf->datasources.v[i];
		src = calloc(1, sizeof(*src) +
		    ds->files.n * sizeof(src->file[0]));
		if (src == NULL) {
			(void)snprintf(err->why, sizeof(err->why), "memory");
			return -1;
		}
		for (j = 0; j < ds->files.n; j++)
			src->file[j].size = lookup_size(ds->files.v[j]);
		ds->obj.priv = src;
	}
	return 0;
}

void
source_release(struct config *conf)
{
	size_t	i;

	for (i = 0; i < conf->datasources.n; i++) {
		free(conf->datasources.v[i]->priv);
		conf->datasources.v[i]->priv = NULL;
	}
}

static enum lookup_answer
ask_file(struct conf_datasource *ds, size_t i, const char *key,
    struct proto_lookup_ans *a)
{
	struct source		*src = ds->obj.priv;
	enum lookup_answer	 answer;
	const char		*why;

	answer = lookup_cdb(ds->files.v[i], src->file[i].size, key, a->value,
	    sizeof(a->value), &why);
	if (answer == LOOKUP_CANNOT && !src->file[i].said) {
		src->file[i].said = true;
		log_warnx("datasource %s, file %zu: %s", ds->obj.name, i + 1,
		    why);
	}
	return answer;
}

/* Not prepared: it is a generation that is not here as a whole yet. */
static enum lookup_answer
ask_source(struct conf_datasource *ds, const char *key,
    struct proto_lookup_ans *a)
{
	struct source		*src = ds->obj.priv;
	enum lookup_answer	 answer = LOOKUP_CANNOT;
	size_t			 i;

	for (i = 0; src != NULL && i < ds->files.n &&
	    answer == LOOKUP_CANNOT; i++) {
		answer = ask_file(ds, src->next, key, a);
		src->next = (src->next + 1) % ds->files.n;
	}
	return answer;
}

int
source_lookup(struct peer *p, struct msg *m)
{
	struct conf_datasource	*ds;
	struct proto_lookup	 q;
	struct proto_lookup_ans	 a = { .answer = LOOKUP_CANNOT };
	struct wbuf		 w = { 0 };

	if (get_lookup(m, &q) == -1)
		return -1;
	count.asked++;
	ds = (struct conf_datasource *)(void *)proc_conf_obj(
	    offsetof(struct config, datasources), q.path.id);
	/* No kind of datasource that has queries is here. */
	if (ds != NULL && q.path.kind == LOOK_DB && q.path.query[0] == '\0')
		a.answer = (uint8_t)ask_source(ds, q.key, &a);
	switch ((enum lookup_answer)a.answer) {
	case LOOKUP_YES:
		count.yes++;
		break;
	case LOOKUP_NO:
		count.no++;
		break;
	case LOOKUP_CANNOT:
	case LOOKUP_LIVE:
	case LOOKUP_ANSWER_COUNT:
		count.cannot++;
		break;
	}
	if (a.answer != LOOKUP_YES)
		a.value[0] = '\0';
	a.n = a.answer == LOOKUP_YES;
	put_lookup_ans(&w, &a);
	peer_send(p, MSG_LOOKUP_ANS, m->sid, m->seq, -1, &w);
	return 0;
}

int
source_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.lookup.asked %llu\n"
	    "verifyd.lookup.yes %llu\n"
	    "verifyd.lookup.no %llu\n"
	    "verifyd.lookup.cannot %llu\n",
	    (unsigned long long)count.asked, (unsigned long long)count.yes,
	    (unsigned long long)count.no, (unsigned long long)count.cannot);
}
