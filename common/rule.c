/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Evaluating rules: see rule.h.
 *
 * A rule is a list of blocks; the first whose condition holds gives the
 * value.  Conditions are looked at strictly from left to right and no
 * further than needed, so a look-up is only asked for when its answer can
 * still decide something.
 *
 * There are four outcomes of a condition, not two: a look-up may not have
 * been asked yet, or could not answer.  Both end the evaluation at once and
 * are never turned into yes or no: an outage must not admit anybody, and
 * must not turn anybody away for good.  Only `on-lookup-failure: false' in a
 * block takes "cannot answer" as no.
 *
 * Considered and rejected: an expression language (nothing that an operator
 * could not say with blocks, and a parser more in the process that reads
 * the configuration as root); evaluating all look-ups in advance (asks
 * questions whose answer nobody needs).
 */

#include <stdio.h>
#include <string.h>

#include "rule.h"

enum truth { FALSE_, TRUE_, NEED_, CANNOT_ };

/* What one evaluation carries along. */
struct eval {
	const struct rule	*rule;
	const struct rule_env	*env;
	const struct rule_memo	*memo;
	unsigned int		*leaf;	/* set with NEED_ */
};

static enum truth	eval_node(const struct eval *, uint32_t);

static const char *const var_names[RV_COUNT] = {
	[RV_NONE] = "none",
	[RV_REMOTE_IP] = "remote-ip",
	[RV_LOCAL_IP] = "local-ip",
	[RV_LISTENER] = "listener",
	[RV_HELO_DOMAIN] = "helo-domain",
	[RV_AUTHENTICATED_AS] = "authenticated-as",
	[RV_SENDER] = "sender",
	[RV_SENDER_DOMAIN] = "sender-domain",
	[RV_RCPT] = "rcpt",
	[RV_RCPT_DOMAIN] = "rcpt-domain",
	[RV_MESSAGE_SIZE] = "message-size",
	[RV_TLS] = "tls",
	[RV_TLS_VERIFIED] = "tls-verified",
	[RV_PRIORITY] = "priority"
};

#define BIT(v)		(1U << (v))
#define VARS_CONNECT	(BIT(RV_REMOTE_IP) | BIT(RV_LOCAL_IP) |		\
			    BIT(RV_LISTENER) | BIT(RV_TLS) |		\
			    BIT(RV_TLS_VERIFIED))
#define VARS_EHLO	(VARS_CONNECT | BIT(RV_HELO_DOMAIN))
#define VARS_AUTH	(VARS_EHLO | BIT(RV_AUTHENTICATED_AS))
#define VARS_MAIL	(VARS_AUTH | BIT(RV_SENDER) |			\
			    BIT(RV_SENDER_DOMAIN) |			\
			    BIT(RV_MESSAGE_SIZE) | BIT(RV_PRIORITY))
#define VARS_RCPT	(VARS_MAIL | BIT(RV_RCPT) | BIT(RV_RCPT_DOMAIN))

/* A message has several recipients at DATA: none of them is "the" one. */
static const unsigned int stage_vars[] = {
	[STAGE_ANY] = VARS_RCPT,
	[STAGE_CONNECT] = VARS_CONNECT,
	[STAGE_EHLO] = VARS_EHLO,
	[STAGE_AUTH] = VARS_AUTH,
	[STAGE_MAIL] = VARS_MAIL,
	[STAGE_RCPT] = VARS_RCPT,
	[STAGE_DATA] = VARS_MAIL
};

const char *
rule_var_name(enum rule_var var)
{
	return var < RV_COUNT ? var_names[var] : "none";
}

enum rule_var
rule_var_parse(const char *name)
{
	unsigned int	 i;

	for (i = RV_NONE + 1; i < RV_COUNT; i++)
		if (strcmp(var_names[i], name) == 0)
			return (enum rule_var)i;
	return RV_NONE;
}

bool
rule_var_is_addr(enum rule_var var)
{
	return var == RV_REMOTE_IP || var == RV_LOCAL_IP;
}

bool
rule_var_is_number(enum rule_var var)
{
	return var == RV_MESSAGE_SIZE || var == RV_PRIORITY;
}

bool
rule_var_is_bool(enum rule_var var)
{
	return var == RV_TLS || var == RV_TLS_VERIFIED;
}

bool
rule_var_is_domain(enum rule_var var)
{
	return var == RV_HELO_DOMAIN || var == RV_SENDER_DOMAIN ||
	    var == RV_RCPT_DOMAIN;
}

bool
rule_var_known(enum rule_var var, enum rule_stage stage)
{
	return (stage_vars[stage] & BIT(var)) != 0;
}

static const struct addr *
env_addr(const struct rule_env *env, enum rule_var var)
{
	return var == RV_REMOTE_IP ? &env->remote_ip : &env->local_ip;
}

static int64_t
env_num(const struct rule_env *env, enum rule_var var)
{
	return var == RV_PRIORITY ? env->priority : env->message_size;
}

static bool
env_bool(const struct rule_env *env, enum rule_var var)
{
	const char	*s = env->str[var];

	return s != NULL && s[0] != '\0' && strcmp(s, "false") != 0;
}

const char *
rule_env_text(const struct rule_env *env, enum rule_var var, char *buf,
    size_t size)
{
	if (rule_var_is_addr(var))
		return addr_text(env_addr(env, var), buf, size);
	if (rule_var_is_number(var)) {
		snprintf(buf, size, "%lld", (long long)env_num(env, var));
		return buf;
	}
	if (rule_var_is_bool(var))
		return env_bool(env, var) ? "true" : "false";
	return env->str[var] == NULL ? "" : env->str[var];
}

static enum truth
truth(bool b)
{
	return b ? TRUE_ : FALSE_;
}

static enum truth
eval_eq(const struct eval *e, const struct rule_node *n)
{
	char	buf[ADDR_TEXT_MAX];

	if (n->is_net)
		return truth(cidr_match(&n->net, env_addr(e->env, n->var)));
	if (rule_var_is_number(n->var))
		return truth(env_num(e->env, n->var) == n->num);
	if (rule_var_is_bool(n->var))
		return truth(env_bool(e->env, n->var) == (n->num != 0));
	return truth(strcmp(rule_env_text(e->env, n->var, buf, sizeof(buf)),
	    e->rule->strs[n->str]) == 0);
}

/* starts-with, ends-with: an operand longer than the text is a no. */
static enum truth
eval_affix(const struct eval *e, const struct rule_node *n)
{
	const char	*what = e->rule->strs[n->str];
	const char	*text;
	char		 buf[ADDR_TEXT_MAX];
	size_t		 len, wlen;

	text = rule_env_text(e->env, n->var, buf, sizeof(buf));
	len = strlen(text);
	wlen = strlen(what);
	if (wlen > len)
		return FALSE_;
	if (n->op == OP_ENDS)
		text += len - wlen;
	return truth(memcmp(text, what, wlen) == 0);
}

/*
 * The time that regexec takes grows with the square of the subject at worst
 * (measured: 5 ms for 1024 octets), hence the limit.  A longer subject is
 * not cut, which could make it match: it cannot be judged.
 */
static enum truth
eval_matches(const struct eval *e, const struct rule_node *n)
{
	const char	*text;
	char		 buf[ADDR_TEXT_MAX];

	text = rule_env_text(e->env, n->var, buf, sizeof(buf));
	if (n->re == NULL || strlen(text) > RULE_SUBJECT_MAX)
		return CANNOT_;
	switch (regexec(n->re, text, 0, NULL, 0)) {
	case 0:
		return TRUE_;
	case REG_NOMATCH:
		return FALSE_;
	}
	return CANNOT_;
}

static enum truth
eval_list(const struct eval *e, const struct rule_node *n)
{
	const struct addr	*ip = NULL;
	char			 buf[ADDR_TEXT_MAX];
	const char		*text;

	if (e->env->list == NULL)
		return CANNOT_;
	if (rule_var_is_addr(n->var))
		ip = env_addr(e->env, n->var);
	text = rule_env_text(e->env, n->var, buf, sizeof(buf));
	return truth(e->env->list(e->env->list_arg, n->id, text, ip) == 1);
}

/* The answer to a leaf, as far as it is known. */
static enum truth
eval_ask(const struct eval *e, uint32_t leaf)
{
	enum rule_answer	 answer = ANSWER_NONE;

	if (e->memo != NULL && leaf < RULE_LEAVES_MAX)
		answer = (enum rule_answer)e->memo->answer[leaf];
	switch (answer) {
	case ANSWER_YES:
		return TRUE_;
	case ANSWER_NO:
		return FALSE_;
	case ANSWER_CANNOT:
		return CANNOT_;
	case ANSWER_NONE:
		break;
	}
	*e->leaf = leaf;
	return NEED_;
}

static enum truth
eval_order(const struct eval *e, const struct rule_node *n)
{
	int64_t	v = env_num(e->env, n->var);

	if (n->op == OP_LT)
		return truth(v < n->num);
	if (n->op == OP_LE)
		return truth(v <= n->num);
	if (n->op == OP_GT)
		return truth(v > n->num);
	return truth(v >= n->num);
}

/*
 * A group ends at the first member that decides it: a false one in all-of,
 * a true one in any-of and none-of, or one that cannot be told.
 */
static enum truth
eval_group(const struct eval *e, uint32_t i)
{
	const struct rule_node	*n = &e->rule->nodes[i];
	enum truth		 t, decides;
	uint32_t		 c;

	decides = n->op == OP_ALL ? FALSE_ : TRUE_;
	for (c = i + 1; c < n->next; c = e->rule->nodes[c].next) {
		t = eval_node(e, c);
		if (t == NEED_ || t == CANNOT_)
			return t;
		if (t == decides)
			return truth(n->op == OP_ANY);
	}
	return truth(n->op != OP_ANY);
}

static enum truth
eval_node(const struct eval *e, uint32_t i)
{
	const struct rule_node	*n = &e->rule->nodes[i];
	enum truth		 t = CANNOT_;

	switch ((enum rule_op)n->op) {
	case OP_ALL:
	case OP_ANY:
	case OP_NONE:
		t = eval_group(e, i);
		break;
	case OP_EQ:
		t = eval_eq(e, n);
		break;
	case OP_STARTS:
	case OP_ENDS:
		t = eval_affix(e, n);
		break;
	case OP_MATCHES:
		t = eval_matches(e, n);
		break;
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		t = eval_order(e, n);
		break;
	case OP_LIST:
		t = eval_list(e, n);
		break;
	case OP_ASK:
		t = eval_ask(e, n->id);
		break;
	case OP_COUNT:
		break;
	}
	if (n->negate && (t == TRUE_ || t == FALSE_))
		t = truth(t == FALSE_);
	return t;
}

int
rule_test(const struct rule *r, const struct rule_env *env, uint32_t i)
{
	unsigned int		leaf;
	struct eval		e = { r, env, NULL, &leaf };

	switch (eval_node(&e, i)) {
	case FALSE_:
		return 0;
	case TRUE_:
		return 1;
	case NEED_:
	case CANNOT_:
		break;
	}
	return -1;
}

void
rule_const_value(const struct rule *r, uint32_t i, struct rule_value *value)
{
	const struct rule_const	*c = &r->values[i];

	memset(value, 0, sizeof(*value));
	value->type = (enum value_type)c->type;
	value->num = c->num;
	if (c->type == VALUE_STR && !c->none)
		value->str = r->strs[c->str];
	if (c->type == VALUE_STRS && c->nstrs > 0) {
		value->strs = &r->strs[c->str];
		value->nstrs = c->nstrs;
	}
}

/*
 * One block: RULE_VALUE with *taken false means "go on with the next".  A
 * value that is looked up and not found is no value.
 */
static enum rule_result
eval_block(const struct eval *e, const struct rule_block *b, bool *taken)
{
	enum truth	t = TRUE_;

	if (b->cond != RULE_ALWAYS)
		t = eval_node(e, b->cond);
	if (t == TRUE_ && e->rule->values[b->value].type == VALUE_LOOKUP)
		t = eval_ask(e, (uint32_t)e->rule->values[b->value].num);
	if (t == CANNOT_ && b->fail_false)
		t = FALSE_;
	*taken = t == TRUE_;
	if (t == NEED_)
		return RULE_NEED;
	return t == CANNOT_ ? RULE_CANNOT : RULE_VALUE;
}

enum rule_result
rule_eval(const struct rule *r, const struct rule_env *env,
    const struct rule_memo *memo, struct rule_value *value,
    unsigned int *leaf)
{
	struct eval		 e = { r, env, memo, leaf };
	enum rule_result	 res;
	uint32_t		 i;
	bool			 taken;

	memset(value, 0, sizeof(*value));
	value->type = VALUE_STR;
	if (r == NULL)
		return RULE_VALUE;
	for (i = 0; i < r->nblocks; i++) {
		res = eval_block(&e, &r->blocks[i], &taken);
		if (res != RULE_VALUE)
			return res;
		if (taken) {
			rule_const_value(r, r->blocks[i].value, value);
			return RULE_VALUE;
		}
	}
	/* An optional `else' that is not there, or looked up in vain. */
	value->type = (enum value_type)r->type;
	return RULE_VALUE;
}

bool
rule_is_constant(const struct rule *r, struct rule_value *value)
{
	memset(value, 0, sizeof(*value));
	value->type = VALUE_STR;
	if (r == NULL)
		return true;
	if (r->nblocks == 0) {
		value->type = (enum value_type)r->type;
		return true;
	}
	if (r->blocks[0].cond != RULE_ALWAYS ||
	    r->values[r->blocks[0].value].type == VALUE_LOOKUP)
		return false;
	rule_const_value(r, r->blocks[0].value, value);
	return true;
}

bool
rule_leaf(const struct rule *r, unsigned int n, const char **what,
    enum rule_var *var)
{
	if (r == NULL || n >= r->nleaves)
		return false;
	*what = r->strs[r->leaves[n].str];
	*var = (enum rule_var)r->leaves[n].var;
	return true;
}

bool
rule_leaf_is_value(const struct rule *r, unsigned int n)
{
	return r != NULL && n < r->nleaves && r->leaves[n].value;
}
