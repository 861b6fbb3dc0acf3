/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The programs of the children: where they are, and executing them.
 *
 * Each process executes a program of its own, so that it has none of our
 * memory, and an address space of its own; it finds its pipe to us on
 * descriptor 3 and nothing behind it.  In a build tree programs are found
 * beside us, otherwise in one directory that is fixed when we are compiled:
 * neither PATH nor the environment has a say in what root executes.
 *
 * Rejected: posix_spawn(3), which cannot close all other descriptors
 * everywhere; one binary that is started again with an option, since then
 * the YAML parser and open(2) would be mapped where the Internet is read.
 */

#include <sys/types.h>
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "util.h"

#define CHILD_FD	3		/* where a child finds its pipe */

/* In the order in which they are started and shown. */
const struct program	programs[NPROGRAMS] = {
	{ R_SMTPD, "smtpd", "smtpd", true, true },
	{ R_VERIFYD, "verifyd", "verifyd", true, false },
	{ R_DIALER, "dialer", "verifyd", true, true },
	{ R_RESOLVED, "resolved", "verifyd", false, false },
	{ R_LOOKUPD, "lookupd", "proxyd", false, false },
	{ R_PROXYD, "proxyd", "proxyd", true, false }
};

static struct {
	char	*dir;		/* what the programs' paths start with */
	bool	 installed;	/* LIBEXEC, not the build tree */
	rlim_t	 files;
	int	 null;
} where;

/* --- finding them ---------------------------------------------------- */

/* The directory of our own program, without links; to be freed. */
static char *
own_directory(const char *argv0)
{
	char	path[PATH_MAX], *slash;

	if (realpath("/proc/self/exe", path) == NULL &&
	    realpath(argv0, path) == NULL)
		return NULL;
	if ((slash = strrchr(path, '/')) == NULL || slash == path)
		return NULL;
	*slash = '\0';
	return xstrdup(path);
}

static char *
program_path(const struct program *p)
{
	char	*path;

	if (where.installed)
		xasprintf(&path, "%s/%s", where.dir, p->name);
	else
		xasprintf(&path, "%s/%s/%s", where.dir, p->dir, p->name);
	return path;
}

/*
 * The build tree is known by its shape, not by an smtpd beside us: in a
 * directory like /usr/sbin there may be somebody else's.
 */
static bool
is_build_tree(char *dir)
{
	char	*slash = strrchr(dir, '/'), *other;
	bool	 yes;

	if (slash == NULL || slash == dir || strcmp(slash + 1, "smtpd") != 0)
		return false;
	xasprintf(&other, "%s/../verifyd/dialer", dir);
	yes = access(other, X_OK) == 0;
	free(other);
	return yes;
}

void
program_init(const char *argv0)
{
	struct rlimit	 rl;
	char		*path, *dir;
	size_t		 i;

	dir = own_directory(argv0);
	where.installed = dir == NULL || !is_build_tree(dir);
	if (where.installed) {
		free(dir);
		where.dir = xstrdup(LIBEXEC);
	} else {
		*strrchr(dir, '/') = '\0';
		where.dir = dir;
	}
	for (i = 0; i < NPROGRAMS; i++) {
		path = program_path(&programs[i]);
		if (access(path, X_OK) == -1)
			fatal("%s", path);
		free(path);
	}
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("getrlimit");
	where.files = rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		log_warn("setrlimit");
	if ((where.null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
		fatal("/dev/null");
}

/* --- starting one ---------------------------------------------------- */

/* A daemon's children do not inherit what its starter had around him. */
static char *const *
child_environment(void)
{
	static char	*env[2];
	char		*tz;

	if (parent.debug || parent.check)
		return environ;
	if (env[0] == NULL && (tz = getenv("TZ")) != NULL)
		xasprintf(&env[0], "TZ=%s", tz);
	return env;
}

/* In the new process.  Nothing here may fail unheard. */
static void __attribute__((__noreturn__))
become(const char *path, const char *name, int pipe_fd, int err_fd)
{
	static const int	 caught[] = { SIGHUP, SIGTERM, SIGINT,
				    SIGUSR1, SIGCHLD, SIGPIPE };
	char			 title[40];
	char			*argv[] = { title, NULL };
	size_t			 i;
	sigset_t		 none;

	/* Blanks: the place that setproctitle(3) has for an index. */
	(void)snprintf(title, sizeof(title), "postern: %-24s", name);
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		(void)signal(caught[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(where.null, STDIN_FILENO) == -1 ||
	    dup2(where.null, STDOUT_FILENO) == -1 ||
	    (err_fd != -1 && dup2(err_fd, STDERR_FILENO) == -1))
		_exit(127);
	if (pipe_fd == CHILD_FD)
		(void)fcntl(pipe_fd, F_SETFD, 0);
	else if (dup2(pipe_fd, CHILD_FD) == -1)
		_exit(127);
	closefrom(CHILD_FD + 1);
	(void)execve(path, argv, child_environment());
	dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

/*
 * Signals are blocked around fork(2): our handlers, run in the new process,
 * would write to the loop that it still shares with us.
 */
pid_t
program_fork(const struct program *prog, int pipe_fd, int err_fd)
{
	sigset_t	 all, old;
	char		*path = program_path(prog);
	pid_t		 pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	if ((pid = fork()) == 0)
		become(path, prog->name, pipe_fd, err_fd);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	free(path);
	return pid;
}

uint64_t
program_files(void)
{
	return where.files;
}
