/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The lines of a talk, and text in braces.
 *
 * A comment is "#" with a blank or nothing before it and a blank or
 * nothing after it, so that "<a#b@c>" needs no quoting.
 *
 * Text in braces (conf, file, script, messages) is taken as it is up to a
 * closing brace that stands alone and exactly below the line that opened
 * it; what all its lines are indented by is cut off.  YAML knows no tabs,
 * and messages begin at the margin.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "parley.h"

static struct {
	char	**lines;		/* those read so far */
	size_t	  size;			/* the room for them */
	char	 *next;			/* the rest of the text */
	char	 *raw;			/* the present line as it is */
	char	 *copy;			/* and without its comment */
	int	  line;			/* its number */
} in;

char *
next_word(char **p)
{
	char	*word = *p + strspn(*p, " \t");

	if (*word == '\0')
		return NULL;
	*p = word + strcspn(word, " \t");
	if (**p != '\0')
		*(*p)++ = '\0';
	return word;
}

/* The next line, NULL at the end; the text is cut up on the way. */
static char *
line_next(void)
{
	char	*nl;

	if (*in.next == '\0')
		return NULL;
	if ((size_t)in.line == in.size) {
		in.size = in.size * 2 + 64;
		in.lines = reallocarray(in.lines, in.size, sizeof(char *));
		if (in.lines == NULL)
			err(1, NULL);
	}
	in.lines[in.line++] = in.raw = in.next;
	if ((nl = strchr(in.raw, '\n')) == NULL)
		in.next += strlen(in.raw);
	else {
		*nl = '\0';
		in.next = nl + 1;
	}
	return in.raw;
}

void
text_begin(char *text)
{
	in.next = text;
}

int
line_number(void)
{
	return in.line;
}

const char *
script_line(int n)
{
	return n > 0 && n <= in.line ? in.lines[n - 1] : NULL;
}

/* Cut off the comment and trailing blanks. */
static void
line_trim(char *s)
{
	char	*p;
	bool	 quoted = false, strings;
	size_t	 n;

	strings = strncmp(s, ">>", 2) == 0 || strncmp(s, "<<", 2) == 0;
	for (p = s; *p != '\0'; p++) {
		if (strings && *p == '\\' && quoted && p[1] != '\0')
			p++;
		else if (strings && *p == '"')
			quoted = !quoted;
		else if (*p == '#' && !quoted &&
		    (p == s || p[-1] == ' ' || p[-1] == '\t') &&
		    (p[1] == '\0' || p[1] == ' ' || p[1] == '\t'))
			*p = '\0';
		if (*p == '\0')
			break;
	}
	n = strlen(s);
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
}

char *
line_content(void)
{
	char	*s;

	while (line_next() != NULL) {
		free(in.copy);
		in.copy = xstrdup(in.raw); /* text_read() looks at raw again */
		s = in.copy + strspn(in.copy, " \t");
		line_trim(s);
		if (*s != '\0')
			return s;
	}
	return NULL;
}

/* --- text in braces ---------------------------------------------------- */

/* What two lines have in common at the left, of at most n blanks. */
static size_t
common_indent(const char *a, const char *b, size_t n)
{
	size_t	i;

	for (i = 0; i < n && a[i] == b[i]; i++)
		;
	return i;
}

static char *
dedent(char **lines, size_t n)
{
	struct bytes	 b = { 0 };
	const char	*first = NULL;
	size_t		 i, cut = 0;

	for (i = 0; i < n; i++) {
		if (lines[i][strspn(lines[i], " \t")] == '\0')
			continue;
		if (first == NULL) {
			first = lines[i];
			cut = strspn(first, " \t");
		}
		cut = common_indent(first, lines[i], cut);
	}
	for (i = 0; i < n; i++) {
		if (lines[i][strspn(lines[i], " \t")] != '\0')
			bytes_adds(&b, lines[i] + cut);
		bytes_add(&b, "\n", 1);
	}
	return bytes_str(&b);
}

char *
text_read(void)
{
	size_t	 indent = strspn(in.raw, " \t"), n = 0, size = 0;
	char	*opener = in.raw, **lines = NULL, *text;
	int	 line = in.line;

	for (;;) {
		if (line_next() == NULL) {
			fail(NULL, line, "no closing brace below this line");
			free(lines);
			return NULL;
		}
		if (strncmp(in.raw, opener, indent) == 0 &&
		    strcmp(in.raw + indent, "}") == 0)
			break;
		if (n == size) {
			size = size * 2 + 16;
			lines = reallocarray(lines, size, sizeof(*lines));
			if (lines == NULL)
				err(1, NULL);
		}
		lines[n++] = in.raw;
	}
	text = dedent(lines, n);
	free(lines);
	return text;
}

bool
brace_cut(char *s)
{
	size_t	n = strlen(s);

	if (n == 0 || s[n - 1] != '{' ||
	    (n > 1 && s[n - 2] != ' ' && s[n - 2] != '\t'))
		return false;
	s[--n] = '\0';
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return true;
}
