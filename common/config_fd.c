/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The files of objects on their way from the parent: see config.h.
 *
 * Files that are too large to be copied, or change meanwhile, go as open
 * descriptors beside the items of config_wire.c: each names its object as
 * those do, by the number of its map and its id.  An object has one row of
 * them at most, and who is sent the map and the row is sent the files.
 */

#include <unistd.h>

#include "schema.h"

/* The files of an object whose rows have some that the role is sent. */
static struct conf_fds *
obj_files(const struct schema *s, struct conf_obj *obj, unsigned int role)
{
	const struct key	*k;

	for (k = s->keys; k->name != NULL; k++)
		if (k->type == T_FDS && (k->where & role) != 0)
			return field(obj, k);
	return NULL;
}

int
conf_fd(const struct config *conf, unsigned int role, size_t n, uint8_t *map,
    uint32_t *id)
{
	const struct key	*row;
	const struct conf_fds	*files;
	struct conf_map		*m;
	size_t			 i;

	for (*map = 0; (row = conf_map_row(conf, *map, &m)) != NULL;
	    (*map)++) {
		for (i = 0; (row->where & role) != 0 && i < m->n; i++) {
			files = obj_files(row->sub, m->v[i], role);
			if (files == NULL)
				break;
			*id = m->v[i]->id;
			if (n < files->n)
				return files->v[n];
			n -= files->n;
		}
	}
	return -1;
}

int
conf_fd_take(struct config *conf, unsigned int role, uint8_t map, uint32_t id,
    int fd)
{
	const struct key	*row;
	struct conf_fds		*files;
	struct conf_map		*m;
	struct conf_obj		*obj;

	row = conf_map_row(conf, map, &m);
	if (row == NULL || (row->where & role) == 0 ||
	    (obj = conf_find_id(m, id)) == NULL ||
	    (files = obj_files(row->sub, obj, role)) == NULL) {
		(void)close(fd);
		return -1;
	}
	return fds_add(files, fd);
}
