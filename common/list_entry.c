/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The entries of lists: see list_entry.h.
 *
 * An entry is lower-cased, as what is looked up is; its value is not.  One
 * that is not ASCII has two keys: as it is, since it may be the name of a
 * user, and as what mail's domains are compared with (smtp_path_normal()).
 * What looks like a network must be one, since it could never match as text.
 *
 * Nothing is allocated: a file of millions of lines goes through here.
 */

#include <string.h>

#include "list_entry.h"
#include "util.h"

/* ADDRESS/...: it is meant to be a network. */
static bool
looks_like_net(char *key)
{
	struct addr	 a;
	char		*slash = strchr(key, '/');
	bool		 yes;

	if (slash == NULL)
		return false;
	*slash = '\0';
	yes = addr_parse(&a, key) == 0;
	*slash = '/';
	return yes;
}

const char *
list_entry_parse(struct list_entry *e, const char *key, size_t len,
    const char *value)
{
	e->key[0] = e->alabels[0] = '\0';
	e->value = value;
	if (len == 0)
		return "empty";
	if (len > LIST_ENTRY_MAX)
		return "longer than 1024 octets";
	memcpy(e->key, key, len);
	e->key[len] = '\0';
	ascii_lower(e->key);
	e->is_net = cidr_parse(&e->net, e->key) == 0;
	if (!e->is_net && looks_like_net(e->key))
		return "not a network";
	if (idn_is_8bit(e->key) &&
	    (idn_address_to_ascii(e->key, e->alabels,
	    sizeof(e->alabels)) == -1 || strcmp(e->key, e->alabels) == 0))
		e->alabels[0] = '\0';
	return NULL;
}

/*
 * Blanks at both ends and # comments (after a blank or at the beginning,
 * since a local part may hold a #) are dropped, and what comes behind the
 * first blank is the value.
 */
const char *
list_entry_line(struct list_entry *e, char *line)
{
	char	*p, *value;
	size_t	 len;

	e->key[0] = e->alabels[0] = '\0';
	line += strspn(line, " \t");
	for (p = line; (p = strchr(p, '#')) != NULL; p++) {
		if (p == line || p[-1] == ' ' || p[-1] == '\t') {
			*p = '\0';
			break;
		}
	}
	len = strlen(line);
	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
		line[--len] = '\0';
	if (len == 0)
		return NULL;
	for (p = line; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t')
			return "a control character";
	len = strcspn(line, " \t");
	value = line + len;
	value += strspn(value, " \t");
	return list_entry_parse(e, line, len, value);
}
