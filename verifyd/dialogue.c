/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * One connection to a server that is asked for mailboxes: what is said on
 * it, and what the replies mean.
 *
 *	MAIL RCPT RCPT ... (RSET MAIL RCPT ...) QUIT
 *
 * All of it is pipelined where the server allows that, RSET and the MAIL of
 * another sender included, so a burst costs a round trip.  A transaction is
 * left open when there is nothing more to ask: whoever asks next under the
 * same sender goes on in it.  VRFY and EXPN must be the last of what is
 * pipelined, and are sent alone.
 *
 * Replies come in the order of the commands, so the head of the sent ones is
 * whom a reply is for, and two fields of the link tell whether the MAIL that
 * it belongs to was taken and how many were accepted behind it.
 *
 * A server may look up one recipient after the other, each for some time.
 * How long is seen from the gaps between answers, and no connection has more
 * questions at a time than are answered soon, so that what comes goes to
 * another one; and fewer that nobody waits for, so that not many of them stand
 * before one that somebody waits for.  For a server that is quick one
 * connection and large writes cost least, and one that is far away is asked
 * for many in a round trip: so the number is not fixed.
 *
 * What is not answered when the connection ends is asked again, once.  But
 * only the first of them can be what the server died of: where the connection
 * had given answers the others do not pay for it.  Where it had given none
 * any of them can be: they are asked again one by one, so that an address
 * that a server dies of costs nobody else his answer.  Nor does it hold the
 * server down: that takes several in a row, or silence.  A server that says
 * 421 behind answers has had enough of the connection: nobody pays for that.
 *
 * A 452 behind recipients that were accepted is about their number.  It is
 * asked again in a new transaction, the next time at the head of one.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adhoc.h"
#include "log.h"
#include "probe_private.h"
#include "proc.h"
#include "proxy_header.h"
#include "verifyd.h"

#define SLOW		1000	/* ms of silence: rather another connection */
#define LAG		20	/* ms that questions on one may wait, */
#define FEW		4	/* but so many always may */
#define GAPS		16	/* that the pace is the mean of */
#define MS		256	/* its unit is so small a part of that */
#define USELESS_MAX	3	/* servers that connect and do not serve */
#define LOST_MAX	3	/* probes given up in a row */
#define SPARED_MAX	4	/* connections whose end by 421 costs nothing */

/* --- out ------------------------------------------------------------------ */

bool
link_is_slow(const struct link *l)
{
	return l->nsent > 0 && mono_diff(mono_now(), l->since) > SLOW;
}

static bool
is_alone(const struct probe *p)
{
	return p->what != LOOK_ADDRESS && !p->as_rcpt;
}

size_t
link_depth(const struct target *t)
{
	int64_t	n;

	if (t->pace == 0)
		return SIZE_MAX;
	n = (t->quickest + LAG) * MS / t->pace;
	return n < FEW ? FEW : (size_t)n;
}

bool
link_takes(const struct link *l, const struct probe *p)
{
	size_t	depth;

	if (l->state != LINK_UP || l->over)
		return false;
	if (l->nsent == 0)
		return true;
	depth = link_depth(l->target) / (p->waited ? 1 : 2);
	return (client_extensions(l->client) & EXT_PIPELINING) != 0 &&
	    !is_alone(p) && !is_alone(TAILQ_FIRST(&l->sent)) &&
	    !p->suspect && !TAILQ_FIRST(&l->sent)->suspect &&
	    !link_is_slow(l) && l->nsent < depth;
}

/* MAIL, where what is open does not do.  -1: no memory. */
static int
begin(struct link *l, const struct probe *p)
{
	char	*sender;

	if (l->open && l->utf8 == p->utf8 && p->crowded < 2 &&
	    strcmp(l->sender, p->sender) == 0)
		return 0;
	if ((sender = strdup(p->sender)) == NULL)
		return -1;
	free(l->sender);
	l->sender = sender;
	l->utf8 = p->utf8;
	if (l->begun)
		(void)client_rset(l->client);
	(void)client_mail(l->client, sender, p->utf8 ? "SMTPUTF8" : "");
	l->open = l->begun = true;
	l->mails++;
	return 0;
}

static void
send_vrfy(struct link *l, struct probe *p)
{
	if (p->what == LOOK_VRFY)
		(void)client_vrfy(l->client, p->rcpt);
	else
		(void)client_expn(l->client, p->rcpt);
}

/*
 * What the server does not offer is not asked.  false: p is dealt with.  An
 * address that it could not be asked for may go there live: that has ways
 * to be refused.
 */
static bool
is_offered(struct link *l, struct probe *p)
{
	unsigned int	ext = client_extensions(l->client);

	if (p->what == LOOK_EXPN && (ext & EXT_EXPN) == 0) {
		probe_end(p, LOOKUP_NO, NULL, "EXPN is not offered");
		return false;
	}
	if (p->what == LOOK_VRFY && (ext & EXT_VRFY) == 0)
		p->as_rcpt = true;
	if (p->utf8 && (ext & EXT_SMTPUTF8) == 0) {
		p->at = AT_MAIL;
		probe_end(p, LOOKUP_LIVE, NULL, "SMTPUTF8 is not offered");
		return false;
	}
	return true;
}

void
link_send(struct link *l, struct probe *p)
{
	if (!is_offered(l, p))
		return;
	if (!is_alone(p) && begin(l, p) == -1) {
		probe_end(p, LOOKUP_CANNOT, NULL, "no memory");
		return;
	}
	timer_del(&l->timer);
	if (l->nsent++ == 0) {
		l->since = mono_now();
		l->progress = false;
	}
	p->link = l;
	p->since = mono_now();
	TAILQ_INSERT_TAIL(&l->sent, p, entry);
	/* One that cannot be sent any more tells so by CLIENT_CLOSED. */
	if (is_alone(p))
		send_vrfy(l, p);
	else
		(void)client_rcpt(l->client, p->rcpt, "", 0);
	if (++l->served >= (size_t)l->remote->limits.recipients)
		l->over = true;
}

void
link_finish(struct link *l)
{
	l->over = true;
	if (l->state != LINK_UP || l->nsent > 0 || client_owes(l->client))
		return;
	l->state = LINK_QUITTING;
	timer_del(&l->timer);
	client_quit(l->client);
}

/* All is answered. */
static void
rest(struct link *l)
{
	target_mark(l->target);
	if (l->over)
		link_finish(l);
	else
		timer_set(&l->timer, l->remote->timeout.idle);
}

/* --- answers -------------------------------------------------------------- */

/* Of an answer: how quick can it be, and how soon is it behind another one? */
static void
note_pace(struct target *t, const struct link *l, const struct probe *p)
{
	struct mono	now = mono_now();
	int64_t		ms = mono_diff(now, p->since), gap;

	if (!t->answered || ms < t->quickest)
		t->quickest = ms;
	t->answered = true;
	if (!l->follows)
		return;
	gap = mono_diff(now, l->since);
	t->pace += ((gap < SLOW ? gap : SLOW) * MS - t->pace) / GAPS;
}

/* The first of those sent: its reply is here. */
static struct probe *
take(struct link *l)
{
	struct probe	*p = TAILQ_FIRST(&l->sent);

	note_pace(l->target, l, p);
	TAILQ_REMOVE(&l->sent, p, entry);
	p->link = NULL;
	p->at = AT_RCPT;
	l->follows = --l->nsent > 0;
	l->since = mono_now();
	l->progress = l->answered = true;
	l->target->lost = 0;
	if (l->target->nqueued > 0)
		target_mark(l->target);
	target_works(l->target);
	return p;
}

/* In the transaction that replies are to: is it the one to come, too? */
static void
leave_transaction(struct link *l)
{
	if (l->mails == 0)
		l->open = false;
}

static void
on_mail(struct link *l, const struct smtp_reply *r)
{
	if (l->mails > 0)
		l->mails--;
	l->accepted = 0;
	memset(&l->refused, 0, sizeof(l->refused));
	l->progress = true;
	if (r->code / 100 == 2)
		return;
	l->refused = *r;
	target_warn(l->target, "MAIL", r);
	leave_transaction(l);
}

static void
log_probe(const struct link *l, const struct probe *p,
    const struct smtp_reply *r)
{
	char	text[256];

	if (!log_begin(LOG_LEVEL_DEBUG, 0, "probe"))
		return;
	log_str("remote", l->remote->obj.name);
	log_addr("to", &l->to);
	log_str("rcpt", p->rcpt);
	log_str("reply", reply_text(r, text, sizeof(text)));
	log_end();
}

/* A 452 that is about how many there are.  false: it is an answer. */
static bool
is_crowded(struct link *l, struct probe *p, const struct smtp_reply *r)
{
	if (r->code != 452 || l->accepted == 0 || p->crowded == 2)
		return false;
	p->crowded++;
	leave_transaction(l);
	target_again(l->target, p);
	return true;
}

static void
on_rcpt(struct link *l, const struct smtp_reply *r)
{
	enum lookup_answer	 answer;
	struct probe		*p;
	char			 text[256];
	size_t			 n;
	bool			 fault;

	if (TAILQ_EMPTY(&l->sent))
		return;
	p = take(l);
	if (l->refused.code != 0)
		r = &l->refused;
	log_probe(l, p, r);
	if (r->code / 100 == 5 && r != &l->refused &&
	    ++l->errors >= (size_t)l->remote->limits.errors)
		l->over = true;
	if (r == &l->refused)
		p->at = AT_MAIL;
	answer = r == &l->refused ? LOOKUP_CANNOT :
	    reply_to_rcpt(l->remote, r, &fault);
	if (r != &l->refused && fault)
		target_warn(l->target, "RCPT", r);
	if (answer == LOOKUP_YES)
		l->accepted++;
	else if (is_crowded(l, p, r))
		return;
	(void)strlcpy(text, r == &l->refused ? "MAIL: " : "", sizeof(text));
	n = strlen(text);
	(void)reply_text(r, text + n, sizeof(text) - n);
	probe_end(p, answer, r, text);
}

static void
tell_values(struct link *l, struct probe *p, const struct smtp_reply *r)
{
	const char	*values[LOOK_ROWS_MAX], *text;
	char		*lines;
	size_t		 n;

	if ((text = client_lines(l->client)) == NULL ||
	    (lines = strdup(text)) == NULL) {
		probe_end(p, LOOKUP_CANNOT, r, "no memory");
		return;
	}
	n = reply_values(lines, values, LOOK_ROWS_MAX);
	probe_end_values(p, r, values, n);
	free(lines);
}

static void
on_vrfy(struct link *l, const struct smtp_reply *r)
{
	enum lookup_answer	 answer;
	struct probe		*p;
	char			 text[256];
	bool			 again;

	if (TAILQ_EMPTY(&l->sent))
		return;
	p = take(l);
	log_probe(l, p, r);
	if (r->code / 100 == 5 &&
	    ++l->errors >= (size_t)l->remote->limits.errors)
		l->over = true;
	answer = reply_to_vrfy(l->remote, r, p->what, &again);
	if (again) {
		p->as_rcpt = true;
		target_again(l->target, p);
	} else if (answer == LOOKUP_YES)
		tell_values(l, p, r);
	else
		probe_end(p, answer, r, reply_text(r, text, sizeof(text)));
}

/* --- the end -------------------------------------------------------------- */

void
link_take_back(struct link *l)
{
	struct probe	*p;

	while ((p = TAILQ_LAST(&l->sent, probes)) != NULL) {
		TAILQ_REMOVE(&l->sent, p, entry);
		p->link = NULL;
		l->nsent--;
		target_again(l->target, p);
	}
}

/*
 * Asked again, or not: see above.  For how many was it too often?  r: what the
 * server said with it, or NULL.
 */
static unsigned int
ask_again(struct link *l, bool silent, const struct smtp_reply *r,
    const char *why)
{
	struct probe	*p;
	unsigned int	 given_up = 0;

	/* A 421 behind answers is about their number: if not about this one. */
	p = TAILQ_FIRST(&l->sent);
	if (p != NULL && l->answered &&
	    client_end(l->client) == END_REFUSED && p->spared < SPARED_MAX) {
		p->spared++;
		link_take_back(l);
		return 0;
	}
	TAILQ_FOREACH(p, &l->sent, entry) {
		if (p != TAILQ_FIRST(&l->sent) && l->progress)
			break;
		p->tries++;
		p->suspect = !l->progress;
	}
	while ((p = TAILQ_LAST(&l->sent, probes)) != NULL) {
		TAILQ_REMOVE(&l->sent, p, entry);
		p->link = NULL;
		l->nsent--;
		if (!silent && p->tries < 2) {
			target_again(l->target, p);
			continue;
		}
		given_up++;
		p->at = l->mails > 0 ? AT_MAIL : AT_RCPT;
		probe_end(p, LOOKUP_CANNOT, r, why);
	}
	return given_up;
}

static enum look_at
where(const struct smtp_client *c)
{
	switch (client_ended_at(c)) {
	case STEP_BANNER:
		return AT_BANNER;
	case STEP_EHLO:
		return AT_EHLO;
	case STEP_TLS:
		return AT_TLS;
	case STEP_AUTH:
		return AT_AUTH;
	case STEP_COMMANDS:
		break;
	}
	return AT_RCPT;
}

/* It was not greeted: perhaps another one will be. */
static void
greeting_failed(struct link *l, const char *why)
{
	struct target	*t = l->target;
	enum client_end	 end = client_end(l->client);
	enum look_at	 at = where(l->client);
	bool		 several = t->remote->address.n > 1;

	if (end == END_TLS && !l->clear &&
	    l->remote->tls.mode == RTLS_OPPORTUNISTIC) {
		client_free(l->client);
		l->client = NULL;
		l->clear = true;
		link_dial(l);
		return;
	}
	/* Without TLS that is required another address may serve. */
	if (end == END_MEMORY || (end == END_TLS && !several))
		link_free(l, 0);
	else {
		link_free(l, DONE_USELESS);
		if (several && ++t->useless < USELESS_MAX)
			return;
	}
	t->useless = 0;
	target_failed(t, at, why);
}

static void
on_closed(struct link *l, const struct smtp_reply *r)
{
	struct target	*t = l->target;
	char		 why[256];
	unsigned int	 given_up;
	bool		 silent = client_end(l->client) == END_TIMEOUT;

	(void)strlcpy(why, client_why(l->client), sizeof(why));
	switch (l->state) {
	case LINK_GREETING:
		greeting_failed(l, why);
		break;
	case LINK_UP:
		given_up = ask_again(l, silent, r, why);
		link_free(l, 0);
		t->lost += given_up;
		if (given_up > 0 && (silent || t->lost >= LOST_MAX))
			target_failed(t, AT_RCPT, why);
		break;
	case LINK_QUITTING:
		link_free(l, 0);
		break;
	case LINK_DIALLING:
	case LINK_DEAD:
		break;
	}
}

static void
on_ready(struct link *l)
{
	l->state = LINK_UP;
	l->target->useless = 0;
	l->target->one_by_one =
	    (client_extensions(l->client) & EXT_PIPELINING) == 0;
	if (!adhoc_is(l->remote->obj.id))
		caps_met(l->remote->obj.id, client_extensions(l->client));
	rest(l);
}

static void
on_event(void *arg, enum client_event ev, const struct smtp_reply *r,
    uint32_t tag)
{
	struct link	*l = arg;

	(void)tag;
	/* That is about the connection: CLIENT_CLOSED follows. */
	if (ev != CLIENT_CLOSED && r != NULL && r->code == 421)
		return;
	switch (ev) {
	case CLIENT_READY:
		on_ready(l);
		return;
	case CLIENT_CLOSED:
		on_closed(l, r);
		return;
	case CLIENT_MAIL:
		on_mail(l, r);
		break;
	case CLIENT_RCPT:
		on_rcpt(l, r);
		break;
	case CLIENT_OTHER:
		on_vrfy(l, r);
		break;
	case CLIENT_RSET:
		/* What stands behind a RSET that failed is worth nothing. */
		l->over |= r->code / 100 != 2;
		break;
	case CLIENT_DATA:
	case CLIENT_CHUNK:
	case CLIENT_END:
	case CLIENT_DRAINED:
		break;
	}
	if (l->state == LINK_UP && l->nsent == 0 && !client_owes(l->client))
		rest(l);
}

/* --- begin ---------------------------------------------------------------- */

/* It speaks for no client: UNKNOWN, or LOCAL. */
static size_t
proxy_header(const struct conf_remote *remote, char *buf)
{
	struct addr	none = { .family = ADDR_NONE };

	switch ((enum remote_proxy)remote->proxy_protocol) {
	case RPROXY_OFF:
		break;
	case RPROXY_V1:
		return proxy_header_make(buf, 1, &none, &none);
	case RPROXY_V2:
		return proxy_header_make(buf, 2, &none, &none);
	}
	return 0;
}

static const char *
helo(const struct conf_remote *remote)
{
	const struct config	*conf = proc_conf();

	if (strcmp(remote->helo, "client") != 0 &&
	    strcmp(remote->helo, "hostname") != 0)
		return remote->helo;
	return conf == NULL || conf->hostname == NULL ? "localhost" :
	    conf->hostname;
}

void
link_greet(struct link *l, int fd)
{
	struct target		*t = l->target;
	struct client_params	 p = { 0 };
	char			 first[PROXY_HEADER_MAX];

	timer_del(&l->timer);
	l->state = LINK_GREETING;
	l->remote = t->remote;
	p.remote = l->remote;
	p.tls = l->remote->obj.priv;
	p.helo = helo(l->remote);
	p.host = l->host;
	p.sid = l->id;
	p.clear = l->clear;
	if ((p.first_len = proxy_header(l->remote, first)) > 0)
		p.first = first;
	if ((l->client = client_new(fd, &p, on_event, l)) == NULL) {
		link_free(l, 0);
		target_failed(t, AT_CONNECT, "no memory");
	}
}
