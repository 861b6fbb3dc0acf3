/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The scripts that judge a stage of the session: postern-smtpd(8), STAGE
 * SCRIPTS.
 */
#ifndef FRONT_STAGE_H
#define FRONT_STAGE_H

#include "front.h"
#include "front_ask.h"
#include "proto_script.h"

/*
 * What a stage's script has said of the command that is being run, whose
 * memory has it.  What accept sets was looked at already: it can be used.
 */
struct staged {
	enum rule_stage		 stage;
	char			 by[80];	/* "script NAME": for the log */
	bool			 accepted;
	unsigned int		 flags;		/* REPLY_* for a refusal */
	struct smtp_reply	 reply;		/* a refusal's; of an accept
						   code 0: it has ours */
	unsigned int		 set;		/* HOOKV_SET_* */
	struct smtp_path	 path;		/* ADDRESS */
	struct conf_remote	*remote;	/* TRANSPORTID */
	struct proto_hook_verdict v;		/* HOST, EXTENSIONS */
};

/*
 * Ask the script that judges the stage, if there is one: results as
 * rule_ask's, RULE_NEED also while it runs.  *st: what it has said, NULL:
 * there is none here.  It is asked once for a command, whatever becomes of
 * its arguments when the command is run again.
 *
 * The arguments beside the session: what the client has said, as the caller
 * has it.  offered: our reply to EHLO, NULL to HELO.  route: where the
 * recipient would go.
 */
enum rule_result stage_connect(struct session *, struct staged **st);
enum rule_result stage_ehlo(struct session *, const struct smtp_cmd *,
		    const struct rule_env *, const char *offered,
		    struct staged **);
enum rule_result stage_mail(struct session *, const struct smtp_cmd *,
		    const struct rule_env *, struct staged **);
enum rule_result stage_rcpt(struct session *, const struct smtp_cmd *,
		    const struct rule_env *, const struct conf_remote *route,
		    struct staged **);
enum rule_result stage_data(struct session *, struct staged **);

/* Can there be one for this session?  What rules say is not looked at. */
bool		 stage_is_on(const struct session *, enum rule_stage);
/*
 * May one be asked for the command that is being run?  false: surely not, or
 * it has spoken.
 */
bool		 stage_may_come(struct session *, enum rule_stage,
		    const struct rule_env *);
/* What was said already; NULL: nothing, of that stage. */
struct staged	*stage_said(const struct session *, enum rule_stage);
/* For the command's memory. */
void		 stage_free(struct staged *);

#endif
