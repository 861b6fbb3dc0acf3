/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The configuration in the parent: from the file to a struct config.
 */
#ifndef PARENT_CONF_H
#define PARENT_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "parent_error.h"
#include "parent_yaml.h"

/*
 * Read a file and the files that it names.  The configuration with one
 * reference, generation 0 and without ids (conf_assign_ids); NULL if there
 * are errors.  Errors and warnings are in errs, sorted.  If effective is not
 * NULL it is set to the tree that `postern -nv' prints, defaults included,
 * to be freed with node_free; NULL after an error.  macros may be NULL.
 */
struct config	*parent_conf_load(const char *file, const struct macros *,
		    struct conf_errors *errs, struct node **effective);

/* The same for text that has been read already: for tests. */
struct config	*parent_conf_parse(const char *file, const char *data,
		    size_t len, const struct macros *, struct conf_errors *,
		    struct node **effective);

/*
 * Give every named object its id: the one it has in old (which may be NULL)
 * if it is the same there, else a new one, ++*next_id.  The rules' references
 * to lists are set by them.  To be called before the first conf_put.
 */
void		 conf_assign_ids(struct config *, const struct config *old,
		    uint32_t *next_id);

/*
 * How many processes serve a datasource: none for files of keys, one that
 * has all connections of PostgreSQL, one for each of SQLite.
 */
unsigned int	 conf_source_processes(const struct conf_datasource *);
/*
 * Where a key, "datasource.users.query.route", stands in the file as it is
 * now; line and column are left alone if it is not there.
 */
void		 parent_conf_locate(const char *file, const struct macros *,
		    const char *key, unsigned int *line, unsigned int *col);

/*
 * An address to listen on: ADDR:PORT, [ADDR]:PORT; :PORT sets *any, with the
 * port in *addr; unix:PATH gives an ADDR_UNIX.  -1 with the reason in why (a
 * static string).
 */
int		 conf_bind_parse(const char *, struct addr *addr, bool *any,
		    const char **why);
/* The path in a unix:PATH; NULL if it is none. */
const char	*conf_bind_path(const char *);
/*
 * A name server: an address, with :PORT or not (then the port given).  The
 * same for v6 in brackets.  -1 if it is not one.
 */
int		 conf_server_parse(const char *, struct addr *,
		    uint16_t port);

#endif
