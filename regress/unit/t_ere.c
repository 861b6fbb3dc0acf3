/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * ere.c: what matches, what the groups hold, what is refused, and that the
 * steps of a match are bounded where libc's would take half a gigabyte.
 */

#include "ere.h"
#include "t.h"

static const struct {
	const char	*pattern;
	const char	*s;
	const char	*want;	/* groups with | between, "!why", NULL */
} cases[] = {
	{ "abc", "xabcx", "abc" },
	{ "abc", "ab", NULL },
	{ "", "x", "" },
	{ "^$", "", "" },
	{ "^a", "ba", NULL },
	{ "a$", "ab", NULL },
	{ "a|ab", "ab", "ab" },
	{ "(a|ab)(c|bcd)(d*)", "abcd", "abcd|a|bcd|" },
	{ "^([^@]+)@([a-z.]+)$", "bob@example.org",
	    "bob@example.org|bob|example.org" },
	{ "(a)|(b)", "b", "b|-|b" },
	{ "(a*)*", "aab", "aa|aa" },
	{ "(a|b)*c", "abac", "abac|a" },
	{ "x{3}", "xxxx", "xxx" },
	{ "x{2,}", "xxxx", "xxxx" },
	{ "x{0,2}y", "xxxy", "xxy" },
	{ "x{0}y", "xy", "y" },
	{ "(ab){2}", "ababab", "abab|ab" },
	{ "[]a-]+", "x-]a", "-]a" },
	{ "[^]a]", "]ab", "b" },
	{ "[[:digit:]_]+", "a1_2", "1_2" },
	{ "[[.-.]]", "a-", "-" },
	{ "a.c", "a\nc", "a\nc" },
	{ "\\.", "a.", "." },
	{ "\\<is\\>", "this is", "is" },
	{ "\\w+\\W", "a1 b", "a1 " },
	{ "a)", "a)", "a)" },
	{ "(a", "a", "!a ( without its )" },
	{ "[a", "a", "!a [ without its ]" },
	{ "*a", "a", "!nothing to repeat" },
	{ "a|*", "a", "!nothing to repeat" },
	{ "a\\1", "a", "!back-references are not allowed" },
	{ "\\d", "1", "!a \\ that means nothing" },
	{ "[z-a]", "a", "!a range that ends before it begins" },
	{ "[[:word:]]", "a", "!no such class of octets" },
	{ "a{2,1}", "a", "!a repeat {m,n} with m above n" },
	{ "(a{2}){2}", "a", "!a repeat {m,n} inside another" },
	{ "(ab|cd){255}(ab|cd){255}", "a", "!repeats make it too large" }
};

/* The groups as a text. */
static const char *
told(const struct ere *e, const char *s, const int16_t *at)
{
	static char	 text[256];
	size_t		 n = 0;
	int		 i;

	for (i = 0; i <= ere_groups(e); i++, at += 2) {
		if (i > 0)
			text[n++] = '|';
		if (at[0] == -1)
			text[n++] = '-';
		else {
			memcpy(text + n, s + at[0], at[1] - at[0]);
			n += at[1] - at[0];
		}
	}
	text[n] = '\0';
	return text;
}

static void
try(const char *pattern, const char *s, bool fold, const char *want)
{
	int16_t		 at[2 * (ERE_GROUPS + 1)];
	const char	*why;
	struct ere	*e = ere_compile(pattern, fold, &why);
	int		 got, steps = 100000;

	if (e == NULL || (want != NULL && *want == '!')) {
		ok(e == NULL && want != NULL && *want == '!', "%s", pattern);
		is_str(why != NULL ? why : "", want + 1, "%s", pattern);
		return;
	}
	got = ere_match(e, s, strlen(s), at, &steps);
	is_int(got, want != NULL, "%s on %s", pattern, s);
	if (got == 1 && want != NULL)
		is_str(told(e, s, at), want, "%s on %s", pattern, s);
	ere_free(e);
}

static void
test_bounds(void)
{
	char		 s[ERE_SUBJECT_MAX + 2];
	int16_t		 at[2 * (ERE_GROUPS + 1)];
	const char	*why;
	struct ere	*e = ere_compile(".*a.{255}x", false, &why);
	size_t		 i;
	int		 steps;

	if (!ok(e != NULL, "it compiles"))
		return;
	for (i = 0; i <= ERE_SUBJECT_MAX; i++)
		s[i] = (i * 2654435761U) >> 13 & 1 ? 'a' : 'b';
	steps = 2000000;
	is_int(ere_match(e, s, ERE_SUBJECT_MAX, at, &steps), 0, "no match");
	ok(steps > 1000000, "it is cheap: %d are left", steps);
	steps = 1000;
	is_int(ere_match(e, s, ERE_SUBJECT_MAX, at, &steps), -1, "too many");
	is_int(steps, 0, "none is left");
	steps = 1000;
	is_int(ere_match(e, s, ERE_SUBJECT_MAX + 1, at, &steps), 0, "long");
	ere_free(e);
}

int
main(void)
{
	size_t	 i;

	for (i = 0; i < nitems(cases); i++)
		try(cases[i].pattern, cases[i].s, false, cases[i].want);
	try("aBc", "xAbC", true, "AbC");
	try("[d-f]+", "aDeF", true, "DeF");
	try("[^a]", "Ab", true, "b");
	try("[[:upper:]]+", "abC1", true, "abC");
	test_bounds();
	return done("t_ere");
}
