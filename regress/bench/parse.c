/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * parse: how fast the pure functions of smtp.h take octets.
 *
 *	parse
 *
 * A line for each, in MB/s (10^6), the median of ROUNDS rounds:
 *
 *	lines		smtp_line_next over commands, and nothing else
 *	commands	the same, and smtp_cmd_parse
 *	data in		smtp_data_in over a message with a stuffed dot in
 *			every 20th line
 *	data out	smtp_data_out over its content
 *
 * Input comes in pieces as a read(2) brings them.  What came out is counted
 * and compared, which also keeps the compiler from dropping the work; exit
 * status 1 if a count is not the right one.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "smtp.h"

#define TOTAL	(8 * 1024 * 1024)	/* octets of input */
#define PIECE	(16 * 1024)
#define ROUNDS	9

struct text {
	char	*p;
	size_t	 n;
	size_t	 lines;
	size_t	 dots;			/* lines that begin with one */
};

static double
now(void)
{
	struct timespec	ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == -1)
		err(1, "clock_gettime");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* As many of the lines, one after the other, as there is room for. */
static struct text
make_text(const char *const *lines, size_t nlines)
{
	struct text	 t = { NULL, 0, 0, 0 };
	const char	*line;
	size_t		 len;

	if ((t.p = malloc(TOTAL)) == NULL)
		err(1, NULL);
	for (;;) {
		line = lines[t.lines % nlines];
		len = strlen(line);
		if (t.n + len > TOTAL)
			return t;
		memcpy(t.p + t.n, line, len);
		t.n += len;
		t.lines++;
		t.dots += line[0] == '.';
	}
}

static struct text
make_commands(void)
{
	static const char	*const lines[] = {
		"EHLO client.example.net\r\n",
		"MAIL FROM:<someone@example.net> SIZE=4096 BODY=8BITMIME\r\n",
		"RCPT TO:<joe.user@example.com>\r\n",
		"RCPT TO:<jane.user@example.com> NOTIFY=SUCCESS,FAILURE\r\n",
		"DATA\r\n",
		"QUIT\r\n"
	};

	return make_text(lines, sizeof(lines) / sizeof(lines[0]));
}

static struct text
make_message(void)
{
	static const char	*lines[20];
	size_t			 i;

	for (i = 0; i < 19; i++)
		lines[i] = "A line of the message, as long as those that "
		    "people write, mostly.\r\n";
	lines[i] = "..a line that begins with a dot\r\n";
	return make_text(lines, 20);
}

static void
must(size_t got, size_t wanted, const char *what)
{
	if (got != wanted)
		errx(1, "%s: %zu, not %zu", what, got, wanted);
}

static void
run_lines(const struct text *t, bool parse)
{
	struct smtp_lines	 st = { 0, false };
	struct smtp_cmd		 cmd;
	struct slice		 line;
	size_t			 at = 0, end = 0, lines = 0, used;

	while (end < t->n) {
		end = t->n - end < PIECE ? t->n : end + PIECE;
		while (smtp_line_next(&st, t->p + at, end - at, SMTP_LINE_MAX,
		    &line, &used) == LINE_OK) {
			at += used;
			lines += !parse ||
			    smtp_cmd_parse(&cmd, line) == CMD_OK;
		}
	}
	must(lines, t->lines, "lines");
}

static void
lines(const struct text *t)
{
	run_lines(t, false);
}

static void
commands(const struct text *t)
{
	run_lines(t, true);
}

static void
count(void *arg, const char *p, size_t n)
{
	(void)p;
	*(size_t *)arg += n;
}

static void
data_in(const struct text *t)
{
	struct smtp_data_in	 in = { .mode = BARE_REJECT };
	size_t			 at, n, out = 0, used;

	for (at = 0; at < t->n; at += used) {
		n = t->n - at < PIECE ? t->n - at : PIECE;
		if (smtp_data_in(&in, t->p + at, n, &used, count, &out) !=
		    DATA_MORE)
			errx(1, "data in: no end was due");
	}
	must(out, t->n - t->dots, "data in");
}

static void
data_out(const struct text *t)
{
	struct smtp_data_out	 st = { .mid = false };
	size_t			 at, n, out = 0;

	for (at = 0; at < t->n; at += n) {
		n = t->n - at < PIECE ? t->n - at : PIECE;
		smtp_data_out(&st, t->p + at, n, count, &out);
	}
	must(out, t->n + t->dots, "data out");
}

static int
compare(const void *a, const void *b)
{
	double	x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(const char *name, void (*fn)(const struct text *),
    const struct text *t)
{
	double	begin, took[ROUNDS];
	size_t	i;

	for (i = 0; i < ROUNDS; i++) {
		begin = now();
		fn(t);
		took[i] = now() - begin;
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	printf("%-12s %8.0f MB/s\n", name,
	    (double)t->n / took[ROUNDS / 2] / 1e6);
}

int
main(void)
{
	struct text	cmds = make_commands(), message = make_message();

	measure("lines", lines, &cmds);
	measure("commands", commands, &cmds);
	measure("data in", data_in, &message);
	measure("data out", data_out, &message);
	free(cmds.p);
	free(message.p);
	return 0;
}
