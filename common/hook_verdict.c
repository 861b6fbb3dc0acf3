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
 * A 354 to DATA is possible only if the next line is the script's: else a
 * client would send its message, and we would read it as commands.
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
	if (verb == VERB_DATA && v->code == 354 &&
	    (v->flags & HOOKV_NEXT) == 0)
		return "354 to DATA without next";
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
		if (class != 2)
			return "accept with a code that is not 2xx";
		if ((stage == HOOK_CONNECT) != (v->code == 220) ||
		    (stage == HOOK_AUTH) != (v->code == 235))
			return "accept with a code of another stage";
		if (stage == HOOK_DATA)
			return "accept with a reply at DATA";
		break;
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
	    (why = check_enhanced(v)) != NULL)
		return why;
	if (v->flags & HOOKV_SET_COMMAND)
		return check_command(verb, v->command);
	if (v->kind == HOOKV_REPLY)
		return check_command_reply(verb, v);
	return check_stage_reply(stage, v);
}
