/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The RCPT stage, row by row: what verifyd is asked, and what its verdicts
 * become.  verifyd, the next hop and the session's input are played here.
 */

#include "front.h"
#include "front_hook.h"
#include "front_limit.h"
#include "list.h"
#include "msg.h"
#include "parent_conf.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"
#include "t.h"

struct stats	stats;

/* --- what is played ------------------------------------------------------- */

static struct peer		 verifyd = { .role = R_VERIFYD };
static unsigned int		 asked, ahead, judged_slots;
static struct proto_judge	 question;	/* the last */
static char			 announced[1024];
static void			(*done_fn)(struct session *, struct msg *);
static int64_t			 waits;
static char			 said[SMTP_REPLY_LINE_MAX * 2];
static unsigned int		 said_flags, live, vouched, rode, rated;
static char			 by[64], why[64], would[64];
static bool			 over;		/* a rate is passed */
static uint32_t			 nrates;
static const char		*input = "";
static char			 called[256], wrong[128];
static unsigned int		 calls;		/* of the script */
static void			(*verdict_fn)(struct session *,
				    const struct proto_hook_verdict *);

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	ok(role == R_VERIFYD && index == 0, "asks verifyd");
	return &verifyd;
}

static void
take_question(const struct wbuf *body, struct proto_judge *q)
{
	struct msg	m = { .fd = -1 };

	rbuf_init(&m.body, body->data, body->len);
	is_int(get_judge(&m, q), 0, "a question");
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct proto_judge	q;

	(void)sid;
	(void)seq;
	ok(p == &verifyd && fd == -1 && type == MSG_JUDGE, "ahead");
	take_question(body, &q);
	ok((q.flags & JUDGE_AHEAD) != 0 && q.nrates == 0, "only ahead");
	ahead++;
	(void)strlcat(announced, q.rcpt, sizeof(announced));
	(void)strlcat(announced, " ", sizeof(announced));
	wbuf_clear(body);
}

void
ask_send(struct session *s, unsigned int role, uint16_t type,
    struct wbuf *body, int64_t timeout,
    void (*fn)(struct session *, struct msg *))
{
	(void)s;
	ok(role == R_VERIFYD && type == MSG_JUDGE, "a JUDGE");
	take_question(body, &question);
	asked++;
	waits = timeout;
	done_fn = fn;
	wbuf_clear(body);
}

int64_t
ask_wait(const struct config *conf, const char *path)
{
	(void)conf;
	return strncmp(path, "remote/", 7) == 0 ? 1000 :
	    strncmp(path, "db/", 3) == 0 ? 20 : 3;
}

const char *
io_data(const struct io *io, size_t *n)
{
	(void)io;
	*n = strlen(input);
	return input;
}

void
session_env(struct session *s, struct rule_env *env)
{
	memset(env, 0, sizeof(*env));
	env->str[RV_SENDER] = s->tx == NULL ? NULL : s->tx->sender_normal;
}

void
session_end(struct session *s, const char *reason)
{
	(void)s;
	ok(false, "the session ends: %s", reason);
}

void
session_reply_r(struct session *s, unsigned int flags,
    const struct smtp_reply *r)
{
	(void)s;
	ok(said[0] == '\0', "one reply");
	(void)snprintf(said, sizeof(said), "%d %s %s", r->code, r->enhanced,
	    r->text);
	said_flags = flags;
}

void
session_reply(struct session *s, unsigned int flags, const char *fmt, ...)
{
	struct smtp_reply	r;

	(void)smtp_reply_fmt(&r, "%s", fmt);
	session_reply_r(s, flags, &r);
}

void
reply_soften(struct session *s, const char *rcpt, struct smtp_reply *r)
{
	(void)s;
	(void)rcpt;
	(void)r;
}

struct slot *
slot_new(struct session *s)
{
	static struct slot	slot;

	(void)s;
	judged_slots++;
	return &slot;
}

void
relay_rcpt(struct session *s)
{
	ok(!s->tx->rcpts[s->tx->nrcpts - 1].vouched, "live");
	live++;
}

bool
proxy_sees(const struct session *s, const char *verb)
{
	(void)s;
	(void)verb;
	return false;
}

struct mono
proxy_began(const struct session *s)
{
	(void)s;
	return mono_now();
}

int
hook_rcpt(struct session *s, struct rcpt *r, const struct smtp_path *path,
    const struct smtp_cmd *cmd)
{
	(void)s;
	(void)r;
	(void)path;
	(void)cmd;
	return 0;
}

const struct conf_script *
hook_script(const struct session *s, const char *name)
{
	return (const struct conf_script *)(void *)conf_find(
	    &s->conf->scripts, name);
}

void
hook_call(struct session *s, enum hook_stage stage,
    const struct conf_script *script, enum smtp_verb verb,
    const struct hook_args *args,
    void (*fn)(struct session *, const struct proto_hook_verdict *))
{
	(void)s;
	ok(stage == HOOK_RCPT && verb == VERB_NONE, "of the stage");
	is_str(script->obj.name, "one", "which");
	(void)snprintf(called, sizeof(called), "%s %s %s %s", args->text,
	    args->localpart, args->domain, args->verb);
	calls++;
	verdict_fn = fn;
}

void
flog_script(const struct session *s, const char *stage, const char *script,
    const char *w)
{
	(void)s;
	ok(strcmp(stage, "rcpt") == 0 && strcmp(script, "one") == 0,
	    "an error of the script's");
	(void)strlcpy(wrong, w, sizeof(wrong));
}

void
flog_set(const struct session *s, const char *addr, const char *remote,
    const char *b)
{
	(void)s;
	(void)addr;
	(void)remote;
	is_str(b, "script one", "by whom");
}

bool
session_has_more(const struct session *s)
{
	(void)s;
	return false;
}

void
verb_banner(struct session *s)
{
	(void)s;
	ok(false, "no banner here");
}

void
relay_vouched(struct session *s)
{
	ok(s->tx->rcpts[s->tx->nrcpts - 1].vouched, "vouched");
	vouched++;
}

void
charge_keep(struct session *sess, struct rcpt *r)
{
	(void)sess;
	(void)r;
}

void
charge_over(struct session *sess)
{
	(void)sess;
}

enum rule_result
mixed_mark(struct session *s, const struct conf_remote *remote,
    const char *rcpt, struct mark *m)
{
	(void)s;
	(void)remote;
	(void)rcpt;
	memset(m, 0, sizeof(*m));
	return RULE_VALUE;
}

bool
mixed_fits(const struct tx *tx, const struct conf_remote *remote,
    const struct mark *m)
{
	(void)tx;
	(void)remote;
	(void)m;
	return true;
}

uint32_t
throttle_rates(struct session *s, const struct rule_env *env, struct wbuf *w)
{
	(void)s;
	(void)env;
	put_blob(w, "k", 1);
	put_u32(w, 5);
	put_u64(w, 60000);
	return nrates = 1;
}

void
throttle_rode(struct session *s, uint32_t which)
{
	(void)s;
	rode++;
	over = which != 0;
}

enum rule_result
throttle_rcpt(struct session *s, const struct rule_env *env, bool *is_over)
{
	(void)s;
	(void)env;
	rated++;
	*is_over = over;
	return RULE_VALUE;
}

void
flog_judged(const struct session *s, const char *addr,
    const struct smtp_reply *r, const char *b, const char *w)
{
	(void)s;
	(void)addr;
	(void)r;
	(void)strlcpy(by, b, sizeof(by));
	(void)strlcpy(why, w, sizeof(why));
}

void
flog_would(const struct session *s, const char *addr, const char *w,
    const char *b)
{
	(void)s;
	(void)addr;
	(void)b;
	(void)strlcpy(would, w, sizeof(would));
}

static void
run(struct session *s)
{
	struct smtp_cmd	cmd;

	is_int(smtp_cmd_parse(&cmd, s->line), CMD_OK, "a RCPT");
	rcpt_stage(s, &cmd);
	command_over(s);
}

void
verb_line(struct session *s, struct slice line)
{
	s->line = line;
	run(s);
}

/* --- a session ------------------------------------------------------------ */

#define HEAD								\
	"hostname: mx.example.org\n"					\
	"listener: {a: {bind: [\"127.0.0.1:2525\"], tls: \"off\"}}\n"	\
	"list: {ours: [l.test], users: [x@l.test], db: [], remote: []}\n" \
	"remote: {b: {address: 127.0.0.1}, r: {address: 127.0.0.2}}\n"

/* list/db and list/remote lead to db/d and remote/r. */
static struct config *
conf_of(const char *yaml)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;
	struct conf_datasource	*d;
	struct rule		*rules[2];
	char			 text[4096];
	static uint32_t		 generation;
	uint32_t		 id = 0, i, k;
	int			 n;

	n = snprintf(text, sizeof(text), "%s%s", HEAD, yaml);
	conf = parent_conf_parse("t", text, (size_t)n, NULL, &errs, NULL);
	if (conf == NULL) {
		conf_errors_print(&errs, stdout);
		exit(1);
	}
	conf_errors_clear(&errs);
	d = calloc(1, sizeof(*d));
	d->obj.name = strdup("d");
	(void)conf_map_add(&conf->datasources, &d->obj);
	conf_assign_ids(conf, NULL, &id);
	conf->generation = ++generation;
	for (i = 0; i < conf->lists.n; i++)
		conf->lists.v[i]->priv = list_index((struct conf_list *)
		    (void *)conf->lists.v[i]);
	rules[0] = conf->session.domains;
	rules[1] = conf->session.addresses;
	for (k = 0; k < nitems(rules); k++)
		for (i = 0; rules[k] != NULL && i < rules[k]->nstrs; i++)
			if (strcmp(rules[k]->strs[i], "list/db") == 0)
				(void)strlcpy(rules[k]->strs[i], "db/d", 8);
			else if (strcmp(rules[k]->strs[i], "list/remote") == 0)
				(void)strlcpy(rules[k]->strs[i], "remote/r",
				    12);
	return conf;
}

static void
conf_end(struct config *conf)
{
	uint32_t	i;

	for (i = 0; i < conf->lists.n; i++)
		list_free(conf->lists.v[i]->priv);
	conf_unref(conf);
}

static void
begin(struct session *s, struct config *conf)
{
	static struct conf_listener	listener;

	memset(s, 0, sizeof(*s));
	s->conf = conf;
	s->listener = &listener;
	s->state = S_COMMAND;
	s->flags = SF_ESMTP;
	s->tx = tx_new("a@a.test");
	s->tx->sender_normal = strdup("a@a.test");
}

static void
end(struct session *s)
{
	command_free(s);
	tx_free(s->tx);
}

static void
rcpt(struct session *s, const char *addr)
{
	static char	line[256];

	(void)snprintf(line, sizeof(line), "RCPT TO:<%s>", addr);
	s->line.p = line;
	s->line.n = strlen(line);
	said[0] = by[0] = why[0] = would[0] = announced[0] = '\0';
	asked = ahead = live = vouched = rode = rated = said_flags = 0;
	calls = 0;
	memset(&question, 0, sizeof(question));
	run(s);
}

static void
tell(struct session *s, uint8_t verdict, uint8_t who, uint32_t remote,
    const char *reason)
{
	struct proto_judge_ans	 ans = { .verdict = verdict, .by = who };
	struct wbuf		 w = { .data = NULL };
	struct msg		 m = { .fd = -1 };

	ans.remote = remote;
	ans.charged = question.nrates > 0 && (verdict == JUDGE_VOUCHED ||
	    verdict == JUDGE_LIVE);
	ans.over = ans.charged && over;
	(void)strlcpy(ans.why, reason, sizeof(ans.why));
	put_judge_ans(&w, &ans);
	rbuf_init(&m.body, w.data, w.len);
	done_fn(s, &m);
	wbuf_clear(&w);
}

/* --- lists ---------------------------------------------------------------- */

static void
test_lists(void)
{
	struct config	*conf;
	struct session	 s;

	conf = conf_of("route: {local: b}\nsession: {rcpt: {lookup: "
	    "{domains: list/ours, addresses: list/users}}}\n");
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	is_int(vouched, 1, "a list vouches");
	rcpt(&s, "y@l.test");
	is_str(said, "550 5.1.1 no such user", "unknown");
	is_int(said_flags, REPLY_COUNTED, "counted");
	is_str(by, "session.rcpt.lookup.addresses", "by the list");
	rcpt(&s, "y@f.test");
	is_str(said, "550 5.7.1 relaying denied", "foreign");
	is_int(said_flags, REPLY_COUNTED, "counted");
	rcpt(&s, "postmaster");
	is_int(live, 1, "postmaster");
	is_int(asked, 0, "nobody was asked");
	end(&s);
	conf_end(conf);

	conf = conf_of("route: {local: b}\nsession: {rcpt: {lookup: "
	    "{domains: list/ours}}}\n");
	begin(&s, conf);
	rcpt(&s, "y@l.test");
	is_int(live, 1, "no look-up of addresses: live");
	is_int(asked, 0, "nobody was asked");
	end(&s);
	conf_end(conf);
}

/* --- verdicts ------------------------------------------------------------- */

#define LATER		"451 4.4.3 cannot look that up now"
#define UNKNOWN		"550 5.1.1 no such user"
#define DENIED		"550 5.7.1 relaying denied"

enum { LIVE = 1, VOUCHED };

static const struct {
	const char	*failure;
	bool		 warn, known;	/* warn-only; domains are a list */
	int		 verdict;	/* -1: no answer */
	int		 admitted;	/* LIVE, VOUCHED */
	const char	*reply;
	bool		 counted;
} rows[] = {
	{ "defer", false, false, JUDGE_FOREIGN, 0, DENIED, true },
	{ "defer", true, false, JUDGE_FOREIGN, 0, DENIED, true },
	{ "defer", false, false, JUDGE_VOUCHED, VOUCHED, "", false },
	{ "defer", false, true, JUDGE_VOUCHED, VOUCHED, "", false },
	{ "defer", false, false, JUDGE_UNKNOWN, 0, UNKNOWN, true },
	{ "accept", false, true, JUDGE_UNKNOWN, 0, UNKNOWN, true },
	{ "defer", true, true, JUDGE_UNKNOWN, LIVE, UNKNOWN, false },
	{ "defer", false, true, JUDGE_LIVE, LIVE, "", false },
	{ "defer", false, false, JUDGE_NO_DOMAIN, 0, LATER, false },
	{ "accept", true, false, JUDGE_NO_DOMAIN, 0, LATER, false },
	{ "defer", false, false, JUDGE_NO_ADDRESS, 0, LATER, false },
	{ "stale", false, true, JUDGE_NO_ADDRESS, 0, LATER, false },
	{ "accept", false, true, JUDGE_NO_ADDRESS, LIVE, "", false },
	{ "defer", true, true, JUDGE_NO_ADDRESS, LIVE, LATER, false },
	{ "defer", false, false, -1, 0, LATER, false },
	{ "accept", false, false, -1, 0, LATER, false },
	{ "accept", false, true, -1, LIVE, "", false },
	/* What it must not say of a domain that it was not asked for. */
	{ "defer", false, true, JUDGE_FOREIGN, 0, LATER, false },
	{ "defer", false, true, JUDGE_NO_DOMAIN, 0, LATER, false }
};

static void
test_row(size_t i)
{
	struct config	*conf;
	struct session	 s;
	char		 yaml[512];

	(void)snprintf(yaml, sizeof(yaml), "route: {local: b}\n"
	    "session: {rcpt: {lookup: {domains: list/%s, "
	    "addresses: list/remote}, verify-failure: %s, warn-only: %s}}\n",
	    rows[i].known ? "ours" : "db", rows[i].failure,
	    rows[i].warn ? "true" : "false");
	conf = conf_of(yaml);
	begin(&s, conf);
	rcpt(&s, "Y@L.test");
	is_int(asked, 1, "row %zu: asked", i);
	is_str(said, "", "row %zu: nothing is said", i);
	is_str(question.rcpt, "y@l.test", "row %zu: the address", i);
	is_str(question.sender, "a@a.test", "row %zu: the sender", i);
	is_int(question.domains.kind, rows[i].known ? LOOK_NONE : LOOK_DB,
	    "row %zu: the domain", i);
	is_int(question.addresses.kind, LOOK_REMOTE, "row %zu", i);
	is_int(question.remote, conf_find(&conf->remotes, "b")->id,
	    "row %zu: the next hop", i);
	is_int(question.flags, strcmp(rows[i].failure, "stale") == 0 ?
	    JUDGE_STALE : 0, "row %zu: flags", i);
	is_int(waits, rows[i].known ? 1000 : 1020, "row %zu: how long", i);
	if (rows[i].verdict == -1)
		done_fn(&s, NULL);
	else
		tell(&s, (uint8_t)rows[i].verdict, JUDGE_BY_PROBE, 7, "told");
	is_int(asked, 1, "row %zu: asked once", i);
	is_int(live, rows[i].admitted == LIVE, "row %zu: live", i);
	is_int(vouched, rows[i].admitted == VOUCHED, "row %zu: vouched", i);
	is_str(rows[i].admitted ? would : said, rows[i].reply,
	    "row %zu: the reply", i);
	is_int(said_flags, rows[i].counted ? REPLY_COUNTED : 0,
	    "row %zu: counted", i);
	ok(s.command == NULL, "row %zu: the command is over", i);
	if (rows[i].admitted == VOUCHED) {
		is_int(s.tx->rcpts[0].asked, 7, "row %zu: whose word", i);
		is_str(s.tx->rcpts[0].by, "probe", "row %zu: by", i);
	} else if (!rows[i].admitted && rows[i].verdict == JUDGE_UNKNOWN) {
		is_str(by, "probe", "row %zu: by", i);
		is_str(why, "told", "row %zu: why", i);
	}
	end(&s);
	conf_end(conf);
}

/* Some addresses of a domain that is looked up are in a list. */
static void
test_half(void)
{
	struct config	*conf;
	struct session	 s;

	conf = conf_of("route: {local: b}\nsession: {rcpt: {lookup: "
	    "{domains: list/db, addresses: list/users}}}\n");
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	is_int(question.addresses.kind, LOOK_NONE, "the domain alone");
	is_int(waits, 20, "how long");
	tell(&s, JUDGE_LIVE, JUDGE_BY_NONE, 0, "");
	is_int(vouched, 1, "in the list");
	rcpt(&s, "y@l.test");
	tell(&s, JUDGE_LIVE, JUDGE_BY_NONE, 0, "");
	is_str(said, UNKNOWN, "not in the list");
	rcpt(&s, "x@f.test");
	tell(&s, JUDGE_FOREIGN, JUDGE_BY_DB, 0, "");
	is_str(said, DENIED, "not local");
	end(&s);
	conf_end(conf);
}

/* The postmaster of a local domain is never unknown. */
static void
test_postmaster(void)
{
	struct config	*conf;
	struct session	 s;

	conf = conf_of("route: {local: b}\nsession: {rcpt: {postmaster: "
	    "boss@b.test, lookup: {domains: list/ours, addresses: "
	    "list/remote}}}\n");
	begin(&s, conf);
	rcpt(&s, "Postmaster@l.test");
	is_int(asked, 1, "asked for");
	tell(&s, JUDGE_UNKNOWN, JUDGE_BY_CACHE, 3, "");
	is_int(live, 1, "live");
	is_str(s.tx->rcpts[0].addr, "boss@b.test", "elsewhere");
	ok(s.tx->rcpts[0].postmaster, "never counted");
	rcpt(&s, "postmaster@l.test");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(vouched, 1, "one that is there");
	end(&s);
	conf_end(conf);
}

/* Who verifies an address takes its mail, unless a route says otherwise. */
static void
test_route(void)
{
	struct config	*conf;
	struct session	 s;

	conf = conf_of("route: {local: b, relay: b}\nsession: {rcpt: "
	    "{lookup: {domains: list/ours, addresses: [{if: rcpt, "
	    "starts-with: r, then: list/remote}, {else: list/db}]}}}\n");
	rule_free(conf->route.local);
	conf->route.local = NULL;
	begin(&s, conf);
	rcpt(&s, "r@l.test");
	is_int(question.remote, conf_find(&conf->remotes, "r")->id, "known");
	tell(&s, JUDGE_LIVE, JUDGE_BY_PROBE, 0, "552 full");
	is_int(live, 1, "live");
	is_str(s.tx->remote->obj.name, "r", "its mail too");
	rcpt(&s, "d@l.test");
	is_int(question.remote, 0, "nowhere");
	tell(&s, JUDGE_LIVE, JUDGE_BY_MARK, 0, "refused lately");
	is_str(said, LATER, "nobody to be asked");
	is_int(said_flags, 0, "not counted");
	end(&s);
	conf_end(conf);
}

/* --- marks ---------------------------------------------------------------- */

/* A list is asked nobody for, but for a time behind a refusal. */
static void
test_marks(void)
{
	struct config	*conf;
	struct session	 s;
	struct msg	 m = { .fd = -1, .seq = 60000 };

	conf = conf_of("route: {local: b}\nsession: {rcpt: {lookup: "
	    "{domains: list/ours, addresses: list/users}}}\n");
	rbuf_init(&m.body, "", 0);
	is_int(judge_marked(&verifyd, &m), 0, "MARKED");
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	is_int(asked, 1, "asked");
	is_int(question.addresses.kind, LOOK_LIST, "for one of a list");
	is_int(waits, 3, "how long");
	tell(&s, JUDGE_LIVE, JUDGE_BY_MARK, 0, "refused lately");
	is_int(live, 1, "marked: live");
	end(&s);
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_LIST, 0, "");
	is_int(vouched, 1, "not marked");
	end(&s);
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	done_fn(&s, NULL);
	is_int(vouched, 1, "nobody can tell: the list can");
	rcpt(&s, "y@l.test");
	is_str(said, UNKNOWN, "not in the list");
	is_int(asked, 0, "nobody is asked for that");
	end(&s);
	m.seq = 0;
	is_int(judge_marked(&verifyd, &m), 0, "its end");
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	is_int(asked, 0, "not asked any more");
	end(&s);
	conf_end(conf);
}

/* --- rates ---------------------------------------------------------------- */

static void
test_rates(void)
{
	struct config	*conf;
	struct session	 s;

	conf = conf_of("route: {local: b}\nsession: {rcpt: {lookup: "
	    "{domains: [{if: rcpt, starts-with: d, then: list/db}, "
	    "{else: list/ours}], addresses: list/remote}}}\n");
	(void)conf_map_add(&conf->session.throttles,
	    calloc(1, sizeof(struct conf_throttle)));
	begin(&s, conf);
	over = false;
	rcpt(&s, "x@l.test");
	is_int(question.nrates, 1, "they ride");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(rode, 1, "charged");
	is_int(vouched, 1, "not passed");
	over = true;
	rcpt(&s, "y@l.test");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_str(said, "451 4.7.1 too much mail, try again later", "passed");
	is_int(said_flags, 0, "not counted");
	rcpt(&s, "z@l.test");
	tell(&s, JUDGE_UNKNOWN, JUDGE_BY_CACHE, 3, "");
	is_str(said, UNKNOWN, "unknown comes first");
	is_int(rode + rated, 0, "and charges nothing");
	rcpt(&s, "d@l.test");
	is_int(question.nrates, 1, "it may be foreign: they ride");
	tell(&s, JUDGE_FOREIGN, JUDGE_BY_DB, 0, "");
	is_int(rode + rated, 0, "and it is refused before they are charged");
	rcpt(&s, "postmaster");
	is_int(rated, 0, "not for the postmaster");
	is_int(live, 1, "who is admitted");
	end(&s);
	conf_end(conf);

	conf = conf_of("route: {local: b, relay: b}\nsession: {rcpt: {relay: "
	    "true, lookup: {domains: list/db}}}\n");
	(void)conf_map_add(&conf->session.throttles,
	    calloc(1, sizeof(struct conf_throttle)));
	begin(&s, conf);
	rcpt(&s, "d@f.test");
	tell(&s, JUDGE_FOREIGN, JUDGE_BY_CACHE, 0, "");
	is_int(rode, 0, "a foreign one is not charged by the question");
	is_int(rated, 1, "but asks in its turn");
	end(&s);
	conf_end(conf);
}

/* --- ahead ---------------------------------------------------------------- */

static void
test_ahead(void)
{
	struct config	*conf;
	struct session	 s;

	conf = conf_of("route: {local: b}\nsession: {rcpt: {lookup: "
	    "{domains: list/ours, addresses: [{if: rcpt, starts-with: u, "
	    "then: list/users}, {else: list/remote}]}}}\n");
	begin(&s, conf);
	input = "RCPT TO:<b@l.test>\r\nrcpt to:<C@l.test>\r\n"
	    "RCPT TO:<x@f.test>\r\nRCPT TO:<u@l.test>\r\n"
	    "RCPT TO:<postmaster>\r\nRCPT TO:<d@l.test>\r\nDATA\r\n"
	    "RCPT TO:<e@l.test>\r\n";
	rcpt(&s, "a@l.test");
	is_int(asked, 1, "the one");
	is_str(announced, "b@l.test c@l.test d@l.test ", "and the next");
	is_int(s.announced, 6, "lines");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(s.announced, 6, "a second run is not a second line");
	input = strchr(input, '\n') + 1;
	rcpt(&s, "b@l.test");
	is_int(ahead, 0, "each once");
	is_int(s.announced, 5, "one less");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	input = "RCPT TO:<x@f.test>\r\nRCPT TO:<g@l.test>\r\n"
	    "RCPT TO:<h@l.test>\r\n";
	s.announced = 2;
	rcpt(&s, "k@l.test");
	is_str(announced, "g@l.test h@l.test ", "those that came since");
	is_int(s.announced, 3, "lines, of which one was known");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	input = "RCPT TO:<f@l.test>";
	s.announced = 1;
	rcpt(&s, "c@l.test");
	is_int(ahead, 0, "half a line");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	input = "";
	end(&s);
	conf_end(conf);
}

/* --- scripts -------------------------------------------------------------- */

#define SCRIPTED							\
	"script: {one: \"return\"}\nroute: {local: b}\n"		\
	"session: {rcpt: {script: [{if: rcpt-domain, eq: l.test, "	\
	"then: one}, {else: false}], lookup: {domains: list/ours, "	\
	"addresses: list/remote}, warn-only: %s}}\n"

/* The script says: flags HOOKV_SET_*, a reply if code is not 0. */
static void
rules(struct session *s, enum hook_verdict kind, unsigned int flags,
    unsigned int code, const char *address, const char *remote)
{
	struct proto_hook_verdict	v;
	char				words[] = "said so";

	memset(&v, 0, sizeof(v));
	v.kind = (uint8_t)kind;
	v.flags = (uint8_t)flags;
	v.code = (uint16_t)code;
	v.lines = code == 0 ? NULL : words;
	v.nlines = code != 0;
	if (code != 0)
		(void)snprintf(v.enhanced, sizeof(v.enhanced), "%u.9.9",
		    code / 100);
	(void)strlcpy(v.address, address, sizeof(v.address));
	(void)strlcpy(v.transportid, remote, sizeof(v.transportid));
	verdict_fn(s, &v);
}

static struct config *
conf_scripted(bool warn, bool rates)
{
	struct config	*conf;
	char		 yaml[1024];

	(void)snprintf(yaml, sizeof(yaml), SCRIPTED, warn ? "true" : "false");
	conf = conf_of(yaml);
	if (rates)
		(void)conf_map_add(&conf->session.throttles,
		    calloc(1, sizeof(struct conf_throttle)));
	return conf;
}

/* A recipient of ours, up to the script. */
static void
up_to_script(struct session *s, const char *addr)
{
	rcpt(s, addr);
	is_int(asked, 1, "verifyd comes first");
	tell(s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(calls, 1, "then the script");
	is_int(vouched + live, 0, "and nothing yet");
	is_str(said, "", "is said");
}

static void
test_refusals(void)
{
	struct config	*conf = conf_scripted(false, false);
	struct session	 s;

	begin(&s, conf);
	up_to_script(&s, "X.y@L.test");
	is_str(called, "X.y@L.test X.y L.test b", "what it is told");
	rules(&s, HOOKV_REJECT, 0, 0, "", "");
	is_str(said, "550 5.7.1 recipient rejected", "reject");
	is_int(said_flags, 0, "not counted");
	is_str(by, "script one", "by");
	ok(s.command == NULL, "the command is over");
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_DEFER, 0, 0, "", "");
	is_str(said, "451 4.7.1 recipient deferred, try again later",
	    "defer");
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_REJECT, HOOKV_DISCONNECT, 422, "", "");
	is_str(said, "422 4.9.9 said so", "its own");
	is_int(said_flags, REPLY_CLOSE, "the last one");
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ERROR, 0, 0, "", "");
	is_str(said, "451 4.3.0 cannot judge that now, try again later",
	    "an error defers");
	conf->session.on_error = 1;
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ERROR, 0, 0, "", "");
	is_int(vouched, 1, "or accepts");
	conf->session.on_error_of[STAGE_RCPT] = ON_ERROR_DEFER;
	up_to_script(&s, "y@l.test");
	rules(&s, HOOKV_ERROR, 0, 0, "", "");
	is_str(by, "script one", "as the stage has it");
	rcpt(&s, "x@l.test");
	is_int(calls + asked, 0, "one that is repeated is not judged");
	rcpt(&s, "postmaster");
	is_int(calls, 0, "nor is the postmaster");
	end(&s);
	conf_end(conf);
}

static void
test_accepted(void)
{
	struct config	*conf = conf_scripted(false, false);
	struct session	 s;

	begin(&s, conf);
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ACCEPT, 0, 251, "", "");
	is_int(vouched, 1, "accepted");
	is_int(s.tx->rcpts[0].said->code, 251, "its reply is kept");
	end(&s);

	begin(&s, conf);
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_ADDRESS, 0, "Other@l.test", "");
	is_int(asked, 2, "another recipient is asked for");
	is_str(question.rcpt, "other@l.test", "by its name");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(calls, 1, "the script has spoken");
	is_int(vouched, 1, "vouched for");
	is_str(s.tx->rcpts[0].addr, "Other@l.test", "instead");
	up_to_script(&s, "z@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_ADDRESS, 0, "no@l.test", "");
	tell(&s, JUDGE_UNKNOWN, JUDGE_BY_CACHE, 3, "");
	is_str(said, UNKNOWN, "it is judged as any other");
	is_int(said_flags, REPLY_COUNTED, "in every respect");
	up_to_script(&s, "z@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_ADDRESS, 0, "a@f.test", "");
	is_str(said, DENIED, "and does not relay");
	s.tx->rcpts[0].told = true;
	up_to_script(&s, "z@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_ADDRESS, 0, "<OTHER@l.test>", "");
	is_str(said, "250 2.1.5 ok, once is enough", "it is there already");
	up_to_script(&s, "z@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_ADDRESS, 0, "a b@l.test", "");
	is_str(wrong, "accept with an address that is none", "nonsense");
	is_str(said, "451 4.3.0 cannot judge that now, try again later",
	    "is an error");
	end(&s);
	conf_end(conf);
}

static void
test_elsewhere(void)
{
	struct config	*conf = conf_scripted(false, false);
	struct session	 s;

	begin(&s, conf);
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_TRANSPORTID, 0, "", "r");
	is_int(question.remote, conf_find(&conf->remotes, "r")->id,
	    "marks of that one");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_str(s.tx->remote->obj.name, "r", "there it goes");
	rcpt(&s, "y@l.test");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(calls, 0, "row 9 comes first");
	is_str(said, "452 4.5.3 send this recipient in a transaction of its "
	    "own", "it goes elsewhere");
	end(&s);

	begin(&s, conf);
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ACCEPT, 0, 0, "", "");
	up_to_script(&s, "y@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_TRANSPORTID, 0, "", "r");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_str(said, "452 4.5.3 send this recipient in a transaction of its "
	    "own", "and again behind the script");
	up_to_script(&s, "y@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_TRANSPORTID, 0, "", "nowhere");
	is_str(wrong, "accept with a transportid that is no remote's name",
	    "there is none");
	is_str(by, "script one", "is an error");
	end(&s);
	conf_end(conf);
}

static void
test_script_rates(void)
{
	struct config	*conf = conf_scripted(false, true);
	struct session	 s;

	over = false;
	begin(&s, conf);
	rcpt(&s, "x@l.test");
	is_int(question.nrates, 0, "they do not ride: it may refuse");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(rated, 0, "the script comes first");
	rules(&s, HOOKV_REJECT, 0, 0, "", "");
	is_int(rated + rode, 0, "what it refuses is not charged");
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_ACCEPT, 0, 0, "", "");
	is_int(rated, 1, "what it accepts is");
	up_to_script(&s, "y@l.test");
	rules(&s, HOOKV_ACCEPT, HOOKV_SET_ADDRESS, 0, "z@l.test", "");
	is_int(question.nrates, 1, "nobody is left who could refuse");
	tell(&s, JUDGE_VOUCHED, JUDGE_BY_CACHE, 3, "");
	is_int(rode, 1, "charged once");
	end(&s);
	conf_end(conf);

	conf = conf_scripted(true, false);
	begin(&s, conf);
	up_to_script(&s, "x@l.test");
	rules(&s, HOOKV_REJECT, 0, 550, "", "");
	is_int(live, 1, "warn-only: live");
	is_str(would, "550 5.9.9 said so", "and what it would have been");
	end(&s);
	conf_end(conf);
}

int
main(void)
{
	size_t	i;

	test_lists();
	for (i = 0; i < nitems(rows); i++)
		test_row(i);
	test_half();
	test_postmaster();
	test_route();
	test_marks();
	test_rates();
	test_ahead();
	test_refusals();
	test_accepted();
	test_elsewhere();
	test_script_rates();
	return done("rcpt");
}
