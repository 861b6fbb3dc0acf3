/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The upstream side of SMTP and LMTP: one machine for all who talk to
 * another server.  It starts on a connected descriptor and never makes one.
 *
 * The greeting is: what the owner puts first (a PROXY header), TLS where it
 * is implicit, banner, EHLO (LHLO), STARTTLS and EHLO again, AUTH where the
 * remote has a login; then CLIENT_READY.  Where XCLIENT is asked for before
 * that, AUTH waits for the session that XCLIENT begins, as commands do.
 *
 * Commands may be given at any time; they are sent at once where the server
 * offered PIPELINING, else one by one, and each reply is told through the
 * callback in the order of the commands.  Whatever a server sends that is
 * not SMTP, or that nobody asked for, ends the connection.
 *
 * The callback is called from the event loop only, never from inside one of
 * these functions.  After CLIENT_CLOSED, which comes once, the connection is
 * gone and only client_free remains.  client_free may be called inside the
 * callback, and so may all others.
 *
 * A reply counts only for a command that was sent before the reply began to
 * come in, the verdict on a message only once its dot has left: whatever
 * comes sooner is END_GARBAGE.  Only a 421 may come at any time; the oldest
 * command that awaits a reply gets it, then CLIENT_CLOSED with END_REFUSED.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "smtp.h"

struct smtp_client;
struct tlsctx_remote;

enum client_event {
	CLIENT_READY,		/* greeted, EHLO done, TLS as wanted */
	CLIENT_MAIL,		/* the reply to MAIL */
	CLIENT_RCPT,		/* to a RCPT; tag is the one given with it */
	CLIENT_DATA,		/* to DATA: 354, or a refusal */
	CLIENT_CHUNK,		/* to a BDAT that was not the last one */
	CLIENT_END,		/* to the dot, or the last BDAT: the verdict.
				   LMTP: one for every recipient that was
				   accepted, in order, with its tag */
	CLIENT_RSET,
	CLIENT_OTHER,		/* to VRFY or EXPN: client_lines() */
	CLIENT_DRAINED,		/* the body may go on (was full) */
	CLIENT_CLOSED		/* lost: client_end(), client_why(); replies
				   still owed never come.  With the reply that
				   refused us, where there was one */
};

/* Why it closed. */
enum client_end {
	END_NONE,
	END_LOST,		/* closed or reset by the server */
	END_TIMEOUT,		/* conf_remote.timeout */
	END_GARBAGE,		/* what it said is not SMTP */
	END_TLS,		/* STARTTLS, handshake or policy failed: where
				   opportunistic, try anew with clear set */
	END_REFUSED,		/* greeting or EHLO answered 4xx, 5xx; 421 */
	END_XCLIENT,		/* XCLIENT was refused */
	END_AUTH,		/* our login was refused, or is impossible */
	END_QUIT,		/* we said goodbye */
	END_MEMORY
};

/* How far it had come by then. */
enum client_step { STEP_BANNER, STEP_EHLO, STEP_TLS, STEP_AUTH,
	STEP_COMMANDS };

/* What the server offered to EHLO. */
#define EXT_PIPELINING	0x0001
#define EXT_SIZE	0x0002
#define EXT_8BITMIME	0x0004
#define EXT_STARTTLS	0x0008
#define EXT_CHUNKING	0x0010
#define EXT_BINARYMIME	0x0020
#define EXT_DSN		0x0040
#define EXT_SMTPUTF8	0x0080
#define EXT_ENHANCED	0x0100
#define EXT_XCLIENT	0x0200
#define EXT_AUTH	0x0400
#define EXT_VRFY	0x0800
#define EXT_EXPN	0x1000

/* The attributes that its XCLIENT takes, in the same word. */
#define EXT_XC_NAME	0x00010000
#define EXT_XC_ADDR	0x00020000
#define EXT_XC_PORT	0x00040000
#define EXT_XC_PROTO	0x00080000
#define EXT_XC_HELO	0x00100000
#define EXT_XC_LOGIN	0x00200000
#define EXT_XC_DESTADDR	0x00400000
#define EXT_XC_DESTPORT	0x00800000
#define EXT_XC_ALL	0x00ff0000

struct client_params {
	const struct conf_remote *remote;	/* outlives the client */
	struct tlsctx_remote	*tls;		/* NULL where mode is off */
	const char		*helo;		/* our name */
	const char		*host;		/* for the certificate */
	uint64_t		 sid;		/* for debug lines */
	bool			 clear;		/* no STARTTLS even if offered
						   (opportunistic again) */
	const void		*first;		/* octets that go out first, in
						   clear; NULL = none */
	size_t			 first_len;
};

typedef void client_cb(void *arg, enum client_event,
		    const struct smtp_reply *, uint32_t tag);

/*
 * Takes fd, which is nonblocking; copies the strings.  NULL without memory
 * or if helo holds control octets (fd is closed).
 */
struct smtp_client *client_new(int fd, const struct client_params *,
		    client_cb *, void *arg);
/* Close at once, saying nothing more: nothing ends upstream with a dot. */
void	client_free(struct smtp_client *);
/* Change who is told: a pooled connection gets a new user. */
void	client_rebind(struct smtp_client *, uint64_t sid, client_cb *, void *);

/*
 * The commands.  params: what follows the path, without the leading space,
 * "" for none.  They return -1 when the connection is closing (its
 * CLIENT_CLOSED comes or came).  Control octets in an argument, or more than
 * SMTP_LINE_MAX, are never sent: they end the connection too.
 * Nothing is sent behind DATA until the message is through, or refused.
 */
int	client_mail(struct smtp_client *, const char *sender,
	    const char *params);
int	client_rcpt(struct smtp_client *, const char *rcpt, const char *params,
	    uint32_t tag);
int	client_data(struct smtp_client *);
/* Content, after CLIENT_DATA with 354.  The dots are made here. */
int	client_body(struct smtp_client *, const char *, size_t);
/*
 * The end of the content behind DATA: only now the message can be accepted.
 */
int	client_body_end(struct smtp_client *);
/*
 * BDAT instead of DATA: a chunk of n octets, which client_body then gives,
 * all of them; they pass as they are.  Behind the last one the verdict comes.
 * Only when no reply is owed, that to the chunk before included, and in LMTP
 * only where a recipient was accepted.  More octets than n, or anything else
 * before all of them were given, ends the connection.
 */
int	client_chunk(struct smtp_client *, uint64_t n, bool last);
int	client_rset(struct smtp_client *);
/* Each is the last of what may be pipelined: RFC 2920, section 3.1. */
int	client_vrfy(struct smtp_client *, const char *);
int	client_expn(struct smtp_client *, const char *);
/*
 * XCLIENT with these attributes ("NAME=... ADDR=..."), not in a transaction:
 * sent when nothing is owed any more; once its 220 is there, EHLO (and AUTH)
 * are said again, and CLIENT_READY comes again.  What is asked meanwhile
 * waits for that.  A refusal ends the connection (END_XCLIENT; a 421 is a
 * goodbye here too), so that no attribute of one client can stand for
 * another.
 */
int	client_xclient(struct smtp_client *, const char *attributes);
/*
 * QUIT, then close without awaiting more than its reply, and that not long;
 * where QUIT cannot be said now (in a message, before EHLO's reply) close at
 * once.  CLIENT_CLOSED with END_QUIT follows; replies still owed do not.
 */
void	client_quit(struct smtp_client *);

/*
 * In CLIENT_OTHER: the texts of the reply's lines as they came, without their
 * codes, each with a newline behind it; once.  NULL without memory.
 */
const char *client_lines(struct smtp_client *);

/* Is the output over high water?  CLIENT_DRAINED follows then. */
bool	client_is_full(const struct smtp_client *);
/* Is a reply owed? */
bool	client_owes(const struct smtp_client *);
/* No reply owed, no transaction open. */
bool	client_is_idle(const struct smtp_client *);
bool	client_is_ready(const struct smtp_client *);
unsigned int client_extensions(const struct smtp_client *);	/* EXT_* */
uint64_t client_max_size(const struct smtp_client *);	/* 0 = not said */
enum client_end client_end(const struct smtp_client *);
enum client_step client_ended_at(const struct smtp_client *);
const char *client_why(const struct smtp_client *);	/* for the log */
bool	client_is_tls(const struct smtp_client *);

#endif
