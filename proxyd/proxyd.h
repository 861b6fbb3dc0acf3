/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proxyd, which runs scripts: what its files share that know no Lua.
 *
 *	proxyd.c	main, messages in, statistics
 *	sess.c		what is held of each session
 *	call.c		one run of a script: from HOOK_CALL to HOOK_VERDICT
 *	op.c		a question that a script waits for
 *	script.h	the rest: lua_*.c
 *
 * A session has at most one call; a call at most one coroutine that runs at a
 * time (and those that all{} made); a coroutine waits for at most one op.
 * Whatever ends first ends what hangs on it: a session its call, a call its
 * coroutines, a coroutine its op.  An answer for an op that is gone is
 * dropped.
 */
#ifndef PROXYD_H
#define PROXYD_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "mono.h"
#include "peer.h"
#include "proto.h"
#include "proto_script.h"
#include "timer.h"

struct lua_State;
struct call;
struct co;
struct op;

/* --- sess.c -------------------------------------------------------------- */

/*
 * Who pays for memory: the allocator of Lua writes an owner into each block.
 * It lives until its session is over and its last block is freed.
 */
struct owner {
	size_t		 used;		/* octets */
	size_t		 max;		/* 0 = no limit: what is everybody's */
	bool		 over;		/* an allocation was refused */
	bool		 gone;		/* its session is */
};

struct sess {
	RB_ENTRY(sess)		 node;	/* by peer and sid */
	LIST_ENTRY(sess)	 of_peer;
	struct peer		*peer;	/* the smtpd */
	uint64_t		 sid;
	struct hook_session	 view;
	struct owner		*owner;
	struct call		*call;	/* or NULL */
	int			 env;	/* Lua's reference to what it keeps of
					   the session, LUA_NOREF = nothing */
	bool			 has_context;
	bool			 broken;	/* no memory: view is not whole */
	unsigned int		 globals;	/* that its call assigned */
};

/* HOOK_OPEN, HOOK_CLOSE; an smtpd is gone. */
int		 sess_open(struct peer *, struct msg *);
int		 sess_close(struct peer *, struct msg *);
void		 sess_peer_down(struct peer *);
/* NULL if there is none. */
struct sess	*sess_find(const struct peer *, uint64_t sid);
size_t		 sess_count(void);

/* --- call.c -------------------------------------------------------------- */

/* How a coroutine stopped: the answer of co_step(). */
enum co_end {
	CO_DONE,		/* it fell off its end */
	CO_VERDICT,		/* Pass, Reply, accept, ...: call->verdict */
	CO_WAIT,		/* for its op */
	CO_ERROR,		/* a runtime error: call->error */
	CO_CPU,			/* over script-limits.cpu */
	CO_NOMEM		/* over script-limits.memory */
};

struct call {
	struct sess		*sess;
	uint32_t		 seq;	/* of HOOK_CALL */
	enum hook_stage		 stage;
	struct conf_script	*script;	/* of a live generation */
	struct hook_args	 args;
	struct proto_hook_verdict verdict;
	bool			 decided;	/* verdict is the script's */
	enum co_end		 doomed;	/* CO_ERROR, CO_CPU, CO_NOMEM:
						   nothing catches it; else
						   CO_DONE */
	char			 error[512];	/* "greylist:3: ..." */
	struct timer		 deadline;	/* script-limits.time */
	struct mono		 began;
	uint32_t		 ticks;	/* of the CPU timer, so far */
	uint64_t		 nsec;	/* that its scripts ran */
	struct co		*co;	/* the first one */
	LIST_HEAD(, co)		 cos;	/* all of them */
};

/* HOOK_CALL. */
int		 call_new(struct peer *, struct msg *);
/* A coroutine of it has stopped so: send the verdict, or go on waiting. */
void		 call_stopped(struct call *, struct co *, enum co_end);
/* Its session is over: no verdict. */
void		 call_cancel(struct call *);

/* What `show scripts' tells; kept per script's name. */
struct script_stats {
	uint64_t	 calls, errors, cpu, memory, deadlines, waits;
	uint64_t	 usec;		/* CPU of them all */
	uint32_t	 took[32];	/* by log2 of microseconds, wall time */
};

/* --- op.c ---------------------------------------------------------------- */

/*
 * A question that the running coroutine waits for.  A C function that scripts
 * call says `return op_ask(L, ...)', which yields; when the answer is there
 * done is called with the coroutine's stack as the function had it: it pushes
 * results and returns their number, or pushes a text (why nobody can tell) and
 * returns -1, which is raised, or with {raise=false} is nil and that text.
 *
 * m is NULL where nobody answers: no such process, its pipe lost, too late; it
 * is valid until done returns.  done checks what is in it: on a message that
 * is no answer it returns -2, and the sender is broken.
 */
typedef int	op_done(struct lua_State *, struct op *, struct msg *);

struct op {
	RB_ENTRY(op)	 node;		/* by seq, never used twice */
	uint32_t	 seq;
	struct co	*co;
	unsigned int	 role;		/* who is asked; 0 = the clock */
	unsigned int	 index;
	uint16_t	 type;		/* of the answer */
	bool		 raise;
	op_done		*done;
	struct timer	 timer;
	const char	*what;		/* "dns.query": for errors */
	uint64_t	 u;		/* the asker's own */
};

/* An answer, of any process.  -1: the sender is broken. */
int		 op_answer(struct peer *, struct msg *);
void		 op_peer_down(struct peer *);
/* The coroutine is gone. */
void		 op_cancel(struct op *);

/* --- proxyd.c ------------------------------------------------------------ */

/*
 * The process that answers for a datasource (its id), in turns where there
 * are several; NULL: none is there.
 */
struct peer	*proxyd_source(uint32_t datasource);

#endif
