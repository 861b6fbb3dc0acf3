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
 */

#include <string.h>
#include <stdlib.h>

#include "front.h"
#include "log.h"

/* What the rows decide about one recipient. */
struct judged {
	char			 addr[SMTP_MAILBOX_MAX + 1];
	char			 normal[SMTP_MAILBOX_MAX + 1];
	const char		*domain;	/* in normal */
	bool			 postmaster;	/* bare <postmaster> */
	bool			 local;
	struct conf_remote	*remote;	/* where it goes */
	const char		*by;		/* what decided: for the log */
};

static void
refuse(struct session *s, const struct judged *j, unsigned int flags,
    const char *reply, const char *by)
{
	struct smtp_reply	r;

	stats.rcpt_refused++;
	if (smtp_reply_fmt(&r, "%s", reply) == -1)
		(void)smtp_reply_fmt(&r, "451 4.3.5 internal error");
	flog_rcpt(s, j->addr, &r, by);
	session_reply_r(s, flags, &r);
}

/* A rule's value with all that is known; false: it cannot be told. */
static bool
judge_rule(struct session *s, const struct judged *j, const struct rule *rule,
    struct rule_value *v)
{
	struct rule_env		env;
	struct rule_memo	memo = { { 0 } };
	unsigned int		leaf;

	memset(v, 0, sizeof(*v));
	if (rule == NULL)
		return true;
	if (rule_is_constant(rule, v))
		return true;
	session_env(s, &env);
	env.str[RV_RCPT] = j->normal;
	env.str[RV_RCPT_DOMAIN] = j->domain;
	return rule_eval(rule, &env, &memo, v, &leaf) == RULE_VALUE;
}

/* Row 2: parameters that are not offered. */
static const char *
bad_params(struct session *s, const struct smtp_cmd *cmd)
{
	if (!(s->flags & SF_ESMTP) && cmd->nparams > 0)
		return "555 5.5.4 parameters need EHLO";
	if (cmd->have & (HAVE_NOTIFY | HAVE_ORCPT))
		return "501 5.5.4 DSN is not offered";
	if (cmd->path.utf8)
		return "553 5.6.7 address needs SMTPUTF8, not offered";
	return NULL;
}

/* Row 7's question, as far as lists answer it: is the domain ours? */
static bool
is_local(struct session *s, const struct judged *j)
{
	const char	*path = s->conf->session.domains;
	struct conf_obj	*list;

	if (path == NULL || strncmp(path, "list/", 5) != 0)
		return false;
	if ((list = conf_find(&s->conf->lists, path + 5)) == NULL)
		return false;
	return front_in_list(NULL, list->id, j->domain, NULL) != 0;
}

/* Row 8: may this client relay?  -1: a look-up cannot tell. */
static int
may_relay(struct session *s, struct judged *j)
{
	struct rule_value	v;
	size_t			i;

	if (s->listener->open_relay) {
		j->by = "open-relay";
		return 1;
	}
	for (i = 0; i < s->listener->relay_hosts.n; i++)
		if (cidr_match(&s->listener->relay_hosts.v[i], &s->remote)) {
			j->by = "relay-hosts";
			return 1;
		}
	if (!judge_rule(s, j, s->conf->session.relay, &v))
		return -1;
	j->by = "session.rcpt.relay";
	return v.type == VALUE_BOOL && v.num != 0;
}

/* The remote that a route rule names; NULL: none. */
static struct conf_remote *
routed(struct session *s, const struct judged *j, const struct rule *rule)
{
	struct rule_value	v;

	if (!judge_rule(s, j, rule, &v) || v.type != VALUE_STR ||
	    v.str == NULL)
		return NULL;
	return (struct conf_remote *)(void *)conf_find(&s->conf->remotes,
	    v.str);
}

static struct conf_remote *
choose_route(struct session *s, const struct judged *j)
{
	const struct conf_route	*r = &s->conf->route;
	struct conf_remote	*to;

	if ((to = routed(s, j, r->session)) != NULL)
		return to;
	return routed(s, j, j->local || j->postmaster ? r->local : r->relay);
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

/* Recipients that are accepted, or will be if the next hop says so. */
static size_t
expected(const struct tx *tx)
{
	size_t	i, n = tx->accepted;

	for (i = 0; i < tx->nrcpts && tx->pending > 0; i++)
		n += tx->rcpts[i].slot != NULL && tx->rcpts[i].same == 0;
	return n;
}

/* Rows 4 and 5; true: the command is answered. */
static bool
judge_count(struct session *s, const struct judged *j)
{
	struct rule_value	 v;
	struct rcpt		*r;
	struct tx		*tx = s->tx;

	if (!judge_rule(s, j, s->conf->session.max_recipients, &v)) {
		refuse(s, j, 0, "451 4.4.3 cannot look that up now", "rule");
		return true;
	}
	if (v.num > 0 && (int64_t)expected(tx) >= v.num) {
		refuse(s, j, 0, "452 4.5.3 too many recipients",
		    "session.rcpt.max-recipients");
		return true;
	}
	if ((r = tx_find(tx, j->normal)) == NULL)
		return false;
	if (r->state == RC_OK)
		session_reply(s, 0, "250 2.1.5 ok, once is enough");
	else
		repeat(s, j, r);
	return true;
}

/* One transaction, one next hop; of mx each domain is another one. */
static bool
same_place(const struct tx *tx, const struct judged *j)
{
	return tx->remote == j->remote && (tx->mx_domain == NULL ||
	    strcmp(tx->mx_domain, j->domain) == 0);
}

/* Rows 7 to 9; true: refused, and told. */
static bool
judge_place(struct session *s, struct judged *j)
{
	j->local = is_local(s, j);
	j->by = j->local ? "session.rcpt.lookup.domains" : "postmaster";
	if (!j->local && !j->postmaster) {
		switch (may_relay(s, j)) {
		case -1:
			refuse(s, j, 0, "451 4.4.3 cannot look that up now",
			    "session.rcpt.relay");
			return true;
		case 0:
			refuse(s, j, REPLY_COUNTED, s->conf->replies.relay,
			    "session.rcpt.relay");
			return true;
		}
	}
	if ((j->remote = choose_route(s, j)) == NULL) {
		log_warnx("no route for %s", j->local ? "local domains" :
		    "relayed mail");
		refuse(s, j, 0, "451 4.3.5 no route for this recipient",
		    "route");
		return true;
	}
	if (s->tx->remote != NULL && !same_place(s->tx, j)) {
		refuse(s, j, 0, "452 4.5.3 send this recipient in a "
		    "transaction of its own", "route");
		return true;
	}
	return false;
}

/* The names that the rows look at. */
static void
name_it(struct session *s, const struct smtp_cmd *cmd, struct judged *j)
{
	struct smtp_path	 path = cmd->path;
	struct slice		 conf;
	const char		*at;
	size_t			 used;

	memset(j, 0, sizeof(*j));
	if (path.domain_len == 0) {
		/* Only <postmaster> has none: it goes where we are told. */
		j->postmaster = true;
		conf.p = s->conf->session.postmaster;
		conf.n = strlen(conf.p);
		if (smtp_path_parse(&path, conf, PATH_FORWARD | PATH_BARE,
		    &used) != PATH_OK)
			path = cmd->path;
	}
	(void)smtp_path_print(&path, j->addr, sizeof(j->addr));
	(void)smtp_path_normal(&path, j->normal, sizeof(j->normal));
	at = strrchr(j->normal, '@');
	j->domain = at == NULL ? "" : at + 1;
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
	tx->remote = j->remote;
	r = &tx->rcpts[tx->nrcpts - 1];
	if ((r->slot = slot_new(s)) == NULL) {
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
	if ((no = bad_params(s, cmd)) != NULL)
		refuse(s, &j, 0, no, "parameters");
	else if (s->tx == NULL)
		refuse(s, &j, 0, "503 5.5.1 need MAIL first", "order");
	else if (!judge_count(s, &j) && !judge_place(s, &j))
		go_live(s, &j);
}
