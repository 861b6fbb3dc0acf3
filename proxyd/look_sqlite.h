/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A database of SQLite: what its files share.
 *
 *	look_sqlite.c	the file: found, opened, looked after; `postern -n'
 *	look_sqlite_run.c
 *			a question put to it, and what those of scripts may
 *			do there
 */
#ifndef LOOK_SQLITE_H
#define LOOK_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lookupd.h"

/* look_sqlite.c ----------------------------------------------------------- */

/* What is open; NULL: nothing. */
extern sqlite3	*lite_db;

/* Open one if none is; -1 and why.  bad: the one that is open is no good. */
int	 lite_open(char *why, size_t size);
void	 lite_bad(const char *why);
/* Another file in its place, or one that we would rather ask? */
void	 lite_look(void);
/* The file is no good, rather than what was asked of it. */
bool	 lite_is_broken(int rc);

/* look_sqlite_run.c ------------------------------------------------------- */

/* A connection that was opened: what it may do; it is not watched yet. */
void	 run_set_up(sqlite3 *);
/* Watch what is prepared there from here on. */
int	 run_watch(sqlite3 *);
/*
 * What follows is of scripts or not, and has so many milliseconds; has it
 * been longer?
 */
void	 run_begin(bool script, int64_t ms);
bool	 run_is_late(void);
/* Prepare it; not SQLITE_OK: why. */
int	 run_prepare(struct statement *, char *why, size_t size);
/* One of the backend's functions each. */
void	 run_ask(struct ask *);
void	 run_withdraw(struct ask *);
void	 run_forget(struct statement *);
void	 run_start(void);

#endif
