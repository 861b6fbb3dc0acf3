/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The machine that talks to a next hop: see smtp_client.h; content is in
 * smtp_client_body.c, what replies do in smtp_client_reply.c.
 *
 * The queue of commands is the whole of pipelining: a command is queued at
 * any time, sent as soon as the rules allow it, and stays in the queue until
 * its reply has come.  Nothing is sent behind DATA, so that there is no
 * state in which we cannot tell commands from content.  XCLIENT is a command
 * too, since what is asked behind it must wait for it; its reply leads back
 * into the greeting.
 *
 * One timer runs, for what is awaited: the oldest reply as a whole (a server
 * that dribbles gains nothing), the handshake, progress of the body, the
 * verdict, the 221.  An idle connection has none: how long it is kept is
 * its owner's business.  The body's timer looks every timeout.data whether
 * anything has moved, so that a server that takes nothing is given up after
 * one to two of these.
 *
 * The end: client_fail() in what the loop calls, client_fail_later() in what
 * the owner calls.  Both close the descriptor at once without sending what
 * is queued: a dot among it must not go out.  Whatever calls the owner
 * returns false up to the loop when the client is closed, since it may be
 * freed.
 *
 * Considered and rejected: holding the greeting's commands in the same queue
 * (the state already says which reply is awaited, and nothing may be
 * pipelined there); an event of its own for every client to tell of an end
 * (the timer does it, at its next tick).
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "smtp_client_private.h"
#include "tlsctx.h"

#define IN_MAX		(2 * SMTP_REPLY_IN_MAX)
#define TEXT_MAX	(SMTP_REPLY_LINES_MAX * SMTP_REPLY_IN_MAX + 1)

/* --- output -------------------------------------------------------------- */

bool
client_say(struct smtp_client *c, enum client_state state, const char *verb,
    const char *arg)
{
	char	 line[SMTP_LINE_MAX];
	int	 n;

	n = snprintf(line, sizeof(line), "%s%s%s\r\n", verb,
	    arg != NULL ? " " : "", arg != NULL ? arg : "");
	if (n < 0 || (size_t)n >= sizeof(line) ||
	    (io_write(&c->io, line, n) == -1 && errno != EPIPE))
		return client_fail(c, END_MEMORY, NULL, "no memory");
	client_enter(c, state);
	client_deadline(c);
	return true;
}

int
client_start_tls(struct smtp_client *c)
{
	struct tls	*tls;

	if ((tls = tlsctx_client(c->tls)) == NULL ||
	    io_tls_client(&c->io, tls, c->host) == -1)
		return -1;
	client_enter(c, C_HANDSHAKE);
	client_deadline(c);
	return 0;
}

static bool
may_send(const struct smtp_client *c, enum client_event event)
{
	if (c->state != C_READY || c->data)
		return false;
	if (c->awaited == 0)
		return true;
	return event != CLIENT_READY && (c->extensions & EXT_PIPELINING) != 0;
}

static void
sent(struct smtp_client *c, const struct command *cmd)
{
	c->awaited++;
	if (cmd->event == CLIENT_DATA)
		c->data = true;
	if (cmd->event == CLIENT_READY)
		client_enter(c, C_XCLIENT);
	if (c->awaited == 1)
		client_deadline(c);
}

bool
client_send(struct smtp_client *c)
{
	struct command	*cmd;

	while ((cmd = c->unsent) != NULL && may_send(c, cmd->event)) {
		if (io_write(&c->io, cmd->text, strlen(cmd->text)) == -1 &&
		    errno != EPIPE)
			return client_fail(c, END_MEMORY, NULL, "no memory");
		c->unsent = TAILQ_NEXT(cmd, entry);
		sent(c, cmd);
	}
	return true;
}

struct command *
client_shift(struct smtp_client *c)
{
	struct command	*cmd = TAILQ_FIRST(&c->commands);

	TAILQ_REMOVE(&c->commands, cmd, entry);
	c->awaited--;
	return cmd;
}

bool
client_xclient_waits(const struct smtp_client *c)
{
	return c->awaited == 0 && c->unsent != NULL &&
	    c->unsent->event == CLIENT_READY;
}

/* --- commands ------------------------------------------------------------ */

/* What would begin a line of its own, or confuse a log. */
static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

bool
client_is_ahead(struct smtp_client *c)
{
	if (c->reading || !client_is_partial(c))
		return false;
	client_fail_later(c, END_GARBAGE, "a reply that nobody asked for");
	return true;
}

/* Queue a line, or send it right away; n is its length. */
static int
command_add(struct smtp_client *c, enum client_event event, uint32_t tag,
    const char *line, size_t n)
{
	struct command	*cmd;
	bool		 now = c->unsent == NULL && may_send(c, event);

	if ((cmd = malloc(sizeof(*cmd) + (now ? 0 : n + 1))) == NULL ||
	    (now && io_write(&c->io, line, n) == -1)) {
		free(cmd);
		client_fail_later(c, errno == EPIPE ? END_LOST : END_MEMORY,
		    strerror(errno));
		return -1;
	}
	cmd->event = event;
	cmd->tag = tag;
	TAILQ_INSERT_TAIL(&c->commands, cmd, entry);
	if (now)
		sent(c, cmd);
	else {
		memcpy(cmd->text, line, n + 1);
		if (c->unsent == NULL)
			c->unsent = cmd;
	}
	return 0;
}

static int
command(struct smtp_client *c, enum client_event event, uint32_t tag,
    const char *fmt, ...) __attribute__((__format__(printf, 4, 5)));

static int
command(struct smtp_client *c, enum client_event event, uint32_t tag,
    const char *fmt, ...)
{
	char	 line[SMTP_LINE_MAX];
	va_list	 ap;
	int	 n;

	if (c->state == C_CLOSED || c->state == C_QUIT)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 2 || has_control(line)) {
		log_warnx("a command that may not be sent: too long, or "
		    "with control octets");
		client_fail_later(c, END_GARBAGE, "our own command is bad");
		return -1;
	}
	if (c->state == C_CHUNK) {
		client_fail_later(c, END_GARBAGE,
		    "our own chunk is too short");
		return -1;
	}
	if (c->state == C_READY && c->awaited == 0 && client_is_ahead(c))
		return -1;
	memcpy(line + n, "\r\n", 3);
	return command_add(c, event, tag, line, n + 2);
}

int
client_mail(struct smtp_client *c, const char *sender, const char *params)
{
	if (command(c, CLIENT_MAIL, 0, "MAIL FROM:<%s>%s%s", sender,
	    params[0] != '\0' ? " " : "", params) == -1)
		return -1;
	c->transaction = true;
	return 0;
}

int
client_rcpt(struct smtp_client *c, const char *rcpt, const char *params,
    uint32_t tag)
{
	return command(c, CLIENT_RCPT, tag, "RCPT TO:<%s>%s%s", rcpt,
	    params[0] != '\0' ? " " : "", params);
}

int
client_data(struct smtp_client *c)
{
	return command(c, CLIENT_DATA, 0, "DATA");
}

int
client_rset(struct smtp_client *c)
{
	return command(c, CLIENT_RSET, 0, "RSET");
}

int
client_vrfy(struct smtp_client *c, const char *what)
{
	return command(c, CLIENT_OTHER, 0, "VRFY %s", what);
}

int
client_expn(struct smtp_client *c, const char *what)
{
	return command(c, CLIENT_OTHER, 0, "EXPN %s", what);
}

/* Will a transaction be open behind all commands that are queued? */
static bool
is_inside(const struct smtp_client *c)
{
	const struct command	*cmd;
	bool			 inside = c->transaction;

	TAILQ_FOREACH(cmd, &c->commands, entry) {
		if (cmd->event == CLIENT_MAIL)
			inside = true;
		else if (cmd->event == CLIENT_RSET)
			inside = false;
	}
	return inside;
}

int
client_xclient(struct smtp_client *c, const char *attributes)
{
	if (is_inside(c)) {
		client_fail_later(c, END_GARBAGE,
		    "our own XCLIENT is inside a transaction");
		return -1;
	}
	return command(c, CLIENT_READY, 0, "XCLIENT %s", attributes);
}

void
client_quit(struct smtp_client *c)
{
	static const char	 quit[] = "QUIT\r\n";

	if (c->state == C_CLOSED || c->state == C_QUIT)
		return;
	if (!may_send(c, CLIENT_CLOSED) ||
	    io_write(&c->io, quit, sizeof(quit) - 1) == -1) {
		client_fail_later(c, END_QUIT, "quit");
		return;
	}
	client_forget(c);
	client_enter(c, C_QUIT);
	client_deadline(c);
}

/* --- making and freeing -------------------------------------------------- */

static int
copy_params(struct smtp_client *c, const struct client_params *p)
{
	const char	*host = p->remote->tls.name;

	if (host == NULL || host[0] == '\0')
		host = p->host != NULL ? p->host : "";
	if (has_control(p->helo)) {
		log_warnx("a name that may not be sent in EHLO");
		return -1;
	}
	if ((c->helo = strdup(p->helo)) == NULL ||
	    (c->host = strdup(host)) == NULL)
		return -1;
	c->remote = p->remote;
	c->tls = p->tls;
	c->clear = p->clear;
	c->sid = p->sid;
	return 0;
}

/* TLS begins when no octet of what goes first is here any more. */
void
client_first_gone(struct smtp_client *c)
{
	/* a lost connection is told by io */
	if (io_queued(&c->io) > 0 || io_error(&c->io)[0] != '\0')
		return;
	if (client_start_tls(c) == -1)
		client_fail_later(c, END_MEMORY, "no memory for TLS");
}

static void
begin(struct smtp_client *c, const struct client_params *p)
{
	bool	 implicit = c->remote->tls.mode == RTLS_IMPLICIT;

	client_enter(c, implicit ? C_FIRST : C_BANNER);
	client_deadline(c);
	if (implicit && c->tls == NULL) {
		client_fail_later(c, END_TLS, "no TLS context");
		return;
	}
	if (p->first != NULL &&
	    io_write(&c->io, p->first, p->first_len) == -1) {
		if (errno != EPIPE)
			client_fail_later(c, END_MEMORY, strerror(errno));
		return;
	}
	if (implicit) {
		io_flush(&c->io);
		client_first_gone(c);
	}
}

struct smtp_client *
client_new(int fd, const struct client_params *p, client_cb *cb, void *arg)
{
	struct smtp_client	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL || copy_params(c, p) == -1) {
		if (c != NULL) {
			free(c->helo);
			free(c->host);
		}
		free(c);
		(void)close(fd);
		return NULL;
	}
	c->cb = cb;
	c->arg = arg;
	TAILQ_INIT(&c->commands);
	TAILQ_INIT(&c->accepted);
	timer_init(&c->timer, client_on_timer, c);
	buf_init(&c->text, TEXT_MAX);
	io_init(&c->io, fd, IN_MAX, client_on_io, c);
	io_start(&c->io);
	begin(c, p);
	return c;
}

void
client_free(struct smtp_client *c)
{
	if (c == NULL)
		return;
	if (c->freed != NULL)
		*c->freed = true;
	client_hang_up(c);
	free(c->helo);
	free(c->host);
	free(c->why);
	free(c);
}

void
client_rebind(struct smtp_client *c, uint64_t sid, client_cb *cb, void *arg)
{
	c->sid = sid;
	c->cb = cb;
	c->arg = arg;
}

/* --- questions ----------------------------------------------------------- */

const char *
client_lines(struct smtp_client *c)
{
	if (c->text_lost || buf_add(&c->text, "", 1) == -1)
		return NULL;
	return buf_data(&c->text);
}

bool
client_is_full(const struct smtp_client *c)
{
	return io_is_full(&c->io);
}

bool
client_owes(const struct smtp_client *c)
{
	return !TAILQ_EMPTY(&c->commands);
}

bool
client_is_idle(const struct smtp_client *c)
{
	return c->state == C_READY && TAILQ_EMPTY(&c->commands) &&
	    !c->transaction;
}

bool
client_is_ready(const struct smtp_client *c)
{
	switch (c->state) {
	case C_READY:
	case C_BODY:
	case C_CHUNK:
	case C_CHUNKED:
	case C_FINAL:
		return true;
	case C_FIRST:
	case C_BANNER:
	case C_EHLO:
	case C_HELO:
	case C_STARTTLS:
	case C_HANDSHAKE:
	case C_AUTH:
	case C_XCLIENT:
	case C_QUIT:
	case C_CLOSED:
		break;
	}
	return false;
}

unsigned int
client_extensions(const struct smtp_client *c)
{
	return c->extensions;
}

uint64_t
client_max_size(const struct smtp_client *c)
{
	return c->max_size;
}

enum client_end
client_end(const struct smtp_client *c)
{
	return c->end;
}

enum client_step
client_ended_at(const struct smtp_client *c)
{
	switch (c->ended_in) {
	case C_BANNER:
		return STEP_BANNER;
	case C_EHLO:
	case C_HELO:
		return c->end == END_TLS ? STEP_TLS : STEP_EHLO;
	case C_FIRST:
	case C_STARTTLS:
	case C_HANDSHAKE:
		return STEP_TLS;
	case C_AUTH:
		return STEP_AUTH;
	case C_XCLIENT:
	case C_READY:
	case C_BODY:
	case C_CHUNK:
	case C_CHUNKED:
	case C_FINAL:
	case C_QUIT:
	case C_CLOSED:
		break;
	}
	return STEP_COMMANDS;
}

const char *
client_why(const struct smtp_client *c)
{
	return c->why != NULL ? c->why : "";
}

bool
client_is_tls(const struct smtp_client *c)
{
	return c->secure;
}
