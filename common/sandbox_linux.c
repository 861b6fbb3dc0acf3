/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The jail on Linux: a seccomp filter, and landlock where the kernel has it.
 *
 * Two tables say what a role may do: allowed[], with conditions on arguments
 * where the call alone says too little, and answered[], what libc, OpenSSL
 * and c-ares try and can do without: an error, not death.  A call that is in
 * neither ends the process (SIGSYS), and so does one made by another
 * architecture's numbers.  regress/privsep holds the outcome for every
 * number there is, so a wider table shows twice in a diff.
 *
 * A filter sees numbers, never what a pointer leads to: who may connect
 * where is decided by which process has connect(2) at all.  Files and TCP
 * ports are landlock's part, which is best effort: sandbox_kind() says what
 * is in force, and the filter alone keeps every role but resolved from all
 * files.
 *
 * With debug the filter traps instead, and a handler names the call before
 * the process dies all the same: a missing row is found in minutes, and
 * nobody is tempted to switch the jail off.  Not the way to run in public: a
 * process that is taken over can take the signal for itself, although never
 * the call.
 *
 * Rejected: own BPF (libseccomp is read by more eyes), an errno for all that
 * is forbidden (an attacker gets to try again), a wider filter for
 * sanitizers (sandbox_none.c instead).
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "proto.h"
#include "sandbox.h"
#include "util.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#define DATA_MAX	((rlim_t)1024 * 1024 * 1024)

/* --- the tables ---------------------------------------------------------- */

/* Those that have a jail here; R_ALL would give to roles nobody thought of. */
#define S		R_SMTPD
#define D		R_DIALER
#define N		R_RESOLVED
#define V		R_VERIFYD
#define L		R_LOOKUPD
#define P		R_PROXYD	/* the least of all: pipes, memory */
#define Q		0x10000		/* a lookupd that connects */
#define ALL		(S | D | N | V | L | P | Q)
#define NOT_P		(S | D | N | V | L | Q)

#define NARGS		2

/* These bits of argument n are exactly value; mask 0 = no condition. */
struct arg {
	unsigned int	n;
	uint64_t	mask;
	uint64_t	value;
};

struct call {
	int		nr;
	unsigned int	roles;
	int		error;		/* what it answers; 0 = allowed */
	struct arg	arg[NARGS];
};

#define CALL(name, who)		{ .nr = SCMP_SYS(name), .roles = (who) }
#define CALL_IF(name, who, ...)						\
	{ .nr = SCMP_SYS(name), .roles = (who), .arg = { __VA_ARGS__ } }
#define FAIL(name, who, e)						\
	{ .nr = SCMP_SYS(name), .roles = (who), .error = (e) }
#define FAIL_IF(name, who, e, ...)					\
	{ .nr = SCMP_SYS(name), .roles = (who), .error = (e),		\
	    .arg = { __VA_ARGS__ } }

/* The kernel takes 32 bits of an int; what is above them may be anything. */
#define INT(n, v)		{ (n), UINT32_MAX, (uint32_t)(v) }
#define BITS(n, m, v)		{ (n), (uint32_t)(m), (uint32_t)(v) }
#define NIL(n)			{ (n), UINT64_MAX, 0 }

#define SOCK_TYPE(n, v)							\
	BITS(n, ~(SOCK_CLOEXEC | SOCK_NONBLOCK), v)
#define FUTEX_DOES(v)							\
	BITS(1, ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), v)
#define OPEN_WRITES							\
	(O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_TMPFILE | O_PATH)

/* An option of a socket by its level and name. */
#define SOCKOPT(level, name)	INT(1, level), INT(2, name)

static const struct call allowed[] = {
	/* what came over the pipes, or was given */
	CALL(read, NOT_P),
	CALL(readv, NOT_P),
	CALL(write, ALL),
	CALL(writev, NOT_P),
	CALL(recvmsg, ALL),
	CALL(sendmsg, ALL),
	CALL_IF(sendto, S | D | V | L, NIL(4)),	/* send(2): log lines */
	CALL(sendto, N | Q),
	CALL(recvfrom, S | V | N | Q),
	CALL(close, ALL),
	CALL(shutdown, ALL),		/* a pipe, where memory ends */
	CALL_IF(fcntl, NOT_P, INT(1, F_GETFD)),
	CALL_IF(fcntl, NOT_P, INT(1, F_SETFD)),
	CALL_IF(fcntl, NOT_P, INT(1, F_GETFL)),
	CALL_IF(fcntl, NOT_P, INT(1, F_SETFL)),
	CALL_IF(fcntl, L, INT(1, F_GETLK)),
	CALL_IF(fcntl, L, INT(1, F_SETLK)),

	/* waiting */
	CALL(epoll_ctl, ALL),
	CALL(epoll_wait, ALL),
	CALL(epoll_pwait, ALL),
	CALL(poll, ALL),		/* the last words, before it ends */
	CALL(ppoll, ALL),
	CALL(nanosleep, NOT_P),
	CALL(clock_nanosleep, NOT_P),
	CALL(restart_syscall, ALL),
	CALL(sched_yield, NOT_P),

	/* memory: never both written and run */
	CALL(brk, ALL),
	CALL_IF(mmap, ALL, BITS(2, PROT_EXEC, 0),
	    BITS(3, MAP_TYPE, MAP_PRIVATE)),
	CALL_IF(mmap, L, BITS(2, PROT_EXEC, 0),
	    BITS(3, MAP_TYPE, MAP_SHARED)),	/* SQLite's -shm */
	CALL_IF(mprotect, ALL, BITS(2, PROT_EXEC, 0)),
	CALL(munmap, ALL),
	CALL(mremap, ALL),
	CALL_IF(madvise, ALL, INT(2, MADV_NORMAL)),
	CALL_IF(madvise, ALL, INT(2, MADV_DONTNEED)),
	CALL_IF(madvise, ALL, INT(2, MADV_FREE)),
	CALL_IF(madvise, NOT_P, INT(2, MADV_DONTDUMP)),
	CALL_IF(madvise, NOT_P, INT(2, MADV_WIPEONFORK)),
	CALL_IF(futex, ALL, FUTEX_DOES(FUTEX_WAIT)),
	CALL_IF(futex, ALL, FUTEX_DOES(FUTEX_WAKE)),
	CALL_IF(futex, ALL, FUTEX_DOES(FUTEX_WAIT_BITSET)),
	CALL_IF(futex, ALL, FUTEX_DOES(FUTEX_WAKE_BITSET)),

	/* clocks: the vDSO's way out; chance; the process itself */
	CALL(clock_gettime, ALL),
	CALL(gettimeofday, ALL),
	CALL(time, NOT_P),
	CALL(getrandom, ALL),
	CALL(getpid, ALL),
	CALL(gettid, NOT_P),
	CALL(uname, NOT_P),
	CALL_IF(prlimit64, NOT_P, INT(0, 0), NIL(2)),	/* getrlimit(2) */
	CALL(rt_sigaction, ALL),
	CALL(rt_sigprocmask, ALL),
	CALL(rt_sigreturn, ALL),
	CALL(sigaltstack, NOT_P),
	CALL(exit, ALL),
	CALL(exit_group, ALL),

	/* clients; next hops come connected, from the dialer */
	CALL(accept4, S),
	CALL(getsockname, NOT_P),
	CALL(getpeername, S | Q),
	CALL_IF(getsockopt, S | D | Q, SOCKOPT(SOL_SOCKET, SO_ERROR)),
	CALL_IF(getsockopt, S | Q, SOCKOPT(SOL_SOCKET, SO_PEERCRED)),
	CALL_IF(setsockopt, NOT_P, SOCKOPT(IPPROTO_TCP, TCP_NODELAY)),
	CALL_IF(setsockopt, S | Q, SOCKOPT(SOL_SOCKET, SO_KEEPALIVE)),
	CALL_IF(setsockopt, Q, SOCKOPT(IPPROTO_TCP, TCP_KEEPIDLE)),
	CALL_IF(setsockopt, Q, SOCKOPT(IPPROTO_TCP, TCP_KEEPINTVL)),
	CALL_IF(setsockopt, Q, SOCKOPT(IPPROTO_TCP, TCP_KEEPCNT)),
	CALL_IF(setsockopt, Q, SOCKOPT(IPPROTO_TCP, TCP_USER_TIMEOUT)),
	CALL_IF(setsockopt, S, SOCKOPT(SOL_SOCKET, SO_LINGER)),

	/* the dialer connects and never reads; resolved asks name servers */
	CALL_IF(socket, D | N | Q, INT(0, AF_INET), SOCK_TYPE(1, SOCK_STREAM)),
	CALL_IF(socket, D | N | Q, INT(0, AF_INET6),
	    SOCK_TYPE(1, SOCK_STREAM)),
	CALL_IF(socket, Q, INT(0, AF_UNIX), SOCK_TYPE(1, SOCK_STREAM)),
	CALL_IF(socket, N, INT(0, AF_INET), SOCK_TYPE(1, SOCK_DGRAM)),
	CALL_IF(socket, N, INT(0, AF_INET6), SOCK_TYPE(1, SOCK_DGRAM)),
	CALL(connect, D | N | Q),
	CALL(bind, D),			/* to a remote's source */
	CALL_IF(setsockopt, D, SOCKOPT(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)),

	/* resolv.conf and hosts, read anew; landlock knows which files */
	CALL_IF(openat, N | Q, BITS(2, OPEN_WRITES, 0)),
	CALL(lseek, N | V | L | Q),	/* verifyd: in files it was given */

	/* a database; landlock knows where */
	CALL(openat, L),
	CALL(pread64, V | L),
	CALL(pwrite64, V | L),		/* verifyd: the cache's new file */
	CALL(fsync, L),
	CALL(fdatasync, L),
	CALL(ftruncate, L),
	CALL(fchmod, L),
	CALL(unlink, L),
	CALL(geteuid, L | Q),
	CALL(access, L | Q),
	CALL(stat, L | Q),
	CALL(lstat, L | Q),
	CALL(fstat, L | Q),
	CALL(newfstatat, L | Q),
	CALL(readlink, L | Q),
};

#define NO_FILES	(S | D | N | V | P)

/*
 * No files: what looks for one (localtime, openssl.cnf, a locale, nscd) is
 * told that it may not.  Not there: calls with an older or a softer way
 * behind them, among them what qsort(3) asks for the size of the memory
 * and malloc(3) for the number of CPUs when memory ends.
 */
static const struct call answered[] = {
	FAIL(open, ALL, EACCES),
	FAIL(openat, S | D | V | P, EACCES),
	FAIL(access, NO_FILES, EACCES),
	FAIL(faccessat, ALL, EACCES),
	FAIL(stat, NO_FILES, EACCES),
	FAIL(lstat, NO_FILES, EACCES),
	FAIL(fstat, NO_FILES, EACCES),
	FAIL(newfstatat, NO_FILES, EACCES),
	FAIL(readlink, NO_FILES, EACCES),
	FAIL(readlinkat, ALL, EACCES),
	FAIL(ioctl, ALL, EACCES),
	FAIL(fchown, L, EACCES),
	FAIL_IF(socket, S | D | N | V | L, EACCES, INT(0, AF_UNIX)),

	FAIL(openat2, ALL, ENOSYS),
	FAIL(faccessat2, ALL, ENOSYS),
	FAIL(statx, ALL, ENOSYS),
	FAIL(close_range, ALL, ENOSYS),
	FAIL(epoll_pwait2, ALL, ENOSYS),
	FAIL(clone3, ALL, ENOSYS),
	FAIL(rseq, ALL, ENOSYS),
	FAIL(set_robust_list, ALL, ENOSYS),
	FAIL(sysinfo, ALL, ENOSYS),
	FAIL(sched_getaffinity, ALL, ENOSYS),
	FAIL_IF(prctl, ALL, ENOSYS, INT(0, PR_SET_VMA)),
};

/* --- landlock ------------------------------------------------------------ */

/*
 * Constants and structs of our own: the headers of the system that builds
 * postern are often older than the kernel that runs it.
 */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_add_rule		445
#define __NR_landlock_restrict_self	446
#endif

#define LL_VERSION		0x1	/* flag: tell the ABI */
#define LL_RULE_PATH		1
#define LL_RULE_PORT		2
#define LL_FS_WRITE_FILE	0x2
#define LL_FS_READ_FILE		0x4
#define LL_FS_READ_DIR		0x8
#define LL_FS_REMOVE_FILE	0x20
#define LL_FS_MAKE_REG		0x100
#define LL_FS_TRUNCATE		0x4000	/* from ABI 3 */
#define LL_NET_BIND		0x1
#define LL_NET_CONNECT		0x2
#define LL_SCOPE_ALL		0x3	/* abstract sockets, signals */

struct ll_ruleset {
	uint64_t	fs;
	uint64_t	net;		/* from ABI 4 */
	uint64_t	scoped;		/* from ABI 6 */
};

struct ll_path {
	uint64_t	access;
	int32_t		fd;
} __attribute__((__packed__));

struct ll_port {
	uint64_t	access;
	uint64_t	port;
};

/* What c-ares reads when it starts, is set up anew, or looks for a host. */
static const char *const	resolved_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
	"/etc/host.conf", "/etc/svc.conf", "/dev/urandom"
};

/* What sandbox_allow() was told. */
static struct {
	char	**path;
	bool	 *write;
	size_t	  n;
	bool	  connect;
} extra;

static char	kind[48] = "none";

/* Every right over files that this ABI knows. */
static uint64_t
ll_fs_rights(long abi)
{
	uint64_t	 rights = 0x1fff;

	if (abi >= 2)
		rights |= 0x2000;	/* refer */
	if (abi >= 3)
		rights |= 0x4000;	/* truncate */
	if (abi >= 5)
		rights |= 0x8000;	/* ioctl of devices */
	return rights;
}

/*
 * A file that is not there is not one to read.  Landlock knows files, not
 * names: one that is put in its place later stays closed to this process.
 */
static void
ll_allow_path(int ruleset, const char *path, uint64_t rights)
{
	struct ll_path	 rule = { rights, -1 };

	if ((rule.fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return;
	if (syscall(__NR_landlock_add_rule, ruleset, LL_RULE_PATH, &rule,
	    0) == -1)
		log_warn("landlock: %s", path);
	close(rule.fd);
}

/* Of what is no directory only the rights over files may be named. */
static void
ll_allow_extra(int ruleset, size_t i, long abi)
{
	struct stat	 st;
	uint64_t	 rights = LL_FS_READ_FILE;

	if (stat(extra.path[i], &st) == -1)
		return;
	if (extra.write[i])
		rights |= LL_FS_WRITE_FILE;
	if (extra.write[i] && abi >= 3)
		rights |= LL_FS_TRUNCATE;
	if (S_ISDIR(st.st_mode)) {
		rights |= LL_FS_READ_DIR;
		if (extra.write[i])
			rights |= LL_FS_MAKE_REG | LL_FS_REMOVE_FILE;
	}
	ll_allow_path(ruleset, extra.path[i], rights);
}

/* Binding to an address is the dialer's right, choosing a port is not. */
static void
ll_allow_port_0(int ruleset)
{
	struct ll_port	 rule = { LL_NET_BIND, 0 };

	if (syscall(__NR_landlock_add_rule, ruleset, LL_RULE_PORT, &rule,
	    0) == -1)
		log_warn("landlock: port 0");
}

/*
 * Give up files, TCP ports, abstract sockets and other processes.  Where a
 * role connects, the ports stay open: they come from the configuration and
 * a reload may bring others.
 */
static long
landlock_enter(unsigned int role)
{
	struct ll_ruleset	 attr = { 0, 0, 0 };
	size_t			 i, len;
	long			 abi;
	int			 fd;

	abi = syscall(__NR_landlock_create_ruleset, NULL, 0, LL_VERSION);
	if (abi < 1)
		return 0;
	len = sizeof(attr.fs);
	attr.fs = ll_fs_rights(abi);
	if (abi >= 4) {
		len += sizeof(attr.net);
		attr.net = LL_NET_BIND;
		if ((role & (D | N | Q)) == 0)
			attr.net |= LL_NET_CONNECT;
	}
	if (abi >= 6) {
		len += sizeof(attr.scoped);
		attr.scoped = LL_SCOPE_ALL;
	}
	fd = (int)syscall(__NR_landlock_create_ruleset, &attr, len, 0);
	if (fd == -1) {
		log_warn("landlock_create_ruleset");
		return 0;
	}
	for (i = 0; role == R_RESOLVED && i < nitems(resolved_files); i++)
		ll_allow_path(fd, resolved_files[i], LL_FS_READ_FILE);
	for (i = 0; (role & (L | Q)) != 0 && i < extra.n; i++)
		ll_allow_extra(fd, i, abi);
	if (role == R_DIALER && abi >= 4)
		ll_allow_port_0(fd);
	if (syscall(__NR_landlock_restrict_self, fd, 0) == -1) {
		log_warn("landlock_restrict_self");
		abi = 0;
	}
	close(fd);
	return abi;
}

/* --- debug: name the call, then die -------------------------------------- */

#define NAMES	1024

static struct {
	char	 begin[64];		/* "postern: smtpd: bad ..." */
	char	*name[NAMES];
} bad;

/* As strlcat, for a handler: nothing that could lock or allocate. */
static size_t
append(char *to, size_t len, size_t size, const char *from)
{
	while (*from != '\0' && len + 1 < size)
		to[len++] = *from++;
	to[len] = '\0';
	return len;
}

static size_t
append_number(char *to, size_t len, size_t size, unsigned int number)
{
	char		 digits[16];
	size_t		 at = sizeof(digits);

	digits[--at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	return append(to, len, size, digits + at);
}

static void
bad_call(int sig, siginfo_t *info, void *context)
{
	char			 line[192];
	const char		*name = "unknown";
	unsigned int		 nr = (unsigned int)info->si_syscall;
	size_t			 len;
	struct sigaction	 sa;
	ssize_t			 ignored;

	(void)context;
	if (nr < NAMES && bad.name[nr] != NULL)
		name = bad.name[nr];
	len = append(line, 0, sizeof(line), bad.begin);
	len = append(line, len, sizeof(line), name);
	len = append(line, len, sizeof(line), " (");
	len = append_number(line, len, sizeof(line), nr);
	len = append(line, len, sizeof(line), ")\n");
	ignored = write(STDERR_FILENO, line, len);
	(void)ignored;

	/* It is blocked while we are here, and comes at the return. */
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	if (sigaction(sig, &sa, NULL) == -1 || raise(sig) != 0)
		_exit(1);
}

/* The names are looked up now: in the handler nothing may be allocated. */
static void
bad_call_init(unsigned int role)
{
	struct sigaction	 sa;
	int			 i;

	snprintf(bad.begin, sizeof(bad.begin),
	    "postern: %s: bad system call ", role_name(role == Q ? L : role));
	for (i = 0; i < NAMES; i++)
		bad.name[i] = seccomp_syscall_resolve_num_arch(
		    SCMP_ARCH_NATIVE, i);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = bad_call;
	sa.sa_flags = SA_SIGINFO;
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL) == -1)
		fatal("sigaction");
}

/* --- seccomp ------------------------------------------------------------- */

static void
filter_add(scmp_filter_ctx ctx, const struct call *c)
{
	struct scmp_arg_cmp	 cmp[NARGS];
	uint32_t		 action;
	unsigned int		 n;
	int			 error;

	action = c->error == 0 ? SCMP_ACT_ALLOW :
	    SCMP_ACT_ERRNO((unsigned int)c->error);
	for (n = 0; n < NARGS && c->arg[n].mask != 0; n++) {
		cmp[n].arg = c->arg[n].n;
		cmp[n].op = SCMP_CMP_MASKED_EQ;
		cmp[n].datum_a = c->arg[n].mask;
		cmp[n].datum_b = c->arg[n].value;
	}
	error = seccomp_rule_add_array(ctx, action, c->nr, n, cmp);
	if (error != 0)
		fatalx("seccomp rule %d: %s", c->nr, strerror(-error));
}

/* A signal to itself, for raise(3) and abort(3); the pid is known only now. */
static void
filter_add_self(scmp_filter_ctx ctx)
{
	const struct call	 self = CALL_IF(tgkill, ALL,
				    INT(0, getpid()));

	filter_add(ctx, &self);
}

static void
filter_set(scmp_filter_ctx ctx, enum scmp_filter_attr attr, uint32_t value)
{
	int	 error;

	if ((error = seccomp_attr_set(ctx, attr, value)) != 0)
		fatalx("seccomp attribute %d: %s", (int)attr,
		    strerror(-error));
}

static void
filter_enter(unsigned int role, bool debug)
{
	scmp_filter_ctx	 ctx;
	size_t		 i;
	int		 error;

	ctx = seccomp_init(debug ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		fatalx("seccomp_init failed");
	filter_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	filter_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* A tree: the price of a call does not grow with the table. */
	filter_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; i < nitems(allowed); i++)
		if (allowed[i].roles & role)
			filter_add(ctx, &allowed[i]);
	for (i = 0; i < nitems(answered); i++)
		if (answered[i].roles & role)
			filter_add(ctx, &answered[i]);
	filter_add_self(ctx);
	if ((error = seccomp_load(ctx)) != 0)
		fatalx("no seccomp, no %s: %s", role_name(role == Q ? L : role),
		    strerror(-error));
	seccomp_release(ctx);
}

void
sandbox_allow(const char *path, bool write)
{
	extra.path = xreallocarray(extra.path, extra.n + 1,
	    sizeof(*extra.path));
	extra.write = xreallocarray(extra.write, extra.n + 1,
	    sizeof(*extra.write));
	extra.path[extra.n] = xstrdup(path);
	extra.write[extra.n++] = write;
}

void
sandbox_allow_connect(void)
{
	extra.connect = true;
}

/* libpq takes as much memory as the server says that a row has. */
static void
memory_enter(void)
{
	struct rlimit	 rl = { DATA_MAX, DATA_MAX };

	if (setrlimit(RLIMIT_DATA, &rl) == -1)
		log_warn("setrlimit");
}

void
sandbox_enter(unsigned int role, bool debug)
{
	long	 abi;

	if (role == L && extra.connect)
		role = Q;
	if ((role & ALL) == 0 || (role & (role - 1)) != 0)
		fatalx("no jail for role %#x", role);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("no_new_privs");
	if (role == Q)
		memory_enter();
	abi = landlock_enter(role);
	if (debug)
		bad_call_init(role);
	filter_enter(role, debug);
	if (abi > 0)
		snprintf(kind, sizeof(kind), "seccomp landlock-%ld", abi);
	else
		snprintf(kind, sizeof(kind), "seccomp");
}

const char *
sandbox_kind(void)
{
	return kind;
}
