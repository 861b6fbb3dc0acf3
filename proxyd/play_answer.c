/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What scripts ask when they are played: each function that asks another
 * process is replaced by one that looks for an answer in the transcript.
 *
 * Arguments and values are written as in Lua, and Lua reads them.  An answer
 * is for the first question that fits, and for one; arguments that it does not
 * give may be any.  A question without an answer is an error in the script,
 * and a failure of the test even where the script catches it.
 *
 * Nothing waits here: sleep() moves the clock, and all{} calls one function
 * behind the other.  But where a question could not wait in the daemon it is
 * an error here, too.  Lines of log.* are printed.
 */

#include <stdio.h>
#include <string.h>

#include "play.h"
#include "script.h"

#define BEGINNING	1000000000	/* what clock.now() says at first */

/* An answer is a table of these. */
enum { A_NAME = 1, A_ARGS, A_VALUES, A_FAILS, A_LINE, A_TEXT, A_USED };

static const char	 answers_key;
static double		 passed;	/* seconds */
static char		 missing[512];
static struct call	*asking;	/* whose limits hold for answers */

/* Functions, and where they are. */
static const char *const	questions[] = {
	"db.query", "db.execute", "db.value", "db.exists", "list.has",
	"cidr.has", "dns.query", "dns.dnsbl", "rate", "store.get",
	"store.set", "store.incr", "msys.beta.rcptto_proxy.query"
};

#define NQUESTIONS	(sizeof(questions) / sizeof(questions[0]))

/* How transcripts and errors call it. */
static const char *
short_name(const char *name)
{
	return strncmp(name, "msys.beta.", 10) == 0 ? name + 10 : name;
}

/* --- answers -------------------------------------------------------------- */

static void
push_answers(lua_State *L)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &answers_key) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &answers_key);
}

/* RAISES.  From the text of a list of values make {n = 2, 1st, 2nd}. */
static int
values(lua_State *L)
{
	int	i, count;

	if (luaL_loadbufferx(L, lua_tostring(L, 1), lua_rawlen(L, 1),
	    "=answer", "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, LUA_MULTRET);
	count = lua_gettop(L) - 1;
	luaL_checkstack(L, 4, NULL);
	lua_createtable(L, count, 1);
	for (i = 1; i <= count; i++) {
		lua_pushvalue(L, i + 1);
		lua_rawseti(L, -2, i);
	}
	lua_pushinteger(L, count);
	lua_setfield(L, -2, "n");
	return 1;
}

/*
 * Push {n = 2, 1st, 2nd} of the n octets as a list of Lua's; else false.  That
 * may be any expression, so it has a coroutine, as a script has.
 */
static bool
eval(lua_State *L, const char *text, size_t n)
{
	struct co	*co = co_get(asking);
	bool		 good = false;

	if (co == NULL)
		return false;
	lua_pushcfunction(co->L, values);
	lua_pushliteral(co->L, "return ");
	lua_pushlstring(co->L, text, n);
	lua_concat(co->L, 2);
	if (co_step(co, 1) == CO_DONE && lua_istable(co->L, -1)) {
		lua_xmove(co->L, L, 1);
		good = true;
	}
	co_put(co);
	return good;
}

/* The entry is on the top; behind the name and arguments: "= v" or "fails". */
static bool
take_values(lua_State *L, const char *p)
{
	p += strspn(p, " ");
	if (strncmp(p, "fails", 5) == 0) {
		p += 5;
		p += strspn(p, " ");
		lua_pushstring(L, *p == '\0' ? "timeout" : p);
		lua_rawseti(L, -2, A_FAILS);
		return true;
	}
	if (*p != '=' || !eval(L, p + 1, strlen(p + 1)))
		return false;
	lua_rawseti(L, -2, A_VALUES);
	return true;
}

/* A `)' may stand in a string too: the first that makes sense of both. */
static bool
take_args(lua_State *L, const char *p)
{
	const char	*end;
	int		 close = *p == '{' ? '}' : ')';

	if (*p != '(' && *p != '{')
		return take_values(L, p);
	for (end = strchr(p, close); end != NULL && asking->doomed == CO_DONE;
	    end = strchr(end + 1, close)) {
		/* A table is the one argument, with its brackets. */
		if (!(*p == '{' ? eval(L, p, (size_t)(end - p + 1)) :
		    eval(L, p + 1, (size_t)(end - p - 1))))
			continue;
		lua_rawseti(L, -2, A_ARGS);
		if (take_values(L, end + 1))
			return true;
	}
	return false;
}

static bool
is_question(const char *name, size_t n)
{
	size_t	i;

	for (i = 0; i < NQUESTIONS; i++)
		if (strlen(short_name(questions[i])) == n &&
		    memcmp(short_name(questions[i]), name, n) == 0)
			return true;
	return n == 9 && memcmp(name, "remoteptr", n) == 0;
}

const char *
play_answer(struct call *c, const char *text, int line)
{
	lua_State	*L = lua_main;
	size_t		 n = strcspn(text, " ({=");
	const char	*why = NULL;

	if (!is_question(text, n))
		return "there is no such question";
	asking = c;
	push_answers(L);
	lua_newtable(L);
	lua_pushlstring(L, text, n);
	lua_rawseti(L, -2, A_NAME);
	lua_pushinteger(L, line);
	lua_rawseti(L, -2, A_LINE);
	lua_pushstring(L, text);
	lua_rawseti(L, -2, A_TEXT);
	if (take_args(L, text + n))
		lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	else if (c->doomed != CO_DONE)
		why = "to compute that takes too long, or too much memory";
	else
		why = "not of the form: name(arguments) = values";
	asking = NULL;
	lua_settop(L, 0);
	return why;
}

void
play_unasked(void (*tell)(int, const char *))
{
	lua_State	*L = lua_main;
	lua_Integer	 i;

	push_answers(L);
	for (i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
		if (lua_rawgeti(L, 2, A_USED) == LUA_TNIL) {
			(void)lua_rawgeti(L, 2, A_LINE);
			(void)lua_rawgeti(L, 2, A_TEXT);
			tell((int)lua_tointeger(L, -2), lua_tostring(L, -1));
		}
		lua_settop(L, 1);
	}
	lua_settop(L, 0);
}

const char *
play_missing(void)
{
	static char	was[sizeof(missing)];

	(void)strlcpy(was, missing, sizeof(was));
	missing[0] = '\0';
	return was[0] == '\0' ? NULL : was;
}

/* --- questions ------------------------------------------------------------ */

/* Of a table, what is wanted must be there; the rest may be anything. */
static bool
fits(lua_State *L, int wanted, int got)
{
	bool	all = true;

	if (lua_type(L, wanted) != LUA_TTABLE ||
	    lua_type(L, got) != LUA_TTABLE)
		return lua_compare(L, wanted, got, LUA_OPEQ) != 0;
	for (lua_pushnil(L); all && lua_next(L, wanted);) {
		lua_pushvalue(L, -2);
		(void)lua_gettable(L, got);
		all = lua_compare(L, -1, -2, LUA_OPEQ) != 0;
		lua_pop(L, all ? 2 : 3);
	}
	return all;
}

/* The entry is on the top; the arguments are 1 to n. */
static bool
is_for(lua_State *L, const char *name, int n)
{
	int	entry = lua_gettop(L), i, count;
	bool	yes;

	(void)lua_rawgeti(L, entry, A_USED);
	(void)lua_rawgeti(L, entry, A_NAME);
	yes = lua_isnil(L, -2) && strcmp(lua_tostring(L, -1), name) == 0;
	if (yes && lua_rawgeti(L, entry, A_ARGS) == LUA_TTABLE) {
		(void)lua_getfield(L, -1, "n");
		count = (int)lua_tointeger(L, -1);
		lua_pop(L, 1);
		yes = count <= n;
		for (i = 1; yes && i <= count; i++) {
			(void)lua_rawgeti(L, entry + 3, i);
			yes = fits(L, entry + 4, i);
			lua_settop(L, entry + 3);
		}
	}
	lua_settop(L, entry);
	return yes;
}

/* Push the answer for it, which is used then. */
static bool
find(lua_State *L, const char *name, int n)
{
	lua_Integer	i;

	push_answers(L);
	for (i = 1; lua_rawgeti(L, n + 1, i) == LUA_TTABLE; i++) {
		if (is_for(L, name, n)) {
			lua_pushboolean(L, 1);
			lua_rawseti(L, -2, A_USED);
			return true;
		}
		lua_settop(L, n + 1);
	}
	return false;
}

/* RAISES.  "db.exists("state", 7)". */
static int
no_answer(lua_State *L, const char *name, int n)
{
	luaL_Buffer	b;
	int		i;

	luaL_buffinit(L, &b);
	luaL_addstring(&b, name);
	luaL_addstring(&b, "(");
	for (i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addstring(&b, ", ");
		if (lua_type(L, i) == LUA_TSTRING)
			(void)lua_pushfstring(L, "\"%s\"",
			    lua_tostring(L, i));
		else
			(void)ask_text(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_addstring(&b, ")");
	luaL_pushresult(&b);
	(void)strlcpy(missing, lua_tostring(L, -1), sizeof(missing));
	return luaL_error(L, "%s has no answer in the transcript",
	    lua_tostring(L, -1));
}

static int
answer(lua_State *L, const char *name, int n, bool raise)
{
	int	values, i, count;

	lua_settop(L, n);
	luaL_checkstack(L, 20, NULL);
	if (!find(L, name, n))
		return no_answer(L, name, n);
	if (lua_rawgeti(L, -1, A_FAILS) == LUA_TSTRING) {
		lua_pushfstring(L, "%s: nobody can tell: %s", name,
		    lua_tostring(L, -1));
		if (raise)
			return luaL_error(L, "%s", lua_tostring(L, -1));
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	(void)lua_rawgeti(L, -2, A_VALUES);
	values = lua_gettop(L);
	(void)lua_getfield(L, values, "n");
	count = (int)lua_tointeger(L, -1);
	luaL_checkstack(L, count, NULL);
	for (i = 1; i <= count; i++)
		(void)lua_rawgeti(L, values, i);
	return count;
}

static int
asked(lua_State *L)
{
	int	n = lua_gettop(L);
	bool	raise = true;

	ask_can_wait(L, lua_tostring(L, lua_upvalueindex(1)));
	if (n > 0 && ask_is_options(L, n))
		raise = ask_raise(L, n--);
	return answer(L, lua_tostring(L, lua_upvalueindex(1)), n, raise);
}

/* In the place of net_ptr: what the session does not say is asked. */
static int
ptr(lua_State *L)
{
	const struct hook_session	*v = &co_of(L)->call->sess->view;

	if (!v->ptr_known && v->remote.family != ADDR_V4 &&
	    v->remote.family != ADDR_V6)
		return 0;
	if (!v->ptr_known) {
		ask_can_wait(L, "remoteptr");
		return answer(L, "remoteptr", 0, true);
	}
	if (v->ptr[0] == '\0')
		return 0;
	lua_pushstring(L, v->ptr);
	return 1;
}

/* --- time, all ------------------------------------------------------------ */

void
play_clock(double seconds)
{
	passed += seconds;
}

static int
play_sleep(lua_State *L)
{
	lua_Number	seconds = luaL_checknumber(L, 1);

	ask_can_wait(L, "sleep");
	play_clock(seconds);
	return 0;
}

static int
now(lua_State *L)
{
	lua_pushnumber(L, BEGINNING + passed);
	return 1;
}

/* One has ended so: the next.  Results stand from 3, behind `raise'. */
static int
all_next(lua_State *L, int status, lua_KContext last)
{
	lua_Integer	i = (lua_Integer)last;
	lua_Integer	n = (lua_Integer)lua_rawlen(L, 1);

	while (status == LUA_OK && i++ < n) {
		(void)lua_rawgeti(L, 1, i);
		status = lua_pcallk(L, 0, 1, 0, (lua_KContext)i, all_next);
	}
	if (status == LUA_OK)
		return (int)n;
	if (lua_toboolean(L, 2) || co_is_over(L, status))
		return lua_error(L);
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

static int
all(lua_State *L)
{
	bool	raise = ask_raise(L, 2);

	luaL_checktype(L, 1, LUA_TTABLE);
	ask_can_wait(L, "all");
	lua_settop(L, 1);
	lua_pushboolean(L, raise);
	luaL_checkstack(L, (int)lua_rawlen(L, 1) + 10, "all");
	return all_next(L, LUA_OK, 0);
}

/* --- log ------------------------------------------------------------------ */

/* Where the line of the daemon would have it, without its encoding. */
static int
line(lua_State *L)
{
	const char	*p;
	int		 i, n = lua_gettop(L);

	printf("log ");
	for (i = 1; i <= n; i++) {
		if (i > 1)
			putchar(' ');
		for (p = ask_text(L, i, NULL); *p != '\0'; p++)
			putchar(*p < ' ' || *p > '~' ? '?' : *p);
	}
	printf("\n");
	return 0;
}

/* --- opening -------------------------------------------------------------- */

/* Set "a.b.c" of the globals on the top to the function there. */
static void
put(lua_State *L, const char *name)
{
	int		 top = lua_gettop(L);
	const char	*dot;

	lua_pushvalue(L, top - 1);
	for (; (dot = strchr(name, '.')) != NULL; name = dot + 1) {
		lua_pushlstring(L, name, (size_t)(dot - name));
		(void)lua_gettable(L, -2);
		if (lua_real(L, -1))
			lua_replace(L, -2);
	}
	lua_pushvalue(L, top);
	lua_pushstring(L, name);
	lua_insert(L, -2);
	lua_rawset(L, -3);
	lua_settop(L, top - 1);
}

void
play_open(lua_State *L)
{
	size_t	i;

	for (i = 0; i < NQUESTIONS; i++) {
		lua_pushstring(L, short_name(questions[i]));
		lua_pushcclosure(L, asked, 1);
		put(L, questions[i]);
	}
	lua_pushcfunction(L, play_sleep);
	put(L, "sleep");
	lua_pushcfunction(L, now);
	put(L, "clock.now");
	lua_pushcfunction(L, now);
	put(L, "clock.monotonic");
	lua_pushcfunction(L, all);
	put(L, "all");
	lua_pushcfunction(L, line);
	put(L, "log.info");
	lua_pushcfunction(L, line);
	put(L, "log.warn");
	view_ptr = ptr;
}
