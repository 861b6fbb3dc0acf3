/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What limits clients: numbers of sessions, throttles, errors of an address.
 * All workers count together, by verifyd:
 *
 *	front_block.c	addresses that are blocked
 *	front_limit.c	is there room for one more session
 *	front_throttle.c what is counted by which key
 *	front_take.c	what a session takes of it all, and gives back
 *	front_charge.c	the items of such a question
 */
#ifndef FRONT_LIMIT_H
#define FRONT_LIMIT_H

#include "front.h"
#include "front_ask.h"
#include "front_tx.h"

/* --- front_block.c -------------------------------------------------------- */

/* Is the address blocked for its errors? */
bool		 block_has(const struct addr *);
/* The session made a counted error. */
void		 block_error(const struct session *);
/* From verifyd. */
int		 block_told(struct peer *, struct msg *);

/* --- front_limit.c -------------------------------------------------------- */

/* Count a session of this worker; -1 without memory. */
int		 limit_add(const struct addr *, uint32_t listener);
void		 limit_remove(const struct addr *, uint32_t listener);
/* Why there is no room here for one more of that address; NULL: there is. */
const char	*limit_refusal(const struct conf_listener *,
		    const struct addr *);
/*
 * A session begins: ask verifyd whether all workers together have room for
 * it, and whether the throttles that count connections have.  It goes on
 * meanwhile; what is found is in s->limit, and limit_say says it.
 */
void		 limit_connect(struct session *);
/*
 * For the first command that needs to know: results as rule_ask's.  CANNOT:
 * a throttle could not be asked.
 */
enum rule_result limit_ask(struct session *);
/* LIMIT_OVER: say so, and close. */
void		 limit_say(struct session *);
/* There is another number of workers: what was not told must be. */
void		 limit_commit(const struct config *, const struct config *old);

/* --- front_charge.c ------------------------------------------------------- */

/* NULL without memory. */
struct charge	*charge_new(void);
/* NULL is allowed. */
void		 charge_free(struct charge *);
/* The key is copied. */
void		 charge_add(struct charge *, const struct proto_rate *);
/* The items, as they are put into messages. */
void		 charge_put(struct wbuf *, const struct charge *);

/* --- front_take.c --------------------------------------------------------- */

/* Does the session hold that key already? */
bool		 take_has(const struct session *, const void *key,
		    size_t klen);
uint32_t	 take_held(const struct session *);
/*
 * Take all or none.  The charge is taken.  done calls take_told, which gives
 * what came of it: false if nobody can tell; over: 1 + the first that there
 * is no room for, or 0.  undo: the rates are the present command's, and go
 * back with it (charge_keep).
 */
void		 take_ask(struct session *, bool quiet, struct charge *,
		    void (*done)(struct session *, struct msg *));
bool		 take_told(struct session *, struct msg *, bool undo,
		    uint32_t *over);
/* The session holds these, whoever else does. */
void		 take_hold(struct session *, const struct charge *);
/* Rates go with a JUDGE; takes the charge.  The first n were charged. */
void		 charge_ride(struct session *, struct charge *);
void		 charge_rode(struct session *, uint32_t n);
/*
 * What was charged for the present command stays so, as it was accepted:
 * unless the recipient (or NULL) is refused in the end, and charge_back is
 * called.  What is not kept is given back when the command is over.
 */
void		 charge_keep(struct session *, struct rcpt *);
void		 charge_back(struct session *, struct rcpt *);
void		 charge_over(struct session *);
/* The session ends: it holds nothing any more. */
void		 take_end(struct session *);
/* verifyd is there (anew): tell it all that is held. */
void		 take_verifyd_up(struct peer *);

/* --- front_throttle.c ----------------------------------------------------- */

/* For the throttles of a generation; -1 without memory. */
int		 throttle_prepare(struct config *);
void		 throttle_release(struct config *);
/* Those that count connections: what to take for one. */
void		 throttle_connect(struct session *, struct charge *);
/*
 * Those that count MAILs, for the command that is being run; results as
 * rule_ask's, *over: one is passed.  Charged once, however often the command
 * is run.
 */
enum rule_result throttle_mail(struct session *, const struct rule_env *,
		    bool *over);

/*
 * Row 11: charge the throttles that count recipients, for the command that is
 * being run; results as rule_ask's, *over: one is passed.  Charged once,
 * however often the command is run.
 */
enum rule_result throttle_rcpt(struct session *, const struct rule_env *,
		    bool *over);
/*
 * The same by a JUDGE: append its rates (proto.h); returns how many.  Then
 * throttle_rode: they were charged, and that number of them is passed or 0.
 */
uint32_t	 throttle_rates(struct session *, const struct rule_env *,
		    struct wbuf *);
void		 throttle_rode(struct session *, uint32_t over);

#endif
