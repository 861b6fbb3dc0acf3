/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions of scripts: would that server take this recipient?
 */
#ifndef RCPTTO_H
#define RCPTTO_H

#include <stddef.h>

struct msg;
struct peer;

/* PROBE: -1 if it is none. */
int	rcptto_probe(struct peer *, struct msg *);
/* Its asker has gone. */
void	rcptto_peer_down(const struct peer *);
int	rcptto_stats(char *, size_t);

#endif
