/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Text: octets that grow, globs, C escapes, macros, and a message's dots.
 * Nothing here knows a descriptor.
 *
 * A glob has two wild letters, "*" and "?", and no way to quote them: "?"
 * does for the rare line with a star in it, and a talk can be read without
 * knowing how many backslashes survive.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

struct macro {
	TAILQ_ENTRY(macro)	 entry;
	char			*name;
	char			*value;
};
static TAILQ_HEAD(, macro) macros = TAILQ_HEAD_INITIALIZER(macros);

char *
bytes_room(struct bytes *b, size_t len)
{
	if (b->off > 0 && b->off >= b->n - b->off) {
		memmove(b->p, b->p + b->off, b->n - b->off);
		b->n -= b->off;
		b->off = 0;
	}
	if (b->size - b->n < len) {
		b->size = b->n + len + b->size / 2 + 64;
		if ((b->p = realloc(b->p, b->size)) == NULL)
			err(1, NULL);
	}
	return b->p + b->n;
}

void
bytes_add(struct bytes *b, const void *p, size_t len)
{
	char	*room = bytes_room(b, len);

	if (len > 0)
		memcpy(room, p, len);
	b->n += len;
}

void
bytes_adds(struct bytes *b, const char *s)
{
	bytes_add(b, s, strlen(s));
}

void
bytes_take(struct bytes *b, size_t len)
{
	b->off += len;
	if (b->off == b->n)
		b->off = b->n = 0;
}

void
bytes_free(struct bytes *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

size_t
bytes_len(const struct bytes *b)
{
	return b->n - b->off;
}

char *
bytes_head(const struct bytes *b)
{
	return b->p + b->off;
}

char *
bytes_str(struct bytes *b)
{
	char	*s;

	bytes_add(b, "", 1);
	s = b->off > 0 ? xstrdup(b->p + b->off) : b->p;
	if (b->off > 0)
		free(b->p);
	memset(b, 0, sizeof(*b));
	return s;
}

/*
 * Only the last star is ever gone back to: whatever an earlier one could
 * have swallowed, the last one can as well.
 */
bool
glob(const char *g, const char *s, size_t len)
{
	const char	*end = s + len, *star = NULL, *from = NULL;

	while (s < end) {
		if (*g == '*') {
			star = ++g;
			from = s;
		} else if (*g == '?' || (*g != '\0' && *g == *s)) {
			g++;
			s++;
		} else if (star != NULL) {
			g = star;
			s = ++from;
		} else
			return false;
	}
	while (*g == '*')
		g++;
	return *g == '\0';
}

bool
glob_in(const char *g, const char *s, size_t len)
{
	char	*wide = xasprintf("*%s*", g);
	bool	 yes = glob(wide, s, len);

	free(wide);
	return yes;
}

char *
escape(const char *p, size_t len)
{
	static const char	 hex[] = "0123456789abcdef";
	struct bytes		 b = { 0 };
	size_t			 i;
	char			 x[4] = "\\x";
	unsigned char		 ch;

	for (i = 0; i < len && i < 400; i++) {
		ch = p[i];
		if (ch == '\r')
			bytes_adds(&b, "\\r");
		else if (ch == '\n')
			bytes_adds(&b, "\\n");
		else if (ch == '\t')
			bytes_adds(&b, "\\t");
		else if (ch >= ' ' && ch < 0x7f)
			bytes_add(&b, &p[i], 1);
		else {
			x[2] = hex[ch >> 4];
			x[3] = hex[ch & 15];
			bytes_add(&b, x, 4);
		}
	}
	if (i < len)
		bytes_adds(&b, "...");
	return bytes_str(&b);
}

/* The octet of "\xNN", s at the first digit; -1 if there are not two. */
static int
unhex(const char *s)
{
	char	x[3];

	if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
		return -1;
	x[0] = s[0];
	x[1] = s[1];
	x[2] = '\0';
	return (int)strtol(x, NULL, 16);
}

const char *
unescape(const char *s, struct bytes *b)
{
	static const char	 from[] = "rnt0\\\"", to[] = "\r\n\t\0\\\"";
	const char		*p;
	int			 x;
	char			 ch;

	if (*s++ != '"')
		return "a string in double quotes is wanted";
	for (; *s != '"'; s++) {
		if (*s == '\0')
			return "the string does not end";
		ch = *s;
		if (ch == '\\' && *++s == 'x') {
			if ((x = unhex(s + 1)) == -1)
				return "\\x needs two digits";
			ch = (char)x;
			s += 2;
		} else if (ch == '\\') {
			if (*s == '\0' || (p = strchr(from, *s)) == NULL)
				return "unknown escape; know \\r \\n \\t \\0 "
				    "\\\\ \\\" \\xNN";
			ch = to[p - from];
		}
		bytes_add(b, &ch, 1);
	}
	return s[1] == '\0' ? NULL : "text after the string";
}

void
macro_set(const char *name, const char *value)
{
	struct macro	*m;

	TAILQ_FOREACH(m, &macros, entry)
		if (strcmp(m->name, name) == 0)
			break;
	if (m == NULL) {
		m = xcalloc(1, sizeof(*m));
		m->name = xstrdup(name);
		TAILQ_INSERT_TAIL(&macros, m, entry);
	}
	free(m->value);
	m->value = xstrdup(value);
}

const char *
macro_get(const char *name)
{
	struct macro	*m;

	TAILQ_FOREACH(m, &macros, entry)
		if (strcmp(m->name, name) == 0)
			return m->value;
	if (strncmp(name, "port", 4) == 0)
		return port_reserve(name);
	if (strncmp(name, "tls.", 4) == 0)
		return tls_file(name);
	return NULL;
}

/* The frame of the proc we are in, or NULL. */
static const struct frame *
call_frame(const struct conn *c)
{
	int	i;

	for (i = c == NULL ? 0 : c->depth; i > 0; i--)
		if (c->frames[i - 1].call)
			return &c->frames[i - 1];
	return NULL;
}

/* The value of what is between the braces; NULL after fail(). */
static const char *
expand_name(const struct conn *c, int line, const char *name)
{
	const char	*value = NULL;

	if (isdigit((unsigned char)name[0]) && name[1] == '\0') {
		if (c != NULL)
			value = c->group[name[0] - '0'];
	} else
		value = macro_get(name);
	if (value == NULL)
		fail(c, line, "${%s} has no value", name);
	return value;
}

/* Expand what follows a dollar sign; the octets used up, -1 on failure. */
static int
expand_one(const struct conn *c, int line, const char *s, struct bytes *b)
{
	const struct frame	*f = call_frame(c);
	const char		*end, *value;
	char			 name[64];
	int			 n;

	if (s[0] == '$' && s[1] == '{') {
		bytes_adds(b, "${");
		return 2;
	}
	if (f != NULL && s[0] >= '1' && s[0] <= '9') {
		if ((n = s[0] - '0') > f->argc) {
			fail(c, line, "$%d: the proc got %d words", n, f->argc);
			return -1;
		}
		bytes_adds(b, f->argv[n - 1]);
		return 1;
	}
	if (s[0] != '{' || (end = strchr(s, '}')) == NULL ||
	    (size_t)(end - s) > sizeof(name)) {
		bytes_adds(b, "$");
		return 0;
	}
	memcpy(name, s + 1, end - s - 1);
	name[end - s - 1] = '\0';
	if ((value = expand_name(c, line, name)) == NULL)
		return -1;
	bytes_adds(b, value);
	return (int)(end - s) + 1;
}

char *
expand(const struct conn *c, int line, const char *s)
{
	struct bytes	b = { 0 };
	int		n;

	while (*s != '\0') {
		if (*s != '$') {
			bytes_add(&b, s++, 1);
			continue;
		}
		s++;
		if ((n = expand_one(c, line, s, &b)) == -1) {
			bytes_free(&b);
			return NULL;
		}
		s += n;
	}
	return bytes_str(&b);
}

int
file_load(const char *name, struct bytes *b)
{
	char	*path;
	ssize_t	 n;
	int	 fd, saved;

	if (name[0] == '/')
		path = xstrdup(name);
	else
		path = xasprintf("%s/%s", talk.tmp, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd == -1)
		return -1;
	while ((n = read(fd, bytes_room(b, 65536), 65536)) > 0)
		b->n += n;
	saved = errno;
	close(fd);
	errno = saved;
	return n == 0 ? 0 : -1;
}

void
crlf(const struct bytes *from, struct bytes *to)
{
	const char	*p = bytes_head(from), *end, *nl;

	for (end = p + bytes_len(from); p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', end - p)) == NULL)
			nl = end;
		bytes_add(to, p, nl - p);
		if (nl == end || nl == p || nl[-1] != '\r')
			bytes_add(to, "\r", 1);
		bytes_add(to, "\n", 1);
	}
}

void
stuff(const struct bytes *from, struct bytes *to)
{
	const char	*p = bytes_head(from), *end, *nl;

	for (end = p + bytes_len(from); p < end; p = nl + 1) {
		nl = memchr(p, '\n', end - p);	/* crlf() was here before */
		if (*p == '.')
			bytes_add(to, ".", 1);
		bytes_add(to, p, nl + 1 - p);
	}
	bytes_adds(to, ".\r\n");
}
