/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The messages of scripts: the payloads of those numbers of proto.h that only
 * proxyd, and who talks to it, knows.
 *
 * smtpd tells proxyd of a session when its first script runs (HOOK_OPEN) and
 * afterwards only what has changed, at the head of each HOOK_CALL.  A session
 * has one call at a time.  A call has one HOOK_VERDICT with the same sid and
 * seq, within script-limits.time and a little, or the pipe is lost: then the
 * session says what the manual says for a lost worker, and opens anew
 * in another one.  HOOK_CLOSE: the session is over, or has nothing to do with
 * scripts any more; a call of it that is under way has no verdict then.
 *
 * proxyd runs what may be hostile, so smtpd looks at a verdict as closely as
 * at a client's line: hook_verdict_check() is what both hold it against, one
 * to tell the author what is wrong and the other to have the sender ended.
 */
#ifndef PROTO_SCRIPT_H
#define PROTO_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "proto.h"
#include "smtp.h"
#include "wire.h"

struct msg;

/* --- what a script sees of a session -------------------------------------- */

#define HOOK_PARAMS_MAX		64	/* of a command, XSETCONTEXT's keys */
#define HOOK_EXTENSIONS_MAX	64
#define HOOK_TEXT_MAX		(16 * 1024)	/* of a value */

/* Names and values; the strings are this struct's. */
struct hook_pairs {
	uint32_t	 n;
	char		**name;
	char		**value;
};

/* 0, or -1 without memory.  The strings are copied. */
int	hook_pairs_add(struct hook_pairs *, const char *name,
	    const char *value);
void	hook_pairs_clear(struct hook_pairs *);
/* At most max of them come back; what was there before is cleared. */
void	hook_put_pairs(struct wbuf *, const struct hook_pairs *);
void	hook_get_pairs(struct rbuf *, struct hook_pairs *, uint32_t max,
	    bool *nomem);
/* A copy; NULL: bad, too long, or *nomem. */
char	*hook_get_text(struct rbuf *, bool *nomem);

struct hook_address {
	char		*localpart;	/* as sent, without quotes */
	char		*domain;	/* as sent; "" = none */
	char		*address;	/* as printed; "" = the null sender */
	struct hook_pairs params;	/* keys in upper case */
};

struct hook_rcpt {
	struct hook_address to;
	char		*transportid;	/* a remote's name, or "mx" */
};

/*
 * What proxyd holds of a session, and the fields of the messages fill in.
 * NULL, ADDR_NONE: not there (yet).
 */
struct hook_session {
	struct addr		 remote;	/* ADDR_UNIX: see uid */
	struct addr		 local;
	struct addr		 proxy;		/* who came for the client */
	int64_t			 uid;		/* -1 = not known */
	char			*serverid;
	bool			 ptr_known;
	char			*ptr;		/* "" = it has none */
	char			*helo_verb;
	char			*helo_host;
	char			*tls_protocol;
	char			*tls_cipher;
	uint32_t		 tls_keysize;
	char			*tls_sni;	/* "" = none */
	bool			 has_cert;
	int64_t			 cert_error;	/* X509_V_...; 0 = good */
	struct hook_pairs	 cert;		/* "subject" and so on */
	char			*auth_mechanism;
	char			*auth_username;
	struct hook_pairs	 context;	/* XSETCONTEXT */
	uint64_t		 tx;		/* its id */
	bool			 has_sender;
	struct hook_address	 sender;
	uint32_t		 nrcpts;
	struct hook_rcpt	*rcpts;		/* accepted, in order */
	/* Counts up with each change of connection and of transaction. */
	uint32_t		 connection_version;
	uint32_t		 transaction_version;
};

/*
 * The fields that a message carries, in order, HOOKF_END behind them.  They
 * are written by the functions below, one each.
 */
enum hook_field {
	HOOKF_END,
	HOOKF_REMOTE,		/* also: uid */
	HOOKF_LOCAL,
	HOOKF_PROXY,
	HOOKF_SERVERID,
	HOOKF_PTR,
	HOOKF_HELO,
	HOOKF_TLS,
	HOOKF_CERT,
	HOOKF_AUTH,
	HOOKF_CONTEXT,
	HOOKF_FORGET,		/* helo and auth are gone: EHLO, STARTTLS */
	HOOKF_TX,		/* another transaction, with nothing in it */
	HOOKF_SENDER,
	HOOKF_RCPT,		/* one more */
	HOOK_FIELD_COUNT
};

void	hook_put_remote(struct wbuf *, const struct addr *, int64_t uid);
void	hook_put_local(struct wbuf *, const struct addr *);
void	hook_put_proxy(struct wbuf *, const struct addr *);
void	hook_put_serverid(struct wbuf *, const char *);
/* name: "" = it has none. */
void	hook_put_ptr(struct wbuf *, const char *name);
void	hook_put_helo(struct wbuf *, const char *verb, const char *host);
void	hook_put_tls(struct wbuf *, const char *protocol, const char *cipher,
	    uint32_t keysize, const char *sni);
void	hook_put_cert(struct wbuf *, int64_t error, const char *const *names,
	    const char *const *values, uint32_t n);
void	hook_put_auth(struct wbuf *, const char *mechanism,
	    const char *username);
void	hook_put_context(struct wbuf *, const char *const *names,
	    const char *const *values, uint32_t n);
void	hook_put_forget(struct wbuf *);
void	hook_put_tx(struct wbuf *, uint64_t id);
void	hook_put_sender(struct wbuf *, const struct smtp_path *,
	    const struct smtp_param *, size_t nparams);
void	hook_put_rcpt(struct wbuf *, const struct smtp_path *,
	    const struct smtp_param *, size_t nparams,
	    const char *transportid);
void	hook_put_end(struct wbuf *);

/* Nothing is known; clearing leaves it so. */
void	hook_session_init(struct hook_session *);
void	hook_session_clear(struct hook_session *);
/*
 * Take the fields up to HOOKF_END into the session.  -1: they are bad, or no
 * memory (*nomem); the session is as good as closed then.
 */
int	hook_get_fields(struct rbuf *, struct hook_session *, bool *nomem);

/* --- HOOK_OPEN, HOOK_CALL, HOOK_CLOSE ------------------------------------- */

enum hook_stage {
	HOOK_COMMAND,		/* proxy.script */
	HOOK_CONNECT,
	HOOK_EHLO,
	HOOK_AUTH,
	HOOK_MAIL,
	HOOK_RCPT,
	HOOK_DATA,
	HOOK_STAGE_COUNT
};

/* "proxy", "connect", ...: for the log and scripts' names of stages. */
const char	*hook_stage_name(enum hook_stage);

/*
 * HOOK_OPEN: fields alone; of a session that is there, and has no call under
 * way: more of them, where a HOOK_CALL would be too long.  HOOK_CALL: this,
 * then fields, then the arguments of the stage; after HOOK_CLOSE, which has no
 * payload, there is no session.
 */
struct proto_hook_call {
	uint8_t		stage;		/* enum hook_stage */
	uint32_t	script;		/* its id */
};
void	put_hook_call(struct wbuf *, const struct proto_hook_call *);
/* -1 if the head is bad; the fields and arguments are read from m->body. */
int	get_hook_call(struct msg *, struct proto_hook_call *);

/*
 * The arguments, which end the payload.  By stage:
 *
 *	COMMAND	text: the line; AUTH's initial response is "****"
 *	CONNECT	flag: it talked before the banner
 *	EHLO	verb, text: the host; pairs: the keywords of the reply, each
 *		with what stands behind it as its value
 *	AUTH	verb: the mechanism; text: the user
 *	MAIL	text: the address; path: its parts; pairs: parameters
 *	RCPT	likewise, and verb: transportid, "" = not known yet
 *	DATA	size: as declared, 0 = not; number: recipients
 */
struct hook_args {
	bool		 flag;
	uint64_t	 size;
	uint32_t	 number;
	char		*verb;
	char		*text;
	char		*localpart;
	char		*domain;
	struct hook_pairs pairs;
};
/* For writing: strings are not taken; NULL = "". */
void	put_hook_args(struct wbuf *, const struct hook_args *);
/* To be cleared, also after -1 (bad, or *nomem). */
int	get_hook_args(struct rbuf *, struct hook_args *, bool *nomem);
void	hook_args_clear(struct hook_args *);

/* --- HOOK_VERDICT --------------------------------------------------------- */

enum hook_verdict {
	HOOKV_PASS,		/* COMMAND: as it is, or as `command' */
	HOOKV_REPLY,		/* COMMAND: reply is said */
	HOOKV_ACCEPT,		/* the stages */
	HOOKV_REJECT,
	HOOKV_DEFER,
	HOOKV_ERROR,		/* the script failed: why */
	HOOK_VERDICT_COUNT
};

#define HOOKV_NEXT		0x01	/* the next line is the script's too */
#define HOOKV_DISCONNECT	0x02
#define HOOKV_CONTEXT		0x04	/* the session has a context now */
#define HOOKV_SET_COMMAND	0x08	/* which of the following are set */
#define HOOKV_SET_HOST		0x10
#define HOOKV_SET_EXTENSIONS	0x20
#define HOOKV_SET_ADDRESS	0x40	/* sender, recipient */
#define HOOKV_SET_TRANSPORTID	0x80

#define HOOK_REPLY_LINES	100
#define HOOK_REPLY_MAX		(32 * 1024)	/* octets of all its lines */

struct proto_hook_verdict {
	uint8_t		 kind;		/* enum hook_verdict */
	uint8_t		 flags;		/* HOOKV_* */
	uint16_t	 code;		/* 0: the stage's own reply, and no
					   text */
	char		 enhanced[12];	/* "" = none is said */
	uint32_t	 nlines;	/* of the reply; with a code, 1 at
					   least; may be "" */
	char		*lines;		/* a newline between them; malloc'd;
					   CONNECT's accept: the banner */
	char		 command[SMTP_LINE_MAX];
	char		 host[256];
	char		 address[SMTP_MAILBOX_MAX + 1];
	char		 transportid[64];
	struct hook_pairs extensions;
	char		 why[512];	/* ERROR: for the log */
	uint32_t	 usec;		/* CPU that it took, for the log */
};
void	put_hook_verdict(struct wbuf *, const struct proto_hook_verdict *);
/* To be cleared, also after -1.  Lines hold US-ASCII that may be sent. */
int	get_hook_verdict(struct msg *, struct proto_hook_verdict *);
void	hook_verdict_clear(struct proto_hook_verdict *);
/*
 * Is that a possible verdict of the stage?  For COMMAND, verb is that of the
 * line that the script was shown (VERB_NONE: unknown).  NULL, or what is
 * wrong: "220 to STARTTLS".  This is where classes, codes and lengths are
 * looked at; a rewritten command is only looked at for what it must not be,
 * an address not at all: both are parsed like a client's.
 */
const char	*hook_verdict_check(enum hook_stage, enum smtp_verb,
		    const struct proto_hook_verdict *);

/* --- LOG ------------------------------------------------------------------ */

/*
 * LOG: whole lines of proxyd's log, as log.c makes them, newlines and all.
 * The parent writes them as they are but for control octets.
 */
#define LOG_LINES_MAX	(12 * 1024)

/* --- PROBE ---------------------------------------------------------------- */

/*
 * PROBE: would that server take this recipient (rcptto_proxy)?  host: a
 * remote's name, where there is one of that name and port is 0 or its own,
 * else a host name or address.  Answered by one PROBE_ANS within timeout and
 * a little.  The strings are the script's, whatever is in them: verifyd looks.
 */
struct proto_probe {
	char		host[256];
	uint16_t	port;		/* 0: the remote's, or 25 */
	uint32_t	timeout;	/* ms, all of it */
	char		rcpt[LOOK_ADDR_MAX];	/* as given */
	char		sender[LOOK_ADDR_MAX];	/* "" = null */
};
void	put_probe(struct wbuf *, const struct proto_probe *);
int	get_probe(struct msg *, struct proto_probe *);

enum probe_result {
	PROBE_YES,		/* 2xx to RCPT */
	PROBE_NO,		/* any other reply to it: "fail" */
	PROBE_FAILED,		/* it did not come to that: stage, text */
	PROBE_RESULT_COUNT
};

struct proto_probe_ans {
	uint8_t		result;		/* enum probe_result */
	bool		cached;
	uint16_t	code;		/* of the reply; 0 = none */
	char		enhanced[12];
	char		stage[16];	/* "resolve" "connect" "banner" "ehlo"
					   "tls" "auth" "mail" "rcpt"
					   "timeout" */
	char		text[256];	/* the reply's, or what went wrong */
};
void	put_probe_ans(struct wbuf *, const struct proto_probe_ans *);
int	get_probe_ans(struct msg *, struct proto_probe_ans *);

/* --- SQL ------------------------------------------------------------------ */

/*
 * SQL: a statement of a script's, at a datasource with `scripts: true'; one
 * statement, nothing behind it but `;' and blanks.  Behind the struct the
 * parameters, nparams times put_str name ("" = by place: `?'), then a value.
 * Answered by one SQL_ANS with the same sid and seq, within the datasource's
 * timeout and a little.
 *
 * A value is a put_u8 of enum sql_type and a put_blob: text as it is, numbers
 * in decimal ("1", "-0.5"), booleans "1" and "0", NULL empty.
 */
#define SQL_MAX		(64 * 1024)	/* octets of a statement */
#define SQL_VALUES_MAX	100		/* parameters */

enum sql_type { SQL_NULL, SQL_TEXT, SQL_INT, SQL_REAL, SQL_BOOL,
	SQL_TYPE_COUNT };

struct proto_sql {
	const char	*sql;		/* got: a view, of len octets */
	size_t		 len;
	uint32_t	 max_rows;
	uint32_t	 nparams;
};
void	put_sql(struct wbuf *, const struct proto_sql *);
/* -1 if the head is bad; the parameters are read from m->body. */
int	get_sql(struct msg *, struct proto_sql *);

struct sql_value {
	uint8_t		 type;		/* enum sql_type */
	const char	*p;		/* got: a view, not NUL-terminated */
	size_t		 len;
};
void	put_sql_value(struct wbuf *, const struct sql_value *);
void	get_sql_value(struct rbuf *, struct sql_value *);

/*
 * SQL_ANS: put_query_ans, then of QUERY_OK the names of the columns,
 * ncolumns put_str, and nrows times ncolumns values as above.  changed is of
 * INSERT and its like, 0 else.
 */

/* --- DNS_LOOK ------------------------------------------------------------- */

/*
 * DNS_LOOK: put_dns_ask; verifyd hands it on.  Answered by one DNS_LOOK_ANS:
 * put_dns_records.  sid and seq are the asker's, both.
 */

#endif
