/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * struct config between processes: see config.h.  What a role is not told
 * stays zero in its copy.
 *
 * An item is a u8 of its kind, then
 *	ITEM_SETTINGS	the fields of the top struct and those nested in it
 *	ITEM_OBJECT	u8 map, u32 id, name, the fields of the object
 *	ITEM_ENTRIES	u8 map, u32 id, further entries of a list
 * in the order of the rows, with no names: both sides are built from the
 * same tables.  A payload that does not end where the rows end is refused,
 * and so is a number outside of its row's range.
 *
 * Considered and rejected: one payload for all (a list of a million entries
 * is tens of megabytes), names or tags before the fields (nothing to gain
 * between programs of one build).
 */

#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "wire.h"

enum { ITEM_SETTINGS, ITEM_OBJECT, ITEM_ENTRIES, ITEM_COUNT };

#define ENTRIES_CHUNK	(256 * 1024)	/* octets of entries in an item */
#define ALL_FIELDS	UINT32_MAX	/* as a role: for comparing */

static void	fields_put(struct wbuf *, const struct schema *,
		    const void *, unsigned int);
static void	fields_get(struct rbuf *, const struct schema *, void *,
		    unsigned int);

static bool
is_sent(const struct key *k, unsigned int role)
{
	return role == ALL_FIELDS || (k->where & role) != 0;
}

/* --- put ------------------------------------------------------------------ */

static void
put_strs(struct wbuf *w, const struct strs *s)
{
	size_t	i;

	put_u32(w, (uint32_t)s->n);
	for (i = 0; i < s->n; i++)
		put_str(w, s->v[i]);
}

static void
put_nets(struct wbuf *w, const struct nets *s)
{
	size_t	i;

	put_u32(w, (uint32_t)s->n);
	for (i = 0; i < s->n; i++) {
		put_addr(w, &s->v[i].net);
		put_u8(w, s->v[i].bits);
	}
}

static void
put_file(struct wbuf *w, const struct conf_file *f)
{
	if (f->secret)
		w->secret = true;
	put_bool(w, f->path != NULL);
	if (f->path == NULL)
		return;
	put_str(w, f->path);
	put_bool(w, f->secret);
	put_blob(w, f->data, f->len);
}

/* Where the chunk that begins at entry `i' ends. */
static size_t
chunk_end(const struct strs *s, size_t i)
{
	size_t	len = 0;

	for (; i < s->n && len < ENTRIES_CHUNK; i++)
		len += strlen(s->v[i]) + strlen(conf_entry_value(s->v[i])) + 8;
	return i;
}

static void
put_entries(struct wbuf *w, const struct strs *s, size_t i)
{
	size_t	end = chunk_end(s, i);

	put_u32(w, (uint32_t)(end - i));
	for (; i < end; i++) {
		put_str(w, s->v[i]);
		put_str(w, conf_entry_value(s->v[i]));
	}
}

/* All of them: a file of postern.yaml's size is no more. */
static void
put_texts(struct wbuf *w, const struct strs *s)
{
	size_t	i;

	put_u32(w, (uint32_t)s->n);
	for (i = 0; i < s->n; i++) {
		put_str(w, s->v[i]);
		put_str(w, conf_entry_value(s->v[i]));
	}
}

static void	fields_put(struct wbuf *, const struct schema *,
		    const void *, unsigned int);

/* Structs without names: they belong to their settings. */
static void
put_seq(struct wbuf *w, const struct schema *s, const struct conf_map *m,
    unsigned int role)
{
	size_t	i;

	put_u32(w, (uint32_t)m->n);
	for (i = 0; i < m->n; i++)
		fields_put(w, s, m->v[i], role);
}

static void
value_put(struct wbuf *w, const struct key *k, const void *p,
    unsigned int role)
{
	const struct conf_rate	*rate = p;
	struct rule *const	*rule = p;
	char *const		*str = p;

	switch (k->type) {
	case T_BOOL:
		put_bool(w, *(const bool *)p);
		break;
	case T_INT:
	case T_DURATION:
	case T_SIZE:
	case T_WORD:
		put_i64(w, *(const int64_t *)p);
		break;
	case T_RATE:
		put_i64(w, rate->count);
		put_i64(w, rate->period);
		break;
	case T_SECRET:
		w->secret = true;
		/* FALLTHROUGH */
	case T_STR:
	case T_TEXT:
		put_bool(w, *str != NULL);
		if (*str != NULL)
			put_str(w, *str);
		break;
	case T_STRS:
		put_strs(w, p);
		break;
	case T_ENTRIES:
		put_entries(w, p, 0);
		break;
	case T_NETS:
		put_nets(w, p);
		break;
	case T_FILE:
		put_file(w, p);
		break;
	case T_STRUCT:
		fields_put(w, k->sub, p, role);
		break;
	case T_RULE:
	case T_COND:
		put_bool(w, *rule != NULL);
		if (*rule != NULL)
			rule_put(w, *rule);
		break;
	case T_TEXTS:
		put_texts(w, p);
		break;
	case T_SEQ:
		put_seq(w, k->sub, p, role);
		break;
	case T_MAP:
	case T_FDS:
		break;
	}
}

static void
fields_put(struct wbuf *w, const struct schema *s, const void *base,
    unsigned int role)
{
	const struct key	*k;

	for (k = s->keys; k->name != NULL; k++) {
		if (k->off == KEY_NOWHERE)
			continue;
		if (k->type == T_STRUCT || is_sent(k, role))
			value_put(w, k, cfield(base, k), role);
	}
}

/* The entries of an object whose schema has any. */
static struct strs *
obj_entries(const struct schema *s, struct conf_obj *obj)
{
	const struct key	*k;

	for (k = s->keys; k->name != NULL; k++)
		if (k->type == T_ENTRIES)
			return field(obj, k);
	return NULL;
}

/*
 * Write item *n of those of an object, or count them off.  An object is one
 * item, and one more for every further chunk of entries.
 */
static bool
obj_put(struct wbuf *w, const struct key *row, uint8_t map,
    struct conf_obj *obj, unsigned int role, size_t *n)
{
	struct strs	*entries;
	size_t		 i;

	if ((*n)-- == 0) {
		put_u8(w, ITEM_OBJECT);
		put_u8(w, map);
		put_u32(w, obj->id);
		put_str(w, obj->name);
		fields_put(w, row->sub, obj, role);
		return true;
	}
	if ((entries = obj_entries(row->sub, obj)) == NULL)
		return false;
	for (i = chunk_end(entries, 0); i < entries->n;
	    i = chunk_end(entries, i)) {
		if ((*n)-- != 0)
			continue;
		put_u8(w, ITEM_ENTRIES);
		put_u8(w, map);
		put_u32(w, obj->id);
		put_entries(w, entries, i);
		return true;
	}
	return false;
}

/* Is an object of this map for a process of that datasource? */
static bool
is_for_source(const struct config *conf, const struct conf_map *map,
    const struct conf_obj *obj, uint32_t source)
{
	const struct conf_directory	*d;
	const struct conf_obj		*ds;

	if (source == 0 || (map != &conf->datasources &&
	    map != &conf->directories))
		return true;
	if (map == &conf->datasources)
		return obj->id == source;
	d = (const struct conf_directory *)(const void *)obj;
	ds = d->datasource == NULL ? NULL :
	    conf_find(&conf->datasources, d->datasource);
	return ds != NULL && ds->id == source;
}

bool
conf_put(struct wbuf *w, const struct config *conf, unsigned int role,
    size_t n)
{
	return conf_put_source(w, conf, role, 0, n);
}

bool
conf_put_source(struct wbuf *w, const struct config *conf, unsigned int role,
    uint32_t source, size_t n)
{
	const struct key	*row;
	struct conf_map		*map;
	uint8_t			 m;
	size_t			 i;

	if (n == 0) {
		put_u8(w, ITEM_SETTINGS);
		fields_put(w, &schema_top, conf, role);
		return true;
	}
	n--;
	for (m = 0; (row = conf_map_row(conf, m, &map)) != NULL; m++) {
		if (!is_sent(row, role))
			continue;
		for (i = 0; i < map->n; i++)
			if (is_for_source(conf, map, map->v[i], source) &&
			    obj_put(w, row, m, map->v[i], role, &n))
				return true;
	}
	return false;
}

/* All fields and all entries, for comparing. */
static void
whole_put(struct wbuf *w, const struct schema *s, const struct conf_obj *obj)
{
	const struct key	*k;
	const struct strs	*entries;
	size_t			 i;

	w->secret = true;
	fields_put(w, s, obj, ALL_FIELDS);
	for (k = s->keys; k->name != NULL; k++) {
		if (k->type != T_ENTRIES)
			continue;
		entries = cfield(obj, k);
		for (i = chunk_end(entries, 0); i < entries->n;
		    i = chunk_end(entries, i))
			put_entries(w, entries, i);
	}
}

bool
conf_obj_same(const struct schema *s, const struct conf_obj *a,
    const struct conf_obj *b)
{
	struct wbuf	wa = { .secret = true }, wb = { .secret = true };
	bool		same;

	whole_put(&wa, s, a);
	whole_put(&wb, s, b);
	same = wire_ok(&wa) && wire_ok(&wb) && wa.len == wb.len &&
	    memcmp(wa.data, wb.data, wa.len) == 0;
	wbuf_clear(&wa);
	wbuf_clear(&wb);
	return same;
}

/* --- get ------------------------------------------------------------------ */

static void	fields_get(struct rbuf *, const struct schema *, void *,
		    unsigned int);

/* How many elements follow: never more than octets are left for them. */
static uint32_t
get_count(struct rbuf *r)
{
	uint32_t	n = get_u32(r);

	if (n > (size_t)(r->end - r->p)) {
		get_fail(r);
		return 0;
	}
	return n;
}

static void
get_strs(struct rbuf *r, struct strs *s)
{
	uint32_t	 n = get_count(r);
	char		*str;

	for (; n > 0 && (str = get_strdup(r)) != NULL; n--) {
		if (strs_add(s, str) == -1) {
			free(str);
			get_fail(r);
			return;
		}
	}
}

static void
get_entries(struct rbuf *r, struct strs *s)
{
	uint32_t	 n = get_count(r);
	char		*key, *value, *entry;

	for (; n > 0 && !r->failed; n--) {
		key = get_strdup(r);
		value = get_strdup(r);
		entry = NULL;
		if (key != NULL && value != NULL)
			entry = conf_entry_new(key, value);
		free(key);
		free(value);
		if (entry == NULL || strs_add(s, entry) == -1) {
			free(entry);
			get_fail(r);
		}
	}
}

static void
get_nets(struct rbuf *r, struct nets *s)
{
	uint32_t	 n = get_count(r);
	struct cidr	 c;

	for (; n > 0 && !r->failed; n--) {
		memset(&c, 0, sizeof(c));
		get_addr(r, &c.net);
		c.bits = get_u8(r);
		if ((c.net.family != ADDR_V4 && c.net.family != ADDR_V6) ||
		    c.bits > (c.net.family == ADDR_V4 ? 32 : 128) ||
		    nets_add(s, &c) == -1)
			get_fail(r);
	}
}

static void
get_file(struct rbuf *r, struct conf_file *f)
{
	const uint8_t	*p;
	size_t		 len;

	if (!get_bool(r) || (f->path = get_strdup(r)) == NULL)
		return;
	f->secret = get_bool(r);
	if ((p = get_blob(r, &len)) == NULL)
		return;
	/* With a NUL behind it, for those who parse text. */
	if ((f->data = malloc(len + 1)) == NULL) {
		get_fail(r);
		return;
	}
	memcpy(f->data, p, len);
	f->data[len] = '\0';
	f->len = len;
}

static int64_t
word_count(const struct key *k)
{
	int64_t	n = 0;

	while (k->words[n] != NULL)
		n++;
	return n;
}

/* Is this a number that the row allows? */
static bool
in_range(const struct key *k, enum key_type type, int64_t v)
{
	if (type == T_WORD)
		return v >= 0 && v < word_count(k);
	if (v == 0 && k->mx != NULL && strcmp(k->mx, KEY_NOT_MX) == 0)
		return true;		/* mx has none */
	return v >= k->min && v <= k->max;
}

enum value_type
conf_value_type(const struct key *k)
{
	if (k->type == T_COND || k->of == T_BOOL)
		return VALUE_BOOL;
	if (k->of == T_STR)
		return VALUE_STR;
	if (k->of == T_STRS)
		return VALUE_STRS;
	return VALUE_INT;
}

static struct rule *
get_rule(struct rbuf *r, const struct key *k)
{
	struct rule	*rule;
	uint32_t	 i;

	if (!get_bool(r) || (rule = rule_get(r)) == NULL)
		return NULL;
	if (rule->type != conf_value_type(k))
		get_fail(r);
	for (i = 0; i < rule->nvalues; i++)
		if (rule->values[i].type == VALUE_INT &&
		    !in_range(k, k->of, rule->values[i].num))
			get_fail(r);
	return rule;
}

static void
get_seq(struct rbuf *r, const struct schema *s, struct conf_map *m,
    unsigned int role)
{
	uint32_t	 n = get_count(r);
	struct conf_obj	*obj;

	for (; n > 0 && !r->failed; n--) {
		if ((obj = calloc(1, s->size)) == NULL) {
			get_fail(r);
			return;
		}
		fields_get(r, s, obj, role);
		if (r->failed || conf_map_add(m, obj) == -1) {
			conf_obj_free(s, obj);
			get_fail(r);
		}
	}
}

static void
value_get(struct rbuf *r, const struct key *k, void *p, unsigned int role)
{
	struct conf_rate *rate = p;
	int64_t		*num = p;

	switch (k->type) {
	case T_BOOL:
		*(bool *)p = get_bool(r);
		break;
	case T_INT:
	case T_DURATION:
	case T_SIZE:
	case T_WORD:
		*num = get_i64(r);
		/* One that has no default and was not set. */
		if (*num == 0 && k->def == NULL &&
		    (k->flags & K_REQUIRED) == 0)
			break;
		if (!r->failed && !in_range(k, k->type, *num)) {
			*num = 0;
			get_fail(r);
		}
		break;
	case T_RATE:
		rate->count = get_i64(r);
		rate->period = get_i64(r);
		if (rate->count != 0 && (rate->count < k->min ||
		    rate->count > k->max || rate->period <= 0 ||
		    rate->period > THROTTLE_PERIOD_MAX))
			get_fail(r);
		break;
	case T_STR:
	case T_TEXT:
	case T_SECRET:
		if (get_bool(r))
			*(char **)p = get_strdup(r);
		break;
	case T_STRS:
		get_strs(r, p);
		break;
	case T_ENTRIES:
		get_entries(r, p);
		break;
	case T_NETS:
		get_nets(r, p);
		break;
	case T_FILE:
		get_file(r, p);
		break;
	case T_STRUCT:
		fields_get(r, k->sub, p, role);
		break;
	case T_RULE:
	case T_COND:
		*(struct rule **)p = get_rule(r, k);
		break;
	case T_TEXTS:
		get_entries(r, p);
		break;
	case T_SEQ:
		get_seq(r, k->sub, p, role);
		break;
	case T_MAP:
	case T_FDS:
		break;
	}
}

/* Into a struct that holds nothing yet. */
static void
fields_get(struct rbuf *r, const struct schema *s, void *base,
    unsigned int role)
{
	const struct key	*k;

	for (k = s->keys; k->name != NULL && !r->failed; k++) {
		if (k->off == KEY_NOWHERE)
			continue;
		if (k->type == T_STRUCT || is_sent(k, role))
			value_get(r, k, field(base, k), role);
	}
}

static int
settings_get(struct rbuf *r, struct config *conf, unsigned int role)
{
	if (conf->settled)
		return -1;
	conf->settled = true;
	fields_get(r, &schema_top, conf, role);
	return get_end(r);
}

static int
obj_get(struct rbuf *r, const struct schema *sub, struct conf_map *map,
    unsigned int role)
{
	struct conf_obj	*obj;

	if ((obj = calloc(1, sub->size)) == NULL)
		return -1;
	obj->id = get_u32(r);
	obj->name = get_strdup(r);
	fields_get(r, sub, obj, role);
	if (get_end(r) == -1 || conf_find(map, obj->name) != NULL ||
	    conf_find_id(map, obj->id) != NULL ||
	    conf_map_add(map, obj) == -1) {
		conf_obj_free(sub, obj);
		return -1;
	}
	return 0;
}

static int
entries_get(struct rbuf *r, const struct schema *sub, struct conf_map *map)
{
	struct conf_obj	*obj;
	struct strs	*entries;

	obj = conf_find_id(map, get_u32(r));
	if (obj == NULL || (entries = obj_entries(sub, obj)) == NULL)
		return -1;
	get_entries(r, entries);
	return get_end(r);
}

int
conf_get(struct rbuf *r, struct config *conf, unsigned int role)
{
	const struct key	*row;
	struct conf_map		*map;
	uint8_t			 kind;

	kind = get_enum(r, ITEM_COUNT);
	if (r->failed)
		return -1;
	if (kind == ITEM_SETTINGS)
		return settings_get(r, conf, role);
	row = conf_map_row(conf, get_u8(r), &map);
	if (r->failed || row == NULL || !is_sent(row, role))
		return -1;
	if (kind == ITEM_OBJECT)
		return obj_get(r, row->sub, map, role);
	return entries_get(r, row->sub, map);
}
