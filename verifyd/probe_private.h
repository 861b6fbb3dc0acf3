/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What target.c, probe.c and dialogue.c share; nobody else includes this.
 */
#ifndef PROBE_PRIVATE_H
#define PROBE_PRIVATE_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "addr.h"
#include "config.h"
#include "mono.h"
#include "probe.h"
#include "smtp_client.h"
#include "timer.h"

TAILQ_HEAD(probes, probe);
LIST_HEAD(links, link);

/* A remote that has been asked. */
struct target {
	RB_ENTRY(target)	 by_id;
	TAILQ_ENTRY(target)	 dirty;
	bool			 is_dirty;
	uint32_t		 id;
	const struct conf_remote *remote;	/* of a generation that lives */
	struct probes		 waited;	/* asked first */
	struct probes		 ahead;		/* nobody waits for these */
	size_t			 nqueued;	/* of both */
	size_t			 nprobes;	/* and those sent */
	struct links		 links;
	size_t			 nlinks;
	bool			 one_by_one;	/* it has no PIPELINING */
	bool			 answered;
	int64_t			 quickest;	/* ms, of its answers */
	int64_t			 pace;		/* 1/256 ms, from one answer to
						   the next; 0: not known */
	unsigned int		 useless;	/* greetings failed in a row */
	unsigned int		 lost;		/* probes given up in a row */
	struct timer		 pause;		/* before it is dialled again */
	int64_t			 hold;		/* ms; 0: it answers */
	struct mono		 until;
	const struct probe	*trial;		/* sent though it is held */
	struct mono		 warned;
	enum look_at		 at;		/* it was held down at */
	char			 why[256];	/* and why */
};

enum link_state { LINK_DIALLING, LINK_GREETING, LINK_UP, LINK_QUITTING,
	LINK_DEAD };

/* A connection to a target. */
struct link {
	RB_ENTRY(link)		 by_id;
	LIST_ENTRY(link)	 entry;
	uint64_t		 id;		/* of the lease, too */
	enum link_state		 state;
	struct target		*target;
	const struct conf_remote *remote;	/* the client's */
	struct smtp_client	*client;
	struct timer		 timer;		/* dialling, idle */
	bool			 leased;
	bool			 clear;		/* TLS failed: without */
	bool			 over;		/* nothing more is sent */
	struct addr		 to;
	char			 host[256];
	struct probes		 sent;		/* in order */
	size_t			 nsent;
	struct mono		 since;		/* the oldest waits */
	bool			 follows;	/* since the last answer */
	/* The transaction behind all that was sent. */
	bool			 open;
	bool			 utf8;
	bool			 begun;		/* RSET must come first */
	char			*sender;
	unsigned int		 mails;		/* without a reply so far */
	/* The one that replies have come to. */
	struct smtp_reply	 refused;	/* MAIL's; code 0: it was not */
	size_t			 accepted;
	/* For the limits. */
	size_t			 served;
	size_t			 errors;
	bool			 progress;	/* answers since it was idle */
	bool			 answered;	/* a question, at any time */
};

/* target.c ---------------------------------------------------------------- */

/* NULL: it was not asked so far. */
struct target	*target_find(uint32_t id);
/* Look at it at the end of the turn; the next one to look at then. */
void		 target_mark(struct target *);
struct target	*target_marked(void);
/* The next of its queue; take one out. */
struct probe	*target_first(const struct target *);
void		 target_unqueue(struct target *, struct probe *);
/* Back to the head of the queue. */
void		 target_again(struct target *, struct probe *);
/* It answers: what held it down is over. */
void		 target_works(struct target *);
/*
 * A connection to it failed, or does not answer.  Where that was the last
 * one, whoever waits is told so, and it is left alone for a while.
 */
void		 target_failed(struct target *, enum look_at, const char *why);
/* Not more than once a minute: what should be known of it. */
void		 target_warn(struct target *, const char *what,
		    const struct smtp_reply *);
/* The end of a probe, which is out of all queues. */
void		 probe_end(struct probe *, enum lookup_answer,
		    const struct smtp_reply *, const char *why);
void		 probe_end_values(struct probe *, const struct smtp_reply *,
		    const char *const *values, size_t);
/* Nobody in the queue gets an answer. */
void		 target_flush(struct target *, enum look_at, const char *why);
/* It has no question and no connection. */
bool		 target_is_idle(const struct target *);
/* No generation has the remote; it has no connection any more. */
void		 target_leave(struct target *);
void		 target_each(void (*)(struct target *, const struct config *),
		    const struct config *);

/* probe.c ----------------------------------------------------------------- */

/* The link is gone: the lease ends (how: DONE_*), the struct in a moment. */
void		 link_free(struct link *, uint32_t how);
/* Ask the dialer for it. */
void		 link_dial(struct link *);

/* dialogue.c -------------------------------------------------------------- */

/* A connection for a link: greet it. */
void		 link_greet(struct link *, int fd);
/* May this probe be sent on it now? */
bool		 link_takes(const struct link *, const struct probe *);
/* Is it silent for longer than it takes? */
bool		 link_is_slow(const struct link *);
/* How many questions may be on one connection at a time. */
size_t		 link_depth(const struct target *);
void		 link_send(struct link *, struct probe *);
/* Nothing more is sent; QUIT once all is answered. */
void		 link_finish(struct link *);
/* Those sent and not answered go back to the queue, at no cost to them. */
void		 link_take_back(struct link *);

#endif
