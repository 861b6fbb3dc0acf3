/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * DATA and BDAT: may there be content now, and the stage's settings and script
 * before an octet of it is looked at.  The content itself is front_body.c's.
 *
 * The octets of a BDAT come whatever is said to it: a refused one swallows
 * them first.  What refuses the first chunk refuses all of the message.
 */

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_ask.h"
#include "front_stage.h"
#include "front_tx.h"

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

void
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
		no = CANNOT_TELL;
	if (asked == RULE_NEED)
		return;
	if (no != NULL)
		session_reply(s, relay_refusal_flags(s), "%s", no);
	else if (st != NULL && !st->accepted)
		refuse_content(s, st);
	else
		relay_data(s);
}

/* Why this BDAT is nothing but octets to swallow; NULL: it is more. */
static const char *
bdat_refusal(const struct session *s)
{
	if (verb_needs_tls(s))
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
		(void)smtp_reply_fmt(&r, "%s", CANNOT_TELL);
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
void
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
