/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a relay looks at in the header of a message that passes: how often
 * it was received (loops, RFC 5321, section 6.3), and whether it needs
 * SMTPUTF8 (RFC 6532).
 *
 * Nothing is kept of the header but the state; a field name may come in as
 * many pieces as it has octets.  A folded line begins with a blank, which no
 * field name does, so folding needs no state of its own.  A blank before the
 * colon is taken (RFC 5322, section 4.5: obsolete, to be understood).
 *
 * A line that is no field does not end the header here, as it does for
 * some: a loop must be seen also where somebody's software left garbage on
 * top.
 */

#include <string.h>

#include "smtp.h"

enum state {
	H_LINE,			/* at the start of a line */
	H_NAME,			/* h->matched octets of "received" seen */
	H_COLON,		/* all of them, and maybe blanks */
	H_REST,			/* some other line */
	H_CR			/* CR at the start of a line */
};

static const char	 received[] = "received";

/* Is there an octet over 127 in p..end? */
static bool
has_8bit(const char *p, const char *end)
{
	uint64_t	 word, all = 0;
	unsigned char	 c = 0;

	for (; end - p >= 8; p += 8) {
		memcpy(&word, p, sizeof(word));
		all |= word;
	}
	for (; p < end; p++)
		c |= (unsigned char)*p;
	return (all & 0x8080808080808080ULL) != 0 || (c & 0x80) != 0;
}

/* Scan to the end of the line, or of what there is; returns what follows. */
static const char *
rest_of_line(struct smtp_header *h, const char *p, const char *end)
{
	const char	*lf;

	lf = memchr(p, '\n', end - p);
	if (lf != NULL) {
		h->state = H_LINE;
		end = lf + 1;
	}
	if (!h->utf8)
		h->utf8 = has_8bit(p, end);
	return end;
}

void
smtp_header_scan(struct smtp_header *h, const char *p, size_t len)
{
	const char	*end = p + len;

	while (p < end && !h->ended) {
		switch ((enum state)h->state) {
		case H_LINE:
			h->matched = 0;
			h->state = H_NAME;
			h->ended = *p == '\n';
			if (*p == '\r') {
				h->state = H_CR;
				p++;
			}
			break;
		case H_NAME:
			if (received[h->matched] == '\0')
				h->state = H_COLON;
			else if (received[h->matched] == (*p | 0x20)) {
				h->matched++;
				p++;
			} else
				h->state = H_REST;
			break;
		case H_COLON:
			if (*p == ' ' || *p == '\t') {
				p++;
				break;
			}
			if (*p == ':')
				h->received++;
			h->state = H_REST;
			break;
		case H_REST:
			p = rest_of_line(h, p, end);
			break;
		case H_CR:
			h->ended = *p == '\n';
			h->state = H_REST;
			break;
		}
	}
}
