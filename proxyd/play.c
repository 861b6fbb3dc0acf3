/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * `proxyd -t', for posternctl script test: one script, and sessions that a
 * transcript tells line by line (posternctl(8) has its language).
 *
 * The script runs in the engine that the daemon has, in its jail, within the
 * limits that are the default; only who it asks is played (play_answer.c), so
 * nothing waits, and a test takes no longer than its script computes.
 *
 * What a line leads to is held against the lines with `<' behind it: with
 * none, it must not be an error; else each of them must be met, and nothing
 * may have come that none of them is for.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "play.h"
#include "play_session.h"
#include "play_show.h"
#include "proc.h"

#define SCRIPT_FD	3
#define TRANSCRIPT_FD	4
#define ROOT_FD		5
#define FILE_MAX	(1024 * 1024)
#define CPU		50	/* ms: as script-limits has it */

static struct conf_script	 script;
static struct conf_obj		*objs[1] = { &script.obj };
static struct config		 conf;
static struct facts		 facts;
static bool			 undecided;	/* a line has come to
						   something: see facts */
static int			 undecided_line;
static bool			 expected;	/* and one `<' behind it */
static unsigned int		 met, unmet;

/* --- telling -------------------------------------------------------------- */

static void __attribute__((__format__(printf, 2, 3)))
not_ok(int line, const char *fmt, ...)
{
	va_list	ap;

	unmet++;
	printf("not ok %d: ", line);
	va_start(ap, fmt);
	print_clean(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* --- calls ---------------------------------------------------------------- */

static void
run(struct call *c)
{
	struct proto_hook_verdict	*v = &c->verdict;
	struct co			*co;
	enum co_end			 end;

	LIST_INIT(&c->cos);
	c->sess = &sess;
	c->script = &script;
	sess.call = c;
	if ((co = co_get(c)) == NULL)
		fatal("coroutine");
	co_begin(co);
	end = co_step(co, 0);
	if (end == CO_DONE)
		v->kind = c->stage == HOOK_COMMAND ? HOOKV_PASS :
		    HOOKV_ACCEPT;
	else if (end != CO_VERDICT) {
		v->kind = HOOKV_ERROR;
		(void)strlcpy(v->why, end == CO_WAIT ?
		    "it waits for what is not played" : c->error,
		    sizeof(v->why));
	}
	facts_of(&facts, c->stage, v);
	co_put(co);
	lua_call_over(c);
	hook_args_clear(&c->args);
	sess.call = NULL;
}

static void
call_play(struct call *c, int line)
{
	const char	*question;

	run(c);
	hook_verdict_clear(&c->verdict);
	undecided = true;
	undecided_line = line;
	expected = false;
	if ((question = play_missing()) != NULL)
		not_ok(line, "%s has no answer", question);
}

/* `C:'. */
static void
play_command(const char *p, int line)
{
	struct call	c = { .stage = HOOK_COMMAND };

	p += strspn(p, " ");
	if ((c.args.text = strdup(p)) == NULL)
		fatal("command");
	call_play(&c, line);
}

static void
copy(char **to, const char *value)
{
	free(*to);
	if ((*to = strdup(value)) == NULL)
		fatal("strdup");
}

/* recipient=, sender=: the argument and its parts. */
static void
arg_address(struct hook_args *a, const char *value, int line)
{
	struct smtp_path	path;
	struct slice		s = { value, strlen(value) };
	size_t			used;

	if (smtp_path_parse(&path, s, PATH_BARE | PATH_REVERSE, &used) !=
	    PATH_OK || used != s.n)
		bad(line, "%s is no address", value);
	copy(&a->text, value);
	copy(&a->localpart, path.local);
	copy(&a->domain, path.domain);
}

static void
arg_extension(struct hook_args *a, char *value)
{
	char	*rest = value + strcspn(value, " ");

	if (*rest != '\0')
		*rest++ = '\0';
	if (hook_pairs_add(&a->pairs, value, rest) == -1)
		fatal("extension");
}

/* Is it an argument of that stage? */
static bool
arg(struct call *c, const char *key, char *value, int line)
{
	struct hook_args	*a = &c->args;
	enum hook_stage		 at = c->stage;

	if (at == HOOK_CONNECT && strcmp(key, "earlytalker") == 0)
		a->flag = strcmp(value, "true") == 0;
	else if (at == HOOK_EHLO && strcmp(key, "verb") == 0)
		copy(&a->verb, value);
	else if (at == HOOK_EHLO && strcmp(key, "host") == 0)
		copy(&a->text, value);
	else if (at == HOOK_EHLO && strcmp(key, "extension") == 0)
		arg_extension(a, value);
	else if (at == HOOK_AUTH && strcmp(key, "mechanism") == 0)
		copy(&a->verb, value);
	else if (at == HOOK_AUTH && strcmp(key, "username") == 0)
		copy(&a->text, value);
	else if ((at == HOOK_MAIL && strcmp(key, "sender") == 0) ||
	    (at == HOOK_RCPT && strcmp(key, "recipient") == 0))
		arg_address(a, value, line);
	else if (at == HOOK_RCPT && strcmp(key, "transportid") == 0)
		copy(&a->verb, value);
	else if ((at == HOOK_MAIL || at == HOOK_RCPT) &&
	    strncmp(key, "params.", 7) == 0)
		(void)hook_pairs_add(&a->pairs, key + 7, value);
	else if (at == HOOK_DATA && strcmp(key, "size") == 0)
		a->size = number(value, line);
	else
		return false;
	return true;
}

static enum hook_stage
stage_of(const char *name, int line)
{
	int	i;

	for (i = HOOK_CONNECT; i < HOOK_STAGE_COUNT; i++)
		if (strcmp(name, hook_stage_name((enum hook_stage)i)) == 0)
			return (enum hook_stage)i;
	bad(line, "there is no stage %s", name);
}

/* What smtpd does with what was accepted. */
static void
accepted(enum hook_stage stage, const char *address, int line)
{
	struct wbuf	w = { 0 };
	const char	*set = NULL;
	size_t		 i;

	if ((stage != HOOK_MAIL && stage != HOOK_RCPT) ||
	    strncmp(facts.text[0], "accept", 6) != 0)
		return;
	for (i = 1; i < facts.n && set == NULL; i++)
		if (strncmp(facts.text[i], "set sender=", 11) == 0)
			set = facts.text[i] + 11;
		else if (strncmp(facts.text[i], "set recipient=", 14) == 0)
			set = facts.text[i] + 14;
	put_path(&w, set != NULL ? set : address,
	    stage == HOOK_MAIL ? NULL : "mx", line);
	tell_session(&w);
}

/* What is no argument is of the session. */
static void
play_stage(const char *p, int line)
{
	static char	 word[WORD_MAX], address[WORD_MAX];
	struct call	 c = { .stage = HOOK_CONNECT };
	struct wbuf	 w = { 0 };
	char		*value;

	if (!next_word(&p, line, word))
		bad(line, "a stage without a name");
	c.stage = stage_of(word, line);
	while (next_word(&p, line, word)) {
		value = cut(word, line);
		if (!arg(&c, word, value, line))
			set_fact(&w, word, value, line);
	}
	tell_session(&w);
	if (c.args.text == NULL && (c.stage == HOOK_MAIL ||
	    c.stage == HOOK_RCPT))
		bad(line, "%s without an address", hook_stage_name(c.stage));
	(void)strlcpy(address, c.args.text == NULL ? "" : c.args.text,
	    sizeof(address));
	call_play(&c, line);
	accepted(c.stage, address, line);
}

/* --- the transcript ------------------------------------------------------- */

/* All that was expected of the line before has been said. */
static void
decide(void)
{
	const char	*rest;

	if (!undecided)
		return;
	undecided = false;
	rest = facts_unmet(&facts);
	if (!expected && strncmp(facts.text[0], "error", 5) != 0)
		return;
	if (rest != NULL)
		not_ok(undecided_line, "nobody expected: %s", rest);
}

static void
play_expected(const char *want, int line)
{
	if (!undecided)
		bad(line, "nothing is played that this could be expected of");
	expected = true;
	if (facts_meet(&facts, want)) {
		met++;
		printf("ok %d: ", line);
		print_text("%s", want);
		printf("\n");
	} else {
		not_ok(line, "wanted %s, got %s", want, facts.text[0]);
		facts.met[0] = true;
	}
}

/* What is computed there is bounded as a script is. */
static void
play_answers(const char *p, int line)
{
	struct call	 c = { .sess = &sess, .script = &script };
	const char	*why;

	LIST_INIT(&c.cos);
	p += strspn(p, " ");
	if ((why = play_answer(&c, p, line)) != NULL)
		bad(line, "%s", why);
}

static void
play_passed(const char *p, int line)
{
	char	*end;
	double	 seconds;

	p += strspn(p, " +");
	seconds = strtod(p, &end);
	if (end == p || (*end != '\0' && strcmp(end, "s") != 0) ||
	    !(seconds >= 0 && seconds < 1e10))
		bad(line, "clock +SECONDS");
	play_clock(seconds);
}

static void
play_line(const char *p, int line)
{
	size_t	n;

	p += strspn(p, " \t");
	n = strcspn(p, " ");
	if (*p == '\0' || *p == '#')
		return;
	if (*p == '<') {
		p++;
		p += strspn(p, " ");
		play_expected(p, line);
		return;
	}
	decide();
	if (strncmp(p, "session", n) == 0 && n == 7)
		play_session(p + n, line);
	else if (strncmp(p, "set", n) == 0 && n == 3)
		play_set(p + n, line);
	else if (strncmp(p, "C:", n) == 0 && n == 2)
		play_command(p + n, line);
	else if (strncmp(p, "stage", n) == 0 && n == 5)
		play_stage(p + n, line);
	else if (strncmp(p, "clock", n) == 0 && n == 5)
		play_passed(p + n, line);
	else if (strncmp(p, "answer", n) == 0 && n == 6)
		play_answers(p + n, line);
	else
		bad(line, "what is %.*s?", (int)n, p);
}

static void
unasked(int line, const char *text)
{
	not_ok(line, "nobody asked: %s", text);
}

static int
play_all(char *text)
{
	char	*p, *next;
	int	 line = 0;

	play_session("", 0);
	for (p = text; p != NULL && *p != '\0'; p = next) {
		if ((next = strchr(p, '\n')) != NULL)
			*next++ = '\0';
		p[strcspn(p, "\r")] = '\0';
		play_line(p, ++line);
	}
	decide();
	play_unasked(unasked);
	sess_over();
	printf("%u ok, %u not ok\n", met, unmet);
	return unmet > 0 ? 1 : 0;
}

/* --- starting ------------------------------------------------------------- */

/* All of a descriptor, which is closed. */
static char *
read_all(int fd)
{
	static const char	what[] = "run posternctl script test";
	char			*text;
	size_t			 n = 0;
	ssize_t			 got;

	if ((text = malloc(FILE_MAX + 1)) == NULL)
		fatal(what);
	while ((got = read(fd, text + n, FILE_MAX - n)) > 0)
		n += (size_t)got;
	if (got == -1)
		fatal(what);
	if (n == FILE_MAX || memchr(text, '\0', n) != NULL)
		fatalx("a file of more than a megabyte, or with a NUL in it");
	text[n] = '\0';
	(void)close(fd);
	return text;
}

static void
note(const char *key, const char *why)
{
	(void)key;
	print_text("%s:%s\n", script.obj.name, why);
}

static uint32_t
id(const char *text)
{
	const char	*why;
	long long	 n = strtonum(text, 1, UINT32_MAX - 1, &why);

	if (why != NULL)
		fatalx("id %s is %s", text, why);
	return (uint32_t)n;
}

void
play_end(int status)
{
	(void)fflush(stdout);
	_exit(status);
}

void
play(const char *name, const char *uid, const char *gid)
{
	static char		 buffer[BUFSIZ], own[256];
	struct proto_init	 init = { .index = 0 };
	char			*transcript;

	log_init("proxyd -t", 0);
	(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	script.text = read_all(SCRIPT_FD);
	transcript = read_all(TRANSCRIPT_FD);
	lua_open_more = play_open;
	lua_start();
	co_start();
	co_limit(CPU);
	if (gid != NULL) {
		init.flags |= INIT_IDS;
		init.uid = id(uid);
		init.gid = id(gid);
	}
	closefrom(gid != NULL ? ROOT_FD + 1 : ROOT_FD);
	proc_jail(R_PROXYD, &init, gid != NULL ? ROOT_FD : -1);
	(void)strlcpy(own, name, sizeof(own));
	script.obj.id = 1;
	script.obj.name = own;
	conf.scripts.v = objs;
	conf.scripts.n = 1;
	if (lua_scripts_prepare(&conf, note) == -1)
		play_end(2);
	play_end(play_all(transcript));
}
