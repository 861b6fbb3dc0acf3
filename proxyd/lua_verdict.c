/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a script says: proxy.Pass, proxy.Reply, accept, reject, defer.
 *
 * Each puts a verdict together, has it checked by what smtpd checks it with
 * (hook_verdict.c), and ends the script.  What is wrong raises an error that
 * names what was wanted: the log then shows the line of the script, where a
 * verdict that smtpd refuses would only be a broken proxyd.
 *
 * Texts: one line each; an array has several.  A tab becomes a space, and
 * what is not printable US-ASCII becomes `?', as in our other replies: a
 * reason is often somebody else's text, and a refusal must not be lost for
 * an umlaut.  CR and LF raise: who writes them means two lines, or was given
 * them by a client who does.
 *
 * A table that stands alone and is no array is the options: accept{host = h}.
 *
 * Until the verdict is whole, nothing is malloc'd, as any access to a table
 * may raise; the lines are collected in static memory, which what a script
 * calls in between can garble and not overrun.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

/* More than a line that the check lets pass. */
#define TEXT_MAX	SMTP_REPLY_LINE_MAX

static char	lines[HOOK_REPLY_MAX + 1];

/* --- defaults ------------------------------------------------------------- */

struct reply {
	uint16_t	 code;
	const char	*enhanced;
	const char	*text;
};

/* DATA has a reply of its own only where it is refused. */
static const struct reply	accepts[HOOK_STAGE_COUNT] = {
	[HOOK_COMMAND] = { 250, "2.0.0", "OK" },
	[HOOK_CONNECT] = { 220, "", "ESMTP" },
	[HOOK_EHLO] = { 250, "", "hello" },
	[HOOK_AUTH] = { 235, "2.7.0", "authentication succeeded" },
	[HOOK_MAIL] = { 250, "2.1.0", "sender ok" },
	[HOOK_RCPT] = { 250, "2.1.5", "recipient ok" },
	[HOOK_DATA] = { 250, "2.0.0", "ok" }
};

static const struct reply	rejects[HOOK_STAGE_COUNT] = {
	[HOOK_CONNECT] = { 554, "", "no service for you here" },
	[HOOK_EHLO] = { 550, "5.7.1", "refused by policy" },
	[HOOK_AUTH] = { 535, "5.7.8", "authentication failed" },
	[HOOK_MAIL] = { 550, "5.7.1", "sender refused by policy" },
	[HOOK_RCPT] = { 550, "5.7.1", "recipient refused by policy" },
	[HOOK_DATA] = { 554, "5.7.1", "message refused by policy" }
};

static const struct reply	defers[HOOK_STAGE_COUNT] = {
	[HOOK_CONNECT] = { 421, "", "no service now, try again later" },
	[HOOK_EHLO] = { 450, "4.7.1", "not now, try again later" },
	[HOOK_AUTH] = { 454, "4.7.0", "cannot authenticate now, try again "
	    "later" },
	[HOOK_MAIL] = { 451, "4.7.1", "not now, try again later" },
	[HOOK_RCPT] = { 451, "4.7.1", "not now, try again later" },
	[HOOK_DATA] = { 451, "4.7.1", "not now, try again later" }
};

static const struct reply *
stage_reply(const struct answer *a)
{
	switch ((enum hook_verdict)a->v.kind) {
	case HOOKV_REJECT:
		return &rejects[a->call->stage];
	case HOOKV_DEFER:
		return &defers[a->call->stage];
	case HOOKV_PASS:
	case HOOKV_REPLY:
	case HOOKV_ACCEPT:
	case HOOKV_ERROR:
	case HOOK_VERDICT_COUNT:
		break;
	}
	return &accepts[a->call->stage];
}

/* Where reply_codes has an enhanced code and no code. */
static uint16_t
class_code(char class)
{
	return class == '5' ? 550 : class == '4' ? 450 : 250;
}

static const char *
class_text(int class)
{
	return class == 2 ? "OK" : class == 3 ? "go on" :
	    class == 4 ? "not now, try again later" : "refused by policy";
}

/* --- texts -------------------------------------------------------------- */

/* RAISES.  One more line of the reply. */
static void
add_line(lua_State *L, struct answer *a, const char *p, size_t n)
{
	size_t	i;

	if (n > TEXT_MAX || a->v.nlines == HOOK_REPLY_LINES ||
	    a->used + n + 2 > sizeof(lines))
		answer_wrong(L, a, n > TEXT_MAX ? "a line that is too long" :
		    "a reply that is too long");
	if (a->v.nlines++ > 0)
		lines[a->used++] = '\n';
	for (i = 0; i < n; i++) {
		if (p[i] == '\r' || p[i] == '\n')
			answer_wrong(L, a, "a reason of two lines: an array "
			    "has one string for each");
		lines[a->used++] = p[i] == '\t' ? ' ' :
		    p[i] < ' ' || p[i] > '~' ? '?' : p[i];
	}
}

/* RAISES.  The string on the top; popped. */
static void
add_reason(lua_State *L, struct answer *a)
{
	const char	*p;
	size_t		 n;

	if (lua_type(L, -1) != LUA_TSTRING)
		answer_unfit(L, a, "reason", "a string or an array of "
		    "strings", -1);
	p = lua_tolstring(L, -1, &n);
	add_line(L, a, p, n);
	lua_pop(L, 1);
}

/*
 * RAISES.  Read all of it before any line is added: an array may have
 * metamethods, which may say something themselves.
 */
static void
copy_reason(lua_State *L, struct answer *a, lua_Integer n)
{
	lua_Integer	i;

	if (n > HOOK_REPLY_LINES)
		answer_wrong(L, a, "a reply that is too long");
	lua_createtable(L, (int)n, 0);
	for (i = 1; i <= n; i++) {
		(void)lua_geti(L, a->reason, i);
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, a->reason);
}

/* RAISES. */
static void
take_reason(lua_State *L, struct answer *a)
{
	lua_Integer	i, n;

	if (a->reason == 0)
		return;
	if (lua_type(L, a->reason) != LUA_TTABLE) {
		lua_pushvalue(L, a->reason);
		add_reason(L, a);
		return;
	}
	n = luaL_len(L, a->reason);
	if (n < 1)
		answer_wrong(L, a, "reason must have one line at least");
	copy_reason(L, a, n);
	for (i = 1; i <= n; i++) {
		(void)lua_rawgeti(L, a->reason, i);
		add_reason(L, a);
	}
}

/*
 * Stages: a reason that begins with a code is the reply itself.  RAISES.
 */
static void
take_code(lua_State *L, struct answer *a)
{
	struct slice	s = { lines, a->used };
	size_t		n = 4;

	if (a->used < 4 || strspn(lines, "0123456789") != 3 ||
	    lines[3] != ' ')
		return;
	if (a->has_code || a->has_enhanced)
		answer_wrong(L, a, "a code in the reason and in reply_codes");
	a->v.code = (uint16_t)((lines[0] - '0') * 100 +
	    (lines[1] - '0') * 10 + (lines[2] - '0'));
	a->has_code = a->has_enhanced = true;
	s.p += n;
	s.n -= n;
	n = smtp_enhanced_parse(s, a->v.enhanced);
	if (n < s.n && n > 0 && s.p[n] == ' ')
		n++;
	n += 4;
	memmove(lines, lines + n, a->used - n);
	a->used -= n;
}

/* --- the end -------------------------------------------------------------- */

static bool
is_blank(const struct answer *a)
{
	return !a->has_code && !a->has_enhanced && a->v.nlines == 0;
}

/*
 * Codes and a text where the script gave none.  A code of the class that is
 * usual here has the enhanced code that is usual here.
 */
static void
fill_codes(struct answer *a)
{
	const struct reply	*usual = stage_reply(a);
	bool			 reply = a->v.kind == HOOKV_REPLY;
	char			 class;

	if (!a->has_code && a->has_enhanced) {
		class = a->v.enhanced[0];
		a->v.code = usual->code / 100 == class - '0' ? usual->code :
		    class_code(class);
	} else if (!a->has_code)
		a->v.code = usual->code;
	class = (char)('0' + a->v.code / 100);
	if (a->has_enhanced || class == '3' || usual->enhanced[0] == '\0')
		return;
	if (usual->enhanced[0] == class && (!reply || !a->has_code))
		(void)strlcpy(a->v.enhanced, usual->enhanced,
		    sizeof(a->v.enhanced));
	else
		(void)snprintf(a->v.enhanced, sizeof(a->v.enhanced),
		    "%c.0.0", class);
}

/* RAISES. */
static void
fill_text(lua_State *L, struct answer *a)
{
	const struct reply	*usual = stage_reply(a);
	const char		*text;

	if (a->v.nlines > 0)
		return;
	text = usual->code / 100 == a->v.code / 100 ? usual->text :
	    class_text(a->v.code / 100);
	add_line(L, a, text, strlen(text));
}

/* Most of a verdict is room: what is not set is not copied. */
static void
copy(struct proto_hook_verdict *to, const struct proto_hook_verdict *v)
{
	to->kind = v->kind;
	to->flags = v->flags;
	to->code = v->code;
	to->nlines = v->nlines;
	(void)strlcpy(to->enhanced, v->enhanced, sizeof(to->enhanced));
	if (v->flags & HOOKV_SET_COMMAND)
		(void)strlcpy(to->command, v->command, sizeof(to->command));
	if (v->flags & HOOKV_SET_HOST)
		(void)strlcpy(to->host, v->host, sizeof(to->host));
	if (v->flags & HOOKV_SET_ADDRESS)
		(void)strlcpy(to->address, v->address, sizeof(to->address));
	if (v->flags & HOOKV_SET_TRANSPORTID)
		(void)strlcpy(to->transportid, v->transportid,
		    sizeof(to->transportid));
}

/* What the call has before its script says anything, but for the room. */
static void
forget(struct proto_hook_verdict *v)
{
	hook_verdict_clear(v);
	v->kind = HOOKV_PASS;
	v->flags = 0;
	v->code = 0;
	v->nlines = 0;
	v->enhanced[0] = '\0';
}

/* Copy what has to be; nothing raises. */
static int
keep(lua_State *L, const struct answer *a, struct proto_hook_verdict *v)
{
	lua_Integer	 i, n = (lua_Integer)lua_rawlen(L, a->extensions);
	char		*word, *rest;
	int		 done = 0;

	copy(v, &a->v);
	if ((v->lines = strndup(lines, a->used)) == NULL)
		return -1;
	if ((v->flags & HOOKV_SET_EXTENSIONS) == 0)
		return 0;
	for (i = 1; i <= n && done == 0; i++) {
		(void)lua_rawgeti(L, a->extensions, i);
		if ((word = strdup(lua_tostring(L, -1))) == NULL)
			return -1;
		rest = word + strcspn(word, " ");
		if (*rest != '\0')
			*rest++ = '\0';
		done = hook_pairs_add(&v->extensions, word, rest);
		free(word);
		lua_pop(L, 1);
	}
	return done;
}

static enum smtp_verb
shown_verb(const struct call *c)
{
	struct slice	word;

	if (c->stage != HOOK_COMMAND || c->args.text == NULL)
		return VERB_NONE;
	word.p = c->args.text;
	word.n = strcspn(word.p, " \t");
	return smtp_verb_parse(word);
}

/* RAISES.  The verdict is the call's, and the script is over. */
static int
end(lua_State *L, struct answer *a)
{
	struct proto_hook_verdict	*v = &a->call->verdict;
	const char			*why = "not enough memory";

	forget(v);
	if (keep(L, a, v) == 0)
		why = hook_verdict_check(a->call->stage,
		    shown_verb(a->call), v);
	if (why != NULL) {
		forget(v);
		answer_wrong(L, a, why);
	}
	a->call->decided = true;
	return co_end(L);
}

/* --- what scripts call ---------------------------------------------------- */

/* Is that table options, and no reason? */
static bool
is_options(lua_State *L, int index)
{
	bool	array;

	if (lua_type(L, index) != LUA_TTABLE)
		return false;
	array = lua_geti(L, index, 1) != LUA_TNIL;
	lua_pop(L, 1);
	return !array;
}

/* RAISES.  ([reason[, options]]), or the options alone. */
static void
begin(lua_State *L, struct answer *a, enum hook_verdict kind,
    const char *name, bool has_reason)
{
	int	n = lua_gettop(L), max = has_reason ? 2 : 1;

	a->call = co_of(L)->call;
	a->name = name;
	a->v.kind = kind;
	a->v.flags = 0;
	a->v.code = 0;
	a->v.enhanced[0] = '\0';
	a->v.nlines = 0;
	a->used = 0;
	a->reason = a->options = 0;
	a->has_code = a->has_enhanced = false;
	if (n > max)
		answer_wrong(L, a, "too many arguments");
	lua_settop(L, max);
	lua_pushnil(L);
	a->extensions = max + 1;
	if (!has_reason)
		a->options = lua_isnil(L, 1) ? 0 : 1;
	else if (lua_isnil(L, 2) && is_options(L, 1))
		a->options = 1;
	else {
		a->reason = lua_isnil(L, 1) ? 0 : 1;
		a->options = lua_isnil(L, 2) ? 0 : 2;
	}
	if (a->options != 0 && lua_type(L, a->options) != LUA_TTABLE)
		answer_unfit(L, a, "options", "a table", a->options);
	luaL_checkstack(L, 20, NULL);
}

/* RAISES.  proxy.* and the others each have their scripts. */
static void
check_place(lua_State *L, const struct answer *a, bool command)
{
	if (command != (a->call->stage == HOOK_COMMAND))
		answer_wrong(L, a, command ? "not in the script of a stage, "
		    "which says accept, reject or defer" : "not in "
		    "proxy.script, which says proxy.Pass or proxy.Reply");
}

static int
verdict_pass(lua_State *L)
{
	struct answer	a;

	begin(L, &a, HOOKV_PASS, "proxy.Pass", false);
	check_place(L, &a, true);
	answer_options(L, &a);
	return end(L, &a);
}

static int
verdict_reply(lua_State *L)
{
	struct answer	a;

	begin(L, &a, HOOKV_REPLY, "proxy.Reply", true);
	check_place(L, &a, true);
	answer_options(L, &a);
	take_reason(L, &a);
	fill_codes(&a);
	fill_text(L, &a);
	if (a.v.code == 421)
		a.v.flags |= HOOKV_DISCONNECT;
	return end(L, &a);
}

/* accept, reject, defer. */
static int
verdict_stage(lua_State *L)
{
	enum hook_verdict	kind;
	struct answer		a;

	kind = (enum hook_verdict)lua_tointeger(L, lua_upvalueindex(1));
	begin(L, &a, kind, lua_tostring(L, lua_upvalueindex(2)), true);
	check_place(L, &a, false);
	answer_options(L, &a);
	take_reason(L, &a);
	take_code(L, &a);
	if (kind != HOOKV_ACCEPT || !is_blank(&a)) {
		fill_codes(&a);
		fill_text(L, &a);
	}
	if (kind != HOOKV_ACCEPT &&
	    (a.v.code == 421 || a.call->stage == HOOK_CONNECT))
		a.v.flags |= HOOKV_DISCONNECT;
	return end(L, &a);
}

static void
set_stage(lua_State *L, const char *name, enum hook_verdict kind)
{
	lua_pushinteger(L, (lua_Integer)kind);
	lua_pushstring(L, name);
	lua_pushcclosure(L, verdict_stage, 2);
	lua_setfield(L, -2, name);
}

void
lua_open_verdict(lua_State *L)
{
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, verdict_pass);
	lua_setfield(L, -2, "Pass");
	lua_pushcfunction(L, verdict_reply);
	lua_setfield(L, -2, "Reply");
	lua_setfield(L, -2, "proxy");
	set_stage(L, "accept", HOOKV_ACCEPT);
	set_stage(L, "Accept", HOOKV_ACCEPT);
	set_stage(L, "reject", HOOKV_REJECT);
	set_stage(L, "Reject", HOOKV_REJECT);
	set_stage(L, "defer", HOOKV_DEFER);
	set_stage(L, "Defer", HOOKV_DEFER);
}
