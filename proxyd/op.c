/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions that scripts wait for.
 */

#include "proxyd.h"

int
op_answer(struct peer *p, struct msg *m)
{
	(void)p;
	(void)m;
	return 0;
}

void
op_peer_down(struct peer *p)
{
	(void)p;
}

void
op_cancel(struct op *op)
{
	(void)op;
}
