/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What happens to a next hop's connection: the dialer's answers, and what
 * the client (smtp_client.h) tells of it.
 *
 * A pooled connection that turns out to be stale before any content went is
 * replaced by a fresh one, once, without the client seeing it: only one that
 * was reused may be.
 */

#include <string.h>

#include "front_hop.h"
#include "log.h"
#include "msg.h"
#include "peer.h"
#include "proto.h"

#define TRIES_MAX	3	/* servers that connect and do not serve */

/* --- from the dialer ------------------------------------------------------ */

static struct hop *
find_dialing(uint64_t id)
{
	struct hop	 key, *h;

	key.id = id;
	h = RB_FIND(hops, &hops, &key);
	return h != NULL && h->state == HOP_DIALING ? h : NULL;
}

int
hop_dial_fd(struct peer *p, struct msg *m)
{
	struct proto_dial_fd	 d;
	struct hop		*h;

	if (get_dial_fd(m, &d) == -1)
		return -1;
	if ((h = find_dialing(m->sid)) == NULL) {
		/* Cancelled meanwhile; the descriptor closes with m. */
		peer_send(p, MSG_DIAL_DONE, m->sid, 0, -1, NULL);
		return 0;
	}
	h->leased = true;
	h->to = d.to;
	(void)strlcpy(h->host, d.host, sizeof(h->host));
	hop_greet(h, msg_take_fd(m));
	return 0;
}

int
hop_dial_err(struct peer *p, struct msg *m)
{
	struct proto_dial_err	 e;
	struct smtp_reply	 r;
	struct hop		*h;

	(void)p;
	if (get_dial_err(m, &e) == -1)
		return -1;
	if ((h = find_dialing(m->sid)) == NULL)
		return 0;
	map_dial(&r, (enum dial_error)e.error, h->remote->mx);
	hop_give_up(h, &r, e.why);
	return 0;
}

void
hop_dialer_up(struct peer *p)
{
	struct hop	*h;

	(void)p;
	/* What we hold first: it counts against what we want. */
	RB_FOREACH(h, hops, &hops)
		if (h->leased)
			hop_ask_dialer(h);
	RB_FOREACH(h, hops, &hops)
		if (h->state == HOP_DIALING)
			hop_ask_dialer(h);
}

/* --- from the connection -------------------------------------------------- */

/*
 * Postfix answers XCLIENT as it would have greeted that client.  554 and what
 * is temporary is about him; other codes say that the command is not for us.
 */
static bool
is_about_client(const struct smtp_reply *theirs)
{
	return theirs != NULL && (theirs->code == 554 ||
	    theirs->code / 100 == 4);
}

/* What the client reads when the connection ended this way. */
static void
end_reply(const struct hop *h, const struct smtp_reply *theirs,
    struct smtp_reply *r)
{
	switch (client_end(h->client)) {
	case END_GARBAGE:
		(void)smtp_reply_fmt(r, "451 4.5.0 protocol error at next "
		    "hop");
		break;
	case END_XCLIENT:
		if (is_about_client(theirs)) {
			map_reply(r, theirs, "",
			    h->remote->reply_text == RTEXT_OWN);
			break;
		}
		log_warnx("%s refuses XCLIENT: %s", h->remote->obj.name,
		    client_why(h->client));
		(void)smtp_reply_fmt(r, "451 4.3.5 next hop does not take our "
		    "word for who you are");
		break;
	case END_AUTH:
		log_warnx("%s does not let us log in: %s",
		    h->remote->obj.name, client_why(h->client));
		(void)smtp_reply_fmt(r, "451 4.3.5 next hop does not let us "
		    "in");
		break;
	case END_TLS:
		(void)smtp_reply_fmt(r, "451 4.7.5 no TLS as required with "
		    "next hop");
		break;
	case END_MEMORY:
		(void)smtp_reply_fmt(r, "451 4.3.0 no memory");
		break;
	case END_LOST:
	case END_TIMEOUT:
	case END_REFUSED:
	case END_QUIT:
	case END_NONE:
		(void)smtp_reply_fmt(r, h->up ?
		    "451 4.4.2 connection to next hop lost" :
		    "451 4.4.1 next hop not reached");
		break;
	}
}

/* Why another connection is tried for this session; NULL: it is not. */
static const char *
another(const struct hop *h, const struct smtp_reply *theirs)
{
	enum client_end	end = client_end(h->client);

	if (!h->clear && h->remote->tls.mode == RTLS_OPPORTUNISTIC &&
	    end == END_TLS)
		return "hop-without-tls";
	if (h->reused && relay_may_replace(h->s))
		return "hop-replaced";
	if (end == END_XCLIENT)
		return h->remote->xclient == XCLIENT_IF_AVAILABLE &&
		    !is_about_client(theirs) ? "hop-without-xclient" : NULL;
	if (!h->up && end != END_TLS && end != END_AUTH && end != END_MEMORY &&
	    (h->remote->mx || h->remote->address.n > 1) &&
	    h->tries < TRIES_MAX)
		return "hop-useless";
	return NULL;
}

/*
 * The connection of a session is gone: another one, or the bad news.  theirs
 * is the reply that ended it, if one did.
 */
static void
lost_busy(struct hop *h, const struct smtp_reply *theirs)
{
	struct smtp_reply	 r;
	enum client_end		 end;
	const char		*event;
	char			 name[320], why[256];
	bool			 useless;

	(void)strlcpy(why, client_why(h->client), sizeof(why));
	if ((event = another(h, theirs)) == NULL) {
		end_reply(h, theirs, &r);
		hop_give_up(h, &r, why);
		return;
	}
	flog_hop(h->s, event, hop_name(h, name, sizeof(name)), why);
	stats.hops_replaced++;
	end = client_end(h->client);
	h->clear = end == END_TLS || (h->clear && end == END_XCLIENT);
	h->plain = !h->reused && (end == END_XCLIENT || h->plain);
	useless = !h->up && end != END_TLS && end != END_XCLIENT &&
	    !h->reused;
	if (useless)
		h->tries++;
	hop_disconnect(h, useless ? DONE_USELESS : 0);
	h->reused = h->spoiled = false;
	h->messages = h->errors = 0;
	h->again = true;
	hop_dial(h);
}

static void
on_closed(struct hop *h, const struct smtp_reply *theirs)
{
	switch (h->state) {
	case HOP_BUSY:
		lost_busy(h, theirs);
		break;
	case HOP_RESETTING:
	case HOP_IDLE:
	case HOP_KEPT:
	case HOP_QUITTING:
	case HOP_DIALING:
		hop_free(h);
		break;
	case HOP_DEAD:
		break;
	}
}

/* The reply to RSET: a server that refuses it is not used again. */
static void
on_reset(struct hop *h, bool good)
{
	switch (h->state) {
	case HOP_RESETTING:
		if (good && (h->s != NULL ? hop_is_keepable(h) :
		    hop_is_reusable(h)))
			hop_rest(h);
		else
			hop_quit(h);
		break;
	case HOP_IDLE:
	case HOP_KEPT:
		if (!good)
			hop_quit(h);
		break;
	case HOP_BUSY:
		if (!good)
			lost_busy(h, NULL);
		break;
	case HOP_DIALING:
	case HOP_QUITTING:
	case HOP_DEAD:
		break;
	}
}

/* Greeted; or XCLIENT was taken, and all is said again behind it. */
static void
on_ready(struct hop *h)
{
	bool	first = !h->ready;

	h->ready = true;
	if (first)
		caps_seen(h->remote, client_extensions(h->client));
	if (h->state != HOP_BUSY)
		return;
	if (!first)
		h->up = true;
	else if (!hop_is_fit(h) || !hop_present(h))
		return;
	relay_hop_up(h->s);
}

void
hop_event(void *arg, enum client_event ev, const struct smtp_reply *r,
    uint32_t tag)
{
	struct hop	*h = arg;

	if (h->state == HOP_DEAD)
		return;
	if (ev == CLIENT_CLOSED) {
		on_closed(h, r);
		return;
	}
	if (ev == CLIENT_READY) {
		on_ready(h);
		return;
	}
	if (ev == CLIENT_RSET) {
		on_reset(h, r->code / 100 == 2);
		return;
	}
	if (h->state != HOP_BUSY)
		return;
	if (r != NULL && r->code == 421) {
		h->stale = true;
		if (h->reused && relay_may_replace(h->s))
			return;		/* CLIENT_CLOSED follows */
	}
	relay_hop_event(h->s, ev, r, tag);
}
