/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The base library: of Lua's own what is harmless, and ours where a script
 * could get out with it.
 *
 *	assert error getmetatable ipairs rawequal select tonumber type
 *			Lua's own
 *	next pairs rawget rawlen
 *			look through read-only tables
 *	rawset setmetatable
 *			refuse those, and what would run or linger where no
 *			limit holds: __gc, __close, __mode
 *	pcall		does not catch the end of a call
 *	tostring	names no address of memory
 *	require		only of our own modules
 *
 * There is no load, dofile, xpcall, collectgarbage, coroutine, and no print
 * (log.info).
 */

#include "script.h"

/*
 * An error that is raised again by each of many pcalls has Lua look through
 * the whole stack each time.
 */
#define PCALLS_MAX	100

/* --- tables --------------------------------------------------------------- */

static void
refuse_frozen(lua_State *L, int arg)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	if (lua_is_frozen(L, arg))
		(void)luaL_error(L, "attempt to change a read-only table");
}

/* The table at that place, or what stands behind it, there. */
static void
see_through(lua_State *L, int arg)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	if (lua_real(L, arg))
		lua_replace(L, arg);
}

static int
base_next(lua_State *L)
{
	see_through(L, 1);
	lua_settop(L, 2);
	if (lua_next(L, 1))
		return 2;
	lua_pushnil(L);
	return 1;
}

static int
pairs_over(lua_State *L, int status, lua_KContext ctx)
{
	(void)L;
	(void)status;
	(void)ctx;
	return 3;
}

static int
base_pairs(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_callk(L, 1, 3, 0, pairs_over);
		return 3;
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushcfunction(L, base_next);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

static int
base_rawget(lua_State *L)
{
	luaL_checkany(L, 2);
	see_through(L, 1);
	lua_settop(L, 2);
	lua_rawget(L, 1);
	return 1;
}

static int
base_rawlen(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TSTRING)
		see_through(L, 1);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
	return 1;
}

static int
base_rawset(lua_State *L)
{
	refuse_frozen(L, 1);
	luaL_checkany(L, 3);
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 1;
}

static int
base_setmetatable(lua_State *L)
{
	static const char *const	forbidden[] = {
		"__gc", "__close", "__mode"
	};
	size_t				i;

	refuse_frozen(L, 1);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2,
	    "nil or table");
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	lua_settop(L, 2);
	if (lua_istable(L, 2))
		for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]);
		    i++) {
			lua_pushstring(L, forbidden[i]);
			if (lua_rawget(L, 2) != LUA_TNIL)
				return luaL_error(L, "%s is not for scripts",
				    forbidden[i]);
			lua_pop(L, 1);
		}
	(void)lua_setmetatable(L, 1);
	return 1;
}

/* --- the others ----------------------------------------------------------- */

static int
pcall_over(lua_State *L, int status, lua_KContext before)
{
	co_of(L)->pcalls--;
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L) - (int)before;
	if (co_is_over(L, status))
		return lua_error(L);
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

static int
base_pcall(lua_State *L)
{
	int	status;

	luaL_checkany(L, 1);
	if (co_of(L)->pcalls >= PCALLS_MAX)
		return luaL_error(L, "too many pcalls in each other");
	co_of(L)->pcalls++;
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0,
	    pcall_over);
	return pcall_over(L, status, 0);
}

static int
base_tostring(lua_State *L)
{
	int	type = lua_type(L, 1);

	luaL_checkany(L, 1);
	if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER ||
	    type == LUA_TSTRING)
		(void)luaL_tolstring(L, 1, NULL);
	else if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
		lua_pop(L, 1);
		(void)luaL_tolstring(L, 1, NULL);
	} else
		lua_pushstring(L, lua_typename(L, type));
	return 1;
}

static int
base_require(lua_State *L)
{
	const char	*name = luaL_checkstring(L, 1);

	if (lua_module_find(L, name) == LUA_TNIL)
		return luaL_error(L, "there is no module '%s'", name);
	return 1;
}

/* --- all ------------------------------------------------------------------ */

static const luaL_Reg	functions[] = {
	{ "next",		base_next },
	{ "pairs",		base_pairs },
	{ "pcall",		base_pcall },
	{ "rawget",		base_rawget },
	{ "rawlen",		base_rawlen },
	{ "rawset",		base_rawset },
	{ "require",		base_require },
	{ "setmetatable",	base_setmetatable },
	{ "tostring",		base_tostring },
	{ NULL,			NULL }
};

static const char *const	stock[] = {
	"assert", "error", "getmetatable", "ipairs", "rawequal", "select",
	"tonumber", "type", NULL
};

/*
 * Lua's own library opens itself into the state's globals, which no script
 * sees; what we do not take from there is thrown away.
 */
void
lua_open_base(lua_State *L)
{
	int	i, own, globals = lua_gettop(L);

	lua_pushcfunction(L, luaopen_base);
	lua_call(L, 0, 1);
	own = lua_gettop(L);
	for (i = 0; stock[i] != NULL; i++) {
		(void)lua_getfield(L, own, stock[i]);
		lua_setfield(L, globals, stock[i]);
	}
	lua_settop(L, globals);
	lua_newtable(L);
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	luaL_setfuncs(L, functions, 0);
}
