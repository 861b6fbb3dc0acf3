/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a script finds around it: the globals that all share, which nobody can
 * change, and the environment of its session.
 *
 * A read-only table is another table, which holds the real one under a key
 * that no script can name, and nothing else; its metatable leads there.  So
 * assignments go through that metatable and raise.  Whatever goes past
 * metatables (next, rawset, table.*) is ours, and asks lua_is_frozen.
 *
 * The environment of a session is a table whose metatable leads to the
 * globals, and from there to hidden_global(): `context', and what is shown of
 * the call.  What a script assigns stays in that table until its call is over.
 * Of a session is kept, in a table of the registry (sess->env):
 *
 *	ENV		its environment
 *	CONTEXT		the value of `context'
 *	-id		the function of a script
 *
 * Each session has a function of its own, since two may be in the middle of
 * the same script; its variable _ENV is set before each call, as a script may
 * have assigned something to that as well.
 */

#include <string.h>

#include "script.h"

#define ENV		1
#define CONTEXT		2
#define GLOBALS_FEW	16	/* more in a call: another table */

static const char	 frozen_key, env_key, index_key, globals_key,
			 modules_key;

/* --- read-only tables ----------------------------------------------------- */

bool
lua_real(lua_State *L, int index)
{
	if (lua_type(L, index) != LUA_TTABLE)
		return false;
	if (lua_rawgetp(L, index, &frozen_key) == LUA_TTABLE)
		return true;
	lua_pop(L, 1);
	return false;
}

static bool
is_env(lua_State *L, int index)
{
	bool	is;

	if (!lua_getmetatable(L, index))
		return false;
	is = lua_rawgetp(L, -1, &env_key) != LUA_TNIL;
	lua_pop(L, 2);
	return is;
}

bool
lua_is_frozen(lua_State *L, int index)
{
	if (lua_real(L, index)) {
		lua_pop(L, 1);
		return true;
	}
	return lua_type(L, index) == LUA_TTABLE && is_env(L, index);
}

static int
frozen_index(lua_State *L)
{
	(void)lua_rawgetp(L, 1, &frozen_key);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	return 1;
}

static int
frozen_newindex(lua_State *L)
{
	return luaL_error(L, "attempt to change a read-only table");
}

static int
frozen_len(lua_State *L)
{
	(void)lua_rawgetp(L, 1, &frozen_key);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
	return 1;
}

/* The metatable of those; __index is for the caller to set. */
static void
push_metatable(lua_State *L)
{
	lua_createtable(L, 0, 4);
	lua_pushcfunction(L, frozen_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushcfunction(L, frozen_len);
	lua_setfield(L, -2, "__len");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

/* For those that are made for a call: one metatable for all. */
void
lua_freeze(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_insert(L, -2);
	lua_rawsetp(L, -2, &frozen_key);
	(void)lua_rawgetp(L, LUA_REGISTRYINDEX, &index_key);
	(void)lua_setmetatable(L, -2);
}

/*
 * Libraries, and tables in them: read often and made once, so with a
 * metatable that leads to the real one without a function.
 */
static void
freeze_library(lua_State *L)
{
	int	real = lua_gettop(L);

	luaL_checkstack(L, 10, NULL);
	for (lua_pushnil(L); lua_next(L, real); lua_pop(L, 1)) {
		if (lua_type(L, -1) != LUA_TTABLE || lua_is_frozen(L, -1))
			continue;
		freeze_library(L);
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, real);
	}
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, real);
	lua_rawsetp(L, -2, &frozen_key);
	push_metatable(L);
	lua_pushvalue(L, real);
	lua_setfield(L, -2, "__index");
	(void)lua_setmetatable(L, -2);
	lua_remove(L, real);
}

int
lua_freeze_start(lua_State *L)
{
	push_metatable(L);
	lua_pushcfunction(L, frozen_index);
	lua_setfield(L, -2, "__index");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &index_key);
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
	return 0;
}

/* --- modules -------------------------------------------------------------- */

void
lua_module(lua_State *L, const char *name)
{
	if (!lua_is_frozen(L, -1))
		freeze_library(L);
	(void)lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
	lua_insert(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

int
lua_module_find(lua_State *L, const char *name)
{
	(void)lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
	return lua_getfield(L, -1, name);
}

/* --- globals -------------------------------------------------------------- */

/* What is shown of a call is no global, and read as one. */
static bool
is_view(const char *name)
{
	return strcmp(name, "arguments") == 0 ||
	    strcmp(name, "connection") == 0 ||
	    strcmp(name, "transaction") == 0;
}

static void
push_kept(lua_State *L, const struct sess *s)
{
	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->env);
}

/* __index of the globals, of what is not there. */
static int
hidden_global(lua_State *L)
{
	struct co	*co = co_of(L);
	const char	*name;

	if (co == NULL || lua_type(L, 2) != LUA_TSTRING)
		return 0;
	name = lua_tostring(L, 2);
	if (strcmp(name, "context") == 0) {
		push_kept(L, co->call->sess);
		(void)lua_rawgeti(L, -1, CONTEXT);
		return 1;
	}
	if (!is_view(name))
		return 0;
	view_push(L, co->call, name);
	return 1;
}

static void
set_context(lua_State *L, struct sess *s)
{
	push_kept(L, s);
	lua_pushvalue(L, 3);
	lua_rawseti(L, -2, CONTEXT);
	s->has_context = !lua_isnil(L, 3);
}

/* __newindex of an environment: of what is not in it yet. */
static int
env_newindex(lua_State *L)
{
	struct sess	*s = co_of(L)->call->sess;
	const char	*name;

	if (lua_type(L, 2) == LUA_TSTRING) {
		name = lua_tostring(L, 2);
		if (strcmp(name, "context") == 0) {
			set_context(L, s);
			return 0;
		}
		(void)lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
		lua_pushvalue(L, 2);
		if (lua_rawget(L, -2) != LUA_TNIL || is_view(name))
			return luaL_error(L, "attempt to assign to '%s'",
			    name);
		lua_settop(L, 3);
	}
	s->globals++;
	lua_rawset(L, 1);
	return 0;
}

/* The table of globals is on the top: nothing comes into it any more. */
void
lua_env_start(lua_State *L)
{
	int	globals = lua_gettop(L);

	for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) {
		if (lua_type(L, -1) != LUA_TTABLE || lua_is_frozen(L, -1))
			continue;
		freeze_library(L);
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, globals);
	}
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, hidden_global);
	lua_setfield(L, -2, "__index");
	(void)lua_setmetatable(L, globals);
	lua_createtable(L, 0, 4);
	lua_pushvalue(L, globals);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, env_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pushboolean(L, 1);
	lua_rawsetp(L, -2, &env_key);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
}

/* --- of a session --------------------------------------------------------- */

/* Push what is kept of the session, made when its first script runs. */
static void
kept(lua_State *L, struct sess *s)
{
	if (s->env == LUA_NOREF) {
		lua_createtable(L, 2, 2);
		s->env = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	push_kept(L, s);
}

/* Push its environment; what is kept is on the top. */
static void
environment(lua_State *L)
{
	if (lua_rawgeti(L, -1, ENV) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_createtable(L, 0, 0);
	(void)lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key);
	(void)lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawseti(L, -3, ENV);
}

void
lua_push_script(lua_State *L, struct call *c)
{
	lua_Integer	id = c->script->obj.id;
	int		kept_at, env;

	kept(L, c->sess);
	kept_at = lua_gettop(L);
	environment(L);
	env = lua_gettop(L);
	if (lua_rawgeti(L, kept_at, -id) != LUA_TFUNCTION) {
		lua_pop(L, 1);
		lua_push_compiled(L, c->script);
		lua_pushvalue(L, env);
		lua_call(L, 1, 1);
		lua_pushvalue(L, -1);
		lua_rawseti(L, kept_at, -id);
	}
	lua_pushvalue(L, env);
	if (lua_setupvalue(L, -2, 1) == NULL)
		lua_pop(L, 1);		/* it knows no globals */
	lua_replace(L, kept_at);
	lua_settop(L, kept_at);
}

/* Nothing here needs memory. */
void
lua_call_over(struct call *c)
{
	lua_State	*L = lua_main;
	struct sess	*s = c->sess;

	if (s->globals == 0)
		return;
	push_kept(L, s);
	if (s->globals > GLOBALS_FEW) {
		lua_pushnil(L);
		lua_rawseti(L, -2, ENV);
	} else if (lua_rawgeti(L, -1, ENV) == LUA_TTABLE) {
		for (lua_pushnil(L); lua_next(L, -2);) {
			lua_pop(L, 1);
			lua_pushvalue(L, -1);
			lua_pushnil(L);
			lua_rawset(L, -4);
		}
	}
	lua_settop(L, 0);
	s->globals = 0;
}

void
lua_sess_over(struct sess *s)
{
	luaL_unref(lua_main, LUA_REGISTRYINDEX, s->env);
	s->env = LUA_NOREF;
	s->has_context = false;
}
