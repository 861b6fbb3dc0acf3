/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Generations of the configuration.
 *
 * The first start, a reload and `postern -n' go the same way: read the file,
 * have its large lists made (parent_build.c), bind and open what it wants
 * aside, send it to every process, wait for CONF_OK from all; then COMMIT, or
 * ABORT to all with everything as it was.
 * A reload is over (`ok' for posternctl, `ready' for the first one) when all
 * have answered a ping sent behind the COMMIT: a client that connects from
 * then on is served by the new configuration.
 *
 * Numbers of generations, like ids, are never used twice, an aborted one's
 * neither.  A generation lives until no smtpd holds it: all say GEN_ENDED,
 * or die.  Then everybody is told to drop it.  The newest is always held.
 *
 * A process that comes up at any moment is sent every live generation, in
 * order, each with its COMMIT, and the one that is being judged if there is
 * one: so a death in the middle delays a reload and does not spoil it.
 *
 * Nothing here happens inside reload_request: an attempt begins at the end
 * of a turn, so that whoever asked knows its number before its outcome.
 */

#include <sys/types.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "parent.h"
#include "util.h"

enum reload_state {
	RELOAD_IDLE,
	RELOAD_LISTS,		/* its large lists are being made */
	RELOAD_ASKED,		/* sent to all, not all have answered */
	RELOAD_COMMITTED	/* not all have said that they have it */
};

struct generation {
	TAILQ_ENTRY(generation)	 entry;
	struct config		*conf;
};

TAILQ_HEAD(generations, generation);

static struct {
	enum reload_state	 state;
	bool			 wanted;
	uint32_t		 ticket;	/* of the present or last one */
	uint32_t		 generation;	/* the last number given */
	uint32_t		 id;		/* the last id given */
	struct config		*pending;
	struct conf_errors	 errs;
	struct timer		 timer;
	struct generations	 live;		/* oldest first */
	char			*control;	/* as it was at the start */
} rl = { .live = TAILQ_HEAD_INITIALIZER(rl.live) };

struct config *
reload_conf(void)
{
	struct generation	*g = TAILQ_LAST(&rl.live, generations);

	return g == NULL ? NULL : g->conf;
}

const struct conf_remote *
reload_remote(uint32_t id, bool *gone)
{
	struct generation	*g;
	struct conf_obj		*obj;

	TAILQ_FOREACH(g, &rl.live, entry)
		if ((obj = conf_find_id(&g->conf->remotes, id)) != NULL)
			return (const struct conf_remote *)(void *)obj;
	*gone = id != 0 && id <= rl.id;
	return NULL;
}

const struct conf_datasource *
reload_source(uint32_t id)
{
	struct generation	*g;
	struct conf_obj		*obj;

	TAILQ_FOREACH(g, &rl.live, entry)
		if ((obj = conf_find_id(&g->conf->datasources, id)) != NULL)
			return (const struct conf_datasource *)(void *)obj;
	obj = rl.pending == NULL ? NULL :
	    conf_find_id(&rl.pending->datasources, id);
	return (const struct conf_datasource *)(void *)obj;
}

/* --- to one child ---------------------------------------------------- */

static void
send_number(struct child *c, uint16_t type, uint32_t generation)
{
	peer_send(&c->peer, type, 0, generation, -1, NULL);
}

/* Copies of the files of its objects; we keep ours for who comes later. */
static void
send_files(struct child *c, const struct config *conf)
{
	struct proto_conf_fd	f;
	struct wbuf		w = { 0 };
	size_t			n;
	int			fd;

	for (n = 0; (fd = conf_fd(conf, c->prog->role, n, &f.map,
	    &f.id)) != -1; n++) {
		if ((fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1) {
			log_warn("a file for %s", child_name(c));
			return;
		}
		put_conf_fd(&w, &f);
		peer_send(&c->peer, MSG_CONF_FD, 0, conf->generation, fd, &w);
	}
}

static void
send_conf(struct child *c, const struct config *conf)
{
	struct wbuf	w;
	size_t		n;

	send_number(c, MSG_CONF_BEGIN, conf->generation);
	for (n = 0;; n++) {
		w = (struct wbuf){ .secret = true };	/* keys */
		if (!conf_put_source(&w, conf, c->prog->role, c->source, n))
			break;
		peer_send(&c->peer, MSG_CONF_ITEM, 0, conf->generation, -1,
		    &w);
	}
	wbuf_clear(&w);
	send_files(c, conf);
	send_number(c, MSG_CONF_END, conf->generation);
}

static void
hold(struct child *c, uint32_t generation)
{
	if (c->prog->role != R_SMTPD)
		return;
	c->held = xreallocarray(c->held, c->nheld + 1, sizeof(*c->held));
	c->held[c->nheld++] = generation;
}

static bool
holds(const struct child *c, uint32_t generation)
{
	size_t	i;

	for (i = 0; i < c->nheld; i++)
		if (c->held[i] == generation)
			return true;
	return false;
}

/* newest: only that one has listening sockets. */
static void
send_commit(struct child *c, const struct config *conf, bool newest)
{
	if (newest && c->prog->role == R_SMTPD)
		listen_send(c, conf->generation);
	cache_feed(c, reload_conf());
	send_number(c, MSG_CONF_COMMIT, conf->generation);
	c->generation = conf->generation;
	hold(c, conf->generation);
	if (newest) {
		child_ping(c);
		c->sync = c->ping;
	}
}

void
reload_feed(struct child *c)
{
	struct generation	*g;

	TAILQ_FOREACH(g, &rl.live, entry) {
		send_conf(c, g->conf);
		send_commit(c, g->conf, g->conf == reload_conf());
	}
	if (rl.state == RELOAD_ASKED)
		send_conf(c, rl.pending);
}

/* --- the end of generations ------------------------------------------ */

static bool
is_held(uint32_t generation)
{
	struct child	*c;

	TAILQ_FOREACH(c, &children, entry)
		if (holds(c, generation))
			return true;
	return false;
}

/* Lua runs only where there is a script; the sessions of all count. */
static unsigned int
proxyds_wanted(const struct config *conf)
{
	if (conf->scripts.n == 0)
		return 0;
	return parent.check ? 1 : (unsigned int)conf->nproxyd;
}

/* What is being judged may want more of them than all that live. */
static void
stop_proxyds(void)
{
	struct generation	*g;
	unsigned int		 n = rl.pending == NULL ? 0 :
				    proxyds_wanted(rl.pending);

	TAILQ_FOREACH(g, &rl.live, entry)
		if (proxyds_wanted(g->conf) > n)
			n = proxyds_wanted(g->conf);
	spawn_stop_proxyd(n);
}

/* Whoever has a newer one has this one too: it was live when he came. */
static void
drop(struct generation *g)
{
	struct child	*c;

	log_debug("generation %u has ended", g->conf->generation);
	TAILQ_FOREACH(c, &children, entry)
		if (child_is_wired(c) && c->generation > g->conf->generation)
			send_number(c, MSG_CONF_DROP, g->conf->generation);
	TAILQ_REMOVE(&rl.live, g, entry);
	conf_unref(g->conf);
	free(g);
	spawn_stop_lookupd();
	stop_proxyds();
}

static void
drop_ended(void)
{
	struct generation	*g, *next;

	for (g = TAILQ_FIRST(&rl.live); g != NULL; g = next) {
		if ((next = TAILQ_NEXT(g, entry)) == NULL)
			break;			/* the newest */
		if (!is_held(g->conf->generation))
			drop(g);
	}
}

int
reload_ended(struct child *c, uint32_t generation)
{
	size_t	i;

	if (generation == c->generation || !holds(c, generation))
		return -1;
	for (i = 0; c->held[i] != generation; i++)
		continue;
	c->held[i] = c->held[--c->nheld];
	drop_ended();
	return 0;
}

void
reload_gone(struct child *c)
{
	if (parent.check && !parent.stopping &&
	    c->answered != rl.generation)
		conf_error(&rl.errs, parent.file, 0, 0, NULL,
		    "%s ended while checking", c->prog->name);
	drop_ended();
}

/* --- an attempt ------------------------------------------------------ */

static void
log_lines(const struct conf_lines *l)
{
	size_t	i;

	for (i = 0; i < l->n; i++)
		log_warnx("%s", l->v[i].text);
}

/* generation 0: it failed, everything is as it was. */
static void
finish(uint32_t generation)
{
	rl.state = RELOAD_IDLE;
	timer_del(&rl.timer);
	conf_errors_sort(&rl.errs, parent.file);
	if (parent.check)
		conf_errors_print(&rl.errs, stderr);
	else
		log_lines(&rl.errs.errors);
	if (!parent.ready) {
		if (generation != 0)
			parent_ready();
		else
			parent_give_up(rl.errs.errors.n > 0);
	} else if (generation != 0)
		log_info("generation %u is in force", generation);
	else
		log_warnx("reload failed, generation %u stays in force",
		    reload_conf()->generation);
	ctl_reload_done(rl.ticket, generation, &rl.errs);
	conf_errors_clear(&rl.errs);
}

static void
drop_pending(void)
{
	conf_unref(rl.pending);
	rl.pending = NULL;
	stop_proxyds();
	finish(0);
}

static void
give_up(void)
{
	struct child	*c, *next;
	uint32_t	 generation = rl.pending->generation;

	for (c = TAILQ_FIRST(&children); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (child_is_wired(c))
			send_number(c, MSG_CONF_ABORT, generation);
		if (c->born == generation)
			child_stop(c, false);
	}
	listen_abort();
	plog_abort();
	drop_pending();
}

/* Those with the highest numbers go. */
static void
stop_surplus(unsigned int wanted)
{
	struct child	*c, *last;

	while (spawn_count(R_SMTPD) > wanted) {
		last = NULL;
		TAILQ_FOREACH(c, &children, entry)
			if (c->prog->role == R_SMTPD && !c->leaving)
				last = c;
		last->surplus = true;
		child_stop(last, true);
	}
}

/* What a reload cannot change. */
static void
warn_unchanged(const struct config *conf)
{
	if (rl.control == NULL)
		rl.control = xstrdup(conf->control);
	if (strcmp(rl.control, conf->control) != 0)
		log_warnx("control: %s stays in use until the restart",
		    rl.control);
	if (users_differ(&conf->user))
		log_warnx("user: new ones are taken at the restart");
}

/*
 * Our copies of the sockets at addresses that are not wanted any more are
 * closed here, before the workers hear of it: each of them then holds the
 * last copy, accepts what is queued, and closes it.
 */
static void
commit(void)
{
	struct generation	*g = xcalloc(1, sizeof(*g));
	struct config		*conf = rl.pending;
	struct child		*c;

	rl.pending = NULL;
	rl.state = RELOAD_COMMITTED;
	g->conf = conf;
	TAILQ_INSERT_TAIL(&rl.live, g, entry);
	stop_surplus((unsigned int)conf->nsmtpd);
	listen_commit();
	TAILQ_FOREACH(c, &children, entry)
		if (child_is_wired(c) && !c->leaving)
			send_commit(c, conf, true);
	plog_commit(&conf->log);
	warn_unchanged(conf);
	drop_ended();
	timer_set(&rl.timer, parent.ready ? CONF_DEADLINE : START_DEADLINE);
	reload_progress();
}

static bool
all_answered(void)
{
	struct child	*c;

	TAILQ_FOREACH(c, &children, entry)
		if (!c->leaving && c->answered != rl.pending->generation)
			return false;
	return true;
}

static bool
all_settled(void)
{
	struct child	*c;

	TAILQ_FOREACH(c, &children, entry)
		if (!c->leaving && !child_is_settled(c))
			return false;
	return true;
}

void
reload_progress(void)
{
	switch (rl.state) {
	case RELOAD_IDLE:
	case RELOAD_LISTS:
		break;
	case RELOAD_ASKED:
		if (!all_answered())
			break;
		if (rl.errs.errors.n > 0 || parent.check)
			give_up();
		else
			commit();
		break;
	case RELOAD_COMMITTED:
		if (all_settled())
			finish(reload_conf()->generation);
		break;
	}
}

static void
on_deadline(void *arg)
{
	struct child	*c;

	(void)arg;
	if (rl.state == RELOAD_COMMITTED && parent.ready) {
		log_warnx("not all processes are back yet");
		finish(reload_conf()->generation);
		return;
	}
	TAILQ_FOREACH(c, &children, entry)
		if (!c->leaving && (rl.state == RELOAD_COMMITTED ||
		    c->answered != rl.pending->generation))
			conf_error(&rl.errs, parent.file, 0, 0, NULL,
			    "%s does not answer", child_name(c));
	if (rl.state == RELOAD_ASKED)
		give_up();
	else
		finish(0);
}

/* Several smtpd find the same mistake. */
static void
add_error(const struct proto_conf_err *err)
{
	struct conf_lines	*l = &rl.errs.errors;
	size_t			 i;

	conf_error(&rl.errs, parent.file, err->line, err->col, NULL, "%s",
	    err->why);
	for (i = 0; i + 1 < l->n; i++)
		if (strcmp(l->v[i].text, l->v[l->n - 1].text) == 0) {
			free(l->v[--l->n].text);
			break;
		}
}

int
reload_note(struct child *c, uint32_t generation,
    const struct proto_conf_note *note)
{
	unsigned int	line = 0, col = 0;

	/* To find a line the file is read anew: only a check does that. */
	if (!parent.check || generation <= c->answered ||
	    generation > rl.generation)
		return -1;
	if (rl.state != RELOAD_ASKED || generation != rl.generation)
		return 0;
	parent_conf_locate(parent.file, &parent.macros, note->key, &line,
	    &col);
	if (note->error)
		conf_error(&rl.errs, parent.file, line, col, note->key, "%s",
		    note->why);
	else
		conf_warning(&rl.errs, parent.file, line, col, note->key,
		    "%s", note->why);
	return 0;
}

int
reload_answer(struct child *c, uint32_t generation,
    const struct proto_conf_err *err)
{
	if (generation <= c->answered || generation > rl.generation)
		return -1;
	c->answered = generation;
	if (rl.state == RELOAD_ASKED && generation == rl.generation) {
		if (err != NULL)
			add_error(err);
		reload_progress();
	} else if (err != NULL && generation <= c->generation) {
		/* It was good enough for the one before it. */
		log_warnx("%s: %s", child_name(c), err->why);
		child_kill(c, "refuses the configuration in force");
	}
	return 0;
}

/* Processes for the datasources that have none yet. */
static void
plan_lookupds(const struct config *conf, uint32_t born)
{
	const struct conf_datasource	*ds;
	struct child			*c;
	unsigned int			 n, has;
	size_t				 i;

	for (i = 0; i < conf->datasources.n; i++) {
		ds = (const void *)conf->datasources.v[i];
		n = conf_source_processes(ds);
		if (parent.check && n > 1)
			n = 1;
		has = 0;
		TAILQ_FOREACH(c, &children, entry)
			has += c->source == ds->obj.id && !c->leaving;
		for (; has < n; has++)
			spawn_plan_lookupd(ds->obj.id, born);
	}
}

/* Takes the configuration. */
static void
make_lists(struct config *conf)
{
	rl.pending = conf;
	rl.state = RELOAD_LISTS;
	lists_begin(conf, &rl.errs);
}

static void
begin(void)
{
	struct config	*conf = rl.pending;
	struct child	*c;
	int64_t		 n = parent.check ? 1 : conf->nsmtpd;

	conf->generation = ++rl.generation;
	conf_assign_ids(conf, reload_conf(), &rl.id);
	rl.state = RELOAD_ASKED;
	while (spawn_count(R_SMTPD) < n)
		spawn_plan_smtpd(parent.ready ? conf->generation : 0);
	while (spawn_count(R_PROXYD) < proxyds_wanted(conf))
		spawn_plan_proxyd(parent.ready ? conf->generation : 0);
	plan_lookupds(conf, parent.ready ? conf->generation : 0);
	if (parent.check)
		listen_check(conf, &rl.errs);
	else if (plog_prepare(&conf->log, &rl.errs) == -1 ||
	    listen_prepare(conf, (unsigned int)n, &rl.errs) == -1) {
		give_up();
		return;
	}
	TAILQ_FOREACH(c, &children, entry)
		if (child_is_wired(c) && !c->leaving)
			send_conf(c, conf);
	spawn_planned();
	timer_set(&rl.timer, parent.ready ? CONF_DEADLINE : START_DEADLINE);
}

void
reload_boot(struct config *conf)
{
	timer_init(&rl.timer, on_deadline, NULL);
	spawn_plan_others();
	make_lists(conf);
}

uint32_t
reload_request(void)
{
	rl.wanted = true;
	return rl.ticket + 1;
}

void
reload_turn(void)
{
	struct config	*conf;

	if (rl.state == RELOAD_LISTS && lists_turn()) {
		if (rl.errs.errors.n > 0)
			drop_pending();
		else
			begin();
	}
	if (!rl.wanted || rl.state != RELOAD_IDLE || parent.stopping)
		return;
	rl.wanted = false;
	rl.ticket++;
	conf = parent_conf_load(parent.file, &parent.macros, &rl.errs, NULL);
	log_lines(&rl.errs.warnings);
	if (conf == NULL)
		finish(0);
	else
		make_lists(conf);
}

void
reload_cancel(void)
{
	if (rl.state == RELOAD_LISTS) {
		lists_cancel();
		drop_pending();
	} else if (rl.state == RELOAD_ASKED)
		give_up();
	else if (rl.state == RELOAD_COMMITTED)
		finish(reload_conf()->generation);
	if (rl.wanted)
		ctl_reload_done(rl.ticket + 1, 0, &rl.errs);
	rl.wanted = false;
}
