/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files of a next hop's connection share (front_hop*.c, front_pool.c)
 * and nobody else sees; the others use front.h.
 */
#ifndef FRONT_HOP_H
#define FRONT_HOP_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "front.h"
#include "front_tx.h"

enum hop_state { HOP_DIALING, HOP_BUSY, HOP_RESETTING, HOP_IDLE, HOP_KEPT,
	HOP_QUITTING, HOP_DEAD };

enum hop_suit {
	SUIT_NO,
	SUIT_YES,
	SUIT_BEST		/* it can be told nothing new */
};

struct hop {
	TAILQ_ENTRY(hop)	 entry;		/* dialing, in the pool, or
						   dead */
	RB_ENTRY(hop)		 node;		/* by id */
	uint64_t		 id;		/* of the question and lease */
	enum hop_state		 state;
	struct session		*s;		/* whose it is, or who keeps
						   it; NULL = nobody */
	struct config		*conf;
	struct conf_remote	*remote;	/* of conf */
	char			*domain;	/* if that is mx; else "" */
	char			*helo;		/* what we said we are */
	struct smtp_client	*client;
	struct timer		 timer;		/* dial, or idle */
	bool			 leased;
	bool			 ready;		/* greeted */
	bool			 up;		/* and told whom it serves */
	bool			 unnamed;	/* waits for its name */
	bool			 plain;		/* second try, no XCLIENT */
	char			*told;		/* by XCLIENT, last */
	uint64_t		 told_sid;	/* about that session */
	unsigned int		 told_caps;	/* EXT_XC_*: had a value */
	bool			 reused;
	bool			 clear;		/* second try, without TLS */
	bool			 spoiled;	/* not for another client */
	bool			 stale;		/* said 421: closing */
	bool			 wanted;	/* others wait for its place */
	bool			 again;		/* dialed anew: one was lost */
	unsigned int		 tries;		/* that did not serve */
	int64_t			 messages;
	int64_t			 errors;
	struct addr		 to;
	char			 host[256];
};

RB_HEAD(hops, hop);
RB_PROTOTYPE(hops, hop, node, hop_cmp)

TAILQ_HEAD(hop_list, hop);

extern struct hops	hops;		/* all but the dead */
extern struct hop_list	hops_dialing;	/* who waits longest first */

/* --- front_hop.c ---------------------------------------------------------- */

/* Close it, free it at the end of the turn; its session is not told. */
void		 hop_free(struct hop *);
/* The connection goes, the hop may be dialed again; how: DONE_*. */
void		 hop_disconnect(struct hop *, uint32_t how);
/* Nobody's any more: say QUIT, once no reply is owed. */
void		 hop_quit(struct hop *);
/* It has nothing to do and owes nothing but RSET's reply: keep or pool it. */
void		 hop_rest(struct hop *);
/* No session keeps it any more. */
void		 hop_unkeep(struct hop *);
/* Ask the dialer, under a new id. */
void		 hop_dial(struct hop *);
/* Put the question, or the lease, to a dialer that does not know of it. */
void		 hop_ask_dialer(struct hop *);
/* No connection is to be had: the session, if there is one, hears r. */
void		 hop_give_up(struct hop *, const struct smtp_reply *r,
		    const char *why);
/* The question was answered, or is none any more. */
void		 hop_undial(struct hop *);
/* An idle connection is this session's now. */
void		 hop_own(struct hop *, struct session *);
/* The connection is for the session which waits for that one. */
void		 hop_take_over(struct hop *, struct hop *waiting);
/* May another client have it?  May its session, later? */
bool		 hop_is_reusable(const struct hop *);
bool		 hop_is_keepable(const struct hop *);

/* --- front_pool.c --------------------------------------------------------- */

/*
 * The connection to that remote (for `mx': and domain) that suits the session
 * best, the last used of those, taken out; or NULL.
 */
struct hop	*pool_take(uint32_t remote, char *domain, struct session *);
/* Nobody's: for who waits, or into the pool. */
void		 pool_put(struct hop *);
/* How many are idle, for posternctl show routes. */
void		 pool_show(int fd);
/* It leaves the pool. */
void		 pool_remove(struct hop *);

/* --- front_hop_greet.c ---------------------------------------------------- */

/* Our name for a next hop that serves h->s. */
const char	*hop_helo(const struct hop *);
/* The connection is there: say who we are, and whom we speak for. */
void		 hop_greet(struct hop *, int fd);
/* May it serve that session, and nothing of another one stands? */
enum hop_suit	 hop_suits(const struct hop *, struct session *);
/*
 * Greeted, or in new hands: tell the next hop whom it serves.  true: it
 * knows, and up is set; else CLIENT_READY, or hop_name_known, or its end
 * follows.
 */
bool		 hop_present(struct hop *);
/* It was greeted first: may it serve at all?  false: the session was told. */
bool		 hop_is_fit(struct hop *);

/* --- front_hop_event.c ---------------------------------------------------- */

/* The callback of its client. */
void		 hop_event(void *, enum client_event,
		    const struct smtp_reply *, uint32_t);

#endif
