/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What each line inside an actor does.  An act is called again after every
 * wait, with conn.begun and conn.got as it left them, until it is done.
 * Those that receive are in expect.c; here are the others and the table.
 *
 * Sending only appends to conn.out: actor.c decides when and in which
 * pieces it leaves, which is all that -t, -g and slow are.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

/* --- sending ----------------------------------------------------------- */

static enum res
act_send(struct conn *c, struct step *s)
{
	char	*text = expand(c, s->line, s->arg);

	if (text == NULL)
		return R_FAIL;
	trace(c, s->line, "> ", text, strlen(text));
	bytes_adds(&c->out, text);
	bytes_adds(&c->out, "\r\n");
	free(text);
	return R_DONE;
}

/* The text's macros and then its escapes; NULL or what is wrong. */
enum res
exact_bytes(struct conn *c, struct step *s, struct bytes *b)
{
	const char	*why;
	char		*text = expand(c, s->line, s->arg);

	if (text == NULL)
		return R_FAIL;
	if ((why = unescape(text, b)) != NULL)
		fail(c, s->line, "%s", why);
	free(text);
	return why == NULL ? R_DONE : R_FAIL;
}

static enum res
act_bytes(struct conn *c, struct step *s)
{
	struct bytes	b = { 0 };
	enum res	res = exact_bytes(c, s, &b);

	if (res == R_DONE) {
		trace(c, s->line, ">> ", bytes_head(&b), bytes_len(&b));
		bytes_add(&c->out, bytes_head(&b), bytes_len(&b));
	}
	bytes_free(&b);
	return res;
}

/* The file the line names, or the text in its braces. */
enum res
load(struct conn *c, struct step *s, const char *name, struct bytes *b)
{
	char		*text = expand(c, s->line,
			    s->text != NULL ? s->text : name);
	enum res	 res = R_DONE;

	if (text == NULL)
		return R_FAIL;
	if (s->text != NULL)
		bytes_adds(b, text);
	else if (file_load(text, b) == -1) {
		fail(c, s->line, "%s: %s", text, strerror(errno));
		res = R_FAIL;
	}
	free(text);
	return res;
}

static enum res
act_senddata(struct conn *c, struct step *s)
{
	struct bytes	raw = { 0 }, lines = { 0 };
	enum res	res = load(c, s, s->arg, &raw);

	if (res == R_DONE) {
		crlf(&raw, &lines);
		tracef(c, s->line, "> (a message of %zu octets)",
		    bytes_len(&lines));
		stuff(&lines, &c->out);
		c->bulk = true;
	}
	bytes_free(&raw);
	bytes_free(&lines);
	return res;
}

static enum res
act_sendfile(struct conn *c, struct step *s)
{
	struct bytes	raw = { 0 };
	enum res	res = load(c, s, s->arg, &raw);

	if (res == R_DONE) {
		tracef(c, s->line, "> (%zu octets)", bytes_len(&raw));
		bytes_add(&c->out, bytes_head(&raw), bytes_len(&raw));
		c->bulk = true;
	}
	bytes_free(&raw);
	return res;
}

/* --- the connection itself --------------------------------------------- */

static enum res
act_tls(struct conn *c, struct step *s)
{
	return tls_step(c, s->line, s->arg);
}

static enum res
act_close(struct conn *c, struct step *s)
{
	tracef(c, s->line, "close");
	conn_shut(c);
	return R_DONE;
}

static enum res
act_reset(struct conn *c, struct step *s)
{
	struct linger	now = { 1, 0 };

	tracef(c, s->line, "reset");
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
	c->tls_on = false;
	c->eof = c->broken = true;
	return R_DONE;
}

/* --- time -------------------------------------------------------------- */

static enum res
act_pause(struct conn *c, struct step *s)
{
	char	*text = expand(c, s->line, s->arg);
	int64_t	 t = text == NULL ? -1 : duration(text);

	free(text);
	if (t == -1) {
		fail(c, s->line, "bad duration");
		return R_FAIL;
	}
	if (!c->begun) {
		tracef(c, s->line, "pause %s", s->arg);
		c->begun = true;
	}
	if (talk.ending || now_us() >= c->since + t)
		return R_DONE;
	c->want = 0;
	c->until = c->since + t;
	return R_WAIT;
}

static enum res
act_slow(struct conn *c, struct step *s)
{
	const char	*why = NULL;
	char		*text = expand(c, s->line, s->arg), *gap;
	int64_t		 t = 0;
	long long	 n = 0;

	if (text == NULL)
		return R_FAIL;
	if (strcmp(text, "off") != 0) {
		if ((gap = strchr(text, '/')) != NULL)
			*gap++ = '\0';
		n = strtonum(text, 1, 1 << 20, &why);
		t = gap == NULL ? -1 : duration(gap);
	}
	free(text);
	if (why != NULL || t == -1) {
		fail(c, s->line, "slow wants \"off\" or a number of octets, "
		    "a slash and a duration");
		return R_FAIL;
	}
	c->slow = n;
	c->gap = t;
	c->paced = 0;
	return R_DONE;
}

static bool
step_syncs(const struct step *s, const char *name, int depth)
{
	if (strcmp(s->verb->word, "sync") == 0)
		return strcmp(s->arg, name) == 0;
	return s->body != NULL && block_syncs(s->body, name, depth + 1);
}

bool
block_syncs(const struct block *b, const char *name, int depth)
{
	const struct step	*s;

	if (depth > FRAME_MAX)
		return false;
	TAILQ_FOREACH(s, b, entry)
		if (step_syncs(s, name, depth))
			return true;
	return false;
}

/*
 * Who must come to the barrier: servers that name it, and clients that do
 * and are talking now.  The first actor that has not is returned.
 */
static const struct actor *
sync_missing(const char *name)
{
	const struct actor	*a;
	const struct conn	*c;
	bool			 named;
	size_t			 i;

	TAILQ_FOREACH(a, &talk.actors, entry) {
		named = false;
		for (i = 0; i < a->nblocks && !named; i++)
			named = block_syncs(a->blocks[i], name, 0);
		if (!named || (!a->server && a->busy == 0))
			continue;
		TAILQ_FOREACH(c, &talk.conns, entry)
			if (c->actor == a && c->sync != NULL &&
			    strcmp(c->sync, name) == 0)
				break;
		if (c == NULL)
			return a;
	}
	return NULL;
}

/* Everybody is there: let them go on. */
static void
sync_open(const char *name)
{
	struct conn	*c;

	TAILQ_FOREACH(c, &talk.conns, entry)
		if (c->sync != NULL && strcmp(c->sync, name) == 0) {
			c->sync = NULL;
			c->kick = true;
		}
}

static enum res
act_sync(struct conn *c, struct step *s)
{
	const struct actor	*a;

	if (!c->begun) {
		c->begun = true;
		c->sync = s->arg;
		tracef(c, s->line, "sync %s", s->arg);
		if (sync_missing(s->arg) == NULL)
			sync_open(s->arg);
	}
	if (c->sync == NULL)
		return R_DONE;
	if ((a = sync_missing(s->arg)) != NULL &&
	    now_us() >= conn_limit(c)) {
		fail(c, s->line, "timeout: %s did not come to %s", a->name,
		    s->arg);
		return R_FAIL;
	}
	return conn_wait(c, 0);
}

/*
 * A signal in the midst of a conversation, which cannot wait for posternctl:
 * other processes than the daemon itself must be known from a statement.
 */
static enum res
act_kill(struct conn *c, struct step *s)
{
	char	*text = expand(c, s->line, s->arg);
	int	 rv = -1;

	if (text == NULL)
		return R_FAIL;
	if (!daemon_knows(text))
		fail(c, s->line, "an actor can only kill postern, and whom a "
		    "statement has sent a signal last");
	else
		rv = daemon_kill(s->line, text, false);
	free(text);
	return rv == -1 ? R_FAIL : R_DONE;
}

/* --- repeat and proc --------------------------------------------------- */

static enum res
act_repeat(struct conn *c, struct step *s)
{
	const char	*why;
	char		*text = expand(c, s->line, s->arg);
	int		 n;

	if (text == NULL)
		return R_FAIL;
	n = (int)strtonum(text, 1, 1000000, &why);
	free(text);
	if (why != NULL) {
		fail(c, s->line, "repeat wants a number");
		return R_FAIL;
	}
	return conn_enter(c, s, n, 0, NULL);
}

/* Its last step, act_found, has it done again. */
static enum res
act_until(struct conn *c, struct step *s)
{
	return conn_enter(c, s, 1, 0, NULL);
}

static enum res
act_call(struct conn *c, struct step *s)
{
	char	*text = expand(c, s->line, s->arg), *p = text, *word;
	char	**argv = xcalloc(ARG_MAX_PROC, sizeof(*argv));
	int	 argc = 0;

	if (text == NULL) {
		free(argv);
		return R_FAIL;
	}
	while (argc < ARG_MAX_PROC && (word = next_word(&p)) != NULL)
		argv[argc++] = xstrdup(word);
	free(text);
	return conn_enter(c, s, 1, argc, argv);
}

static const struct verb verbs[] = {
	{ ">",		act_send,	V_SENDS | V_EXACT },
	{ ">>",		act_bytes,	V_SENDS | V_QUOTED | V_ARG },
	{ ">data",	act_senddata,	V_SENDS | V_TEXT | V_ARG },
	{ ">bytes",	act_sendfile,	V_SENDS | V_ARG },
	{ "<",		act_line,	V_EXACT },
	{ "<+",		act_reply,	V_EXACT },
	{ "<~",		act_ere,	V_EXACT | V_ARG },
	{ "<...",	act_skip,	V_EXACT },
	{ "<<",		act_exact,	V_QUOTED | V_ARG },
	{ "<data",	act_data,	V_TEXT | V_ARG },
	{ "<bytes",	act_count,	V_ARG },
	{ "tls",	act_tls,	0 },
	{ "eof",	act_eof,	V_NOARG },
	{ "nodot",	act_nodot,	V_NOARG },
	{ "close",	act_close,	V_NOARG },
	{ "reset",	act_reset,	V_NOARG },
	{ "pause",	act_pause,	V_ARG },
	{ "slow",	act_slow,	V_ARG },
	{ "sync",	act_sync,	V_ARG },
	{ "kill",	act_kill,	V_ARG },
	{ "repeat",	act_repeat,	V_SENDS | V_BODY | V_ARG },
	{ "until",	act_until,	V_SENDS | V_BODY | V_ARG }
};

static const struct verb call = { "call", act_call, V_SENDS };
static const struct verb found = { "until", act_found, V_EXACT };

const struct verb *
verb_find(const char *word)
{
	size_t	i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].word, word) == 0)
			return &verbs[i];
	return &call;
}

const struct verb *
verb_found(const struct verb *v)
{
	return v->act == act_until ? &found : NULL;
}

bool
verb_is_call(const struct verb *v)
{
	return v == &call;
}
