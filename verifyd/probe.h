/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions that are put to servers: what verify.c wants of target.c,
 * and verifyd.c of probe.c; reply.c.
 *
 * A probe is one question to one remote.  It waits in the remote's queue,
 * is sent on one of its connections, perhaps a second time on another one,
 * and is done: once, from the loop, never inside probe_ask.
 */
#ifndef PROBE_H
#define PROBE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "look.h"
#include "mono.h"
#include "proto.h"
#include "smtp.h"

struct conf_remote;
struct config;
struct link;
struct msg;
struct peer;
struct probe;
struct target;

#define PROBES_MAX	16384	/* in all queues, and sent */
#define PROBES_TARGET	4096	/* of them of one remote */

/* Valid until the callback returns. */
struct probe_answer {
	enum lookup_answer	 answer;
	const struct conf_remote *remote;	/* NULL: it is gone */
	const struct smtp_reply	*reply;		/* that decided; or NULL */
	const char		*why;		/* CANNOT, LIVE */
	const char *const	*values;	/* of VRFY, EXPN: YES */
	size_t			 nvalues;
};

struct probe {
	/* The caller's to fill in, the rest zero; the strings stay his. */
	enum look_what		 what;		/* ADDRESS, VRFY, EXPN */
	const char		*rcpt;
	const char		*sender;	/* "" = null */
	bool			 waited;	/* somebody waits for it */
	void			(*done)(struct probe *,
				    const struct probe_answer *);
	enum look_at		 at;		/* when it is done */
	/* target.c's */
	TAILQ_ENTRY(probe)	 entry;
	struct target		*target;
	struct link		*link;		/* NULL: in the queue */
	struct mono		 since;		/* it was sent */
	bool			 flushed;	/* will be done any moment */
	bool			 utf8;		/* needs SMTPUTF8 */
	bool			 as_rcpt;	/* VRFY, by way of RCPT */
	unsigned int		 tries;		/* connections lost over it */
	unsigned int		 spared;	/* by a 421 behind others */
	bool			 suspect;	/* of that: it is sent alone */
	unsigned int		 crowded;	/* 452s behind others */
};

/* target.c ---------------------------------------------------------------- */

/*
 * Why this remote would not be asked now: it is held down, or there is no
 * room; NULL: it would be.
 */
const char	*probe_refused(const struct conf_remote *, bool waited);
/* If it is held down: where that server was lost. */
enum look_at	 probe_at(const struct conf_remote *);
/* Queue it.  The same, then; NULL: done will be called. */
const char	*probe_ask(struct probe *, const struct conf_remote *);
/* Somebody waits for it from now on, or nobody does. */
void		 probe_wait(struct probe *, bool waited);
/*
 * Take it back, without done.  False: it was sent, and its answer comes all
 * the same.
 */
bool		 probe_cancel(struct probe *);

/* As those of verifyd.h. */
int		 target_stats(char *, size_t);

/* probe.c ----------------------------------------------------------------- */

/* Messages of the dialer; a new one. */
int		 probe_dial_fd(struct peer *, struct msg *);
int		 probe_dial_err(struct peer *, struct msg *);
int		 probe_dial_want(struct peer *, struct msg *);
void		 probe_dialer_up(void);
/* At the end of a turn: send what may be sent, dial where it is needed. */
void		 probe_turn(void);
/* The contexts of TLS of a generation: see struct proc_class. */
int		 probe_prepare(struct config *, struct proto_conf_err *);
void		 probe_commit(void);
void		 probe_release(struct config *);
/* The process ends: say goodbye. */
void		 probe_stop(void);
int		 probe_stats(char *, size_t);
/* Of a remote, lines for posternctl show routes; "" if it was never asked. */
int		 probe_show(uint32_t remote, char *, size_t);

/* reply.c ----------------------------------------------------------------- */

/*
 * What a reply to RCPT says.  LOOKUP_CANNOT with *fault set: that we asked
 * wrongly.
 */
enum lookup_answer reply_to_rcpt(const struct conf_remote *,
		    const struct smtp_reply *, bool *fault);
/* The same of VRFY or EXPN; *again: ask by RCPT. */
enum lookup_answer reply_to_vrfy(const struct conf_remote *,
		    const struct smtp_reply *, enum look_what, bool *again);
/*
 * The values in the lines of such a reply (each with a newline behind it),
 * which it changes: at most max of them, without enhanced codes.
 */
size_t		 reply_values(char *lines, const char **values, size_t max);
/* "550 5.1.1 text", one line of it; returns buf. */
const char	*reply_text(const struct smtp_reply *, char *buf, size_t);

#endif
