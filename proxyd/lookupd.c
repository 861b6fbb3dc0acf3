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
 * A question names a query; its text only comes from scripts, and is run only
 * where the datasource says so.  It has the datasource's timeout from when it
 * came.  SQLite answers while it is asked and reads nothing meanwhile, so of
 * what is found in a pipe before such an answer is sent we must think that it
 * came when that turn began: then a database that hangs costs those who wait
 * for it one timeout, and not one after the other.
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

#define BUSY		5		/* ms: somebody may have waited */

static LIST_HEAD(, asker)	askers = LIST_HEAD_INITIALIZER(askers);
static uint32_t			checking;	/* a generation; 0 */
static struct mono		began;		/* the turn; unset: no question
						   came in it yet */

struct source		source;
struct source_count	source_count;
const struct backend	*backend;

/* --- who asks -------------------------------------------------------- */

struct mono
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

void
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

bool
somebody_waits(void)
{
	struct asker	*a;

	LIST_FOREACH(a, &askers, entry)
		if (a->peer->role != R_PROXYD && is_readable(a->peer))
			return true;
	return false;
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
	{ MSG_SQL,		on_sql },
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
	TAILQ_INIT(&from->waiting);
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
	while ((a = LIST_FIRST(&from->asks)) != NULL)
		backend->withdraw(a);
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
