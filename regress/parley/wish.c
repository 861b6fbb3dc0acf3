/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a talk expects of the daemon and of who connects.  A wish that is
 * not granted yet is looked at again until the deadline, because what the
 * daemon writes and counts comes when it comes; a line that must not be in
 * the log is looked for once more after the daemon's end (daemon.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parley.h"

/* The statistics are asked for again after this long. */
#define STAT_AGAIN	(20 * MS)

/* What postern -n or reload said last. */
static struct bytes	said;

struct wish {
	struct stmt	*st;
	const char	*op;
	long long	 n;
	long long	 seen;
	const char	*what;		/* of the log, or of the statistics */
	struct actor	*actor;
};

void
say_keep(struct bytes *out)
{
	bytes_add(out, "\n", 1);	/* the last line may lack it */
	bytes_free(&said);
	said = *out;
}

static bool
is_op(const char *s)
{
	return strcmp(s, "==") == 0 || strcmp(s, "!=") == 0 ||
	    strcmp(s, "<") == 0 || strcmp(s, "<=") == 0 ||
	    strcmp(s, ">") == 0 || strcmp(s, ">=") == 0;
}

static bool
wish_granted(const struct wish *w)
{
	if (w->op[0] == '=')
		return w->seen == w->n;
	if (w->op[0] == '!')
		return w->seen != w->n;
	if (w->op[1] == '=' && w->seen == w->n)
		return true;
	return w->op[0] == '<' ? w->seen < w->n : w->seen > w->n;
}

/* "OP N" */
static int
wish_read(struct wish *w, char **p)
{
	const char	*why = NULL;
	char		*number;

	w->op = next_word(p);
	number = next_word(p);
	if (w->op == NULL || !is_op(w->op) || number == NULL)
		return -1;
	w->n = strtonum(number, 0, INT64_MAX, &why);
	return why == NULL ? 0 : -1;
}

/* Wait until it is granted; the message names what was seen. */
static int
wish_wait(struct wish *w, bool (*busy)(void *))
{
	int	rv = loop_while(busy, w, now_us() + talk.deadline);

	if (rv == -1 && errno == ETIMEDOUT)
		fail(NULL, w->st->line, "expected %s %lld of %s, saw %lld",
		    w->op, w->n, w->what, w->seen);
	else if (rv == 0)
		tracef(NULL, w->st->line, "%s: %lld", w->what, w->seen);
	return rv;
}

static bool
log_busy(void *arg)
{
	struct wish	*w = arg;

	w->seen = log_count(w->what);
	return !wish_granted(w);
}

static int
expect_log(struct stmt *st, char *p)
{
	struct wish	 w = { .st = st, .op = ">", .n = 0 };
	char		*text, *word;
	bool		 counted;
	int		 rv;

	p += strspn(p, " \t");
	word = strndup(p, strcspn(p, " \t"));
	counted = is_op(word);
	free(word);
	if ((counted && wish_read(&w, &p) == -1) || *p == '\0')
		return bad(st, "log [OP N] GLOB");
	if ((text = expand(NULL, st->line, p + strspn(p, " \t"))) == NULL)
		return -1;
	w.what = text;
	rv = wish_wait(&w, log_busy);
	free(text);
	return rv;
}

static int
expect_nolog(struct stmt *st, char *p)
{
	char	*text = expand(NULL, st->line, p + strspn(p, " \t"));

	if (text == NULL)
		return -1;
	log_forbid(st->line, text);	/* also looked at in the end */
	if (log_count(text) > 0)
		fail(NULL, st->line, "the log has %s", text);
	free(text);
	return talk.failures == 0 ? 0 : -1;
}

static int
expect_conf_error(struct stmt *st, char *p)
{
	char		*text, *shown;
	unsigned int	 n;

	text = expand(NULL, st->line, p + strspn(p, " \t"));
	if (text == NULL)
		return -1;
	if ((n = lines_count(&said, text)) == 0) {
		shown = escape(bytes_head(&said), bytes_len(&said));
		fail(NULL, st->line, "wanted: %s; got: \"%s\"", text, shown);
		free(shown);
	}
	free(text);
	return n == 0 ? -1 : 0;
}

static bool
always(void *arg)
{
	(void)arg;
	return true;
}

/* The value of "NAME VALUE" among the lines; false if it is not there. */
static bool
stat_find(char *text, const char *name, long long *value)
{
	const char	*why;
	char		*l, *word, *number;

	while ((l = strsep(&text, "\n")) != NULL) {
		word = next_word(&l);
		number = word == NULL ? NULL : next_word(&l);
		if (number == NULL || strcmp(word, name) != 0)
			continue;
		*value = strtonum(number, INT64_MIN, INT64_MAX, &why);
		return why == NULL;
	}
	return false;
}

static int
expect_stat(struct stmt *st, char *p)
{
	struct wish	 w = { .st = st };
	struct bytes	 out;
	int64_t		 limit = now_us() + talk.deadline;
	char		*text;
	bool		 known;

	if ((w.what = next_word(&p)) == NULL || wish_read(&w, &p) == -1)
		return bad(st, "stat NAME OP N");
	for (;;) {
		if (daemon_control(st->line, "show stats", &out) == -1)
			return -1;
		text = bytes_str(&out);
		known = stat_find(text, w.what, &w.seen);
		free(text);
		if (known && wish_granted(&w))
			break;
		if (now_us() >= limit) {
			fail(NULL, st->line, known ? "expected %s %lld of %s, "
			    "saw %lld" : "expected %s %lld of %s, which is "
			    "not there", w.op, w.n, w.what, w.seen);
			return -1;
		}
		if (loop_while(always, NULL, now_us() + STAT_AGAIN) == -1 &&
		    errno != ETIMEDOUT)
			return -1;
	}
	tracef(NULL, st->line, "%s: %lld", w.what, w.seen);
	return 0;
}

static int
expect_exit(struct stmt *st, char *p)
{
	const char	*why = "missing";
	char		*number = next_word(&p);
	int		 wanted = 0, status;

	if (number != NULL)
		wanted = (int)strtonum(number, 0, 255, &why);
	if (why != NULL)
		return bad(st, "exit N");
	if ((status = daemon_status(st->line)) == -1)
		return -1;
	if (status != wanted) {
		fail(NULL, st->line, "expected exit %d, saw %d", wanted,
		    status);
		return -1;
	}
	return 0;
}

static bool
connections_busy(void *arg)
{
	struct wish	*w = arg;

	w->seen = w->actor->connections;
	return !wish_granted(w);
}

static int
expect_connections(struct stmt *st, const char *name, char *p)
{
	struct wish	 w = { .st = st, .actor = actor_find(name) };
	char		*word = next_word(&p);

	if (w.actor == NULL || word == NULL ||
	    strcmp(word, "connections") != 0 || wish_read(&w, &p) == -1)
		return bad(st, "log, nolog, stat, exit, conf-error, or "
		    "ACTOR connections OP N");
	w.what = word;
	return wish_wait(&w, connections_busy);
}

int
do_expect(struct stmt *st)
{
	static const struct {
		const char	 *word;
		int		(*act)(struct stmt *, char *);
	} kinds[] = {
		{ "log",	expect_log },
		{ "nolog",	expect_nolog },
		{ "conf-error",	expect_conf_error },
		{ "stat",	expect_stat },
		{ "exit",	expect_exit }
	};
	char	*p = st->arg, *word = next_word(&p);
	size_t	 i;

	for (i = 0; word != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].word, word) == 0)
			return kinds[i].act(st, p);
	return expect_connections(st, word == NULL ? "" : word, p);
}
