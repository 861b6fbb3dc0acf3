/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Printing what the processes say of things: lines "NAME VALUE", for show
 * routes "route ROUTE NAME VALUE" and for show scripts "script SCRIPT NAME
 * VALUE".
 *
 * They are gathered, since several processes know something of one route:
 * numbers of one name are added up, of texts the first is taken.  In JSON
 * numbers are numbers, all else is a string; a route is an object.
 */

#include <sys/types.h>

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "util.h"

static struct field {
	char	*name;
	char	*value;
} *fields;
static size_t	nfields;

static bool
is_number(const char *s, int64_t *n)
{
	const char	*why;

	*n = strtonum(s, INT64_MIN / 2, INT64_MAX / 2, &why);
	return why == NULL;
}

static void
add_field(const char *name, const char *value)
{
	int64_t	a, b;
	char	*sum;
	size_t	i;

	for (i = 0; i < nfields; i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		if (!is_number(fields[i].value, &a) || !is_number(value, &b))
			return;
		xasprintf(&sum, "%lld", (long long)(a + b));
		free(fields[i].value);
		fields[i].value = sum;
		return;
	}
	fields = xreallocarray(fields, nfields + 1, sizeof(*fields));
	fields[nfields].name = xstrdup(name);
	fields[nfields++].value = xstrdup(value);
}

/* A line of a process: -1 if it is an error. */
static int
take(char *line)
{
	char	*value;

	if (strncmp(line, "error: ", 7) == 0) {
		warnx("%s", line + 7);
		return -1;
	}
	if (strncmp(line, "route ", 6) == 0 ||
	    strncmp(line, "script ", 7) == 0) {
		line = strchr(line, ' ') + 1;
		if ((value = strchr(line, ' ')) == NULL)
			return 0;
		value++;
	} else
		value = line;
	if ((value = strchr(value, ' ')) == NULL) {
		add_field(line, "yes");
		return 0;
	}
	*value = '\0';
	add_field(line, value + 1);
	return 0;
}

int
show_fields(struct lines *l, char *line, bool json)
{
	struct lines		 from;
	enum lines_result	 res;
	char			*text;
	int			 r = 0;

	(void)json;
	if (strncmp(line, "pipe ", 5) != 0 || l->passed == -1) {
		warnx("not understood: %s", line);
		return -1;
	}
	lines_init(&from, l->passed);
	l->passed = -1;
	while ((res = lines_next(&from, &text)) == LINES_OK)
		if (take(text) == -1)
			r = -1;
	if (res != LINES_EOF) {
		warnx("%s: no answer", line + 5);
		r = -1;
	}
	lines_clear(&from);
	return r;
}

static void
print_text(const char *s)
{
	for (; *s != '\0'; s++)
		putchar(*s >= ' ' && *s < 0x7f ? *s : '?');
}

static void
json_text(const char *s, size_t n)
{
	putchar('"');
	for (; n > 0 && *s != '\0'; s++, n--) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s >= ' ' && *s < 0x7f ? *s : '?');
	}
	putchar('"');
}

static void
json_field(const char *name, const char *value)
{
	int64_t	n;

	json_text(name, strlen(name));
	putchar(':');
	if (is_number(value, &n))
		printf("%lld", (long long)n);
	else
		json_text(value, strlen(value));
}

void
end_fields(bool json, bool errors)
{
	size_t	i;

	if (json && nfields == 0) {
		printf("{\"ok\":%s}\n", errors ? "false" : "true");
		return;
	}
	if (json && strcmp(fields[0].name, "ok") == 0) {
		printf("{\"ok\":true}\n");
		return;
	}
	for (i = 0; i < nfields; i++) {
		if (json) {
			printf("%s", i == 0 ? "{" : ",");
			json_field(fields[i].name, fields[i].value);
			continue;
		}
		print_text(fields[i].name);
		if (strcmp(fields[i].name, "ok") != 0) {
			putchar(' ');
			print_text(fields[i].value);
		}
		putchar('\n');
	}
	if (json)
		printf("}\n");
}

/* Of which route or script is it? */
static size_t
subject_len(const struct field *f)
{
	return strcspn(f->name, " ");
}

static bool
is_first_of_it(size_t i)
{
	size_t	k, n = subject_len(&fields[i]);

	for (k = 0; k < i; k++)
		if (subject_len(&fields[k]) == n &&
		    strncmp(fields[k].name, fields[i].name, n) == 0)
			return false;
	return true;
}

static void
route(size_t first, bool json)
{
	size_t	i, n = subject_len(&fields[first]);

	if (json) {
		json_text(fields[first].name, n);
		printf(":{");
	}
	for (i = first; i < nfields; i++) {
		if (subject_len(&fields[i]) != n || fields[i].name[n] == '\0' ||
		    strncmp(fields[i].name, fields[first].name, n) != 0)
			continue;
		if (json) {
			printf("%s", i == first ? "" : ",");
			json_field(fields[i].name + n + 1, fields[i].value);
			continue;
		}
		print_text(fields[i].name);
		putchar(' ');
		print_text(fields[i].value);
		putchar('\n');
	}
	if (json)
		putchar('}');
}

void
end_routes(bool json, bool errors)
{
	const char	*sep = "";
	size_t		 i;

	(void)errors;
	if (json)
		putchar('{');
	for (i = 0; i < nfields; i++) {
		if (!is_first_of_it(i))
			continue;
		if (json)
			printf("%s", sep);
		sep = ",";
		route(i, json);
	}
	if (json)
		printf("}\n");
}

/* --- show scripts ---------------------------------------------------- */

#define BUCKETS	32		/* of times, by log2 of microseconds */

/* A number of the script whose name is the first n octets of name. */
static int64_t
number_of(const char *name, size_t n, const char *key)
{
	int64_t	value;
	size_t	i;

	for (i = 0; i < nfields; i++)
		if (strncmp(fields[i].name, name, n + 1) == 0 &&
		    strcmp(fields[i].name + n + 1, key) == 0 &&
		    is_number(fields[i].value, &value))
			return value;
	return 0;
}

/* What so many of a hundred calls have not taken longer than: us. */
static long long
percentile(const char *name, size_t n, int64_t percent)
{
	int64_t		took[BUCKETS], total = 0, seen = 0;
	char		key[16];
	unsigned int	i;

	for (i = 0; i < BUCKETS; i++) {
		(void)snprintf(key, sizeof(key), "took.%u", i);
		total += took[i] = number_of(name, n, key);
	}
	for (i = 0; i < BUCKETS - 1; i++)
		if ((seen += took[i]) * 100 >= total * percent)
			break;
	return total == 0 ? 0 : (2LL << i) - 1;
}

static void
script(const char *name, size_t n, bool json)
{
	static const char *const	keys[] = {
		"calls", "errors", "cpu", "memory", "deadline", "waits",
		"usec", "p50", "p99"
	};
	long long			value;
	size_t				i;

	if (json) {
		json_text(name, n);
		printf(":{");
	} else
		for (i = 0; i < n; i++)
			putchar(name[i] > ' ' && name[i] < 0x7f ? name[i] :
			    '?');
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i][0] == 'p')
			value = percentile(name, n, keys[i][1] == '5' ? 50 :
			    99);
		else
			value = number_of(name, n, keys[i]);
		if (json)
			printf("%s\"%s\":%lld", i == 0 ? "" : ",", keys[i],
			    value);
		else
			printf(" %s %lld", keys[i], value);
	}
	printf("%s", json ? "}" : "\n");
}

void
end_scripts(bool json, bool errors)
{
	const char	*sep = "";
	size_t		 i;

	(void)errors;
	if (json)
		putchar('{');
	for (i = 0; i < nfields; i++) {
		if (!is_first_of_it(i))
			continue;
		if (json)
			printf("%s", sep);
		sep = ",";
		script(fields[i].name, subject_len(&fields[i]), json);
	}
	if (json)
		printf("}\n");
}
