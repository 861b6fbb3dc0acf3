/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Our string library beside the stock one: the same subject, pattern and
 * replacement give the same values, or an error of the same text, unless ours
 * ran out of steps.  Ours goes first: where it needs few steps, so does the
 * stock one.
 *
 * An input is four lines: what to call and from where ("f3": find, from 3),
 * the pattern, the replacement, and the rest is the subject.
 */

#include "fuzz.h"
#include "script.h"

/* Here memory is not counted. */
void
lua_room(lua_State *L, size_t n)
{
	(void)L;
	(void)n;
}

#define STEPS	50000

static lua_State	*L;

/* The stock library is in upvalues of this before ours takes its place. */
static const char	 sides[] =
"local stock, ours, pcall, pack, tostring = string, ...\n"
"local calls = {\n"
"    f = function(S, s, p, r, i) return S.find(s, p, i) end,\n"
"    F = function(S, s, p, r, i) return S.find(s, p, i, true) end,\n"
"    m = function(S, s, p, r, i) return S.match(s, p, i) end,\n"
"    g = function(S, s, p, r, i)\n"
"	local all, n = {}, 0\n"
"	for a, b, c, d in S.gmatch(s, p, i) do\n"
"	    all[n + 1], all[n + 2], all[n + 3], all[n + 4] = a, b, c, d\n"
"	    n = n + 4\n"
"	end\n"
"	return n, table.unpack(all, 1, n)\n"
"    end,\n"
"    s = function(S, s, p, r, i) return S.gsub(s, p, r) end,\n"
"    n = function(S, s, p, r, i) return S.gsub(s, p, r, i) end,\n"
"    t = function(S, s, p, r, i)\n"
"	return S.gsub(s, p, { a = r, b = false, [1] = 7, [r] = {} })\n"
"    end,\n"
"    c = function(S, s, p, r, i)\n"
"	local all = {}\n"
"	local t, n = S.gsub(s, p, function(...)\n"
"	    for _, v in ipairs({ ... }) do all[#all + 1] = v end\n"
"	    return (...) ~= r and r\n"
"	end)\n"
"	return t, n, table.unpack(all)\n"
"    end,\n"
"    r = function(S, s, p, r, i) return S.rep(s, i, r) end\n"
"}\n"
"return function(op, s, p, r, i)\n"
"	local call = calls[op]\n"
"	local a = pack(pcall(call, ours, s, p, r, i))\n"
"	if not a[1] and a[2]:find('too many steps', 1, true) then\n"
"	    return\n"
"	end\n"
"	local b = pack(pcall(call, stock, s, p, r, i))\n"
"	for n = 1, a.n > b.n and a.n or b.n do\n"
"	    if a[n] ~= b[n] then\n"
"		return n .. ': ours ' .. tostring(a[n]) .. ', stock '\n"
"		    .. tostring(b[n])\n"
"	    end\n"
"	end\n"
"	return a.n ~= b.n and a.n .. ' values, not ' .. b.n or nil\n"
"end\n";

static void
start(void)
{
	must((L = luaL_newstate()) != NULL);
	luaL_openlibs(L);
	must(luaL_loadstring(L, sides) == LUA_OK);
	lua_newtable(L);
	lua_open_string(L);
	lua_getfield(L, -1, "string");
	lua_remove(L, -2);
	lua_getglobal(L, "pcall");
	lua_getglobal(L, "table");
	lua_getfield(L, -1, "pack");
	lua_remove(L, -2);
	lua_getglobal(L, "tostring");
	if (lua_pcall(L, 4, 1, 0) != LUA_OK)
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
	must(lua_isfunction(L, -1));
}

/* Push the octets up to the next end of a line. */
static void
push_line(const uint8_t **p, const uint8_t *end)
{
	const uint8_t	*eol = NULL;

	if (*p < end)
		eol = memchr(*p, '\n', end - *p);
	if (eol == NULL)
		eol = end;
	lua_pushlstring(L, (const char *)*p, eol - *p);
	*p = eol < end ? eol + 1 : end;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t	*p = data, *end = data + len;
	char		 op[2] = "", from[16];
	const char	*why;

	if (L == NULL)
		start();
	push_line(&p, end);
	op[0] = *lua_tostring(L, -1);
	snprintf(from, sizeof(from), "%s", lua_tostring(L, -1));
	lua_pop(L, 1);
	if (op[0] == '\0' || strchr("fFmgsntcr", op[0]) == NULL)
		return 0;
	match_budget = STEPS;
	lua_pushvalue(L, -1);
	lua_pushstring(L, op);
	push_line(&p, end);
	push_line(&p, end);
	lua_pushlstring(L, (const char *)p, end - p);
	lua_insert(L, -3);
	lua_pushinteger(L, strtol(from + 1, NULL, 10) % 1000);
	if (lua_pcall(L, 5, 1, 0) != LUA_OK || !lua_isnil(L, -1)) {
		why = lua_tostring(L, -1);
		fprintf(stderr, "%s\n", why != NULL ? why : "?");
		must(why == NULL);
	}
	lua_pop(L, 1);
	must(lua_gettop(L) == 1);
	return 0;
}
