/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Named parameters of SQL: see sql_params.h.
 *
 * PostgreSQL knows numbers only, and SQLite has its own ideas of names, so
 * the text is walked once: :name and $name become numbers, the same name the
 * same one, and so does each `?' and each `?1'.  What stands in quotes,
 * in identifiers, in comments and between dollars is passed over, and so are
 * `::' and `:='.  The walk also sees where the statement ends: there is one
 * in a query, and nothing behind its semicolon.
 *
 * Where the two differ in how they read a text (brackets and backquotes are
 * quotes to SQLite, comments nest in PostgreSQL, E'' has backslashes there),
 * each is read as it reads.  To pass over less than the database does would
 * cost a parameter; to pass over more, as well: never a value in the text,
 * since none is put there.
 *
 * Rejected: SQLite's own names (PostgreSQL would need this walk anyway, and
 * a mistake should be found before either is asked), escaping.
 */

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sql_params.h"

struct walk {
	struct sql_params	*sql;
	enum sql_dialect	 dialect;
	const char		*p;		/* what is not read yet */
	char			*out;
	unsigned int		 places;	/* the highest of `?' so far */
	bool			 said;		/* something to run */
	bool			 worded;	/* and the first word of it */
	bool			 ended;		/* by a semicolon */
};

static const char	not_ascii[] =
    "a parameter's name has ASCII letters, digits and _";

static bool
is_first(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (c & 0x80) != 0;
}

/* Within a name of a table or the like. */
static bool
is_word(char c)
{
	return is_first(c) || isdigit((unsigned char)c) || c == '$';
}

/* The length of a parameter's name. */
static size_t
name_len(const char *s)
{
	size_t	n = 0;

	if (!isalpha((unsigned char)s[0]) && s[0] != '_')
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

static void
copy(struct walk *w, size_t n)
{
	memcpy(w->out, w->p, n);
	w->out += n;
	w->p += n;
}

/* From an opening quote to its end; twice the end is one of the text. */
static const char *
quoted(struct walk *w, char end, bool backslash)
{
	copy(w, 1);
	for (; *w->p != '\0'; copy(w, 1)) {
		if (backslash && *w->p == '\\' && w->p[1] != '\0')
			copy(w, 1);
		else if (*w->p == end && w->p[1] == end && end != ']')
			copy(w, 1);
		else if (*w->p == end) {
			copy(w, 1);
			return NULL;
		}
	}
	return "a quote is not closed";
}

/* $$ or $word$, up to the same again.  False: it is no such thing. */
static bool
dollars(struct walk *w, const char **why)
{
	const char	*end;
	size_t		 n = 1;

	if (is_first(w->p[1]))
		while (is_word(w->p[n]) && w->p[n] != '$')
			n++;
	if (w->p[n++] != '$')
		return false;
	for (end = w->p + n; *end != '\0'; end++)
		if (strncmp(end, w->p, n) == 0)
			break;
	if (*end == '\0')
		*why = "what is between dollars is not closed";
	else
		copy(w, (size_t)(end - w->p) + n);
	return true;
}

/* Comments are left out, but for a blank. */
static const char *
comment(struct walk *w)
{
	unsigned int	depth = 0;

	*w->out++ = ' ';
	if (w->p[0] == '-') {
		w->p += strcspn(w->p, "\n");
		return NULL;
	}
	for (; *w->p != '\0'; w->p++) {
		if (w->p[0] == '/' && w->p[1] == '*' &&
		    (depth == 0 || w->dialect == SQL_PQ)) {
			depth++;
			w->p++;
		} else if (w->p[0] == '*' && w->p[1] == '/') {
			w->p++;
			if (--depth == 0) {
				w->p++;
				return NULL;
			}
		}
	}
	return "a comment is not closed";
}

/* Number n, from 0. */
static void
put_number(struct walk *w, size_t n)
{
	*w->out++ = w->dialect == SQL_SQLITE ? '?' : '$';
	if (++n >= 100)
		*w->out++ = (char)('0' + n / 100);
	if (n >= 10)
		*w->out++ = (char)('0' + n / 10 % 10);
	*w->out++ = (char)('0' + n % 10);
}

/* The parameter of that name, or place; as i what is new.  NULL, or why. */
static const char *
put_param(struct walk *w, size_t i, const char *name, size_t len,
    unsigned int place)
{
	struct sql_params	*sql = w->sql;
	struct sql_param	*new = &sql->param[i];

	if (i == SQL_PARAMS_MAX)
		return "more than 100 parameters";
	if (i == sql->n) {
		memset(new, 0, sizeof(*new));
		if (len >= sizeof(new->name))
			return "a parameter's name is longer than 31 octets";
		memcpy(new->name, name, len);
		new->place = place;
		sql->n++;
	}
	put_number(w, i);
	return NULL;
}

static const char *
named(struct walk *w, size_t len)
{
	const struct sql_params	*sql = w->sql;
	const char		*name = w->p + 1;
	size_t			 i;

	for (i = 0; i < sql->n; i++)
		if (strlen(sql->param[i].name) == len &&
		    memcmp(sql->param[i].name, name, len) == 0)
			break;
	if (is_word(name[len]))
		return not_ascii;
	w->p += len + 1;
	return put_param(w, i, name, len, 0);
}

/* `?', or `?' and a number. */
static const char *
placed(struct walk *w)
{
	const struct sql_params	*sql = w->sql;
	unsigned int		 place = 0;
	size_t			 i;

	for (w->p++; isdigit((unsigned char)*w->p); w->p++)
		if (place <= SQL_PARAMS_MAX)
			place = place * 10 + (unsigned int)(*w->p - '0');
	if (is_word(*w->p))
		return not_ascii;
	if (w->p[-1] == '?')
		place = w->places + 1;
	if (place < 1 || place > SQL_PARAMS_MAX)
		return "places are ?1 to ?100";
	if (place > w->places)
		w->places = place;
	place--;
	for (i = 0; i < sql->n; i++)
		if (sql->param[i].name[0] == '\0' &&
		    sql->param[i].place == place)
			break;
	return put_param(w, i, "", 0, place);
}

/* What is known of a statement without understanding it. */
static void
note_word(struct sql_params *sql, const char *p, size_t n, bool first)
{
	static const char *const	writes[] = {
		"delete", "insert", "merge", "replace", "update"
	};
	char				word[SQL_VERB_MAX] = "";
	size_t				i;

	for (i = 0; n < sizeof(word) && i < n; i++)
		word[i] = (char)tolower((unsigned char)p[i]);
	if (first)
		memcpy(sql->verb, word, sizeof(word));
	for (i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		sql->writes |= strcmp(word, writes[i]) == 0;
}

/* A word, and what begins with one: E'', and in SQLite x'' is as ''. */
static const char *
word(struct walk *w)
{
	size_t	n = 0;
	bool	escapes;

	while (is_word(w->p[n]))
		n++;
	escapes = w->dialect == SQL_PQ && n == 1 &&
	    (*w->p == 'e' || *w->p == 'E') && w->p[1] == '\'';
	note_word(w->sql, w->p, n, !w->worded);
	w->worded = true;
	copy(w, n);
	return escapes ? quoted(w, '\'', true) : NULL;
}

/* Numbers as a whole: in 1e5 there is no word. */
static const char *
number(struct walk *w)
{
	size_t	n = 0;

	while (isalnum((unsigned char)w->p[n]) || w->p[n] == '.' ||
	    w->p[n] == '_')
		n++;
	copy(w, n);
	return NULL;
}

static const char *
mark(struct walk *w)
{
	const char	*why = NULL;
	size_t		 n;

	switch (*w->p) {
	case '?':
		return placed(w);
	case ':':
		if (w->p[1] == ':' || w->p[1] == '=') {
			copy(w, 2);
			return NULL;
		}
		if ((n = name_len(w->p + 1)) > 0)
			return named(w, n);
		if (w->dialect == SQL_SQLITE && is_word(w->p[1]))
			return not_ascii;
		break;
	case '$':
		if (w->dialect == SQL_PQ && dollars(w, &why))
			return why;
		if ((n = name_len(w->p + 1)) > 0)
			return named(w, n);
		return "`$' without a name: parameters have names";
	case '@':
		if (w->dialect == SQL_SQLITE)
			return "`@': parameters are written as :name";
		break;
	case '#':
		if (w->dialect == SQL_SQLITE)
			return "`#' is not SQL";
		break;
	}
	copy(w, 1);
	return NULL;
}

static bool
is_comment(const char *p)
{
	return (p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*');
}

static const char *
step(struct walk *w)
{
	char	c = *w->p;

	if (isspace((unsigned char)c)) {
		copy(w, 1);
		return NULL;
	}
	if (is_comment(w->p))
		return comment(w);
	if (w->ended)
		return "more than one statement";
	if (c == ';') {
		w->ended = true;
		w->p++;
		return w->said ? NULL : "empty";
	}
	w->said = true;
	if (c == '\'' || c == '"')
		return quoted(w, c, false);
	if (w->dialect == SQL_SQLITE && (c == '`' || c == '['))
		return quoted(w, c == '[' ? ']' : c, false);
	if (is_first(c))
		return word(w);
	if (isdigit((unsigned char)c))
		return number(w);
	return mark(w);
}

const char *
sql_params_read(struct sql_params *sql, const char *text,
    enum sql_dialect dialect)
{
	struct walk	 w = { .sql = sql, .dialect = dialect, .p = text };
	const char	*why = NULL;

	sql->n = 0;
	sql->verb[0] = '\0';
	sql->writes = false;
	/* A `?' may become `?100', and nothing grows more. */
	if ((sql->text = malloc(4 * strlen(text) + 1)) == NULL)
		return "no memory";
	w.out = sql->text;
	while (why == NULL && *w.p != '\0')
		why = step(&w);
	*w.out = '\0';
	if (why == NULL && !w.said)
		why = "empty";
	if (why != NULL)
		sql_params_clear(sql);
	return why;
}

void
sql_params_clear(struct sql_params *sql)
{
	free(sql->text);
	sql->text = NULL;
	sql->n = 0;
}
