/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Connections to next hops: dialed, used by one session at a time, and kept
 * for the next one.
 *
 * A hop is a lease of the dialer's from the time its descriptor comes until
 * it is freed.  Its states:
 *
 *	DIALING		the dialer was asked
 *	BUSY		a session's; perhaps still being greeted
 *	RESETTING	its session left: answers to it, and RSET, are owed
 *	IDLE		in the pool of its remote (front_pool.c)
 *	KEPT		by its session, for the session's next transaction
 *	QUITTING	QUIT is out
 *	DEAD		freed at the end of the turn
 *
 * Only a connection that owes no reply, but for that to RSET, gets into the
 * pool, so that no answer can reach a session that did not ask.
 *
 * One that may not serve another client (it was told of this one before TLS
 * or by its name in EHLO, or it has refused recipients, which servers count)
 * may serve the same client again.  The session keeps it, one at most, as
 * long as its transactions go there; where connections are few it is closed
 * for those who wait, like one in the pool.
 */

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "front_hop.h"
#include "id.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

#define DIAL_SLACK	5000	/* ms over timeout.connect for the answer */

static int
hop_cmp(struct hop *a, struct hop *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

struct hops		hops = RB_INITIALIZER(&hops);
struct hop_list		hops_dialing = TAILQ_HEAD_INITIALIZER(hops_dialing);
static struct hop_list	dead = TAILQ_HEAD_INITIALIZER(dead);
RB_GENERATE(hops, hop, node, hop_cmp)

size_t
hop_count(void)
{
	return (size_t)stats.hops_now;
}

struct smtp_client *
hop_client(const struct hop *h)
{
	return h->up ? h->client : NULL;
}

const char *
hop_name(const struct hop *h, char *buf, size_t size)
{
	char	to[ADDR_TEXT_MAX];

	if (h->to.family == ADDR_NONE)
		(void)strlcpy(buf, h->domain[0] != '\0' ? h->domain :
		    h->remote->obj.name, size);
	else if (strchr(h->host, ':') != NULL)
		(void)strlcpy(buf, addr_port_text(&h->to, to, sizeof(to)),
		    size);
	else
		(void)snprintf(buf, size, "%s[%s]", h->host,
		    addr_port_text(&h->to, to, sizeof(to)));
	return buf;
}

/* --- life ----------------------------------------------------------------- */

static void
lease_done(struct hop *h, uint32_t how)
{
	struct peer	*dialer = proc_peer(R_DIALER, 0);

	if (h->leased && dialer != NULL)
		peer_send(dialer, MSG_DIAL_DONE, h->id, how, -1, NULL);
	h->leased = false;
}

/* The connection goes; the hop may be dialed again. */
void
hop_disconnect(struct hop *h, uint32_t how)
{
	if (h->client != NULL)
		client_free(h->client);
	h->client = NULL;
	h->ready = h->up = h->unnamed = h->stale = h->wanted = false;
	free(h->told);
	h->told = NULL;
	h->told_caps = 0;
	lease_done(h, how);
}

void
hop_free(struct hop *h)
{
	if (h->state == HOP_DEAD)
		return;
	if (h->state == HOP_IDLE)
		pool_remove(h);
	else if (h->state == HOP_DIALING)
		hop_undial(h);
	hop_unkeep(h);
	h->state = HOP_DEAD;
	timer_del(&h->timer);
	RB_REMOVE(hops, &hops, h);
	hop_disconnect(h, 0);
	TAILQ_INSERT_TAIL(&dead, h, entry);
	stats.hops_now--;
}

void
hop_reap(void)
{
	struct hop	*h;

	while ((h = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, h, entry);
		front_conf_unref(h->conf);
		free(h->domain);
		free(h->helo);
		free(h);
	}
}

void
hop_unkeep(struct hop *h)
{
	if (h->s == NULL || h->s->kept != h)
		return;
	h->s->kept = NULL;
	if (h->state != HOP_KEPT)
		return;
	timer_del(&h->timer);
	stats.hops_idle--;
}

void
hop_quit(struct hop *h)
{
	if (h->state == HOP_IDLE)
		pool_remove(h);
	hop_unkeep(h);
	h->s = NULL;
	if (client_owes(h->client)) {
		/* The reply to RSET first; then on_reset comes here. */
		h->spoiled = true;
		h->state = HOP_RESETTING;
		return;
	}
	h->state = HOP_QUITTING;
	client_quit(h->client);
}

void
hop_ask_dialer(struct hop *h)
{
	struct proto_dial	 d = { .remote = h->remote->obj.id };
	struct peer		*dialer = proc_peer(R_DIALER, 0);
	struct wbuf		 w = { 0 };

	if (dialer == NULL)
		return;		/* hop_dialer_up asks */
	if (h->s != NULL)
		d.session = h->s->sid;
	(void)strlcpy(d.domain, h->domain, sizeof(d.domain));
	put_dial(&w, &d);
	peer_send(dialer, h->leased ? MSG_DIAL_HOLD : MSG_DIAL_REQ, h->id, 0,
	    -1, &w);
}

/* A new question under a new id: answers to an old one find nobody. */
void
hop_dial(struct hop *h)
{
	RB_REMOVE(hops, &hops, h);
	h->id = id_new();
	RB_INSERT(hops, &hops, h);
	h->state = HOP_DIALING;
	TAILQ_INSERT_TAIL(&hops_dialing, h, entry);
	timer_set(&h->timer, h->remote->timeout.connect + DIAL_SLACK);
	stats.hops_dialed++;
	hop_ask_dialer(h);
}

void
hop_undial(struct hop *h)
{
	TAILQ_REMOVE(&hops_dialing, h, entry);
	timer_del(&h->timer);
}

static void
cancel_dial(struct hop *h)
{
	struct peer	*dialer = proc_peer(R_DIALER, 0);

	if (dialer != NULL)
		peer_send(dialer, MSG_DIAL_CANCEL, h->id, 0, -1, NULL);
}

/* No connection is to be had: tell the session, if there still is one. */
void
hop_give_up(struct hop *h, const struct smtp_reply *r, const char *why)
{
	struct session	*s = h->s;
	char		 name[320];

	stats.hops_failed++;
	if (s != NULL)
		flog_hop(s, "hop-failed", hop_name(h, name, sizeof(name)),
		    why);
	hop_free(h);
	if (s != NULL)
		relay_hop_lost(s, r);
}

static void
on_timer(void *arg)
{
	struct hop		*h = arg;
	struct smtp_reply	 r;

	switch (h->state) {
	case HOP_DIALING:
		cancel_dial(h);
		(void)smtp_reply_fmt(&r, "451 4.4.1 next hop not reached");
		hop_give_up(h, &r, "the dialer does not answer");
		break;
	case HOP_IDLE:
	case HOP_KEPT:
		hop_quit(h);
		break;
	case HOP_BUSY:
	case HOP_RESETTING:
	case HOP_QUITTING:
	case HOP_DEAD:
		break;
	}
}

/* A connection that served before is this session's now. */
void
hop_own(struct hop *h, struct session *s)
{
	h->state = HOP_BUSY;
	h->s = s;
	h->reused = true;
	h->up = h->wanted = false;
	client_rebind(h->client, s->sid, hop_event, h);
	stats.hops_reused++;
	(void)hop_present(h);
}

/* The one that the session keeps, if it leads there; else it goes. */
static struct hop *
take_kept(struct session *s, const struct conf_remote *remote,
    const char *domain)
{
	struct hop	*h = s->kept;

	if (h == NULL)
		return NULL;
	if (h->state != HOP_KEPT || h->remote->obj.id != remote->obj.id ||
	    strcmp(h->domain, domain) != 0 ||
	    strcmp(h->helo, hop_helo(h)) != 0 ||
	    hop_suits(h, s) == SUIT_NO) {
		hop_quit(h);
		return NULL;
	}
	hop_unkeep(h);
	return h;
}

struct hop *
hop_get(struct session *s, struct conf_remote *remote)
{
	static char	 none[] = "";
	char		*domain = s->tx->mx_domain;
	struct hop	*h;

	if (domain == NULL)
		domain = none;
	if ((h = take_kept(s, remote, domain)) != NULL ||
	    (h = pool_take(remote->obj.id, domain, s)) != NULL) {
		hop_own(h, s);
		return h;
	}
	if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->domain = strdup(domain)) == NULL) {
		free(h);
		return NULL;
	}
	h->s = s;
	h->conf = front_conf_ref(s->conf);
	h->remote = remote;
	timer_init(&h->timer, on_timer, h);
	h->id = id_new();
	RB_INSERT(hops, &hops, h);
	stats.hops_now++;
	hop_dial(h);
	return h;
}

/* The connection is a session's that had none. */
void
hop_take_over(struct hop *h, struct hop *waiting)
{
	struct session	*s = waiting->s;

	cancel_dial(waiting);
	hop_free(waiting);
	hop_own(h, s);
	relay_hop_given(s, h);
}

/* Has it served as much as it may? */
static bool
is_used_up(const struct hop *h)
{
	const struct conf_remote_limits	*l = &h->remote->limits;

	return (l->messages != 0 && h->messages >= l->messages) ||
	    (l->errors != 0 && h->errors >= l->errors);
}

/* What it was told of a client would stand if it takes no other words. */
static bool
can_tell_again(const struct hop *h)
{
	return (h->told_caps & ~client_extensions(h->client)) == 0;
}

bool
hop_is_reusable(const struct hop *h)
{
	return h->ready && !h->spoiled && h->conf == proc_conf() &&
	    !front_is_draining() && !is_used_up(h) && can_tell_again(h) &&
	    strcmp(h->remote->helo, "client") != 0 && !h->plain &&
	    h->remote->proxy_protocol == RPROXY_OFF;
}

bool
hop_is_keepable(const struct hop *h)
{
	return h->ready && h->s != NULL && !h->s->ending &&
	    !front_is_draining() && !is_used_up(h) && can_tell_again(h);
}

void
hop_rest(struct hop *h)
{
	if (h->s == NULL)
		pool_put(h);
	else if (h->wanted)
		hop_quit(h);
	else {
		h->state = HOP_KEPT;
		timer_set(&h->timer, h->remote->timeout.idle);
		stats.hops_idle++;
	}
}

/*
 * The session left in the envelope.  Where nothing but the RSET is owed, the
 * next one may pipeline its MAIL behind it; else old answers come first.
 */
static void
reset(struct hop *h)
{
	bool	owes = client_owes(h->client);

	if (client_rset(h->client) == -1)
		hop_free(h);
	else if (owes)
		h->state = HOP_RESETTING;
	else
		hop_rest(h);
}

/* Its session keeps it, in place of the one before. */
static void
keep(struct hop *h)
{
	struct session	*s = h->s;

	if (s->kept != NULL)
		hop_quit(s->kept);
	s->kept = h;
}

void
hop_release(struct hop *h, bool message_done)
{
	if (message_done)
		h->messages++;
	if (h->state == HOP_DIALING) {
		cancel_dial(h);
		hop_free(h);
		return;
	}
	if (!h->ready || h->stale) {
		hop_free(h);
		return;
	}
	h->unnamed = false;
	if (hop_is_reusable(h))
		h->s = NULL;
	else if (hop_is_keepable(h))
		keep(h);
	else {
		hop_quit(h);
		return;
	}
	if (client_is_idle(h->client))
		hop_rest(h);
	else
		reset(h);
}

void
hop_leave(struct session *s)
{
	if (s->kept != NULL)
		hop_quit(s->kept);
}

void
hop_abort(struct hop *h)
{
	if (h->state == HOP_DIALING)
		cancel_dial(h);
	h->s = NULL;
	hop_free(h);
}

void
hop_saw_error(struct hop *h, bool to_rcpt)
{
	h->errors++;
	if (to_rcpt)
		h->spoiled = true;
}
