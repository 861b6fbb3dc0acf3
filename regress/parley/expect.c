/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The lines that receive: a line, a reply, exact octets, a message.  Like
 * all acts they are called again after every wait; what was collected is
 * in conn.got meanwhile.
 *
 * Lines from the peer end in CRLF.  A bare LF is a mismatch everywhere,
 * because none must ever come out of the daemon; who wants to see one that
 * a client sent asks for exact octets.
 *
 * A message is compared with a file octet for octet, with text in braces
 * line by line as globs: what a relay adds on top has the time in it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

#define AGAIN	20000		/* us between two rounds of until */

/* --- receiving --------------------------------------------------------- */

/* One line without its CRLF; it stays in conn.in until line_taken(). */
static enum res
line_get(struct conn *c, struct step *s, const char **line, size_t *len)
{
	enum res	 res;
	const char	*p, *nl;
	char		*shown;

	for (;;) {
		p = bytes_head(&c->in);
		if (bytes_len(&c->in) > 0 &&
		    (nl = memchr(p, '\n', bytes_len(&c->in))) != NULL)
			break;
		if (c->eof) {
			shown = escape(p, bytes_len(&c->in));
			fail(c, s->line, "the connection ended; wanted: %s; "
			    "unread: \"%s\"", s->arg, shown);
			free(shown);
			return R_FAIL;
		}
		if ((res = conn_fill(c)) != R_DONE)
			return res;
	}
	*line = p;
	*len = nl - p;
	if (*len == 0 || nl[-1] != '\r') {
		shown = escape(p, *len);
		fail(c, s->line, "a line ended by a bare LF: \"%s\"", shown);
		free(shown);
		return R_FAIL;
	}
	(*len)--;
	return R_DONE;
}

static void
line_taken(struct conn *c, size_t len)
{
	bytes_take(&c->in, len + 2);
}

static enum res
mismatch(struct conn *c, struct step *s, const char *wanted, const char *got,
    size_t len)
{
	char	*shown = escape(got, len);

	fail(c, s->line, "wanted: %s; got: \"%s\"", wanted, shown);
	free(shown);
	return R_FAIL;
}

/* Does the line match the step's glob?  R_DONE, with *yes. */
static enum res
line_glob(struct conn *c, struct step *s, const char *line, size_t len,
    bool *yes)
{
	char	*want = expand(c, s->line, s->arg);

	if (want == NULL)
		return R_FAIL;
	*yes = glob(want, line, len);
	free(want);
	return R_DONE;
}

enum res
act_line(struct conn *c, struct step *s)
{
	const char	*line;
	size_t		 len;
	bool		 yes;
	enum res	 res = line_get(c, s, &line, &len);

	if (res != R_DONE || line_glob(c, s, line, len, &yes) != R_DONE)
		return res == R_DONE ? R_FAIL : res;
	if (!yes)
		return mismatch(c, s, s->arg, line, len);
	trace(c, s->line, "< ", line, len);
	line_taken(c, len);
	return R_DONE;
}

enum res
act_skip(struct conn *c, struct step *s)
{
	const char	*line;
	size_t		 len;
	enum res	 res;
	bool		 yes = false;

	while (!yes) {
		if ((res = line_get(c, s, &line, &len)) != R_DONE)
			return res;
		if (line_glob(c, s, line, len, &yes) != R_DONE)
			return R_FAIL;
		trace(c, s->line, yes ? "< " : "< (skipped) ", line, len);
		line_taken(c, len);
	}
	return R_DONE;
}

/* The end of an until: another round, unless the line matches. */
enum res
act_found(struct conn *c, struct step *s)
{
	struct frame	*f = &c->frames[c->depth - 1];
	const char	*line;
	size_t		 len;
	enum res	 res;
	bool		 yes;

	if (!c->begun) {
		if ((res = line_get(c, s, &line, &len)) != R_DONE)
			return res;
		if (line_glob(c, s, line, len, &yes) != R_DONE)
			return R_FAIL;
		if (!yes && now_us() >= f->since + talk.deadline)
			return mismatch(c, s, s->arg, line, len);
		trace(c, s->line, yes ? "< " : "< (not yet) ", line, len);
		line_taken(c, len);
		if (yes)
			return R_DONE;
		c->begun = true;
		c->since = now_us();
	}
	if (now_us() < c->since + AGAIN) {
		c->want = 0;
		c->until = c->since + AGAIN;
		return R_WAIT;
	}
	f->left = 1;
	return R_DONE;
}

static bool
is_reply(const char *line, size_t len)
{
	return len >= 3 && isdigit((unsigned char)line[0]) &&
	    isdigit((unsigned char)line[1]) &&
	    isdigit((unsigned char)line[2]) &&
	    (len == 3 || line[3] == ' ' || line[3] == '-');
}

/* conn.got has the code of the lines before. */
enum res
act_reply(struct conn *c, struct step *s)
{
	const char	*line;
	size_t		 len;
	enum res	 res;
	bool		 yes;

	for (;;) {
		if ((res = line_get(c, s, &line, &len)) != R_DONE)
			return res;
		if (!is_reply(line, len))
			return mismatch(c, s, "a reply", line, len);
		if (bytes_len(&c->got) == 0)
			bytes_add(&c->got, line, 3);
		if (memcmp(bytes_head(&c->got), line, 3) != 0)
			return mismatch(c, s, "the same code on all lines",
			    line, len);
		if (len == 3 || line[3] == ' ')
			break;
		trace(c, s->line, "< ", line, len);
		line_taken(c, len);
	}
	if (line_glob(c, s, line, len, &yes) != R_DONE)
		return R_FAIL;
	if (!yes)
		return mismatch(c, s, s->arg, line, len);
	trace(c, s->line, "< ", line, len);
	line_taken(c, len);
	return R_DONE;
}

static void
groups_set(struct conn *c, const char *text, const regmatch_t *m)
{
	int	i;

	for (i = 0; i < GROUP_MAX; i++) {
		free(c->group[i]);
		c->group[i] = NULL;
		if (m[i].rm_so != -1)
			c->group[i] = strndup(text + m[i].rm_so,
			    m[i].rm_eo - m[i].rm_so);
	}
}

static enum res
ere_match(struct conn *c, struct step *s, const char *ere, const char *line,
    size_t len)
{
	regmatch_t	 m[GROUP_MAX];
	regex_t		 re;
	char		*text, why[128];
	int		 rv;

	if ((rv = regcomp(&re, ere, REG_EXTENDED)) != 0) {
		regerror(rv, &re, why, sizeof(why));
		fail(c, s->line, "%s: %s", ere, why);
		return R_FAIL;
	}
	text = strndup(line, len);
	rv = regexec(&re, text, GROUP_MAX, m, 0);
	if (rv == 0)
		groups_set(c, text, m);
	free(text);
	regfree(&re);
	if (rv != 0)
		return mismatch(c, s, ere, line, len);
	return R_DONE;
}

enum res
act_ere(struct conn *c, struct step *s)
{
	const char	*line;
	char		*ere;
	size_t		 len;
	enum res	 res = line_get(c, s, &line, &len);

	if (res != R_DONE)
		return res;
	if ((ere = expand(c, s->line, s->arg)) == NULL)
		return R_FAIL;
	res = ere_match(c, s, ere, line, len);
	free(ere);
	if (res == R_DONE) {
		trace(c, s->line, "< ", line, len);
		line_taken(c, len);
	}
	return res;
}

/* Wait until so many octets are there. */
static enum res
octets_get(struct conn *c, struct step *s, size_t len)
{
	enum res	res;

	while (bytes_len(&c->in) < len) {
		if (c->eof) {
			fail(c, s->line, "the connection ended after %zu of "
			    "%zu octets", bytes_len(&c->in), len);
			return R_FAIL;
		}
		if ((res = conn_fill(c)) != R_DONE)
			return res;
	}
	return R_DONE;
}

static enum res
octets_compare(struct conn *c, struct step *s, const struct bytes *want)
{
	size_t		 len = bytes_len(want);
	enum res	 res;
	char		*shown;

	if ((res = octets_get(c, s, len)) != R_DONE)
		return res;
	if (len > 0 && memcmp(bytes_head(&c->in), bytes_head(want), len) != 0) {
		shown = escape(bytes_head(want), len);
		mismatch(c, s, shown, bytes_head(&c->in), len);
		free(shown);
		return R_FAIL;
	}
	trace(c, s->line, "<< ", bytes_head(&c->in), len);
	bytes_take(&c->in, len);
	return R_DONE;
}

enum res
act_exact(struct conn *c, struct step *s)
{
	struct bytes	want = { 0 };
	enum res	res = exact_bytes(c, s, &want);

	if (res == R_DONE)
		res = octets_compare(c, s, &want);
	bytes_free(&want);
	return res;
}

enum res
act_count(struct conn *c, struct step *s)
{
	struct bytes	 want = { 0 };
	const char	*why = NULL;
	char		*text, *p, *number, *name;
	long long	 len = 0;
	enum res	 res;

	if ((text = p = expand(c, s->line, s->arg)) == NULL)
		return R_FAIL;
	number = next_word(&p);
	name = next_word(&p);
	if (number != NULL)
		len = strtonum(number, 1, 1 << 30, &why);
	if (number == NULL || why != NULL) {
		fail(c, s->line, "<bytes wants a number");
		res = R_FAIL;
	} else if ((res = octets_get(c, s, len)) == R_DONE && name == NULL) {
		tracef(c, s->line, "< (%lld octets)", len);
		bytes_take(&c->in, len);
	} else if (res == R_DONE && (res = load(c, s, name, &want)) == R_DONE) {
		if (bytes_len(&want) != (size_t)len) {
			fail(c, s->line, "%s has %zu octets, not %lld", name,
			    bytes_len(&want), len);
			res = R_FAIL;
		} else
			res = octets_compare(c, s, &want);
	}
	bytes_free(&want);
	free(text);
	return res;
}

/* --- a received message ------------------------------------------------ */

static size_t
line_length(const char *p, const char *end)
{
	const char	*nl = p == end ? NULL : memchr(p, '\n', end - p);

	return nl == NULL ? (size_t)(end - p) : (size_t)(nl + 1 - p);
}

/* Compare line by line, so that the first difference can be shown. */
static enum res
data_compare(struct conn *c, struct step *s, const struct bytes *want)
{
	const char	*w = bytes_head(want), *wend = w + bytes_len(want);
	const char	*g = bytes_head(&c->got);
	const char	*gend = g + bytes_len(&c->got);
	char		*line, *shown;
	size_t		 wlen, glen;
	unsigned int	 n;
	bool		 same;

	for (n = 1; w < wend || g < gend; n++, w += wlen, g += glen) {
		wlen = line_length(w, wend);
		glen = line_length(g, gend);
		line = strndup(w, wlen);
		same = s->text != NULL ? wlen > 0 && glob(line, g, glen) :
		    wlen == glen && memcmp(w, g, wlen) == 0;
		free(line);
		if (same)
			continue;
		shown = escape(w, wlen);
		line = xasprintf("line %u of the message \"%s\"", n, shown);
		free(shown);
		mismatch(c, s, line, g, glen);
		free(line);
		return R_FAIL;
	}
	return R_DONE;
}

static enum res
data_save(struct conn *c, struct step *s, const char *name)
{
	char		*text = expand(c, s->line, name), *path;
	size_t		 len = bytes_len(&c->got);
	enum res	 res = R_DONE;
	int		 fd;

	if (text == NULL)
		return R_FAIL;
	path = text[0] == '/' ? xstrdup(text) :
	    xasprintf("%s/%s", talk.tmp, text);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd == -1 ||
	    (len > 0 && write(fd, c->got.p, len) != (ssize_t)len)) {
		fail(c, s->line, "%s: %s", path, strerror(errno));
		res = R_FAIL;
	}
	if (fd != -1)
		close(fd);
	free(text);
	free(path);
	return res;
}

static enum res
data_judge(struct conn *c, struct step *s)
{
	struct bytes	raw = { 0 }, want = { 0 };
	enum res	res;

	tracef(c, s->line, "< (a message of %zu octets)", bytes_len(&c->got));
	if (s->text == NULL && strcmp(s->arg, "*") == 0)
		return R_DONE;
	if (s->text == NULL && strncmp(s->arg, "SAVE ", 5) == 0)
		return data_save(c, s, s->arg + 5);
	if ((res = load(c, s, s->arg, &raw)) == R_DONE) {
		crlf(&raw, &want);
		res = data_compare(c, s, &want);
	}
	bytes_free(&raw);
	bytes_free(&want);
	return res;
}

enum res
act_data(struct conn *c, struct step *s)
{
	const char	*line;
	size_t		 len, dot;
	enum res	 res;

	for (;;) {
		if ((res = line_get(c, s, &line, &len)) != R_DONE)
			return res;
		dot = len > 0 && line[0] == '.' ? 1 : 0;
		if (dot == 1 && len == 1)
			break;
		bytes_add(&c->got, line + dot, len - dot);
		bytes_adds(&c->got, "\r\n");
		line_taken(c, len);
	}
	line_taken(c, len);
	return data_judge(c, s);
}

enum res
act_eof(struct conn *c, struct step *s)
{
	enum res	res;

	while (bytes_len(&c->in) == 0 && !c->eof)
		if ((res = conn_fill(c)) != R_DONE)
			return res;
	if (bytes_len(&c->in) > 0)
		return mismatch(c, s, "the end", bytes_head(&c->in),
		    bytes_len(&c->in));
	tracef(c, s->line, "eof");
	return R_DONE;
}

/* A dot that somebody could take for the end of a message, however bare. */
static bool
has_dot_line(const char *p, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if (p[i] == '.' && i + 1 < len &&
		    (i == 0 || p[i - 1] == '\r' || p[i - 1] == '\n') &&
		    (p[i + 1] == '\r' || p[i + 1] == '\n'))
			return true;
	return false;
}

enum res
act_nodot(struct conn *c, struct step *s)
{
	enum res	res;

	while (!c->eof)
		if ((res = conn_fill(c)) != R_DONE)
			return res;
	tracef(c, s->line, "(%zu octets, and the end)", bytes_len(&c->in));
	if (has_dot_line(bytes_head(&c->in), bytes_len(&c->in)))
		return mismatch(c, s, "no lone dot", bytes_head(&c->in),
		    bytes_len(&c->in));
	bytes_take(&c->in, bytes_len(&c->in));
	return R_DONE;
}
