/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Sessions, as smtpd tells of them: opened before their first call, changed
 * by what stands at the head of each, and over when smtpd says so or is gone.
 *
 * Numbers of sessions are their smtpd's, so that none can name another's.
 * What is not to be expected of an smtpd (a session opened twice, or closed
 * and never opened) makes it a broken peer.  Without memory for what a session
 * tells, its scripts fail and it goes on.
 */

#include <sys/tree.h>

#include <stdlib.h>

#include "log.h"
#include "script.h"

#define SESSIONS_MAX	1000000

static int
sess_cmp(const struct sess *a, const struct sess *b)
{
	if (a->peer != b->peer)
		return (uintptr_t)a->peer < (uintptr_t)b->peer ? -1 : 1;
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

static RB_HEAD(sessions, sess)	sessions = RB_INITIALIZER(&sessions);
static size_t			nsessions;

RB_PROTOTYPE(sessions, sess, node, sess_cmp)
RB_GENERATE(sessions, sess, node, sess_cmp)

size_t
sess_count(void)
{
	return nsessions;
}

struct sess *
sess_find(const struct peer *p, uint64_t sid)
{
	struct sess	key = { .sid = sid };

	/* Only compared. */
	key.peer = (struct peer *)(uintptr_t)p;
	return RB_FIND(sessions, &sessions, &key);
}

static struct sess *
sess_new(struct peer *p, uint64_t sid)
{
	struct sess	*s;

	if (nsessions >= SESSIONS_MAX || (s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->owner = owner_new((size_t)call_limits()->memory);
	if (s->owner == NULL) {
		free(s);
		return NULL;
	}
	s->peer = p;
	s->sid = sid;
	s->env = LUA_NOREF;
	hook_session_init(&s->view);
	(void)RB_INSERT(sessions, &sessions, s);
	nsessions++;
	return s;
}

static void
sess_free(struct sess *s)
{
	if (s->call != NULL)
		call_cancel(s->call);
	lua_sess_over(s);
	owner_gone(s->owner);
	hook_session_clear(&s->view);
	RB_REMOVE(sessions, &sessions, s);
	nsessions--;
	free(s);
}

int
sess_fields(struct sess *s, struct rbuf *r)
{
	bool	nomem;

	if (hook_get_fields(r, &s->view, &nomem) == 0)
		return 0;
	if (nomem)
		s->broken = true;
	return nomem ? 0 : -1;
}

int
sess_open(struct peer *p, struct msg *m)
{
	struct sess	*s = sess_find(p, m->sid);

	if (s == NULL && (s = sess_new(p, m->sid)) == NULL)
		return -1;
	if (s->call != NULL)
		return -1;
	if (s->broken)
		return 0;
	if (sess_fields(s, &m->body) == -1 ||
	    (!s->broken && get_end(&m->body) == -1))
		return -1;
	return 0;
}

int
sess_close(struct peer *p, struct msg *m)
{
	struct sess	*s;

	if (get_end(&m->body) == -1 || (s = sess_find(p, m->sid)) == NULL)
		return -1;
	sess_free(s);
	return 0;
}

void
sess_peer_down(struct peer *p)
{
	struct sess	key = { .peer = p }, *s, *next;

	for (s = RB_NFIND(sessions, &sessions, &key);
	    s != NULL && s->peer == p; s = next) {
		next = RB_NEXT(sessions, &sessions, s);
		sess_free(s);
	}
}
