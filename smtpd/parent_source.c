/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The datasources of postern.yaml: their URIs, and the files behind them.
 *
 * A cdb: file is opened here, once for each time that the configuration is
 * read, and verifyd reads it; a file that was put in its place is taken by a
 * reload.  So that `postern -n' and a reload find a damaged one, its table of
 * contents is looked at: 256 times the place and the number of slots of a
 * hash table, all of which stand behind the records, at the end.  A file that
 * was cut has tables that it does not reach.
 *
 * A file: is the text of a list of any length (parent_list.c).
 *
 * Rejected: to read the file through (it may have gigabytes, and has no
 * checksum), to leave it to verifyd (which knows no lines of postern.yaml).
 */

#include <sys/types.h>
#include <sys/stat.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent_conf.h"
#include "parent_files.h"
#include "parent_load.h"

#define CDB		"cdb:"
#define LIST		"file:"		/* parent_build.c too */
#define CDB_TOC		2048		/* octets: 256 tables */
#define CDB_SLOT	8

static uint32_t
number_at(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* NULL, or what is wrong with it. */
static const char *
cdb_judge(int fd)
{
	static uint8_t	 toc[CDB_TOC];
	struct stat	 st;
	uint64_t	 begin, end;
	size_t		 i, tables = 0;

	if (fstat(fd, &st) == -1 ||
	    pread(fd, toc, sizeof(toc), 0) != (ssize_t)sizeof(toc))
		return "not a cdb file: too short";
	for (i = 0; i < sizeof(toc); i += CDB_SLOT) {
		begin = number_at(toc + i);
		end = begin + (uint64_t)number_at(toc + i + 4) * CDB_SLOT;
		if (end == begin)
			continue;
		tables++;
		if (begin < CDB_TOC || end > (uint64_t)st.st_size)
			return "damaged, or not a cdb file";
	}
	if (tables == 0 && st.st_size != CDB_TOC)
		return "damaged, or not a cdb file";
	return NULL;
}

static void
open_cdb(struct load *l, const struct node *n, struct conf_fds *files)
{
	const char	*path = n->text + strlen(CDB), *what;
	char		 why[256];
	int		 fd;

	if (check_text(CHECK_PATH, path) != NULL) {
		load_error(l, n, "'%s': %s", path,
		    check_text(CHECK_PATH, path));
		return;
	}
	fd = parent_file_open(path, UINT32_MAX, why, sizeof(why));
	if (fd == -1) {
		load_error(l, n, "%s: %s", path, why);
		return;
	}
	if ((what = cdb_judge(fd)) != NULL) {
		load_error(l, n, "%s: %s", path, what);
		close(fd);
		return;
	}
	(void)fds_add(files, fd);
}

/* The text of a list, which becomes a cdb file before anybody gets it. */
static void
open_text(struct load *l, const struct node *n, struct conf_fds *files)
{
	int	fd = open_list(l, n, n->text + strlen(LIST));

	if (fd != -1)
		(void)fds_add(files, fd);
}

static bool
is_scheme(const struct node *n, const char *scheme)
{
	return n->kind == NODE_SCALAR &&
	    strncmp(n->text, scheme, strlen(scheme)) == 0;
}

/* Is it one of those that shall be? */
static bool
is_later(const struct node *n)
{
	return is_scheme(n, "sqlite:") || is_scheme(n, "postgresql://");
}

/* All of one kind: they are asked in turns, for the same keys. */
static void
load_uris(struct load *l, const struct node *uri, struct conf_fds *files)
{
	const struct node	*n;
	size_t			 i, cdb = 0, lists = 0, later = 0;

	for (i = 0; i < uri->nkids; i++) {
		n = uri->kids[i];
		if (n->kind != NODE_SCALAR)
			continue;	/* has its error already */
		if (is_scheme(n, CDB)) {
			open_cdb(l, n, files);
			cdb++;
		} else if (is_scheme(n, LIST)) {
			open_text(l, n, files);
			lists++;
		} else if (is_later(n))
			later++;
		else
			load_error(l, n, "'%s': wanted cdb: or file: and "
			    "the path of a file", n->text);
	}
	if (cdb > 0 && (lists > 0 || later > 0))
		load_error(l, uri, "cdb: does not go with others");
	else if (lists > 0 && later > 0)
		load_error(l, uri, "file: does not go with others");
	else if (later > 0)
		conf_warning(l->errs, l->file, uri->key_line, uri->key_col,
		    l->path, "%s, but for cdb: and file:: ignored", NOT_BUILT);
}

void
load_sources(struct load *l)
{
	const struct node	*all = node_child(l->root, "datasource"), *uri;
	struct conf_datasource	*ds;
	size_t			 i;

	for (i = 0; i < l->conf->datasources.n; i++) {
		ds = (struct conf_datasource *)l->conf->datasources.v[i];
		uri = node_child(node_child(all, ds->obj.name), "uri");
		if (uri == NULL || uri->kind != NODE_SEQ)
			continue;
		snprintf(l->path, sizeof(l->path), "datasource.%s.uri",
		    ds->obj.name);
		load_uris(l, uri, &ds->files);
		l->path[0] = '\0';
	}
}
