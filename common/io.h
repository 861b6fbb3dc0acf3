/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A nonblocking stream, plain or TLS, to somebody else: one callback with
 * an enum of events.  It knows no SMTP.
 *
 * Input is read into one buffer that all streams of the process share, and
 * looked at there; only what the owner leaves unconsumed is kept (copied).
 * Output is gathered and written once per turn of the loop (io_flush_all),
 * or when it exceeds a chunk.  An idle stream holds no buffer.
 *
 * The callback is called from the event loop only, never from inside one of
 * the functions here.  In it the owner may call all of them; having called
 * io_close or io_reset it may free the struct io there and then.
 *
 * A process that has streams must ignore SIGPIPE: libtls writes with
 * write(2).
 */
#ifndef IO_H
#define IO_H

#include <sys/queue.h>
#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct tls;

enum io_event {
	IO_DATA,		/* input is there: io_data, io_consume */
	IO_TLS,			/* the handshake is done */
	IO_TLS_FAIL,		/* it failed: io_error has the reason */
	IO_DRAINED,		/* output fell to the low water, or to none */
	IO_EOF,			/* the other end will send no more */
	IO_FAIL			/* lost: io_error */
};

#define IO_CHUNK	(64 * 1024)	/* shared input buffer, largest write */
#define IO_OUT_MAX	(256 * 1024)	/* hard maximum of queued output */
#define IO_HIGH		(64 * 1024)	/* io_is_full above this */
#define IO_LOW		(16 * 1024)	/* IO_DRAINED at or below this */

struct io {
	int		 fd;			/* -1 = closed */
	unsigned int	 flags;			/* private */
	struct event	 rev;
	struct event	 wev;
	struct tls	*tls;
	void		(*cb)(struct io *, enum io_event);
	void		*arg;
	const char	*view;			/* input: shared or in */
	size_t		 nview;
	size_t		 in_max;
	struct buf	 in;
	struct buf	 out;
	TAILQ_ENTRY(io)	 dirty;
	uint64_t	 octets_in;
	uint64_t	 octets_out;
	const char	*error;			/* private; see io_error */
};

/*
 * Takes a connected, nonblocking descriptor.  in_max: when so much input
 * lies unconsumed no more is read (one read may bring up to IO_CHUNK beyond
 * it); a stream that is not paused and consumes none of it fails.
 */
void	io_init(struct io *, int fd, size_t in_max,
	    void (*cb)(struct io *, enum io_event), void *arg);
/* Begin to read. */
void	io_start(struct io *);
/*
 * Close; what was queued is tried once more.  No event follows.  TLS says
 * goodbye if that is possible without waiting.  reset: end with a RST and
 * send nothing more.
 */
void	io_close(struct io *);
void	io_reset(struct io *);
/* Forget what is queued: before io_close, where no octet more may go out. */
void	io_drop(struct io *);
/*
 * Stop and go on reading.  After io_resume unconsumed input is told again
 * (IO_DATA), from the event loop; then an end of input that came meanwhile
 * (IO_EOF).  Loss (IO_FAIL) and IO_DRAINED are told in a pause too.
 */
void	io_pause(struct io *);
void	io_resume(struct io *);
bool	io_is_paused(const struct io *);
/*
 * -1 and errno: ENOBUFS, it did not fit (over IO_OUT_MAX); ENOMEM; EPIPE,
 * the stream is lost (IO_FAIL comes or came).  Nothing was added.
 */
int	io_write(struct io *, const void *, size_t);
size_t	io_queued(const struct io *);
/*
 * Above IO_HIGH, and not yet back at IO_LOW: IO_DRAINED comes then.  It
 * also comes when output for which the other end made us wait is all gone.
 */
bool	io_is_full(const struct io *);
/* Write now what is queued. */
void	io_flush(struct io *);
/*
 * What is written from now on is a secret, or is none any more: the memory
 * in which output waits is wiped when it is given back.  Off again only
 * once nothing is queued.
 */
void	io_secret(struct io *, bool);
/* Once per turn. */
void	io_flush_all(void);

/*
 * The unconsumed input, in IO_DATA or at another time.  In IO_DATA what was
 * consumed may be looked at until the callback returns, else it is gone.
 */
const char *io_data(const struct io *, size_t *);
void	io_consume(struct io *, size_t);
/* Is there input that nobody looked at (for STARTTLS)? */
bool	io_has_input(const struct io *);

/*
 * TLS from here on, on a stream whose input is consumed (else it is dropped)
 * and whose output is written (it is flushed first).  It starts the stream;
 * IO_TLS or IO_TLS_FAIL follows.  -1: no memory, or the output could not be
 * written: close it.
 * server: a configured server context; the stream gets its own struct tls.
 * client: a configured client context, which is taken; name: for SNI where
 * it is no address, may be NULL.
 */
int	io_tls_server(struct io *, struct tls *server);
int	io_tls_client(struct io *, struct tls *client, const char *name);
/* What went wrong: for the log.  Valid until the stream is closed. */
const char *io_error(const struct io *);

#endif
