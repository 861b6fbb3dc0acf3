/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a server's reply says of a mailbox.  Pure.
 *
 * The reading of RCPT is smtp_verdict's, the one for live recipients too:
 * what call-forward takes for unknown the next hop's own refusal would be.
 *
 *	2xx			there is one
 *	5xx: unknown		there is none
 *	5xx: other reasons	nothing: the RCPT must be asked live
 *	5xx: we asked wrongly	cannot tell, and somebody should know
 *	all else		cannot tell
 *
 * VRFY has more ways to say nothing.  252 is what servers answer that do not
 * want to tell, 500 and 502 those that cannot: then RCPT is asked.  EXPN has
 * no such way; who refuses it has no such list for us.
 */

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "probe.h"

enum lookup_answer
reply_to_rcpt(const struct conf_remote *remote, const struct smtp_reply *r,
    bool *fault)
{
	*fault = false;
	switch (smtp_verdict(r, remote->unknown_codes.v,
	    remote->unknown_codes.n)) {
	case RCPT_EXISTS:
		return LOOKUP_YES;
	case RCPT_UNKNOWN:
		return LOOKUP_NO;
	case RCPT_NO_WORD:
		return LOOKUP_LIVE;
	case RCPT_OUR_FAULT:
		*fault = true;
		break;
	case RCPT_LATER:
		break;
	}
	return LOOKUP_CANNOT;
}

enum lookup_answer
reply_to_vrfy(const struct conf_remote *remote, const struct smtp_reply *r,
    enum look_what what, bool *again)
{
	bool	refused = r->code == 500 || r->code == 502, fault;

	*again = what == LOOK_VRFY && (refused || r->code == 252);
	if (*again)
		return LOOKUP_CANNOT;
	if (r->code == 250 || r->code == 251)
		return LOOKUP_YES;
	if (r->code / 100 == 2)
		return LOOKUP_CANNOT;
	if (what == LOOK_EXPN && (refused ||
	    (r->code >= 550 && r->code <= 553)))
		return LOOKUP_NO;
	return reply_to_rcpt(remote, r, &fault) == LOOKUP_NO ? LOOKUP_NO :
	    LOOKUP_CANNOT;
}

/* One line in place: what is behind the enhanced code; NULL: nothing is. */
static const char *
value(char *line, size_t len)
{
	struct slice	s = { line, len };
	char		enhanced[12];
	size_t		i = smtp_enhanced_parse(s, enhanced);

	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	if (i == len)
		return NULL;
	line += i;
	len -= i;
	if (len >= LOOK_KEY_MAX)
		len = LOOK_KEY_MAX - 1;
	line[len] = '\0';
	for (i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	return line;
}

size_t
reply_values(char *lines, const char **values, size_t max)
{
	char	*p = lines, *end;
	size_t	 n = 0;

	for (; n < max && (end = strchr(p, '\n')) != NULL; p = end + 1)
		if ((values[n] = value(p, (size_t)(end - p))) != NULL)
			n++;
	return n;
}

const char *
reply_text(const struct smtp_reply *r, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%d %s%s%.*s", r->code, r->enhanced,
	    r->enhanced[0] != '\0' ? " " : "", (int)strcspn(r->text, "\n"),
	    r->text);
	return buf;
}
