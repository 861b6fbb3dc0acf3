/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A transaction: its envelope and content, and what the files share that
 * bring it to the next hop.  front_relay.h is for those alone.
 */
#ifndef FRONT_TX_H
#define FRONT_TX_H

#include "front.h"

/* --- transaction --------------------------------------------------------- */

enum rcpt_state {
	RC_NEW,			/* admitted, not asked of the next hop yet */
	RC_SENT,
	RC_OK,
	RC_NO
};

/* What is remembered of a recipient at an LMTP remote: front_mixed.c. */
enum mark_class { MARK_NONE, MARK_DELIVERED, MARK_4XX, MARK_5XX, MARK_ALONE };

struct mark {
	enum mark_class	 class;
	bool		 check;		/* the message may be there already */
};

struct rcpt {
	char		*addr;		/* as it goes upstream */
	char		*normal;	/* to know it again */
	bool		 postmaster;	/* <postmaster>: never counted */
	bool		 vouched;	/* it waits for DATA: the client has
					   its 250 by what is known of it */
	const char	*by;		/* by what: for the log */
	uint32_t	 asked;		/* id of the remote whose word that is;
					   0 = no remote's */
	char		*orcpt;		/* as sent; NULL = none */
	bool		 orcpt_utf8;	/* goes only by SMTPUTF8 */
	unsigned int	 notify;	/* NOTIFY_* */
	enum rcpt_state	 state;
	bool		 utf8;		/* goes only by SMTPUTF8 */
	bool		 again;		/* accepted before in this transaction:
					   counts for LMTP's replies only */
	struct mark	 mark;		/* of an earlier mixed message */
	bool		 told;		/* the client has its 250 already, the
					   next hop (or this one) is asked
					   later: front_vouch.c */
	size_t		 same;		/* 1 + the index of the one that this
					   repeats while it is asked; or 0 */
	struct slot	*slot;		/* its place, while it waits */
	struct smtp_reply *verdict;	/* LMTP: on this one; of one that was
					   told its refusal */
	struct charge	*charge;	/* rates that it was charged to, which
					   are given back if it is refused */
	struct smtp_reply *said;	/* a script's in place of our 250, its
					   whole allocated too; or NULL */
	bool		 unknown;	/* the next hop was lost before it */
	struct wbuf	 hook;		/* what scripts are told of it once it
					   is accepted */
};

/* The content by BDAT. */
struct chunks {
	bool		 on;		/* there was a BDAT */
	bool		 up;		/* the next hop gets it so too */
	bool		 last;		/* the present one */
	bool		 open;		/* upstream: begun, not answered */
	bool		 hold;		/* upstream none is the last: the end
					   is a chunk of its own */
	bool		 ended;		/* the client's end waits for that */
	uint64_t	 left;		/* octets of it not looked at yet */
};

/* How fast the content comes: front_rate.c. */
struct rate {
	struct mono	 began;
	struct mono	 checked;	/* last */
	struct mono	 progress;	/* when octets were last new */
	uint64_t	 seen;
	int64_t		 stalled;	/* ms in which we did not read */
};

enum rate_verdict { RATE_OK, RATE_IDLE, RATE_SLOW };

enum tx_phase {
	TX_ENVELOPE,		/* MAIL, RCPT */
	TX_DATA,		/* DATA sent or waiting to be */
	TX_BODY,		/* the content goes to the next hop */
	TX_SWALLOW,		/* it goes nowhere: verdict is known */
	TX_VERDICT		/* the dot is sent */
};

struct tx {
	enum tx_phase		 phase;
	char			*sender;	/* as it goes upstream */
	char			*sender_normal;
	enum smtp_body		 body;
	bool			 auth;		/* MAIL had AUTH= */
	bool			 utf8;		/* MAIL had SMTPUTF8 */
	bool			 utf8_sender;	/* goes only by SMTPUTF8 */
	bool			 ascii;		/* next hop does not take it:
						   header must do without */
	enum smtp_bare		 bare;		/* session.data.bare-newline */
	int64_t			 size;		/* declared; 0 = not */
	enum smtp_ret		 ret;
	char			*envid;		/* as sent; NULL = none */
	struct rcpt		*rcpts;
	size_t			 nrcpts;
	size_t			 rcpts_size;
	size_t			 accepted;	/* as the client was told */
	size_t			 pending;	/* RC_NEW and RC_SENT of which
						   it was not */
	size_t			 next;		/* first that may be RC_NEW */
	struct conf_remote	*remote;	/* the next hop: one for all */
	char			*mx_domain;	/* where that is `mx': whose;
						   else NULL */
	struct hop		*hop;
	bool			 mailed;	/* MAIL was sent on hop */
	bool			 data_sent;
	bool			 broken;	/* one that was told is refused
						   now */
	struct smtp_reply	*lost;		/* MAIL refused, hop lost: what
						   everything is answered */
	bool			 lost_close;	/* and no more behind it */
	char			*by;		/* what refuses it all, for the
						   log; or NULL */
	struct smtp_reply	*verdict;	/* TX_SWALLOW: for the end */
	bool			 verdict_close;
	bool			 noted;		/* logged and counted */
	struct slot		*data_slot;
	struct chunks		 chunks;
	size_t			 owed;		/* LMTP: verdicts to come */
	struct digest		*digest;	/* of the content, or NULL */
	struct smtp_data_in	 in;
	struct smtp_header	 header;
	uint64_t		 octets;
	struct mono		 began;
	struct rate		 rate;
	uint64_t		 body_start;	/* octets before it */
};

/* --- front_tx.c ----------------------------------------------------------- */

struct tx	*tx_new(const char *sender);
void		 tx_free(struct tx *);
/* -1 without memory; the new one is the last of tx->rcpts. */
int		 tx_add(struct tx *, const char *addr, const char *normal);
/* What the client is told if it is accepted, copied.  -1 without memory. */
int		 rcpt_keep_said(struct rcpt *, const struct smtp_reply *);
/* The recipient with that normal form which was not refused, or NULL. */
struct rcpt	*tx_find(const struct tx *, const char *normal);
/* LMTP: how many replies its end has, one for each RCPT that was accepted. */
size_t		 tx_replies(const struct tx *);
/* Keep a copy of a reply in *to, without whole; the old one is freed. */
void		 tx_keep(struct smtp_reply **to, const struct smtp_reply *);

/* --- front_rate.c --------------------------------------------------------- */

void		 rate_begin(struct rate *, struct mono now);
/*
 * Look at it, at least every session.timeout: octets so far; whether input
 * was paused since the last look.
 */
enum rate_verdict rate_check(struct rate *, uint64_t octets, bool stalled,
		    struct mono now, int64_t timeout, int64_t min_rate);

/* --- front_relay.c -------------------------------------------------------- */

/*
 * The last recipient of the transaction was admitted: ask the next hop, whose
 * answer is the client's.  It has its slot.
 */
void		 relay_rcpt(struct session *);
/*
 * For the refusal of DATA: where octets stand behind it already they are
 * content, or a message in a message, and must never be read as commands:
 * REPLY_CLOSE then.
 */
unsigned int	 relay_refusal_flags(struct session *);
/* DATA was said, in order; answers come. */
void		 relay_data(struct session *);
/* The transaction ends without a message: leave nothing behind upstream. */
void		 relay_abandon(struct tx *);
/* A connection is ready (perhaps another than before): say all anew. */
void		 relay_hop_up(struct session *);
/* Likewise, by a hop that takes the place of the one it waited for. */
void		 relay_hop_given(struct session *, struct hop *);
/* No content has gone: may the connection be replaced by another? */
bool		 relay_may_replace(const struct session *);
/* What the next hop says; and that it is lost, with what the client reads. */
void		 relay_hop_event(struct session *, enum client_event,
		    const struct smtp_reply *, uint32_t tag);
void		 relay_hop_lost(struct session *, const struct smtp_reply *);

/* --- front_vouch.c -------------------------------------------------------- */

/*
 * The last recipient of the transaction was admitted and is vouched for: 250
 * at once, and the next hop is asked when DATA comes or a live one does.  It
 * has no slot; by, and asked, are set.  Where there is no hope for it, or the
 * next hop is known to lack what it needs, it is live all the same.
 */
void		 relay_vouched(struct session *);

/* --- front_body.c --------------------------------------------------------- */

/* BDAT with n octets, in a transaction that has recipients. */
void		 body_chunk(struct session *, uint64_t n, bool last);
/* Content from the client: octets taken. */
size_t		 body_input(struct session *, const char *, size_t);
/* More octets of content than anybody would swallow? */
bool		 body_is_absurd(const struct session *, uint64_t n);

/* --- front_mixed.c -------------------------------------------------------- */

/*
 * What is remembered of a recipient, for the command that is being run:
 * results as rule_ask's.
 */
enum rule_result mixed_mark(struct session *, const struct conf_remote *,
		    const char *rcpt, struct mark *);
/* May it be in one transaction with those that are there? */
bool		 mixed_fits(const struct tx *, const struct conf_remote *,
		    const struct mark *);

/* --- front_params.c ------------------------------------------------------- */

/*
 * What the parameters of MAIL and RCPT ask for and the session was not
 * offered: the refusal, or NULL.
 */
const char	*params_mail_refusal(const struct session *,
		    const struct smtp_cmd *);
const char	*params_rcpt_refusal(const struct session *,
		    const struct smtp_cmd *);
/* Keep those that go upstream.  -1 without memory. */
int		 params_mail_keep(struct tx *, const struct smtp_cmd *);
int		 params_rcpt_keep(struct rcpt *, const struct smtp_cmd *);

/* --- front_map.c ---------------------------------------------------------- */

/*
 * The client's reply for a next hop's (the manual's table): *ours is set.
 * dflt: the enhanced code for a 2xx without one.  own: our own text.
 */
void		 map_reply(struct smtp_reply *ours,
		    const struct smtp_reply *theirs, const char *dflt,
		    bool own);
/* Why the dialer has no connection for us. */
void		 map_dial(struct smtp_reply *, enum dial_error, bool mx);
/* Does this remote's refusal of RCPT say that there is no such mailbox? */
bool		 map_is_unknown(const struct smtp_reply *,
		    const struct conf_remote *);

#endif
