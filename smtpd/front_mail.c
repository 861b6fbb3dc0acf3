/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * MAIL: what may stand against a sender, in the order of the manual: where the
 * session is, the parameters, the limits of all workers' sessions, the stage's
 * script, the throttles.
 *
 * A look-up, or the script, leaves the command as it is, and it is run again
 * with the answer; so nothing is begun before all have spoken.  A sender that
 * the script puts in the place of the client's is looked at as that was.
 */

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_hook.h"
#include "front_limit.h"
#include "front_stage.h"
#include "front_tx.h"

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
			no = CANNOT_TELL;
		else if (over)
			no = "451 4.7.1 too many messages, try again later";
	}
	if (no != NULL)
		(void)smtp_reply_fmt(r, "%s", no);
	return true;
}

void
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
