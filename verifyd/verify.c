/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward.
 */

#include "peer.h"
#include "verify.h"

struct verify *
verify_ask(const struct verify_question *q,
    void (*done)(void *, const struct look_answer *), void *arg)
{
	struct look_answer	a = { .answer = LOOKUP_CANNOT, .why = "" };

	(void)q;
	done(arg, &a);
	return NULL;
}

void
verify_cancel(struct verify *v)
{
	(void)v;
}

int
verdict_told(struct peer *p, struct msg *m)
{
	struct proto_verdict	v;

	(void)p;
	return get_verdict(m, &v);
}

bool
verdict_is_marked(uint32_t remote, const char *sender, const char *rcpt)
{
	(void)remote;
	(void)sender;
	(void)rcpt;
	return false;
}
