/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * schemadoc -l | schemadoc NAME
 *
 * Print a table of the configuration's keys as mdoc, for the manual
 * (regress/lint/schemadoc.sh puts it there and checks that it is true), or
 * the names of all tables.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "parent_load.h"

#define WIDTH	78

/* Words of a sentence, broken into lines that no formatter minds. */
static void
fill(const char *text)
{
	size_t	col = 0, n;

	while (*(text += strspn(text, " ")) != '\0') {
		n = strcspn(text, " ");
		if (col > 0 && col + 1 + n > WIDTH) {
			putchar('\n');
			col = 0;
		}
		/* A point or quote at the beginning would be a request. */
		if (col == 0 && (*text == '.' || *text == '\''))
			printf("\\&");
		printf("%s%.*s", col > 0 ? " " : "", (int)n, text);
		col += (col > 0) + n;
		text += n;
	}
	putchar('\n');
}

static const char *
type_name(enum key_type type)
{
	switch (type) {
	case T_BOOL:
		return "boolean";
	case T_INT:
		return "number";
	case T_DURATION:
		return "duration";
	case T_SIZE:
		return "size";
	case T_WORD:
		return "word";
	case T_STR:
		return "string";
	case T_STRS:
		return "list";
	case T_NETS:
		return "list of networks";
	case T_FILE:
		return "file";
	case T_SECRET:
		return "secret";
	case T_TEXT:
		return "text";
	case T_ENTRIES:
		return "entries";
	case T_STRUCT:
		return "see below";
	case T_MAP:
		return "map of names, see below";
	case T_SEQ:
		return "list, see below";
	case T_RULE:
		return "rule";
	case T_COND:
		return "condition";
	case T_RATE:
		return "rate";
	case T_TEXTS:
		return "map of names and texts";
	case T_FDS:
		break;
	}
	return "";
}

static void
add(char *line, size_t size, const char *sep, const char *text)
{
	strlcat(line, sep, size);
	strlcat(line, text, size);
}

static void
add_range(char *line, size_t size, const struct key *k, enum key_type type)
{
	char	text[32];
	size_t	i;

	if (k->words != NULL) {
		for (i = 0; k->words[i] != NULL; i++)
			add(line, size, i == 0 ? ": " : ", ", k->words[i]);
		return;
	}
	if (type != T_INT && type != T_DURATION && type != T_SIZE)
		return;
	format_number(type, k->min, text, sizeof(text));
	add(line, size, ", ", text);
	format_number(type, k->max, text, sizeof(text));
	add(line, size, " to ", text);
}

/* "duration, 100ms to 1d; default 5m." */
static void
print_facts(const struct key *k)
{
	enum key_type	 type = k->type;
	char		 line[512];

	strlcpy(line, type_name(type), sizeof(line));
	if (type == T_RULE) {
		type = k->of;
		add(line, sizeof(line), " with values of type ",
		    type_name(type));
	}
	if ((k->flags & K_FALSE) != 0)
		add(line, sizeof(line), " or ", "false");
	add_range(line, sizeof(line), k, type);
	if ((k->flags & K_REQUIRED) != 0)
		add(line, sizeof(line), "; ", "required");
	else if (k->def != NULL && k->type != T_STRUCT)
		add(line, sizeof(line), "; default ", k->def);
	if (k->alias != NULL)
		add(line, sizeof(line), "; also written ", k->alias);
	strlcat(line, ".", sizeof(line));
	line[0] = (char)(line[0] >= 'a' && line[0] <= 'z' ?
	    line[0] - 'a' + 'A' : line[0]);
	fill(line);
}

static void
print_key(const struct key *k)
{
	char	line[512];
	size_t	i;

	printf(".It Ic %s\n", k->name);
	strlcpy(line, k->help, sizeof(line));
	line[0] = (char)(line[0] >= 'a' && line[0] <= 'z' &&
	    strncmp(line, "x.y.z", 5) != 0 ? line[0] - 'a' + 'A' : line[0]);
	strlcat(line, ".", sizeof(line));
	fill(line);
	printf(".br\n");
	print_facts(k);
	if ((k->flags & K_LATER) != 0)
		fill("Not in this version: a warning, and no effect.");
	if ((k->flags & K_REFUSE) != 0)
		fill("Not in this version: refused.");
	for (i = 0; k->unbuilt != NULL && k->unbuilt[i] != NULL; i++) {
		snprintf(line, sizeof(line),
		    "Not in this version: %s is refused.", k->unbuilt[i]);
		fill(line);
	}
}

static void
print_table(const struct schema *s)
{
	const struct key	*k;

	printf(".Bl -tag -width Ds\n");
	for (k = s->keys; k->name != NULL; k++)
		if ((k->flags & K_HIDDEN) == 0)
			print_key(k);
	printf(".El\n");
}

/* Lists have no keys: their value is the object. */
static bool
has_table(const struct schema *s)
{
	return s->keys[0].type != T_ENTRIES && s->keys[0].type != T_TEXT;
}

/* Every table of this one and those in it: its name, or the one named. */
static bool
walk(const struct schema *s, const char *name)
{
	const struct key	*k;

	if (name == NULL && has_table(s))
		printf("%s\n", s->name);
	if (name != NULL && strcmp(s->name, name) == 0) {
		print_table(s);
		return true;
	}
	for (k = s->keys; k->name != NULL; k++)
		if (k->sub != NULL && walk(k->sub, name))
			return true;
	return false;
}

int
main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "-l") == 0) {
		walk(&schema_top, NULL);
		return 0;
	}
	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: schemadoc -l | schemadoc name\n");
		return 2;
	}
	if (!walk(&schema_top, argv[1])) {
		fprintf(stderr, "schemadoc: no table %s\n", argv[1]);
		return 1;
	}
	return 0;
}
