/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The statements at the top level, done one after the other while server
 * actors go on in the background.  Every act returns 0, or -1 after
 * fail(); do_expect() and all below it is in wish.c.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

int
bad(const struct stmt *st, const char *usage)
{
	fail(NULL, st->line, "%s %s", st->word->word, usage);
	return -1;
}

/* --- files ------------------------------------------------------------- */

static int
do_conf(struct stmt *st)
{
	struct bytes	 out = { 0 };
	char		*text, *path;
	bool		 wrong = strcmp(st->arg, "bad") == 0;
	int		 rv = 0;

	if (!wrong && st->arg[0] != '\0')
		return bad(st, "{ or conf bad {");
	if ((text = expand(NULL, st->line, st->text)) == NULL)
		return -1;
	path = conf_write(wrong ? "bad.yaml" : "postern.yaml", text);
	free(text);
	if (wrong) {
		rv = daemon_check(st->line, path, &out);
		tracef(NULL, st->line, "conf bad: status %d", rv);
		if (rv == 0)
			fail(NULL, st->line, "postern -n takes it");
		else if (rv != -1 && rv != 1)
			fail(NULL, st->line, "postern -n: status %d", rv);
		say_keep(&out);
		rv = rv == 1 ? 0 : -1;
	}
	free(path);
	return rv;
}

static int
file_write(const struct stmt *st, const char *name, const struct bytes *b,
    long long times)
{
	char	*path = xasprintf("%s/%s", talk.tmp, name), *text;
	FILE	*f = fopen(path, "w");

	if (f == NULL) {
		fail(NULL, st->line, "%s: %s", path, strerror(errno));
		free(path);
		return -1;
	}
	free(path);
	path = xasprintf("%s.size", name);
	text = xasprintf("%lld", (long long)bytes_len(b) * times);
	macro_set(path, text);
	free(path);
	free(text);
	while (times-- > 0)
		fwrite(bytes_head(b), 1, bytes_len(b), f);
	if (fclose(f) != 0)
		err(1, "%s", name);
	return 0;
}

static int
file_database(const struct stmt *st, const char *name, const char *sql)
{
	char	*path = xasprintf("%s/%s", talk.tmp, name);
	int	 rv = sqlite_make(st->line, path, sql);

	free(path);
	return rv;
}

/*
 * "file NAME [cdb|crlf|sqlite] [repeat N] {": the text, so many times; or the
 * keys and values, or the SQL, of a database.
 */
static int
do_file(struct stmt *st)
{
	struct bytes	 raw = { 0 }, lines = { 0 };
	const char	*why = NULL;
	char		*p = st->arg, *name = next_word(&p), *word, *text;
	long long	 times = 1;
	bool		 net = false, cdb = false, sql = false;
	int		 rv;

	while ((word = next_word(&p)) != NULL && why == NULL) {
		if (strcmp(word, "crlf") == 0)
			net = true;
		else if (strcmp(word, "cdb") == 0)
			cdb = true;
		else if (strcmp(word, "sqlite") == 0)
			sql = true;
		else if (strcmp(word, "repeat") == 0 &&
		    (word = next_word(&p)) != NULL)
			times = strtonum(word, 1, 100000000, &why);
		else
			why = word;
	}
	if (name == NULL || why != NULL)
		return bad(st, "NAME [cdb|crlf|sqlite] [repeat N] {");
	if ((text = expand(NULL, st->line, st->text)) == NULL)
		return -1;
	if (cdb)
		cdb_make(text, &raw);
	else
		bytes_adds(&raw, text);
	if (net)
		crlf(&raw, &lines);
	rv = sql ? file_database(st, name, text) :
	    file_write(st, name, net ? &lines : &raw, times);
	bytes_free(&raw);
	bytes_free(&lines);
	free(text);
	return rv;
}

/* --- the daemon and the clients ---------------------------------------- */

static int
do_start(struct stmt *st)
{
	const struct stmt	*next = TAILQ_NEXT(st, entry);

	return daemon_start(st->line, next != NULL &&
	    strcmp(next->word->word, "expect") == 0 &&
	    strncmp(next->arg, "exit", 4) == 0);
}

static int
do_stop(struct stmt *st)
{
	return daemon_stop(st->line);
}

static int
do_reload(struct stmt *st)
{
	struct bytes	out = { 0 };
	bool		wrong = strcmp(st->arg, "fails") == 0;
	int		rv;

	if (!wrong && st->arg[0] != '\0')
		return bad(st, "or reload fails");
	rv = daemon_control(st->line, "reload", &out);
	if (rv != -1 && wrong == (rv != 0))
		tracef(NULL, st->line, "reload: status %d", rv);
	else if (rv != -1) {
		fail(NULL, st->line, "reload: status %d: %.*s", rv,
		    (int)bytes_len(&out), bytes_head(&out));
		rv = -1;
	}
	say_keep(&out);
	return rv == -1 ? -1 : 0;
}

/* What was said, line by line, is what the text has as globs. */
static int
said_matches(const struct stmt *st, char *said, char *text)
{
	char	*got = NULL, *want = NULL, *shown;

	while (said != NULL || text != NULL) {
		got = strsep(&said, "\n");
		want = strsep(&text, "\n");
		if (got == NULL || want == NULL ||
		    !glob(want, got, strlen(got)))
			break;
		got = want = NULL;
	}
	if (got == NULL && want == NULL)
		return 0;
	shown = escape(got == NULL ? "" : got, got == NULL ? 0 : strlen(got));
	fail(NULL, st->line, "wanted: %s; got: \"%s\"",
	    want == NULL ? "the end" : want, shown);
	free(shown);
	return -1;
}

/* "ctl [fails] WORD ... {" */
static int
do_ctl(struct stmt *st)
{
	struct bytes	 out = { 0 };
	char		*words = st->arg, *said, *text;
	bool		 fails = strncmp(words, "fails ", 6) == 0;
	int		 rv;

	if ((words = expand(NULL, st->line, words + (fails ? 6 : 0))) == NULL)
		return -1;
	if ((text = expand(NULL, st->line, st->text)) == NULL) {
		free(words);
		return -1;
	}
	if ((rv = daemon_control(st->line, words, &out)) != -1) {
		tracef(NULL, st->line, "ctl %s: status %d", words, rv);
		said = bytes_str(&out);
		if (rv != (fails ? 1 : 0)) {
			fail(NULL, st->line, "status %d: %s", rv, said);
			rv = -1;
		} else
			rv = said_matches(st, said, text);
		free(said);
	}
	bytes_free(&out);
	free(words);
	free(text);
	return rv;
}

static int
do_kill(struct stmt *st)
{
	return daemon_kill(st->line, st->arg, true);
}

static int
run_one(const struct stmt *st, const char *name)
{
	struct actor	*a = actor_find(name);

	if (a == NULL || a->server) {
		fail(NULL, st->line, "no client %s", name);
		return -1;
	}
	if (a->busy > 0) {
		fail(NULL, st->line, "%s runs already", name);
		return -1;
	}
	tracef(NULL, st->line, "run %s", name);
	return actor_run(a);
}

static bool
clients_busy(void *arg)
{
	const struct actor	*a;

	(void)arg;
	TAILQ_FOREACH(a, &talk.actors, entry)
		if (!a->server && a->busy > 0)
			return true;
	return false;
}

static int
do_run(struct stmt *st)
{
	char	*p = st->arg, *word;
	int	 n = 0;

	if (daemon_wanted() && daemon_start(st->line, false) == -1)
		return -1;
	while ((word = next_word(&p)) != NULL) {
		if (strcmp(word, "&") == 0)
			continue;
		if (run_one(st, word) == -1)
			return -1;
		n++;
	}
	if (n == 0)
		return bad(st, "CLIENT [& CLIENT]...");
	return loop_while(clients_busy, NULL, 0);
}

/* --- conditions -------------------------------------------------------- */

static bool
have_program(const char *name)
{
	const char	*path = getenv("PATH");
	char		*list, *p, *dir, *file;
	bool		 found = false;

	list = p = xasprintf("%s:/usr/local/sbin:/usr/sbin:/sbin",
	    path == NULL ? "/usr/bin:/bin" : path);
	while (!found && (dir = strsep(&p, ":")) != NULL) {
		file = xasprintf("%s/%s", dir, name);
		found = access(file, X_OK) == 0;
		free(file);
	}
	free(list);
	return found;
}

static bool
have_ipv6(void)
{
	struct sockaddr_in6	sin6 = { .sin6_family = AF_INET6,
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int			fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool			yes;

	yes = fd != -1 &&
	    bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) == 0;
	if (fd != -1)
		close(fd);
	return yes;
}

static bool
is_met(const char *word, const char *rest)
{
	if (strcmp(word, "root") == 0)
		return geteuid() == 0;
	if (strcmp(word, "user") == 0)
		return geteuid() != 0;
	if (strcmp(word, "ipv6") == 0)
		return have_ipv6();
	if (strcmp(word, "program") == 0)
		return have_program(rest);
	if (strcmp(word, "file") == 0)
		return access(rest, R_OK) == 0;
	return macro_get(word) != NULL;
}

static int
do_requires(struct stmt *st)
{
	char	*text = expand(NULL, st->line, st->arg), *p = text, *word;
	bool	 met;

	if (text == NULL)
		return -1;
	if ((word = next_word(&p)) == NULL) {
		free(text);
		return bad(st, "WORD");
	}
	met = is_met(word, p + strspn(p, " \t"));
	free(text);
	if (!met && talk.must_fail != NULL)	/* to be able to test this */
		fail(NULL, st->line, "skipped: requires %s", st->arg);
	else if (!met)
		talk.skip = xasprintf("requires %s", st->arg);
	return met ? 0 : -1;
}

static int
do_deadline(struct stmt *st)
{
	int64_t	t = duration(st->arg);

	if (t <= 0)
		return bad(st, "20s");
	talk.deadline = t * talk.factor;
	return 0;
}

static const struct stmt_word words[] = {
	{ "conf",	do_conf,	true },
	{ "file",	do_file,	true },
	{ "script",	do_file,	true },
	{ "dns",	do_dns,		true },
	{ "start",	do_start,	false },
	{ "stop",	do_stop,	false },
	{ "run",	do_run,		false },
	{ "reload",	do_reload,	false },
	{ "kill",	do_kill,	false },
	{ "ctl",	do_ctl,		true },
	{ "expect",	do_expect,	false },
	{ "requires",	do_requires,	false },
	{ "deadline",	do_deadline,	false }
};

const struct stmt_word *
stmt_find(const char *word)
{
	size_t	i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return &words[i];
	return NULL;
}

/* A talk with clients of which none runs passes, and has tested nothing. */
static bool
is_idle(void)
{
	const struct actor	*a, *client = NULL;
	const struct stmt	*st;

	TAILQ_FOREACH(a, &talk.actors, entry)
		if (!a->server)
			client = a;
	TAILQ_FOREACH(st, &talk.stmts, entry)
		if (st->word->act == do_run)
			return false;
	if (client != NULL)
		fail(NULL, client->line, "no client is run");
	return client != NULL;
}

int
talk_play(void)
{
	struct actor	*a;
	struct stmt	*st;

	if (is_idle())
		return -1;
	TAILQ_FOREACH(a, &talk.actors, entry)
		if (a->server && actor_listen(a) == -1)
			return -1;
	TAILQ_FOREACH(st, &talk.stmts, entry)
		if (st->word->act(st) == -1 || talk.failures > 0)
			return -1;
	return 0;
}
