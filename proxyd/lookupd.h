/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * lookupd: what its files share.
 *
 *	lookupd.c	the process: who asks, when what they ask has come
 *	question.c	QUERY and SQL in, their answers out: the life of one
 *	waiting.c	those that wait: who has the next turn
 *	statement.c	the queries of the configuration, by name
 *	script_sql.c	the statements of scripts, by text
 *	rows.c		an answer while it is made
 *	look_sqlite.c	a database of SQLite: see look_sqlite.h
 *	look_pq.c ...	one of PostgreSQL: see look_pq.h
 *
 * A process has one datasource from its beginning to its end, and so one of
 * the two backends.
 */
#ifndef LOOKUPD_H
#define LOOKUPD_H

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
#include "sql_params.h"
#include "timer.h"
#include "wire.h"

#define ROWS_ROOM	(900 * 1024)	/* octets of an answer */

/* --- the datasource -------------------------------------------------- */

struct source {
	uint32_t	 id;		/* 0: its configuration has not come */
	char		*name;
	struct strs	 uri;		/* from INIT on */
	int64_t		 timeout;
	int64_t		 connections;
	int64_t		 max_rows;
	bool		 scripts;
};
extern struct source	source;

struct source_count {
	uint64_t	asked, answered, cannot, timeouts, opened;
};
extern struct source_count	source_count;

/* -n: what a query is called in postern.yaml, and what is wrong with it. */
void	source_note(bool error, const char *key, const char *why);
/* -n: all queries have been tried. */
void	source_checked(void);

/* --- statement.c, script_sql.c ---------------------------------------- */

#define SCRIPT_SLOTS	128		/* scripts' statements that are kept */

struct statement {
	RB_ENTRY(statement)	 entry;		/* by name, or by text */
	TAILQ_ENTRY(statement)	 used;		/* script: the last one first */
	uint32_t		 directory;	/* 0: the datasource's own */
	char			 name[64];
	char			*text;		/* script: what was asked */
	struct sql_params	 sql;
	uint32_t		 number;	/* never another query's, or
						   another script's statement's;
						   not 0 */
	int			 slot;		/* script: its place among those
						   that are kept; -1: used once,
						   or not a script's */
	unsigned int		 users;		/* asks that hold it */
	bool			 gone;		/* and nobody else does */
	void			*priv;		/* the backend's */
};

/*
 * The query of that name; NULL if there is none.  It is read when it is asked
 * for first.
 */
struct statement *statement_find(uint32_t directory, const char *name);
void	statement_use(struct statement *);
void	statement_unuse(struct statement *);
/* What is in it, and itself. */
void	statement_free(struct statement *);
/* A generation has gone: forget those that none of the others has. */
void	statements_prune(void);
void	statements_each(void (*)(struct statement *));
/* All queries of a configuration, with their keys in postern.yaml. */
void	statements_of(const struct config *,
	    void (*)(struct statement *, const char *key));

/*
 * A script's statement.  NULL: why it cannot be asked (a static string).  It
 * is to be used before the next one is looked for.
 */
struct statement *script_sql_find(const char *text, size_t len,
		    const char **why);
void	script_sql_each(void (*)(struct statement *));

/* --- lookupd.c: who asks --------------------------------------------- */

TAILQ_HEAD(ask_queue, ask);

struct asker {
	LIST_ENTRY(asker)	 entry;
	struct peer		*peer;
	struct mono		 since;		/* what is in its pipe came;
						   unset: when it is read */
	LIST_HEAD(, ask)	 asks;
	size_t			 nasks;
	size_t			 octets;	/* of their parameters */
	struct ask_queue	 waiting;	/* waiting.c */
	TAILQ_ENTRY(asker)	 turn;		/* if any of them waits */
};

/* When what is read now has come, as far as we know. */
struct mono	came(const struct asker *);
/* That took a while: what is in pipes has come meanwhile. */
void		see_who_waits(void);
/* Has somebody asked who is no script, and is not read yet? */
bool		somebody_waits(void);

/* --- question.c ------------------------------------------------------ */

struct value {
	uint8_t		 type;		/* enum sql_type */
	const char	*p;		/* a NUL behind it, none in it */
	size_t		 len;
};

struct ask {
	TAILQ_ENTRY(ask)	 entry;		/* of asker->waiting */
	LIST_ENTRY(ask)		 of_asker;
	struct asker		*asker;		/* NULL: it has gone */
	uint64_t		 sid;
	uint32_t		 seq;
	bool			 script;	/* SQL; else QUERY */
	struct mono		 deadline;
	struct timer		 timer;		/* the backend's */
	struct statement	*st;
	uint32_t		 max_rows;
	bool			 again;		/* it was put once already */
	bool			 sent;		/* the database has it */
	void			*conn;		/* NULL: it waits for one */
	struct value		*value;		/* of st->sql.param, in order */
	size_t			 octets;	/* of those */
};

struct rows;

/* The handlers. */
int	on_query(struct peer *, struct msg *);
int	on_sql(struct peer *, struct msg *);
/* Both end the question, and free it. */
void	ask_answer(struct ask *, struct rows *);
void	ask_cannot(struct ask *, const char *why);
/* Its asker has gone: nobody hears the answer. */
void	ask_orphan(struct ask *);

/* --- waiting.c ------------------------------------------------------- */

/* It waits; first: before all others of its asker. */
void	wait_add(struct ask *, bool first);
void	wait_remove(struct ask *);
/*
 * The one whose turn it is, taken out; NULL: none.  Askers have turns, and a
 * script's question only has one where that is said.
 */
struct ask *wait_take(bool scripts);
/* The one who would be last; NULL: none.  It is left where it is. */
struct ask *wait_last(void);
/* So many wait; of those that wait_take() would take. */
size_t	wait_count(bool scripts);

/* --- rows.c ---------------------------------------------------------- */

struct rows {
	struct proto_query_ans	 a;
	bool			 typed;		/* for SQL_ANS */
	struct wbuf		 body;		/* columns, then values */
	const char		*failed;	/* what no answer can hold */
};

void	rows_init(struct rows *, bool typed);
void	rows_clear(struct rows *);
void	rows_column(struct rows *, const char *name);
/* Another row?  False: it is beyond max, or there is no room. */
bool	rows_next(struct rows *, uint32_t max);
/* The next value of the row: p of SQL_NULL is not looked at. */
void	rows_value(struct rows *, enum sql_type, const void *p, size_t len);
/* A number as SQL_REAL, exactly; also inf, -inf and nan. */
void	rows_real(struct rows *, double);

/* --- the backends ---------------------------------------------------- */

struct backend {
	enum sql_dialect dialect;
	/* With which words statements of scripts begin; NULL behind them. */
	const char *const *verbs;
	/* Before the jail: which files, may it connect. */
	void	(*prepare)(void);
	/* The settings of the datasource are known. */
	void	(*start)(void);
	/* Answer it, now or later. */
	void	(*ask)(struct ask *);
	/* Its asker has gone: if it only waits it ends. */
	void	(*withdraw)(struct ask *);
	/* Free st->priv. */
	void	(*forget)(struct statement *);
	/* -n: try all queries of the configuration; source_checked(). */
	void	(*check)(const struct config *);
	/* Messages of resolved; NULL = none wanted. */
	void	(*resolved)(struct peer *);
	void	(*address)(uint64_t sid, const struct proto_dns_ans *);
};
extern const struct backend	look_sqlite, look_pq;
extern const struct backend	*backend;

#endif
