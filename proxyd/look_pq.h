/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A database of PostgreSQL: what its files share.
 *
 *	look_pq.c	the pool, the questions that wait, and `postern -n'
 *	look_pq_conn.c	a connection: opened, lost, closed
 *	look_pq_step.c	a question on it: statements and their results
 *	look_pq_uri.c	where to connect
 */
#ifndef LOOK_PQ_H
#define LOOK_PQ_H

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "lookupd.h"
#include "mono.h"
#include "proto.h"
#include "timer.h"

struct peer;

/* look_pq_uri.c ----------------------------------------------------------- */

struct uri {
	PQconninfoOption	*opts;
	const char		*host;		/* name, address or a path */
	char			*what;		/* host:port/database */
	struct addr		 addr;		/* where host is an address */
	bool			 is_name;	/* DNS must be asked */
	unsigned int		 failed;	/* times in a row */
	struct mono		 held;		/* until then; see failed */
	bool			 trying;	/* by one, whether it is back */
	char			 why[256];	/* it failed */
};

/* Before the jail: read source.uri; which files do they name? */
void	 uris_prepare(void);
/*
 * The next one in turn that may be tried; NULL: none now.  uri_good or
 * uri_bad must follow.
 */
struct uri *uri_next(void);
/* Milliseconds until there is one; -1: when one that is tried has answered. */
int64_t	 uris_wait(void);
/* All have failed several times: why, of one of them.  Else NULL. */
const char *uris_dead(void);
/* A connection stands; there is none, and why: logged when that is new. */
void	 uri_good(struct uri *);
void	 uri_bad(struct uri *, const char *why);
/* Why without the password, on one line. */
void	 uri_clean(const struct uri *, const char *why, char *, size_t);
/* Begin a connection to an address of it (NULL: a path); NULL: no memory. */
PGconn	*uri_connect(const struct uri *, const struct addr *);

/* look_pq_conn.c ---------------------------------------------------------- */

enum conn_state {
	CONN_DOWN,
	CONN_NAME,		/* asks resolved */
	CONN_OPENING,
	CONN_IDLE,
	CONN_TIDY,		/* gets rid of what is in the way */
	CONN_PREPARE,
	CONN_QUERY
};

struct conn {
	enum conn_state	 state;
	struct uri	*uri;
	uint64_t	 sid;		/* of the question to resolved */
	struct addr	 addr[DNS_ADDRS_MAX];
	size_t		 naddr, at;	/* which of them is tried */
	PGconn		*pg;
	struct event	 ev;
	bool		 watched;
	struct timer	 timer;		/* NAME, OPENING; its rest is read */
	struct ask	*ask;		/* NULL: answered already, or -n */
	struct statement *st;
	struct rows	 rows;
	unsigned int	 dropped;
	bool		 copies;	/* it was told to COPY */
	char		 why[256];	/* the server's word; "" */
	char		 sqlstate[6];
	uint8_t		*prepared;	/* a bit for each query */
	size_t		 nprepared;	/* octets */
	/* Numbers of scripts' statements, by slot; 0: none. */
	uint32_t	 slot[SCRIPT_SLOTS];
	bool		 script;	/* runs a statement of one */
	bool		 dirty;		/* has run one since it was tidied */
};

#define SLOT_STALE	UINT32_MAX	/* there is one, of no use */

/* Those that there may be, and how many are on their way. */
extern struct pool {
	struct conn	*v;
	size_t		 n, opening;
} pool;

/* Before the first question. */
void	 conns_start(void);
/* One that is down: to this server. */
void	 conn_open(struct conn *, struct uri *);
/* Whoever asked is not told. */
void	 conn_close(struct conn *);
/* It is gone: whoever asked waits again, or hears why. */
void	 conn_lost(struct conn *);
/* Write what libpq has; false: the connection is lost. */
bool	 conn_flush(struct conn *);
/* resolved is there, or gone (NULL), and what it answers. */
void	 conns_resolved(struct peer *);
void	 conns_address(uint64_t sid, const struct proto_dns_ans *);

/* look_pq_step.c ---------------------------------------------------------- */

/* Put a question on one that is idle; prepare a statement there. */
void	 step_ask(struct conn *, struct ask *);
void	 step_prepare(struct conn *, struct statement *);
/* Read what has come in; it may be idle, or down, then. */
void	 step_results(struct conn *);

/* look_pq.c --------------------------------------------------------------- */

/* Who waits gets what is free; more is opened if that does not do. */
void	 pool_pump(void);
/*
 * It waits again, in front of all others; but not for ever, and not if that
 * could do twice what it does.
 */
void	 pool_again(struct ask *, const char *why);
/* `postern -n': a connection is free, or gone.  Is that it? */
bool	 check_is_on(void);
void	 check_next(struct conn *);
void	 check_over(const char *why);

#endif
