/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What happened, kept in the order it happened and printed only when
 * somebody wants to know: one row an event, one column an actor, so that
 * the eye can follow one conversation downwards and the order across.
 *
 * The first failure is the outcome.  Later ones are mostly its echo (the
 * peers of a connection that was dropped), so they are events and no more.
 */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parley.h"

struct event {
	TAILQ_ENTRY(event)	 entry;
	const struct actor	*actor;		/* NULL: the talk itself */
	int64_t			 at;
	int			 line;
	bool			 bad;
	char			*text;
};

static struct {
	TAILQ_HEAD(, event)	 events;
	char			*message;	/* of the first failure */
	int			 line;		/* where it was */
} journal = { .events = TAILQ_HEAD_INITIALIZER(journal.events) };

static void
event_add(const struct conn *c, int line, bool bad, char *text)
{
	struct event	*e = xcalloc(1, sizeof(*e));

	e->actor = c == NULL ? NULL : c->actor;
	e->at = now_us() - talk.start;
	e->line = line;
	e->bad = bad;
	if (c != NULL && c->number > 1) {
		e->text = xasprintf("#%u %s", c->number, text);
		free(text);
	} else
		e->text = text;
	TAILQ_INSERT_TAIL(&journal.events, e, entry);
}

void
trace(const struct conn *c, int line, const char *prefix, const char *p,
    size_t len)
{
	char	*text = escape(p, len);

	event_add(c, line, false, xasprintf("%s%s", prefix, text));
	free(text);
}

void
tracef(const struct conn *c, int line, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		err(1, NULL);
	va_end(ap);
	event_add(c, line, false, text);
}

void
fail(const struct conn *c, int line, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		err(1, NULL);
	va_end(ap);
	if (talk.failures++ == 0) {
		journal.line = line;
		journal.message = xasprintf("%s:%d: %s%s%s", talk.path, line,
		    c == NULL ? "" : c->actor->name, c == NULL ? "" : ": ",
		    text);
	}
	event_add(c, line, true, text);
}

const char *
fail_message(void)
{
	return journal.message;
}

int
fail_line(void)
{
	return journal.line;
}

/* One event, its text folded into the column. */
static void
event_print(const struct event *e, size_t column, size_t width)
{
	const char	*p = e->text;
	size_t		 left = strlen(p), n;
	bool		 first = true;

	do {
		n = left < width ? left : width;
		if (first && e->line > 0)
			printf("%c %9.1f %5d  ", e->bad ? '*' : ' ',
			    e->at / 1000.0, e->line);
		else if (first)
			printf("%c %9.1f        ", e->bad ? '*' : ' ',
			    e->at / 1000.0);
		else
			printf("%19s", "");
		printf("%*s%.*s\n", (int)(column * (width + 2)), "", (int)n, p);
		p += n;
		left -= n;
		first = false;
	} while (left > 0);
}

static bool
actor_spoke(const struct actor *a)
{
	const struct event	*e;

	TAILQ_FOREACH(e, &journal.events, entry)
		if (e->actor == a)
			return true;
	return false;
}

/* The actor's column; with NULL, how many columns there are. */
static size_t
column_of(const struct actor *wanted)
{
	const struct actor	*a;
	size_t			 n = 1;		/* the first is the talk's */

	TAILQ_FOREACH(a, &talk.actors, entry) {
		if (a == wanted)
			break;
		if (actor_spoke(a))
			n++;
	}
	return n;
}

void
trace_print(void)
{
	const struct event	*e;
	const struct actor	*a;
	size_t			 n = column_of(NULL), width;

	width = n <= 3 ? 38 : n <= 5 ? 28 : 18;
	printf("%11s %5s  %-*s", "ms", "line", (int)width + 2, "parley");
	TAILQ_FOREACH(a, &talk.actors, entry)
		if (actor_spoke(a))
			printf("%-*s", (int)width + 2, a->name);
	printf("\n");
	TAILQ_FOREACH(e, &journal.events, entry)
		event_print(e, e->actor == NULL ? 0 : column_of(e->actor),
		    width);
}
