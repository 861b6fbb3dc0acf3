/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rules of postern.yaml to the flat form of rule.h.
 *
 *	setting: VALUE
 *	setting: [{CONDITION, then: VALUE}, ..., {else: VALUE}]
 *
 * A condition is {if: VARIABLE, OPERATOR: OPERAND} or a group {any-of: [...]}
 * of conditions, written into the block beside `then'.  Everything that can
 * be told to be wrong without running it is told here: a variable that the
 * stage cannot know, an operator that does not fit the variable, operands
 * without the right form, lists and listeners that do not exist.  Regular
 * expressions are only looked at (rule_pattern_check); the process that runs
 * them compiles them.
 *
 * The names of the operators are written back to the tree in their short
 * form.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent_load.h"
#include "util.h"

struct compile {
	struct load		*l;
	const struct key	*key;
	struct rule		*rule;
	bool			 failed;
};

struct opname {
	const char	*name;
	const char	*alias;
	enum rule_op	 op;
	bool		 negate;
};

static const struct opname opnames[] = {
	{ "eq", "equal-to", OP_EQ, false },
	{ "ne", "not-equal-to", OP_EQ, true },
	{ "starts-with", NULL, OP_STARTS, false },
	{ "not-starts-with", NULL, OP_STARTS, true },
	{ "ends-with", NULL, OP_ENDS, false },
	{ "not-ends-with", NULL, OP_ENDS, true },
	{ "matches", NULL, OP_MATCHES, false },
	{ "not-matches", NULL, OP_MATCHES, true },
	{ "in-list", NULL, OP_LIST, false },
	{ "not-in-list", NULL, OP_LIST, true },
	{ "lt", NULL, OP_LT, false },
	{ "le", NULL, OP_LE, false },
	{ "gt", NULL, OP_GT, false },
	{ "ge", NULL, OP_GE, false }
};

static const struct opname groups[] = {
	{ "all-of", NULL, OP_ALL, false },
	{ "any-of", NULL, OP_ANY, false },
	{ "none-of", NULL, OP_NONE, false }
};

#define N(a)	(sizeof(a) / sizeof((a)[0]))

static void	compile_cond(struct compile *, struct node *, bool);

static void
fail(struct compile *c, const struct node *n, const char *what)
{
	load_error(c->l, n, "%s", what);
	c->failed = true;
}

/* --- the arrays of a rule ------------------------------------------------- */

/* One more element of an array that has n, zeroed; xreallocarray is fatal. */
#define APPEND(v, n)	do {						\
	if (((n) & ((n) - 1)) == 0)					\
		(v) = xreallocarray((v), (n) == 0 ? 1 :			\
		    2 * (size_t)(n), sizeof(*(v)));			\
	memset(&(v)[(n)], 0, sizeof(*(v)));				\
	(n)++;								\
} while (0)

static uint32_t
add_str(struct rule *r, const char *s)
{
	APPEND(r->strs, r->nstrs);
	r->strs[r->nstrs - 1] = xstrdup(s);
	return r->nstrs - 1;
}

static struct rule_node *
add_node(struct compile *c, const struct node *at)
{
	struct rule		*r = c->rule;
	struct rule_node	*n;

	APPEND(r->nodes, r->nnodes);
	n = &r->nodes[r->nnodes - 1];
	n->line = at->line;
	n->col = at->col;
	n->next = r->nnodes;
	if (r->nnodes == RULE_NODES_MAX)
		fail(c, at, "a rule with too many conditions");
	return n;
}

static void
add_block(struct rule *r, uint32_t cond, uint32_t value, bool fail_false)
{
	APPEND(r->blocks, r->nblocks);
	r->blocks[r->nblocks - 1].cond = cond;
	r->blocks[r->nblocks - 1].value = value;
	r->blocks[r->nblocks - 1].fail_false = fail_false;
}

/* --- names ---------------------------------------------------------------- */

static const struct opname *
find_op(const struct opname *v, size_t n, const char *name)
{
	size_t	i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0 || (v[i].alias != NULL &&
		    strcmp(v[i].alias, name) == 0))
			return &v[i];
	return NULL;
}

static enum rule_var
compile_var(struct compile *c, struct node *n)
{
	struct nearest	 near;
	enum rule_var	 var;
	unsigned int	 i;

	if (!is_scalar(c->l, n, "a variable")) {
		c->failed = true;
		return RV_NONE;
	}
	if ((var = rule_var_parse(n->text)) == RV_NONE) {
		nearest_init(&near, n->text);
		for (i = RV_NONE + 1; i < RV_COUNT; i++)
			nearest_offer(&near, rule_var_name(i));
		load_error(c->l, n, "no variable '%s'%s%s%s", n->text,
		    near.best == NULL ? "" : ", did you mean ",
		    near.best == NULL ? "" : near.best,
		    near.best == NULL ? "" : "?");
		c->failed = true;
	} else if (!rule_var_known(var, c->key->stage)) {
		load_error(c->l, n, "%s is not known when this is decided",
		    n->text);
		c->failed = true;
		var = RV_NONE;
	}
	return var;
}

/* --- look-ups ------------------------------------------------------------- */

static void
operand_listener(struct compile *c, struct node *n)
{
	size_t	before = c->l->errs->errors.n;

	check_object(c->l, n, "listener", n->text);
	if (c->l->errs->errors.n > before)
		c->failed = true;
}

/* A domain, or anything else that may be an address, and its value. */
static void
operand_lookup(struct compile *c, struct node *n, enum rule_var var,
    bool value)
{
	size_t	before = c->l->errs->errors.n;

	check_lookup(c->l, n, rule_var_is_domain(var) ? ASKS_DOMAIN : value ?
	    ASKS_VALUE : ASKS_ADDRESS);
	if (c->l->errs->errors.n > before)
		c->failed = true;
}

/*
 * The same question is one leaf, however often it is asked.  Whether there is
 * anything, and whether that says yes, are two.
 */
static uint32_t
add_leaf(struct compile *c, const struct node *n, enum rule_var var,
    bool value)
{
	struct rule	*r = c->rule;
	uint32_t	 i;

	for (i = 0; i < r->nleaves; i++)
		if (r->leaves[i].var == var && r->leaves[i].value == value &&
		    strcmp(r->strs[r->leaves[i].str], n->text) == 0)
			return i;
	if (r->nleaves == RULE_LEAVES_MAX) {
		fail(c, n, "a rule with too many look-ups");
		return 0;
	}
	APPEND(r->leaves, r->nleaves);
	r->leaves[i].var = var;
	r->leaves[i].value = value;
	r->leaves[i].line = n->line;
	r->leaves[i].str = add_str(r, n->text);
	return i;
}

/* What does not lie in a list has to be asked for, which takes its time. */
static bool
is_asked(struct compile *c, const struct node *n)
{
	if (strncmp(n->text, "list/", 5) == 0)
		return false;
	if (c->key->flags & K_AT_ONCE)
		fail(c, n, "this is decided where nobody can be asked: "
		    "wanted list/NAME");
	return true;
}

/* {lookup: PATH, key: VARIABLE}: the value found there. */
static void
value_lookup(struct compile *c, struct node *n, struct rule_const *v)
{
	struct node	*path = node_child(n, "lookup"), *swap;
	struct node	*key = node_child(n, "key");
	enum key_type	 of = c->key->of;
	enum rule_var	 var;

	v->type = VALUE_LOOKUP;
	if ((c->key->flags & K_MX) != 0)
		c->l->use_mx = true;
	if (n->nkids != 2 || key == NULL) {
		fail(c, n, "wanted {lookup: PATH, key: VARIABLE}");
		return;
	}
	if (of != T_BOOL && of != T_INT && of != T_WORD && of != T_STR) {
		fail(c, n, "this setting's value cannot be looked up");
		return;
	}
	if (n->kids[0] == key) {
		swap = n->kids[0];
		n->kids[0] = n->kids[1];
		n->kids[1] = swap;
	}
	if (!is_scalar(c->l, path, "list/NAME, db/DATASOURCE and so on")) {
		c->failed = true;
		return;
	}
	var = compile_var(c, key);
	operand_lookup(c, path, var, true);
	(void)is_asked(c, path);
	if (var != RV_NONE)
		v->num = add_leaf(c, path, var, true);
}

/* --- values --------------------------------------------------------------- */

static void
value_str(struct compile *c, struct node *n, struct rule_const *v)
{
	if ((c->key->flags & K_FALSE) != 0 && n->kind == NODE_SCALAR &&
	    !n->quoted && strcmp(n->text, "false") == 0) {
		n->bare = true;
		v->none = true;
		return;
	}
	if (load_string(c->l, c->key, n) == -1)
		c->failed = true;
	else
		v->str = add_str(c->rule, n->text);
}

static void
value_strs(struct compile *c, struct node *n, struct rule_const *v)
{
	size_t	i;

	if (!to_list(c->l, n)) {
		c->failed = true;
		return;
	}
	v->str = c->rule->nstrs;
	for (i = 0; i < n->nkids; i++) {
		if (load_string(c->l, c->key, n->kids[i]) == -1)
			c->failed = true;
		else
			add_str(c->rule, n->kids[i]->text);
	}
	v->nstrs = c->rule->nstrs - v->str;
}

/* The index of the value of a node. */
static uint32_t
compile_value(struct compile *c, struct node *n)
{
	struct rule_const	 v = { .type = c->rule->type };

	if (n->kind == NODE_MAP && node_child(n, "lookup") != NULL)
		value_lookup(c, n, &v);
	else if (v.type == VALUE_STR)
		value_str(c, n, &v);
	else if (v.type == VALUE_STRS)
		value_strs(c, n, &v);
	else if (load_number(c->l, c->key,
	    c->key->type == T_COND ? T_BOOL : c->key->of, n, &v.num) == -1)
		c->failed = true;
	APPEND(c->rule->values, c->rule->nvalues);
	c->rule->values[c->rule->nvalues - 1] = v;
	return c->rule->nvalues - 1;
}

/* --- conditions ----------------------------------------------------------- */

/* Does the operator make sense for the variable?  NULL or why not. */
static const char *
op_fits(enum rule_op op, enum rule_var var)
{
	bool	order = op >= OP_LT && op <= OP_GE;

	if (var == RV_LISTENER && op != OP_EQ)
		return "listener takes eq and ne only";
	if (rule_var_is_bool(var) && op != OP_EQ)
		return "a boolean takes eq and ne only";
	if (order && !rule_var_is_number(var))
		return "lt, le, gt and ge are for numbers";
	if (rule_var_is_number(var) && !order && op != OP_EQ && op != OP_LIST)
		return "a number takes eq, ne, lt, le, gt, ge and in-list";
	return NULL;
}

static void
operand_number(struct compile *c, struct node *n, struct rule_node *rn)
{
	struct key	 k = { .min = 0, .max = INT64_MAX };
	enum key_type	 type = T_INT;

	if (rule_var_is_bool(rn->var))
		type = T_BOOL;
	else if (rn->var == RV_MESSAGE_SIZE)
		type = T_SIZE;
	else {
		k.min = -32768;
		k.max = 32767;
	}
	if (load_number(c->l, &k, type, n, &rn->num) == -1)
		c->failed = true;
}

static void
operand_net(struct compile *c, struct node *n, struct rule_node *rn)
{
	char	text[ADDR_TEXT_MAX];

	rn->is_net = true;
	if (cidr_parse(&rn->net, n->text) == -1) {
		load_error(c->l, n, "'%s' is not an address or network",
		    n->text);
		c->failed = true;
	} else
		node_set(n, cidr_text(&rn->net, text, sizeof(text)), false);
}

/*
 * These variables are in normal form, and so must be what they are compared
 * with.  Of a domain that is cut, only the end can be turned into A-labels.
 */
static void
operand_normal(struct rule_node *rn, char **str)
{
	char	*alabels;

	if (rn->var != RV_SENDER && rn->var != RV_SENDER_DOMAIN &&
	    rn->var != RV_RCPT && rn->var != RV_RCPT_DOMAIN &&
	    rn->var != RV_HELO_DOMAIN)
		return;
	if (rn->op < OP_EQ || rn->op > OP_ENDS)
		return;
	ascii_lower(*str);
	if (rn->op == OP_STARTS || (alabels = conf_alabels(*str)) == NULL)
		return;
	free(*str);
	*str = alabels;
}

static void
compile_operand(struct compile *c, struct node *n, uint32_t at)
{
	struct rule_node	*rn = &c->rule->nodes[at];
	const char		*bad;
	uint32_t		 leaf;

	if (!is_scalar(c->l, n, "an operand")) {
		c->failed = true;
		return;
	}
	rn->line = n->line;
	rn->col = n->col;
	if ((rule_var_is_number(rn->var) || rule_var_is_bool(rn->var)) &&
	    rn->op != OP_LIST) {
		operand_number(c, n, rn);
		return;
	}
	if (rule_var_is_addr(rn->var) && rn->op == OP_EQ) {
		operand_net(c, n, rn);
		return;
	}
	if (rn->op == OP_LIST) {
		operand_lookup(c, n, (enum rule_var)rn->var, false);
		if (is_asked(c, n)) {
			leaf = add_leaf(c, n, (enum rule_var)rn->var, false);
			rn->op = OP_ASK;
			rn->id = leaf;
			return;
		}
	}
	if (rn->var == RV_LISTENER)
		operand_listener(c, n);
	if (rn->op == OP_MATCHES &&
	    (bad = rule_pattern_check(n->text)) != NULL) {
		load_error(c->l, n, "%s", bad);
		c->failed = true;
	}
	rn->str = add_str(c->rule, n->text);
	operand_normal(rn, &c->rule->strs[rn->str]);
}

/* {if: VARIABLE, OPERATOR: OPERAND}; n is the node of the operator. */
static void
compile_leaf(struct compile *c, struct node *var, struct node *n,
    const struct opname *op)
{
	struct rule_node	*rn = add_node(c, n);
	uint32_t		 at = c->rule->nnodes - 1;
	const char		*why;

	free(n->key);
	n->key = xstrdup(op->name);
	rn->op = op->op;
	rn->negate = op->negate;
	if ((rn->var = compile_var(c, var)) == RV_NONE)
		return;
	if ((why = op_fits(op->op, rn->var)) != NULL) {
		load_key_error(c->l, n, "%s", why);
		c->failed = true;
		return;
	}
	compile_operand(c, n, at);
}

static void
compile_group(struct compile *c, struct node *n, const struct opname *op)
{
	uint32_t	at = c->rule->nnodes;
	size_t		i;

	add_node(c, n)->op = op->op;
	if (n->kind != NODE_SEQ || n->nkids == 0)
		fail(c, n, "wanted a list of conditions");
	for (i = 0; n->kind == NODE_SEQ && i < n->nkids; i++)
		compile_cond(c, n->kids[i], false);
	c->rule->nodes[at].next = c->rule->nnodes;
}

/* The keys of a block that are no part of its condition. */
static bool
is_block_key(const char *key)
{
	return strcmp(key, "then") == 0 || strcmp(key, "else") == 0 ||
	    strcmp(key, "on-lookup-failure") == 0;
}

static void
unknown_key(struct compile *c, const struct node *n)
{
	struct nearest	near;
	size_t		i;

	nearest_init(&near, n->key);
	nearest_offer(&near, "if");
	nearest_offer(&near, "then");
	nearest_offer(&near, "else");
	nearest_offer(&near, "on-lookup-failure");
	for (i = 0; i < N(opnames); i++)
		nearest_offer(&near, opnames[i].name);
	for (i = 0; i < N(groups); i++)
		nearest_offer(&near, groups[i].name);
	load_key_error(c->l, n, "'%s' is no part of a rule%s%s%s", n->key,
	    near.best == NULL ? "" : ", did you mean ",
	    near.best == NULL ? "" : near.best,
	    near.best == NULL ? "" : "?");
	c->failed = true;
}

/*
 * A condition in a map, of which a block also holds `then'.  Always leaves a
 * tree, so that what follows can be compiled and its errors be found.
 */
static void
compile_cond(struct compile *c, struct node *map, bool block)
{
	struct node		*var = NULL, *found = NULL, *kid;
	const struct opname	*op = NULL, *o;
	size_t			 i;

	if (map->kind != NODE_MAP) {
		fail(c, map, "wanted a condition: {if: VARIABLE, "
		    "OPERATOR: VALUE}");
		return;
	}
	for (i = 0; i < map->nkids; i++) {
		kid = map->kids[i];
		if (block && is_block_key(kid->key))
			continue;
		if (strcmp(kid->key, "if") == 0) {
			var = kid;
			continue;
		}
		if ((o = find_op(opnames, N(opnames), kid->key)) == NULL &&
		    (o = find_op(groups, N(groups), kid->key)) == NULL) {
			unknown_key(c, kid);
			return;
		}
		if (op != NULL) {
			load_key_error(c->l, kid,
			    "a second operator in one condition: use all-of");
			c->failed = true;
			return;
		}
		op = o;
		found = kid;
	}
	if (op == NULL)
		fail(c, map, var == NULL ?
		    "a condition is missing" : "an operator is missing");
	else if (op->op <= OP_NONE && var != NULL)
		fail(c, var, "`if' beside a group: put it into the group");
	else if (op->op <= OP_NONE)
		compile_group(c, found, op);
	else if (var == NULL)
		fail(c, map, "`if' is missing");
	else
		compile_leaf(c, var, found, op);
}

/* --- blocks --------------------------------------------------------------- */

/*
 * The last word.  A look-up may find nothing, which then is the value: false,
 * where that is one.
 */
static void
compile_last(struct compile *c, struct node *n)
{
	uint32_t	v = compile_value(c, n);

	add_block(c->rule, RULE_ALWAYS, v, false);
	if (c->rule->values[v].type == VALUE_LOOKUP &&
	    c->key->of != T_BOOL && (c->key->flags & K_FALSE) == 0)
		fail(c, n, "there is no value where this finds nothing: "
		    "wanted a block with `if' before an `else'");
}

static void
compile_else(struct compile *c, struct node *n, struct node *value)
{
	if (n->nkids != 1)
		fail(c, n, "a block with `else' has nothing beside it");
	compile_last(c, value);
}

static void
compile_block(struct compile *c, struct node *n)
{
	struct node	*then, *lookup;
	uint32_t	 cond = c->rule->nnodes;

	then = node_child(n, "then");
	lookup = node_child(n, "on-lookup-failure");
	if (lookup != NULL) {
		if (lookup->kind != NODE_SCALAR || lookup->quoted ||
		    strcmp(lookup->text, "false") != 0)
			fail(c, lookup, "on-lookup-failure can be false only");
		lookup->bare = true;
	}
	compile_cond(c, n, true);
	if (then == NULL)
		fail(c, n, "a block without `then'");
	else
		add_block(c->rule, cond, compile_value(c, then),
		    lookup != NULL);
}

static void
compile_blocks(struct compile *c, struct node *list)
{
	struct node	*n, *value;
	size_t		 i;
	bool		 have_else = false;

	for (i = 0; i < list->nkids; i++) {
		n = list->kids[i];
		if (n->kind != NODE_MAP) {
			fail(c, n, "wanted a block: {if: ..., then: ...}");
			continue;
		}
		value = node_child(n, "else");
		if (have_else)
			fail(c, n, "a block behind `else'");
		if (value != NULL)
			compile_else(c, n, value);
		else
			compile_block(c, n);
		have_else = have_else || value != NULL;
	}
	if (!have_else && c->rule->type != VALUE_STRS)
		fail(c, list, "the last block must be {else: VALUE}");
}

/* A bare condition: true where it holds. */
static void
compile_match(struct compile *c, struct node *n)
{
	static const int64_t	 result[] = { 1, 0 };
	size_t			 i;

	compile_cond(c, n, false);
	for (i = 0; i < N(result); i++) {
		APPEND(c->rule->values, c->rule->nvalues);
		c->rule->values[i].type = VALUE_BOOL;
		c->rule->values[i].num = result[i];
	}
	add_block(c->rule, 0, 0, true);
	add_block(c->rule, RULE_ALWAYS, 1, false);
}

struct rule *
load_rule(struct load *l, const struct key *k, struct node *n)
{
	struct compile	c = { .l = l, .key = k };

	c.rule = xcalloc(1, sizeof(*c.rule));
	c.rule->type = conf_value_type(k);
	if (k->type == T_COND)
		compile_match(&c, n);
	else if (n->kind == NODE_SEQ && n->nkids > 0 &&
	    n->kids[0]->kind == NODE_MAP)
		compile_blocks(&c, n);
	else
		compile_last(&c, n);
	if (!c.failed)
		return c.rule;
	rule_free(c.rule);
	return NULL;
}

void
rule_resolve(struct rule *r, const struct config *conf)
{
	const struct conf_obj	*list;
	const char		*name;
	uint32_t		 i;

	for (i = 0; i < r->nnodes; i++) {
		if (r->nodes[i].op != OP_LIST)
			continue;
		name = r->strs[r->nodes[i].str];
		list = conf_find(&conf->lists, name + strlen("list/"));
		r->nodes[i].id = list == NULL ? 0 : list->id;
	}
}
