/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * RCPT, rows 6 and 7: is the domain local, and is there such an address.
 *
 * Lists are held here and answer at once.  For everything else there is one
 * question to verifyd (JUDGE) for a recipient, of what lists have left open.
 * Its answer is kept in the command's memory, the command is run again, and
 * finds it.
 *
 * A client that pipelines has further RCPTs in the input while that question
 * is out.  They are announced, so that the servers can be asked for all of
 * them at once, and the answers are there when their turn comes.  That is a
 * hint and no more: each is judged in its turn, by its own question.
 *
 * Where a path leads is found once and kept beside the text: a rule's text
 * lies where it lay, so that its place is as good as a hash.
 *
 * Rejected: to keep the answers to what was announced (they would have to be
 * forgotten with the sender, the rules and the configuration), and to ask
 * verifyd for lists too (a list of domains is the most frequent look-up, and
 * every client can make it be asked).
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "front_hook.h"
#include "front_limit.h"
#include "front_rcpt.h"
#include "list.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"

#define AHEAD_MAX	100	/* RCPTs that are announced at a time */
#define KEPT		64	/* paths that were resolved */
#define KEPT_PATH	160	/* octets of one; longer ones are not kept */

static struct mono	marks;		/* until then there can be some */

static const char	by_directory[] = "session.rcpt.directory";
static const char	by_domains[] = "session.rcpt.lookup.domains";
static const char	by_addresses[] = "session.rcpt.lookup.addresses";

/* --- paths ---------------------------------------------------------------- */

static struct {
	const struct config	*conf;	/* NULL: nothing is kept */
	uint32_t		 generation;
	bool			 directory;
	char			 path[KEPT_PATH];
	struct where		 where;
} kept[KEPT];

static void
resolve(const struct config *conf, const char *path, bool directory,
    struct where *w)
{
	enum lookup_kind	 kind = LOOK_DIRECTORY;
	const char		*query = "";
	char			 full[KEPT_PATH + 16];

	memset(w, 0, sizeof(*w));
	if (directory) {
		(void)snprintf(full, sizeof(full), "directory/%s", path);
		path = full;
	}
	w->obj = conf_lookup(conf, path, &kind, &query);
	w->wait = ask_wait(conf, path);
	/* A path that leads nowhere is a look-up all the same. */
	w->path.kind = w->obj == NULL ? LOOK_DB : (uint8_t)kind;
	w->path.id = w->obj == NULL ? 0 : w->obj->id;
	if (strlcpy(w->path.query, query, sizeof(w->path.query)) >=
	    sizeof(w->path.query))
		w->obj = NULL;
}

void
where_find(const struct config *conf, const char *path, bool directory,
    struct where *w)
{
	size_t	i = ((uintptr_t)path >> 4) % KEPT;

	if (kept[i].conf == conf && kept[i].generation == conf->generation &&
	    kept[i].directory == directory &&
	    strcmp(kept[i].path, path) == 0) {
		*w = kept[i].where;
		return;
	}
	resolve(conf, path, directory, w);
	if (strlen(path) >= sizeof(kept[i].path))
		return;
	kept[i].conf = conf;
	kept[i].generation = conf->generation;
	kept[i].directory = directory;
	(void)strlcpy(kept[i].path, path, sizeof(kept[i].path));
	kept[i].where = *w;
}

bool
where_has(const struct where *w, const char *text)
{
	return w->obj != NULL && list_has(w->obj->priv, text, NULL);
}

struct conf_remote *
where_remote(const struct config *conf, const struct where *w)
{
	const struct conf_directory	*d;
	const struct conf_obj		*o = NULL;

	if (w->path.kind == LOOK_REMOTE)
		o = w->obj;
	else if (w->path.kind == LOOK_DIRECTORY && w->obj != NULL) {
		d = (const struct conf_directory *)(const void *)w->obj;
		if (d->type == DIR_REMOTE && d->remote != NULL)
			o = conf_find(&conf->remotes, d->remote);
	}
	return o == NULL ? NULL : (struct conf_remote *)(void *)conf_find_id(
	    &conf->remotes, o->id);
}

/* Where a rule leads; false as rcpt_rule. */
static bool
ask_where(struct session *s, const struct judged *j, const struct rule *rule,
    const char *by, struct where *w)
{
	struct rule_value	v;

	memset(w, 0, sizeof(*w));
	if (!rcpt_rule(s, j, rule, by, &v))
		return false;
	if (v.type == VALUE_STR && v.str != NULL)
		where_find(s->conf, v.str, by == by_directory, w);
	return true;
}

/* The domains' place, and the addresses' where a directory has both. */
static bool
where_domains(struct session *s, struct judged *j)
{
	const struct conf_session	*cs = &s->conf->session;

	j->by = by_directory;
	if (!ask_where(s, j, cs->directory, by_directory, &j->domains))
		return false;
	j->addresses = j->domains;
	if (j->domains.path.kind != LOOK_NONE)
		return true;
	j->by = by_domains;
	return ask_where(s, j, cs->domains, by_domains, &j->domains);
}

static bool
where_addresses(struct session *s, struct judged *j)
{
	return j->addresses.path.kind != LOOK_NONE ||
	    ask_where(s, j, s->conf->session.addresses, by_addresses,
	    &j->addresses);
}

bool
judge_where(struct session *s, struct judged *j)
{
	return where_domains(s, j) && where_addresses(s, j);
}

/* --- what is known here --------------------------------------------------- */

static bool
is_asked(const struct where *w)
{
	return w->path.kind != LOOK_NONE && w->path.kind != LOOK_LIST;
}

/* Known here: the domain is local, or not; false: it is to be asked. */
static bool
known_domain(struct judged *j, bool *local)
{
	*local = false;
	if (is_asked(&j->domains))
		return false;
	if (j->domains.path.kind == LOOK_LIST)
		*local = where_has(&j->domains, j->domain);
	return true;
}

/* The address of a local domain, which no server is asked for. */
static void
known_address(struct judged *j)
{
	j->verdict = JUDGE_LIVE;
	if (j->addresses.path.kind == LOOK_NONE)
		return;
	j->by = by_addresses;
	j->verdict = where_has(&j->addresses, j->normal) ? JUDGE_VOUCHED :
	    JUDGE_UNKNOWN;
}

int
judge_marked(struct peer *p, struct msg *m)
{
	(void)p;
	if (get_end(&m->body) == -1)
		return -1;
	marks = mono_add(mono_now(), m->seq);
	return 0;
}

/* Has a next hop, lately, refused somebody who was vouched for? */
static bool
there_are_marks(void)
{
	return mono_is_set(marks) && mono_diff(marks, mono_now()) > 0;
}

/* --- the question --------------------------------------------------------- */

/*
 * The rates of row 11 go with it, where no row before it can refuse a local
 * recipient; others are not charged by it.
 */
static bool
rates_ride(struct session *s, const struct judged *j,
    const struct conf_remote *remote)
{
	return s->conf->session.throttles.n > 0 && !j->ahead &&
	    remote != NULL && rcpt_is_plain(s, j, remote) &&
	    !rcpt_may_be_staged(s, j);
}

/* What verifyd is asked; without memory it is not sound. */
static void
put_question(struct session *s, struct judged *j, struct wbuf *w, bool *rode)
{
	static struct proto_judge	 q;
	struct conf_remote		*remote = rcpt_route_now(s, j);
	struct rule_env			 env;
	struct wbuf			 rates = { .data = NULL };

	memset(&q, 0, sizeof(q));
	q.flags = (j->ahead ? JUDGE_AHEAD : 0) |
	    (j->failure == FAILURE_STALE ? JUDGE_STALE : 0);
	q.domains = j->domains.path;
	if (is_asked(&j->addresses) || j->list_too)
		q.addresses = j->addresses.path;
	q.remote = remote == NULL ? 0 : remote->obj.id;
	(void)strlcpy(q.rcpt, j->normal, sizeof(q.rcpt));
	(void)strlcpy(q.sender, s->tx->sender_normal, sizeof(q.sender));
	if (rates_ride(s, j, remote)) {
		rcpt_env(s, j, &env);
		q.nrates = throttle_rates(s, &env, &rates);
	}
	*rode = q.nrates > 0;
	put_judge(w, &q);
	put_raw(w, rates.data, rates.len);
	w->failed |= !wire_ok(&rates);
	wbuf_clear(&rates);
}

static void
judge_done(struct session *s, struct msg *m)
{
	struct judgement	*g = command_judgement(s);

	g->state = ASK_OVER;
	if (m == NULL || get_judge_ans(m, &g->ans) == -1) {
		memset(&g->ans, 0, sizeof(g->ans));
		g->ans.verdict = JUDGE_NO_DOMAIN;
		(void)strlcpy(g->ans.why, "no answer", sizeof(g->ans.why));
	}
	if (g->rode && g->ans.charged)
		throttle_rode(s, g->ans.over);
	verb_line(s, s->line);
}

/* --- ahead ---------------------------------------------------------------- */

/* Nothing is said for it, and nothing kept. */
static void
announce_one(struct session *s, const struct smtp_cmd *cmd)
{
	static struct judged	 j;
	struct peer		*p = proc_peer(R_VERIFYD, 0);
	struct wbuf		 w = { .data = NULL };
	bool			 local, rode;

	rcpt_name(s, cmd, &j);
	j.ahead = true;
	if (p == NULL || j.postmaster ||
	    params_rcpt_refusal(s, cmd) != NULL ||
	    tx_find(s->tx, j.normal) != NULL || !judge_where(s, &j) ||
	    !is_asked(&j.addresses))
		return;
	if (known_domain(&j, &local)) {
		if (!local)
			return;
		memset(&j.domains, 0, sizeof(j.domains));
	}
	put_question(s, &j, &w, &rode);
	if (wire_ok(&w))
		peer_send(p, MSG_JUDGE, s->sid, 0, -1, &w);
	else
		wbuf_clear(&w);
}

/* The RCPTs that stand next in the input, whole, behind those announced. */
static void
announce(struct session *s)
{
	static struct smtp_cmd	 cmd;
	struct smtp_lines	 lines = { 0, false };
	struct slice		 line;
	const char		*data, *end;
	unsigned int		 known;
	size_t			 n, used;

	data = io_data(&s->io, &n);
	for (known = s->announced; known > 0 && n > 0; known--) {
		if ((end = memchr(data, '\n', n)) == NULL)
			return;
		n -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	while (s->announced < AHEAD_MAX && n > 0 && (*data | 0x20) == 'r' &&
	    smtp_line_next(&lines, data, n, SMTP_LINE_MAX, &line, &used) ==
	    LINE_OK && smtp_cmd_parse(&cmd, line) == CMD_OK &&
	    cmd.verb == VERB_RCPT) {
		announce_one(s, &cmd);
		s->announced++;
		data += used;
		n -= used;
	}
}

/* --- the verdict ---------------------------------------------------------- */

/* As session.rcpt.verify-failure says; false as rcpt_rule. */
static bool
ask_failure(struct session *s, struct judged *j)
{
	static const char	by[] = "session.rcpt.verify-failure";
	struct rule_value	v;

	if (!rcpt_rule(s, j, s->conf->session.verify_failure, by, &v))
		return false;
	j->failure = (enum verify_failure)v.num;
	return true;
}

/* False: the question is out. */
static bool
ask_verifyd(struct session *s, struct judged *j, struct judgement *g)
{
	struct wbuf	w = { .data = NULL };

	if (g->state == ASK_OVER)
		return true;
	put_question(s, j, &w, &g->rode);
	g->state = ASK_OUT;
	ask_send(s, R_VERIFYD, MSG_JUDGE, &w, j->domains.wait +
	    (is_asked(&j->addresses) || j->list_too ? j->addresses.wait : 0),
	    judge_done);
	/* What a script may make of those behind it nobody knows. */
	if (is_asked(&j->addresses) && s->state != S_DEAD &&
	    !proxy_sees(s, "RCPT"))
		announce(s);
	return false;
}

/* What it has answered, in the words of the rows. */
static void
take_answer(struct judged *j, const struct proto_judge_ans *ans, bool local)
{
	static const char *const	words[JUDGE_BY_COUNT] = {
		[JUDGE_BY_LIST] = "list", [JUDGE_BY_DB] = "database",
		[JUDGE_BY_CACHE] = "cache", [JUDGE_BY_PROBE] = "probe",
		[JUDGE_BY_MARK] = "mark"
	};

	j->verdict = (enum judge_verdict)ans->verdict;
	/* Not so of one that was not asked for its domain. */
	if (local && (j->verdict == JUDGE_NO_DOMAIN ||
	    j->verdict == JUDGE_FOREIGN))
		j->verdict = JUDGE_NO_ADDRESS;
	j->asked = ans->remote;
	j->why = ans->why;
	if (words[ans->by] != NULL)
		j->by = words[ans->by];
	else if (is_asked(&j->addresses) && j->verdict != JUDGE_NO_DOMAIN &&
	    j->by == by_domains)
		j->by = by_addresses;
	/* The list is here, whatever becomes of the question. */
	if (j->list_too && j->verdict == JUDGE_NO_ADDRESS) {
		known_address(j);
		return;
	}
	if (j->verdict != JUDGE_LIVE)
		return;
	if (is_asked(&j->addresses) || j->list_too)
		j->asked_live = true;
	else
		known_address(j);
}

bool
judge_known(struct session *s, struct judged *j)
{
	struct judgement	*g;
	bool			 known, local;

	if (!where_domains(s, j))
		return false;
	if ((known = known_domain(j, &local)) && !local) {
		j->verdict = JUDGE_FOREIGN;
		return true;
	}
	if (!where_addresses(s, j))
		return false;
	if (known) {
		memset(&j->domains, 0, sizeof(j->domains));
		if (!is_asked(&j->addresses)) {
			known_address(j);
			/* A command that has asked before asks on. */
			j->list_too = j->verdict == JUDGE_VOUCHED &&
			    (command_has_asked(s) || there_are_marks());
			if (!j->list_too)
				return true;
		}
	}
	if (!known && j->addresses.path.kind == LOOK_LIST)
		j->list_too = there_are_marks();
	/* A path that was looked up and leads nowhere. */
	if (!known && j->domains.obj == NULL)
		j->verdict = JUDGE_NO_DOMAIN;
	else if (is_asked(&j->addresses) && j->addresses.obj == NULL)
		j->verdict = known ? JUDGE_NO_ADDRESS : JUDGE_NO_DOMAIN;
	if (is_asked(&j->addresses) && !ask_failure(s, j))
		return false;
	if (j->verdict == JUDGE_NO_DOMAIN || j->verdict == JUDGE_NO_ADDRESS)
		return true;
	/* Whose mark is looked for?  That must be known before. */
	if (there_are_marks() && !command_has_asked(s) &&
	    !rcpt_route_look(s, j))
		return false;
	if ((g = command_judgement(s)) == NULL || !ask_verifyd(s, j, g))
		return false;
	take_answer(j, &g->ans, known);
	return true;
}
