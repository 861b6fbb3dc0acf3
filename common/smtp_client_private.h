/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files of the client share; nobody else includes this.
 *
 *	smtp_client.c		what the owner calls
 *	smtp_client_body.c	content: behind DATA, in chunks
 *	smtp_client_loop.c	what the event loop calls
 *	smtp_client_reply.c	what replies do
 *	smtp_client_ehlo.c	what EHLO's reply offers
 *	smtp_client_auth.c	our login
 */
#ifndef SMTP_CLIENT_PRIVATE_H
#define SMTP_CLIENT_PRIVATE_H

#include <sys/queue.h>

#include "buf.h"
#include "io.h"
#include "smtp_client.h"
#include "timer.h"

/* What we wait for, or do. */
enum client_state {
	C_FIRST,		/* the owner's octets, before TLS */
	C_BANNER,
	C_EHLO,			/* or LHLO */
	C_HELO,
	C_STARTTLS,
	C_HANDSHAKE,
	C_AUTH,
	C_XCLIENT,
	C_READY,		/* commands and their replies */
	C_BODY,			/* behind 354 */
	C_CHUNK,		/* octets of a chunk are missing */
	C_CHUNKED,		/* behind the last of them; not the last one */
	C_FINAL,		/* behind the dot, or the last chunk */
	C_QUIT,			/* the end: nobody waits for replies */
	C_CLOSED
};

/* How far our login is: what a 334 asks for. */
enum auth_step {
	AUTH_PLAIN,		/* name and password in one */
	AUTH_USERNAME,		/* LOGIN */
	AUTH_PASSWORD,
	AUTH_SAID		/* nothing more: the verdict comes */
};

/* Mechanisms that the server offered and we know. */
#define MECH_PLAIN	0x01
#define MECH_LOGIN	0x02

/*
 * A command: not sent yet (it has its text), or sent and awaiting its reply.
 * The queue holds first those that await one, in order.
 */
struct command {
	TAILQ_ENTRY(command)	 entry;
	enum client_event	 event;		/* how the reply is told:
						   CLIENT_READY is XCLIENT */
	uint32_t		 tag;
	char			 text[];
};

TAILQ_HEAD(commands, command);

struct smtp_client {
	struct io		 io;
	struct timer		 timer;		/* of the state */
	enum client_state	 state;		/* written by client_enter */
	enum client_end		 end;
	enum client_state	 ended_in;
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
	struct commands		 accepted;	/* LMTP: RCPTs of this
						   transaction, answered 2xx:
						   their verdicts to come */
	unsigned int		 due;		/* replies that may come in the
						   input being read */
	struct smtp_lines	 lines;
	struct smtp_reply_in	*in;		/* a reply not whole yet */
	struct buf		 text;		/* its lines, where wanted */
	bool			 text_lost;	/* they found no memory */
	unsigned int	 text_more;	/* lines behind those kept */
	struct smtp_data_out	 out;
	uint64_t		 chunk_left;	/* octets that the owner owes */
	bool			 chunk_last;
	bool			 all_good;	/* verdicts so far: all 2xx */
	uint64_t		 moved;		/* octets out when last seen */
	uint64_t		 max_size;
	unsigned int		 extensions;
	unsigned int		 mechanisms;	/* MECH_* */
	enum auth_step		 auth;
	bool			 clear;
	bool			 secure;	/* TLS, and what policy wants */
	bool			 reading;	/* in the loop over input */
	bool			 data;		/* DATA sent, no reply yet */
	bool			 transaction;
	bool			 stuck;		/* the body did not fit */
	bool			*freed;		/* set by client_free */
};

static inline bool
client_is_lmtp(const struct smtp_client *c)
{
	return c->remote->protocol == PROTO_LMTP;
}

/* --- smtp_client.c ------------------------------------------------------- */

/* Write a line and wait for its reply in the given state.  false: failed. */
bool	client_say(struct smtp_client *, enum client_state, const char *verb,
	    const char *arg);
/* Begin TLS.  -1: no memory, or the connection is lost. */
int	client_start_tls(struct smtp_client *);
/* C_FIRST: has all of it left?  Then TLS begins. */
void	client_first_gone(struct smtp_client *);
/* Send what may be sent now.  false: failed. */
bool	client_send(struct smtp_client *);
/* The oldest command got its reply: take it out. */
struct command *client_shift(struct smtp_client *);
/* Did a reply, or a piece of it, come that nobody can have asked for yet? */
bool	client_is_ahead(struct smtp_client *);
/* The next command is XCLIENT, and may be sent. */
bool	client_xclient_waits(const struct smtp_client *);

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
/* Forget whose verdicts a message would get. */
void	client_forget_accepted(struct smtp_client *);
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
/* Greeted, as safe as it gets, logged in: tell it and send what waits. */
bool	client_greeted(struct smtp_client *);
/* Code and text of a reply are out of place. */
bool	client_garbage(struct smtp_client *, const struct smtp_reply *,
	    const char *what);
/* Close, with what a reply said as the reason. */
bool	client_refused(struct smtp_client *, enum client_end,
	    const struct smtp_reply *, const char *what);

/* --- smtp_client_ehlo.c -------------------------------------------------- */

/* EHLO's keywords: for smtp_reply_line. */
void	client_extension(void *, struct slice);
/* What was offered does not hold any more. */
void	client_forget_offer(struct smtp_client *);

/* --- smtp_client_auth.c -------------------------------------------------- */

/* Begin to log in, and take a reply to that.  false as above. */
bool	client_login(struct smtp_client *);
bool	client_on_auth(struct smtp_client *, const struct smtp_reply *);

#endif
