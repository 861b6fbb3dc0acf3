/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lua's patterns in bounded time and stack.
 *
 * The stock matcher backtracks without limit: thirty-two `a?', or `.-.-.-b',
 * and a worker is gone, for no hook runs inside of it.  This one has the same
 * outcome for every subject and pattern (regress/fuzz/fuzz_match.c holds them
 * side by side, texts of errors included), and counts what it does: an item
 * of the pattern tried at a place is a step, and so is each member of a set
 * that is looked at, each octet that `%b' passes over, and each sixteen
 * octets of a back-reference.  Whoever calls says how many there may be.
 *
 * Only what is followed by more of the pattern at a place that is still open
 * (repeats, captures) recurses, at most 200 deep, as in the stock one.
 *
 * Octets are classified by <ctype.h> in the C locale, the only one of these
 * programs.  A pattern or a subject may hold any octet, NUL too; behind the
 * end of both the matcher sees a NUL, as Lua's strings have one there.
 */

#include <ctype.h>
#include <string.h>

#include "script.h"

#define MATCH_DEPTH	200

struct run {
	const char	*begin, *end;		/* of the subject */
	const char	*pend;			/* of the pattern */
	struct match	*m;
	int		*steps;
	int		 depth;			/* how much deeper it may go */
	bool		 stop;			/* m->why, or no steps left */
};

static const char *here(struct run *, const char *, const char *);

static const char *
bad(struct run *r, const char *why)
{
	r->m->why = why;
	r->stop = true;
	return NULL;
}

/* Pay n steps; false: there are not that many. */
static bool
step(struct run *r, size_t n)
{
	if (n > (size_t)*r->steps) {
		*r->steps = 0;
		r->stop = true;
		return false;
	}
	*r->steps -= (int)n;
	return true;
}

static char
pattern_at(const struct run *r, const char *p)
{
	return p < r->pend ? *p : '\0';
}

static int
subject_at(const struct run *r, const char *s)
{
	return s < r->end ? (unsigned char)*s : '\0';
}

/* %a and the like; the letter of a class in upper case is all the others. */
static bool
in_class(int c, int class)
{
	int	 yes;

	switch (tolower(class)) {
	case 'a':	yes = isalpha(c);	break;
	case 'c':	yes = iscntrl(c);	break;
	case 'd':	yes = isdigit(c);	break;
	case 'g':	yes = isgraph(c);	break;
	case 'l':	yes = islower(c);	break;
	case 'p':	yes = ispunct(c);	break;
	case 's':	yes = isspace(c);	break;
	case 'u':	yes = isupper(c);	break;
	case 'w':	yes = isalnum(c);	break;
	case 'x':	yes = isxdigit(c);	break;
	case 'z':	yes = c == '\0';	break;	/* as in Lua 5.1 */
	default:	return class == c;
	}
	return (yes != 0) != (isupper(class) != 0);
}

/* Is c in the set that opens at p and whose ] is at last? */
static bool
in_set(struct run *r, int c, const char *p, const char *last)
{
	bool	 found = true;

	if (p[1] == '^') {
		found = false;
		p++;
	}
	while (++p < last) {
		if (!step(r, 1))
			return false;
		if (*p == '%') {
			p++;
			if (in_class(c, (unsigned char)*p))
				return found;
		} else if (p[1] == '-' && p + 2 < last) {
			p += 2;
			if ((unsigned char)p[-2] <= c &&
			    c <= (unsigned char)*p)
				return found;
		} else if ((unsigned char)*p == c)
			return found;
	}
	return !found;
}

/* Behind the ] of the set whose [ is before p; NULL: there is none. */
static const char *
set_end(struct run *r, const char *p)
{
	const char	*first = p;

	if (pattern_at(r, p) == '^')
		p++;
	do {
		if (p == r->pend)
			return bad(r, "malformed pattern (missing ']')");
		if (*p++ == '%' && p < r->pend)
			p++;
	} while (pattern_at(r, p) != ']');
	return step(r, (p - first) / 8) ? p + 1 : NULL;
}

/* Behind the one character, class or set at p; NULL: stop. */
static const char *
class_end(struct run *r, const char *p)
{
	switch (*p++) {
	case '%':
		if (p == r->pend)
			return bad(r, "malformed pattern (ends with '%')");
		return p + 1;
	case '[':
		return set_end(r, p);
	}
	return p;
}

/* Is what stands between p and its end at s? */
static bool
one(struct run *r, const char *s, const char *p, const char *end)
{
	int	 c;

	if (s >= r->end || !step(r, 1))
		return false;
	c = (unsigned char)*s;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return in_set(r, c, p, end - 1);
	}
	return (unsigned char)*p == c;
}

/* `*', or `+' behind its first: as many as there are, then fewer. */
static const char *
most(struct run *r, const char *s, const char *p, const char *end)
{
	const char	*last = s, *found;

	while (one(r, last, p, end))
		last++;
	for (; !r->stop && last >= s; last--)
		if ((found = here(r, last, end + 1)) != NULL)
			return found;
	return NULL;
}

/* `-': none, then more. */
static const char *
least(struct run *r, const char *s, const char *p, const char *end)
{
	const char	*found;

	for (;;) {
		found = here(r, s, end + 1);
		if (found != NULL || r->stop)
			return found;
		if (!one(r, s, p, end))
			return NULL;
		s++;
	}
}

static const char *
open_capture(struct run *r, const char *s, const char *p)
{
	struct match_capture	*c;
	const char		*found;
	ptrdiff_t		 len = MATCH_OPEN;

	if (pattern_at(r, p) == ')') {
		len = MATCH_POSITION;
		p++;
	}
	if (r->m->ncaptures >= MATCH_CAPTURES)
		return bad(r, "too many captures");
	c = &r->m->capture[r->m->ncaptures++];
	c->p = s;
	c->len = len;
	if ((found = here(r, s, p)) == NULL)
		r->m->ncaptures--;
	return found;
}

static const char *
close_capture(struct run *r, const char *s, const char *p)
{
	struct match_capture	*c = NULL;
	const char		*found;
	int			 i;

	for (i = r->m->ncaptures - 1; i >= 0 && c == NULL; i--)
		if (r->m->capture[i].len == MATCH_OPEN)
			c = &r->m->capture[i];
	if (c == NULL)
		return bad(r, "invalid pattern capture");
	c->len = s - c->p;
	if ((found = here(r, s, p)) == NULL)
		c->len = MATCH_OPEN;
	return found;
}

/*
 * The rest takes *s and *p behind what it read, and returns true if it is
 * worth to go on; else *s is the answer, NULL for no.
 */
static bool
no(const char **s)
{
	*s = NULL;
	return false;
}

/* %bxy */
static bool
balanced(struct run *r, const char **s, const char **p)
{
	const char	*at = *s, open = pattern_at(r, *p + 2),
			 close = pattern_at(r, *p + 3);
	size_t		 depth = 1;

	if (r->pend - *p < 4) {
		bad(r, "malformed pattern (missing arguments to '%b')");
		return no(s);
	}
	if (at >= r->end || *at != open)
		return no(s);
	while (++at < r->end && step(r, 1)) {
		if (*at == close) {
			if (--depth == 0) {
				*s = at + 1;
				*p += 4;
				return true;
			}
		} else if (*at == open)
			depth++;
	}
	return no(s);
}

/* %f[set] */
static bool
frontier(struct run *r, const char **s, const char **p)
{
	const char	*set = *p + 2, *end;
	int		 before;

	if (pattern_at(r, set) != '[') {
		bad(r, "missing '[' after '%f' in pattern");
		return no(s);
	}
	if ((end = class_end(r, set)) == NULL)
		return no(s);
	before = *s == r->begin ? '\0' : (unsigned char)(*s)[-1];
	if (in_set(r, before, set, end - 1) ||
	    !in_set(r, subject_at(r, *s), set, end - 1))
		return no(s);
	*p = end;
	return true;
}

/* %1 */
static bool
again(struct run *r, const char **s, const char **p)
{
	static const char *const why[] = {
		"invalid capture index %0", "invalid capture index %1",
		"invalid capture index %2", "invalid capture index %3",
		"invalid capture index %4", "invalid capture index %5",
		"invalid capture index %6", "invalid capture index %7",
		"invalid capture index %8", "invalid capture index %9"
	};
	const struct match_capture	*c;
	int				 n = (*p)[1] - '0';

	c = &r->m->capture[n == 0 ? 0 : n - 1];
	if (n == 0 || n > r->m->ncaptures || c->len == MATCH_OPEN) {
		bad(r, why[n]);
		return no(s);
	}
	if (c->len < 0 || c->len > r->end - *s || !step(r, c->len / 16) ||
	    memcmp(c->p, *s, c->len) != 0)
		return no(s);
	*s += c->len;
	*p += 2;
	return true;
}

/* A character, class or set, and how often. */
static bool
item(struct run *r, const char **s, const char **p)
{
	const char	*end, *found;
	char		 how;

	if ((end = class_end(r, *p)) == NULL)
		return no(s);
	how = pattern_at(r, end);
	if (!one(r, *s, *p, end)) {
		if (r->stop || (how != '*' && how != '?' && how != '-'))
			return no(s);
		*p = end + 1;
		return true;
	}
	switch (how) {
	case '?':
		found = here(r, *s + 1, end + 1);
		if (found == NULL && !r->stop) {
			*p = end + 1;
			return true;
		}
		*s = found;
		return false;
	case '+':
		*s = most(r, *s + 1, *p, end);
		return false;
	case '*':
		*s = most(r, *s, *p, end);
		return false;
	case '-':
		*s = least(r, *s, *p, end);
		return false;
	}
	*s += 1;
	*p = end;
	return true;
}

static bool
advance(struct run *r, const char **s, const char **p)
{
	char	 next = pattern_at(r, *p + 1);

	if (!step(r, 1))
		return no(s);
	switch (**p) {
	case '(':
		*s = open_capture(r, *s, *p + 1);
		return false;
	case ')':
		*s = close_capture(r, *s, *p + 1);
		return false;
	case '$':
		if (*p + 1 != r->pend)
			break;
		if (*s != r->end)
			*s = NULL;
		return false;
	case '%':
		if (next == 'b')
			return balanced(r, s, p);
		if (next == 'f')
			return frontier(r, s, p);
		if (next >= '0' && next <= '9')
			return again(r, s, p);
		break;
	}
	return item(r, s, p);
}

/* The end of what p matches at s, or NULL. */
static const char *
here(struct run *r, const char *s, const char *p)
{
	if (r->depth == 0)
		return bad(r, "pattern too complex");
	r->depth--;
	while (p != r->pend && advance(r, &s, &p))
		;
	r->depth++;
	return r->stop ? NULL : s;
}

enum match_result
match_at(struct match *m, const char *s, size_t len, const char *pattern,
    size_t plen, size_t at, int *steps)
{
	struct run	 r = { s, s + len, pattern + plen, m, steps,
			    MATCH_DEPTH, false };

	m->start = s + at;
	m->ncaptures = 0;
	m->why = NULL;
	m->end = step(&r, 1) ? here(&r, m->start, pattern) : NULL;
	if (r.stop)
		return m->why != NULL ? MATCH_BAD : MATCH_STEPS_OVER;
	return m->end != NULL ? MATCH_YES : MATCH_NO;
}

enum match_result
match_find(struct match *m, const char *s, size_t len, const char *pattern,
    size_t plen, size_t init, int *steps)
{
	enum match_result	 got;
	bool			 anchored = plen > 0 && *pattern == '^';

	do {
		got = match_at(m, s, len, pattern + anchored,
		    plen - anchored, init, steps);
		if (got != MATCH_NO)
			return got;
	} while (++init <= len && !anchored);
	return MATCH_NO;
}
