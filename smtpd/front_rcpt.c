/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * RCPT: the checks, row by row in the order of the manual
 * (postern-smtpd(8), RCPT STAGE).  Malformed commands and parameters were
 * refused before by the parser; what passes all rows is live: the next hop
 * is asked at once, and its answer is the client's.
 *
 * A row may need a look-up.  The command is then left as it is and run again
 * from row 1 with the answer, so nothing is done before all rows have spoken.
 */

#include <string.h>
#include <stdlib.h>

#include "front.h"
#include "list.h"
#include "log.h"

#define RCPT_EXTRA	1000	/* refused and repeated ones over
				   max-recipients, in a transaction */

/* What the rows decide about one recipient. */
struct judged {
	char			 addr[SMTP_MAILBOX_MAX + 1];
	char			 normal[SMTP_MAILBOX_MAX + 1];
	const char		*domain;	/* in normal */
	bool			 postmaster;	/* bare <postmaster> */
	bool			 local;
	struct conf_remote	*remote;	/* where it goes */
	const char		*by;		/* what decided: for the log */
	const char		*would;		/* warn-only: what it would have
						   been told, and by what */
	const char		*would_by;
	const struct smtp_cmd	*cmd;
	struct mark		 mark;		/* at an LMTP remote */
};

static void
set_names(struct judged *j, const struct smtp_path *path)
{
	const char	*at;

	(void)smtp_path_print(path, j->addr, sizeof(j->addr));
	(void)smtp_path_normal(path, j->normal, sizeof(j->normal));
	at = strrchr(j->normal, '@');
	j->domain = at == NULL ? "" : at + 1;
}

/* Mail for the postmaster goes where the configuration says. */
static void
name_postmaster(struct session *s, struct judged *j)
{
	struct smtp_path	path;
	struct slice		conf;
	size_t			used;

	j->postmaster = true;
	conf.p = s->conf->session.postmaster;
	conf.n = strlen(conf.p);
	if (smtp_path_parse(&path, conf, PATH_FORWARD | PATH_BARE,
	    &used) == PATH_OK)
		set_names(j, &path);
}

/* The names that the rows look at.  Only <postmaster> has no domain. */
static void
name_it(struct session *s, const struct smtp_cmd *cmd, struct judged *j)
{
	memset(j, 0, sizeof(*j));
	j->cmd = cmd;
	set_names(j, &cmd->path);
	if (cmd->path.domain_len == 0)
		name_postmaster(s, j);
}

static void
refuse(struct session *s, const struct judged *j, unsigned int flags,
    const char *reply, const char *by)
{
	struct smtp_reply	r;

	stats.rcpt_refused++;
	if (smtp_reply_fmt(&r, "%s", reply) == -1)
		(void)smtp_reply_fmt(&r, "451 4.3.5 internal error");
	reply_soften(s, j->normal, &r);
	flog_rcpt(s, j->addr, &r, by);
	session_reply_r(s, flags, &r);
}

/*
 * What a rule says with all that is known.  False: the command has its answer
 * (451), or will be run again when a look-up of it is answered.
 */
static bool
ask_rule(struct session *s, const struct judged *j, const struct rule *rule,
    const char *by, struct rule_value *v)
{
	struct rule_env	env;

	if (rule_is_constant(rule, v))
		return true;
	session_env(s, &env);
	env.str[RV_RCPT] = j->normal;
	env.str[RV_RCPT_DOMAIN] = j->domain;
	switch (rule_ask(s, rule, &env, v)) {
	case RULE_VALUE:
		return true;
	case RULE_NEED:
		break;
	case RULE_CANNOT:
		refuse(s, j, 0, "451 4.4.3 cannot look that up now", by);
		break;
	}
	return false;
}

/*
 * The refusal of rows 6 (the address), 7, 10 and 11, which warn-only turns
 * into a word in the log.  False: so it is, look at the next row.
 */
static bool
row_refuses(struct session *s, struct judged *j, unsigned int flags,
    const char *reply, const char *by)
{
	struct rule_value	v;

	if (!ask_rule(s, j, s->conf->session.warn_only,
	    "session.rcpt.warn-only", &v))
		return true;
	if (v.num == 0) {
		refuse(s, j, flags, reply, by);
		return true;
	}
	if (j->would == NULL) {
		j->would = reply;
		j->would_by = by;
	}
	return false;
}

/* The path of a look-up, or NULL where it is off.  False as ask_rule. */
static bool
ask_path(struct session *s, const struct judged *j, const struct rule *rule,
    const char *by, const char **path)
{
	struct rule_value	v;

	*path = NULL;
	if (!ask_rule(s, j, rule, by, &v))
		return false;
	if (v.type == VALUE_STR)
		*path = v.str;
	return true;
}

/* Is the text in the list that a look-up of addresses names? */
static bool
in_list(struct session *s, const char *path, const char *text)
{
	const struct conf_obj	*list;

	if (path == NULL || strncmp(path, "list/", 5) != 0)
		return false;
	list = conf_find(&s->conf->lists, path + 5);
	return list != NULL && list_has(list->priv, text, NULL);
}

/* Is there one who may relay whatever the rule says? */
static bool
relays_anyway(const struct session *s, struct judged *j)
{
	size_t	i;

	if (s->listener->open_relay) {
		j->by = "open-relay";
		return true;
	}
	for (i = 0; i < s->listener->relay_hosts.n; i++)
		if (cidr_match(&s->listener->relay_hosts.v[i], &s->remote)) {
			j->by = "relay-hosts";
			return true;
		}
	return false;
}

/* Row 8: may this client relay?  True: not, and the command is answered. */
static bool
judge_relay(struct session *s, struct judged *j)
{
	static const char	by[] = "session.rcpt.relay";
	struct rule_value	v;

	if (relays_anyway(s, j))
		return false;
	if (!ask_rule(s, j, s->conf->session.relay, by, &v))
		return true;
	j->by = by;
	if (v.type == VALUE_BOOL && v.num != 0)
		return false;
	refuse(s, j, REPLY_COUNTED, s->conf->replies.relay, by);
	return true;
}

/* The remote that a route rule names, or NULL.  False as ask_rule. */
static bool
routed(struct session *s, struct judged *j, const struct rule *rule,
    const char *by)
{
	struct rule_value	v;

	j->remote = NULL;
	if (!ask_rule(s, j, rule, by, &v))
		return false;
	if (v.type == VALUE_STR && v.str != NULL)
		j->remote = (struct conf_remote *)(void *)conf_find(
		    &s->conf->remotes, v.str);
	return true;
}

static bool
choose_route(struct session *s, struct judged *j)
{
	const struct conf_route	*r = &s->conf->route;
	bool			 ours = j->local || j->postmaster;

	if (!routed(s, j, r->session, "route.session"))
		return false;
	return j->remote != NULL || routed(s, j, ours ? r->local : r->relay,
	    ours ? "route.local" : "route.relay");
}

/* Row 5, for one that is being asked for: it gets the same answer. */
static void
repeat(struct session *s, const struct judged *j, const struct rcpt *first)
{
	struct tx	*tx = s->tx;
	size_t		 same = (size_t)(first - tx->rcpts) + 1;
	struct rcpt	*r;

	if (tx_add(tx, j->addr, j->normal) == -1) {
		refuse(s, j, 0, "451 4.3.0 no memory", "memory");
		return;
	}
	r = &tx->rcpts[tx->nrcpts - 1];
	r->same = same;
	r->state = RC_SENT;
	if ((r->slot = slot_new(s)) == NULL)
		session_end(s, "no memory");
}

/* Row 5, for LMTP: one reply more behind the message. */
static int
add_again(struct tx *tx, const struct judged *j, const struct rcpt *first)
{
	size_t		 same = (size_t)(first - tx->rcpts) + 1;
	struct rcpt	*r;

	if (tx_add(tx, j->addr, j->normal) == -1)
		return -1;
	tx->pending--;
	r = &tx->rcpts[tx->nrcpts - 1];
	r->same = same;
	r->state = RC_NO;
	r->again = true;
	return 0;
}

/*
 * Recipients that are accepted, or will be if the next hop says so; of LMTP
 * those that were said again too, as each costs a reply.
 */
static size_t
expected(const struct session *s)
{
	const struct tx	*tx = s->tx;
	bool		 lmtp = s->listener->protocol == PROTO_LMTP;
	size_t		 i, n = tx->accepted;

	for (i = 0; i < tx->nrcpts && tx->pending > 0; i++)
		n += tx->rcpts[i].slot != NULL &&
		    (lmtp || tx->rcpts[i].same == 0);
	for (i = 0; i < tx->nrcpts && lmtp; i++)
		n += tx->rcpts[i].again;
	return n;
}

/* Row 5; true: it is here already, and answered. */
static bool
judge_repeat(struct session *s, const struct judged *j)
{
	struct rcpt	*r;

	if ((r = tx_find(s->tx, j->normal)) == NULL)
		return false;
	if (r->state != RC_OK)
		repeat(s, j, r);
	else if (s->listener->protocol == PROTO_LMTP &&
	    add_again(s->tx, j, r) == -1)
		refuse(s, j, 0, "451 4.3.0 no memory", "memory");
	else
		session_reply(s, 0, "250 2.1.5 ok, once is enough");
	return true;
}

/* Rows 4 and 5; true: the command is answered. */
static bool
judge_count(struct session *s, const struct judged *j)
{
	static const char	by[] = "session.rcpt.max-recipients";
	struct rule_value	v;

	if (!ask_rule(s, j, s->conf->session.max_recipients, by, &v))
		return true;
	if (v.num > 0 && ((int64_t)expected(s) >= v.num ||
	    (int64_t)s->tx->nrcpts >= v.num + RCPT_EXTRA)) {
		refuse(s, j, 0, "452 4.5.3 too many recipients", by);
		return true;
	}
	return judge_repeat(s, j);
}

/* One transaction, one next hop; of mx each domain is another one. */
static bool
same_place(const struct tx *tx, const struct judged *j)
{
	return tx->remote == j->remote && (tx->mx_domain == NULL ||
	    strcmp(tx->mx_domain, j->domain) == 0);
}

/*
 * Row 9: may it go with those that were accepted?  True: not, and told, or a
 * look-up is out.
 */
static bool
judge_company(struct session *s, struct judged *j)
{
	static const char	own[] = "452 4.5.3 send this recipient in a "
				    "transaction of its own";

	if (s->tx->remote != NULL && !same_place(s->tx, j)) {
		refuse(s, j, 0, own, "route");
		return true;
	}
	switch (mixed_mark(s, j->remote, j->normal, &j->mark)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return true;
	case RULE_CANNOT:
		refuse(s, j, 0, "451 4.4.3 cannot look that up now",
		    "lmtp-mixed");
		return true;
	}
	if (mixed_fits(s->tx, j->remote, &j->mark))
		return false;
	refuse(s, j, 0, own, "lmtp-mixed");
	return true;
}

/* Where it goes at all; true: nowhere, and told. */
static bool
judge_route(struct session *s, struct judged *j)
{
	if (!choose_route(s, j))
		return true;
	if (j->remote == NULL) {
		log_warnx("no route for %s", j->local ? "local domains" :
		    "relayed mail");
		refuse(s, j, 0, "451 4.3.5 no route for this recipient",
		    "route");
		return true;
	}
	return judge_company(s, j);
}

/* Row 7; true: unknown, and told, or it is somebody that we have. */
static bool
judge_address(struct session *s, struct judged *j)
{
	const char	*list;

	if (!ask_path(s, j, s->conf->session.addresses,
	    "session.rcpt.lookup.addresses", &list))
		return true;
	j->by = "session.rcpt.lookup.domains";
	if (list == NULL)
		return false;
	j->by = "session.rcpt.lookup.addresses";
	if (in_list(s, list, j->normal))
		return false;
	if (strncmp(j->normal, "postmaster@", 11) == 0) {
		name_postmaster(s, j);
		return judge_repeat(s, j);
	}
	return row_refuses(s, j, REPLY_COUNTED, s->conf->replies.unknown,
	    j->by);
}

/* Rows 7 to 9; true: refused, and told. */
static bool
judge_place(struct session *s, struct judged *j)
{
	const char	*domains;

	if (!ask_path(s, j, s->conf->session.domains,
	    "session.rcpt.lookup.domains", &domains))
		return true;
	j->by = "postmaster";
	j->local = !j->postmaster && in_list(s, domains, j->domain);
	if (j->local && judge_address(s, j))
		return true;
	if (!j->local && !j->postmaster && judge_relay(s, j))
		return true;
	return judge_route(s, j);
}

/* Row 11; true: too many of them, and told, or it is being asked. */
static bool
judge_throttle(struct session *s, struct judged *j)
{
	static const char	by[] = "session.throttle";
	struct rule_env		env;
	bool			over;

	if (j->postmaster || s->conf->session.throttles.n == 0)
		return false;
	session_env(s, &env);
	env.str[RV_RCPT] = j->normal;
	env.str[RV_RCPT_DOMAIN] = j->domain;
	switch (throttle_rcpt(s, &env, &over)) {
	case RULE_VALUE:
		return over && row_refuses(s, j, 0, "451 4.7.1 too many "
		    "recipients, try again later", by);
	case RULE_NEED:
		break;
	case RULE_CANNOT:
		refuse(s, j, 0, "451 4.4.3 cannot look that up now", by);
		break;
	}
	return true;
}

/* All rows are passed: ask the next hop. */
static void
go_live(struct session *s, const struct judged *j)
{
	struct tx	*tx = s->tx;
	struct rcpt	*r;

	if (j->remote->mx && tx->mx_domain == NULL)
		tx->mx_domain = strdup(j->domain);
	if ((j->remote->mx && tx->mx_domain == NULL) ||
	    tx_add(tx, j->addr, j->normal) == -1) {
		refuse(s, j, 0, "451 4.3.0 no memory", "memory");
		return;
	}
	if (j->would != NULL)
		flog_would(s, j->addr, j->would, j->would_by);
	tx->remote = j->remote;
	r = &tx->rcpts[tx->nrcpts - 1];
	r->mark = j->mark;
	charge_keep(s, r);
	r->postmaster = j->postmaster;
	if (params_rcpt_keep(r, j->cmd) == -1 ||
	    (r->slot = slot_new(s)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	relay_rcpt(s);
}

void
rcpt_stage(struct session *s, const struct smtp_cmd *cmd)
{
	struct judged	 j;
	const char	*no;

	name_it(s, cmd, &j);
	if ((no = params_rcpt_refusal(s, cmd)) != NULL)
		refuse(s, &j, 0, no, "parameters");
	else if (s->tx == NULL)
		refuse(s, &j, 0, "503 5.5.1 need MAIL first", "order");
	else if (s->tx->chunks.on)
		refuse(s, &j, 0, "503 5.5.1 in the middle of BDAT", "order");
	else if (!judge_count(s, &j) && !judge_place(s, &j) &&
	    !judge_throttle(s, &j))
		go_live(s, &j);
}
