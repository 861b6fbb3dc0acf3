/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_path.c.  Every path is parsed out of memory that ends where it ends
 * and again with octets behind it, which must not be taken; what parses must
 * print, and parse again to the same; and no true beginning of it may be
 * taken for the whole.
 */

#include "smtp.h"
#include "t.h"

#define REV	PATH_REVERSE
#define FWD	PATH_FORWARD
#define BARE	PATH_BARE

#define A10	"aaaaaaaaaa"
#define A50	A10 A10 A10 A10 A10
#define A60	A50 A10
/* 50 labels that are 7 octets each as A-labels */
#define U10	"\xc3\xbc.\xc3\xbc.\xc3\xbc.\xc3\xbc.\xc3\xbc."		\
		"\xc3\xbc.\xc3\xbc.\xc3\xbc.\xc3\xbc.\xc3\xbc"
#define U50	U10 "." U10 "." U10 "." U10 "." U10
#define D60	A10 "." A10 "." A10 "." A10 "." A10 ".aaaaa"

static const struct {
	int			 flags;
	const char		*in;
	enum smtp_path_error	 error;
	const char		*out;		/* as printed */
	bool			 utf8;
} cases[] = {
	{ REV, "<a@b>", PATH_OK, "a@b", false },
	{ REV, "<a@example.org>", PATH_OK, "a@example.org", false },
	{ REV, "<A.b.C@Example.ORG>", PATH_OK, "A.b.C@Example.ORG", false },
	{ REV, "<!#$%&'*+-/=?^_`{|}~@b.c>", PATH_OK,
	    "!#$%&'*+-/=?^_`{|}~@b.c", false },
	{ REV, "<a@b_c.example>", PATH_OK, "a@b_c.example", false },
	{ REV, "<a@_b.example>", PATH_OK, "a@_b.example", false },
	{ REV, "<a@1.2.3.4>", PATH_OK, "a@1.2.3.4", false },
	{ REV, "<a@x--y.z>", PATH_OK, "a@x--y.z", false },

	/* the null path */
	{ REV, "<>", PATH_OK, "", false },
	{ FWD, "<>", PATH_SYNTAX, NULL, false },
	{ 0, "<>", PATH_SYNTAX, NULL, false },
	{ REV, "< >", PATH_SYNTAX, NULL, false },
	{ REV, "", PATH_SYNTAX, NULL, false },
	{ REV, "<", PATH_SYNTAX, NULL, false },

	/* postmaster */
	{ FWD, "<postmaster>", PATH_OK, "postmaster", false },
	{ FWD, "<PostMaster>", PATH_OK, "PostMaster", false },
	{ FWD, "<\"postmaster\">", PATH_OK, "postmaster", false },
	{ REV, "<postmaster>", PATH_SYNTAX, NULL, false },
	{ FWD, "<postmaster@>", PATH_SYNTAX, NULL, false },
	{ FWD, "<postmasters>", PATH_SYNTAX, NULL, false },
	{ FWD, "<postmaste>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a:postmaster>", PATH_OK, "postmaster", false },
	{ FWD, "<alice>", PATH_SYNTAX, NULL, false },

	/* quoting */
	{ FWD, "<\"a b\"@c>", PATH_OK, "\"a b\"@c", false },
	{ FWD, "<\"a\\ b\"@c>", PATH_OK, "\"a b\"@c", false },
	{ FWD, "<\"ab\"@c>", PATH_OK, "ab@c", false },
	{ FWD, "<\"a\\b\"@c>", PATH_OK, "ab@c", false },
	{ FWD, "<\"a\\\"b\"@c>", PATH_OK, "\"a\\\"b\"@c", false },
	{ FWD, "<\"a\\\\b\"@c>", PATH_OK, "\"a\\\\b\"@c", false },
	{ FWD, "<\"a@b\"@c>", PATH_OK, "\"a@b\"@c", false },
	{ FWD, "<\"a>b\"@c>", PATH_OK, "\"a>b\"@c", false },
	{ FWD, "<\".a\"@c>", PATH_OK, "\".a\"@c", false },
	{ FWD, "<\"a.\"@c>", PATH_OK, "\"a.\"@c", false },
	{ FWD, "<\"a..b\"@c>", PATH_OK, "\"a..b\"@c", false },
	{ FWD, "<\"a.b\"@c>", PATH_OK, "a.b@c", false },
	{ FWD, "<\"\"@c>", PATH_OK, "\"\"@c", false },
	{ FWD, "<\"\">", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"a@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"a\\", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"a\"b@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a\"b\"@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"a\tb\"@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"a\\\tb\"@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<\"a\x7f\"@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a\\ b@c>", PATH_SYNTAX, NULL, false },

	/* dots and other things out of place */
	{ FWD, "<.a@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a.@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a..c@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b@c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a @b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@ b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b >", PATH_SYNTAX, NULL, false },
	{ FWD, "< a@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<<a@b>>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a(x)@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a,c@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a;c@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a:c@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a\x01@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "a@b>", PATH_SYNTAX, NULL, false },
	{ FWD, " <a@b>", PATH_SYNTAX, NULL, false },

	/* domains */
	{ FWD, "<a@.b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b.>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b..c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@-b.c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b-.c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b.c->", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b/c>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@b%c>", PATH_SYNTAX, NULL, false },

	/* source routes are forgotten */
	{ FWD, "<@a:b@c>", PATH_OK, "b@c", false },
	{ FWD, "<@a.b,@c.d:e@f>", PATH_OK, "e@f", false },
	{ REV, "<@a,@b,@c:d@e>", PATH_OK, "d@e", false },
	{ FWD, "<@a,b:c@d>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a,:c@d>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a:@b:c@d>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a:>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@:a@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<@a b:c@d>", PATH_SYNTAX, NULL, false },

	/* literals */
	{ FWD, "<a@[192.0.2.1]>", PATH_OK, "a@[192.0.2.1]", false },
	{ FWD, "<a@[IPv6:2001:db8::1]>", PATH_OK, "a@[IPv6:2001:db8::1]",
	    false },
	{ FWD, "<a@[ipv6:::]>", PATH_OK, "a@[ipv6:::]", false },
	{ FWD, "<a@[IPv6:::ffff:192.0.2.1]>", PATH_OK,
	    "a@[IPv6:::ffff:192.0.2.1]", false },
	{ FWD, "<a@[x-tag:anything=goes@here>]>", PATH_OK,
	    "a@[x-tag:anything=goes@here>]", false },
	{ FWD, "<a@[192.0.2.1>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@[192.0.2]>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@[192.0.2.256]>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@[192.0.2.1]x>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@[]>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@[>", PATH_SYNTAX, NULL, false },

	/* UTF-8 */
	{ FWD, "<\xc3\xa9@b>", PATH_OK, "\xc3\xa9@b", true },
	{ FWD, "<\"\xc3\xa9 \"@b>", PATH_OK, "\"\xc3\xa9 \"@b", true },
	{ FWD, "<a@b\xc3\xbc.example>", PATH_OK, "a@b\xc3\xbc.example", true },
	{ FWD, "<\xf0\x9f\x93\xa7@b>", PATH_OK, "\xf0\x9f\x93\xa7@b", true },
	{ FWD, "<@\xc3\xbc:a@b>", PATH_OK, "a@b", false },
	{ FWD, "<@\xc3\xbc_:a@b>", PATH_IDN, NULL, false },
	{ FWD, "<a@\xc3\xbc_.example>", PATH_IDN, NULL, false },
	{ FWD, "<a@\xe2\x98\x83.example>", PATH_IDN, NULL, false },
	{ FWD, "<a@\xc3\xbc\xe3\x80\x82" "example>", PATH_IDN, NULL, false },
	{ FWD, "<a@\xd7\x90" "a.example>", PATH_IDN, NULL, false },
	{ FWD, "<a@-\xc3\xbc>", PATH_SYNTAX, NULL, false },
	{ FWD, "<\xe2\x98\x83@b>", PATH_OK, "\xe2\x98\x83@b", true },
	{ FWD, "<\xe9@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xc3@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\"\xe2\x82\"@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\"\\\xc3\xa9\"@b>", PATH_SYNTAX, NULL, false },
	{ FWD, "<a@\xff.b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xc0\xaf@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xe0\x80\xaf@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xed\xa0\x80@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xf0\x8f\xbf\xbf@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xf4\x90\x80\x80@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\xf5\x80\x80\x80@b>", PATH_UTF8, NULL, false },
	{ FWD, "<\x80@b>", PATH_UTF8, NULL, false },

	/* limits */
	{ FWD, "<" A60 "aaaa@b>", PATH_OK, A60 "aaaa@b", false },
	{ FWD, "<" A60 "aaaaa@b>", PATH_LOCAL_LONG, NULL, false },
	{ FWD, "<\"" A60 "a  a\"@b>", PATH_OK, "\"" A60 "a  a\"@b", false },
	{ FWD, "<\"" A60 "a  aa\"@b>", PATH_LOCAL_LONG, NULL, false },
	{ FWD, "<a@" A60 "aaa.b>", PATH_OK, "a@" A60 "aaa.b", false },
	{ FWD, "<a@" A60 "aaaa.b>", PATH_DOMAIN_LONG, NULL, false },
	{ FWD, "<a@\xc3\xa9" A60 "aa.b>", PATH_IDN, NULL, false },
	{ FWD, "<a@\xc3\xa9" A50 "aaaaa.b>", PATH_OK,
	    "a@\xc3\xa9" A50 "aaaaa.b", true },
	{ FWD, "<a@" U50 ">", PATH_IDN, NULL, false },
	{ FWD, "<a@" D60 "." D60 "." D60 "." D60 ".abcdefgh>", PATH_OK,
	    "a@" D60 "." D60 "." D60 "." D60 ".abcdefgh", false },
	{ FWD, "<a@" D60 "." D60 "." D60 "." D60 ".abcdefghi>", PATH_LONG,
	    NULL, false },
	{ FWD, "<a@" D60 "." D60 "." D60 "." D60 ".abcdefghijk>", PATH_LONG,
	    NULL, false },
	{ FWD, "<a@" D60 "." D60 "." D60 "." D60 ".abcdefghijkl>",
	    PATH_DOMAIN_LONG, NULL, false },
	{ FWD, "<@" D60 "." D60 ",@" D60 "." D60 ":a@b.example>", PATH_LONG,
	    NULL, false },

	/* bare */
	{ BARE, "a@b", PATH_OK, "a@b", false },
	{ BARE, "\"a b\"@c", PATH_OK, "\"a b\"@c", false },
	{ BARE | FWD, "postmaster", PATH_OK, "postmaster", false },
	{ BARE | REV, "", PATH_OK, "", false },
	{ BARE, "", PATH_SYNTAX, NULL, false },
	{ BARE, "a", PATH_SYNTAX, NULL, false },
	{ BARE, "<a@b>", PATH_SYNTAX, NULL, false },
	{ BARE, "@a:b@c", PATH_SYNTAX, NULL, false },
};

/* s in memory that ends where it ends. */
static enum smtp_path_error
parse(struct smtp_path *path, const char *s, size_t n, int flags, size_t *used)
{
	enum smtp_path_error	 error;
	struct slice		 slice;
	char			*copy;

	copy = malloc(n + (n == 0));
	if (copy == NULL)
		abort();
	memcpy(copy, s, n);
	slice.p = copy;
	slice.n = n;
	error = smtp_path_parse(path, slice, flags, used);
	free(copy);
	return error;
}

static void
test_good(size_t i, const struct smtp_path *path)
{
	struct smtp_path	 again;
	char			 out[SMTP_MAILBOX_MAX + 1], cut[8];
	size_t			 n, used;
	int			 flags = cases[i].flags | BARE;

	n = smtp_path_print(path, out, sizeof(out));
	is_str(out, cases[i].out, "path %zu: printed", i);
	is_int(n, strlen(out), "path %zu: length", i);
	is_int(path->utf8, cases[i].utf8, "path %zu: utf8", i);
	is_int(path->null, n == 0, "path %zu: null", i);
	is_int(smtp_path_print(path, cut, sizeof(cut)), n,
	    "path %zu: length of what does not fit", i);
	ok(strncmp(cut, out, sizeof(cut) - 1) == 0 && strlen(cut) ==
	    (n < sizeof(cut) ? n : sizeof(cut) - 1), "path %zu: cut", i);

	is_int(parse(&again, out, n, flags, &used), PATH_OK,
	    "path %zu: parsed again", i);
	is_int(used, n, "path %zu: all of it", i);
	ok(memcmp(&again, path, sizeof(again)) == 0, "path %zu: the same", i);
}

static void
test_path(size_t i)
{
	struct smtp_path	 path, zero;
	enum smtp_path_error	 error;
	char			 longer[1024];
	size_t			 len = strlen(cases[i].in), n, used;
	int			 flags = cases[i].flags;

	memset(&zero, 0, sizeof(zero));
	error = parse(&path, cases[i].in, len, flags, &used);
	is_int(error, cases[i].error, "path %zu: %s", i, cases[i].in);
	if (error != PATH_OK) {
		is_int(used, 0, "path %zu: nothing used", i);
		ok(memcmp(&path, &zero, sizeof(zero)) == 0,
		    "path %zu: zeroed", i);
		return;
	}
	is_int(used, len, "path %zu: all used", i);
	test_good(i, &path);

	if (len > 0) {
		snprintf(longer, sizeof(longer), "%s SIZE=1", cases[i].in);
		is_int(parse(&path, longer, len + 7, flags, &used), PATH_OK,
		    "path %zu: with more behind it", i);
		is_int(used, len, "path %zu: which is left", i);
	}
	for (n = 0; n < len && !(flags & BARE); n++)
		ok(parse(&path, cases[i].in, n, flags, &used) != PATH_OK,
		    "path %zu: cut at %zu", i, n);
}

static const struct {
	const char	*in;
	bool		 domain;
	bool		 fqdn;
	bool		 literal;
} names[] = {
	{ "a", true, false, false },
	{ "a.b", true, true, false },
	{ "mail.example.org", true, true, false },
	{ "127.0.0.1", true, true, false },
	{ "b\xc3\xbc" "cher", true, false, false },
	{ "b\xc3\xbc" "cher.example", true, true, false },
	{ "b\xc3\xbc" "cher..example", false, false, false },
	{ "\xe2\x98\x83.example", false, false, false },
	{ "\xfc.example", false, false, false },
	{ "", false, false, false },
	{ ".", false, false, false },
	{ "a.", false, false, false },
	{ "a b", false, false, false },
	{ "a:b.c", false, false, false },
	{ "a.b]", false, false, false },
	{ "[127.0.0.1]", false, true, true },
	{ "[IPv6:::1]", false, true, true },
	{ "[IPV6:fe80::1]", false, true, true },
	{ "[IPv6:fe80::1%lo]", false, false, false },
	{ "[IPv6:fe80::1%1]", false, false, false },
	{ "[IPv6:127.0.0.1]", false, false, false },
	{ "[IPv6:]", false, false, false },
	{ "[IPv6:1]", false, false, false },
	{ "[IPv6:1:2:3:4:5:6:7:8:9]", false, false, false },
	{ "[IPv6:1111:2222:3333:4444:5555:6666:255.255.255.2550000000000]",
	    false, false, false },
	{ "[::1]", false, false, false },
	{ "[2001:db8::1]", false, false, false },
	{ "[fe80::1]", false, false, false },
	{ "[fe80::1%lo]", false, false, false },
	{ "[ 127.0.0.1]", false, false, false },
	{ "[127.0.0.1 ]", false, false, false },
	{ "[127.0.0.01]", false, false, false },
	{ "[127.1]", false, false, false },
	{ "[x:y]", false, true, true },
	{ "[x-1:y]", false, true, true },
	{ "[x-:y]", false, false, false },
	{ "[x:]", false, false, false },
	{ "[:y]", false, false, false },
	{ "[x_y:z]", false, false, false },
	{ "[x:y[z]", false, false, false },
	{ "[x:y]z]", false, false, false },
	{ "[x:\\y]", false, false, false },
	{ "[x:\xc3\xa9]", false, false, false },
	{ "[]", false, false, false },
	{ "[", false, false, false },
	{ "]", false, false, false },
	{ "[127.0.0.1", false, false, false },
};

static void
test_names(void)
{
	struct slice	 s;
	size_t		 i;

	for (i = 0; i < nitems(names); i++) {
		s.p = names[i].in;
		s.n = strlen(s.p);
		is_int(smtp_is_domain(s), names[i].domain, "domain %s", s.p);
		is_int(smtp_is_fqdn(s), names[i].fqdn, "fqdn %s", s.p);
		is_int(smtp_is_literal(s), names[i].literal, "literal %s",
		    s.p);
	}
	s.p = "[127.0.0.1\0]";
	s.n = 12;
	ok(!smtp_is_literal(s), "a NUL in a literal");
	s.p = "a\0b";
	s.n = 3;
	ok(!smtp_is_domain(s), "a NUL in a domain");
}

/* One mailbox, however its domain is written. */
static void
test_normal_idn(void)
{
	static const char *const	 same[] = {
		"<J\xc3\xb6rg@b\xc3\xbc" "cher.Example>",
		"<j\xc3\xb6rg@B\xc3\x9c" "CHER.example>",
		"<\"j\xc3\xb6rg\"@bu\xcc\x88" "cher.example>",
		"<j\xc3\xb6rg@xn--bcher-kva.example>",
		"<j\xc3\xb6rg@XN--BCHER-KVA.EXAMPLE>",
	};
	struct smtp_path		 path;
	char				 out[SMTP_MAILBOX_MAX + 1];
	size_t				 i, used;

	for (i = 0; i < nitems(same); i++) {
		is_int(parse(&path, same[i], strlen(same[i]), 0, &used),
		    PATH_OK, "mailbox %zu", i);
		is_int(smtp_path_normal(&path, out, sizeof(out)), 27,
		    "mailbox %zu: length", i);
		is_str(out, "j\xc3\xb6rg@xn--bcher-kva.example",
		    "mailbox %zu", i);
		is_int(path.alabels[0] != '\0', i < 3, "mailbox %zu: "
		    "A-labels where there are none", i);
	}
}

static void
test_normal(void)
{
	struct smtp_path	 path;
	char			 out[SMTP_MAILBOX_MAX + 1], cut[4];
	size_t			 used;

	parse(&path, "<\"A B\"@Example.ORG>", 19, 0, &used);
	smtp_path_normal(&path, out, sizeof(out));
	is_str(out, "\"a b\"@example.org", "normal form");
	is_int(smtp_path_normal(&path, cut, sizeof(cut)), 17, "its length");
	is_str(cut, "\"a ", "cut");
	is_int(smtp_path_normal(&path, NULL, 0), 17, "without a buffer");
	ok(!smtp_path_is_postmaster(&path), "not postmaster");

	parse(&path, "<\xc3\x89X@B>", 7, 0, &used);
	smtp_path_normal(&path, out, sizeof(out));
	is_str(out, "\xc3\x89x@b", "only ASCII is lowered");

	parse(&path, "<POSTmaster@x>", 14, 0, &used);
	ok(smtp_path_is_postmaster(&path), "postmaster@x");
	parse(&path, "<postmaste@x>", 13, 0, &used);
	ok(!smtp_path_is_postmaster(&path), "postmaste@x");
}

int
main(void)
{
	size_t	 i;

	for (i = 0; i < nitems(cases); i++)
		test_path(i);
	test_names();
	test_normal();
	test_normal_idn();
	return done("t_path");
}
