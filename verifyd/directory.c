/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * directory/: is a domain local, is there an address, what do VRFY and EXPN
 * say of it.
 *
 * A domain is looked up by `domains', or by the database's query.domain.  An
 * address is asked for in up to three ways, one behind the other until one
 * is found: as it is, cut at the first + of its local part (subaddressing),
 * and as @domain (catch-all).  That nobody can tell ends it: what comes later
 * would vouch for more than what was asked.  A remote is asked for the
 * address as it is: it cuts and catches by itself.
 *
 * Where there is no query for VRFY, or none can be, it is answered by the
 * address that was found; EXPN is then not known.
 *
 * The directory is found by its id for each of the ways, as its generation
 * may go while one of them is out.  What it names is found once, when the
 * generation comes.
 *
 * What is under way (struct walk) lies in a pool: where the answers are kept,
 * asking takes no memory from the system.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "look.h"
#include "proc.h"

#define POOL_MAX	1024		/* walks kept for the next ones */

enum way { WAY_WHOLE, WAY_CUT, WAY_ALL, WAY_END };

struct walk {
	SLIST_ENTRY(walk)	 entry;		/* in the pool */
	uint32_t		 id;		/* of the directory */
	enum way		 way;		/* that is asked now */
	enum look_what		 what;
	unsigned int		 flags;
	char			 address[LOOK_ADDR_MAX];
	char			 sender[LOOK_ADDR_MAX];
	char			 key[LOOK_ADDR_MAX];	/* of this way */
	enum judge_by		 by;		/* of the no before */
	bool			*again;		/* set instead of asking */
	struct look		 look;
	struct look_to		 to;
};

/* Where the directory leads, in its own generation. */
struct leads {
	struct proto_path	domains, addresses, remote, source;
};

static SLIST_HEAD(, walk)	pool = SLIST_HEAD_INITIALIZER(pool);
static size_t			npool;

static bool	next_way(struct walk *);

/* --- a generation --------------------------------------------------------- */

static void
lead_to(struct proto_path *path, const struct config *conf, const char *text)
{
	const struct conf_obj	*o;
	enum lookup_kind	 kind;
	const char		*query;

	memset(path, 0, sizeof(*path));
	if (text == NULL ||
	    (o = conf_lookup(conf, text, &kind, &query)) == NULL)
		return;
	path->kind = (uint8_t)kind;
	path->id = o->id;
	(void)strlcpy(path->query, query, sizeof(path->query));
}

static void
lead_to_name(struct proto_path *path, enum lookup_kind kind,
    const struct conf_map *map, const char *name)
{
	const struct conf_obj	*o;

	memset(path, 0, sizeof(*path));
	if (name == NULL || (o = conf_find(map, name)) == NULL)
		return;
	path->kind = (uint8_t)kind;
	path->id = o->id;
}

int
directory_prepare(struct config *conf, struct proto_conf_err *err)
{
	struct conf_directory	*d;
	struct leads		*leads;
	size_t			 i;

	for (i = 0; i < conf->directories.n; i++) {
		d = (struct conf_directory *)(void *)conf->directories.v[i];
		if ((leads = calloc(1, sizeof(*leads))) == NULL) {
			(void)strlcpy(err->why, "memory", sizeof(err->why));
			return -1;
		}
		d->obj.priv = leads;
		lead_to(&leads->domains, conf, d->domains);
		lead_to(&leads->addresses, conf, d->addresses);
		lead_to_name(&leads->source, LOOK_DB, &conf->datasources,
		    d->datasource);
		lead_to_name(&leads->remote, LOOK_REMOTE, &conf->remotes,
		    d->remote);
	}
	return 0;
}

void
directory_release(struct config *conf)
{
	size_t	i;

	for (i = 0; i < conf->directories.n; i++) {
		free(conf->directories.v[i]->priv);
		conf->directories.v[i]->priv = NULL;
	}
}

/* --- the pool ------------------------------------------------------------- */

static struct walk *
walk_new(void)
{
	struct walk	*w;

	if ((w = SLIST_FIRST(&pool)) == NULL)
		return malloc(sizeof(*w));
	SLIST_REMOVE_HEAD(&pool, entry);
	npool--;
	return w;
}

static void
walk_free(struct walk *w)
{
	if (npool >= POOL_MAX) {
		free(w);
		return;
	}
	SLIST_INSERT_HEAD(&pool, w, entry);
	npool++;
}

/* --- one way -------------------------------------------------------------- */

static bool
ask_lead(struct look *l, const struct proto_path *path,
    const struct look_question *q, struct look_to to)
{
	struct look_question	ask = *q;

	ask.path = *path;
	return look_ask(l, &ask, to);
}

static bool
ask_sql(struct look *l, const struct conf_directory *d, const char *query,
    const struct look_question *q, struct look_to to)
{
	const struct leads		*leads = d->obj.priv;
	const struct conf_datasource	*ds;

	ds = (const struct conf_datasource *)(void *)proc_conf_obj(
	    offsetof(struct config, datasources), leads->source.id);
	if (ds == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "not in the configuration");
	return source_ask_directory(l, ds, d, query, q, to);
}

/* The query of what is asked; that for addresses where VRFY has none. */
static const char *
query_of_what(const struct conf_directory *d, enum look_what what)
{
	if (what == LOOK_EXPN)
		return "expn";
	return what == LOOK_VRFY && d->query_vrfy != NULL ? "vrfy" :
	    "address";
}

/* The address of this way, by whatever the directory is made of. */
static bool
ask_address(struct look *l, const struct conf_directory *d,
    const struct look_question *q, struct look_to to)
{
	const struct leads	*leads = d->obj.priv;
	struct look_question	 ask = *q;
	const char		*query;

	switch ((enum directory_type)d->type) {
	case DIR_SQL:
		query = query_of_what(d, q->what);
		if (q->what != LOOK_EXPN && strcmp(query, "address") == 0)
			ask.what = LOOK_ADDRESS;
		return ask_sql(l, d, query, &ask, to);
	case DIR_CDB:
		return ask_lead(l, &leads->source, q, to);
	case DIR_LIST:
		ask.what = LOOK_ADDRESS;
		return ask_lead(l, &leads->addresses, &ask, to);
	case DIR_REMOTE:
		break;
	}
	return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE, "");
}

/* --- the walk ------------------------------------------------------------- */

static const struct conf_directory *
walk_directory(const struct walk *w)
{
	return (const struct conf_directory *)(void *)proc_conf_obj(
	    offsetof(struct config, directories), w->id);
}

/* The key of this way; false if the address has none. */
static bool
way_key(struct walk *w, const struct conf_directory *d)
{
	const char	*at = strrchr(w->address, '@');

	switch (w->way) {
	case WAY_WHOLE:
		(void)strlcpy(w->key, w->address, sizeof(w->key));
		return true;
	case WAY_CUT:
		return d->subaddressing && address_cut(w->address, w->key);
	case WAY_ALL:
		if (!d->catch_all || at == NULL || w->what == LOOK_EXPN)
			return false;
		(void)strlcpy(w->key, at, sizeof(w->key));
		return true;
	case WAY_END:
		break;
	}
	return false;
}

/* VRFY of what has no values for it: the address that was found. */
static void
tell_found(struct walk *w, const struct conf_directory *d,
    const struct look_answer *a)
{
	struct look_answer	 ans = *a;
	const char		*value = w->way == WAY_ALL ? w->address :
				    w->key;

	if (w->what == LOOK_VRFY && a->answer == LOOKUP_YES &&
	    (d->type != DIR_SQL || d->query_vrfy == NULL)) {
		ans.values = &value;
		ans.nvalues = 1;
	}
	w->to.done(w->to.arg, &ans);
}

static void
way_done(void *arg, const struct look_answer *a)
{
	const struct conf_directory	*d;
	struct walk			*w = arg;

	w->look.cancel = NULL;
	if (a->answer == LOOKUP_NO && w->way < WAY_ALL) {
		w->way++;
		w->by = a->by;
		if (w->again != NULL)
			*w->again = true;
		else
			(void)next_way(w);
		return;
	}
	if ((d = walk_directory(w)) == NULL)
		w->to.done(w->to.arg, a);
	else
		tell_found(w, d, a);
	walk_free(w);
}

/*
 * True: the answer comes later.  False: it was told, and w is gone.  An
 * answer of no that is there at once comes back to this loop.
 */
static bool
next_way(struct walk *w)
{
	const struct conf_directory	*d;
	struct look_question		 q = { .what = w->what,
					     .flags = w->flags,
					     .key = w->key,
					     .sender = w->sender };
	struct look_to			 to = w->to;
	enum judge_by			 by;
	bool				 again;

	do {
		d = walk_directory(w);
		while (d != NULL && w->way < WAY_END && !way_key(w, d))
			w->way++;
		if (d == NULL || w->way == WAY_END) {
			by = w->by;
			walk_free(w);
			return look_tell(to, d == NULL ? LOOKUP_CANNOT :
			    LOOKUP_NO, by, d == NULL ?
			    "not in the configuration" : "");
		}
		again = false;
		w->again = &again;
		if (ask_address(&w->look, d, &q,
		    (struct look_to){ way_done, w })) {
			w->again = NULL;
			return true;
		}
	} while (again);
	return false;
}

static void
walk_cancel(void *arg)
{
	struct walk	*w = arg;

	look_cancel(&w->look);
	walk_free(w);
}

static bool
walk_begin(struct look *l, const struct conf_directory *d,
    const struct look_question *q, struct look_to to)
{
	struct walk	*w;

	if (strlen(q->key) >= sizeof(w->address) ||
	    strlen(q->sender) >= sizeof(w->sender))
		return look_tell(to, LOOKUP_NO, JUDGE_BY_NONE, "");
	if ((w = walk_new()) == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE, "memory");
	w->id = d->obj.id;
	w->way = WAY_WHOLE;
	w->what = q->what == LOOK_KEY ? LOOK_ADDRESS : q->what;
	w->flags = q->flags;
	w->look.cancel = NULL;
	w->again = NULL;
	w->by = JUDGE_BY_NONE;
	w->to = to;
	(void)strlcpy(w->address, q->key, sizeof(w->address));
	(void)strlcpy(w->sender, q->sender, sizeof(w->sender));
	if (!next_way(w))
		return false;
	l->cancel = walk_cancel;
	l->of = w;
	return true;
}

/* --- asking --------------------------------------------------------------- */

static bool
ask_domain(struct look *l, const struct conf_directory *d,
    const struct look_question *q, struct look_to to)
{
	const struct leads	*leads = d->obj.priv;

	if (d->domains != NULL)
		return ask_lead(l, &leads->domains, q, to);
	if (d->type == DIR_SQL && d->query_domain != NULL)
		return ask_sql(l, d, "domain", q, to);
	return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
	    "the directory knows no domains");
}

bool
directory_ask(struct look *l, const struct conf_directory *d,
    const struct look_question *q, struct look_to to)
{
	const struct leads	*leads = d->obj.priv;

	/* Not prepared: a generation that is not here as a whole yet. */
	if (leads == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "not in the configuration");
	if (q->what == LOOK_DOMAIN)
		return ask_domain(l, d, q, to);
	if (d->type == DIR_REMOTE)
		return ask_lead(l, &leads->remote, q, to);
	if (q->what == LOOK_EXPN &&
	    (d->type != DIR_SQL || d->query_expn == NULL))
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "the directory expands nothing");
	return walk_begin(l, d, q, to);
}
