/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd: what is known about addresses, and remembered for all.
 *
 *	verifyd.c	the process: who asks, and which part answers
 *
 * It opens nothing and connects nowhere: files come from the parent as
 * descriptors, names from resolved.
 */
#ifndef VERIFYD_H
#define VERIFYD_H

#endif
