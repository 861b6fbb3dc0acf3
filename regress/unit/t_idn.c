/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * idn.c and utf8.c.  What libidn2 should do is held here too, as far as we
 * rely on it: a release that takes more, or gives something else, is noticed
 * before a mailbox has two names.
 */

#include <errno.h>

#include "idn.h"
#include "t.h"
#include "utf8.h"

#define A10	"aaaaaaaaaa"
#define A60	A10 A10 A10 A10 A10 A10
#define U_UML	"\xc3\xbc"
#define BUECHER	"b" U_UML "cher"
#define HEBREW	"\xd7\x90\xd7\x91"

static const struct {
	const char	*in;
	const char	*want;		/* NULL: no domain */
} domains[] = {
	/* ASCII, which the library never sees */
	{ "a", "a" },
	{ "Example.ORG", "example.org" },
	{ "_dmarc.A-b.9", "_dmarc.a-b.9" },
	{ "192.0.2.1", "192.0.2.1" },
	{ "", NULL },
	{ ".", NULL },
	{ "a.", NULL },
	{ ".a", NULL },
	{ "a..b", NULL },
	{ "-a", NULL },
	{ "a-.b", NULL },
	{ "a b", NULL },
	{ "a/b", NULL },
	{ "a@b", NULL },
	{ "a\x7f", NULL },
	{ "a\nb", NULL },
	{ A60 "aaa", A60 "aaa" },
	{ A60 "aaaa", NULL },
	{ A60 "." A60 "." A60 "." A60 ".aaaaaaaaa",
	    A60 "." A60 "." A60 "." A60 ".aaaaaaaaa" },
	{ A60 "." A60 "." A60 "." A60 ".aaaaaaaaaa", NULL },

	/* labels that look like A-labels are ASCII and nothing else */
	{ "xn--bcher-kva", "xn--bcher-kva" },
	{ "XN--Bcher-KVA.Example", "xn--bcher-kva.example" },
	{ "xn--", NULL },
	{ "xn--zzzzzzzzzzzzzzz", "xn--zzzzzzzzzzzzzzz" },
	{ "xn--zzzzzzzzzzzzzzz." BUECHER,
	    "xn--zzzzzzzzzzzzzzz.xn--bcher-kva" },
	{ "ab--cd", "ab--cd" },

	/* what people write */
	{ BUECHER, "xn--bcher-kva" },
	{ "B" "\xc3\x9c" "CHER.Example", "xn--bcher-kva.example" },
	{ "bu\xcc\x88" "cher", "xn--bcher-kva" },
	{ "Mail." BUECHER ".example", "mail.xn--bcher-kva.example" },
	{ "_x." BUECHER, "_x.xn--bcher-kva" },
	{ "\xe4\xbd\xa0\xe5\xa5\xbd", "xn--6qq79v" },
	{ "\xd0\xbf\xd0\xbe\xd1\x87\xd1\x82\xd0\xb0.\xd1\x80\xd1\x84",
	    "xn--80a1acny.xn--p1ai" },

	/* what IDNA2003 changed and IDNA2008 keeps */
	{ "fa\xc3\x9f", "xn--fa-hia" },
	{ "fass", "fass" },
	{ "\xcf\x83\xcf\x82", "xn--3xab" },
	{ "\xcf\x83\xcf\x83", "xn--4xaa" },
	{ "\xce\xa3\xcf\x83", "xn--4xaa" },

	/* joiners only where they mean something */
	{ "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7",
	    "xn--11b2ezcw70k" },
	{ "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c\xe0\xa4\xb7",
	    "xn--11b2ezcs70k" },
	{ "a\xe2\x80\x8d" "b", NULL },
	{ "a\xe2\x80\x8c" "b", NULL },
	{ U_UML "\xe2\x80\x8d", NULL },

	/* right to left */
	{ HEBREW, "xn--4dbc" },
	{ HEBREW "1", "xn--1-zhcd" },
	{ HEBREW ".example", "xn--4dbc.example" },
	{ "a" HEBREW, NULL },
	{ "1" HEBREW, NULL },
	{ HEBREW "a", NULL },
	{ "\xd9\xa1\xdb\xb1", NULL },
	{ "\xe2\x80\xae" U_UML, NULL },
	{ "\xe2\x80\x8f" U_UML, NULL },

	/* two scripts that look the same: two names, and both are valid */
	{ "\xd0\xb0pple", "xn--pple-43d" },

	/* dots of other scripts, and what holds one */
	{ "a\xe3\x80\x82" "b" U_UML, NULL },
	{ "a\xef\xbc\x8e" "b" U_UML, NULL },
	{ "a\xef\xbd\xa1" "b" U_UML, NULL },
	{ "a\xef\xb8\x92" "b" U_UML, NULL },
	{ "\xe2\x80\xa4" U_UML, NULL },
	{ "\xe2\x92\x88" U_UML, NULL },

	/* what only hides a name */
	{ "\xef\xbd\x81\xef\xbd\x82", NULL },
	{ "\xe2\x84\xaa", NULL },
	{ "exam\xc2\xadple", NULL },
	{ "b\xc3\xbc\xc2\xad" "cher", NULL },
	{ "b\xc3\xbc\xe2\x80\x8b" "cher", NULL },
	{ "\xef\xbb\xbf" BUECHER, NULL },
	{ BUECHER "\xef\xb8\x8f", NULL },
	{ BUECHER "\xf3\xa0\x84\x80", NULL },
	{ "STRA\xe1\xba\x9e" "E", NULL },

	/* ASCII that is no LDH beside what is not ASCII */
	{ "_" U_UML, NULL },
	{ U_UML "_", NULL },
	{ "-" U_UML, NULL },
	{ U_UML "-", NULL },
	{ U_UML " b", NULL },
	{ U_UML "/", NULL },
	{ U_UML "%", NULL },
	{ "ab--" U_UML, NULL },
	{ "xn--" U_UML, NULL },
	{ "\xc2\xa0" U_UML, NULL },
	{ "\xe2\x84\x80" U_UML, NULL },

	/* no letters of any script */
	{ "\xe2\x89\xa0", NULL },
	{ "\xe2\x98\x83", NULL },
	{ "\xf0\x9f\x98\x80", NULL },
	{ "\xcc\x81" "a", NULL },
	{ "\xef\xbf\xbf", NULL },
	{ "\xee\x80\x80", NULL },

	/* no UTF-8 */
	{ "\xfc", NULL },
	{ "b\xc3", NULL },
	{ "\xc0\xae" U_UML, NULL },
	{ "\xed\xa0\x80", NULL },
	{ "\xf4\x90\x80\x80", NULL },
	{ "\x80", NULL },

	/* lengths are those of the A-label: 63, 64; 253, 254 */
	{ U_UML A10 A10 A10 A10 A10 "aaaa",
	    "xn--" A10 A10 A10 A10 A10 "aaaa-4tf" },
	{ U_UML A10 A10 A10 A10 A10 "aaaaa",
	    "xn--" A10 A10 A10 A10 A10 "aaaaa-oxf" },
	{ U_UML A10 A10 A10 A10 A10 "aaaaaa", NULL },
	{ U_UML "." A60 "." A60 "." A60 "." A60 ".a",
	    "xn--tda." A60 "." A60 "." A60 "." A60 ".a" },
	{ U_UML "." A60 "." A60 "." A60 ".aa" A60,
	    "xn--tda." A60 "." A60 "." A60 ".aa" A60 },
	{ U_UML "." A60 "." A60 "." A60 ".aa" A60 ".", NULL },
	{ U_UML "." A60 "a." A60 "a." A60 ".aaa" A60, NULL },
};

static void
test_domains(void)
{
	char	 out[IDN_MAX + 1], again[IDN_MAX + 1];
	size_t	 i, len;
	int	 want;

	for (i = 0; i < nitems(domains); i++) {
		want = domains[i].want == NULL ? -1 : 0;
		errno = 0;
		is_int(idn_to_ascii(domains[i].in, out, sizeof(out)), want,
		    "domain %zu: %s", i, domains[i].in);
		if (want == -1) {
			is_int(errno, EINVAL, "domain %zu: errno", i);
			is_str(out, "", "domain %zu: nothing", i);
			continue;
		}
		is_str(out, domains[i].want, "domain %zu", i);
		is_int(idn_to_ascii(out, again, sizeof(again)), 0,
		    "domain %zu: what comes out goes in", i);
		is_str(again, out, "domain %zu: unchanged", i);

		len = strlen(out);
		is_int(idn_to_ascii(domains[i].in, again, len + 1), 0,
		    "domain %zu: fits", i);
		is_int(idn_to_ascii(domains[i].in, again, len), -1,
		    "domain %zu: does not fit", i);
	}
	is_int(idn_to_ascii("a", out, 0), -1, "no room at all");
}

static const struct {
	const char	*in;
	const char	*want;
} addresses[] = {
	{ BUECHER ".example", "xn--bcher-kva.example" },
	{ "." BUECHER, ".xn--bcher-kva" },
	{ "@" BUECHER, "@xn--bcher-kva" },
	{ "J" U_UML "rg@" BUECHER, "J" U_UML "rg@xn--bcher-kva" },
	{ "\"a@b\"@" BUECHER, "\"a@b\"@xn--bcher-kva" },
	{ "@." BUECHER, "@.xn--bcher-kva" },
	{ "", NULL },
	{ ".", NULL },
	{ "a@", NULL },
	{ "a@" U_UML "_", NULL },
	{ U_UML " b", NULL },
};

static void
test_addresses(void)
{
	char	 out[512];
	size_t	 i;
	int	 want;

	for (i = 0; i < nitems(addresses); i++) {
		want = addresses[i].want == NULL ? -1 : 0;
		is_int(idn_address_to_ascii(addresses[i].in, out,
		    sizeof(out)), want, "address %zu", i);
		is_str(out, want == -1 ? "" : addresses[i].want,
		    "address %zu", i);
	}
	is_int(idn_address_to_ascii("a@b", out, 3), -1, "does not fit");
	is_int(idn_address_to_ascii("a@b", out, 2), -1, "nor this");
	is_int(idn_address_to_ascii("a@b", out, 0), -1, "nor anything");
	is_int(idn_address_to_ascii("a@b", out, 4), 0, "fits");
	ok(!idn_is_8bit("a@b") && idn_is_8bit("a@" U_UML), "8-bit");
}

static const struct {
	const char	*in;
	size_t		 len;
	uint32_t	 u;
} chars[] = {
	{ "a", 1, 'a' },
	{ "\x7f", 1, 0x7f },
	{ "\xc2\x80", 2, 0x80 },
	{ "\xdf\xbf", 2, 0x7ff },
	{ "\xe0\xa0\x80", 3, 0x800 },
	{ "\xed\x9f\xbf", 3, 0xd7ff },
	{ "\xee\x80\x80", 3, 0xe000 },
	{ "\xef\xbf\xbf", 3, 0xffff },
	{ "\xf0\x90\x80\x80", 4, 0x10000 },
	{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
	{ "\x80", 0, 0 },
	{ "\xc1\xbf", 0, 0 },
	{ "\xe0\x9f\xbf", 0, 0 },
	{ "\xed\xa0\x80", 0, 0 },
	{ "\xf0\x8f\xbf\xbf", 0, 0 },
	{ "\xf4\x90\x80\x80", 0, 0 },
	{ "\xf5\x80\x80\x80", 0, 0 },
	{ "\xe2\x82", 0, 0 },
	{ "\xe2\x82" "a", 0, 0 },
	{ "\xc3" "a", 0, 0 },
};

static void
test_utf8(void)
{
	uint32_t	 u;
	size_t		 i, n;

	for (i = 0; i < nitems(chars); i++) {
		u = 0;
		n = strlen(chars[i].in);
		is_int(utf8_char(chars[i].in, n, &u), chars[i].len,
		    "character %zu: octets", i);
		is_int(u, chars[i].u, "character %zu", i);
		is_int(utf8_char(chars[i].in, n, NULL), chars[i].len,
		    "character %zu: octets alone", i);
		for (n = 0; n < chars[i].len; n++)
			is_int(utf8_char(chars[i].in, n, &u), 0,
			    "character %zu: cut at %zu", i, n);
	}
}

int
main(void)
{
	test_domains();
	test_addresses();
	test_utf8();
	return done("t_idn");
}
