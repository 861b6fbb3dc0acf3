/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * As whom a child runs, and in which root.
 *
 * Every role has a user of its own, so that none of them can send another
 * one a signal or look at it.  Users are looked up once, at the start: a
 * child is started again when a directory server may be away, and as whom
 * it ran before.  The empty root is a directory made, opened and removed:
 * nobody can ever put anything into it, and it needs no place of its own on
 * the disk.
 *
 * Who is not root runs everything as himself: the sandboxes are there, the
 * ids and the root directory are not.
 */

#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "util.h"

#define FALLBACK	"nobody"

/* One row for each user of struct conf_users. */
static struct {
	size_t		 off;
	unsigned int	 role;
	char		*name;
	struct ids	 ids;
} users[] = {
	{ .off = offsetof(struct conf_users, smtpd), .role = R_SMTPD },
	{ .off = offsetof(struct conf_users, verifyd), .role = R_VERIFYD },
	{ .off = offsetof(struct conf_users, dialer), .role = R_DIALER },
	{ .off = offsetof(struct conf_users, resolved), .role = R_RESOLVED },
	{ .off = offsetof(struct conf_users, lookupd), .role = R_LOOKUPD },
	{ .off = offsetof(struct conf_users, proxyd), .role = R_PROXYD }
};

#define NUSERS	(sizeof(users) / sizeof(users[0]))

static int	root_fd = -1;

static const char *
user_name(const struct conf_users *conf, size_t off)
{
	char	*name;

	memcpy(&name, (const char *)conf + off, sizeof(name));
	return name;
}

static bool
look_up(const char *name, struct ids *ids)
{
	struct passwd	*pw;

	if ((pw = getpwnam(name)) == NULL)
		return false;
	ids->set = true;
	ids->uid = pw->pw_uid;
	ids->gid = pw->pw_gid;
	return true;
}

static void
make_root(void)
{
	char	path[] = "/tmp/postern.XXXXXXXXXX";

	if (mkdtemp(path) == NULL)
		fatal("%s", path);
	root_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root_fd == -1)
		fatal("%s", path);
	if (rmdir(path) == -1)
		fatal("%s", path);
}

void
users_init(const struct conf_users *conf)
{
	const char	*missing = NULL;
	size_t		 i;

	for (i = 0; i < NUSERS; i++)
		users[i].name = xstrdup(user_name(conf, users[i].off));
	if (geteuid() != 0) {
		if (!parent.check)
			log_info("not root: no users of their own, no chroot");
		return;
	}
	for (i = 0; i < NUSERS; i++)
		if (!look_up(users[i].name, &users[i].ids) && missing == NULL)
			missing = users[i].name;
	if (missing != NULL && !parent.debug && !parent.check)
		fatalx("no user %s: make users", missing);
	if (missing != NULL && !parent.check)
		log_warnx("no user %s: all processes run as %s", missing,
		    FALLBACK);
	for (i = 0; missing != NULL && i < NUSERS; i++)
		if (!look_up(FALLBACK, &users[i].ids))
			fatalx("no user %s", FALLBACK);
	for (i = 0; i < NUSERS; i++)
		if (users[i].ids.uid == 0)
			fatalx("user %s is root", users[i].name);
	make_root();
}

struct ids
users_of(const struct program *prog)
{
	struct ids	none = { .set = false };
	size_t		i;

	for (i = 0; i < NUSERS; i++)
		if (users[i].role == prog->role)
			return users[i].ids;
	return none;
}

int
users_root(const struct program *prog)
{
	if (!prog->empty_root || root_fd == -1)
		return -1;
	return fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
}

bool
users_differ(const struct conf_users *conf)
{
	size_t	i;

	for (i = 0; i < NUSERS; i++)
		if (strcmp(users[i].name, user_name(conf, users[i].off)) != 0)
			return true;
	return false;
}
