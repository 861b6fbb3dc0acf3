/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Session ids.  64 bits, made by one process, unique over all of them and
 * over restarts for any practical time: 10 bits of worker, 22 random bits
 * drawn at the process's start, a counter of 32.  Shown as 16 hex digits.
 */
#ifndef ID_H
#define ID_H

#include <stdint.h>

#define ID_TEXT_MAX	17

/* Once per process, with the worker's index. */
void		 id_init(unsigned int worker);
/* Never 0. */
uint64_t	 id_new(void);
const char	*id_text(uint64_t, char out[ID_TEXT_MAX]);

#endif
