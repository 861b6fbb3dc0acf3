/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * TLS under a stream: see io.h and io.c.
 *
 * libtls may want to write in order to read and the other way round; which
 * of our calls waits for which event is in the flags F_READ_WAITS and
 * F_WRITE_WAITS.
 *
 * Input: tls_read() decrypts one record at a time and reads no octet behind
 * it, so what is not read yet is in the socket and raises the event again,
 * if only every call has room for a whole record.  A record that is not full
 * is taken for the last one, as a short read is in io.c.
 *
 * Certificates are not looked at here: see tlsctx.h.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <string.h>
#include <tls.h>

#include "io_private.h"

#define RECORD	(16 * 1024)	/* the largest; tls_write takes no more */

static void
failed(struct io *io)
{
	io->flags |= F_TLS_ERROR;
	io_broken(io, "TLS error");
}

static void
read_failed(struct io *io)
{
	const char	*text = tls_error(io->tls);

	/* OpenSSL calls it an error, LibreSSL an end, and so do we */
	if (text != NULL && strstr(text, "unexpected eof") != NULL)
		io_no_more(io);
	else
		failed(io);
}

/* tls_read() gave no octets. */
static void
read_nothing(struct io *io, ssize_t result)
{
	if (result == 0)
		io_no_more(io);
	else if (result == TLS_WANT_POLLOUT) {
		io->flags |= F_READ_WAITS;
		io_read_off(io);
		io_write_on(io);
	} else if (result != TLS_WANT_POLLIN)
		read_failed(io);
}

size_t
io_tls_read(struct io *io, char *p, size_t size)
{
	size_t	 got = 0;
	ssize_t	 n = RECORD;

	while (n == RECORD && size - got >= RECORD) {
		n = tls_read(io->tls, p + got, size - got);
		if (n <= 0)
			read_nothing(io, n);
		else
			got += n;
	}
	return got;
}

/* After WANT_* the same octets are given again: they lie in out. */
void
io_tls_send(struct io *io)
{
	size_t	 n;
	ssize_t	 sent;

	io->flags &= ~F_WRITE_WAITS;
	while (io->out.len > 0) {
		n = io->out.len < RECORD ? io->out.len : RECORD;
		sent = tls_write(io->tls, buf_data(&io->out), n);
		if (sent == TLS_WANT_POLLOUT)
			break;
		if (sent == TLS_WANT_POLLIN) {
			io->flags |= F_WRITE_WAITS;
			io_write_off(io);
			io_read_on(io);
			break;
		}
		if (sent == 0) {
			/* an error without a name: the other end is gone */
			io_broken(io, "connection closed");
			break;
		}
		if (sent < 0) {
			failed(io);
			break;
		}
		io->octets_out += sent;
		buf_drain(&io->out, sent);
	}
}

void
io_tls_handshake(struct io *io)
{
	switch (tls_handshake(io->tls)) {
	case 0:
		io->flags &= ~F_HANDSHAKE;
		io_write_off(io);
		io_read_on(io);
		io_output(io);
		(void)io_tell(io, IO_TLS);
		break;
	case TLS_WANT_POLLIN:
		io_write_off(io);
		io_read_on(io);
		break;
	case TLS_WANT_POLLOUT:
		io_read_off(io);
		io_write_on(io);
		break;
	default:
		io->flags |= F_BROKEN_TOLD;
		failed(io);
		(void)io_tell(io, IO_TLS_FAIL);
		break;
	}
}

void
io_tls_goodbye(struct io *io)
{
	if (io->tls != NULL && io->out.len == 0 &&
	    !has(io, F_HANDSHAKE | F_BROKEN))
		(void)tls_close(io->tls);
}

void
io_tls_free(struct io *io)
{
	if (io->tls != NULL)
		tls_free(io->tls);
	io->tls = NULL;
}

const char *
io_tls_error(const struct io *io)
{
	const char	*text = NULL;

	if (io->tls != NULL)
		text = tls_error(io->tls);
	return text != NULL ? text : "TLS error";
}

/* --- for the owner ------------------------------------------------------- */

/* Nothing that came in clear text may be read behind the handshake. */
static bool
ready(struct io *io)
{
	io_flush(io);
	if (io->fd == -1 || io->out.len > 0 || has(io, F_BROKEN))
		return false;
	buf_clear(&io->in);
	io->view = NULL;
	io->nview = 0;
	return true;
}

static void
begin(struct io *io, struct tls *tls)
{
	io->tls = tls;
	io->flags |= F_HANDSHAKE;
	io_read_on(io);
	/* the client speaks first */
	io_wake(io);
}

int
io_tls_server(struct io *io, struct tls *server)
{
	struct tls	*tls;

	if (!ready(io) || tls_accept_socket(server, &tls, io->fd) == -1)
		return -1;
	begin(io, tls);
	return 0;
}

int
io_tls_client(struct io *io, struct tls *client, const char *name)
{
	if (!ready(io) ||
	    tls_connect_fds(client, io->fd, io->fd, name) == -1) {
		tls_free(client);
		return -1;
	}
	begin(io, client);
	return 0;
}
