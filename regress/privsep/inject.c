/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * See inject.h.
 *
 * A daemon that waits is inside a system call, so the instruction behind
 * its program counter is "syscall".  The registers are changed, that
 * instruction is stepped over once more, and the registers are put back.
 * What it waited in ends with EINTR, as by any signal.
 *
 * The tracer changes nothing about the filter: it looks at the call after
 * ptrace has set the registers, and kills (or, with debug, traps) as it
 * would without a tracer.
 */
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "inject.h"

#ifndef __x86_64__
#error "registers of x86-64 only: see run.sh"
#endif

#define SYSCALL_OP	0x050f		/* 0f 05 */
#define SYSCALL_LEN	2
#define STACK_GAP	2048		/* below the red zone */
#define TRIES		100

/* Wait for a stop: 0; 1 if it is dead, with its status. */
static int
wait_stop(pid_t pid, int *status)
{
	while (waitpid(pid, status, __WALL) == -1)
		if (errno != EINTR)
			err(1, "waitpid %d", (int)pid);
	return WIFSTOPPED(*status) ? 0 : 1;
}

static void
set_regs(struct inject *in, const struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_SETREGS, in->pid, NULL, regs) == -1)
		err(1, "PTRACE_SETREGS");
}

static int
stop(pid_t pid)
{
	int	 status;

	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1)
		return -1;
	if (wait_stop(pid, &status) != 0) {
		errno = ESRCH;
		return -1;
	}
	return 0;
}

/* It was not waiting: let it run to its next call, which is then undone. */
static int
run_to_call(struct inject *in)
{
	int	 status;

	if (ptrace(PTRACE_SYSCALL, in->pid, NULL, NULL) == -1)
		return -1;
	if (wait_stop(in->pid, &status) != 0) {
		errno = ESRCH;
		return -1;
	}
	if (ptrace(PTRACE_CONT, in->pid, NULL, NULL) == -1)
		return -1;
	return stop(in->pid);
}

int
inject_attach(struct inject *in, pid_t pid)
{
	long	 op;
	int	 tries;

	in->pid = pid;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1 || stop(pid) == -1)
		return -1;
	for (tries = 0; tries < TRIES; tries++) {
		if (ptrace(PTRACE_GETREGS, pid, NULL, &in->saved) == -1)
			return -1;
		errno = 0;
		op = ptrace(PTRACE_PEEKTEXT, pid,
		    (void *)(uintptr_t)(in->saved.rip - SYSCALL_LEN), NULL);
		if (op == -1 && errno != 0)
			return -1;
		if ((op & 0xffff) == SYSCALL_OP) {
			in->data = (in->saved.rsp - STACK_GAP) & ~0xfUL;
			return 0;
		}
		if (run_to_call(in) == -1)
			return -1;
	}
	errno = EBUSY;
	return -1;
}

long
inject_data(struct inject *in, const void *data, size_t len)
{
	char		 copy[1024];
	struct iovec	 from = { copy, len }, to;

	if (len > sizeof(copy))
		errx(1, "too much to inject");
	memcpy(copy, data, len);
	in->data = (in->data - len) & ~0xfUL;
	to.iov_base = (void *)(uintptr_t)in->data;
	to.iov_len = len;
	if (process_vm_writev(in->pid, &from, 1, &to, 1, 0) != (ssize_t)len)
		err(1, "process_vm_writev");
	return (long)in->data;
}

/*
 * A signal stopped it in the middle: pass it on until it is dead.  SIGTRAP
 * is our own, left from the step when SIGSYS came first.
 */
static enum inject_end
see_it_die(struct inject *in, int status)
{
	int	 sig;

	while (WIFSTOPPED(status)) {
		sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		if (ptrace(PTRACE_CONT, in->pid, NULL,
		    (void *)(uintptr_t)sig) == -1)
			err(1, "PTRACE_CONT");
		(void)wait_stop(in->pid, &status);
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return INJECT_KILLED;
	return INJECT_DIED;
}

enum inject_end
inject_call(struct inject *in, long nr, const long arg[6], long *result)
{
	struct user_regs_struct	 regs = in->saved;
	int			 status;

	regs.rip -= SYSCALL_LEN;
	regs.orig_rax = (unsigned long)-1;	/* nothing to restart */
	regs.rax = (unsigned long)nr;
	regs.rdi = (unsigned long)arg[0];
	regs.rsi = (unsigned long)arg[1];
	regs.rdx = (unsigned long)arg[2];
	regs.r10 = (unsigned long)arg[3];
	regs.r8 = (unsigned long)arg[4];
	regs.r9 = (unsigned long)arg[5];
	set_regs(in, &regs);
	if (ptrace(PTRACE_SINGLESTEP, in->pid, NULL, NULL) == -1)
		err(1, "PTRACE_SINGLESTEP");
	if (wait_stop(in->pid, &status) != 0 || WSTOPSIG(status) != SIGTRAP)
		return see_it_die(in, status);
	if (ptrace(PTRACE_GETREGS, in->pid, NULL, &regs) == -1)
		err(1, "PTRACE_GETREGS");
	*result = (long)regs.rax;
	return INJECT_RAN;
}

void
inject_detach(struct inject *in)
{
	/*
	 * The call it waited in was interrupted, and must not be restarted
	 * by hand: give it EINTR, which every loop here expects.  That it
	 * was killed meanwhile is for the caller to see.
	 */
	in->saved.orig_rax = (unsigned long)-1;
	in->saved.rax = (unsigned long)-EINTR;
	if (ptrace(PTRACE_SETREGS, in->pid, NULL, &in->saved) == -1 ||
	    ptrace(PTRACE_DETACH, in->pid, NULL, NULL) == -1)
		if (errno != ESRCH)
			err(1, "cannot let %d go", (int)in->pid);
}
