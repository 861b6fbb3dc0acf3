/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * RCPT: the checks, row by row in the order of the manual
 * (postern-smtpd(8), RCPT STAGE).  Malformed commands and parameters were
 * refused before by the parser.  What passes all rows is vouched for, if we
 * were told that there is such an address, and may wait for DATA; or it is
 * live: the next hop is asked at once, and its answer is the client's.
 *
 * A row may need a look-up.  The command is then left as it is and run again
 * from row 1 with the answer, so nothing is done before all rows have spoken.
 */

#include <string.h>
#include <stdlib.h>

#include "front_hook.h"
#include "front_limit.h"
#include "front_rcpt.h"
#include "log.h"

#define RCPT_EXTRA	1000	/* refused and repeated ones over
				   max-recipients, in a transaction */

#define CANNOT		"451 4.4.3 cannot look that up now"

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

void
rcpt_name(struct session *s, const struct smtp_cmd *cmd, struct judged *j)
{
	memset(j, 0, sizeof(*j));
	j->cmd = cmd;
	j->why = "";
	set_names(j, &cmd->path);
	if (cmd->path.domain_len == 0)
		name_postmaster(s, j);
}

static void
refuse_r(struct session *s, const struct judged *j, unsigned int flags,
    const struct smtp_reply *reply, const char *by)
{
	struct smtp_reply	r = *reply;

	stats.rcpt_refused++;
	reply_soften(s, j->normal, &r);
	flog_judged(s, j->addr, &r, by, by == j->by ? j->why : "");
	session_reply_r(s, flags, &r);
}

static void
refuse(struct session *s, const struct judged *j, unsigned int flags,
    const char *reply, const char *by)
{
	struct smtp_reply	r;

	if (smtp_reply_fmt(&r, "%s", reply) == -1)
		(void)smtp_reply_fmt(&r, "451 4.3.5 internal error");
	refuse_r(s, j, flags, &r, by);
}

void
rcpt_env(struct session *s, const struct judged *j, struct rule_env *env)
{
	session_env(s, env);
	env->str[RV_RCPT] = j->normal;
	env->str[RV_RCPT_DOMAIN] = j->domain;
}

bool
rcpt_rule(struct session *s, const struct judged *j, const struct rule *rule,
    const char *by, struct rule_value *v)
{
	struct rule_env	env;

	if (rule_is_constant(rule, v))
		return true;
	rcpt_env(s, j, &env);
	if (j->ahead)
		return rule_now(s, rule, &env, v) == RULE_VALUE;
	switch (rule_ask(s, rule, &env, v)) {
	case RULE_VALUE:
		return true;
	case RULE_NEED:
		break;
	case RULE_CANNOT:
		refuse(s, j, 0, CANNOT, by);
		break;
	}
	return false;
}

/*
 * What rows 6 (the address), 7, 10 and 11 refuse, warn-only turns into a word
 * in the log.  True: so it is, look at the next row.  *later: it is not known
 * yet, or the command is answered.
 */
static bool
is_waived(struct session *s, struct judged *j, const char *reply,
    const char *by, bool *later)
{
	struct rule_value	v;

	*later = !rcpt_rule(s, j, s->conf->session.warn_only,
	    "session.rcpt.warn-only", &v);
	if (*later || v.num == 0)
		return false;
	if (j->would == NULL) {
		j->would = reply;
		j->would_by = by;
	}
	return true;
}

/* The refusal of such a row; true: that it is. */
static bool
row_refuses(struct session *s, struct judged *j, unsigned int flags,
    const char *reply, const char *by)
{
	bool	later;

	if (is_waived(s, j, reply, by, &later))
		return false;
	if (!later)
		refuse(s, j, flags, reply, by);
	return true;
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
	if (!rcpt_rule(s, j, s->conf->session.relay, by, &v))
		return true;
	j->by = by;
	if (v.type == VALUE_BOOL && v.num != 0)
		return false;
	refuse(s, j, REPLY_COUNTED, s->conf->replies.relay, by);
	return true;
}

/* The remote that a route rule names, or NULL.  False as rcpt_rule. */
static bool
routed(struct session *s, const struct judged *j, const struct rule *rule,
    const char *by, struct conf_remote **remote)
{
	struct rule_value	v;

	*remote = NULL;
	if (!rcpt_rule(s, j, rule, by, &v))
		return false;
	if (v.type == VALUE_STR && v.str != NULL)
		*remote = (struct conf_remote *)(void *)conf_find(
		    &s->conf->remotes, v.str);
	return true;
}

/*
 * The next hop; NULL: there is none.  For local domains it is the server that
 * knows the addresses, unless a route says otherwise.  False as rcpt_rule.
 */
static bool
find_route(struct session *s, struct judged *j, bool ours,
    struct conf_remote **remote)
{
	const struct conf_route	*r = &s->conf->route;

	*remote = j->st == NULL ? NULL : j->st->remote;
	if (*remote != NULL)
		return true;
	if (!routed(s, j, r->session, "route.session", remote))
		return false;
	if (*remote != NULL)
		return true;
	if (!ours)
		return routed(s, j, r->relay, "route.relay", remote);
	if (!routed(s, j, r->local, "route.local", remote))
		return false;
	if (*remote != NULL)
		return true;
	if (j->postmaster && !judge_where(s, j))
		return false;
	*remote = where_remote(s->conf, &j->addresses);
	return true;
}

bool
rcpt_route_look(struct session *s, const struct judged *j)
{
	const struct conf_route	*r = &s->conf->route;
	struct rule_env		 env;
	struct rule_value	 v;
	enum rule_result	 res;

	if (j->st != NULL && j->st->remote != NULL)
		return true;
	rcpt_env(s, j, &env);
	res = rule_ask(s, r->session, &env, &v);
	if (res == RULE_VALUE && v.str == NULL)
		res = rule_ask(s, r->local, &env, &v);
	return res != RULE_NEED;
}

struct conf_remote *
rcpt_route_now(struct session *s, const struct judged *j)
{
	static struct judged	 copy;
	struct conf_remote	*remote;

	copy = *j;
	copy.ahead = true;
	return find_route(s, &copy, true, &remote) ? remote : NULL;
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
	if (r->state != RC_OK && !r->told)
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

	if (!rcpt_rule(s, j, s->conf->session.max_recipients, by, &v))
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
same_place(const struct tx *tx, const struct judged *j,
    const struct conf_remote *remote)
{
	return tx->remote == NULL || (tx->remote == remote &&
	    (tx->mx_domain == NULL || strcmp(tx->mx_domain, j->domain) == 0));
}

bool
rcpt_is_plain(const struct session *s, const struct judged *j,
    const struct conf_remote *remote)
{
	return remote->protocol == PROTO_SMTP &&
	    same_place(s->tx, j, remote);
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

	if (!same_place(s->tx, j, j->remote)) {
		refuse(s, j, 0, own, "route");
		return true;
	}
	switch (mixed_mark(s, j->remote, j->normal, &j->mark)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return true;
	case RULE_CANNOT:
		refuse(s, j, 0, CANNOT, "lmtp-mixed");
		return true;
	}
	if (mixed_fits(s->tx, j->remote, &j->mark))
		return false;
	refuse(s, j, 0, own, "lmtp-mixed");
	return true;
}

/*
 * Where it goes at all; true: nowhere, and told.  Without a route nobody can
 * be asked what a server would not tell.
 */
static bool
judge_route(struct session *s, struct judged *j)
{
	bool	ours = j->postmaster || j->verdict != JUDGE_FOREIGN;

	if (!find_route(s, j, ours, &j->remote))
		return true;
	if (j->remote != NULL)
		return judge_company(s, j);
	if (j->asked_live) {
		refuse(s, j, 0, CANNOT, j->by);
		return true;
	}
	log_warnx("no route for %s", ours ? "local domains" : "relayed mail");
	refuse(s, j, 0, "451 4.3.5 no route for this recipient", "route");
	return true;
}

/* Row 7; true: told so.  A domain's postmaster is never unknown. */
static bool
judge_unknown(struct session *s, struct judged *j)
{
	if (strncmp(j->normal, "postmaster@", 11) == 0) {
		name_postmaster(s, j);
		j->by = "postmaster";
		j->why = "";
		return judge_repeat(s, j);
	}
	return row_refuses(s, j, REPLY_COUNTED, s->conf->replies.unknown,
	    j->by);
}

/* Rows 6 to 8; true: refused, and told. */
static bool
judge_verdict(struct session *s, struct judged *j)
{
	switch (j->verdict) {
	case JUDGE_FOREIGN:
		return judge_relay(s, j);
	case JUDGE_UNKNOWN:
		return judge_unknown(s, j);
	case JUDGE_NO_DOMAIN:
		refuse(s, j, 0, CANNOT, j->by);
		return true;
	case JUDGE_NO_ADDRESS:
		return j->failure != FAILURE_ACCEPT &&
		    row_refuses(s, j, 0, CANNOT, j->by);
	case JUDGE_VOUCHED:
	case JUDGE_LIVE:
	case JUDGE_VERDICT_COUNT:
		break;
	}
	return false;
}

bool
rcpt_may_be_staged(struct session *s, const struct judged *j)
{
	struct rule_env	env;

	if (!stage_is_on(s, STAGE_RCPT))
		return false;
	rcpt_env(s, j, &env);
	return stage_may_come(s, STAGE_RCPT, &env);
}

/* The script's refusal, as other rows'. */
static bool
staged_refuses(struct session *s, struct judged *j, const struct staged *st)
{
	static char	would[SMTP_REPLY_LINE_MAX + 20];
	bool		later;

	(void)snprintf(would, sizeof(would), "%d %s%s%s", st->reply.code,
	    st->reply.enhanced, st->reply.enhanced[0] == '\0' ? "" : " ",
	    st->reply.text);
	if (is_waived(s, j, would, st->by, &later))
		return false;
	if (!later)
		refuse_r(s, j, st->flags, &st->reply, st->by);
	return true;
}

/*
 * Row 10; true: refused, and told, or the script is running.  If it has put
 * another recipient or remote in the place of this one, all rows have been
 * looked at with that when it comes here again.
 */
static bool
judge_script(struct session *s, struct judged *j)
{
	struct rule_env	 env;
	struct staged	*st = NULL;

	if (j->postmaster || !stage_is_on(s, STAGE_RCPT))
		return false;
	rcpt_env(s, j, &env);
	switch (stage_rcpt(s, j->cmd, &env, j->remote, &st)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return true;
	case RULE_CANNOT:
		refuse(s, j, 0, CANNOT, "session.rcpt.script");
		return true;
	}
	return st != NULL && !st->accepted && staged_refuses(s, j, st);
}

/* Row 11; true: passed, and told, or it is being asked. */
static bool
judge_rate(struct session *s, struct judged *j)
{
	static const char	by[] = "session.throttle";
	struct rule_env		env;
	bool			over;

	if (j->postmaster || s->conf->session.throttles.n == 0)
		return false;
	rcpt_env(s, j, &env);
	switch (throttle_rcpt(s, &env, &over)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return true;
	case RULE_CANNOT:
		refuse(s, j, 0, CANNOT, by);
		return true;
	}
	return over && row_refuses(s, j, 0,
	    "451 4.7.1 too much mail, try again later", by);
}

/* Rows 6 to 11; true: refused, and told. */
static bool
judge_place(struct session *s, struct judged *j)
{
	if (j->postmaster)
		j->by = "postmaster";
	else if (!judge_known(s, j) || judge_verdict(s, j))
		return true;
	return judge_route(s, j) || judge_script(s, j) || judge_rate(s, j);
}

/* All rows are passed: accept it, or ask the next hop. */
static void
admit(struct session *s, const struct judged *j)
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
	r->vouched = !j->postmaster && j->would == NULL &&
	    j->verdict == JUDGE_VOUCHED;
	r->by = j->by;
	r->asked = j->asked;
	if ((j->st != NULL && j->st->reply.code != 0 &&
	    rcpt_keep_said(r, &j->st->reply) == -1) ||
	    params_rcpt_keep(r, j->cmd) == -1 ||
	    hook_rcpt(s, r, &j->cmd->path, j->cmd) == -1 ||
	    (!r->vouched && (r->slot = slot_new(s)) == NULL))
		session_end(s, "no memory");
	else if (r->vouched)
		relay_vouched(s);
	else
		relay_rcpt(s);
}

void
rcpt_stage(struct session *s, const struct smtp_cmd *cmd)
{
	const struct staged	*st = stage_said(s, STAGE_RCPT);
	static struct smtp_cmd	 rewritten;
	struct judged		 j;
	const char		*no;

	if (st != NULL && (st->set & HOOKV_SET_ADDRESS)) {
		rewritten = *cmd;
		rewritten.path = st->path;
		cmd = &rewritten;
	}
	rcpt_name(s, cmd, &j);
	j.st = st != NULL && st->accepted ? st : NULL;
	if (s->command == NULL && s->announced > 0)
		s->announced--;
	if ((no = params_rcpt_refusal(s, cmd)) != NULL)
		refuse(s, &j, 0, no, "parameters");
	else if (s->tx == NULL)
		refuse(s, &j, 0, "503 5.5.1 need MAIL first", "order");
	else if (s->tx->chunks.on)
		refuse(s, &j, 0, "503 5.5.1 in the middle of BDAT", "order");
	else if (!judge_count(s, &j) && !judge_place(s, &j))
		admit(s, &j);
}
