/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Counted errors by address, over all sessions of all workers: ADDRESS_ERROR
 * in, BLOCKED out.
 *
 * An address's errors are counted from the first one on, for a period; then
 * the next is a first one again.  At the last that it may make it is blocked,
 * which every worker is told, and a new one of all that are blocked: they turn
 * clients away without asking.
 *
 * Both tables are bounded.  A flood of addresses presses out the counts of
 * those that were good for longest, and the oldest blocks.
 */

#include <sys/types.h>

#include <stdio.h>
#include <string.h>

#include "block.h"
#include "log.h"
#include "peer.h"
#include "state.h"
#include "verifyd.h"

#define ENTRIES		(64 * 1024)
#define OCTETS		(16 * 1024 * 1024)

struct count {
	int64_t		first;		/* when: ms */
	uint32_t	n;
};

static struct state	*errors;
static struct blocks	*blocks;
static uint64_t		 nblocked;

void
errors_start(void)
{
	if ((errors = state_new(ENTRIES, OCTETS)) == NULL ||
	    (blocks = blocks_new()) == NULL)
		fatal("errors");
}

static void
send_blocked(struct peer *p, const void *arg)
{
	struct wbuf	w = { 0 };

	put_blocked(&w, arg);
	peer_send(p, MSG_BLOCKED, 0, 0, -1, &w);
}

static void
tell(const struct addr *a, int64_t ms, void *peer)
{
	struct proto_blocked	b = { .addr = *a, .ms = (uint64_t)ms };

	send_blocked(peer, &b);
}

void
errors_peer_up(struct peer *p)
{
	blocks_each(blocks, mono_now(), tell, p);
}

static void
block(const struct proto_error *e, const struct addr *key, uint64_t sid)
{
	struct proto_blocked	b = { .addr = *key, .ms = e->block };

	(void)blocks_add(blocks, key, (int64_t)e->block, mono_now());
	nblocked++;
	if (log_begin(LOG_LEVEL_INFO, sid, "blocked")) {
		log_addr("address", key);
		log_num("errors", e->total);
		log_num("seconds", (int64_t)e->block / 1000);
		log_end();
	}
	verifyd_each_smtpd(send_blocked, &b);
}

int
errors_add(struct peer *p, struct msg *m)
{
	struct proto_error	 e;
	struct count		 c = { 0 };
	struct addr		 key;
	struct mono		 now = mono_now();
	const void		*value;
	size_t			 len;

	(void)p;
	if (get_error(m, &e) == -1 || !block_key(&e.addr, &key))
		return -1;
	/* Those that were under way when it was blocked. */
	if (blocks_has(blocks, &key, now))
		return 0;
	if (state_get(errors, key.family, key.ip, sizeof(key.ip), now, &value,
	    &len) && len == sizeof(c))
		memcpy(&c, value, sizeof(c));
	if (c.n == 0 || now.ms - c.first >= (int64_t)e.period) {
		c.first = now.ms;
		c.n = 0;
	}
	c.n++;
	if (c.n >= e.total) {
		block(&e, &key, m->sid);
		c.n = 0;
	}
	if (state_set(errors, key.family, key.ip, sizeof(key.ip), &c,
	    sizeof(c), c.n == 0 ? 0 : c.first + (int64_t)e.period - now.ms,
	    now) == -1)
		log_debug("errors: no memory");
	return 0;
}

int
errors_stats(char *text, size_t size)
{
	struct state_stats	 s;

	state_stats(errors, &s);
	return snprintf(text, size,
	    "verifyd.errors.addresses %zu\n"
	    "verifyd.errors.blocked %llu\n",
	    s.entries, (unsigned long long)nblocked);
}
