/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The table library, raw and bounded.
 *
 * The stock one believes __len, and so loops 2^62 times in C, where no hook
 * stops it.  Here elements are read and written raw, and a table whose
 * metamethods would have said otherwise is refused: __len, __newindex by what
 * writes, __index by what may read elements that are not there.  Read-only
 * tables can be read.  No call works on more than
 * a million elements, and loops look whether the processor's time is over.
 *
 * sort is a merge sort: n log n comparisons whatever the function says, and
 * none outside of the array.  What comes out is looked at once more, and an
 * order that cannot be is always an error, not by chance as in the stock one.
 * It is stable, which Lua does not promise.
 */

#include "script.h"

#define ELEMENTS_MAX	1000000

enum { READS = 0, WRITES = 1, ABSENT = 2 };

/* RAISES.  A table that may be worked on so; what is behind a read-only one. */
static void
check_table(lua_State *L, int arg, int use)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	if ((use & WRITES) && lua_is_frozen(L, arg))
		luaL_error(L, "attempt to change a read-only table");
	if (lua_real(L, arg)) {
		lua_replace(L, arg);
		return;
	}
	if (!lua_getmetatable(L, arg))
		return;
	lua_pop(L, 1);
	if (luaL_getmetafield(L, arg, "__len") != LUA_TNIL)
		luaL_argerror(L, arg, "table has a metamethod __len");
	if ((use & WRITES) &&
	    luaL_getmetafield(L, arg, "__newindex") != LUA_TNIL)
		luaL_argerror(L, arg, "table has a metamethod __newindex");
	if ((use & ABSENT) &&
	    luaL_getmetafield(L, arg, "__index") != LUA_TNIL)
		luaL_argerror(L, arg, "table has a metamethod __index");
}

/* RAISES. */
static lua_Integer
length(lua_State *L, int arg)
{
	lua_Unsigned	 n = lua_rawlen(L, arg);

	if (n > ELEMENTS_MAX)
		luaL_argerror(L, arg, "too many elements");
	return (lua_Integer)n;
}

/*
 * RAISES.  In a loop of C, at every step: the hook that the CPU timer sets
 * is called here, as Lua would.
 */
static void
look_up(lua_State *L, lua_Integer n)
{
	lua_Debug	 ar = { .event = LUA_HOOKCOUNT };
	lua_Hook	 hook;

	if (n % 1024 == 0 && (hook = lua_gethook(L)) != NULL)
		hook(L, &ar);
}

/* RAISES.  How many from first to last: at most a million. */
static lua_Integer
span(lua_State *L, lua_Integer first, lua_Integer last, const char *why)
{
	if (first > last)
		return 0;
	if ((lua_Unsigned)last - (lua_Unsigned)first >= ELEMENTS_MAX)
		luaL_error(L, "%s", why);
	return last - first + 1;
}

/* How long the strings are that concat joins: what is none is its to say. */
static size_t
octets(lua_State *L, lua_Integer first, lua_Integer n)
{
	size_t		 sum = 0;
	lua_Integer	 i;

	for (i = 0; i < n; i++) {
		look_up(L, i);
		if (lua_rawgeti(L, 1, first + i) == LUA_TSTRING)
			sum += lua_rawlen(L, -1);
		lua_pop(L, 1);
	}
	return sum;
}

/* RAISES. */
static int
table_concat(lua_State *L)
{
	luaL_Buffer	 b;
	const char	*sep;
	size_t		 seplen;
	lua_Integer	 i, n, first;

	check_table(L, 1, READS | ABSENT);
	sep = luaL_optlstring(L, 2, "", &seplen);
	first = luaL_optinteger(L, 3, 1);
	n = span(L, first, lua_isnoneornil(L, 4) ? length(L, 1) :
	    luaL_checkinteger(L, 4), "too many elements");
	lua_room(L, octets(L, first, n) + (size_t)n * seplen);
	luaL_buffinit(L, &b);
	for (i = 0; i < n; i++) {
		look_up(L, i);
		if (i > 0)
			luaL_addlstring(&b, sep, seplen);
		lua_rawgeti(L, 1, first + i);
		if (!lua_isstring(L, -1))
			return luaL_error(L, "invalid value (at index %I) in "
			    "table for 'concat'", (LUAI_UACINT)(first + i));
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	return 1;
}

/* RAISES. */
static int
table_insert(lua_State *L)
{
	lua_Integer	 n, i, at;

	check_table(L, 1, WRITES);
	n = length(L, 1) + 1;
	switch (lua_gettop(L)) {
	case 2:
		at = n;
		break;
	case 3:
		at = luaL_checkinteger(L, 2);
		luaL_argcheck(L, at >= 1 && at <= n, 2,
		    "position out of bounds");
		for (i = n; i > at; i--) {
			look_up(L, i);
			lua_rawgeti(L, 1, i - 1);
			lua_rawseti(L, 1, i);
		}
		break;
	default:
		return luaL_error(L, "wrong number of arguments to 'insert'");
	}
	lua_rawseti(L, 1, at);
	return 0;
}

/* RAISES. */
static int
table_remove(lua_State *L)
{
	lua_Integer	 n, at;

	check_table(L, 1, WRITES);
	n = length(L, 1);
	at = luaL_optinteger(L, 2, n);
	if (lua_gettop(L) > 1)
		luaL_argcheck(L, (at >= 1 && at <= n + 1) ||
		    (n == 0 && at == 0), 2, "position out of bounds");
	lua_rawgeti(L, 1, at);
	for (; at < n; at++) {
		look_up(L, at);
		lua_rawgeti(L, 1, at + 1);
		lua_rawseti(L, 1, at);
	}
	lua_pushnil(L);
	lua_rawseti(L, 1, at);
	return 1;
}

/* RAISES.  From a to b: backwards where b begins inside of what is moved. */
static int
table_move(lua_State *L)
{
	lua_Integer	 from = luaL_checkinteger(L, 2), i, n, k,
			 to = luaL_checkinteger(L, 4);
	int		 dest = lua_isnoneornil(L, 5) ? 1 : 5;
	bool		 back;

	/* First, as the other puts what is behind a read-only one at 1. */
	check_table(L, dest, WRITES);
	check_table(L, 1, READS | ABSENT);
	n = span(L, from, luaL_checkinteger(L, 3),
	    "too many elements to move");
	luaL_argcheck(L, n == 0 || to <= LUA_MAXINTEGER - n + 1, 4,
	    "destination wrap around");
	back = n > 0 && to > from && to <= from + n - 1 &&
	    lua_rawequal(L, 1, dest);
	for (i = 0; i < n; i++) {
		look_up(L, i);
		k = back ? n - 1 - i : i;
		lua_rawgeti(L, 1, from + k);
		lua_rawseti(L, dest, to + k);
	}
	lua_pushvalue(L, dest);
	return 1;
}

/* RAISES. */
static int
table_pack(lua_State *L)
{
	int	 i, n = lua_gettop(L);

	lua_createtable(L, n, 1);
	lua_insert(L, 1);
	for (i = n; i >= 1; i--)
		lua_rawseti(L, 1, i);
	lua_pushinteger(L, n);
	lua_setfield(L, 1, "n");
	return 1;
}

/* RAISES. */
static int
table_unpack(lua_State *L)
{
	lua_Integer	 i, n, first;

	check_table(L, 1, READS | ABSENT);
	first = luaL_optinteger(L, 2, 1);
	n = span(L, first, lua_isnoneornil(L, 3) ? length(L, 1) :
	    luaL_checkinteger(L, 3), "too many results to unpack");
	if (!lua_checkstack(L, (int)n))
		return luaL_error(L, "too many results to unpack");
	for (i = 0; i < n; i++)
		lua_rawgeti(L, 1, first + i);
	return (int)n;
}

/* On the stack of sort. */
enum { TABLE = 1, LESS, SPARE };

/* RAISES.  Is the value at stack index a before the one at b? */
static bool
before(lua_State *L, int a, int b)
{
	bool	 yes;

	if (lua_isnil(L, LESS))
		return lua_compare(L, a, b, LUA_OPLT);
	lua_pushvalue(L, LESS);
	lua_pushvalue(L, a);
	lua_pushvalue(L, b);
	lua_call(L, 2, 1);
	yes = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return yes;
}

/*
 * RAISES.  Elements a to mid - 1 and mid to end - 1, each in order, of one
 * table into another.  The heads of both lie on the stack.
 */
static void
merge(lua_State *L, int from, int to, lua_Integer a, lua_Integer mid,
    lua_Integer end)
{
	int		 left = lua_gettop(L) + 1, right = left + 1;
	lua_Integer	 b = mid, i;

	lua_rawgeti(L, from, a);
	lua_rawgeti(L, from, b);
	for (i = a; i < end; i++) {
		look_up(L, i);
		if (b >= end || (a < mid && !before(L, right, left))) {
			lua_pushvalue(L, left);
			lua_rawseti(L, to, i);
			lua_rawgeti(L, from, ++a);
			lua_replace(L, left);
		} else {
			lua_pushvalue(L, right);
			lua_rawseti(L, to, i);
			lua_rawgeti(L, from, ++b);
			lua_replace(L, right);
		}
	}
	lua_pop(L, 2);
}

/* RAISES.  What is in order between itself is so: nothing lied. */
static void
check_order(lua_State *L, int arg, lua_Integer n)
{
	lua_Integer	 i;
	int		 last = lua_gettop(L) + 1;

	lua_rawgeti(L, arg, 1);
	for (i = 2; i <= n; i++) {
		look_up(L, i);
		lua_rawgeti(L, arg, i);
		if (before(L, last + 1, last))
			luaL_error(L, "invalid order function for sorting");
		lua_replace(L, last);
	}
	lua_pop(L, 1);
}

/* RAISES. */
static int
table_sort(lua_State *L)
{
	lua_Integer	 n, width, a, mid, end;
	int		 from = TABLE, to = SPARE;

	check_table(L, TABLE, WRITES);
	n = length(L, TABLE);
	if (!lua_isnoneornil(L, LESS))
		luaL_checktype(L, LESS, LUA_TFUNCTION);
	lua_settop(L, LESS);
	if (n < 2)
		return 0;
	lua_createtable(L, (int)n, 0);
	for (width = 1; width < n; width *= 2) {
		for (a = 1; a <= n; a = end) {
			mid = a + width < n + 1 ? a + width : n + 1;
			end = mid + width < n + 1 ? mid + width : n + 1;
			merge(L, from, to, a, mid, end);
		}
		to = from;
		from = TABLE + SPARE - to;
	}
	check_order(L, from, n);
	for (a = 1; from == SPARE && a <= n; a++) {
		lua_rawgeti(L, SPARE, a);
		lua_rawseti(L, TABLE, a);
	}
	return 0;
}

static const luaL_Reg functions[] = {
	{ "concat",	table_concat },
	{ "insert",	table_insert },
	{ "move",	table_move },
	{ "pack",	table_pack },
	{ "remove",	table_remove },
	{ "sort",	table_sort },
	{ "unpack",	table_unpack },
	{ NULL,		NULL }
};

void
lua_open_table(lua_State *L)
{
	luaL_newlib(L, functions);
	lua_setfield(L, -2, "table");
}
