/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Payloads of frames: see wire.h.  Written and read octet by octet, so that
 * neither padding nor the order of octets of a machine matters, and no
 * getter ever looks at an octet beyond the end.
 */

#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "wire.h"

/* Room for n more octets, or NULL: the buffer has failed. */
static uint8_t *
wbuf_room(struct wbuf *w, size_t n)
{
	uint8_t	*p;
	size_t	 size;

	if (w->failed)
		return NULL;
	if (w->size - w->len < n) {
		size = w->size == 0 ? 128 : w->size;
		while (size - w->len < n) {
			if (size > SIZE_MAX / 2) {
				w->failed = true;
				return NULL;
			}
			size *= 2;
		}
		if (w->secret)
			p = recallocarray(w->data, w->size, size, 1);
		else
			p = realloc(w->data, size);
		if (p == NULL) {
			w->failed = true;
			return NULL;
		}
		w->data = p;
		w->size = size;
	}
	p = w->data + w->len;
	w->len += n;
	return p;
}

static void
put_le(struct wbuf *w, uint64_t v, size_t n)
{
	uint8_t	*p;
	size_t	 i;

	if ((p = wbuf_room(w, n)) == NULL)
		return;
	for (i = 0; i < n; i++)
		p[i] = (v >> (8 * i)) & 0xff;
}

void
put_u8(struct wbuf *w, uint8_t v)
{
	put_le(w, v, 1);
}

void
put_u16(struct wbuf *w, uint16_t v)
{
	put_le(w, v, 2);
}

void
put_u32(struct wbuf *w, uint32_t v)
{
	put_le(w, v, 4);
}

void
put_u64(struct wbuf *w, uint64_t v)
{
	put_le(w, v, 8);
}

void
put_i64(struct wbuf *w, int64_t v)
{
	put_le(w, (uint64_t)v, 8);
}

void
put_bool(struct wbuf *w, bool v)
{
	put_le(w, v ? 1 : 0, 1);
}

void
put_raw(struct wbuf *w, const void *data, size_t n)
{
	uint8_t	*p;

	if (n > 0 && (p = wbuf_room(w, n)) != NULL)
		memcpy(p, data, n);
}

void
put_blob(struct wbuf *w, const void *data, size_t n)
{
	if (n > UINT32_MAX) {
		w->failed = true;
		return;
	}
	put_u32(w, (uint32_t)n);
	put_raw(w, data, n);
}

void
put_str(struct wbuf *w, const char *s)
{
	put_blob(w, s, s == NULL ? 0 : strlen(s));
}

/* May this octet stand in a line? */
static bool
is_text(unsigned char c)
{
	return c >= 0x20 && c != 0x7f;
}

void
put_line(struct wbuf *w, const char *s)
{
	size_t		 i, n = s == NULL ? 0 : strlen(s), before = w->len;
	uint8_t		*p;

	put_blob(w, s, n);
	if (w->failed)
		return;
	p = w->data + before + 4;
	for (i = 0; i < n; i++)
		if (!is_text(p[i]))
			p[i] = '?';
}

void
put_addr(struct wbuf *w, const struct addr *a)
{
	put_u8(w, a->family);
	put_u16(w, a->port);
	put_blob(w, a->ip, a->family == ADDR_V4 ? 4 :
	    a->family == ADDR_V6 ? 16 : 0);
}

bool
wire_ok(const struct wbuf *w)
{
	return !w->failed;
}

void
wbuf_clear(struct wbuf *w)
{
	if (w->secret)
		freezero(w->data, w->size);
	else
		free(w->data);
	memset(w, 0, sizeof(*w));
}

void
rbuf_init(struct rbuf *r, const void *data, size_t n)
{
	r->p = data;
	r->end = n == 0 ? r->p : r->p + n;
	r->failed = false;
}

/* The next n octets, or NULL: the buffer has failed. */
static const uint8_t *
rbuf_take(struct rbuf *r, size_t n)
{
	const uint8_t	*p = r->p;

	if (r->failed || (size_t)(r->end - p) < n) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static uint64_t
get_le(struct rbuf *r, size_t n)
{
	const uint8_t	*p;
	uint64_t	 v = 0;
	size_t		 i;

	if ((p = rbuf_take(r, n)) == NULL)
		return 0;
	for (i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t
get_u8(struct rbuf *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t
get_u16(struct rbuf *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t
get_u32(struct rbuf *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t
get_u64(struct rbuf *r)
{
	return get_le(r, 8);
}

int64_t
get_i64(struct rbuf *r)
{
	return (int64_t)get_le(r, 8);
}

uint8_t
get_enum(struct rbuf *r, uint8_t limit)
{
	uint8_t	v = get_u8(r);

	if (v >= limit) {
		r->failed = true;
		return 0;
	}
	return v;
}

bool
get_bool(struct rbuf *r)
{
	return get_enum(r, 2) != 0;
}

const uint8_t *
get_blob(struct rbuf *r, size_t *n)
{
	const uint8_t	*p;

	*n = get_u32(r);
	if ((p = rbuf_take(r, *n)) == NULL)
		*n = 0;
	return p;
}

char *
get_strdup(struct rbuf *r)
{
	const uint8_t	*p;
	char		*s;
	size_t		 n;

	if ((p = get_blob(r, &n)) == NULL)
		return NULL;
	if (memchr(p, '\0', n) != NULL || (s = malloc(n + 1)) == NULL) {
		r->failed = true;
		return NULL;
	}
	memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

void
get_str(struct rbuf *r, char *out, size_t size)
{
	const uint8_t	*p;
	size_t		 n;

	out[0] = '\0';
	if ((p = get_blob(r, &n)) == NULL)
		return;
	if (n >= size || memchr(p, '\0', n) != NULL) {
		r->failed = true;
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

void
get_line(struct rbuf *r, char *out, size_t size)
{
	const unsigned char	*p;

	get_str(r, out, size);
	for (p = (const unsigned char *)out; *p != '\0'; p++)
		if (!is_text(*p)) {
			r->failed = true;
			out[0] = '\0';
			return;
		}
}

void
get_addr(struct rbuf *r, struct addr *a)
{
	const uint8_t	*p;
	size_t		 n, want;

	memset(a, 0, sizeof(*a));
	a->family = get_enum(r, ADDR_UNIX + 1);
	a->port = get_u16(r);
	p = get_blob(r, &n);
	want = a->family == ADDR_V4 ? 4 : a->family == ADDR_V6 ? 16 : 0;
	if (p == NULL || n != want) {
		r->failed = true;
		memset(a, 0, sizeof(*a));
		return;
	}
	memcpy(a->ip, p, n);
}

void
get_fail(struct rbuf *r)
{
	r->failed = true;
}

int
get_end(const struct rbuf *r)
{
	return r->failed || r->p != r->end ? -1 : 0;
}
