/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The commands, one after another.  A row of verbs[] is all that the rest
 * of the process knows of a command; what a command does not do here it
 * does by way of front_greet.c, front_mail.c, front_rcpt.c, front_content.c
 * and front_tls.c.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front.h"
#include "front_hook.h"
#include "front_limit.h"
#include "front_stage.h"
#include "front_tx.h"
#include "log.h"

struct verb {
	void		(*fn)(struct session *, const struct smtp_cmd *);
	unsigned int	flags;
};

#define V_CLEAR		0x01	/* allowed where TLS is required, without */

/*
 * An unknown or malformed command: one too many ends the session.  So does
 * one where a chunk may have been meant: how many octets of it follow nobody
 * knows, they are no commands, and the message would lack them.
 */
static void
bad_command(struct session *s, enum smtp_verb verb, struct slice line,
    const char *reply)
{
	struct smtp_reply	r;

	stats.commands_bad++;
	(void)smtp_reply_fmt(&r, "%s", reply);
	reply_soften(s, NULL, &r);
	flog_command(s, line, &r);
	session_reply_r(s, 0, &r);
	if (s->tx != NULL && (verb == VERB_BDAT ||
	    (s->tx->chunks.on && line.n == 0)))
		session_linger(s, "a chunk that cannot be told");
	if (++s->bad_commands <
	    (unsigned int)s->conf->session.max_bad_commands)
		return;
	s->why = "too many bad commands";
	session_reply(s, REPLY_CLOSE, "421 4.7.0 %s too many bad commands",
	    s->conf->hostname);
}

void
verb_bad_line(struct session *s, enum smtp_line what, enum smtp_verb meant)
{
	struct slice	none = { "", 0 };

	switch (what) {
	case LINE_TOO_LONG:
		bad_command(s, meant, none, "500 5.5.2 line too long");
		break;
	case LINE_BARE_LF:
		if (++s->bare_lf >= 3) {
			s->why = "bare LF in commands";
			session_reply(s, REPLY_CLOSE,
			    "500 5.5.2 lines must end in CR LF");
			break;
		}
		bad_command(s, meant, none,
		    "500 5.5.2 lines must end in CR LF");
		break;
	case LINE_BARE_CR:
		bad_command(s, meant, none, "500 5.5.2 stray CR");
		break;
	case LINE_NUL:
		bad_command(s, meant, none, "500 5.5.2 NUL in command");
		break;
	case LINE_OK:
	case LINE_MORE:
		break;
	}
}

/* --- the rest ------------------------------------------------------------- */

static void
verb_rset(struct session *s, const struct smtp_cmd *cmd)
{
	(void)cmd;
	session_reset(s);
	session_reply(s, 0, "250 2.0.0 ok");
}

static void
verb_noop(struct session *s, const struct smtp_cmd *cmd)
{
	(void)cmd;
	session_reply(s, 0, "250 2.0.0 ok");
}

static void
verb_quit(struct session *s, const struct smtp_cmd *cmd)
{
	(void)cmd;
	s->why = "quit";
	s->flags |= SF_QUIT;
	session_reply(s, REPLY_CLOSE, "221 2.0.0 %s goodbye",
	    s->conf->hostname);
}

static void
verb_starttls(struct session *s, const struct smtp_cmd *cmd)
{
	(void)cmd;
	if (s->flags & SF_TLS)
		session_reply(s, 0, "503 5.5.1 TLS is on");
	else if (!ftls_is_offered(s))
		session_reply(s, 0, "502 5.5.1 STARTTLS is not offered");
	else if (io_has_input(&s->io)) {
		s->why = "octets behind STARTTLS";
		session_reply(s, REPLY_CLOSE,
		    "554 5.5.0 octets behind STARTTLS");
	} else
		ftls_start(s, false);
}

static void
verb_not_here(struct session *s, const struct smtp_cmd *cmd)
{
	session_reply(s, 0, "502 5.5.1 %s is not offered",
	    smtp_verb_name(cmd->verb));
}

/* Looks like an unknown verb to those who may not use it. */
static void
verb_hidden(struct session *s, const struct smtp_cmd *cmd)
{
	bad_command(s, cmd->verb, cmd->arg, "500 5.5.1 unknown command");
}

static const struct verb	verbs[VERB_COUNT] = {
	[VERB_EHLO] =		{ verb_hello, V_CLEAR },
	[VERB_HELO] =		{ verb_hello, V_CLEAR },
	[VERB_LHLO] =		{ verb_hello, V_CLEAR },
	[VERB_MAIL] =		{ verb_mail, 0 },
	[VERB_RCPT] =		{ rcpt_stage, 0 },
	[VERB_DATA] =		{ verb_data, 0 },
	[VERB_BDAT] =		{ verb_bdat, V_CLEAR },
	[VERB_RSET] =		{ verb_rset, V_CLEAR },
	[VERB_NOOP] =		{ verb_noop, V_CLEAR },
	[VERB_QUIT] =		{ verb_quit, V_CLEAR },
	[VERB_HELP] =		{ verb_help, 0 },
	[VERB_VRFY] =		{ verb_vrfy, 0 },
	[VERB_EXPN] =		{ verb_vrfy, 0 },
	[VERB_STARTTLS] =	{ verb_starttls, V_CLEAR },
	[VERB_AUTH] =		{ verb_not_here, 0 },
	[VERB_ETRN] =		{ verb_not_here, 0 },
	[VERB_TURN] =		{ verb_not_here, 0 },
	[VERB_BURL] =		{ verb_not_here, 0 },
	[VERB_XCLIENT] =	{ verb_hidden, 0 },
	[VERB_XREMOTEIP] =	{ verb_hidden, 0 },
	[VERB_XSETCONTEXT] =	{ verb_hidden, 0 },
	[VERB_XDUMPCONTEXT] =	{ verb_hidden, 0 }
};

bool
verb_needs_tls(const struct session *s)
{
	return s->listener->tls == LTLS_REQUIRED && !(s->flags & SF_TLS);
}

/* RFC 2033, section 4.1: LHLO in place of the others, and nowhere else. */
static bool
is_foreign(const struct session *s, enum smtp_verb verb)
{
	if (s->listener->protocol == PROTO_LMTP)
		return verb == VERB_EHLO || verb == VERB_HELO;
	return verb == VERB_LHLO;
}

bool
verb_is_offered(const struct session *s, enum smtp_verb verb)
{
	if (verbs[verb].fn == NULL || verbs[verb].fn == verb_not_here ||
	    verbs[verb].fn == verb_hidden || is_foreign(s, verb))
		return false;
	if (verb == VERB_STARTTLS)
		return ftls_is_offered(s);
	return verb != VERB_BDAT || (s->offered & EXT_CHUNKING) != 0;
}

/* --- one line ------------------------------------------------------------- */

/* What is wrong with a command's form; NULL: nothing. */
static const char *
form_error(enum smtp_cmd_error e, const struct smtp_cmd *cmd)
{
	switch (e) {
	case CMD_OK:
		return NULL;
	case CMD_UNKNOWN:
		return "500 5.5.1 unknown command";
	case CMD_ARG_NONE:
		return "501 5.5.4 no argument allowed";
	case CMD_ARG_MISSING:
		return "501 5.5.4 argument missing";
	case CMD_SYNTAX:
		return "501 5.5.2 malformed command";
	case CMD_PATH:
		if (cmd->path_error == PATH_MEMORY)
			return "451 4.3.0 no memory";
		return cmd->verb == VERB_MAIL ? "501 5.1.7 malformed address" :
		    "501 5.1.3 malformed address";
	case CMD_PARAM:
		return "501 5.5.4 bad parameter";
	case CMD_PARAM_UNKNOWN:
		return "555 5.5.4 unknown parameter";
	}
	return NULL;
}

bool
verb_is_over(struct session *s)
{
	const struct conf_session	*cs = &s->conf->session;

	if (front_is_draining()) {
		s->why = "shutdown";
		session_reply(s, REPLY_CLOSE, "421 4.3.2 %s shutting down",
		    s->conf->hostname);
	} else if (s->flags & SF_NO_CERT) {
		ftls_refuse(s);
	} else if (hook_is_lost(s)) {
		hook_say_lost(s);
	} else if (s->limit == LIMIT_OVER) {
		limit_say(s);
	} else if (block_has(&s->remote)) {
		s->why = "address is blocked";
		session_reply(s, REPLY_CLOSE,
		    "421 4.7.0 too many errors from your address");
	} else if (mono_diff(mono_now(), s->began) > cs->duration) {
		s->why = "duration";
		session_reply(s, REPLY_CLOSE, "421 4.7.0 session too long");
	} else if (s->io.octets_in > (uint64_t)cs->transfer_limit) {
		s->why = "transfer-limit";
		session_reply(s, REPLY_CLOSE, "421 4.7.0 too much data");
	} else
		return false;
	return true;
}

bool
verb_may_overlap(const struct session *s, struct slice line)
{
	if (line.n > 5 && strncasecmp(line.p, "RCPT ", 5) == 0)
		return true;
	/* A script is told of the recipients that were accepted. */
	return line.n == 4 && strncasecmp(line.p, "DATA", 4) == 0 &&
	    !stage_is_on(s, STAGE_DATA) && !proxy_sees(s, "DATA");
}

static void
run_line(struct session *s, struct slice line)
{
	static struct smtp_cmd	 cmd;
	const char		*no;
	enum smtp_cmd_error	 e;

	e = smtp_cmd_parse(&cmd, line);
	if (cmd.verb != VERB_QUIT && verb_is_over(s))
		return;
	if (verb_needs_tls(s) && !(verbs[cmd.verb].flags & V_CLEAR)) {
		if (cmd.verb == VERB_NONE)
			bad_command(s, VERB_NONE, line, NEED_TLS);
		else
			session_reply(s, 0, NEED_TLS);
		return;
	}
	if (is_foreign(s, cmd.verb))
		e = CMD_UNKNOWN;
	if ((no = form_error(e, &cmd)) != NULL) {
		bad_command(s, cmd.verb, line, no);
		return;
	}
	verbs[cmd.verb].fn(s, &cmd);
}

void
verb_line(struct session *s, struct slice line)
{
	s->line = line;
	if (!proxy_takes(s))
		run_line(s, s->line);
	command_over(s);
}
