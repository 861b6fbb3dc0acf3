/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * One clean line -> struct smtp_cmd.
 *
 * This file knows the form of commands, not when they may be sent nor
 * whether they are offered: a parameter that is well-formed here may still
 * be refused because its extension is off.  The parameters are first split,
 * all of them, and then judged from left to right by a table; so what a
 * script is shown is complete also where one of them is wrong.
 *
 * Single spaces only: "a lenient parser" and "another parser than the next
 * hop's" are the same thing.  The one exception is the space after "FROM:"
 * and "TO:", which too many programs send (RFC 5321, section 3.3, forbids
 * it to them, not us to take it).
 *
 * xtext is decoded only to judge it: what was sent is what goes on.  Encoded
 * control octets are refused, for a newline in an ORCPT has been somebody's
 * spool file before.
 */

#include <string.h>
#include <strings.h>

#include "smtp.h"

static const struct {
	const char	*name;
	char		 arg;
} verbs[VERB_COUNT] = {
	{ "UNKNOWN", 'O' },
#define X(name, arg) { #name, arg },
	SMTP_VERBS(X)
#undef X
};

static void
eat(struct slice *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static bool
slice_is(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Take what comes before the next c, and that c; all if there is none. */
static struct slice
take_until(struct slice *s, char c)
{
	struct slice	 word = *s;
	const char	*end;

	end = memchr(s->p, c, s->n);
	if (end != NULL)
		word.n = end - s->p;
	eat(s, word.n + (end != NULL));
	return word;
}

const char *
smtp_verb_name(enum smtp_verb verb)
{
	return verbs[verb].name;
}

enum smtp_verb
smtp_verb_parse(struct slice s)
{
	unsigned int	 i;

	for (i = VERB_NONE + 1; i < VERB_COUNT; i++)
		if (slice_is(s, verbs[i].name))
			return i;
	return VERB_NONE;
}

/* Up to 20 digits (RFC 1870, section 4) that a uint64_t holds. */
static bool
parse_number(struct slice s, uint64_t *number)
{
	uint64_t	 n = 0;
	unsigned int	 digit;
	size_t		 i;

	if (s.n == 0 || s.n > 20)
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		digit = s.p[i] - '0';
		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*number = n;
	return true;
}

/* --- xtext ------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* "+2B" at the front of s, in capitals as RFC 3461 says: its octet, or -1. */
static int
hex_char(struct slice s)
{
	int	 high, low;

	if (s.n < 3 || s.p[1] >= 'a' || s.p[2] >= 'a')
		return -1;
	high = hex_digit(s.p[1]);
	low = hex_digit(s.p[2]);
	return high == -1 || low == -1 ? -1 : high * 16 + low;
}

/* Take xchar or hexchar from the front of s: its octet, or -1. */
static int
xtext_char(struct slice *s)
{
	int	 c = (unsigned char)s->p[0];

	if (c <= ' ' || c >= 0x7f || c == '=')
		return -1;
	if (c == '+')
		c = hex_char(*s);
	if (c < ' ' || c == 0x7f)
		return -1;
	eat(s, s->p[0] == '+' ? 3 : 1);
	return c;
}

int
smtp_xtext_decode(struct slice s, char *out, size_t size)
{
	size_t	 n = 0;
	int	 c;

	for (; s.n > 0; n++) {
		if ((c = xtext_char(&s)) == -1)
			return -1;
		if (out == NULL)
			continue;
		if (n + 1 >= size)
			return -1;
		out[n] = c;
	}
	if (out != NULL) {
		if (size == 0)
			return -1;
		out[n] = '\0';
	}
	return n;
}

/*
 * xtext of a DSN: it stands for printable US-ASCII (RFC 3461, sections 4.2
 * and 4.4).  A tab would be white space there, but is a control octet here.
 */
static bool
is_printable_xtext(struct slice s)
{
	int	 c;

	if (s.n == 0)
		return false;
	while (s.n > 0) {
		c = xtext_char(&s);
		if (c == -1 || c >= 0x7f)
			return false;
	}
	return true;
}

/*
 * "\x{HEXPOINT}" at the front of s (RFC 6533, section 3): its length, or 0.
 * Of ASCII it stands for what may not be there as it is, and for nothing
 * else; the control octets among that are in no mailbox.
 */
static size_t
embedded_char(struct slice s)
{
	uint32_t	 u = 0;
	size_t		 i;

	if (s.n < 6 || s.p[1] != 'x' || s.p[2] != '{')
		return 0;
	for (i = 3; i < s.n && i < 9 && hex_digit(s.p[i]) != -1; i++)
		u = u * 16 + hex_digit(s.p[i]);
	if (i < 5 || i == s.n || s.p[i] != '}' || (i > 5 && s.p[3] == '0'))
		return 0;
	if (u < 0x80 && u != ' ' && u != '+' && u != '=' && u != '\\')
		return 0;
	if (u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
		return 0;
	return i + 1;
}

/*
 * utf-8-addr-xtext, or utf-8-addr-unitext, which *utf8 tells (RFC 6533,
 * section 3): no "+" in either.  Whether it is a mailbox once it is decoded
 * is asked as little as of another type.
 */
static bool
is_utf8_address(struct slice s, bool *utf8)
{
	size_t	 n;

	if (s.n == 0 || !smtp_is_utf8(s))
		return false;
	for (; s.n > 0; eat(&s, n)) {
		n = 1;
		if (s.p[0] == '\\')
			n = embedded_char(s);
		else if ((unsigned char)s.p[0] >= 0x80)
			*utf8 = true;
		else if (s.p[0] <= ' ' || s.p[0] == '+' || s.p[0] == '=' ||
		    s.p[0] == 0x7f)
			n = 0;
		if (n == 0)
			return false;
	}
	return true;
}

/* --- the parameters ---------------------------------------------------- */

static bool
param_size(struct smtp_cmd *cmd, struct slice v)
{
	return parse_number(v, &cmd->size);
}

static bool
param_body(struct smtp_cmd *cmd, struct slice v)
{
	if (slice_is(v, "7BIT"))
		cmd->body = BODY_7BIT;
	else if (slice_is(v, "8BITMIME"))
		cmd->body = BODY_8BITMIME;
	else if (slice_is(v, "BINARYMIME"))
		cmd->body = BODY_BINARYMIME;
	return cmd->body != BODY_NONE;
}

static bool
param_smtputf8(struct smtp_cmd *cmd, struct slice v)
{
	(void)cmd;
	return v.p == NULL;
}

static bool
param_ret(struct smtp_cmd *cmd, struct slice v)
{
	if (slice_is(v, "FULL"))
		cmd->ret = RET_FULL;
	else if (slice_is(v, "HDRS"))
		cmd->ret = RET_HDRS;
	return cmd->ret != RET_NONE;
}

static bool
param_envid(struct smtp_cmd *cmd, struct slice v)
{
	cmd->envid = v;
	return v.n <= SMTP_ENVID_MAX && is_printable_xtext(v);
}

static bool
param_auth(struct smtp_cmd *cmd, struct slice v)
{
	cmd->auth = v;
	return slice_is(v, "<>") || smtp_xtext_decode(v, NULL, 0) > 0;
}

static bool
param_notify(struct smtp_cmd *cmd, struct slice v)
{
	struct slice	 word;
	bool		 more = true;

	if (slice_is(v, "NEVER")) {
		cmd->notify = NOTIFY_NEVER;
		return true;
	}
	while (more) {
		more = memchr(v.p, ',', v.n) != NULL;
		word = take_until(&v, ',');
		if (slice_is(word, "SUCCESS"))
			cmd->notify |= NOTIFY_SUCCESS;
		else if (slice_is(word, "FAILURE"))
			cmd->notify |= NOTIFY_FAILURE;
		else if (slice_is(word, "DELAY"))
			cmd->notify |= NOTIFY_DELAY;
		else
			return false;
	}
	return true;
}

/* The addr-type of RFC 3461 is an atom; those there are, are of these. */
static bool
is_addr_type(struct slice s)
{
	size_t	 i;

	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') ||
		    (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		    (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
			return false;
	return s.n > 0;
}

static bool
param_orcpt(struct smtp_cmd *cmd, struct slice v)
{
	struct slice	 type;

	cmd->orcpt = v;
	if (v.n > SMTP_ORCPT_MAX || memchr(v.p, ';', v.n) == NULL)
		return false;
	type = take_until(&v, ';');
	if (slice_is(type, "utf-8"))
		return is_utf8_address(v, &cmd->orcpt_utf8);
	return is_addr_type(type) && is_printable_xtext(v);
}

static const struct known {
	const char	*key;
	enum smtp_verb	 verb;
	unsigned int	 have;
	bool		(*parse)(struct smtp_cmd *, struct slice);
} known[] = {
	{ "SIZE",	VERB_MAIL,	HAVE_SIZE,	param_size },
	{ "BODY",	VERB_MAIL,	HAVE_BODY,	param_body },
	{ "SMTPUTF8",	VERB_MAIL,	HAVE_SMTPUTF8,	param_smtputf8 },
	{ "RET",	VERB_MAIL,	HAVE_RET,	param_ret },
	{ "ENVID",	VERB_MAIL,	HAVE_ENVID,	param_envid },
	{ "AUTH",	VERB_MAIL,	HAVE_AUTH,	param_auth },
	{ "NOTIFY",	VERB_RCPT,	HAVE_NOTIFY,	param_notify },
	{ "ORCPT",	VERB_RCPT,	HAVE_ORCPT,	param_orcpt },
};

static enum smtp_cmd_error
param_judge(struct smtp_cmd *cmd, const struct smtp_param *param)
{
	const struct known	*k;
	size_t			 i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		k = &known[i];
		if (k->verb != cmd->verb || !slice_is(param->key, k->key))
			continue;
		if (cmd->have & k->have)
			return CMD_PARAM;
		if (k->have != HAVE_SMTPUTF8 && param->value.n == 0)
			return CMD_PARAM;
		cmd->have |= k->have;
		return k->parse(cmd, param->value) ? CMD_OK : CMD_PARAM;
	}
	return CMD_PARAM_UNKNOWN;
}

/* esmtp-keyword: a letter or digit, then these or "-". */
static bool
is_keyword(struct slice s)
{
	return is_addr_type(s) && s.p[0] != '-';
}

/* Split " KEY[=VALUE] ..." into cmd->params. */
static enum smtp_cmd_error
params_split(struct smtp_cmd *cmd, struct slice s)
{
	struct smtp_param	*param;
	struct slice		 word;

	if (s.n > 0 && take_until(&s, ' ').n > 0)
		return CMD_SYNTAX;
	while (s.n > 0) {
		word = take_until(&s, ' ');
		cmd->bad = word;
		if (cmd->nparams == SMTP_PARAM_MAX)
			return CMD_PARAM;
		param = &cmd->params[cmd->nparams];
		memset(param, 0, sizeof(*param));
		if (memchr(word.p, '=', word.n) == NULL)
			param->key = word;
		else {
			param->key = take_until(&word, '=');
			param->value = word;
		}
		if (!is_keyword(param->key))
			return CMD_SYNTAX;
		cmd->nparams++;
	}
	cmd->bad.n = 0;
	return CMD_OK;
}

/* "FROM:<...> params" or "TO:<...> params" */
static enum smtp_cmd_error
parse_envelope(struct smtp_cmd *cmd, const char *intro, int flags)
{
	struct slice		 s = cmd->arg;
	enum smtp_cmd_error	 error;
	size_t			 i, used;

	if (s.n < strlen(intro) || strncasecmp(s.p, intro, strlen(intro)) != 0)
		return CMD_SYNTAX;
	eat(&s, strlen(intro));
	if (s.n > 0 && s.p[0] == ' ')
		eat(&s, 1);
	if (s.n == 0 || s.p[0] != '<') {
		cmd->path_error = PATH_SYNTAX;
		return CMD_SYNTAX;
	}
	cmd->path_error = smtp_path_parse(&cmd->path, s, flags, &used);
	if (cmd->path_error != PATH_OK)
		return CMD_PATH;
	eat(&s, used);

	error = params_split(cmd, s);
	for (i = 0; i < cmd->nparams && error == CMD_OK; i++) {
		error = param_judge(cmd, &cmd->params[i]);
		if (error != CMD_OK) {
			cmd->bad = cmd->params[i].key;
			if (cmd->params[i].value.p != NULL)
				cmd->bad.n += 1 + cmd->params[i].value.n;
		}
	}
	return error;
}

/* --- the other verbs --------------------------------------------------- */

/*
 * A client's name for itself is taken as it is, if it can be logged and
 * stored; whether it is a name is a rule's business.
 */
static enum smtp_cmd_error
parse_hello(struct smtp_cmd *cmd)
{
	struct slice	 s = cmd->arg;
	size_t		 i;

	if (s.n > SMTP_DOMAIN_MAX)
		return CMD_SYNTAX;
	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return CMD_SYNTAX;
	cmd->hello = take_until(&s, ' ');
	return CMD_OK;
}

/* "octets" or "octets LAST" (RFC 3030, section 2) */
static enum smtp_cmd_error
parse_bdat(struct smtp_cmd *cmd)
{
	struct slice	 s = cmd->arg;

	if (!parse_number(take_until(&s, ' '), &cmd->size))
		return CMD_SYNTAX;
	cmd->last = slice_is(s, "LAST");
	return cmd->last || s.n == 0 ? CMD_OK : CMD_SYNTAX;
}

static enum smtp_cmd_error
parse_argument(struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case VERB_EHLO:
	case VERB_HELO:
	case VERB_LHLO:
		return parse_hello(cmd);
	case VERB_MAIL:
		return parse_envelope(cmd, "FROM:", PATH_REVERSE);
	case VERB_RCPT:
		return parse_envelope(cmd, "TO:", PATH_FORWARD);
	case VERB_BDAT:
		return parse_bdat(cmd);
	case VERB_NONE:
	case VERB_DATA:
	case VERB_RSET:
	case VERB_NOOP:
	case VERB_QUIT:
	case VERB_HELP:
	case VERB_VRFY:
	case VERB_EXPN:
	case VERB_STARTTLS:
	case VERB_AUTH:
	case VERB_ETRN:
	case VERB_TURN:
	case VERB_BURL:
	case VERB_XCLIENT:
	case VERB_XREMOTEIP:
	case VERB_XSETCONTEXT:
	case VERB_XDUMPCONTEXT:
	case VERB_COUNT:
		break;
	}
	return CMD_OK;
}

enum smtp_cmd_error
smtp_cmd_parse(struct smtp_cmd *cmd, struct slice line)
{
	/* params is long, and nobody looks behind nparams */
	memset(cmd, 0, offsetof(struct smtp_cmd, params));
	while (line.n > 0 && (line.p[line.n - 1] == ' ' ||
	    line.p[line.n - 1] == '\t'))
		line.n--;

	cmd->verb = smtp_verb_parse(take_until(&line, ' '));
	cmd->arg = line;
	if (cmd->verb == VERB_NONE)
		return CMD_UNKNOWN;
	if (line.n == 0)
		return verbs[cmd->verb].arg == 'R' ? CMD_ARG_MISSING : CMD_OK;
	if (verbs[cmd->verb].arg == 'N')
		return CMD_ARG_NONE;
	return parse_argument(cmd);
}
