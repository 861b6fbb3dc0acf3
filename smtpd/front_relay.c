/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Relaying: the envelope's questions to the next hop, and the message.
 *
 * What goes upstream is printed from what was parsed.  MAIL and the first
 * RCPT leave together, further RCPTs and DATA as soon as the client has
 * said them, so that a pipelining client is pipelined through; the answers
 * find their slots, and the replies leave in order.
 *
 * The content passes through one unstuffing and one stuffing machine and is
 * never stored: 354 is said after the next hop's 354, and 250 after its 250
 * to that very dot.  Whatever goes wrong before the dot closes the next
 * hop's connection without one (hop_abort), and the rest of the client's
 * content is swallowed to its true end: it is never read as commands.
 *
 * Every answer to the client can end the session (an error too many, a
 * client that does not read): after slot_answer the transaction is looked
 * at again before it is used.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "front.h"
#include "id.h"
#include "log.h"

#define SWALLOW_EXTRA	(1024 * 1024)	/* octets over max-size */

static void	relay_push(struct session *);

/* --- the envelope --------------------------------------------------------- */

/* Answer one recipient, and those that repeat it.  false: the session ended. */
static bool
answer_rcpt(struct session *s, size_t i, unsigned int flags,
    const struct smtp_reply *r)
{
	struct tx	*tx = s->tx;
	bool		 ok = r->code / 100 == 2;
	struct slot	*slot;
	size_t		 k;

	for (k = i; k < tx->nrcpts; k++) {
		if (k != i && tx->rcpts[k].same != i + 1)
			continue;
		if ((slot = tx->rcpts[k].slot) == NULL)
			continue;
		tx->rcpts[k].slot = NULL;
		tx->rcpts[k].state = ok && k == i ? RC_OK : RC_NO;
		tx->pending--;
		if (ok && k == i)
			tx->accepted++;
		if (ok)
			stats.rcpt_accepted++;
		else
			stats.rcpt_refused++;
		flog_rcpt(s, tx->rcpts[k].addr, r, "hop_reply");
		slot_answer(s, slot, (k == i ? flags : 0) | REPLY_PASSED, r);
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

unsigned int
relay_refusal_flags(struct session *s)
{
	if (!session_has_more(s))
		return 0;
	s->why = "octets behind a refused DATA";
	return REPLY_CLOSE;
}

/* DATA gets a refusal, and the transaction is over. */
static void
refuse_data(struct session *s, const struct smtp_reply *r)
{
	struct slot	*slot = s->tx->data_slot;

	flog_message(s, r, r->code / 100 == 4 ? "deferred" : "refused");
	if (r->code / 100 == 4)
		stats.messages_deferred++;
	else
		stats.messages_refused++;
	session_reset(s);
	slot_answer(s, slot, relay_refusal_flags(s) | REPLY_PASSED, r);
}

/*
 * Nothing more can come of this transaction: MAIL was refused, or the
 * connection is lost.  Those that wait hear it now, the others later.
 */
static void
doom(struct session *s, const struct smtp_reply *r)
{
	tx_keep(&s->tx->lost, r);
	if (!answer_all(s, r))
		return;
	if (s->tx->phase == TX_DATA)
		refuse_data(s, r);
}

void
relay_rcpt(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if (tx->lost == NULL && tx->hop == NULL &&
	    (tx->hop = hop_get(s, tx->remote)) == NULL) {
		(void)smtp_reply_fmt(&r, "451 4.3.0 no memory");
		tx_keep(&tx->lost, &r);
	}
	if (tx->lost != NULL) {
		r = *tx->lost;
		(void)answer_rcpt(s, tx->nrcpts - 1, 0, &r);
		return;
	}
	relay_push(s);
}

void
relay_data(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if ((tx->data_slot = slot_new(s)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	tx->phase = TX_DATA;
	session_wait(s, WAIT_HOP, 0);
	if (tx->lost != NULL) {
		r = *tx->lost;
		refuse_data(s, &r);
		return;
	}
	relay_push(s);
}

/* What stands behind MAIL's path. */
static void
mail_params(const struct tx *tx, unsigned int ext, char *buf, size_t size)
{
	char	sz[40] = "";

	if (tx->size > 0 && (ext & EXT_SIZE))
		(void)snprintf(sz, sizeof(sz), " SIZE=%lld",
		    (long long)tx->size);
	(void)snprintf(buf, size, "%s%s%s", sz,
	    tx->body == BODY_8BITMIME && (ext & EXT_8BITMIME) ?
	    " BODY=8BITMIME" : "",
	    /* Whom the client names we do not vouch for (RFC 4954, 5). */
	    tx->auth && (ext & EXT_AUTH) ? " AUTH=<>" : "");
	if (buf[0] == ' ')
		memmove(buf, buf + 1, strlen(buf));
}

/* Say upstream what was not said yet. */
static void
relay_push(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_client	*c = hop_client(tx->hop);
	char			 params[80];

	if (c == NULL)
		return;
	if (!tx->mailed) {
		tx->mailed = true;
		mail_params(tx, client_extensions(c), params, sizeof(params));
		if (client_mail(c, tx->sender, params) == -1)
			return;
	}
	for (; tx->next < tx->nrcpts; tx->next++) {
		if (tx->rcpts[tx->next].state != RC_NEW)
			continue;
		tx->rcpts[tx->next].state = RC_SENT;
		if (client_rcpt(c, tx->rcpts[tx->next].addr, "",
		    (uint32_t)tx->next) == -1)
			return;
	}
	if (tx->phase == TX_DATA && !tx->data_sent) {
		tx->data_sent = true;
		(void)client_data(c);
	}
}

bool
relay_may_replace(const struct session *s)
{
	return s->tx != NULL && s->tx->phase <= TX_DATA;
}

void
relay_hop_up(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	struct hop		*h;
	size_t			 i;

	tx->mailed = tx->data_sent = false;
	tx->next = 0;
	for (i = 0; i < tx->nrcpts; i++) {
		if (tx->rcpts[i].state == RC_OK)
			tx->rcpts[i].replay = true;
		if (tx->rcpts[i].state == RC_OK ||
		    (tx->rcpts[i].state == RC_SENT && tx->rcpts[i].same == 0))
			tx->rcpts[i].state = RC_NEW;
	}
	if (tx->body == BODY_8BITMIME &&
	    tx->remote->eight_bit == EIGHT_STRICT &&
	    !(client_extensions(hop_client(tx->hop)) & EXT_8BITMIME)) {
		h = tx->hop;
		tx->hop = NULL;
		hop_release(h, false);
		(void)smtp_reply_fmt(&r,
		    "554 5.6.3 next hop does not take 8-bit content");
		reply_soften(s, NULL, &r);
		doom(s, &r);
		return;
	}
	relay_push(s);
}

void
relay_hop_given(struct session *s, struct hop *h)
{
	s->tx->hop = h;
	relay_hop_up(s);
}

/* The reply to a RCPT. */
static void
rcpt_answered(struct session *s, const struct smtp_reply *theirs, size_t i)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	bool			 ok = theirs->code / 100 == 2;

	if (i >= tx->nrcpts || tx->rcpts[i].state != RC_SENT)
		return;
	if (!ok)
		hop_saw_error(tx->hop, theirs->code / 100 == 5);
	if (tx->rcpts[i].replay) {
		/* The client has its 250: a refusal now breaks the whole. */
		tx->rcpts[i].state = ok ? RC_OK : RC_NO;
		tx->broken |= !ok;
		return;
	}
	if (map_is_our_fault(theirs->code))
		log_warnx("%s refuses our RCPT: %d %s",
		    tx->remote->obj.name, theirs->code, theirs->text);
	map_reply(&r, theirs, "2.1.5", tx->remote->reply_text == RTEXT_OWN);
	(void)answer_rcpt(s, i, map_is_unknown(theirs) ? REPLY_COUNTED : 0,
	    &r);
}

static void
mail_answered(struct session *s, const struct smtp_reply *theirs)
{
	struct smtp_reply	r;

	if (theirs->code / 100 == 2)
		return;
	hop_saw_error(s->tx->hop, false);
	if (map_is_our_fault(theirs->code))
		log_warnx("%s refuses our MAIL: %d %s",
		    s->tx->remote->obj.name, theirs->code, theirs->text);
	map_reply(&r, theirs, "2.0.0",
	    s->tx->remote->reply_text == RTEXT_OWN);
	doom(s, &r);
}

/* --- the content ---------------------------------------------------------- */

/* A HELO name may hold anything printable: only names go into a header. */
static void
safe_name(const char *name, char *out, size_t size)
{
	size_t	i;

	if (name == NULL || name[0] == '\0')
		name = "unknown";
	for (i = 0; name[i] != '\0' && i + 1 < size; i++)
		out[i] = strchr("()<>@,;\\\" \t", name[i]) != NULL ||
		    (unsigned char)name[i] >= 0x7f ? '?' : name[i];
	out[i] = '\0';
}

/* Our trace (RFC 5321, section 4.4); its id is that of the log. */
static int
received(struct session *s, char *buf, size_t size)
{
	const struct tx	*tx = s->tx;
	char		 helo[SMTP_DOMAIN_MAX + 1], ip[ADDR_TEXT_MAX];
	char		 id[ID_TEXT_MAX], tls[128], date[64], rcpt[400] = "";
	struct tm	 tm;
	time_t		 now = time(NULL);
	size_t		 i;

	safe_name(s->helo, helo, sizeof(helo));
	for (i = 0; i < tx->nrcpts && tx->accepted == 1; i++)
		if (tx->rcpts[i].state == RC_OK && tx->rcpts[i].same == 0)
			(void)snprintf(rcpt, sizeof(rcpt), "\r\n\tfor <%s>",
			    tx->rcpts[i].addr);
	(void)ftls_text(s, tls, sizeof(tls));
	(void)gmtime_r(&now, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	return snprintf(buf, size, "Received: from %s ([%s%s])%s%s%s\r\n"
	    "\tby %s (postern) with %s%s id %s%s;\r\n\t%s\r\n", helo,
	    s->remote.family == ADDR_V6 ? "IPv6:" : "",
	    addr_text(&s->remote, ip, sizeof(ip)),
	    tls[0] != '\0' ? "\r\n\t(using " : "", tls,
	    tls[0] != '\0' ? ")" : "", s->conf->hostname,
	    (s->flags & SF_ESMTP) ? "ESMTP" : "SMTP",
	    (s->flags & (SF_TLS | SF_ESMTP)) == (SF_TLS | SF_ESMTP) ? "S" :
	    "", id_text(s->sid, id), rcpt, date);
}

/* 354 from the next hop: ours. */
static void
begin_body(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	struct slot		*slot = tx->data_slot;
	char			 head[1600];
	int			 n;

	n = received(s, head, sizeof(head));
	if (n < 0 || (size_t)n >= sizeof(head)) {
		(void)smtp_reply_fmt(&r, "451 4.3.0 cannot make a trace");
		refuse_data(s, &r);
		return;
	}
	tx->in.mode = tx->bare;
	tx->phase = TX_BODY;
	rate_begin(&tx->rate, mono_now());
	tx->body_start = s->io.octets_in;
	tx->data_slot = NULL;
	session_state(s, S_BODY);
	(void)client_body(hop_client(tx->hop), head, (size_t)n);
	(void)smtp_reply_fmt(&r, "354 end data with <CR><LF>.<CR><LF>");
	slot_answer(s, slot, 0, &r);
}

static void
data_answered(struct session *s, const struct smtp_reply *theirs)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if (tx->broken)
		(void)smtp_reply_fmt(&r, "451 4.3.0 next hop changed its mind "
		    "about a recipient");
	else if (tx->accepted == 0) {
		(void)smtp_reply_fmt(&r, "554 5.5.1 no valid recipients");
		reply_soften(s, NULL, &r);
	} else if (theirs->code == 354) {
		begin_body(s);
		return;
	} else
		map_reply(&r, theirs, "2.0.0",
		    tx->remote->reply_text == RTEXT_OWN);
	if (map_is_our_fault(theirs->code))
		log_warnx("%s refuses our DATA: %d %s",
		    tx->remote->obj.name, theirs->code, theirs->text);
	if (theirs->code != 354) {
		hop_saw_error(tx->hop, false);
		/* Refused: the connection is whole, RSET ends the rest. */
		tx->data_sent = false;
	}
	refuse_data(s, &r);
}

/*
 * The message is not for the next hop any more: no dot for what it has, and
 * the client's octets go nowhere.
 */
static void
swallow(struct session *s, const struct smtp_reply *r, bool close)
{
	struct tx	*tx = s->tx;
	struct hop	*h = tx->hop;

	tx_keep(&tx->verdict, r);
	if (tx->verdict != NULL)
		reply_soften(s, NULL, tx->verdict);
	tx->verdict_close = close;
	tx->phase = TX_SWALLOW;
	tx->hop = NULL;
	if (h != NULL)
		hop_abort(h);
	if (s->flags & SF_FULL) {
		s->flags &= ~(unsigned int)SF_FULL;
		io_resume(&s->io);
	}
}

/* A run of content. */
static void
relay_content(void *arg, const char *p, size_t n)
{
	struct session		*s = arg;
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	tx->octets += n;
	if (tx->phase != TX_BODY)
		return;
	if (!tx->header.ended) {
		smtp_header_scan(&tx->header, p, n);
		if (tx->header.received >
		    (unsigned int)s->conf->session.max_received) {
			(void)smtp_reply_fmt(&r,
			    "554 5.4.6 too many hops: a loop");
			swallow(s, &r, false);
			return;
		}
	}
	if (tx->octets > (uint64_t)s->conf->session.max_size) {
		(void)smtp_reply_fmt(&r, "552 5.3.4 message too big");
		swallow(s, &r, false);
		return;
	}
	(void)client_body(hop_client(tx->hop), p, n);
	if (s->tx == tx && tx->phase == TX_BODY)
		stats.octets_relayed += n;
}

/* The message has its answer: from here the transaction is over. */
static void
finish(struct session *s, const struct smtp_reply *r)
{
	struct slot	*slot = s->tx->data_slot;
	bool		 close = s->tx->verdict_close;

	s->messages++;
	session_reset(s);
	session_state(s, S_COMMAND);
	if (close)
		s->why = "bare newline in the data";
	/* A slot was taken for the next hop's verdict. */
	if (slot != NULL)
		slot_answer(s, slot, REPLY_PASSED, r);
	else
		session_reply_r(s, close ? REPLY_CLOSE : 0, r);
}

/* The client's true end of data. */
static void
end_of_data(struct session *s)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;

	if (tx->phase == TX_SWALLOW) {
		if (tx->verdict != NULL)
			r = *tx->verdict;
		else
			(void)smtp_reply_fmt(&r, "451 4.3.0 no memory");
		if (r.code / 100 == 5)
			stats.messages_refused++;
		else
			stats.messages_deferred++;
		flog_message(s, &r, r.code / 100 == 5 ? "refused" :
		    "deferred");
		finish(s, &r);
		return;
	}
	if ((tx->data_slot = slot_new(s)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	tx->phase = TX_VERDICT;
	session_state(s, S_COMMAND);
	session_wait(s, WAIT_HOP, 0);
	(void)client_body_end(hop_client(tx->hop));
}

size_t
relay_input(struct session *s, const char *p, size_t n)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 r;
	size_t			 used = 0;

	switch (smtp_data_in(&tx->in, p, n, &used, relay_content, s)) {
	case DATA_MORE:
		break;
	case DATA_BARE:
		(void)smtp_reply_fmt(&r,
		    "554 5.6.0 bare CR or LF in the data");
		swallow(s, &r, true);
		break;
	case DATA_END:
		end_of_data(s);
		return used;
	}
	if (tx->phase == TX_BODY && client_is_full(hop_client(tx->hop))) {
		s->flags |= SF_FULL | SF_STALLED;
		io_pause(&s->io);
	} else if (tx->phase == TX_SWALLOW && s->io.octets_in -
	    tx->body_start > (uint64_t)s->conf->session.max_size * 2 +
	    SWALLOW_EXTRA && tx->verdict != NULL) {
		r = *tx->verdict;
		s->why = "no end of refused data";
		session_reply_r(s, REPLY_CLOSE, &r);
	}
	return used;
}

/* --- the next hop's last word --------------------------------------------- */

static void
verdict(struct session *s, const struct smtp_reply *theirs)
{
	struct tx		*tx = s->tx;
	struct hop		*h = tx->hop;
	struct smtp_reply	 r;
	const char		*outcome = "delivered";
	char			 id[ID_TEXT_MAX], tail[40];

	map_reply(&r, theirs, "2.0.0", tx->remote->reply_text == RTEXT_OWN);
	if (r.code == 250) {
		stats.messages_accepted++;
		(void)snprintf(tail, sizeof(tail), " (postern %s)",
		    id_text(s->sid, id));
		if (strlen(r.text) + strlen(tail) >= sizeof(r.text))
			r.text[sizeof(r.text) - strlen(tail) - 1] = '\0';
		(void)strlcat(r.text, tail, sizeof(r.text));
	} else if (r.code / 100 == 4) {
		stats.messages_deferred++;
		outcome = "deferred";
	} else {
		stats.messages_refused++;
		outcome = "refused";
	}
	if (map_is_our_fault(theirs->code))
		log_warnx("%s answers our message with %d %s",
		    tx->remote->obj.name, theirs->code, theirs->text);
	if (r.code != 250)
		hop_saw_error(h, false);
	flog_message(s, &r, outcome);
	tx->hop = NULL;
	hop_release(h, true);
	finish(s, &r);
}

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
	case CLIENT_END:
		if (tx->phase == TX_VERDICT)
			verdict(s, r);
		break;
	case CLIENT_DRAINED:
		if (s->flags & SF_FULL) {
			s->flags &= ~(unsigned int)SF_FULL;
			io_resume(&s->io);
		}
		break;
	case CLIENT_READY:
	case CLIENT_CHUNK:
	case CLIENT_RSET:
	case CLIENT_CLOSED:
		break;
	}
}

void
relay_hop_lost(struct session *s, const struct smtp_reply *r)
{
	struct tx		*tx = s->tx;
	struct smtp_reply	 unknown;

	tx->hop = NULL;
	switch (tx->phase) {
	case TX_ENVELOPE:
	case TX_DATA:
		doom(s, r);
		break;
	case TX_BODY:
		swallow(s, r, false);
		break;
	case TX_VERDICT:
		/* The dot is out, the answer is not in: it may be there. */
		stats.messages_unknown++;
		unknown = *r;
		if (strcmp(r->enhanced, "4.5.0") != 0)
			(void)smtp_reply_fmt(&unknown, "451 4.4.2 connection "
			    "to next hop lost, outcome unknown");
		flog_message(s, &unknown, "unknown");
		finish(s, &unknown);
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
	if (tx->data_sent)
		hop_abort(h);
	else
		hop_release(h, false);
}
