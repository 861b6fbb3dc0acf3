/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fds pid: what the children of a postern hold.
 * fds -p: a port of 127.0.0.1 that was free a moment ago.
 *
 * One line for each child, "smtpd: /dev/null /dev/null dialer epoll ...":
 * its descriptors from 0 on, in the order of their names.  A pipe is named
 * after the process that has its other end, which the kernel tells
 * (unix_diag), "parent" for the process asked about; a listening socket
 * after its port, or "unix".  Exit status 77: not allowed to look.
 */
#include <sys/socket.h>
#include <netinet/in.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED		77
#define LISTENS		0x0a	/* a state of sockets, as in /proc/net/tcp */

struct process {
	pid_t	 pid;
	char	 name[32];
};

/* A descriptor of one of them. */
struct fd {
	size_t	 owner;		/* index of processes */
	int	 number;
	char	 link[256];	/* "socket:[4711]" */
	char	 name[300];	/* what it is */
};

/* A socket that the kernel told about: a pair's other end, or a port. */
struct sock {
	uint32_t	 inode;
	uint32_t	 peer;		/* 0 = none */
	unsigned int	 port;		/* 0 = does not listen */
	bool		 local;		/* listens in the file system */
};

#define SKIP(what)	errx(SKIPPED, "cannot look at %s", what)

static struct process	*processes;
static size_t		 nprocesses;
static struct fd	*fds;
static size_t		 nfds;
static struct sock	*socks;
static size_t		 nsocks;

static void *
grow(void *p, size_t n, size_t size)
{
	if ((p = reallocarray(p, n + 1, size)) == NULL)
		err(1, NULL);
	memset((char *)p + n * size, 0, size);
	return p;
}

/* --- processes and their descriptors ------------------------------------- */

static void
add_process(pid_t pid, const char *name)
{
	processes = grow(processes, nprocesses, sizeof(*processes));
	processes[nprocesses].pid = pid;
	strlcpy(processes[nprocesses++].name, name, sizeof(processes->name));
}

/* The parent of a process, and its name; -1 if it has gone. */
static pid_t
parent_of(const char *pid, char *name, size_t size)
{
	char	 path[64], line[512], *open, *shut;
	FILE	*fp;
	int	 parent = -1;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	if ((fp = fopen(path, "r")) == NULL)
		return -1;
	if (fgets(line, sizeof(line), fp) != NULL &&
	    (open = strchr(line, '(')) != NULL &&
	    (shut = strrchr(line, ')')) != NULL) {
		*shut = '\0';
		strlcpy(name, open + 1, size);
		if (sscanf(shut + 1, " %*c %d", &parent) != 1)
			parent = -1;
	}
	fclose(fp);
	return parent;
}

static void
find_children(pid_t parent)
{
	struct dirent	*d;
	char		 name[32];
	DIR		*dir;

	add_process(parent, "parent");
	if ((dir = opendir("/proc")) == NULL)
		err(1, "/proc");
	while ((d = readdir(dir)) != NULL)
		if (strspn(d->d_name, "0123456789") == strlen(d->d_name) &&
		    parent_of(d->d_name, name, sizeof(name)) == parent)
			add_process((pid_t)strtol(d->d_name, NULL, 10), name);
	closedir(dir);
	if (nprocesses == 1)
		errx(1, "pid %d has no children", (int)parent);
}

static void
find_fds(size_t owner)
{
	char		 path[64];
	struct dirent	*d;
	struct fd	*f;
	DIR		*dir;
	ssize_t		 n;

	snprintf(path, sizeof(path), "/proc/%d/fd",
	    (int)processes[owner].pid);
	if ((dir = opendir(path)) == NULL) {
		if (errno == EACCES)
			SKIP(path);
		err(1, "%s", path);
	}
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		fds = grow(fds, nfds, sizeof(*fds));
		f = &fds[nfds++];
		f->owner = owner;
		f->number = (int)strtol(d->d_name, NULL, 10);
		n = readlinkat(dirfd(dir), d->d_name, f->link,
		    sizeof(f->link) - 1);
		if (n == -1)
			err(1, "%s/%s", path, d->d_name);
	}
	closedir(dir);
}

/* --- sockets ------------------------------------------------------------- */

static void
add_sock(uint32_t inode, uint32_t peer, unsigned int port)
{
	socks = grow(socks, nsocks, sizeof(*socks));
	socks[nsocks].inode = inode;
	socks[nsocks].peer = peer;
	socks[nsocks++].port = port;
}

static void
take_unix(struct nlmsghdr *h)
{
	struct unix_diag_msg	*m = NLMSG_DATA(h);
	struct rtattr		*a;
	uint32_t		 peer = 0;
	unsigned int		 left;

	left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	for (a = (struct rtattr *)(m + 1); RTA_OK(a, left);
	    a = RTA_NEXT(a, left))
		if (a->rta_type == UNIX_DIAG_PEER)
			memcpy(&peer, RTA_DATA(a), sizeof(peer));
	add_sock(m->udiag_ino, peer, 0);
	socks[nsocks - 1].local = m->udiag_state == LISTENS;
}

static int
ask_unix(void)
{
	struct {
		struct nlmsghdr		 h;
		struct unix_diag_req	 r;
	} q;
	int	 s;

	memset(&q, 0, sizeof(q));
	q.h.nlmsg_len = sizeof(q);
	q.h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q.r.sdiag_family = AF_UNIX;
	q.r.udiag_states = UINT32_MAX;
	q.r.udiag_show = UDIAG_SHOW_PEER;
	s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (s == -1 || send(s, &q, sizeof(q), 0) == -1)
		SKIP("unix sockets");
	return s;
}

static void
find_unix(void)
{
	static char		 buf[65536]
				    __attribute__((__aligned__(8)));
	struct nlmsghdr		*h;
	ssize_t			 n;
	int			 s = ask_unix();

	for (;;) {
		if ((n = recv(s, buf, sizeof(buf), 0)) <= 0)
			err(1, "unix_diag");
		for (h = (struct nlmsghdr *)buf; NLMSG_OK(h, n);
		    h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE) {
				close(s);
				return;
			}
			if (h->nlmsg_type == NLMSG_ERROR)
				SKIP("unix sockets");
			take_unix(h);
		}
	}
}

static void
find_tcp(const char *path)
{
	char		 line[512];
	unsigned int	 port, state;
	unsigned long	 inode;
	FILE		*fp;

	if ((fp = fopen(path, "r")) == NULL)
		return;
	while (fgets(line, sizeof(line), fp) != NULL)
		if (sscanf(line, " %*d: %*[^:]:%x %*s %x %*s %*s %*s %*s %*s "
		    "%lu", &port, &state, &inode) == 3 && state == LISTENS)
			add_sock((uint32_t)inode, 0, port);
	fclose(fp);
}

/* --- names --------------------------------------------------------------- */

/* Who else holds what has this link; itself only if nobody else does. */
static const char *
other_holder(const struct fd *self, const char *link)
{
	const char	*name = "nobody";
	size_t		 i;

	for (i = 0; i < nfds; i++) {
		if (&fds[i] == self || strcmp(fds[i].link, link) != 0)
			continue;
		if (fds[i].owner != self->owner)
			return processes[fds[i].owner].name;
		name = "self";
	}
	return name;
}

static void
name_socket(struct fd *f)
{
	char		 link[64];
	unsigned long	 inode = strtoul(f->link + 8, NULL, 10);
	size_t		 i;

	for (i = 0; i < nsocks && socks[i].inode != inode; i++)
		;
	if (i == nsocks) {
		strlcpy(f->name, "socket", sizeof(f->name));
	} else if (socks[i].port != 0) {
		snprintf(f->name, sizeof(f->name), "listen:%u", socks[i].port);
	} else if (socks[i].local) {
		strlcpy(f->name, "listen:unix", sizeof(f->name));
	} else if (socks[i].peer == 0) {
		strlcpy(f->name, "unix", sizeof(f->name));
	} else {
		snprintf(link, sizeof(link), "socket:[%u]", socks[i].peer);
		strlcpy(f->name, other_holder(f, link), sizeof(f->name));
	}
}

static void
name_fd(struct fd *f)
{
	if (f->number == STDERR_FILENO)
		strlcpy(f->name, "stderr", sizeof(f->name));
	else if (strncmp(f->link, "socket:[", 8) == 0)
		name_socket(f);
	else if (strncmp(f->link, "pipe:[", 6) == 0)
		snprintf(f->name, sizeof(f->name), "pipe-%s",
		    other_holder(f, f->link));
	else if (strcmp(f->link, "anon_inode:[eventpoll]") == 0)
		strlcpy(f->name, "epoll", sizeof(f->name));
	else
		strlcpy(f->name, f->link, sizeof(f->name));
}

static int
by_owner_and_name(const void *a, const void *b)
{
	const struct fd	*x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
print_child(size_t owner)
{
	size_t	 i;

	printf("%s:", processes[owner].name);
	for (i = 0; i < nfds; i++)
		if (fds[i].owner == owner)
			printf(" %s", fds[i].name);
	printf("\n");
}

static void
print_port(void)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	socklen_t		 len = sizeof(sin);
	int			 s;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s == -1 || bind(s, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    getsockname(s, (struct sockaddr *)&sin, &len) == -1)
		err(1, "no free port");
	printf("%u\n", ntohs(sin.sin_port));
	close(s);
}

int
main(int argc, char **argv)
{
	size_t	 i;

	if (argc != 2)
		errx(1, "usage: fds pid | -p");
	if (strcmp(argv[1], "-p") == 0) {
		print_port();
		return 0;
	}
	find_children((pid_t)strtol(argv[1], NULL, 10));
	for (i = 0; i < nprocesses; i++)
		find_fds(i);
	find_unix();
	find_tcp("/proc/net/tcp");
	find_tcp("/proc/net/tcp6");
	for (i = 0; i < nfds; i++)
		name_fd(&fds[i]);
	qsort(fds, nfds, sizeof(*fds), by_owner_and_name);
	for (i = 1; i < nprocesses; i++)
		print_child(i);
	return 0;
}
