/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files of relaying share; nobody else includes this.
 *
 *	front_relay.c	the envelope's questions to the next hop
 *	front_vouch.c	recipients that were told 250 before the next hop is
 *			asked
 *	front_params.c	parameters of MAIL and RCPT, and what the next hop
 *			lacks
 *	front_trace.c	our Received field
 *	front_body.c	the content
 *	front_verdict.c	the replies behind it
 *	front_mixed.c	LMTP: recipients whose replies differed
 */
#ifndef FRONT_RELAY_H
#define FRONT_RELAY_H

#include "front.h"
#include "front_ask.h"
#include "front_tx.h"

/* front_relay.c ----------------------------------------------------------- */

/*
 * Nothing more can come of this transaction: those that wait hear it now,
 * the others later.
 */
void	relay_doom(struct session *, const struct smtp_reply *);
/* DATA, or the chunks, get a refusal: the transaction is over. */
void	relay_refuse_data(struct session *, const struct smtp_reply *);
/* A reply that says that we asked wrongly deserves a warning. */
void	relay_warn(const struct session *, const char *what,
	    const struct smtp_reply *theirs);
/* The first BDAT was said: answers come. */
void	relay_ask_data(struct session *);
/* Say upstream what was not said yet, if there is a connection. */
void	relay_push(struct session *);

/* front_vouch.c ----------------------------------------------------------- */

/*
 * A recipient that was told 250 is refused, in these words of the next hop, or
 * in ours, where that lacks something: there will be no content.
 */
void	vouch_refused(struct session *, struct rcpt *,
	    const struct smtp_reply *theirs);
void	vouch_lacking(struct session *, struct rcpt *,
	    const struct smtp_reply *ours);
/* One that was asked live is: verifyd may remember that. */
void	vouch_live_refused(const struct session *, const struct rcpt *,
	    const struct smtp_reply *theirs);
/* Some were refused so, and all have their answers: the reply to DATA. */
void	vouch_reply(const struct tx *, struct smtp_reply *);

/* front_params.c ---------------------------------------------------------- */

/* What stands behind the path of MAIL and RCPT for a server of these EXT_*. */
void	params_mail(const struct tx *, unsigned int ext, char *, size_t);
void	params_rcpt(const struct rcpt *, unsigned int ext, char *, size_t);
/*
 * What the next hop cannot take of this transaction: true and the reply to
 * it; of this recipient likewise.
 */
bool	params_lack(struct tx *, unsigned int ext, struct smtp_reply *);
bool	params_lack_rcpt(const struct rcpt *, unsigned int ext,
	    struct smtp_reply *);
/* Why something that was asked for by DSN does not go on; NULL: all does. */
const char *params_drop_dsn(const struct tx *, unsigned int ext);

/* front_trace.c ----------------------------------------------------------- */

/* The field with its CR LF; the length like snprintf(3). */
int	trace_field(struct session *, char *, size_t);

/* front_body.c ------------------------------------------------------------ */

/* Does the client send chunks, and can this next hop have them as they are? */
bool	body_passes_chunks(struct session *);
/* The next hop takes content. */
void	body_begin(struct session *);
/* The next hop's reply to a chunk. */
void	body_chunk_answered(struct session *, const struct smtp_reply *);
/*
 * The message is not for the next hop any more: no end for what it has, and
 * the client's octets go nowhere.  close: the session ends with it.
 */
void	body_swallow(struct session *, const struct smtp_reply *, bool close);

/* front_mixed.c ----------------------------------------------------------- */

/* May this message be there already, as a mixed one before it was? */
bool	mixed_must_hold(const struct tx *);
/* Content goes out; a digest of it is made where it can be needed. */
void	mixed_begin(struct session *);
void	mixed_content(struct tx *, const char *, size_t);
/*
 * All content is there, its end is not sent: done is told from the loop who
 * has it.  HELD_ALL: nobody needs it any more.
 */
enum held { HELD_NONE, HELD_SOME, HELD_ALL, HELD_UNKNOWN };
void	mixed_ask(struct session *, void (*done)(struct session *,
	    enum held));
/* Recipients' verdicts differ: remember them, then call done. */
void	mixed_remember(struct session *, void (*done)(struct session *));
/* Each of them is to come alone: remember that, then call done. */
void	mixed_alone(struct session *, void (*done)(struct session *));

/* front_verdict.c --------------------------------------------------------- */

/* The end of the content is sent: what is awaited. */
void	verdict_await(struct session *);
/* A reply behind the end of the content; tag is LMTP's. */
void	verdict_take(struct session *, const struct smtp_reply *, uint32_t tag);
/* The connection is lost there. */
void	verdict_lost(struct session *, const struct smtp_reply *);
/* Refused, without a word of the next hop on it: the transaction is over. */
void	verdict_ours(struct session *, const struct smtp_reply *);
/* It is: log and count that, once for a message, before the end is there. */
void	verdict_note(struct session *, const struct smtp_reply *);
/* All recipients have the message, from an earlier time. */
void	verdict_there(struct session *);

#endif
