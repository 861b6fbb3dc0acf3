/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the two ends of a measurement, load.c and sink.c, have in common: a
 * socket on loopback that never blocks, plain or under TLS, and the clock.
 *
 * None of this is common/io.c: an end must cost the same whatever becomes of
 * the daemon's own code, or no two tables could be compared.
 */
#ifndef STREAM_H
#define STREAM_H

#include <sys/types.h>

#include <stdint.h>

#define STREAM_WAIT	(-2)

struct tls;

struct stream {
	int		 fd;
	struct tls	*tls;		/* NULL = plain */
	short		 want;		/* what poll(2) shall wait for */
};

/* Microseconds that never go back. */
uint64_t	now_us(void);

/* A socket connected to the port, or trying to; -1 and errno. */
int		stream_connect(uint16_t port);
/* A socket listening at a free port, put in *port; exits on failure. */
int		stream_listen(uint16_t *port);
/* The next client, -1 if there is none. */
int		stream_accept(int);

/*
 * What was read or written, 0 at the end, -1 if it broke; STREAM_WAIT: call
 * again with the same octets when poll(2) has what is in want.
 */
ssize_t		stream_read(struct stream *, void *, size_t);
ssize_t		stream_write(struct stream *, const void *, size_t);
/* 0 = the handshake is done, -1 = it failed, or STREAM_WAIT. */
int		stream_handshake(struct stream *);
/* At once: what TLS has to say at its end is not said. */
void		stream_close(struct stream *);

#endif
