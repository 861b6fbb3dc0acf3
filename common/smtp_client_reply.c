/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a server's replies do: see smtp_client.h.
 *
 *	BANNER -> EHLO (-> HELO) -> STARTTLS -> HANDSHAKE -> EHLO -> READY
 *	READY -> BODY -> FINAL -> READY
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
#include <strings.h>

#include "log.h"
#include "smtp_client_private.h"
#include "tlsctx.h"

#define CODE_BYE	421	/* may come at any time: RFC 5321, 3.8 */

/* --- EHLO ---------------------------------------------------------------- */

static const struct {
	const char	*name;
	unsigned int	 bit;
} extensions[] = {
	{ "PIPELINING",		 EXT_PIPELINING },
	{ "SIZE",		 EXT_SIZE },
	{ "8BITMIME",		 EXT_8BITMIME },
	{ "STARTTLS",		 EXT_STARTTLS },
	{ "CHUNKING",		 EXT_CHUNKING },
	{ "BINARYMIME",		 EXT_BINARYMIME },
	{ "DSN",		 EXT_DSN },
	{ "SMTPUTF8",		 EXT_SMTPUTF8 },
	{ "ENHANCEDSTATUSCODES", EXT_ENHANCED },
	{ "XCLIENT",		 EXT_XCLIENT },
	{ "AUTH",		 EXT_AUTH }
};

/* RFC 1870, section 4: no number, or 0, is no fixed maximum. */
static uint64_t
size_parse(struct slice s)
{
	uint64_t	 size = 0;
	size_t		 i;

	for (i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		if (size > (UINT64_MAX - 9) / 10)
			return 0;
		size = size * 10 + (s.p[i] - '0');
	}
	return i == s.n ? size : 0;
}

void
client_extension(void *arg, struct slice line)
{
	struct smtp_client	*c = arg;
	struct slice		 rest;
	size_t			 i, n = 0;

	/* the first line is the server's name */
	if (c->in->lines == 1)
		return;
	/* "AUTH=..." is an old way to say "AUTH ..." */
	while (n < line.n && line.p[n] != ' ' && line.p[n] != '=')
		n++;
	for (i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		if (strlen(extensions[i].name) != n ||
		    strncasecmp(extensions[i].name, line.p, n) != 0)
			continue;
		c->extensions |= extensions[i].bit;
		if (extensions[i].bit == EXT_SIZE && n < line.n) {
			rest.p = line.p + n + 1;
			rest.n = line.n - n - 1;
			c->max_size = size_parse(rest);
		}
	}
}

static void
forget(struct smtp_client *c)
{
	c->extensions = 0;
	c->max_size = 0;
}

static bool
hello(struct smtp_client *c)
{
	forget(c);
	return client_say(c, C_EHLO, "EHLO", c->helo);
}

/* --- refusals ------------------------------------------------------------ */

static bool
refused(struct smtp_client *c, const struct smtp_reply *r, const char *what)
{
	return client_fail(c, END_REFUSED, r, "%s: %d %s%s%s", what, r->code,
	    r->enhanced, r->enhanced[0] != '\0' ? " " : "", r->text);
}

static bool
garbage(struct smtp_client *c, const struct smtp_reply *r, const char *what)
{
	return client_fail(c, END_GARBAGE, NULL, "%d in reply to %s", r->code,
	    what);
}

/* --- the greeting -------------------------------------------------------- */

static bool
ready(struct smtp_client *c)
{
	client_enter(c, C_READY);
	timer_del(&c->timer);
	return client_tell(c, CLIENT_READY, NULL, 0) &&
	    c->state != C_CLOSED && client_send(c);
}

/* Greeted: is it secure enough, or can it be made so? */
static bool
greeted(struct smtp_client *c)
{
	bool	 offered = (c->extensions & EXT_STARTTLS) != 0;
	bool	 wanted = false;

	if (c->secure)
		return ready(c);
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
	return wanted ? client_say(c, C_STARTTLS, "STARTTLS", NULL) : ready(c);
}

static bool
on_banner(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code == 220)
		return hello(c);
	if (r->code >= 400)
		return refused(c, r, "greeting");
	return garbage(c, r, "the connection");
}

static bool
on_ehlo(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code / 100 == 2)
		return greeted(c);
	forget(c);
	/* RFC 5321, section 3.2 */
	if (r->code / 100 == 5)
		return client_say(c, C_HELO, "HELO", c->helo);
	if (r->code / 100 == 4)
		return refused(c, r, "EHLO");
	return garbage(c, r, "EHLO");
}

static bool
on_helo(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code / 100 == 2)
		return greeted(c);
	if (r->code >= 400)
		return refused(c, r, "HELO");
	return garbage(c, r, "HELO");
}

static bool
on_starttls(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code == CODE_BYE)
		return refused(c, r, "STARTTLS");
	if (r->code >= 400) {
		if (c->remote->tls.mode == RTLS_OPPORTUNISTIC)
			return ready(c);
		return client_fail(c, END_TLS, r, "STARTTLS: %d %s", r->code,
		    r->text);
	}
	if (r->code != 220)
		return garbage(c, r, "STARTTLS");
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

/* --- commands ------------------------------------------------------------ */

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
		if (code == 354)
			client_enter(c, C_BODY);
		break;
	case CLIENT_END:
		/*
		 * A refusal ends it too (RFC 5321, section 4.1.1.4), but
		 * not for all: Postfix may remember the sender then, and
		 * the SIZE of a MAIL that it refused.  Only RSET or a
		 * message taken is an end.
		 */
		c->transaction = !good;
		client_enter(c, C_READY);
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
	case CLIENT_CHUNK:
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
		[CLIENT_DATA] = "DATA", [CLIENT_END] = "the message",
		[CLIENT_RSET] = "RSET"
	};
	struct command	*cmd = client_shift(c);
	enum client_event event = cmd->event;
	uint32_t	 tag = cmd->tag;
	bool		 fits = settle(c, cmd, r->code);

	free(cmd);
	if (!fits)
		return garbage(c, r, names[event]);
	client_deadline(c);
	if (!client_tell(c, event, r, tag) || c->state == C_CLOSED)
		return false;
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
		return garbage(c, r, "a command");
	switch (c->state) {
	case C_BANNER:
		return on_banner(c, r);
	case C_EHLO:
		return on_ehlo(c, r);
	case C_HELO:
		return on_helo(c, r);
	case C_STARTTLS:
		return on_starttls(c, r);
	case C_READY:
	case C_FINAL:
		return on_reply(c, r);
	case C_HANDSHAKE:
	case C_BODY:
	case C_QUIT:
	case C_CLOSED:
		break;
	}
	return false;
}
