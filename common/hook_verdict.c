/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a script may answer to which stage.
 *
 * proxyd asks before it sends a verdict, and tells the script's author what is
 * wrong; smtpd asks again, as proxyd may have been taken over by a script.
 * One function for both, so that they cannot disagree.
 *
 * A 3xx is possible only if the next line is the script's: else what a client
 * answers it with, a message or a secret, would be read as commands and be
 * logged.  Nor is what only we can say: 220 to STARTTLS, 235 to AUTH.  The
 * reply to EHLO has one line before the keywords, as a second one would be a
 * keyword, and neither it nor a banner has an enhanced code (RFC 2034, section
 * 3).
 *
 * Considered and rejected: looking at texts in smtpd only.  proxyd can name
 * the line of the script that is wrong.
 */

#include <string.h>

#include "proto_script.h"

/* Of a line, without "250-2.1.5 " and the CRLF. */
#define LINE_MAX_TEXT	(SMTP_REPLY_LINE_MAX - 20)

#define SETS		(HOOKV_SET_COMMAND | HOOKV_SET_HOST |		\
			    HOOKV_SET_EXTENSIONS | HOOKV_SET_ADDRESS |	\
			    HOOKV_SET_TRANSPORTID)

/* What may be set by whom. */
static unsigned int
settable(enum hook_stage stage, enum hook_verdict kind)
{
	if (kind == HOOKV_PASS)
		return HOOKV_SET_COMMAND;
	if (kind != HOOKV_ACCEPT)
		return 0;
	switch (stage) {
	case HOOK_EHLO:
		return HOOKV_SET_HOST | HOOKV_SET_EXTENSIONS;
	case HOOK_MAIL:
		return HOOKV_SET_ADDRESS;
	case HOOK_RCPT:
		return HOOKV_SET_ADDRESS | HOOKV_SET_TRANSPORTID;
	case HOOK_COMMAND:
	case HOOK_CONNECT:
	case HOOK_AUTH:
	case HOOK_DATA:
	case HOOK_STAGE_COUNT:
		break;
	}
	return 0;
}

static const char *
check_lines(const struct proto_hook_verdict *v)
{
	const char	*p, *end;

	if (v->nlines == 0)
		return v->code == 0 ? NULL : "a reply without a line";
	if (v->code == 0)
		return "lines without a code";
	if (v->nlines > HOOK_REPLY_LINES)
		return "too many lines";
	for (p = v->lines; p != NULL; p = end == NULL ? NULL : end + 1) {
		end = strchr(p, '\n');
		if ((end == NULL ? strlen(p) : (size_t)(end - p)) >
		    LINE_MAX_TEXT)
			return "a line that is too long";
	}
	return NULL;
}

/* The enhanced code, which 3xx and 1xx do not have. */
static const char *
check_enhanced(const struct proto_hook_verdict *v)
{
	struct slice	s = { v->enhanced, strlen(v->enhanced) };
	char		out[12];

	if (s.n == 0)
		return NULL;
	if (smtp_enhanced_parse(s, out) != s.n)
		return "an enhanced code that is none";
	if (v->code / 100 != v->enhanced[0] - '0')
		return "an enhanced code of another class than the code";
	return NULL;
}

static const char *
check_command_reply(enum smtp_verb verb, const struct proto_hook_verdict *v)
{
	if (v->code < 200 || v->code > 599)
		return "a code that is not of 200 to 599";
	if (verb == VERB_STARTTLS && v->code == 220)
		return "220 to STARTTLS";
	if (verb == VERB_AUTH && v->code == 235)
		return "235 to AUTH";
	if (v->code / 100 == 3 && (v->flags & HOOKV_NEXT) == 0)
		return "3xx without next";
	return NULL;
}

/* The code of an accept; *any: all of 2xx but those of others. */
static int
accept_code(enum hook_stage stage, bool *any)
{
	*any = false;
	switch (stage) {
	case HOOK_CONNECT:
		return 220;
	case HOOK_EHLO:
		return 250;
	case HOOK_AUTH:
		return 235;
	case HOOK_MAIL:
	case HOOK_RCPT:
		*any = true;
		return 250;
	case HOOK_DATA:
	case HOOK_COMMAND:
	case HOOK_STAGE_COUNT:
		break;
	}
	return 0;
}

static const char *
check_accept(enum hook_stage stage, const struct proto_hook_verdict *v)
{
	bool	any, greeting = stage == HOOK_CONNECT || stage == HOOK_EHLO;
	int	code = accept_code(stage, &any);

	if (v->code / 100 != 2)
		return "accept with a code that is not 2xx";
	if (code == 0)
		return "accept with a reply at DATA";
	if (any ? v->code == 220 || v->code == 221 || v->code == 235 :
	    v->code != code)
		return "accept with a code of another stage";
	if (greeting && v->enhanced[0] != '\0')
		return "an enhanced code in a banner or the reply to EHLO";
	if (stage == HOOK_EHLO && v->nlines > 1)
		return "more than one line before the keywords of EHLO";
	return NULL;
}

/* Codes of the stages: which are possible with accept, reject, defer. */
static const char *
check_stage_reply(enum hook_stage stage, const struct proto_hook_verdict *v)
{
	int	class = v->code / 100;

	if (v->code == 0)
		return NULL;
	switch ((enum hook_verdict)v->kind) {
	case HOOKV_ACCEPT:
		return check_accept(stage, v);
	case HOOKV_REJECT:
		if (class != 4 && class != 5)
			return "reject with a code that is not 4xx or 5xx";
		break;
	case HOOKV_DEFER:
		if (class != 4)
			return "defer with a code that is not 4xx";
		break;
	case HOOKV_PASS:
	case HOOKV_REPLY:
	case HOOKV_ERROR:
	case HOOK_VERDICT_COUNT:
		return "a code that has no place";
	}
	return NULL;
}

/* A command in place of another: not where octets or TLS follow. */
static const char *
check_command(enum smtp_verb verb, const char *command)
{
	struct slice	line = { command, strlen(command) };
	struct slice	word = { command, strcspn(command, " \t") };
	enum smtp_verb	to = smtp_verb_parse(word);

	if (line.n == 0)
		return "an empty command";
	if (line.n > SMTP_LINE_MAX - 2)
		return "a command that is too long";
	if (verb == VERB_BDAT || to == VERB_BDAT)
		return "BDAT rewritten";
	if (verb == VERB_STARTTLS || to == VERB_STARTTLS)
		return "STARTTLS rewritten";
	return NULL;
}

/* RFC 5321, section 4.1.1.1: ehlo-keyword, and what stands behind it. */
static bool
is_keyword(const char *p)
{
	const char	*start = p;

	for (; *p != '\0'; p++)
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
		    (*p >= 'A' && *p <= 'Z') || (*p == '-' && p > start)))
			return false;
	return p > start;
}

static const char *
check_extensions(const struct hook_pairs *e)
{
	const char	*p;
	uint32_t	 i;

	if (e->n > HOOK_EXTENSIONS_MAX)
		return "too many extensions";
	for (i = 0; i < e->n; i++) {
		if (!is_keyword(e->name[i]))
			return "an extension that is no keyword";
		for (p = e->value[i]; *p != '\0'; p++)
			if (*p < ' ' || *p > '~')
				return "an extension that is not US-ASCII";
		if (strlen(e->name[i]) + strlen(e->value[i]) > LINE_MAX_TEXT)
			return "an extension that is too long";
	}
	return NULL;
}

/* As in EHLO: a domain or an address literal. */
static const char *
check_host(const char *host)
{
	struct slice	s = { host, strlen(host) };

	if (!smtp_is_domain(s) && !smtp_is_literal(s))
		return "a host that is none";
	return NULL;
}

static const char *
check_sets(enum smtp_verb verb, const struct proto_hook_verdict *v)
{
	const char	*why = NULL;

	if (v->flags & HOOKV_SET_COMMAND)
		why = check_command(verb, v->command);
	if (why == NULL && (v->flags & HOOKV_SET_HOST))
		why = check_host(v->host);
	if (why == NULL && (v->flags & HOOKV_SET_EXTENSIONS))
		why = check_extensions(&v->extensions);
	if (why == NULL && (v->flags & HOOKV_SET_TRANSPORTID) &&
	    v->transportid[0] == '\0')
		why = "an empty transportid";
	return why;
}

static const char *
check_flags(enum hook_stage stage, const struct proto_hook_verdict *v)
{
	unsigned int	set = v->flags & SETS;

	if (set & ~settable(stage, v->kind))
		return "something is set that cannot be set here";
	if ((v->flags & HOOKV_NEXT) &&
	    (stage != HOOK_COMMAND || v->kind == HOOKV_ERROR))
		return "next in a stage that has no next line";
	if ((v->flags & HOOKV_DISCONNECT) &&
	    (v->kind == HOOKV_PASS || v->kind == HOOKV_ACCEPT))
		return "disconnect without a refusal";
	return NULL;
}

const char *
hook_verdict_check(enum hook_stage stage, enum smtp_verb verb,
    const struct proto_hook_verdict *v)
{
	bool		 command = stage == HOOK_COMMAND;
	const char	*why;

	if (v->kind != HOOKV_ERROR && command !=
	    (v->kind == HOOKV_PASS || v->kind == HOOKV_REPLY))
		return "a verdict of another stage";
	if ((why = check_flags(stage, v)) != NULL ||
	    (why = check_lines(v)) != NULL ||
	    (why = check_enhanced(v)) != NULL ||
	    (why = check_sets(verb, v)) != NULL)
		return why;
	if (v->kind == HOOKV_REPLY)
		return check_command_reply(verb, v);
	return check_stage_reply(stage, v);
}
