/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The client of SMTP against a server that says anything: it must end, tell
 * its end once, and believe nothing that it did not ask for.
 *
 * The first octet chooses how the client is used, the others are what the
 * server says; 0xff among them means "wait until the client has spoken", so
 * that a whole dialogue fits in one input.  At the end the server hangs up.
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
#include "smtp_client.h"
#include "timer.h"
#include "tlsctx.h"

#define TURNS	200		/* more than any end needs */

#define USE_FREE	0x01	/* free it in the callback of the verdict */
#define USE_RSET	0x02	/* no message, only RSET */
#define USE_QUIT	0x04	/* QUIT when there is nothing else to do */
#define USE_TLS		0x08	/* TLS is required: nothing may get ready */
#define USE_PIECES	0x10	/* octet by octet */
#define USE_AGAIN	0x20	/* a second message */

static struct conf_remote	 remote;
static struct tlsctx_remote	*tls_remote;

static struct {
	struct smtp_client	*c;
	unsigned int		 use;
	unsigned int		 asked;		/* replies owed */
	unsigned int		 ready;
	unsigned int		 messages;
	bool			 closed;
} ow;

static void
message(void)
{
	ow.messages++;
	if (client_mail(ow.c, "a@b.test", "") == 0)
		ow.asked++;
	if ((ow.use & USE_RSET) != 0) {
		if (client_rset(ow.c) == 0)
			ow.asked++;
		return;
	}
	if (client_rcpt(ow.c, "c@d.test", "", 1) == 0)
		ow.asked++;
	if (client_data(ow.c) == 0)
		ow.asked++;
}

static void
body(void)
{
	must(client_body(ow.c, ".a\r\nb", 5) == 0);
	if (client_body_end(ow.c) == 0)
		ow.asked++;
}

static void
after_verdict(void)
{
	if ((ow.use & USE_FREE) != 0) {
		client_free(ow.c);
		ow.c = NULL;
	} else if ((ow.use & USE_AGAIN) != 0 && ow.messages < 2)
		message();
	else if ((ow.use & USE_QUIT) != 0)
		client_quit(ow.c);
}

static void
on_client(void *arg, enum client_event ev, const struct smtp_reply *r,
    uint32_t tag)
{
	(void)arg;
	(void)tag;
	must(!ow.closed);
	switch (ev) {
	case CLIENT_READY:
		must((ow.use & USE_TLS) == 0);
		must(ow.ready++ == 0);
		return;
	case CLIENT_CLOSED:
		ow.closed = true;
		must(client_end(ow.c) != END_NONE);
		must(client_why(ow.c)[0] != '\0');
		return;
	case CLIENT_CHUNK:
	case CLIENT_DRAINED:
		return;
	case CLIENT_MAIL:
	case CLIENT_RCPT:
	case CLIENT_DATA:
	case CLIENT_END:
	case CLIENT_RSET:
		break;
	}
	must(ow.ready == 1);
	must(ow.asked-- > 0);
	must(r->code >= 200 && r->code < 600);
	if (ev == CLIENT_DATA) {
		must(r->code == 354 || r->code >= 400);
		if (r->code == 354)
			body();
	} else
		must(r->code / 100 != 3);
	if (ev == CLIENT_END || ev == CLIENT_RSET)
		after_verdict();
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
			p++;
			n--;
			continue;
		}
		end = memchr(p, 0xff, n);
		len = end != NULL ? (size_t)(end - p) : n;
		if ((ow.use & USE_PIECES) != 0)
			len = 1;
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
	static char	 empty[] = "";
	char		 why[256];

	(void)signal(SIGPIPE, SIG_IGN);
	(void)event_init();
	timer_start();
	log_to(LOG_TO_NOTHING, -1);
	remote.timeout.command = remote.timeout.data = 3600000;
	remote.timeout.final = 3600000;
	remote.tls.name = empty;
	remote.tls.mode = RTLS_REQUIRED;
	tls_remote = tlsctx_remote_new(&remote, why, sizeof(why));
	must(tls_remote != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool		 done;
	struct client_params	 p = { .remote = &remote, .helo = "me.test",
				    .host = "srv.test" };
	int			 i, fd[2];

	if (!done)
		setup();
	done = true;
	if (size == 0 || size > 65536)
		return 0;
	memset(&ow, 0, sizeof(ow));
	ow.use = data[0];
	remote.tls.mode = (ow.use & USE_TLS) != 0 ? RTLS_REQUIRED : RTLS_OFF;
	p.tls = tls_remote;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	ow.c = client_new(fd[0], &p, on_client, NULL);
	must(ow.c != NULL);
	message();
	serve(fd[1], data + 1, size - 1);
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
