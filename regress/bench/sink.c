/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * sink: a next hop that takes everything, as cheaply as it can be done, but
 * recipients that begin with "bad".
 *
 *	sink [-c file -k file]
 *
 * It listens at a free port of loopback and prints "port N".  With a
 * certificate and its key it offers STARTTLS.  At SIGTERM it prints
 * "messages N connections N most N rcpts N" and ends: what it says there
 * against what the clients were told is how a lost message is found.  most:
 * connections at once.
 *
 * All it needs to know of a line is how it begins: the verb of a command,
 * the dot of a message's end.  So nothing is kept but the first octets of the
 * line, and content passes through one memchr(3).  The replies to all that
 * came in one read go out in one write; a client that lets them pile up is
 * closed.
 *
 * regress/real/sink.c looks at every octet, since it is there to find faults;
 * here that would be most of what is measured.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tls.h>

#include "stream.h"

#define INPUT	65536
#define OUTPUT	16384

struct session {
	struct stream	 s;
	bool		 shaking;	/* the TLS handshake is on */
	bool		 data;		/* in the content */
	bool		 gone;
	size_t		 len;		/* of the line so far */
	char		 head[16];	/* how it begins */
};

static const struct command {
	const char	*verb;
	const char	*reply;
} commands[] = {
	{ "MAIL", "250 2.1.0 ok\r\n" },
	{ "RCPT", "250 2.1.5 ok\r\n" },
	{ "DATA", "354 go on\r\n" },
	{ "QUIT", "221 2.0.0 bye\r\n" },
	{ "STAR", "220 2.0.0 go on\r\n" },
	{ "NOOP", "250 2.0.0 ok\r\n" },
	{ "RSET", "250 2.0.0 ok\r\n" }
};

#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

static struct session		**sessions;
static struct pollfd		 *pfds;
static size_t			  nsessions, size;
static struct tls		 *tls_server_ctx;
static unsigned long long	  messages, connections, most, rcpts;
static char			  out[OUTPUT];	/* to the session in hand */
static size_t			  nout;
static volatile sig_atomic_t	  stop;

static void
on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void
flush(struct session *ss)
{
	if (nout > 0 && stream_write(&ss->s, out, nout) != (ssize_t)nout)
		ss->gone = true;
	nout = 0;
}

static void
say(struct session *ss, const char *text)
{
	size_t	n = strlen(text);

	if (nout + n > sizeof(out))
		flush(ss);
	memcpy(out + nout, text, n);
	nout += n;
}

static void
ehlo(struct session *ss)
{
	say(ss, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n");
	if (tls_server_ctx != NULL && ss->s.tls == NULL)
		say(ss, "250-STARTTLS\r\n");
	say(ss, "250 SIZE 0\r\n");
}

static void
command(struct session *ss)
{
	size_t	i;

	if (strncasecmp(ss->head, "EHLO", 4) == 0) {
		ehlo(ss);
		return;
	}
	for (i = 0; i < NCOMMANDS; i++)
		if (strncasecmp(ss->head, commands[i].verb, 4) == 0)
			break;
	rcpts += strncasecmp(ss->head, "RCPT", 4) == 0;
	if (strncasecmp(ss->head, "RCPT TO:<bad", 12) == 0)
		say(ss, "550 5.1.1 nobody\r\n");
	else
		say(ss, i < NCOMMANDS ? commands[i].reply :
		    "500 5.5.1 no\r\n");
	ss->data = strncasecmp(ss->head, "DATA", 4) == 0;
	if (strncasecmp(ss->head, "QUIT", 4) == 0) {
		flush(ss);
		ss->gone = true;
	} else if (strncasecmp(ss->head, "STAR", 4) == 0) {
		flush(ss);
		ss->shaking = true;
		if (tls_server_ctx == NULL || tls_accept_socket(tls_server_ctx,
		    &ss->s.tls, ss->s.fd) == -1)
			ss->gone = true;
	}
}

static void
line(struct session *ss)
{
	if (!ss->data)
		command(ss);
	else if (ss->len == 2 && memcmp(ss->head, ".\r", 2) == 0) {
		ss->data = false;
		messages++;
		say(ss, "250 2.0.0 taken\r\n");
	}
	memset(ss->head, 0, sizeof(ss->head));
	ss->len = 0;
}

static void
input(struct session *ss, const char *p, size_t n)
{
	const char	*nl;
	size_t		 i, k;

	while (n > 0 && !ss->gone && !ss->shaking) {
		nl = memchr(p, '\n', n);
		k = nl == NULL ? n : (size_t)(nl - p);
		for (i = 0; i < k && ss->len + i < sizeof(ss->head); i++)
			ss->head[ss->len + i] = p[i];
		ss->len += k;
		if (nl == NULL)
			return;
		line(ss);
		p += k + 1;
		n -= k + 1;
	}
}

static void
readable(struct session *ss)
{
	static char	in[INPUT];
	ssize_t		n;

	if (ss->shaking) {
		n = stream_handshake(&ss->s);
		ss->shaking = n == STREAM_WAIT;
		ss->gone = n == -1;
		if (n != 0)
			return;
	}
	do {
		n = stream_read(&ss->s, in, sizeof(in));
		if (n > 0)
			input(ss, in, (size_t)n);
		else if (n != STREAM_WAIT)
			ss->gone = true;
	} while (n > 0 && ss->s.tls != NULL && !ss->shaking && !ss->gone);
	flush(ss);
}

/* --- connections --------------------------------------------------------- */

static void
session_new(int fd)
{
	struct session	*ss;

	if (nsessions == size) {
		size += 256;
		sessions = realloc(sessions, size * sizeof(*sessions));
		pfds = realloc(pfds, (size + 1) * sizeof(*pfds));
		if (sessions == NULL || pfds == NULL)
			err(1, NULL);
	}
	if ((ss = calloc(1, sizeof(*ss))) == NULL)
		err(1, NULL);
	ss->s.fd = fd;
	ss->s.want = POLLIN;
	sessions[nsessions++] = ss;
	if (nsessions > most)
		most = nsessions;
	connections++;
	say(ss, "220 sink ESMTP\r\n");
	flush(ss);
}

/* A session that is gone leaves its place to the last one. */
static void
session_free(size_t i)
{
	stream_close(&sessions[i]->s);
	free(sessions[i]);
	sessions[i] = sessions[--nsessions];
}

static void
turn(int lfd, const sigset_t *mask)
{
	size_t	i, n = nsessions;
	int	fd;

	for (i = 0; i < n; i++) {
		pfds[i + 1].fd = sessions[i]->s.fd;
		pfds[i + 1].events = sessions[i]->s.want;
	}
	pfds[0].fd = lfd;
	pfds[0].events = POLLIN;
	if (ppoll(pfds, n + 1, NULL, mask) == -1) {
		if (errno != EINTR)
			err(1, "ppoll");
		return;
	}
	for (i = n; i-- > 0;) {
		if (pfds[i + 1].revents != 0)
			readable(sessions[i]);
		if (sessions[i]->gone)
			session_free(i);
	}
	if (pfds[0].revents != 0)
		while ((fd = stream_accept(lfd)) != -1)
			session_new(fd);
}

static void
use_tls(const char *cert, const char *key)
{
	struct tls_config	*config = tls_config_new();

	if (config == NULL ||
	    tls_config_set_keypair_file(config, cert, key) == -1 ||
	    (tls_server_ctx = tls_server()) == NULL ||
	    tls_configure(tls_server_ctx, config) == -1)
		errx(1, "%s, %s: not a certificate and its key", cert, key);
	tls_config_free(config);
}

int
main(int argc, char *argv[])
{
	struct sigaction	 sa = { .sa_handler = on_term };
	const char		*cert = NULL, *key = NULL;
	sigset_t		 block, old;
	uint16_t		 port;
	int			 ch, lfd;

	while ((ch = getopt(argc, argv, "c:k:")) != -1) {
		if (ch == 'c')
			cert = optarg;
		else if (ch == 'k')
			key = optarg;
		else
			argc = 0;
	}
	if (argc != optind || (cert == NULL) != (key == NULL)) {
		fprintf(stderr, "usage: sink [-c file -k file]\n");
		return 1;
	}
	if (cert != NULL)
		use_tls(cert, key);

	/* Outside of ppoll(2) it is blocked, so none is missed. */
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &block, &old) == -1 ||
	    sigaction(SIGTERM, &sa, NULL) == -1)
		err(1, "SIGTERM");
	if ((pfds = calloc(1, sizeof(*pfds))) == NULL)
		err(1, NULL);
	lfd = stream_listen(&port);
	printf("port %u\n", port);
	fflush(stdout);
	while (!stop)
		turn(lfd, &old);
	printf("messages %llu connections %llu most %llu rcpts %llu\n",
	    messages, connections, most, rcpts);
	return fflush(stdout) == 0 ? 0 : 1;
}
