/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Payloads of frames: values put one behind the other, and taken out again.
 *
 * Errors are sticky on both sides: a sequence of puts or gets is written
 * without a check behind each, and wire_ok()/get_end() tell at the end.
 * After an error a getter gives 0 or "", so that nothing has to be checked
 * before it is used.  Integers are little-endian octets, strings carry
 * their length, no struct and no pointer ever goes over a pipe.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;

/* A payload being written.  Zero to begin with. */
struct wbuf {
	uint8_t	*data;
	size_t	 len;
	size_t	 size;
	bool	 failed;	/* no memory: nothing of it may be sent */
	bool	 secret;	/* wiped before it is freed or moved */
};

/* A payload being read: a view, which owns nothing. */
struct rbuf {
	const uint8_t	*p;
	const uint8_t	*end;
	bool		 failed;
};

void	put_u8(struct wbuf *, uint8_t);
void	put_u16(struct wbuf *, uint16_t);
void	put_u32(struct wbuf *, uint32_t);
void	put_u64(struct wbuf *, uint64_t);
void	put_i64(struct wbuf *, int64_t);
void	put_bool(struct wbuf *, bool);
/* Octets without their length: the reader must know it. */
void	put_raw(struct wbuf *, const void *, size_t);
/* Octets with their length.  put_str: NULL is sent as "". */
void	put_blob(struct wbuf *, const void *, size_t);
void	put_str(struct wbuf *, const char *);
/* For get_line: a control octet, which it would refuse, is sent as `?'. */
void	put_line(struct wbuf *, const char *);
void	put_addr(struct wbuf *, const struct addr *);
/* Was there memory for all of it? */
bool	wire_ok(const struct wbuf *);
/* Free, wiped first if it is secret; the buffer may be used again. */
void	wbuf_clear(struct wbuf *);

/* A view of octets, which must outlive it. */
void		rbuf_init(struct rbuf *, const void *, size_t);
/* The same way back. */
uint8_t		get_u8(struct rbuf *);
uint16_t	get_u16(struct rbuf *);
uint32_t	get_u32(struct rbuf *);
uint64_t	get_u64(struct rbuf *);
int64_t		get_i64(struct rbuf *);
/* Fails on anything but 0 and 1. */
bool		get_bool(struct rbuf *);
/* A value below limit, for enums; fails otherwise. */
uint8_t		get_enum(struct rbuf *, uint8_t limit);
/* A view of the octets; NULL after an error. */
const uint8_t	*get_blob(struct rbuf *, size_t *);
/* Copy of a string without NUL in it, to be freed; NULL after an error. */
char		*get_strdup(struct rbuf *);
/* Copy into a buffer; fails if it does not fit or holds NUL. */
void		 get_str(struct rbuf *, char *, size_t);
/* The same, and fails on CR, LF and other control octets. */
void		 get_line(struct rbuf *, char *, size_t);
void		 get_addr(struct rbuf *, struct addr *);
void		 get_fail(struct rbuf *);
/* 0 if no getter failed and nothing is left over, else -1. */
int		 get_end(const struct rbuf *);

#endif
