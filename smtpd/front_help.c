/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * HELP: what may be said here and now, or a line about one command.
 *
 * What a session may not use is not told to exist, so that the answer says
 * no more than EHLO's.  It is always 214: a client that asks for help has
 * done nothing wrong, and what it asked about is not repeated to it.
 */

#include <string.h>

#include "front.h"

static const char *const	help[VERB_COUNT] = {
	[VERB_EHLO] = "EHLO HOST: your name; tells what is offered",
	[VERB_HELO] = "HELO HOST: your name, without extensions",
	[VERB_LHLO] = "LHLO HOST: your name; tells what is offered",
	[VERB_MAIL] = "MAIL FROM:<ADDRESS> [PARAMETER ...]: begins a message",
	[VERB_RCPT] = "RCPT TO:<ADDRESS> [PARAMETER ...]: one more recipient",
	[VERB_DATA] = "DATA: the message follows, ended by a dot on a line",
	[VERB_BDAT] = "BDAT OCTETS [LAST]: so many octets of it follow",
	[VERB_RSET] = "RSET: forget the message that was begun",
	[VERB_NOOP] = "NOOP: nothing",
	[VERB_QUIT] = "QUIT: the end",
	[VERB_HELP] = "HELP [COMMAND]: this",
	[VERB_VRFY] = "VRFY ADDRESS: is there such a mailbox",
	[VERB_EXPN] = "EXPN ADDRESS: who is on this list",
	[VERB_STARTTLS] = "STARTTLS: TLS from here on",
	[VERB_AUTH] = "AUTH MECHANISM [RESPONSE]: log in",
	[VERB_XCLIENT] = "XCLIENT NAME=VALUE ...: whom you speak for",
	[VERB_XREMOTEIP] = "XREMOTEIP ADDRESS: whom you speak for",
	[VERB_XSETCONTEXT] = "XSETCONTEXT NAME=VALUE ...: for the scripts",
	[VERB_XDUMPCONTEXT] = "XDUMPCONTEXT: what is known of this session"
};

static void
help_all(struct session *s)
{
	char		names[SMTP_REPLY_LINE_MAX / 2] = "";
	unsigned int	v;

	for (v = VERB_NONE + 1; v < VERB_COUNT; v++) {
		if (help[v] == NULL || !verb_is_offered(s, v))
			continue;
		(void)strlcat(names, " ", sizeof(names));
		(void)strlcat(names, smtp_verb_name(v), sizeof(names));
	}
	session_reply(s, 0, "214 2.0.0 commands:%s\n"
	    "HELP COMMAND tells more; so does RFC 5321, or postmaster", names);
}

void
verb_help(struct session *s, const struct smtp_cmd *cmd)
{
	struct slice	word = cmd->arg;
	enum smtp_verb	v;
	size_t		n;

	if (word.n == 0) {
		help_all(s);
		return;
	}
	for (n = 0; n < word.n && word.p[n] != ' '; n++)
		continue;
	word.n = n;
	v = smtp_verb_parse(word);
	if (help[v] == NULL || !verb_is_offered(s, v))
		session_reply(s, 0, "214 2.0.0 no such command here");
	else
		session_reply(s, 0, "214 2.0.0 %s", help[v]);
}
