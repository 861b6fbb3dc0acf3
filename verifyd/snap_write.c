/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The file of verdicts, writing: see snap.h.
 *
 * Nothing here takes long: records are gathered and written 64 KiB at a time,
 * and each of the 256 tables is made when it is written.  The last record's
 * value and the beginning of the file, which lead to all the rest, are
 * written at the end: a file that was not finished has neither.
 *
 * Whether it is on the disk is the parent's business: fsync(2) may take
 * seconds, and would take them from everybody who waits for a verdict.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "snap.h"
#include "util.h"

int
snap_new_init(struct snap_new *s, int fd, const uint8_t *secret)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	memcpy(s->secret, secret, SIPHASH_KEY);
	s->pos = SNAP_TOC;
	siphash_init(&s->sum, secret);
	if ((s->buf = malloc(SNAP_CHUNK)) != NULL)
		return 0;
	snap_new_clear(s);
	errno = ENOMEM;
	return -1;
}

void
snap_new_clear(struct snap_new *s)
{
	size_t	 i;

	close_fd(&s->fd);
	for (i = 0; i < SNAP_TABLES; i++)
		free(s->slots[i].slot);
	free(s->buf);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

static int
write_at(int fd, const void *data, size_t n, uint64_t at)
{
	const char	*p = data;
	ssize_t		 w;

	for (; n > 0; n -= (size_t)w, p += w, at += (uint64_t)w) {
		w = pwrite(fd, p, n, (off_t)at);
		if (w == -1 && errno == EINTR)
			w = 0;
		else if (w <= 0)
			return -1;
	}
	return 0;
}

static int
flush(struct snap_new *s)
{
	if (write_at(s->fd, s->buf, s->len, s->pos - s->len) == -1)
		return -1;
	s->len = 0;
	return 0;
}

static int
add(struct snap_new *s, const void *data, size_t n)
{
	const char	*p = data;
	size_t		 k;

	for (; n > 0; n -= k, p += k) {
		if (s->len == SNAP_CHUNK && flush(s) == -1)
			return -1;
		k = SNAP_CHUNK - s->len < n ? SNAP_CHUNK - s->len : n;
		memcpy(s->buf + s->len, p, k);
		s->len += k;
		s->pos += k;
	}
	return 0;
}

static int
add_hashed(struct snap_new *s, const void *data, size_t n)
{
	siphash_update(&s->sum, data, n);
	return add(s, data, n);
}

/* Note where the next record is. */
static int
add_slot(struct snap_new *s, const void *key)
{
	uint32_t		 h = snap_hash(key, SIPHASH_LEN);
	struct snap_slots	*v = &s->slots[h % SNAP_TABLES];
	void			*more;

	if (v->n == v->room) {
		more = reallocarray(v->slot, v->room + v->room / 2 + 16,
		    sizeof(*v->slot));
		if (more == NULL)
			return -1;
		v->slot = more;
		v->room += v->room / 2 + 16;
	}
	v->slot[v->n][0] = h;
	v->slot[v->n++][1] = (uint32_t)s->pos;
	return 0;
}

/* All of the file when there are n octets and one record more. */
static uint64_t
size_with(const struct snap_new *s, size_t n)
{
	return s->pos + n + 2 * (SNAP_HEAD + SIPHASH_LEN) + SNAP_META +
	    ((uint64_t)s->count + 2) * 2 * SNAP_SLOT;
}

static int
add_head(struct snap_new *s, const void *key, size_t len)
{
	uint8_t	 head[SNAP_HEAD + SIPHASH_LEN];

	if (add_slot(s, key) == -1)
		return -1;
	snap_put32(head, SIPHASH_LEN);
	snap_put32(head + 4, (uint32_t)len);
	memcpy(head + SNAP_HEAD, key, SIPHASH_LEN);
	return add_hashed(s, head, sizeof(head));
}

int
snap_new_add(struct snap_new *s, const uint8_t *key, const char *value,
    size_t len)
{
	if (size_with(s, len) > UINT32_MAX) {
		errno = EFBIG;
		return -1;
	}
	if (add_head(s, key, len) == -1)
		return -1;
	s->count++;
	return add_hashed(s, value, len);
}

/* Twice as many slots as there are records for it. */
static int
add_table(struct snap_new *s, unsigned int i)
{
	struct snap_slots	*v = &s->slots[i];
	uint32_t		 n = 2 * v->n, k, at;
	uint8_t			*table;
	int			 res;

	s->table[i].at = (uint32_t)s->pos;
	s->table[i].slots = n;
	if (n == 0)
		return 0;
	if ((table = calloc(n, SNAP_SLOT)) == NULL)
		return -1;
	for (k = 0; k < v->n; k++) {
		at = (v->slot[k][0] >> 8) % n;
		while (snap_get32(table + (size_t)at * SNAP_SLOT + 4) != 0)
			at = (at + 1) % n;
		snap_put32(table + (size_t)at * SNAP_SLOT, v->slot[k][0]);
		snap_put32(table + (size_t)at * SNAP_SLOT + 4,
		    v->slot[k][1]);
	}
	res = add_hashed(s, table, (size_t)n * SNAP_SLOT);
	free(table);
	free(v->slot);
	memset(v, 0, sizeof(*v));
	return res;
}

/* What makes it a file. */
static int
write_ends(struct snap_new *s)
{
	uint8_t	 toc[SNAP_TOC], hash[SIPHASH_LEN];
	char	 meta[SNAP_META + 1];
	size_t	 i;

	for (i = 0; i < SNAP_TABLES; i++) {
		snap_put32(toc + i * SNAP_SLOT, s->table[i].at);
		snap_put32(toc + i * SNAP_SLOT + 4, s->table[i].slots);
	}
	siphash_update(&s->sum, toc, sizeof(toc));
	siphash_final(&s->sum, hash);
	snap_put_meta(meta, s->count, s->secret, hash);
	if (flush(s) == -1 ||
	    write_at(s->fd, meta, SNAP_META, s->meta) == -1)
		return -1;
	return write_at(s->fd, toc, sizeof(toc), 0);
}

int
snap_new_finish(struct snap_new *s, unsigned int n)
{
	static const char	 blank[SNAP_META];

	if (s->meta == 0) {
		if (add_head(s, SNAP_KEY, SNAP_META) == -1)
			return -1;
		s->meta = s->pos;
		if (add(s, blank, sizeof(blank)) == -1)
			return -1;
	}
	for (; n > 0 && s->tables < SNAP_TABLES; n--)
		if (add_table(s, s->tables++) == -1)
			return -1;
	if (s->tables < SNAP_TABLES)
		return 0;
	return write_ends(s) == -1 ? -1 : 1;
}
