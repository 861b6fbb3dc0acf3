/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * One connection on its way: what dial.c, attempt.c, exchange.c and
 * where.c share.  Nobody else includes it.
 */
#ifndef DIAL_PRIVATE_H
#define DIAL_PRIVATE_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event.h>

#include "config.h"
#include "dialer.h"
#include "timer.h"

#define WHERE_MAX	192	/* an address and port, or unix:PATH */

/* A socket that is being connected. */
struct attempt {
	LIST_ENTRY(attempt)	 entry_of;
	struct dial		*dial;
	struct event		 ev;
	int			 fd;		/* -1: the parent connects */
	struct local_wait	 local;
	struct addr		 to;
	size_t			 entry;		/* of the remote's */
	bool			 trial;		/* see hold_try() */
	struct mono		 since;
};

/* An address that this dial has come across. */
struct seen {
	struct addr		 addr;
	size_t			 entry;		/* of the remote's */
	bool			 passed;	/* over, as it was held down */
};

/* A host that takes a domain's mail. */
struct exchange {
	uint16_t		 pref;
	bool			 literal;	/* the domain is an address */
	char			 host[256];
};

enum dial_state { D_ENTRIES, D_PASSED };

struct dial {
	enum dial_state		 state;
	uint32_t		 remote;
	uint64_t		 sid;
	size_t			*sockets;	/* of its asker */
	struct mono		 deadline;
	int64_t			 fair;		/* ms an attempt deserves */
	char			 domain[256];	/* "" but for mx, and: */
	uint16_t		 port;		/* of the host `domain', which
						   is no remote; or 0 */
	struct exchange		*mx;		/* its entries, then */
	size_t			 nmx;
	size_t			 entry;		/* the next of the remote's */
	char			 host[256];	/* the present one */
	struct mono		 until;		/* its part of the time */
	struct name_wait	 wait;
	struct addr		 addr[DNS_ADDRS_MAX];
	size_t			 n, next;
	struct seen		*seen;
	size_t			 nseen;
	LIST_HEAD(, attempt)	 attempts;
	struct timer		 timer;		/* stagger, or until */
	/* What has been found out, for the error. */
	bool			 dns_failed, refused, timed_out, held;
	bool			 forbidden, loop;
	char			 why[256];
	void			(*done)(void *, const struct dial_result *);
	void			*arg;
};

/* dial.c ------------------------------------------------------------------ */

/* Is it for a domain's mail exchangers? */
bool		 dial_is_mx(const struct dial *);
/* The settings; NULL: the remote is gone. */
const struct conf_remote *dial_remote(const struct dial *);
/* The end without a connection; why NULL: as set before. */
void		 dial_fail(struct dial *, enum dial_error, const char *why);
/* The end with one. */
void		 dial_won(struct dial *, struct attempt *);
void		 dial_why(struct dial *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));
/* Start one more attempt, or wait for those on their way, or go on. */
void		 dial_next(struct dial *);
/* The next of the entries, or the end. */
void		 dial_next_entry(struct dial *);
/* The entries: the remote's addresses, or a domain's exchangers. */
size_t		 dial_entries(const struct dial *,
		    const struct conf_remote *);
const char	*dial_entry(const struct dial *, const struct conf_remote *,
		    size_t);

/* attempt.c --------------------------------------------------------------- */

enum attempt_end { ATTEMPT_STARTED, ATTEMPT_FAILED, ATTEMPT_ENDED };

/* ATTEMPT_ENDED: the dial is over, or went on by itself. */
enum attempt_end attempt_start(struct dial *, const struct conf_remote *,
		    const struct addr *, size_t entry);
void		 attempt_free(struct attempt *);
/* Give all up, which tells nothing about their addresses. */
void		 attempts_drop(struct dial *);
/* Their time is over. */
void		 attempts_time_out(struct dial *);

/* exchange.c -------------------------------------------------------------- */

/* Find out who takes the domain's mail; then the dial goes on by itself. */
void		 exchange_begin(struct dial *);

/* where.c ----------------------------------------------------------------- */

/*
 * Take out of n addresses those that DNS must not lead to; how many are
 * left.  Sets forbidden.
 */
size_t		 where_filter(struct dial *, struct addr *, size_t n);
/*
 * May a host that is given by its address be that?  All but the address that
 * means any of this machine's.  Sets forbidden.
 */
bool		 where_literal(struct dial *, const struct addr *);
/*
 * Is it one of our own listeners that has been reached?  Sets loop; of an mx
 * the exchangers of that preference and worse are taken off the list.
 */
bool		 where_is_loop(struct dial *, const struct conf_remote *,
		    const struct attempt *);

#endif
