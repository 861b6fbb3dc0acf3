/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The content, from the client to the next hop.
 *
 * It passes through one unstuffing and one stuffing machine and is never
 * stored: 354 is said after the next hop's 354, and 250 after its 250 to
 * that very dot.  Whatever goes wrong before the end closes the next hop's
 * connection without one (relay_abandon), and the rest of the client's
 * content is swallowed to its true end: it is never read as commands.
 *
 * A client may send it in chunks (RFC 3030).  Where the next hop takes
 * chunks too it gets the same ones, octet for octet; else DATA, and what the
 * last line lacks of its CR LF is put there.  A chunk that is not the last
 * one is answered when the next hop has answered it, or at once where that
 * reads DATA: it commits nobody to anything.  Once a chunk has failed, each
 * further one is swallowed and hears the same.
 *
 * Where recipients may have the message already (front_mixed.c) the end is
 * held back: the dot, or a last chunk of nothing, goes out when that is known.
 *
 * The last run of the last chunk is looked at before it is sent: with its
 * last octet the message is complete, and nothing could take it back.
 *
 * Rejected: to gather chunks (a client that sends an octet a chunk pays for
 * it himself, and memory would be bounded by nothing but max-size).
 */

#include <stdlib.h>
#include <string.h>

#include "front_relay.h"

#define SWALLOW_EXTRA	(1024 * 1024)	/* octets over max-size */

bool
body_is_absurd(const struct session *s, uint64_t n)
{
	return n > (uint64_t)s->conf->session.max_size * 2 + SWALLOW_EXTRA;
}

/* Octets are content from here, as many as there are. */
static void
read_content(struct session *s)
{
	rate_begin(&s->tx->rate, mono_now());
	s->tx->body_start = s->io.octets_in;
	session_state(s, S_BODY);
	if (!s->tx->chunks.on)
		return;
	session_go(s);
	/* A chunk of nothing is over before an octet comes. */
	if (s->tx->chunks.left == 0)
		(void)body_input(s, "", 0);
}

/* Read on where the next hop was slow. */
static void
unstall(struct session *s)
{
	if (!(s->flags & SF_FULL))
		return;
	s->flags &= ~(unsigned int)SF_FULL;
	io_resume(&s->io);
}

void
body_swallow(struct session *s, const struct smtp_reply *r, bool close)
{
	struct tx	*tx = s->tx;
	bool		 waits = tx->phase == TX_DATA;
	struct slot	*slot = tx->data_slot;
	bool		 ended = tx->chunks.ended;
	struct smtp_reply soft = *r;

	reply_soften(s, NULL, &soft);
	tx_keep(&tx->verdict, &soft);
	tx->verdict_close = close;
	tx->phase = TX_SWALLOW;
	tx->data_slot = NULL;
	if (slot != NULL)
		verdict_note(s, &soft);
	relay_abandon(tx);
	tx->chunks.open = tx->chunks.ended = false;
	unstall(s);
	if (slot != NULL) {
		/* It was about a chunk that is all there. */
		slot_answer(s, slot, 0, &soft);
	} else if (waits)
		read_content(s);
	else if (ended) {
		verdict_ours(s, &soft);
		session_go(s);
	}
}

/* --- the beginning -------------------------------------------------------- */

/* The trace goes first, as part of the first chunk where there are chunks. */
static bool
send_trace(struct session *s)
{
	struct chunks		*c = &s->tx->chunks;
	struct smtp_client	*client = hop_client(s->tx->hop);
	struct smtp_reply	 r;
	char			 head[2048];
	int			 n;

	n = trace_field(s, head, sizeof(head));
	if (n < 0 || (size_t)n >= sizeof(head)) {
		(void)smtp_reply_fmt(&r, "451 4.3.0 cannot make a trace");
		relay_refuse_data(s, &r);
		return false;
	}
	if (c->up && client_chunk(client, c->left + (uint64_t)n,
	    c->last && !c->hold) == -1)
		return false;
	c->open = c->up;
	(void)client_body(client, head, (size_t)n);
	return true;
}

bool
body_passes_chunks(struct session *s)
{
	struct tx	*tx = s->tx;

	if (!tx->chunks.on ||
	    !(client_extensions(hop_client(tx->hop)) & EXT_CHUNKING))
		return false;
	return tx->body == BODY_BINARYMIME || tx->bare == BARE_REJECT;
}

void
body_begin(struct session *s)
{
	struct tx		*tx = s->tx;
	struct slot		*slot = tx->data_slot;
	struct smtp_reply	 r;
	const char		*why;

	why = params_drop_dsn(tx, client_extensions(hop_client(tx->hop)));
	if (why != NULL)
		flog_hop(s, "dsn-dropped", tx->remote->obj.name, why);
	tx->in.mode = tx->bare;
	tx->in.chunk = tx->chunks.on;
	tx->chunks.up = body_passes_chunks(s);
	tx->chunks.hold = mixed_must_hold(tx);
	mixed_begin(s);
	if (s->tx != tx || !send_trace(s))
		return;
	tx->phase = TX_BODY;
	tx->data_slot = NULL;
	read_content(s);
	if (slot == NULL)
		return;
	(void)smtp_reply_fmt(&r, "354 end data with <CR><LF>.<CR><LF>");
	slot_answer(s, slot, 0, &r);
}

void
body_chunk(struct session *s, uint64_t n, bool last)
{
	struct tx	*tx = s->tx;
	struct chunks	*c = &tx->chunks;

	c->on = true;
	c->left = n;
	c->last = last;
	if (tx->phase == TX_ENVELOPE) {
		relay_ask_data(s);
		return;
	}
	/*
	 * Postfix refuses an empty chunk that is not the last, and with it
	 * the message; one that is held back is not the last.
	 */
	c->open = tx->phase == TX_BODY && c->up &&
	    (n > 0 || (last && !c->hold));
	if (c->open)
		(void)client_chunk(hop_client(tx->hop), n, last && !c->hold);
	read_content(s);
}

/* --- the octets ----------------------------------------------------------- */

/* What may not go on; true: it is swallowed from here. */
static bool
is_refused(struct session *s, const char *p, size_t n)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if (!tx->header.ended)
		smtp_header_scan(&tx->header, p, n);
	if (tx->header.received >
	    (unsigned int)s->conf->session.max_received)
		(void)smtp_reply_fmt(&r, "554 5.4.6 too many hops: a loop");
	else if (tx->header.utf8 && tx->ascii)
		(void)smtp_reply_fmt(&r, "554 5.6.9 next hop does not take "
		    "SMTPUTF8, which this header needs");
	else if (tx->octets > (uint64_t)s->conf->session.max_size)
		(void)smtp_reply_fmt(&r, "552 5.3.4 message too big");
	else
		return false;
	body_swallow(s, &r, false);
	return true;
}

/* A run of content. */
static void
relay_content(void *arg, const char *p, size_t n)
{
	struct session		*s = arg;
	struct tx		*tx = s->tx;

	tx->octets += n;
	if (tx->phase != TX_BODY || is_refused(s, p, n))
		return;
	mixed_content(tx, p, n);
	(void)client_body(hop_client(tx->hop), p, n);
	if (s->tx == tx && tx->phase == TX_BODY)
		stats.octets_relayed += n;
}

static void
refuse_bare(struct session *s)
{
	struct smtp_reply	r;

	(void)smtp_reply_fmt(&r, "554 5.6.0 bare CR or LF in the data");
	body_swallow(s, &r, true);
}

/* The end goes out, and nothing can take it back. */
static void
send_end(struct session *s)
{
	struct tx	*tx = s->tx;

	if ((tx->data_slot = slot_new(s)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	tx->phase = TX_VERDICT;
	session_state(s, S_COMMAND);
	session_wait(s, WAIT_HOP, 0);
	verdict_await(s);
	if (!tx->chunks.up)
		(void)client_body_end(hop_client(tx->hop));
	else if (tx->chunks.hold) {
		tx->chunks.open = true;
		(void)client_chunk(hop_client(tx->hop), 0, true);
	}
}

static void
come_alone(struct session *s)
{
	struct smtp_reply	r;

	(void)smtp_reply_fmt(&r, "451 4.3.0 some recipients have it already, "
	    "try again");
	verdict_ours(s, &r);
}

/* The end was held back until it is known who has the message. */
static void
end_held(struct session *s, enum held held)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	/* It was lost meanwhile; who has it all needs no next hop. */
	if (tx->phase == TX_SWALLOW && held != HELD_ALL) {
		verdict_ours(s, tx->verdict);
		return;
	}
	switch (held) {
	case HELD_NONE:
		send_end(s);
		return;
	case HELD_ALL:
		verdict_there(s);
		return;
	case HELD_SOME:
		mixed_alone(s, come_alone);
		return;
	case HELD_UNKNOWN:
		(void)smtp_reply_fmt(&r, "451 4.4.3 cannot tell who has it "
		    "already");
		verdict_ours(s, &r);
		return;
	}
}

/* The client's true end of the content. */
static void
end_of_data(struct session *s)
{
	struct tx	*tx = s->tx;

	tx->chunks.ended = false;
	if (tx->phase == TX_SWALLOW)
		verdict_ours(s, tx->verdict);
	else if (tx->chunks.hold)
		mixed_ask(s, end_held);
	else
		send_end(s);
}

/* After octets: is the next hop slow, or the client without end? */
static void
check_flow(struct session *s)
{
	struct tx	*tx = s->tx;

	if (tx->phase == TX_BODY && client_is_full(hop_client(tx->hop))) {
		s->flags |= SF_FULL | SF_STALLED;
		io_pause(&s->io);
	} else if (tx->phase == TX_SWALLOW && tx->verdict != NULL &&
	    body_is_absurd(s, s->io.octets_in - tx->body_start)) {
		s->why = "no end of refused data";
		tx->verdict_close = true;
		verdict_ours(s, tx->verdict);
	}
}

void
verb_bdat_over(struct session *s)
{
	char	*wire = s->skip_wire;
	size_t	 i;

	s->skip_wire = NULL;
	session_state(s, S_COMMAND);
	for (i = 1; i < s->skip_n; i++)
		session_reply_wire(s, 0, wire);
	session_reply_wire(s, s->skip_flags, wire);
	free(wire);
}

void
verb_skip(struct session *s, uint64_t n, unsigned int flags, size_t times,
    char *wire)
{
	s->skip = n;
	s->skip_n = times;
	s->skip_wire = wire;
	s->skip_flags = flags;
	if (n > 0)
		session_state(s, S_SKIP);
	else
		verb_bdat_over(s);
}

/* --- chunks --------------------------------------------------------------- */

/* A chunk that was not the last is all there. */
static void
chunk_over(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	session_state(s, S_COMMAND);
	if (tx->phase == TX_SWALLOW && tx->verdict == NULL)
		session_end(s, "no memory");
	else if (tx->phase == TX_SWALLOW) {
		if (tx->verdict_close && !tx->lost_close)
			s->why = "bare newline in the data";
		r = *tx->verdict;
		verdict_note(s, &r);
		session_reply_r(s, tx->verdict_close ? REPLY_CLOSE : 0, &r);
	} else if (!tx->chunks.open) {
		session_reply(s, 0, "250 2.0.0 chunk taken");
		if (s->tx == tx)
			check_flow(s);
	} else if ((tx->data_slot = slot_new(s)) == NULL)
		session_end(s, "no memory");
	else
		session_wait(s, WAIT_HOP, 0);
}

void
body_chunk_answered(struct session *s, const struct smtp_reply *theirs)
{
	struct tx		*tx = s->tx;
	struct slot		*slot = tx->data_slot;
	struct smtp_reply	 r;

	tx->chunks.open = false;
	relay_warn(s, "BDAT", theirs);
	map_reply(&r, theirs, "2.0.0", tx->remote->reply_text == RTEXT_OWN);
	if (theirs->code / 100 != 2) {
		hop_saw_error(tx->hop, false);
		body_swallow(s, &r, false);
	} else if (tx->chunks.ended) {
		session_go(s);
		end_of_data(s);
	} else {
		tx->data_slot = NULL;
		slot_answer(s, slot, 0, &r);
	}
}

/* Octets of a chunk that the next hop gets as they are. */
static void
pass_chunk(struct session *s, const char *p, size_t n)
{
	struct tx	*tx = s->tx;
	bool		 ends = tx->chunks.last && tx->chunks.left == n;

	if (tx->phase == TX_BODY && tx->body != BODY_BINARYMIME &&
	    (smtp_data_look(&tx->in, p, n) == DATA_BARE ||
	    (ends && smtp_data_in_end(&tx->in) == DATA_BARE)))
		refuse_bare(s);
	if (n > 0)
		relay_content(s, p, n);
}

/* Octets of a chunk for a next hop that reads DATA. */
static void
unchunk(struct session *s, const char *p, size_t n)
{
	struct tx	*tx = s->tx;
	bool		 ends = tx->chunks.last && tx->chunks.left == n;
	size_t		 used;

	while (n > 0) {
		if (smtp_data_in(&tx->in, p, n, &used, relay_content, s) ==
		    DATA_BARE)
			refuse_bare(s);
		p += used;
		n -= used;
	}
	if (ends && tx->phase == TX_BODY &&
	    smtp_data_in_end(&tx->in) == DATA_BARE)
		refuse_bare(s);
}

/* Octets of a chunk: how many were taken. */
static size_t
chunk_input(struct session *s, const char *p, size_t n)
{
	struct tx	*tx = s->tx;

	if (n > tx->chunks.left)
		n = (size_t)tx->chunks.left;
	if (tx->chunks.up)
		pass_chunk(s, p, n);
	else
		unchunk(s, p, n);
	tx->chunks.left -= n;
	if (tx->chunks.left > 0)
		check_flow(s);
	else if (tx->chunks.last && tx->chunks.open && tx->chunks.hold) {
		tx->chunks.ended = true;
		session_wait(s, WAIT_HOP, 0);
	} else if (tx->chunks.last)
		end_of_data(s);
	else
		chunk_over(s);
	return n;
}

size_t
body_input(struct session *s, const char *p, size_t n)
{
	struct tx	*tx = s->tx;
	size_t		 used = 0;

	if (tx->chunks.on)
		return chunk_input(s, p, n);
	switch (smtp_data_in(&tx->in, p, n, &used, relay_content, s)) {
	case DATA_MORE:
		break;
	case DATA_BARE:
		refuse_bare(s);
		break;
	case DATA_END:
		end_of_data(s);
		return used;
	}
	check_flow(s);
	return used;
}
