/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * UTF-8 as RFC 3629 has it, one character at a time.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Octets of the character at the front of s[0..n), 0 if there is none: no
 * over-long form, no surrogate, nothing over U+10FFFF (RFC 3629, section 4).
 * *u, unless NULL, gets the character.
 */
size_t	utf8_char(const char *s, size_t n, uint32_t *u);

#endif
