/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The messages between the processes: the catalogue.
 *
 * Numbers go by conversation in hundreds, the answers 50 above; a retired
 * number stays in this file as unused.  From the table come the enum,
 * msg_name(), and who may send what to whom: a message of a type, from a
 * role, that the table does not list is a broken peer's.
 *
 * The payloads' put and get functions stand next to each other in proto.c;
 * a getter fails (-1) unless it took the payload to its last octet.
 */
#ifndef PROTO_H
#define PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "config.h"		/* R_*: the roles are bits there */
#include "wire.h"

struct msg;

/*	name, number, from roles, to roles */
#define PROTO(X)							\
	/* 100: the parent to a child */				\
	X(INIT,		100, R_PARENT, R_ALL)				\
	X(PEER,		101, R_PARENT, R_ALL)				\
	X(LOG_FD,	102, R_PARENT, R_ALL)				\
	X(VERBOSE,	103, R_PARENT, R_ALL)				\
	X(CONF_BEGIN,	104, R_PARENT, R_ALL)				\
	X(CONF_ITEM,	105, R_PARENT, R_ALL)				\
	X(CONF_END,	106, R_PARENT, R_ALL)				\
	X(CONF_COMMIT,	107, R_PARENT, R_ALL)				\
	X(CONF_ABORT,	108, R_PARENT, R_ALL)				\
	X(CONF_DROP,	109, R_PARENT, R_ALL)				\
	X(LISTEN_FD,	110, R_PARENT, R_SMTPD)				\
	X(PING,		111, R_PARENT, R_ALL)				\
	X(STOP,		112, R_PARENT, R_ALL)				\
	X(CTL,		113, R_PARENT, R_ALL)				\
	X(UNIX_FD,	114, R_PARENT, R_DIALER)			\
	X(CONF_FD,	115, R_PARENT, R_ALL)				\
	/* 150: a child to the parent */				\
	X(READY,	150, R_ALL, R_PARENT)				\
	X(CONF_OK,	151, R_ALL, R_PARENT)				\
	X(CONF_ERR,	152, R_ALL, R_PARENT)				\
	X(PONG,		153, R_ALL, R_PARENT)				\
	X(GEN_ENDED,	154, R_SMTPD, R_PARENT)				\
	X(LOG_LOST,	155, R_ALL, R_PARENT)				\
	X(PEER_BROKE,	156, R_ALL, R_PARENT)				\
	X(UNIX_REQ,	157, R_DIALER, R_PARENT)			\
	/* 400: questions about addresses */				\
	X(LOOKUP,	401, R_SMTPD | R_PROXYD, R_VERIFYD)		\
	X(LOOKUP_ANS,	451, R_VERIFYD, R_SMTPD | R_PROXYD)		\
	/* 500: connections */						\
	X(DIAL_REQ,	500, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_CANCEL,	501, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_DONE,	502, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_HOLD,	503, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_FD,	550, R_DIALER, R_SMTPD | R_AUTHD | R_VERIFYD)	\
	X(DIAL_ERR,	551, R_DIALER, R_SMTPD | R_AUTHD | R_VERIFYD)	\
	X(DIAL_WANT,	552, R_DIALER, R_SMTPD | R_AUTHD | R_VERIFYD)	\
	/* 600: names */						\
	X(DNS_ADDR,	600, R_DIALER, R_RESOLVED)			\
	X(DNS_CANCEL,	601, R_DIALER | R_VERIFYD, R_RESOLVED)		\
	X(DNS_ASK,	602, R_DIALER | R_VERIFYD, R_RESOLVED)		\
	X(PTR_ASK,	603, R_SMTPD, R_VERIFYD)			\
	X(DNS_ADDR_ANS,	650, R_RESOLVED, R_DIALER)			\
	X(DNS_ANS,	651, R_RESOLVED, R_DIALER | R_VERIFYD)		\
	X(PTR_ANS,	652, R_VERIFYD, R_SMTPD)			\
	/* 800: what is remembered for all */				\
	X(STATE,	800, R_SMTPD | R_PROXYD, R_VERIFYD)		\
	X(REMOTE_SEEN,	801, R_SMTPD, R_VERIFYD)			\
	X(STATE_ANS,	850, R_VERIFYD, R_SMTPD | R_PROXYD)		\
	X(REMOTE_CAPS,	851, R_VERIFYD, R_SMTPD)

enum msg_type {
	MSG_NONE,
#define X(name, number, from, to) MSG_##name = number,
	PROTO(X)
#undef X
};

/* "DIAL_REQ"; "unknown" for a number that is not in the table. */
const char	*msg_name(uint16_t type);
/* May a process of role from send this to one of role to? */
bool		 msg_allowed(uint16_t type, unsigned int from,
		    unsigned int to);

/* "smtpd" for R_SMTPD; the role of a name, 0 = none. */
const char	*role_name(unsigned int role);
unsigned int	 role_parse(const char *);

/*
 * INIT: the first message a child reads, before it jails itself; fd is the
 * empty directory to chroot to (none: no chroot).
 */
#define INIT_DEBUG	0x01		/* -d: the jail names what it stops */
#define INIT_CHECK	0x02		/* -n: judge a configuration, end */
#define INIT_VERBOSE	0x04
#define INIT_IDS	0x08		/* become uid and gid */

struct proto_init {
	uint32_t	index;
	uint32_t	flags;		/* INIT_* */
	uint32_t	uid, gid;
	uint64_t	files;		/* RLIMIT_NOFILE; 0 = as it is */
};
void	put_init(struct wbuf *, const struct proto_init *);
int	get_init(struct msg *, struct proto_init *);

/*
 * PEER: fd is a pipe to the process of that role and index.  PEER_BROKE, back:
 * that process broke the rules, and its pipe was closed; a new PEER for both
 * follows.
 */
struct proto_peer {
	uint32_t	role;
	uint32_t	index;
};
void	put_peer(struct wbuf *, const struct proto_peer *);
int	get_peer(struct msg *, struct proto_peer *);
int	get_peer_broke(struct msg *, struct proto_peer *);

/* LOG_FD: fd is where log lines go from now on. */
struct proto_log {
	uint8_t		dest;		/* enum log_dest */
};
void	put_log(struct wbuf *, const struct proto_log *);
int	get_log(struct msg *, struct proto_log *);

/*
 * CONF_BEGIN, CONF_ITEM (conf_put's octets, as they are) ..., CONF_FD (fd: a
 * file of an object, in order) ..., CONF_END: a new generation, built aside
 * and judged.  Answered by one CONF_OK or CONF_ERR with the generation; then
 * CONF_COMMIT makes it the one for new sessions, or CONF_ABORT drops it.
 * CONF_DROP: its last session ended everywhere.  GEN_ENDED: smtpd's last
 * session on a generation that is not the newest has ended.  All carry the
 * generation in seq; only CONF_ITEM, CONF_FD and CONF_ERR have a payload.
 */
struct proto_conf_fd {
	uint8_t		map;		/* as conf_fd numbers them */
	uint32_t	id;		/* of the object */
};
void	put_conf_fd(struct wbuf *, const struct proto_conf_fd *);
int	get_conf_fd(struct msg *, struct proto_conf_fd *);

struct proto_conf_err {
	uint32_t	line, col;	/* 0: not tied to a place */
	char		why[512];
};
void	put_conf_err(struct wbuf *, const struct proto_conf_err *);
int	get_conf_err(struct msg *, struct proto_conf_err *);

/*
 * LISTEN_FD: a listening socket of a listener of the generation in seq.
 * Sent between CONF_OK and CONF_COMMIT; at the commit a worker begins to
 * accept on those that it did not have, and ends with those whose key was
 * not sent again (a key is the same socket as long as it lives; fd is sent
 * only the first time).
 */
struct proto_listen {
	uint32_t	listener;	/* its id */
	uint32_t	key;
	struct addr	addr;		/* as bound */
};
void	put_listen(struct wbuf *, const struct proto_listen *);
int	get_listen(struct msg *, struct proto_listen *);

/* STOP: in seq. */
#define STOP_NOW	0
#define STOP_DRAIN	1	/* when the sessions are over */
#define STOP_LEAVE	2	/* likewise; others go on with the sockets */

/* VERBOSE: debug lines on or off. */
struct proto_flag {
	bool	on;
};
void	put_flag(struct wbuf *, const struct proto_flag *);
int	get_flag(struct msg *, struct proto_flag *);

/*
 * CTL: posternctl asks; fd is a socket to it.  The child writes lines
 * "NAME VALUE" or one line of JSON an object, and closes it.
 */
struct proto_ctl {
	char	request[256];		/* "show stats" */
};
void	put_ctl(struct wbuf *, const struct proto_ctl *);
int	get_ctl(struct msg *, struct proto_ctl *);

/*
 * DIAL_REQ: a connection to a remote of the configuration, please.  sid is
 * the asker's own number for the question, unique among its open questions
 * and leases.  Answered by one DIAL_FD (fd: connected; from then on a lease
 * named by sid) or one DIAL_ERR, within the remote's timeout.connect;
 * DIAL_CANCEL withdraws it (a late DIAL_FD is answered by DIAL_DONE).
 * DIAL_DONE ends a lease; so does the end of the pipe, of all leases of that
 * asker; seq DONE_USELESS says that the server connected but did not serve:
 * the next question goes elsewhere.  DIAL_WANT: somebody waits for a
 * connection to that remote; an asker which holds an idle one closes it.
 * DIAL_HOLD, to a new dialer: a connection that the one before gave away is
 * still in use; a lease from now on, even over the limit.
 */
#define DONE_USELESS	1

struct proto_dial {
	uint32_t	remote;		/* its id */
	uint64_t	session;	/* for whom: the id in the log */
	char		domain[256];	/* whose mail exchangers, where the
					   remote is `mx'; else "" */
};
void	put_dial(struct wbuf *, const struct proto_dial *);
int	get_dial(struct msg *, struct proto_dial *);

struct proto_dial_fd {
	struct addr	to;		/* where it leads */
	char		host[256];	/* the name or address asked for */
};
void	put_dial_fd(struct wbuf *, const struct proto_dial_fd *);
int	get_dial_fd(struct msg *, struct proto_dial_fd *);

enum dial_error {
	DIAL_UNKNOWN_REMOTE,
	DIAL_NO_ADDRESS,	/* names without addresses */
	DIAL_DNS,		/* names cannot be looked up */
	DIAL_REFUSED,		/* refused or unreachable, all of them */
	DIAL_TIMEOUT,
	DIAL_LIMIT,		/* no connection came free in time */
	DIAL_HELD,		/* all addresses are held down */
	DIAL_NO_DOMAIN,		/* DNS says that there is no such domain */
	DIAL_NULL_MX,		/* it takes no mail: RFC 7505 */
	DIAL_FORBIDDEN,		/* DNS leads where it must not */
	DIAL_LOOP,		/* DNS leads to one of our own listeners */
	DIAL_ERROR_COUNT
};

struct proto_dial_err {
	uint8_t		error;		/* enum dial_error */
	char		why[256];	/* for the log */
};
void	put_dial_err(struct wbuf *, const struct proto_dial_err *);
int	get_dial_err(struct msg *, struct proto_dial_err *);

/*
 * DNS_ADDR: the addresses of a name (A and AAAA, never MX).  Answered by
 * one DNS_ADDR_ANS; sid names the question.  DNS_CANCEL: not needed any
 * more.
 */
#define DNS_ADDRS_MAX	32

struct proto_dns {
	uint32_t	timeout;	/* milliseconds */
	char		name[256];
};
void	put_dns(struct wbuf *, const struct proto_dns *);
int	get_dns(struct msg *, struct proto_dns *);

enum dns_status { DNS_OK, DNS_NONE, DNS_FAIL, DNS_TIMEOUT, DNS_STATUS_COUNT };

struct proto_dns_ans {
	uint8_t		status;		/* enum dns_status */
	uint32_t	ttl;		/* seconds, the smallest */
	uint32_t	n;
	struct addr	addr[DNS_ADDRS_MAX];
};
void	put_dns_ans(struct wbuf *, const struct proto_dns_ans *);
int	get_dns_ans(struct msg *, struct proto_dns_ans *);

/*
 * DNS_ASK: records of a name, and for DNS_PTR_FC those names of an address
 * (in name) that lead back to it.  Answered by one DNS_ANS; sid names the
 * question, DNS_CANCEL withdraws it.
 *
 * A text is an address, a name without the dot at its end, or the octets of a
 * TXT record put together, cut at 255, octets that are not printable ASCII as
 * `?'.  MX come in the order of their preference.  DNS_NONE: there is no such
 * name; DNS_OK with n 0: a name without such records.
 */
enum dns_type { DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX, DNS_TYPE_TXT,
	DNS_TYPE_PTR, DNS_TYPE_PTR_FC, DNS_TYPE_COUNT };

#define DNS_RECORDS_MAX	32

struct proto_dns_ask {
	uint8_t		type;		/* enum dns_type */
	uint32_t	timeout;	/* milliseconds */
	char		name[256];
};
void	put_dns_ask(struct wbuf *, const struct proto_dns_ask *);
int	get_dns_ask(struct msg *, struct proto_dns_ask *);

struct proto_dns_record {
	uint16_t	pref;		/* of an MX */
	char		text[256];
};

struct proto_dns_records {
	uint8_t		status;		/* enum dns_status */
	uint32_t	ttl;		/* seconds, the smallest */
	uint32_t	n;
	struct proto_dns_record record[DNS_RECORDS_MAX];
};
void	put_dns_records(struct wbuf *, const struct proto_dns_records *);
int	get_dns_records(struct msg *, struct proto_dns_records *);

/*
 * PTR_ASK: the name of a client's address, confirmed forward.  Answered by
 * one PTR_ANS within resolver.timeout and a little; name is "" unless the
 * status is DNS_OK.
 */
struct proto_ptr {
	uint32_t	timeout;	/* milliseconds */
	struct addr	addr;
};
void	put_ptr(struct wbuf *, const struct proto_ptr *);
int	get_ptr(struct msg *, struct proto_ptr *);

struct proto_ptr_ans {
	uint8_t		status;		/* enum dns_status */
	char		name[256];
};
void	put_ptr_ans(struct wbuf *, const struct proto_ptr_ans *);
int	get_ptr_ans(struct msg *, struct proto_ptr_ans *);

/*
 * LOOKUP: what a datasource has for a key.  Answered by one LOOKUP_ANS with
 * the same sid and seq; a lost verifyd counts as LOOKUP_CANNOT.
 */
struct proto_lookup {
	uint32_t	datasource;	/* its id */
	char		query[64];	/* its name; "" for cdb: and file: */
	char		key[1025];
};
void	put_lookup(struct wbuf *, const struct proto_lookup *);
int	get_lookup(struct msg *, struct proto_lookup *);

enum lookup_answer { LOOKUP_NO, LOOKUP_YES, LOOKUP_CANNOT,
	LOOKUP_ANSWER_COUNT };

struct proto_lookup_ans {
	uint8_t		answer;		/* enum lookup_answer */
	char		value[1025];	/* one line; of a YES */
};
void	put_lookup_ans(struct wbuf *, const struct proto_lookup_ans *);
int	get_lookup_ans(struct msg *, struct proto_lookup_ans *);

/*
 * STATE: read or change what is remembered for all processes (state.h).  The
 * payload: op, table, ttl in ms, n, then n times a key and, for STATE_SET, a
 * value; a ttl of 0 forgets.  Answered by one STATE_ANS with the same sid and
 * seq: op, n, then for STATE_GET n times a bool (found) and a value, which is
 * empty where none was found.  A value that the answer has no room for is not
 * found either (MSG_MAX).  A SET is done when it is answered.  A lost
 * verifyd: what is remembered is unknown.
 */
enum state_op { STATE_GET, STATE_SET, STATE_OP_COUNT };

enum state_table {
	STATE_LMTP_CLASS,	/* of (remote, sender, recipient): 1 h */
	STATE_DELIVERED,	/* hash of sender, recipient, body: 1 d */
	STATE_TABLE_COUNT
};

#define STATE_ITEMS_MAX	1024	/* in one question */
#define STATE_KEY_MAX	1024
#define STATE_VALUE_MAX	4096

struct proto_state {
	uint8_t		op;		/* enum state_op */
	uint8_t		table;		/* enum state_table */
	uint32_t	ttl;		/* ms; SET */
	uint32_t	n;		/* items that follow, in order */
};
/* The head only; then for each item put_blob key (and value). */
void	put_state(struct wbuf *, const struct proto_state *);
/* -1 if head is bad; the items are read with get_blob from m->body. */
int	get_state(struct msg *, struct proto_state *);

struct proto_state_ans {
	uint8_t		op;
	uint32_t	n;
};
void	put_state_ans(struct wbuf *, const struct proto_state_ans *);
int	get_state_ans(struct msg *, struct proto_state_ans *);

/*
 * REMOTE_SEEN: smtpd has greeted a remote, whose EHLO offers what caps says.
 * Sent where that differs from the REMOTE_CAPS that it knows of.
 * REMOTE_CAPS: verifyd to every smtpd: at the beginning of the pipe for all
 * remotes known, later for each that changed.
 */
struct proto_caps {
	uint32_t	remote;		/* its id */
	uint32_t	caps;		/* EXT_* of smtp_client.h */
};
void	put_caps(struct wbuf *, const struct proto_caps *);
int	get_caps(struct msg *, struct proto_caps *);

/*
 * UNIX_REQ: the dialer cannot see the file system, so the parent connects
 * to a remote's address of the form unix:PATH.  sid names the question;
 * answered by one UNIX_FD with fd, or without one and errno in seq.
 */
struct proto_unix {
	uint32_t	remote;		/* its id */
	uint32_t	entry;		/* which of its addresses, from 0 */
};
void	put_unix(struct wbuf *, const struct proto_unix *);
int	get_unix(struct msg *, struct proto_unix *);

#endif
