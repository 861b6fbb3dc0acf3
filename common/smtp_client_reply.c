/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a server's replies do: see smtp_client.h.
 *
 *	BANNER -> EHLO (-> HELO) -> STARTTLS -> HANDSHAKE -> EHLO -> AUTH ->
 *	READY -> XCLIENT -> EHLO ...
 *	READY -> BODY -> FINAL -> READY
 *	READY -> CHUNK -> CHUNKED -> READY -> CHUNK -> FINAL -> READY
 *
 * With implicit TLS the handshake comes first.  What EHLO offered in clear
 * text is forgotten behind STARTTLS (RFC 3207, section 4.2), and octets that
 * the server sent behind its 220 to STARTTLS end the connection: they came
 * from whoever sits between us.
 *
 * Every reply passes through client_reply(), and that is the only place
 * where it is decided whether it was asked for.
 *
 * An opportunistic server that refuses STARTTLS with a reply goes on in
 * clear text on the same connection.  If the handshake fails there is
 * nothing left to go on with, so the owner has to come again (END_TLS).
 */

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "smtp_client_private.h"
#include "tlsctx.h"

#define CODE_BYE	421	/* may come at any time: RFC 5321, 3.8 */

/* --- refusals ------------------------------------------------------------ */

bool
client_refused(struct smtp_client *c, enum client_end end,
    const struct smtp_reply *r, const char *what)
{
	/* who says goodbye refuses us, not what we asked for */
	if (r->code == CODE_BYE)
		end = END_REFUSED;
	return client_fail(c, end, r, "%s: %d %s%s%s", what, r->code,
	    r->enhanced, r->enhanced[0] != '\0' ? " " : "", r->text);
}

static bool
refused(struct smtp_client *c, const struct smtp_reply *r, const char *what)
{
	return client_refused(c, END_REFUSED, r, what);
}

bool
client_garbage(struct smtp_client *c, const struct smtp_reply *r,
    const char *what)
{
	return client_fail(c, END_GARBAGE, NULL, "%d in reply to %s", r->code,
	    what);
}

/* --- the greeting -------------------------------------------------------- */

static bool
hello(struct smtp_client *c)
{
	client_forget_offer(c);
	return client_say(c, C_EHLO, client_is_lmtp(c) ? "LHLO" : "EHLO",
	    c->helo);
}

bool
client_greeted(struct smtp_client *c)
{
	client_enter(c, C_READY);
	timer_del(&c->timer);
	return client_tell(c, CLIENT_READY, NULL, 0) &&
	    c->state != C_CLOSED && client_send(c);
}

/*
 * As safe as it gets: is a login wanted?  What XCLIENT makes anew begins
 * without one, so there it comes behind that.  TLS is not begun behind it,
 * since a server forgets then what it was told before.
 */
static bool
safe(struct smtp_client *c)
{
	c->clear = c->clear || !c->secure;
	if (c->remote->auth.username != NULL && !client_xclient_waits(c))
		return client_login(c);
	return client_greeted(c);
}

/* Greeted: is it secure enough, or can it be made so? */
static bool
greeted(struct smtp_client *c)
{
	bool	 offered = (c->extensions & EXT_STARTTLS) != 0;
	bool	 wanted = false;

	if (c->secure)
		return safe(c);
	switch ((enum remote_tls)c->remote->tls.mode) {
	case RTLS_OFF:
		break;
	case RTLS_OPPORTUNISTIC:
		wanted = offered && !c->clear && c->tls != NULL;
		break;
	case RTLS_REQUIRED:
	case RTLS_IMPLICIT:
		if (!offered || c->tls == NULL)
			return client_fail(c, END_TLS, NULL,
			    "STARTTLS is not offered");
		wanted = true;
		break;
	}
	return wanted ? client_say(c, C_STARTTLS, "STARTTLS", NULL) : safe(c);
}

static bool
on_banner(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code == 220)
		return hello(c);
	if (r->code >= 400)
		return refused(c, r, "greeting");
	return client_garbage(c, r, "the connection");
}

static bool
on_ehlo(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code / 100 == 2)
		return greeted(c);
	client_forget_offer(c);
	/* RFC 5321, section 3.2; RFC 2033 knows no HELO */
	if (r->code / 100 == 5 && !client_is_lmtp(c))
		return client_say(c, C_HELO, "HELO", c->helo);
	if (r->code >= 400)
		return refused(c, r, client_is_lmtp(c) ? "LHLO" : "EHLO");
	return client_garbage(c, r, "EHLO");
}

static bool
on_helo(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code / 100 == 2)
		return greeted(c);
	if (r->code >= 400)
		return refused(c, r, "HELO");
	return client_garbage(c, r, "HELO");
}

static bool
on_starttls(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code >= 400) {
		if (c->remote->tls.mode == RTLS_OPPORTUNISTIC &&
		    r->code != CODE_BYE)
			return safe(c);
		return client_refused(c, END_TLS, r, "STARTTLS");
	}
	if (r->code != 220)
		return client_garbage(c, r, "STARTTLS");
	if (io_has_input(&c->io))
		return client_fail(c, END_GARBAGE, NULL,
		    "clear text behind the reply to STARTTLS");
	if (client_start_tls(c) == -1)
		return client_fail(c, END_MEMORY, NULL, "no memory for TLS");
	return true;
}

bool
client_tls_done(struct smtp_client *c)
{
	char	 why[256];

	if (c->remote->tls.verify &&
	    c->remote->tls.mode != RTLS_OPPORTUNISTIC &&
	    !tlsctx_verify(c->tls, c->io.tls, c->host, why, sizeof(why)))
		return client_fail(c, END_TLS, NULL, "%s", why);
	c->secure = true;
	if (c->remote->tls.mode != RTLS_IMPLICIT)
		return hello(c);
	client_enter(c, C_BANNER);
	client_deadline(c);
	return true;
}

/*
 * The session begins anew, with nothing of the one before.  The MAIL that may
 * wait behind sets the transaction again.
 */
static bool
on_xclient(struct smtp_client *c, const struct smtp_reply *r)
{
	free(client_shift(c));
	if (r->code >= 400)
		return client_refused(c, END_XCLIENT, r, "XCLIENT");
	if (r->code != 220)
		return client_garbage(c, r, "XCLIENT");
	c->transaction = false;
	client_forget_accepted(c);
	return hello(c);
}

/* --- commands ------------------------------------------------------------ */

/* LMTP: these get a verdict each.  true: the command is kept for that. */
static bool
keep_accepted(struct smtp_client *c, struct command *cmd, int code)
{
	if (!client_is_lmtp(c) || code / 100 != 2)
		return false;
	if (cmd->event == CLIENT_RCPT) {
		TAILQ_INSERT_TAIL(&c->accepted, cmd, entry);
		return true;
	}
	if (cmd->event == CLIENT_RSET || cmd->event == CLIENT_MAIL)
		client_forget_accepted(c);
	return false;
}

/* A verdict.  The last one ends the message. */
static void
settle_end(struct smtp_client *c, bool good)
{
	c->all_good = c->all_good && good;
	if (c->awaited > 0)
		return;
	/*
	 * A refusal ends the transaction too (RFC 5321, section 4.1.1.4),
	 * but not for all: Postfix may remember the sender then, and the
	 * SIZE of a MAIL that it refused.  Only RSET or a message taken, by
	 * all of its recipients, is an end.
	 */
	c->transaction = !c->all_good;
	client_enter(c, C_READY);
}

/* Take in what the reply means for the connection.  false: out of place. */
static bool
settle(struct smtp_client *c, const struct command *cmd, int code)
{
	bool	 good = code / 100 == 2;

	if (code / 100 == 3 && (cmd->event != CLIENT_DATA || code != 354))
		return false;
	switch (cmd->event) {
	case CLIENT_DATA:
		if (good)
			return false;
		c->data = false;
		if (code != 354)
			break;
		/* nobody would get a verdict: RFC 2033, section 4.2 */
		if (client_is_lmtp(c) && TAILQ_EMPTY(&c->accepted))
			return false;
		client_enter(c, C_BODY);
		break;
	case CLIENT_CHUNK:
		client_enter(c, C_READY);
		break;
	case CLIENT_END:
		settle_end(c, good);
		break;
	case CLIENT_RSET:
		if (good)
			c->transaction = false;
		break;
	case CLIENT_MAIL:
		/* Again, as a RSET before it may have been answered since. */
		c->transaction = true;
		break;
	case CLIENT_READY:
	case CLIENT_RCPT:
	case CLIENT_OTHER:
	case CLIENT_DRAINED:
	case CLIENT_CLOSED:
		break;
	}
	return true;
}

static bool
on_reply(struct smtp_client *c, const struct smtp_reply *r)
{
	static const char *const names[] = {
		[CLIENT_MAIL] = "MAIL", [CLIENT_RCPT] = "RCPT",
		[CLIENT_DATA] = "DATA", [CLIENT_CHUNK] = "BDAT",
		[CLIENT_END] = "the message", [CLIENT_RSET] = "RSET",
		[CLIENT_OTHER] = "VRFY or EXPN"
	};
	struct command	*cmd = client_shift(c);
	enum client_event event = cmd->event;
	uint32_t	 tag = cmd->tag;
	bool		 fits = settle(c, cmd, r->code);

	if (!keep_accepted(c, cmd, r->code))
		free(cmd);
	if (!fits)
		return client_garbage(c, r, names[event]);
	client_deadline(c);
	if (!client_tell(c, event, r, tag) || c->state == C_CLOSED)
		return false;
	buf_clear(&c->text);
	if (r->code == CODE_BYE)
		return refused(c, r, names[event]);
	return client_send(c);
}

bool
client_reply(struct smtp_client *c, const struct smtp_reply *r)
{
	if (log_begin(LOG_LEVEL_DEBUG, c->sid, "upstream-reply")) {
		log_num("code", r->code);
		log_str("enhanced", r->enhanced);
		log_str("text", r->text);
		log_end();
	}
	if (c->state == C_QUIT)
		return r->code != 221 || client_fail(c, END_QUIT, NULL, "quit");
	if (c->due == 0) {
		if (r->code == CODE_BYE)
			return refused(c, r, "unasked");
		return client_fail(c, END_GARBAGE, NULL,
		    "%d that nobody asked for", r->code);
	}
	c->due--;
	if (r->code < 200)
		return client_garbage(c, r, "a command");
	switch (c->state) {
	case C_BANNER:
		return on_banner(c, r);
	case C_EHLO:
		return on_ehlo(c, r);
	case C_HELO:
		return on_helo(c, r);
	case C_STARTTLS:
		return on_starttls(c, r);
	case C_AUTH:
		return client_on_auth(c, r);
	case C_XCLIENT:
		return on_xclient(c, r);
	case C_READY:
	case C_CHUNKED:
	case C_FINAL:
		return on_reply(c, r);
	case C_FIRST:
	case C_HANDSHAKE:
	case C_BODY:
	case C_CHUNK:
	case C_QUIT:
	case C_CLOSED:
		break;
	}
	return false;
}
