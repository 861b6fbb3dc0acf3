/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * enum role: every system call there is, tried in the jail of a role.
 *
 * For each number a process is forked which enters the jail by the daemons'
 * own sandbox_enter() and makes the call, with arguments that do no harm.
 * Printed is what did not kill it, one call a line and by number: "allowed
 * read", "EACCES openat".  Where the filter looks at arguments, the values
 * that matter are tried one by one.  The lists checked in as ROLE.golden are
 * this output; a call that is in none of them kills.
 *
 * The exit status of the process tells the outcome, so nothing but exit(2)
 * is needed to report it: 0, or the call's errno.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "proto.h"
#include "sandbox.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#define LAST_CALL	1023
#define X32		0x40000000

#define KILLED		(-1)

static unsigned int	role;

/* Wait for it; KILLED, 0 or an errno. */
static int
outcome_of(pid_t pid)
{
	int	 status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGSYS)
		return KILLED;
	return 0;	/* it ran: rt_sigreturn(2) of nothing is a crash */
}

/* In a process of its own, in the jail. */
static int
try(long nr, long a, long b, long c, long d, long e, long f)
{
	pid_t	 pid;

	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		sandbox_enter(role, false);
		_exit(syscall(nr, a, b, c, d, e, f) == -1 ? errno : 0);
	}
	return outcome_of(pid);
}

/* Print it unless it killed: allowed, or the error that the filter gives. */
static void __attribute__((__format__(printf, 2, 3)))
report(int outcome, const char *fmt, ...)
{
	va_list	 ap;

	if (outcome == KILLED)
		return;
	switch (outcome) {
	case EACCES:
		printf("EACCES ");
		break;
	case ENOSYS:
		printf("ENOSYS ");
		break;
	default:
		printf("allowed ");
		break;
	}
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/*
 * uretprobe and uprobe: newer kernels take them past every filter, and have
 * an error or SIGILL for who was not sent there by a probe of root's.
 */
static bool
is_unfiltered(int nr)
{
#ifdef __x86_64__
	return nr == 335 || nr == 336;
#else
	(void)nr;
	return false;
#endif
}

/* All numbers, with arguments that no call can use. */
static void
try_all(void)
{
	char	*name;
	int	 nr;

	for (nr = 0; nr <= LAST_CALL; nr++) {
		if (is_unfiltered(nr))
			continue;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		if (name != NULL)
			report(try(nr, -1, -1, -1, -1, -1, -1), "%s", name);
		else
			report(try(nr, -1, -1, -1, -1, -1, -1), "%d", nr);
		free(name);
	}
}

/* --- where arguments count ----------------------------------------------- */

static void
try_fcntl(void)
{
	long	 cmd;

	/* Linux has its own from 1024 on. */
	for (cmd = 0; cmd <= 1050; cmd = cmd == 40 ? 1024 : cmd + 1)
		report(try(SYS_fcntl, 0, cmd, 0, 0, 0, 0), "fcntl(%ld)", cmd);
}

static void
try_socket(void)
{
	long	 domain, type;

	for (domain = 0; domain <= 47; domain++)
		for (type = 0; type <= 10; type++)
			report(try(SYS_socket, domain, type, 0, 0, 0, 0),
			    "socket(domain %ld, type %ld)", domain, type);
	report(try(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, 0, 0, 0),
	    "socket(stream, close-on-exec, nonblocking)");
	report(try(SYS_sendto, -1, 0, 0, 0, 0, 0), "sendto(no address)");
	report(try(SYS_sendto, -1, 0, 0, 0, (long)"", 1), "sendto(address)");
}

static void
try_sockopt(void)
{
	static const long	 level[] = { 0, 1, 6, 17, 41, 263, 270, 282 };
	size_t			 i;
	long			 opt;

	for (i = 0; i < nitems(level); i++)
		for (opt = 0; opt <= 90; opt++) {
			report(try(SYS_setsockopt, -1, level[i], opt, 0, 0, 0),
			    "setsockopt(level %ld, option %ld)", level[i], opt);
			report(try(SYS_getsockopt, -1, level[i], opt, 0, 0, 0),
			    "getsockopt(level %ld, option %ld)", level[i], opt);
		}
}

static void
try_memory(void)
{
	static const long	 flags[] = { MAP_PRIVATE, MAP_SHARED,
				    MAP_SHARED_VALIDATE,
				    MAP_PRIVATE | MAP_FIXED };
	size_t			 i;
	long			 prot, advice;

	for (i = 0; i < nitems(flags); i++)
		for (prot = 0; prot <= 7; prot++)
			report(try(SYS_mmap, 0, 4096, prot,
			    flags[i] | MAP_ANONYMOUS, -1, 0),
			    "mmap(prot %ld, flags %#lx)", prot, flags[i]);
	for (prot = 0; prot <= 7; prot++)
		report(try(SYS_mprotect, 0, 0, prot, 0, 0, 0),
		    "mprotect(prot %ld)", prot);
	for (advice = 0; advice <= 110; advice++)
		report(try(SYS_madvise, 0, 0, advice, 0, 0, 0),
		    "madvise(%ld)", advice);
}

static void
try_process(void)
{
	long	 op, pid = getpid();

	for (op = 0; op <= 13; op++) {
		report(try(SYS_futex, 0, op, 0, 0, 0, 0), "futex(%ld)", op);
		report(try(SYS_futex, 0, op | FUTEX_PRIVATE_FLAG, 0, 0, 0, 0),
		    "futex(%ld, private)", op);
	}
	for (op = 0; op <= 80; op++)
		report(try(SYS_prctl, op, 0, 0, 0, 0, 0), "prctl(%ld)", op);
	report(try(SYS_prctl, PR_SET_VMA, 0, 0, 0, 0, 0), "prctl(vma)");
	report(try(SYS_prlimit64, 0, 0, 0, 0, 0, 0), "prlimit64(read)");
	report(try(SYS_prlimit64, 0, 0, (long)"", 0, 0, 0),
	    "prlimit64(write)");
	report(try(SYS_prlimit64, pid, 0, 0, 0, 0, 0), "prlimit64(other)");
	report(try(SYS_tgkill, pid, pid, 0, 0, 0, 0), "tgkill(other)");
}

/* A signal to itself: the one call whose argument each process must find. */
static void
try_self(void)
{
	pid_t	 pid;

	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		sandbox_enter(role, false);
		_exit(syscall(SYS_tgkill, getpid(), getpid(), 0) == -1 ?
		    errno : 0);
	}
	report(outcome_of(pid), "tgkill(self)");
}

static void
try_open(void)
{
	static const struct {
		long		 flags;
		const char	*name;
	} how[] = {
		{ O_RDONLY, "read" }, { O_WRONLY, "write" },
		{ O_RDWR, "read and write" }, { O_CREAT, "create" },
		{ O_TRUNC, "truncate" }, { O_APPEND, "append" },
		{ O_PATH, "path" }, { O_TMPFILE, "temporary" },
		{ O_RDONLY | O_CLOEXEC | O_NOFOLLOW, "read, no link" },
	};
	size_t	 i;

	for (i = 0; i < nitems(how); i++)
		report(try(SYS_openat, AT_FDCWD, (long)"/etc/hosts",
		    how[i].flags, 0, 0, 0), "openat(%s)", how[i].name);
}

/* --- the numbers of other architectures ---------------------------------- */

#ifdef __x86_64__
/* getpid(2) by the i386 gate; a kernel without it makes that a crash. */
static void
try_i386(void)
{
	pid_t	 pid;
	long	 r;
	int	 status;

	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		sandbox_enter(role, false);
		__asm__ volatile ("int $0x80" : "=a" (r) : "0" (20L) :
		    "memory", "cc", "r8", "r9", "r10", "r11");
		_exit(r < 0 ? (int)-r : 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	if (WIFEXITED(status))
		report(WEXITSTATUS(status), "i386 getpid");
}

static void
try_foreign(void)
{
	long	 nr;

	try_i386();
	for (nr = 0; nr <= 560; nr++)
		report(try(X32 + nr, -1, -1, -1, -1, -1, -1), "x32 %ld", nr);
}
#else
static void
try_foreign(void)
{
}
#endif

int
main(int argc, char **argv)
{
	/* A lookupd has one of two jails. */
	if (argc == 2 && strcmp(argv[1], "lookupd-connects") == 0) {
		sandbox_allow_connect();
		argv[1][strlen("lookupd")] = '\0';
	}
	if (argc != 2 || (role = role_parse(argv[1])) == 0)
		errx(1, "usage: enum role");
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Without this, a jail that cannot be entered would look tight. */
	if (try(SYS_getpid, 0, 0, 0, 0, 0, 0) != 0)
		errx(1, "cannot enter the jail of %s", argv[1]);
	try_all();
	try_fcntl();
	try_socket();
	try_sockopt();
	try_memory();
	try_process();
	try_self();
	try_open();
	try_foreign();
	return 0;
}
