/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The vocabulary of SMTP: limits, verbs, commands, paths, replies and the
 * message body.  Everything declared here is pure: no descriptor, no event,
 * no log, no global state, so that each piece can be fuzzed as it is.
 *
 *	smtp_line.c	bytes -> one clean line
 *	smtp_cmd.c	line -> struct smtp_cmd
 *	smtp_path.c	reverse and forward paths, domains, literals
 *	smtp_reply.c	replies, built and parsed
 *	smtp_data.c	the dot machine, both ways
 *	smtp_verdict.c	what a reply to RCPT says of the mailbox
 *	smtp_header.c	what is looked at in a header: Received fields, 8-bit
 *
 * and beside them utf8.c and idn.c, which have headers of their own.
 */
#ifndef SMTP_H
#define SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "idn.h"

/* RFC 5321, section 4.5.3.1, and what its extensions add to it. */
#define SMTP_LOCAL_MAX		64	/* octets of a local part */
#define SMTP_DOMAIN_MAX		255
#define SMTP_PATH_MAX		256	/* with the angle brackets */
#define SMTP_MAILBOX_MAX	(SMTP_LOCAL_MAX * 2 + 2 + 1 + SMTP_DOMAIN_MAX)
#define SMTP_LINE_MAX		2048	/* a command, its CRLF included */
#define SMTP_AUTH_LINE_MAX	12288	/* RFC 4954, section 4 */
#define SMTP_REPLY_LINE_MAX	512	/* what we send, CRLF included */
#define SMTP_REPLY_IN_MAX	1024	/* what we take from a next hop */
#define SMTP_REPLY_LINES_MAX	100	/* likewise: lines of one reply */
#define SMTP_PARAM_MAX		32	/* ESMTP parameters of one command */
#define SMTP_ENVID_MAX		100	/* RFC 3461, section 4.4 */
#define SMTP_ORCPT_MAX		500	/* RFC 3461, section 4.2 */

/* Bytes that are not NUL-terminated and belong to somebody else. */
struct slice {
	const char	*p;
	size_t		 n;
};

/* --- smtp_line.c ------------------------------------------------------- */

enum smtp_line {
	LINE_OK,		/* a clean line: no CR, LF or NUL in it */
	LINE_MORE,		/* no end of line yet */
	LINE_TOO_LONG,		/* over-long; swallowed up to its end */
	LINE_BARE_LF,		/* ended by LF without CR */
	LINE_BARE_CR,		/* CR not followed by LF inside */
	LINE_NUL		/* NUL inside */
};

/* The state of a reader between calls: zero is the state to begin with. */
struct smtp_lines {
	size_t	seen;		/* octets of this line looked at before */
	bool	skip;		/* inside an over-long line */
};

/*
 * Find the next line in buf[0..len).  Resumable: called again with the same
 * unconsumed bytes and more behind them it does not look at them twice.
 *
 * LINE_OK: *line is the line without its CR LF (a slice of buf), *used the
 * octets to consume.  The other results but LINE_MORE: a bad line, already
 * complete; *used is what to consume, *line is empty.  LINE_MORE: *used is
 * what may be consumed already (not 0 only inside an over-long line, which
 * is swallowed as it comes; LINE_TOO_LONG is told once, at its end).
 * max counts the CR LF.  Any split of the input gives the same lines.
 * Of a line with several faults the first is told, but one that is also
 * over-long is told as that.
 */
enum smtp_line	smtp_line_next(struct smtp_lines *, const char *buf,
		    size_t len, size_t max, struct slice *line, size_t *used);

/* --- smtp_path.c ------------------------------------------------------- */

enum smtp_path_error {
	PATH_OK,
	PATH_SYNTAX,		/* not a path */
	PATH_LOCAL_LONG,	/* local part over 64 octets */
	PATH_DOMAIN_LONG,	/* domain over 255, or a label over 63 */
	PATH_LONG,		/* path over 256 */
	PATH_UTF8,		/* invalid UTF-8 in it */
	PATH_IDN,		/* U-labels that are none: see idn.h */
	PATH_MEMORY		/* none for the conversion of U-labels */
};

/*
 * A parsed path.  Source routes are dropped (RFC 5321, appendix C).  The
 * local part is kept without quoting: joe, "joe" and "j\oe" are the same
 * mailbox.
 */
struct smtp_path {
	bool	 null;			/* <> */
	bool	 utf8;			/* octets over 127: needs SMTPUTF8 */
	bool	 literal;		/* domain is [address] */
	size_t	 local_len;		/* printable ASCII and valid UTF-8 */
	size_t	 domain_len;
	char	 local[SMTP_LOCAL_MAX + 1];
	char	 domain[SMTP_DOMAIN_MAX + 1];	/* as sent; "" = <postmaster> */
	char	 alabels[IDN_MAX + 1];	/* of a domain not ASCII; else "" */
};

#define PATH_REVERSE	0x01	/* <> is allowed */
#define PATH_FORWARD	0x02	/* <postmaster> without a domain is allowed */
#define PATH_BARE	0x04	/* no angle brackets (VRFY, configuration) */

/*
 * Parse a path at the start of s.  *used gets the octets taken; what
 * follows is the caller's business (a space or the end).  RFC 5321, 4.1.2;
 * valid UTF-8 per RFC 6531 is parsed and flagged, never refused here, but a
 * domain must be one in A-labels too (PATH_IDN; PATH_MEMORY if that cannot be
 * told: the only call here that may allocate, and not for ASCII).  With
 * PATH_BARE the null path is the empty slice.  The path is zeroed and *used
 * is 0 on error.
 */
enum smtp_path_error	smtp_path_parse(struct smtp_path *, struct slice s,
			    int flags, size_t *used);

/*
 * Print a mailbox as it goes on the wire, quoted where it must be, without
 * angle brackets; "" for the null path.  Returns the length, like
 * snprintf; SMTP_MAILBOX_MAX + 1 octets always suffice.
 * parse(print(parse(x))) == parse(x).
 */
size_t	smtp_path_print(const struct smtp_path *, char *, size_t);

/*
 * The same in normal form: the local part in ASCII lower case (octets over
 * 127 stay: only the mailbox's server knows what is the same), the domain in
 * A-labels and lower case.  Longer than what is printed, if there are
 * U-labels; SMTP_MAILBOX_MAX + 1 octets suffice.
 */
size_t	smtp_path_normal(const struct smtp_path *, char *, size_t);

/* Is it <postmaster>, or postmaster@anything, in any case? */
bool	smtp_path_is_postmaster(const struct smtp_path *);

/* A domain name (RFC 5321, Domain; letters, digits, "-", "_"; U-labels). */
bool	smtp_is_domain(struct slice);

/* Is it UTF-8 and nothing else (RFC 3629)?  ASCII is; the empty slice is. */
bool	smtp_is_utf8(struct slice);

/* A domain with at least one dot, or an address literal: for EHLO. */
bool	smtp_is_fqdn(struct slice);

/*
 * "[192.0.2.1]", "[IPv6:2001:db8::1]" or "[tag:...]".  Only inet_pton
 * decides: a zone id is a syntax error.
 */
bool	smtp_is_literal(struct slice);

/* --- smtp_cmd.c -------------------------------------------------------- */

/* name, has an argument: N never, O optional, R required */
#define SMTP_VERBS(X)							\
	X(EHLO, 'R') X(HELO, 'R') X(LHLO, 'R')				\
	X(MAIL, 'R') X(RCPT, 'R') X(DATA, 'N') X(BDAT, 'R')		\
	X(RSET, 'N') X(NOOP, 'O') X(QUIT, 'N') X(HELP, 'O')		\
	X(VRFY, 'R') X(EXPN, 'R') X(STARTTLS, 'N') X(AUTH, 'R')		\
	X(ETRN, 'O') X(TURN, 'O') X(BURL, 'O')				\
	X(XCLIENT, 'R') X(XREMOTEIP, 'R') X(XSETCONTEXT, 'R')		\
	X(XDUMPCONTEXT, 'N')

enum smtp_verb {
	VERB_NONE,		/* unknown */
#define X(name, arg) VERB_##name,
	SMTP_VERBS(X)
#undef X
	VERB_COUNT
};

enum smtp_cmd_error {
	CMD_OK,
	CMD_UNKNOWN,		/* no such verb: 500 5.5.1 */
	CMD_ARG_NONE,		/* argument where none may be: 501 5.5.4 */
	CMD_ARG_MISSING,	/* 501 5.5.4 */
	CMD_SYNTAX,		/* malformed: 501 5.5.2 */
	CMD_PATH,		/* malformed address: cmd->path_error */
	CMD_PARAM,		/* known parameter, bad or twice: 501 5.5.4 */
	CMD_PARAM_UNKNOWN	/* unknown parameter: 555 5.5.4 */
};

enum smtp_body { BODY_NONE, BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum smtp_ret { RET_NONE, RET_FULL, RET_HDRS };

#define NOTIFY_NEVER	0x01
#define NOTIFY_SUCCESS	0x02
#define NOTIFY_FAILURE	0x04
#define NOTIFY_DELAY	0x08

/* One ESMTP parameter as sent: slices of the line. */
struct smtp_param {
	struct slice	key;
	struct slice	value;		/* p == NULL: no "=" */
};

/* Which parameters were there: smtp_cmd.have */
#define HAVE_SIZE	0x0001
#define HAVE_BODY	0x0002
#define HAVE_SMTPUTF8	0x0004
#define HAVE_RET	0x0008
#define HAVE_ENVID	0x0010
#define HAVE_NOTIFY	0x0020
#define HAVE_ORCPT	0x0040
#define HAVE_AUTH	0x0080

/*
 * A parsed command.  All slices point into the line it was parsed from and
 * live as long as that does.
 */
struct smtp_cmd {
	enum smtp_verb		 verb;
	struct slice		 arg;		/* all behind the verb */
	struct slice		 hello;		/* EHLO: first word of arg */
	enum smtp_path_error	 path_error;
	struct smtp_path	 path;		/* MAIL, RCPT */
	unsigned int		 have;		/* HAVE_*: MAIL, RCPT */
	uint64_t		 size;		/* SIZE, or octets of BDAT */
	enum smtp_body		 body;
	enum smtp_ret		 ret;
	unsigned int		 notify;	/* NOTIFY_* */
	struct slice		 envid;		/* xtext as sent, checked */
	struct slice		 orcpt;		/* "type;xtext", checked */
	bool			 orcpt_utf8;	/* 8-bit: needs SMTPUTF8 */
	struct slice		 auth;		/* xtext or "<>", checked */
	bool			 last;		/* BDAT ... LAST */
	struct slice		 bad;		/* the parameter at fault */
	size_t			 nparams;
	struct smtp_param	 params[SMTP_PARAM_MAX];	/* as sent */
};

/*
 * Parse one clean line.  The verb is set even where the rest is wrong.
 * Parameters that belong to the other of MAIL and RCPT are unknown ones.
 * Trailing white space is dropped; a space after "FROM:" or "TO:" is taken
 * (as Postfix and most clients' authors need), any other is not.  Behind
 * nparams, params holds rubbish.
 */
enum smtp_cmd_error	smtp_cmd_parse(struct smtp_cmd *, struct slice line);

/* "MAIL"; "UNKNOWN" for VERB_NONE. */
const char	*smtp_verb_name(enum smtp_verb);

/* The verb of a word in any case, VERB_NONE if unknown. */
enum smtp_verb	 smtp_verb_parse(struct slice);

/*
 * xtext of RFC 3461, section 4 (hexadecimal digits in capitals): decoded
 * length, or -1 if it is none, decodes to a control octet, or does not fit in
 * size with the NUL put behind it.
 * out may be NULL.
 */
int	smtp_xtext_decode(struct slice, char *out, size_t size);

/* --- smtp_reply.c ------------------------------------------------------ */

/*
 * A reply in one piece.  enhanced is "2.1.5" or "" where there is none (3xx,
 * banner, EHLO).  text may hold several lines, separated by '\n'; it never
 * holds any other control octet: smtp_reply_set and the parser see to that.
 */
struct smtp_reply {
	int	 code;			/* 200..599; 0 = no reply */
	int	 hard;			/* the 5xx that it was, before a soft
					   bounce; 0 = it was none */
	bool	 passed;		/* a next hop's refusal: not softened,
					   no footer */
	char	 enhanced[12];
	char	 text[SMTP_REPLY_LINE_MAX];
	/* All of it, where text cannot hold it; somebody else's, or NULL. */
	const char *whole;
};

/*
 * Make a reply from a template such as "550 5.1.1 no such user %s".  Octets
 * that may not stand in a reply (all but US-ASCII) are replaced by '?', a tab
 * by a space; over-long text is cut, newlines at its end are dropped.
 * Returns -1, and a zeroed reply, if the outcome does not begin with code
 * [enhanced], both of one class.
 */
int	smtp_reply_fmt(struct smtp_reply *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));

/*
 * Print a reply for the wire into out, folded into lines of at most
 * SMTP_REPLY_LINE_MAX; returns its length like snprintf (0 for code 0).
 */
size_t	smtp_reply_print(const struct smtp_reply *, char *, size_t);

/*
 * Does "550 5.1.1 text" have that shape: one line of US-ASCII that fits,
 * code 200..599, enhanced code (optional) and class_wanted (2..5, 0 = any)
 * of one class?
 */
bool	smtp_reply_check(const char *, int class_wanted);

enum smtp_reply_result {
	REPLY_MORE,		/* line taken, the reply goes on */
	REPLY_DONE,		/* line taken, the reply is whole */
	REPLY_BAD		/* not SMTP: close */
};

/*
 * A reply coming in, line by line (lines as smtp_line_next gives them).
 * Zero it before the first line.  Refused: anything but three digits and
 * space, "-" or the end; a code that changes between lines; a first digit
 * outside 1..5; more than SMTP_REPLY_LINES_MAX lines.  Text
 * beyond what reply.text holds is dropped; control octets become '?', a tab
 * a space.  An enhanced code of another class than the code stays text.
 * extension (may be NULL) is called for every line, the text after the
 * code: for EHLO's keywords.
 */
struct smtp_reply_in {
	struct smtp_reply	 reply;
	int			 lines;
};

enum smtp_reply_result	smtp_reply_line(struct smtp_reply_in *, struct slice,
			    void (*extension)(void *, struct slice), void *);

/*
 * Parse "x.y.z" (RFC 3463) at the start of s, where a blank, a newline or the
 * end follows; returns the octets taken, without what follows, or 0.
 */
size_t	smtp_enhanced_parse(struct slice s, char out[12]);

/* --- smtp_verdict.c ----------------------------------------------------- */

/* What a reply to RCPT says of the mailbox. */
enum smtp_verdict {
	RCPT_EXISTS,		/* 2xx */
	RCPT_UNKNOWN,		/* there is no such mailbox */
	RCPT_NO_WORD,		/* a 5xx for another reason */
	RCPT_OUR_FAULT,		/* a 5xx to how we asked */
	RCPT_LATER		/* 4xx, and what is out of place */
};

/*
 * Read such a reply (RFC 5321, section 4.2; RFC 3463).  codes: further
 * enhanced codes "x.y.z", n of them, that mean RCPT_UNKNOWN.
 */
enum smtp_verdict smtp_verdict(const struct smtp_reply *,
		    char *const *codes, size_t n);
/* A code of 5xx that says that we asked wrongly, whatever was asked. */
bool		 smtp_is_our_fault(int code);

/* --- smtp_data.c ------------------------------------------------------- */

enum smtp_data {
	DATA_MORE,		/* all input taken, no end yet */
	DATA_END,		/* CR LF . CR LF seen; the rest is not ours */
	DATA_BARE		/* bare LF or CR, in mode reject: see below */
};

enum smtp_bare { BARE_REJECT, BARE_NORMALIZE };

/*
 * The client's side: takes dot-stuffed octets, gives the content.  Only
 * CR LF . CR LF ends it.  A bare CR is at fault in both modes, a bare LF in
 * BARE_REJECT; BARE_NORMALIZE turns LF into CR LF as content.  After the
 * first fault (in->bare) nothing more comes out, and the input is swallowed
 * to the true end.
 */
struct smtp_data_in {
	int		 state;		/* zero is "at line start" */
	enum smtp_bare	 mode;
	bool		 chunk;		/* BDAT: dots mean nothing, no end */
	bool		 bare;
	uint64_t	 octets;	/* content that came out */
};

/*
 * Take from in[0..len); *used gets what was taken.  emit is called with runs
 * of content (slices of in, or of a constant for dots, CR and LF held over
 * from the call before).  Any split of the input gives the same content.
 * Returns DATA_BARE exactly once, when the fault is first seen, having
 * taken nothing behind it; call on (the octet behind a bare CR shows the
 * fault and is not taken, so *used may be 0).  A leading dot is always
 * dropped, behind a normalized LF too.
 */
enum smtp_data	smtp_data_in(struct smtp_data_in *, const char *in, size_t len,
		    size_t *used, void (*emit)(void *, const char *, size_t),
		    void *);

/*
 * The same for content that passes on as it is, in chunks both ways: only
 * looks for what BARE_REJECT refuses, and holds nothing back.  DATA_BARE
 * once, else DATA_MORE.
 */
enum smtp_data	smtp_data_look(struct smtp_data_in *, const char *, size_t);

/*
 * The end of the last chunk of BDAT: a CR still waiting for its LF is a bare
 * one.  Returns DATA_BARE for the first fault, else DATA_END.
 */
enum smtp_data	smtp_data_in_end(struct smtp_data_in *);

/*
 * The next hop's side: the only writer of dot-stuffing.  Input is content,
 * output goes to emit.  It trusts nothing: a dot is doubled after every LF,
 * also across calls.
 */
struct smtp_data_out {
	bool	mid;		/* not at the start of a line: zero = start */
	bool	cr;		/* the last octet was CR */
	bool	lf;		/* the last octet was LF without CR */
};

void	smtp_data_out(struct smtp_data_out *, const char *, size_t,
	    void (*emit)(void *, const char *, size_t), void *);

/*
 * The end: what the last line lacks of its CR LF, then dot CR LF.  Whatever
 * the content was, the dot stands between CR LF and CR LF.
 */
void	smtp_data_out_end(struct smtp_data_out *,
	    void (*emit)(void *, const char *, size_t), void *);

/* --- smtp_header.c ----------------------------------------------------- */

/*
 * Looks at a header as it passes, any split: how many Received fields, is
 * there an 8-bit octet in the header.  Zero to begin with.  Only an empty
 * line ends it: a header that has none is looked at to the end.
 */
struct smtp_header {
	bool		 ended;		/* the empty line was seen */
	bool		 utf8;		/* 8-bit octets in the header */
	unsigned int	 received;
	/* private */
	int		 state;
	size_t		 matched;
};

void	smtp_header_scan(struct smtp_header *, const char *, size_t);

#endif
