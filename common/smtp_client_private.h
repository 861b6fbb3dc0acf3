/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files of the client share; nobody else includes this.
 *
 *	smtp_client.c		what the owner calls
 *	smtp_client_loop.c	what the event loop calls
 *	smtp_client_reply.c	what replies do
 */
#ifndef SMTP_CLIENT_PRIVATE_H
#define SMTP_CLIENT_PRIVATE_H

#include <sys/queue.h>

#include "io.h"
#include "smtp_client.h"
#include "timer.h"

/* What we wait for, or do. */
enum client_state {
	C_BANNER,
	C_EHLO,
	C_HELO,
	C_STARTTLS,
	C_HANDSHAKE,
	C_READY,		/* commands and their replies */
	C_BODY,			/* behind 354 */
	C_FINAL,		/* behind the dot */
	C_QUIT,			/* the end: nobody waits for replies */
	C_CLOSED
};

/*
 * A command: not sent yet (it has its text), or sent and awaiting its reply.
 * The queue holds first those that await one, in order.
 */
struct command {
	TAILQ_ENTRY(command)	 entry;
	enum client_event	 event;		/* how the reply is told */
	uint32_t		 tag;
	char			 text[];
};

TAILQ_HEAD(commands, command);

struct smtp_client {
	struct io		 io;
	struct timer		 timer;		/* of the state */
	enum client_state	 state;		/* written by client_enter */
	enum client_end		 end;
	client_cb		*cb;
	void			*arg;
	uint64_t		 sid;
	const struct conf_remote *remote;
	struct tlsctx_remote	*tls;
	char			*helo;
	char			*host;		/* for SNI and certificate */
	char			*why;
	struct commands		 commands;
	struct command		*unsent;	/* the first such one */
	unsigned int		 awaited;	/* those before it */
	unsigned int		 due;		/* replies that may come in the
						   input being read */
	struct smtp_lines	 lines;
	struct smtp_reply_in	*in;		/* a reply not whole yet */
	struct smtp_data_out	 out;
	uint64_t		 moved;		/* octets out when last seen */
	uint64_t		 max_size;
	unsigned int		 extensions;
	bool			 clear;
	bool			 secure;	/* TLS, and what policy wants */
	bool			 reading;	/* in the loop over input */
	bool			 data;		/* DATA sent, no reply yet */
	bool			 transaction;
	bool			 stuck;		/* the body did not fit */
	bool			*freed;		/* set by client_free */
};

/* --- smtp_client.c ------------------------------------------------------- */

/* Write a line and wait for its reply in the given state.  false: failed. */
bool	client_say(struct smtp_client *, enum client_state, const char *verb,
	    const char *arg);
/* Begin TLS.  -1 without memory. */
int	client_start_tls(struct smtp_client *);
/* Send what may be sent now.  false: failed. */
bool	client_send(struct smtp_client *);
/* The oldest command got its reply: take it out. */
struct command *client_shift(struct smtp_client *);

/* --- smtp_client_loop.c -------------------------------------------------- */

void	client_enter(struct smtp_client *, enum client_state);
/* Tell the owner.  false: it freed the client. */
bool	client_tell(struct smtp_client *, enum client_event,
	    const struct smtp_reply *, uint32_t tag);
/* Close and tell the owner.  Always false: the client may be freed. */
bool	client_fail(struct smtp_client *, enum client_end,
	    const struct smtp_reply *, const char *, ...)
	    __attribute__((__format__(printf, 4, 5)));
/* The same from inside a call of the owner: it is told from the loop. */
void	client_fail_later(struct smtp_client *, enum client_end, const char *);
/* Forget all commands. */
void	client_forget(struct smtp_client *);
/* Close, saying nothing more. */
void	client_hang_up(struct smtp_client *);
/* A deadline for what is awaited now. */
void	client_deadline(struct smtp_client *);
/* Is the beginning of a reply there, but not its end? */
bool	client_is_partial(const struct smtp_client *);
void	client_on_timer(void *);
void	client_on_io(struct io *, enum io_event);

/* --- smtp_client_reply.c ------------------------------------------------- */

/*
 * Take a whole reply, or the end of the handshake.  false: the client is
 * closed and may be freed.
 */
bool	client_reply(struct smtp_client *, const struct smtp_reply *);
bool	client_tls_done(struct smtp_client *);
/* EHLO's keywords: for smtp_reply_line. */
void	client_extension(void *, struct slice);

#endif
