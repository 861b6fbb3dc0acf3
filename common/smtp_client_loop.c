/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The side of a client that the event loop calls: time, input, and the end.
 * See smtp_client.h and smtp_client.c.
 *
 * A reply counts only for what was sent before it began to come.  So what
 * may come in the input of one event is counted before it is looked at
 * (c->due): a command that the owner gives while it hears of a reply cannot
 * be answered by the octets behind that reply.  A reply that is not whole
 * when nothing is awaited, or that began before its command, is nobody's.
 */

#include <sys/types.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "smtp_client_private.h"

#define QUIT_WAIT	5000	/* milliseconds at most for the 221 */
#define TEXT_MORE_MAX	10000	/* lines of a reply that are dropped */

static const char *const	names[] = {
	[C_FIRST] = "connected", [C_BANNER] = "banner", [C_EHLO] = "EHLO",
	[C_HELO] = "HELO", [C_STARTTLS] = "STARTTLS",
	[C_HANDSHAKE] = "TLS handshake", [C_AUTH] = "AUTH",
	[C_XCLIENT] = "XCLIENT", [C_READY] = "command", [C_BODY] = "body",
	[C_CHUNK] = "chunk", [C_CHUNKED] = "end of chunk",
	[C_FINAL] = "end of message", [C_QUIT] = "QUIT", [C_CLOSED] = "closed"
};

/* What we wait for, in words: of commands the first that is not answered. */
static const char *
waits_for(const struct smtp_client *c)
{
	static const char *const commands[] = {
		[CLIENT_MAIL] = "MAIL", [CLIENT_RCPT] = "RCPT",
		[CLIENT_DATA] = "DATA", [CLIENT_RSET] = "RSET",
		[CLIENT_OTHER] = "VRFY or EXPN"
	};
	const struct command	*cmd = TAILQ_FIRST(&c->commands);

	if (c->state == C_READY && cmd != NULL &&
	    cmd->event < sizeof(commands) / sizeof(commands[0]) &&
	    commands[cmd->event] != NULL)
		return commands[cmd->event];
	return names[c->state];
}

/* --- state, and the end -------------------------------------------------- */

void
client_enter(struct smtp_client *c, enum client_state state)
{
	c->state = state;
	if (log_begin(LOG_LEVEL_DEBUG, c->sid, "upstream")) {
		log_str("state", names[state]);
		log_end();
	}
	if (state == C_BODY)
		memset(&c->out, 0, sizeof(c->out));
	if (state == C_BODY || state == C_CHUNK)
		c->stuck = false;
}

bool
client_tell(struct smtp_client *c, enum client_event event,
    const struct smtp_reply *reply, uint32_t tag)
{
	bool	 freed = false, *outer = c->freed;

	c->freed = &freed;
	c->cb(c->arg, event, reply, tag);
	if (!freed)
		c->freed = outer;
	else if (outer != NULL)
		*outer = true;
	return !freed;
}

static void
forget(struct commands *commands)
{
	struct command	*cmd;

	while ((cmd = TAILQ_FIRST(commands)) != NULL) {
		TAILQ_REMOVE(commands, cmd, entry);
		free(cmd);
	}
}

void
client_forget_accepted(struct smtp_client *c)
{
	forget(&c->accepted);
}

void
client_forget(struct smtp_client *c)
{
	forget(&c->commands);
	forget(&c->accepted);
	c->unsent = NULL;
	c->awaited = 0;
	c->due = 0;
	c->data = false;
}

void
client_hang_up(struct smtp_client *c)
{
	timer_del(&c->timer);
	io_drop(&c->io);
	io_close(&c->io);
	client_forget(c);
	free(c->in);
	c->in = NULL;
	buf_clear(&c->text);
}

bool
client_fail(struct smtp_client *c, enum client_end end,
    const struct smtp_reply *reply, const char *fmt, ...)
{
	va_list	 ap;

	if (c->state == C_CLOSED)
		return false;
	va_start(ap, fmt);
	if (vasprintf(&c->why, fmt, ap) == -1)
		c->why = NULL;
	va_end(ap);
	/* having said QUIT we do not care how it ends */
	c->end = c->state == C_QUIT ? END_QUIT : end;
	c->ended_in = c->state;
	client_hang_up(c);
	client_enter(c, C_CLOSED);
	(void)client_tell(c, CLIENT_CLOSED, reply, 0);
	return false;
}

void
client_fail_later(struct smtp_client *c, enum client_end end, const char *why)
{
	if (c->state == C_CLOSED)
		return;
	c->why = strdup(why);
	c->end = end;
	c->ended_in = c->state;
	client_hang_up(c);
	client_enter(c, C_CLOSED);
	timer_set(&c->timer, 0);
}

/* --- time ---------------------------------------------------------------- */

void
client_deadline(struct smtp_client *c)
{
	const struct conf_timeouts	*t = &c->remote->timeout;

	switch (c->state) {
	case C_CHUNKED:
		if (io_queued(&c->io) == 0) {
			timer_set(&c->timer, t->command);
			break;
		}
		/* FALLTHROUGH */
	case C_BODY:
	case C_CHUNK:
		c->moved = c->io.octets_out;
		timer_set(&c->timer, t->data);
		break;
	case C_FINAL:
		timer_set(&c->timer, t->final);
		break;
	case C_QUIT:
		timer_set(&c->timer, t->command < QUIT_WAIT ? t->command :
		    QUIT_WAIT);
		break;
	case C_READY:
		if (c->awaited == 0) {
			timer_del(&c->timer);
			break;
		}
		/* FALLTHROUGH */
	case C_FIRST:
	case C_BANNER:
	case C_EHLO:
	case C_HELO:
	case C_STARTTLS:
	case C_HANDSHAKE:
	case C_AUTH:
	case C_XCLIENT:
		timer_set(&c->timer, t->command);
		break;
	case C_CLOSED:
		break;
	}
}

static void
timed_out(struct smtp_client *c, enum client_end end)
{
	(void)client_fail(c, end, NULL, "timeout: %s", waits_for(c));
}

void
client_on_timer(void *arg)
{
	struct smtp_client	*c = arg;
	bool			 queued = io_queued(&c->io) > 0;
	bool			 moved = c->io.octets_out != c->moved;

	switch (c->state) {
	case C_CLOSED:
		(void)client_tell(c, CLIENT_CLOSED, NULL, 0);
		break;
	case C_BODY:
	case C_CHUNK:
		/* does the server make us wait, or the owner? */
		if (queued && !moved)
			timed_out(c, END_TIMEOUT);
		else
			client_deadline(c);
		break;
	case C_CHUNKED:
		/* here the owner has given all */
		if (!queued || !moved)
			timed_out(c, END_TIMEOUT);
		else
			client_deadline(c);
		break;
	case C_STARTTLS:
	case C_HANDSHAKE:
		timed_out(c, END_TLS);
		break;
	case C_FIRST:
	case C_BANNER:
	case C_EHLO:
	case C_HELO:
	case C_AUTH:
	case C_XCLIENT:
	case C_READY:
	case C_FINAL:
	case C_QUIT:
		timed_out(c, END_TIMEOUT);
		break;
	}
}

/* --- input --------------------------------------------------------------- */

/* How many replies are awaited. */
static unsigned int
awaited(const struct smtp_client *c)
{
	switch (c->state) {
	case C_BANNER:
	case C_EHLO:
	case C_HELO:
	case C_STARTTLS:
	case C_AUTH:
		return 1;
	case C_XCLIENT:
	case C_READY:
	case C_CHUNKED:
	case C_FINAL:
		return c->awaited;
	case C_FIRST:
	case C_HANDSHAKE:
	case C_BODY:
	case C_CHUNK:
	case C_QUIT:
	case C_CLOSED:
		break;
	}
	return 0;
}

/* Is the reply that is awaited to all that was sent? */
static bool
is_whole(const struct smtp_client *c)
{
	return c->state == C_FINAL || c->state == C_CHUNKED ||
	    c->state == C_AUTH;
}

bool
client_is_partial(const struct smtp_client *c)
{
	return c->in != NULL || io_has_input(&c->io);
}

/*
 * The lines of a reply to VRFY or EXPN are kept.  There may be many, and a
 * list with more than we tell is no fault of its server's.
 */
static void
keep_text(void *arg, struct slice line)
{
	struct smtp_client	*c = arg;

	if (c->in->lines == 1) {
		buf_clear(&c->text);
		c->text_lost = false;
		c->text_more = 0;
	}
	if (buf_add(&c->text, line.p, line.n) == -1 ||
	    buf_add(&c->text, "\n", 1) == -1)
		c->text_lost = true;
}

/* Who is to see each line of the reply that comes in. */
static void (*
line_taker(const struct smtp_client *c))(void *, struct slice)
{
	const struct command	*cmd = TAILQ_FIRST(&c->commands);

	if (c->state == C_EHLO)
		return client_extension;
	return c->state == C_READY && c->awaited > 0 &&
	    cmd->event == CLIENT_OTHER ? keep_text : NULL;
}

static bool
take_line(struct smtp_client *c, struct slice line, size_t used)
{
	struct smtp_reply	 reply;
	enum smtp_reply_result	 result;
	void			(*taker)(void *, struct slice) = line_taker(c);

	if (c->in == NULL && (c->in = calloc(1, sizeof(*c->in))) == NULL)
		return client_fail(c, END_MEMORY, NULL, "no memory");
	if (taker == keep_text && c->in->lines == SMTP_REPLY_LINES_MAX &&
	    c->text_more++ < TEXT_MORE_MAX) {
		c->in->lines--;
		taker = NULL;
	}
	result = smtp_reply_line(c->in, line, taker, c);
	io_consume(&c->io, used);
	switch (result) {
	case REPLY_MORE:
		return true;
	case REPLY_BAD:
		return client_fail(c, END_GARBAGE, NULL,
		    "not a reply (%s)", waits_for(c));
	case REPLY_DONE:
		break;
	}
	reply = c->in->reply;
	free(c->in);
	c->in = NULL;
	return client_reply(c, &reply);
}

/* No whole line is left.  What does the rest belong to? */
static void
read_end(struct smtp_client *c)
{
	c->reading = false;
	if (!client_is_partial(c))
		return;
	/* begun before the command was given that it would be taken for */
	if (c->due == 0 && awaited(c) > 0)
		(void)client_fail(c, END_GARBAGE, NULL,
		    "a reply that nobody asked for");
	else if (!timer_is_set(&c->timer))
		timer_set(&c->timer, c->remote->timeout.command);
}

static void
on_data(struct smtp_client *c)
{
	struct slice	 line;
	const char	*p;
	size_t		 n, used;
	enum smtp_line	 result;

	/* as long as the last octet is here nobody can have seen it */
	c->due = is_whole(c) && io_queued(&c->io) > 0 ? 0 : awaited(c);
	c->reading = true;
	for (;;) {
		p = io_data(&c->io, &n);
		result = smtp_line_next(&c->lines, p, n, SMTP_REPLY_IN_MAX,
		    &line, &used);
		if (result != LINE_OK)
			break;
		if (!take_line(c, line, used))
			return;
	}
	if (result == LINE_MORE && used == 0)
		read_end(c);
	else
		(void)client_fail(c, END_GARBAGE, NULL,
		    "not a line of SMTP (%s)", waits_for(c));
}

static void
on_drained(struct smtp_client *c)
{
	bool	 queued = io_queued(&c->io) > 0;

	switch (c->state) {
	case C_FIRST:
		client_first_gone(c);
		break;
	case C_BODY:
	case C_CHUNK:
	case C_CHUNKED:
		client_deadline(c);
		if (!io_is_full(&c->io))
			(void)client_tell(c, CLIENT_DRAINED, NULL, 0);
		break;
	case C_FINAL:
		if (!queued)
			client_deadline(c);
		break;
	case C_BANNER:
	case C_EHLO:
	case C_HELO:
	case C_STARTTLS:
	case C_HANDSHAKE:
	case C_AUTH:
	case C_XCLIENT:
	case C_READY:
	case C_QUIT:
	case C_CLOSED:
		break;
	}
}

static void
on_lost(struct smtp_client *c, const char *why)
{
	bool	 tls = c->state == C_STARTTLS || c->state == C_HANDSHAKE;

	(void)client_fail(c, tls ? END_TLS : END_LOST, NULL, "%s: %s", why,
	    waits_for(c));
}

void
client_on_io(struct io *io, enum io_event event)
{
	struct smtp_client	*c = io->arg;

	switch (event) {
	case IO_DATA:
		on_data(c);
		break;
	case IO_TLS:
		(void)client_tls_done(c);
		break;
	case IO_TLS_FAIL:
		(void)client_fail(c, END_TLS, NULL, "%s", io_error(io));
		break;
	case IO_DRAINED:
		on_drained(c);
		break;
	case IO_EOF:
		on_lost(c, "connection closed");
		break;
	case IO_FAIL:
		on_lost(c, io_error(io));
		break;
	}
}
