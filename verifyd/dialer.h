/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer: makes connections to the remotes of the configuration, and to
 * hosts that scripts name, and gives them away unread.
 *
 *	hold.c		what to try in which order, and what to leave alone
 *	lease.c		who has how many connections to which remote, who waits
 *	names.c		addresses and MX of names, by way of resolved
 *	connect.c	sockets
 *	local.c		sockets of the file system, by way of the parent
 *	dial.c		one connection: addresses, time
 *	attempt.c	its attempts
 *	exchange.c	whom a domain's mail goes to
 *	where.c		where DNS must not lead, and ourselves
 *	dialer.c	the process: questions come in, answers go out
 *
 * hold.c and lease.c know neither sockets nor processes, and are told the
 * time.
 */
#ifndef DIALER_H
#define DIALER_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "mono.h"
#include "proto.h"

struct conf_remote;
struct peer;

/* hold.c ------------------------------------------------------------------ */

#define HOLD_FIRST	10000		/* ms; doubled with every failure */
#define HOLD_LONGEST	60000
#define HOLD_MEMORY	600000		/* kept behind the end of a hold */
#define HOLD_MAX	4096		/* addresses remembered */

enum hold_view {
	HOLD_GOOD,		/* nothing is known against it */
	HOLD_TRIAL,		/* failed last time; one may try it */
	HOLD_DOWN,		/* leave it alone while there are others */
	HOLD_TAKEN		/* somebody is trying it this moment */
};

/* What is known of an address with its port. */
enum hold_view	hold_view(const struct addr *, struct mono now);
/*
 * An attempt begins.  True if it is the one trial of an address that has
 * failed before: then one of the three below must end it, with trial set.
 */
bool		hold_try(const struct addr *);
/* It failed, or was given up after a fair time; true: held down from now on,
 * and was not before. */
bool		hold_failed(const struct addr *, bool trial, struct mono now);
/* It connected; true: it had failed before. */
bool		hold_worked(const struct addr *);
/* It ended without telling anything about the address. */
void		hold_dropped(const struct addr *, bool trial);
/* How many addresses are held down at present. */
size_t		hold_count(struct mono now);
void		hold_clear(void);

/*
 * Bring the addresses of one name into the order in which they are tried:
 * v6 first, then the families in turn, each in its own order (RFC 8305,
 * section 4); drop duplicates and the families that are not wanted.
 * Returns how many are left.
 */
size_t		hold_order(struct addr *, size_t n, bool v4, bool v6);

/* lease.c ----------------------------------------------------------------- */

enum lease_state { LEASE_WAITING, LEASE_DIALLING, LEASE_HELD };

struct lease;
struct share;
RB_HEAD(leases, lease);

/* One who asks for connections.  Zero to begin with, but for arg. */
struct asker {
	LIST_ENTRY(asker)	 entry;		/* for its owner */
	LIST_HEAD(, share)	 shares;
	struct leases		 leases;	/* by sid */
	bool			 apart;		/* not counted with others */
	size_t			 questions;	/* without an answer so far */
	size_t			 sockets;	/* on their way: dial.c's */
	void			*arg;
};

/*
 * A question, and after its answer the lease.  The struct is the caller's,
 * and all of it is lease.c's to write.
 */
struct lease {
	RB_ENTRY(lease)		 by_sid;
	TAILQ_ENTRY(lease)	 queue;		/* LEASE_WAITING */
	struct share		*share;
	struct asker		*asker;
	uint64_t		 sid;
	enum lease_state	 state;
	void			*owner;
};

/*
 * Queue a question for a remote, and of `mx' for a domain (else ""), that has
 * limit connections (0: any number), but for askers apart.  -1: EEXIST where
 * the asker uses sid already, or ENOMEM.
 */
int		 lease_join(struct lease *, struct asker *, uint64_t sid,
		    uint32_t remote, const char *domain, size_t limit);
/*
 * The same for a connection that the asker has already, from a dialer before
 * this one: a lease at once, over the limit if it must be.
 */
int		 lease_hold(struct lease *, struct asker *, uint64_t sid,
		    uint32_t remote, const char *domain, size_t limit);
struct lease	*lease_find(struct asker *, uint64_t sid);
/*
 * The next one that may dial: first come, first served for each remote.  It
 * is LEASE_DIALLING from now on.  NULL: nobody may.
 */
struct lease	*lease_next(void);
/* Its connection is given away. */
void		 lease_given(struct lease *);
/* It ends, in whatever state. */
void		 lease_end(struct lease *);
/* Call fn for every asker that holds a connection to this remote ... */
void		 lease_holders(const struct lease *,
		    void (*fn)(struct asker *, uint32_t remote,
		    const char *domain));
/* ... and to any remote that somebody waits for. */
void		 lease_wanted(void (*fn)(struct asker *, uint32_t remote,
		    const char *domain));
/* All questions and leases; those given away; those waiting. */
size_t		 lease_count(void);
size_t		 lease_held(void);
size_t		 lease_waiting(void);
/*
 * "show routes": lines for posternctl, of the remotes that have a name (NULL:
 * not any more).
 */
void		 lease_show(const char *(*name)(uint32_t), int fd);

/* names.c ----------------------------------------------------------------- */

/* The answer: addresses without a port, or MX in order. */
struct name_answer {
	enum dns_status			 status;
	bool				 here;	/* not DNS's word */
	size_t				 n;
	const struct addr		*addr;
	const struct proto_dns_record	*record;
};

/* Somebody who waits for a name.  Zero to begin with. */
struct name_wait {
	TAILQ_ENTRY(name_wait)	 entry;
	struct name		*name;		/* NULL: not waiting */
	void			(*fn)(void *, const struct name_answer *);
	void			*arg;
};

/*
 * Ask for a name's addresses.  True: out has the answer, good until the next
 * call of anything here.  False: fn will be called with it, from the loop.
 */
bool	names_ask(struct name_wait *, const char *host,
	    struct name_answer *out);
/* The same for a domain's MX. */
bool	names_ask_mx(struct name_wait *, const char *domain,
	    struct name_answer *out);
/* Not interested any more; harmless for one that does not wait. */
void	names_forget(struct name_wait *);
/* The answers of resolved; -1: it is not one. */
int	names_on_answer(struct peer *, struct msg *);
int	names_on_records(struct peer *, struct msg *);
/* A new resolved: what it is not answering yet is asked again. */
void	names_up(struct peer *);
void	names_down(void);

/* local.c ----------------------------------------------------------------- */

/* Somebody who waits for a connection.  Zero to begin with. */
struct local_wait {
	RB_ENTRY(local_wait)	 by_sid;
	uint64_t		 sid;		/* 0: not waiting */
	void			(*fn)(void *, int fd, int error);
	void			*arg;
};

/* Is it an address of that kind?  NULL, or its path. */
const char *local_path(const char *address);
/*
 * An address that stands for a path, for what is known of it: two remotes
 * with one path share that.
 */
void	local_addr(struct addr *, const char *path);
/*
 * Ask the parent to connect to a remote's address.  fn is called from the
 * loop, with the descriptor, which is its own then, or with -1 and errno's.
 */
void	local_ask(struct local_wait *, uint32_t remote, size_t entry);
void	local_forget(struct local_wait *);
/* The answer of the parent; -1: it is not one. */
int	local_on_fd(struct peer *, struct msg *);

/* connect.c --------------------------------------------------------------- */

enum connect_state {
	CONNECT_DONE,
	CONNECT_STARTED,	/* connect_error() tells when it is writable */
	CONNECT_FAILED,		/* the address did not take it */
	CONNECT_OURS,		/* nor was it asked: our own side failed */
	CONNECT_EXHAUSTED	/* no descriptors or no memory */
};

/* Once, when the limit of descriptors is what it will be. */
void		 connect_prepare(void);
/*
 * A socket on its way to an address, from the remote's source.  fd is the
 * caller's where it is done or started, else error is errno's.
 */
enum connect_state connect_start(const struct conf_remote *,
		    const struct addr *to, int *fd, int *error);
/* May we keep a descriptor that another made? */
bool		 connect_has_room(int fd);
/* How many sockets may be on their way for one asker. */
size_t		 connect_share(void);
/* Is there a source of this family, where there are sources? */
bool		 connect_can(const struct conf_remote *, enum addr_family);
/* How it ended: 0 or errno's. */
int		 connect_error(int fd, const struct addr *to);
/* Has this machine that address?  False also where that cannot be told. */
bool		 connect_is_here(const struct addr *);

/* dial.c ------------------------------------------------------------------ */

#define DIAL_STAGGER	250		/* ms: head start of the one before */

struct dial;

struct dial_result {
	int			 fd;	/* connected, the receiver's; or -1: */
	enum dial_error		 error;
	const char		*why;
	struct addr		 to;	/* fd != -1 */
	const char		*host;
};

/*
 * A connection to a remote, by deadline at the latest; domain is "" but for
 * `mx'.  done is called once, perhaps before dial_go returns; the dial is
 * gone then.  sid is for the log; sockets counts those that are on their way
 * for the same asker.  NULL without memory.
 */
struct dial	*dial_new(uint32_t remote, const char *domain, uint64_t sid,
		    size_t *sockets, struct mono deadline,
		    void (*done)(void *, const struct dial_result *),
		    void *arg);
/* Before dial_go: it is no remote, but this port of the host domain. */
void		 dial_to_host(struct dial *, uint16_t port);
void		 dial_go(struct dial *);
/* Give it up without calling done; NULL is allowed. */
void		 dial_free(struct dial *);

/* dialer.c ---------------------------------------------------------------- */

/* The settings of a remote while any generation has it, else NULL. */
const struct conf_remote *dialer_remote(uint32_t id);

#endif
