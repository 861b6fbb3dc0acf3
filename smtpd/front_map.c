/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * From a next hop's reply to the client's: the table of the manual, as a
 * pure function.  Three rules stand behind it: the verdict on the mail is
 * the next hop's own; a code that says that *we* asked wrongly never
 * becomes a bounce; and 421 is a word about a connection, ours to the next
 * hop, which the client has no part in.
 */

#include <stdio.h>
#include <string.h>

#include "front.h"
#include "front_tx.h"

void
map_reply(struct smtp_reply *ours, const struct smtp_reply *theirs,
    const char *dflt, bool own)
{
	int	class = theirs->code / 100;

	if (smtp_is_our_fault(theirs->code)) {
		(void)smtp_reply_fmt(ours,
		    "451 4.3.5 next hop does not take our commands");
		return;
	}
	if (class != 2 && class != 4 && class != 5) {
		(void)smtp_reply_fmt(ours,
		    "451 4.5.0 protocol error at next hop");
		return;
	}
	*ours = *theirs;
	ours->hard = 0;
	ours->passed = class != 2;
	if (class == 2)
		ours->code = 250;
	else if (theirs->code == 421)
		ours->code = 451;
	if (class == 2 && theirs->enhanced[0] != '2')
		(void)strlcpy(ours->enhanced, dflt, sizeof(ours->enhanced));
	else if (theirs->enhanced[0] != '0' + class)
		(void)snprintf(ours->enhanced, sizeof(ours->enhanced),
		    "%d.0.0", class);
	if (own || ours->text[0] == '\0')
		(void)strlcpy(ours->text, class == 2 ? "ok" : class == 4 ?
		    "try again later" : "refused by next hop",
		    sizeof(ours->text));
}

bool
map_is_unknown(const struct smtp_reply *r, const struct conf_remote *remote)
{
	return smtp_verdict(r, remote->unknown_codes.v,
	    remote->unknown_codes.n) == RCPT_UNKNOWN;
}

/*
 * What DNS says for good about a domain is said for good to its recipients
 * (RFC 7505, RFC 3463); all else is tried again.  That a name of the
 * configuration cannot be looked up is our affair: no connection.
 */
void
map_dial(struct smtp_reply *r, enum dial_error e, bool mx)
{
	switch (e) {
	case DIAL_NO_DOMAIN:
		(void)smtp_reply_fmt(r, "550 5.1.2 no such domain");
		return;
	case DIAL_NULL_MX:
		(void)smtp_reply_fmt(r, "556 5.1.10 domain takes no mail");
		return;
	case DIAL_FORBIDDEN:
		(void)smtp_reply_fmt(r,
		    "550 5.4.4 domain leads nowhere that we may go");
		return;
	case DIAL_LOOP:
		(void)smtp_reply_fmt(r, "554 5.4.6 mail for this domain "
		    "loops back to us");
		return;
	case DIAL_DNS:
		if (!mx)
			break;
		(void)smtp_reply_fmt(r, "451 4.4.3 cannot look that up now");
		return;
	case DIAL_UNKNOWN_REMOTE:
	case DIAL_NO_ADDRESS:
	case DIAL_REFUSED:
	case DIAL_TIMEOUT:
	case DIAL_LIMIT:
	case DIAL_HELD:
	case DIAL_ERROR_COUNT:
		break;
	}
	(void)smtp_reply_fmt(r, "451 4.4.1 next hop not reached");
}
