/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Rules of a session, with look-ups.
 *
 * rule_eval says which look-up it needs.  Lists are held here and answer at
 * once; all else is verifyd's, so the question goes out, the line of the
 * command is kept, and when the answer is there the command is run again from
 * its beginning.  It then finds what was looked up in the command's memory,
 * and comes a look-up further.  Commands therefore evaluate everything first
 * and act afterwards.
 *
 * The memory belongs to one command and is gone with it: the next command
 * asks anew.  It is searched by what was asked and not by the rule that asked,
 * so that two routes by the same datasource cost one question.
 *
 * Rejected: evaluation as a coroutine (a stack for every session that
 * waits), and a cache over commands here (verifyd has one for all workers,
 * and it can be flushed).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_hook.h"
#include "front_limit.h"
#include "front_stage.h"
#include "list.h"
#include "log.h"
#include "msg.h"
#include "proto.h"

#define WARN_EVERY	60000		/* ms between the same warning */

/* A question of the present command, by what and key. */
struct found {
	SLIST_ENTRY(found)	 entry;
	char			*what;	/* "db/routes" */
	char			*key;
	enum rule_answer	 answer;
	char			*value;	/* of a YES */
};

struct command {
	char			*line;
	struct mono		 began;		/* to ask */
	struct found		*open;	/* is being asked */
	SLIST_HEAD(, found)	 found;
	struct judgement	 judge;	/* of RCPT */
	struct staged		*staged; /* what the stage's script says */
};

/* --- the command's memory ------------------------------------------------- */

static void
found_free(struct found *f)
{
	free(f->what);
	free(f->key);
	free(f->value);
	free(f);
}

void
command_free(struct session *s)
{
	struct command	*c = s->command;
	struct found	*f;

	charge_over(s);
	s->line.p = NULL;
	s->line.n = 0;
	if (c == NULL)
		return;
	s->command = NULL;
	while ((f = SLIST_FIRST(&c->found)) != NULL) {
		SLIST_REMOVE_HEAD(&c->found, entry);
		found_free(f);
	}
	stage_free(c->staged);
	free(c->line);
	free(c);
}

/* Run it again; before the banner, that is its command. */
static void
again(struct session *s)
{
	if (s->state == S_START)
		verb_banner(s);
	else
		verb_line(s, s->line);
}

void
command_over(struct session *s)
{
	if (s->command == NULL || (s->command->open == NULL &&
	    s->command->judge.state != ASK_OUT))
		command_free(s);
}

/* Keep the line of the command: its own copy goes with the input. */
static struct command *
command_keep(struct session *s)
{
	struct command	*c;

	if (s->command != NULL)
		return s->command;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	SLIST_INIT(&c->found);
	if ((c->line = malloc(s->line.n + 1)) == NULL) {
		free(c);
		return NULL;
	}
	memcpy(c->line, s->line.p, s->line.n);
	s->line.p = c->line;
	c->began = proxy_began(s);
	s->command = c;
	return c;
}

struct judgement *
command_judgement(struct session *s)
{
	struct command	*c = command_keep(s);

	if (c != NULL)
		return &c->judge;
	session_end(s, "no memory");
	return NULL;
}

int64_t
command_age(const struct session *s)
{
	return s->command == NULL ? 0 :
	    mono_diff(mono_now(), s->command->began);
}

bool
command_has_asked(const struct session *s)
{
	return s->command != NULL && s->command->judge.state != ASK_NOT;
}

void
command_forget_judgement(struct session *s)
{
	if (s->command != NULL)
		s->command->judge.state = ASK_NOT;
}

struct staged *
command_staged(const struct session *s)
{
	return s->command == NULL ? NULL : s->command->staged;
}

void
command_set_staged(struct session *s, struct staged *st)
{
	stage_free(s->command->staged);
	s->command->staged = st;
}

static struct found *
found_add(struct session *s, const char *what, const char *key)
{
	struct command	*c;
	struct found	*f;

	if ((c = command_keep(s)) == NULL ||
	    (f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	f->what = strdup(what);
	f->key = strdup(key);
	if (f->what == NULL || f->key == NULL) {
		found_free(f);
		return NULL;
	}
	SLIST_INSERT_HEAD(&c->found, f, entry);
	return f;
}

static struct found *
found_find(const struct session *s, const char *what, const char *key)
{
	struct found	*f;

	if (s->command == NULL)
		return NULL;
	SLIST_FOREACH(f, &s->command->found, entry)
		if (strcmp(f->key, key) == 0 && strcmp(f->what, what) == 0)
			return f;
	return NULL;
}

/* --- looking up ----------------------------------------------------------- */

/* One leaf of a rule: what it asks, and what is known of it. */
struct leaf {
	const char		*what;
	char			 name[256];	/* as it is remembered by */
	enum look_what		 asks;
	const char		*key;
	const char		*sender;
	enum rule_answer	 answer;
	const char		*value;
	char			 buf[ADDR_TEXT_MAX];
};

static void
lookup_done(struct session *s, struct msg *m)
{
	struct found		*f = s->command->open;
	struct proto_lookup_ans	 ans;

	s->command->open = NULL;
	f->answer = ANSWER_CANNOT;
	if (m != NULL && get_lookup_ans(m, &ans) == 0 &&
	    (ans.answer == LOOKUP_YES || ans.answer == LOOKUP_NO)) {
		f->answer = ans.answer == LOOKUP_YES ? ANSWER_YES : ANSWER_NO;
		if (ans.answer == LOOKUP_YES &&
		    (f->value = strdup(ans.value)) == NULL)
			f->answer = ANSWER_CANNOT;
	}
	again(s);
}

/* The question leaves; the session may end without memory for it. */
static void
lookup_send(struct session *s, const struct leaf *leaf)
{
	static struct proto_lookup	 q;
	const struct conf_obj		*ds;
	enum lookup_kind		 kind;
	const char			*query;
	struct found			*f;
	struct wbuf			 w = { .data = NULL };

	if ((f = found_add(s, leaf->name, leaf->key)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	memset(&q, 0, sizeof(q));
	ds = conf_lookup(s->conf, leaf->what, &kind, &query);
	q.path.kind = ds == NULL ? LOOK_NONE : (uint8_t)kind;
	q.path.id = ds == NULL ? 0 : ds->id;
	(void)strlcpy(q.path.query, ds == NULL ? "" : query,
	    sizeof(q.path.query));
	q.what = (uint8_t)leaf->asks;
	(void)strlcpy(q.key, leaf->key, sizeof(q.key));
	(void)strlcpy(q.sender, leaf->sender, sizeof(q.sender));
	put_lookup(&w, &q);
	s->command->open = f;
	ask_send(s, R_VERIFYD, MSG_LOOKUP, &w,
	    ask_wait(s->conf, leaf->what), lookup_done);
}

/* The answer to a LOOKUP of all there is: a value a line. */
static void
values_done(struct session *s, struct msg *m)
{
	struct found		*f = s->command->open;
	struct proto_lookup_ans	 ans;
	struct wbuf		 w = { .data = NULL };
	uint32_t		 i;

	s->command->open = NULL;
	f->answer = ANSWER_CANNOT;
	if (m != NULL && get_lookup_ans(m, &ans) == 0 &&
	    (ans.answer == LOOKUP_YES || ans.answer == LOOKUP_NO)) {
		for (i = 0; ans.answer == LOOKUP_YES && i < ans.n; i++) {
			if (i > 0)
				get_line(&m->body, ans.value,
				    sizeof(ans.value));
			put_raw(&w, ans.value, strlen(ans.value));
			put_u8(&w, '\n');
		}
		put_u8(&w, '\0');
		if (wire_ok(&w)) {
			f->answer = ans.answer == LOOKUP_YES ? ANSWER_YES :
			    ANSWER_NO;
			f->value = (char *)w.data;
			w.data = NULL;
		}
	}
	wbuf_clear(&w);
	again(s);
}

enum rule_result
lookup_ask(struct session *s, const struct proto_path *path,
    enum look_what what, const char *key, int64_t timeout,
    const char **values)
{
	static struct proto_lookup	 q;
	struct found			*f;
	struct wbuf			 w = { .data = NULL };
	char				 name[16];

	*values = NULL;
	(void)snprintf(name, sizeof(name), "what %d", (int)what);
	if ((f = found_find(s, name, key)) != NULL) {
		if (f->answer == ANSWER_YES)
			*values = f->value;
		return f->answer == ANSWER_CANNOT ? RULE_CANNOT : RULE_VALUE;
	}
	if ((f = found_add(s, name, key)) == NULL) {
		session_end(s, "no memory");
		return RULE_NEED;
	}
	memset(&q, 0, sizeof(q));
	q.path = *path;
	q.what = (uint8_t)what;
	(void)strlcpy(q.key, key, sizeof(q.key));
	put_lookup(&w, &q);
	s->command->open = f;
	ask_send(s, R_VERIFYD, MSG_LOOKUP, &w, timeout, values_done);
	return RULE_NEED;
}

/* The answer to a STATE_GET of one key. */
static void
memory_done(struct session *s, struct msg *m)
{
	struct found		*f = s->command->open;
	struct proto_state_ans	 ans;
	const uint8_t		*p = NULL;
	size_t			 n = 0;
	bool			 have = false;

	s->command->open = NULL;
	f->answer = ANSWER_CANNOT;
	if (m != NULL && get_state_ans(m, &ans) == 0 && ans.n == 1) {
		have = get_bool(&m->body);
		p = get_blob(&m->body, &n);
		f->answer = have ? ANSWER_YES : ANSWER_NO;
	}
	if (have && (p == NULL || (f->value = strndup((const char *)p, n)) ==
	    NULL))
		f->answer = ANSWER_CANNOT;
	again(s);
}

enum rule_result
memory_ask(struct session *s, enum state_table table, const char *key,
    const char **value)
{
	struct proto_state	 q = { .op = STATE_GET, .table = (uint8_t)table,
				     .n = 1 };
	struct found		*f;
	struct wbuf		 w = { .data = NULL };

	*value = NULL;
	if ((f = found_find(s, "state", key)) != NULL) {
		*value = f->value;
		return f->answer == ANSWER_CANNOT ? RULE_CANNOT : RULE_VALUE;
	}
	if ((f = found_add(s, "state", key)) == NULL) {
		session_end(s, "no memory");
		return RULE_NEED;
	}
	put_state(&w, &q);
	put_blob(&w, key, strlen(key));
	s->command->open = f;
	ask_send(s, R_VERIFYD, MSG_STATE, &w, ASK_TIMEOUT, memory_done);
	return RULE_NEED;
}

/* --- questions of another kind -------------------------------------------- */

int
command_hold(struct session *s, const char *what)
{
	struct found	*f;

	if ((f = found_add(s, what, "")) == NULL) {
		session_end(s, "no memory");
		return -1;
	}
	s->command->open = f;
	return 0;
}

bool
command_is_held(const struct session *s, const char *what)
{
	return s->command != NULL && s->command->open != NULL &&
	    strcmp(s->command->open->what, what) == 0;
}

static void
found_number(struct found *f, uint32_t value)
{
	char	text[16];

	(void)snprintf(text, sizeof(text), "%u", value);
	f->answer = ANSWER_YES;
	if ((f->value = strdup(text)) == NULL)
		f->answer = ANSWER_CANNOT;
}

void
command_told(struct session *s, bool known, uint32_t value)
{
	struct found	*f = s->command->open;

	s->command->open = NULL;
	f->answer = ANSWER_CANNOT;
	if (known)
		found_number(f, value);
	again(s);
}

int
command_note(struct session *s, const char *what, uint32_t value)
{
	struct found	*f;

	if ((f = found_add(s, what, "")) == NULL)
		return -1;
	found_number(f, value);
	return 0;
}

enum rule_answer
command_recall(const struct session *s, const char *what, uint32_t *value)
{
	const struct found	*f = found_find(s, what, "");

	*value = 0;
	if (f == NULL)
		return ANSWER_NONE;
	if (f->answer == ANSWER_YES)
		*value = (uint32_t)strtoul(f->value, NULL, 10);
	return f->answer;
}

/* A key that no datasource is asked for, as nothing can have it. */
static bool
is_no_key(const char *key)
{
	const unsigned char	*p = (const unsigned char *)key;

	for (; *p != '\0'; p++)
		if (*p < ' ' || *p == 0x7f)
			return true;
	return key[0] == '\0';
}

/*
 * What is asked of whom.  Of a database a rule wants a value, or whether the
 * query says yes (verifyd's values.c): two questions.  A directory knows
 * domains and addresses, a server addresses.
 */
static void
leaf_ask(struct leaf *leaf, enum rule_var var, bool value)
{
	bool	same = value || strncmp(leaf->what, "db/", 3) != 0 ||
		    strchr(leaf->what + 3, '/') == NULL;

	leaf->asks = rule_var_is_domain(var) ? LOOK_DOMAIN : LOOK_ADDRESS;
	if (value && strncmp(leaf->what, "db/", 3) == 0)
		leaf->asks = LOOK_KEY;
	(void)snprintf(leaf->name, sizeof(leaf->name), "%s%s",
	    same ? "" : "?", leaf->what);
}

/* What is known of a leaf without asking. */
static void
leaf_look(struct session *s, const struct rule *r, unsigned int n,
    const struct rule_env *env, struct leaf *leaf)
{
	const struct conf_obj	*list;
	const struct found	*f;
	enum rule_var		 var;

	leaf->answer = ANSWER_CANNOT;
	leaf->value = NULL;
	if (!rule_leaf(r, n, &leaf->what, &var))
		return;
	leaf->key = rule_env_text(env, var, leaf->buf, sizeof(leaf->buf));
	leaf->sender = env->str[RV_SENDER] == NULL ? "" :
	    env->str[RV_SENDER];
	leaf_ask(leaf, var, rule_leaf_is_value(r, n));
	if (strncmp(leaf->what, "list/", 5) == 0) {
		list = conf_find(&s->conf->lists, leaf->what + 5);
		leaf->value = list == NULL ? NULL : list_value(list->priv,
		    leaf->key, var == RV_REMOTE_IP ? &env->remote_ip :
		    var == RV_LOCAL_IP ? &env->local_ip : NULL);
		leaf->answer = leaf->value == NULL ? ANSWER_NO : ANSWER_YES;
	} else if (is_no_key(leaf->key))
		leaf->answer = ANSWER_NO;
	else if (strlen(leaf->key) < sizeof(((struct proto_lookup *)0)->key)) {
		f = found_find(s, leaf->name, leaf->key);
		leaf->answer = f == NULL ? ANSWER_NONE : f->answer;
		leaf->value = f == NULL ? NULL : f->value;
	}
}

/* --- a value that was looked up ------------------------------------------- */

struct key_of {
	const struct rule	*rule;
	const struct key	*key;
};

static void
match_rule(const struct key *k, struct rule *r, void *arg)
{
	struct key_of	*of = arg;

	if (r == of->rule)
		of->key = k;
}

/* As the file would have it: a number within its range, one of the words. */
static bool
text_number(const struct key *k, const char *text, int64_t *num)
{
	const char	*err;
	int64_t		 i;

	if (k->of == T_BOOL) {
		*num = strcmp(text, "true") == 0;
		return *num == 1 || strcmp(text, "false") == 0;
	}
	if (k->of == T_INT) {
		*num = strtonum(text, k->min, k->max, &err);
		return err == NULL;
	}
	for (i = 0; k->of == T_WORD && k->words[i] != NULL; i++)
		if (strcmp(text, k->words[i]) == 0) {
			*num = i;
			return true;
		}
	return false;
}

/* The value as the setting's type; false if it is none. */
static bool
convert(struct session *s, const struct rule *r, const char *text,
    struct rule_value *v)
{
	struct key_of	of = { r, NULL };

	conf_each_rule(s->conf, match_rule, &of);
	v->type = (enum value_type)r->type;
	if (of.key == NULL)
		return false;
	if (v->type != VALUE_STR)
		return text_number(of.key, text, &v->num);
	if ((of.key->flags & K_FALSE) != 0 && strcmp(text, "false") == 0)
		return true;
	v->str = text;
	if ((of.key->flags & K_MX) == 0 && strcmp(text, "mx") == 0)
		return false;
	if (of.key->ref != NULL && strcmp(of.key->ref, "script") == 0)
		return conf_find(&s->conf->scripts, text) != NULL;
	return of.key->ref == NULL || strcmp(of.key->ref, "remote") != 0 ||
	    conf_find(&s->conf->remotes, text) != NULL;
}

/* One warning for a value that is none, however many clients run into it. */
static void
warn_value(const struct rule *r, unsigned int n, const struct leaf *leaf)
{
	static const struct rule	*whose;
	static unsigned int		 which;
	static struct mono		 when;

	if (whose == r && which == n && mono_is_set(when) &&
	    mono_diff(mono_now(), when) < WARN_EVERY)
		return;
	whose = r;
	which = n;
	when = mono_now();
	log_warnx("line %u: %s has \"%s\" for %s, which is no value of this "
	    "setting", r->leaves[n].line, leaf->what, leaf->value, leaf->key);
}

/* --- evaluation ----------------------------------------------------------- */

/*
 * Evaluate until there is a value, or nothing more is known.  A value that
 * does not fit makes its look-up one that cannot tell.
 */
static enum rule_result
evaluate(struct session *s, const struct rule *r, const struct rule_env *env,
    struct rule_value *v, struct leaf *leaf)
{
	struct rule_memo	memo = { { 0 } };
	enum rule_result	res;
	unsigned int		n;

	for (;;) {
		res = rule_eval(r, env, &memo, v, &n);
		if (res == RULE_VALUE && v->type == VALUE_LOOKUP) {
			n = (unsigned int)v->num;
			leaf_look(s, r, n, env, leaf);
			memset(v, 0, sizeof(*v));
			if (leaf->value != NULL &&
			    convert(s, r, leaf->value, v))
				return RULE_VALUE;
			warn_value(r, n, leaf);
			memo.answer[n] = ANSWER_CANNOT;
			continue;
		}
		if (res != RULE_NEED)
			return res;
		leaf_look(s, r, n, env, leaf);
		if (leaf->answer == ANSWER_NONE)
			return RULE_NEED;
		memo.answer[n] = leaf->answer;
	}
}

enum rule_result
rule_ask(struct session *s, const struct rule *r, const struct rule_env *env,
    struct rule_value *v)
{
	enum rule_result	res;
	struct leaf		leaf;

	if (rule_is_constant(r, v))
		return RULE_VALUE;
	res = evaluate(s, r, env, v, &leaf);
	if (res == RULE_NEED)
		lookup_send(s, &leaf);
	return res;
}

enum rule_result
rule_now(struct session *s, const struct rule *r, const struct rule_env *env,
    struct rule_value *v)
{
	enum rule_result	res;
	struct leaf		leaf;

	if (rule_is_constant(r, v))
		return RULE_VALUE;
	res = evaluate(s, r, env, v, &leaf);
	return res == RULE_NEED ? RULE_CANNOT : res;
}
