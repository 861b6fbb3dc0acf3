/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Frames on a socketpair: { u32 len, u16 type, u16 flags, u64 sid, u32 seq }
 * and a payload, with at most one descriptor.  A frame's payload is at most
 * MSG_FRAME_MAX octets; a longer message goes as several frames with
 * FRAME_MORE, one behind the other, and comes out whole (at most MSG_MAX).
 *
 * No event loop here: peer.c has that.
 */
#ifndef MSG_H
#define MSG_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "wire.h"

#define MSG_HEADER	20
#define MSG_FRAME_MAX	(16 * 1024 - MSG_HEADER)
#define MSG_MAX		(1024 * 1024)

#define FRAME_FD	0x01		/* a descriptor goes with it */
#define FRAME_MORE	0x02		/* the next frame goes on with it */

/* A message that came in.  The payload is a view, valid in the handler. */
struct msg {
	uint16_t	 type;
	uint64_t	 sid;
	uint32_t	 seq;
	int		 fd;		/* -1 = none; see msg_take_fd */
	struct rbuf	 body;
};

/* The caller owns the descriptor from here on; -1 = there is none. */
int	msg_take_fd(struct msg *);

struct msg_fd {
	TAILQ_ENTRY(msg_fd)	 entry;
	size_t			 at;	/* octets of output before its frame */
	int			 fd;
};
TAILQ_HEAD(msg_fds, msg_fd);

/* One end of a pipe. */
struct msgbuf {
	int		 fd;
	struct buf	 out;
	struct msg_fds	 out_fds;
	struct buf	 in;		/* the beginning of a frame */
	struct msg_fds	 in_fds;
	struct wbuf	 whole;		/* frames with MORE, put together */
	int		 whole_fd;
	uint16_t	 whole_type;	/* 0 = none is being put together */
	uint64_t	 whole_sid;
	uint32_t	 whole_seq;
};

/* Takes a nonblocking descriptor. */
void	msgbuf_init(struct msgbuf *, int fd);
/* Closes the descriptor and all that waited in either direction. */
void	msgbuf_clear(struct msgbuf *);

/*
 * Queue a message; the payload is copied.  fd is closed once it is sent,
 * also on failure; -1 = none.  -1: no memory, or over MSG_MAX.
 */
int	msg_put(struct msgbuf *, uint16_t type, uint64_t sid, uint32_t seq,
	    int fd, const struct wbuf *body);
/* 1 all written, 0 the pipe is full, -1 the other end is gone. */
int	msg_flush(struct msgbuf *);

enum msg_read {
	MSG_READ_OK,
	MSG_READ_AGAIN,		/* nothing there now */
	MSG_READ_EOF,
	MSG_READ_BAD		/* not frames: the other end is broken */
};

/*
 * Read what is there, once, and hand every whole message to fn, which
 * returns -1 to have the other end taken as broken.  A descriptor that fn
 * did not take is closed.
 */
enum msg_read	msg_read(struct msgbuf *, int (*fn)(void *, struct msg *),
		    void *);

#endif
