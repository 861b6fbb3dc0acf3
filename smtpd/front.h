/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtpd, the process that faces the Internet: what its files share.
 *
 * A client's line has one way in and one way out:
 *
 *	io.c		octets, TLS
 *	smtp_line.c	one clean line
 *	smtp_cmd.c	a parsed command
 *	front_verbs.c	legal now?  what does it do
 *	front_greet.c	the banner, and who the client says it is
 *	front_mail.c	MAIL
 *	front_rcpt.c	RCPT: the checks, in the order of the manual
 *	front_content.c	DATA and BDAT: may there be content
 *	front_judge.c	whose the address is: lists, and what verifyd says
 *	front_vrfy.c	VRFY and EXPN
 *	front_rule.c	what settings say that depend on the session
 *	front_stage.c	scripts that judge a stage
 *	front_ask.c	questions to other processes
 *	front_hook.c	scripts: calls to proxyd, and what it is told
 *	front_proxy.c	the script that sees every line
 *	front_relay.c	the next hop's part of the envelope
 *	front_vouch.c	recipients that wait for DATA
 *	front_body.c	the message itself: DATA, BDAT
 *	front_verdict.c	the next hop's last word
 *	front_hop.c	connections to next hops: dialing, reuse
 *	front_reply.c	the only way to the client
 *
 * Here are the session and what all of them use; front_tx.h has the
 * transaction, front_ask.h questions and rules, front_limit.h what is counted.
 */
#ifndef FRONT_H
#define FRONT_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "config.h"
#include "io.h"
#include "mono.h"
#include "proto.h"
#include "rule.h"
#include "smtp.h"
#include "smtp_client.h"
#include "timer.h"

struct ask;
struct charge;
struct command;
struct digest;
struct holds;
struct hook;
struct hop;
struct proxy;
struct ptr;
struct rcpt;
struct session;
struct staged;
struct peer;
struct msg;
struct tx;
struct wbuf;

/* --- statistics: name in `posternctl show stats' ------------------------- */

#define STATS(X)							\
	X(sessions_total,	"sessions.total")			\
	X(sessions_now,		"sessions.now")				\
	X(sessions_refused,	"sessions.refused")			\
	X(sessions_tls,		"sessions.tls")				\
	X(commands,		"commands")				\
	X(commands_bad,		"commands.bad")				\
	X(rcpt_accepted,	"rcpt.accepted")			\
	X(rcpt_refused,		"rcpt.refused")				\
	X(rcpt_vouched,		"rcpt.vouched")				\
	X(rcpt_refused_late,	"rcpt.refused-late")			\
	X(messages_accepted,	"messages.accepted")			\
	X(messages_refused,	"messages.refused")			\
	X(messages_deferred,	"messages.deferred")			\
	X(messages_unknown,	"messages.unknown")			\
	X(octets_relayed,	"octets.relayed")			\
	X(hops_dialed,		"hops.dialed")				\
	X(hops_reused,		"hops.reused")				\
	X(hops_failed,		"hops.failed")				\
	X(hops_replaced,	"hops.replaced")			\
	X(hops_now,		"hops.now")				\
	X(hops_idle,		"hops.idle")

struct stats {
#define X(field, name) uint64_t field;
	STATS(X)
#undef X
};

extern struct stats	stats;

/* --- replies ------------------------------------------------------------- */

/*
 * A place in the order of the replies.  There are none while every command
 * is answered at once; a command whose answer comes later holds a slot, and
 * the replies to commands behind it wait in slots of their own.
 */
enum slot_state {
	SLOT_PENDING,		/* the next hop has not answered */
	SLOT_DELAYED,		/* a counted error: waits errors.wait */
	SLOT_READY
};

struct slot {
	TAILQ_ENTRY(slot)	 entry;
	enum slot_state		 state;
	unsigned int		 flags;		/* REPLY_* */
	char			*text;		/* for the wire */
	size_t			 len;
};
TAILQ_HEAD(slots, slot);

#define REPLY_CLOSE	0x01	/* the last one: close behind it */
#define REPLY_COUNTED	0x02	/* an error that is counted and delayed */

/* --- session ------------------------------------------------------------- */

/* What is charged or held (proto.h, STATE_TAKE). */
struct charge {
	struct wbuf	 items;
	uint32_t	 n;
	uint32_t	 holds;		/* of them: with a period of 0 */
};

enum sess_state {
	S_START,		/* accepted, nothing said */
	S_COMMAND,
	S_BODY,			/* octets are content */
	S_SKIP,			/* octets of a BDAT that nobody wants */
	S_CLOSING,		/* the last reply is queued */
	S_DEAD			/* freed at the end of the turn */
};

enum sess_wait {
	WAIT_NONE,
	WAIT_TLS,
	WAIT_TARPIT,		/* errors.wait */
	WAIT_HOP,		/* answers of the next hop */
	WAIT_ASK		/* those of our own processes: front_ask.c */
};

#define SF_ESMTP	0x01		/* said EHLO */
#define SF_HELO		0x02		/* said HELO or EHLO */
#define SF_TLS		0x04
#define SF_FULL		0x08		/* input paused: next hop is slow */
#define SF_STALLED	0x10		/* was so since the last rate check */
#define SF_QUIT		0x20		/* said QUIT: what follows is nothing */
#define SF_LOCAL	0x40		/* local address is known */
#define SF_NO_CERT	0x80		/* nor a good certificate, where one is
					   required: says 554 */

/* May it be here?  All workers' sessions together: front_limit.c. */
enum limit_state {
	LIMIT_IN,
	LIMIT_ASKED,
	LIMIT_OVER,		/* 421 before anything else */
	LIMIT_LOST		/* nobody could tell */
};

struct session {
	TAILQ_ENTRY(session)	 entry;
	uint64_t		 sid;
	enum sess_state		 state;
	enum sess_wait		 wait;
	unsigned int		 flags;		/* SF_* */
	unsigned int		 offered;	/* to EHLO: EXT_* */
	unsigned int		 withheld;	/* OFFER_*: a script took it
						   out of that */
	struct io		 io;
	struct timer		 timer;
	struct config		*conf;
	struct conf_listener	*listener;
	struct addr		 remote;	/* ADDR_UNIX: see uid */
	struct addr		 local;
	int64_t			 uid;		/* of the peer; -1 = unknown */
	/* The client's certificate: tlsctx_client_error(); io.tls has it. */
	int			 cert_error;
	struct smtp_lines	 lines;
	char			*helo;		/* as said */
	char			*helo_normal;	/* lower case, A-labels */
	struct tx		*tx;
	struct ptr		*ptr;		/* its name, if asked for */
	struct hook		*hook;		/* its scripts; or NULL */
	struct proxy		*proxy;		/* that sees its commands; or
						   NULL */
	struct hop		*kept;		/* for the next transaction */
	bool			 ending;	/* there is none */
	struct slots		 slots;
	size_t			 nslots;
	LIST_HEAD(, ask)	 asks;		/* questions that are out */
	LIST_HEAD(, ask)	 quiet;		/* that nobody waits for */
	enum limit_state	 limit;
	struct holds		*holds;		/* what it takes of what all
						   workers share; or NULL */
	struct slice		 line;		/* the command being run; while
						   a look-up of it is out, in
						   our own memory */
	struct command		*command;	/* what it has looked up */
	unsigned int		 announced;	/* RCPTs next in the input that
						   verifyd was told of */
	struct mono		 began;
	uint64_t		 skip;		/* S_SKIP: octets left */
	char			*skip_wire;	/* what is said then */
	unsigned int		 skip_flags;	/* REPLY_*, of it */
	size_t			 skip_n;	/* so many times */
	unsigned int		 messages;
	unsigned int		 bad_commands;
	unsigned int		 bare_lf;
	unsigned int		 errors;	/* counted ones */
	int64_t			 waited;	/* ms in tarpits */
	const char		*why;		/* of the end, for the log */
};

/* --- front.c -------------------------------------------------------------- */

/* Does the list hold the value (or, where it has networks, the address)? */
int		 front_in_list(void *, uint32_t id, const char *,
		    const struct addr *);
/* A reference to the generation; conf_put for it. */
struct config	*front_conf_ref(struct config *);
void		 front_conf_unref(struct config *);
bool		 front_is_draining(void);

/* --- front_listen.c ------------------------------------------------------- */

/* From the parent: a socket of the generation that is being committed. */
int		 listen_take(struct peer *, struct msg *);
/* The commit: begin with the new ones, end with those not named again. */
void		 listen_commit(struct config *);
/*
 * No more sessions.  What is queued is greeted with a 421, or left to the
 * workers that go on with the same sockets.
 */
void		 listen_stop(bool leave);
/* Descriptors came free: accept again if that was stopped. */
void		 listen_resume(void);

/* --- front_session.c ------------------------------------------------------ */

/*
 * A client has come.  Takes fd.  local may be ADDR_NONE: not known yet.
 */
void		 session_new(int fd, struct config *, struct conf_listener *,
		    const struct addr *remote, const struct addr *local);
/* The only writer of s->state. */
void		 session_state(struct session *, enum sess_state);
/* Stop reading until the wait is over; ms: what the timer is set to. */
void		 session_wait(struct session *, enum sess_wait, int64_t ms);
/*
 * The wait is over: read on, or wait for the questions that are out.  The
 * only place where reading goes on.
 */
void		 session_go(struct session *);
/* Close now: why is for the log. */
void		 session_end(struct session *, const char *why);
/* Close once all is written, reading on for a moment. */
void		 session_linger(struct session *, const char *why);
/* Forget the transaction; a next hop's connection is given back. */
void		 session_reset(struct session *);
/* As after STARTTLS: all that the client said is forgotten. */
void		 session_forget(struct session *);
/* Say 421 4.3.2 to the idle ones; returns the number of sessions left. */
size_t		 session_drain(void);
void		 session_kill_all(void);
size_t		 session_count(void);
/* Free the dead. */
void		 session_reap(void);
void		 session_each(void (*fn)(struct session *, void *), void *);
/* Has the client sent more than was looked at? */
bool		 session_has_more(const struct session *);
/* What rules look at. */
void		 session_env(struct session *, struct rule_env *);
const struct addr *session_local(struct session *);

/* --- front_reply.c -------------------------------------------------------- */

/* Queue a reply: the template as smtp_reply_fmt takes it. */
void		 session_reply(struct session *, unsigned int flags,
		    const char *, ...)
		    __attribute__((__format__(printf, 3, 4)));
void		 session_reply_r(struct session *, unsigned int flags,
		    const struct smtp_reply *);
/* A reply as it goes on the wire, all its lines: good ones only. */
void		 session_reply_wire(struct session *, unsigned int flags,
		    const char *);
/*
 * Our reply as it goes on the wire, softened (*r too), with the footer.  To be
 * freed; NULL without memory.
 */
char		*reply_wire(struct session *, struct smtp_reply *r);
/*
 * Our own 5xx as session.soft-bounce wants it, another reply as it is.  What
 * session_reply says goes through here; who logs a reply before, or keeps it
 * for a slot, does it itself.  rcpt: in normal form, where it is about one;
 * else NULL.
 */
void		 reply_soften(struct session *, const char *rcpt,
		    struct smtp_reply *);
/* Take a place for an answer that comes later; NULL without memory. */
struct slot	*slot_new(struct session *);
/* The answer for it. */
void		 slot_answer(struct session *, struct slot *,
		    unsigned int flags, const struct smtp_reply *);
/* The tarpit of the first slot is over. */
void		 slots_tarpit_over(struct session *);
void		 slots_clear(struct session *);
/* Is the last word in one of them?  Nothing that comes is looked at then. */
bool		 slots_close(const struct session *);

/* --- front_greet.c -------------------------------------------------------- */

/* The banner, once nothing stands against it; run again as a command is. */
void		 verb_banner(struct session *);
void		 verb_hello(struct session *, const struct smtp_cmd *);

/* --- front_mail.c, front_content.c ---------------------------------------- */

#define CANNOT_TELL	"451 4.4.3 cannot look that up now"
#define NEED_TLS	"530 5.7.0 say STARTTLS first"

/* Rows of verbs[], as those of the other files. */
void		 verb_mail(struct session *, const struct smtp_cmd *);
/* DATA: the octets behind it are content if it is not refused. */
void		 verb_data(struct session *, const struct smtp_cmd *);
/* BDAT: its octets are content, or swallowed. */
void		 verb_bdat(struct session *, const struct smtp_cmd *);

/* --- front_verbs.c -------------------------------------------------------- */

/* Is TLS required, and missing? */
bool		 verb_needs_tls(const struct session *);
/*
 * One clean line: its command, from the check to the reply.  Run again from
 * the beginning, with the same line, when a look-up of it is answered.
 */
void		 verb_line(struct session *, struct slice);
/* May this line be looked at while answers to earlier ones are owed? */
bool		 verb_may_overlap(const struct session *, struct slice);
/* A line that is none, and what it may have been meant for. */
void		 verb_bad_line(struct session *, enum smtp_line,
		    enum smtp_verb meant);
/* Has the session had all that it may have?  Then it is told so. */
bool		 verb_is_over(struct session *);
/* May this session use the command, now or after an EHLO or a MAIL? */
bool		 verb_is_offered(const struct session *, enum smtp_verb);

/* --- front_help.c --------------------------------------------------------- */

void		 verb_help(struct session *, const struct smtp_cmd *);

/* --- front_offer.c -------------------------------------------------------- */

#define OFFER_VRFY	0x01
#define OFFER_EXPN	0x02
#define OFFER_STARTTLS	0x04
#define OFFER_ALL	(OFFER_VRFY | OFFER_EXPN | OFFER_STARTTLS)

/*
 * The reply to EHLO or LHLO, with those of OFFER_* that are given and
 * possible.  Returns the EXT_* in it, which the session may use when it has
 * heard them.
 */
unsigned int	 offer_reply(const struct session *, unsigned int more,
		    struct smtp_reply *);
/*
 * How many octets of a script's words fit behind our name: the second line of
 * the reply to EHLO would be a keyword.
 */
int		 offer_words(const struct session *, const char *words);
/*
 * The same with what a script that has accepted put in its place, and its
 * words of greeting.  Returns the reply's whole, to be freed; NULL without
 * memory.  *withheld: those of OFFER_* that the session may not use.
 */
char		*offer_staged(const struct session *, const struct staged *,
		    unsigned int more, struct smtp_reply *,
		    unsigned int *offered, unsigned int *withheld);

/* --- front_body.c --------------------------------------------------------- */

/*
 * Swallow the n octets of a BDAT that is refused, or answered by a script, and
 * say this then, so many times; takes wire.
 */
void		 verb_skip(struct session *, uint64_t n, unsigned int flags,
		    size_t times, char *wire);
/* The octets of a refused BDAT are swallowed: say so. */
void		 verb_bdat_over(struct session *);

/* --- front_rcpt.c --------------------------------------------------------- */

void		 rcpt_stage(struct session *, const struct smtp_cmd *);

/* --- front_judge.c -------------------------------------------------------- */

/* From verifyd: there can be marks, for a time. */
int		 judge_marked(struct peer *, struct msg *);

/* --- front_vrfy.c --------------------------------------------------------- */

/* VRFY and EXPN. */
void		 verb_vrfy(struct session *, const struct smtp_cmd *);
/*
 * Which of them this session may use, for the command that is being run:
 * results as rule_ask's, in *bits OFFER_*.
 */
enum rule_result vrfy_offered(struct session *, const char *helo_normal,
		    unsigned int *bits);

/* --- front_hop*.c, front_pool.c ------------------------------------------- */

/* A connection to the remote for the session: pooled, or dialed. */
struct hop	*hop_get(struct session *, struct conf_remote *);
/* NULL while it is not ready. */
struct smtp_client *hop_client(const struct hop *);
const char	*hop_name(const struct hop *, char *, size_t);
/* The owner is done: back to the pool if it may be used again. */
void		 hop_release(struct hop *, bool message_done);
/* Close it at once, without another octet. */
void		 hop_abort(struct hop *);
/* The session is not what it was: no connection is kept for it. */
void		 hop_leave(struct session *);
/* The client's name has come, or will not. */
void		 hop_name_known(struct session *);
/* A refusal was seen; to_rcpt: a 5xx to RCPT. */
void		 hop_saw_error(struct hop *, bool to_rcpt);
/* From the dialer. */
int		 hop_dial_fd(struct peer *, struct msg *);
int		 hop_dial_err(struct peer *, struct msg *);
int		 hop_dial_want(struct peer *, struct msg *);
/* The dialer is back: ask again what it owes. */
void		 hop_dialer_up(struct peer *);
/* Close all that are idle: a new generation, or the end. */
void		 hop_close_idle(void);
size_t		 hop_count(void);
void		 hop_reap(void);

/* --- front_caps.c --------------------------------------------------------- */

/* What a remote (by id) offered at last contact: EXT_*; 0 if not known. */
unsigned int	 caps_of(uint32_t remote, bool *known);
/* Does any of those known want to be told clients' names? */
bool		 caps_any_name(void);
/* We have greeted one, which offered this. */
void		 caps_seen(const struct conf_remote *, unsigned int);
/* From verifyd; and it is there (anew): tell it all we know. */
int		 caps_told(struct peer *, struct msg *);
void		 caps_verifyd_up(struct peer *);
/* A generation has gone: forget the remotes that went with it. */
void		 caps_sweep(void);

/* --- front_ptr.c ---------------------------------------------------------- */

/*
 * The name of the client's address, confirmed forward: NULL where it has
 * none, *later set where that cannot be told now.  false: it is being asked
 * for, and hop_name_known is called in the end.  The name is the session's.
 */
bool		 ptr_get(struct session *, const char **name, bool *later);
/* Is it known, without asking?  *name as above. */
bool		 ptr_known(const struct session *, const char **name);
/* A transaction begins (or the session, where it is always asked for). */
void		 ptr_early(struct session *);
/* The session is another client's now, or over. */
void		 ptr_forget(struct session *);
/* From verifyd; and it is gone. */
int		 ptr_told(struct peer *, struct msg *);
void		 ptr_verifyd_down(void);

/* --- front_xclient.c ------------------------------------------------------ */

/* What a next hop is told of a client; NULL, ADDR_NONE: is not known. */
struct xclient {
	const char	*name;
	bool		 name_later;	/* DNS does not answer now */
	struct addr	 addr;
	bool		 esmtp;
	const char	*helo;
	const char	*login;
	struct addr	 dest;		/* where it connected to */
};

/* "XCLIENT ", the line's end, and a NUL fit beside it. */
#define XCLIENT_TEXT_MAX	(SMTP_LINE_MAX - 16)

/*
 * The attributes that caps (EXT_XC_*) lists, as client_xclient takes them.
 * Returns those of them that have a value.
 */
unsigned int	 xclient_text(const struct xclient *, unsigned int caps,
		    char text[XCLIENT_TEXT_MAX]);
/*
 * Does nothing of what was told of others stand, when a client is told with
 * those given, by a line of all in caps?
 */
bool		 xclient_covers(unsigned int told, unsigned int caps,
		    unsigned int given);

/* --- front_tls.c ---------------------------------------------------------- */

/* Contexts of a generation; -1 and why. */
int		 ftls_prepare(struct config *, char *why, size_t);
void		 ftls_release(struct config *);
/* STARTTLS: does nothing but a script's word stand against it? */
bool		 ftls_is_possible(const struct session *);
bool		 ftls_is_offered(const struct session *);
/* STARTTLS: everything is checked, the 220 is said here. */
void		 ftls_start(struct session *, bool implicit);
/* The handshake is over: what about the client's certificate? */
void		 ftls_judge(struct session *);
/* SF_NO_CERT: say so, and close. */
void		 ftls_refuse(struct session *);
/* "TLSv1.3", the cipher's name and its bits; false in clear. */
bool		 ftls_facts(const struct session *, const char **version,
		    const char **cipher, unsigned int *bits);
/* The name that the client asked for, or NULL. */
const char	*ftls_sni(const struct session *);
/* Of its certificate: "/C=XX/CN=c.test"; "" without one. */
const char	*ftls_subject(const struct session *);
/* "TLSv1.3 with cipher X" of the client's side, "" in clear. */
const char	*ftls_text(const struct session *, char *, size_t);
struct tlsctx_remote *ftls_remote(const struct conf_remote *);

/* --- front_log.c ---------------------------------------------------------- */

void		 flog_connect(const struct session *);
void		 flog_refused(const struct addr *, const char *listener,
		    const char *why);
void		 flog_tls(const struct session *);
/* original: what the client said, where a script put sender in its place. */
void		 flog_mail(const struct session *, const char *sender,
		    const char *original, const struct smtp_reply *,
		    const char *by);
/* A script refuses at "connect" or "ehlo". */
void		 flog_staged(const struct session *, const char *stage,
		    const struct smtp_reply *, const char *by);
void		 flog_rcpt(const struct session *, const char *addr,
		    const struct smtp_reply *, const char *by);
/* The same, and why: in somebody else's words, "" if there are none. */
void		 flog_judged(const struct session *, const char *addr,
		    const struct smtp_reply *, const char *by,
		    const char *why);
/* A recipient is admitted that would have been refused. */
void		 flog_would(const struct session *, const char *addr,
		    const char *would, const char *by);
void		 flog_command(const struct session *, struct slice line,
		    const struct smtp_reply *);
/*
 * A script answers a line, or makes another one of it (or NULL); nothing in
 * them is secret any more.
 */
void		 flog_script_line(const struct session *, const char *line,
		    const char *rewritten, const struct smtp_reply *,
		    const char *script);
/* A script failed at a stage, and why. */
void		 flog_script(const struct session *, const char *stage,
		    const char *script, const char *why);
void		 flog_message(const struct session *,
		    const struct smtp_reply *, const char *outcome);
/* What the next hop said of this one, behind the message. */
void		 flog_delivery(const struct session *, const struct rcpt *);
/* A script puts these in place of what RCPT has, "": it leaves it. */
void		 flog_set(const struct session *, const char *addr,
		    const char *remote, const char *by);
/* The client was told 250 for it, and now the next hop says this. */
void		 flog_refused_late(const struct session *,
		    const struct rcpt *, const struct smtp_reply *);
void		 flog_hop(const struct session *, const char *event,
		    const char *hop, const char *why);
/* later: DNS does not answer now. */
void		 flog_name(const struct session *, const char *name,
		    bool later);
void		 flog_end(const struct session *);

#endif
