/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The parameters of a query: from the names of postern.yaml to the numbers
 * of a database.  Values are bound to them and are never part of the text.
 */
#ifndef SQL_PARAMS_H
#define SQL_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#define SQL_PARAMS_MAX	100		/* different ones in a statement */
#define SQL_NAME_MAX	32		/* with NUL */
#define SQL_VERB_MAX	16		/* likewise */

enum sql_dialect {
	SQL_SQLITE,			/* ?1 */
	SQL_PQ				/* $1 */
};

struct sql_param {
	char		name[SQL_NAME_MAX];	/* "": a `?' or `?1' */
	unsigned int	place;		/* of that among those, from 0 */
};

struct sql_params {
	char			*text;	/* one statement, without its `;' */
	size_t			 n;	/* number 1 is param[0] */
	/* The first word, in lower case: "select"; "" if it is longer. */
	char			 verb[SQL_VERB_MAX];
	bool			 writes;	/* insert, update, delete, merge
						   or replace is a word of it */
	struct sql_param	 param[SQL_PARAMS_MAX];
};

/*
 * Read a statement with :name, $name, `?' and `?1' in it; `?' is the place
 * behind the highest so far.  NULL, or what is wrong with it (a static
 * string), and then there is nothing to clear.
 */
const char	*sql_params_read(struct sql_params *, const char *sql,
		    enum sql_dialect);
void		 sql_params_clear(struct sql_params *);

#endif
