/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * No jail: for builds with sanitizers, which need calls of their own, and
 * for systems that have none.  The filter of a release is never widened for
 * them.  Said by sandbox_kind() and so in the log; the root directory, the
 * ids and the limits are given up as everywhere (proc.c).
 */
#include "sandbox.h"

void
sandbox_allow(const char *path, bool write)
{
	(void)path;
	(void)write;
}

void
sandbox_allow_connect(void)
{
	/* Nothing keeps it from that. */
}

void
sandbox_enter(unsigned int role, bool debug)
{
	(void)role;
	(void)debug;
}

const char *
sandbox_kind(void)
{
	return "none";
}
