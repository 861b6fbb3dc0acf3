/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The file of verdicts, reading: see snap.h.
 *
 * By pread(2), never mapped: a file that somebody cuts while it is in use is
 * a miss then, not a SIGBUS.  A hit is two calls, one of the table and one of
 * the record, a miss is one: with the file in the kernel's memory that is
 * under a microsecond, which a mapping could halve.  All numbers of the file
 * are looked at before they lead anywhere.
 *
 * A record says itself whether it is good (record.c), so the file is of use
 * as soon as its last record, which every file has that was written to the
 * end, is there.  Whether all of it is as it was written is found out behind
 * that, some chunks at a time, and if it is not, all of it is dropped.
 *
 * Rejected: libcdb.  Its reader cannot tell a damaged file from a missing
 * key, its writer makes all tables in one go, which takes 30 ms for a million
 * records, and what is left of a cdb without these is a hundred lines.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "snap.h"
#include "util.h"

#define FORMAT		1
#define SLOTS		16		/* read at once */

uint32_t
snap_hash(const void *data, size_t len)
{
	const uint8_t	*p = data;
	uint32_t	 h = 5381;

	for (; len > 0; len--)
		h = (h + (h << 5)) ^ *p++;
	return h;
}

void
snap_put32(void *to, uint32_t n)
{
	uint8_t	*p = to;
	int	 i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(n >> 8 * i);
}

uint32_t
snap_get32(const void *from)
{
	const uint8_t	*p = from;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* --- the last record ------------------------------------------------------ */

static void
put_hex(char *to, const uint8_t *p, size_t n)
{
	static const char	hex[] = "0123456789abcdef";

	for (; n > 0; n--, p++) {
		*to++ = hex[*p >> 4];
		*to++ = hex[*p & 15];
	}
}

static int
get_hex(const char *from, uint8_t *p, size_t n)
{
	static const char	 hex[] = "0123456789abcdef";
	const char		*hi, *lo;

	for (; n > 0; n--, from += 2) {
		if (from[0] == '\0' || from[1] == '\0' ||
		    (hi = strchr(hex, from[0])) == NULL ||
		    (lo = strchr(hex, from[1])) == NULL)
			return -1;
		*p++ = (uint8_t)((hi - hex) << 4 | (lo - hex));
	}
	return 0;
}

/* "postern-verdicts", format and count: 38 octets of the 104. */
#define META_HEAD	38

void
snap_put_meta(char *to, uint32_t count, const uint8_t *secret,
    const uint8_t *hash)
{
	(void)snprintf(to, META_HEAD + 1, "%s %08u %010u  ",
	    "postern-verdicts", (unsigned int)FORMAT, (unsigned int)count);
	put_hex(to + META_HEAD, secret, SIPHASH_KEY);
	to[META_HEAD + 32] = to[META_HEAD + 33] = ' ';
	put_hex(to + META_HEAD + 34, hash, SIPHASH_LEN);
}

int
snap_get_meta(const char *from, uint32_t *count, uint8_t *secret,
    uint8_t *hash)
{
	char		 again[SNAP_META + 1];
	size_t		 i;
	uint32_t	 n = 0;

	for (i = 26; i < 36; i++)
		n = n * 10 + (uint32_t)(from[i] - '0');
	if (get_hex(from + META_HEAD, secret, SIPHASH_KEY) == -1 ||
	    get_hex(from + META_HEAD + 34, hash, SIPHASH_LEN) == -1)
		return -1;
	/* All else is as we would write it. */
	snap_put_meta(again, n, secret, hash);
	*count = n;
	return memcmp(again, from, SNAP_META) == 0 ? 0 : -1;
}

/* --- opening -------------------------------------------------------------- */

static int
read_at(const struct snap *s, uint64_t at, void *to, size_t n)
{
	return pread(s->fd, to, n, (off_t)at) == (ssize_t)n ? 0 : -1;
}

/* The tables, one behind the other up to the end of the file. */
static int
read_toc(struct snap *s)
{
	uint8_t		 toc[SNAP_TOC];
	uint64_t	 at;
	size_t		 i;

	if (read_at(s, 0, toc, sizeof(toc)) == -1)
		return -1;
	at = snap_get32(toc);
	if (at < SNAP_TOC)
		return -1;
	s->end = at;
	for (i = 0; i < SNAP_TABLES; i++) {
		s->table[i].at = snap_get32(toc + i * SNAP_SLOT);
		s->table[i].slots = snap_get32(toc + i * SNAP_SLOT + 4);
		if (s->table[i].at != at)
			return -1;
		at += (uint64_t)s->table[i].slots * SNAP_SLOT;
	}
	return at == s->size ? 0 : -1;
}

/* The last record ends where the tables begin. */
static int
read_meta(struct snap *s)
{
	char	 rec[SNAP_HEAD + SIPHASH_LEN + SNAP_META];

	if (s->end < SNAP_TOC + sizeof(rec))
		return -1;
	s->end -= sizeof(rec);
	if (read_at(s, s->end, rec, sizeof(rec)) == -1 ||
	    snap_get32(rec) != SIPHASH_LEN ||
	    snap_get32(rec + 4) != SNAP_META ||
	    memcmp(rec + SNAP_HEAD, SNAP_KEY, SIPHASH_LEN) != 0)
		return -1;
	return snap_get_meta(rec + SNAP_HEAD + SIPHASH_LEN, &s->count,
	    s->secret, s->hash);
}

int
snap_open(struct snap *s, int fd, const char **why)
{
	off_t	 size = lseek(fd, 0, SEEK_END);

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	*why = "is not a whole file of verdicts";
	if (size < SNAP_TOC || size > UINT32_MAX) {
		snap_close(s);
		return -1;
	}
	s->size = (uint64_t)size;
	if (read_toc(s) == -1 || read_meta(s) == -1) {
		snap_close(s);
		return -1;
	}
	s->at = SNAP_TOC;
	siphash_init(&s->sum, s->secret);
	return 0;
}

void
snap_close(struct snap *s)
{
	close_fd(&s->fd);
	s->count = 0;
	s->size = 0;
}

/* --- is it as it was written? --------------------------------------------- */

/* The next piece that is hashed, at most n octets; 0: there is none. */
static size_t
check_piece(struct snap *s, size_t n, uint64_t *from)
{
	uint64_t	 skip = s->end + SNAP_HEAD + SIPHASH_LEN, until;

	if (s->at == skip)
		s->at += SNAP_META;
	*from = s->at;
	until = s->at < skip ? skip : s->size;
	if (s->at >= s->size) {			/* the beginning comes last */
		*from = s->at - s->size;
		until = s->size + SNAP_TOC;
	}
	if (n > until - s->at)
		n = (size_t)(until - s->at);
	return n;
}

int
snap_check(struct snap *s, size_t octets, const char **why)
{
	static char	 buf[SNAP_CHUNK];
	uint8_t		 hash[SIPHASH_LEN];
	uint64_t	 from;
	size_t		 n;

	if (s->checked)
		return 1;
	while (octets > 0) {
		n = octets < sizeof(buf) ? octets : sizeof(buf);
		if ((n = check_piece(s, n, &from)) == 0)
			break;
		if (read_at(s, from, buf, n) == -1) {
			*why = "has become shorter";
			return -1;
		}
		siphash_update(&s->sum, buf, n);
		s->at += n;
		octets -= n;
	}
	if (octets > 0 || s->at == s->size + SNAP_TOC) {
		siphash_final(&s->sum, hash);
		s->checked = true;
		*why = "is damaged";
		return memcmp(hash, s->hash, sizeof(hash)) == 0 ? 1 : -1;
	}
	return 0;
}

/* --- finding -------------------------------------------------------------- */

/* The record at a place, if it has the key: the length of its value. */
static size_t
read_record(const struct snap *s, uint32_t at, const uint8_t *key,
    char *value)
{
	char		 rec[SNAP_HEAD + SIPHASH_LEN + RECORD_MAX];
	size_t		 len, first = 256;
	uint32_t	 vlen;

	if (at < SNAP_TOC || at >= s->end)
		return 0;
	/* Most are no longer than this. */
	if (first > s->size - at)
		first = (size_t)(s->size - at);
	if (read_at(s, at, rec, first) == -1 ||
	    snap_get32(rec) != SIPHASH_LEN ||
	    memcmp(rec + SNAP_HEAD, key, SIPHASH_LEN) != 0)
		return 0;
	vlen = snap_get32(rec + 4);
	len = SNAP_HEAD + SIPHASH_LEN + (size_t)vlen;
	if (vlen > RECORD_MAX || at + len > s->end)
		return 0;
	if (len > first &&
	    read_at(s, at + first, rec + first, len - first) == -1)
		return 0;
	memcpy(value, rec + SNAP_HEAD + SIPHASH_LEN, vlen);
	return vlen;
}

size_t
snap_find(const struct snap *s, const uint8_t *key, char *value)
{
	uint8_t			 slots[SLOTS * SNAP_SLOT];
	uint32_t		 h = snap_hash(key, SIPHASH_LEN), at, i, n, k;
	const struct snap_table	*t = &s->table[h % SNAP_TABLES];
	size_t			 len;

	if (s->fd == -1 || t->slots == 0)
		return 0;
	i = (h >> 8) % t->slots;
	for (n = 0; n < t->slots; n += k, i = (i + k) % t->slots) {
		k = t->slots - i < SLOTS ? t->slots - i : SLOTS;
		if (read_at(s, t->at + (uint64_t)i * SNAP_SLOT, slots,
		    k * SNAP_SLOT) == -1)
			return 0;
		for (at = 0; at < k; at++) {
			if (snap_get32(slots + at * SNAP_SLOT + 4) == 0)
				return 0;
			if (snap_get32(slots + at * SNAP_SLOT) != h)
				continue;
			len = read_record(s, snap_get32(slots +
			    at * SNAP_SLOT + 4), key, value);
			if (len != 0)
				return len;
		}
	}
	return 0;
}

/* --- going through it ----------------------------------------------------- */

int
snap_walk_init(struct snap_walk *w)
{
	memset(w, 0, sizeof(*w));
	w->next = SNAP_TOC;
	return (w->buf = malloc(SNAP_CHUNK)) == NULL ? -1 : 0;
}

void
snap_walk_clear(struct snap_walk *w)
{
	free(w->buf);
	memset(w, 0, sizeof(*w));
}

/* Have n octets in the buffer. */
static int
walk_have(struct snap_walk *w, const struct snap *s, size_t n)
{
	size_t	 more;

	if (w->len - w->at >= n)
		return 0;
	w->len -= w->at;
	memmove(w->buf, w->buf + w->at, w->len);
	w->at = 0;
	more = SNAP_CHUNK - w->len;
	if (more > s->end - w->next)
		more = (size_t)(s->end - w->next);
	if (w->len + more < n || read_at(s, w->next, w->buf + w->len,
	    more) == -1) {
		errno = EPROTO;
		return -1;
	}
	w->next += more;
	w->len += more;
	return 0;
}

int
snap_walk_next(struct snap_walk *w, const struct snap *s,
    const uint8_t **key, const char **value, size_t *len)
{
	size_t	 head = SNAP_HEAD + SIPHASH_LEN;

	if (s->fd == -1 || (w->at == w->len && w->next == s->end))
		return 0;
	if (walk_have(w, s, head) == -1)
		return -1;
	*len = snap_get32(w->buf + w->at + 4);
	if (snap_get32(w->buf + w->at) != SIPHASH_LEN || *len > RECORD_MAX ||
	    walk_have(w, s, head + *len) == -1) {
		errno = EPROTO;
		return -1;
	}
	*key = (const uint8_t *)w->buf + w->at + SNAP_HEAD;
	*value = w->buf + w->at + head;
	w->at += head + *len;
	return 1;
}
