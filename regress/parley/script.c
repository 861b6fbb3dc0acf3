/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A talk's text -> statements, actors and steps.  A hand-written parser of
 * lines: the first word of a line decides, a brace at its end opens what
 * follows, and no line means anything without the lines around it except
 * by nesting.  Nothing is expanded here; that waits until a line is done,
 * when the ports are known and the groups matched.
 *
 * What is parsed lives until exit and is reachable from struct talk from
 * the moment it exists, so that no error has anything to clean up.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parley.h"

static int	block_read(struct block *);

/* --- steps ------------------------------------------------------------- */

static int
step_check(const struct step *s)
{
	if ((s->verb->flags & V_ARG) != 0 && s->arg[0] == '\0' &&
	    s->text == NULL) {
		fail(NULL, s->line, "%s: something is missing", s->verb->word);
		return -1;
	}
	if ((s->verb->flags & V_NOARG) != 0 && s->arg[0] != '\0') {
		fail(NULL, s->line, "%s: stands alone", s->verb->word);
		return -1;
	}
	return 0;
}

/* Where "until" looks whether it has come. */
static void
step_found(struct step *until)
{
	struct step	*st;

	if (verb_found(until->verb) == NULL)
		return;
	st = xcalloc(1, sizeof(*st));
	st->line = until->line;
	st->verb = verb_found(until->verb);
	st->arg = xstrdup(until->arg);
	TAILQ_INSERT_TAIL(until->body, st, entry);
}

/* A line inside an actor -> a step at the end of the block. */
static int
step_read(struct block *b, char *s)
{
	struct step	*st = xcalloc(1, sizeof(*st));
	size_t		 n = strcspn(s, " \t");
	char		*rest = s + n, *word;

	TAILQ_INSERT_TAIL(b, st, entry);
	st->line = line_number();
	word = strndup(s, n);
	st->verb = verb_find(word);
	free(word);
	if (verb_is_call(st->verb))
		rest = s;
	else if ((st->verb->flags & V_EXACT) != 0 && *rest != '\0')
		rest++;
	else
		rest += strspn(rest, " \t");
	if ((st->verb->flags & V_BODY) != 0) {
		st->body = xcalloc(1, sizeof(*st->body));
		if (!brace_cut(rest)) {
			fail(NULL, st->line, "a brace is missing");
			return -1;
		}
		st->arg = xstrdup(rest);
		if (block_read(st->body) == -1)
			return -1;
		step_found(st);
	} else if ((st->verb->flags & V_TEXT) != 0 && strcmp(rest, "{") == 0 &&
	    (st->text = text_read()) == NULL)
		return -1;
	if (st->arg == NULL)
		st->arg = xstrdup(rest);
	return step_check(st);
}

/* Steps up to the closing brace. */
static int
block_read(struct block *b)
{
	int	 line = line_number();
	char	*s;

	TAILQ_INIT(b);
	while ((s = line_content()) != NULL) {
		if (strcmp(s, "}") == 0)
			return 0;
		if (step_read(b, s) == -1)
			return -1;
	}
	fail(NULL, line, "no closing brace for this line");
	return -1;
}

/* Put the proc of each call in its place. */
static int
calls_resolve(struct block *b)
{
	struct step	*s;
	struct proc	*p;
	char		*word, *rest;

	TAILQ_FOREACH(s, b, entry) {
		if (!verb_is_call(s->verb) && s->body != NULL &&
		    calls_resolve(s->body) == -1)
			return -1;
		if (!verb_is_call(s->verb) || s->body != NULL)
			continue;
		rest = s->arg;
		word = next_word(&rest);
		TAILQ_FOREACH(p, &talk.procs, entry)
			if (strcmp(p->name, word) == 0)
				break;
		if (p == NULL) {
			fail(NULL, s->line, "no verb and no proc: %s", word);
			return -1;
		}
		s->arg = rest;
		s->body = p->body;
	}
	return 0;
}

/* --- actors ------------------------------------------------------------ */

static void
actor_block_add(struct actor *a, struct block *b)
{
	a->blocks = reallocarray(a->blocks, a->nblocks + 1, sizeof(b));
	if (a->blocks == NULL)
		err(1, NULL);
	a->blocks[a->nblocks++] = b;
}

/* "connection {" or "connection repeat {", the brace cut off. */
static int
connection_read(struct actor *a, char *s)
{
	struct block	*b = xcalloc(1, sizeof(*b));

	if (a->again) {
		fail(NULL, line_number(), "no connection may follow repeat");
		return -1;
	}
	a->again = strcmp(s, "connection repeat") == 0;
	if (!a->again && strcmp(s, "connection") != 0) {
		fail(NULL, line_number(), "connection [repeat] {");
		return -1;
	}
	actor_block_add(a, b);
	return block_read(b);
}

/* A server's body: connections, or lines that are all of them. */
static int
body_read(struct actor *a)
{
	struct block	*b = a->body = xcalloc(1, sizeof(*b));
	char		*s;

	TAILQ_INIT(b);
	while ((s = line_content()) != NULL && strcmp(s, "}") != 0) {
		if (a->server && strncmp(s, "connection", 10) == 0 &&
		    brace_cut(s)) {
			if (connection_read(a, s) == -1)
				return -1;
		} else if (step_read(b, s) == -1)
			return -1;
	}
	if (s == NULL) {
		fail(NULL, a->line, "no closing brace for this line");
		return -1;
	}
	if (a->nblocks > 0 && !TAILQ_EMPTY(b)) {
		fail(NULL, TAILQ_FIRST(b)->line,
		    "lines beside connections of %s", a->name);
		return -1;
	}
	if (a->nblocks == 0) {
		actor_block_add(a, b);
		a->again = true;
	}
	return 0;
}

/* "tls ..." after the name: as a first line of every connection. */
static void
tls_first(struct actor *a, const char *words)
{
	struct step	*s;
	size_t		 i;

	for (i = 0; i < a->nblocks; i++) {
		s = xcalloc(1, sizeof(*s));
		s->verb = verb_find("tls");
		s->arg = xstrdup(words);
		s->line = a->line;
		TAILQ_INSERT_HEAD(a->blocks[i], s, entry);
	}
}

/* What may follow the names; everything after tls belongs to it. */
static int
actor_options(struct actor *a, char *p, char **tls)
{
	char	*word, **where;

	while ((word = next_word(&p)) != NULL) {
		where = NULL;
		if (strcmp(word, "tls") == 0) {
			*tls = xstrdup(p);
			return 0;
		}
		if (strcmp(word, "unix") == 0 && a->server) {
			a->unix_socket = true;
			continue;
		}
		if (strcmp(word, a->server ? "on" : "from") == 0)
			where = &a->from;
		else if (strcmp(word, a->server ? "port" : "to") == 0)
			where = &a->to;
		else if (strcmp(word, "unix") == 0)
			where = &a->path;
		if (where == NULL || (word = next_word(&p)) == NULL) {
			fail(NULL, line_number(), "bad option of %s", a->name);
			return -1;
		}
		*where = xstrdup(word);
	}
	return 0;
}

static struct actor *
actor_new(bool server, const char *name)
{
	struct actor	*a = xcalloc(1, sizeof(*a));

	if (name[0] == '\0' || strpbrk(name, ",&$.{}") != NULL) {
		fail(NULL, line_number(), "bad name: %s", name);
		return NULL;
	}
	if (actor_find(name) != NULL) {
		fail(NULL, line_number(), "a second %s", name);
		return NULL;
	}
	a->name = xstrdup(name);
	a->server = server;
	a->line = line_number();
	a->fd = -1;
	TAILQ_INSERT_TAIL(&talk.actors, a, entry);
	return a;
}

/*
 * "server NAME options" or "client NAME, NAME options".  Further clients
 * are the first one under another name: they share its lines.
 */
static int
actor_read(bool server, char *p)
{
	struct actor	*a = NULL, *first = NULL, *twins[64];
	size_t		 n = 0, i;
	char		*word, *tls = NULL;
	bool		 more = true;

	while (more && n < 64 && (word = next_word(&p)) != NULL) {
		if ((more = word[strlen(word) - 1] == ','))
			word[strlen(word) - 1] = '\0';
		if ((a = actor_new(server, word)) == NULL)
			return -1;
		twins[n++] = a;
	}
	if (more || (server && n > 1)) {
		fail(NULL, line_number(), "bad names");
		return -1;
	}
	first = twins[0];
	if (actor_options(first, p, &tls) == -1 || body_read(first) == -1)
		return -1;
	if (tls != NULL)
		tls_first(first, tls);
	free(tls);
	for (i = 1; i < n; i++) {
		a = twins[i];
		a->from = first->from;
		a->to = first->to;
		a->path = first->path;
		a->blocks = first->blocks;
		a->nblocks = first->nblocks;
		a->again = first->again;
	}
	return 0;
}

static int
proc_read(char *p)
{
	struct proc	*proc = xcalloc(1, sizeof(*proc));
	char		*name = next_word(&p);

	if (name == NULL || next_word(&p) != NULL) {
		fail(NULL, line_number(), "proc NAME {");
		return -1;
	}
	if (!verb_is_call(verb_find(name))) {
		fail(NULL, line_number(), "%s is a verb already", name);
		return -1;
	}
	proc->name = xstrdup(name);
	proc->body = xcalloc(1, sizeof(*proc->body));
	TAILQ_INSERT_TAIL(&talk.procs, proc, entry);
	return block_read(proc->body);
}

/* --- the top level ----------------------------------------------------- */

static int
stmt_read(const struct stmt_word *word, char *rest)
{
	struct stmt	*st = xcalloc(1, sizeof(*st));

	st->word = word;
	st->line = line_number();
	TAILQ_INSERT_TAIL(&talk.stmts, st, entry);
	if (word->text && !brace_cut(rest)) {
		fail(NULL, line_number(), "%s: a brace is missing", word->word);
		return -1;
	}
	st->arg = xstrdup(rest);
	if (word->text && (st->text = text_read()) == NULL)
		return -1;
	return 0;
}

static int
top_read(char *s)
{
	const struct stmt_word	*w;
	char			*rest = s, *word = next_word(&rest);

	rest += strspn(rest, " \t");
	if (strcmp(word, "must-fail") == 0) {
		/* At once: parsing may be what fails. */
		talk.must_fail = xstrdup(rest);
		return 0;
	}
	if ((w = stmt_find(word)) != NULL)
		return stmt_read(w, rest);
	if (!brace_cut(rest)) {
		fail(NULL, line_number(), "unknown statement: %s", word);
		return -1;
	}
	if (strcmp(word, "server") == 0 || strcmp(word, "client") == 0)
		return actor_read(word[0] == 's', rest);
	if (strcmp(word, "proc") == 0)
		return proc_read(rest);
	fail(NULL, line_number(), "unknown statement: %s", word);
	return -1;
}

static int
all_resolve(void)
{
	struct actor	*a;
	struct proc	*p;
	size_t		 i;

	TAILQ_FOREACH(p, &talk.procs, entry)
		if (calls_resolve(p->body) == -1)
			return -1;
	TAILQ_FOREACH(a, &talk.actors, entry)
		for (i = 0; i < a->nblocks; i++)
			if (calls_resolve(a->blocks[i]) == -1)
				return -1;
	return 0;
}

int
script_read(void)
{
	struct bytes	 b = { 0 };
	char		*s, *path;
	int		 rv;

	path = talk.path[0] == '/' ? xstrdup(talk.path) :
	    realpath(talk.path, NULL);
	rv = path == NULL ? -1 : file_load(path, &b);
	free(path);
	if (rv == -1) {
		fail(NULL, 0, "%s", strerror(errno));
		return -1;
	}
	if (bytes_len(&b) > 0 && memchr(b.p, '\0', b.n) != NULL) {
		fail(NULL, 0, "there is a NUL in it");
		return -1;
	}
	text_begin(bytes_str(&b));
	while ((s = line_content()) != NULL)
		if (top_read(s) == -1)
			return -1;
	return all_resolve();
}
