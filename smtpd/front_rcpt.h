/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files of RCPT, VRFY and EXPN share; nobody else includes this.
 *
 *	front_rcpt.c	the rows, in the order of the manual
 *	front_judge.c	is it local, and is there such an address
 *	front_vrfy.c	VRFY and EXPN
 */
#ifndef FRONT_RCPT_H
#define FRONT_RCPT_H

#include "front.h"
#include "front_ask.h"
#include "front_stage.h"
#include "front_tx.h"

/* Where something is looked up; the object is the generation's. */
struct where {
	struct proto_path	 path;	/* kind LOOK_NONE: nowhere */
	const struct conf_obj	*obj;	/* NULL: the path leads nowhere */
	int64_t			 wait;	/* ms: how long it may take */
};

/* What the rows decide about one recipient. */
struct judged {
	char			 addr[SMTP_MAILBOX_MAX + 1];
	char			 normal[SMTP_MAILBOX_MAX + 1];
	const char		*domain;	/* in normal */
	bool			 postmaster;	/* bare <postmaster> */
	bool			 ahead;		/* not its turn: nothing is
						   said or asked for it */
	bool			 asked_live;	/* a server is not sure */
	bool			 list_too;	/* verifyd is asked though a
						   list vouches: MARKED */
	struct where		 domains;	/* where it is looked up */
	struct where		 addresses;
	enum judge_verdict	 verdict;
	uint32_t		 asked;		/* id of the remote that said
						   so; 0 = none */
	enum verify_failure	 failure;
	struct conf_remote	*remote;	/* where it goes */
	const char		*by;		/* what decided: for the log */
	const char		*why;		/* and why; "" */
	const char		*would;		/* warn-only: what it would have
						   been told, and by what */
	const char		*would_by;
	const struct smtp_cmd	*cmd;
	struct mark		 mark;		/* at an LMTP remote */
	const struct staged	*st;		/* what its script has said;
						   NULL: nothing (yet) */
};

/* front_rcpt.c ------------------------------------------------------------ */

/* The names that the rows look at.  Only <postmaster> has no domain. */
void	rcpt_name(struct session *, const struct smtp_cmd *, struct judged *);
/* What rules see. */
void	rcpt_env(struct session *, const struct judged *, struct rule_env *);
/*
 * What a rule says with all that is known.  False: the command has its answer
 * (451), or will be run again when a look-up of it is answered; for one that
 * is looked at ahead, that it cannot be told yet.
 */
bool	rcpt_rule(struct session *, const struct judged *,
	    const struct rule *, const char *by, struct rule_value *);
/*
 * The next hop that it has if it is local, or NULL: what rules can tell at
 * once.  Before it: look up what they need.  False: that is being asked, and
 * the command will be run again; what nobody can tell is no matter here.
 */
bool	rcpt_route_look(struct session *, const struct judged *);
struct conf_remote *rcpt_route_now(struct session *, const struct judged *);
/* May a script be asked for it (row 10) that was not asked yet? */
bool	rcpt_may_be_staged(struct session *, const struct judged *);
/* May it be in one transaction with those that are there, whoever it is? */
bool	rcpt_is_plain(const struct session *, const struct judged *,
	    const struct conf_remote *);

/* front_judge.c ----------------------------------------------------------- */

/* Resolve a path, or the name of a directory; NULL leads nowhere. */
void	where_find(const struct config *, const char *path, bool directory,
	    struct where *);
/* Is the text in the list that this leads to? */
bool	where_has(const struct where *, const char *text);
/* The remote that this asks for addresses, or NULL. */
struct conf_remote *where_remote(const struct config *, const struct where *);
/*
 * Where addresses of that domain are looked up: j->domains, j->addresses.
 * False as rcpt_rule.
 */
bool	judge_where(struct session *, struct judged *);
/* Row 6, 7: j->verdict is set.  False as rcpt_rule. */
bool	judge_known(struct session *, struct judged *);

#endif
