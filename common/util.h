/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Small things that libc and libbsd do not have.
 */
#ifndef UTIL_H
#define UTIL_H

#include <stddef.h>

/* Memory at start and in the parent's configuration: fatal without. */
void	*xmalloc(size_t);
void	*xcalloc(size_t, size_t);
void	*xreallocarray(void *, size_t, size_t);
char	*xstrdup(const char *);
char	*xstrndup(const char *, size_t);
int	 xasprintf(char **, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));

/*
 * Make octets from outside fit for a log line: printable ASCII stays,
 * the rest becomes \xNN, `"' and `\' are escaped.  Cut to fit, always
 * terminated; returns out.
 */
char	*esc(const char *, char *out, size_t size);
char	*escn(const char *, size_t n, char *out, size_t size);

/* Lower case of ASCII letters only, in place: no locale has a say. */
void	 ascii_lower(char *);

int	 set_nonblock(int fd);		/* 0, or -1 and errno */
int	 set_cloexec(int fd);
/* Close if it is not -1. */
void	 close_fd(int *fd);

#endif
