/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rules: every operator and group, compiled from YAML by the parent's code
 * and sent over the wire before they are evaluated, as in life; the look-ups
 * that are asked elsewhere, mostly on rules built by hand; and octets that
 * are no rule.
 */

#include <sys/types.h>

#include <stdint.h>

#include "cdb_file.h"
#include "parent_conf.h"
#include "rule.h"
#include "t.h"
#include "wire.h"

static struct rule_env	 env;

/* Members of list/x: "yes", and 10.0.0.0/8. */
static int
in_list(void *arg, uint32_t id, const char *value, const struct addr *ip)
{
	struct cidr	 c;

	(void)arg;
	if (id == 0 || cidr_parse(&c, "10.0.0.0/8") == -1)
		return 0;
	if (ip != NULL)
		return cidr_match(&c, ip);
	return strcmp(value, "yes") == 0;
}

static void
env_reset(void)
{
	memset(&env, 0, sizeof(env));
	addr_parse(&env.remote_ip, "192.0.2.7");
	addr_parse(&env.local_ip, "2001:db8::25");
	env.str[RV_LISTENER] = "in";
	env.str[RV_HELO_DOMAIN] = "mail.example.org";
	env.str[RV_SENDER] = "bob@example.org";
	env.str[RV_SENDER_DOMAIN] = "example.org";
	env.str[RV_RCPT] = "yes";
	env.str[RV_RCPT_DOMAIN] = "example.com";
	env.str[RV_TLS] = "TLSv1.3";
	env.message_size = 1000;
	env.priority = -3;
	env.list = in_list;
}

/* Over the wire and back; the original is freed. */
static struct rule *
wired(struct rule *r)
{
	struct wbuf	 w = { .data = NULL };
	struct rbuf	 m;
	struct rule	*copy;

	rule_put(&w, r);
	rbuf_init(&m, w.data, w.len);
	copy = rule_get(&m);
	ok(copy != NULL && get_end(&m) == 0, "round trip");
	wbuf_clear(&w);
	rule_free(r);
	return copy;
}

/*
 * A rule of session.rcpt.relay.  NULL with the first error in why.  The
 * listener `in' and the list x exist.
 */
static struct rule *
compile(const char *key, const char *text, char *why, size_t size)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;
	struct rule		*r = NULL, **at;
	char			 cdb[] = CDB_FILE;
	uint32_t		 id = 7;
	char			*yaml;
	int			 len;

	cdb_file(cdb);
	len = asprintf(&yaml, "hostname: a.example\n"
	    "listener: {in: {bind: \"127.0.0.1:25\"}}\n"
	    "list: {x: [a]}\nremote: {r: {address: 127.0.0.1}}\n"
	    "route: {relay: r}\nsession: {rcpt: {%s: %s}}\n"
	    "datasource: {d: {uri: \"cdb:%s\"}, e: {uri: \"cdb:%s\"}}\n",
	    key, text, cdb, cdb);
	why[0] = '\0';
	conf = parent_conf_parse("t", yaml, (size_t)len, NULL, &errs, NULL);
	(void)unlink(cdb);
	if (conf == NULL)
		strlcpy(why, errs.errors.v[0].text, size);
	else {
		conf_assign_ids(conf, NULL, &id);
		at = strcmp(key, "relay") == 0 ? &conf->session.relay :
		    &conf->session.max_recipients;
		r = *at;
		*at = NULL;
	}
	conf_unref(conf);
	conf_errors_clear(&errs);
	free(yaml);
	return r == NULL ? NULL : wired(r);
}

/* 1 or 0; -1: cannot tell, -2: needs an answer, -3: does not compile. */
static int
eval(const char *text)
{
	struct rule_value	 v;
	struct rule		*r;
	char			 why[256];
	unsigned int		 leaf, line, col;
	int			 res = -2;

	if ((r = compile("relay", text, why, sizeof(why))) == NULL) {
		printf("# %s\n", why);
		return -3;
	}
	if (rule_prepare(r, &line, &col, why, sizeof(why)) == -1)
		printf("# %s\n", why);
	switch (rule_eval(r, &env, NULL, &v, &leaf)) {
	case RULE_VALUE:
		res = v.num != 0;
		break;
	case RULE_CANNOT:
		res = -1;
		break;
	case RULE_NEED:
		break;
	}
	rule_free(r);
	return res;
}

/* --- operators ------------------------------------------------------------ */

static const struct {
	const char	*cond;
	int		 want;
} conds[] = {
	/* strings */
	{ "if: sender, eq: bob@example.org", 1 },
	{ "if: sender, eq: BOB@example.org", 1 },
	{ "if: sender, eq: bob@example.orga", 0 },
	{ "if: sender, equal-to: bob@example.org", 1 },
	{ "if: sender, ne: bob@example.org", 0 },
	{ "if: sender, not-equal-to: x", 1 },
	{ "if: helo-domain, eq: Mail.Example.ORG", 1 },
	{ "if: helo-domain, eq: mail.example.org", 1 },
	{ "if: helo-domain, ends-with: .EXAMPLE.org", 1 },
	{ "if: helo-domain, matches: Mail", 0 },
	{ "if: authenticated-as, eq: \"\"", 1 },
	{ "if: authenticated-as, ne: \"\"", 0 },
	{ "if: listener, eq: in", 1 },
	{ "if: listener, ne: in", 0 },
	{ "if: sender, starts-with: bob@", 1 },
	{ "if: sender, starts-with: ob@", 0 },
	{ "if: sender, starts-with: bob@example.org.longer", 0 },
	{ "if: sender, not-starts-with: bob@", 0 },
	{ "if: sender, not-starts-with: alice", 1 },
	{ "if: sender, ends-with: .ORG", 1 },
	{ "if: sender, ends-with: bob@example.org", 1 },
	{ "if: sender, ends-with: xbob@example.org", 0 },
	{ "if: sender, not-ends-with: .org", 0 },
	{ "if: sender, matches: \"^b.b@\"", 1 },
	{ "if: sender, matches: \"ample\"", 1 },
	{ "if: sender, matches: \"^ample\"", 0 },
	{ "if: sender, not-matches: \"^ample\"", 1 },
	{ "if: sender, matches: \"^[[:alpha:]]{3}@([a-z]+[.])+org$\"", 1 },
	{ "if: rcpt, in-list: list/x", 1 },
	{ "if: rcpt, not-in-list: list/x", 0 },
	{ "if: sender, in-list: list/x", 0 },
	{ "if: sender, not-in-list: list/x", 1 },
	/* addresses */
	{ "if: remote-ip, eq: 192.0.2.7", 1 },
	{ "if: remote-ip, ne: 192.0.2.7", 0 },
	{ "if: remote-ip, eq: 192.0.2.0/24", 1 },
	{ "if: remote-ip, eq: 192.0.2.0/29", 1 },
	{ "if: remote-ip, eq: 192.0.2.0/30", 0 },
	{ "if: remote-ip, eq: 0.0.0.0/0", 1 },
	{ "if: remote-ip, eq: \"::ffff:192.0.2.7\"", 1 },
	{ "if: remote-ip, eq: \"::ffff:192.0.2.0/120\"", 1 },
	{ "if: remote-ip, eq: \"2001:db8::/32\"", 0 },
	{ "if: local-ip, eq: \"2001:db8::/32\"", 1 },
	{ "if: local-ip, eq: \"2001:DB8:0::25\"", 1 },
	{ "if: local-ip, eq: \"2001:db8:1::/48\"", 0 },
	{ "if: local-ip, eq: 10.0.0.0/8", 0 },
	{ "if: remote-ip, starts-with: 192.0.", 1 },
	{ "if: remote-ip, ends-with: .7", 1 },
	{ "if: local-ip, matches: \"^2001:db8:\"", 1 },
	{ "if: remote-ip, in-list: list/x", 0 },
	{ "if: remote-ip, not-in-list: list/x", 1 },
	/* numbers and booleans */
	{ "if: message-size, eq: 1000", 1 },
	{ "if: message-size, ne: 1000", 0 },
	{ "if: message-size, lt: 1kb", 1 },
	{ "if: message-size, lt: 1000", 0 },
	{ "if: message-size, le: 1000", 1 },
	{ "if: message-size, gt: 999", 1 },
	{ "if: message-size, gt: 1000", 0 },
	{ "if: message-size, ge: 1000", 1 },
	{ "if: message-size, ge: 25mb", 0 },
	{ "if: priority, eq: -3", 1 },
	{ "if: priority, gt: 0", 0 },
	{ "if: priority, lt: 0", 1 },
	{ "if: priority, not-in-list: list/x", 1 },
	{ "if: tls, eq: true", 1 },
	{ "if: tls, ne: true", 0 },
	{ "if: tls-verified, eq: false", 1 },
	/* groups */
	{ "all-of: [{if: tls, eq: true}, {if: listener, eq: in}]", 1 },
	{ "all-of: [{if: tls, eq: true}, {if: listener, ne: in}]", 0 },
	{ "all-of: [{if: tls, eq: true}]", 1 },
	{ "any-of: [{if: tls, eq: false}, {if: listener, eq: in}]", 1 },
	{ "any-of: [{if: tls, eq: false}, {if: listener, ne: in}]", 0 },
	{ "none-of: [{if: tls, eq: false}, {if: listener, ne: in}]", 1 },
	{ "none-of: [{if: tls, eq: true}, {if: listener, ne: in}]", 0 },
	{ "none-of: [{if: tls, eq: false}, {if: listener, eq: in}]", 0 },
	{ "none-of: [{if: tls, eq: true}, {if: listener, eq: in}]", 0 },
	/* groups in groups, the inner one first, in the middle, last */
	{ "all-of: [{any-of: [{if: tls, eq: false}, {if: tls, eq: false}]},"
	  " {if: tls, eq: true}]", 0 },
	{ "any-of: [{all-of: [{if: tls, eq: true}, {if: tls, eq: true}]},"
	  " {if: tls, eq: false}]", 1 },
	{ "all-of: [{if: tls, eq: true}, {none-of: [{if: tls, eq: true}]},"
	  " {if: tls, eq: true}]", 0 },
	{ "any-of: [{if: tls, eq: false}, {none-of: [{if: tls, eq: false}]},"
	  " {if: tls, eq: false}]", 1 },
	{ "none-of: [{all-of: [{if: tls, eq: true}, {if: tls, eq: false}]},"
	  " {any-of: [{none-of: [{if: tls, eq: true}]}]}]", 1 },
	{ "none-of: [{none-of: [{none-of: [{if: tls, eq: true}]}]}]", 0 },
	{ "all-of: [{any-of: [{all-of: [{if: tls, eq: true}, {any-of: "
	  "[{if: tls, eq: false}, {if: listener, eq: in}]}]}]}, "
	  "{none-of: [{if: remote-ip, eq: 10.0.0.0/8}]}]", 1 }
};

static void
test_operators(void)
{
	char	text[1024];
	size_t	i;

	env_reset();
	for (i = 0; i < nitems(conds); i++) {
		snprintf(text, sizeof(text),
		    "[{%s, then: true}, {else: false}]", conds[i].cond);
		is_int(eval(text), conds[i].want, "%s", conds[i].cond);
		snprintf(text, sizeof(text),
		    "[{none-of: [{%s}], then: true}, {else: false}]",
		    conds[i].cond);
		is_int(eval(text), !conds[i].want, "none-of %s",
		    conds[i].cond);
	}
}

/* A v4 client may come in on a v6 socket. */
static void
test_mapped(void)
{
	env_reset();
	addr_parse(&env.remote_ip, "::ffff:10.1.2.3");
	is_int(eval("[{if: remote-ip, eq: 10.0.0.0/8, then: true}, "
	    "{else: false}]"), 1, "mapped client, v4 network");
	is_int(eval("[{if: remote-ip, in-list: list/x, then: true}, "
	    "{else: false}]"), 1, "mapped client, list");
	is_int(eval("[{if: remote-ip, eq: \"::ffff:10.1.2.3\", then: true}, "
	    "{else: false}]"), 1, "mapped both");
	memset(&env.remote_ip, 0, sizeof(env.remote_ip));
	is_int(eval("[{if: remote-ip, eq: 0.0.0.0/0, then: true}, "
	    "{else: false}]"), 0, "no address is in no network");
}

/* What is not known yet is empty. */
static void
test_unknown(void)
{
	memset(&env, 0, sizeof(env));
	is_int(eval("[{if: sender, eq: \"\", then: true}, {else: false}]"), 1,
	    "empty sender");
	is_int(eval("[{if: tls, eq: true, then: true}, {else: false}]"), 0,
	    "no tls");
	is_int(eval("[{if: sender, starts-with: a, then: true}, "
	    "{else: false}]"), 0, "empty starts with nothing");
	is_int(eval("[{if: sender, in-list: list/x, then: true}, "
	    "{else: false}]"), -1, "nobody to ask for lists");
}

static void
test_blocks(void)
{
	struct rule_value	 v;
	struct rule		*r;
	char			 why[256];
	unsigned int		 leaf;

	env_reset();
	is_int(eval("true"), 1, "plain true");
	is_int(eval("[{if: tls, eq: false, then: false}, "
	    "{if: listener, eq: in, then: true}, "
	    "{if: tls, eq: true, then: false}, {else: false}]"), 1,
	    "the first block that holds");
	is_int(eval("[{else: true}]"), 1, "else alone");
	r = compile("max-recipients", "[{if: tls, eq: true, then: 5}, "
	    "{else: 7}]", why, sizeof(why));
	ok(r != NULL, "%s", why);
	is_int(rule_eval(r, &env, NULL, &v, &leaf), RULE_VALUE, "int");
	is_int(v.type, VALUE_INT, "type");
	is_int(v.num, 5, "then");
	ok(!rule_is_constant(r, &v), "not constant");
	env.str[RV_TLS] = NULL;
	rule_eval(r, &env, NULL, &v, &leaf);
	is_int(v.num, 7, "else");
	rule_free(r);
	r = compile("max-recipients", "12", why, sizeof(why));
	ok(rule_is_constant(r, &v) && v.num == 12, "constant");
	rule_free(r);
	ok(rule_is_constant(NULL, &v) && v.str == NULL, "off is constant");
	is_int(rule_eval(NULL, &env, NULL, &v, &leaf), RULE_VALUE, "off");
	ok(v.type == VALUE_STR && v.str == NULL, "off is no string");
}

static void
test_subject(void)
{
	char	text[RULE_SUBJECT_MAX + 2];
	size_t	i;

	env_reset();
	memset(text, 'a', sizeof(text));
	text[RULE_SUBJECT_MAX] = '\0';
	env.str[RV_SENDER] = text;
	is_int(eval("[{if: sender, matches: \"a$\", then: true}, "
	    "{else: false}]"), 1, "1024 octets");
	text[RULE_SUBJECT_MAX] = 'a';
	text[RULE_SUBJECT_MAX + 1] = '\0';
	is_int(eval("[{if: sender, matches: \"a$\", then: true}, "
	    "{else: false}]"), -1, "1025 octets");
	is_int(eval("[{if: sender, not-matches: \"a$\", then: true}, "
	    "{else: false}]"), -1, "1025 octets, not");
	is_int(eval("[{if: sender, matches: \"a$\", then: true, "
	    "on-lookup-failure: false}, {else: false}]"), 0,
	    "1025 octets, false");
	/* Any octet but NUL may come. */
	for (i = 1; i < 256; i++)
		text[i - 1] = (char)i;
	text[255] = '\0';
	ok(eval("[{if: sender, matches: \"^.\", then: true}, "
	    "{else: false}]") >= -1, "hostile octets");
	is_int(eval("[{if: sender, starts-with: a, then: true}, "
	    "{else: false}]"), 0, "hostile octets");
}

/* --- what does not compile ------------------------------------------------ */

static const struct {
	const char	*rule;
	const char	*why;	/* in the message */
} bad[] = {
	{ "[]", "true or false" },
	{ "maybe", "true or false" },
	{ "{if: tls, eq: true}", "a map" },
	{ "[{if: tls, eq: true, then: true}]", "else" },
	{ "[{else: true}, {if: tls, eq: true, then: true}]", "behind" },
	{ "[{else: true}, {else: false}]", "behind" },
	{ "[{if: tls, eq: true}, {else: true}]", "without `then'" },
	{ "[{then: true}, {else: true}]", "condition is missing" },
	{ "[{if: tls, then: true}, {else: true}]", "operator is missing" },
	{ "[{eq: true, then: true}, {else: true}]", "`if' is missing" },
	{ "[{if: tls, eq: true, ne: false, then: true}, {else: true}]",
	  "second operator" },
	{ "[{if: tls, eq: true, then: true, else: false}]", "beside" },
	{ "[{if: tls, is: true, then: true}, {else: true}]", "'is'" },
	{ "[{if: tls, any-of: [{if: tls, eq: true}], then: true}, "
	  "{else: true}]", "beside a group" },
	{ "[{any-of: [], then: true}, {else: true}]", "list of conditions" },
	{ "[{any-of: {if: tls, eq: true}, then: true}, {else: true}]",
	  "list of conditions" },
	{ "[{any-of: [true], then: true}, {else: true}]", "condition" },
	{ "[{any-of: [{if: tls, eq: true, then: true}], then: true}, "
	  "{else: true}]", "'then'" },
	{ "[{if: senderr, eq: a, then: true}, {else: true}]",
	  "did you mean sender?" },
	{ "[{if: listener, eq: inn, then: true}, {else: true}]",
	  "did you mean in?" },
	{ "[{if: listener, starts-with: i, then: true}, {else: true}]",
	  "eq and ne" },
	{ "[{if: tls, eq: yes, then: true}, {else: true}]", "true or false" },
	{ "[{if: tls, matches: t, then: true}, {else: true}]", "eq and ne" },
	{ "[{if: sender, lt: 5, then: true}, {else: true}]", "numbers" },
	{ "[{if: message-size, starts-with: 5, then: true}, {else: true}]",
	  "a number takes" },
	{ "[{if: message-size, gt: big, then: true}, {else: true}]", "size" },
	{ "[{if: priority, gt: 40000, then: true}, {else: true}]", "range" },
	{ "[{if: remote-ip, eq: 10.0.0.1/8, then: true}, {else: true}]",
	  "network" },
	{ "[{if: remote-ip, eq: 10.0.0.0/33, then: true}, {else: true}]",
	  "network" },
	{ "[{if: remote-ip, eq: host.example, then: true}, {else: true}]",
	  "network" },
	{ "[{if: sender, in-list: x, then: true}, {else: true}]",
	  "list/NAME" },
	{ "[{if: sender, in-list: list/y, then: true}, {else: true}]",
	  "no list" },
	{ "[{if: sender, in-list: db/users/x, then: true}, {else: true}]",
	  "no datasource" },
	{ "[{if: sender, matches: \"a{1,256}\", then: true}, {else: true}]",
	  "255" },
	{ "[{if: sender, matches: \"(a{2}){3}\", then: true}, {else: true}]",
	  "inside another" },
	{ "[{if: sender, matches: \"((a{2})*b){3}\", then: true}, "
	  "{else: true}]", "inside another" },
	{ "[{if: sender, matches: 'a{2}{3}', then: true}, {else: true}]",
	  "inside another" },
	{ "[{if: sender, matches: '(a)\\1', then: true}, {else: true}]",
	  "back-references" },
	{ "[{if: sender, matches: \"(a\", then: true}, {else: true}]", ")" },
	{ "[{if: sender, matches: \"[a\", then: true}, {else: true}]", "]" },
	{ "[{if: sender, eq: [a], then: true}, {else: true}]", "a list" },
	{ "[{if: tls, eq: true, then: {lookup: db/d/r, key: rcpt}}, "
	  "{else: true}]", "no queries" },
	{ "[{if: tls, eq: true, then: true, on-lookup-failure: true}, "
	  "{else: true}]", "false only" }
};

static void
test_bad(void)
{
	struct rule	*r;
	char		 why[512], long_re[400];
	size_t		 i;

	for (i = 0; i < nitems(bad); i++) {
		r = compile("relay", bad[i].rule, why, sizeof(why));
		ok(r == NULL, "refused: %s", bad[i].rule);
		ok(strstr(why, bad[i].why) != NULL, "%s: %s", bad[i].rule,
		    why);
		ok(strncmp(why, "t:6:", 4) == 0, "place: %s", why);
		rule_free(r);
	}
	ok(rule_pattern_check("([a-z]+[.])*x{3}(a|b){1,255}[]a][^]b][[:alpha:]"
	    "-]\\{") == NULL, "a harmless pattern");
	memset(long_re, 'a', sizeof(long_re));
	long_re[RULE_PATTERN_MAX + 1] = '\0';
	ok(rule_pattern_check(long_re) != NULL, "257 octets");
	long_re[RULE_PATTERN_MAX] = '\0';
	ok(rule_pattern_check(long_re) == NULL, "256 octets");
	memset(long_re, '(', RULE_PATTERN_MAX);
	ok(rule_pattern_check(long_re) != NULL, "256 parentheses");
}

/* The child reports the place of what only regcomp(3) finds wrong. */
static void
test_regcomp(void)
{
	struct rule	*r;
	char		 why[256];
	unsigned int	 line = 0, col = 0;

	r = compile("relay", "[{if: sender, matches: \"[z-a]\", then: true}, "
	    "{else: true}]", why, sizeof(why));
	ok(r != NULL, "%s", why);
	is_int(rule_prepare(r, &line, &col, why, sizeof(why)), -1, "regcomp");
	is_int(line, 6, "line");
	is_int(col, 48, "column");
	ok(why[0] != '\0', "reason");
	rule_free(r);
}

/* --- look-ups that are asked elsewhere ------------------------------------ */

#define ASK(leaf)	{ .op = OP_ASK, .var = RV_SENDER, .id = leaf }

/*
 * A rule whose only block is `cond', then: true, else: false.  What the
 * nodes say about themselves but for op, var, negate, id is filled in:
 * a group takes `members' leaves behind it.
 */
static struct rule *
build(const struct rule_node *nodes, uint32_t n, bool fail_false)
{
	struct rule	*r;
	uint32_t	 i;

	r = calloc(1, sizeof(*r));
	r->type = VALUE_BOOL;
	r->nstrs = 2;
	r->strs = calloc(2, sizeof(*r->strs));
	r->strs[0] = strdup("db/users/known");
	r->strs[1] = strdup("remote/m");
	r->nleaves = 2;
	r->leaves = calloc(2, sizeof(*r->leaves));
	r->leaves[0].var = RV_SENDER;
	r->leaves[1].var = RV_RCPT;
	r->leaves[1].str = 1;
	r->nvalues = 2;
	r->values = calloc(2, sizeof(*r->values));
	r->values[0].num = 1;
	r->nnodes = n;
	r->nodes = calloc(n, sizeof(*r->nodes));
	for (i = 0; i < n; i++) {
		r->nodes[i] = nodes[i];
		r->nodes[i].next = nodes[i].op <= OP_NONE ? n : i + 1;
	}
	r->nblocks = 2;
	r->blocks = calloc(2, sizeof(*r->blocks));
	r->blocks[0].fail_false = fail_false;
	r->blocks[1].cond = RULE_ALWAYS;
	r->blocks[1].value = 1;
	return wired(r);
}

/* 1, 0, -1 cannot, -2 - n: leaf n is needed. */
static int
ask(const struct rule *r, enum rule_answer a0, enum rule_answer a1)
{
	struct rule_memo	 memo = { .answer = { 0 } };
	struct rule_value	 v;
	unsigned int		 leaf = 99;

	memo.answer[0] = (uint8_t)a0;
	memo.answer[1] = (uint8_t)a1;
	switch (rule_eval(r, &env, &memo, &v, &leaf)) {
	case RULE_VALUE:
		return v.num != 0;
	case RULE_CANNOT:
		return -1;
	case RULE_NEED:
		break;
	}
	return -2 - (int)leaf;
}

#define NONE	ANSWER_NONE
#define YES	ANSWER_YES
#define NO	ANSWER_NO
#define CANNOT	ANSWER_CANNOT

static void
test_ask(void)
{
	struct rule_node	 one[] = { ASK(0) };
	struct rule		*r;
	const char		*what = NULL;
	enum rule_var		 var = RV_NONE;

	env_reset();
	r = build(one, 1, false);
	is_int(ask(r, NONE, NONE), -2, "asks leaf 0");
	ok(rule_leaf(r, 0, &what, &var) && var == RV_SENDER, "leaf 0");
	is_str(what, "db/users/known", "leaf 0");
	ok(rule_leaf(r, 1, &what, &var) && var == RV_RCPT, "leaf 1");
	ok(!rule_leaf(r, 2, &what, &var), "no leaf 2");
	is_int(ask(r, YES, NONE), 1, "yes");
	is_int(ask(r, NO, NONE), 0, "no");
	is_int(ask(r, CANNOT, NONE), -1, "cannot");
	rule_free(r);
	one[0].negate = true;
	r = build(one, 1, false);
	is_int(ask(r, YES, NONE), 0, "not yes");
	is_int(ask(r, NO, NONE), 1, "not no");
	is_int(ask(r, CANNOT, NONE), -1, "not cannot");
	is_int(ask(r, NONE, NONE), -2, "not none");
	rule_free(r);
	r = build(one, 1, true);
	is_int(ask(r, CANNOT, NONE), 0, "on-lookup-failure: false");
	is_int(ask(r, NONE, NONE), -2, "which does not spare the question");
	rule_free(r);
}

static void
test_ask_groups(void)
{
	static const struct {
		enum rule_op	 op;
		enum rule_answer a, b;
		int		 want;
	} t[] = {
		{ OP_ALL, NONE, NONE, -2 }, { OP_ALL, NO, NONE, 0 },
		{ OP_ALL, YES, NONE, -3 }, { OP_ALL, YES, YES, 1 },
		{ OP_ALL, YES, CANNOT, -1 }, { OP_ALL, NO, CANNOT, 0 },
		{ OP_ALL, CANNOT, NO, -1 }, { OP_ALL, YES, NO, 0 },
		{ OP_ANY, NONE, YES, -2 }, { OP_ANY, YES, NONE, 1 },
		{ OP_ANY, NO, NONE, -3 }, { OP_ANY, NO, NO, 0 },
		{ OP_ANY, NO, YES, 1 }, { OP_ANY, CANNOT, YES, -1 },
		{ OP_ANY, YES, CANNOT, 1 }, { OP_ANY, NO, CANNOT, -1 },
		{ OP_NONE, NO, NO, 1 }, { OP_NONE, YES, NONE, 0 },
		{ OP_NONE, NO, NONE, -3 }, { OP_NONE, NO, YES, 0 },
		{ OP_NONE, CANNOT, YES, -1 }, { OP_NONE, NO, CANNOT, -1 }
	};
	struct rule_node	 n[] = { { .op = OP_ALL }, ASK(0), ASK(1) };
	struct rule		*r;
	size_t			 i;

	for (i = 0; i < nitems(t); i++) {
		n[0].op = (uint8_t)t[i].op;
		r = build(n, 3, false);
		is_int(ask(r, t[i].a, t[i].b), t[i].want, "group %zu", i);
		rule_free(r);
		r = build(n, 3, true);
		is_int(ask(r, t[i].a, t[i].b),
		    t[i].want == -1 ? 0 : t[i].want, "fail-false %zu", i);
		rule_free(r);
	}
}

/* {lookup: ...} as a value: not found is the next block. */
static void
test_lookup_value(void)
{
	struct rule_node	 n[] = { { .op = OP_EQ, .var = RV_TLS,
				    .num = 1 } };
	struct rule_memo	 memo = { .answer = { 0 } };
	struct rule_value	 v;
	struct rule		*r = build(n, 1, false);
	unsigned int		 leaf = 99;

	env_reset();
	r->values[0].type = VALUE_LOOKUP;
	r->values[0].num = 1;
	r = wired(r);
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_NEED, "needed");
	is_int(leaf, 1, "leaf");
	memo.answer[1] = ANSWER_YES;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_VALUE, "found");
	ok(v.type == VALUE_LOOKUP && v.num == 1, "whoever asked has it");
	memo.answer[1] = ANSWER_NO;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_VALUE, "next");
	ok(v.type == VALUE_BOOL && v.num == 0, "else");
	memo.answer[1] = ANSWER_CANNOT;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_CANNOT, "cannot");
	r->blocks[0].cond = RULE_ALWAYS;
	ok(!rule_is_constant(r, &v), "not constant");
	rule_free(r);
}

/* From YAML: the same question is one leaf, and comes where it is needed. */
static void
test_leaves(void)
{
	struct rule_memo	 memo = { .answer = { 0 } };
	struct rule_value	 v;
	struct rule		*r;
	enum rule_var		 var;
	unsigned int		 leaf = 99;
	const char		*what;
	char			 why[256];

	r = compile("relay", "[{if: rcpt, not-in-list: db/d, then: false},\n"
	    "  {if: sender, in-list: db/d, then: true},\n"
	    "  {all-of: [{if: rcpt, in-list: db/d},\n"
	    "    {if: rcpt, in-list: list/x}],\n"
	    "    then: {key: rcpt, lookup: db/e}},\n"
	    "  {else: {lookup: list/x, key: rcpt}}]", why, sizeof(why));
	if (!ok(r != NULL, "%s", why))
		return;
	is_int(r->nleaves, 4, "leaves");
	is_int(r->leaves[0].line, 6, "line of the first");
	is_int(r->leaves[2].line, 10, "of a value");
	ok(rule_leaf(r, 1, &what, &var) && var == RV_SENDER, "the second");
	is_str(what, "db/d", "its datasource");
	ok(rule_leaf(r, 3, &what, &var) && var == RV_RCPT, "a list's");
	is_str(what, "list/x", "its list");
	ok(!rule_leaf(r, 4, &what, &var), "no fifth");
	env_reset();
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_NEED, "asks");
	is_int(leaf, 0, "the first");
	memo.answer[0] = ANSWER_NO;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_VALUE, "not in");
	ok(v.type == VALUE_BOOL && v.num == 0, "false");
	memo.answer[0] = ANSWER_YES;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_NEED, "asks");
	is_int(leaf, 1, "the second");
	memo.answer[1] = ANSWER_NO;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_NEED, "asks");
	is_int(leaf, 2, "the value");
	memo.answer[2] = ANSWER_NO;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_NEED, "asks");
	is_int(leaf, 3, "the list's value");
	memo.answer[3] = ANSWER_NO;
	is_int(rule_eval(r, &env, &memo, &v, &leaf), RULE_VALUE, "nowhere");
	ok(v.type == VALUE_BOOL && v.num == 0, "false");
	rule_free(r);
}

/* However often it is asked. */
static void
test_same_leaf(void)
{
	static const char *const vars[] = { "rcpt", "sender", "helo-domain",
		"rcpt-domain" };
	struct rule	*r;
	char		 text[16384], why[256];
	size_t		 i, n;

	/* 2 datasources and 4 variables are 8. */
	(void)strlcpy(text, "[", sizeof(text));
	for (i = 0; i < 200; i++) {
		n = strlen(text);
		(void)snprintf(text + n, sizeof(text) - n,
		    "{if: %s, in-list: db/%c, then: true}, ", vars[i % 4],
		    i / 4 % 2 == 0 ? 'd' : 'e');
	}
	(void)strlcat(text, "{else: false}]", sizeof(text));
	r = compile("relay", text, why, sizeof(why));
	if (ok(r != NULL, "%s", why))
		is_int(r->nleaves, 8, "the same question is one leaf");
	rule_free(r);
}

/* --- octets that are no rule ---------------------------------------------- */

static void
test_wire(void)
{
	struct wbuf	 w = { .data = NULL };
	struct rbuf	 m;
	struct rule	*r;
	struct rule_node n[] = { { .op = OP_ALL }, ASK(0), ASK(1) };
	char		 why[256];
	uint8_t		 was;
	size_t		 i, j;
	unsigned int	 got = 0;

	r = build(n, 3, false);
	rule_put(&w, r);
	rule_free(r);
	for (i = 0; i < w.len; i++) {
		rbuf_init(&m, w.data, i);
		r = rule_get(&m);
		ok(r == NULL && m.failed, "cut at %zu", i);
		rule_free(r);
	}
	/* Every octet, every value: refused, or safe to evaluate. */
	for (i = 0; i < w.len; i++) {
		was = w.data[i];
		for (j = 0; j < 256; j++) {
			w.data[i] = (uint8_t)j;
			rbuf_init(&m, w.data, w.len);
			if ((r = rule_get(&m)) == NULL)
				continue;
			got++;
			(void)ask(r, YES, NO);
			(void)ask(r, NO, NONE);
			rule_free(r);
		}
		w.data[i] = was;
	}
	ok(got >= w.len, "%u of the variants are rules", got);
	wbuf_clear(&w);
	/* A group that ends outside of its parent, nodes behind the last. */
	r = compile("relay", "[{any-of: [{all-of: [{if: tls, eq: true}]}, "
	    "{if: tls, eq: true}], then: true}, {else: false}]", why,
	    sizeof(why));
	r->nodes[1].next = 5;
	rule_put(&w, r);
	rbuf_init(&m, w.data, w.len);
	ok(rule_get(&m) == NULL, "a group beyond its parent");
	wbuf_clear(&w);
	r->nodes[1].next = 3;
	r->nodes[0].next = 3;
	rule_put(&w, r);
	rbuf_init(&m, w.data, w.len);
	ok(rule_get(&m) == NULL, "a node that nobody owns");
	wbuf_clear(&w);
	rule_free(r);
}

static void
test_vars(void)
{
	unsigned int	i;

	for (i = RV_NONE + 1; i < RV_COUNT; i++)
		is_int(rule_var_parse(rule_var_name(i)), i, "variable %u", i);
	is_int(rule_var_parse("none"), RV_NONE, "none is no variable");
	is_int(rule_var_parse("nothing"), RV_NONE, "no variable");
	ok(!rule_var_known(RV_RCPT, STAGE_MAIL), "rcpt at MAIL");
	ok(!rule_var_known(RV_SENDER, STAGE_EHLO), "sender at EHLO");
	ok(!rule_var_known(RV_RCPT, STAGE_DATA), "rcpt at DATA");
	ok(rule_var_known(RV_RCPT, STAGE_RCPT), "rcpt at RCPT");
	ok(!rule_var_known(RV_HELO_DOMAIN, STAGE_CONNECT), "helo at connect");
}

int
main(void)
{
	test_operators();
	test_mapped();
	test_unknown();
	test_blocks();
	test_subject();
	test_bad();
	test_regcomp();
	test_ask();
	test_ask_groups();
	test_lookup_value();
	test_leaves();
	test_same_leaf();
	test_wire();
	test_vars();
	return done("rule");
}
