/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_data.c.  Every case is fed whole, cut in two everywhere and octet by
 * octet; the content and the outcome must be the same.  The outcome is
 * "end" with what is left over, or "more"; a '!' marks the one DATA_BARE.
 */

#include "smtp.h"
#include "t.h"

static struct {
	char	 p[65536];
	size_t	 n;
} sink;

static void
emit(void *arg, const char *p, size_t n)
{
	ok(arg == &sink, "the argument is passed on");
	ok(n > 0, "nothing empty is emitted");
	ok(sink.n + n < sizeof(sink.p), "room in the sink");
	memcpy(sink.p + sink.n, p, n);
	sink.n += n;
	sink.p[sink.n] = '\0';
}

#define R	BARE_REJECT
#define N	BARE_NORMALIZE

static const struct {
	enum smtp_bare	 mode;
	const char	*in;
	const char	*content;
	const char	*outcome;	/* '!' if faulty, then E or M */
	size_t		 left;		/* octets behind the end */
} cases[] = {
	/* the true end, and content up to it */
	{ R, ".\r\n", "", "E", 0 },
	{ R, ".\r\nQUIT\r\n", "", "E", 6 },
	{ R, "\r\n.\r\n", "\r\n", "E", 0 },
	{ R, "a\r\n.\r\n", "a\r\n", "E", 0 },
	{ R, "a\r\nb\r\n\r\nc\r\n.\r\n.\r\n", "a\r\nb\r\n\r\nc\r\n", "E", 3 },
	{ R, "S: x\r\n\r\nlong enough for a word\r\nand another\r\n.\r\nX",
	    "S: x\r\n\r\nlong enough for a word\r\nand another\r\n", "E", 1 },
	{ R, "", "", "M", 0 },
	{ R, "a", "a", "M", 0 },
	{ R, "a\r\n", "a\r\n", "M", 0 },
	{ R, "a\r\n.", "a\r\n", "M", 0 },
	{ R, "a\r\n.\r", "a\r\n", "M", 0 },
	{ R, "a\r", "a", "M", 0 },
	{ R, "a.\r\n.\r\n", "a.\r\n", "E", 0 },
	{ R, "a\r\n .\r\n.\r\n", "a\r\n .\r\n", "E", 0 },

	/* dots */
	{ R, "..\r\n.\r\n", ".\r\n", "E", 0 },
	{ R, "...\r\n.\r\n", "..\r\n", "E", 0 },
	{ R, ".a\r\n.\r\n", "a\r\n", "E", 0 },
	{ R, "a\r\n..b\r\n..\r\n.\r\n", "a\r\n.b\r\n.\r\n", "E", 0 },
	{ R, "a..\r\n.b.\r\n.\r\n", "a..\r\nb.\r\n", "E", 0 },

	/* LF alone is a fault, ends nothing, and what follows is swallowed */
	{ R, "\n", "", "!M", 0 },
	{ R, "a\nb\r\n.\r\nX", "a", "!E", 1 },
	{ R, "a\r\nb\n.\nc\r\n.\r\n", "a\r\nb", "!E", 0 },
	{ R, "a\n.\r\nb\r\n.\r\n", "a", "!E", 0 },
	{ R, "a\r\n.\nb\r\n.\r\n", "a\r\n", "!E", 0 },
	{ R, "a\n\r\n.\r\n", "a", "!E", 0 },
	{ R, "a\n\n\n.\r\n.\r\n", "a", "!E", 0 },

	/* so is CR */
	{ R, "a\rb\r\n.\r\n", "a", "!E", 0 },
	{ R, "\rb\r\n.\r\n", "", "!E", 0 },
	{ R, "a\r\r\n.\r\n", "a", "!E", 0 },
	{ R, "a\r\n.\rb\r\n.\r\n", "a\r\n", "!E", 0 },
	{ R, "a\r\n.\r\r\n.\r\n", "a\r\n", "!E", 0 },
	{ R, "a\r.\r\nb\r\n.\r\n", "a", "!E", 0 },
	{ R, "a\r.\rb\r\n.\r\n", "a", "!E", 0 },
	{ R, "a\rb\nc\r\n.\r\n", "a", "!E", 0 },
	{ R, "a\rb\rc\nd\r\n.\r\nX", "a", "!E", 1 },
	{ R, "a\r\nbcdefghijklmnop\rq\r\n.\r\n", "a\r\nbcdefghijklmnop", "!E",
	    0 },

	/* normalized: LF is CR LF as content */
	{ N, "\n", "\r\n", "M", 0 },
	{ N, "a\nb\r\n.\r\nX", "a\r\nb\r\n", "E", 1 },
	{ N, "a\n\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "E", 0 },
	{ N, "a\n.\n.\r\n", "a\r\n\r\n\r\n", "M", 0 },
	{ N, "a\n.\r\n.\r\n", "a\r\n\r\n", "E", 0 },
	{ N, "a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "E", 0 },
	{ N, "a\n..b\r\n.\r\n", "a\r\n.b\r\n", "E", 0 },
	{ N, ".\n.\r\n", "\r\n\r\n", "M", 0 },
	{ N, "\n\r\n.\r\n", "\r\n\r\n", "E", 0 },
	/* but CR is not */
	{ N, "a\rb\r\n.\r\n", "a", "!E", 0 },
	{ N, "a\n\r\r\n.\r\n", "a\r\n", "!E", 0 },
	{ N, "a\r\n.\r.\r\n", "a\r\n", "!M", 0 },
	{ N, "a\n.\r\r\n.\r\n", "a\r\n", "!E", 0 },
	{ N, "a\rb\nc\r\n.\r\n", "a", "!E", 0 },
};

/* Feed one piece to the end of it; returns what was taken. */
static size_t
feed(struct smtp_data_in *in, const char *p, size_t len, char *outcome)
{
	enum smtp_data	 result;
	char		*copy;
	size_t		 at = 0, used;

	copy = malloc(len);
	if (copy == NULL)
		abort();
	memcpy(copy, p, len);
	do {
		result = smtp_data_in(in, copy + at, len - at, &used, emit,
		    &sink);
		at += used;
		if (result == DATA_BARE)
			strlcat(outcome, "!", 8);
		else
			ok(result == DATA_END || at == len, "all is taken");
	} while (result == DATA_BARE);
	if (result == DATA_END)
		strlcat(outcome, "E", 8);
	free(copy);
	return at;
}

static void
test_in(size_t i, size_t way)
{
	struct smtp_data_in	 in = { .mode = cases[i].mode };
	const char		*p = cases[i].in;
	char			 outcome[8] = "";
	size_t			 at = 0, len = strlen(p), n;

	sink.n = 0;
	sink.p[0] = '\0';
	while (at < len && strchr(outcome, 'E') == NULL) {
		n = piece(way, at, len);
		at += feed(&in, p + at, n, outcome);
	}
	if (strchr(outcome, 'E') == NULL)
		strlcat(outcome, "M", sizeof(outcome));
	is_str(sink.p, cases[i].content, "in %zu way %zu: content", i, way);
	is_str(outcome, cases[i].outcome, "in %zu way %zu: outcome", i, way);
	is_int(len - at, cases[i].left, "in %zu way %zu: left", i, way);
	is_int(in.octets, sink.n, "in %zu way %zu: octets", i, way);
	is_int(in.bare, outcome[0] == '!', "in %zu way %zu: bare", i, way);
}

/* BDAT: dots are octets like any other, and the last CR may be bare. */
static const struct {
	enum smtp_bare	 mode;
	const char	*in;
	const char	*content;
	const char	*outcome;	/* then what smtp_data_in_end says */
} chunks[] = {
	{ R, "", "", "E" },
	{ R, "a", "a", "E" },
	{ R, ".\r\n", ".\r\n", "E" },
	{ R, "a\r\n.\r\n..b\r\n", "a\r\n.\r\n..b\r\n", "E" },
	{ R, "a\n.b", "a", "!E" },
	{ R, "a\r", "a", "!" },
	{ R, "a\n\r", "a", "!E" },
	{ N, "a\n.\r\n.b\n", "a\r\n.\r\n.b\r\n", "E" },
	{ N, "a\r\n\r", "a\r\n", "!" },
	{ N, "a\r.", "a", "!E" },
};

static void
test_chunk(size_t i, size_t way)
{
	struct smtp_data_in	 in = { .mode = chunks[i].mode, .chunk = true };
	char			 outcome[8] = "";
	size_t			 at, len = strlen(chunks[i].in), n;

	sink.n = 0;
	sink.p[0] = '\0';
	for (at = 0; at < len; at += n) {
		n = piece(way, at, len);
		is_int(feed(&in, chunks[i].in + at, n, outcome), n,
		    "chunk %zu way %zu: taken", i, way);
	}
	if (smtp_data_in_end(&in) == DATA_BARE)
		strlcat(outcome, "!", sizeof(outcome));
	else
		strlcat(outcome, "E", sizeof(outcome));
	is_str(sink.p, chunks[i].content, "chunk %zu way %zu", i, way);
	is_str(outcome, chunks[i].outcome, "chunk %zu way %zu", i, way);
}

static const struct {
	const char	*in;
	const char	*out;
} stuffed[] = {
	{ "", ".\r\n" },
	{ "a\r\n", "a\r\n.\r\n" },
	{ "a", "a\r\n.\r\n" },
	{ ".", "..\r\n.\r\n" },
	{ ".\r\n", "..\r\n.\r\n" },
	{ "..\r\n", "...\r\n.\r\n" },
	{ ".a\r\n.\r\nb.\r\n", "..a\r\n..\r\nb.\r\n.\r\n" },
	{ "a\r\n\r\n.\r\n.\r\n", "a\r\n\r\n..\r\n..\r\n.\r\n" },
	/* what should not be: doubled all the same, ended all the same */
	{ "a\n.\nb", "a\n..\nb\r\n.\r\n" },
	{ "a\n.\r\n", "a\n..\r\n.\r\n" },
	{ "a\n", "a\n\r\n.\r\n" },
	{ "\n", "\n\r\n.\r\n" },
	{ "\r", "\r\n.\r\n" },
	{ "a\r", "a\r\n.\r\n" },
	{ "a\r\n.\r", "a\r\n..\r\n.\r\n" },
};

static void
test_out(size_t i, size_t way)
{
	struct smtp_data_out	 out = { .mid = false };
	const char		*p = stuffed[i].in;
	size_t			 at, len = strlen(p), n;

	sink.n = 0;
	sink.p[0] = '\0';
	for (at = 0; at < len; at += n) {
		n = piece(way, at, len);
		smtp_data_out(&out, p + at, n, emit, &sink);
	}
	smtp_data_out_end(&out, emit, &sink);
	is_str(sink.p, stuffed[i].out, "out %zu way %zu", i, way);
}

/* Runs go over many lines: a chunk of plain lines is one call. */
static unsigned int	calls;

static void
count(void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
	calls++;
}

static void
test_runs(void)
{
	static char		 buf[32768];
	struct smtp_data_in	 in = { .mode = R };
	struct smtp_data_out	 out = { .mid = false };
	size_t			 i, used;

	for (i = 0; i < sizeof(buf); i++)
		buf[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	is_int(smtp_data_in(&in, buf, sizeof(buf), &used, count, NULL),
	    DATA_MORE, "plain lines");
	is_int(calls, 1, "512 plain lines in are one run");
	is_int(in.octets, sizeof(buf), "all of them");
	smtp_data_out(&out, buf, sizeof(buf), count, NULL);
	is_int(calls, 2, "and out");
}

/* NUL is content like any other octet. */
static void
test_nul(void)
{
	struct smtp_data_in	 in = { .mode = R };
	char			 outcome[8] = "";

	sink.n = 0;
	is_int(feed(&in, "a\0b\r\n\0\r\n.\r\n", 11, outcome), 11, "NUL: taken");
	is_str(outcome, "E", "NUL: end");
	is_int(sink.n, 8, "NUL: octets");
	ok(memcmp(sink.p, "a\0b\r\n\0\r\n", 8) == 0, "NUL: content");
}

int
main(void)
{
	size_t	 i, way;

	for (i = 0; i < nitems(cases); i++)
		for (way = 0; way <= strlen(cases[i].in); way++)
			test_in(i, way);
	for (i = 0; i < nitems(chunks); i++)
		for (way = 0; way <= strlen(chunks[i].in); way++)
			test_chunk(i, way);
	for (i = 0; i < nitems(stuffed); i++)
		for (way = 0; way <= strlen(stuffed[i].in); way++)
			test_out(i, way);
	test_runs();
	test_nul();
	return done("t_data");
}
