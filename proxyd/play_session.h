/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The session that is played: what play.c and play_session.c share.
 */
#ifndef PLAY_SESSION_H
#define PLAY_SESSION_H

#include "script.h"

#define WORD_MAX	1024

extern struct sess	sess;

/* What is wrong with the transcript, and where; exits. */
void		 bad(int line, const char *, ...)
		    __attribute__((__noreturn__, __format__(printf, 2, 3)));
/* The next word; what stands in quotes is one, also behind its `='. */
bool		 next_word(const char **, int line, char word[WORD_MAX]);
/* "key=value", cut in two: the value. */
char		*cut(char *word, int line);
uint64_t	 number(const char *value, int line);

/* Another one, of which the keys and values tell; play_set: more of it. */
void		 play_session(const char *, int line);
void		 play_set(const char *, int line);
void		 sess_over(void);
/*
 * Fields are put one by one, and told together: a fact, a sender (transportid
 * is NULL) or recipient.
 */
void		 set_fact(struct wbuf *, const char *key, char *value,
		    int line);
void		 put_path(struct wbuf *, const char *address,
		    const char *transportid, int line);
void		 tell_session(struct wbuf *);

#endif
