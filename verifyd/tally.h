/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What sessions hold at a time, for all workers: counters by key.
 *
 * A holder is a session: its id, and the worker that it lives in (any pointer
 * that is that worker's own).
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys that all sessions together hold, at most: 150 MiB of them. */
#define TALLY_MAX	(1024 * 1024)

enum tally { TALLY_HELD, TALLY_WAS_HELD, TALLY_OVER };

/*
 * Hold a key of which there may be limit at a time (0: any number).
 * TALLY_OVER: there are so many, and it is not held; or there is no memory.
 * TALLY_WAS_HELD: by this session already; it counts once.
 */
enum tally	tally_take(const void *worker, uint64_t sid, const void *key,
		    size_t klen, uint32_t limit);
/* The session holds that key no longer; or none. */
void		tally_back(const void *worker, uint64_t sid, const void *key,
		    size_t klen);
void		tally_free(const void *worker, uint64_t sid);
/* A worker is gone, with all its sessions. */
void		tally_worker_gone(const void *worker);
int		tally_stats(char *, size_t);

#endif
