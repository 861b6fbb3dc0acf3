/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The commands, one after another.  A row of verbs[] is all that the rest
 * of the process knows of a command; what a command does not do here it
 * does by way of front_greet.c, front_rcpt.c, front_relay.c and front_tls.c.
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

#define NEED_TLS	"530 5.7.0 say STARTTLS first"
#define CANNOT		"451 4.4.3 cannot look that up now"
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

/* --- transaction ---------------------------------------------------------- */

/* What may not be in a MAIL here and now; NULL: nothing. */
static const char *
mail_refusal(struct session *s, const struct smtp_cmd *cmd)
{
	const struct conf_session	*cs = &s->conf->session;
	const char			*no;

	if (s->tx != NULL)
		return "503 5.5.1 nested MAIL command";
	if (cs->ehlo_require && !(s->flags & SF_HELO))
		return "503 5.5.1 say EHLO first";
	if ((no = params_mail_refusal(s, cmd)) != NULL)
		return no;
	if ((cmd->have & HAVE_SIZE) && cmd->size > (uint64_t)cs->max_size)
		return "552 5.3.4 message too big";
	if (s->messages >= (unsigned int)cs->max_messages)
		return "452 4.5.3 too many messages, connect again";
	return NULL;
}

/* false: no memory. */
static bool
mail_begin(struct session *s, const struct smtp_cmd *cmd)
{
	char	addr[SMTP_MAILBOX_MAX + 1], normal[SMTP_MAILBOX_MAX + 1];

	(void)smtp_path_print(&cmd->path, addr, sizeof(addr));
	(void)smtp_path_normal(&cmd->path, normal, sizeof(normal));
	if ((s->tx = tx_new(addr)) == NULL)
		return false;
	s->tx->sender_normal = strdup(normal);
	return s->tx->sender_normal != NULL &&
	    params_mail_keep(s->tx, cmd) == 0 &&
	    hook_sender(s, &cmd->path, cmd) == 0;
}

static void
mail_env(struct session *s, const struct smtp_cmd *cmd, char *normal,
    size_t size, struct rule_env *env)
{
	const char	*at;

	(void)smtp_path_normal(&cmd->path, normal, size);
	session_env(s, env);
	env->str[RV_SENDER] = normal;
	at = strrchr(normal, '@');
	env->str[RV_SENDER_DOMAIN] = at == NULL ? "" : at + 1;
	env->message_size = (cmd->have & HAVE_SIZE) ? (int64_t)cmd->size : 0;
}

/*
 * The session's limits, and the script.  Where that has put another sender in
 * place of the client's, *cmd is another one too.
 */
static enum rule_result
mail_script(struct session *s, const struct smtp_cmd **cmd,
    struct staged **st)
{
	static struct smtp_cmd	rewritten;
	enum rule_result	r;
	struct rule_env		env;
	char			normal[SMTP_MAILBOX_MAX + 1];

	if ((r = limit_ask(s)) != RULE_VALUE || !stage_is_on(s, STAGE_MAIL))
		return r;
	mail_env(s, *cmd, normal, sizeof(normal), &env);
	r = stage_mail(s, *cmd, &env, st);
	if (r != RULE_VALUE || *st == NULL ||
	    ((*st)->set & HOOKV_SET_ADDRESS) == 0)
		return r;
	rewritten = **cmd;
	rewritten.path = (*st)->path;
	*cmd = &rewritten;
	return RULE_VALUE;
}

/*
 * What all workers' sessions together leave for this one.  RULE_NEED: it is
 * being asked.
 */
static enum rule_result
mail_throttled(struct session *s, const struct smtp_cmd *cmd, bool *over)
{
	struct rule_env	env;
	char		normal[SMTP_MAILBOX_MAX + 1];

	*over = false;
	if (s->conf->session.throttles.n == 0)
		return RULE_VALUE;
	mail_env(s, cmd, normal, sizeof(normal), &env);
	return throttle_mail(s, &env, over);
}

/*
 * All that may stand against it, in order: *r is the refusal, code 0: there
 * is none.  false: something is being asked.
 */
static bool
mail_judge(struct session *s, const struct smtp_cmd **cmd,
    struct staged **st, struct smtp_reply *r)
{
	enum rule_result	 asked;
	const char		*no = mail_refusal(s, *cmd);
	bool			 over = false;

	memset(r, 0, sizeof(*r));
	if (no == NULL) {
		asked = mail_script(s, cmd, st);
		if (asked == RULE_VALUE && *st != NULL && !(*st)->accepted) {
			*r = (*st)->reply;
			return true;
		}
		if (asked == RULE_VALUE &&
		    (no = mail_refusal(s, *cmd)) == NULL)
			asked = mail_throttled(s, *cmd, &over);
		if (asked == RULE_NEED)
			return false;
		if (asked == RULE_CANNOT)
			no = CANNOT;
		else if (over)
			no = "451 4.7.1 too many messages, try again later";
	}
	if (no != NULL)
		(void)smtp_reply_fmt(r, "%s", no);
	return true;
}

static void
verb_mail(struct session *s, const struct smtp_cmd *cmd)
{
	struct smtp_reply	 r;
	struct staged		*st = NULL;
	unsigned int		 flags = 0;
	char			 addr[SMTP_MAILBOX_MAX + 1];
	char			 original[SMTP_MAILBOX_MAX + 1];

	(void)smtp_path_print(&cmd->path, original, sizeof(original));
	if (!mail_judge(s, &cmd, &st, &r))
		return;
	(void)smtp_path_print(&cmd->path, addr, sizeof(addr));
	if (r.code == 0 && !mail_begin(s, cmd)) {
		session_reset(s);
		(void)smtp_reply_fmt(&r, "451 4.3.0 no memory");
	}
	if (r.code == 0) {
		charge_keep(s, NULL);
		ptr_early(s);
		if (st != NULL && st->reply.code != 0)
			r = st->reply;
		else
			(void)smtp_reply_fmt(&r, "250 2.1.0 ok");
	} else if (st != NULL && !st->accepted)
		flags = st->flags;
	reply_soften(s, NULL, &r);
	flog_mail(s, addr, original, &r, st == NULL || st->accepted ? NULL :
	    st->by);
	session_reply_r(s, flags, &r);
}

/* Why there can be no content now; NULL: there can. */
static const char *
content_refusal(const struct session *s)
{
	if (s->tx == NULL)
		return "503 5.5.1 need MAIL first";
	if (s->tx->accepted + s->tx->pending == 0)
		return "554 5.5.1 no valid recipients";
	return NULL;
}

/*
 * The settings of the DATA stage, before anything of it is done.  RULE_NEED:
 * a look-up is out, and the command is run again.
 */
static enum rule_result
data_rules(struct session *s)
{
	struct rule_env		env;
	struct rule_value	v = { .num = NEWLINE_REJECT };
	enum rule_result	r;

	session_env(s, &env);
	r = rule_ask(s, s->conf->session.bare_newline, &env, &v);
	s->tx->bare = v.num == NEWLINE_NORMALIZE ? BARE_NORMALIZE :
	    BARE_REJECT;
	return r;
}

/* And the script, in whose place these would have refused. */
static enum rule_result
content_judge(struct session *s, struct staged **st)
{
	enum rule_result	r = data_rules(s);

	if (r == RULE_VALUE && stage_is_on(s, STAGE_DATA))
		r = stage_data(s, st);
	return r;
}

/* Keep by what the message is refused, for the log.  false: no memory. */
static bool
keep_by(struct session *s, const struct staged *st)
{
	free(s->tx->by);
	if ((s->tx->by = strdup(st->by)) != NULL)
		return true;
	session_end(s, "no memory");
	return false;
}

/* The script wants none of it.  The transaction is over. */
static void
refuse_content(struct session *s, const struct staged *st)
{
	struct smtp_reply	r = st->reply;

	if (!keep_by(s, st))
		return;
	reply_soften(s, NULL, &r);
	if (r.code / 100 == 4)
		stats.messages_deferred++;
	else
		stats.messages_refused++;
	flog_message(s, &r, r.code / 100 == 4 ? "deferred" : "refused");
	session_reset(s);
	session_reply_r(s, relay_refusal_flags(s) | st->flags, &r);
}

static void
verb_data(struct session *s, const struct smtp_cmd *cmd)
{
	const char		*no = content_refusal(s);
	enum rule_result	 asked = RULE_VALUE;
	struct staged		*st = NULL;

	(void)cmd;
	if (no == NULL && s->tx->chunks.on)
		no = "503 5.5.1 in the middle of BDAT";
	else if (no == NULL && s->tx->body == BODY_BINARYMIME)
		no = "503 5.5.1 BINARYMIME needs BDAT";
	else if (no == NULL && (asked = content_judge(s, &st)) == RULE_CANNOT)
		no = CANNOT;
	if (asked == RULE_NEED)
		return;
	if (no != NULL)
		session_reply(s, relay_refusal_flags(s), "%s", no);
	else if (st != NULL && !st->accepted)
		refuse_content(s, st);
	else
		relay_data(s);
}

static bool
needs_tls(const struct session *s)
{
	return s->listener->tls == LTLS_REQUIRED && !(s->flags & SF_TLS);
}

/* Why this BDAT is nothing but octets to swallow; NULL: it is more. */
static const char *
bdat_refusal(const struct session *s)
{
	if (needs_tls(s))
		return NEED_TLS;
	if (!(s->offered & EXT_CHUNKING))
		return "503 5.5.1 CHUNKING is not offered";
	return content_refusal(s);
}

/*
 * What refuses the first chunk refuses the message, all of its chunks: none of
 * them can be a first one.  false: the session ended.
 */
static bool
doom(struct session *s, const struct smtp_reply *r, bool close)
{
	tx_keep(&s->tx->lost, r);
	s->tx->lost_close = close;
	if (s->tx->lost != NULL)
		return true;
	session_end(s, "no memory");
	return false;
}

/* The first chunk.  false: something is being asked, or the session ended. */
static bool
first_chunk(struct session *s)
{
	struct smtp_reply	 r;
	struct staged		*st = NULL;

	switch (content_judge(s, &st)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return false;
	case RULE_CANNOT:
		(void)smtp_reply_fmt(&r, "%s", CANNOT);
		return doom(s, &r, false);
	}
	if (st == NULL || st->accepted)
		return true;
	return keep_by(s, st) &&
	    doom(s, &st->reply, (st->flags & REPLY_CLOSE) != 0);
}

/*
 * Refused, the octets come all the same, and are no commands: the reply is
 * said when they have been swallowed.
 */
static void
verb_bdat(struct session *s, const struct smtp_cmd *cmd)
{
	const char		*no = bdat_refusal(s);
	struct smtp_reply	 r;
	char			*wire;

	if (no == NULL && !s->tx->chunks.on && !first_chunk(s))
		return;
	if (body_is_absurd(s, cmd->size)) {
		s->why = "a chunk that nobody wants";
		session_reply(s, REPLY_CLOSE, "552 5.3.4 chunk too big");
		return;
	}
	if (no == NULL) {
		body_chunk(s, cmd->size, cmd->last);
		return;
	}
	(void)smtp_reply_fmt(&r, "%s", no);
	if ((wire = reply_wire(s, &r)) == NULL)
		session_end(s, "no memory");
	else
		verb_skip(s, cmd->size, 0, 1, wire);
}

static void
verb_rset(struct session *s, const struct smtp_cmd *cmd)
{
	(void)cmd;
	session_reset(s);
	session_reply(s, 0, "250 2.0.0 ok");
}

/* --- the rest ------------------------------------------------------------- */

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
	if (needs_tls(s) && !(verbs[cmd.verb].flags & V_CLEAR)) {
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
