/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Are there marks?  VERDICT in, MARKED out.
 *
 * A recipient that was vouched for and then refused is marked for an hour, so
 * that its next RCPT is asked of the next hop.  Those that a list vouches for
 * are never asked of us: smtpd holds the lists.  So every smtpd is told when
 * a mark is made, and for how long there can be one; until then it asks for
 * those of lists, too.  As long as no next hop contradicts a list, a list
 * costs nobody a question.
 *
 * They are told again only when it would be a minute longer than they know.
 */

#include "mono.h"
#include "msg.h"
#include "peer.h"
#include "proto.h"
#include "verifyd.h"
#include "verify.h"

#define MARK_LIFE	(60 * 60 * 1000)	/* ms; as verdict.c has it */
#define SPARE		(60 * 1000)

static struct mono	until;		/* all know of; not set: of none */

static void
tell(struct peer *p, const void *arg)
{
	(void)arg;
	peer_send(p, MSG_MARKED, 0, (uint32_t)mono_diff(until, mono_now()),
	    -1, NULL);
}

int
marked_verdict(struct peer *p, struct msg *m)
{
	struct proto_verdict	v;
	struct msg		look = *m;
	struct mono		now = mono_now();

	if (get_verdict(&look, &v) == 0 && v.vouched &&
	    (!mono_is_set(until) || mono_diff(until, now) < MARK_LIFE)) {
		until = mono_add(now, MARK_LIFE + SPARE);
		verifyd_each_smtpd(tell, NULL);
	}
	return verdict_told(p, m);
}

void
marked_peer_up(struct peer *p)
{
	if (mono_is_set(until) && mono_diff(until, mono_now()) > 0)
		tell(p, NULL);
}
