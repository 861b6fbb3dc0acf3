/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses in normal form, taken apart for look-ups.
 *
 * The normal form has quotes around a local part only where it needs them,
 * and a backslash only before a quote or a backslash (smtp_path.c).  What is
 * cut from it must be in normal form again, or nothing would be found.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <string.h>

#include "look.h"

/* A local part of these needs no quotes (RFC 5321, section 4.1.2). */
static bool
is_dot_string(const char *s, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if (strchr(" \"(),:;<>@[\\]", s[i]) != NULL ||
		    (unsigned char)s[i] < ' ' || (s[i] == '.' &&
		    (i == 0 || i + 1 == len || s[i - 1] == '.')))
			return false;
	return len > 0;
}

bool
address_cut(const char *address, char out[LOOK_ADDR_MAX])
{
	const char	*at = strrchr(address, '@'), *plus;
	bool		 quoted = address[0] == '"';
	const char	*begin = address + quoted;
	size_t		 len;

	if (at == NULL || strlen(address) >= LOOK_ADDR_MAX ||
	    (plus = memchr(begin, '+', (size_t)(at - begin))) == NULL ||
	    plus == begin)
		return false;
	len = (size_t)(plus - begin);
	/* What is left may need no quotes any more, or need them now: a. */
	if (memchr(begin, '\\', len) != NULL || !is_dot_string(begin, len)) {
		if (len + 2 + strlen(at) >= LOOK_ADDR_MAX)
			return false;
		out[0] = out[len + 1] = '"';
		memcpy(out + 1, begin, len);
		len += 2;
	} else
		memcpy(out, begin, len);
	(void)strlcpy(out + len, at, LOOK_ADDR_MAX - len);
	return true;
}

size_t
address_local(const char *address, char out[LOOK_ADDR_MAX])
{
	const char	*at = strrchr(address, '@');
	const char	*end = at == NULL ? address + strlen(address) : at;
	const char	*p = address;
	bool		 quoted = *p == '"';
	size_t		 n = 0;

	for (p += quoted; p < end && n + 1 < LOOK_ADDR_MAX; p++) {
		if (quoted && *p == '"')
			break;
		if (quoted && *p == '\\' && p + 1 < end)
			p++;
		out[n++] = *p;
	}
	out[n] = '\0';
	return n;
}
