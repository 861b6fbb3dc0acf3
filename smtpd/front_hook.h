/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Scripts, as smtpd has them: calls to proxyd, and what proxyd is told of a
 * session before each.  front_proxy.c has the script that sees every command,
 * front_stage.c those of the stages.
 */
#ifndef FRONT_HOOK_H
#define FRONT_HOOK_H

#include "front.h"
#include "proto_script.h"

struct conf_script;

/* --- front_hook.c --------------------------------------------------------- */

/*
 * Does this session's generation have scripts at all?  Without any nothing is
 * kept for them, and all of the functions below that only tell do nothing.
 */
bool		 hook_on(const struct session *);
/* By name, as the rules have it; NULL: there is none of that name. */
const struct conf_script *hook_script(const struct session *, const char *);
/*
 * Run a script for the session, which has no other call under way.  verb: of
 * the line that it is shown, for HOOK_COMMAND alone.  The arguments are
 * written at once and stay the caller's.
 *
 * As ask_send's, done is called once, from the event loop, never from here,
 * unless the session ends before; until then the session reads nothing.  Its
 * verdict is one that hook_verdict_check() lets pass, valid until done
 * returns; HOOKV_ERROR also where proxyd was lost or did not answer in time.
 * An error has been logged then.
 */
void		 hook_call(struct session *, enum hook_stage,
		    const struct conf_script *, enum smtp_verb verb,
		    const struct hook_args *,
		    void (*done)(struct session *,
			const struct proto_hook_verdict *));
/*
 * What the scripts kept of the session (context) was lost with its proxyd: it
 * cannot go on, and hears so in place of what its next command would get.
 */
bool		 hook_is_lost(const struct session *);
void		 hook_say_lost(struct session *);

/* What has changed, to be told with the next call: */

/* The client is greeted, or all of that is forgotten; also: host is another. */
void		 hook_greeted(struct session *);
/* A handshake is over. */
void		 hook_secured(struct session *);
/* MAIL was accepted, with these parameters.  -1 without memory. */
int		 hook_sender(struct session *, const struct smtp_path *,
		    const struct smtp_cmd *);
/*
 * A recipient is admitted, and the remote that takes it known: kept with it
 * until it is accepted, or is not.  -1 without memory.
 */
int		 hook_rcpt(struct session *, struct rcpt *,
		    const struct smtp_path *, const struct smtp_cmd *);
/* The client is told 250 for it. */
void		 hook_accepted(struct session *, struct rcpt *);
/* The transaction is over, and another one begins with nothing in it. */
void		 hook_reset(struct session *);
/* The session is over: nothing runs for it any more. */
void		 hook_end(struct session *);
/* Likewise, and its memory goes. */
void		 hook_free(struct session *);

/* A proxyd is there; is gone, and ask_peer_down has been called. */
void		 hook_proxyd_up(struct peer *);
void		 hook_proxyd_down(struct peer *);

/*
 * For front_ask.c.  A HOOK_VERDICT came in: 0 if it can be one at all, -1 if
 * not; then, for the session that has asked with that number: 0 if it is a
 * possible answer to its call.  One that answers nothing is nobody's.
 */
int		 hook_check(struct msg *);
int		 hook_check_for(const struct session *, uint32_t seq);

/* --- front_proxy.c -------------------------------------------------------- */

/*
 * The line of the session (s->line): does the script see it?  True: it, or
 * nobody, has been asked, or it was answered at once; the caller returns.
 * False: nobody sees it, or it has passed.
 */
bool		 proxy_takes(struct session *);
/* Another line comes. */
void		 proxy_new_line(struct session *);
/* It is none, and has its reply: no answer to what a script asked for. */
void		 proxy_bad_line(struct session *);
/*
 * Is a line held that may pass behind the replies that are owed?  It goes on
 * once they are said; the session waits.
 */
bool		 proxy_holds(struct session *);
/* Can it be that a script sees commands of that verb? */
bool		 proxy_sees(const struct session *, const char *verb);
/* The present line is a script's own, and not for the log. */
bool		 proxy_hides(const struct session *);
/* Since when the client waits for the answer to the present line. */
struct mono	 proxy_began(const struct session *);
/* No line is a script's own any more: TLS begins. */
void		 proxy_forget(struct session *);
/* The session is over. */
void		 proxy_end(struct session *);
/* Likewise, and its memory goes. */
void		 proxy_free(struct session *);

#endif
