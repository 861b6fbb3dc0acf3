/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lua in proxyd: what lua_*.c share.  Nobody else includes <lua.h>.
 *
 *	lua_state.c	the one state: allocator, libraries
 *	lua_garbage.c	when garbage is collected
 *	lua_env.c	read-only tables, frozen globals, what is kept of a
 *			session
 *	lua_script.c	scripts, compiled once
 *	lua_co.c	coroutines: a pool, co_step (the only lua_resume), the
 *			timer that ends what runs too long
 *	lua_base.c	assert ... type, pcall that cannot catch an end,
 *			setmetatable and rawset that refuse, require
 *	lua_match.c	patterns, in bounded time (no Lua in it)
 *	lua_string.c	string, with those
 *	lua_table.c	table, raw and bounded
 *	lua_re.c	re.match, on ere.c
 *	lua_view.c	arguments, connection, transaction: read-only tables
 *	lua_verdict.c	proxy.Pass, proxy.Reply, accept, reject, defer
 *	lua_option.c	their options
 *	lua_ask.c	op_ask, {raise=false}, sleep, all
 *	lua_db.c	db.*
 *	lua_net.c	msys.beta.rcptto_proxy, remoteptr
 *	lua_dns.c	dns.*
 *	lua_shared.c	list, cidr, rate, store
 *	lua_log.c	log, clock
 *
 * A C function that can raise an error, and so never return to who called
 * it, holds nothing that must be freed: memory of the C heap is taken and
 * given back around no such call.  Temporaries are userdata or lie on Lua's
 * stack.  Such functions are marked with the word RAISES in their comment.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "proxyd.h"

/* --- coroutines: lua_co.c ------------------------------------------------ */

/* One of a call.  The state's extra space leads to it: co_of(). */
struct co {
	LIST_ENTRY(co)	 entry;		/* of call->cos, or of the pool */
	lua_State	*L;
	int		 ref;		/* that keeps L alive */
	struct call	*call;
	struct op	*op;		/* what it waits for */
	struct co	*parent;	/* of all{}: who waits for it */
	int		 index;		/* which of those, from 1 */
	int		 waits;		/* of a parent: how many are left */
	bool		 fresh;		/* of all{}: it has not begun */
	bool		 failed;	/* of a parent: one had an error, which
					   lies on its stack */
	bool		 dead;		/* it ended by an error */
	unsigned int	 pcalls;	/* that it is in */
	bool		 spoiled;	/* by a hook: it is not used again */
	bool		 large;		/* nor is this: it took much memory */
};

/* From the pool or new; NULL without memory.  It belongs to the call. */
struct co	*co_get(struct call *);
/* Back to the pool, or to the end; its op is cancelled. */
void		 co_put(struct co *);
/*
 * Go on with nargs values on its stack, for as long as it will: the only
 * place where scripts run.  The call's owner pays.
 */
enum co_end	 co_step(struct co *, int nargs);
/* Put on its stack what begins the script of its call: then co_go(co, 0). */
void		 co_begin(struct co *);
struct co	*co_of(lua_State *);
/*
 * RAISES.  The call is over, whoever would catch that: `return co_end(L)'.
 * verdict: call->verdict is set; else a limit is passed (call->doomed).
 */
int		 co_end(lua_State *);
/*
 * For what catches errors, with the status of one: must it be raised again?
 * Memory that is over ends the call here.
 */
bool		 co_is_over(lua_State *, int status);
/* Is the processor's time over for who runs? */
bool		 co_late(void);
/* Where it stands, on one line. */
void		 co_traceback(struct co *, char *, size_t);
/* Before the jail: the timer.  co_limit: CPU of a call, ms. */
void		 co_start(void);
void		 co_limit(int64_t cpu);

/* --- the state: lua_state.c ---------------------------------------------- */

extern lua_State	*lua_main;

/* Before the jail; fatal without memory. */
void		 lua_start(void);
/* Opened behind all libraries, where a script is played (play.h); or NULL. */
extern void	(*lua_open_more)(lua_State *);
/* Who pays from here on; returns who did. */
struct owner	*lua_owner(struct owner *);
struct owner	*owner_new(size_t max);
/*
 * A buffer of about so many octets is about to be taken: see that garbage is
 * not in its way.  For values Lua does so itself, for luaL_Buffer not.
 */
void		 lua_room(lua_State *, size_t n);
/* Octets, of all owners. */
size_t		 lua_memory_used(void);
/* Has Lua been refused memory, and looks for garbage now?  For a handler. */
bool		 lua_is_refused(void);
/* Its session is over; it is freed with its last block. */
void		 owner_gone(struct owner *);

/* --- garbage: lua_garbage.c ---------------------------------------------- */

void		 garbage_start(void);
/* That owner has been given n octets. */
void		 garbage_made(struct owner *, size_t n);
/* Is there something to do at the end of this turn?  Do a slice of it. */
bool		 garbage_waits(void);
void		 garbage_turn(void);

/* --- scripts: lua_script.c ----------------------------------------------- */

/*
 * Compile the scripts of a generation: those that are not there yet.  All
 * errors of all are told (note: "script.greylist", "3: ..."); -1 if any.
 */
int		 lua_scripts_prepare(struct config *,
		    void (*note)(const char *key, const char *why));
void		 lua_scripts_release(struct config *);
/* RAISES.  What makes a function of it, given an environment. */
void		 lua_push_compiled(lua_State *, const struct conf_script *);
/* What is counted of it; of all. */
struct script_stats *script_stats(const struct conf_script *);
void		 script_stats_each(void (*)(const char *name,
		    const struct script_stats *, void *), void *);

/* --- environments: lua_env.c --------------------------------------------- */

/*
 * RAISES.  On the stack of the coroutine: the script's function, with the
 * session's environment of its own (globals that a script assigns last for
 * one call; `context' for the session).
 */
void		 lua_push_script(lua_State *, struct call *);
/* After the call: keep `context', drop other globals. */
void		 lua_call_over(struct call *);
/* The session is over. */
void		 lua_sess_over(struct sess *);

/*
 * Set up by lua_start, in this order, each into the table of globals on the
 * top of the stack; all that is there is frozen afterwards.
 */
void		 lua_open_base(lua_State *);
void		 lua_open_string(lua_State *);
void		 lua_open_table(lua_State *);
void		 lua_open_re(lua_State *);
void		 lua_open_view(lua_State *);
void		 lua_open_verdict(lua_State *);
void		 lua_open_ask(lua_State *);
void		 lua_open_db(lua_State *);
void		 lua_open_net(lua_State *);
void		 lua_open_shared(lua_State *);
void		 lua_open_log(lua_State *);

/* RAISES.  Put a read-only table in the place of the one on the top. */
void		 lua_freeze(lua_State *);
/* Is that a read-only table, or one of globals? */
bool		 lua_is_frozen(lua_State *, int index);
/* Push the table behind a read-only one, for reading; false: it is none. */
bool		 lua_real(lua_State *, int index);
/*
 * RAISES.  A module for require(): the table on the top, by that name; popped.
 */
void		 lua_module(lua_State *, const char *name);
/* Push it; its type, or LUA_TNIL. */
int		 lua_module_find(lua_State *, const char *name);
/* RAISES.  For lua_start: before the libraries, and behind them. */
int		 lua_freeze_start(lua_State *);
void		 lua_env_start(lua_State *);

/* --- what a call shows its script: lua_view.c ---------------------------- */

/*
 * RAISES.  Push arguments, connection, transaction of the call: built when
 * they are first read, and again when they have changed.
 */
void		 view_push(lua_State *, struct call *, const char *name);
/* RAISES.  Looks for the client's name: net_ptr, but where that is played. */
extern int	(*view_ptr)(lua_State *);

/* --- questions: lua_ask.c ------------------------------------------------ */

/*
 * RAISES.  Ask that process (NULL: nobody there) and wait: `return
 * op_ask(...)'.  body is taken.  timeout in ms; it is cut to what is left of
 * script-limits.time.
 */
int		 op_ask(lua_State *, const char *what, struct peer *,
		    uint16_t type, struct wbuf *body, int64_t timeout,
		    bool raise, int (*done)(lua_State *, struct op *,
		    struct msg *));
/* RAISES.  What done says where m is NULL: `return op_nobody(L, op)'. */
int		 op_nobody(lua_State *, const struct op *);
/* RAISES.  The options {raise=false} at that place of the stack, if any. */
bool		 ask_raise(lua_State *, int index);
/* Is that table such options, and nothing else? */
bool		 ask_is_options(lua_State *, int index);
/* RAISES.  The string there, of at most max octets, without NUL. */
const char	*ask_string(lua_State *, int index, size_t max, size_t *len);
/* RAISES.  Seconds, fractions too, of 0 to max: in ms, 1 at least if not 0. */
int64_t		 ask_seconds(lua_State *, int index, double max);
/* RAISES.  Body of a question that may raise before it is sent. */
struct wbuf	*ask_body(lua_State *);
/* RAISES.  Push the value as tostring() has it: without an address. */
const char	*ask_text(lua_State *, int index, size_t *len);
/* RAISES.  Unless it may wait there; what asks. */
void		 ask_can_wait(lua_State *, const char *what);
/* NULL: it is not there. */
struct peer	*ask_verifyd(void);

/* --- lua_net.c ----------------------------------------------------------- */

/*
 * RAISES.  The name of the session's client, looked up when it is first asked
 * for; nil: it has none, or nobody can tell: `return net_ptr(L)'.
 */
int		 net_ptr(lua_State *);
/* RAISES.  The table dns, into the table on the top: lua_dns.c. */
void		 net_open_dns(lua_State *);

/* --- patterns: lua_match.c ----------------------------------------------- */

#define MATCH_CAPTURES	32
#define MATCH_STEPS	2000000		/* between two waits: 5 ms or so */

enum match_result { MATCH_NO, MATCH_YES, MATCH_STEPS_OVER, MATCH_BAD };

/* What len may be other than a length. */
#define MATCH_POSITION	(-1)		/* () */
#define MATCH_OPEN	(-2)		/* its ) is not there */

struct match_capture {
	const char	*p;
	ptrdiff_t	 len;
};

struct match {
	const char	*start, *end;		/* what matched */
	int		 ncaptures;
	struct match_capture capture[MATCH_CAPTURES];
	const char	*why;			/* of BAD */
};

/*
 * Lua's patterns, with Lua's outcome, in bounded time and stack.  init: octet
 * to begin at, at most len.  *steps is what is left of the budget.  NO:
 * nowhere; BAD: why, in Lua's words.  match_at looks at that place only, and
 * to it `^' is an octet like others.
 */
enum match_result	 match_find(struct match *, const char *s, size_t len,
			    const char *pattern, size_t plen, size_t init,
			    int *steps);
enum match_result	 match_at(struct match *, const char *s, size_t len,
			    const char *pattern, size_t plen, size_t at,
			    int *steps);

/* --- string, re: lua_string.c, lua_re.c ---------------------------------- */

/* All steps anew: before each lua_resume. */
void		 match_budget_reset(void);
/*
 * What is left of them: also of re.match, and of whatever else is done in C
 * for long.
 */
extern int	 match_budget;

#endif
