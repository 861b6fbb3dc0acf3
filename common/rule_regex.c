/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Regular expressions of rules: POSIX extended ones, by libc.
 *
 * A pattern can cost more than it looks: a{1,32767}, or {1,30} four deep,
 * takes half a gigabyte and seconds in regcomp(3).  So the parent looks at
 * the shape of a pattern without compiling it, and only the process that
 * will run it, in its jail and under its limit of memory, compiles it.  What
 * is refused: more than 256 octets, a repeat above 255, a repeat {m,n} in a
 * group that is itself repeated by {m,n}, back-references (the only thing
 * that makes libc's matcher exponential).
 *
 * Considered and rejected: PCRE2 (its limits end in "error" on harmless
 * patterns, its JIT needs executable memory), RE2 (C++).
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule.h"

#define GROUPS_MAX	RULE_PATTERN_MAX

/* The end of a bracket expression that opens at p, or NULL. */
static const char *
skip_bracket(const char *p)
{
	const char	*q;
	char		 kind;

	p++;
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p != '\0' && *p != ']'; p++) {
		if (*p != '[' || strchr(":.=", p[1]) == NULL || p[1] == '\0')
			continue;
		kind = p[1];
		for (q = p + 2; *q != '\0'; q++)
			if (q[0] == kind && q[1] == ']')
				break;
		if (*q == '\0')
			return NULL;
		p = q + 1;
	}
	return *p == ']' ? p : NULL;
}

/* {m}, {m,} or {m,n} at p: its last octet, or NULL with the reason. */
static const char *
skip_repeat(const char *p, const char **why)
{
	char	*end;
	long	 m, n;

	*why = "a repeat is {m}, {m,} or {m,n}";
	if (!isdigit((unsigned char)p[1]))
		return NULL;
	m = n = strtol(p + 1, &end, 10);
	if (*end == ',') {
		end++;
		if (isdigit((unsigned char)*end))
			n = strtol(end, &end, 10);
	}
	if (*end != '}')
		return NULL;
	if (m > RULE_REPEAT_MAX || n > RULE_REPEAT_MAX) {
		*why = "a repeat above 255";
		return NULL;
	}
	if (m > n) {
		*why = "a repeat {m,n} with m above n";
		return NULL;
	}
	return end;
}

const char *
rule_pattern_check(const char *pattern)
{
	/* repeats[d]: is there a {m,n} in the open group of depth d? */
	bool		 repeats[GROUPS_MAX + 1] = { false };
	bool		 closed = false; /* the atom just read holds one */
	size_t		 depth = 0;
	const char	*p, *why;

	if (strlen(pattern) > RULE_PATTERN_MAX)
		return "longer than 256 octets";
	for (p = pattern; *p != '\0'; p++) {
		if (*p == '{') {
			if ((p = skip_repeat(p, &why)) == NULL)
				return why;
			if (closed)
				return "a repeat {m,n} inside another";
			repeats[depth] = closed = true;
			continue;
		}
		/* `*' and the like leave the atom what it is. */
		if (strchr("*+?", *p) != NULL)
			continue;
		closed = false;
		if (*p == '[') {
			if ((p = skip_bracket(p)) == NULL)
				return "a [ without its ]";
		} else if (*p == '(') {
			repeats[++depth] = false;
		} else if (*p == ')' && depth > 0) {
			closed = repeats[depth--];
			repeats[depth] = repeats[depth] || closed;
		} else if (*p == '\\') {
			p++;
			if (*p == '\0')
				return "a \\ at the end";
			if (*p >= '1' && *p <= '9')
				return "back-references are not allowed";
		}
	}
	return depth > 0 ? "a ( without its )" : NULL;
}

int
rule_prepare(struct rule *r, unsigned int *line, unsigned int *col,
    char *why, size_t whysize)
{
	struct rule_node	*n;
	regex_t			*re;
	const char		*bad;
	uint32_t		 i;
	int			 error;

	for (i = 0; r != NULL && i < r->nnodes; i++) {
		n = &r->nodes[i];
		if (n->op != OP_MATCHES || n->re != NULL)
			continue;
		*line = n->line;
		*col = n->col;
		if ((bad = rule_pattern_check(r->strs[n->str])) != NULL) {
			snprintf(why, whysize, "%s", bad);
			return -1;
		}
		if ((re = calloc(1, sizeof(*re))) == NULL) {
			snprintf(why, whysize, "out of memory");
			return -1;
		}
		error = regcomp(re, r->strs[n->str],
		    REG_EXTENDED | REG_NOSUB);
		if (error != 0) {
			regerror(error, re, why, whysize);
			free(re);
			return -1;
		}
		n->re = re;
	}
	return 0;
}
