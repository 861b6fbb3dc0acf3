/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * sink: a next hop that takes every message and writes down which it took.
 *
 *	sink [-d ms] [-o file] port
 *
 * It offers PIPELINING, 8BITMIME and SIZE, and answers 250 to each final
 * dot, after -d milliseconds if that is given: then more messages are on
 * their way between dot and answer.  What has the field
 *
 *	X-Ledger: ID LENGTH HASH
 *
 * as ledger(1) of this directory writes it is a message of a ledger: its ID
 * goes to the file, a line each, with "ok", or with "bad" where the content
 * is not the one of that length and hash or the recipient is not ID@...
 *
 * Invariant: an ID is written before the 250 leaves, and whether or not it
 * arrives; a message whose connection ends before the 250 is due is not
 * taken.  At SIGTERM the file is complete and the sums are printed.
 *
 * One thread and poll(2); a session reads no further while the answer to its
 * dot is held back.  Replies are short: a client that lets them pile up is
 * closed.  Rejected: threads, and a header parser: the field is looked for
 * at the start of each line, as ledger writes it.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "fnv.h"

#define LINE	1024			/* of a command, or of the header */
#define INPUT	65536

struct session {
	int		 fd;
	bool		 data;		/* in the content */
	bool		 body;		/* behind the empty line of it */
	bool		 gone;
	bool		 taken;		/* it sent a message: not aborted */
	int64_t		 due;		/* when the dot is answered; 0 = none */
	size_t		 rcpts;
	size_t		 len;		/* of the line so far */
	char		 line[LINE];
	char		 rcpt[LINE];	/* the last one's local part */
	char		 id[LINE];	/* of X-Ledger; "" is none */
	uint64_t	 want_len, want_hash;
	uint64_t	 got_len, got_hash;
	bool		 cut;		/* the line is longer than line */
	bool		 bol;		/* the octet begins a line of content */
	int		 dot;		/* of a line begun so: 1 ., 2 .CR */
	char		*left;		/* input behind a dot that waits */
	size_t		 nleft;
};

static struct session	**sessions;
static struct pollfd	 *pfds;
static size_t		  nsessions, size;
static volatile sig_atomic_t stop;

static FILE		 *out;
static int64_t		  delay;
static struct {
	unsigned long long messages, bad, connections, octets, aborted;
} sum;

static int64_t
now_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void
say(struct session *s, const char *text)
{
	size_t	len = strlen(text);

	if (!s->gone && send(s->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		s->gone = true;
}

/* --- the message --------------------------------------------------------- */

static void
message_begin(struct session *s)
{
	s->data = s->bol = true;
	s->body = s->cut = false;
	s->dot = 0;
	s->len = 0;
	s->id[0] = '\0';
	s->got_len = 0;
	s->got_hash = FNV_BEGIN;
}

/* The dot's answer is due: this is where it becomes ours. */
static void
message_take(struct session *s)
{
	size_t	n = strlen(s->id);
	bool	good;

	s->due = 0;
	sum.messages++;
	if (n > 0) {
		good = s->got_len == s->want_len &&
		    s->got_hash == s->want_hash && s->rcpts == 1 &&
		    strncmp(s->rcpt, s->id, n) == 0 && s->rcpt[n] == '@';
		sum.bad += !good;
		if (out != NULL)
			(void)fprintf(out, "%s %s\n", s->id,
			    good ? "ok" : "bad");
	}
	s->rcpts = 0;
	say(s, "250 2.0.0 taken\r\n");
}

/* A line of the header has ended. */
static void
header_line(struct session *s)
{
	unsigned long long	len, hash;

	if (s->len == 0 && !s->cut)
		s->body = true;
	else if (sscanf(s->line, "X-Ledger: %1023s %llu %llx", s->id, &len,
	    &hash) == 3) {
		s->want_len = len;
		s->want_hash = hash;
	}
	s->len = 0;
	s->cut = false;
}

/* An octet of content, unstuffed. */
static void
content(struct session *s, char c)
{
	if (s->body) {
		s->got_len++;
		s->got_hash = fnv(s->got_hash, (unsigned char)c);
	} else if (c == '\n')
		header_line(s);
	else if (c != '\r') {
		s->line[s->len] = c;
		s->line[s->len + 1] = '\0';
		if (s->len + 2 < LINE)
			s->len++;
		else
			s->cut = true;
	}
}

/* The content, to its dot; returns the octets used. */
static size_t
data_input(struct session *s, const char *p, size_t n)
{
	size_t	i;
	char	c;

	for (i = 0; i < n; i++) {
		c = p[i];
		if (s->bol && s->dot == 0 && c == '.') {
			s->dot = 1;
			continue;
		}
		if (s->dot == 1 && c == '\r') {
			s->dot = 2;
			continue;
		}
		if (s->dot == 2 && c == '\n') {
			s->data = false;
			s->len = 0;
			s->due = now_ms() + delay;
			sum.octets += i + 1;
			return i + 1;
		}
		if (s->dot == 2)
			content(s, '\r');
		s->dot = 0;
		s->bol = c == '\n';
		content(s, c);
	}
	sum.octets += n;
	return n;
}

/* --- commands ------------------------------------------------------------ */

static void
rcpt(struct session *s)
{
	const char	*lt = strchr(s->line, '<');

	(void)snprintf(s->rcpt, sizeof(s->rcpt), "%s",
	    lt != NULL ? lt + 1 : "");
	s->rcpts++;
	say(s, "250 2.1.5 ok\r\n");
}

static void
command(struct session *s)
{
	if (strncasecmp(s->line, "EHLO", 4) == 0)
		say(s, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
		    "250-ENHANCEDSTATUSCODES\r\n250 SIZE 0\r\n");
	else if (strncasecmp(s->line, "RCPT", 4) == 0)
		rcpt(s);
	else if (strncasecmp(s->line, "DATA", 4) == 0 && s->rcpts == 0)
		say(s, "503 5.5.1 no recipient\r\n");
	else if (strncasecmp(s->line, "DATA", 4) == 0) {
		message_begin(s);
		say(s, "354 go on\r\n");
	} else if (strncasecmp(s->line, "QUIT", 4) == 0) {
		say(s, "221 2.0.0 bye\r\n");
		s->gone = true;
	} else {
		s->rcpts = 0;
		say(s, "250 2.0.0 ok\r\n");
	}
}

static void
command_input(struct session *s, char c)
{
	if (c == '\n') {
		s->line[s->len] = '\0';
		s->len = 0;
		command(s);
	} else if (s->len + 1 < LINE)
		s->line[s->len++] = c;
}

/* Octets of the client: what is behind a dot waits for its answer. */
static void
input(struct session *s, const char *p, size_t n)
{
	size_t	i = 0;

	while (i < n && !s->gone && s->due == 0) {
		if (s->data)
			i += data_input(s, p + i, n - i);
		else
			command_input(s, p[i++]);
		if (s->due != 0 && delay == 0)
			message_take(s);
	}
	if (s->due == 0 || i == n)
		return;
	if ((s->left = malloc(n - i)) == NULL)
		err(1, NULL);
	memcpy(s->left, p + i, n - i);
	s->nleft = n - i;
}

static void
answer_due(struct session *s)
{
	char	*left = s->left;

	message_take(s);
	s->left = NULL;
	if (left != NULL)
		input(s, left, s->nleft);
	free(left);
}

/* --- connections --------------------------------------------------------- */

static void
readable(struct session *s)
{
	static char	buf[INPUT];
	ssize_t		n;

	n = read(s->fd, buf, sizeof(buf));
	if (n > 0)
		input(s, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		s->gone = true;
}

static void
session_new(int fd)
{
	struct session	*s;
	int		 on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		err(1, NULL);
	s->fd = fd;
	if (nsessions == size) {
		size += 256;
		sessions = realloc(sessions, size * sizeof(*sessions));
		pfds = realloc(pfds, (size + 1) * sizeof(*pfds));
		if (sessions == NULL || pfds == NULL)
			err(1, NULL);
	}
	sessions[nsessions++] = s;
	sum.connections++;
	say(s, "220 sink ESMTP\r\n");
}

/* A session that is gone leaves its place to the last one. */
static void
session_free(size_t i)
{
	struct session	*s = sessions[i];

	sum.aborted += s->data || s->due != 0;
	(void)close(s->fd);
	free(s->left);
	free(s);
	sessions[i] = sessions[--nsessions];
}

static int
listen_on(const char *port)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	int			 fd, on = 1;

	sin.sin_port = htons((uint16_t)atoi(port));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		err(1, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "bind %s", port);
	if (listen(fd, 1024) == -1)
		err(1, "listen");
	return fd;
}

/* One turn: what is to be read, and the dots whose time has come. */
static void
turn(int lfd)
{
	struct session	*s;
	int64_t		 now = now_ms(), wait = 1000;
	size_t		 i, n = nsessions;
	int		 fd;

	for (i = 0; i < n; i++) {
		s = sessions[i];
		pfds[i + 1].fd = s->fd;
		pfds[i + 1].events = s->due == 0 ? POLLIN : 0;
		if (s->due != 0 && s->due - now < wait)
			wait = s->due > now ? s->due - now : 0;
	}
	pfds[0].fd = lfd;
	pfds[0].events = POLLIN;
	if (poll(pfds, n + 1, (int)wait) == -1) {
		if (errno != EINTR)
			err(1, "poll");
		return;
	}
	now = now_ms();
	for (i = n; i-- > 0;) {
		s = sessions[i];
		if (s->due != 0 && (pfds[i + 1].revents & (POLLERR | POLLHUP)))
			s->gone = true;
		else if (s->due != 0 && s->due <= now)
			answer_due(s);
		else if (s->due == 0 && pfds[i + 1].revents != 0)
			readable(s);
		if (s->gone)
			session_free(i);
	}
	if ((pfds[0].revents & POLLIN) && (fd = accept(lfd, NULL, NULL)) != -1)
		session_new(fd);
}

int
main(int argc, char *argv[])
{
	struct sigaction	 sa = { .sa_handler = on_term };
	int			 ch, lfd;

	while ((ch = getopt(argc, argv, "d:o:")) != -1) {
		switch (ch) {
		case 'd':
			delay = atoi(optarg);
			break;
		case 'o':
			if ((out = fopen(optarg, "w")) == NULL)
				err(1, "%s", optarg);
			break;
		default:
			argc = 0;
		}
	}
	if (argc - optind != 1) {
		(void)fprintf(stderr, "usage: sink [-d ms] [-o file] port\n");
		return 1;
	}
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	lfd = listen_on(argv[optind]);
	if ((pfds = calloc(1, sizeof(*pfds))) == NULL)
		err(1, NULL);
	(void)fprintf(stderr, "ready\n");
	while (!stop)
		turn(lfd);
	(void)printf("messages %llu bad %llu connections %llu octets %llu "
	    "aborted %llu open %zu\n", sum.messages, sum.bad, sum.connections,
	    sum.octets, sum.aborted, nsessions);
	if (out != NULL && fclose(out) != 0)
		err(1, "the ids");
	return fflush(stdout) == 0 ? 0 : 1;
}
