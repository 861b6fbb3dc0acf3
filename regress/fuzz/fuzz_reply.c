/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_reply.c: whatever comes in, what is printed is a reply, in lines of
 * at most 512 and without control octets; and it is read as what was
 * printed.  The input is taken both as lines from a next hop and as the
 * text of a template.
 */

#include "fuzz.h"
#include "smtp.h"

#define WIRE_MAX	8192	/* 100 lines, each with its codes */

static void
take_extension(void *arg, struct slice s)
{
	unsigned int	*lines = arg;

	must(memchr(s.p, '\n', s.n) == NULL);
	(*lines)++;
}

/* Read all there is of one reply; used is what was taken. */
static enum smtp_reply_result
reply_read(struct smtp_reply_in *in, const char *p, size_t len, size_t *used)
{
	struct smtp_lines	 st = { 0, false };
	enum smtp_reply_result	 result = REPLY_MORE;
	struct slice		 line;
	unsigned int		 lines = 0;
	size_t			 n;

	memset(in, 0, sizeof(*in));
	*used = 0;
	while (result == REPLY_MORE && smtp_line_next(&st, p + *used,
	    len - *used, SMTP_REPLY_IN_MAX, &line, &n) == LINE_OK) {
		result = smtp_reply_line(in, line, take_extension, &lines);
		*used += n;
	}
	must(in->lines == (int)lines && lines <= SMTP_REPLY_LINES_MAX);
	must(strlen(in->reply.text) < sizeof(in->reply.text));
	return result;
}

/* Does the reply print well?  Returns how many lines it has. */
static size_t
check_wire(const char *wire, size_t n)
{
	const char	*end;
	size_t		 i, lines = 0;

	for (i = 0; i < n; i = end + 2 - wire) {
		end = memchr(wire + i, '\r', n - i);
		must(end != NULL && end + 1 < wire + n && end[1] == '\n');
		must(end + 2 - (wire + i) <= SMTP_REPLY_LINE_MAX);
		must(end - (wire + i) >= 3);
		lines++;
		for (; wire + i < end; i++)
			must((unsigned char)wire[i] >= ' ' &&
			    wire[i] != 0x7f);
	}
	return lines;
}

static void
check_reply(const struct smtp_reply *reply)
{
	struct smtp_reply_in	 again;
	char			 wire[WIRE_MAX], twice[WIRE_MAX];
	size_t			 i, lines = 1, n, used;

	n = smtp_reply_print(reply, wire, sizeof(wire));
	must(n < sizeof(wire) && strlen(wire) == n);
	for (i = 0; reply->text[i] != '\0'; i++)
		lines += reply->text[i] == '\n';
	must(check_wire(wire, n) >= lines);
	if (check_wire(wire, n) > SMTP_REPLY_LINES_MAX)
		return;
	must(reply_read(&again, wire, n, &used) == REPLY_DONE);
	must(used == n);
	must(again.reply.code == reply->code);
	/* what was folded has more newlines than before, and may not fit */
	if (check_wire(wire, n) > lines)
		return;
	smtp_reply_print(&again.reply, twice, sizeof(twice));
	must(strcmp(wire, twice) == 0);
	must(strcmp(again.reply.text, reply->text) == 0);
	must(strcmp(again.reply.enhanced, reply->enhanced) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smtp_reply_in	 in;
	struct smtp_reply	 reply;
	char			*copy, *text;
	size_t			 used;

	if (len > 8192)
		return 0;
	copy = exact(data, len);
	if (reply_read(&in, copy, len, &used) == REPLY_DONE)
		check_reply(&in.reply);
	free(copy);

	text = malloc(len + 1);
	must(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	if (smtp_reply_fmt(&reply, "%s", text) == 0) {
		must(reply.code >= 200 && reply.code < 600);
		check_reply(&reply);
	} else
		must(reply.code == 0 && !smtp_reply_check(text, 0));
	if (smtp_reply_check(text, 4))
		must(text[0] == '4');
	free(text);
	return 0;
}
