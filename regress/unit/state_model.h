/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What state.c must do, done the simple way: an array, the last used at its
 * end, with the keys as they are.
 *
 * Exact where either nothing expires or nothing is pressed out.  Where both
 * happen, what state.c has may be less (an expired entry holds its place
 * until it is found), but never more and never something else.
 */
#ifndef STATE_MODEL_H
#define STATE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MODEL_MAX	64
#define MODEL_VALUE	16

struct model_entry {
	unsigned int	 table;
	unsigned int	 key;
	int64_t		 expires;
	size_t		 len;
	uint8_t		 value[MODEL_VALUE];
};

struct model {
	struct model_entry	 v[MODEL_MAX];
	size_t			 n, max;
};

static inline void
model_remove(struct model *m, size_t i)
{
	memmove(&m->v[i], &m->v[i + 1], (m->n - i - 1) * sizeof(m->v[0]));
	m->n--;
}

static inline void
model_expire(struct model *m, int64_t now)
{
	size_t	 i = 0;

	while (i < m->n) {
		if (m->v[i].expires <= now)
			model_remove(m, i);
		else
			i++;
	}
}

/* The entry, made the last used one; NULL if there is none. */
static inline struct model_entry *
model_get(struct model *m, unsigned int table, unsigned int key, int64_t now)
{
	struct model_entry	 e;
	size_t			 i;

	model_expire(m, now);
	for (i = 0; i < m->n; i++)
		if (m->v[i].table == table && m->v[i].key == key)
			break;
	if (i == m->n)
		return NULL;
	e = m->v[i];
	model_remove(m, i);
	m->v[m->n++] = e;
	return &m->v[m->n - 1];
}

static inline void
model_set(struct model *m, unsigned int table, unsigned int key,
    const uint8_t *value, size_t len, int64_t ttl, int64_t now)
{
	struct model_entry	*e = model_get(m, table, key, now);

	if (e != NULL)
		m->n--;
	if (ttl <= 0)
		return;
	if (m->n == m->max)
		model_remove(m, 0);
	e = &m->v[m->n++];
	e->table = table;
	e->key = key;
	e->expires = now + ttl;
	e->len = len;
	memcpy(e->value, value, len);
}

/* False: it has no value. */
static inline bool
model_update(struct model *m, unsigned int table, unsigned int key,
    const uint8_t *value, size_t len, int64_t now)
{
	struct model_entry	*e = model_get(m, table, key, now);

	if (e == NULL)
		return false;
	e->len = len;
	memcpy(e->value, value, len);
	return true;
}

#endif
