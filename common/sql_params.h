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

#include <stddef.h>

#define SQL_PARAMS_MAX	64		/* different ones in a statement */
#define SQL_NAME_MAX	32		/* with NUL */

enum sql_dialect {
	SQL_SQLITE,			/* ?1 */
	SQL_PQ				/* $1 */
};

struct sql_param {
	char		name[SQL_NAME_MAX];	/* "": a plain `?' */
	unsigned int	place;		/* of that among the `?', from 0 */
};

struct sql_params {
	char			*text;	/* one statement, without its `;' */
	size_t			 n;	/* number 1 is param[0] */
	struct sql_param	 param[SQL_PARAMS_MAX];
};

/*
 * Read a statement with :name, $name and `?' in it.  NULL, or what is wrong
 * with it (a static string), and then there is nothing to clear.
 */
const char	*sql_params_read(struct sql_params *, const char *sql,
		    enum sql_dialect);
void		 sql_params_clear(struct sql_params *);

#endif
