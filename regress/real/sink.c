/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * sink: a next hop that takes every message and writes down which it took.
 *
 *	sink [-px] [-c file] [-d ms] [-o file] [-u user] port
 *
 * It offers PIPELINING, 8BITMIME and SIZE, with -x XCLIENT too, and answers
 * 250 to each final dot, after -d milliseconds if that is given: then more
 * messages are on their way between dot and answer.  A recipient of the local
 * part that -u gives is not there.  What has the field
 *
 *	X-Ledger: ID LENGTH HASH
 *
 * as ledger(1) of this directory writes it is a message of a ledger: its ID
 * goes to the file, a line each, with "ok", or with "bad" where the content
 * is not the one of that length and hash or the recipient is not ID@...
 *
 * With -c it writes a line for each message that says whose it is as far as
 * the next hop can know, and what the message's X-Client says of that:
 *
 *	NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT <sender> claim
 *
 * "-" is what is not known.  The address is that of the connection until a
 * PROXY header, which -p wants at its beginning, or XCLIENT says another.
 * Here XCLIENT leaves alone what it does not name, as Dovecot's does: who
 * forgets to say something of the next client shows.
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

#include <arpa/inet.h>

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
#define VALUE	256			/* of an attribute of a client */

enum { NAME, ADDR, PORT, PROTO, HELO, LOGIN, DESTADDR, DESTPORT, NATTRS };

static const char *const attr_names[NATTRS] = {
	"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR",
	"DESTPORT"
};

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
	bool		 proxy;		/* the PROXY header is to come */
	bool		 xclient;	/* HELO is not the peer's */
	bool		 mail;		/* in a transaction */
	char		 attr[NATTRS][VALUE];
	char		 sender[LINE];
	char		 claim[LINE];	/* of X-Client */
	char		*left;		/* input behind a dot that waits */
	size_t		 nleft;
};

static struct session	**sessions;
static struct pollfd	 *pfds;
static size_t		  nsessions, size;
static volatile sig_atomic_t stop;

static FILE		 *out, *clients;
static bool		  offers_xclient, wants_proxy;
static int64_t		  delay;
static const char	 *unknown;
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
	s->id[0] = s->claim[0] = '\0';
	s->got_len = 0;
	s->got_hash = FNV_BEGIN;
}

/* Whose message it was. */
static void
message_client(const struct session *s)
{
	size_t	i;

	if (clients == NULL)
		return;
	for (i = 0; i < NATTRS; i++)
		(void)fprintf(clients, "%s ", s->attr[i]);
	(void)fprintf(clients, "<%s> %s\n", s->sender, s->claim);
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
	message_client(s);
	s->rcpts = 0;
	s->mail = false;
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
	} else
		(void)sscanf(s->line, "X-Client: %1023[ -~]", s->claim);
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

/* --- clients ------------------------------------------------------------- */

/* One attribute becomes what the octets say; nothing is "-". */
static void
attr_set(struct session *s, int i, const char *value)
{
	(void)snprintf(s->attr[i], VALUE, "%s", *value != '\0' ? value : "-");
}

/* Where the connection comes from, and from where to where it goes. */
static void
attrs_begin(struct session *s, const struct sockaddr_in *sin)
{
	char	addr[INET_ADDRSTRLEN], port[8];
	int	i;

	for (i = 0; i < NATTRS; i++)
		attr_set(s, i, "");
	(void)inet_ntop(AF_INET, &sin->sin_addr, addr, sizeof(addr));
	(void)snprintf(port, sizeof(port), "%u", ntohs(sin->sin_port));
	attr_set(s, ADDR, addr);
	attr_set(s, PORT, port);
}

/* xtext, in place. */
static bool
unxtext(char *p)
{
	unsigned int	 c;
	char		*to = p;

	for (; *p != '\0'; p++) {
		if (*p != '+')
			*to++ = *p;
		else if (sscanf(p + 1, "%2X", &c) == 1 && p[2] != '\0') {
			*to++ = (char)c;
			p += 2;
		} else
			return false;
	}
	*to = '\0';
	return true;
}

/* NAME=value of an XCLIENT: whether it can be that. */
static bool
attr_take(struct session *s, char *word)
{
	char	*value = strchr(word, '=');
	bool	 none;
	int	 i;

	if (value == NULL)
		return false;
	*value++ = '\0';
	none = strcasecmp(value, "[UNAVAILABLE]") == 0 ||
	    strcasecmp(value, "[TEMPUNAVAIL]") == 0;
	for (i = 0; i < NATTRS; i++) {
		if (strcasecmp(word, attr_names[i]) != 0)
			continue;
		/* Neither Postfix nor Dovecot takes that. */
		if ((none && i == PROTO) || !unxtext(value))
			return false;
		attr_set(s, i, none ? "" : value);
		return true;
	}
	return false;
}

static void
xclient(struct session *s)
{
	char	*word, *last;

	if (!offers_xclient) {
		say(s, "550 5.7.0 not for you\r\n");
		return;
	}
	if (s->mail) {
		say(s, "503 5.5.1 in a transaction\r\n");
		return;
	}
	s->xclient = true;
	for (word = strtok_r(s->line + 7, " \r", &last); word != NULL;
	    word = strtok_r(NULL, " \r", &last)) {
		if (!attr_take(s, word)) {
			say(s, "501 5.5.4 bad attribute\r\n");
			return;
		}
	}
	say(s, "220 sink ESMTP\r\n");
}

/* "PROXY TCP4 from to port port" */
static bool
proxy_v1(struct session *s)
{
	char	from[64], to[64], port[8], destport[8], family;

	if (sscanf(s->line, "PROXY TCP%c %63s %63s %7s %7s", &family, from,
	    to, port, destport) != 5)
		return strncmp(s->line, "PROXY UNKNOWN", 13) == 0;
	attr_set(s, ADDR, from);
	attr_set(s, PORT, port);
	attr_set(s, DESTADDR, to);
	attr_set(s, DESTPORT, destport);
	return true;
}

/* Version 2: 16 octets, and as many as they say. */
static bool
proxy_v2(struct session *s)
{
	const unsigned char	*p = (const unsigned char *)s->line;
	char			 text[INET6_ADDRSTRLEN];
	int			 family = p[13] >> 4 == 2 ? AF_INET6 : AF_INET;
	size_t			 n = family == AF_INET6 ? 16 : 4;

	if (p[12] == 0x20)		/* LOCAL: of itself */
		return true;
	if (p[12] != 0x21 || (p[13] & 15) != 1 || s->len < 16 + 2 * n + 4)
		return false;
	p += 16;
	attr_set(s, ADDR, inet_ntop(family, p, text, sizeof(text)));
	attr_set(s, DESTADDR, inet_ntop(family, p + n, text, sizeof(text)));
	p += 2 * n;
	(void)snprintf(text, sizeof(text), "%d", p[0] << 8 | p[1]);
	attr_set(s, PORT, text);
	(void)snprintf(text, sizeof(text), "%d", p[2] << 8 | p[3]);
	attr_set(s, DESTPORT, text);
	return true;
}

/* An octet of the PROXY header; the banner waits for its end. */
static void
proxy_input(struct session *s, char c)
{
	static const char	 magic[] = "\r\n\r\n\0\r\nQUIT\n";
	const unsigned char	*p = (const unsigned char *)s->line;
	bool			 good;

	s->line[s->len++] = c;
	if (s->len >= 16 && memcmp(s->line, magic, 12) == 0) {
		if (s->len < 16 + (size_t)(p[14] << 8 | p[15]) &&
		    s->len < LINE)
			return;
		good = s->len < LINE && proxy_v2(s);
	} else {
		if (c != '\n' || s->len < 6 || s->line[0] == '\r') {
			s->gone = s->len > 107;
			return;
		}
		s->line[s->len] = '\0';
		good = proxy_v1(s);
	}
	s->proxy = false;
	s->len = 0;
	s->gone = !good;
	sum.bad += !good;
	say(s, "220 sink ESMTP\r\n");
}

/* --- commands ------------------------------------------------------------ */

static void
rcpt(struct session *s)
{
	const char	*lt = strchr(s->line, '<');
	const char	*to = lt != NULL ? lt + 1 : "";
	size_t		 len = unknown != NULL ? strlen(unknown) : 0;

	if (len > 0 && strncasecmp(to, unknown, len) == 0 && to[len] == '@') {
		say(s, "550 5.1.1 no such user here\r\n");
		return;
	}
	(void)snprintf(s->rcpt, sizeof(s->rcpt), "%s", to);
	s->rcpts++;
	say(s, "250 2.1.5 ok\r\n");
}

static void
mail(struct session *s)
{
	s->sender[0] = '\0';
	(void)sscanf(s->line, "%*[^<]<%1023[^>]", s->sender);
	s->rcpts = 0;
	s->mail = true;
	say(s, "250 2.1.0 ok\r\n");
}

/* EHLO or HELO: what the client is called, if XCLIENT does not say. */
static void
hello(struct session *s, bool extended)
{
	s->rcpts = 0;
	s->mail = false;
	if (!s->xclient) {
		s->line[strcspn(s->line, "\r")] = '\0';
		attr_set(s, HELO, s->line + 4 + strspn(s->line + 4, " "));
		attr_set(s, PROTO, extended ? "ESMTP" : "SMTP");
	}
	if (!extended) {
		say(s, "250 sink\r\n");
		return;
	}
	say(s, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n");
	if (offers_xclient)
		say(s, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN "
		    "DESTADDR DESTPORT\r\n");
	say(s, "250 SIZE 0\r\n");
}

static void
command(struct session *s)
{
	if (strncasecmp(s->line, "EHLO", 4) == 0)
		hello(s, true);
	else if (strncasecmp(s->line, "HELO", 4) == 0)
		hello(s, false);
	else if (strncasecmp(s->line, "XCLIENT", 7) == 0)
		xclient(s);
	else if (strncasecmp(s->line, "MAIL", 4) == 0)
		mail(s);
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
		s->mail = false;
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
		if (s->proxy)
			proxy_input(s, p[i++]);
		else if (s->data)
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
session_new(int fd, const struct sockaddr_in *sin)
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
	attrs_begin(s, sin);
	s->proxy = wants_proxy;
	if (!s->proxy)
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
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);
	struct session		*s;
	int64_t			 now = now_ms(), wait = 1000;
	size_t			 i, n = nsessions;
	int			 fd;

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
	if ((pfds[0].revents & POLLIN) && (fd = accept(lfd,
	    (struct sockaddr *)&sin, &len)) != -1)
		session_new(fd, &sin);
}

int
main(int argc, char *argv[])
{
	struct sigaction	 sa = { .sa_handler = on_term };
	int			 ch, lfd;

	while ((ch = getopt(argc, argv, "c:d:o:pu:x")) != -1) {
		switch (ch) {
		case 'c':
			if ((clients = fopen(optarg, "w")) == NULL)
				err(1, "%s", optarg);
			break;
		case 'd':
			delay = atoi(optarg);
			break;
		case 'o':
			if ((out = fopen(optarg, "w")) == NULL)
				err(1, "%s", optarg);
			break;
		case 'p':
			wants_proxy = true;
			break;
		case 'u':
			unknown = optarg;
			break;
		case 'x':
			offers_xclient = true;
			break;
		default:
			argc = 0;
		}
	}
	if (argc - optind != 1) {
		(void)fprintf(stderr, "usage: sink [-px] [-c file] [-d ms] "
		    "[-o file] [-u user] port\n");
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
	if (clients != NULL && fclose(clients) != 0)
		err(1, "the clients");
	return fflush(stdout) == 0 ? 0 : 1;
}
