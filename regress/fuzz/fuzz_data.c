/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_data.c.  In: the end is where CR LF . CR LF first is and nowhere
 * else, whatever the faults; no bare CR comes out, and no bare LF; any split
 * gives the same.  Out: whatever goes in, the reader finds the end at the end,
 * and what he reads is what went in.  The first octet of the input is the
 * mode, the second how to cut.
 */

#include "fuzz.h"
#include "smtp.h"

#define MAX	4096

struct buf {
	char	 p[4 * MAX + 64];
	size_t	 n;
};

static void
emit(void *arg, const char *p, size_t n)
{
	struct buf	*buf = arg;

	must(n > 0 && n <= sizeof(buf->p) - buf->n);
	memcpy(buf->p + buf->n, p, n);
	buf->n += n;
}

/* No CR without LF and no LF without CR. */
static bool
is_clean(const struct buf *buf)
{
	size_t	 i;

	for (i = 0; i < buf->n; i++) {
		if (buf->p[i] == '\n' && (i == 0 || buf->p[i - 1] != '\r'))
			return false;
		if (buf->p[i] == '\r' && (i + 1 == buf->n ||
		    buf->p[i + 1] != '\n'))
			return false;
	}
	return true;
}

/* Unstuff in pieces; returns what was taken. */
static size_t
unstuff(struct smtp_data_in *in, const char *p, size_t len, unsigned int seed,
    struct buf *out, bool *ended)
{
	enum smtp_data	 result;
	unsigned int	 faults = 0;
	char		*copy;
	size_t		 at = 0, n, used;

	out->n = 0;
	*ended = false;
	while (at < len && !*ended) {
		n = piece(seed, at, len);
		copy = exact(p + at, n);
		result = smtp_data_in(in, copy, n, &used, emit, out);
		must(used <= n);
		must(result != DATA_MORE || used == n);
		faults += result == DATA_BARE;
		*ended = result == DATA_END;
		at += used;
		free(copy);
	}
	must(faults == in->bare && in->octets == out->n);
	return at;
}

static void
test_in(const char *p, size_t len, enum smtp_bare mode, bool chunk,
    unsigned int seed)
{
	static struct buf	 whole, cut, framed;
	struct smtp_data_in	 a = { .mode = mode, .chunk = chunk };
	struct smtp_data_in	 b = { .mode = mode, .chunk = chunk };
	const char		*end;
	size_t			 used;
	bool			 ended, ended2;

	used = unstuff(&a, p, len, 0, &whole, &ended);
	must(unstuff(&b, p, len, seed, &cut, &ended2) == used);
	must(ended2 == ended && a.bare == b.bare && a.state == b.state);
	must(cut.n == whole.n && memcmp(cut.p, whole.p, cut.n) == 0);
	must(is_clean(&whole));

	framed.n = 0;
	emit(&framed, "\r\n", 2);
	if (len > 0)
		emit(&framed, p, len);
	end = memmem(framed.p, framed.n, "\r\n.\r\n", 5);
	if (chunk)
		must(!ended && used == len);
	else
		must(ended == (end != NULL) &&
		    used == (ended ? (size_t)(end + 3 - framed.p) : len));
	must(smtp_data_in_end(&a) == smtp_data_in_end(&b));
}

/*
 * What a reader makes of p: normal line ends, the last line complete; behind
 * a bare LF that means an empty line more.
 */
static void
expect(const char *p, size_t len, struct buf *out)
{
	size_t	 i;

	out->n = 0;
	for (i = 0; i < len; i++) {
		if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
			emit(out, "\r", 1);
		emit(out, p + i, 1);
	}
	if (len > 0 && p[len - 1] == '\r')
		emit(out, "\n", 1);
	else if (len > 0 && (p[len - 1] != '\n' || len == 1 ||
	    p[len - 2] != '\r'))
		emit(out, "\r\n", 2);
}

static void
test_out(const char *p, size_t len, unsigned int seed)
{
	static struct buf	 stuffed, whole, back, want;
	struct smtp_data_out	 out = { .mid = false }, once = out;
	struct smtp_data_in	 in = { .mode = BARE_NORMALIZE };
	size_t			 at, n;
	bool			 ended;

	stuffed.n = whole.n = 0;
	for (at = 0; at < len; at += n) {
		n = piece(seed, at, len);
		smtp_data_out(&out, p + at, n, emit, &stuffed);
	}
	smtp_data_out_end(&out, emit, &stuffed);
	smtp_data_out(&once, p, len, emit, &whole);
	smtp_data_out_end(&once, emit, &whole);
	must(whole.n == stuffed.n);
	must(memcmp(whole.p, stuffed.p, whole.n) == 0);

	n = unstuff(&in, stuffed.p, stuffed.n, 0, &back, &ended);
	must(ended && n == stuffed.n);
	if (in.bare)
		return;
	expect(p, len, &want);
	must(back.n == want.n && memcmp(back.p, want.p, back.n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char		*copy;
	unsigned int	 seed;

	if (len < 2 || len > MAX)
		return 0;
	seed = data[1];
	copy = exact(data + 2, len - 2);
	test_in(copy, len - 2, (data[0] & 1) ? BARE_NORMALIZE : BARE_REJECT,
	    (data[0] & 2) != 0, seed);
	test_out(copy, len - 2, seed);
	free(copy);
	return 0;
}
