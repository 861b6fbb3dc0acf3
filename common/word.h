/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A text as one word of a line: an octet that would end the word or the
 * line, or that cannot be printed, is \xHH, and so is a backslash.
 */
#ifndef WORD_H
#define WORD_H

#include <stddef.h>

/*
 * Append one, and a blank, to len octets of line; the new length, or 0 if
 * there is no room.  No NUL is written.
 */
size_t	word_put(char *line, size_t len, size_t size, const char *text);
/*
 * Take the first one off *line, and what is between it and the next.  -1: it
 * was not written by word_put, or does not fit, or there is none.
 */
int	word_get(const char **line, char *text, size_t size);

#endif
