/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The one state of Lua: its memory, and what it begins with.
 *
 * Each block has an owner written before it, and the owner pays for it: a
 * session what its scripts make, `everybody' what is compiled and set up.  An
 * owner over its limit is refused memory; Lua collects garbage then and asks
 * again, and when that is refused too the call ends.  What is freed is given
 * back to whom it was taken from, whoever has it freed: collecting garbage is
 * nobody's.
 *
 * A block that grows goes over to who has it grow, since stacks of pooled
 * coroutines outlive those who first paid for them.  But blocks of everybody
 * stay everybody's: the registry and the table of strings grow by all.
 *
 * All sessions together may have as much as can be walked over in a moment,
 * since whoever is refused memory has all garbage looked for.  Beyond that
 * those are refused more who have more than their share.
 *
 * Lua collects garbage while scripts allocate.  What sessions leave behind
 * when nobody runs a script any more is collected step by step in between.
 *
 * Rejected: a state for each session (20 us and 14 KB to begin with), a limit
 * for all together (one session could take the memory of all others).
 */

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "log.h"
#include "script.h"
#include "timer.h"

#define TOTAL_MAX	((size_t)1 << 30)
#define SHARE		65536	/* octets that a session has all the same */
#define LARGE		4096
#define LEFT_MIN	((size_t)8 << 20)
#define PASS		10	/* ms between steps */
#define STEPS		32	/* of Lua's own size, in one */

/* Lua wants eight octets' alignment of its blocks, and no more. */
struct head {
	struct owner	*owner;
};

static struct owner	 everybody;
static struct owner	*payer = &everybody;
static size_t		 total;
static volatile bool	 refused;	/* all garbage is looked for */
/* What is left of sessions that are over. */
static size_t		 left;
static size_t		 left_for_good;	/* that no collection finds */
static int		 passes;	/* collections that are to come */
static struct timer	 sweeper;

lua_State		*lua_main;
void			(*lua_open_more)(lua_State *);

/* --- memory --------------------------------------------------------------- */

struct owner *
lua_owner(struct owner *o)
{
	struct owner	*before = payer;

	payer = o == NULL ? &everybody : o;
	return before;
}

struct owner *
owner_new(size_t max)
{
	struct owner	*o;

	if ((o = calloc(1, sizeof(*o))) != NULL)
		o->max = max;
	return o;
}

size_t
lua_memory_used(void)
{
	return total;
}

static void
owner_free_last(struct owner *o)
{
	if (o->gone && o->used == 0)
		free(o);
}

/* --- what is left behind -------------------------------------------------- */

static void	on_sweep(void *);

/* To the system, where malloc would keep it. */
static void
give_up(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

/*
 * Is it worth a walk over everything?  What no walk has found, as stacks of
 * pooled coroutines, does not count.  Where a script is played there is no
 * loop that would come back to it.
 */
static void
sweep_if_due(void)
{
	if (lua_open_more != NULL || passes > 0 || left < total / 4 ||
	    left < LEFT_MIN + 2 * left_for_good)
		return;
	/* One may be under way, which takes what died since for alive. */
	passes = 2;
	timer_init(&sweeper, on_sweep, NULL);
	timer_set(&sweeper, PASS);
}

static void
on_sweep(void *arg)
{
	int	i;

	(void)arg;
	for (i = 0; i < STEPS && passes > 0; i++)
		if (lua_gc(lua_main, LUA_GCSTEP, 0))
			passes--;
	if (passes > 0) {
		timer_set(&sweeper, PASS);
		return;
	}
	left_for_good = left;
	give_up();
}

void
owner_gone(struct owner *o)
{
	o->gone = true;
	left += o->used;
	owner_free_last(o);
	sweep_if_due();
}

/* --- the allocator -------------------------------------------------------- */

bool
lua_is_refused(void)
{
	return refused;
}

static bool
fits(const struct owner *o, size_t more)
{
	return o->max == 0 || (more <= o->max && o->used <= o->max - more);
}

void
lua_room(lua_State *L, size_t n)
{
	if (!fits(payer, n))
		(void)lua_gc(L, LUA_GCCOLLECT);
}

/*
 * A finalizer is called: it frees a buffer that an error left, and does so
 * once or never; lua_gc does nothing for it, and says -1.  To be called it
 * may take some memory, whoever it runs by; scripts have none of their own.
 */
static bool
is_finalizing(void)
{
	return lua_main != NULL && lua_gc(lua_main, LUA_GCISRUNNING) == -1;
}

/*
 * May that owner have so much more?  Nor when the processor's time is over:
 * what goes on for long inside of Lua, where there are no hooks, wants more
 * memory at some time (a chain of __call does), and always a large block.
 */
static bool
may_take(struct owner *o, size_t more)
{
	if (o->max == 0 || is_finalizing())
		return true;
	o->over = !fits(o, more);
	if (o->over ||
	    (total + more > TOTAL_MAX && o->used + more > SHARE))
		return false;
	return more <= LARGE || !co_late();
}

static void *
take(size_t n)
{
	struct head	*h = NULL;

	refused = !may_take(payer, n) ||
	    (h = malloc(sizeof(*h) + n)) == NULL;
	if (refused)
		return NULL;
	h->owner = payer;
	payer->used += n;
	total += n;
	return h + 1;
}

static void
pay_back(struct owner *o, size_t n)
{
	o->used -= n;
	if (o->gone)
		left -= n;
}

static void
give_back(struct head *h, size_t n)
{
	struct owner	*o = h->owner;

	free(h);
	pay_back(o, n);
	total -= n;
	owner_free_last(o);
}

/* Lua relies on it that a block can become smaller. */
static void *
shrink(struct head *h, size_t from, size_t to)
{
	struct head	*less = realloc(h, sizeof(*h) + to);

	if (less == NULL)
		less = h;
	pay_back(less->owner, from - to);
	total -= from - to;
	return less + 1;
}

static void *
grow(struct head *h, size_t from, size_t to)
{
	struct owner	*was = h->owner, *now = was;

	if (was != &everybody && payer != &everybody)
		now = payer;
	refused = !may_take(now, now == was ? to - from : to) ||
	    (h = realloc(h, sizeof(*h) + to)) == NULL;
	if (refused)
		return NULL;
	h->owner = now;
	now->used += to;
	pay_back(was, from);
	total += to - from;
	owner_free_last(was);
	return h + 1;
}

/* lua_Alloc: of a new block, from is not a size. */
static void *
memory(void *arg, void *p, size_t from, size_t to)
{
	struct head	*h;

	(void)arg;
	if (p == NULL)
		return to == 0 ? NULL : take(to);
	h = (struct head *)p - 1;
	if (to == 0) {
		give_back(h, from);
		return NULL;
	}
	return to > from ? grow(h, from, to) : shrink(h, from, to);
}

/* --- start ---------------------------------------------------------------- */

/* Nobody catches it: a mistake of ours. */
static int
panic(lua_State *L)
{
	const char	*why = lua_tostring(L, -1);

	fatalx("Lua: %s", why == NULL ? "panic" : why);
}

/* A library as it is, into the globals on the top. */
static void
open_stock(lua_State *L, const char *name, lua_CFunction fn)
{
	lua_pushcfunction(L, fn);
	lua_call(L, 0, 1);
	lua_setfield(L, -2, name);
}

/*
 * Random numbers are one sequence for all sessions: none may begin it anew.
 * What is left of math is arithmetic.  utf8 is linear in what it is given.
 */
static void
open_stock_all(lua_State *L)
{
	open_stock(L, "math", luaopen_math);
	lua_getfield(L, -1, "math");
	lua_pushnil(L);
	lua_setfield(L, -2, "randomseed");
	lua_pop(L, 1);
	open_stock(L, "utf8", luaopen_utf8);
}

/* Methods of strings lead to the library, and nobody may change the way. */
static void
protect_strings(lua_State *L)
{
	lua_pushliteral(L, "");
	if (lua_getmetatable(L, -1)) {
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static int
setup(lua_State *L)
{
	lua_newtable(L);
	lua_open_base(L);
	open_stock_all(L);
	lua_open_string(L);
	lua_open_table(L);
	lua_open_re(L);
	lua_open_view(L);
	lua_open_verdict(L);
	lua_open_ask(L);
	lua_open_db(L);
	lua_open_net(L);
	lua_open_shared(L);
	lua_open_log(L);
	if (lua_open_more != NULL)
		lua_open_more(L);
	protect_strings(L);
	lua_env_start(L);
	return 0;
}

void
lua_start(void)
{
	if ((lua_main = lua_newstate(memory, NULL)) == NULL)
		fatal("Lua");
	(void)lua_atpanic(lua_main, panic);
	*(void **)lua_getextraspace(lua_main) = NULL;
	lua_pushcfunction(lua_main, lua_freeze_start);
	lua_call(lua_main, 0, 0);
	lua_pushcfunction(lua_main, setup);
	lua_call(lua_main, 0, 0);
}
