/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * lookupd: the process that holds one database.
 *
 * It is given the URIs of its datasource with INIT, since its jail depends on
 * them, and by the configuration the rest of it and the directories that use
 * it; of other datasources, and their passwords, it knows nothing.
 *
 * A question names a query, never its text.  It has the datasource's timeout
 * from when it came.  SQLite answers while it is asked and reads nothing
 * meanwhile, so of what is found in a pipe before such an answer is sent we
 * must think that it came when that turn began: then a database that hangs
 * costs those who wait for it one timeout, and not one after the other.
 *
 * What a database cannot answer is QUERY_CANNOT; nothing that it does ends
 * the process, or is fatal.
 */

#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "lookupd.h"
#include "peer.h"
#include "proc.h"
#include "util.h"

#define ASKS_MAX	10000		/* under way, of one asker */
#define BUSY		5		/* ms: somebody may have waited */

struct asker {
	LIST_ENTRY(asker)	 entry;
	struct peer		*peer;
	struct mono		 since;		/* what is in its pipe came;
						   unset: when it is read */
	LIST_HEAD(, ask)	 asks;
	size_t			 nasks;
};

static LIST_HEAD(, asker)	askers = LIST_HEAD_INITIALIZER(askers);
static uint32_t			checking;	/* a generation; 0 */
static struct mono		began;		/* the turn; unset: no question
						   came in it yet */

struct source		source;
struct source_count	source_count;
const struct backend	*backend;

/* --- a question ------------------------------------------------------ */

static void
ask_free(struct ask *a)
{
	timer_del(&a->timer);
	if (a->asker != NULL) {
		LIST_REMOVE(a, of_asker);
		a->asker->nasks--;
	}
	if (a->st != NULL)
		statement_unuse(a->st);
	free(a->data);
	free(a);
}

static void
answer(struct asker *to, uint64_t sid, uint32_t seq,
    const struct proto_query_ans *qa, const struct wbuf *body)
{
	struct wbuf	w = { 0 };

	if (to == NULL)
		return;
	put_query_ans(&w, qa);
	if (body != NULL)
		put_raw(&w, body->data, body->len);
	peer_send(to->peer, MSG_QUERY_ANS, sid, seq, -1, &w);
}

static void
cannot(struct asker *to, uint64_t sid, uint32_t seq, const char *why)
{
	struct proto_query_ans	qa = { .status = QUERY_CANNOT };

	source_count.cannot++;
	(void)strlcpy(qa.why, why, sizeof(qa.why));
	answer(to, sid, seq, &qa, NULL);
}

void
ask_cannot(struct ask *a, const char *why)
{
	cannot(a->asker, a->sid, a->seq, why);
	ask_free(a);
}

void
ask_answer(struct ask *a, struct rows *r)
{
	if (r->failed != NULL) {
		ask_cannot(a, r->failed);
		return;
	}
	source_count.answered++;
	answer(a->asker, a->sid, a->seq, &r->a, &r->body);
	ask_free(a);
}

/* What came with the question: names and values, views of the message. */
struct given {
	char		 name[QUERY_PARAMS_MAX][SQL_NAME_MAX];
	const uint8_t	*value[QUERY_PARAMS_MAX];
	size_t		 len[QUERY_PARAMS_MAX];
	size_t		 n;
};

static int
get_given(struct rbuf *r, uint32_t n, struct given *g)
{
	uint32_t	i;

	if (n > QUERY_PARAMS_MAX)
		return -1;
	for (i = 0; i < n; i++) {
		get_str(r, g->name[i], sizeof(g->name[i]));
		g->value[i] = get_blob(r, &g->len[i]);
	}
	g->n = n;
	return get_end(r);
}

/* Which of them a parameter of the statement is; g->n: none. */
static size_t
given_find(const struct given *g, const struct sql_param *p)
{
	size_t	i;

	if (p->name[0] == '\0')
		return p->place < g->n ? p->place : g->n;
	for (i = 0; i < g->n; i++)
		if (strcmp(g->name[i], p->name) == 0)
			break;
	return i;
}

/* Copy what the statement wants.  NULL, or why it cannot be asked. */
static const char *
ask_bind(struct ask *a, const struct given *g)
{
	const struct sql_params	*sql = &a->st->sql;
	size_t			 i, j, len, size = 0;
	char			*p;

	for (i = 0; i < sql->n; i++) {
		j = given_find(g, &sql->param[i]);
		a->len[i] = j == g->n ? 0 : g->len[j];
		size += a->len[i] + 1;
	}
	if ((p = a->data = malloc(size + 1)) == NULL)
		return "no memory";
	for (i = 0; i < sql->n; i++) {
		j = given_find(g, &sql->param[i]);
		len = a->len[i];
		if (len > 0 && memchr(g->value[j], '\0', len) != NULL)
			return "a NUL in a parameter";
		if (len > 0)
			memcpy(p, g->value[j], len);
		p[len] = '\0';
		a->value[i] = p;
		p += len + 1;
	}
	return NULL;
}

/* When what is read now has come, as far as we know. */
static struct mono
came(const struct asker *from)
{
	if (!mono_is_set(began))
		began = mono_now();
	return mono_is_set(from->since) ? from->since : began;
}

static bool
is_readable(const struct peer *p)
{
	struct pollfd	pfd = { .fd = p->mb.fd, .events = POLLIN };

	return !p->dead && poll(&pfd, 1, 0) == 1;
}

/* That took a while: who has asked meanwhile? */
static void
see_who_waits(void)
{
	struct asker	*a;

	mono_turn();
	if (mono_diff(mono_now(), began) < BUSY)
		return;
	LIST_FOREACH(a, &askers, entry)
		if (!mono_is_set(a->since) && is_readable(a->peer))
			a->since = began;
}

static struct ask *
ask_new(struct asker *from, const struct msg *m, struct statement *st)
{
	struct ask	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	a->asker = from;
	a->sid = m->sid;
	a->seq = m->seq;
	a->st = st;
	a->deadline = mono_add(came(from), source.timeout);
	timer_init(&a->timer, NULL, a);
	statement_use(st);
	LIST_INSERT_HEAD(&from->asks, a, of_asker);
	from->nasks++;
	return a;
}

static int
on_query(struct peer *p, struct msg *m)
{
	struct asker		*from = p->arg;
	struct proto_query	 q;
	struct statement	*st;
	struct given		 g;
	struct ask		*a = NULL;
	const char		*why;

	if (get_query(m, &q) == -1 ||
	    get_given(&m->body, q.nparams, &g) == -1)
		return -1;
	source_count.asked++;
	if ((st = statement_find(q.directory, q.query)) == NULL) {
		cannot(from, m->sid, m->seq, "no such query");
		return 0;
	}
	if (from->nasks < ASKS_MAX)
		a = ask_new(from, m, st);
	if (a == NULL) {
		cannot(from, m->sid, m->seq, "too many questions");
		return 0;
	}
	a->max_rows = q.max_rows;
	if (a->max_rows > source.max_rows)
		a->max_rows = (uint32_t)source.max_rows;
	if ((why = ask_bind(a, &g)) != NULL)
		ask_cannot(a, why);
	else
		backend->ask(a);
	if (backend == &look_sqlite) {
		see_who_waits();
		peer_flush_all();	/* the next one may take long */
	}
	return 0;
}

static int
on_address(struct peer *p, struct msg *m)
{
	struct proto_dns_ans	ans;

	(void)p;
	if (get_dns_ans(m, &ans) == -1)
		return -1;
	if (backend->address != NULL)
		backend->address(m->sid, &ans);
	return 0;
}

static const struct peer_handler	handlers[] = {
	{ MSG_QUERY,		on_query },
	{ MSG_DNS_ADDR_ANS,	on_address },
	{ 0,			NULL }
};

/* --- the process ----------------------------------------------------- */

static void
prepare(void)
{
	char	*uris, *p, *uri;

	p = uris = xstrdup(proc_source());
	while ((uri = strsep(&p, "\n")) != NULL)
		if (*uri != '\0' && strs_add(&source.uri, xstrdup(uri)) == -1)
			fatal("uri");
	freezero(uris, strlen(proc_source()));
	if (source.uri.n == 0)
		fatalx("no datasource");
	source.name = xstrdup("");
	backend = strncmp(source.uri.v[0], "sqlite:", strlen("sqlite:")) == 0 ?
	    &look_sqlite : &look_pq;
	backend->prepare();
}

static void
send_up(struct peer *p)
{
	struct proto_source	up = { .datasource = source.id };
	struct wbuf		w = { 0 };

	put_source(&w, &up);
	peer_send(p, MSG_SOURCE_UP, 0, 0, -1, &w);
}

/* Our configuration has come by then: the parent sends it first. */
static void
peer_up(struct peer *p)
{
	struct asker	*from;

	if (p->role == R_RESOLVED) {
		if (backend->resolved != NULL)
			backend->resolved(p);
		return;
	}
	if ((from = calloc(1, sizeof(*from))) == NULL)
		fatal("asker");
	from->peer = p;
	LIST_INIT(&from->asks);
	p->arg = from;
	LIST_INSERT_HEAD(&askers, from, entry);
	send_up(p);
}

static void
peer_down(struct peer *p)
{
	struct asker	*from = p->arg;
	struct ask	*a;

	if (p->role == R_RESOLVED) {
		if (backend->resolved != NULL)
			backend->resolved(NULL);
		return;
	}
	while ((a = LIST_FIRST(&from->asks)) != NULL) {
		LIST_REMOVE(a, of_asker);
		a->asker = NULL;
		backend->withdraw(a);
	}
	LIST_REMOVE(from, entry);
	free(from);
	p->arg = NULL;
}

/* A datasource with this id is the same in all generations. */
static void
source_take(const struct conf_datasource *ds)
{
	if (source.id != 0)
		return;
	source.id = ds->obj.id;
	free(source.name);
	source.name = xstrdup(ds->obj.name);
	source.timeout = ds->timeout;
	source.connections = ds->connections;
	source.max_rows = ds->max_rows;
	source.scripts = ds->scripts;
	backend->start();
}

static int
conf_prepare(struct config *conf, struct proto_conf_err *err)
{
	(void)err;
	if (conf->datasources.n > 0)
		source_take((const void *)conf->datasources.v[0]);
	if (!proc_is_check() || source.id == 0)
		return 0;
	checking = conf->generation;
	backend->check(conf);
	return PROC_CONF_LATER;
}

void
source_note(bool error, const char *key, const char *why)
{
	struct proto_conf_note	note = { .error = error };
	struct wbuf		w = { 0 };

	(void)strlcpy(note.key, key, sizeof(note.key));
	(void)strlcpy(note.why, why, sizeof(note.why));
	put_conf_note(&w, &note);
	peer_send(proc_parent(), MSG_CONF_NOTE, 0, checking, -1, &w);
}

void
source_checked(void)
{
	peer_send(proc_parent(), MSG_CONF_OK, 0, checking, -1, NULL);
}

static void
conf_release(struct config *conf)
{
	(void)conf;
	statements_prune();
}

static void
turn(void)
{
	struct asker	*a;

	began = (struct mono){ 0 };
	LIST_FOREACH(a, &askers, entry)
		if (mono_is_set(a->since) && !is_readable(a->peer))
			a->since = (struct mono){ 0 };
}

static void
ctl(const char *request, int fd)
{
	char	text[512];
	int	n;

	if (strcmp(request, "show stats") == 0) {
		n = snprintf(text, sizeof(text),
		    "lookupd.asked %llu\n"
		    "lookupd.answered %llu\n"
		    "lookupd.cannot %llu\n"
		    "lookupd.timeouts %llu\n"
		    "lookupd.opened %llu\n",
		    (unsigned long long)source_count.asked,
		    (unsigned long long)source_count.answered,
		    (unsigned long long)source_count.cannot,
		    (unsigned long long)source_count.timeouts,
		    (unsigned long long)source_count.opened);
		if (write(fd, text, (size_t)n) == -1)
			log_debug("show stats: %s", strerror(errno));
	}
	(void)close(fd);
}

static const struct proc_class	class = {
	.name = "lookupd",
	.role = R_LOOKUPD,
	.handlers = handlers,
	.prepare = prepare,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.conf_prepare = conf_prepare,
	.conf_release = conf_release,
	.ctl = ctl,
	.turn = turn
};

int
main(int argc, char **argv)
{
	proc_run(&class, argc, argv);
}
