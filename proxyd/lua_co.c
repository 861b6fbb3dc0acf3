/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Coroutines: a pool of them, and the only place that resumes one.
 *
 * Time that a call computes is measured by one timer of the whole process,
 * which ticks while it computes and not while it waits; its signal counts a
 * tick for the call that runs, and when there are more than script-limits.cpu
 * allows sets a hook, which raises an error before each further instruction.
 * That is why nothing catches it: what a pcall would go on with is raised in
 * again.  Hooks are off within a hook, and stay so after an error out of it,
 * so a coroutine that has had one set is never used again.
 *
 * A single instruction can take long where no hook looks: a table whose keys
 * were made to lie in one place is put into a larger one in half a minute.
 * Nothing can stop that and go on.  When a step has had several times what
 * is allowed the handler ends the process, and with it what is kept of its
 * sessions, so that other workers' sessions and new ones need not wait.
 *
 * A script ends by a yield that nobody resumes: no pcall sees it.  Where it
 * cannot yield, in a function that sort or gsub calls, an error is raised
 * instead, and our own pcall raises it again.
 *
 * Rejected: a hook all the time (scripts run half as fast), a timer for each
 * call (two system calls each).
 */

#include <sys/time.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "script.h"

#define TICK		5		/* ms of CPU */
#define HANG		500		/* ms, beside four times the limit */
#define POOL_MAX	256

static LIST_HEAD(, co)		 pool = LIST_HEAD_INITIALIZER(pool);
static size_t			 pooled;
static struct co *volatile	 running;
static volatile uint32_t	 ticks_max;
static volatile uint32_t	 step_ticks;	/* of the step that runs */

struct co *
co_of(lua_State *L)
{
	return *(struct co **)lua_getextraspace(L);
}

/* --- the timer ------------------------------------------------------------ */

/* Where in which script, and what is wrong there. */
static void
blame(struct call *c, lua_State *L, const char *what)
{
	lua_Debug	ar;
	int		level;

	for (level = 0; lua_getstack(L, level, &ar); level++)
		if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0) {
			(void)snprintf(c->error, sizeof(c->error),
			    "%s:%d: %s", ar.short_src, ar.currentline, what);
			return;
		}
	(void)strlcpy(c->error, what, sizeof(c->error));
}

static const char *
limit_name(const struct call *c, enum co_end end)
{
	if (end != CO_NOMEM)
		return "over script-limits.cpu";
	return c->sess->owner->over ? "over script-limits.memory" :
	    "no memory is left for scripts";
}

/* The hook: before the next instruction, and the next. */
static void
enough(lua_State *L, lua_Debug *ar)
{
	struct call	*c = co_of(L)->call;

	(void)ar;
	if (c->doomed == CO_DONE && !c->decided) {
		c->doomed = CO_CPU;
		blame(c, L, limit_name(c, CO_CPU));
	}
	lua_pushnil(L);
	(void)lua_error(L);
}

static void
stop_here(struct co *co)
{
	co->spoiled = true;
	lua_sethook(co->L, enough, LUA_MASKCOUNT, 1);
}

/*
 * It has not come to an instruction for so long that it may never do.  In a
 * handler: nothing that could lock or allocate.  The parent reads the line.
 */
static void
hangs(const struct call *c)
{
	char	line[512];
	ssize_t	ignored;

	(void)strlcpy(line, "script ", sizeof(line));
	if (c->script != NULL)
		(void)strlcat(line, c->script->obj.name, sizeof(line) - 32);
	(void)strlcat(line, " hangs: nothing else stops it\n", sizeof(line));
	ignored = write(STDERR_FILENO, line, strlen(line));
	(void)ignored;
	_exit(1);
}

/* SIGPROF.  lua_sethook may be called from here. */
static void
on_tick(int sig)
{
	struct co	*co = running;

	(void)sig;
	if (co == NULL)
		return;
	if (++co->call->ticks > ticks_max)
		stop_here(co);
	/* To look for garbage takes its time, but ends. */
	if (!lua_is_refused() && ++step_ticks > 4 * ticks_max + HANG / TICK)
		hangs(co->call);
}

bool
co_late(void)
{
	return running != NULL && running->call->ticks > ticks_max;
}

void
co_limit(int64_t cpu)
{
	ticks_max = (uint32_t)((cpu + TICK - 1) / TICK);
}

void
co_start(void)
{
	struct sigaction	sa = { .sa_handler = on_tick,
				    .sa_flags = SA_RESTART };
	struct itimerval	it = {
		.it_interval = { .tv_usec = TICK * 1000 },
		.it_value = { .tv_usec = TICK * 1000 }
	};

	if (sigaction(SIGPROF, &sa, NULL) == -1 ||
	    setitimer(ITIMER_PROF, &it, NULL) == -1)
		fatal("setitimer");
}

/* --- the pool ------------------------------------------------------------- */

static int
new_thread(lua_State *L)
{
	struct co	*co = lua_touserdata(L, 1);

	co->L = lua_newthread(L);
	*(struct co **)lua_getextraspace(co->L) = co;
	co->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static struct co *
co_new(void)
{
	struct co	*co;

	if ((co = calloc(1, sizeof(*co))) == NULL)
		return NULL;
	lua_pushcfunction(lua_main, new_thread);
	lua_pushlightuserdata(lua_main, co);
	if (lua_pcall(lua_main, 1, 0, 0) == LUA_OK)
		return co;
	lua_pop(lua_main, 1);
	free(co);
	return NULL;
}

struct co *
co_get(struct call *c)
{
	struct owner	*before;
	struct co	*co;

	if ((co = LIST_FIRST(&pool)) != NULL) {
		LIST_REMOVE(co, entry);
		pooled--;
	} else {
		before = lua_owner(c->sess->owner);
		co = co_new();
		(void)lua_owner(before);
		if (co == NULL)
			return NULL;
	}
	co->call = c;
	LIST_INSERT_HEAD(&c->cos, co, entry);
	return co;
}

/*
 * Variables that are to be closed could have functions of a script called:
 * those end at their first instruction.
 */
static void
reset(struct co *co)
{
	struct call	*c = co->call;
	enum co_end	 doomed = c->doomed;

	c->doomed = CO_ERROR;
	lua_sethook(co->L, enough, LUA_MASKCOUNT, 1);
	(void)lua_resetthread(co->L);
	lua_sethook(co->L, NULL, 0, 0);
	c->doomed = doomed;
}

/*
 * Not to be used again.  The buffers of C functions that an error out of a
 * hook left in it are freed by finalizers, which run only when garbage is
 * collected before memory is short: so now, if they may be many.
 */
static void
drop(struct co *co, const struct owner *o)
{
	luaL_unref(lua_main, LUA_REGISTRYINDEX, co->ref);
	if (co->spoiled && o->used > o->max / 2)
		(void)lua_gc(lua_main, LUA_GCCOLLECT);
	free(co);
}

void
co_put(struct co *co)
{
	const struct owner	*o = co->call->sess->owner;

	LIST_REMOVE(co, entry);
	if (!co->spoiled && (co->dead || lua_status(co->L) != LUA_OK))
		reset(co);
	if (co->op != NULL)
		op_cancel(co->op);
	co->op = NULL;
	co->call = NULL;
	co->parent = NULL;
	co->index = co->waits = 0;
	co->pcalls = 0;
	co->fresh = co->failed = co->dead = false;
	if (co->spoiled || co->large || pooled >= POOL_MAX) {
		drop(co, o);
		return;
	}
	lua_settop(co->L, 0);
	LIST_INSERT_HEAD(&pool, co, entry);
	pooled++;
}

/* --- running -------------------------------------------------------------- */

int
co_end(lua_State *L)
{
	struct co	*co = co_of(L);

	if (co->call->doomed == CO_CPU || co->call->doomed == CO_NOMEM)
		blame(co->call, L, limit_name(co->call,
		    co->call->doomed));
	if (lua_isyieldable(L))
		return lua_yield(L, 0);
	/* What could still run on the way out does not. */
	stop_here(co);
	lua_pushnil(L);
	return lua_error(L);
}

bool
co_is_over(lua_State *L, int status)
{
	struct call	*c = co_of(L)->call;

	if (status == LUA_ERRMEM && c->doomed == CO_DONE && !c->decided) {
		c->doomed = c->ticks > ticks_max ? CO_CPU : CO_NOMEM;
		blame(c, L, limit_name(c, c->doomed));
	}
	return c->doomed != CO_DONE || c->decided;
}

/* The value of an error, which is on the top, as a text. */
static void
take_error(struct co *co)
{
	struct call	*c = co->call;
	const char	*p;

	if (lua_gettop(co->L) > 0 && lua_type(co->L, -1) == LUA_TSTRING) {
		p = lua_tostring(co->L, -1);
		(void)strlcpy(c->error, p, sizeof(c->error));
	} else {
		blame(c, co->L, "an error that is not a string");
	}
}

static enum co_end
outcome(struct co *co, int status)
{
	struct call	*c = co->call;

	if (status != LUA_OK && status != LUA_YIELD) {
		co->dead = true;
		co->large = co->large || status == LUA_ERRMEM;
		if (!co_is_over(co->L, status)) {
			take_error(co);
			return CO_ERROR;
		}
	}
	if (c->doomed != CO_DONE)
		return c->doomed;
	if (c->decided)
		return CO_VERDICT;
	return status == LUA_OK ? CO_DONE : CO_WAIT;
}

static uint64_t
now(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

enum co_end
co_step(struct co *co, int nargs)
{
	struct call	*c = co->call;
	struct co	*outer = running;
	struct owner	*before;
	uint64_t	 began;
	int		 status, n;

	if (c->doomed != CO_DONE)
		return c->doomed;
	if (c->decided)
		return CO_VERDICT;
	began = now();
	if (c->first == 0)
		c->first = began;
	before = lua_owner(c->sess->owner);
	if (outer == NULL)
		step_ticks = 0;
	running = co;
	match_budget_reset();
	status = lua_resume(co->L, outer == NULL ? NULL : outer->L, nargs, &n);
	running = outer;
	(void)lua_owner(before);
	c->last = now();
	if (outer == NULL)
		c->nsec += c->last - began;
	return outcome(co, status);
}

static int
fell_off(lua_State *L, int status, lua_KContext ctx)
{
	(void)L;
	(void)status;
	(void)ctx;
	return 0;
}

/* In the coroutine already, where an error is caught. */
static int
begin(lua_State *L)
{
	lua_push_script(L, co_of(L)->call);
	lua_callk(L, 0, 0, 0, fell_off);
	return 0;
}

void
co_begin(struct co *co)
{
	lua_pushcfunction(co->L, begin);
}

/* --- for the log ---------------------------------------------------------- */

static int
traceback(lua_State *L)
{
	struct co	*co = lua_touserdata(L, 1);

	luaL_traceback(L, co->L, NULL, 0);
	return 1;
}

/* The lines of luaL_traceback, but for their head, as one. */
void
co_traceback(struct co *co, char *text, size_t size)
{
	const char	*p;
	size_t		 n = 0;

	text[0] = '\0';
	lua_pushcfunction(lua_main, traceback);
	lua_pushlightuserdata(lua_main, co);
	if (lua_pcall(lua_main, 1, 1, 0) == LUA_OK &&
	    (p = lua_tostring(lua_main, -1)) != NULL &&
	    (p = strchr(p, '\t')) != NULL)
		for (p++; *p != '\0' && n + 1 < size; p++) {
			if (*p == '\t')
				continue;
			text[n++] = *p == '\n' ? '|' : *p;
		}
	text[n < size ? n : size - 1] = '\0';
	lua_pop(lua_main, 1);
}
