/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions of a session to other processes.
 *
 * A question is known by its number, which is never used twice while one of
 * that number is out, and by the session's id.  It ends in one of four ways:
 * it is answered, its pipe is lost, its deadline passes, or the session ends;
 * what comes in for it afterwards is dropped.  The session is always told
 * from the event loop and never from inside ask_send, so that whoever asks
 * may go on with what it was doing.
 *
 * A question may be quiet: the session goes on meanwhile, and is told
 * whatever it does then.  ask_attend makes an ordinary one of it.
 *
 * A session reads nothing while it asks.  That the next hop answers meanwhile
 * to what was asked before is possible, and can begin a tarpit; an answer
 * that comes in during one is kept until it is over (ask_resume).
 *
 * What comes in is looked at here, whole, before it is told: a process that
 * sends nonsense is broken, and no asker has to deal with that.
 */

#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_ask.h"
#include "front_hook.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

#define GRACE		2000		/* ms; those asked have their own end */
#define LONGEST		280000		/* ms; a client waits 5 minutes (RFC
					   5321, section 4.5.3.2) */
#define DEPTH		8		/* directories that name directories */
#define ANSWER		50		/* from a question's number to its
					   answer's: proto.h */

struct ask {
	LIST_ENTRY(ask)	 entry;		/* of its session */
	RB_ENTRY(ask)	 node;
	uint32_t	 seq;
	unsigned int	 role;		/* who is asked */
	unsigned int	 index;
	uint16_t	 type;		/* 0: that one of them be there */
	bool		 quiet;		/* nobody waits for it */
	bool		 kept;		/* over, but not told yet: */
	uint8_t		*answer;	/* of a kept one; NULL: cannot tell */
	size_t		 len;
	struct session	*s;
	void		(*done)(struct session *, struct msg *);
	struct timer	 timer;
};

static int
ask_cmp(const struct ask *a, const struct ask *b)
{
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static RB_HEAD(asks, ask)	asks = RB_INITIALIZER(&asks);
static uint32_t			last;

RB_PROTOTYPE(asks, ask, node, ask_cmp)
RB_GENERATE(asks, ask, node, ask_cmp)

static void
ask_free(struct ask *a)
{
	timer_del(&a->timer);
	LIST_REMOVE(a, entry);
	RB_REMOVE(asks, &asks, a);
	free(a->answer);
	free(a);
}

void
ask_forget(struct session *s)
{
	while (!LIST_EMPTY(&s->asks))
		ask_free(LIST_FIRST(&s->asks));
	while (!LIST_EMPTY(&s->quiet))
		ask_free(LIST_FIRST(&s->quiet));
}

/* Not now: keep what is to be told.  Without memory nobody can tell. */
static void
keep(struct ask *a, const struct msg *m)
{
	timer_del(&a->timer);
	a->kept = true;
	if (m == NULL)
		return;
	a->len = (size_t)(m->body.end - m->body.p);
	if ((a->answer = malloc(a->len + 1)) != NULL)
		memcpy(a->answer, m->body.p, a->len);
}

/* The one place where a question ends with a word to the session. */
static void
tell(struct ask *a, struct msg *m)
{
	struct session	*s = a->s;
	void		(*done)(struct session *, struct msg *) = a->done;

	if (s->wait == WAIT_TARPIT && !a->quiet) {
		keep(a, m);
		return;
	}
	ask_free(a);
	done(s, m);
	if (s->wait == WAIT_ASK && LIST_EMPTY(&s->asks))
		session_go(s);
}

void
ask_resume(struct session *s)
{
	struct ask	*a, copy;
	struct msg	 m = { .fd = -1 };

	while (s->wait != WAIT_TARPIT) {
		LIST_FOREACH(a, &s->asks, entry)
			if (a->kept)
				break;
		if (a == NULL)
			return;
		copy = *a;
		a->answer = NULL;
		m.type = copy.type + ANSWER;
		m.sid = s->sid;
		m.seq = copy.seq;
		rbuf_init(&m.body, copy.answer, copy.len);
		tell(a, copy.answer == NULL ? NULL : &m);
		free(copy.answer);
	}
}

/* Lost, or late. */
static void
ask_timer(void *arg)
{
	tell(arg, NULL);
}

/* No command takes longer than its client waits, however much it asks. */
static int64_t
time_left(const struct session *s, int64_t timeout)
{
	int64_t	left = LONGEST - command_age(s);

	if (left < 0)
		left = 0;
	return timeout < left ? timeout : left;
}

/* A question of this session; NULL: it ended. */
static struct ask *
ask_new(struct session *s, bool quiet, unsigned int role, uint16_t type,
    void (*done)(struct session *, struct msg *))
{
	struct ask	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		session_end(s, "no memory");
		return NULL;
	}
	a->quiet = quiet;
	a->s = s;
	a->role = role;
	a->type = type;
	a->done = done;
	timer_init(&a->timer, ask_timer, a);
	do
		a->seq = ++last;
	while (RB_INSERT(asks, &asks, a) != NULL);
	if (quiet)
		LIST_INSERT_HEAD(&s->quiet, a, entry);
	else
		LIST_INSERT_HEAD(&s->asks, a, entry);
	return a;
}

/* The question leaves; false: the session ended. */
static bool
send_out(struct session *s, bool quiet, struct peer *p, unsigned int role,
    uint16_t type, struct wbuf *body, int64_t timeout,
    void (*done)(struct session *, struct msg *))
{
	struct ask	*a;

	if ((a = ask_new(s, quiet, role, type, done)) == NULL) {
		wbuf_clear(body);
		return false;
	}
	a->index = p == NULL ? 0 : p->index;
	if (p == NULL || !wire_ok(body)) {
		wbuf_clear(body);
		timer_set(&a->timer, 0);
	} else {
		peer_send(p, type, s->sid, a->seq, -1, body);
		timer_set(&a->timer, time_left(s, timeout));
	}
	return true;
}

void
ask_send(struct session *s, unsigned int role, uint16_t type,
    struct wbuf *body, int64_t timeout,
    void (*done)(struct session *, struct msg *))
{
	if (send_out(s, false, proc_peer(role, 0), role, type, body, timeout,
	    done) && s->wait == WAIT_NONE)
		session_wait(s, WAIT_ASK, 0);
}

void
ask_peer(struct session *s, struct peer *p, uint16_t type, struct wbuf *body,
    int64_t timeout, void (*done)(struct session *, struct msg *))
{
	if (send_out(s, false, p, p->role, type, body, timeout, done) &&
	    s->wait == WAIT_NONE)
		session_wait(s, WAIT_ASK, 0);
}

void
ask_for_peer(struct session *s, unsigned int role, int64_t timeout,
    void (*done)(struct session *, struct msg *))
{
	struct ask	*a;

	if ((a = ask_new(s, false, role, 0, done)) == NULL)
		return;
	timer_set(&a->timer, time_left(s, timeout));
	if (s->wait == WAIT_NONE)
		session_wait(s, WAIT_ASK, 0);
}

void
ask_quietly(struct session *s, unsigned int role, uint16_t type,
    struct wbuf *body, int64_t timeout,
    void (*done)(struct session *, struct msg *))
{
	(void)send_out(s, true, proc_peer(role, 0), role, type, body, timeout,
	    done);
}

void
ask_attend(struct session *s)
{
	struct ask	*a;

	while ((a = LIST_FIRST(&s->quiet)) != NULL) {
		LIST_REMOVE(a, entry);
		a->quiet = false;
		LIST_INSERT_HEAD(&s->asks, a, entry);
	}
	if (s->wait == WAIT_NONE && !LIST_EMPTY(&s->asks))
		session_wait(s, WAIT_ASK, 0);
}

/* --- how long an answer may take ------------------------------------------ */

static int64_t	object_wait(const struct config *, enum lookup_kind,
		    const struct conf_obj *, int depth);

static int64_t
path_wait(const struct config *conf, const char *path, int depth)
{
	const struct conf_obj	*o;
	enum lookup_kind	 kind;
	const char		*query;

	if (path == NULL || depth > DEPTH ||
	    (o = conf_lookup(conf, path, &kind, &query)) == NULL)
		return 0;
	return object_wait(conf, kind, o, depth);
}

/* A domain; and of an address the whole, the cut one, and @domain. */
static int64_t
directory_wait(const struct config *conf, const struct conf_directory *d,
    int depth)
{
	const struct conf_obj	*o = NULL;
	enum lookup_kind	 kind = LOOK_NONE;
	int64_t			 each = 0, domain;

	switch ((enum directory_type)d->type) {
	case DIR_SQL:
	case DIR_CDB:
		if (d->datasource != NULL)
			o = conf_find(&conf->datasources, d->datasource);
		kind = LOOK_DB;
		break;
	case DIR_REMOTE:
		if (d->remote != NULL)
			o = conf_find(&conf->remotes, d->remote);
		kind = LOOK_REMOTE;
		break;
	case DIR_LIST:
		break;
	}
	if (o != NULL)
		each = object_wait(conf, kind, o, depth);
	domain = d->domains == NULL ? each :
	    path_wait(conf, d->domains, depth + 1);
	return domain + (kind == LOOK_REMOTE ? 1 : 3) * each;
}

static int64_t
object_wait(const struct config *conf, enum lookup_kind kind,
    const struct conf_obj *o, int depth)
{
	const struct conf_remote	*r;

	switch (kind) {
	case LOOK_DB:
		return ((const struct conf_datasource *)(const void *)o)->
		    timeout;
	case LOOK_REMOTE:
		/* What verifyd gives a question, dialogue and all. */
		r = (const struct conf_remote *)(const void *)o;
		return r->timeout.connect + r->timeout.command;
	case LOOK_DIRECTORY:
		return directory_wait(conf,
		    (const struct conf_directory *)(const void *)o, depth);
	case LOOK_NONE:
	case LOOK_LIST:
	case LOOK_KIND_COUNT:
		break;
	}
	return 0;
}

int64_t
ask_wait(const struct config *conf, const char *path)
{
	int64_t	wait = path_wait(conf, path, 0);

	return wait < ASK_TIMEOUT - GRACE ? ASK_TIMEOUT : wait + GRACE;
}

/* --- answers -------------------------------------------------------------- */

/* The items of a STATE_ANS, of which its getter takes the head only. */
static int
check_state(struct msg *m)
{
	struct proto_state_ans	ans;
	size_t			n;
	uint32_t		i;

	if (get_state_ans(m, &ans) == -1)
		return -1;
	for (i = 0; ans.op == STATE_GET && i < ans.n; i++) {
		(void)get_bool(&m->body);
		(void)get_blob(&m->body, &n);
	}
	return get_end(&m->body);
}

/* The lines of a LOOKUP_ANS, of which its getter takes the first only. */
static int
check_lookup(struct msg *m)
{
	struct proto_lookup_ans	ans;
	char			line[LOOK_KEY_MAX];
	uint32_t		i;

	if (get_lookup_ans(m, &ans) == -1)
		return -1;
	for (i = 1; i < ans.n; i++)
		get_line(&m->body, line, sizeof(line));
	return get_end(&m->body);
}

/* Is it what it says that it is?  Takes the payload. */
static int
check_answer(struct msg *m)
{
	struct proto_judge_ans	judge;
	struct proto_ptr_ans	ptr;

	switch (m->type) {
	case MSG_JUDGE_ANS:
		return get_judge_ans(m, &judge);
	case MSG_LOOKUP_ANS:
		return check_lookup(m);
	case MSG_PTR_ANS:
		return get_ptr_ans(m, &ptr);
	case MSG_STATE_ANS:
		return check_state(m);
	case MSG_HOOK_VERDICT:
		return hook_check(m);
	}
	return -1;
}

int
ask_answer(struct peer *p, struct msg *m)
{
	struct ask	 key = { .seq = m->seq }, *a;
	struct msg	 look = *m;

	if (check_answer(&look) == -1)
		return -1;
	a = RB_FIND(asks, &asks, &key);
	if (a == NULL || a->kept || a->role != p->role ||
	    a->index != p->index || a->s->sid != m->sid)
		return 0;
	if (m->type != a->type + ANSWER)
		return -1;
	if (m->type == MSG_HOOK_VERDICT &&
	    hook_check_for(a->s, m->seq) == -1)
		return -1;
	tell(a, m);
	return 0;
}

void
ask_peer_down(struct peer *p)
{
	struct ask	*a;

	RB_FOREACH(a, asks, &asks)
		if (a->role == p->role && a->index == p->index &&
		    a->type != 0 && !a->kept)
			timer_set(&a->timer, 0);
}

void
ask_peer_up(struct peer *p)
{
	struct ask	*a;

	RB_FOREACH(a, asks, &asks)
		if (a->role == p->role && a->type == 0 && !a->kept)
			timer_set(&a->timer, 0);
}
