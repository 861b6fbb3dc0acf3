/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Relaying: the envelope's questions to the next hop.
 *
 * What goes upstream is printed from what was parsed.  MAIL and the first
 * RCPT leave together, further RCPTs and DATA as soon as the client has
 * said them, so that a pipelining client is pipelined through; the answers
 * find their slots, and the replies leave in order.  Recipients that are
 * vouched for wait for the first who is not, or for DATA: front_vouch.c.
 *
 * Every answer to the client can end the session (an error too many, a
 * client that does not read): after slot_answer the transaction is looked
 * at again before it is used.
 */

#include "front_hook.h"
#include "front_limit.h"
#include "front_relay.h"
#include "log.h"

/* --- the envelope --------------------------------------------------------- */

/* Answer one recipient, and those that repeat it.  false: the session ended. */
static bool
answer_rcpt(struct session *s, size_t i, unsigned int flags,
    const struct smtp_reply *r)
{
	struct tx		*tx = s->tx;
	bool			 ok = r->code / 100 == 2;
	struct smtp_reply	 soft;
	struct slot		*slot;
	size_t			 k;

	for (k = i; k < tx->nrcpts; k++) {
		if (k != i && tx->rcpts[k].same != i + 1)
			continue;
		if ((slot = tx->rcpts[k].slot) == NULL)
			continue;
		tx->rcpts[k].slot = NULL;
		tx->rcpts[k].state = ok && k == i ? RC_OK : RC_NO;
		tx->pending--;
		if (ok && k == i) {
			tx->accepted++;
			hook_accepted(s, &tx->rcpts[k]);
		}
		if (!ok)
			charge_back(s, &tx->rcpts[k]);
		if (ok)
			stats.rcpt_accepted++;
		else
			stats.rcpt_refused++;
		soft = ok && tx->rcpts[i].said != NULL ? *tx->rcpts[i].said :
		    *r;
		reply_soften(s, tx->rcpts[k].normal, &soft);
		flog_rcpt(s, tx->rcpts[k].addr, &soft,
		    ok || r->passed ? "hop_reply" : "hop");
		tx->rcpts[k].again = ok && k != i;
		slot_answer(s, slot, k == i ? flags : 0, &soft);
		if (s->tx != tx)
			return false;
	}
	return true;
}

/* Answer all that wait with the same words.  false: the session ended. */
static bool
answer_all(struct session *s, const struct smtp_reply *r)
{
	struct tx	*tx = s->tx;
	size_t		 i;

	for (i = 0; i < tx->nrcpts; i++)
		if (tx->rcpts[i].slot != NULL && !answer_rcpt(s, i, 0, r))
			return false;
	return true;
}

void
relay_warn(const struct session *s, const char *what,
    const struct smtp_reply *theirs)
{
	if (smtp_is_our_fault(theirs->code))
		log_warnx("%s answers our %s with %d %s",
		    s->tx->remote->obj.name, what, theirs->code,
		    theirs->text);
}

unsigned int
relay_refusal_flags(struct session *s)
{
	if (!session_has_more(s))
		return 0;
	s->why = "octets behind a refused DATA";
	return REPLY_CLOSE;
}

void
relay_refuse_data(struct session *s, const struct smtp_reply *r)
{
	struct slot		*slot = s->tx->data_slot;
	struct smtp_reply	 soft = *r;

	if (s->tx->chunks.on) {
		body_swallow(s, r, s->tx->lost_close);
		return;
	}
	reply_soften(s, NULL, &soft);
	flog_message(s, &soft, soft.code / 100 == 4 ? "deferred" : "refused");
	if (soft.code / 100 == 4)
		stats.messages_deferred++;
	else
		stats.messages_refused++;
	session_reset(s);
	slot_answer(s, slot, relay_refusal_flags(s), &soft);
}

void
relay_doom(struct session *s, const struct smtp_reply *r)
{
	/* What was said first is the answer to all that comes. */
	if (s->tx->lost != NULL)
		return;
	tx_keep(&s->tx->lost, r);
	if (!answer_all(s, r))
		return;
	if (s->tx->phase == TX_DATA)
		relay_refuse_data(s, r);
}

/*
 * A connection, if there is none yet.  false: there can be none, and *r is
 * what is said of it.
 */
static bool
want_hop(struct session *s, struct smtp_reply *r)
{
	struct tx	*tx = s->tx;

	if (tx->lost != NULL) {
		*r = *tx->lost;
		return false;
	}
	if (tx->hop != NULL || (tx->hop = hop_get(s, tx->remote)) != NULL)
		return true;
	(void)smtp_reply_fmt(r, "451 4.3.0 no memory");
	tx_keep(&tx->lost, r);
	return false;
}

void
relay_rcpt(struct session *s)
{
	struct smtp_reply	r;

	if (want_hop(s, &r))
		relay_push(s);
	else
		(void)answer_rcpt(s, s->tx->nrcpts - 1, 0, &r);
}

void
relay_ask_data(struct session *s)
{
	struct smtp_reply	r;

	s->tx->phase = TX_DATA;
	session_wait(s, WAIT_HOP, 0);
	if (want_hop(s, &r))
		relay_push(s);
	else
		relay_refuse_data(s, &r);
}

void
relay_data(struct session *s)
{
	if ((s->tx->data_slot = slot_new(s)) == NULL)
		session_end(s, "no memory");
	else
		relay_ask_data(s);
}

/* One recipient; false: the connection is closing, or the session ended. */
static bool
push_rcpt(struct session *s, struct smtp_client *c, size_t i)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	char			 params[640];

	if (params_lack_rcpt(&tx->rcpts[i], client_extensions(c), &r)) {
		if (!tx->rcpts[i].told)
			return answer_rcpt(s, i, 0, &r);
		vouch_lacking(s, &tx->rcpts[i], &r);
		return true;
	}
	tx->rcpts[i].state = RC_SENT;
	params_rcpt(&tx->rcpts[i], client_extensions(c), params,
	    sizeof(params));
	return client_rcpt(c, tx->rcpts[i].addr, params, (uint32_t)i) == 0;
}

/* Why there can be no content; false: there can. */
static bool
is_hopeless(const struct tx *tx, struct smtp_reply *r)
{
	if (tx->broken)
		vouch_reply(tx, r);
	else if (tx->accepted == 0)
		(void)smtp_reply_fmt(r, "554 5.5.1 no valid recipients");
	else
		return false;
	return true;
}

/*
 * May DATA stand behind RCPTs without replies?  Not where it costs no round
 * trip to await them, or where one of them is refused already: a 354 would
 * cost the connection.
 */
static bool
may_run_ahead(struct session *s, const struct smtp_client *c)
{
	return (client_extensions(c) & EXT_PIPELINING) != 0 &&
	    !s->tx->broken && !body_passes_chunks(s);
}

/* DATA; or chunks, before which all must be known. */
static void
push_data(struct session *s, struct smtp_client *c)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if (client_owes(c) && !may_run_ahead(s, c))
		return;
	if (!client_owes(c) && is_hopeless(tx, &r))
		relay_refuse_data(s, &r);
	else if (body_passes_chunks(s))
		body_begin(s);
	else {
		tx->data_sent = true;
		(void)client_data(c);
	}
}

/* MAIL; false: the transaction cannot go there, or the connection closes. */
static bool
push_mail(struct session *s, struct smtp_client *c)
{
	struct tx		*tx = s->tx;
	struct hop		*h = tx->hop;
	struct smtp_reply	 r;
	char			 params[256];

	if (params_lack(tx, client_extensions(c), &r)) {
		tx->hop = NULL;
		hop_release(h, false);
		relay_doom(s, &r);
		return false;
	}
	tx->mailed = true;
	params_mail(tx, client_extensions(c), params, sizeof(params));
	return client_mail(c, tx->sender, params) == 0;
}

void
relay_push(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_client	*c = tx->hop == NULL ? NULL :
				    hop_client(tx->hop);

	if (c == NULL)
		return;
	if (!tx->mailed && !push_mail(s, c))
		return;
	for (; tx->next < tx->nrcpts; tx->next++)
		if (tx->rcpts[tx->next].state == RC_NEW &&
		    !push_rcpt(s, c, tx->next))
			return;
	if (tx->phase == TX_DATA && !tx->data_sent)
		push_data(s, c);
}

bool
relay_may_replace(const struct session *s)
{
	return s->tx != NULL && s->tx->phase <= TX_DATA &&
	    s->tx->lost == NULL;
}

void
relay_hop_up(struct session *s)
{
	struct tx	*tx = s->tx;
	size_t		 i;

	tx->mailed = tx->data_sent = false;
	tx->next = 0;
	for (i = 0; i < tx->nrcpts; i++) {
		if (tx->rcpts[i].again)
			continue;
		if (tx->rcpts[i].state == RC_OK)
			tx->rcpts[i].told = true;
		if (tx->rcpts[i].state == RC_OK ||
		    (tx->rcpts[i].state == RC_SENT && tx->rcpts[i].same == 0))
			tx->rcpts[i].state = RC_NEW;
	}
	relay_push(s);
}

void
relay_hop_given(struct session *s, struct hop *h)
{
	s->tx->hop = h;
	if (hop_client(h) != NULL)
		relay_hop_up(s);
}

/* The reply to a RCPT. */
static void
rcpt_answered(struct session *s, const struct smtp_reply *theirs, size_t i)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	bool			 ok = theirs->code / 100 == 2;

	/* Behind a refused MAIL it says nothing of the recipient. */
	if (i >= tx->nrcpts || tx->rcpts[i].state != RC_SENT ||
	    tx->lost != NULL)
		return;
	if (!ok)
		hop_saw_error(tx->hop, theirs->code / 100 == 5);
	relay_warn(s, "RCPT", theirs);
	if (tx->rcpts[i].told && ok)
		tx->rcpts[i].state = RC_OK;
	else if (tx->rcpts[i].told)
		vouch_refused(s, &tx->rcpts[i], theirs);
	else {
		map_reply(&r, theirs, "2.1.5",
		    tx->remote->reply_text == RTEXT_OWN);
		vouch_live_refused(s, &tx->rcpts[i], theirs);
		if (!answer_rcpt(s, i, map_is_unknown(theirs,
		    tx->remote) &&
		    !tx->rcpts[i].postmaster ? REPLY_COUNTED : 0, &r))
			return;
	}
	/* DATA may have waited for this. */
	if (tx->phase == TX_DATA)
		relay_push(s);
}

static void
mail_answered(struct session *s, const struct smtp_reply *theirs)
{
	struct smtp_reply	r;

	if (theirs->code / 100 == 2) {
		/* DATA may have waited for this alone. */
		if (s->tx->phase == TX_DATA)
			relay_push(s);
		return;
	}
	hop_saw_error(s->tx->hop, false);
	relay_warn(s, "MAIL", theirs);
	map_reply(&r, theirs, "2.0.0",
	    s->tx->remote->reply_text == RTEXT_OWN);
	relay_doom(s, &r);
}

/* --- DATA ----------------------------------------------------------------- */

static void
data_answered(struct session *s, const struct smtp_reply *theirs)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	bool			 hopeless = is_hopeless(tx, &r);

	if (!hopeless && theirs->code == 354) {
		body_begin(s);
		return;
	}
	/* What it says to DATA for nobody is no news. */
	if (!hopeless) {
		map_reply(&r, theirs, "2.0.0",
		    tx->remote->reply_text == RTEXT_OWN);
		relay_warn(s, "DATA", theirs);
	}
	if (theirs->code != 354) {
		hop_saw_error(tx->hop, false);
		/* Refused: the connection is whole, RSET ends the rest. */
		tx->data_sent = false;
	}
	relay_refuse_data(s, &r);
}

/* --- what comes from the connection --------------------------------------- */

void
relay_hop_event(struct session *s, enum client_event ev,
    const struct smtp_reply *r, uint32_t tag)
{
	struct tx	*tx = s->tx;

	switch (ev) {
	case CLIENT_MAIL:
		mail_answered(s, r);
		break;
	case CLIENT_RCPT:
		rcpt_answered(s, r, tag);
		break;
	case CLIENT_DATA:
		if (tx->phase == TX_DATA)
			data_answered(s, r);
		break;
	case CLIENT_CHUNK:
		if (tx->phase == TX_BODY)
			body_chunk_answered(s, r);
		break;
	case CLIENT_END:
		if (tx->phase == TX_VERDICT)
			verdict_take(s, r, tag);
		break;
	case CLIENT_DRAINED:
		if (s->flags & SF_FULL) {
			s->flags &= ~(unsigned int)SF_FULL;
			io_resume(&s->io);
		}
		break;
	case CLIENT_READY:
	case CLIENT_RSET:
	case CLIENT_OTHER:
	case CLIENT_CLOSED:
		break;
	}
}

void
relay_hop_lost(struct session *s, const struct smtp_reply *r)
{
	struct tx	*tx = s->tx;

	tx->hop = NULL;
	switch (tx->phase) {
	case TX_ENVELOPE:
	case TX_DATA:
		relay_doom(s, r);
		break;
	case TX_BODY:
		body_swallow(s, r, false);
		break;
	case TX_VERDICT:
		verdict_lost(s, r);
		break;
	case TX_SWALLOW:
		break;
	}
}

void
relay_abandon(struct tx *tx)
{
	struct hop	*h = tx->hop;

	if (h == NULL)
		return;
	tx->hop = NULL;
	/* Between chunks a RSET is enough; in the content nothing is. */
	if (tx->data_sent || tx->chunks.open)
		hop_abort(h);
	else
		hop_release(h, false);
}
