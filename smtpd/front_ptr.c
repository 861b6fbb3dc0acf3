/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The name of a client's address, as DNS has it and confirms it: asked of
 * verifyd, once in a session, when somebody wants to be told.
 *
 * That it is not known is an answer too: no name (there is none, or we are
 * told not to look), or none now (DNS or verifyd does not answer in time).
 * A session that waits is told by hop_name_known.
 */

#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

#define PTR_SLACK	1000	/* ms over resolver.timeout for the answer */

struct ptr {
	RB_ENTRY(ptr)	 node;		/* until it is known; by sid */
	uint64_t	 sid;		/* the session's */
	struct session	*s;
	struct timer	 timer;
	bool		 known;
	bool		 later;		/* not now */
	char		*name;		/* NULL = none */
};

static int
ptr_cmp(struct ptr *a, struct ptr *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

static RB_HEAD(ptrs, ptr)	ptrs = RB_INITIALIZER(&ptrs);
RB_PROTOTYPE(ptrs, ptr, node, ptr_cmp)
RB_GENERATE(ptrs, ptr, node, ptr_cmp)

/* The answer, or that none comes. */
static void
settle(struct ptr *p, const char *name, bool later)
{
	RB_REMOVE(ptrs, &ptrs, p);
	timer_del(&p->timer);
	p->known = true;
	p->later = later;
	if (name != NULL && (p->name = strdup(name)) == NULL)
		p->later = true;
	flog_name(p->s, p->name != NULL ? p->name : "", p->later);
	hop_name_known(p->s);
}

static void
on_timer(void *arg)
{
	settle(arg, NULL, true);
}

int
ptr_told(struct peer *peer, struct msg *m)
{
	struct proto_ptr_ans	 a;
	struct ptr		 key, *p;

	(void)peer;
	if (get_ptr_ans(m, &a) == -1)
		return -1;
	key.sid = m->sid;
	/* Too late, or for a session that is gone. */
	if ((p = RB_FIND(ptrs, &ptrs, &key)) == NULL)
		return 0;
	switch ((enum dns_status)a.status) {
	case DNS_OK:
	case DNS_NONE:
		settle(p, a.name[0] != '\0' ? a.name : NULL, false);
		break;
	case DNS_FAIL:
	case DNS_TIMEOUT:
	case DNS_STATUS_COUNT:
		settle(p, NULL, true);
		break;
	}
	return 0;
}

void
ptr_verifyd_down(void)
{
	struct ptr	*p;

	while ((p = RB_MIN(ptrs, &ptrs)) != NULL)
		settle(p, NULL, true);
}

static void
ask(struct session *s, struct peer *verifyd)
{
	struct proto_ptr	 q = { .addr = s->remote };
	struct wbuf		 w = { 0 };
	struct ptr		*p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return;
	p->sid = s->sid;
	p->s = s;
	timer_init(&p->timer, on_timer, p);
	timer_set(&p->timer, s->conf->resolver.timeout + PTR_SLACK);
	RB_INSERT(ptrs, &ptrs, p);
	s->ptr = p;
	q.timeout = (uint32_t)s->conf->resolver.timeout;
	put_ptr(&w, &q);
	peer_send(verifyd, MSG_PTR_ASK, s->sid, 0, -1, &w);
}

bool
ptr_get(struct session *s, const char **name, bool *later)
{
	struct peer	*verifyd = proc_peer(R_VERIFYD, 0);

	*name = NULL;
	*later = false;
	if (s->conf->session.reverse_dns == RDNS_NEVER ||
	    (s->remote.family != ADDR_V4 && s->remote.family != ADDR_V6))
		return true;
	if (s->ptr == NULL && verifyd != NULL)
		ask(s, verifyd);
	if (s->ptr == NULL) {
		*later = true;
		return true;
	}
	*name = s->ptr->name;
	*later = s->ptr->later;
	return s->ptr->known;
}

bool
ptr_known(const struct session *s, const char **name)
{
	*name = s->ptr == NULL ? NULL : s->ptr->name;
	return s->ptr != NULL && s->ptr->known && !s->ptr->later;
}

void
ptr_early(struct session *s)
{
	const char	*name;
	bool		 later;

	if (s->ptr == NULL && (caps_any_name() ||
	    s->conf->session.reverse_dns == RDNS_ALWAYS))
		(void)ptr_get(s, &name, &later);
}

void
ptr_forget(struct session *s)
{
	struct ptr	*p = s->ptr;

	if (p == NULL)
		return;
	s->ptr = NULL;
	timer_del(&p->timer);
	if (!p->known)
		RB_REMOVE(ptrs, &ptrs, p);
	free(p->name);
	free(p);
}
