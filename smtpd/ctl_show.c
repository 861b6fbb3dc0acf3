/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Printing what the processes say.
 *
 * Lines are passed on as they come; numbers of statistics are gathered
 * first, since several smtpds count the same things: equal names are added
 * up and printed in order.  JSON is one object or array on one line, made
 * here from the same lines, so that there is one language on the socket.
 *
 * What smtpd says may be what a client said: nothing is printed that is not
 * printable.
 */

#include <sys/types.h>

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "util.h"

/* Numbers as they came: several of a name, in no order. */
static struct stat_value {
	char	*name;
	int64_t	 value;
} *stats;
static size_t			nstats;

static unsigned int		printed;	/* elements of the array */

static void
print_clean(const char *s)
{
	for (; *s != '\0'; s++)
		putchar(*s >= ' ' && *s < 0x7f ? *s : '?');
	putchar('\n');
}

/* A word of a status line: a number, "-", or text. */
static void
json_value(const char *s)
{
	const char	*why;
	char		 digits[24];
	size_t		 n;

	(void)strlcpy(digits, s, sizeof(digits));
	n = strlen(digits);
	if (n > 1 && digits[n - 1] == 's')	/* "3s" */
		digits[n - 1] = '\0';
	(void)strtonum(digits, 0, INT64_MAX, &why);
	if (why == NULL)
		printf("%s", digits);
	else if (strcmp(s, "-") == 0)
		printf("null");
	else {
		putchar('"');
		for (; *s != '\0'; s++)
			putchar(*s > ' ' && *s < 0x7f && *s != '"' &&
			    *s != '\\' ? *s : '?');
		putchar('"');
	}
}

/* --- show status ----------------------------------------------------- */

/* ROLE INDEX, then names and values; "leaving" stands alone. */
int
show_status(struct lines *l, char *line, bool json)
{
	char	*word, *value;

	(void)l;
	if (!json) {
		print_clean(line);
		return 0;
	}
	printf("%s{\"process\":", printed++ == 0 ? "[" : ",");
	json_value((word = strsep(&line, " ")));
	if ((word = strsep(&line, " ")) != NULL) {
		printf(",\"index\":");
		json_value(word);
	}
	while ((word = strsep(&line, " ")) != NULL) {
		printf(",");
		value = strsep(&line, " ");
		if (value == NULL)
			printf("\"%s\":true", word);
		else {
			printf("\"%s\":", word);
			json_value(value);
		}
	}
	printf("}");
	return 0;
}

void
end_status(bool json, bool errors)
{
	(void)errors;
	if (json)
		printf("%s]\n", printed == 0 ? "[" : "");
}

/* --- show stats ------------------------------------------------------ */

static bool
is_name(const char *s)
{
	const char	*allowed = "abcdefghijklmnopqrstuvwxyz0123456789._-";

	return s[0] != '\0' && s[strspn(s, allowed)] == '\0';
}

/* "NAME VALUE" */
static int
add_stat(char *line)
{
	const char	*why;
	int64_t		 n;
	char		*space;

	if ((space = strchr(line, ' ')) == NULL)
		return -1;
	*space = '\0';
	n = strtonum(space + 1, INT64_MIN / 2, INT64_MAX / 2, &why);
	if (why != NULL || !is_name(line))
		return -1;
	stats = xreallocarray(stats, nstats + 1, sizeof(*stats));
	stats[nstats].name = xstrdup(line);
	stats[nstats++].value = n;
	return 0;
}

/* "pipe ROLE INDEX", and the pipe has come along. */
int
show_stats(struct lines *l, char *line, bool json)
{
	struct lines	from;
	char		*text;
	int		 r = 0;

	(void)json;
	if (strncmp(line, "pipe ", 5) != 0 || l->passed == -1) {
		warnx("not understood: %s", line);
		return -1;
	}
	lines_init(&from, l->passed);
	l->passed = -1;
	for (;;) {
		switch (lines_next(&from, &text)) {
		case LINES_OK:
			if (add_stat(text) == 0)
				continue;
			warnx("%s: not understood", line + 5);
			r = -1;
			break;
		case LINES_EOF:
			break;
		case LINES_TIMEOUT:
		case LINES_ERROR:
			warnx("%s: no answer", line + 5);
			r = -1;
			break;
		}
		break;
	}
	lines_clear(&from);
	return r;
}

static int
by_name(const void *a, const void *b)
{
	const struct stat_value	*x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The sum of all of the name at i; *next is the first of another one. */
static int64_t
sum(size_t i, size_t *next)
{
	int64_t	total = 0;
	size_t	first = i;

	for (; i < nstats && strcmp(stats[i].name, stats[first].name) == 0; i++)
		if (__builtin_add_overflow(total, stats[i].value, &total))
			total = INT64_MAX;
	*next = i;
	return total;
}

void
end_stats(bool json, bool errors)
{
	const char	*sep = "{";
	long long	 total;
	size_t		 i, next;

	(void)errors;
	if (nstats > 0)
		qsort(stats, nstats, sizeof(*stats), by_name);
	for (i = 0; i < nstats; i = next) {
		total = sum(i, &next);
		if (json)
			printf("%s\"%s\":%lld", sep, stats[i].name, total);
		else
			printf("%s %lld\n", stats[i].name, total);
		sep = ",";
	}
	if (json)
		printf("%s}\n", nstats == 0 ? "{" : "");
}

/* --- the others ------------------------------------------------------ */

/* "ok", or "ok generation N". */
int
show_ok(struct lines *l, char *line, bool json)
{
	(void)l;
	if (strcmp(line, "ok") != 0 && strncmp(line, "ok ", 3) != 0)
		return -1;
	if (json && strncmp(line, "ok generation ", 14) == 0) {
		printf("{\"ok\":true,\"generation\":");
		json_value(line + 14);
	} else if (json)
		printf("{\"ok\":true");
	else
		print_clean(line);
	printed++;
	return 0;
}

void
end_ok(bool json, bool errors)
{
	if (!json)
		return;
	if (printed == 0)
		printf("{\"ok\":%s", errors ? "false" : "true");
	printf("}\n");
}
