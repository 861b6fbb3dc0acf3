/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Throttles: what is counted, by which key, and what is asked of verifyd.
 *
 * What a throttle counts follows from what its key and its match mention: a
 * recipient, and it counts accepted recipients; anything else that the client
 * has said, and it counts MAILs; only where the client comes from, and it
 * counts connections.  Nobody waits while a client connects, so that one with
 * a look-up in another process counts MAILs too.
 *
 * All throttles of an event are one question.  A rate is charged, and what is
 * limited in number is held by the session until it ends, all of them or
 * none.  A session that holds a key already does not ask for it again.
 *
 * A key begins with a tag, a hash of what the throttle counts and where; so
 * its counts outlive a reload that does not change that, wherever it stands
 * in the file.  Rates are part of the key of a rate: another rate begins anew.
 */

#include <sys/types.h>

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_limit.h"
#include "msg.h"
#include "proto.h"

#define REMOTE_NET	RV_COUNT	/* as a variable of a key */
#define KEY_MAX		200		/* octets; a longer one is hashed */
#define HELD_MAX	256		/* keys that a session holds */
#define TAKEN		"throttle"	/* the present command's question */
#define RODE		"throttle rates" /* and what a JUDGE has charged */

#define BIT(v)		(1U << (v))
#define VARS_RCPT	(BIT(RV_RCPT) | BIT(RV_RCPT_DOMAIN))
#define VARS_CONNECT	(BIT(RV_REMOTE_IP) | BIT(RV_LOCAL_IP) |		\
			    BIT(RV_LISTENER) | BIT(REMOTE_NET))

enum counted { COUNT_CONNECTS, COUNT_MAILS, COUNT_RCPTS };

#define TAKE_RATES	0x01
#define TAKE_HOLDS	0x02

struct throttle {
	enum counted	 event;
	char		 tag[17];
	size_t		 nvars;
	unsigned int	 vars[];	/* enum rule_var, or REMOTE_NET */
};

/* --- a generation --------------------------------------------------------- */

static unsigned int
var_parse(const char *name)
{
	return strcmp(name, "remote-net") == 0 ? (unsigned int)REMOTE_NET :
	    (unsigned int)rule_var_parse(name);
}

/* The variables that a condition looks at. */
static unsigned int
rule_vars(const struct rule *r)
{
	unsigned int	vars = 0;
	uint32_t	i;

	for (i = 0; r != NULL && i < r->nnodes; i++)
		vars |= BIT(r->nodes[i].var);
	return vars & ~BIT(RV_NONE);
}

static enum counted
event_of(const struct conf_throttle *ct, unsigned int vars)
{
	if ((vars & VARS_RCPT) != 0)
		return COUNT_RCPTS;
	if ((vars & ~VARS_CONNECT) != 0 ||
	    (ct->match != NULL && ct->match->nleaves > 0))
		return COUNT_MAILS;
	return COUNT_CONNECTS;
}

static void
hash_str(SHA2_CTX *ctx, const char *s)
{
	SHA256Update(ctx, (const uint8_t *)s, strlen(s) + 1);
}

/* The condition as it is written, wherever it stands. */
static void
hash_rule(SHA2_CTX *ctx, const struct rule *r)
{
	const struct rule_node	*n;
	char			 text[128], net[ADDR_TEXT_MAX];
	uint32_t		 i;

	for (i = 0; r != NULL && i < r->nstrs; i++)
		hash_str(ctx, r->strs[i]);
	for (i = 0; r != NULL && i < r->nnodes; i++) {
		n = &r->nodes[i];
		(void)snprintf(text, sizeof(text), "%u %u %d %u %lld %s %u",
		    n->op, n->var, n->negate, n->next, (long long)n->num,
		    n->is_net ? cidr_text(&n->net, net, sizeof(net)) : "",
		    n->op == OP_ASK ? r->leaves[n->id].str : n->str);
		hash_str(ctx, text);
	}
}

static void
make_tag(const struct conf_throttle *ct, struct throttle *t)
{
	uint8_t		sum[SHA256_DIGEST_LENGTH];
	SHA2_CTX	ctx;
	size_t		i;

	SHA256Init(&ctx);
	for (i = 0; i < ct->key.n; i++)
		hash_str(&ctx, ct->key.v[i]);
	hash_str(&ctx, "");
	hash_rule(&ctx, ct->match);
	SHA256Final(sum, &ctx);
	for (i = 0; i < sizeof(t->tag) / 2; i++)
		(void)snprintf(t->tag + 2 * i, 3, "%02x", sum[i]);
}

int
throttle_prepare(struct config *conf)
{
	const struct conf_map	*map = &conf->session.throttles;
	struct conf_throttle	*ct;
	struct throttle		*t;
	unsigned int		 vars;
	size_t			 i, k;

	for (i = 0; i < map->n; i++) {
		ct = (struct conf_throttle *)(void *)map->v[i];
		vars = rule_vars(ct->match);
		if ((t = calloc(1, sizeof(*t) +
		    ct->key.n * sizeof(t->vars[0]))) == NULL)
			return -1;
		for (k = 0; k < ct->key.n; k++) {
			t->vars[k] = var_parse(ct->key.v[k]);
			vars |= BIT(t->vars[k]);
		}
		t->nvars = ct->key.n;
		t->event = event_of(ct, vars);
		make_tag(ct, t);
		free(ct->obj.priv);
		ct->obj.priv = t;
	}
	return 0;
}

void
throttle_release(struct config *conf)
{
	const struct conf_map	*map = &conf->session.throttles;
	size_t			 i;

	for (i = 0; i < map->n; i++) {
		free(map->v[i]->priv);
		map->v[i]->priv = NULL;
	}
}

/* --- keys ----------------------------------------------------------------- */

static const char *
value_text(const struct rule_env *env, unsigned int var, char *buf,
    size_t size)
{
	struct addr	net = env->remote_ip;
	const char	*text;

	if (var == REMOTE_NET) {
		addr_mask(&net, 24, 64);
		return addr_text(&net, buf, size);
	}
	text = rule_env_text(env, (enum rule_var)var, buf, size);
	return text[0] == '\0' && (var == RV_SENDER ||
	    var == RV_SENDER_DOMAIN) ? "<>" : text;
}

/*
 * The key of a throttle in KEY_MAX octets: the head in full, behind it the
 * values with a NUL each or, where these are too many, their hash.
 */
static size_t
make_key(const struct throttle *t, const struct rule_env *env,
    const char *head, uint8_t key[KEY_MAX])
{
	char		 buf[ADDR_TEXT_MAX];
	const char	*text;
	SHA2_CTX	 ctx;
	size_t		 i, n, len = strlen(head), used = len;
	bool		 fits = true;

	memcpy(key, head, len);
	SHA256Init(&ctx);
	for (i = 0; i < t->nvars; i++) {
		text = value_text(env, t->vars[i], buf, sizeof(buf));
		n = strlen(text) + 1;
		SHA256Update(&ctx, (const uint8_t *)text, n);
		fits = fits && n <= KEY_MAX - used;
		if (fits) {
			memcpy(key + used, text, n);
			used += n;
		}
	}
	if (fits)
		return used;
	SHA256Final(key + len, &ctx);
	return len + SHA256_DIGEST_LENGTH;
}

static void
add_rate(const struct conf_throttle *ct, const struct rule_env *env,
    struct charge *c)
{
	const struct throttle	*t = ct->obj.priv;
	struct proto_rate	 r;
	uint8_t			 key[KEY_MAX];
	char			 head[80];

	if (ct->rate.count == 0)
		return;
	(void)snprintf(head, sizeof(head), "rate %s %lld/%lld ", t->tag,
	    (long long)ct->rate.count, (long long)ct->rate.period);
	r.key = key;
	r.klen = make_key(t, env, head, key);
	r.count = (uint32_t)ct->rate.count;
	r.period = (uint64_t)ct->rate.period;
	charge_add(c, &r);
}

static void
add_hold(const struct session *s, const struct conf_throttle *ct,
    const struct rule_env *env, struct charge *c)
{
	const struct throttle	*t = ct->obj.priv;
	struct proto_rate	 r = { .period = 0 };
	uint8_t			 key[KEY_MAX];
	char			 head[32];

	if (ct->concurrency == 0)
		return;
	(void)snprintf(head, sizeof(head), "at a time %s ", t->tag);
	r.key = key;
	r.klen = make_key(t, env, head, key);
	r.count = (uint32_t)ct->concurrency;
	if (!take_has(s, key, r.klen))
		charge_add(c, &r);
}

/* --- what an event takes -------------------------------------------------- */

/*
 * Does it apply here?  A look-up that cannot answer is a no.  RULE_NEED: it
 * is being asked.
 */
static enum rule_result
applies(struct session *s, const struct conf_throttle *ct,
    const struct rule_env *env, enum counted event, bool wait, bool *yes)
{
	const struct throttle	*t = ct->obj.priv;
	struct rule_value	 v = { .num = 0 };
	enum rule_result	 r;

	*yes = false;
	if (t->event != event)
		return RULE_VALUE;
	*yes = ct->match == NULL;
	if (*yes)
		return RULE_VALUE;
	r = wait ? rule_ask(s, ct->match, env, &v) :
	    rule_now(s, ct->match, env, &v);
	*yes = r == RULE_VALUE && v.num != 0;
	return r;
}

/* RULE_NEED or RULE_CANNOT (where nobody waits): a look-up was missing. */
static enum rule_result
collect(struct session *s, const struct rule_env *env, enum counted event,
    unsigned int what, bool wait, struct charge *c)
{
	const struct conf_map		*map = &s->conf->session.throttles;
	const struct conf_throttle	*ct;
	enum rule_result		 r = RULE_VALUE;
	size_t				 i;
	bool				 yes;

	for (i = 0; i < map->n; i++) {
		ct = (const struct conf_throttle *)(void *)map->v[i];
		switch (applies(s, ct, env, event, wait, &yes)) {
		case RULE_VALUE:
			break;
		case RULE_NEED:
			return RULE_NEED;
		case RULE_CANNOT:
			r = RULE_CANNOT;
			break;
		}
		if (yes && (what & TAKE_HOLDS) != 0)
			add_hold(s, ct, env, c);
		if (yes && (what & TAKE_RATES) != 0)
			add_rate(ct, env, c);
	}
	return r;
}

void
throttle_connect(struct session *s, struct charge *c)
{
	struct rule_env	env;

	if (s->conf->session.throttles.n == 0)
		return;
	session_env(s, &env);
	(void)collect(s, &env, COUNT_CONNECTS, TAKE_RATES | TAKE_HOLDS, false,
	    c);
}

static void
taken(struct session *s, struct msg *m)
{
	uint32_t	over;
	bool		known = take_told(s, m, true, &over);

	command_told(s, known, over);
}

/* Ask, or what was answered. */
static enum rule_result
take(struct session *s, const struct rule_env *env, enum counted event,
    unsigned int what, bool *over)
{
	struct charge	*c;
	uint32_t	 n;

	switch (command_recall(s, TAKEN, &n)) {
	case ANSWER_YES:
	case ANSWER_NO:
		*over = n > 0;
		return RULE_VALUE;
	case ANSWER_CANNOT:
		return RULE_CANNOT;
	case ANSWER_NONE:
		break;
	}
	if ((c = charge_new()) == NULL)
		return RULE_CANNOT;
	if (collect(s, env, event, what, true, c) == RULE_NEED) {
		charge_free(c);
		return RULE_NEED;
	}
	n = c->n;
	*over = c->holds > 0 &&
	    take_held(s) + c->holds > HELD_MAX;
	if (n == 0 || *over || command_hold(s, TAKEN) == -1) {
		charge_free(c);
		return s->state == S_DEAD ? RULE_NEED : RULE_VALUE;
	}
	take_ask(s, false, c, taken);
	return RULE_NEED;
}

enum rule_result
throttle_mail(struct session *s, const struct rule_env *env, bool *over)
{
	*over = false;
	return take(s, env, COUNT_MAILS, TAKE_RATES | TAKE_HOLDS, over);
}

enum rule_result
throttle_rcpt(struct session *s, const struct rule_env *env, bool *over)
{
	unsigned int	what = TAKE_HOLDS;
	uint32_t	n;

	*over = false;
	if (s->conf->session.throttles.n == 0)
		return RULE_VALUE;
	if (command_recall(s, RODE, &n) == ANSWER_NONE)
		what |= TAKE_RATES;
	*over = n > 0;
	return *over ? RULE_VALUE : take(s, env, COUNT_RCPTS, what, over);
}

/* --- those that ride ------------------------------------------------------ */

uint32_t
throttle_rates(struct session *s, const struct rule_env *env, struct wbuf *w)
{
	struct charge	*c;
	uint32_t	 n;

	/* Those that were charged already do not ride. */
	if (s->conf->session.throttles.n == 0 ||
	    command_recall(s, TAKEN, &n) != ANSWER_NONE ||
	    (c = charge_new()) == NULL)
		return 0;
	/* One that must look something up first cannot ride. */
	if (collect(s, env, COUNT_RCPTS, TAKE_RATES, false, c) != RULE_VALUE ||
	    c->n == 0 || c->n > JUDGE_RATES_MAX) {
		charge_free(c);
		return 0;
	}
	n = c->n;
	charge_put(w, c);
	charge_ride(s, c);
	return n;
}

void
throttle_rode(struct session *s, uint32_t over)
{
	charge_rode(s, over == 0 ? UINT32_MAX : over - 1);
	/* Without memory they are charged once more. */
	(void)command_note(s, RODE, over);
}
