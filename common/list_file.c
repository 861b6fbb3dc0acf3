/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Reading a large list: see list_file.h.  (verifyd/list_build.c writes it.)
 *
 * The file is mapped, so that all processes have the same pages of it and a
 * look-up is no system call; it is sealed before anybody gets it, so nobody
 * can cut it under us.  A process that read the operator's text has written
 * it: every place in it is checked before it is used.
 *
 * A network is found by its length: the address is cut to each length that
 * occurs, which are few, and looked up like any key.
 *
 * Rejected: libcdb, whose cdb_init asks for the file's size by fstat(2),
 * which is closed to smtpd, and whose place in the process that reads the
 * Internet would be large for these lines; networks in a table of their own
 * to be searched through.
 */

#include <sys/mman.h>

#include <errno.h>
#include <string.h>

#include "list_file.h"

#define TOC		2048		/* 256 tables: place, slots */
#define SLOT		8		/* hash, place of the record */
#define RECORD		8		/* lengths of key and value */

static uint32_t
u32_at(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static uint32_t
hash(const uint8_t *key, size_t len)
{
	uint32_t	h = 5381;

	while (len-- > 0)
		h = ((h << 5) + h) ^ *key++;
	return h;
}

/* The value at a record if that is the key's; NULL: it is another's. */
static const uint8_t *
record(const struct list_file *f, uint32_t at, const void *key, size_t len,
    size_t *vlen)
{
	const uint8_t	*p = f->p + at;
	size_t		 room;

	if (at > f->size || f->size - at < RECORD || u32_at(p) != len)
		return NULL;
	room = f->size - at - RECORD;
	*vlen = u32_at(p + 4);
	if (len > room || *vlen > room - len ||
	    memcmp(p + RECORD, key, len) != 0)
		return NULL;
	return p + RECORD + len;
}

static const uint8_t *
find(const struct list_file *f, const void *key, size_t len, size_t *vlen)
{
	uint32_t	 h = hash(key, len), n, i, slot, at;
	const uint8_t	*toc = f->p + (h & 255) * SLOT, *table, *value;

	n = u32_at(toc + 4);
	if (n == 0)
		return NULL;
	table = f->p + u32_at(toc);
	slot = (h >> 8) % n;
	for (i = 0; i < n; i++) {
		at = u32_at(table + (size_t)slot * SLOT + 4);
		if (at == 0)
			return NULL;
		if (u32_at(table + (size_t)slot * SLOT) == h &&
		    (value = record(f, at, key, len, vlen)) != NULL)
			return value;
		if (++slot == n)
			slot = 0;
	}
	return NULL;
}

/* --- opening -------------------------------------------------------------- */

/* All tables are in the file: find() relies on it. */
static bool
tables_fit(const struct list_file *f)
{
	uint64_t	begin;
	size_t		i;

	for (i = 0; i < TOC; i += SLOT) {
		begin = u32_at(f->p + i);
		if (u32_at(f->p + i + 4) > 0 && (begin < TOC || begin +
		    (uint64_t)u32_at(f->p + i + 4) * SLOT > f->size))
			return false;
	}
	return true;
}

int
list_file_view(struct list_file *f, const void *p, size_t size)
{
	const uint8_t	*form;
	size_t		 len;

	f->p = p;
	f->size = size;
	if (size < TOC || !tables_fit(f))
		return -1;
	form = find(f, "", 1, &len);
	if (form == NULL || len != LIST_FORM ||
	    memcmp(form, LIST_MAGIC, sizeof(LIST_MAGIC)) != 0)
		return -1;
	f->bits4 = form + sizeof(LIST_MAGIC);
	f->bits6 = f->bits4 + LIST_BITS4;
	return 0;
}

int
list_file_open(struct list_file *f, int fd, int64_t size)
{
	void	*p;

	errno = EINVAL;
	if (size < TOC || size > UINT32_MAX)
		return -1;
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	if (list_file_view(f, p, (size_t)size) == 0)
		return 0;
	(void)munmap(p, (size_t)size);
	errno = EINVAL;
	return -1;
}

void
list_file_close(struct list_file *f)
{
	if (f->p != NULL)
		(void)munmap((void *)(uintptr_t)f->p, f->size);
	memset(f, 0, sizeof(*f));
}

/* --- look-ups ------------------------------------------------------------- */

const char *
list_file_value(const struct list_file *f, const char *key)
{
	const uint8_t	*v;
	size_t		 len;

	v = key[0] == '\0' ? NULL : find(f, key, strlen(key), &len);
	if (v == NULL || len == 0 || v[len - 1] != '\0')
		return NULL;
	return (const char *)v;
}

size_t
list_net_key(uint8_t key[LIST_NET_KEY], const struct addr *a,
    unsigned int bits)
{
	struct addr	net = *a;
	size_t		len = a->family == ADDR_V4 ? 4 : 16;

	addr_mask(&net, bits, bits);
	key[0] = '\0';
	key[1] = a->family;
	key[2] = (uint8_t)bits;
	memcpy(key + 3, net.ip, len);
	return len + 3;
}

const char *
list_file_net(const struct list_file *f, const struct addr *a)
{
	const uint8_t	*there = f->bits6, *v, *best = NULL;
	uint8_t		 key[LIST_NET_KEY];
	unsigned int	 bits, n = LIST_BITS6;
	size_t		 len;

	if (a->family != ADDR_V4 && a->family != ADDR_V6)
		return NULL;
	if (a->family == ADDR_V4) {
		there = f->bits4;
		n = LIST_BITS4;
	}
	for (bits = 0; bits < n; bits++) {
		if (there[bits] != 1)
			continue;
		v = find(f, key, list_net_key(key, a, bits), &len);
		if (v == NULL || len < 5 || v[len - 1] != '\0')
			continue;
		if (best == NULL || u32_at(v) < u32_at(best))
			best = v;
	}
	return best == NULL ? NULL : (const char *)best + 4;
}
