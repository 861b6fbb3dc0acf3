/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * posternctl: what its files share.
 */
#ifndef CTL_H
#define CTL_H

#include <stdbool.h>
#include <stddef.h>

/* Somebody's lines, read with a limit of time. */
struct lines {
	int	 fd;
	int	 passed;	/* a descriptor that came along; -1 = none */
	char	*data;
	size_t	 len, size;
	size_t	 used;		/* of the line that was handed out */
};

enum lines_result { LINES_OK, LINES_EOF, LINES_TIMEOUT, LINES_ERROR };

/* Take the descriptor. */
void	lines_init(struct lines *, int fd);
/* The next line, without its end, valid until the next call. */
enum lines_result lines_next(struct lines *, char **);
/* Close it, and what came along. */
void	lines_clear(struct lines *);

/*
 * What to do with the parent's answer: a line at a time, except for errors
 * and the end.  -1: this line makes no sense.
 */
int	show_status(struct lines *, char *line, bool json);
int	show_stats(struct lines *, char *line, bool json);
int	show_fields(struct lines *, char *line, bool json);
int	show_ok(struct lines *, char *line, bool json);
/* The answer is complete: print what was gathered.  errors: there were. */
void	end_status(bool json, bool errors);
void	end_stats(bool json, bool errors);
void	end_fields(bool json, bool errors);
void	end_routes(bool json, bool errors);
void	end_scripts(bool json, bool errors);
void	end_ok(bool json, bool errors);

/*
 * Become what plays a script against a transcript; exits with 2 if it cannot.
 */
void	script_test(const char *script, const char *transcript)
	    __attribute__((__noreturn__));

#endif
