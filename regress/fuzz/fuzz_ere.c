/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * ere.c beside libc's regexec(3): what both compile matches at the same place
 * and as far, or not at all; groups lie inside of the match.  An input is the
 * pattern, the end of a line, and the subject, both short, as libc's matcher
 * has no bounds, and in ASCII, as it has doubts about other octets.
 */

#include <regex.h>

#include "ere.h"
#include "fuzz.h"

#define PATTERN_MAX	80
#define TEXT_MAX	40
#define STEPS		2000000

/*
 * libc confuses what two assertions at one place want, if \b is one or there
 * is an end of a line.
 */
static bool
confusing(const char *p, const char *s)
{
	bool	 word = strstr(p, "\\b") != NULL || strstr(p, "\\B") != NULL ||
		    strstr(p, "\\<") != NULL || strstr(p, "\\>") != NULL;

	return (word && strpbrk(p, "^$*+?{") != NULL) ||
	    strchr(s, '\n') != NULL;
}

/* Its compiler needs time by the power of repeats of repeats: a+++++++++. */
static bool
costly(const char *p)
{
	size_t	 n = 0;

	for (; (p = strpbrk(p, "*+?{")) != NULL; p++)
		n++;
	return n > 6;
}

static void
compare(const char *pattern, const char *s, bool fold, int got,
    const int16_t *at)
{
	regex_t		 re;
	regmatch_t	 m[1];
	int		 want;

	/* Nor is it clear what a range is where case is none. */
	if (confusing(pattern, s) || costly(pattern) || (fold && strchr(pattern,
	    '-') != NULL) || regcomp(&re, pattern, REG_EXTENDED |
	    (fold ? REG_ICASE : 0)) != 0)
		return;
	want = regexec(&re, s, 1, m, 0) == 0;
	if (got != want || (got && (at[0] != m[0].rm_so ||
	    at[1] != m[0].rm_eo)))
		fprintf(stderr, "%s on %s: %d %d-%d, libc %d %d-%d\n", pattern,
		    s, got, at[0], at[1], want, m[0].rm_so, m[0].rm_eo);
	must(got == want);
	must(!got || (at[0] == m[0].rm_so && at[1] == m[0].rm_eo));
	regfree(&re);
}

static void
both(const char *pattern, const char *s, bool fold)
{
	int16_t		 at[2 * (ERE_GROUPS + 1)];
	const char	*why;
	struct ere	*e;
	int		 i, got, steps = STEPS;

	if ((e = ere_compile(pattern, fold, &why)) == NULL) {
		must(why != NULL);
		return;
	}
	got = ere_match(e, s, strlen(s), at, &steps);
	must(steps >= 0 && got != -1);
	for (i = 0; got && i <= ere_groups(e); i++) {
		must((at[2 * i] == -1) == (at[2 * i + 1] == -1));
		must(at[2 * i] == -1 || (at[0] <= at[2 * i] &&
		    at[2 * i] <= at[2 * i + 1] && at[2 * i + 1] <= at[1]));
	}
	compare(pattern, s, fold, got, at);
	ere_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char		 pattern[PATTERN_MAX + 1], s[TEXT_MAX + 1];
	const uint8_t	*eol = len == 0 ? NULL : memchr(data, '\n', len);
	size_t		 n, rest, i;

	for (i = 0; i < len; i++)
		if (data[i] == '\0' || data[i] >= 0x80)
			return 0;
	if (eol == NULL)
		return 0;
	n = eol - data;
	rest = len - n - 1;
	if (n > PATTERN_MAX || rest > TEXT_MAX)
		return 0;
	memcpy(pattern, data, n);
	pattern[n] = '\0';
	memcpy(s, eol + 1, rest);
	s[rest] = '\0';
	both(pattern, s, false);
	both(pattern, s, true);
	return 0;
}
