/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Which lookupd serves which datasource: each says so at the beginning of its
 * pipe (SOURCE_UP).
 *
 * A process may be there before its datasource is, or after: they find each
 * other by the id.  Where several serve one they are asked in turns.  There
 * are few, of all datasources together, so that a list will do.
 */

#include <sys/queue.h>

#include <stdlib.h>

#include "log.h"
#include "msg.h"
#include "proxyd.h"

struct source {
	TAILQ_ENTRY(source)	 entry;		/* the next to be asked first */
	struct peer		*peer;
	uint32_t		 id;
};

static TAILQ_HEAD(, source)	sources = TAILQ_HEAD_INITIALIZER(sources);

static struct source *
source_of(const struct peer *p)
{
	struct source	*s;

	TAILQ_FOREACH(s, &sources, entry)
		if (s->peer == p)
			return s;
	return NULL;
}

int
source_up(struct peer *p, struct msg *m)
{
	struct proto_source	 up;
	struct source		*s;

	if (get_source(m, &up) == -1)
		return -1;
	if ((s = source_of(p)) == NULL) {
		if ((s = calloc(1, sizeof(*s))) == NULL) {
			log_warn("source_up");
			return 0;
		}
		s->peer = p;
		TAILQ_INSERT_TAIL(&sources, s, entry);
	}
	s->id = up.datasource;
	return 0;
}

void
source_down(const struct peer *p)
{
	struct source	*s;

	if ((s = source_of(p)) == NULL)
		return;
	TAILQ_REMOVE(&sources, s, entry);
	free(s);
}

struct peer *
proxyd_source(uint32_t datasource)
{
	struct source	*s;

	TAILQ_FOREACH(s, &sources, entry)
		if (s->id == datasource && !s->peer->dead)
			break;
	if (s == NULL)
		return NULL;
	TAILQ_REMOVE(&sources, s, entry);
	TAILQ_INSERT_TAIL(&sources, s, entry);
	return s->peer;
}
