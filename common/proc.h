/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The life of a child process: what all of them do alike.
 *
 *	proc_run	reads INIT from descriptor 3, calls prepare (libraries
 *			load what they need), jails the process, tells READY,
 *			and turns the event loop until STOP or the parent's end
 *
 * The generations of the configuration are kept here; the process is told
 * what to do with them by the functions of its struct proc_class.
 */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "peer.h"
#include "proto.h"

struct proc_class {
	const char	*name;
	unsigned int	 role;
	/* Handlers of what other children send. */
	const struct peer_handler *handlers;
	/* Further messages of the parent (LISTEN_FD); NULL = none. */
	const struct peer_handler *parent_handlers;
	/* Before the jail: load, initialise.  May be NULL. */
	void		(*prepare)(void);
	/* In the jail, before the first turn.  May be NULL. */
	void		(*start)(void);
	/* A pipe to another process is there, or is gone.  May be NULL. */
	void		(*peer_up)(struct peer *);
	void		(*peer_down)(struct peer *);
	/*
	 * Build what a new generation needs (objects' priv); 0, or -1 with
	 * the reason, or PROC_CONF_LATER: it sends CONF_OK itself.  May be
	 * NULL.
	 */
	int		(*conf_prepare)(struct config *,
			    struct proto_conf_err *);
	/* It is the newest now; old is the one before or NULL. */
	void		(*conf_commit)(struct config *, struct config *old);
	/* Free what conf_prepare made: called before a generation goes. */
	void		(*conf_release)(struct config *);
	/* End: STOP_* of proto.h.  The process calls proc_exit when done. */
	void		(*stop)(uint32_t how);
	/* "show stats" and such: write to fd, close it. */
	void		(*ctl)(const char *request, int fd);
	/* Where its log goes if it may have no descriptor; or NULL. */
	void		(*log_through)(const char *, size_t);
	/* At the end of every turn of the loop.  May be NULL. */
	void		(*turn)(void);
};

#define PROC_CONF_LATER	1

/* Never returns. */
void	proc_run(const struct proc_class *, int argc, char **argv)
	    __attribute__((__noreturn__));
/*
 * What proc_run does before it listens to anybody, for who has no parent: root
 * (a descriptor, taken; -1: none), the ids of INIT, limits, the sandbox.
 */
void	proc_jail(unsigned int role, const struct proto_init *, int root);
/* Leave the loop at the end of this turn, status 0. */
void	proc_exit(void);

/* The newest committed generation; NULL before the first. */
struct config	*proc_conf(void);
/*
 * A live generation by number, or an object of the newest generation that
 * still has it, by id: questions from siblings name objects of theirs.
 */
struct config	*proc_conf_gen(uint32_t generation);
struct conf_obj	*proc_conf_obj(size_t map_offset, uint32_t id);
/* Tell the parent that no session uses this generation any more. */
void		 proc_gen_ended(uint32_t generation);

/* Which of its kind this process is, from 0; and is it `postern -n's? */
unsigned int	 proc_index(void);
bool		 proc_is_check(void);
/* lookupd: the URIs of its datasource, a line each. */
const char	*proc_source(void);
struct peer	*proc_parent(void);
/* The pipe to a process; NULL while there is none. */
struct peer	*proc_peer(unsigned int role, unsigned int index);

#endif
