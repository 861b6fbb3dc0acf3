/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * struct config: made, freed, searched, by the rows of schema*.c.
 *
 * Everything here walks tables; there is no code for a particular setting,
 * so a new key cannot be forgotten in one of the places.  config_wire.c moves
 * configurations between processes in the same way.
 *
 * Used by the parent and by all children: nothing here is fatal, a function
 * that needs memory says that it had none.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema.h"

/* --- lists ---------------------------------------------------------------- */

/*
 * Room for one more, in steps of powers of two, which the number of
 * elements alone tells.  NULL without memory: the array is as it was.
 */
static void *
grow(void *v, size_t n, size_t size)
{
	if (n != 0 && (n & (n - 1)) != 0)
		return v;
	return reallocarray(v, n == 0 ? 1 : 2 * n, size);
}

int
strs_add(struct strs *s, char *str)
{
	char	**v;

	if ((v = grow(s->v, s->n, sizeof(*v))) == NULL)
		return -1;
	s->v = v;
	s->v[s->n++] = str;
	return 0;
}

void
strs_clear(struct strs *s)
{
	size_t	i;

	for (i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	memset(s, 0, sizeof(*s));
}

int
nets_add(struct nets *s, const struct cidr *c)
{
	struct cidr	*v;

	if ((v = grow(s->v, s->n, sizeof(*v))) == NULL)
		return -1;
	s->v = v;
	s->v[s->n++] = *c;
	return 0;
}

int
fds_add(struct conf_fds *s, int fd)
{
	int	*v;

	if ((v = grow(s->v, s->n, sizeof(*v))) == NULL) {
		(void)close(fd);
		return -1;
	}
	s->v = v;
	s->v[s->n++] = fd;
	return 0;
}

int
conf_map_add(struct conf_map *m, struct conf_obj *obj)
{
	struct conf_obj	**v;

	if ((v = grow(m->v, m->n, sizeof(*v))) == NULL)
		return -1;
	m->v = v;
	m->v[m->n++] = obj;
	return 0;
}

char *
conf_entry_new(const char *key, const char *value)
{
	size_t	 klen = strlen(key) + 1, vlen = strlen(value) + 1;
	char	*p;

	if ((p = malloc(klen + vlen)) == NULL)
		return NULL;
	memcpy(p, key, klen);
	memcpy(p + klen, value, vlen);
	return p;
}

const char *
conf_entry_value(const char *entry)
{
	return entry + strlen(entry) + 1;
}

/* --- freeing -------------------------------------------------------------- */

static void
strs_wipe(struct strs *s)
{
	size_t	i;

	for (i = 0; i < s->n; i++)
		explicit_bzero(s->v[i], strlen(s->v[i]));
}

static void
file_clear(struct conf_file *f)
{
	if (f->secret && f->data != NULL)
		freezero(f->data, f->len);
	else
		free(f->data);
	free(f->path);
	memset(f, 0, sizeof(*f));
}

static void
fds_clear(struct conf_fds *s)
{
	size_t	i;

	for (i = 0; i < s->n; i++)
		(void)close(s->v[i]);
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static void
map_clear(const struct schema *sub, struct conf_map *m)
{
	size_t	i;

	for (i = 0; i < m->n; i++)
		conf_obj_free(sub, m->v[i]);
	free(m->v);
	memset(m, 0, sizeof(*m));
}

static void
value_free(const struct key *k, void *p)
{
	char		**str = p;
	struct nets	 *nets = p;
	struct rule	**rule = p;

	switch (k->type) {
	case T_BOOL:
	case T_INT:
	case T_DURATION:
	case T_SIZE:
	case T_WORD:
	case T_RATE:
		break;
	case T_SECRET:
		if (*str != NULL)
			freezero(*str, strlen(*str));
		*str = NULL;
		break;
	case T_STR:
	case T_TEXT:
		free(*str);
		*str = NULL;
		break;
	case T_STRS:
		if ((k->flags & K_SECRET) != 0)
			strs_wipe(p);
		/* FALLTHROUGH */
	case T_ENTRIES:
	case T_TEXTS:
		strs_clear(p);
		break;
	case T_NETS:
		free(nets->v);
		memset(nets, 0, sizeof(*nets));
		break;
	case T_FILE:
		file_clear(p);
		break;
	case T_FDS:
		fds_clear(p);
		break;
	case T_STRUCT:
		conf_fields_free(k->sub, p);
		break;
	case T_MAP:
	case T_SEQ:
		map_clear(k->sub, p);
		break;
	case T_RULE:
	case T_COND:
		rule_free(*rule);
		*rule = NULL;
		break;
	}
}

void
conf_fields_free(const struct schema *s, void *base)
{
	const struct key	*k;

	for (k = s->keys; k->name != NULL; k++)
		if (k->off != KEY_NOWHERE)
			value_free(k, field(base, k));
}

void
conf_obj_free(const struct schema *s, struct conf_obj *obj)
{
	if (obj == NULL)
		return;
	conf_fields_free(s, obj);
	free(obj->name);
	free(obj);
}

struct config *
conf_new(uint32_t generation)
{
	struct config	*conf;

	if ((conf = calloc(1, sizeof(*conf))) == NULL)
		return NULL;
	conf->generation = generation;
	conf->refs = 1;
	return conf;
}

struct config *
conf_ref(struct config *conf)
{
	conf->refs++;
	return conf;
}

void
conf_unref(struct config *conf)
{
	if (conf == NULL || --conf->refs > 0)
		return;
	conf_fields_free(&schema_top, conf);
	free(conf);
}

/* --- finding -------------------------------------------------------------- */

struct conf_obj *
conf_find(const struct conf_map *m, const char *name)
{
	size_t	i;

	for (i = 0; i < m->n; i++)
		if (strcmp(m->v[i]->name, name) == 0)
			return m->v[i];
	return NULL;
}

struct conf_obj *
conf_find_id(const struct conf_map *m, uint32_t id)
{
	size_t	i;

	for (i = 0; i < m->n; i++)
		if (m->v[i]->id == id)
			return m->v[i];
	return NULL;
}

struct conf_obj *
conf_lookup(const struct config *conf, const char *path,
    enum lookup_kind *kind, const char **query)
{
	const struct {
		const char		*prefix;
		enum lookup_kind	 kind;
		const struct conf_map	*map;
	} to[] = {
		{ "list/", LOOK_LIST, &conf->lists },
		{ "directory/", LOOK_DIRECTORY, &conf->directories },
		{ "db/", LOOK_DB, &conf->datasources },
		{ "remote/", LOOK_REMOTE, &conf->remotes }
	};
	char	name[256];
	size_t	i, n;

	for (i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		n = strlen(to[i].prefix);
		if (strncmp(path, to[i].prefix, n) != 0)
			continue;
		*kind = to[i].kind;
		*query = "";
		n = strlcpy(name, path + n, sizeof(name));
		if (n >= sizeof(name))
			return NULL;
		n = strcspn(name, "/");
		if (name[n] == '/' && to[i].kind == LOOK_DB)
			*query = strchr(path + strlen("db/"), '/') + 1;
		name[n] = '\0';
		return conf_find(to[i].map, name);
	}
	return NULL;
}

/* The n-th T_MAP row of these rows and of those nested in them. */
static const struct key *
map_row(const struct schema *s, size_t *n, size_t base, size_t *off)
{
	const struct key	*k, *found;

	for (k = s->keys; k->name != NULL; k++) {
		if (k->off == KEY_NOWHERE)
			continue;
		if (k->type == T_STRUCT) {
			found = map_row(k->sub, n, base + k->off, off);
			if (found != NULL)
				return found;
		} else if (k->type == T_MAP && (*n)-- == 0) {
			*off = base + k->off;
			return k;
		}
	}
	return NULL;
}

const struct key *
conf_map_row(const struct config *conf, size_t n, struct conf_map **map)
{
	const struct key	*k;
	uintptr_t		 base = (uintptr_t)conf;
	size_t			 off;

	if ((k = map_row(&schema_top, &n, 0, &off)) == NULL)
		return NULL;
	*map = conf == NULL ? NULL : (struct conf_map *)(base + off);
	return k;
}

static void
each_rule(const struct schema *s, const void *base,
    void (*fn)(const struct key *, struct rule *, void *), void *arg)
{
	const struct key	*k;
	const struct conf_map	*seq;
	struct rule *const	*rule;
	size_t			 i;

	for (k = s->keys; k->name != NULL; k++) {
		if (k->off == KEY_NOWHERE)
			continue;
		if (k->type == T_STRUCT)
			each_rule(k->sub, cfield(base, k), fn, arg);
		seq = k->type == T_SEQ ? cfield(base, k) : NULL;
		for (i = 0; seq != NULL && i < seq->n; i++)
			each_rule(k->sub, seq->v[i], fn, arg);
		if (k->type != T_RULE && k->type != T_COND)
			continue;
		rule = cfield(base, k);
		if (*rule != NULL)
			fn(k, *rule, arg);
	}
}

void
conf_each_rule(const struct config *conf,
    void (*fn)(const struct key *, struct rule *, void *), void *arg)
{
	each_rule(&schema_top, conf, fn, arg);
}

