/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A pipe end on the event loop: another process, by role and index.
 *
 * Messages are queued by peer_send and written once per turn of the loop;
 * what comes in goes through the table of messages (proto.h) to the handler
 * of its type.  The handler returns -1 when the message is not what it must
 * be: the peer is broken then, as by an unknown type or a bad frame.
 */
#ifndef PEER_H
#define PEER_H

#include <sys/queue.h>
#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stdbool.h>
#include <stdint.h>

#include "msg.h"
#include "proto.h"

struct peer;

struct peer_handler {
	uint16_t	type;		/* 0 ends the table */
	int		(*fn)(struct peer *, struct msg *);
};

struct peer {
	TAILQ_ENTRY(peer)		 entry;		/* for its owner */
	TAILQ_ENTRY(peer)		 dirty;
	bool				 is_dirty;
	bool				 dead;		/* fd closed */
	unsigned int			 role;		/* whom it leads to */
	unsigned int			 index;
	unsigned int			 self;		/* our own role */
	struct msgbuf			 mb;
	struct event			 rev;
	struct event			 wev;
	const struct peer_handler	*handlers;
	/*
	 * The other end is gone (broken false) or broke the rules (true).
	 * Called once, from the loop, never inside peer_send; afterwards
	 * the peer sends nothing and its owner may free it there.
	 */
	void				(*lost)(struct peer *, bool broken);
	void				*arg;
};

/* Takes the descriptor.  The struct is the caller's. */
void	peer_init(struct peer *, int fd, unsigned int self,
	    unsigned int role, unsigned int index,
	    const struct peer_handler *, void (*lost)(struct peer *, bool));
/* Close without calling lost. */
void	peer_close(struct peer *);
/*
 * Queue a message; body may be NULL and is cleared.  fd is taken.  To a
 * dead peer nothing is sent and nothing leaks.
 */
void	peer_send(struct peer *, uint16_t type, uint64_t sid, uint32_t seq,
	    int fd, struct wbuf *body);
/* Write everything queued, for all peers: once per turn. */
void	peer_flush_all(void);
/* Wait until all that is queued is written (at exit); gives up after ms. */
void	peer_drain(struct peer *, int ms);

#endif
