/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lists of the configuration, indexed for look-ups.
 */
#ifndef FRONT_LIST_H
#define FRONT_LIST_H

#include <stdbool.h>

#include "addr.h"
#include "config.h"

struct list_index;

/* The index refers to the list's strings.  NULL without memory. */
struct list_index *list_index(const struct conf_list *);
void		 list_free(struct list_index *);
/*
 * Is the value (lower case) an entry?  ip, unless NULL, is looked for in the
 * entries that are addresses and networks.
 */
bool		 list_has(const struct list_index *, const char *value,
		    const struct addr *ip);
/*
 * What the list has behind that entry (conf_entry_value: "" if nothing);
 * NULL: it is no entry.  Of networks the first in the list that fits.
 */
const char	*list_value(const struct list_index *, const char *value,
		    const struct addr *ip);

#endif
