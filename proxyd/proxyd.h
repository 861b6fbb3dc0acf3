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
 *	source.c	which lookupd serves which datasource
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
	size_t		 low;		/* the least that it used of late, */
	size_t		 full;		/* and most of the way from there to
					   max: see lua_garbage.c */
	bool		 gone;		/* its session is */
};

/* What its scripts were shown last: see lua_view.c. */
struct shown {
	bool		 connection;	/* there is such a table */
	bool		 transaction;
	bool		 recipients;
	uint32_t	 connection_version;
	uint32_t	 transaction_base;
	uint32_t	 list_base;
	uint32_t	 nrcpts;	/* in the list */
};

struct sess {
	RB_ENTRY(sess)		 node;	/* by peer and sid */
	struct peer		*peer;	/* the smtpd */
	uint64_t		 sid;
	struct hook_session	 view;
	struct owner		*owner;
	struct call		*call;	/* or NULL */
	int			 env;	/* Lua's reference to what it keeps of
					   the session, LUA_NOREF = nothing */
	bool			 has_context;
	bool			 broken;	/* no memory: view has gaps */
	unsigned int		 globals;	/* that its call assigned */
	struct shown		 shown;	/* in what env leads to */
};

/* HOOK_OPEN, HOOK_CLOSE; an smtpd is gone. */
int		 sess_open(struct peer *, struct msg *);
int		 sess_close(struct peer *, struct msg *);
void		 sess_peer_down(struct peer *);
/* Take what has changed, at the head of a message. */
int		 sess_fields(struct sess *, struct rbuf *);
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
	LIST_ENTRY(call)	 entry;	/* of those that run, or of the pool */
	struct sess		*sess;
	uint32_t		 seq;	/* of HOOK_CALL */
	enum hook_stage		 stage;
	struct conf_script	*script;	/* of a live generation */
	struct hook_args	 args;
	struct proto_hook_verdict verdict;
	bool			 shown;	/* its arguments: see lua_view.c */
	bool			 decided;	/* verdict is the script's */
	bool			 waited;
	enum co_end		 doomed;	/* CO_ERROR, CO_CPU, CO_NOMEM:
						   nothing catches it; else
						   CO_DONE */
	char			 error[512];	/* "greylist:3: ..." */
	struct timer		 deadline;	/* script-limits.time */
	struct mono		 began;
	uint32_t		 ticks;	/* of the CPU timer, so far */
	unsigned int		 logged;	/* lines of log.info */
	uint64_t		 nsec;	/* that it computed */
	uint64_t		 first, last;	/* when it did: clock, in ns */
	struct co		*co;	/* the first one */
	LIST_HEAD(, co)		 cos;	/* all of them */
};

/* HOOK_CALL. */
int		 call_new(struct peer *, struct msg *);
/* A coroutine of it has stopped so: send the verdict, or go on waiting. */
void		 call_stopped(struct call *, struct co *, enum co_end);
/* Its session is over: no verdict. */
void		 call_cancel(struct call *);
/* The generation goes. */
void		 call_conf_gone(const struct config *);
/* script-limits. */
void		 call_set_limits(const struct conf_script_limits *);
const struct conf_script_limits *call_limits(void);

/* Why one failed. */
enum call_error { CALL_SCRIPT, CALL_CPU, CALL_MEMORY, CALL_DEADLINE };

struct call_count {
	uint64_t	calls, errors;
};
extern struct call_count call_count;

/* What `show scripts' tells; kept per script's name. */
#define SCRIPT_TOOK	32
struct script_stats {
	uint64_t	 calls, errors, cpu, memory, deadlines, waits;
	uint64_t	 usec;		/* CPU of them all */
	uint32_t	 took[SCRIPT_TOOK];	/* by log2 of us, waits
						   included */
};

/* --- op.c ---------------------------------------------------------------- */

/*
 * A question that a coroutine waits for.  A C function that scripts call says
 * `return op_ask(L, ...)', which yields; when the answer is there done is
 * called with the coroutine's stack as the function had it: it pushes results
 * and returns their number, or pushes a text (why nobody can tell) and returns
 * -1, which is raised, or with {raise=false} is nil and that text.
 *
 * m is NULL where nobody answers: no such process, its pipe lost, too late
 * (why says which); it is valid until done returns.  done checks what is in
 * it: on a message that is no answer it returns -2, and the sender is broken.
 * The op that done is shown is a copy: the op itself is over.
 */
struct op {
	RB_ENTRY(op)	 node;		/* by seq, never used twice */
	TAILQ_ENTRY(op)	 entry;		/* of those that are lost; the pool */
	uint64_t	 sid;
	uint32_t	 seq;
	struct co	*co;
	unsigned int	 role;		/* who is asked; 0 = the clock */
	unsigned int	 index;
	uint16_t	 type;		/* of the answer */
	bool		 raise;
	bool		 lost;		/* its process is gone */
	bool		 late;		/* its time is over */
	int		(*done)(struct lua_State *, struct op *,
			    struct msg *);
	struct timer	 timer;
	struct msg	*m;		/* the answer, while it is told */
	const char	*why;		/* there is none */
	const char	*what;		/* "dns.query": for errors */
};

/*
 * Ask that process, for the coroutine's session, and wait for the answer.
 * body is taken.  p NULL: the clock, which says nothing but that the time is
 * over.  NULL without memory.
 */
struct op	*op_new(struct co *, uint64_t sid, struct peer *p,
		    uint16_t type, struct wbuf *body, int64_t timeout);
/* An answer, of any process.  -1: the sender is broken. */
int		 op_answer(struct peer *, struct msg *);
void		 op_peer_down(struct peer *);
/* The coroutine is gone, or goes on: it waits for nothing any more. */
void		 op_cancel(struct op *);
/* done has said -2: op_answer will. */
void		 op_bad(void);
/* Questions that are out. */
size_t		 op_count(void);

/*
 * lua_ask.c: go on with a coroutine, of which that many arguments are on its
 * stack, and with what that lets go on: those of all{} that begin, and the one
 * that waited for them.  The only way from the loop into scripts; it ends with
 * call_stopped, after which the call may be gone.
 */
void		 co_go(struct co *, int nargs);

/* --- source.c ------------------------------------------------------------ */

/* SOURCE_UP: which datasource that lookupd serves. */
int		 source_up(struct peer *, struct msg *);
/* A lookupd is gone. */
void		 source_down(const struct peer *);
/*
 * The process that answers for a datasource (its id), in turns where there
 * are several; NULL: none is there.
 */
struct peer	*proxyd_source(uint32_t datasource);

#endif
