/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Reading the files that the configuration names.
 */
#ifndef PARENT_FILES_H
#define PARENT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define FILE_MAX_CONF	(1024 * 1024)		/* postern.yaml, PEM files */
#define FILE_SMALL_LIST	(64 * 1024)		/* lists that we read */
#define FILE_MAX_LIST	(1024 * 1024 * 1024)	/* lists */

/*
 * Read a regular file of at most `max' octets into *f, which is overwritten:
 * its data has a NUL behind the last octet, which len does not count.  A
 * secret one must belong to root or to us, be writable by its owner only and
 * not be readable by others.  0; or -1 with the reason
 * ("open: No such file or directory") in why, and *f empty but for its path.
 * The caller frees path and data (conf_unref does, for those of a config).
 */
int	parent_file_read_max(const char *path, struct conf_file *f,
	    bool secret, size_t max, char *why, size_t whysize);
/*
 * Open such a file for a process that reads it itself: the descriptor, or -1
 * with the reason.
 */
int	parent_file_open(const char *path, size_t max, char *why,
	    size_t whysize);
/* As parent_file_read_max, with FILE_MAX_CONF. */
int	parent_file_read(const char *path, struct conf_file *f, bool secret,
	    char *why, size_t whysize);

#endif
