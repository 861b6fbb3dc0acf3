/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * load: SMTP clients, many at once, and how long their answers took.
 *
 *	load [-bpt] [-c connections] [-i interval] [-m mode] [-n operations]
 *	    [-o per-session] [-s size] [-u users] port
 *
 * Modes (-m), and the operation that is counted and timed:
 *
 *	mail	EHLO, -o messages, QUIT; a message, from MAIL to the reply to
 *		its dot
 *	rcpt	EHLO, MAIL, -o recipients, QUIT; a RCPT
 *	cmd	EHLO, -o times NOOP, QUIT; a NOOP
 *	idle	EHLO; the session, from connect(2) to the reply to EHLO.  When
 *		all are there "held N" is printed, and they are held until
 *		stdin ends; one that the server ends before that has failed.
 *
 * -c sessions are open at once (20), a new one as soon as one has ended,
 * until -n operations (1000) are done, or in idle, all of -c are open.  -o
 * is 1, -s 4096 octets of content.  -p pipelines as RFC 2920 has it: the next
 * MAIL goes with a message's content.  -t uses STARTTLS, and believes
 * any certificate.
 *
 * Recipients are user0 to user999 in turns; -u says how many there are, 0:
 * they are new ones, none of which is said twice.  With -b they are new, too,
 * begin with "bad", and a 550 is what is expected.  -i waits so many ms
 * between an answer and what comes next.  At SIGTERM no session is begun any
 * more, and those that wait for -i end: the result is of what was done.
 *
 * An operation begins when the answer before it has come, also if its octets
 * left earlier.  The result is one line of names and numbers:
 *
 *	ops N failed N rate N/s p50 ms p99 ms cpu us/op
 *
 * Exit status 1 if an operation failed: another answer than the one of
 * steps[], a connection that ended, or 30 seconds in which nothing came.
 * After GIVE_UP failures no session is begun any more.
 *
 * One thread and poll(2).  A session is two cursors over the steps of its
 * dialogue, what is sent and what is answered; nothing else knows the order.
 */
#include <sys/resource.h>
#include <sys/time.h>

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

#define SILENCE		30000		/* ms */
#define OPENING		100		/* of the first sessions at once */
#define COMPLAINTS	5		/* failures that are told in full */
#define GIVE_UP		100		/* failures; then nothing more begins */

enum mode { MAIL_MODE, RCPT_MODE, CMD_MODE, IDLE_MODE };

static const char	*modes[] = { "mail", "rcpt", "cmd", "idle" };

enum step {
	BANNER, EHLO, STARTTLS, MAIL, RCPT, DATA, BODY, NOOP, QUIT, HOLD, END
};

static const struct {
	const char	*name;
	const char	*text;
	int		 code;		/* the answer; HOLD and END have none */
	bool		 alone;		/* nothing goes behind it, -p or not */
} steps[] = {
	[BANNER] =	{ "banner", "", 220, true },
	[EHLO] =	{ "EHLO", "EHLO load.example.net\r\n", 250, true },
	[STARTTLS] =	{ "STARTTLS", "STARTTLS\r\n", 220, true },
	[MAIL] =	{ "MAIL", "MAIL FROM:<load@example.net>\r\n", 250,
			    false },
	[RCPT] =	{ "RCPT", NULL, 250, false },
	[DATA] =	{ "DATA", "DATA\r\n", 354, true },
	[BODY] =	{ "content", NULL, 250, false },
	[NOOP] =	{ "NOOP", "NOOP\r\n", 250, false },
	[QUIT] =	{ "QUIT", "QUIT\r\n", 221, true },
	[HOLD] =	{ "hold", "", 0, true },
	[END] =		{ "end", "", 0, true }
};

struct cursor {
	enum step	 step;
	bool		 secure;
	size_t		 left;		/* operations of this session */
};

struct conn {
	struct stream	 s;
	bool		 opening;	/* EHLO is not answered */
	bool		 shaking;	/* the TLS handshake is on */
	bool		 over;		/* closed at the end of the turn */
	struct cursor	 tx;		/* what to send next */
	struct cursor	 rx;		/* what to be answered next */
	unsigned int	 unanswered;
	uint64_t	 since;		/* the operation began */
	uint64_t	 due;		/* -i: when the next one does; 0 */
	char		*out;		/* a batch, its sent part included */
	size_t		 out_len, out_off, out_size;
	size_t		 in_len;
	char		 in[1024];
};

static enum mode	 mode;
static bool		 pipelined, bad;
static struct tls_config *config;	/* NULL: without TLS */
static size_t		 connections = 20, operations = 1000, each = 1;
static size_t		 users = 1000;	/* 0: always another one */
static size_t		 next_user;	/* of the next RCPT */
static uint64_t		 interval;	/* us */
static uint16_t		 port;
static volatile sig_atomic_t	stop;
static char		*content;	/* with its dot */
static size_t		 content_len = 4096;

static struct conn	*conns;
static struct pollfd	*pfds;
static size_t		 started;	/* conns in use: the first of them */
static size_t		 active, opening, held;
static bool		 holding;	/* all of an idle run are open */
static size_t		 given;		/* operations given to sessions */
static size_t		 done, failed;
static uint32_t		*times;		/* of each one done, us */

/* --- the order of things ------------------------------------------------- */

static void
cursor_next(struct cursor *c)
{
	static const enum step	first[] = { MAIL, MAIL, NOOP, HOLD };

	switch (c->step) {
	case BANNER:
		c->step = EHLO;
		break;
	case EHLO:
		c->step = config != NULL && !c->secure ? STARTTLS : first[mode];
		break;
	case STARTTLS:
		c->secure = true;
		c->step = EHLO;
		break;
	case MAIL:
		c->step = RCPT;
		break;
	case RCPT:
		if (mode == MAIL_MODE)
			c->step = DATA;
		else if (--c->left == 0)
			c->step = QUIT;
		break;
	case DATA:
		c->step = BODY;
		break;
	case BODY:
		c->step = --c->left > 0 ? MAIL : QUIT;
		break;
	case NOOP:
		if (--c->left == 0)
			c->step = QUIT;
		break;
	case QUIT:
	case HOLD:
	case END:
		c->step = END;
		break;
	}
}

/* Does the answer to this step end an operation? */
static bool
is_operation(enum step step, enum step next)
{
	static const enum step	counted[] = { BODY, RCPT, NOOP };

	return mode == IDLE_MODE ? next == HOLD : step == counted[mode];
}

/* --- sessions ------------------------------------------------------------ */

static void
conn_open(struct conn *c)
{
	size_t	n = operations - given;

	memset(&c->rx, 0, sizeof(c->rx));
	c->rx.left = n < each ? n : each;
	given += c->rx.left;
	c->tx = c->rx;
	cursor_next(&c->tx);
	c->unanswered = 1;
	c->opening = true;
	c->shaking = c->over = false;
	c->out_len = c->out_off = c->in_len = 0;
	c->since = now_us();
	c->due = 0;
	c->s.want = POLLIN;
	if ((c->s.fd = stream_connect(port)) == -1)
		err(1, "connect to port %u", port);
	opening++;
	active++;
}

static void
conn_opened(struct conn *c)
{
	opening -= c->opening;
	c->opening = false;
}

static void
conn_close(struct conn *c)
{
	stream_close(&c->s);
	conn_opened(c);
	active--;
	if (given < operations && !stop)
		conn_open(c);
}

/* Its operations that are not done never will be. */
static void
conn_fail(struct conn *c, const char *why)
{
	static unsigned int	complaints;

	if (complaints++ < COMPLAINTS)
		fprintf(stderr, "load: %s: %s\n", steps[c->rx.step].name, why);
	failed += c->rx.left > 0 ? c->rx.left : 1;
	if (failed >= GIVE_UP)
		given = operations;
	held -= c->rx.step == HOLD;
	c->over = true;
}

static void
conn_write(struct conn *c)
{
	ssize_t	n;

	while (c->out_off < c->out_len) {
		n = stream_write(&c->s, c->out + c->out_off,
		    c->out_len - c->out_off);
		if (n == STREAM_WAIT)
			return;
		if (n <= 0) {
			conn_fail(c, "cannot write");
			return;
		}
		c->out_off += (size_t)n;
	}
	c->s.want = POLLIN;
}

/* A RCPT; returns its length. */
static size_t
recipient(char *line, size_t size)
{
	size_t	user = next_user++;

	if (users > 0)
		user %= users;
	return (size_t)snprintf(line, size, "RCPT TO:<%s%zu@example.com>\r\n",
	    bad ? "bad" : users == 0 ? "new" : "user", user);
}

/* What step has to say goes behind the rest of the batch. */
static void
put_step(struct conn *c, enum step step)
{
	char		 line[128];
	const char	*p = line;
	size_t		 n;

	if (step == BODY) {
		p = content;
		n = content_len;
	} else if (step == RCPT)
		n = recipient(line, sizeof(line));
	else {
		p = steps[step].text;
		n = strlen(p);
	}
	if (c->out_size - c->out_len < n) {
		c->out_size = c->out_len + n;
		if ((c->out = realloc(c->out, c->out_size)) == NULL)
			err(1, NULL);
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
}

/* As much as may go in one write. */
static void
conn_send(struct conn *c)
{
	enum step	step;

	c->out_len = c->out_off = 0;
	do {
		step = c->tx.step;
		put_step(c, step);
		c->unanswered++;
		cursor_next(&c->tx);
	} while (pipelined && !steps[step].alone);
	conn_write(c);
}

static void
operation_done(struct conn *c)
{
	uint64_t	now = now_us();

	times[done++] = (uint32_t)(now - c->since);
	c->since = now;
}

/* The answer to what rx is at. */
static void
conn_reply(struct conn *c, const char *line)
{
	enum step	step = c->rx.step;

	if (atoi(line) != (step == RCPT && bad ? 550 : steps[step].code)) {
		conn_fail(c, line);
		return;
	}
	cursor_next(&c->rx);
	c->unanswered--;
	if (is_operation(step, c->rx.step))
		operation_done(c);
	else if (step == EHLO)
		c->since = now_us();
	if (step == EHLO && c->rx.step != STARTTLS)
		conn_opened(c);

	if (c->rx.step == END)
		c->over = true;
	else if (c->rx.step == HOLD)
		held++;
	else if (step == STARTTLS) {
		c->shaking = true;
		if ((c->s.tls = tls_client()) == NULL ||
		    tls_configure(c->s.tls, config) == -1 ||
		    tls_connect_socket(c->s.tls, c->s.fd, NULL) == -1)
			errx(1, "TLS");
	} else if (c->unanswered == 0 && interval > 0)
		c->due = now_us() + interval;
	else if (c->unanswered == 0)
		conn_send(c);
}

/* --- input --------------------------------------------------------------- */

/* The lines there are; all but the last of a reply say nothing to us. */
static void
conn_lines(struct conn *c)
{
	char	*line = c->in, *nl;
	size_t	 n = c->in_len;

	while (!c->over && (nl = memchr(line, '\n', n)) != NULL) {
		n -= (size_t)(nl + 1 - line);
		*nl = '\0';
		if (nl - line > 3 && line[3] == ' ')
			conn_reply(c, line);
		line = nl + 1;
	}
	memmove(c->in, line, n);
	c->in_len = n;
}

static void
conn_read(struct conn *c)
{
	ssize_t	n;

	do {
		n = stream_read(&c->s, c->in + c->in_len,
		    sizeof(c->in) - c->in_len);
		if (n == STREAM_WAIT)
			return;
		if (n <= 0) {
			conn_fail(c, n == 0 ? "closed" : "broken");
			return;
		}
		c->in_len += (size_t)n;
		conn_lines(c);
	} while (c->s.tls != NULL && !c->shaking && !c->over);
}

static void
conn_handshake(struct conn *c)
{
	int	n;

	if ((n = stream_handshake(&c->s)) == STREAM_WAIT)
		return;
	if (n == -1) {
		conn_fail(c, tls_error(c->s.tls));
		return;
	}
	c->shaking = false;
	conn_send(c);
}

static void
conn_event(struct conn *c)
{
	if (!c->shaking && c->out_off < c->out_len)
		conn_write(c);
	if (!c->shaking && !c->over)
		conn_read(c);
	if (c->shaking && !c->over)
		conn_handshake(c);
	if (c->out_off < c->out_len)
		c->s.want |= POLLOUT;		/* reading may have unset it */
	if (c->over)
		conn_close(c);
}

/* --- a run --------------------------------------------------------------- */

/* The milliseconds until something is due (-i). */
static int
wait_ms(void)
{
	uint64_t	first = UINT64_MAX, now = now_us();
	size_t		i;

	if (holding)
		return -1;
	for (i = 0; i < started; i++)
		if (conns[i].due != 0 && conns[i].due < first)
			first = conns[i].due;
	if (first == UINT64_MAX)
		return SILENCE;
	return first <= now ? 0 : (int)((first - now + 999) / 1000);
}

static void
go_on(struct conn *c)
{
	uint64_t	now = now_us();

	if (c->due == 0 || (!stop && now < c->due))
		return;
	c->due = 0;
	if (stop) {
		conn_close(c);
		return;
	}
	c->since = now;
	conn_send(c);
}

/* Returns false when stdin has ended, which ends an idle run. */
static bool
turn(void)
{
	size_t	i, n;

	while (!stop && started < connections && opening < OPENING &&
	    given < operations)
		conn_open(&conns[started++]);
	for (i = 0; i < started; i++) {
		pfds[i].fd = conns[i].s.fd;
		pfds[i].events = conns[i].s.want;
	}
	n = started;
	pfds[n].fd = holding ? STDIN_FILENO : -1;
	pfds[n].events = POLLIN;
	switch (poll(pfds, n + 1, wait_ms())) {
	case -1:
		if (errno == EINTR)
			return true;
		err(1, "poll");
	case 0:
		if (interval > 0)
			break;
		errx(1, "nothing came for %d ms, %zu of %zu done", SILENCE,
		    done, operations);
	}
	for (i = 0; i < n; i++)
		if (pfds[i].fd != -1 && pfds[i].revents != 0)
			conn_event(&conns[i]);
	for (i = 0; i < n && interval > 0; i++)
		go_on(&conns[i]);
	return pfds[n].fd == -1 || pfds[n].revents == 0;
}

static int
compare(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The time in ms that this share of the operations took at most. */
static double
percentile(unsigned int percent)
{
	if (done == 0)
		return 0;
	return times[(done - 1) * percent / 100] / 1000.0;
}

static double
cpu_us(void)
{
	struct rusage	ru;

	if (getrusage(RUSAGE_SELF, &ru) == -1)
		err(1, "getrusage");
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

static void
run(void)
{
	uint64_t	begin = now_us(), took = 0;

	while (turn() && (active > 0 || (given < operations && !stop))) {
		if (mode != IDLE_MODE || holding || opening > 0 ||
		    given < operations)
			continue;
		took = now_us() - begin;
		printf("held %zu\n", held);
		fflush(stdout);
		holding = true;
	}
	if (took == 0)
		took = now_us() - begin;

	qsort(times, done, sizeof(*times), compare);
	printf("ops %zu failed %zu rate %.0f p50 %.3f p99 %.3f cpu %.2f\n",
	    done, failed, (double)done * 1e6 / (double)took, percentile(50),
	    percentile(99), done > 0 ? cpu_us() / (double)done : 0);
}

/* --- the beginning ------------------------------------------------------- */

static void
make_content(size_t size)
{
	static const char	header[] = "From: load@example.net\r\n"
				    "To: someone@example.com\r\n"
				    "Subject: load\r\n\r\n";
	static const char	line[] = "A line of the message, as long as "
				    "those that people write, mostly.\r\n";
	size_t			n = sizeof(header) - 1, k;

	if ((content = malloc(size + sizeof(header) + 5)) == NULL)
		err(1, NULL);
	memcpy(content, header, n);
	while (n < size) {
		k = size - n < sizeof(line) - 1 ? size - n : sizeof(line) - 1;
		memcpy(content + n, line + sizeof(line) - 1 - k, k);
		n += k;
	}
	memcpy(content + n, ".\r\n", 3);
	content_len = n + 3;
}

static void
make_tls(void)
{
	if ((config = tls_config_new()) == NULL)
		errx(1, "TLS");
	tls_config_insecure_noverifycert(config);
	tls_config_insecure_noverifyname(config);
}

/* Room for a descriptor of each connection. */
static void
make_room(void)
{
	struct rlimit	rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	if (rl.rlim_cur < connections + 16) {
		rl.rlim_cur = connections + 16;
		if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
			err(1, "%zu connections", connections);
	}
	conns = calloc(connections, sizeof(*conns));
	pfds = calloc(connections + 1, sizeof(*pfds));
	times = calloc(operations, sizeof(*times));
	if (conns == NULL || pfds == NULL || times == NULL)
		err(1, NULL);
}

static void __attribute__((__noreturn__))
usage(void)
{
	fprintf(stderr, "usage: load [-bpt] [-c connections] [-i interval] "
	    "[-m mode] [-n operations]\n"
	    "\t[-o per-session] [-s size] [-u users] port\n");
	exit(1);
}

static void
on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static size_t
number(const char *s, long long max)
{
	const char	*why;
	long long	 n = strtonum(s, 1, max, &why);

	if (why != NULL)
		errx(1, "%s is %s", s, why);
	return (size_t)n;
}

static void
set_mode(const char *name)
{
	size_t	i;

	for (i = 0; i <= IDLE_MODE; i++)
		if (strcmp(modes[i], name) == 0) {
			mode = (enum mode)i;
			return;
		}
	usage();
}

int
main(int argc, char *argv[])
{
	int	ch;

	while ((ch = getopt(argc, argv, "bc:i:m:n:o:ps:tu:")) != -1) {
		switch (ch) {
		case 'b':
			bad = true;
			users = 0;
			break;
		case 'c':
			connections = number(optarg, 100000);
			break;
		case 'i':
			interval = 1000 * number(optarg, 60000);
			break;
		case 'm':
			set_mode(optarg);
			break;
		case 'n':
			operations = number(optarg, 100000000);
			break;
		case 'o':
			each = number(optarg, 1000000);
			break;
		case 'p':
			pipelined = true;
			break;
		case 's':
			content_len = number(optarg, 1 << 30);
			break;
		case 't':
			make_tls();
			break;
		case 'u':
			users = strcmp(optarg, "0") == 0 ? 0 :
			    number(optarg, UINT32_MAX);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 1)
		usage();
	port = (uint16_t)number(argv[optind], 65535);
	if (mode == IDLE_MODE) {
		operations = connections;
		each = 1;
	}
	if (users == 0)
		next_user = arc4random();
	make_content(content_len);
	make_room();
	(void)signal(SIGTERM, on_term);
	run();
	return failed == 0 && (stop || done == operations) ? 0 : 1;
}
