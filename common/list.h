/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lists of the configuration, indexed for look-ups: small ones in a table in
 * memory, big ones in the file that came with them.
 */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>

#include "addr.h"
#include "config.h"

struct list_index;

/*
 * The index refers to the list's strings, and to a file that it maps.  NULL
 * and errno: there was no memory; or EINVAL, its file is none of list_file.h.
 */
struct list_index *list_index(const struct conf_list *);
void		 list_free(struct list_index *);
/*
 * Is the value (lower case) an entry?  ip, unless NULL, is looked for in the
 * entries that are addresses and networks.
 */
bool		 list_has(const struct list_index *, const char *value,
		    const struct addr *ip);
/*
 * What the list has behind that entry (conf_entry_value: "" if nothing), until
 * list_free; NULL: it is no entry.  Of several the first in the list decides.
 */
const char	*list_value(const struct list_index *, const char *value,
		    const struct addr *ip);

#endif
