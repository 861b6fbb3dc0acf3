/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a rule can still say when only some of its variables are known.
 *
 * Conditions have three outcomes here: yes, no, and open.  A group is decided
 * by a member that is known, wherever it stands; look-ups are always open,
 * for what they find tomorrow is not what they find today.  Every block that
 * is not a no can give its value, up to the first that is a yes.
 *
 * The answer errs to one side only: what is not told cannot be said by the
 * rule, whatever comes; what is told need not be.  (x eq a and x eq b are
 * both open while x is.)
 */

#include <string.h>

#include "rule.h"

enum open { NO_, YES_, OPEN_ };

struct reach {
	const struct rule	*rule;
	const struct rule_env	*env;
	uint32_t		 known;		/* bits by enum rule_var */
};

static enum open	reach_node(const struct reach *, uint32_t);

static enum open
negated(enum open o)
{
	return o == OPEN_ ? o : o == YES_ ? NO_ : YES_;
}

static enum open
reach_group(const struct reach *e, uint32_t i)
{
	const struct rule_node	*n = &e->rule->nodes[i];
	enum open		 o, decides, all;
	uint32_t		 c;

	decides = n->op == OP_ALL ? NO_ : YES_;
	all = negated(decides);
	for (c = i + 1; c < n->next; c = e->rule->nodes[c].next) {
		o = reach_node(e, c);
		if (o == decides) {
			all = decides;
			break;
		}
		if (o == OPEN_)
			all = OPEN_;
	}
	return n->op == OP_NONE ? negated(all) : all;
}

static enum open
reach_node(const struct reach *e, uint32_t i)
{
	const struct rule_node	*n = &e->rule->nodes[i];
	enum open		 o;
	int			 r;

	if (n->op <= OP_NONE) {
		o = reach_group(e, i);
		return n->negate ? negated(o) : o;
	}
	if (n->op == OP_ASK || (e->known & (1U << n->var)) == 0)
		return OPEN_;
	r = rule_test(e->rule, e->env, i);
	return r == -1 ? OPEN_ : r == 1 ? YES_ : NO_;
}

void
rule_reach(const struct rule *r, const struct rule_env *env, uint32_t known,
    void (*fn)(const struct rule_value *, void *), void *arg)
{
	struct reach		 e = { r, env, known };
	struct rule_value	 v = { .type = VALUE_STR };
	const struct rule_block	*b;
	enum open		 o;
	uint32_t		 i;

	for (i = 0; r != NULL && i < r->nblocks; i++) {
		b = &r->blocks[i];
		o = b->cond == RULE_ALWAYS ? YES_ : reach_node(&e, b->cond);
		if (o == NO_)
			continue;
		rule_const_value(r, b->value, &v);
		fn(&v, arg);
		/* What is looked up and not found is the next block's. */
		if (o == YES_ && v.type != VALUE_LOOKUP)
			return;
	}
	memset(&v, 0, sizeof(v));
	v.type = r == NULL ? VALUE_STR : (enum value_type)r->type;
	fn(&v, arg);
}
