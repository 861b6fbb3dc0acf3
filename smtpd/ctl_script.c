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
 *
 * Who writes a script need not be who tests it, so of root it gets what the
 * daemon's has: an empty root directory, and a user of its own.  Files of
 * scripts are still opened as root.
 */

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define BUILD_TREE	"/smtpd"
#define USER		"_postproxy"	/* see postern.yaml: user.proxyd */
#define FALLBACK	"nobody"

/* Into that descriptor, which proxyd has. */
static void
open_as(const char *path, int flags, int fd)
{
	int	got;

	if ((got = open(path, flags | O_CLOEXEC)) == -1)
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

/* A directory that is in no other one, and so stays empty. */
static void
open_root(int fd)
{
	char	path[] = "/tmp/postern.XXXXXXXXXX";

	if (mkdtemp(path) == NULL)
		err(2, "%s", path);
	open_as(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, fd);
	if (rmdir(path) == -1)
		err(2, "%s", path);
}

static void __attribute__((__noreturn__))
run_as_other(const char *path, const char *name)
{
	struct passwd	*pw;
	char		 uid[16], gid[16];

	if ((pw = getpwnam(USER)) == NULL &&
	    (pw = getpwnam(FALLBACK)) == NULL)
		errx(2, "no user %s: make users", USER);
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned int)pw->pw_uid);
	(void)snprintf(gid, sizeof(gid), "%u", (unsigned int)pw->pw_gid);
	open_root(5);
	execl(path, "proxyd", "-t", name, uid, gid, (char *)NULL);
	err(2, "%s", path);
}

void
script_test(const char *script, const char *transcript)
{
	const char	*path = find_proxyd();
	char		*name = script_name(script);

	open_as("/dev/null", O_RDONLY, 0);
	open_as(script, O_RDONLY, 3);
	open_as(transcript, O_RDONLY, 4);
	if (geteuid() == 0)
		run_as_other(path, name);
	execl(path, "proxyd", "-t", name, (char *)NULL);
	err(2, "%s", path);
}
