/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Connections to sockets of the file system.
 *
 * This process sees no file, so the parent connects, to a path that it takes
 * from its own configuration: we name the remote and which of its addresses.
 * It answers at once; whoever has lost interest meanwhile leaves a descriptor
 * behind that is closed here.
 */

#include <sys/types.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialer.h"
#include "peer.h"
#include "proc.h"

RB_HEAD(local_waits, local_wait);

static struct local_waits	waits = RB_INITIALIZER(&waits);
static uint64_t			last_sid;

static int
sid_cmp(const struct local_wait *a, const struct local_wait *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(local_waits, local_wait, by_sid, sid_cmp)
RB_GENERATE(local_waits, local_wait, by_sid, sid_cmp)

const char *
local_path(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
}

/* FNV-1a; paths are the operator's, nobody makes two of them collide. */
void
local_addr(struct addr *a, const char *path)
{
	uint64_t	h = 14695981039346656037ULL;

	memset(a, 0, sizeof(*a));
	a->family = ADDR_UNIX;
	for (; *path != '\0'; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211ULL;
	memcpy(a->ip, &h, sizeof(h));
}

void
local_ask(struct local_wait *lw, uint32_t remote, size_t entry)
{
	struct proto_unix	q = { .remote = remote };
	struct wbuf		w = { 0 };

	q.entry = (uint32_t)entry;
	lw->sid = ++last_sid;
	RB_INSERT(local_waits, &waits, lw);
	put_unix(&w, &q);
	peer_send(proc_parent(), MSG_UNIX_REQ, lw->sid, 0, -1, &w);
}

void
local_forget(struct local_wait *lw)
{
	if (lw->sid == 0)
		return;
	RB_REMOVE(local_waits, &waits, lw);
	lw->sid = 0;
}

int
local_on_fd(struct peer *p, struct msg *m)
{
	struct local_wait	key, *lw;

	(void)p;
	if (get_end(&m->body) == -1)
		return -1;
	key.sid = m->sid;
	if ((lw = RB_FIND(local_waits, &waits, &key)) == NULL)
		return 0;		/* and its descriptor is closed */
	local_forget(lw);
	lw->fn(lw->arg, msg_take_fd(m), (int)m->seq);
	return 0;
}
