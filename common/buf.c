/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A growable queue of octets: see buf.h.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

#define BUF_MIN	256

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

static void
buf_release(struct buf *b, char *data, size_t size)
{
	if (b->secret)
		freezero(data, size);
	else
		free(data);
}

void
buf_clear(struct buf *b)
{
	buf_release(b, b->data, b->size);
	b->data = NULL;
	b->off = b->len = b->size = 0;
}

/* Make room for n more behind the content: move it, or grow. */
static int
buf_room(struct buf *b, size_t n)
{
	char	*data;
	size_t	 size;

	if (b->size - b->off - b->len >= n)
		return 0;
	if (b->off >= b->len && b->size - b->len >= n) {
		memcpy(b->data, b->data + b->off, b->len);
		b->off = 0;
		return 0;
	}
	size = b->size == 0 ? BUF_MIN : b->size;
	while (size < b->len + n)
		size *= 2;
	if ((data = malloc(size)) == NULL)
		return -1;
	if (b->len > 0)
		memcpy(data, b->data + b->off, b->len);
	buf_release(b, b->data, b->size);
	b->data = data;
	b->size = size;
	b->off = 0;
	return 0;
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return 0;
	if (n > b->max - b->len) {
		errno = ENOBUFS;
		return -1;
	}
	if (buf_room(b, n) == -1)
		return -1;
	memcpy(b->data + b->off + b->len, p, n);
	b->len += n;
	return 0;
}

void
buf_drain(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_clear(b);
		return;
	}
	b->off += n;
	b->len -= n;
}

char *
buf_data(const struct buf *b)
{
	return b->len == 0 ? NULL : b->data + b->off;
}
