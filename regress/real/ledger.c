/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * ledger: send many messages over many sessions, and write down which were
 * acknowledged.
 *
 *	ledger [-a] [-l octets] [-m messages] [-n per-session] [-o file]
 *	    [-s sessions] port
 *
 * Each message has an ID of its own, as local part of its recipient and in
 * the field X-Ledger with length and hash of its content.  An ID is written
 * to the file when its final dot got a 250, and never sent again, whatever
 * became of it: a message whose connection went away before the reply is
 * counted as lost, one that got another reply as refused.  Either way the
 * session is opened anew and goes on with the next message, until all have
 * been sent once.
 *
 * Every second session pipelines (MAIL, RCPT and DATA in one write), the
 * others wait for each reply; the content has lines that begin with dots.
 *
 * With -a each connection is another client's: it has a loopback address and
 * a name of its own, and every message says in the field
 *
 *	X-Client: ADDR PORT PROTO HELO
 *
 * what they are.  Half of those that do not pipeline say HELO, and every
 * seventh goes away within its second message.
 *
 * Its exit status is 0 if all were sent, whatever their fate; 1 if for a
 * minute nothing went on.
 *
 * One thread and poll(2).  A session's state is what it waits for; input is
 * looked at a reply at a time, and more than was asked for ends the session.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <arpa/inet.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fnv.h"

#define INPUT		4096
#define AGAIN		20	/* ms until a refused connection is retried */
#define PATIENCE	60000	/* ms in which something must happen */

/* What the session waits for. */
enum state {
	ST_CLOSED,		/* to be opened */
	ST_CONNECT,
	ST_BANNER,
	ST_EHLO,
	ST_MAIL,
	ST_RCPT,
	ST_DATA,
	ST_DOT,
	ST_QUIT,
	ST_DONE			/* no messages left */
};

static const char *const state_names[] = {
	"closed", "connect", "banner", "EHLO", "MAIL", "RCPT", "DATA", "dot",
	"QUIT", "done"
};

/* The code that lets it go on. */
static const int	wanted[] = {
	0, 0, 220, 250, 250, 250, 354, 250, 221, 0
};

struct session {
	int		 fd;
	enum state	 state;
	bool		 pipelines;
	bool		 has;		/* a message: its number is n */
	unsigned long	 n;
	unsigned long	 sent;		/* on this connection */
	unsigned long	 client;	/* which of them it is */
	struct sockaddr_in from;	/* with -a */
	int64_t		 again;		/* when to open it, not before */
	char		 in[INPUT];
	size_t		 nin;
	char		*out;		/* room for a whole message */
	size_t		 nout, off;
};

static unsigned long	 messages = 1000, per_session = 5, next;
static size_t		 nsessions = 10, length = 1024, room;
static unsigned long	 acknowledged, lost, refused, connections, failed;
static unsigned long	 broken;	/* off, by -a's seventh */
static bool		 own;		/* -a */
static unsigned int	 complaints;
static struct sockaddr_in to = { .sin_family = AF_INET };
static FILE		*file;
static int64_t		 last;		/* when something happened */
static char		 run[24];	/* makes the IDs of this run its own */

static int64_t
now_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- messages ------------------------------------------------------------ */

/*
 * The content of message n behind the header, as it is (stuffed is NULL) or
 * as it is sent; returns its length as sent, *hash and *len are of what it
 * is.
 */
static size_t
content(unsigned long n, char *stuffed, uint64_t *hash, uint64_t *len)
{
	uint64_t	x = (n + 1) * 0x9e3779b97f4a7c15ULL;
	size_t		at = 0, i = 0, line;
	char		c;

	*hash = FNV_BEGIN;
	for (line = 0; i < length; i++, line++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		c = (char)('!' + x % 90);
		if (line == 0 && x % 4 == 0)
			c = '.';
		if (i + 2 == length || line == 76)
			c = '\r';
		else if (i + 1 == length || line == 77)
			c = '\n';
		if (line == 77)
			line = (size_t)-1;
		if (stuffed != NULL && c == '.' && line == 0)
			stuffed[at++] = '.';
		if (stuffed != NULL)
			stuffed[at++] = c;
		*hash = fnv(*hash, (unsigned char)c);
	}
	*len = length;
	return at;
}

static void
put(struct session *s, const char *text)
{
	size_t	len = strlen(text);

	if (s->nout + len > room)
		errx(1, "no room");
	memcpy(s->out + s->nout, text, len);
	s->nout += len;
}

/* Whether a client says HELO. */
static bool
is_plain(const struct session *s)
{
	return own && !s->pipelines && s->client % 2 == 0;
}

static void
put_hello(struct session *s)
{
	char	line[64];

	(void)snprintf(line, sizeof(line), "%s c%lu.test\r\n",
	    is_plain(s) ? "HELO" : "EHLO", s->client);
	put(s, own ? line : "EHLO ledger.test\r\n");
}

static void
put_client(struct session *s)
{
	char	addr[INET_ADDRSTRLEN], line[128];

	(void)inet_ntop(AF_INET, &s->from.sin_addr, addr, sizeof(addr));
	(void)snprintf(line, sizeof(line), "X-Client: %s %u %s c%lu.test\r\n",
	    addr, ntohs(s->from.sin_port), is_plain(s) ? "SMTP" : "ESMTP",
	    s->client);
	put(s, line);
}

static void
put_message(struct session *s)
{
	char		head[512];
	uint64_t	hash, len;
	size_t		n;

	if (own)
		put_client(s);
	(void)content(s->n, NULL, &hash, &len);
	(void)snprintf(head, sizeof(head), "From: <ledger@example.net>\r\n"
	    "Subject: %s%lu\r\nX-Ledger: %s%lu %llu %llx\r\n\r\n", run, s->n,
	    run, s->n, (unsigned long long)len, (unsigned long long)hash);
	put(s, head);
	n = content(s->n, s->out + s->nout, &hash, &len);
	s->nout += n;
	put(s, ".\r\n");
}

static void
put_command(struct session *s, enum state what)
{
	char	line[128];

	switch (what) {
	case ST_EHLO:
		put_hello(s);
		break;
	case ST_MAIL:
		put(s, "MAIL FROM:<ledger@example.net>\r\n");
		break;
	case ST_RCPT:
		(void)snprintf(line, sizeof(line),
		    "RCPT TO:<%s%lu@example.org>\r\n", run, s->n);
		put(s, line);
		break;
	case ST_DATA:
		put(s, "DATA\r\n");
		break;
	case ST_DOT:
		put_message(s);
		break;
	case ST_QUIT:
		put(s, "QUIT\r\n");
		break;
	case ST_CLOSED:
	case ST_CONNECT:
	case ST_BANNER:
	case ST_DONE:
		break;
	}
}

/* --- sessions ------------------------------------------------------------ */

static void
session_close(struct session *s)
{
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
	s->state = next < messages ? ST_CLOSED : ST_DONE;
	s->nin = s->nout = s->off = 0;
	s->sent = 0;
	s->has = false;
}

static void
session_lost(struct session *s, const char *why)
{
	if (complaints++ < 5)
		warnx("waiting for %s: %s", state_names[s->state], why);
	if (s->has)
		lost++;
	else
		failed++;
	s->again = now_ms() + AGAIN;
	session_close(s);
}

static void
session_refused(struct session *s, const char *reply)
{
	if (complaints++ < 5)
		warnx("waiting for %s: %s", state_names[s->state], reply);
	if (s->has)
		refused++;
	else
		failed++;
	s->again = now_ms() + AGAIN;
	session_close(s);
}

static void
session_flush(struct session *s)
{
	ssize_t	n;

	while (s->off < s->nout) {
		n = send(s->fd, s->out + s->off, s->nout - s->off,
		    MSG_NOSIGNAL);
		if (n == -1) {
			/* The reply, or its absence, tells. */
			if (errno != EAGAIN && errno != EINTR)
				s->off = s->nout;
			break;
		}
		s->off += (size_t)n;
	}
	if (s->off == s->nout)
		s->off = s->nout = 0;
}

/* An address of its own: 127.1.0.1 and on. */
static void
session_bind(struct session *s)
{
	socklen_t	len = sizeof(s->from);

	s->from.sin_family = AF_INET;
	s->from.sin_port = 0;
	s->from.sin_addr.s_addr = htonl(0x7f010001U + (uint32_t)s->client);
	if (bind(s->fd, (struct sockaddr *)&s->from, len) == -1 ||
	    getsockname(s->fd, (struct sockaddr *)&s->from, &len) == -1)
		err(1, "a loopback address");
}

static void
session_open(struct session *s)
{
	int	on = 1;

	s->client = connections;
	if ((s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) == -1)
		err(1, "socket");
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->state = ST_CONNECT;
	if (own)
		session_bind(s);
	connections++;
	if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != EINPROGRESS)
		session_lost(s, strerror(errno));
}

static void
session_connected(struct session *s)
{
	int		e = 0;
	socklen_t	len = sizeof(e);

	(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len);
	if (e != 0)
		session_lost(s, strerror(e));
	else
		s->state = ST_BANNER;
}

/* The next message, or the end. */
static void
next_message(struct session *s)
{
	s->has = next < messages && s->sent < per_session;
	if (!s->has) {
		s->state = ST_QUIT;
		put_command(s, ST_QUIT);
		return;
	}
	s->n = next++;
	s->sent++;
	s->state = ST_MAIL;
	put_command(s, ST_MAIL);
	if (s->pipelines) {
		put_command(s, ST_RCPT);
		put_command(s, ST_DATA);
	}
}

/* A whole reply that is the one it needs. */
static void
advance(struct session *s)
{
	if (own && s->state == ST_RCPT && s->client % 7 == 0 && s->sent == 2) {
		broken++;
		session_close(s);
		return;
	}
	switch (s->state) {
	case ST_BANNER:
	case ST_MAIL:
	case ST_RCPT:
	case ST_DATA:
		s->state++;
		if (!s->pipelines || s->state == ST_EHLO ||
		    s->state == ST_DOT)
			put_command(s, s->state);
		break;
	case ST_DOT:
		acknowledged++;
		s->has = false;
		if (file != NULL)
			(void)fprintf(file, "%s%lu\n", run, s->n);
		/* FALLTHROUGH */
	case ST_EHLO:
		next_message(s);
		break;
	case ST_QUIT:
		session_close(s);
		break;
	case ST_CLOSED:
	case ST_CONNECT:
	case ST_DONE:
		break;
	}
}

/* Look at the replies that are there. */
static void
replies(struct session *s)
{
	char	*p = s->in, *end = s->in + s->nin, *lf;

	while (s->fd != -1 && (lf = memchr(p, '\n', (size_t)(end - p))) !=
	    NULL) {
		*lf = '\0';
		if (lf - p > 4 && p[3] == '-') {
			p = lf + 1;
			continue;
		}
		if (atoi(p) != wanted[s->state]) {
			session_refused(s, p);
			return;
		}
		advance(s);
		p = lf + 1;
	}
	if (s->fd == -1)
		return;
	s->nin = (size_t)(end - p);
	memmove(s->in, p, s->nin);
	if (s->nin == sizeof(s->in))
		session_refused(s, "an endless line");
}

static void
session_input(struct session *s)
{
	ssize_t	n;

	n = read(s->fd, s->in + s->nin, sizeof(s->in) - s->nin);
	if (n > 0) {
		s->nin += (size_t)n;
		replies(s);
	} else if (n == 0)
		session_lost(s, "closed");
	else if (errno != EAGAIN && errno != EINTR)
		session_lost(s, strerror(errno));
}

/* --- the loop ------------------------------------------------------------ */

/* What each waits for; false when all are done. */
static bool
prepare(struct session *all, struct pollfd *p, int *wait)
{
	struct session	*s;
	int64_t		 now = now_ms();
	size_t		 i, done = 0;

	*wait = 1000;
	for (i = 0; i < nsessions; i++) {
		s = &all[i];
		if (s->state == ST_CLOSED && next >= messages)
			s->state = ST_DONE;
		if (s->state == ST_CLOSED && s->again <= now)
			session_open(s);
		if (s->state == ST_CLOSED)
			*wait = AGAIN;
		done += s->state == ST_DONE;
		p[i].fd = s->fd;
		p[i].events = s->state == ST_CONNECT || s->nout > 0 ?
		    POLLIN | POLLOUT : POLLIN;
	}
	return done < nsessions;
}

static void
serve(struct session *s, short events)
{
	if (events == 0 || s->fd == -1)
		return;
	last = now_ms();
	if (s->state == ST_CONNECT)
		session_connected(s);
	else if (events & (POLLIN | POLLERR | POLLHUP))
		session_input(s);
	if (s->fd != -1 && s->state != ST_CONNECT)
		session_flush(s);
}

static void
loop(struct session *all, struct pollfd *p)
{
	size_t	i;
	int	wait;

	last = now_ms();
	while (prepare(all, p, &wait)) {
		if (poll(p, nsessions, wait) == -1 && errno != EINTR)
			err(1, "poll");
		for (i = 0; i < nsessions; i++)
			serve(&all[i], p[i].revents);
		if (now_ms() - last > PATIENCE)
			errx(1, "nothing happened for a minute: %lu of %lu "
			    "messages begun", next, messages);
	}
}

static unsigned long
number(const char *arg, unsigned long max)
{
	char		*end;
	unsigned long	 n = strtoul(arg, &end, 10);

	if (*arg == '\0' || *end != '\0' || n == 0 || n > max)
		errx(1, "%s: not a number from 1 to %lu", arg, max);
	return n;
}

static void
options(int argc, char *argv[])
{
	int	ch;

	while ((ch = getopt(argc, argv, "al:m:n:o:s:")) != -1) {
		switch (ch) {
		case 'a':
			own = true;
			break;
		case 'l':
			length = number(optarg, 1UL << 30);
			break;
		case 'm':
			messages = number(optarg, 1UL << 30);
			break;
		case 'n':
			per_session = number(optarg, 1UL << 30);
			break;
		case 'o':
			if ((file = fopen(optarg, "w")) == NULL)
				err(1, "%s", optarg);
			break;
		case 's':
			nsessions = number(optarg, 10000);
			break;
		default:
			argc = 0;
		}
	}
	if (argc - optind == 1) {
		to.sin_port = htons((uint16_t)number(argv[optind], 65535));
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return;
	}
	(void)fprintf(stderr, "usage: ledger [-a] [-l octets] "
	    "[-m messages] [-n per-session] [-o file]\n\t[-s sessions] "
	    "port\n");
	exit(1);
}

int
main(int argc, char *argv[])
{
	struct session	*all;
	struct pollfd	*p;
	int64_t		 begin;
	size_t		 i;

	options(argc, argv);
	(void)snprintf(run, sizeof(run), "m%ld-", (long)getpid());
	room = 2 * length + 2048;
	all = calloc(nsessions, sizeof(*all));
	p = calloc(nsessions, sizeof(*p));
	if (all == NULL || p == NULL)
		err(1, NULL);
	for (i = 0; i < nsessions; i++) {
		all[i].fd = -1;
		all[i].pipelines = i % 2 == 0;
		if ((all[i].out = malloc(room)) == NULL)
			err(1, NULL);
	}
	begin = now_ms();
	loop(all, p);
	(void)printf("sent %lu acknowledged %lu refused %lu lost %lu "
	    "connections %lu failed %lu broken %lu ms %lld\n", next,
	    acknowledged, refused, lost, connections, failed, broken,
	    (long long)(now_ms() - begin));
	if (file != NULL && fclose(file) != 0)
		err(1, "the ids");
	for (i = 0; i < nsessions; i++)
		free(all[i].out);
	free(all);
	free(p);
	return fflush(stdout) == 0 ? 0 : 1;
}
