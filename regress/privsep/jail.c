/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Calls made in the name of a daemon that runs: what its jail does to them.
 *
 *	jail -l role		the probes of a role: "lethal NAME", "soft NAME"
 *	jail role pid name ...	make them in that process and judge; a lethal
 *				one must come last
 *	jail -c			the same probes in a process without a jail,
 *				where every one of them must run
 *	jail -g			the kinds of garbage
 *	jail -g kind pid	have that process send it to its parent
 *
 * One line "ok" or "not ok" is printed for each.  As enum.c tries every call
 * there is in a jail of the same making, these few are those that an
 * attacker would want first.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* Outcomes: an errno, 0 for success, or one of these. */
#define KILLED		(-1)
#define DIED		(-2)
#define RUNS		(-3)	/* control: whatever, but it ran */
#define NONE		(-4)	/* not tried in this role */

#define PIPE		3	/* to the parent; in the control, a socket */

/* A lookupd of SQLite, and one of PostgreSQL, which connects. */
enum role { SMTPD, DIALER, RESOLVED, VERIFYD, LOOKUPD, CONNECTS, PROXYD,
	ROLES };

static const char *const	role_names[ROLES] = {
	"smtpd", "dialer", "resolved", "verifyd", "lookupd",
	"lookupd-connects", "proxyd"
};

/* An argument: a number, or octets that are copied into the process. */
struct arg {
	long		 n;
	const void	*data;
	size_t		 len;
};

#define N(v)		{ .n = (long)(v) }
#define TEXT(s)		{ .data = (s), .len = sizeof(s) }
#define DATA(v)		{ .data = &(v), .len = sizeof(v) }

#define NEW_SOCKET	0x01	/* argument 0 is a socket made for it */
#define MAKES_FD	0x02	/* which is closed again */
#define MAKES_PROCESS	0x04	/* which is killed */
#define STACK		0x08	/* argument 0 is a page of the stack */
#define LANDLOCK_FS	0x10	/* refused by landlock alone: ABI 1 */
#define LANDLOCK_NET	0x20	/* ABI 4 */
#define LANDLOCK_DB	0x40	/* of lookupd alone: ABI 1 */

struct probe {
	const char	*name;
	long		 nr;
	struct arg	 arg[6];
	unsigned int	 flags;
	int		 want[ROLES];
	int		 control;
};

static const struct sockaddr_in	 port_0 = {
	.sin_family = AF_INET, .sin_addr = { INADDR_ANY }
};
static const struct sockaddr_in	 port_high = {
	.sin_family = AF_INET, .sin_addr = { INADDR_ANY },
	.sin_port = 0x5555
};
static struct sockaddr_in	 listening;	/* somebody does, in -c */
static const struct rlimit	 no_core = { 0, 0 };
static const int		 one = 1;
static const char		 zeros[128];

#define ALL_KILLED	{ KILLED, KILLED, KILLED, KILLED, KILLED, KILLED, \
			    KILLED }
#define ALL_EACCES	{ EACCES, EACCES, EACCES, EACCES, EACCES, EACCES, \
			    EACCES }

static const struct probe	probes[] = {
	{ "socket-inet", SYS_socket, { N(AF_INET), N(SOCK_STREAM) },
	    MAKES_FD, { KILLED, 0, 0, KILLED, KILLED, 0,
	    KILLED }, 0 },
	{ "socket-datagram", SYS_socket, { N(AF_INET), N(SOCK_DGRAM) },
	    MAKES_FD, { KILLED, KILLED, 0, KILLED, KILLED, KILLED,
	    KILLED }, 0 },
	{ "socket-netlink", SYS_socket, { N(AF_NETLINK), N(SOCK_RAW) },
	    MAKES_FD, ALL_KILLED, 0 },
	{ "socket-unix", SYS_socket, { N(AF_UNIX), N(SOCK_STREAM) },
	    MAKES_FD, { EACCES, EACCES, EACCES, EACCES, EACCES, 0,
	    KILLED }, 0 },
	{ "connect", SYS_connect, { N(PIPE), DATA(listening),
	    N(sizeof(listening)) }, 0,
	    { KILLED, EINVAL, EINVAL, KILLED, KILLED, EINVAL,
	    KILLED }, 0 },
	{ "bind", SYS_bind, { N(PIPE), DATA(port_0), N(sizeof(port_0)) },
	    0, { KILLED, EINVAL, KILLED, KILLED, KILLED, KILLED,
	    KILLED }, 0 },
	{ "bind-no-port", SYS_bind, { N(0), DATA(port_0),
	    N(sizeof(port_0)) }, NEW_SOCKET,
	    { NONE, 0, NONE, NONE, NONE, NONE,
	    NONE }, 0 },
	{ "bind-port", SYS_bind, { N(0), DATA(port_high),
	    N(sizeof(port_high)) }, NEW_SOCKET | LANDLOCK_NET,
	    { NONE, EACCES, NONE, NONE, NONE, NONE,
	    NONE }, RUNS },
	{ "listen", SYS_listen, { N(PIPE), N(1) }, 0, ALL_KILLED, 0 },
	{ "accept4", SYS_accept4, { N(PIPE), N(0), N(0),
	    N(SOCK_NONBLOCK) }, 0,
	    { EINVAL, KILLED, KILLED, KILLED, KILLED, KILLED,
	    KILLED }, EINVAL },
	{ "recvfrom", SYS_recvfrom, { N(-1), N(0), N(0), N(0) }, 0,
	    { EBADF, KILLED, EBADF, EBADF, KILLED, EBADF,
	    KILLED }, EBADF },
	{ "sendto-address", SYS_sendto, { N(-1), N(0), N(0), N(0),
	    DATA(port_0), N(sizeof(port_0)) }, 0,
	    { KILLED, KILLED, EBADF, KILLED, KILLED, EBADF,
	    KILLED }, EBADF },
	{ "setsockopt", SYS_setsockopt, { N(PIPE), N(SOL_SOCKET),
	    N(SO_REUSEADDR), DATA(one), N(sizeof(one)) }, 0, ALL_KILLED,
	    0 },

	{ "open-passwd", SYS_openat, { N(AT_FDCWD), TEXT("/etc/passwd"),
	    N(O_RDONLY) }, MAKES_FD | LANDLOCK_FS, ALL_EACCES, 0 },
	{ "open-hosts", SYS_openat, { N(AT_FDCWD), TEXT("/etc/hosts"),
	    N(O_RDONLY) }, MAKES_FD | LANDLOCK_DB,
	    { EACCES, EACCES, 0, EACCES, EACCES, EACCES,
	    EACCES }, 0 },
	{ "open-write", SYS_openat, { N(AT_FDCWD), TEXT("/dev/null"),
	    N(O_WRONLY) }, MAKES_FD | LANDLOCK_DB,
	    { EACCES, EACCES, KILLED, EACCES, EACCES, KILLED,
	    EACCES }, 0 },
	{ "stat", SYS_newfstatat, { N(AT_FDCWD), TEXT("/"), DATA(zeros) },
	    0, { EACCES, EACCES, EACCES, EACCES, 0, 0,
	    EACCES }, 0 },
	{ "unlink", SYS_unlink, { TEXT("/nonexistent/file") }, 0,
	    { KILLED, KILLED, KILLED, KILLED, ENOENT, KILLED,
	    KILLED }, ENOENT },
	{ "memfd_create", SYS_memfd_create, { TEXT("x"), N(0) }, MAKES_FD,
	    ALL_KILLED, 0 },
	{ "dup", SYS_dup, { N(PIPE) }, MAKES_FD, ALL_KILLED, 0 },

	{ "execve", SYS_execve, { TEXT("/nonexistent/file"), N(0), N(0) },
	    0, ALL_KILLED, ENOENT },
	{ "fork", SYS_fork, { N(0) }, MAKES_PROCESS, ALL_KILLED, 0 },
	{ "clone", SYS_clone, { N(SIGCHLD) }, MAKES_PROCESS, ALL_KILLED,
	    0 },
	{ "clone3", SYS_clone3, { N(0), N(0) }, 0,
	    { ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS,
	    ENOSYS }, EINVAL },
	{ "ptrace", SYS_ptrace, { N(PTRACE_ATTACH), N(0) }, 0, ALL_KILLED,
	    ESRCH },
	{ "process_vm_readv", SYS_process_vm_readv, { N(1) }, 0,
	    ALL_KILLED, 0 },
	{ "kill", SYS_kill, { N(1), N(0) }, 0, ALL_KILLED, 0 },
	{ "tgkill-other", SYS_tgkill, { N(1), N(1), N(0) }, 0,
	    ALL_KILLED, 0 },

	{ "mmap-exec", SYS_mmap, { N(0), N(4096), N(PROT_READ | PROT_EXEC),
	    N(MAP_PRIVATE | MAP_ANONYMOUS), N(-1) }, 0, ALL_KILLED, 0 },
	{ "mmap-shared", SYS_mmap, { N(0), N(4096), N(PROT_READ),
	    N(MAP_SHARED | MAP_ANONYMOUS), N(-1) }, 0,
	    { KILLED, KILLED, KILLED, KILLED, 0, KILLED,
	    KILLED }, 0 },
	{ "mprotect-exec", SYS_mprotect, { N(0), N(4096),
	    N(PROT_READ | PROT_WRITE | PROT_EXEC) }, STACK, ALL_KILLED, 0 },

	{ "io_uring_setup", SYS_io_uring_setup, { N(1), DATA(zeros) },
	    MAKES_FD, ALL_KILLED, RUNS },
	{ "unshare", SYS_unshare, { N(CLONE_FS) }, 0, ALL_KILLED, 0 },
	{ "mount", SYS_mount, { N(0) }, 0, ALL_KILLED, EFAULT },
	{ "chroot", SYS_chroot, { TEXT("/") }, 0, ALL_KILLED, 0 },
	{ "setuid", SYS_setuid, { N(0) }, 0, ALL_KILLED, 0 },
	{ "prctl-dumpable", SYS_prctl, { N(PR_SET_DUMPABLE), N(1) }, 0,
	    ALL_KILLED, 0 },
	{ "prlimit-write", SYS_prlimit64, { N(0), N(RLIMIT_CORE),
	    DATA(no_core), N(0) }, 0, ALL_KILLED, 0 },
};

/* --- one probe ----------------------------------------------------------- */

static const char *
outcome_name(int outcome)
{
	switch (outcome) {
	case KILLED:
		return "killed";
	case DIED:
		return "died otherwise";
	case RUNS:
		return "anything";
	case 0:
		return "success";
	}
	return strerrorname_np(outcome);
}

/* A call with numbers only that must not fail, such as socket and close. */
static int
call(struct inject *in, long nr, long a, long b, long c, long *result)
{
	long	 arg[6] = { a, b, c };

	switch (inject_call(in, nr, arg, result)) {
	case INJECT_KILLED:
		return KILLED;
	case INJECT_DIED:
		return DIED;
	case INJECT_RAN:
		break;
	}
	return *result < 0 && *result > -4096 ? (int)-*result : 0;
}

static void
clean_up(struct inject *in, const struct probe *p, int fd, long result)
{
	long	 ignored;

	if (p->flags & NEW_SOCKET)
		(void)call(in, SYS_close, fd, 0, 0, &ignored);
	if (result >= 0 && (p->flags & MAKES_FD))
		(void)call(in, SYS_close, result, 0, 0, &ignored);
	if (result > 0 && (p->flags & MAKES_PROCESS))
		(void)kill((pid_t)result, SIGKILL);
}

/* Make it; the process is let go afterwards, if it still lives. */
static int
make(struct inject *in, const struct probe *p)
{
	long		 arg[6], result, fd = -1;
	size_t		 i;
	int		 got;

	for (i = 0; i < nitems(arg); i++)
		arg[i] = p->arg[i].data == NULL ? p->arg[i].n :
		    inject_data(in, p->arg[i].data, p->arg[i].len);
	if (p->flags & STACK)
		arg[0] = (long)(in->saved.rsp & ~4095UL);
	if (p->flags & NEW_SOCKET) {
		got = call(in, SYS_socket, AF_INET, SOCK_STREAM, 0, &fd);
		if (got != 0)
			return got;
		arg[0] = fd;
	}
	switch (inject_call(in, p->nr, arg, &result)) {
	case INJECT_KILLED:
		return KILLED;
	case INJECT_DIED:
		return DIED;
	case INJECT_RAN:
		break;
	}
	clean_up(in, p, (int)fd, result);
	inject_detach(in);
	return result < 0 && result > -4096 ? (int)-result : 0;
}

static const struct probe *
find(const char *name)
{
	size_t	 i;

	for (i = 0; i < nitems(probes); i++)
		if (strcmp(probes[i].name, name) == 0)
			return &probes[i];
	errx(1, "no probe %s", name);
}

static enum role
find_role(const char *name)
{
	int	 i;

	for (i = 0; i < ROLES; i++)
		if (strcmp(role_names[i], name) == 0)
			return (enum role)i;
	errx(1, "no role %s", name);
}

static pid_t
find_pid(const char *text)
{
	const char	*why;
	long long	 pid = strtonum(text, 2, INT32_MAX, &why);

	if (why != NULL)
		errx(1, "pid %s is %s", text, why);
	return (pid_t)pid;
}

/* What this kernel's landlock can do; 0 = there is none. */
static long
landlock_abi(void)
{
	long	 abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	return abi < 0 ? 0 : abi;
}

/* 0 if the outcome is the one that the role must see. */
static int
judge(enum role role, pid_t pid, const struct probe *p)
{
	struct inject	 in;
	int		 got;

	if (((p->flags & LANDLOCK_FS) && landlock_abi() < 1 &&
	    (role == RESOLVED || role == LOOKUPD)) ||
	    ((p->flags & LANDLOCK_DB) && landlock_abi() < 1 &&
	    role == LOOKUPD) ||
	    ((p->flags & LANDLOCK_NET) && landlock_abi() < 4)) {
		printf("ok - %s %s # SKIP no landlock\n", role_names[role],
		    p->name);
		return 0;
	}
	if (inject_attach(&in, pid) == -1) {
		printf("not ok - %s %s: cannot trace %d: %s\n",
		    role_names[role], p->name, (int)pid, strerror(errno));
		return 1;
	}
	got = make(&in, p);
	if (got == p->want[role]) {
		printf("ok - %s %s: %s\n", role_names[role], p->name,
		    outcome_name(got));
		return 0;
	}
	printf("not ok - %s %s: %s, not %s\n", role_names[role], p->name,
	    outcome_name(got), outcome_name(p->want[role]));
	return 1;
}

/* --- the control --------------------------------------------------------- */

static int
listen_somewhere(void)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	socklen_t		 len = sizeof(listening);
	int			 fd;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(fd, 8) == -1 ||
	    getsockname(fd, (struct sockaddr *)&listening, &len) == -1)
		err(1, "cannot listen");
	return fd;
}

/* A process that has a socket where the daemons have their pipe, and waits. */
static pid_t
start_control(void)
{
	char	 c;
	int	 ready[2], fd;
	pid_t	 pid;

	if (pipe2(ready, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1)
			_exit(1);
		/* The pipe may lie there. */
		if (ready[1] == PIPE && (ready[1] = dup(PIPE)) == -1)
			_exit(1);
		if (dup2(fd, PIPE) == -1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 0)
		errx(1, "the control process");
	close(ready[0]);
	return pid;
}

static int
control(void)
{
	struct inject	 in;
	size_t		 i;
	int		 got, want, failed = 0, fd = listen_somewhere();
	pid_t		 pid;

	for (i = 0; i < nitems(probes); i++) {
		pid = start_control();
		if (inject_attach(&in, pid) == -1)
			err(1, "cannot trace");
		got = make(&in, &probes[i]);
		want = probes[i].control;
		if (got == want || (want == RUNS && got >= 0)) {
			printf("ok - no jail %s: %s\n", probes[i].name,
			    outcome_name(got));
		} else {
			printf("not ok - no jail %s: %s, not %s\n",
			    probes[i].name, outcome_name(got),
			    outcome_name(want));
			failed = 1;
		}
		if (got != KILLED && got != DIED) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
	}
	close(fd);
	return failed;
}

/* --- garbage ------------------------------------------------------------- */

/*
 * Frames begin with their length (u32), type and flags (u16), session (u64)
 * and sequence (u32), little-endian.
 */
struct garbage {
	const char	*name;
	const char	*octets;
	size_t		 len;
	bool		 fd;		/* with a descriptor */
};

#define FRAME(len, type, flags)	len type flags "\0\0\0\0\0\0\0\0" "\0\0\0\0"
#define OCTETS(s)		(s), sizeof(s) - 1

#define UNIX_REQ(remote, entry)						\
	FRAME("\x8\0\0\0", "\x9d\0", "\0\0")				\
	remote entry "\0\0\0"

static const struct garbage	garbages[] = {
	{ "noise", OCTETS("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false },
	{ "zeros", OCTETS(FRAME("\0\0\0\0", "\0\0", "\0\0")), false },
	{ "too-long", OCTETS(FRAME("\0\0\1\0", "\x99\0", "\0\0")), false },
	/* 9999 */
	{ "unknown-type", OCTETS(FRAME("\0\0\0\0", "\x0f\x27", "\0\0")),
	    false },
	/* DIAL_FD, which is not for the parent */
	{ "wrong-way", OCTETS(FRAME("\0\0\0\0", "\x26\x02", "\0\0")), false },
	/* INIT, which is the parent's to send */
	{ "wrong-sender", OCTETS(FRAME("\0\0\0\0", "\x64\0", "\0\0")), false },
	/* CONF_ERR of one octet */
	{ "cut-short", OCTETS(FRAME("\1\0\0\0", "\x98\0", "\0\0") "x"),
	    false },
	{ "unknown-flag", OCTETS(FRAME("\0\0\0\0", "\x99\0", "\0\x80")),
	    false },
	{ "missing-fd", OCTETS(FRAME("\0\0\0\0", "\x99\0", "\1\0")), false },
	{ "stray-fd", OCTETS(FRAME("\0\0\0\0", "\x99\0", "\0\0")), true },
	{ "ready-twice", OCTETS(FRAME("\0\0\0\0", "\x96\0", "\0\0")),
	    false },
	/* CONF_NOTE, where nothing is checked */
	{ "note-unasked", OCTETS(FRAME("\xb\0\0\0", "\xa2\0", "\0\0")
	    "\1" "\1\0\0\0k" "\1\0\0\0w"), false },
	/* LOG, not of whole lines, and of no line */
	{ "log-no-line", OCTETS(FRAME("\5\0\0\0", "\xa3\0", "\0\0")
	    "\1\0\0\0x"), false },
	{ "log-nothing", OCTETS(FRAME("\4\0\0\0", "\xa3\0", "\0\0")
	    "\0\0\0\0"), false },
	/*
	 * UNIX_REQ for a remote that never was; and of the one in lib.sh, which
	 * is the fourth that gets an id, for an address that it does not have
	 * and for one that is no path.
	 */
	{ "unix-remote", OCTETS(UNIX_REQ("\xf0\xff\xff\xff", "\0")), false },
	{ "unix-entry", OCTETS(UNIX_REQ("\4\0\0\0", "\7")), false },
	{ "unix-no-path", OCTETS(UNIX_REQ("\4\0\0\0", "\0")), false },
};

/*
 * 0 if it was written, whole.  The parent may be quicker than we are: it has
 * read it, and killed the process, before the call returned here.
 */
static int
sent(int got, long result, const struct garbage *g)
{
	return got == DIED || (got == 0 && result == (long)g->len) ? 0 : -1;
}

static int
send_plain(struct inject *in, const struct garbage *g)
{
	long	 result;
	int	 got;

	got = call(in, SYS_write, PIPE, inject_data(in, g->octets, g->len),
	    (long)g->len, &result);
	return sent(got, result, g);
}

/* Its stderr goes with the octets. */
static int
send_with_fd(struct inject *in, const struct garbage *g)
{
	union {
		struct cmsghdr	 hdr;
		char		 space[CMSG_SPACE(sizeof(int))];
	} data;
	struct msghdr	 mh;
	struct iovec	 iov;
	long		 result;
	int		 got, fd = STDERR_FILENO;

	memset(&data, 0, sizeof(data));
	data.hdr.cmsg_level = SOL_SOCKET;
	data.hdr.cmsg_type = SCM_RIGHTS;
	data.hdr.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&data.hdr), &fd, sizeof(fd));
	iov.iov_base = (void *)(uintptr_t)inject_data(in, g->octets, g->len);
	iov.iov_len = g->len;
	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = (void *)(uintptr_t)inject_data(in, &iov, sizeof(iov));
	mh.msg_iovlen = 1;
	mh.msg_control = (void *)(uintptr_t)inject_data(in, &data,
	    sizeof(data));
	mh.msg_controllen = sizeof(data.space);
	got = call(in, SYS_sendmsg, PIPE, inject_data(in, &mh, sizeof(mh)), 0,
	    &result);
	return sent(got, result, g);
}

static int
send_garbage(const char *kind, pid_t pid)
{
	const struct garbage	*g = NULL;
	struct inject		 in;
	size_t			 i;

	for (i = 0; i < nitems(garbages); i++)
		if (strcmp(garbages[i].name, kind) == 0)
			g = &garbages[i];
	if (g == NULL)
		errx(1, "no garbage %s", kind);
	if (inject_attach(&in, pid) == -1)
		err(1, "cannot trace %d", (int)pid);
	if ((g->fd ? send_with_fd(&in, g) : send_plain(&in, g)) == -1)
		errx(1, "%s was not sent", kind);
	inject_detach(&in);
	return 0;
}

/* --- main ---------------------------------------------------------------- */

static void __attribute__((__noreturn__))
usage(void)
{
	fprintf(stderr, "usage: jail -l role\n       jail role pid probe ...\n"
	    "       jail -c\n       jail -g [kind pid]\n");
	exit(1);
}

static void
list(enum role role)
{
	size_t	 i;

	for (i = 0; i < nitems(probes); i++)
		if (probes[i].want[role] != NONE)
			printf("%s %s\n", probes[i].want[role] == KILLED ?
			    "lethal" : "soft", probes[i].name);
}

int
main(int argc, char **argv)
{
	size_t	 i;
	int	 n, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(argv[1], "-l") == 0) {
		list(find_role(argv[2]));
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "-c") == 0)
		return control();
	if (argc == 2 && strcmp(argv[1], "-g") == 0) {
		for (i = 0; i < nitems(garbages); i++)
			printf("%s\n", garbages[i].name);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "-g") == 0)
		return send_garbage(argv[2], find_pid(argv[3]));
	if (argc < 4 || argv[1][0] == '-')
		usage();
	for (n = 3; n < argc; n++)
		failed |= judge(find_role(argv[1]), find_pid(argv[2]),
		    find(argv[n]));
	return failed;
}
