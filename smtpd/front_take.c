/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a session takes of what all workers share: STATE_TAKE and its kin.
 *
 * Of rates it is charged to, those of a command are undone unless the command
 * keeps them, so that a row which refuses behind the throttles has nothing to
 * know of them; and those of a recipient, if the next hop refuses it.  What
 * a session holds it holds to its end.
 *
 * verifyd forgets what is held when it dies: each session keeps what it
 * holds, in the form of the message that tells the next one.
 */

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_limit.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

struct holds {
	struct charge	 held;		/* items with a period of 0 */
	struct charge	*asked;		/* a TAKE that is out */
	struct charge	*riding;	/* a JUDGE's rates */
	struct charge	*charged;	/* rates, for the present command */
	bool		 told;		/* verifyd has heard of us */
};

/* --- messages ------------------------------------------------------------- */

static void
put_take(struct wbuf *w, enum state_op op, const struct charge *c)
{
	struct proto_state	q = { .op = (uint8_t)op };

	q.n = c == NULL ? 0 : c->n;
	put_state(w, &q);
	if (c != NULL)
		charge_put(w, c);
}

/* One that is not answered. */
static void
tell(const struct session *s, enum state_op op, const struct charge *c)
{
	struct peer	*p = proc_peer(R_VERIFYD, 0);
	struct wbuf	 w = { .data = NULL };

	if (p == NULL)
		return;
	put_take(&w, op, c);
	if (wire_ok(&w))
		peer_send(p, MSG_STATE, s->sid, 0, -1, &w);
	wbuf_clear(&w);
}

static struct holds *
holds_of(struct session *s)
{
	if (s->holds == NULL)
		s->holds = calloc(1, sizeof(*s->holds));
	return s->holds;
}

void
take_ask(struct session *s, bool quiet, struct charge *c,
    void (*done)(struct session *, struct msg *))
{
	struct holds	*h = holds_of(s);
	struct wbuf	 w = { .data = NULL };

	if (h == NULL) {
		charge_free(c);
		session_end(s, "no memory");
		return;
	}
	charge_free(h->asked);
	h->asked = c;
	h->told = true;
	put_take(&w, STATE_TAKE, c);
	(quiet ? ask_quietly : ask_send)(s, R_VERIFYD, MSG_STATE, &w,
	    ASK_TIMEOUT, done);
}

/* Sort out what was asked for: it is held, or charged, which may be undone. */
static void
sort_out(struct session *s, struct charge *c, bool undo)
{
	struct holds		*h = s->holds;
	struct proto_rate	 r;
	struct rbuf		 items;

	rbuf_init(&items, c->items.data, c->items.len);
	while (get_end(&items) == -1 && get_rate(&items, &r) == 0) {
		if (r.period == 0)
			charge_add(&h->held, &r);
		else if (undo && (h->charged != NULL ||
		    (h->charged = charge_new()) != NULL))
			charge_add(h->charged, &r);
	}
}

bool
take_told(struct session *s, struct msg *m, bool undo, uint32_t *over)
{
	struct proto_state_ans	 ans;
	struct charge		*c = s->holds->asked;

	*over = 0;
	if (m == NULL || get_state_ans(m, &ans) == -1 ||
	    ans.op != STATE_TAKE || ans.n != c->n)
		return false;
	s->holds->asked = NULL;
	*over = ans.over;
	if (ans.over == 0)
		sort_out(s, c, undo);
	charge_free(c);
	return true;
}

void
take_hold(struct session *s, const struct charge *c)
{
	struct holds	*h = holds_of(s);

	if (h == NULL || c->n == 0)
		return;
	put_raw(&h->held.items, c->items.data, c->items.len);
	h->held.n += c->n;
	h->told = true;
	tell(s, STATE_HELD, &h->held);
}

/* --- what is held --------------------------------------------------------- */

bool
take_has(const struct session *s, const void *key, size_t klen)
{
	struct proto_rate	r;
	struct rbuf		items;

	if (s->holds == NULL)
		return false;
	rbuf_init(&items, s->holds->held.items.data,
	    s->holds->held.items.len);
	while (get_end(&items) == -1 && get_rate(&items, &r) == 0)
		if (r.klen == klen && memcmp(r.key, key, klen) == 0)
			return true;
	return false;
}

uint32_t
take_held(const struct session *s)
{
	return s->holds == NULL ? 0 : s->holds->held.n;
}

void
take_end(struct session *s)
{
	struct holds	*h = s->holds;

	if (h == NULL)
		return;
	charge_over(s);
	if (h->told)
		tell(s, STATE_FREE, NULL);
	s->holds = NULL;
	charge_free(h->asked);
	charge_free(h->riding);
	wbuf_clear(&h->held.items);
	free(h);
}

static void
tell_held(struct session *s, void *arg)
{
	(void)arg;
	if (take_held(s) > 0)
		tell(s, STATE_HELD, &s->holds->held);
}

void
take_verifyd_up(struct peer *p)
{
	(void)p;
	session_each(tell_held, NULL);
}

/* --- what was charged ----------------------------------------------------- */

void
charge_ride(struct session *s, struct charge *c)
{
	struct holds	*h = holds_of(s);

	if (h == NULL) {
		charge_free(c);
		return;
	}
	charge_free(h->riding);
	h->riding = c;
}

void
charge_rode(struct session *s, uint32_t n)
{
	struct holds		*h = s->holds;
	struct proto_rate	 r;
	struct rbuf		 items;

	if (h == NULL || h->riding == NULL)
		return;
	rbuf_init(&items, h->riding->items.data, h->riding->items.len);
	for (; n > 0 && get_end(&items) == -1 && get_rate(&items, &r) == 0;
	    n--)
		if (h->charged != NULL || (h->charged = charge_new()) != NULL)
			charge_add(h->charged, &r);
	charge_free(h->riding);
	h->riding = NULL;
}

void
charge_keep(struct session *s, struct rcpt *r)
{
	struct charge	*c;

	if (s->holds == NULL || (c = s->holds->charged) == NULL)
		return;
	s->holds->charged = NULL;
	if (r == NULL)
		charge_free(c);
	else
		r->charge = c;
}

void
charge_back(struct session *s, struct rcpt *r)
{
	if (r->charge == NULL)
		return;
	tell(s, STATE_BACK, r->charge);
	charge_free(r->charge);
	r->charge = NULL;
}

void
charge_over(struct session *s)
{
	struct charge	*c;

	if (s->holds == NULL || (c = s->holds->charged) == NULL)
		return;
	s->holds->charged = NULL;
	tell(s, STATE_BACK, c);
	charge_free(c);
}
