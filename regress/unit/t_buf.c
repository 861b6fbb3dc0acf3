/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * buf.c against a plain array: whatever is added and taken in any order, the
 * queue holds the same octets; and its maximum is one.
 */

#include <errno.h>
#include <stdint.h>

#include "buf.h"
#include "t.h"

#define MAX	5000

/* Numbers that are the same in every run. */
static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static void
test_model(bool secret)
{
	static char	model[MAX + 1];
	struct buf	b;
	char		piece[700];
	uint32_t	seed = 1 + secret;
	size_t		len = 0, n, i;
	unsigned int	round, wrong = 0;

	buf_init(&b, MAX);
	b.secret = secret;
	for (round = 0; round < 20000; round++) {
		n = next(&seed) % sizeof(piece);
		if (next(&seed) % 3 != 0) {
			for (i = 0; i < n; i++)
				piece[i] = (char)next(&seed);
			errno = 0;
			if (len + n > MAX) {
				wrong += buf_add(&b, piece, n) != -1 ||
				    errno != ENOBUFS;
			} else {
				wrong += buf_add(&b, piece, n) != 0;
				memcpy(model + len, piece, n);
				len += n;
			}
		} else {
			buf_drain(&b, n);
			n = n < len ? n : len;
			memmove(model, model + n, len - n);
			len -= n;
		}
		wrong += b.len != len || (len > 0 &&
		    memcmp(buf_data(&b), model, len) != 0);
		wrong += len == 0 && (b.data != NULL || buf_data(&b) != NULL);
	}
	ok(wrong == 0, "%u of 20000 steps went wrong, secret %d", wrong,
	    secret);
	buf_clear(&b);
	ok(b.data == NULL && b.len == 0 && b.max == MAX, "cleared");
}

static void
test_edges(void)
{
	struct buf	b;
	char		big[600];

	memset(big, 'x', sizeof(big));
	buf_init(&b, 600);
	ok(buf_data(&b) == NULL, "nothing in it");
	is_int(buf_add(&b, NULL, 0), 0, "nothing added");
	ok(b.data == NULL, "costs no memory");
	is_int(buf_add(&b, big, 600), 0, "exactly the maximum");
	is_int(buf_add(&b, "", 1), -1, "one more");
	is_int((long long)b.len, 600, "was not added");
	buf_drain(&b, 599);
	is_int(buf_add(&b, big, 599), 0, "what was taken is free again");
	is_int(buf_add(&b, big, SIZE_MAX), -1, "more than there is");
	buf_drain(&b, 9999);
	ok(b.data == NULL && b.len == 0, "more than all is all");
	buf_init(&b, 0);
	is_int(buf_add(&b, "a", 1), -1, "a maximum of nothing");
}

int
main(void)
{
	test_model(false);
	test_model(true);
	test_edges();
	return done("t_buf");
}
