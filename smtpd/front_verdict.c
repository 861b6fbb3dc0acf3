/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The next hop's last word on a message, and what the client reads.
 *
 * A next hop that speaks SMTP says one word, one that speaks LMTP one for
 * each recipient that it accepted (RFC 2033, section 4.2).  A client of an
 * LMTP listener hears the same for each of its accepted RCPTs, in their
 * order, those that it repeated included; a client of SMTP one word for all:
 * 250 if all are, the first refusal if all are refused for good, 451 if all
 * are put off.  What is mixed goes to front_mixed.c.
 *
 * From the moment that the reply is known the transaction is over: it is
 * freed before anything is said, as saying it can end the session.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front_relay.h"
#include "id.h"

static bool
hop_is_lmtp(const struct session *s)
{
	return s->tx->remote != NULL && s->tx->remote->protocol == PROTO_LMTP;
}

static bool
client_is_lmtp(const struct session *s)
{
	return s->listener->protocol == PROTO_LMTP;
}

/* --- the end of the transaction ------------------------------------------- */

/* Our id behind the words of a 250. */
static void
sign(const struct session *s, struct smtp_reply *r)
{
	char	id[ID_TEXT_MAX], tail[40];

	if (r->code != 250)
		return;
	(void)snprintf(tail, sizeof(tail), " (postern %s)",
	    id_text(s->sid, id));
	if (strlen(r->text) + strlen(tail) >= sizeof(r->text))
		r->text[sizeof(r->text) - strlen(tail) - 1] = '\0';
	(void)strlcat(r->text, tail, sizeof(r->text));
}

/* What is said, once the transaction is no more. */
struct last_words {
	struct smtp_reply	*r;
	size_t			 n;
};

/* The verdict on recipient i: its own, or the message's. */
static const struct smtp_reply *
verdict_of(const struct tx *tx, size_t i, const struct smtp_reply *all)
{
	if (tx->rcpts[i].again)
		i = tx->rcpts[i].same - 1;
	return tx->rcpts[i].verdict != NULL ? tx->rcpts[i].verdict : all;
}

/* A reply for each RCPT that was accepted, or one for all. */
static int
gather(const struct session *s, const struct smtp_reply *all,
    struct last_words *w)
{
	const struct tx	*tx = s->tx;
	size_t		 i, max = client_is_lmtp(s) ? tx->nrcpts : 1;

	w->n = 0;
	if ((w->r = calloc(max + 1, sizeof(*w->r))) == NULL)
		return -1;
	for (i = 0; client_is_lmtp(s) && i < tx->nrcpts; i++)
		if (tx->rcpts[i].state == RC_OK || tx->rcpts[i].again ||
		    tx->rcpts[i].told)
			w->r[w->n++] = *verdict_of(tx, i, all);
	if (!client_is_lmtp(s))
		w->r[w->n++] = *all;
	return 0;
}

/* The message has its answer: from here the transaction is over. */
static void
finish(struct session *s, const struct smtp_reply *all)
{
	struct slot		*slot = s->tx->data_slot;
	bool			 close = s->tx->verdict_close;
	unsigned int		 flags;
	struct last_words	 w;
	size_t			 i;

	if (gather(s, all, &w) == -1) {
		session_end(s, "no memory");
		return;
	}
	s->messages++;
	session_reset(s);
	session_state(s, S_COMMAND);
	if (close && s->why == NULL)
		s->why = "bare newline in the data";
	for (i = 0; i < w.n; i++) {
		flags = close && i + 1 == w.n ? REPLY_CLOSE : 0;
		/* A slot was taken for the next hop's verdict. */
		if (slot != NULL)
			slot_answer(s, slot, flags, &w.r[i]);
		else
			session_reply_r(s, flags, &w.r[i]);
		slot = NULL;
	}
	free(w.r);
}

void
verdict_note(struct session *s, const struct smtp_reply *r)
{
	bool	final = r->code / 100 == 5;

	if (s->tx->noted)
		return;
	s->tx->noted = true;
	if (final)
		stats.messages_refused++;
	else
		stats.messages_deferred++;
	flog_message(s, r, final ? "refused" : "deferred");
}

void
verdict_ours(struct session *s, const struct smtp_reply *r)
{
	struct smtp_reply	all;

	if (r != NULL)
		all = *r;
	else
		(void)smtp_reply_fmt(&all, "451 4.3.0 no memory");
	verdict_note(s, &all);
	finish(s, &all);
}

void
verdict_there(struct session *s)
{
	struct smtp_reply	all;

	(void)smtp_reply_fmt(&all, "250 2.0.0 delivered before");
	sign(s, &all);
	stats.messages_accepted++;
	flog_message(s, &all, "delivered-before");
	finish(s, &all);
}

/* --- one word for all ----------------------------------------------------- */

static const char *
count(const struct smtp_reply *r)
{
	if (r->code == 250) {
		stats.messages_accepted++;
		return "delivered";
	}
	if (r->code / 100 == 4) {
		stats.messages_deferred++;
		return "deferred";
	}
	stats.messages_refused++;
	return "refused";
}

/* The connection is not needed any more. */
static void
release(struct session *s)
{
	struct hop	*h = s->tx->hop;

	s->tx->hop = NULL;
	if (h != NULL)
		hop_release(h, true);
}

static void
take_one(struct session *s, const struct smtp_reply *theirs)
{
	struct smtp_reply	 r;

	relay_warn(s, "message", theirs);
	map_reply(&r, theirs, "2.0.0",
	    s->tx->remote->reply_text == RTEXT_OWN);
	sign(s, &r);
	if (r.code != 250)
		hop_saw_error(s->tx->hop, false);
	flog_message(s, &r, count(&r));
	release(s);
	finish(s, &r);
}

/* --- a word for each ------------------------------------------------------ */

/* The first recipient whose verdict is of the class; NULL: none is. */
static const struct smtp_reply *
first_of(const struct tx *tx, int class)
{
	size_t	i;

	for (i = 0; i < tx->nrcpts; i++)
		if (tx->rcpts[i].verdict != NULL &&
		    tx->rcpts[i].verdict->code / 100 == class)
			return tx->rcpts[i].verdict;
	return NULL;
}

/* All verdicts are in: one word for a client of SMTP. */
static void
sum_up(struct session *s, struct smtp_reply *all)
{
	struct tx		*tx = s->tx;
	const struct smtp_reply	*good = first_of(tx, 2);
	const struct smtp_reply	*later = first_of(tx, 4);
	const struct smtp_reply	*never = first_of(tx, 5);

	if (later == NULL && never == NULL && good != NULL)
		*all = *good;
	else if (good == NULL && later == NULL && never != NULL)
		*all = *never;
	else if (good == NULL && never == NULL && later != NULL) {
		*all = *later;
		if (tx->accepted > 1)
			all->code = 451;
	} else
		(void)smtp_reply_fmt(all,
		    "451 4.3.0 recipients fare differently, try again");
}

static bool
is_mixed(const struct tx *tx)
{
	return (first_of(tx, 2) != NULL) + (first_of(tx, 4) != NULL) +
	    (first_of(tx, 5) != NULL) > 1;
}

static void
log_each(const struct session *s)
{
	const struct tx	*tx = s->tx;
	size_t		 i;

	for (i = 0; i < tx->nrcpts; i++)
		if (tx->rcpts[i].verdict != NULL)
			flog_delivery(s, &tx->rcpts[i]);
}

static void
mixed_over(struct session *s)
{
	struct smtp_reply	all;

	sum_up(s, &all);
	finish(s, &all);
}

/* outcome is NULL where nothing but the verdicts makes it. */
static void
all_in(struct session *s)
{
	struct smtp_reply	all;
	const char		*outcome = "mixed";
	bool			mixed = is_mixed(s->tx);
	bool			unknown = s->tx->owed > 0;

	sum_up(s, &all);
	sign(s, &all);
	if (client_is_lmtp(s) || mixed || unknown)
		log_each(s);
	if (unknown) {
		stats.messages_unknown++;
		outcome = "unknown";
	} else if (mixed)
		stats.messages_deferred++;
	else
		outcome = count(&all);
	flog_message(s, &all, outcome);
	release(s);
	if (mixed && s->tx->digest != NULL)
		mixed_remember(s, mixed_over);
	else
		finish(s, &all);
}

static void
take_each(struct session *s, const struct smtp_reply *theirs, size_t i)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if (i >= tx->nrcpts || tx->rcpts[i].verdict != NULL || tx->owed == 0)
		return;
	relay_warn(s, "message", theirs);
	map_reply(&r, theirs, "2.0.0", tx->remote->reply_text == RTEXT_OWN);
	if (client_is_lmtp(s))
		sign(s, &r);
	if (r.code != 250)
		hop_saw_error(tx->hop, false);
	tx_keep(&tx->rcpts[i].verdict, &r);
	if (tx->rcpts[i].verdict == NULL)
		session_end(s, "no memory");
	else if (--tx->owed == 0)
		all_in(s);
}

/* --- what front_relay.c and front_body.c call ----------------------------- */

void
verdict_await(struct session *s)
{
	s->tx->owed = s->tx->accepted;
}

void
verdict_take(struct session *s, const struct smtp_reply *theirs, uint32_t tag)
{
	if (hop_is_lmtp(s))
		take_each(s, theirs, tag);
	else
		take_one(s, theirs);
}

void
verdict_lost(struct session *s, const struct smtp_reply *r)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 unknown = *r;
	size_t			 i;

	/* The end is out, the answer is not in: it may be there. */
	if (strcmp(r->enhanced, "4.5.0") != 0)
		(void)smtp_reply_fmt(&unknown, "451 4.4.2 connection to next "
		    "hop lost, outcome unknown");
	if (tx->owed == tx->accepted) {
		stats.messages_unknown++;
		flog_message(s, &unknown, "unknown");
		finish(s, &unknown);
		return;
	}
	/* Some have heard their word: those are told apart. */
	for (i = 0; i < tx->nrcpts; i++) {
		if (tx->rcpts[i].state != RC_OK || tx->rcpts[i].verdict != NULL)
			continue;
		tx->rcpts[i].unknown = true;
		tx_keep(&tx->rcpts[i].verdict, &unknown);
		if (tx->rcpts[i].verdict == NULL) {
			session_end(s, "no memory");
			return;
		}
	}
	all_in(s);
}
