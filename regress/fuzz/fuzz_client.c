/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The client of SMTP against a server that says anything: it must end, tell
 * its end once, and believe nothing that it did not ask for.
 *
 * The first two octets choose how the client is used, the others are what
 * the server says; 0xff among them means "wait until the client has spoken",
 * so that a whole dialogue fits in one input.  At the end the server hangs
 * up.
 *
 * A login needs TLS, which no fuzzer speaks: there the client is told that it
 * has it, and that is all that is taken from its inside.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <event.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "fuzz.h"
#include "io.h"
#include "log.h"
#include "mono.h"
#include "smtp_client_private.h"
#include "timer.h"
#include "tlsctx.h"

#define TURNS	200		/* more than any end needs */

#define USE_FREE	0x01	/* free it in the callback of the verdict */
#define USE_RSET	0x02	/* no message, only RSET */
#define USE_QUIT	0x04	/* QUIT when there is nothing else to do */
#define USE_TLS		0x08	/* TLS is required: nothing may get ready */
#define USE_PIECES	0x10	/* octet by octet */
#define USE_AGAIN	0x20	/* a second message */
#define USE_LMTP	0x40
#define USE_CHUNKS	0x80	/* BDAT instead of DATA */
#define USE_XCLIENT	0x0100
#define USE_LOGIN	0x0200
#define USE_HALF	0x0400	/* what a chunk lacks comes later */
#define USE_BETWEEN	0x0800	/* RSET behind the first chunk */

#define RCPTS	3
#define CHUNK	".a\r\nb"
#define NCHUNK	(sizeof(CHUNK) - 1)

static struct conf_remote	 remote;
static struct tlsctx_remote	*tls_remote;

static struct {
	struct smtp_client	*c;
	unsigned int		 use;
	unsigned int		 asked;		/* replies owed */
	unsigned int		 ready;
	unsigned int		 xclients;
	unsigned int		 messages;
	uint32_t		 accepted[RCPTS]; /* their tags */
	size_t			 naccepted;
	size_t			 told;		/* verdicts of these */
	size_t			 left;		/* octets that a chunk lacks */
	bool			 ended;		/* the dot, the last chunk */
	bool			 last;
	size_t			 nsaid;		/* by the server, so far */
	bool			 closed;
} ow;

static uint8_t	 said[65536];

static void
asked(int result)
{
	if (result == 0)
		ow.asked++;
}

static void
xclient(void)
{
	if ((ow.use & USE_XCLIENT) != 0 &&
	    client_xclient(ow.c, "NAME=a.test ADDR=[UNAVAILABLE]") == 0)
		ow.xclients++;
}

static void
message(void)
{
	uint32_t	 i;

	ow.messages++;
	ow.naccepted = ow.told = 0;
	asked(client_mail(ow.c, "a@b.test", ""));
	if ((ow.use & USE_RSET) != 0) {
		asked(client_vrfy(ow.c, "a@b.test"));
		asked(client_rset(ow.c));
		return;
	}
	for (i = 1; i <= RCPTS; i++)
		asked(client_rcpt(ow.c, "c@d.test", "", i));
	if ((ow.use & USE_CHUNKS) == 0)
		asked(client_data(ow.c));
}

/* As many verdicts will be told. */
static void
ended(void)
{
	ow.asked += (ow.use & USE_LMTP) != 0 ? ow.naccepted : 1;
	ow.ended = true;
}

static void
body(void)
{
	must(client_body(ow.c, CHUNK, NCHUNK) == 0);
	if (client_body_end(ow.c) == 0)
		ended();
}

/* Give what is left of a chunk. */
static void
chunk_rest(void)
{
	size_t	 n = ow.left;

	ow.left = 0;
	if (n > 0 && client_body(ow.c, CHUNK, n) == 0 && ow.last)
		ended();
}

static void
chunk(bool last)
{
	if (client_chunk(ow.c, NCHUNK, last) == -1)
		return;
	if (!last)
		ow.asked++;
	ow.last = last;
	ow.left = NCHUNK;
	if ((ow.use & USE_HALF) != 0) {
		must(client_body(ow.c, CHUNK, 2) == 0);
		ow.left -= 2;
	} else
		chunk_rest();
}

static void
after_verdict(void)
{
	if ((ow.use & USE_FREE) != 0) {
		client_free(ow.c);
		ow.c = NULL;
	} else if ((ow.use & USE_AGAIN) != 0 && ow.messages < 2) {
		if (client_is_idle(ow.c))
			xclient();
		message();
	} else if ((ow.use & USE_QUIT) != 0)
		client_quit(ow.c);
}

/* How often did the server say this? */
static unsigned int
count(const char *code)
{
	const uint8_t	*p = said, *end = said + ow.nsaid;
	unsigned int	 n = 0;

	for (; (p = memmem(p, (size_t)(end - p), code, 3)) != NULL; p++)
		n++;
	return n;
}

static void
on_ready(void)
{
	must((ow.use & USE_TLS) == 0);
	must(ow.ready++ <= ow.xclients);
	must(count("220") >= ow.ready);
	/* before XCLIENT nobody logs in if that waits already */
	if ((ow.use & USE_LOGIN) != 0)
		must(count("235") >= ow.ready -
		    ((ow.use & USE_XCLIENT) != 0 ? 1 : 0));
	must(client_is_ready(ow.c));
}

/* Each that was accepted, in order, and nobody else. */
static void
on_verdict(uint32_t tag)
{
	must(ow.ended && ow.left == 0);
	if ((ow.use & USE_LMTP) == 0) {
		must(tag == 0);
		ow.ended = false;
		return;
	}
	must(ow.told < ow.naccepted);
	must(tag == ow.accepted[ow.told++]);
	ow.ended = ow.told < ow.naccepted;
}

/* All lines of a reply, and nothing but lines. */
static void
on_lines(const char *lines)
{
	size_t	 n;

	must(lines != NULL && (n = strlen(lines)) > 0);
	must(lines[n - 1] == '\n' && strchr(lines, '\r') == NULL);
}

static void
on_reply(enum client_event ev, int code, uint32_t tag)
{
	must(code >= 200 && code < 600);
	must(ev == CLIENT_DATA || code / 100 != 3);
	switch (ev) {
	case CLIENT_RCPT:
		must(tag >= 1 && tag <= RCPTS);
		if (code / 100 == 2)
			ow.accepted[ow.naccepted++] = tag;
		if ((ow.use & USE_CHUNKS) == 0 || tag < RCPTS)
			break;
		if (ow.naccepted > 0)
			chunk(false);
		else
			asked(client_rset(ow.c));
		break;
	case CLIENT_DATA:
		must(code == 354 || code >= 400);
		if (code == 354)
			body();
		break;
	case CLIENT_CHUNK:
		must(ow.left == 0);
		if (code / 100 == 2 && (ow.use & USE_BETWEEN) == 0)
			chunk(true);
		else
			asked(client_rset(ow.c));
		break;
	case CLIENT_END:
		on_verdict(tag);
		if (!ow.ended)
			after_verdict();
		break;
	case CLIENT_RSET:
		after_verdict();
		break;
	case CLIENT_OTHER:
		on_lines(client_lines(ow.c));
		break;
	case CLIENT_MAIL:
	case CLIENT_READY:
	case CLIENT_CLOSED:
	case CLIENT_DRAINED:
		break;
	}
}

static void
on_client(void *arg, enum client_event ev, const struct smtp_reply *r,
    uint32_t tag)
{
	(void)arg;
	must(!ow.closed);
	switch (ev) {
	case CLIENT_READY:
		on_ready();
		return;
	case CLIENT_CLOSED:
		ow.closed = true;
		must(client_end(ow.c) != END_NONE);
		must(client_why(ow.c)[0] != '\0');
		return;
	case CLIENT_DRAINED:
		return;
	case CLIENT_CHUNK:
	case CLIENT_MAIL:
	case CLIENT_RCPT:
	case CLIENT_DATA:
	case CLIENT_END:
	case CLIENT_RSET:
	case CLIENT_OTHER:
		break;
	}
	must(ow.ready >= 1);
	must(ow.asked-- > 0);
	on_reply(ev, r->code, tag);
}

static void
turn(int flags)
{
	(void)event_loop(EVLOOP_ONCE | flags);
	io_flush_all();
	mono_turn();
}

/* Let the client say what it has to say, and forget that. */
static void
listen_to(int fd)
{
	char	 buf[4096];
	int	 i;

	for (i = 0; i < 3; i++)
		turn(EVLOOP_NONBLOCK);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		continue;
}

static void
serve(int fd, const uint8_t *p, size_t n)
{
	const uint8_t	*end;
	size_t		 len;

	while (n > 0) {
		if (*p == 0xff) {
			listen_to(fd);
			if (ow.c != NULL && !ow.closed)
				chunk_rest();
			p++;
			n--;
			continue;
		}
		end = memchr(p, 0xff, n);
		len = end != NULL ? (size_t)(end - p) : n;
		if ((ow.use & USE_PIECES) != 0)
			len = 1;
		memcpy(said + ow.nsaid, p, len);
		ow.nsaid += len;
		if (send(fd, p, len, MSG_NOSIGNAL) == -1)
			return;
		turn(EVLOOP_NONBLOCK);
		p += len;
		n -= len;
	}
}

static void
setup(void)
{
	static char	 empty[] = "", password[] = "secret";
	char		 why[256];

	(void)signal(SIGPIPE, SIG_IGN);
	(void)event_init();
	timer_start();
	log_to(LOG_TO_NOTHING, -1);
	remote.timeout.command = remote.timeout.data = 3600000;
	remote.timeout.final = 3600000;
	remote.tls.name = empty;
	remote.auth.password = password;
	remote.tls.mode = RTLS_REQUIRED;
	tls_remote = tlsctx_remote_new(&remote, why, sizeof(why));
	must(tls_remote != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool		 done;
	static char		 name[] = "user";
	struct client_params	 p = { .remote = &remote, .helo = "me.test",
				    .host = "srv.test" };
	int			 i, fd[2];

	if (!done)
		setup();
	done = true;
	if (size < 2 || size > 65536)
		return 0;
	memset(&ow, 0, sizeof(ow));
	ow.use = (unsigned int)data[0] | (unsigned int)data[1] << 8;
	remote.protocol = (ow.use & USE_LMTP) != 0 ? PROTO_LMTP : PROTO_SMTP;
	remote.auth.username = (ow.use & USE_LOGIN) != 0 ? name : NULL;
	remote.tls.mode = (ow.use & USE_TLS) != 0 ? RTLS_REQUIRED : RTLS_OFF;
	p.tls = tls_remote;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	ow.c = client_new(fd[0], &p, on_client, NULL);
	must(ow.c != NULL);
	ow.c->secure = (ow.use & (USE_LOGIN | USE_TLS)) == USE_LOGIN;
	xclient();
	message();
	serve(fd[1], data + 2, size - 2);
	(void)shutdown(fd[1], SHUT_RDWR);
	(void)close(fd[1]);
	for (i = 0; ow.c != NULL && !ow.closed; i++) {
		must(i < TURNS);
		/* some ends are told at the next tick of the timers */
		turn(i < TURNS / 2 ? EVLOOP_NONBLOCK : 0);
	}
	client_free(ow.c);
	return 0;
}
