/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The file of verdicts: the only place where it is opened, made, renamed.
 *
 * verifyd reads and writes on descriptors.  A new file is made beside the old
 * one, PATH.new, for nobody but us; what a crash has left there is removed.
 * When verifyd has written it, a process of its own sees to it that it is on
 * the disk, renames it, and ends: fsync(2) may take seconds, and this loop
 * has other things to do.  A reload that names another path does not stop
 * that: a file gets the path that it was made for.
 *
 * The directory is made if the one above it is there, for the default path's
 * sake, with mode 0700.  Where no file can be made, verdicts are kept in
 * memory, and one line says so.
 *
 * The directory may be one that others write to.  So a link is not followed,
 * and what is somebody else's, or could have been written by others, is not
 * opened for verifyd: it is no file that we made.
 *
 * A verifyd that has been taken over can ask without end, but not have more
 * than a few files made in a second: each of them may be a process, and a
 * descriptor that waits for it to be read.
 *
 * Rejected: a random name (nobody would remove what crashes leave), giving
 * the directory to verifyd (it could put anything there).
 */

#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "util.h"

#define WANTS_MAX	16		/* at once; */
#define WANTS_EVERY	250		/* ms: and one more */

static struct {
	char		*path;		/* that verifyd knows of; NULL: none */
	char		*tmp_path;	/* tmp will be there: ...; its .new */
	int		 tmp;		/* being written; -1 = none */
	pid_t		 pid;		/* puts one in its place; 0 = none */
	struct child	*writer;	/* whose tmp or pid it is; NULL: gone */
	bool		 warned;
	unsigned int	 wants;		/* CACHE_WANTs of late */
	struct mono	 counted;	/* when one less was that */
} file = { .tmp = -1 };

/* "PATH.new"; static. */
static const char *
new_path(const char *path)
{
	static char	 text[PATH_MAX + 8];

	(void)snprintf(text, sizeof(text), "%s.new", path);
	return text;
}

/* The directory of a path; static. */
static const char *
dir_of(const char *path)
{
	static char	 text[PATH_MAX];
	char		*slash;

	(void)strlcpy(text, path, sizeof(text));
	if ((slash = strrchr(text, '/')) == NULL)
		return ".";
	slash[slash == text] = '\0';
	return text;
}

static void
give_up_tmp(void)
{
	if (file.tmp == -1)
		return;
	(void)unlink(new_path(file.tmp_path));
	close_fd(&file.tmp);
}

/* --- to verifyd ----------------------------------------------------------- */

static void
send_file(struct child *c, uint32_t seq, int fd)
{
	struct proto_cache_file	 f;
	struct wbuf		 w = { 0 };

	(void)strlcpy(f.path, file.path, sizeof(f.path));
	put_cache_file(&w, &f);
	peer_send(&c->peer, MSG_CACHE_FILE, 0, seq, fd, &w);
}

/* NULL, or why this cannot be a file of ours. */
static const char *
why_not_ours(int fd)
{
	struct stat	 st;

	if (fstat(fd, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_uid != geteuid())
		return "of another owner";
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "others may write to it";
	return st.st_size > UINT32_MAX ? "larger than 4 gigabytes" : NULL;
}

/* For reading; -1: there is none, or it was said why not. */
static int
open_file(const char *path)
{
	const char	*why;
	int		 fd;

	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY |
	    O_NONBLOCK);
	if (fd == -1 && errno == ENOENT)
		return -1;
	why = fd == -1 ? strerror(errno) : why_not_ours(fd);
	if (why == NULL)
		return fd;
	log_warnx("%s: %s: the cache is empty", path, why);
	close_fd(&fd);
	return -1;
}

void
cache_feed(struct child *c, const struct config *conf)
{
	const char	*path = conf->verify_cache.path;

	if (c->prog->role != R_VERIFYD || (c->generation != 0 &&
	    file.path != NULL && strcmp(file.path, path) == 0))
		return;
	free(file.path);
	file.path = xstrdup(path);
	file.warned = false;
	if (file.tmp == -1 && file.pid == 0)
		(void)unlink(new_path(path));
	send_file(c, 0, open_file(path));
}

/* --- a new one ------------------------------------------------------------ */

/* An empty one of our own; -1 and errno. */
static int
make_tmp(const char *path)
{
	const char	*new = new_path(path);
	int		 fd;

	(void)unlink(new);
	fd = open(new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd != -1 || errno != ENOENT)
		return fd;
	/* A database may lie beside it, whose lookupd has another user. */
	if (mkdir(dir_of(path), 0755) == -1) {
		errno = ENOENT;
		return -1;
	}
	log_info("%s: made", dir_of(path));
	return open(new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
}

static void
take_tmp(void)
{
	give_up_tmp();
	file.tmp = make_tmp(file.path);
	if (file.tmp == -1 && !file.warned)
		log_warn("%s: no file, verdicts are kept in memory only",
		    new_path(file.path));
	file.warned = file.tmp == -1;
}

/* Count one; false: there have been too many. */
static bool
may_want(void)
{
	int64_t	past = mono_diff(mono_now(), file.counted) / WANTS_EVERY;

	if (file.wants == 0 || past > 0) {
		file.wants -= past < file.wants ? (unsigned int)past :
		    file.wants;
		file.counted = mono_now();
	}
	if (file.wants >= WANTS_MAX)
		return false;
	file.wants++;
	return true;
}

int
cache_want(struct peer *p, struct msg *m)
{
	struct child	*c = p->arg;
	int		 fd = -1;

	if (get_end(&m->body) == -1 || file.path == NULL ||
	    (file.tmp != -1 && file.writer == c))
		return -1;
	if (file.pid == 0 && may_want())
		take_tmp();
	if (file.tmp != -1) {
		free(file.tmp_path);
		file.tmp_path = xstrdup(file.path);
		file.writer = c;
		if ((fd = dup(file.tmp)) == -1)
			give_up_tmp();
		else
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	peer_send(p, MSG_CACHE_TMP, 0, 0, fd, NULL);
	return 0;
}

/* Is the file that we made still at its place? */
static bool
is_ours(int fd, const char *path)
{
	struct stat	 a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* In a process of its own: its exit status is an errno. */
static int
put_in_place(int fd, const char *path)
{
	const char	*new = new_path(path);
	int		 dir;

	if (fsync(fd) == -1)
		return errno;
	if (!is_ours(fd, new))
		return EEXIST;
	if (rename(new, path) == -1)
		return errno;
	dir = open(dir_of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1 || fsync(dir) == -1)
		return errno;
	return 0;
}

/*
 * Signals stay blocked there: our handlers would write to the loop that it
 * shares with us (parent_program.c).
 */
static pid_t
place_fork(void)
{
	sigset_t	 all, old;
	pid_t		 pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	if ((pid = fork()) == 0)
		_exit(put_in_place(file.tmp, file.tmp_path));
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

int
cache_done(struct peer *p, struct msg *m)
{
	struct child	*c = p->arg;

	if (get_end(&m->body) == -1 || m->seq > 1 || file.tmp == -1 ||
	    file.writer != c)
		return -1;
	if (m->seq == 1) {
		give_up_tmp();
		return 0;
	}
	file.pid = place_fork();
	if (file.pid == -1) {
		log_warn("%s: fork", file.tmp_path);
		file.pid = 0;
		give_up_tmp();
		send_file(c, 1, -1);
		return 0;
	}
	close_fd(&file.tmp);
	return 0;
}

bool
cache_reaped(pid_t pid, int status)
{
	int	 error = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;

	if (file.pid == 0 || pid != file.pid)
		return false;
	file.pid = 0;
	if (error != 0) {
		log_warnx("%s: cannot be replaced: %s", file.tmp_path,
		    strerror(error));
		(void)unlink(new_path(file.tmp_path));
	}
	/* Another verifyd reads what is there; this one waits. */
	if (file.writer != NULL && child_is_wired(file.writer))
		send_file(file.writer, 1, error != 0 ||
		    strcmp(file.path, file.tmp_path) != 0 ? -1 :
		    open_file(file.path));
	return true;
}

void
cache_gone(const struct child *c)
{
	if (c != file.writer)
		return;
	file.writer = NULL;
	give_up_tmp();
}

bool
cache_is_busy(void)
{
	return file.pid != 0;
}
