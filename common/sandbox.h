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
 * Before that, for R_LOOKUPD: it may read what is at this path, a file or a
 * directory and all below it; or write there and make files, too.  What is
 * not there cannot be allowed.  Other roles have what their tables say.
 */
void	sandbox_allow(const char *path, bool write);
/* It may connect, and then not write. */
void	sandbox_allow_connect(void);
/*
 * Enter the jail of a role (R_* of config.h); never left.  debug: a
 * forbidden call is named on stderr before it kills.  Fatal on failure.
 */
void	sandbox_enter(unsigned int role, bool debug);
/* What is in force, for the log: "seccomp landlock-7", "none". */
const char *sandbox_kind(void);

#endif
