/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Timers: a wheel with one tick of the event loop behind it.  Setting and
 * deleting are a list operation each, a timer is five words: a session may
 * have one without paying libevent's heap and its 128 octets.  Granularity
 * TIMER_TICK; a timer never fires early.
 */
#ifndef TIMER_H
#define TIMER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "mono.h"

#define TIMER_TICK	50		/* milliseconds */

struct timer {
	LIST_ENTRY(timer) entry;
	struct mono	 when;		/* unset = not running */
	void		(*fn)(void *);
	void		*arg;
};

/* Once, after event_init(3). */
void	timer_start(void);
void	timer_init(struct timer *, void (*)(void *), void *);
/* Run fn once in ms milliseconds; a running timer is set anew. */
void	timer_set(struct timer *, int64_t ms);
void	timer_del(struct timer *);
bool	timer_is_set(const struct timer *);

#endif
