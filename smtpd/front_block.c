/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses that are blocked for their errors, as verifyd tells all workers.
 * A client is turned away by a look into a table, without a question.
 *
 * The sessions of an address that gets blocked hear so at their next command;
 * a message that is under way is not disturbed.
 */

#include <stdlib.h>

#include "block.h"
#include "front.h"
#include "front_limit.h"
#include "log.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

static struct blocks	*blocks;

bool
block_has(const struct addr *a)
{
	return blocks != NULL && blocks_has(blocks, a, mono_now());
}

void
block_error(const struct session *s)
{
	const struct conf_session	*cs = &s->conf->session;
	struct peer			*p = proc_peer(R_VERIFYD, 0);
	struct proto_error		 e;
	struct wbuf			 w = { .data = NULL };

	if (p == NULL || !block_key(&s->remote, &e.addr))
		return;
	e.total = (uint32_t)cs->address_total;
	e.period = (uint64_t)cs->address_period;
	e.block = (uint64_t)cs->address_block;
	put_error(&w, &e);
	peer_send(p, MSG_ADDRESS_ERROR, s->sid, 0, -1, &w);
}

int
block_told(struct peer *p, struct msg *m)
{
	struct proto_blocked	b;

	(void)p;
	if (get_blocked(m, &b) == -1)
		return -1;
	if (blocks == NULL && (blocks = blocks_new()) == NULL)
		return 0;
	if (blocks_add(blocks, &b.addr, (int64_t)b.ms, mono_now()) == -1)
		log_debug("blocked: no memory");
	else if (log_begin(LOG_LEVEL_DEBUG, 0, "block")) {
		log_addr("address", &b.addr);
		log_end();
	}
	return 0;
}
