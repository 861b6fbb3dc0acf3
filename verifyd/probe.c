/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The connections to remotes that are asked for mailboxes.
 *
 * Nothing is sent when a probe is queued, but at the end of the turn: what
 * came in one turn leaves in one write.  Connections are made as the queue
 * asks for them, `probes' at most, and end when they were idle.  They are
 * leases of the dialer's.
 *
 * A connection belongs to a generation of the configuration.  At a commit
 * those that rest end, and the others once they are answered; what is still
 * sent when the generation goes is asked again under the next one.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "id.h"
#include "io.h"
#include "msg.h"
#include "peer.h"
#include "probe_private.h"
#include "proc.h"
#include "tlsctx.h"

#define DIAL_SLACK	5000	/* ms over timeout.connect for the answer */

static int
link_cmp(struct link *a, struct link *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

static RB_HEAD(by_id, link)	links = RB_INITIALIZER(&links);
RB_PROTOTYPE(by_id, link, by_id, link_cmp)
RB_GENERATE(by_id, link, by_id, link_cmp)
static struct links		dead = LIST_HEAD_INITIALIZER(dead);
static struct {
	uint64_t	dials;
	size_t		links, adhoc;
} count;

/* --- connections ---------------------------------------------------------- */

static void
lease_done(struct link *l, uint32_t how)
{
	struct peer	*dialer = proc_peer(R_DIALER, 0);

	if (l->leased && dialer != NULL)
		peer_send(dialer, MSG_DIAL_DONE, l->id, how, -1, NULL);
	l->leased = false;
}

void
link_free(struct link *l, uint32_t how)
{
	if (l->state == LINK_DEAD)
		return;
	l->state = LINK_DEAD;
	timer_del(&l->timer);
	client_free(l->client);
	l->client = NULL;
	lease_done(l, how);
	RB_REMOVE(by_id, &links, l);
	LIST_REMOVE(l, entry);
	LIST_INSERT_HEAD(&dead, l, entry);
	l->target->nlinks--;
	count.links--;
	count.adhoc -= adhoc_is(l->target->id);
	target_mark(l->target);
}

static void
reap(void)
{
	struct link	*l;

	while ((l = LIST_FIRST(&dead)) != NULL) {
		LIST_REMOVE(l, entry);
		free(l->sender);
		free(l);
	}
}

static void
cancel_dial(struct link *l)
{
	struct peer	*dialer = proc_peer(R_DIALER, 0);

	if (dialer != NULL)
		peer_send(dialer, MSG_DIAL_CANCEL, l->id, 0, -1, NULL);
}

static void
on_timer(void *arg)
{
	struct link	*l = arg;
	struct target	*t = l->target;

	if (l->state == LINK_DIALLING) {
		cancel_dial(l);
		link_free(l, 0);
		target_failed(t, AT_CONNECT, "the dialer does not answer");
	} else
		link_finish(l);
}

/* A host that is no remote; the dialer counts no such leases. */
static void
ask_for_host(struct peer *dialer, const struct link *l)
{
	struct proto_dial_host	d = { .session = l->id };
	struct wbuf		w = { 0 };

	adhoc_where(l->target->remote, d.host, &d.port);
	d.timeout = (uint32_t)l->target->remote->timeout.connect;
	put_dial_host(&w, &d);
	peer_send(dialer, MSG_DIAL_HOST, l->id, 0, -1, &w);
}

static void
ask_dialer(struct link *l)
{
	struct proto_dial	 d = { .remote = l->target->id };
	struct peer		*dialer = proc_peer(R_DIALER, 0);
	struct wbuf		 w = { 0 };

	if (dialer == NULL)
		return;		/* probe_dialer_up asks */
	if (adhoc_is(l->target->id)) {
		if (!l->leased)
			ask_for_host(dialer, l);
		return;
	}
	put_dial(&w, &d);
	peer_send(dialer, l->leased ? MSG_DIAL_HOLD : MSG_DIAL_REQ, l->id, 0,
	    -1, &w);
}

/* Under a new id: answers to an old question find nobody. */
void
link_dial(struct link *l)
{
	lease_done(l, 0);
	RB_REMOVE(by_id, &links, l);
	l->id = id_new();
	RB_INSERT(by_id, &links, l);
	l->state = LINK_DIALLING;
	timer_set(&l->timer, l->target->remote->timeout.connect + DIAL_SLACK);
	count.dials++;
	ask_dialer(l);
}

static bool
link_new(struct target *t)
{
	struct link	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return false;
	l->target = t;
	TAILQ_INIT(&l->sent);
	timer_init(&l->timer, on_timer, l);
	l->id = id_new();
	RB_INSERT(by_id, &links, l);
	LIST_INSERT_HEAD(&t->links, l, entry);
	t->nlinks++;
	count.links++;
	count.adhoc += adhoc_is(t->id);
	link_dial(l);
	return true;
}

static struct link *
link_dialling(uint64_t id)
{
	struct link	 key = { .id = id }, *l;

	l = RB_FIND(by_id, &links, &key);
	return l != NULL && l->state == LINK_DIALLING ? l : NULL;
}

/* --- from the dialer ------------------------------------------------------ */

int
probe_dial_fd(struct peer *p, struct msg *m)
{
	struct proto_dial_fd	 d;
	struct link		*l;

	if (get_dial_fd(m, &d) == -1)
		return -1;
	if ((l = link_dialling(m->sid)) == NULL) {
		/* Given up meanwhile; the descriptor closes with m. */
		peer_send(p, MSG_DIAL_DONE, m->sid, 0, -1, NULL);
		return 0;
	}
	l->leased = true;
	l->to = d.to;
	(void)strlcpy(l->host, d.host, sizeof(l->host));
	link_greet(l, msg_take_fd(m));
	return 0;
}

/* What it could not be dialled for. */
static enum look_at
where(enum dial_error error)
{
	switch (error) {
	case DIAL_NO_ADDRESS:
	case DIAL_DNS:
	case DIAL_NO_DOMAIN:
	case DIAL_NULL_MX:
	case DIAL_FORBIDDEN:
		return AT_RESOLVE;
	case DIAL_UNKNOWN_REMOTE:
	case DIAL_REFUSED:
	case DIAL_TIMEOUT:
	case DIAL_LIMIT:
	case DIAL_HELD:
	case DIAL_LOOP:
	case DIAL_ERROR_COUNT:
		break;
	}
	return AT_CONNECT;
}

int
probe_dial_err(struct peer *p, struct msg *m)
{
	struct proto_dial_err	 e;
	struct target		*t;
	struct link		*l;

	(void)p;
	if (get_dial_err(m, &e) == -1)
		return -1;
	if ((l = link_dialling(m->sid)) == NULL)
		return 0;
	t = l->target;
	link_free(l, 0);
	target_failed(t, where((enum dial_error)e.error), e.why);
	return 0;
}

/* Somebody waits for a connection to there: an idle one makes room. */
int
probe_dial_want(struct peer *p, struct msg *m)
{
	struct proto_dial	 d;
	struct target		*t;
	struct link		*l;

	(void)p;
	if (get_dial(m, &d) == -1)
		return -1;
	if ((t = target_find(d.remote)) == NULL)
		return 0;
	LIST_FOREACH(l, &t->links, entry)
		if (l->state == LINK_UP && l->nsent == 0) {
			link_finish(l);
			break;
		}
	return 0;
}

void
probe_dialer_up(void)
{
	struct link	*l;

	/* What we hold first: it counts against what we want. */
	RB_FOREACH(l, by_id, &links)
		if (l->leased)
			ask_dialer(l);
	RB_FOREACH(l, by_id, &links)
		if (l->state == LINK_DIALLING)
			ask_dialer(l);
}

/* --- turns ---------------------------------------------------------------- */

/* Send what the connections take: those that rest before those at work. */
static void
feed(struct target *t, bool busy)
{
	struct probe	*p;
	struct link	*l;

	LIST_FOREACH(l, &t->links, entry) {
		if ((l->nsent > 0) != busy)
			continue;
		while ((p = target_first(t)) != NULL && link_takes(l, p)) {
			target_unqueue(t, p);
			link_send(l, p);
		}
	}
}

/* Is all that is queued going to be sent soon, on what there is? */
static bool
is_served(const struct target *t)
{
	const struct link	*l;

	if (!TAILQ_EMPTY(&t->waited))
		return false;
	LIST_FOREACH(l, &t->links, entry)
		if (l->state == LINK_UP && !l->over && !link_is_slow(l) &&
		    l->nsent < link_depth(t))
			return true;
	return false;
}

/*
 * NULL: there may be one more.  Where there are as many as may be one that
 * rests goes for it, which is soon.
 */
static const char *
no_link(const struct target *t)
{
	struct link	*l;

	if (!adhoc_is(t->id) || count.adhoc < ADHOC_LINKS)
		return NULL;
	RB_FOREACH(l, by_id, &links)
		if (adhoc_is(l->target->id) && l->state == LINK_UP &&
		    l->nsent == 0) {
			link_finish(l);
			return NULL;
		}
	return "too many connections to hosts of scripts";
}

/* As many more as the queue is worth. */
static void
dial_more(struct target *t)
{
	size_t		 each, coming = 0, want;
	const char	*why;
	struct link	*l;

	if (t->nqueued == 0 || (t->nlinks > 0 && timer_is_set(&t->pause)) ||
	    is_served(t))
		return;
	each = t->one_by_one ? 1 : (size_t)t->remote->limits.recipients;
	want = (t->nqueued + each - 1) / each;
	LIST_FOREACH(l, &t->links, entry)
		coming += l->state == LINK_DIALLING ||
		    l->state == LINK_GREETING;
	while (coming < want && t->nlinks < (size_t)t->remote->probes) {
		if ((why = no_link(t)) == NULL && !link_new(t))
			why = "no memory";
		if (why != NULL) {
			if (t->nlinks == 0)
				target_flush(t, AT_CONNECT, why);
			return;
		}
		coming++;
	}
}

void
probe_turn(void)
{
	struct target	*t;

	while ((t = target_marked()) != NULL) {
		feed(t, false);
		feed(t, true);
		dial_more(t);
	}
	reap();
}

/* --- generations ---------------------------------------------------------- */

int
probe_prepare(struct config *conf, struct proto_conf_err *err)
{
	struct conf_remote	*r;
	size_t			 i;

	for (i = 0; i < conf->remotes.n; i++) {
		r = (struct conf_remote *)(void *)conf->remotes.v[i];
		if (r->tls.mode == RTLS_OFF || r->mx)
			continue;
		if ((r->obj.priv = tlsctx_remote_new(r, err->why,
		    sizeof(err->why))) == NULL)
			return -1;
	}
	return 0;
}

/* What is said in the greeting may be another thing now. */
void
probe_commit(void)
{
	struct link	*l, *next;

	RB_FOREACH_SAFE(l, by_id, &links, next)
		if (l->state != LINK_DIALLING)
			link_finish(l);
}

static bool
is_of(const struct config *conf, const struct conf_remote *remote)
{
	return conf_find_id(&conf->remotes, remote->obj.id) == &remote->obj;
}

static void
leave_links(struct target *t, const struct config *conf, bool all)
{
	struct link	*l, *next;

	LIST_FOREACH_SAFE(l, &t->links, entry, next) {
		if (!all && (l->client == NULL || !is_of(conf, l->remote)))
			continue;
		if (l->state == LINK_DIALLING)
			cancel_dial(l);
		link_take_back(l);
		link_free(l, 0);
	}
}

/* It goes: on to the newest that has the remote, or no further. */
static void
leave(struct target *t, const struct config *conf)
{
	const struct conf_remote	*now;

	if (adhoc_is(t->id))
		return;
	now = (const struct conf_remote *)(void *)proc_conf_obj(
	    offsetof(struct config, remotes), t->id);
	if (now != NULL && is_of(conf, now))
		now = NULL;
	leave_links(t, conf, now == NULL);
	reap();
	if (!is_of(conf, t->remote))
		return;
	if (now != NULL)
		t->remote = now;
	else
		target_leave(t);
}

void
probe_release(struct config *conf)
{
	size_t	i;

	target_each(leave, conf);
	for (i = 0; i < conf->remotes.n; i++) {
		tlsctx_remote_free(conf->remotes.v[i]->priv);
		conf->remotes.v[i]->priv = NULL;
	}
}

/* --- the process ---------------------------------------------------------- */

void
probe_stop(void)
{
	struct link	*l;

	RB_FOREACH(l, by_id, &links)
		if (l->state == LINK_UP && l->nsent == 0)
			link_finish(l);
	io_flush_all();
}

int
probe_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.probe.dials %llu\n"
	    "verifyd.probe.connections %zu\n"
	    "verifyd.script.connections %zu\n",
	    (unsigned long long)count.dials, count.links, count.adhoc);
}

int
probe_show(uint32_t remote, char *text, size_t size)
{
	const struct target	*t = target_find(remote);
	const struct link	*l;
	const char		*name;
	size_t			 busy = 0;
	int64_t			 left = 0;

	text[0] = '\0';
	if (t == NULL)
		return 0;
	name = t->remote->obj.name;
	LIST_FOREACH(l, &t->links, entry)
		busy += l->nsent > 0;
	if (t->hold != 0 && (left = mono_diff(t->until, mono_now())) < 0)
		left = 0;
	return snprintf(text, size, "route %s probes %zu\n"
	    "route %s probes.busy %zu\nroute %s questions %zu\n"
	    "route %s state %s\nroute %s hold %lld\n", name, t->nlinks, name,
	    busy, name, t->nprobes, name, t->hold != 0 ? t->why : "up", name,
	    (long long)(left + 999) / 1000);
}
