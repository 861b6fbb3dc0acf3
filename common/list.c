/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lists of the configuration: see list.h.  Sorted once for each
 * generation, so that a look-up is a binary search and nothing a client
 * sends can make it slower.  Networks are few and are tried one by one.
 */

#include <stdlib.h>
#include <string.h>

#include "list.h"

struct list_index {
	char		**names;
	size_t		  n;
	struct nets	  nets;
	char		**net_names;	/* their entries */
};

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct list_index *
list_index(const struct conf_list *l)
{
	struct list_index	*x;
	struct cidr		 net;
	size_t			 i;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	x->names = calloc(l->entries.n + 1, sizeof(*x->names));
	x->net_names = calloc(l->entries.n + 1, sizeof(*x->net_names));
	if (x->names == NULL || x->net_names == NULL)
		goto fail;
	for (i = 0; i < l->entries.n; i++) {
		x->names[x->n++] = l->entries.v[i];
		if (cidr_parse(&net, l->entries.v[i]) == -1)
			continue;
		x->net_names[x->nets.n] = l->entries.v[i];
		if (nets_add(&x->nets, &net) == -1)
			goto fail;
	}
	qsort(x->names, x->n, sizeof(*x->names), name_cmp);
	return x;
fail:
	list_free(x);
	return NULL;
}

void
list_free(struct list_index *x)
{
	if (x == NULL)
		return;
	free(x->names);
	free(x->net_names);
	free(x->nets.v);
	free(x);
}

/* The entry itself, in the list's own memory; NULL: there is none. */
static const char *
entry_find(const struct list_index *x, const char *value,
    const struct addr *ip)
{
	char	**name = NULL;
	size_t	  i;

	if (x == NULL)
		return NULL;
	if (value != NULL && value[0] != '\0')
		name = bsearch(&value, x->names, x->n, sizeof(*x->names),
		    name_cmp);
	if (name != NULL)
		return *name;
	for (i = 0; ip != NULL && i < x->nets.n; i++)
		if (cidr_match(&x->nets.v[i], ip))
			return x->net_names[i];
	return NULL;
}

bool
list_has(const struct list_index *x, const char *value, const struct addr *ip)
{
	return entry_find(x, value, ip) != NULL;
}

const char *
list_value(const struct list_index *x, const char *value,
    const struct addr *ip)
{
	const char	*entry = entry_find(x, value, ip);

	return entry == NULL ? NULL : conf_entry_value(entry);
}
