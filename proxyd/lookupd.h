/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * lookupd: what its files share.
 *
 *	lookupd.c	QUERY in, QUERY_ANS out: the life of a question
 *	statement.c	the queries of the configuration, by name
 *	rows.c		an answer while it is made
 *	look_sqlite.c	a database of SQLite
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
#include "proto.h"
#include "sql_params.h"
#include "timer.h"
#include "wire.h"

struct peer;

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

/* --- statement.c ----------------------------------------------------- */

struct statement {
	RB_ENTRY(statement)	 entry;
	uint32_t		 directory;	/* 0: the datasource's own */
	char			 name[64];
	struct sql_params	 sql;
	uint32_t		 number;	/* never another one's */
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
/* A generation has gone: forget those that none of the others has. */
void	statements_prune(void);
void	statements_each(void (*)(struct statement *));
/* All queries of a configuration, with their keys in postern.yaml. */
void	statements_of(const struct config *,
	    void (*)(struct statement *, const char *key));

/* --- lookupd.c: a question ------------------------------------------- */

struct asker;

struct ask {
	TAILQ_ENTRY(ask)	 entry;		/* the backend's */
	LIST_ENTRY(ask)		 of_asker;
	struct asker		*asker;		/* NULL: it has gone */
	uint64_t		 sid;
	uint32_t		 seq;
	struct mono		 deadline;
	struct timer		 timer;		/* the backend's */
	struct statement	*st;
	uint32_t		 max_rows;
	bool			 again;		/* it was put once already */
	void			*conn;		/* NULL: it waits for one */
	/* Of st->sql.param, in their order; a NUL behind each. */
	const char		*value[SQL_PARAMS_MAX];
	size_t			 len[SQL_PARAMS_MAX];
	char			*data;		/* in which those lie */
};

struct rows;

/* Both end the question, and free it. */
void	ask_answer(struct ask *, struct rows *);
void	ask_cannot(struct ask *, const char *why);

/* --- rows.c ---------------------------------------------------------- */

struct rows {
	struct proto_query_ans	 a;
	struct wbuf		 body;		/* columns, then values */
	const char		*failed;	/* what no answer can hold */
};

void	rows_init(struct rows *);
void	rows_clear(struct rows *);
void	rows_column(struct rows *, const char *name);
/* Another row?  False: it is beyond max, or there is no room. */
bool	rows_next(struct rows *, uint32_t max);
/* The next value of the row; p NULL: it is NULL. */
void	rows_value(struct rows *, const void *p, size_t len);

/* --- the backends ---------------------------------------------------- */

struct backend {
	enum sql_dialect dialect;
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
