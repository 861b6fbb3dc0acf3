/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Base 64: the vectors of RFC 4648, what must be refused, and that every
 * octet comes back as it went.
 */

#include <stdint.h>

#include "base64.h"
#include "t.h"

static const struct {
	const char	*plain;
	const char	*coded;
} vectors[] = {
	/* RFC 4648, section 10 */
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	/* all of the alphabet's ends */
	{ "\xfb\xff\xbf", "+/+/" }, { "i\xb7\x1dy\xf8!", "abcdefgh" },
	{ "user name", "dXNlciBuYW1l" }
};

/* What no encoder writes. */
static const char *const	bad[] = {
	"Z", "Zg", "Zg=", "Zm9", "Zm9vY", "=", "==", "===", "====", "Z===",
	"Zg==Zg==", "Zm8=Zm9v", "Z=g=", "=Zg=", "Zg=v", "Zm9v=", "Zm9v====",
	"Zg== ", " Zg==", "Zg==\n", "Zm9v\r\n", "Zm 9", "Zm\t9", "Zm9v Zg=",
	"Zm9v\nZg=", "Zh==", "Zv==", "Zm9=", "Zm//=", "Zm9-", "Zm9_", "Zm9.",
	"Zm9\xff", "Zm9\x80", "\x7f\x7f\x7f\x7f", "Zm9@", "Zm9[", "Zm9`",
	"Zm9{", "Zm9:", "Zm9,", "*", "Zm9*"
};

static void
test_vectors(void)
{
	char	 out[64];
	size_t	 i, n;

	for (i = 0; i < nitems(vectors); i++) {
		n = strlen(vectors[i].plain);
		is_int(base64_encode(vectors[i].plain, n, out, sizeof(out)),
		    strlen(vectors[i].coded), "length of %s",
		    vectors[i].coded);
		is_str(out, vectors[i].coded, "encoded");
		is_int(base64_decode(vectors[i].coded,
		    strlen(vectors[i].coded), out, sizeof(out)), n,
		    "length behind %s", vectors[i].coded);
		ok(memcmp(out, vectors[i].plain, n) == 0, "decoded %s",
		    vectors[i].coded);
	}
}

static bool
is_wiped(const char *p, size_t n)
{
	while (n > 0 && p[n - 1] == '\0')
		n--;
	return n == 0;
}

static void
test_bad(void)
{
	char	 out[64];
	size_t	 i;

	for (i = 0; i < nitems(bad); i++) {
		memset(out, 'x', sizeof(out));
		is_int(base64_decode(bad[i], strlen(bad[i]), out,
		    sizeof(out)), -1, "refused: \"%s\"", bad[i]);
		ok(is_wiped(out, sizeof(out)), "wiped: \"%s\"", bad[i]);
	}
	is_int(base64_decode("Zm9v\0Zm9", 8, out, sizeof(out)), -1, "NUL");
}

/* All lengths, all octets, and just enough room. */
static void
test_round(void)
{
	unsigned char	 plain[256], back[256];
	char		 coded[BASE64_SIZE(256)];
	size_t		 n, i;
	ssize_t		 len;

	for (i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 167 + 13);
	for (n = 0; n <= sizeof(plain); n++) {
		len = base64_encode(plain, n, coded, BASE64_SIZE(n));
		is_int(len, BASE64_SIZE(n) - 1, "length of %zu", n);
		is_int(base64_decode(coded, len, back, n), n, "back %zu", n);
		ok(memcmp(plain, back, n) == 0, "the same %zu", n);
		if (n == 0)
			continue;
		is_int(base64_decode(coded, len, back, n - 1), -1,
		    "no room to decode %zu", n);
		is_int(base64_encode(plain, n, coded, BASE64_SIZE(n) - 1),
		    -1, "no room to encode %zu", n);
		ok(is_wiped(coded, BASE64_SIZE(n) - 1), "wiped %zu", n);
	}
}

/* One text for each octets: whatever decodes is what would be encoded. */
static void
test_one_way(void)
{
	char		 text[] = "AAAA", again[8], out[3];
	unsigned int	 i, j, taken = 0;
	ssize_t		 n;

	for (i = 0; i < 65536; i++) {
		for (j = 0; j < 2; j++)
			text[j * 2 + 1] = (char)(i >> (8 * j));
		if ((n = base64_decode(text, 4, out, sizeof(out))) == -1)
			continue;
		taken++;
		(void)base64_encode(out, n, again, sizeof(again));
		if (strcmp(text, again) != 0)
			is_str(again, text, "another text");
	}
	/* 64 letters in both places, or "=" in the last */
	is_int(taken, 64 * 64 + 64, "texts that are any");
}

int
main(void)
{
	test_vectors();
	test_bad();
	test_round();
	test_one_way();
	return done("base64");
}
