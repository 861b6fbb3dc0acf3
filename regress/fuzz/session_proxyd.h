/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fuzz_session: two workers of proxyd, as the script wants them: any verdict,
 * possible or not, garbage, or lost; who sends what cannot be is lost too.
 * What they are told of the session they put together as proxyd does.
 *
 * Where every command is shown, the place in what the client has sent is
 * known: each line that is shown must be the one that stands there, behind
 * the octets of each BDAT, and behind a message that a script would not have
 * there must be none.  That is so up to the first thing that is not followed
 * here: a line that is none, a message that is let through, TLS.
 *
 * Part of that file: it has included what is used here.
 */
#ifndef SESSION_PROXYD_H
#define SESSION_PROXYD_H

#include "front_hook.h"

#define WORKERS	2

static const char	*sent;		/* by the client */
static size_t		nsent;

static struct peer	proxyd[WORKERS] = { { .role = R_PROXYD },
			    { .role = R_PROXYD, .index = 1 } };
static bool		worker_up[WORKERS];
static bool		has_scripts;	/* this configuration */

/* The session, as its worker has it; and the call that is under way. */
static struct hook_session told;
static int		told_by = -1;
static bool		called;
static uint64_t		call_sid;
static uint32_t		call_seq;
static enum hook_stage	call_stage;
static enum smtp_verb	call_verb;
static char		call_text[SMTP_LINE_MAX];

static unsigned int	mark;		/* of replies to commands */

/* --- the place ------------------------------------------------------------ */

static size_t		place;		/* the next command stands there */
static size_t		arrived;	/* so much has been sent */
static bool		followed;
static bool		at_end;		/* no command may follow */
static bool		prompted;	/* the next line is an answer */
static bool		in_data;	/* to a 354 */

/* Is it what stands there?  AUTH is shown without its response. */
static bool
is_shown(const char *line, size_t len, bool whole)
{
	size_t	n = strlen(call_text);

	if (whole || len < 4 || strncasecmp(line, "AUTH", 4) != 0)
		return n == len && memcmp(line, call_text, n) == 0;
	if (n >= 4 && strcmp(call_text + n - 4, "****") == 0)
		return n - 4 <= len && memcmp(line, call_text, n - 4) == 0;
	return n == len && memcmp(line, call_text, n) == 0;
}

static void
check_place(void)
{
	const char	*line = sent + place, *nl;
	size_t		 len;

	if (!followed)
		return;
	must(!at_end);
	must(place < arrived);
	nl = memchr(line, '\n', nsent - place);
	if (nl == NULL || nl == line || nl[-1] != '\r' ||
	    (size_t)(nl + 1 - line) > SMTP_LINE_MAX ||
	    memchr(line, '\r', (size_t)(nl - 1 - line)) != NULL ||
	    memchr(line, '\0', (size_t)(nl - line)) != NULL) {
		followed = false;
		return;
	}
	len = (size_t)(nl - 1 - line);
	must(is_shown(line, len, prompted));
	place += len + 2;
}

/* The octets that a BDAT has behind it; -1: nobody knows. */
static int64_t
chunk_of(const char *text)
{
	static struct smtp_cmd	cmd;
	struct slice		line = { text, strlen(text) };

	if (smtp_cmd_parse(&cmd, line) != CMD_OK || cmd.verb != VERB_BDAT ||
	    cmd.size > nsent)
		return -1;
	return (int64_t)cmd.size;
}

static enum smtp_verb
verb_of(const char *text)
{
	struct slice	word = { text, strcspn(text, " \t") };

	return smtp_verb_parse(word);
}

/* What a verdict that is possible makes of the place. */
static void
follow(const struct proto_hook_verdict *v)
{
	bool		 reply = v->kind == HOOKV_REPLY;
	bool		 asks = reply && v->code / 100 == 3, was = in_data;
	const char	*text = (v->flags & HOOKV_SET_COMMAND) ? v->command :
			    call_text;
	int64_t		 n;

	if (!followed || call_stage != HOOK_COMMAND)
		return;
	if (v->kind == HOOKV_ERROR || (was && !reply) ||
	    (reply && (v->code == 421 || (v->flags & HOOKV_DISCONNECT) ||
	    (was && !asks && strcmp(call_text, ".") != 0))))
		at_end = true;
	/* Content behind a DATA, or a command behind what becomes one. */
	if ((was || (call_verb == VERB_DATA && !prompted) || (!reply &&
	    verb_of(text) == VERB_DATA)) && !asks && place < arrived &&
	    (reply || was || verb_of(text) != call_verb || prompted))
		at_end = true;
	if (!reply && (verb_of(text) == VERB_DATA ||
	    verb_of(text) == VERB_STARTTLS || verb_of(text) == VERB_QUIT))
		followed = followed && at_end;
	if ((call_verb == VERB_BDAT && !prompted && !was) ||
	    (!reply && verb_of(text) == VERB_BDAT)) {
		if ((n = chunk_of(call_text)) == -1)
			followed = false;
		else
			place += (size_t)n;
	}
	in_data = asks && (was || (call_verb == VERB_DATA && !prompted));
	prompted = asks;
}

/* --- what is told --------------------------------------------------------- */

static void
told_call(struct msg *m)
{
	struct proto_hook_call	c;
	struct hook_args	args;
	bool			nomem;

	must(get_hook_call(m, &c) == 0);
	must(hook_get_fields(&m->body, &told, &nomem) == 0);
	must(get_hook_args(&m->body, &args, &nomem) == 0);
	call_stage = (enum hook_stage)c.stage;
	must(call_stage != HOOK_AUTH);
	(void)strlcpy(call_text, args.text, sizeof(call_text));
	call_verb = VERB_NONE;
	if (call_stage == HOOK_COMMAND) {
		call_verb = verb_of(call_text);
		check_place();
	}
	if (call_stage == HOOK_RCPT || call_stage == HOOK_DATA)
		must(told.has_sender);
	if (call_stage == HOOK_DATA)
		must(told.nrcpts == args.number && told.nrcpts > 0);
	hook_args_clear(&args);
}

/* In place of a pipe. */
static void
proxyd_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq,
    struct wbuf *body)
{
	struct msg	m = { .fd = -1 };
	bool		nomem;

	must(has_scripts && worker_up[p->index]);
	must(!called || type == MSG_HOOK_CLOSE);
	if (body != NULL) {
		must(body->len <= MSG_MAX);
		rbuf_init(&m.body, body->data, body->len);
	}
	if (type == MSG_HOOK_OPEN) {
		must(told_by == -1 || told_by == (int)p->index);
		told_by = (int)p->index;
		must(hook_get_fields(&m.body, &told, &nomem) == 0);
		must(get_end(&m.body) == 0);
		return;
	}
	must(told_by == (int)p->index);
	if (type == MSG_HOOK_CALL) {
		called = true;
		call_sid = sid;
		call_seq = seq;
		told_call(&m);
		return;
	}
	must(type == MSG_HOOK_CLOSE);
	if (called)
		followed = false;
	called = false;
	told_by = -1;
	hook_session_clear(&told);
}

/* --- verdicts ------------------------------------------------------------- */

static const char *const	commands[] = { "NOOP", "RSET", "DATA",
	"RCPT TO:<x@example.org>", "RCPT TO:<b@example.org>",
	"MAIL FROM:<a@b.example>", "QUIT", "EHLO x.example", "BDAT 3",
	"STARTTLS", "AUTH PLAIN ****", "VRFY a", "BDAT", "X\377", "data ",
	"MAIL FROM:<a@b.example> SIZE=100" };
static const char *const	addresses[] = { "b@example.org",
	"x@example.org", "a@example.org", "", "<>", "a b", "postmaster",
	"z@b.example", "q@c.example", "<@r.example:y@example.org>" };
static const char *const	names[] = { "b1", "b2", "mx", "none", "" };
static const char *const	hosts[] = { "Other.example", "[192.0.2.7]",
	"", "a b", "\303\266.example" };
static const char *const	extensions[] = { "CHUNKING", "STARTTLS",
	"SIZE", "PIPELINING", "X-OTHER", "DSN", "BINARYMIME", "a b" };
static const uint16_t		codes[] = { 250, 354, 334, 421, 450, 451, 521,
	550, 554, 220, 235, 221, 200, 299, 600, 100 };

#define PICK(a)		(a)[order() % (sizeof(a) / sizeof((a)[0]))]

/* Lines of a reply; those of commands are numbered. */
static void
put_words(struct proto_hook_verdict *v)
{
	static char	lines[HOOK_REPLY_MAX + 512];
	unsigned int	i, n = order();
	size_t		used = 0;

	n = n < 200 ? 1 : n == 255 ? HOOK_REPLY_LINES + 1 : n - 198;
	mark++;
	for (i = 0; i < n && used + 600 < sizeof(lines); i++)
		used += (size_t)snprintf(lines + used, sizeof(lines) - used,
		    "%s%s%u %.*s", i == 0 ? "" : "\n",
		    call_stage == HOOK_COMMAND ? "mark " : "word ", mark,
		    (int)(n > 50 ? 300 : n), "                              "
		    "                                                        ");
	v->nlines = i;
	v->lines = lines;
}

static void
put_reply(struct proto_hook_verdict *v)
{
	unsigned int	n = order();

	v->code = PICK(codes);
	if (v->kind == HOOKV_ACCEPT && n % 8 != 0)
		v->code = call_stage == HOOK_CONNECT ? 220 : 250;
	else if (v->kind == HOOKV_REJECT && n % 8 != 0)
		v->code = 550;
	else if (v->kind == HOOKV_DEFER && n % 8 != 0)
		v->code = 450;
	if (v->code / 100 == 3 && n % 8 != 7)
		v->flags |= HOOKV_NEXT;
	if (n % 3 == 1)
		(void)snprintf(v->enhanced, sizeof(v->enhanced), "%d.0.0",
		    v->code / 100);
	put_words(v);
}

static void
put_sets(struct proto_hook_verdict *v, struct hook_pairs *pairs)
{
	unsigned int	n;

	(void)strlcpy(v->command, PICK(commands), sizeof(v->command));
	(void)strlcpy(v->address, PICK(addresses), sizeof(v->address));
	(void)strlcpy(v->transportid, PICK(names), sizeof(v->transportid));
	(void)strlcpy(v->host, PICK(hosts), sizeof(v->host));
	for (n = order() % 4; n > 0 && (v->flags & HOOKV_SET_EXTENSIONS); n--)
		must(hook_pairs_add(pairs, PICK(extensions), n % 2 == 0 ? "" :
		    "1") == 0);
	v->extensions = *pairs;
}

static void
make_verdict(struct proto_hook_verdict *v, struct hook_pairs *pairs)
{
	static char	nothing[] = "";
	unsigned int	n = order(), flags = order();

	memset(v, 0, sizeof(*v));
	v->lines = nothing;
	v->kind = call_stage == HOOK_COMMAND ? (n % 8 < 5 ? HOOKV_PASS :
	    HOOKV_REPLY) : n % 8 < 4 ? HOOKV_ACCEPT : n % 8 < 6 ?
	    HOOKV_REJECT : HOOKV_DEFER;
	if (n >= 240)
		v->kind = (uint8_t)(n % HOOK_VERDICT_COUNT);
	if (call_stage == HOOK_COMMAND && flags % 8 == 1)
		v->flags |= HOOKV_NEXT;
	if (flags % 16 == 2 && v->kind != HOOKV_PASS)
		v->flags |= HOOKV_DISCONNECT;
	v->flags |= (flags & 0x20) != 0 ? HOOKV_CONTEXT : 0;
	if (v->kind == HOOKV_PASS && flags % 8 == 3)
		v->flags |= HOOKV_SET_COMMAND;
	if (v->kind == HOOKV_ACCEPT && flags % 4 == 3)
		v->flags |= call_stage == HOOK_EHLO ? HOOKV_SET_HOST :
		    HOOKV_SET_ADDRESS;
	if (v->kind == HOOKV_ACCEPT && flags % 8 == 4)
		v->flags |= call_stage == HOOK_EHLO ? HOOKV_SET_EXTENSIONS :
		    HOOKV_SET_TRANSPORTID;
	if (flags >= 250)
		v->flags = (uint8_t)order();
	if (v->kind == HOOKV_REPLY || flags % 4 == 2)
		put_reply(v);
	if (v->flags & ~(HOOKV_NEXT | HOOKV_DISCONNECT | HOOKV_CONTEXT))
		put_sets(v, pairs);
}

/* --- steps ---------------------------------------------------------------- */

static void
proxyd_up(unsigned int i)
{
	worker_up[i] = true;
	hook_proxyd_up(&proxyd[i]);
}

static void
proxyd_down(unsigned int i)
{
	if (!worker_up[i])
		return;
	worker_up[i] = false;
	if (told_by == (int)i) {
		told_by = -1;
		called = false;
		followed = false;
		hook_session_clear(&told);
	}
	ask_peer_down(&proxyd[i]);
	hook_proxyd_down(&proxyd[i]);
}

/* A frame of its own making, in the place of a verdict; or behind it. */
static void
send_garbage(unsigned int i, unsigned int n)
{
	uint8_t		 junk[40];
	struct msg	 m = { .fd = -1, .type = MSG_HOOK_VERDICT,
			     .sid = call_sid, .seq = call_seq };
	size_t		 k;

	for (k = 0; k < sizeof(junk); k++)
		junk[k] = (uint8_t)order();
	rbuf_init(&m.body, junk, n % sizeof(junk));
	if (ask_answer(&proxyd[i], &m) == -1)
		proxyd_down(i);
}

static void
answer_call(unsigned int i, unsigned int n)
{
	struct proto_hook_verdict	 v;
	struct hook_pairs		 pairs = { .n = 0 };
	struct wbuf			 w = { .data = NULL };
	struct msg			 m = { .fd = -1,
					     .type = MSG_HOOK_VERDICT,
					     .sid = call_sid,
					     .seq = call_seq }, look;
	struct proto_hook_verdict	 got;
	bool				 possible;

	make_verdict(&v, &pairs);
	put_hook_verdict(&w, &v);
	must(wire_ok(&w));
	rbuf_init(&m.body, w.data, w.len);
	look = m;
	possible = get_hook_verdict(&look, &got) == 0 &&
	    hook_verdict_check(call_stage, call_verb, &got) == NULL;
	hook_verdict_clear(&got);
	called = false;
	if (possible)
		follow(&v);
	must(ask_answer(&proxyd[i], &m) == (possible ? 0 : -1));
	if (!possible)
		proxyd_down(i);
	else if (n % 16 == 5 && !called)
		send_garbage(i, n);
	wbuf_clear(&w);
	hook_pairs_clear(&pairs);
}

/* Something that a worker does; false: nothing. */
static bool
proxyd_step(void)
{
	unsigned int	i, n;

	for (i = 0; has_scripts && i < WORKERS; i++)
		if (!worker_up[i] && order() % 4 == 0) {
			proxyd_up(i);
			return true;
		}
	if (!called)
		return false;
	i = (unsigned int)told_by;
	n = order();
	if (n == 0xff)
		proxyd_down(i);
	else if (n == 0xf1) {
		followed = called = false;
		send_garbage(i, order());
	} else if (n == 0xf3)
		return false;		/* later; or too late */
	else
		answer_call(i, n);
	return true;
}

static void
proxyd_begin(bool scripts, bool all)
{
	unsigned int	i;

	has_scripts = scripts;
	called = at_end = prompted = in_data = false;
	followed = all;
	told_by = -1;
	place = arrived = 0;
	mark = 0;
	hook_session_init(&told);
	for (i = 0; scripts && i < WORKERS; i++)
		proxyd_up(i);
}

static void
proxyd_end(void)
{
	unsigned int	i;

	for (i = 0; i < WORKERS; i++)
		proxyd_down(i);
	must(told_by == -1 && !called);
	hook_session_clear(&told);
}

#endif
