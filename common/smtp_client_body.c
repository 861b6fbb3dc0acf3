/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Content on its way to a next hop: see smtp_client.h.
 *
 * Behind DATA the dots are made here; in a chunk the octets pass as they
 * are, and are counted: the server takes exactly so many of them for
 * content, and what came behind them for commands.  An owner who gives more
 * has the connection closed before one of those leaves, and nobody may say
 * anything else before all of them are given.
 *
 * Nothing is sent behind a chunk before its reply is there, so that a reply
 * that comes before the chunk has left can be told from others (RFC 3030
 * lets us pipeline here; who gives us the octets waits for each reply
 * anyhow).
 *
 * The verdicts of LMTP (RFC 2033, section 4.2): each RCPT that was accepted
 * is kept, and at the end of the message they become the commands that await
 * a reply, in their order.  So nothing can fail for want of memory there.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp_client_private.h"

/* --- verdicts ------------------------------------------------------------ */

/* Put a command before all others. */
static int
await(struct smtp_client *c, enum client_event event)
{
	struct command	*cmd;

	if ((cmd = malloc(sizeof(*cmd))) == NULL) {
		client_fail_later(c, END_MEMORY, "no memory");
		return -1;
	}
	cmd->event = event;
	cmd->tag = 0;
	TAILQ_INSERT_HEAD(&c->commands, cmd, entry);
	c->awaited = 1;
	return 0;
}

static int
await_verdicts(struct smtp_client *c)
{
	struct command	*cmd;

	c->all_good = true;
	if (!client_is_lmtp(c))
		return await(c, CLIENT_END);
	c->awaited = 0;
	TAILQ_FOREACH(cmd, &c->accepted, entry) {
		cmd->event = CLIENT_END;
		c->awaited++;
	}
	TAILQ_CONCAT(&c->accepted, &c->commands, entry);
	TAILQ_CONCAT(&c->commands, &c->accepted, entry);
	return 0;
}

/* --- behind DATA --------------------------------------------------------- */

static void
emit(void *arg, const char *p, size_t n)
{
	struct smtp_client	*c = arg;

	if (!c->stuck && io_write(&c->io, p, n) == -1)
		c->stuck = true;
}

/* After octets of the body: did they fit? */
static int
body_result(struct smtp_client *c)
{
	if (!c->stuck)
		return 0;
	/* a lost connection is told by io */
	if (errno != EPIPE)
		client_fail_later(c, END_MEMORY, "no room for the body");
	return -1;
}

static int	chunk_body(struct smtp_client *, const char *, size_t);
static int	chunk_over(struct smtp_client *, size_t);

int
client_body(struct smtp_client *c, const char *p, size_t n)
{
	if (c->state == C_CHUNK)
		return chunk_body(c, p, n);
	if (c->state == C_CHUNKED || c->state == C_FINAL)
		return chunk_over(c, n);
	if (c->state != C_BODY)
		return -1;
	errno = 0;
	smtp_data_out(&c->out, p, n, emit, c);
	return body_result(c);
}

int
client_body_end(struct smtp_client *c)
{
	if (c->state != C_BODY || client_is_ahead(c) ||
	    await_verdicts(c) == -1)
		return -1;
	errno = 0;
	smtp_data_out_end(&c->out, emit, c);
	if (body_result(c) == -1)
		return -1;
	client_enter(c, C_FINAL);
	client_deadline(c);
	return 0;
}

/* --- chunks -------------------------------------------------------------- */

/* The last octet of it was given. */
static int
chunk_given(struct smtp_client *c)
{
	if (client_is_ahead(c))
		return -1;
	if (c->chunk_last)
		client_enter(c, C_FINAL);
	else {
		/* what stays queued then is what the server does not take */
		io_flush(&c->io);
		client_enter(c, C_CHUNKED);
	}
	client_deadline(c);
	return 0;
}

/* Octets behind the last one that was promised. */
static int
chunk_over(struct smtp_client *c, size_t n)
{
	if (n == 0)
		return 0;
	client_fail_later(c, END_GARBAGE, "our own content is too long");
	return -1;
}

static int
chunk_body(struct smtp_client *c, const char *p, size_t n)
{
	if (n > c->chunk_left)
		return chunk_over(c, n);
	if (n == 0)
		return 0;
	errno = 0;
	emit(c, p, n);
	if (body_result(c) == -1)
		return -1;
	c->chunk_left -= n;
	return c->chunk_left > 0 ? 0 : chunk_given(c);
}

/* Why no chunk may be sent now, or NULL. */
static const char *
chunk_fault(const struct smtp_client *c)
{
	if (c->state == C_CHUNK)
		return "our own chunk is too short";
	if (c->state != C_READY || !TAILQ_EMPTY(&c->commands))
		return "our own BDAT is out of place";
	if (client_is_lmtp(c) && TAILQ_EMPTY(&c->accepted))
		return "our own BDAT has no recipient";
	return NULL;
}

int
client_chunk(struct smtp_client *c, uint64_t n, bool last)
{
	const char	*fault;
	char		 line[64];
	int		 len;

	if (c->state == C_CLOSED || c->state == C_QUIT)
		return -1;
	if ((fault = chunk_fault(c)) != NULL) {
		client_fail_later(c, END_GARBAGE, fault);
		return -1;
	}
	if (client_is_ahead(c) ||
	    (last ? await_verdicts(c) : await(c, CLIENT_CHUNK)) == -1)
		return -1;
	client_enter(c, C_CHUNK);
	c->chunk_left = n;
	c->chunk_last = last;
	len = snprintf(line, sizeof(line), "BDAT %" PRIu64 "%s\r\n", n,
	    last ? " LAST" : "");
	errno = 0;
	emit(c, line, len);
	if (body_result(c) == -1)
		return -1;
	client_deadline(c);
	return n > 0 ? 0 : chunk_given(c);
}
