/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The script that sees every command line before we act on it.
 *
 * A line comes here whole and clean, when all that ends a session anyway has
 * been looked at.  The script answers it, or lets it pass, as it is or as
 * another one, which is then parsed like a client's; its answer is a reply
 * like any other, with its place in the order.  While it thinks the session
 * reads nothing.
 *
 * A line that the script asked for (`next') is its own affair, whatever it
 * looks like, and may be a secret: it is not logged.  Behind a 3xx it is the
 * client's answer to that, and no command.  Behind anything else the client
 * knows nothing of it and says what it would have said: a command, which can
 * have content behind it.  The initial response of AUTH is not even shown.
 *
 * What stands behind a command can be content.  So the octets of a BDAT that
 * the script answers are swallowed, and the transaction ends there, as its
 * message would lack them; and where octets stand behind a DATA that it
 * answers, or makes another command of, the session ends.  A dialogue that it
 * makes of a DATA reads lines of a message: only its last one, the dot, has
 * anything but more of it behind it, so any other end of the dialogue is the
 * session's.  Whether more of it has come yet says nothing.
 *
 * Rejected: to run the script for lines that stand behind the present one in
 * the input (what it sees depends on what became of this one).
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front.h"
#include "front_ask.h"
#include "front_hook.h"
#include "front_relay.h"

#define HIDDEN	"****"

enum line_state {
	LINE_NEW,		/* nobody has seen it */
	LINE_ASKED,		/* the script has it */
	LINE_HELD,		/* it may pass, behind replies that are owed */
	LINE_PASSED
};

struct proxy {
	struct session		*s;
	enum line_state		 state;
	const struct conf_script *script;	/* that saw the line */
	const struct conf_script *next;	/* whose the next one is; or NULL */
	bool			 prompts;	/* and it was asked for: 3xx */
	bool			 dialogue;	/* this line was such a one */
	bool			 prompted;	/* and no command */
	bool			 in_data;	/* of a dialogue behind DATA */
	enum smtp_verb		 verb;
	struct mono		 began;
	struct timer		 timer;		/* of a held one */
	char			*line;		/* with a NUL */
	size_t			 size;		/* of its memory */
	size_t			 secret;	/* where it stands; 0 = none */
};

/* The first word, which names the command. */
static struct slice
first_word(struct slice line)
{
	struct slice	word = { line.p, 0 };

	while (word.n < line.n && line.p[word.n] != ' ' &&
	    line.p[word.n] != '\t')
		word.n++;
	return word;
}

/* Is the command one of those that the script sees? */
static bool
is_wanted(const struct session *s, struct slice word)
{
	const struct strs	*c = &s->conf->proxy.commands;
	size_t			 i;

	for (i = 0; i < c->n; i++)
		if (strcmp(c->v[i], "*") == 0 ||
		    (strlen(c->v[i]) == word.n &&
		    strncasecmp(c->v[i], word.p, word.n) == 0))
			return true;
	return false;
}

bool
proxy_sees(const struct session *s, const char *verb)
{
	struct slice		word = { verb, strlen(verb) };
	struct rule_value	v;

	if (s->proxy != NULL && s->proxy->next != NULL)
		return true;
	if (rule_is_constant(s->conf->proxy.script, &v) && v.str == NULL)
		return false;
	return is_wanted(s, word);
}

static void
held_timer(void *arg)
{
	struct proxy	*p = arg;
	struct session	*s = p->s;
	struct slice	 line = { p->line, strlen(p->line) };

	p->state = LINE_PASSED;
	s->wait = WAIT_NONE;
	verb_line(s, line);
	if (s->wait == WAIT_NONE)
		session_go(s);
}

static struct proxy *
proxy_get(struct session *s)
{
	if (s->proxy == NULL &&
	    (s->proxy = calloc(1, sizeof(*s->proxy))) != NULL) {
		s->proxy->s = s;
		timer_init(&s->proxy->timer, held_timer, s->proxy);
	}
	return s->proxy;
}

/* Keep the line; false without memory. */
static bool
keep_line(struct proxy *p, const char *line, size_t n)
{
	char	*copy;

	if (n >= p->size) {
		if ((copy = realloc(p->line, n + 1)) == NULL)
			return false;
		p->line = copy;
		p->size = n + 1;
	}
	memmove(p->line, line, n);
	p->line[n] = '\0';
	return true;
}

/* Where the initial response stands in an AUTH; 0: there is none. */
static size_t
secret_at(const char *line)
{
	size_t	n = strcspn(line, " \t");

	if (n != 4 || strncasecmp(line, "AUTH", 4) != 0)
		return 0;
	n += strspn(line + n, " \t");
	n += strcspn(line + n, " \t");
	n += strspn(line + n, " \t");
	return line[n] == '\0' ? 0 : n;
}

/* The line as it may be seen by others. */
static void
shown(const char *line, char buf[SMTP_LINE_MAX])
{
	size_t	secret = secret_at(line);

	(void)strlcpy(buf, line, SMTP_LINE_MAX);
	if (secret != 0)
		(void)strlcpy(buf + secret, HIDDEN, SMTP_LINE_MAX - secret);
}

bool
proxy_hides(const struct session *s)
{
	return s->proxy != NULL && s->proxy->dialogue;
}

static void
log_line(const struct session *s, const char *rewritten,
    const struct smtp_reply *r)
{
	const struct proxy	*p = s->proxy;
	char			 line[SMTP_LINE_MAX], other[SMTP_LINE_MAX];

	shown(p->dialogue ? HIDDEN : p->line, line);
	if (rewritten != NULL)
		shown(p->dialogue ? HIDDEN : rewritten, other);
	flog_script_line(s, line, rewritten == NULL ? NULL : other, r,
	    p->script == NULL ? "proxy.script" : p->script->obj.name);
}

/* --- its answers ---------------------------------------------------------- */

static void
failed(struct session *s)
{
	s->why = "script failed";
	session_reply(s, REPLY_CLOSE, "421 4.3.0 %s try again later",
	    s->conf->hostname);
}

/* Is the line a command of that verb? */
static bool
is_command(const struct proxy *p, enum smtp_verb verb)
{
	return p->verb == verb && !p->prompted && !p->in_data;
}

/*
 * The octets behind an answered BDAT are swallowed before that is said; of the
 * last one, to a client of LMTP, for each recipient.
 */
static void
reply_to_bdat(struct session *s, unsigned int flags, int code, char *wire)
{
	size_t			 n = 1;
	static struct smtp_cmd	 cmd;
	struct slice		 line = { s->proxy->line,
				     strlen(s->proxy->line) };

	if (smtp_cmd_parse(&cmd, line) != CMD_OK ||
	    body_is_absurd(s, cmd.size)) {
		s->why = "a chunk that cannot be told";
		session_reply_wire(s, REPLY_CLOSE, wire);
		free(wire);
		return;
	}
	if (cmd.last && code != 421 && s->tx != NULL &&
	    s->listener->protocol == PROTO_LMTP)
		n = tx_replies(s->tx);
	session_reset(s);
	verb_skip(s, cmd.size, flags, n == 0 ? 1 : n, wire);
}

/* What else must be done where octets can stand behind the answered line. */
static unsigned int
content_flags(struct session *s, int code)
{
	struct proxy	*p = s->proxy;
	bool		 talks = p->in_data, asks = code / 100 == 3;

	if (!talks && !is_command(p, VERB_DATA))
		return 0;
	p->in_data = asks;
	if (asks)
		return 0;
	if (!talks || strcmp(p->line, ".") == 0)
		return relay_refusal_flags(s);
	s->why = "in the middle of a message";
	return REPLY_CLOSE;
}

static void
answer(struct session *s, const struct proto_hook_verdict *v)
{
	struct proxy		*p = s->proxy;
	struct smtp_reply	 r = { .code = v->code, .whole = v->lines };
	unsigned int		 flags;
	bool			 bdat = is_command(p, VERB_BDAT);
	char			*wire;

	(void)strlcpy(r.enhanced, v->enhanced, sizeof(r.enhanced));
	(void)strlcpy(r.text, v->lines, sizeof(r.text));
	if ((wire = reply_wire(s, &r)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	/* Softened, a 521 is one too. */
	if (r.code == 421 || (v->flags & HOOKV_DISCONNECT)) {
		s->why = "script";
		flags = REPLY_CLOSE;
	} else
		flags = content_flags(s, r.code);
	log_line(s, NULL, &r);
	if (bdat) {
		reply_to_bdat(s, flags, r.code, wire);
		return;
	}
	session_reply_wire(s, flags, wire);
	free(wire);
}

/* The line that the script made of it; false: there can be no such line. */
static bool
rewrite(struct proxy *p, const char *command)
{
	char	line[SMTP_LINE_MAX];
	size_t	at = secret_at(command);

	(void)strlcpy(line, command, sizeof(line));
	if (p->secret != 0 && at != 0 && strcmp(line + at, HIDDEN) == 0) {
		line[at] = '\0';
		if (strlcat(line, p->line + p->secret, sizeof(line)) >
		    SMTP_LINE_MAX - 2)
			return false;
	}
	return keep_line(p, line, strlen(line));
}

/* What it said cannot be done. */
static void
wrong(struct session *s, const char *why)
{
	flog_script(s, hook_stage_name(HOOK_COMMAND),
	    s->proxy->script->obj.name, why);
	failed(s);
}

static void
pass(struct session *s, const struct proto_hook_verdict *v)
{
	struct proxy	*p = s->proxy;
	struct slice	 line;
	bool		 was_data = is_command(p, VERB_DATA), is_data;

	if (p->in_data) {
		wrong(s, "a line of a message passed");
		return;
	}
	if (v->flags & HOOKV_SET_COMMAND) {
		log_line(s, v->command, NULL);
		if (!rewrite(p, v->command)) {
			wrong(s, "a command that is too long");
			return;
		}
	}
	line.p = p->line;
	line.n = strlen(p->line);
	is_data = smtp_verb_parse(first_word(line)) == VERB_DATA;
	/* Content must not become commands, nor these content. */
	if (was_data != is_data && session_has_more(s)) {
		wrong(s, "octets behind a line that is DATA, or was");
		return;
	}
	p->state = LINE_PASSED;
	if (!TAILQ_EMPTY(&s->slots) && !verb_may_overlap(s, line))
		p->state = LINE_HELD;
	else
		verb_line(s, line);
}

bool
proxy_holds(struct session *s)
{
	struct proxy	*p = s->proxy;

	if (p == NULL || p->state != LINE_HELD)
		return false;
	if (TAILQ_EMPTY(&s->slots)) {
		session_wait(s, WAIT_ASK, 0);
		timer_set(&p->timer, 0);
	} else
		session_wait(s, WAIT_HOP, 0);
	return true;
}

static void
told(struct session *s, const struct proto_hook_verdict *v)
{
	struct proxy	*p = s->proxy;

	p->next = (v->flags & HOOKV_NEXT) ? p->script : NULL;
	p->prompts = v->kind == HOOKV_REPLY && v->code / 100 == 3;
	switch ((enum hook_verdict)v->kind) {
	case HOOKV_PASS:
		pass(s, v);
		break;
	case HOOKV_REPLY:
		answer(s, v);
		break;
	case HOOKV_ERROR:
	case HOOKV_ACCEPT:
	case HOOKV_REJECT:
	case HOOKV_DEFER:
	case HOOK_VERDICT_COUNT:
		failed(s);
		break;
	}
}

/* --- a line --------------------------------------------------------------- */

/* Which script sees it; *script is NULL for none. */
static enum rule_result
find_script(struct session *s, const struct conf_script **script)
{
	struct rule_env		env;
	struct rule_value	v;
	enum rule_result	r = RULE_VALUE;

	*script = NULL;
	if (!rule_is_constant(s->conf->proxy.script, &v)) {
		session_env(s, &env);
		r = rule_ask(s, s->conf->proxy.script, &env, &v);
	}
	if (r == RULE_VALUE && v.str != NULL &&
	    (*script = hook_script(s, v.str)) == NULL)
		r = RULE_CANNOT;
	return r;
}

/* Keep what must be known of the line when it is answered. */
static bool
begin(struct session *s, const struct conf_script *script)
{
	struct proxy	*p = proxy_get(s);

	if (p == NULL || !keep_line(p, s->line.p, s->line.n)) {
		session_end(s, "no memory");
		return false;
	}
	p->script = script;
	p->state = LINE_ASKED;
	p->dialogue = p->next != NULL;
	p->prompted = p->dialogue && p->prompts;
	p->verb = smtp_verb_parse(first_word(s->line));
	p->secret = p->prompted ? 0 : secret_at(p->line);
	p->began = mono_now();
	return true;
}

/* Nobody can tell which script. */
static void
cannot_tell(struct session *s)
{
	static char		 text[] = "cannot look that up now";
	static struct proto_hook_verdict v = { .kind = HOOKV_REPLY,
				     .code = 451, .enhanced = "4.4.3",
				     .nlines = 1, .lines = text };

	if (begin(s, NULL))
		answer(s, &v);
}

static void
ask_script(struct session *s, const struct conf_script *script)
{
	struct hook_args	args;
	char			line[SMTP_LINE_MAX];

	if (!begin(s, script))
		return;
	if (s->proxy->prompted)
		(void)strlcpy(line, s->proxy->line, sizeof(line));
	else
		shown(s->proxy->line, line);
	memset(&args, 0, sizeof(args));
	args.text = line;
	hook_call(s, HOOK_COMMAND, script, s->proxy->verb, &args, told);
}

bool
proxy_takes(struct session *s)
{
	const struct conf_script	*script;
	struct proxy			*p = s->proxy;
	struct rule_value		 v;
	enum rule_result		 r = RULE_VALUE;
	bool				 quit;

	if ((rule_is_constant(s->conf->proxy.script, &v) && v.str == NULL) ||
	    (p != NULL && p->state != LINE_NEW))
		return false;
	script = p == NULL ? NULL : p->next;
	if (script == NULL && !is_wanted(s, first_word(s->line)))
		return false;
	quit = script == NULL &&
	    smtp_verb_parse(first_word(s->line)) == VERB_QUIT;
	/* Its memory of the session is gone; but the client goes anyway. */
	if (quit && hook_is_lost(s))
		return false;
	if (!quit && verb_is_over(s))
		return true;
	if (script == NULL)
		r = find_script(s, &script);
	if (r == RULE_VALUE && script != NULL)
		ask_script(s, script);
	else if (r == RULE_CANNOT && !quit)
		cannot_tell(s);
	return r == RULE_NEED || (r == RULE_CANNOT && !quit) ||
	    script != NULL;
}

void
proxy_new_line(struct session *s)
{
	if (s->proxy == NULL)
		return;
	s->proxy->state = LINE_NEW;
	s->proxy->dialogue = s->proxy->prompted = false;
}

void
proxy_bad_line(struct session *s)
{
	struct proxy	*p = s->proxy;

	if (p == NULL || p->next == NULL || !p->prompts)
		return;
	p->next = NULL;
	if (p->in_data)
		session_linger(s, "in the middle of a message");
}

struct mono
proxy_began(const struct session *s)
{
	if (s->proxy == NULL || s->proxy->state == LINE_NEW)
		return mono_now();
	return s->proxy->began;
}

void
proxy_forget(struct session *s)
{
	if (s->proxy != NULL)
		s->proxy->next = NULL;
}

void
proxy_end(struct session *s)
{
	if (s->proxy != NULL)
		timer_del(&s->proxy->timer);
}

void
proxy_free(struct session *s)
{
	if (s->proxy == NULL)
		return;
	proxy_end(s);
	free(s->proxy->line);
	free(s->proxy);
	s->proxy = NULL;
}
