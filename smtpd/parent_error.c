/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Collecting what is wrong with a configuration: see parent_error.h.
 *
 * All errors of a file are shown at once, in the order of the file, since
 * whoever corrects one wants to see the next without another run.  Text from
 * the file is made printable here, so that no message can hold a terminal's
 * control sequence.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent_error.h"
#include "util.h"

#define LINES_MAX	1000
#define TEXT_MAX	1024

static void
add(struct conf_lines *l, const char *file, unsigned int line,
    unsigned int col, const char *path, const char *kind, const char *what)
{
	char	where[32] = "", clean[TEXT_MAX], cpath[256];

	if (l->n >= LINES_MAX)
		return;
	if (line != 0 && col != 0)
		snprintf(where, sizeof(where), ":%u:%u", line, col);
	else if (line != 0)
		snprintf(where, sizeof(where), ":%u", line);
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n].line = line;
	l->v[l->n].col = col;
	esc(what, clean, sizeof(clean));
	esc(path == NULL ? "" : path, cpath, sizeof(cpath));
	xasprintf(&l->v[l->n].text, "%s%s: %s%s%s%s", file, where, kind,
	    cpath, cpath[0] == '\0' ? "" : ": ", clean);
	l->n++;
}

void
conf_error(struct conf_errors *e, const char *file, unsigned int line,
    unsigned int col, const char *path, const char *fmt, ...)
{
	char	what[TEXT_MAX];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	add(&e->errors, file, line, col, path, "", what);
}

void
conf_warning(struct conf_errors *e, const char *file, unsigned int line,
    unsigned int col, const char *path, const char *fmt, ...)
{
	char	what[TEXT_MAX];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	add(&e->warnings, file, line, col, path, "warning: ", what);
}

static int
by_place(const void *a, const void *b)
{
	const struct conf_line	*x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->col != y->col)
		return x->col < y->col ? -1 : 1;
	return strcmp(x->text, y->text);
}

static void
lines_clear(struct conf_lines *l, size_t from)
{
	size_t	i;

	for (i = from; i < l->n; i++)
		free(l->v[i].text);
	l->n = from < l->n ? from : l->n;
}

void
conf_errors_sort(struct conf_errors *e, const char *file)
{
	struct conf_lines	*l = &e->errors;
	size_t			 n = l->n;

	if (n > 1)
		qsort(l->v, n, sizeof(*l->v), by_place);
	if (e->warnings.n > 1)
		qsort(e->warnings.v, e->warnings.n, sizeof(*l->v), by_place);
	if (n <= CONF_ERRORS_SHOWN)
		return;
	lines_clear(l, CONF_ERRORS_SHOWN);
	conf_error(e, file, 0, 0, NULL, "%zu%s more errors",
	    n - CONF_ERRORS_SHOWN, n == LINES_MAX ? " or" : "");
}

void
conf_errors_print(const struct conf_errors *e, FILE *f)
{
	size_t	i;

	for (i = 0; i < e->errors.n; i++)
		fprintf(f, "%s\n", e->errors.v[i].text);
	for (i = 0; i < e->warnings.n; i++)
		fprintf(f, "%s\n", e->warnings.v[i].text);
}

void
conf_errors_clear(struct conf_errors *e)
{
	lines_clear(&e->errors, 0);
	lines_clear(&e->warnings, 0);
	free(e->errors.v);
	free(e->warnings.v);
	memset(e, 0, sizeof(*e));
}
