/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What io.c and io_tls.c know of each other; nobody else includes this.
 */
#ifndef IO_PRIVATE_H
#define IO_PRIVATE_H

#include "io.h"

/* io.flags */
#define F_READING	0x00001		/* rev is added */
#define F_WRITING	0x00002		/* wev is added */
#define F_PAUSED	0x00004
#define F_DIRTY		0x00008		/* on the dirty list */
#define F_SHOWING	0x00010		/* in IO_DATA: view is valid */
#define F_FROM_IN	0x00020		/* view lies in the buffer in */
#define F_AGAIN		0x00040		/* resumed: show the leftover */
#define F_EOF		0x00080		/* there is no more to read */
#define F_EOF_TOLD	0x00100
#define F_BROKEN	0x00200		/* lost */
#define F_BROKEN_TOLD	0x00400
#define F_FULL		0x00800		/* over IO_HIGH, not yet at IO_LOW */
#define F_BLOCKED	0x01000		/* the socket took less than all */
#define F_DRAINED	0x02000		/* IO_DRAINED is owed */
#define F_HANDSHAKE	0x04000
#define F_READ_WAITS	0x08000		/* tls_read waits to write */
#define F_WRITE_WAITS	0x10000		/* tls_write waits to read */
#define F_TLS_ERROR	0x20000		/* libtls knows what is wrong */
#define F_WOKEN		0x40000		/* io_wake was called */

static inline bool
has(const struct io *io, unsigned int flag)
{
	return (io->flags & flag) != 0;
}

/* --- io.c ---------------------------------------------------------------- */

/* Have the stream looked at soon, from the loop. */
void	io_wake(struct io *);
void	io_read_on(struct io *);
void	io_read_off(struct io *);
void	io_write_on(struct io *);
void	io_write_off(struct io *);
/* Lost: tell it, from the loop, and do no more.  why is static. */
void	io_broken(struct io *, const char *why);
/* The other end will send no more. */
void	io_no_more(struct io *);
/*
 * Call the owner.  false: it closed the stream, which may not exist any
 * more.
 */
bool	io_tell(struct io *, enum io_event);
/* Write what can be written. */
void	io_output(struct io *);

/* --- io_tls.c ------------------------------------------------------------ */

/* Read up to n octets.  0: none; end and loss are noted in the flags. */
size_t	io_tls_read(struct io *, char *, size_t n);
/* Write from out what can be written. */
void	io_tls_send(struct io *);
/* Go on with the handshake; calls the owner when it is over. */
void	io_tls_handshake(struct io *);
/* Say that we will send no more, if that is possible without waiting. */
void	io_tls_goodbye(struct io *);
void	io_tls_free(struct io *);
const char *io_tls_error(const struct io *);

#endif
