/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The lists of postern.yaml: what is written there, and small files.
 *
 * A file of more than 64 KiB is only opened.  Its text is not for a process
 * that is root, and reading it would hold up a postern that is at work:
 * parent_build.c has it made into a file that all processes share.
 */

#include <sys/types.h>
#include <sys/stat.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "list_entry.h"
#include "parent_files.h"
#include "parent_load.h"
#include "util.h"

static void
append(struct strs *dst, const char *key, const char *value)
{
	char	*entry;

	if (key[0] == '\0')
		return;
	if ((entry = conf_entry_new(key, value)) == NULL ||
	    strs_add(dst, entry) == -1)
		abort();
}

static void
append_entry(struct strs *dst, const struct list_entry *e)
{
	if (dst == NULL)
		return;
	append(dst, e->key, e->value);
	append(dst, e->alabels, e->value);
}

/* --- files ---------------------------------------------------------------- */

static void
read_lines(struct load *l, const struct node *n, char *text,
    struct strs *dst)
{
	struct list_entry	 e;
	const char		*why;
	char			*line;
	unsigned int		 number = 0;

	while ((line = strsep(&text, "\n")) != NULL) {
		number++;
		if ((why = list_entry_line(&e, line)) != NULL)
			load_error(l, n, "%s:%u: %s", n->text, number, why);
		else
			append_entry(dst, &e);
	}
}

static void
read_small(struct load *l, const struct node *n, struct strs *dst)
{
	struct conf_file	f;
	char			why[256];

	if (parent_file_read_max(n->text, &f, false, FILE_SMALL_LIST, why,
	    sizeof(why)) == -1)
		load_error(l, n, "%s: %s", n->text, why);
	else if (memchr(f.data, '\0', f.len) != NULL)
		load_error(l, n, "%s: a NUL in a list", n->text);
	else
		read_lines(l, n, (char *)f.data, dst);
	free(f.data);
	free(f.path);
}

int
open_list(struct load *l, const struct node *n, const char *path)
{
	const char	*wrong = check_text(CHECK_PATH, path);
	char		 why[256];
	int		 fd;

	if (wrong != NULL) {
		load_error(l, n, "'%s': %s", path, wrong);
		return -1;
	}
	fd = parent_file_open(path, FILE_MAX_LIST, why, sizeof(why));
	if (fd == -1)
		load_error(l, n, "%s: %s", path, why);
	return fd;
}

/* Entries are nothing but the field of a list that its text stands for. */
static struct conf_list *
list_of(struct strs *entries)
{
	return (struct conf_list *)((uintptr_t)entries -
	    offsetof(struct conf_list, entries));
}

static void
load_list_file(struct load *l, const struct node *n, struct strs *dst)
{
	struct conf_list	*list;
	struct stat		 st;
	int			 fd;

	if (!is_scalar(l, n, "the path of a file") ||
	    (fd = open_list(l, n, n->text)) == -1)
		return;
	if (fstat(fd, &st) == -1 || st.st_size <= FILE_SMALL_LIST) {
		(void)close(fd);
		read_small(l, n, dst);
		return;
	}
	if (dst == NULL) {
		(void)close(fd);
		return;
	}
	list = list_of(dst);
	list->big = true;
	list->path = xstrdup(n->text);
	if (fds_add(&list->files, fd) == -1)
		abort();
}

/* --- postern.yaml --------------------------------------------------------- */

void
load_entries(struct load *l, struct node *n, struct strs *dst)
{
	struct list_entry	 e;
	struct node		*kid, *path = file_form(n);
	const char		*why, *key;
	size_t			 i;
	bool			 pairs;

	if (path != NULL) {
		load_list_file(l, path, dst);
		return;
	}
	pairs = n->kind == NODE_MAP;
	if (!pairs && !to_list(l, n))
		return;
	for (i = 0; i < n->nkids; i++) {
		kid = n->kids[i];
		if (kid->bad || !is_scalar(l, kid, "an entry"))
			continue;
		key = pairs ? kid->key : kid->text;
		why = list_entry_parse(&e, key, strlen(key),
		    pairs ? kid->text : "");
		if (why != NULL)
			load_error(l, kid, "'%s': %s", key, why);
		else
			append_entry(dst, &e);
	}
}
