/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd/reply.c: whatever a server says, a mailbox exists only for a 2xx,
 * and does not only for a 5xx that is not about how we asked; and what goes
 * on to others is lines of text.  The first octet says which command it was
 * and whether there are unknown-codes, the rest is the reply.
 */

#include <stdbool.h>

#include "config.h"
#include "fuzz.h"
#include "probe.h"

#define VALUES	4

static char		code[] = "5.4.1", *codes[] = { code };
static char		lines[65536];
static size_t		nlines;

static void
keep(void *arg, struct slice s)
{
	(void)arg;
	must(nlines + s.n + 2 < sizeof(lines));
	memcpy(lines + nlines, s.p, s.n);
	nlines += s.n;
	lines[nlines++] = '\n';
}

static bool
take(struct smtp_reply_in *in, const char *p, size_t len)
{
	struct smtp_lines	 st = { 0, false };
	enum smtp_reply_result	 result = REPLY_MORE;
	struct slice		 line;
	size_t			 n;

	memset(in, 0, sizeof(*in));
	nlines = 0;
	while (result == REPLY_MORE && smtp_line_next(&st, p, len,
	    SMTP_REPLY_IN_MAX, &line, &n) == LINE_OK) {
		result = smtp_reply_line(in, line, keep, NULL);
		p += n;
		len -= n;
	}
	lines[nlines] = '\0';
	return result == REPLY_DONE;
}

static void
check_values(void)
{
	const char	*v[VALUES], *p;
	size_t		 i, n = reply_values(lines, v, VALUES);

	must(n <= VALUES);
	for (i = 0; i < n; i++) {
		must(v[i][0] != '\0' && strlen(v[i]) < LOOK_KEY_MAX);
		for (p = v[i]; *p != '\0'; p++)
			must((unsigned char)*p >= ' ' && *p != 0x7f);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf_remote	 remote = { .port = 25 };
	struct smtp_reply_in	 in;
	enum lookup_answer	 a;
	enum look_what		 what;
	char			 text[64];
	bool			 fault = false, again = false;

	if (len == 0 || len > sizeof(lines) / 2 ||
	    !take(&in, (const char *)data + 1, len - 1))
		return 0;
	what = (data[0] & 3) == 0 ? LOOK_ADDRESS : (data[0] & 3) == 1 ?
	    LOOK_VRFY : LOOK_EXPN;
	if ((data[0] & 4) != 0) {
		remote.unknown_codes.v = codes;
		remote.unknown_codes.n = 1;
	}
	a = what == LOOK_ADDRESS ?
	    reply_to_rcpt(&remote, &in.reply, &fault) :
	    reply_to_vrfy(&remote, &in.reply, what, &again);
	must(a != LOOKUP_YES || in.reply.code / 100 == 2);
	must(a != LOOKUP_NO || in.reply.code / 100 == 5);
	must(a != LOOKUP_LIVE || (in.reply.code / 100 == 5 &&
	    what == LOOK_ADDRESS));
	must(!fault || (a == LOOKUP_CANNOT && in.reply.code / 100 == 5));
	must(!again || (a == LOOKUP_CANNOT && what == LOOK_VRFY));
	must(what != LOOK_ADDRESS || !smtp_is_our_fault(in.reply.code) ||
	    fault);
	must(strchr(reply_text(&in.reply, text, sizeof(text)), '\n') == NULL);
	check_values();
	return 0;
}
