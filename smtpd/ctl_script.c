/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * posternctl script test: opens the script and its transcript, and becomes
 * proxyd, which plays them in its jail.  No server is asked, and none needs to
 * run.  proxyd is found as postern finds it: beside us in a build tree, else
 * in the directory that is compiled in.
 */

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define BUILD_TREE	"/smtpd"

/* Into that descriptor, which proxyd reads. */
static void
open_as(const char *path, int fd)
{
	int	got;

	if ((got = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		err(2, "%s", path);
	if (got == fd) {
		if (fcntl(fd, F_SETFD, 0) == -1)
			err(2, "%s", path);
	} else if (dup2(got, fd) == -1)
		err(2, "%s", path);
}

/* "greylist" of "/etc/postern/scripts/greylist.lua". */
static char *
script_name(const char *path)
{
	const char	*slash = strrchr(path, '/');
	char		*name;

	name = strdup(slash == NULL ? path : slash + 1);
	if (name == NULL)
		err(2, NULL);
	name[strcspn(name, ".")] = '\0';
	return name;
}

static const char *
find_proxyd(void)
{
	static char	path[PATH_MAX + 32];
	char		own[PATH_MAX], *slash;
	size_t		n;

	if (realpath("/proc/self/exe", own) != NULL &&
	    (slash = strrchr(own, '/')) != NULL) {
		*slash = '\0';
		n = strlen(own);
		if (n > strlen(BUILD_TREE) && strcmp(own + n -
		    strlen(BUILD_TREE), BUILD_TREE) == 0) {
			(void)snprintf(path, sizeof(path),
			    "%s/../proxyd/proxyd", own);
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return LIBEXEC "/proxyd";
}

void
script_test(const char *script, const char *transcript)
{
	const char	*path = find_proxyd();
	char		*name = script_name(script);

	open_as(script, 3);
	open_as(transcript, 4);
	execl(path, "proxyd", "-t", name, (char *)NULL);
	err(2, "%s", path);
}
