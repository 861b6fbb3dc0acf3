/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * System calls made in the name of a running process, by ptrace(2): what it
 * may do is seen in the real program, with the jail that it is really in.
 */
#ifndef INJECT_H
#define INJECT_H

#include <sys/types.h>
#include <sys/user.h>

#include <stddef.h>

struct inject {
	pid_t			 pid;
	struct user_regs_struct	 saved;
	unsigned long		 data;	/* where inject_data goes on */
};

enum inject_end {
	INJECT_RAN,		/* result or -errno is there */
	INJECT_KILLED,		/* it died of SIGSYS */
	INJECT_DIED		/* it died of something else */
};

/* Stop the process inside a system call of its own; -1 with errno. */
int	inject_attach(struct inject *, pid_t);
/* Copy octets into its stack, below all that is in use: their address. */
long	inject_data(struct inject *, const void *, size_t);
/* Make a call; the six arguments are as in a register each. */
enum inject_end inject_call(struct inject *, long nr, const long arg[6],
	    long *result);
/* Let it go on where it was; not after its death. */
void	inject_detach(struct inject *);

#endif
