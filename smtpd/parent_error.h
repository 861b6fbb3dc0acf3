/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What is wrong with a configuration: lines of the form
 *	postern.yaml:12:5: session.rcpt.max-recipient: unknown key
 * collected, sorted by place, and limited to the first twenty.
 */
#ifndef PARENT_ERROR_H
#define PARENT_ERROR_H

#include <stddef.h>
#include <stdio.h>

#define CONF_ERRORS_SHOWN	20

struct conf_line {
	unsigned int	 line, col;	/* in the file; 0 = of none */
	char		*text;		/* the whole line, without its end */
};

struct conf_lines {
	struct conf_line	*v;
	size_t			 n;
};

struct conf_errors {
	struct conf_lines	errors;
	struct conf_lines	warnings;
};

/*
 * path may be NULL; line 0 = the file as such, column 0 = the line as such.
 * Kept up to a thousand.
 */
void	conf_error(struct conf_errors *, const char *file, unsigned int line,
	    unsigned int col, const char *path, const char *fmt, ...)
	    __attribute__((__format__(printf, 6, 7)));
void	conf_warning(struct conf_errors *, const char *file,
	    unsigned int line, unsigned int col, const char *path,
	    const char *fmt, ...)
	    __attribute__((__format__(printf, 6, 7)));
/*
 * Sort by place; of more than CONF_ERRORS_SHOWN errors keep those and a line
 * that says how many there are.  parent_conf_load has done it.
 */
void	conf_errors_sort(struct conf_errors *, const char *file);
/* A line each: the errors, then the warnings with "warning: " in them. */
void	conf_errors_print(const struct conf_errors *, FILE *);
void	conf_errors_clear(struct conf_errors *);

#endif
