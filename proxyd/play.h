/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proxyd -t: a script plays against a transcript.
 *
 *	play.c		the transcript: lines, stages, what is expected
 *	play_session.c	the session
 *	play_show.c	what came of it, as lines
 *	play_answer.c	the world: what scripts ask, and the answers that
 *			the transcript has
 */
#ifndef PLAY_H
#define PLAY_H

struct call;
struct lua_State;

/*
 * `proxyd -t NAME [UID GID]': the script on descriptor 3, the transcript on 4;
 * of root (else uid and gid are NULL) an empty directory on 5, which becomes
 * its root as he becomes that user.  The exit status: 0, 1 an expectation is
 * not met, 2 one of the two is bad.
 */
void	play(const char *name, const char *uid, const char *gid)
	    __attribute__((__noreturn__));
/*
 * The end, without what exit(3) would have called: nothing of it may be in
 * the jail.
 */
void	play_end(int status) __attribute__((__noreturn__));

/* RAISES.  In the place of what asks other processes; the globals are on the
   top. */
void	play_open(struct lua_State *);
/*
 * "db.exists("s", "SELECT 1") = true"; NULL, or what is wrong with it.  Within
 * that call, whose limits hold for what is computed there.
 */
const char *play_answer(struct call *, const char *text, int line);
/* Answers that nobody asked for: told by line. */
void	play_unasked(void (*)(int line, const char *text));
/* The question that had no answer since this was called last, or NULL. */
const char *play_missing(void);
/* The clock of scripts goes on. */
void	play_clock(double seconds);

#endif
