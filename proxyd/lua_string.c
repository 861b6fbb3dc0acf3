/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The string library, bounded.
 *
 * What takes time or memory in proportion to its arguments and result is the
 * stock library's: byte, char, format, len, lower, upper, reverse, sub, pack,
 * unpack, packsize (the allocator refuses what is too large; a width in a
 * format has two digits, and ours sees to it that none names an address of
 * memory).  Ours: find, match, gmatch, gsub on lua_match.c,
 * and rep, of which the stock one counts to 2^62 for an empty string.  dump
 * is gone.
 *
 * Patterns of one run, up to its next wait, share a budget of steps: a worker
 * spends some milliseconds in them, and then an error is raised.  It can be
 * caught, but the next pattern raises it again, and where the processor's
 * time is over nothing catches that.
 *
 * Methods of strings (s:lower()) come from a table of their own that no
 * script can reach: the metatable of strings is closed by __metatable.
 *
 * A function that gsub calls cannot wait: it runs inside of C.
 */

#include <ctype.h>
#include <string.h>

#include "script.h"

#define REP_MAX		((size_t)1 << 30)

int	match_budget = MATCH_STEPS;

/* A subject and a pattern on Lua's stack, or in upvalues. */
struct texts {
	const char	*s, *p;
	size_t		 len, plen;
};

void
match_budget_reset(void)
{
	match_budget = MATCH_STEPS;
}

/* RAISES.  What is no answer is an error; else, did it match? */
static bool
matched(lua_State *L, const struct match *m, enum match_result got)
{
	switch (got) {
	case MATCH_NO:
	case MATCH_YES:
		break;
	case MATCH_STEPS_OVER:
		luaL_error(L, "patterns take too many steps");
		break;
	case MATCH_BAD:
		luaL_error(L, "%s", m->why);
		break;
	}
	return got == MATCH_YES;
}

/* RAISES.  Steps for what is no matching, but done as often. */
static void
pay(lua_State *L, size_t n)
{
	if (n > (size_t)match_budget) {
		match_budget = 0;
		luaL_error(L, "patterns take too many steps");
	}
	match_budget -= (int)n;
}

/* RAISES.  Capture i, from 0; where there is none, 0 is the whole match. */
static void
push_capture(lua_State *L, const struct match *m, const char *s, int i)
{
	const struct match_capture	*c = &m->capture[i];

	if (i >= m->ncaptures) {
		if (i != 0)
			luaL_error(L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(L, m->start, m->end - m->start);
	} else if (c->len == MATCH_OPEN)
		luaL_error(L, "unfinished capture");
	else if (c->len == MATCH_POSITION)
		lua_pushinteger(L, c->p - s + 1);
	else
		lua_pushlstring(L, c->p, c->len);
}

/* RAISES.  All of them, or the whole match where whole says so. */
static int
push_captures(lua_State *L, const struct match *m, const char *s, bool whole)
{
	int	 i, n = m->ncaptures == 0 && whole ? 1 : m->ncaptures;

	luaL_checkstack(L, n, "too many captures");
	for (i = 0; i < n; i++)
		push_capture(L, m, s, i);
	return n;
}

/* RAISES.  Arguments 1 and 2. */
static void
check_texts(lua_State *L, struct texts *t)
{
	t->s = luaL_checklstring(L, 1, &t->len);
	t->p = luaL_checklstring(L, 2, &t->plen);
}

/* RAISES.  A place in a string of len octets, from 0; beyond it: len + 1. */
static size_t
check_init(lua_State *L, int arg, size_t len)
{
	lua_Integer	 at = luaL_optinteger(L, arg, 1);

	if (at > 0)
		return (size_t)at - 1 > len ? len + 1 : (size_t)at - 1;
	if (at == 0 || at < -(lua_Integer)len)
		return 0;
	return len + (size_t)at;
}

/* Nothing in it that a pattern would read otherwise. */
static bool
is_plain(const struct texts *t)
{
	size_t	 i;

	for (i = 0; i < t->plen; i++)
		if (t->p[i] != '\0' && strchr("^$*+?.([%-", t->p[i]) != NULL)
			return false;
	return true;
}

static int
find_plain(lua_State *L, const struct texts *t, size_t init)
{
	const char	*at;

	at = memmem(t->s + init, t->len - init, t->p, t->plen);
	if (at == NULL) {
		luaL_pushfail(L);
		return 1;
	}
	lua_pushinteger(L, at - t->s + 1);
	lua_pushinteger(L, at - t->s + (lua_Integer)t->plen);
	return 2;
}

/* RAISES.  find and match. */
static int
find_or_match(lua_State *L, bool find)
{
	struct texts	 t;
	struct match	 m;
	size_t		 init;

	check_texts(L, &t);
	init = check_init(L, 3, t.len);
	if (init > t.len) {
		luaL_pushfail(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || is_plain(&t)))
		return find_plain(L, &t, init);
	if (!matched(L, &m, match_find(&m, t.s, t.len, t.p, t.plen, init,
	    &match_budget))) {
		luaL_pushfail(L);
		return 1;
	}
	if (!find)
		return push_captures(L, &m, t.s, true);
	lua_pushinteger(L, m.start - t.s + 1);
	lua_pushinteger(L, m.end - t.s);
	return push_captures(L, &m, t.s, false) + 2;
}

/* RAISES. */
static int
string_find(lua_State *L)
{
	return find_or_match(L, true);
}

/* RAISES. */
static int
string_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* Upvalues of gmatch's function. */
enum { UP_TEXT = 1, UP_PATTERN, UP_AT, UP_LAST };

/* RAISES. */
static int
gmatch_next(lua_State *L)
{
	struct texts	 t;
	struct match	 m;
	size_t		 at;
	lua_Integer	 last;

	t.s = lua_tolstring(L, lua_upvalueindex(UP_TEXT), &t.len);
	t.p = lua_tolstring(L, lua_upvalueindex(UP_PATTERN), &t.plen);
	at = (size_t)lua_tointeger(L, lua_upvalueindex(UP_AT));
	last = lua_tointeger(L, lua_upvalueindex(UP_LAST));
	for (; at <= t.len; at++) {
		if (!matched(L, &m, match_at(&m, t.s, t.len, t.p, t.plen, at,
		    &match_budget)) || m.end - t.s == last)
			continue;
		lua_pushinteger(L, m.end - t.s);
		lua_pushvalue(L, -1);
		lua_replace(L, lua_upvalueindex(UP_AT));
		lua_replace(L, lua_upvalueindex(UP_LAST));
		return push_captures(L, &m, t.s, true);
	}
	return 0;
}

/* RAISES. */
static int
string_gmatch(lua_State *L)
{
	struct texts	 t;
	size_t		 init;

	check_texts(L, &t);
	init = check_init(L, 3, t.len);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)init);
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_next, 4);
	return 1;
}

/* RAISES.  The third argument of gsub is a string. */
static void
add_string(lua_State *L, luaL_Buffer *b, const struct match *m, const char *s)
{
	size_t		 len;
	const char	*r = lua_tolstring(L, 3, &len), *end = r + len, *p;

	pay(L, len / 16);
	while ((p = memchr(r, '%', end - r)) != NULL) {
		luaL_addlstring(b, r, p - r);
		p++;
		pay(L, 1);
		if (p < end && *p == '%')
			luaL_addchar(b, '%');
		else if (p < end && *p == '0')
			luaL_addlstring(b, m->start, m->end - m->start);
		else if (p < end && isdigit((unsigned char)*p)) {
			push_capture(L, m, s, *p - '1');
			luaL_addvalue(b);
		} else
			luaL_error(L,
			    "invalid use of '%%' in replacement string");
		r = p + 1;
	}
	luaL_addlstring(b, r, end - r);
}

/* RAISES.  What takes the place of the match; true: something else than it. */
static bool
add_value(lua_State *L, luaL_Buffer *b, const struct match *m, const char *s)
{
	int	 type = lua_type(L, 3);

	if (type == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(L, m, s, true), 1);
	} else if (type == LUA_TTABLE) {
		push_capture(L, m, s, 0);
		lua_gettable(L, 3);
	} else {
		add_string(L, b, m, s);
		return true;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, m->start, m->end - m->start);
		return false;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)",
		    luaL_typename(L, -1));
	luaL_addvalue(b);
	return true;
}

/* RAISES.  Returns how many there were. */
static lua_Integer
substitute(lua_State *L, luaL_Buffer *b, const struct texts *t,
    lua_Integer most, bool *changed)
{
	struct match	 m;
	const char	*last = NULL, *end = t->s + t->len, *at = t->s;
	lua_Integer	 n = 0;
	bool		 anchored = t->plen > 0 && *t->p == '^';

	while (n < most) {
		if (matched(L, &m, match_at(&m, t->s, t->len, t->p + anchored,
		    t->plen - anchored, at - t->s, &match_budget)) &&
		    m.end != last) {
			n++;
			*changed = add_value(L, b, &m, t->s) || *changed;
			at = last = m.end;
		} else if (at < end)
			luaL_addchar(b, *at++);
		else
			break;
		if (anchored)
			break;
	}
	luaL_addlstring(b, at, end - at);
	return n;
}

/* RAISES. */
static int
string_gsub(lua_State *L)
{
	luaL_Buffer	 b;
	struct texts	 t;
	lua_Integer	 most, n;
	int		 type = lua_type(L, 3);
	bool		 changed = false;

	check_texts(L, &t);
	luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING ||
	    type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
	    "string/function/table");
	most = luaL_optinteger(L, 4, (lua_Integer)t.len + 1);
	if (type == LUA_TNUMBER)
		lua_tostring(L, 3);
	lua_room(L, 2 * t.len);
	luaL_buffinit(L, &b);
	n = substitute(L, &b, &t, most, &changed);
	luaL_pushresult(&b);
	if (!changed)
		lua_pushvalue(L, 1);
	lua_pushinteger(L, n);
	return 2;
}

/* RAISES.  What is there is doubled as long as it may be. */
static int
string_rep(lua_State *L)
{
	luaL_Buffer	 b;
	size_t		 len, seplen, total, have, more;
	const char	*s = luaL_checklstring(L, 1, &len), *sep;
	lua_Integer	 n = luaL_checkinteger(L, 2);
	char		*out;

	sep = luaL_optlstring(L, 3, "", &seplen);
	if (n <= 0 || len + seplen == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (len + seplen > REP_MAX / (size_t)n)
		return luaL_error(L, "resulting string too large");
	total = (size_t)n * (len + seplen) - seplen;
	lua_room(L, total);
	out = luaL_buffinitsize(L, &b, total);
	memcpy(out, s, len);
	have = len;
	if (n > 1) {
		memcpy(out + len, sep, seplen);
		have += seplen;
	}
	for (; have < total; have += more) {
		more = have < total - have ? have : total - have;
		memcpy(out + have, out, more);
	}
	luaL_pushresultsize(&b, total);
	return 1;
}

/*
 * RAISES.  Argument arg as tostring() has it, which names no address of
 * memory, where it is one that only luaL_tolstring makes a text of.
 */
static void
plain_value(lua_State *L, int arg)
{
	switch (lua_type(L, arg)) {
	case LUA_TTABLE:
	case LUA_TFUNCTION:
	case LUA_TUSERDATA:
	case LUA_TLIGHTUSERDATA:
	case LUA_TTHREAD:
		if (luaL_getmetafield(L, arg, "__tostring") != LUA_TNIL) {
			lua_pop(L, 1);
			return;
		}
		lua_pushstring(L, luaL_typename(L, arg));
		lua_replace(L, arg);
	}
}

/*
 * RAISES.  The stock one, which is the upvalue and has none, in our place:
 * with room for its buffer.
 */
static int
stock_one(lua_State *L)
{
	size_t	 n = 0;
	int	 i, top = lua_gettop(L);

	for (i = 1; i <= top; i++)
		if (lua_type(L, i) == LUA_TSTRING)
			n += lua_rawlen(L, i);
	lua_room(L, 2 * n);
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* RAISES.  format, but for addresses. */
static int
string_format(lua_State *L)
{
	const char	*p = luaL_checkstring(L, 1);
	size_t		 len = lua_rawlen(L, 1);
	const char	*end = p + len;
	int		 arg = 1, top = lua_gettop(L);

	while ((p = memchr(p, '%', end - p)) != NULL) {
		if (*++p == '%') {
			p++;
			continue;
		}
		p += strspn(p, "-+ #0123456789.");
		if (*p == 'p')
			return luaL_argerror(L, 1, "%p is not for scripts");
		if (++arg <= top && *p == 's')
			plain_value(L, arg);
	}
	return stock_one(L);
}

static const luaL_Reg functions[] = {
	{ "find",	string_find },
	{ "gmatch",	string_gmatch },
	{ "gsub",	string_gsub },
	{ "match",	string_match },
	{ "rep",	string_rep },
	{ NULL,		NULL }
};

static const char *const stock[] = {
	"byte", "char", "len", "packsize", "sub", "unpack"
};

/* What they make may be as long as what they are given, and longer. */
static const char *const stock_long[] = {
	"lower", "pack", "reverse", "upper"
};

/* RAISES.  A table of all functions; the stock library is on the top. */
static void
push_functions(lua_State *L)
{
	size_t	 i;

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	for (i = 0; i < sizeof(stock) / sizeof(stock[0]); i++) {
		lua_getfield(L, -2, stock[i]);
		lua_setfield(L, -2, stock[i]);
	}
	for (i = 0; i < sizeof(stock_long) / sizeof(stock_long[0]); i++) {
		lua_getfield(L, -2, stock_long[i]);
		lua_pushcclosure(L, stock_one, 1);
		lua_setfield(L, -2, stock_long[i]);
	}
	lua_getfield(L, -2, "format");
	lua_pushcclosure(L, string_format, 1);
	lua_setfield(L, -2, "format");
}

void
lua_open_string(lua_State *L)
{
	lua_pushliteral(L, "");
	lua_pushcfunction(L, luaopen_string);
	lua_call(L, 0, 1);
	push_functions(L);
	lua_setfield(L, -4, "string");
	/* "", the stock library; what it made the metatable of strings. */
	lua_getmetatable(L, -2);
	lua_insert(L, -2);
	push_functions(L);
	lua_setfield(L, -3, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -3, "__metatable");
	lua_pop(L, 3);
}
