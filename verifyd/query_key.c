/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What is asked of a database, as octets: see query_key.h.
 *
 * It is what answers are kept under and joined by, and holds all that the
 * question to lookupd is made from, so a question that waits has one
 * allocation.  Each part ends with NUL, which none of them can have: two
 * questions have one key only where they are the same.
 */

#include <sys/types.h>

#include <string.h>

#include "look.h"
#include "msg.h"
#include "query_key.h"

static uint8_t *
add_text(uint8_t *p, const char *s, size_t max)
{
	size_t	n = strnlen(s, max - 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p + n + 1;
}

/*
 * May the query look at the sender?  A ? is any parameter.  What only looks
 * like a parameter keeps more answers than there need be.
 */
static bool
has_sender(const char *sql)
{
	return strstr(sql, ":sender") != NULL ||
	    strstr(sql, "$sender") != NULL || strchr(sql, '?') != NULL;
}

/* The sender is part of it only where the query looks at it. */
size_t
query_key(uint8_t key[QUERY_KEY_MAX], const struct query_of *of,
    const struct look_question *q)
{
	bool	 sender = has_sender(of->sql);
	uint8_t	*p = key;

	memcpy(p, &of->directory, sizeof(of->directory));
	p += sizeof(of->directory);
	*p++ = (uint8_t)q->what;
	p = add_text(p, of->name, sizeof(q->path.query));
	p = add_text(p, q->key, LOOK_KEY_MAX);
	p = add_text(p, sender ? q->sender : "", LOOK_ADDR_MAX);
	return (size_t)(p - key);
}

void
query_parts(const uint8_t *key, struct query_parts *p)
{
	memcpy(&p->directory, key, sizeof(p->directory));
	key += sizeof(p->directory);
	p->what = (enum look_what)*key++;
	p->name = (const char *)key;
	p->key = p->name + strlen(p->name) + 1;
	p->sender = p->key + strlen(p->key) + 1;
}

static void
put_param(struct wbuf *w, uint32_t *n, const char *name, const char *value)
{
	put_str(w, name);
	put_blob(w, value, strlen(value));
	(*n)++;
}

uint32_t
query_params(struct wbuf *w, const struct query_parts *p)
{
	char		 local[LOOK_ADDR_MAX];
	const char	*at;
	uint32_t	 n = 0;

	put_param(w, &n, "key", p->key);
	at = p->what == LOOK_DOMAIN ? NULL : strrchr(p->key, '@');
	if (at != NULL) {
		(void)address_local(p->key, local);
		put_param(w, &n, "address", p->key);
		put_param(w, &n, "localpart", local);
	}
	put_param(w, &n, "domain", at == NULL ? p->key : at + 1);
	put_param(w, &n, "sender", p->sender);
	return n;
}
