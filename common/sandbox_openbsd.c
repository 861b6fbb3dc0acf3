/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The jail on OpenBSD: unveil(2), then pledge(2).
 *
 * One row a role.  recvfd is in every row: a sibling that was started anew
 * and a new log come as descriptors from the parent.  inet in a row without
 * a connect(2) in its program is for accept(2), getpeername(2) and options of
 * sockets; pledge cannot tell those from socket(2), and that smtpd has
 * none of the others is for its symbols to show (regress/privsep/nosyms.sh).
 *
 * The kernel logs what a pledge stopped by name, so debug adds nothing here.
 */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "proto.h"
#include "sandbox.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* A lookupd that connects: no role of config.h. */
#define R_CONNECTS	0x10000

static bool	connects;
static bool	unveiled;

struct jail {
	unsigned int	 role;
	const char	*promises;
	bool		 files;		/* may read those of resolved_files */
};

static const struct jail	jails[] = {
	{ R_SMTPD,	"stdio inet recvfd",		false },
	{ R_VERIFYD,	"stdio inet recvfd",		false },
	{ R_DIALER,	"stdio inet sendfd recvfd",	false },
	{ R_RESOLVED,	"stdio rpath inet dns recvfd",	true },
	{ R_PROXYD,	"stdio recvfd",			false },
	{ R_LOOKUPD,	"stdio rpath wpath cpath flock recvfd", false },
	{ R_CONNECTS,	"stdio rpath inet unix recvfd",	false },
};

/* What c-ares reads when it starts, is set up anew, or looks for a host. */
static const char *const	resolved_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
	"/etc/host.conf", "/etc/svc.conf"
};

static const struct jail *
jail_of(unsigned int role)
{
	size_t	 i;

	for (i = 0; i < nitems(jails); i++)
		if (jails[i].role == role)
			return &jails[i];
	fatalx("no jail for role %#x", role);
}

void
sandbox_allow(const char *path, bool write)
{
	unveiled = true;
	if (unveil(path, write ? "rwc" : "r") == -1 && errno != ENOENT)
		fatal("unveil %s", path);
}

void
sandbox_allow_connect(void)
{
	connects = true;
}

/*
 * A name stays unveiled when a new file takes its place.  Only a missing
 * directory is an error of unveil, and none to us: no file, nothing to read.
 */
static void
unveil_files(void)
{
	size_t	 i;

	for (i = 0; i < nitems(resolved_files); i++)
		if (unveil(resolved_files[i], "r") == -1 && errno != ENOENT)
			fatal("unveil %s", resolved_files[i]);
	if (unveil(NULL, NULL) == -1)
		fatal("unveil");
}

void
sandbox_enter(unsigned int role, bool debug)
{
	const struct jail	*jail = jail_of(role == R_LOOKUPD && connects ?
				    R_CONNECTS : role);

	(void)debug;
	if (jail->files)
		unveil_files();
	else if (unveiled && unveil(NULL, NULL) == -1)
		fatal("unveil");
	if (pledge(jail->promises, NULL) == -1)
		fatal("pledge %s", role_name(role));
}

const char *
sandbox_kind(void)
{
	return "pledge";
}
