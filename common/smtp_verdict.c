/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a reply to RCPT says of the mailbox: one reading for all who ask a
 * server, be it for a client's mail or to know beforehand.
 *
 * An enhanced code decides where there is one, since servers answer nearly
 * anything with 550: a block list, a policy, a full disk.  Without one the
 * three codes that RFC 5321 has for mailboxes are all there is to go by.
 *
 * A code that says that we asked wrongly is never a word about the mailbox,
 * whatever its enhanced code pretends: no mail may bounce for our fault.
 */

#include <string.h>

#include "smtp.h"

static const char *const	unknown[] = {
	"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"
};

bool
smtp_is_our_fault(int code)
{
	return (code >= 500 && code <= 504) || code == 530 || code == 534 ||
	    code == 538 || code == 555;
}

static bool
is_unknown(const char *enhanced, char *const *codes, size_t n)
{
	size_t	i;

	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		if (strcmp(enhanced, unknown[i]) == 0)
			return true;
	for (i = 0; i < n; i++)
		if (strcmp(enhanced, codes[i]) == 0)
			return true;
	return false;
}

enum smtp_verdict
smtp_verdict(const struct smtp_reply *r, char *const *codes, size_t n)
{
	if (r->code / 100 == 2)
		return RCPT_EXISTS;
	if (r->code / 100 != 5)
		return RCPT_LATER;
	if (smtp_is_our_fault(r->code))
		return RCPT_OUR_FAULT;
	if (r->enhanced[0] == '\0')
		return r->code == 550 || r->code == 551 || r->code == 553 ?
		    RCPT_UNKNOWN : RCPT_NO_WORD;
	if (is_unknown(r->enhanced, codes, n))
		return RCPT_UNKNOWN;
	/* RFC 3463, section 3.6: the protocol */
	return strncmp(r->enhanced, "5.5.", 4) == 0 ? RCPT_OUR_FAULT :
	    RCPT_NO_WORD;
}
