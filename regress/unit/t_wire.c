/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * wire.c.  What is put comes out again; what is cut anywhere is refused, in
 * memory that ends where the octets end; after an error nothing but nothing
 * comes out.
 */

#include "addr.h"
#include "t.h"
#include "wire.h"

static const struct addr	v4 = { ADDR_V4, 25, { 192, 0, 2, 1 } };
static const struct addr	v6 = { ADDR_V6, 465, { 0x20, 0x01, 0x0d, 0xb8,
	[15] = 1 } };

static const uint64_t		numbers[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100,
	0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
	INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };

/* One of everything. */
static void
put_all(struct wbuf *w)
{
	put_u8(w, 0xfe);
	put_u16(w, 0xfedc);
	put_u32(w, 0xfedcba98);
	put_u64(w, 0xfedcba9876543210);
	put_i64(w, -2);
	put_bool(w, true);
	put_bool(w, false);
	put_blob(w, "a\0b", 3);
	put_str(w, "word");
	put_str(w, NULL);
	put_line(w, "a\r\nb\x7f\x80");
	put_addr(w, &v4);
	put_addr(w, &v6);
	put_raw(w, "raw", 3);
}

/* The same, in memory of its own that ends where it ends. */
static int
get_all(const uint8_t *data, size_t n, bool check)
{
	struct rbuf	 r;
	struct addr	 a4, a6;
	const uint8_t	*blob;
	uint8_t		*mem;
	char		 none[1], line[8], *dup;
	size_t		 nblob;
	int		 ok;

	mem = malloc(n + (n == 0));
	memcpy(mem, data, n);
	rbuf_init(&r, mem, n);
	ok = get_u8(&r) == 0xfe;
	ok &= get_u16(&r) == 0xfedc;
	ok &= get_u32(&r) == 0xfedcba98;
	ok &= get_u64(&r) == 0xfedcba9876543210;
	ok &= get_i64(&r) == -2;
	ok &= get_bool(&r);
	ok &= !get_bool(&r);
	blob = get_blob(&r, &nblob);
	ok &= blob != NULL && nblob == 3 && memcmp(blob, "a\0b", 3) == 0;
	dup = get_strdup(&r);
	ok &= dup != NULL && strcmp(dup, "word") == 0;
	get_str(&r, none, sizeof(none));
	ok &= none[0] == '\0';
	get_line(&r, line, sizeof(line));
	ok &= strcmp(line, "a??b?\x80") == 0;
	get_addr(&r, &a4);
	ok &= addr_equal(&a4, &v4);
	get_addr(&r, &a6);
	ok &= addr_equal(&a6, &v6);
	ok &= get_u8(&r) == 'r' && get_u8(&r) == 'a' && get_u8(&r) == 'w';
	if (check)
		ok(ok, "everything comes out as it went in");
	free(dup);
	ok = get_end(&r);
	free(mem);
	return ok;
}

static void
test_all(void)
{
	struct wbuf	w = { 0 };
	size_t		n;

	put_all(&w);
	ok(wire_ok(&w), "put");
	is_int(get_all(w.data, w.len, true), 0, "the whole payload");
	for (n = 0; n < w.len; n++)
		is_int(get_all(w.data, n, false), -1, "cut to %zu", n);
	put_u8(&w, 0);
	is_int(get_all(w.data, w.len, false), -1, "an octet left over");
	wbuf_clear(&w);
	ok(w.data == NULL && w.len == 0 && !w.failed, "cleared");
}

static void
test_numbers(void)
{
	struct wbuf	w = { 0 };
	struct rbuf	r;
	size_t		i;
	uint64_t	v;

	for (i = 0; i < nitems(numbers); i++) {
		v = numbers[i];
		put_u8(&w, (uint8_t)v);
		put_u16(&w, (uint16_t)v);
		put_u32(&w, (uint32_t)v);
		put_u64(&w, v);
		put_i64(&w, (int64_t)v);
		put_i64(&w, -(int64_t)(v >> 1));
	}
	rbuf_init(&r, w.data, w.len);
	for (i = 0; i < nitems(numbers); i++) {
		v = numbers[i];
		ok(get_u8(&r) == (uint8_t)v && get_u16(&r) == (uint16_t)v &&
		    get_u32(&r) == (uint32_t)v && get_u64(&r) == v &&
		    get_i64(&r) == (int64_t)v &&
		    get_i64(&r) == -(int64_t)(v >> 1), "number %zu", i);
	}
	is_int(get_end(&r), 0, "numbers are eaten");
	wbuf_clear(&w);
	put_u32(&w, 0x04030201);
	ok(memcmp(w.data, "\1\2\3\4", 4) == 0, "little-endian octets");
	wbuf_clear(&w);
}

/* A payload of these octets. */
static void
reader(struct rbuf *r, const char *octets, size_t n)
{
	static char	*mem;

	free(mem);
	mem = malloc(n + (n == 0));
	memcpy(mem, octets, n);
	rbuf_init(r, mem, n);
}

#define READER(r, octets)	reader(r, octets, sizeof(octets) - 1)

static void
test_sticky(void)
{
	struct rbuf	r;
	struct addr	a = v6;
	char		text[4] = "xxx", *dup;
	size_t		n = 9;

	READER(&r, "\1\2\3");
	is_int(get_u32(&r), 0, "too short gives 0");
	is_int(get_u8(&r), 0, "and so does all behind it");
	is_int(get_u16(&r), 0, "u16");
	is_int((int64_t)get_u64(&r), 0, "u64");
	is_int(get_i64(&r), 0, "i64");
	ok(!get_bool(&r), "bool");
	is_int(get_enum(&r, 9), 0, "enum");
	ok(get_blob(&r, &n) == NULL && n == 0, "blob");
	dup = get_strdup(&r);
	ok(dup == NULL, "strdup");
	get_str(&r, text, sizeof(text));
	is_str(text, "", "str");
	get_addr(&r, &a);
	is_int(a.family, ADDR_NONE, "addr");
	is_int(get_end(&r), -1, "end");

	READER(&r, "");
	is_int(get_end(&r), 0, "nothing is a whole payload of nothing");
	get_fail(&r);
	is_int(get_end(&r), -1, "get_fail");
	rbuf_init(&r, NULL, 0);
	is_int(get_u8(&r), 0, "no memory at all");
}

static void
test_refused(void)
{
	struct rbuf	r;
	struct addr	a;
	char		text[4], name[] = "\1\0\0\0?";
	size_t		n;
	int		c;

	READER(&r, "\2");
	ok(!get_bool(&r), "2 is no bool");
	is_int(get_end(&r), -1, "and fails");
	READER(&r, "\3\2");
	is_int(get_enum(&r, 4), 3, "below the limit");
	is_int(get_enum(&r, 2), 0, "at the limit");
	is_int(get_end(&r), -1, "and fails");
	READER(&r, "\4\0\0\0abcd");
	get_str(&r, text, sizeof(text));
	is_str(text, "", "no room for the NUL");
	is_int(get_end(&r), -1, "and fails");
	READER(&r, "\3\0\0\0abc");
	get_str(&r, text, sizeof(text));
	is_str(text, "abc", "it just fits");
	is_int(get_end(&r), 0, "and is eaten");
	READER(&r, "\3\0\0\0a\0c");
	get_str(&r, text, sizeof(text));
	is_int(get_end(&r), -1, "NUL in a string");
	READER(&r, "\3\0\0\0a\0c");
	ok(get_strdup(&r) == NULL && get_end(&r) == -1, "NUL in strdup");
	READER(&r, "\xff\xff\xff\xff" "abc");
	ok(get_blob(&r, &n) == NULL && n == 0, "4 GiB that are not there");
	for (c = 1; c < 256; c++) {
		name[4] = (char)c;
		reader(&r, name, 5);
		get_line(&r, text, sizeof(text));
		is_int(get_end(&r), c < 0x20 || c == 0x7f ? -1 : 0,
		    "octet 0x%02x in a line", (unsigned int)c);
		ok(strlen(text) == (c >= 0x20 && c != 0x7f), "its text");
	}
	READER(&r, "\4\0\0\0\0\0\0");
	get_addr(&r, &a);
	is_int(get_end(&r), -1, "an unknown family");
	READER(&r, "\1\31\0\3\0\0\0\1\2\3");
	get_addr(&r, &a);
	ok(get_end(&r) == -1 && a.family == ADDR_NONE, "v4 of three octets");
	READER(&r, "\0\0\0\4\0\0\0\1\2\3\4");
	get_addr(&r, &a);
	is_int(get_end(&r), -1, "octets of no family");
	READER(&r, "\3\0\0\0\0\0\0");
	get_addr(&r, &a);
	ok(get_end(&r) == 0 && a.family == ADDR_UNIX, "unix has none");
	reader(&r, "", 0);
}

/* Growth, and wiping: the content survives both. */
static void
test_growth(void)
{
	struct wbuf	w = { 0 };
	struct rbuf	r;
	uint32_t	i, wrong = 0;
	int		secret;

	for (secret = 0; secret < 2; secret++) {
		w.secret = secret;
		for (i = 0; i < 100000; i++)
			put_u32(&w, i);
		rbuf_init(&r, w.data, w.len);
		for (i = 0; i < 100000; i++)
			wrong += get_u32(&r) != i;
		ok(wrong == 0 && get_end(&r) == 0, "grown, secret %d", secret);
		wbuf_clear(&w);
	}
	w.failed = true;
	put_all(&w);
	ok(!wire_ok(&w) && w.len == 0, "a failed buffer takes nothing");
	wbuf_clear(&w);
}

int
main(void)
{
	test_all();
	test_numbers();
	test_sticky();
	test_refused();
	test_growth();
	return done("t_wire");
}
