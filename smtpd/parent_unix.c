/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Listening sockets in the file system.
 *
 * A socket is bound as PATH.new, with its rights, and takes its name by
 * rename(2) when the configuration that wants it is committed: nobody finds
 * it there with other rights or before it listens, one that is thrown away
 * was never there, and where the rights change there is always one of the
 * two at the path.  The rename also removes what a dead process left.
 *
 * The name is ours as long as inode and device are those that we made: our
 * descriptor keeps the inode from being given to anybody else.  What another
 * process has put there meanwhile is left alone.
 *
 * The mode is made by umask(2) at the bind, as chmod(2) would follow whatever
 * stood at the name by then.  The owner is given to a socket only: who may
 * write in the directory (its owner, perhaps a group) could put a link to
 * another file there meanwhile.  Where the system has no handle to what is
 * looked at (O_PATH), root gives nothing away in a directory that others may
 * write to; and nowhere does it bind where everybody may.
 *
 * There is no lock file: a connection that is taken says that somebody
 * lives there, and one that is refused that nobody does.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent.h"
#include "util.h"

#define PATIENCE	1500	/* ms for a predecessor's children */
#define RETRY		50
#define SUFFIX		".new"
#define DEFAULT_MODE	"0660"
#define NO_ID		((uid_t)-1)

struct usock {
	char	*path;
	mode_t	 mode;
	uid_t	 uid;		/* NO_ID: ours */
	gid_t	 gid;		/* (gid_t)-1: ours */
	bool	 placed;	/* has its name, not the one with the suffix */
	dev_t	 dev;
	ino_t	 ino;
};

/* --- rights -------------------------------------------------------------- */

/* A number, where there is no such name. */
static int
number_parse(const char *s, unsigned int *id)
{
	const char	*err;
	long long	 v = strtonum(s, 0, UINT32_MAX - 1, &err);

	if (err != NULL || s[0] < '0' || s[0] > '9')
		return -1;
	*id = (unsigned int)v;
	return 0;
}

static int
set_user(struct usock *u, const char *name)
{
	struct passwd	*pw = getpwnam(name);
	unsigned int	 id;

	if (pw != NULL)
		u->uid = pw->pw_uid;
	else if (number_parse(name, &id) == 0)
		u->uid = id;
	else
		return -1;
	return 0;
}

static int
set_group(struct usock *u, const char *name)
{
	struct group	*gr = getgrnam(name);
	unsigned int	 id;

	if (gr != NULL)
		u->gid = gr->gr_gid;
	else if (number_parse(name, &id) == 0)
		u->gid = id;
	else
		return -1;
	return 0;
}

/* "user", "user:group". */
static int
set_owner(struct usock *u, const char *owner, char *why, size_t size)
{
	char	*copy = xstrdup(owner), *group;
	int	 result = 0;

	if ((group = strchr(copy, ':')) != NULL)
		*group++ = '\0';
	if (set_user(u, copy) == -1) {
		(void)snprintf(why, size, "owner: no user %s", copy);
		result = -1;
	} else if (group != NULL && set_group(u, group) == -1) {
		(void)snprintf(why, size, "owner: no group %s", group);
		result = -1;
	}
	free(copy);
	return result;
}

struct usock *
usock_new(const struct conf_listener *l, const char *path, char *why,
    size_t size)
{
	struct usock	*u = xcalloc(1, sizeof(*u));
	const char	*mode = l->mode == NULL ? DEFAULT_MODE : l->mode;

	u->path = xstrdup(path);
	u->mode = (mode_t)strtol(mode, NULL, 8);
	u->uid = NO_ID;
	u->gid = (gid_t)-1;
	if (l->owner == NULL || set_owner(u, l->owner, why, size) == 0)
		return u;
	usock_free(u);
	return NULL;
}

bool
usock_same(const struct usock *a, const struct usock *b)
{
	return strcmp(a->path, b->path) == 0 && a->mode == b->mode &&
	    a->uid == b->uid && a->gid == b->gid;
}

/* --- what is at the path ------------------------------------------------- */

static int
address(struct sockaddr_un *sun, const char *path, const char *suffix)
{
	int	n;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s%s", path,
	    suffix);
	if (n >= 0 && (size_t)n < sizeof(sun->sun_path))
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* Does somebody take connections there?  -1 and errno if that is not clear. */
static int
is_alive(const char *path)
{
	struct sockaddr_un	sun;
	int			fd, saved;

	if (address(&sun, path, "") == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	saved = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 ? 0 :
	    errno;
	(void)close(fd);
	if (saved == 0 || saved == EAGAIN)	/* his queue is full */
		return 1;
	errno = saved;
	return saved == ECONNREFUSED || saved == ENOENT ? 0 : -1;
}

static int
check_dir(const char *path, char *why, size_t size)
{
	char		*dir = xstrdup(path);
	struct stat	 st;
	int		 result = -1;

	*strrchr(dir, '/') = '\0';
	if (stat(dir[0] == '\0' ? "/" : dir, &st) == -1)
		(void)snprintf(why, size, "%s: %s", dir, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		(void)snprintf(why, size, "%s: not a directory", dir);
	else if (geteuid() == 0 && (st.st_mode & S_IWOTH) != 0 &&
	    (st.st_mode & S_ISVTX) == 0)
		(void)snprintf(why, size, "%s: everybody may write there",
		    dir);
	else
		result = 0;
	free(dir);
	return result;
}

/* Something that may be replaced, or nothing? */
static int
check_path(const char *path, bool may_live, char *why, size_t size)
{
	struct stat	st;
	int		alive;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		(void)snprintf(why, size, "%s", strerror(errno));
		return -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		(void)snprintf(why, size, "is there, and not a socket");
		return -1;
	}
	if (may_live || (alive = is_alive(path)) == 0)
		return 0;
	if (alive == 1)
		(void)strlcpy(why, "another server answers there", size);
	else
		(void)snprintf(why, size, "%s", strerror(errno));
	return -1;
}

int
usock_check(const struct usock *u, bool may_live, char *why, size_t size)
{
	if (check_dir(u->path, why, size) == -1)
		return -1;
	return check_path(u->path, may_live, why, size);
}

/* At a start behind a parent that was killed its children are given time. */
static int
check_patiently(const struct usock *u, char *why, size_t size)
{
	int	waited = 0;

	while (usock_check(u, false, why, size) == -1) {
		if (is_alive(u->path) != 1 || reload_conf() != NULL ||
		    waited >= PATIENCE)
			return -1;
		(void)poll(NULL, 0, RETRY);
		waited += RETRY;
	}
	return 0;
}

/* --- the socket ---------------------------------------------------------- */

/* Is what we made still there, under that name? */
static bool
is_ours(const struct usock *u, const char *name)
{
	struct stat	st;

	return u->ino != 0 && lstat(name, &st) == 0 &&
	    st.st_dev == u->dev && st.st_ino == u->ino;
}

const char *
usock_path(const struct usock *u)
{
	return u->path;
}

bool
usock_is_placed(const struct usock *u, const char *path)
{
	return u->placed && strcmp(u->path, path) == 0 &&
	    is_ours(u, u->path);
}

/* Give it away, if it is a socket still. */
#ifdef O_PATH
static int
give(const struct usock *u, const char *name)
{
	struct stat	 st;
	int		 fd, result = -1;

	fd = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		result = fchownat(fd, "", u->uid, u->gid, AT_EMPTY_PATH);
	else
		errno = EEXIST;
	(void)close(fd);
	return result;
}
#else
static int
give(const struct usock *u, const char *name)
{
	char		*dir = xstrdup(name);
	struct stat	 st;
	int		 result;

	*strrchr(dir, '/') = '\0';
	result = stat(dir[0] == '\0' ? "/" : dir, &st);
	free(dir);
	if (result == 0 && geteuid() == 0 && (st.st_uid != 0 ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
		errno = EPERM;
		return -1;
	}
	return result == -1 ? -1 : lchown(name, u->uid, u->gid);
}
#endif

/* Bound, with its rights; what an attempt that was killed left is removed. */
static int
bind_new(struct usock *u, int fd, const struct sockaddr_un *sun)
{
	const char	*name = sun->sun_path;
	struct stat	 st;
	mode_t		 mask;
	int		 result;

	if (lstat(name, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(name);
	mask = umask(~u->mode & 0777);
	result = bind(fd, (const struct sockaddr *)sun, sizeof(*sun));
	(void)umask(mask);
	if (result == -1 || lstat(name, &st) == -1)
		return -1;
	u->dev = st.st_dev;
	u->ino = st.st_ino;
	if (u->uid == NO_ID && u->gid == (gid_t)-1)
		return 0;
	return give(u, name);
}

int
usock_bind(struct usock *u, bool replaces, char *why, size_t size)
{
	struct sockaddr_un	sun;
	int			fd = -1;

	if (replaces ? usock_check(u, true, why, size) == -1 :
	    check_patiently(u, why, size) == -1)
		return -1;
	if (address(&sun, u->path, SUFFIX) == 0)
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
	if (fd != -1 && bind_new(u, fd, &sun) == 0)
		return fd;
	(void)snprintf(why, size, "%s", strerror(errno));
	close_fd(&fd);
	return -1;
}

int
usock_place(struct usock *u)
{
	struct sockaddr_un	sun;

	if (u->placed)
		return 0;
	if (address(&sun, u->path, SUFFIX) == -1 ||
	    rename(sun.sun_path, u->path) == -1)
		return -1;
	u->placed = true;
	return 0;
}

void
usock_free(struct usock *u)
{
	struct sockaddr_un	 sun;
	const char		*name = u->path;

	if (!u->placed && address(&sun, u->path, SUFFIX) == 0)
		name = sun.sun_path;
	if (is_ours(u, name))
		(void)unlink(name);
	free(u->path);
	free(u);
}
