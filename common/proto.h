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
	X(CACHE_TMP,	116, R_PARENT, R_VERIFYD)			\
	X(CACHE_FILE,	117, R_PARENT, R_VERIFYD)			\
	X(LIST_TEXT,	118, R_PARENT, R_VERIFYD)			\
	X(LIST_FILE,	119, R_PARENT, R_VERIFYD)			\
	/* 150: a child to the parent */				\
	X(READY,	150, R_ALL, R_PARENT)				\
	X(CONF_OK,	151, R_ALL, R_PARENT)				\
	X(CONF_ERR,	152, R_ALL, R_PARENT)				\
	X(PONG,		153, R_ALL, R_PARENT)				\
	X(GEN_ENDED,	154, R_SMTPD, R_PARENT)				\
	X(LOG_LOST,	155, R_ALL, R_PARENT)				\
	X(PEER_BROKE,	156, R_ALL, R_PARENT)				\
	X(UNIX_REQ,	157, R_DIALER, R_PARENT)			\
	X(CACHE_WANT,	158, R_VERIFYD, R_PARENT)			\
	X(CACHE_DONE,	159, R_VERIFYD, R_PARENT)			\
	X(LIST_ERR,	160, R_VERIFYD, R_PARENT)			\
	X(LIST_DONE,	161, R_VERIFYD, R_PARENT)			\
	X(CONF_NOTE,	162, R_LOOKUPD | R_PROXYD, R_PARENT)		\
	X(LOG,		163, R_PROXYD, R_PARENT)			\
	/* 200: scripts (proto_script.h) */				\
	X(HOOK_OPEN,	200, R_SMTPD, R_PROXYD)				\
	X(HOOK_CALL,	201, R_SMTPD, R_PROXYD)				\
	X(HOOK_CLOSE,	202, R_SMTPD, R_PROXYD)				\
	X(HOOK_VERDICT,	251, R_PROXYD, R_SMTPD)				\
	/* 400: questions about addresses */				\
	X(JUDGE,	400, R_SMTPD, R_VERIFYD)			\
	X(LOOKUP,	401, R_SMTPD | R_PROXYD, R_VERIFYD)		\
	X(VERDICT,	403, R_SMTPD, R_VERIFYD)			\
	X(PROBE,	404, R_PROXYD, R_VERIFYD)			\
	X(JUDGE_ANS,	450, R_VERIFYD, R_SMTPD)			\
	X(LOOKUP_ANS,	451, R_VERIFYD, R_SMTPD | R_PROXYD)		\
	X(MARKED,	452, R_VERIFYD, R_SMTPD)			\
	X(PROBE_ANS,	454, R_VERIFYD, R_PROXYD)			\
	/* 500: connections */						\
	X(DIAL_REQ,	500, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_CANCEL,	501, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_DONE,	502, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_HOLD,	503, R_SMTPD | R_AUTHD | R_VERIFYD, R_DIALER)	\
	X(DIAL_HOST,	504, R_AUTHD | R_VERIFYD, R_DIALER)		\
	X(DIAL_FD,	550, R_DIALER, R_SMTPD | R_AUTHD | R_VERIFYD)	\
	X(DIAL_ERR,	551, R_DIALER, R_SMTPD | R_AUTHD | R_VERIFYD)	\
	X(DIAL_WANT,	552, R_DIALER, R_SMTPD | R_AUTHD | R_VERIFYD)	\
	/* 600: names */						\
	X(DNS_ADDR,	600, R_DIALER | R_LOOKUPD, R_RESOLVED)		\
	X(DNS_CANCEL,	601, R_DIALER | R_VERIFYD | R_LOOKUPD,		\
	    R_RESOLVED)							\
	X(DNS_ASK,	602, R_DIALER | R_VERIFYD, R_RESOLVED)		\
	X(PTR_ASK,	603, R_SMTPD | R_PROXYD, R_VERIFYD)		\
	X(DNS_LOOK,	604, R_PROXYD, R_VERIFYD)			\
	X(DNS_ADDR_ANS,	650, R_RESOLVED, R_DIALER | R_LOOKUPD)		\
	X(DNS_ANS,	651, R_RESOLVED, R_DIALER | R_VERIFYD)		\
	X(PTR_ANS,	652, R_VERIFYD, R_SMTPD | R_PROXYD)		\
	X(DNS_LOOK_ANS,	654, R_VERIFYD, R_PROXYD)			\
	/* 700: databases */						\
	X(QUERY,	700, R_VERIFYD | R_AUTHD | R_PROXYD, R_LOOKUPD)	\
	X(QUERY_ANS,	750, R_LOOKUPD, R_VERIFYD | R_AUTHD | R_PROXYD)	\
	X(SQL,		702, R_PROXYD, R_LOOKUPD)			\
	X(SOURCE_UP,	751, R_LOOKUPD, R_VERIFYD | R_AUTHD | R_PROXYD)	\
	X(SQL_ANS,	752, R_LOOKUPD, R_PROXYD)			\
	/* 800: what is remembered for all */				\
	X(STATE,	800, R_SMTPD | R_PROXYD, R_VERIFYD)		\
	X(REMOTE_SEEN,	801, R_SMTPD, R_VERIFYD)			\
	X(ADDRESS_ERROR, 802, R_SMTPD, R_VERIFYD)			\
	X(STATE_ANS,	850, R_VERIFYD, R_SMTPD | R_PROXYD)		\
	X(REMOTE_CAPS,	851, R_VERIFYD, R_SMTPD)			\
	X(BLOCKED,	852, R_VERIFYD, R_SMTPD)

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

#define INIT_SOURCE_MAX	(17 * 1024)

struct proto_init {
	uint32_t	index;
	uint32_t	flags;		/* INIT_* */
	uint32_t	uid, gid;
	uint64_t	files;		/* RLIMIT_NOFILE; 0 = as it is */
	/* lookupd: the URIs of its datasource, a newline between them. */
	char		source[INIT_SOURCE_MAX];
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

/*
 * LOG_FD: fd is where log lines go from now on; proxyd gets none, and sends
 * its lines (LOG).
 */
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

/*
 * CONF_NOTE: before CONF_OK, what is wrong with a setting: of a generation
 * that is being judged an error, or a warning, at the line of that key.
 */
struct proto_conf_note {
	bool		error;
	char		key[256];	/* "datasource.users.query.route" */
	char		why[512];
};
void	put_conf_note(struct wbuf *, const struct proto_conf_note *);
int	get_conf_note(struct msg *, struct proto_conf_note *);

struct proto_conf_err {
	uint32_t	line, col;	/* 0: not tied to a place */
	char		why[512];
};
void	put_conf_err(struct wbuf *, const struct proto_conf_err *);
int	get_conf_err(struct msg *, struct proto_conf_err *);

/*
 * LIST_TEXT (fd: the text of a list), LIST_FILE (fd: an empty file): to a
 * verifyd of its own, which writes the one into the other (list_file.h) and
 * answers with what is wrong with which line, a LIST_ERR each (get_conf_err),
 * then LIST_DONE.  With errors there is no file.  All carry the same seq.
 */
struct proto_list {
	uint64_t	entries;
	uint8_t		hash[16];	/* of the entries: same list, same */
};
void	put_list(struct wbuf *, const struct proto_list *);
int	get_list(struct msg *, struct proto_list *);

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
#define CTL_MAX	4096

struct proto_ctl {
	char	request[CTL_MAX];	/* "show stats" */
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

/*
 * DIAL_HOST: the same to a host that is no remote: a name, or an address.  A
 * name that DNS leads to no public network is refused (DIAL_FORBIDDEN), but
 * for remote-networks; addresses and the names of /etc/hosts are not.  None
 * leads to a listener of ours (DIAL_LOOP).  Of such a lease there is no limit,
 * no DIAL_WANT and no DIAL_HOLD.
 */
struct proto_dial_host {
	char		host[256];
	uint16_t	port;
	uint32_t	timeout;	/* milliseconds */
	uint64_t	session;
};
void	put_dial_host(struct wbuf *, const struct proto_dial_host *);
/* -1 also without a host, a port or a time. */
int	get_dial_host(struct msg *, struct proto_dial_host *);

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
	bool		here;		/* this machine's word: /etc/hosts,
					   localhost */
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

/* Where something is looked up: part of other messages. */
struct proto_path {
	uint8_t		kind;		/* enum lookup_kind of config.h */
	uint32_t	id;		/* of the object */
	char		query[64];	/* LOOK_DB: its name; "" for cdb: and
					   file: */
};

/* What is asked there. */
enum look_what {
	LOOK_KEY,		/* the key as it is */
	LOOK_DOMAIN,		/* is this domain local */
	LOOK_ADDRESS,		/* is there this address: in normal form */
	LOOK_VRFY,		/* what VRFY says of it */
	LOOK_EXPN,		/* what EXPN does */
	LOOK_WHAT_COUNT
};

/* The longest address in normal form, and the longest key, with NUL. */
#define LOOK_ADDR_MAX	512
#define LOOK_KEY_MAX	1025
#define LOOK_ROWS_MAX	100	/* values of an answer */

/*
 * LOOKUP: what there is for a key.  Answered by one LOOKUP_ANS with the same
 * sid and seq, within the time-outs of what is asked; a lost verifyd counts
 * as LOOKUP_CANNOT.
 */
struct proto_lookup {
	struct proto_path path;
	uint8_t		what;		/* enum look_what */
	char		key[LOOK_KEY_MAX];
	char		sender[LOOK_ADDR_MAX];	/* of the transaction, in
					   normal form; "" */
};
void	put_lookup(struct wbuf *, const struct proto_lookup *);
int	get_lookup(struct msg *, struct proto_lookup *);

/* LIVE: a server's answer that says nothing on whether there is one. */
enum lookup_answer { LOOKUP_NO, LOOKUP_YES, LOOKUP_CANNOT, LOOKUP_LIVE,
	LOOKUP_ANSWER_COUNT };

/*
 * Behind the first value further ones follow, n - 1 lines (get_line, at most
 * LOOK_KEY_MAX): of VRFY and EXPN, and where a query found several rows.
 */
struct proto_lookup_ans {
	uint8_t		answer;		/* enum lookup_answer */
	char		why[256];	/* CANNOT, LIVE: for the log */
	uint32_t	n;		/* values, of a YES */
	char		value[LOOK_KEY_MAX];	/* the first; "" if none */
};
void	put_lookup_ans(struct wbuf *, const struct proto_lookup_ans *);
/* -1 if it is bad; the further values are read from m->body. */
int	get_lookup_ans(struct msg *, struct proto_lookup_ans *);

/*
 * JUDGE: may this recipient be admitted?  Answered by exactly one JUDGE_ANS
 * with the same sid and seq, within the remotes' and datasources' time-outs;
 * a lost verifyd counts as JUDGE_NO_DOMAIN.
 *
 * JUDGE_AHEAD: the question will be put in a moment, and is not answered: so
 * that a server is asked at once for all recipients that a client sent in one
 * packet.  Nothing may depend on it.
 *
 * rates, behind the struct: nrates times put_rate, with a period.  They are
 * charged in order, only where the recipient is VOUCHED or LIVE (a FOREIGN one
 * may be refused before its turn comes); the first that is passed ends that,
 * and those before it stay charged.
 */
#define JUDGE_AHEAD	0x01
#define JUDGE_STALE	0x02	/* an expired yes will do */
#define JUDGE_RATES_MAX	64

struct proto_judge {
	uint8_t		flags;		/* JUDGE_* */
	struct proto_path domains;	/* LOOK_NONE: it is local */
	struct proto_path addresses;	/* LOOK_NONE: nobody is asked */
	uint32_t	remote;		/* id of the next hop that it would
					   have; 0 = not known: whether it is
					   marked (VERDICT) */
	char		rcpt[LOOK_ADDR_MAX];	/* in normal form */
	char		sender[LOOK_ADDR_MAX];	/* likewise; "" = null */
	uint32_t	nrates;
};
void	put_judge(struct wbuf *, const struct proto_judge *);
/* -1 if the head is bad; the rates are read from m->body. */
int	get_judge(struct msg *, struct proto_judge *);

enum judge_verdict {
	JUDGE_FOREIGN,		/* the domain is not local */
	JUDGE_VOUCHED,		/* there is such an address */
	JUDGE_UNKNOWN,		/* there is not */
	JUDGE_LIVE,		/* local; the next hop must tell */
	JUDGE_NO_DOMAIN,	/* the domain cannot be looked up */
	JUDGE_NO_ADDRESS,	/* the address cannot */
	JUDGE_VERDICT_COUNT
};

/* Whose word that is. */
enum judge_by { JUDGE_BY_NONE, JUDGE_BY_LIST, JUDGE_BY_DB, JUDGE_BY_CACHE,
	JUDGE_BY_PROBE, JUDGE_BY_MARK, JUDGE_BY_COUNT };

struct proto_judge_ans {
	uint8_t		verdict;	/* enum judge_verdict */
	uint8_t		by;		/* enum judge_by */
	uint32_t	remote;		/* id of the server that was asked for
					   the address; 0 = none was */
	bool		charged;	/* the rates were looked at */
	uint32_t	over;		/* 1 + the rate that is passed; 0 */
	char		why[256];	/* for the log: a server's reply, why
					   nobody can tell */
};
void	put_judge_ans(struct wbuf *, const struct proto_judge_ans *);
int	get_judge_ans(struct msg *, struct proto_judge_ans *);

/*
 * VERDICT: what a next hop said of a recipient; not answered.  UNKNOWN: at
 * RCPT it refused one that was asked live, or one that was vouched for, as
 * not there: kept as a no.  REFUSED: it refused one that was vouched for in
 * another way: the yes is forgotten.  In both cases where it was vouched for
 * (remote, sender, recipient) is JUDGE_LIVE for an hour.
 */
/*
 * MARKED, to every smtpd: for the next seq milliseconds there can be a
 * recipient that is JUDGE_LIVE although it is vouched for.  Until then smtpd
 * asks (JUDGE, addresses LOOK_LIST) for those that a list vouches for, which
 * it else accepts without.  Not answered; no payload.
 */

enum verdict_kind { VERDICT_UNKNOWN, VERDICT_REFUSED, VERDICT_KIND_COUNT };

struct proto_verdict {
	uint8_t		kind;		/* enum verdict_kind */
	bool		vouched;
	uint32_t	remote;		/* id of the next hop */
	uint32_t	asked;		/* id of the remote whose word it was
					   (proto_judge_ans.remote); 0 = none */
	char		rcpt[LOOK_ADDR_MAX];
	char		sender[LOOK_ADDR_MAX];
	uint16_t	code;		/* the reply: 550, "5.1.1", text */
	char		enhanced[12];
	char		text[256];
};
void	put_verdict(struct wbuf *, const struct proto_verdict *);
int	get_verdict(struct msg *, struct proto_verdict *);

/*
 * SOURCE_UP: lookupd says which datasource it serves: at the beginning of
 * the pipe.  QUERY: run a query there.  Answered by one QUERY_ANS with the
 * same sid and seq, within the datasource's timeout and a little; the pipe
 * lost: nobody can tell.
 *
 * A query is named: of the datasource itself, or of a directory that uses it
 * ("address", "domain", "vrfy", "expn").  Behind the struct the parameters:
 * nparams times put_str name, put_blob value.  Those that the query does not
 * mention are left alone; one that it mentions and that is not there is "".
 */
struct proto_source {
	uint32_t	datasource;	/* its id */
};
void	put_source(struct wbuf *, const struct proto_source *);
int	get_source(struct msg *, struct proto_source *);

#define QUERY_PARAMS_MAX 16

struct proto_query {
	uint32_t	directory;	/* its id; 0 = the datasource's own */
	char		query[64];
	uint32_t	max_rows;	/* what is found beyond is left out */
	uint32_t	nparams;
};
void	put_query(struct wbuf *, const struct proto_query *);
/* -1 if the head is bad; the parameters are read from m->body. */
int	get_query(struct msg *, struct proto_query *);

/*
 * The answer.  Behind the struct, of QUERY_OK, the names of the columns,
 * ncolumns put_str, and the rows: nrows times ncolumns times put_bool (not
 * NULL), put_blob (empty for NULL).  Rows of no columns: the statement gives
 * none; changed says how many it changed.
 */
enum query_status { QUERY_OK, QUERY_CANNOT, QUERY_STATUS_COUNT };

#define QUERY_COLUMNS_MAX 256

struct proto_query_ans {
	uint8_t		status;		/* enum query_status */
	char		why[256];	/* CANNOT: for the log */
	bool		cut;		/* there were more rows */
	uint64_t	changed;
	uint32_t	ncolumns;
	uint32_t	nrows;
};
void	put_query_ans(struct wbuf *, const struct proto_query_ans *);
/* -1 if the head is bad; columns and rows are read from m->body. */
int	get_query_ans(struct msg *, struct proto_query_ans *);

/*
 * STATE: read or change what is remembered for all processes (state.h).  The
 * payload: op, table, ttl in ms, n, then n items.
 *
 * GET, SET: an item is a key and, for SET, a value; a ttl of 0 forgets.
 * Answered by one STATE_ANS with the same sid and seq: op, n, then for GET n
 * times a bool (found) and a value, which is empty where none was found.  A
 * value that the answer has no room for is not found either (MSG_MAX).  A SET
 * is done when it is answered.
 *
 * INCR, of STATE_SCRIPT: an item is a key and a value, a decimal number (of
 * 64 bits, signed) that is added to what is there; nothing counts as 0 and
 * begins to live for ttl, what is there lives on as it did.  Answered by
 * STATE_ANS as GET is, with the sum; not found: what is there is no number, or
 * the sum would be none.
 *
 * The others know no table and no ttl.  An item is that of a rate (put_rate):
 * a key, a count, a period.  With a period it may be charged count times in
 * each; with a period of 0 it is held by the sender's session sid, and may be
 * by count sessions at a time (0: by any number).  A session holds a key once,
 * however often it takes it, until it gives it back, or all of them, or its
 * process is lost.
 *
 *	TAKE	charge and hold all of them, or none.  Answered by STATE_ANS:
 *		op, n, over: 1 + the first that there is no room for, or 0
 *	BACK	undo that: not answered.  A rate is given one charge back
 *	HELD	hold, even over the count: not answered.  To a new verifyd, of
 *		what sessions hold by an earlier TAKE
 *	FREE	no items: the session sid holds nothing any more.  Not answered
 *
 * A lost verifyd: what is remembered is unknown, and what was held is not.
 */
enum state_op { STATE_GET, STATE_SET, STATE_TAKE, STATE_BACK, STATE_HELD,
	STATE_FREE, STATE_INCR, STATE_OP_COUNT };

enum state_table {
	STATE_LMTP_CLASS,	/* of (remote, sender, recipient): 1 h */
	STATE_DELIVERED,	/* hash of sender, recipient, body: 1 d */
	STATE_SCRIPT,		/* of scripts: store.*, key "namespace\0key" */
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
/* The head only; then for each item put_blob key (and value), or put_rate. */
void	put_state(struct wbuf *, const struct proto_state *);
/* -1 if head is bad; the items are read from m->body. */
int	get_state(struct msg *, struct proto_state *);

/* An item that is charged or held: of STATE, and of JUDGE. */
struct proto_rate {
	const uint8_t	*key;		/* got: a view */
	size_t		 klen;
	uint32_t	 count;
	uint64_t	 period;	/* ms; 0: it is held */
};
void	put_rate(struct wbuf *, const struct proto_rate *);
/* -1 if it is bad: no count of a rate, a key that is too long. */
int	get_rate(struct rbuf *, struct proto_rate *);

struct proto_state_ans {
	uint8_t		op;
	uint32_t	n;
	uint32_t	over;		/* TAKE: on the wire behind n */
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
 * ADDRESS_ERROR: a client at that address has made a counted error; not
 * answered.  At the total-th within period of the first, the address is
 * blocked: BLOCKED goes to every smtpd, at the beginning of the pipe of all
 * that are blocked.  An address is a v4 one or the first 64 bits of a v6 one.
 */
struct proto_error {
	struct addr	addr;
	uint32_t	total;
	uint64_t	period, block;	/* ms */
};
void	put_error(struct wbuf *, const struct proto_error *);
int	get_error(struct msg *, struct proto_error *);

struct proto_blocked {
	struct addr	addr;
	uint64_t	ms;		/* from now on */
};
void	put_blocked(struct wbuf *, const struct proto_blocked *);
int	get_blocked(struct msg *, struct proto_blocked *);

/*
 * The file of verdicts.  CACHE_FILE: it (fd, for reading), as it stands at
 * verify-cache.path; without fd: there is none.  With seq 0 it is another
 * file than so far: sent to a new verifyd before its configuration is
 * committed, and when verify-cache.path is another one.  CACHE_WANT: verifyd
 * wants to write a new one.  CACHE_TMP: here it is (fd, empty, for reading
 * and writing), or without fd: not now.  CACHE_DONE: it is written: have it
 * on the disk and put it in its place, which CACHE_FILE with seq 1 answers
 * (without fd: that failed); in seq 0, or 1 to give it up, which has no
 * answer.  All but CACHE_FILE are without payload.
 */
#define CACHE_PATH_MAX	1024

struct proto_cache_file {
	char	path[CACHE_PATH_MAX];	/* for the log */
};
void	put_cache_file(struct wbuf *, const struct proto_cache_file *);
int	get_cache_file(struct msg *, struct proto_cache_file *);

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
