/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The jail's last wall.  One call, after all other privileges are gone; one
 * file per system behind it (sandbox_linux.c: seccomp, and landlock where
 * the kernel has it; sandbox_openbsd.c: pledge and unveil;
 * sandbox_none.c: sanitizer builds).
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

/*
 * Enter the jail of a role (R_* of config.h); never left.  debug: a
 * forbidden call is named on stderr before it kills.  Fatal on failure.
 */
void	sandbox_enter(unsigned int role, bool debug);
/* What is in force, for the log: "seccomp landlock-7", "none". */
const char *sandbox_kind(void);

#endif
