/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Looking up by any path: list/, db/, directory/, remote/.
 *
 *	look.c		the paths; LOOKUP
 *	source.c	db/: cdb files here, databases by query.c
 *	query.c		lookupd's processes: QUERY; answers kept, joined
 *	query_key.c	what they are kept under
 *	values.c		what a QUERY_ANS says
 *	directory.c	directory/: sub-addressing, catch-all
 *	address.c	the parts of an address
 *	judge.c		JUDGE: a domain, then its address
 *
 * A question has one answer.  It may be there before look_ask returns, as
 * lists, caches and cdb files need nobody else.
 */
#ifndef LOOK_H
#define LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct backend;
struct config;
struct conf_datasource;
struct conf_directory;
struct msg;
struct peer;

#define LOOK_STALE	0x01	/* an expired yes will do */
#define LOOK_AHEAD	0x02	/* nobody waits: what is not known is asked
				   for, and the answer is LOOKUP_CANNOT */
#define LOOK_AS_GIVEN	0x04	/* a server is asked under that sender, and no
				   answer that was asked ahead will do */

/* How far a server was asked; AT_TIMEOUT: the question's own time. */
enum look_at { AT_CONNECT, AT_RESOLVE, AT_BANNER, AT_EHLO, AT_TLS, AT_AUTH,
	AT_MAIL, AT_RCPT, AT_TIMEOUT, AT_COUNT };

/* The strings are copied where they are needed for longer. */
struct look_question {
	struct proto_path	 path;
	enum look_what		 what;
	unsigned int		 flags;		/* LOOK_* */
	const char		*key;		/* in normal form */
	const char		*sender;	/* likewise; "" */
};

/* Valid until the callback returns or asks something itself. */
struct look_answer {
	enum lookup_answer	 answer;
	enum judge_by		 by;
	uint32_t		 remote;	/* id of the server whose word
						   it is; 0 = none's */
	const char		*why;		/* for the log; "" */
	const char *const	*values;	/* of a YES */
	size_t			 nvalues;
	/* Of a server that was asked, by a probe or the cache. */
	enum look_at		 at;
	uint16_t		 code;		/* its reply; 0: none */
	const char		*enhanced, *text; /* of that */
};

/* Who is told. */
struct look_to {
	void	(*done)(void *, const struct look_answer *);
	void	*arg;
};

/* A question that is out, as who asked holds it. */
struct look {
	void	(*cancel)(void *);		/* NULL: there is none */
	void	*of;
};

/*
 * done is called once: before this returns false, and the struct is not
 * touched afterwards, so that done may free what it lies in; or later, and
 * true is returned, unless look_cancel comes first.  Without memory the
 * answer is LOOKUP_CANNOT.
 */
bool	look_ask(struct look *, const struct look_question *, struct look_to);
/* Nobody waits any more.  Nothing happens where no question is out. */
void	look_cancel(struct look *);

/* An answer without values, at once.  Returns false, for look_ask's return. */
bool	look_tell(struct look_to, enum lookup_answer, enum judge_by,
	    const char *why);
/* YES with one value. */
bool	look_tell_value(struct look_to, enum judge_by, const char *);

/* Lists and datasources of a generation: see struct proc_class. */
int	look_prepare(struct config *, struct proto_conf_err *);
void	look_release(struct config *);

/* LOOKUP; its asker has gone. */
int	look_lookup(struct peer *, struct msg *);
void	look_peer_down(const struct peer *);
int	look_stats(char *, size_t);

/* --- source.c ------------------------------------------------------------- */

int	source_prepare(struct config *, struct proto_conf_err *);
void	source_release(struct config *);

/* As look_ask; q's path gives the query, "" for a cdb file. */
bool	source_ask(struct look *, const struct conf_datasource *,
	    const struct look_question *q, struct look_to);
/* A directory's own query: "address", "domain", "vrfy", "expn". */
bool	source_ask_directory(struct look *, const struct conf_datasource *,
	    const struct conf_directory *, const char *query,
	    const struct look_question *, struct look_to);

/* --- query.c -------------------------------------------------------------- */

/* What is to be run, and where it stands. */
struct query_of {
	uint32_t	 directory;	/* its id; 0 = the datasource's own */
	const char	*name;
	const char	*sql;		/* which parameters does it mention? */
};

/* What all generations with this datasource share; NULL without memory. */
struct backend	*backend_ref(const struct conf_datasource *);
void		 backend_unref(struct backend *);
/* As look_ask. */
bool		 query_ask(struct look *, struct backend *,
		    const struct query_of *, const struct look_question *,
		    struct look_to);
/* A lookupd is there, says whom it serves, answers, or is lost. */
void		 query_peer_up(struct peer *);
int		 query_source_up(struct peer *, struct msg *);
int		 query_ans(struct peer *, struct msg *);
void		 query_peer_down(struct peer *);
int		 query_stats(char *, size_t);

/* --- directory.c ---------------------------------------------------------- */

int	directory_prepare(struct config *, struct proto_conf_err *);
void	directory_release(struct config *);
/* As look_ask. */
bool	directory_ask(struct look *, const struct conf_directory *,
	    const struct look_question *, struct look_to);

/* --- address.c ------------------------------------------------------------ */

/*
 * The address without what stands behind the first + of its local part;
 * false if there is none, or nothing before it.
 */
bool	address_cut(const char *address, char out[LOOK_ADDR_MAX]);
/* Its local part without quotes; returns its length. */
size_t	address_local(const char *address, char out[LOOK_ADDR_MAX]);

/* --- judge.c -------------------------------------------------------------- */

/* JUDGE; its asker has gone. */
int	judge_ask(struct peer *, struct msg *);
void	judge_peer_down(const struct peer *);
int	judge_stats(char *, size_t);

#endif
