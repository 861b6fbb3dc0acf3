/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * One entry of a list, as people write it: for the parent, which reads
 * postern.yaml and small files, and for verifyd, which reads large ones.
 */
#ifndef LIST_ENTRY_H
#define LIST_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "idn.h"

#define LIST_ENTRY_MAX	1024		/* octets of a key */

/* What was understood; the value lies in the caller's text. */
struct list_entry {
	char		 key[LIST_ENTRY_MAX + 1];	/* lower case */
	/* A second key of the same entry, or "". */
	char		 alabels[LIST_ENTRY_MAX + IDN_MAX + 1];
	bool		 is_net;
	struct cidr	 net;
	const char	*value;
};

/* Of `len' octets of key, and a value.  NULL, or what is wrong with it. */
const char	*list_entry_parse(struct list_entry *, const char *key,
		    size_t len, const char *value);
/*
 * Of a line of a file, without its end, which is changed: NULL and a key, or
 * "" if there is nothing on the line; else what is wrong.
 */
const char	*list_entry_line(struct list_entry *, char *line);

#endif
