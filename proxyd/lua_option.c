/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The options of proxy.Pass, proxy.Reply, accept, reject and defer: one row
 * for each, which says where it may stand and who reads it.
 *
 * An option that is not known, or not there, is an error: it would be a rule
 * of the author's that never takes effect.  So is a value of another type;
 * nothing is converted but 5.0 to 5.
 */

#include <stdio.h>
#include <string.h>

#include "answer.h"

/* --- errors --------------------------------------------------------------- */

/* RAISES.  "reject: disconnect must be a boolean, not a string". */
void
answer_unfit(lua_State *L, const struct answer *a, const char *what,
    const char *wanted, int index)
{
	(void)luaL_error(L, "%s: %s must be %s, not %s", a->name, what,
	    wanted, luaL_typename(L, index));
}

/* RAISES. */
void
answer_wrong(lua_State *L, const struct answer *a, const char *why)
{
	(void)luaL_error(L, "%s: %s", a->name, why);
}

/* RAISES.  The string at that place, which fits and has no control octets. */
static void
copy_line(lua_State *L, const struct answer *a, const char *what, int index,
    char *out, size_t size)
{
	const char	*p;
	size_t		 i, n;

	if (lua_type(L, index) != LUA_TSTRING)
		answer_unfit(L, a, what, "a string", index);
	p = lua_tolstring(L, index, &n);
	if (n >= size)
		(void)luaL_error(L, "%s: %s is longer than %d octets",
		    a->name, what, (int)size - 1);
	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			(void)luaL_error(L, "%s: %s must be one line without "
			    "control octets", a->name, what);
	memcpy(out, p, n);
	out[n] = '\0';
}

/* RAISES.  The boolean on the top. */
static void
take_flag(lua_State *L, struct answer *a, const char *name, uint8_t flag)
{
	if (!lua_isboolean(L, -1))
		answer_unfit(L, a, name, "a boolean", -1);
	if (lua_toboolean(L, -1))
		a->v.flags |= flag;
}

static void
take_next(lua_State *L, struct answer *a)
{
	take_flag(L, a, "next", HOOKV_NEXT);
}

static void
take_disconnect(lua_State *L, struct answer *a)
{
	take_flag(L, a, "disconnect", HOOKV_DISCONNECT);
}

/* The line that was shown, as it is, is no rewrite: nothing is looked at. */
static void
take_command(lua_State *L, struct answer *a)
{
	const char	*line = a->call->args.text;

	if (lua_type(L, -1) == LUA_TSTRING && line != NULL &&
	    strcmp(lua_tostring(L, -1), line) == 0 &&
	    lua_rawlen(L, -1) == strlen(line))
		return;
	copy_line(L, a, "command", -1, a->v.command, sizeof(a->v.command));
	a->v.flags |= HOOKV_SET_COMMAND;
}

static void
take_host(lua_State *L, struct answer *a)
{
	copy_line(L, a, "host", -1, a->v.host, sizeof(a->v.host));
	a->v.flags |= HOOKV_SET_HOST;
}

static void
take_transportid(lua_State *L, struct answer *a)
{
	copy_line(L, a, "transportid", -1, a->v.transportid,
	    sizeof(a->v.transportid));
	a->v.flags |= HOOKV_SET_TRANSPORTID;
}

static void
take_address(lua_State *L, struct answer *a, const char *name, int flags)
{
	struct smtp_path	 path;
	struct slice		 s;
	size_t			 used;

	copy_line(L, a, name, -1, a->v.address, sizeof(a->v.address));
	s.p = a->v.address;
	s.n = strlen(s.p);
	if (smtp_path_parse(&path, s, flags | PATH_BARE, &used) != PATH_OK ||
	    used != s.n)
		(void)luaL_error(L, "%s: %s is no address: \"%s\"", a->name,
		    name, a->v.address);
	a->v.flags |= HOOKV_SET_ADDRESS;
}

static void
take_sender(lua_State *L, struct answer *a)
{
	take_address(L, a, "sender", PATH_REVERSE);
}

static void
take_recipient(lua_State *L, struct answer *a)
{
	take_address(L, a, "recipient", PATH_FORWARD);
}

/* The strings are copied when nothing can raise any more. */
static void
take_extensions(lua_State *L, struct answer *a)
{
	lua_Integer	i, n;

	if (lua_type(L, -1) != LUA_TTABLE)
		answer_unfit(L, a, "extensions", "an array of strings", -1);
	n = luaL_len(L, -1);
	if (n < 0 || n > HOOK_EXTENSIONS_MAX)
		(void)luaL_error(L, "%s: more than %d extensions", a->name,
		    HOOK_EXTENSIONS_MAX);
	lua_createtable(L, (int)n, 0);
	for (i = 1; i <= n; i++) {
		if (lua_geti(L, -2, i) != LUA_TSTRING)
			answer_unfit(L, a, "extensions", "an array of "
			    "strings", -1);
		if (strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
			answer_wrong(L, a, "a NUL in extensions");
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, a->extensions);
	a->v.flags |= HOOKV_SET_EXTENSIONS;
}

/* RAISES.  One number of an enhanced code, on the top; popped. */
static int
take_number(lua_State *L, const struct answer *a, const char *what)
{
	lua_Integer	n = 0;
	int		good = 0;

	if (lua_type(L, -1) == LUA_TNUMBER)
		n = lua_tointegerx(L, -1, &good);
	if (!good || n < 0 || n > 999)
		(void)luaL_error(L, "%s: %s", a->name, what);
	lua_pop(L, 1);
	return (int)n;
}

static void
take_enhanced(lua_State *L, struct answer *a)
{
	static const char	wanted[] = "reply_codes.enhanced must be an "
				    "array of three numbers: {5, 7, 1}";
	int			x[3], i;

	if (lua_type(L, -1) != LUA_TTABLE || luaL_len(L, -1) != 3)
		answer_wrong(L, a, wanted);
	for (i = 0; i < 3; i++) {
		(void)lua_geti(L, -1, i + 1);
		x[i] = take_number(L, a, wanted);
	}
	if (x[0] != 2 && x[0] != 4 && x[0] != 5)
		answer_wrong(L, a, "reply_codes.enhanced must begin with 2, "
		    "4 or 5");
	(void)snprintf(a->v.enhanced, sizeof(a->v.enhanced), "%d.%d.%d",
	    x[0], x[1], x[2]);
	a->has_enhanced = true;
}

static void
take_codes(lua_State *L, struct answer *a)
{
	int	index = lua_gettop(L);

	if (lua_type(L, index) != LUA_TTABLE)
		answer_unfit(L, a, "reply_codes", "a table", index);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		if (lua_type(L, -2) != LUA_TSTRING ||
		    (strcmp(lua_tostring(L, -2), "code") != 0 &&
		    strcmp(lua_tostring(L, -2), "enhanced") != 0))
			answer_wrong(L, a, "reply_codes has nothing but code "
			    "and enhanced");
	if (lua_getfield(L, index, "code") != LUA_TNIL) {
		lua_pushvalue(L, -1);
		a->v.code = (uint16_t)take_number(L, a,
		    "reply_codes.code must be a number of 200 to 599");
		if (a->v.code < 200 || a->v.code > 599)
			answer_wrong(L, a, "reply_codes.code must be a "
			    "number of 200 to 599");
		a->has_code = true;
	}
	if (lua_getfield(L, index, "enhanced") != LUA_TNIL)
		take_enhanced(L, a);
}

/* Of which function, in which stage. */
#define O_PASS		0x0001
#define O_REPLY		0x0002
#define O_ANY		0x0004		/* accept, reject, defer */
#define O_ACCEPT(stage)	(0x0010 << (stage))

static const struct option {
	const char	*name;
	unsigned int	 of;
	void		(*take)(lua_State *, struct answer *);
} options[] = {
	{ "command",	O_PASS,				take_command },
	{ "next",	O_PASS | O_REPLY,		take_next },
	{ "reply_codes", O_REPLY | O_ANY,		take_codes },
	{ "disconnect",	O_REPLY | O_ANY,		take_disconnect },
	{ "host",	O_ACCEPT(HOOK_EHLO),		take_host },
	{ "extensions",	O_ACCEPT(HOOK_EHLO),		take_extensions },
	{ "sender",	O_ACCEPT(HOOK_MAIL),		take_sender },
	{ "recipient",	O_ACCEPT(HOOK_RCPT),		take_recipient },
	{ "transportid", O_ACCEPT(HOOK_RCPT),		take_transportid }
};

#define NOPTIONS	(sizeof(options) / sizeof(options[0]))

static unsigned int
option_mask(const struct answer *a)
{
	if (a->v.kind == HOOKV_PASS)
		return O_PASS;
	if (a->v.kind == HOOKV_REPLY)
		return O_REPLY;
	if (a->v.kind == HOOKV_ACCEPT)
		return O_ANY | O_ACCEPT(a->call->stage);
	return O_ANY;
}

/* RAISES.  Which there are: the key on the top is none of them. */
static void
no_option(lua_State *L, const struct answer *a)
{
	unsigned int	mask = option_mask(a);
	luaL_Buffer	b;
	const char	*key;
	size_t		i, n = 0;

	key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) :
	    luaL_typename(L, -1);
	luaL_buffinit(L, &b);
	for (i = 0; i < NOPTIONS; i++) {
		if ((options[i].of & mask) == 0)
			continue;
		if (n++ > 0)
			luaL_addstring(&b, ", ");
		luaL_addstring(&b, options[i].name);
	}
	luaL_pushresult(&b);
	(void)luaL_error(L, "%s: no option \"%s\" in %s; there are %s",
	    a->name, key, hook_stage_name(a->call->stage),
	    lua_tostring(L, -1));
}

static bool
is_option(const char *name, unsigned int mask)
{
	size_t	i;

	for (i = 0; i < NOPTIONS; i++)
		if ((options[i].of & mask) &&
		    strcmp(options[i].name, name) == 0)
			return true;
	return false;
}

/* RAISES. */
void
answer_options(lua_State *L, struct answer *a)
{
	unsigned int	mask = option_mask(a);
	size_t		i;

	if (a->options == 0)
		return;
	for (lua_pushnil(L); lua_next(L, a->options);) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING ||
		    !is_option(lua_tostring(L, -1), mask))
			no_option(L, a);
	}
	for (i = 0; i < NOPTIONS; i++) {
		if ((options[i].of & mask) == 0)
			continue;
		if (lua_getfield(L, a->options, options[i].name) != LUA_TNIL)
			options[i].take(L, a);
		lua_settop(L, a->extensions);
	}
}

