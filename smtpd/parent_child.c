/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the children say, and how they are wired.
 *
 * links[] are the pipes between children.  When one comes up it gets a new
 * pair with every process that it is linked to, so a respawned child is
 * wired like the first one and the others need not know the difference.
 *
 * Any of them may have been taken over by whoever talks to it, so each
 * message is checked against what we asked; one that has no business here
 * makes its handler return -1, and peer.c has the sender ended.  None of
 * them can make the parent do more than note a number, or send what it
 * would have sent anyway.
 *
 * A child that is up is pinged; it hangs when several pings in a row have
 * no answer.  Counted in pings, not by the clock: when we have been away
 * ourselves, the answers are waiting behind the timer.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <stddef.h>

#include "log.h"
#include "parent.h"
#include "proto_script.h"

#define ACCUSED_AGAIN	1000	/* ms */
#define LOG_BURST	(1024 * 1024)	/* octets of log of one child, */
#define LOG_PER_MS	1000		/* and so many more each ms */

/* Who may talk to whom, beside us to all. */
static const struct {
	unsigned int	a, b;
} links[] = {
	{ R_SMTPD, R_DIALER },
	{ R_SMTPD, R_VERIFYD },
	{ R_SMTPD, R_PROXYD },
	{ R_PROXYD, R_VERIFYD },
	{ R_PROXYD, R_LOOKUPD },
	{ R_VERIFYD, R_DIALER },
	{ R_VERIFYD, R_RESOLVED },
	{ R_VERIFYD, R_LOOKUPD },
	{ R_LOOKUPD, R_RESOLVED },
	{ R_DIALER, R_RESOLVED }
};

static bool
is_linked(unsigned int a, unsigned int b)
{
	size_t	i;

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if ((links[i].a == a && links[i].b == b) ||
		    (links[i].a == b && links[i].b == a))
			return true;
	return false;
}

/* Scripts have statements of their own only where they are let in. */
static bool
has_no_scripts(const struct child *c)
{
	const struct conf_datasource	*ds = reload_source(c->source);

	return c->prog->role == R_LOOKUPD && (ds == NULL || !ds->scripts);
}

static bool
may_talk(const struct child *a, const struct child *b)
{
	if (!is_linked(a->prog->role, b->prog->role))
		return false;
	if (a->prog->role == R_PROXYD)
		return !has_no_scripts(b);
	return b->prog->role != R_PROXYD || !has_no_scripts(a);
}

static void
send_peer(struct child *to, const struct child *other, int fd)
{
	struct proto_peer	pp;
	struct wbuf		w = { 0 };

	pp.role = other->prog->role;
	pp.index = other->index;
	put_peer(&w, &pp);
	peer_send(&to->peer, MSG_PEER, 0, 0, fd, &w);
}

/* A new pair for two; it replaces the one that they had. */
static int
wire_two(struct child *a, struct child *b)
{
	int	pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1) {
		log_warn("socketpair");
		return -1;
	}
	send_peer(a, b, pair[0]);
	send_peer(b, a, pair[1]);
	return 0;
}

/* -n: only a query may have to be tried, at a host with a name. */
static bool
is_for_check(const struct child *a, const struct child *b)
{
	return a->prog->role + b->prog->role == R_LOOKUPD + R_RESOLVED;
}

/* A pair with everybody it is linked to. */
static void
child_wire(struct child *c)
{
	struct child	*o;

	TAILQ_FOREACH(o, &children, entry) {
		if (o == c || !child_is_wired(o) || !may_talk(c, o) ||
		    (parent.check && !is_for_check(c, o)))
			continue;
		if (wire_two(c, o) == -1) {
			child_kill(c, "cannot be wired");
			return;
		}
	}
}

/* A script may have found a way to hang: proxyd is looked after closely. */
static int64_t
ping_every(const struct child *c)
{
	return c->prog->role == R_PROXYD ? PING_PROXYD : PING_EVERY;
}

static int
on_ready(struct peer *p, struct msg *m)
{
	struct child	*c = p->arg;

	if (c->state != CHILD_STARTING || get_end(&m->body) == -1)
		return -1;
	if (c->leaving)			/* and killed already */
		return 0;
	c->state = CHILD_UP;
	timer_set(&c->timer, ping_every(c));
	plog_feed(c);
	/*
	 * Whoever is asked must know by then what about: its configuration
	 * stands before the pipes on which questions come.  One that takes
	 * clients has to have somebody to ask first.
	 */
	if (c->prog->role != R_SMTPD)
		reload_feed(c);
	child_wire(c);
	if (c->prog->role == R_SMTPD)
		reload_feed(c);
	return 0;
}

static int
on_conf_ok(struct peer *p, struct msg *m)
{
	if (get_end(&m->body) == -1)
		return -1;
	return reload_answer(p->arg, m->seq, NULL);
}

static int
on_conf_err(struct peer *p, struct msg *m)
{
	struct proto_conf_err	err;

	if (get_conf_err(m, &err) == -1)
		return -1;
	return reload_answer(p->arg, m->seq, &err);
}

static int
on_conf_note(struct peer *p, struct msg *m)
{
	struct proto_conf_note	note;

	if (get_conf_note(m, &note) == -1)
		return -1;
	return reload_note(p->arg, m->seq, &note);
}

static int
on_pong(struct peer *p, struct msg *m)
{
	struct child	*c = p->arg;

	/* In order, and none that was not asked. */
	if (m->seq != c->pong + 1 || m->seq > c->ping ||
	    get_end(&m->body) == -1)
		return -1;
	c->pong = m->seq;
	reload_progress();
	return 0;
}

static int
on_gen_ended(struct peer *p, struct msg *m)
{
	if (get_end(&m->body) == -1)
		return -1;
	return reload_ended(p->arg, m->seq);
}

static int
on_log_lost(struct peer *p, struct msg *m)
{
	(void)p;
	if (get_end(&m->body) == -1)
		return -1;
	plog_lost();
	return 0;
}

/* May it write so much now? */
static bool
has_log_room(struct child *c, size_t n)
{
	if (!mono_is_set(c->log_at))
		c->log_room = LOG_BURST;
	else
		c->log_room += mono_diff(mono_now(), c->log_at) * LOG_PER_MS;
	c->log_at = mono_now();
	if (c->log_room > LOG_BURST)
		c->log_room = LOG_BURST;
	if (c->log_room < (int64_t)n)
		return false;
	c->log_room -= (int64_t)n;
	return true;
}

/*
 * proxyd has no descriptor for its log: its lines are written here.  How many
 * there are is up to scripts, and to whoever they serve, so what is too much
 * for any log is counted and not written.
 */
static int
on_log(struct peer *p, struct msg *m)
{
	struct child	*c = p->arg;
	const uint8_t	*lines;
	size_t		 i, n;

	lines = get_blob(&m->body, &n);
	if (get_end(&m->body) == -1 || n > LOG_LINES_MAX || n == 0 ||
	    lines[n - 1] != '\n')
		return -1;
	if (has_log_room(c, n)) {
		log_foreign((const char *)lines, n);
		return 0;
	}
	for (i = 0; i < n; i++)
		c->log_dropped += lines[i] == '\n';
	return 0;
}

void
child_log_dropped(struct child *c)
{
	if (c->log_dropped == 0)
		return;
	log_warnx("%s: %lu lines of its log were too many, and are lost",
	    child_name(c), c->log_dropped);
	c->log_dropped = 0;
}

/*
 * One accuses another.  We cannot know who is right: they get a new pipe,
 * and where that happens again at once the accused is started anew, with
 * the backoff of those that do not last.
 */
static int
on_peer_broke(struct peer *p, struct msg *m)
{
	struct child		*c = p->arg, *o;
	struct proto_peer	 pp;

	if (get_peer_broke(m, &pp) == -1)
		return -1;
	TAILQ_FOREACH(o, &children, entry)
		if (o->prog->role == pp.role && o->index == pp.index)
			break;
	if (o == NULL || !may_talk(c, o))
		return -1;
	if (!child_is_wired(o) || !child_is_wired(c))
		return 0;	/* it is gone, or going */
	if (mono_is_set(o->accused) &&
	    mono_diff(mono_now(), o->accused) < ACCUSED_AGAIN)
		child_kill(o, "broke the rules twice");
	else
		(void)wire_two(c, o);
	o->accused = mono_now();
	return 0;
}

const struct peer_handler	child_handlers[] = {
	{ MSG_READY,		on_ready },
	{ MSG_CONF_OK,		on_conf_ok },
	{ MSG_CONF_ERR,		on_conf_err },
	{ MSG_CONF_NOTE,	on_conf_note },
	{ MSG_PONG,		on_pong },
	{ MSG_GEN_ENDED,	on_gen_ended },
	{ MSG_LOG_LOST,		on_log_lost },
	{ MSG_LOG,		on_log },
	{ MSG_PEER_BROKE,	on_peer_broke },
	{ MSG_UNIX_REQ,		unix_request },
	{ MSG_CACHE_WANT,	cache_want },
	{ MSG_CACHE_DONE,	cache_done },
	{ 0,			NULL }
};

void
child_ping(struct child *c)
{
	peer_send(&c->peer, MSG_PING, 0, ++c->ping, -1, NULL);
}

/*
 * How many may have no answer.  A script may have the processor to itself for
 * script-limits.cpu; proxyd ends itself when one has it four times as long.
 */
static uint32_t
pings_allowed(const struct child *c)
{
	const struct config	*conf = reload_conf();

	if (c->prog->role != R_PROXYD || conf == NULL)
		return PINGS_MISSED;
	return PINGS_MISSED +
	    (uint32_t)(4 * conf->script_limits.cpu / PING_PROXYD);
}

void
child_ping_due(struct child *c)
{
	child_log_dropped(c);
	if (c->ping - c->pong >= pings_allowed(c)) {
		child_kill(c, "hangs");
		return;
	}
	child_ping(c);
	timer_set(&c->timer, ping_every(c));
}

bool
child_is_settled(const struct child *c)
{
	return child_is_wired(c) && c->sync != 0 && c->pong >= c->sync;
}

void
children_verbose(bool on)
{
	struct proto_flag	 f = { .on = on };
	struct wbuf		 w;
	struct child		*c;

	parent.verbose = on;
	log_verbose(on);
	TAILQ_FOREACH(c, &children, entry) {
		if (!child_is_wired(c))
			continue;
		w = (struct wbuf){ 0 };
		put_flag(&w, &f);
		peer_send(&c->peer, MSG_VERBOSE, 0, 0, -1, &w);
	}
}
