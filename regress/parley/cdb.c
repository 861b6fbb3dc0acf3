/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * "file NAME cdb": a constant database, as https://cr.yp.to/cdb/cdb.txt has
 * it, of lines that are a key and, behind the first blank, its value.  Made
 * here and not by cdbmake(1), so that a talk needs nothing but parley.
 *
 * 256 pairs (place, slots) of tables, the records, the tables: pairs (hash,
 * place of the record), twice as many as there are records, those of a
 * record from slot (hash / 256) mod slots on.
 */

#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parley.h"

struct record {
	uint32_t	hash;
	uint32_t	at;
};

static void
put32(char *p, uint32_t v)
{
	p[0] = (char)v;
	p[1] = (char)(v >> 8);
	p[2] = (char)(v >> 16);
	p[3] = (char)(v >> 24);
}

static void
add32(struct bytes *b, uint32_t v)
{
	char	p[4];

	put32(p, v);
	bytes_add(b, p, sizeof(p));
}

static uint32_t
hash(const char *key)
{
	uint32_t	h = 5381;

	for (; *key != '\0'; key++)
		h = ((h << 5) + h) ^ (unsigned char)*key;
	return h;
}

/* One line; it is cut up. */
static void
add_record(struct bytes *b, char *line, struct record *r)
{
	char	*value = line + strcspn(line, " \t");

	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t");
	r->hash = hash(line);
	r->at = (uint32_t)bytes_len(b);
	add32(b, (uint32_t)strlen(line));
	add32(b, (uint32_t)strlen(value));
	bytes_adds(b, line);
	bytes_adds(b, value);
}

/* The table of those records whose hash ends in n, and where it is. */
static void
add_table(struct bytes *b, uint32_t n, const struct record *v, size_t nv)
{
	uint32_t	 slots = 0, slot, at = (uint32_t)bytes_len(b);
	char		*table;
	size_t		 i;

	for (i = 0; i < nv; i++)
		slots += v[i].hash % 256 == n ? 2 : 0;
	put32(bytes_head(b) + n * 8, at);
	put32(bytes_head(b) + n * 8 + 4, slots);
	if (slots == 0)
		return;
	if ((table = calloc(slots, 8)) == NULL)
		err(1, NULL);
	for (i = 0; i < nv; i++) {
		if (v[i].hash % 256 != n)
			continue;
		slot = v[i].hash / 256 % slots;
		while (memcmp(table + slot * 8 + 4, "\0\0\0", 4) != 0)
			slot = (slot + 1) % slots;
		put32(table + slot * 8, v[i].hash);
		put32(table + slot * 8 + 4, v[i].at);
	}
	bytes_add(b, table, (size_t)slots * 8);
	free(table);
}

void
cdb_make(char *text, struct bytes *b)
{
	struct record	*v = NULL;
	size_t		 nv = 0;
	uint32_t	 n;
	char		*line;

	for (n = 0; n < 512; n++)
		add32(b, 0);
	while ((line = strsep(&text, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		if ((v = reallocarray(v, nv + 1, sizeof(*v))) == NULL)
			err(1, NULL);
		add_record(b, line, &v[nv++]);
	}
	for (n = 0; n < 256; n++)
		add_table(b, n, v, nv);
	free(v);
}
