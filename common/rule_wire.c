/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rules between the processes: put, get, free.
 *
 * rule_get trusts nothing that rule_eval relies on: indices are within
 * their arrays, every tree of nodes is well nested and not deeper than the
 * compiler makes them, every number fits its enum.  A rule that was taken
 * in can be evaluated without another check.
 */

#include <stdlib.h>
#include <string.h>

#include "rule.h"
#include "wire.h"

static void
put_node(struct wbuf *w, const struct rule_node *n)
{
	put_u8(w, n->op);
	put_u8(w, n->var);
	put_bool(w, n->negate);
	put_bool(w, n->is_net);
	put_u32(w, n->next);
	put_u32(w, n->line);
	put_u32(w, n->col);
	put_i64(w, n->num);
	put_addr(w, &n->net.net);
	put_u8(w, n->net.bits);
	put_u32(w, n->str);
	put_u32(w, n->id);
}

static void
get_node(struct rbuf *m, struct rule_node *n)
{
	n->op = get_enum(m, OP_COUNT);
	n->var = get_enum(m, RV_COUNT);
	n->negate = get_bool(m);
	n->is_net = get_bool(m);
	n->next = get_u32(m);
	n->line = get_u32(m);
	n->col = get_u32(m);
	n->num = get_i64(m);
	get_addr(m, &n->net.net);
	n->net.bits = get_u8(m);
	n->str = get_u32(m);
	n->id = get_u32(m);
}

void
rule_put(struct wbuf *w, const struct rule *r)
{
	uint32_t	i;

	put_u8(w, r->type);
	put_u32(w, r->nstrs);
	for (i = 0; i < r->nstrs; i++)
		put_str(w, r->strs[i]);
	put_u32(w, r->nleaves);
	for (i = 0; i < r->nleaves; i++) {
		put_u8(w, r->leaves[i].var);
		put_bool(w, r->leaves[i].value);
		put_u32(w, r->leaves[i].str);
		put_u32(w, r->leaves[i].line);
	}
	put_u32(w, r->nvalues);
	for (i = 0; i < r->nvalues; i++) {
		put_u8(w, r->values[i].type);
		put_bool(w, r->values[i].none);
		put_i64(w, r->values[i].num);
		put_u32(w, r->values[i].str);
		put_u32(w, r->values[i].nstrs);
	}
	put_u32(w, r->nnodes);
	for (i = 0; i < r->nnodes; i++)
		put_node(w, &r->nodes[i]);
	put_u32(w, r->nblocks);
	for (i = 0; i < r->nblocks; i++) {
		put_u32(w, r->blocks[i].cond);
		put_u32(w, r->blocks[i].value);
		put_bool(w, r->blocks[i].fail_false);
	}
}

/*
 * How many elements follow, with memory for them.  No element is shorter
 * than an octet, which bounds what a number without anything behind it can
 * make us allocate.
 */
static void *
get_array(struct rbuf *m, uint32_t *n, size_t size)
{
	uint32_t	 count = get_u32(m);
	void		*p = NULL;

	*n = 0;
	if (m->failed || count == 0)
		return NULL;
	if (count > (size_t)(m->end - m->p) ||
	    (p = calloc(count, size)) == NULL) {
		get_fail(m);
		return NULL;
	}
	*n = count;
	return p;
}

static void
get_arrays(struct rbuf *m, struct rule *r)
{
	uint32_t	 i;

	r->type = get_enum(m, VALUE_LOOKUP);
	r->strs = get_array(m, &r->nstrs, sizeof(*r->strs));
	for (i = 0; i < r->nstrs; i++)
		r->strs[i] = get_strdup(m);
	r->leaves = get_array(m, &r->nleaves, sizeof(*r->leaves));
	for (i = 0; i < r->nleaves; i++) {
		r->leaves[i].var = get_enum(m, RV_COUNT);
		r->leaves[i].value = get_bool(m);
		r->leaves[i].str = get_u32(m);
		r->leaves[i].line = get_u32(m);
	}
	r->values = get_array(m, &r->nvalues, sizeof(*r->values));
	for (i = 0; i < r->nvalues; i++) {
		r->values[i].type = get_enum(m, VALUE_LOOKUP + 1);
		r->values[i].none = get_bool(m);
		r->values[i].num = get_i64(m);
		r->values[i].str = get_u32(m);
		r->values[i].nstrs = get_u32(m);
	}
	r->nodes = get_array(m, &r->nnodes, sizeof(*r->nodes));
	for (i = 0; i < r->nnodes; i++)
		get_node(m, &r->nodes[i]);
	r->blocks = get_array(m, &r->nblocks, sizeof(*r->blocks));
	for (i = 0; i < r->nblocks; i++) {
		r->blocks[i].cond = get_u32(m);
		r->blocks[i].value = get_u32(m);
		r->blocks[i].fail_false = get_bool(m);
	}
}

static bool
value_valid(const struct rule *r, const struct rule_const *v)
{
	switch ((enum value_type)v->type) {
	case VALUE_BOOL:
	case VALUE_INT:
		return v->type == r->type;
	case VALUE_STR:
		return v->type == r->type && (v->none || v->str < r->nstrs);
	case VALUE_STRS:
		return v->type == r->type && (v->nstrs == 0 ||
		    (v->str < r->nstrs && v->nstrs <= r->nstrs - v->str));
	case VALUE_LOOKUP:
		return v->num >= 0 && v->num < r->nleaves;
	}
	return false;
}

static bool
net_valid(const struct cidr *c)
{
	if (c->net.family == ADDR_V4)
		return c->bits <= 32;
	return c->net.family == ADDR_V6 && c->bits <= 128;
}

/* A condition by itself: does the operator fit the variable? */
static bool
leaf_valid(const struct rule *r, const struct rule_node *n)
{
	if (n->var == RV_NONE)
		return false;
	if (n->is_net && (n->op != OP_EQ || !rule_var_is_addr(n->var) ||
	    !net_valid(&n->net)))
		return false;
	switch ((enum rule_op)n->op) {
	case OP_EQ:
		return n->is_net || rule_var_is_number(n->var) ||
		    rule_var_is_bool(n->var) || n->str < r->nstrs;
	case OP_STARTS:
	case OP_ENDS:
	case OP_MATCHES:
	case OP_LIST:
		return n->str < r->nstrs;
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return rule_var_is_number(n->var);
	case OP_ASK:
		return n->id < r->nleaves;
	case OP_ALL:
	case OP_ANY:
	case OP_NONE:
	case OP_COUNT:
		break;
	}
	return false;
}

/* The tree whose root is node i ends at or before `end'. */
static bool
tree_valid(const struct rule *r, uint32_t i, uint32_t end, unsigned int depth)
{
	const struct rule_node	*n;
	uint32_t		 c;

	if (i >= end || depth > RULE_DEPTH_MAX)
		return false;
	n = &r->nodes[i];
	if (n->next <= i || n->next > end)
		return false;
	if (n->op > OP_NONE)
		return n->next == i + 1 && leaf_valid(r, n);
	for (c = i + 1; c < n->next; c = r->nodes[c].next)
		if (!tree_valid(r, c, n->next, depth + 1))
			return false;
	return true;
}

static bool
rule_valid(const struct rule *r)
{
	uint32_t	i, at = 0;

	if (r->nleaves > RULE_LEAVES_MAX || r->nnodes > RULE_NODES_MAX)
		return false;
	for (i = 0; i < r->nstrs; i++)
		if (r->strs[i] == NULL)
			return false;
	for (i = 0; i < r->nleaves; i++)
		if (r->leaves[i].var == RV_NONE ||
		    r->leaves[i].str >= r->nstrs)
			return false;
	for (i = 0; i < r->nvalues; i++)
		if (!value_valid(r, &r->values[i]))
			return false;
	/* The trees of the blocks follow each other and leave no gap. */
	for (i = 0; i < r->nblocks; i++) {
		if (r->blocks[i].value >= r->nvalues)
			return false;
		if (r->blocks[i].cond == RULE_ALWAYS)
			continue;
		if (r->blocks[i].cond != at ||
		    !tree_valid(r, at, r->nnodes, 1))
			return false;
		at = r->nodes[at].next;
	}
	return at == r->nnodes;
}

struct rule *
rule_get(struct rbuf *m)
{
	struct rule	*r;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		get_fail(m);
		return NULL;
	}
	get_arrays(m, r);
	if (m->failed || !rule_valid(r)) {
		get_fail(m);
		rule_free(r);
		return NULL;
	}
	return r;
}

void
rule_free(struct rule *r)
{
	uint32_t	i;

	if (r == NULL)
		return;
	for (i = 0; i < r->nnodes; i++) {
		if (r->nodes[i].re != NULL) {
			regfree(r->nodes[i].re);
			free(r->nodes[i].re);
		}
	}
	for (i = 0; i < r->nstrs; i++)
		free(r->strs[i]);
	free(r->strs);
	free(r->leaves);
	free(r->values);
	free(r->nodes);
	free(r->blocks);
	free(r);
}
