/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Stage scripts: connect, EHLO, MAIL, RCPT, DATA.
 *
 * A rule names the script, proxyd runs it, and what it says stays in the
 * command's memory; the command is run again from its beginning and finds it,
 * as it finds what it has looked up.  So a script is asked when all rows
 * before it have spoken, once, and nothing was done yet that its refusal
 * would have to undo.
 *
 * What accept sets comes from a process that may have been taken over: an
 * address is parsed as a client's, a name is looked for, a keyword has to be
 * one.  What is none of that is an error of the script's, as any other.
 *
 * Rejected: to run the script ahead, together with the look-ups of the rows
 * before it (it would be run for recipients that are refused without it, and
 * scripts count).
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front_hook.h"
#include "front_stage.h"
#include "front_tx.h"
#include "log.h"

#define BY	"script "
#define ASKED	"script"	/* a command that waits for one */

#define KEYWORD_MAX	100	/* octets of a keyword, and of its value */

/* By stage: who is called, and what is said where a script says no more. */
static const struct {
	enum hook_stage	 hook;
	const char	*reject;
	const char	*defer;
	const char	*failed;
} stages[STAGE_COUNT] = {
	[STAGE_CONNECT] = { HOOK_CONNECT,
	    "554 5.7.1 connection rejected",
	    "421 4.7.1 connection deferred, try again later",
	    "421 4.3.0 cannot judge that now, try again later" },
	[STAGE_EHLO] = { HOOK_EHLO,
	    "550 5.7.1 rejected",
	    "450 4.7.1 deferred, try again later",
	    "451 4.3.0 cannot judge that now, try again later" },
	[STAGE_AUTH] = { HOOK_AUTH,
	    "535 5.7.8 authentication failed",
	    "454 4.7.0 deferred, try again later",
	    "454 4.3.0 cannot judge that now, try again later" },
	[STAGE_MAIL] = { HOOK_MAIL,
	    "550 5.7.1 sender rejected",
	    "451 4.7.1 sender deferred, try again later",
	    "451 4.3.0 cannot judge that now, try again later" },
	[STAGE_RCPT] = { HOOK_RCPT,
	    "550 5.7.1 recipient rejected",
	    "451 4.7.1 recipient deferred, try again later",
	    "451 4.3.0 cannot judge that now, try again later" },
	[STAGE_DATA] = { HOOK_DATA,
	    "554 5.7.1 message rejected",
	    "451 4.7.1 message deferred, try again later",
	    "451 4.3.0 cannot judge that now, try again later" }
};

void
stage_free(struct staged *st)
{
	if (st == NULL)
		return;
	hook_verdict_clear(&st->v);
	free(st);
}

struct staged *
stage_said(const struct session *s, enum rule_stage stage)
{
	struct staged	*st = command_staged(s);

	return st == NULL || st->stage != stage || command_is_held(s, ASKED) ?
	    NULL : st;
}

bool
stage_is_on(const struct session *s, enum rule_stage stage)
{
	struct rule_value	v = { .str = NULL };

	return !rule_is_constant(s->conf->session.script[stage], &v) ||
	    v.str != NULL;
}

bool
stage_may_come(struct session *s, enum rule_stage stage,
    const struct rule_env *env)
{
	struct rule_value	v = { .str = NULL };

	if (stage_said(s, stage) != NULL || !stage_is_on(s, stage))
		return false;
	return rule_now(s, s->conf->session.script[stage], env, &v) !=
	    RULE_VALUE || v.str != NULL;
}

/* --- what it has said ----------------------------------------------------- */

/* Words of ours; a client that is not greeted yet hears who says them. */
static void
our_words(const struct session *s, const struct staged *st, const char *words,
    struct smtp_reply *r)
{
	const char	*text = words + strlen("554 5.7.1 ");

	if (st->stage == STAGE_CONNECT)
		(void)smtp_reply_fmt(r, "%.*s%s %s", (int)(text - words),
		    words, s->conf->hostname, text);
	else
		(void)smtp_reply_fmt(r, "%s", words);
}

/* Its words, which hook_verdict_check() let pass. */
static void
its_words(struct staged *st)
{
	struct smtp_reply	*r = &st->reply;

	memset(r, 0, sizeof(*r));
	r->code = st->v.code;
	(void)strlcpy(r->enhanced, st->v.enhanced, sizeof(r->enhanced));
	if (strlcpy(r->text, st->v.lines, sizeof(r->text)) >= sizeof(r->text))
		r->whole = st->v.lines;
}

/* It failed: on-error says what that is worth. */
static void
failed(struct session *s, struct staged *st)
{
	const struct conf_session	*cs = &s->conf->session;
	int64_t				 what = cs->on_error_of[st->stage];

	if (what == ON_ERROR_SESSION)
		what = cs->on_error != 0 ? ON_ERROR_ACCEPT : ON_ERROR_DEFER;
	st->accepted = what == ON_ERROR_ACCEPT;
	st->set = 0;
	st->flags = 0;
	memset(&st->reply, 0, sizeof(st->reply));
	if (!st->accepted)
		our_words(s, st, stages[st->stage].failed, &st->reply);
}

static void
refused(struct session *s, struct staged *st)
{
	st->accepted = false;
	if (st->v.code != 0)
		its_words(st);
	else
		our_words(s, st, st->v.kind == HOOKV_REJECT ?
		    stages[st->stage].reject : stages[st->stage].defer,
		    &st->reply);
	if ((st->v.flags & HOOKV_DISCONNECT) || st->stage == STAGE_CONNECT)
		st->flags |= REPLY_CLOSE;
}

/* An address, with or without brackets. */
static const char *
set_address(struct staged *st)
{
	struct slice	text = { st->v.address, strlen(st->v.address) };
	int		flags = st->stage == STAGE_MAIL ? PATH_REVERSE :
			    PATH_FORWARD;
	size_t		used;

	if (text.n == 0 || text.p[0] != '<')
		flags |= PATH_BARE;
	if (smtp_path_parse(&st->path, text, flags, &used) != PATH_OK ||
	    used != text.n)
		return "accept with an address that is none";
	return NULL;
}

static const char *
set_transportid(const struct session *s, struct staged *st)
{
	st->remote = (struct conf_remote *)(void *)conf_find(
	    &s->conf->remotes, st->v.transportid);
	return st->remote == NULL ?
	    "accept with a transportid that is no remote's name" : NULL;
}

/* As EHLO takes it from a client. */
static const char *
set_host(const struct staged *st)
{
	const char	*p = st->v.host;

	for (; *p > ' ' && *p <= '~'; p++)
		;
	return *p != '\0' || p == st->v.host ?
	    "accept with a host that is no name" : NULL;
}

/* RFC 5321, section 4.1.1.1: ehlo-keyword, ehlo-param. */
static bool
is_keyword(const char *name, const char *value)
{
	const char	*p;

	if (!isalnum((unsigned char)name[0]) || strlen(name) > KEYWORD_MAX ||
	    strlen(value) > KEYWORD_MAX)
		return false;
	for (p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
	for (p = value; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return true;
}

static const char *
set_extensions(const struct staged *st)
{
	const struct hook_pairs	*x = &st->v.extensions;
	uint32_t		 i;

	for (i = 0; i < x->n; i++)
		if (!is_keyword(x->name[i], x->value[i]))
			return "accept with an extension that is no keyword";
	return NULL;
}

/* Why it can not have accepted that way; NULL: it can. */
static const char *
accepted(struct session *s, struct staged *st)
{
	const char	*why = NULL;

	st->accepted = true;
	st->set = st->v.flags;
	if (st->v.code != 0)
		its_words(st);
	if (st->set & HOOKV_SET_ADDRESS)
		why = set_address(st);
	if (why == NULL && (st->set & HOOKV_SET_TRANSPORTID))
		why = set_transportid(s, st);
	if (why == NULL && (st->set & HOOKV_SET_HOST))
		why = set_host(st);
	if (why == NULL && (st->set & HOOKV_SET_EXTENSIONS))
		why = set_extensions(st);
	return why;
}

/* The verdict is the call's; ours outlives it. */
static bool
copy_verdict(struct proto_hook_verdict *to,
    const struct proto_hook_verdict *from)
{
	uint32_t	i;

	*to = *from;
	memset(&to->extensions, 0, sizeof(to->extensions));
	to->lines = strdup(from->lines == NULL ? "" : from->lines);
	for (i = 0; i < from->extensions.n; i++)
		if (hook_pairs_add(&to->extensions, from->extensions.name[i],
		    from->extensions.value[i]) == -1)
			return false;
	return to->lines != NULL;
}

/* What verifyd has said was about another recipient, or for another server. */
static void
set_rcpt(struct session *s, const struct staged *st)
{
	char	addr[SMTP_MAILBOX_MAX + 1] = "";

	command_forget_judgement(s);
	if (st->set & HOOKV_SET_ADDRESS)
		(void)smtp_path_print(&st->path, addr, sizeof(addr));
	flog_set(s, addr, st->remote == NULL ? "" : st->remote->obj.name,
	    st->by);
}

static void
done(struct session *s, const struct proto_hook_verdict *v)
{
	struct staged	*st = command_staged(s);
	const char	*why;

	if (!copy_verdict(&st->v, v)) {
		session_end(s, "no memory");
		return;
	}
	switch ((enum hook_verdict)v->kind) {
	case HOOKV_ACCEPT:
		if ((why = accepted(s, st)) == NULL)
			break;
		flog_script(s, hook_stage_name(stages[st->stage].hook),
		    st->by + strlen(BY), why);
		failed(s, st);
		break;
	case HOOKV_REJECT:
	case HOOKV_DEFER:
		refused(s, st);
		break;
	case HOOKV_ERROR:
	case HOOKV_PASS:
	case HOOKV_REPLY:
	case HOOK_VERDICT_COUNT:
		failed(s, st);
		break;
	}
	if (st->stage == STAGE_RCPT && (st->set &
	    (HOOKV_SET_ADDRESS | HOOKV_SET_TRANSPORTID)))
		set_rcpt(s, st);
	command_told(s, true, 0);
}

/* --- asking --------------------------------------------------------------- */

/*
 * Which script?  *st: what it has said; both NULL: there is none to ask.
 */
static enum rule_result
find(struct session *s, enum rule_stage stage, const struct rule_env *env,
    struct staged **st, const struct conf_script **script)
{
	const struct rule	*rule = s->conf->session.script[stage];
	struct rule_value	 v = { .str = NULL };
	enum rule_result	 r;

	*script = NULL;
	if ((*st = stage_said(s, stage)) != NULL)
		return RULE_VALUE;
	if ((r = rule_ask(s, rule, env, &v)) != RULE_VALUE || v.str == NULL)
		return r;
	*script = hook_script(s, v.str);
	return *script == NULL ? RULE_CANNOT : RULE_VALUE;
}

/* Takes what is in the pairs. */
static enum rule_result
call(struct session *s, enum rule_stage stage,
    const struct conf_script *script, struct hook_args *args)
{
	struct staged	*st;

	if ((st = calloc(1, sizeof(*st))) == NULL)
		session_end(s, "no memory");
	else if (command_hold(s, ASKED) == 0) {
		st->stage = stage;
		(void)snprintf(st->by, sizeof(st->by), BY "%s",
		    script->obj.name);
		command_set_staged(s, st);
		hook_call(s, stages[stage].hook, script, VERB_NONE, args,
		    done);
	} else
		stage_free(st);
	hook_pairs_clear(&args->pairs);
	return RULE_NEED;
}

/* Without memory: the session ends. */
static enum rule_result
no_memory(struct session *s, struct hook_args *args)
{
	hook_pairs_clear(&args->pairs);
	session_end(s, "no memory");
	return RULE_NEED;
}

static bool
add_slices(struct hook_pairs *pairs, struct slice key, struct slice value)
{
	char	name[SMTP_LINE_MAX], text[SMTP_LINE_MAX];
	size_t	i;

	for (i = 0; i < key.n && i + 1 < sizeof(name); i++)
		name[i] = (char)toupper((unsigned char)key.p[i]);
	name[i] = '\0';
	(void)snprintf(text, sizeof(text), "%.*s", (int)value.n,
	    value.p == NULL ? "" : value.p);
	return hook_pairs_add(pairs, name, text) == 0;
}

/* MAIL and RCPT: an address, its parts, and the parameters. */
static bool
fill_path(const struct smtp_cmd *cmd, char *addr, size_t size,
    struct hook_args *args)
{
	size_t	i;

	(void)smtp_path_print(&cmd->path, addr, size);
	args->text = addr;
	args->localpart = (char *)(uintptr_t)cmd->path.local;
	args->domain = (char *)(uintptr_t)cmd->path.domain;
	for (i = 0; i < cmd->nparams; i++)
		if (!add_slices(&args->pairs, cmd->params[i].key,
		    cmd->params[i].value))
			return false;
	return true;
}

enum rule_result
stage_connect(struct session *s, struct staged **st)
{
	const struct conf_script	*script;
	struct hook_args		 args = { .flag = false };
	struct rule_env			 env;
	enum rule_result		 r;

	session_env(s, &env);
	r = find(s, STAGE_CONNECT, &env, st, &script);
	if (script == NULL)
		return r;
	args.flag = session_has_more(s);
	return call(s, STAGE_CONNECT, script, &args);
}

/* The lines behind the first: "SIZE 1000". */
static bool
fill_offered(const char *text, struct hook_args *args)
{
	const char	*p = strchr(text, '\n'), *end;
	struct slice	 key, value;

	for (; p != NULL; p = *end == '\0' ? NULL : end) {
		p++;
		end = p + strcspn(p, "\n");
		key.p = p;
		key.n = strcspn(p, " \n");
		value.p = key.p + key.n + (key.p[key.n] == ' ');
		value.n = (size_t)(end - value.p);
		if (!add_slices(&args->pairs, key, value))
			return false;
	}
	return true;
}

enum rule_result
stage_ehlo(struct session *s, const struct smtp_cmd *cmd,
    const struct rule_env *env, const char *offered, struct staged **st)
{
	const struct conf_script	*script;
	struct hook_args		 args = { .flag = false };
	char				 host[SMTP_DOMAIN_MAX + 1];
	enum rule_result		 r;

	r = find(s, STAGE_EHLO, env, st, &script);
	if (script == NULL)
		return r;
	(void)snprintf(host, sizeof(host), "%.*s", (int)cmd->hello.n,
	    cmd->hello.p);
	args.verb = (char *)(uintptr_t)smtp_verb_name(cmd->verb);
	args.text = host;
	if (offered != NULL && !fill_offered(offered, &args))
		return no_memory(s, &args);
	return call(s, STAGE_EHLO, script, &args);
}

enum rule_result
stage_mail(struct session *s, const struct smtp_cmd *cmd,
    const struct rule_env *env, struct staged **st)
{
	const struct conf_script	*script;
	struct hook_args		 args = { .flag = false };
	char				 addr[SMTP_MAILBOX_MAX + 1];
	enum rule_result		 r;

	r = find(s, STAGE_MAIL, env, st, &script);
	if (script == NULL)
		return r;
	if (!fill_path(cmd, addr, sizeof(addr), &args))
		return no_memory(s, &args);
	return call(s, STAGE_MAIL, script, &args);
}

enum rule_result
stage_rcpt(struct session *s, const struct smtp_cmd *cmd,
    const struct rule_env *env, const struct conf_remote *route,
    struct staged **st)
{
	const struct conf_script	*script;
	struct hook_args		 args = { .flag = false };
	char				 addr[SMTP_MAILBOX_MAX + 1];
	enum rule_result		 r;

	r = find(s, STAGE_RCPT, env, st, &script);
	if (script == NULL)
		return r;
	args.verb = route->obj.name;
	if (!fill_path(cmd, addr, sizeof(addr), &args))
		return no_memory(s, &args);
	return call(s, STAGE_RCPT, script, &args);
}

enum rule_result
stage_data(struct session *s, struct staged **st)
{
	const struct conf_script	*script;
	struct hook_args		 args = { .flag = false };
	struct rule_env			 env;
	enum rule_result		 r;

	session_env(s, &env);
	r = find(s, STAGE_DATA, &env, st, &script);
	if (script == NULL)
		return r;
	args.size = s->tx->size > 0 ? (uint64_t)s->tx->size : 0;
	args.number = (uint32_t)s->tx->accepted;
	return call(s, STAGE_DATA, script, &args);
}
