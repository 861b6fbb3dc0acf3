/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * POSIX extended regular expressions, matched by walking all ways at once.
 *
 * libc's matcher is not for patterns of scripts on subjects of strangers: for
 * `.*a.{255}x' and a thousand octets of a and b, glibc's makes half a million
 * states, which takes ten seconds and half a gigabyte in one call.  This one
 * holds at most one thread per instruction, and takes at most as many steps
 * as octets times instructions; the caller says how many there may be.
 *
 * A pattern has the form that rule_pattern_check() tells, so that one of a
 * rule means the same in a script: no back-references, no {m,n} inside of
 * another.  Of GNU's words it knows \w \W \s \S \b \B \< \>.  A pattern is
 * compiled in one pass to instructions with relative jumps: a repeat copies
 * or moves a block as it is.
 *
 * Which match is POSIX's: the leftmost, and of those the longest.  What the
 * groups hold is what a backtracking matcher would have found on the way to
 * it (the alternative to the left, the repeat with more), which is easier to
 * foretell than POSIX's own rule, and the same wherever it matters.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ere.h"
#include "rule.h"

#define INSTS_MAX	2048
#define SETS_MAX	128

enum ere_op {
	OP_CHAR, OP_ANY_CHAR, OP_SET,		/* take an octet */
	OP_BEGIN, OP_END,			/* ^ $ */
	OP_EDGE, OP_NO_EDGE, OP_WORD_BEGIN, OP_WORD_END,
	OP_SAVE, OP_SPLIT, OP_JUMP, OP_MATCH
};

struct inst {
	uint8_t	 op;
	uint8_t	 arg;		/* octet, set, or what is saved */
	int16_t	 x, y;		/* SPLIT: first there, then there; JUMP: x */
};

struct set {
	uint8_t	 bits[32];
};

struct ere {
	struct inst	*inst;
	struct set	*set;
	int		 ninsts, nsets, groups;
	bool		 fold;
};

/* While it is compiled: there is room for the largest. */
struct compiler {
	struct inst	 inst[INSTS_MAX];
	struct set	 set[SETS_MAX];
	int		 ninsts, nsets, groups;
	bool		 fold;
	const char	*p;
	const char	*why;
};

static void	 branches(struct compiler *, bool);

/* --- compiling ----------------------------------------------------------- */

static void
wrong(struct compiler *c, const char *why)
{
	if (c->why == NULL)
		c->why = why;
}

/* Case is folded before anything is compared: of both sides. */
static unsigned char
folded(bool fold, unsigned char octet)
{
	return fold ? tolower(octet) : octet;
}

static void
emit(struct compiler *c, enum ere_op op, int arg, int x, int y)
{
	struct inst	*i;

	if (c->ninsts == INSTS_MAX) {
		wrong(c, "repeats make it too large");
		return;
	}
	i = &c->inst[c->ninsts++];
	i->op = op;
	i->arg = (uint8_t)arg;
	i->x = (int16_t)x;
	i->y = (int16_t)y;
}

/* Make room for one instruction at that place. */
static void
insert(struct compiler *c, int at, enum ere_op op, int x, int y)
{
	int	 n = c->ninsts - at;

	emit(c, op, 0, x, y);
	if (c->why != NULL)
		return;
	memmove(&c->inst[at + 1], &c->inst[at], n * sizeof(c->inst[0]));
	c->inst[at] = (struct inst){ op, 0, (int16_t)x, (int16_t)y };
}

static void
set_add(struct set *s, int octet)
{
	s->bits[octet / 8] |= 1 << octet % 8;
}

static bool
set_has(const struct set *s, unsigned char octet)
{
	return s->bits[octet / 8] & 1 << octet % 8;
}

static void
set_invert(struct set *s)
{
	size_t	 i;

	for (i = 0; i < sizeof(s->bits); i++)
		s->bits[i] = ~s->bits[i];
}

/* NULL when there are too many: two octets of a pattern are one at least. */
static struct set *
set_new(struct compiler *c)
{
	struct set	*s;

	if (c->nsets == SETS_MAX) {
		wrong(c, "too many sets");
		return NULL;
	}
	s = &c->set[c->nsets++];
	memset(s, 0, sizeof(*s));
	return s;
}

static bool
is_word(int octet)
{
	return isalnum(octet) || octet == '_';
}

static int
is_word_class(int octet)
{
	return is_word(octet);
}

static void
set_class(struct set *s, int (*is)(int))
{
	int	 i;

	for (i = 0; i < 256; i++)
		if (is(i))
			set_add(s, i);
}

/* [:alpha:], whose name is n octets. */
static void
named_class(struct compiler *c, struct set *s, const char *name, size_t n)
{
	static const struct {
		const char	*name;
		int		(*is)(int);
	} classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha },
		{ "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph },
		{ "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace },
		{ "upper", isupper }, { "xdigit", isxdigit }
	};
	size_t	 i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == n &&
		    memcmp(classes[i].name, name, n) == 0) {
			set_class(s, c->fold && (classes[i].is == islower ||
			    classes[i].is == isupper) ? isalpha :
			    classes[i].is);
			return;
		}
	wrong(c, "no such class of octets");
}

/*
 * An octet of a set, or -1: a class was read, or there is an error.  c->p is
 * taken behind it.
 */
static int
set_octet(struct compiler *c, struct set *s)
{
	const char	*name = c->p + 2, *end = name;
	char		 kind = c->p[1];

	if (*c->p != '[' || (kind != ':' && kind != '.' && kind != '='))
		return folded(c->fold, *c->p++);
	while (*end != '\0' && (end[0] != kind || end[1] != ']'))
		end++;
	if (*end == '\0') {
		wrong(c, "a [ without its ]");
		return -1;
	}
	c->p = end + 2;
	if (kind == ':')
		named_class(c, s, name, end - name);
	else if (end - name == 1)
		return folded(c->fold, *name);
	else
		wrong(c, "a collating element has one octet");
	return -1;
}

static void
set_range(struct compiler *c, struct set *s, int first)
{
	int	 last = first;

	if (c->p[0] == '-' && c->p[1] != ']' && c->p[1] != '\0') {
		c->p++;
		if ((last = set_octet(c, s)) == -1) {
			wrong(c, "a range that ends in a class");
			return;
		}
		if (c->p[0] == '-' && c->p[1] != ']')
			wrong(c, "a range that begins where one ends");
	}
	if (last < first)
		wrong(c, "a range that ends before it begins");
	for (; first <= last; first++)
		set_add(s, first);
}

/* The [ is read. */
static void
bracket(struct compiler *c)
{
	struct set	*s = set_new(c);
	bool		 not = *c->p == '^', first = true;
	int		 octet;

	if (s == NULL)
		return;
	if (not)
		c->p++;
	while (c->why == NULL && (*c->p != ']' || first)) {
		if (*c->p == '\0') {
			wrong(c, "a [ without its ]");
			return;
		}
		first = false;
		if ((octet = set_octet(c, s)) != -1)
			set_range(c, s, octet);
	}
	c->p++;
	if (not)
		set_invert(s);
	emit(c, OP_SET, c->nsets - 1, 0, 0);
}

static void
escape(struct compiler *c)
{
	static const char	 words[] = "bB<>";
	static const uint8_t	 ops[] = { OP_EDGE, OP_NO_EDGE, OP_WORD_BEGIN,
				    OP_WORD_END };
	const char		*word;
	struct set		*s;
	unsigned char		 octet = *c->p++;

	if (octet != '\0' && (word = strchr(words, octet)) != NULL) {
		emit(c, ops[word - words], 0, 0, 0);
		return;
	}
	if (octet != '\0' && strchr("wWsS", octet) != NULL) {
		if ((s = set_new(c)) == NULL)
			return;
		set_class(s, tolower(octet) == 'w' ? is_word_class :
		    isspace);
		if (isupper(octet))
			set_invert(s);
		emit(c, OP_SET, c->nsets - 1, 0, 0);
		return;
	}
	if (octet == '\0' || isalnum(octet) || octet == '`' || octet == '\'')
		wrong(c, "a \\ that means nothing");
	emit(c, OP_CHAR, folded(c->fold, octet), 0, 0);
}

/* The ( is read. */
static void
group(struct compiler *c)
{
	int	 n = ++c->groups;

	if (n > ERE_GROUPS) {
		wrong(c, "more than 32 groups");
		return;
	}
	emit(c, OP_SAVE, 2 * n, 0, 0);
	branches(c, true);
	if (*c->p != ')') {
		wrong(c, "a ( without its )");
		return;
	}
	c->p++;
	emit(c, OP_SAVE, 2 * n + 1, 0, 0);
}

static void
atom(struct compiler *c)
{
	unsigned char	 octet = *c->p++;

	switch (octet) {
	case '(':
		group(c);
		return;
	case '[':
		bracket(c);
		return;
	case '.':
		emit(c, OP_ANY_CHAR, 0, 0, 0);
		return;
	case '^':
		emit(c, OP_BEGIN, 0, 0, 0);
		return;
	case '$':
		emit(c, OP_END, 0, 0, 0);
		return;
	case '\\':
		escape(c);
		return;
	case '*':
	case '+':
	case '?':
	case '{':
		wrong(c, "nothing to repeat");
		return;
	}
	emit(c, OP_CHAR, folded(c->fold, octet), 0, 0);
}

/* The block from start on, once or never, or as often as it likes. */
static void
repeat_simple(struct compiler *c, int start, char how)
{
	int	 n = c->ninsts - start;

	switch (how) {
	case '?':
		insert(c, start, OP_SPLIT, 1, n + 1);
		break;
	case '*':
		insert(c, start, OP_SPLIT, 1, n + 2);
		emit(c, OP_JUMP, 0, -(n + 1), 0);
		break;
	case '+':
		emit(c, OP_SPLIT, 0, -n, 1);
		break;
	}
}

/* Once more at the end: the n instructions of block. */
static void
copy(struct compiler *c, const struct inst *block, int n)
{
	if (n > INSTS_MAX - c->ninsts) {
		wrong(c, "repeats make it too large");
		return;
	}
	memcpy(&c->inst[c->ninsts], block, n * sizeof(*block));
	c->ninsts += n;
}

/* {m}, {m,}, {m,n}: the { is read, and its form was checked. */
static void
repeat_counted(struct compiler *c, int start)
{
	static struct inst	 block[INSTS_MAX];
	char			*end;
	long			 m, most, i;
	int			 n = c->ninsts - start;

	m = most = strtol(c->p, &end, 10);
	if (*end == ',')
		most = end[1] == '}' ? -1 : strtol(end + 1, &end, 10);
	c->p = strchr(end, '}') + 1;
	memcpy(block, &c->inst[start], n * sizeof(block[0]));
	c->ninsts = start;
	for (i = 0; i < m && c->why == NULL; i++)
		copy(c, block, n);
	if (most == -1) {
		start = c->ninsts;
		copy(c, block, n);
		repeat_simple(c, start, '*');
	}
	for (; i < most && c->why == NULL; i++) {
		emit(c, OP_SPLIT, 0, 1, (int)(most - i) * (n + 1));
		copy(c, block, n);
	}
}

/* Atoms with their repeats, up to | or ) or the end. */
static void
sequence(struct compiler *c, bool inside)
{
	int	 start;

	while (c->why == NULL && *c->p != '\0' && *c->p != '|' &&
	    (*c->p != ')' || !inside)) {
		start = c->ninsts;
		atom(c);
		while (c->why == NULL && *c->p != '\0' &&
		    strchr("*+?{", *c->p) != NULL) {
			if (*c->p++ == '{')
				repeat_counted(c, start);
			else
				repeat_simple(c, start, c->p[-1]);
		}
	}
}

/*
 * a|b|c: before each but the last a SPLIT, behind it a JUMP to the end, which
 * are linked by their places until that is known.
 */
static void
branches(struct compiler *c, bool inside)
{
	int	 start = c->ninsts, jumps = -1, next;

	sequence(c, inside);
	while (c->why == NULL && *c->p == '|') {
		c->p++;
		insert(c, start, OP_SPLIT, 1, c->ninsts - start + 2);
		emit(c, OP_JUMP, 0, jumps, 0);
		jumps = c->ninsts - 1;
		start = c->ninsts;
		sequence(c, inside);
	}
	for (; c->why == NULL && jumps != -1; jumps = next) {
		next = c->inst[jumps].x;
		c->inst[jumps].x = (int16_t)(c->ninsts - jumps);
	}
}

static struct ere *
finish(const struct compiler *c)
{
	struct ere	*e;
	size_t		 insts = c->ninsts * sizeof(c->inst[0]),
			 sets = c->nsets * sizeof(c->set[0]);

	if ((e = malloc(sizeof(*e) + insts + sets)) == NULL)
		return NULL;
	e->inst = (struct inst *)(e + 1);
	e->set = (struct set *)(e->inst + c->ninsts);
	memcpy(e->inst, c->inst, insts);
	memcpy(e->set, c->set, sets);
	e->ninsts = c->ninsts;
	e->nsets = c->nsets;
	e->groups = c->groups;
	e->fold = c->fold;
	return e;
}

struct ere *
ere_compile(const char *pattern, bool fold, const char **why)
{
	static struct compiler	 c;
	struct ere		*e;

	if ((*why = rule_pattern_check(pattern)) != NULL)
		return NULL;
	c.ninsts = c.nsets = c.groups = 0;
	c.fold = fold;
	c.p = pattern;
	c.why = NULL;
	branches(&c, false);
	emit(&c, OP_MATCH, 0, 0, 0);
	if ((*why = c.why) != NULL)
		return NULL;
	if ((e = finish(&c)) == NULL)
		*why = "out of memory";
	return e;
}

void
ere_free(struct ere *e)
{
	free(e);
}

int
ere_groups(const struct ere *e)
{
	return e->groups;
}

/* --- matching ------------------------------------------------------------ */

#define PLACES	(2 * (ERE_GROUPS + 1))

/* One way: where it is, and what its groups are so far. */
struct thread {
	int16_t	 pc;
	int16_t	 at[PLACES];
};

struct threads {
	struct thread	 list[INSTS_MAX];
	int		 n;
};

/* What is still to be followed: a place, or a group's end to be restored. */
struct todo {
	int16_t	 pc;		/* -1: at[place] = old */
	int16_t	 place, old;
};

struct walk {
	const struct ere	*e;
	const unsigned char	*s;
	int			 len;
	int			 places;	/* of at, that are in use */
	int			*steps;
	unsigned int		 turn;		/* marks what is in a list */
};

static unsigned int	seen[INSTS_MAX];
static unsigned int	turns;
static struct todo	todo[2 * INSTS_MAX + 2];

static bool
word_at(const struct walk *w, int i)
{
	return i >= 0 && i < w->len && is_word(w->s[i]);
}

/* Does what takes no octet hold at i? */
static bool
holds(const struct walk *w, enum ere_op op, int i)
{
	bool	 before = word_at(w, i - 1), after = word_at(w, i);

	switch (op) {
	case OP_BEGIN:
		return i == 0;
	case OP_END:
		return i == w->len;
	case OP_EDGE:
		return before != after;
	case OP_NO_EDGE:
		return before == after;
	case OP_WORD_BEGIN:
		return !before && after;
	case OP_WORD_END:
		return before && !after;
	case OP_CHAR:
	case OP_ANY_CHAR:
	case OP_SET:
	case OP_SAVE:
	case OP_SPLIT:
	case OP_JUMP:
	case OP_MATCH:
		break;
	}
	return false;
}

/*
 * From pc at octet i to all that take an octet or are the end, without those
 * that are in the list; at is what a new thread has, and is left as it was.
 */
static void
follow(struct walk *w, struct threads *to, int pc, int16_t *at, int i)
{
	const struct inst	*in;
	struct thread		*t;
	int			 n = 0;

	todo[n++] = (struct todo){ (int16_t)pc, 0, 0 };
	while (n > 0) {
		pc = todo[--n].pc;
		if (pc == -1) {
			at[todo[n].place] = todo[n].old;
			continue;
		}
		if (seen[pc] == w->turn)
			continue;
		seen[pc] = w->turn;
		*w->steps -= 1;
		in = &w->e->inst[pc];
		switch ((enum ere_op)in->op) {
		case OP_SPLIT:
			todo[n++].pc = (int16_t)(pc + in->y);
			todo[n++].pc = (int16_t)(pc + in->x);
			break;
		case OP_JUMP:
			todo[n++].pc = (int16_t)(pc + in->x);
			break;
		case OP_SAVE:
			todo[n++] = (struct todo){ -1, in->arg, at[in->arg] };
			at[in->arg] = (int16_t)i;
			todo[n++].pc = (int16_t)(pc + 1);
			break;
		case OP_CHAR:
		case OP_ANY_CHAR:
		case OP_SET:
		case OP_MATCH:
			t = &to->list[to->n++];
			t->pc = (int16_t)pc;
			memcpy(t->at, at, w->places * sizeof(at[0]));
			break;
		case OP_BEGIN:
		case OP_END:
		case OP_EDGE:
		case OP_NO_EDGE:
		case OP_WORD_BEGIN:
		case OP_WORD_END:
			if (holds(w, in->op, i))
				todo[n++].pc = (int16_t)(pc + 1);
			break;
		}
	}
}

static bool
takes(const struct walk *w, const struct inst *in, int i)
{
	unsigned char	 octet;

	if (i >= w->len)
		return false;
	octet = folded(w->e->fold, w->s[i]);
	switch (in->op) {
	case OP_CHAR:
		return in->arg == octet;
	case OP_ANY_CHAR:
		return true;
	case OP_SET:
		return set_has(&w->e->set[in->arg], octet);
	}
	return false;
}

static void
next_turn(struct walk *w)
{
	if (++turns == 0) {
		memset(seen, 0, sizeof(seen));
		turns = 1;
	}
	w->turn = turns;
}

/* All threads over octet i, or to their end there, which may be the best. */
static void
turn(struct walk *w, struct threads *from, struct threads *to, int i,
    int16_t *best)
{
	struct thread	*t;
	int		 n;

	next_turn(w);
	to->n = 0;
	for (n = 0; n < from->n && *w->steps > 0; n++) {
		t = &from->list[n];
		*w->steps -= 1 + w->places / 8;
		if (best[0] != -1 && t->at[0] > best[0])
			break;
		if (w->e->inst[t->pc].op == OP_MATCH) {
			if (best[0] != -1 && i <= best[1])
				continue;
			memcpy(best, t->at, w->places * sizeof(best[0]));
			best[1] = (int16_t)i;
		} else if (takes(w, &w->e->inst[t->pc], i))
			follow(w, to, t->pc + 1, t->at, i + 1);
	}
}

int
ere_match(const struct ere *e, const char *s, size_t len,
    int16_t at[2 * (ERE_GROUPS + 1)], int *steps)
{
	static struct threads	 lists[2];
	struct threads		*now = &lists[0], *next = &lists[1], *other;
	struct walk		 w = { e, (const unsigned char *)s, (int)len,
				    2 * (e->groups + 1), steps, 0 };
	int16_t			 fresh[PLACES];
	int			 i;

	if (len > ERE_SUBJECT_MAX)
		return 0;
	memset(at, -1, PLACES * sizeof(*at));
	next_turn(&w);
	now->n = 0;
	for (i = 0; i <= (int)len && *steps > 0; i++) {
		if (at[0] == -1) {
			memset(fresh, -1, sizeof(fresh));
			fresh[0] = (int16_t)i;
			follow(&w, now, 0, fresh, i);
		} else if (now->n == 0)
			break;
		turn(&w, now, next, i, at);
		other = now;
		now = next;
		next = other;
	}
	if (*steps <= 0) {
		*steps = 0;
		return -1;
	}
	return at[0] != -1;
}
