/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A growable queue of octets with a hard maximum: the only one.  Empty, it
 * holds no memory, so that an idle session costs none.
 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char	*data;
	size_t	 off;		/* where the content begins */
	size_t	 len;		/* of the content */
	size_t	 size;		/* allocated */
	size_t	 max;
	bool	 secret;	/* wiped when freed or moved */
};

/* Empty, and never more than max octets. */
void	 buf_init(struct buf *, size_t max);
/* Free the content; the maximum stays. */
void	 buf_clear(struct buf *);
/* -1 and errno ENOBUFS (beyond max) or ENOMEM; then nothing was added. */
int	 buf_add(struct buf *, const void *, size_t);
/* Drop n octets from the front; what is empty is freed. */
void	 buf_drain(struct buf *, size_t n);
/* Where the content begins; NULL when there is none. */
char	*buf_data(const struct buf *);

#endif
