/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions, as scripts put them: a function asks, yields, and goes on when
 * there is an answer; sleep and all{}.
 *
 * What ends a question goes on with its coroutine by co_go, from the loop and
 * at once.  The op is over before its done runs, so that done may raise.
 *
 * all{f, g} gives each function a coroutine of the same call.  They do not
 * begin inside all, which would nest one lua_resume in the other: all yields,
 * and co_go begins them one behind the other, each running until it waits.
 * The first result of each goes to its place on the stack of the one that
 * waits, which goes on with the last.  An error in one ends the others.
 *
 * Rejected: to wake a coroutine in the next turn of the loop (the answer would
 * have to be copied, and a turn be waited for); a queue of those that may go
 * on (there is never more than one).
 */

#include <math.h>
#include <string.h>

#include "peer.h"
#include "proc.h"
#include "script.h"

#define ALL_MAX		64		/* coroutines of a call */
#define SPARE		100		/* ms of script-limits.time that an
					   operation leaves */

/* --- going on ------------------------------------------------------------- */

/* A coroutine of all{} of that one; any, if it is NULL. */
static struct co *
child_of(const struct call *call, const struct co *parent)
{
	struct co	*co;

	LIST_FOREACH(co, &call->cos, entry)
		if (co->parent == parent)
			return co;
	return NULL;
}

/* The next that has not begun. */
static struct co *
next_fresh(const struct call *call)
{
	struct co	*co, *next = NULL;

	LIST_FOREACH(co, &call->cos, entry)
		if (co->fresh && (next == NULL || co->index < next->index))
			next = co;
	return next;
}

/* No deeper than there are coroutines. */
static void
cancel_children(struct co *parent)
{
	struct co	*co;

	while ((co = child_of(parent->call, parent)) != NULL) {
		cancel_children(co);
		co_put(co);
	}
	parent->waits = 0;
}

/* Returns the one that waited for it, if it can go on. */
static struct co *
child_over(struct co *co, enum co_end end)
{
	struct co	*parent = co->parent;

	if (end == CO_ERROR) {
		lua_xmove(co->L, parent->L, 1);
		parent->failed = true;
		cancel_children(parent);
		return parent;
	}
	lua_settop(co->L, 1);
	lua_xmove(co->L, parent->L, 1);
	lua_replace(parent->L, 2 + co->index);
	co_put(co);
	return --parent->waits == 0 ? parent : NULL;
}

void
co_go(struct co *co, int nargs)
{
	struct call	*call = co->call;
	enum co_end	 end;

	for (;;) {
		co->fresh = false;
		end = co_step(co, nargs);
		nargs = 0;
		if (end == CO_WAIT)
			co = NULL;
		else if (co->parent != NULL &&
		    (end == CO_DONE || end == CO_ERROR))
			co = child_over(co, end);
		else {
			call_stopped(call, co, end);
			return;
		}
		if (co == NULL && (co = next_fresh(call)) == NULL) {
			call_stopped(call, call->co, CO_WAIT);
			return;
		}
	}
}

/* --- asking --------------------------------------------------------------- */

struct wbuf *
ask_body(lua_State *L)
{
	static struct wbuf	w;

	(void)L;
	wbuf_clear(&w);
	return &w;
}

struct peer *
ask_verifyd(void)
{
	return proc_peer(R_VERIFYD, 0);
}

bool
ask_raise(lua_State *L, int index)
{
	bool	raise;

	if (lua_isnoneornil(L, index))
		return true;
	if (!ask_is_options(L, index))
		return luaL_argerror(L, index, "options are {raise=false}");
	lua_pushliteral(L, "raise");
	lua_rawget(L, index);
	raise = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return raise;
}

bool
ask_is_options(lua_State *L, int index)
{
	bool	yes;

	if (!lua_istable(L, index))
		return false;
	index = lua_absindex(L, index);
	lua_pushnil(L);
	if (lua_next(L, index) == 0)
		return false;
	yes = lua_type(L, -2) == LUA_TSTRING && lua_isboolean(L, -1) &&
	    strcmp(lua_tostring(L, -2), "raise") == 0;
	lua_pop(L, 1);
	if (lua_next(L, index) != 0) {
		lua_pop(L, 2);
		yes = false;
	}
	return yes;
}

const char *
ask_string(lua_State *L, int index, size_t max, size_t *len)
{
	const char	*s;
	size_t		 n;

	s = luaL_checklstring(L, index, &n);
	if (n > max)
		luaL_argerror(L, index, lua_pushfstring(L,
		    "over %d octets", (int)max));
	if (memchr(s, '\0', n) != NULL)
		luaL_argerror(L, index, "holds a NUL");
	if (len != NULL)
		*len = n;
	return s;
}

const char *
ask_text(lua_State *L, int index, size_t *len)
{
	int	type = lua_type(L, index);

	if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER ||
	    type == LUA_TSTRING)
		return luaL_tolstring(L, index, len);
	if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
		lua_pop(L, 1);
		return luaL_tolstring(L, index, len);
	}
	lua_pushstring(L, lua_typename(L, type));
	return lua_tolstring(L, -1, len);
}

int64_t
ask_seconds(lua_State *L, int index, double max)
{
	lua_Number	s = luaL_checknumber(L, index);

	if (!(s >= 0 && s <= max))
		luaL_argerror(L, index, lua_pushfstring(L,
		    "not in 0 ... %f seconds", max));
	return (int64_t)ceil(s * 1000);
}

void
ask_can_wait(lua_State *L, const char *what)
{
	if (!lua_isyieldable(L))
		luaL_error(L, "%s: cannot wait in a function that the "
		    "library calls, as that of sort or gsub", what);
}

int
op_nobody(lua_State *L, const struct op *op)
{
	lua_pushstring(L, op->why);
	return -1;
}

/* Results on the stack, or the error; the op is over. */
static int
finish(lua_State *L, struct op *op)
{
	int	n, top = lua_gettop(L);

	if ((n = op->done(L, op, op->m)) >= 0)
		return n;
	if (n == -2) {
		op_bad();
		lua_settop(L, top);
		lua_pushliteral(L, "that is no answer");
	}
	if (top >= 1 && lua_type(L, 1) == LUA_TSTRING)
		lua_pushfstring(L, "%s %s: nobody can tell: %s", op->what,
		    lua_tostring(L, 1), lua_tostring(L, -1));
	else
		lua_pushfstring(L, "%s: nobody can tell: %s", op->what,
		    lua_tostring(L, -1));
	if (op->raise)
		return luaL_error(L, "%s", lua_tostring(L, -1));
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

/* The coroutine goes on. */
static int
answered(lua_State *L, int status, lua_KContext ctx)
{
	struct co	*co = co_of(L);
	struct op	 op = *co->op;

	(void)status;
	(void)ctx;
	op_cancel(co->op);
	co->op = NULL;
	return finish(L, &op);
}

/* Nobody was asked. */
static int
unasked(lua_State *L, struct op *op, const char *why)
{
	op->why = why;
	return finish(L, op);
}

/* What is left of script-limits.time, and a little less. */
static int64_t
time_left(const struct call *call)
{
	int64_t	ms;

	ms = call_limits()->time - SPARE -
	    mono_diff(mono_now(), call->began);
	return ms > 0 ? ms : 0;
}

int
op_ask(lua_State *L, const char *what, struct peer *p, uint16_t type,
    struct wbuf *body, int64_t timeout, bool raise,
    int (*done)(lua_State *, struct op *, struct msg *))
{
	struct co	*co = co_of(L);
	struct op	 none = { .what = what, .raise = raise, .done = done };
	struct op	*op;
	int64_t		 left = time_left(co->call);

	ask_can_wait(L, what);
	if (!wire_ok(body) || body->len > MSG_MAX)
		return unasked(L, &none, "it cannot be sent");
	if (p == NULL || p->dead)
		return unasked(L, &none, "no process is there for it");
	op = op_new(co, co->call->sess->sid, p, type, body,
	    timeout < left ? timeout : left);
	if (op == NULL)
		return unasked(L, &none, "no memory");
	op->what = what;
	op->raise = raise;
	op->done = done;
	co->op = op;
	return lua_yieldk(L, 0, 0, answered);
}

/* --- sleep ---------------------------------------------------------------- */

static int
awake(lua_State *L, struct op *op, struct msg *m)
{
	(void)L;
	(void)op;
	(void)m;
	return 0;
}

static int
f_sleep(lua_State *L)
{
	struct co	*co = co_of(L);
	int64_t		 ms;

	ms = ask_seconds(L, 1,
	    (double)call_limits()->time / 1000);
	ask_can_wait(L, "sleep");
	if (ms == 0)
		return 0;
	co->op = op_new(co, co->call->sess->sid, NULL, 0, NULL, ms);
	if (co->op == NULL)
		return luaL_error(L, "sleep: no memory");
	co->op->what = "sleep";
	co->op->raise = true;
	co->op->done = awake;
	return lua_yieldk(L, 0, 0, answered);
}

/* --- all ------------------------------------------------------------------ */

static int
all_over(lua_State *L, int status, lua_KContext ctx)
{
	struct co	*co = co_of(L);

	(void)status;
	(void)ctx;
	if (!co->failed)
		return lua_gettop(L) - 2;
	co->failed = false;
	if (lua_toboolean(L, 2))
		return lua_error(L);
	lua_pushnil(L);
	(void)ask_text(L, -2, NULL);
	return 2;
}

/* RAISES.  How many functions are in the table at 1. */
static int
check_functions(lua_State *L, const struct call *call)
{
	const struct co	*co;
	lua_Unsigned	 i, n, have = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	n = lua_rawlen(L, 1);
	LIST_FOREACH(co, &call->cos, entry)
		have++;
	if (n > ALL_MAX || have + n > ALL_MAX)
		luaL_error(L, "all: more than %d coroutines", ALL_MAX);
	for (i = 1; i <= n; i++) {
		if (lua_rawgeti(L, 1, (lua_Integer)i) != LUA_TFUNCTION)
			luaL_error(L, "all: a %s at %d where a function is "
			    "expected", luaL_typename(L, -1), (int)i);
		lua_pop(L, 1);
	}
	return (int)n;
}

/* The options; then the places of the results, from 3. */
static int
f_all(lua_State *L)
{
	struct co	*co = co_of(L), *child;
	int		 i, n;
	bool		 raise;

	n = check_functions(L, co->call);
	raise = ask_raise(L, 2);
	ask_can_wait(L, "all");
	if (n == 0)
		return 0;
	lua_settop(L, 1);
	luaL_checkstack(L, n + LUA_MINSTACK, "all");
	lua_pushboolean(L, raise);
	lua_settop(L, 2 + n);
	for (i = 1; i <= n; i++) {
		if ((child = co_get(co->call)) == NULL) {
			cancel_children(co);
			co->call->doomed = CO_NOMEM;
			return co_end(L);
		}
		child->parent = co;
		child->index = i;
		child->waits = 0;
		child->fresh = true;
		child->failed = false;
		lua_rawgeti(L, 1, i);
		lua_xmove(L, child->L, 1);
	}
	co->waits = n;
	co->failed = false;
	return lua_yieldk(L, 0, 0, all_over);
}

void
lua_open_ask(lua_State *L)
{
	static const luaL_Reg	fns[] = {
		{ "sleep", f_sleep },
		{ "all", f_all },
		{ NULL, NULL }
	};

	luaL_setfuncs(L, fns, 0);
}
