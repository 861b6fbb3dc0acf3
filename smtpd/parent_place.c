/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Can the file of verdicts be made where the configuration wants it?  Only
 * asked of a place that is not the default one, which may well not be there
 * and not be wanted.  A warning: all works without.
 */

#include <sys/types.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "parent_conf.h"
#include "parent_load.h"

#define DEFAULT		"/var/db/postern/verify.cdb"

/* Cut the last part off. */
static void
to_directory(char *path)
{
	char	*slash = strrchr(path, '/');

	if (slash != NULL)
		slash[slash == path] = '\0';
}

/* In its directory; or that can be made, as parent_cache.c does. */
static int
can_make(const char *path)
{
	char	dir[PATH_MAX];

	if (strlcpy(dir, path, sizeof(dir)) >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	to_directory(dir);
	if (access(dir, W_OK | X_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	to_directory(dir);
	return access(dir, W_OK | X_OK);
}

void
load_place(struct load *l)
{
	const struct node	*n;

	n = node_child(node_child(l->root, "verify-cache"), "path");
	if (n == NULL || n->kind != NODE_SCALAR || n->text[0] != '/' ||
	    strcmp(n->text, DEFAULT) == 0 || can_make(n->text) == 0)
		return;
	conf_warning(l->errs, l->file, n->key_line, n->key_col,
	    "verify-cache.path", "'%s': %s: verdicts are kept in memory only",
	    n->text, strerror(errno));
}
