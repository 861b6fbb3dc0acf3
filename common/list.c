/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lists of the configuration: see list.h.
 *
 * A small list is a table of its entries, made once for each generation.  The
 * operator chose the keys, so the hash needs no secret: what clients send can
 * only be looked up.  Networks are in a table of their own, by their length
 * and bits: an address is cut to each length that occurs, and looked up.
 *
 * Rejected: the entries in order, for a binary search (ten comparisons in a
 * thousand, each of them memory somewhere else); networks one by one.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "list_file.h"

/* Open addressing, at most half full; of equal keys the first counts. */
struct slot {
	uint32_t	 hash;
	uint32_t	 place;		/* in the list, from 1; 0 = free */
};

struct table {
	struct slot	*slots;
	uint32_t	 mask;
};

struct list_index {
	const struct strs *entries;
	struct table	 names, nets;
	bool		 bits4[LIST_BITS4], bits6[LIST_BITS6];
	bool		 is_file;
	struct list_file file;
};

/* FNV-1a. */
static uint32_t
hash(const void *data, size_t len)
{
	const uint8_t	*p = data;
	uint32_t	 h = 2166136261U;

	while (len-- > 0)
		h = (h ^ *p++) * 16777619U;
	return h;
}

static int
table_init(struct table *t, size_t n)
{
	size_t	size = 2;

	if (n > UINT32_MAX / 4) {
		errno = ENOMEM;
		return -1;
	}
	while (size < 2 * n)
		size *= 2;
	t->mask = (uint32_t)(size - 1);
	t->slots = calloc(size, sizeof(*t->slots));
	return t->slots == NULL ? -1 : 0;
}

/* --- what is in it -------------------------------------------------------- */

/* Is the entry at this place the network, cut to so many bits? */
static bool
is_net(const struct list_index *x, uint32_t place, const struct addr *a,
    unsigned int bits)
{
	struct cidr	net;

	return cidr_parse(&net, x->entries->v[place - 1]) == 0 &&
	    net.bits == bits && cidr_match(&net, a);
}

/* Its slot, or the free one where it would be. */
static struct slot *
find_name(const struct list_index *x, const char *name, uint32_t h)
{
	struct slot	*s;
	uint32_t	 i;

	for (i = h & x->names.mask;; i = (i + 1) & x->names.mask) {
		s = &x->names.slots[i];
		if (s->place == 0 || (s->hash == h &&
		    strcmp(x->entries->v[s->place - 1], name) == 0))
			return s;
	}
}

static struct slot *
find_net(const struct list_index *x, const struct addr *a, unsigned int bits,
    uint32_t *h)
{
	uint8_t		 key[LIST_NET_KEY];
	struct slot	*s;
	uint32_t	 i;
	size_t		 len = list_net_key(key, a, bits);

	*h = hash(key, len);
	for (i = *h & x->nets.mask;; i = (i + 1) & x->nets.mask) {
		s = &x->nets.slots[i];
		if (s->place == 0 ||
		    (s->hash == *h && is_net(x, s->place, a, bits)))
			return s;
	}
}

static void
slot_take(struct slot *s, uint32_t h, size_t i)
{
	if (s->place != 0)
		return;
	s->hash = h;
	s->place = (uint32_t)i + 1;
}

static void
add(struct list_index *x, const char *entry, size_t i)
{
	struct cidr	 net;
	struct slot	*s;
	uint32_t	 h = hash(entry, strlen(entry));

	slot_take(find_name(x, entry, h), h, i);
	if (cidr_parse(&net, entry) == -1)
		return;
	s = find_net(x, &net.net, net.bits, &h);
	slot_take(s, h, i);
	if (net.net.family == ADDR_V4)
		x->bits4[net.bits] = true;
	else
		x->bits6[net.bits] = true;
}

static size_t
count_nets(const struct strs *entries)
{
	struct cidr	net;
	size_t		i, n = 0;

	for (i = 0; i < entries->n; i++)
		n += cidr_parse(&net, entries->v[i]) == 0;
	return n;
}

struct list_index *
list_index(const struct conf_list *l)
{
	struct list_index	*x;
	size_t			 i;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	x->entries = &l->entries;
	x->is_file = l->big;
	errno = EINVAL;
	if (x->is_file && (l->files.n != 1 ||
	    list_file_open(&x->file, l->files.v[0], l->size) == -1))
		goto fail;
	if (x->is_file)
		return x;
	if (table_init(&x->names, l->entries.n) == -1 ||
	    table_init(&x->nets, count_nets(&l->entries)) == -1)
		goto fail;
	for (i = 0; i < l->entries.n; i++)
		add(x, l->entries.v[i], i);
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
	if (x->is_file)
		list_file_close(&x->file);
	free(x->names.slots);
	free(x->nets.slots);
	free(x);
}

/* --- look-ups ------------------------------------------------------------- */

static uint32_t
place_of_net(const struct list_index *x, const struct addr *ip)
{
	const bool	*there = ip->family == ADDR_V4 ? x->bits4 : x->bits6;
	unsigned int	 bits, n;
	uint32_t	 place, best = 0, h;

	if (ip->family != ADDR_V4 && ip->family != ADDR_V6)
		return 0;
	n = ip->family == ADDR_V4 ? LIST_BITS4 : LIST_BITS6;
	for (bits = 0; bits < n; bits++) {
		if (!there[bits])
			continue;
		place = find_net(x, ip, bits, &h)->place;
		if (place != 0 && (best == 0 || place < best))
			best = place;
	}
	return best;
}

const char *
list_value(const struct list_index *x, const char *value,
    const struct addr *ip)
{
	const char	*found = NULL;
	uint32_t	 place = 0;

	if (x == NULL)
		return NULL;
	if (value == NULL)
		value = "";
	if (x->is_file) {
		found = list_file_value(&x->file, value);
		return found != NULL || ip == NULL ? found :
		    list_file_net(&x->file, ip);
	}
	if (value[0] != '\0')
		place = find_name(x, value,
		    hash(value, strlen(value)))->place;
	if (place == 0 && ip != NULL)
		place = place_of_net(x, ip);
	return place == 0 ? NULL : conf_entry_value(x->entries->v[place - 1]);
}

bool
list_has(const struct list_index *x, const char *value, const struct addr *ip)
{
	return list_value(x, value, ip) != NULL;
}
