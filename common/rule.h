/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rules: settings whose value depends on the session (postern.yaml(5),
 * RULES).  The parent compiles the blocks to one flat array; every process
 * that needs a rule gets that array and evaluates it.
 *
 * Evaluation is a pure function with a memo.  It gives a value, or says
 * which leaf it needs an answer for; the session asks, stores the answer in
 * the memo and evaluates again.  Nothing is allocated (regexec excepted).
 */
#ifndef RULE_H
#define RULE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct rbuf;
struct wbuf;

enum rule_var {
	RV_NONE,
	RV_REMOTE_IP,
	RV_LOCAL_IP,
	RV_LISTENER,
	RV_HELO_DOMAIN,
	RV_AUTHENTICATED_AS,
	RV_SENDER,
	RV_SENDER_DOMAIN,
	RV_RCPT,
	RV_RCPT_DOMAIN,
	RV_MESSAGE_SIZE,
	RV_TLS,
	RV_TLS_VERIFIED,
	RV_PRIORITY,
	RV_COUNT
};

/*
 * When a rule is evaluated, which decides what it may look at: a variable
 * that the stage cannot know is an error in the configuration.  ANY is for
 * rules asked at several stages, where "unknown yet" is empty.
 */
enum rule_stage {
	STAGE_ANY,
	STAGE_CONNECT,
	STAGE_EHLO,
	STAGE_AUTH,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_COUNT
};

/* Of which type the values of a rule are; also those of plain settings. */
enum value_type { VALUE_BOOL, VALUE_INT, VALUE_STR, VALUE_STRS, VALUE_LOOKUP };

/*
 * What a rule says.  The value false of a setting that names something is a
 * VALUE_STR whose str is NULL.  Words of an enum are VALUE_INT.
 *
 * VALUE_LOOKUP: the value is what the look-up `num` (a leaf, answered YES in
 * the memo) found; who asked has it.
 */
struct rule_value {
	enum value_type	 type;
	int64_t		 num;		/* BOOL, INT (durations: ms), LOOKUP */
	const char	*str;		/* STR: the rule's own */
	char *const	*strs;		/* STRS: likewise, nstrs of them */
	size_t		 nstrs;
};

/* --- the compiled form: for rule.c and the compiler (smtpd/parent_rule.c) */

enum rule_op {
	OP_ALL,			/* groups: the nodes up to `next` */
	OP_ANY,
	OP_NONE,
	OP_EQ,
	OP_STARTS,
	OP_ENDS,
	OP_MATCHES,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_LIST,		/* list/NAME, held by this process */
	OP_ASK,			/* anything else: a leaf to be asked for */
	OP_COUNT
};

#define RULE_NODES_MAX	20000	/* of one rule */
#define RULE_DEPTH_MAX	32
#define RULE_PATTERN_MAX 256	/* octets of a regular expression */
#define RULE_REPEAT_MAX	255	/* in {m,n} */
#define RULE_SUBJECT_MAX 1024	/* octets that one is matched against */

/*
 * One condition, or a group, whose members follow it.  The nodes of a tree
 * lie in the order in which they are written, so that skipping a subtree is
 * one jump to `next`.
 */
struct rule_node {
	uint8_t		 op;		/* enum rule_op */
	uint8_t		 var;		/* enum rule_var */
	bool		 negate;
	bool		 is_net;	/* EQ on an address: net */
	uint32_t	 next;		/* the first node behind this tree */
	uint32_t	 line, col;	/* in the file */
	int64_t		 num;		/* operand of numbers and booleans */
	struct cidr	 net;
	uint32_t	 str;		/* operand: index into strs */
	uint32_t	 id;		/* LIST: the list; ASK: the leaf */
	regex_t		*re;		/* MATCHES, after rule_prepare */
};

#define RULE_ALWAYS	UINT32_MAX

struct rule_block {
	uint32_t	 cond;		/* root node; RULE_ALWAYS = else */
	uint32_t	 value;		/* index into values */
	bool		 fail_false;	/* on-lookup-failure: false */
};

/* A value: strings are indices, so that the array can move. */
struct rule_const {
	uint8_t		 type;		/* enum value_type */
	bool		 none;		/* STR: false */
	int64_t		 num;		/* LOOKUP: the leaf */
	uint32_t	 str;		/* STR, STRS: the first */
	uint32_t	 nstrs;
};

/* What is asked elsewhere: the same question is one leaf, however often. */
struct rule_leaf {
	uint8_t		 var;		/* its value is what is looked up */
	bool		 value;		/* what is found is wanted; else
					   whether that says yes */
	uint32_t	 str;		/* "db/users/route" */
	uint32_t	 line;		/* in the file: where it is first */
};

struct rule {
	uint8_t			 type;	/* enum value_type of its values */
	struct rule_node	*nodes;
	struct rule_block	*blocks;
	struct rule_const	*values;
	struct rule_leaf	*leaves;
	char			**strs;
	uint32_t		 nnodes, nblocks, nvalues, nleaves, nstrs;
};

/* --- evaluation ---------------------------------------------------------- */

/*
 * What a rule may look at.  Unknown yet = "" (ADDR_NONE, 0).  RV_TLS and
 * RV_TLS_VERIFIED are false if NULL, "" or "false", true otherwise.  list() is
 * asked for list/NAME by the list's id: 1 in it, 0 not; ip is NULL unless
 * the variable is an address, whose text value then is.
 */
struct rule_env {
	struct addr	 remote_ip;
	struct addr	 local_ip;
	const char	*str[RV_COUNT];	/* may be NULL for "" */
	int64_t		 message_size;
	int64_t		 priority;
	int		(*list)(void *, uint32_t id, const char *value,
			    const struct addr *ip);
	void		*list_arg;
};

enum rule_answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO, ANSWER_CANNOT };

#define RULE_LEAVES_MAX	64	/* look-ups that are asked elsewhere */

struct rule_memo {
	uint8_t	answer[RULE_LEAVES_MAX];	/* enum rule_answer */
};

enum rule_result {
	RULE_VALUE,		/* *value is set */
	RULE_NEED,		/* *leaf must be asked for first */
	RULE_CANNOT		/* a look-up could not answer: 451 4.4.3 */
};

/*
 * The rule NULL is a setting that is off: VALUE_STR, str NULL.  memo may be
 * NULL if nothing has been asked.  A subject of `matches` that is too long
 * to be looked at counts as a look-up that cannot answer.
 */
enum rule_result rule_eval(const struct rule *, const struct rule_env *,
		    const struct rule_memo *, struct rule_value *,
		    unsigned int *leaf);

/* Plain values evaluated without an environment where that is possible. */
bool	rule_is_constant(const struct rule *, struct rule_value *);

/*
 * What the rule can say when only the variables in `known` (1 << RV_...) have
 * the values of the environment: fn is called for each of its values, in
 * order, not those that are ruled out.  A look-up comes as VALUE_LOOKUP
 * (num: the leaf), as it can find anything.
 */
void	rule_reach(const struct rule *, const struct rule_env *,
	    uint32_t known, void (*fn)(const struct rule_value *, void *),
	    void *);

/* For rule_reach.c: node i alone, 1 or 0, -1 what cannot be told. */
int	rule_test(const struct rule *, const struct rule_env *, uint32_t i);
/* For it, too: value number i of the rule. */
void	rule_const_value(const struct rule *, uint32_t i,
	    struct rule_value *);

/*
 * What leaf number n asks: the look-up's name ("db/users/route") and the
 * variable whose value is looked up.  False if there is no such leaf.
 */
bool	rule_leaf(const struct rule *, unsigned int n, const char **what,
	    enum rule_var *);
/* Is what is found there wanted, and not whether it says yes? */
bool	rule_leaf_is_value(const struct rule *, unsigned int n);

/* The text of a variable; buf is used for addresses and numbers. */
const char *rule_env_text(const struct rule_env *, enum rule_var, char *buf,
	    size_t);

/* To a child, compiled but for its regular expressions. */
void	rule_put(struct wbuf *, const struct rule *);
/* A rule to be freed with rule_free, or NULL after an error. */
struct rule *rule_get(struct rbuf *);
void	rule_free(struct rule *);

/*
 * Compile the regular expressions (in the child that will run them, never in
 * the parent).  0, or -1 with the place and the reason of the first bad one.
 */
int	rule_prepare(struct rule *, unsigned int *line, unsigned int *col,
	    char *why, size_t whysize);

/*
 * Is this a pattern that rule_prepare may be given?  A look at its shape
 * (length, repeats, back-references), which compiles nothing: for the
 * parent.  NULL, or what is wrong with it.
 */
const char	*rule_pattern_check(const char *);

/* As it is spelled in postern.yaml. */
const char	*rule_var_name(enum rule_var);
/* RV_NONE if there is no such variable. */
enum rule_var	 rule_var_parse(const char *);
bool		 rule_var_is_addr(enum rule_var);
bool		 rule_var_is_number(enum rule_var);
bool		 rule_var_is_bool(enum rule_var);
bool		 rule_var_is_domain(enum rule_var);
/* Can a rule of this stage know the variable? */
bool		 rule_var_known(enum rule_var, enum rule_stage);

#endif
