/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/* smtp_header.c: counts and flags, the same for every split. */

#include "smtp.h"
#include "t.h"

static const struct {
	const char	*in;
	unsigned int	 received;
	bool		 utf8;
	bool		 ended;
} cases[] = {
	{ "", 0, false, false },
	{ "\r\n", 0, false, true },
	{ "\r\nReceived: x\r\n", 0, false, true },
	{ "Received: x\r\n", 1, false, false },
	{ "Received: x\r\nReceived: y\r\n\r\n", 2, false, true },
	{ "RECEIVED:x\r\nreceived: y\r\nrEcEiVeD : z\r\n\r\n", 3, false, true },
	{ "Received\t \t: x\r\n\r\n", 1, false, true },
	{ "Received x: y\r\n\r\n", 0, false, true },
	{ "Received-SPF: pass\r\n\r\n", 0, false, true },
	{ "Receive: x\r\nReceivedd: y\r\nX-Received: z\r\n\r\n", 0, false,
	    true },
	{ "Subject: x\r\n Received: y\r\n\tReceived: z\r\n\r\n", 0, false,
	    true },
	{ "Subject: Received: y\r\n\r\n", 0, false, true },
	{ "ReReceived: x\r\n\r\n", 0, false, true },
	{ "Received:\r\n\r\n", 1, false, true },
	{ "Received\r\n: x\r\n\r\n", 0, false, true },
	{ "Received", 0, false, false },
	{ "Subject: x\r\n\r\nReceived: y\r\n\r\n", 0, false, true },
	{ "garbage\r\nReceived: y\r\n\r\n", 1, false, true },

	{ "Subject: \xc3\xa9\r\n\r\n", 0, true, true },
	{ "Subject: a long one and at its very end \xe9\r\n\r\n", 0, true,
	    true },
	{ "\xc3\xa9: x\r\n\r\n", 0, true, true },
	{ "Received: \xc3\xa9\r\n\r\n", 1, true, true },
	{ "Rece\xe9ved: x\r\n\r\n", 0, true, true },
	{ "Subject: x\r\n\r\n\xc3\xa9\r\n", 0, false, true },
	{ "Subject: x\r\n\xff", 0, true, false },

	/* CR at the start of a line is not the end yet */
	{ "\rx\r\nReceived: y\r\n\r\n", 1, false, true },
	/* LF alone: only binary content has it */
	{ "Received: x\n\nReceived: y\n", 1, false, true },
};

int
main(void)
{
	struct smtp_header	 h;
	const char		*p;
	size_t			 at, i, len, n, way;

	for (i = 0; i < nitems(cases); i++) {
		p = cases[i].in;
		len = strlen(p);
		for (way = 0; way <= len; way++) {
			memset(&h, 0, sizeof(h));
			for (at = 0; at < len; at += n) {
				n = piece(way, at, len);
				smtp_header_scan(&h, p + at, n);
			}
			is_int(h.received, cases[i].received,
			    "case %zu way %zu: received", i, way);
			is_int(h.utf8, cases[i].utf8, "case %zu way %zu: utf8",
			    i, way);
			is_int(h.ended, cases[i].ended,
			    "case %zu way %zu: ended", i, way);
		}
	}
	return done("t_header");
}
