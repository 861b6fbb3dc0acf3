/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Replies: made from templates, printed, and taken apart as they come from a
 * next hop.
 *
 * Invariant: reply.text holds no control octet but the '\n' between its
 * lines, whoever filled it, so that no reply can carry a second one.  What
 * we say ourselves is US-ASCII; the text of a next hop keeps its octets over
 * 127 (RFC 6531, section 3.7.4.2 allows them to it, and we cannot know what
 * was agreed on).
 *
 * The enhanced code is kept apart from the text because each of the two is
 * changed without the other: section 8 of the design maps codes, logs want
 * both, and on the wire it is repeated in every line (RFC 2034, section 4).
 *
 * Considered and rejected: a list of lines.  The only reply of many lines
 * that is read in full is the one to EHLO, and its reader takes the lines as
 * they come.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "smtp.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The code at the front of s, or -1. */
static int
code_parse(struct slice s)
{
	if (s.n < 3 || s.p[0] < '1' || s.p[0] > '5' || !is_digit(s.p[1]) ||
	    !is_digit(s.p[2]))
		return -1;
	return (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0');
}

size_t
smtp_enhanced_parse(struct slice s, char out[12])
{
	size_t	 i, n = 1, start;

	out[0] = '\0';
	if (s.n == 0 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5'))
		return 0;
	for (i = 0; i < 2; i++) {
		if (n >= s.n || s.p[n] != '.')
			return 0;
		start = ++n;
		while (n < s.n && is_digit(s.p[n]))
			n++;
		if (n == start || n > start + 3)
			return 0;
	}
	if (n < s.n && s.p[n] != ' ' && s.p[n] != '\t' && s.p[n] != '\n')
		return 0;
	memcpy(out, s.p, n);
	out[n] = '\0';
	return n;
}

/* Do not leave the first octets of a cut UTF-8 character behind. */
static size_t
cut_utf8(const char *p, size_t n)
{
	size_t	 i = n;

	while (i > 0 && n - i < 4 && ((unsigned char)p[i] & 0xc0) == 0x80)
		i--;
	return ((unsigned char)p[i] & 0xc0) == 0xc0 ? i : n;
}

/* --- out --------------------------------------------------------------- */

/*
 * Take code and enhanced code from the front of s, with the space (or, behind
 * the latter, newline) behind each; the class of the two must be the same.
 */
static int
head_parse(struct slice *s, int *code, char enhanced[12])
{
	size_t	 n;

	*code = code_parse(*s);
	if (*code < 200 || (s->n > 3 && s->p[3] != ' '))
		return -1;
	n = s->n > 3 ? 4 : 3;
	s->p += n;
	s->n -= n;

	n = smtp_enhanced_parse(*s, enhanced);
	if (n == 0)
		return 0;
	if (enhanced[0] - '0' != *code / 100)
		return -1;
	n += s->n > n;
	s->p += n;
	s->n -= n;
	return 0;
}

int
smtp_reply_fmt(struct smtp_reply *reply, const char *fmt, ...)
{
	char		 buf[sizeof(reply->text) + 16];
	struct slice	 s;
	va_list		 ap;
	size_t		 i;
	int		 n;

	memset(reply, 0, sizeof(*reply));
	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	/* first of all: the head must look as it will on the wire */
	for (i = 0; buf[i] != '\0'; i++) {
		if (buf[i] == '\t')
			buf[i] = ' ';
		else if (buf[i] != '\n' && (buf[i] < ' ' || buf[i] >= 0x7f))
			buf[i] = '?';
	}
	s.p = buf;
	s.n = i;
	if (head_parse(&s, &reply->code, reply->enhanced) == -1) {
		memset(reply, 0, sizeof(*reply));
		return -1;
	}
	if (s.n >= sizeof(reply->text))
		s.n = sizeof(reply->text) - 1;
	/* a block of text in a configuration ends in a newline */
	while (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	memcpy(reply->text, s.p, s.n);
	return 0;
}

bool
smtp_reply_check(const char *text, int class_wanted)
{
	struct slice	 s = { text, strlen(text) };
	char		 enhanced[12];
	size_t		 i;
	int		 code;

	if (s.n > SMTP_REPLY_LINE_MAX - 2)
		return false;
	for (i = 0; i < s.n; i++)
		if (text[i] < ' ' || text[i] >= 0x7f)
			return false;
	if (head_parse(&s, &code, enhanced) == -1)
		return false;
	return class_wanted == 0 || code / 100 == class_wanted;
}

/* A buffer that counts on where it cannot write. */
struct out {
	char	*p;
	size_t	 size;
	size_t	 n;
};

static void
out_put(struct out *out, const char *p, size_t n)
{
	size_t	 room = 0;

	if (out->n < out->size)
		room = out->size - out->n;
	if (room > 0)
		memcpy(out->p + out->n, p, n < room ? n : room);
	out->n += n;
}

/*
 * One line of at most max octets from the front of s.  Returns whether
 * another comes behind it: "a\n" is two lines, the second one empty.
 */
static bool
fold(struct slice *s, size_t max, struct slice *line)
{
	const char	*end;
	size_t		 skip = 0;
	bool		 more;

	*line = *s;
	end = memchr(s->p, '\n', s->n);
	if (end != NULL) {
		line->n = end - s->p;
		skip = 1;
	}
	more = end != NULL;
	if (line->n > max) {
		end = memrchr(s->p, ' ', max + 1);
		skip = end != NULL && end > s->p;
		line->n = skip ? (size_t)(end - s->p) : cut_utf8(s->p, max);
		more = true;
	}
	s->p += line->n + skip;
	s->n -= line->n + skip;
	return more;
}

size_t
smtp_reply_print(const struct smtp_reply *reply, char *buf, size_t size)
{
	struct out	 out = { buf, size, 0 };
	struct slice	 line, s;
	const char	*sep;
	char		 head[20];
	bool		 enhanced = reply->enhanced[0] != '\0', more;
	int		 n;

	s.p = reply->whole != NULL ? reply->whole : reply->text;
	s.n = strlen(s.p);
	if (size > 0)
		buf[0] = '\0';
	if (reply->code < 100 || reply->code > 999)
		return 0;
	do {
		more = fold(&s, SMTP_REPLY_LINE_MAX - strlen("250 \r\n") -
		    (enhanced ? strlen(reply->enhanced) + 1 : 0), &line);
		sep = more ? "-" : enhanced || line.n > 0 ? " " : "";
		n = snprintf(head, sizeof(head), "%d%s%s%s", reply->code, sep,
		    reply->enhanced, enhanced && line.n > 0 ? " " : "");
		out_put(&out, head, n);
		out_put(&out, line.p, line.n);
		out_put(&out, "\r\n", 2);
	} while (more);
	if (size > 0)
		buf[out.n < size ? out.n : size - 1] = '\0';
	return out.n;
}

/* --- in ---------------------------------------------------------------- */

/* Append one line to the text, as much of it as there is room for. */
static void
text_add(struct smtp_reply *reply, struct slice s, bool first)
{
	size_t		 i, used, room;
	unsigned char	 c;

	used = strlen(reply->text);
	room = sizeof(reply->text) - 1 - used;
	if (!first) {
		if (room < 2)
			return;
		reply->text[used++] = '\n';
		room--;
	}
	if (s.n > room)
		s.n = cut_utf8(s.p, room);
	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (c == '\t')
			c = ' ';
		reply->text[used + i] = c < ' ' || c == 0x7f ? '?' : c;
	}
	reply->text[used + i] = '\0';
}

enum smtp_reply_result
smtp_reply_line(struct smtp_reply_in *in, struct slice line,
    void (*extension)(void *, struct slice), void *arg)
{
	struct smtp_reply	*reply = &in->reply;
	char			 enhanced[12];
	bool			 more, first = in->lines == 0;
	size_t			 n;
	int			 code;

	code = code_parse(line);
	if (code == -1 || in->lines == SMTP_REPLY_LINES_MAX)
		return REPLY_BAD;
	if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return REPLY_BAD;
	if (!first && code != reply->code)
		return REPLY_BAD;
	more = line.n > 3 && line.p[3] == '-';
	n = line.n > 3 ? 4 : 3;
	line.p += n;
	line.n -= n;
	reply->code = code;
	in->lines++;
	if (extension != NULL)
		extension(arg, line);

	/* the enhanced code of the first line is taken out of every line */
	n = smtp_enhanced_parse(line, enhanced);
	if (n > 0 && enhanced[0] - '0' == code / 100) {
		if (first)
			memcpy(reply->enhanced, enhanced, sizeof(enhanced));
		if (strcmp(reply->enhanced, enhanced) == 0) {
			n += line.n > n;
			line.p += n;
			line.n -= n;
		}
	}
	text_add(reply, line, first);
	return more ? REPLY_MORE : REPLY_DONE;
}
