/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * pipe: what a question between two processes costs.
 *
 *	pipe
 *
 * A child answers each message of common/msg.c with one of the same size,
 * over a socketpair, as a role does; the parent keeps 1, 4 or 10 questions
 * in flight.  A line for each: questions a second, and the CPU of both ends
 * together for one question and its answer.  Exit status 1 if an answer is
 * not to the oldest question.
 */
#include <sys/types.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "msg.h"

#define QUESTIONS	200000
#define OCTETS		64		/* of a question: a RCPT's, about */
#define ASK		100		/* a type of message */

static struct msgbuf	 pipe_end;
static struct wbuf	 body;
static uint32_t		 asked, answered;

static void
put(uint64_t sid, uint32_t seq)
{
	if (msg_put(&pipe_end, ASK, sid, seq, -1, &body) == -1)
		err(1, "msg_put");
}

/* Wait until something is there, and hand it to fn; false at the end. */
static bool
turn(int (*fn)(void *, struct msg *))
{
	struct pollfd	pfd = { .fd = pipe_end.fd, .events = POLLIN };

	if (msg_flush(&pipe_end) == 0)
		pfd.events |= POLLOUT;
	if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
		err(1, "poll");
	if ((pfd.revents & ~POLLOUT) == 0)
		return true;
	switch (msg_read(&pipe_end, fn, NULL)) {
	case MSG_READ_OK:
	case MSG_READ_AGAIN:
		return true;
	case MSG_READ_EOF:
		return false;
	case MSG_READ_BAD:
		errx(1, "a frame is broken");
	}
	return false;
}

static int
answer(void *arg, struct msg *m)
{
	(void)arg;
	put(m->sid, m->seq);
	return 0;
}

static int
ask_again(void *arg, struct msg *m)
{
	(void)arg;
	if (m->seq != answered++)
		return -1;
	if (asked < QUESTIONS)
		put(1, asked++);
	return 0;
}

/* The child's side; never returns. */
static void __attribute__((__noreturn__))
serve(int fd)
{
	msgbuf_init(&pipe_end, fd);
	while (turn(answer))
		;
	_exit(0);
}

static double
seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static double
cpu(int who)
{
	struct rusage	ru;

	if (getrusage(who, &ru) == -1)
		err(1, "getrusage");
	return seconds(&ru.ru_utime) + seconds(&ru.ru_stime);
}

static double
both(void)
{
	return cpu(RUSAGE_SELF) + cpu(RUSAGE_CHILDREN);
}

static double
now(void)
{
	struct timespec	ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		err(1, "clock_gettime");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
measure(uint32_t window)
{
	double	begin, cpu_begin = both(), took;
	pid_t	pid;
	int	fds[2], status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds) == -1)
		err(1, "socketpair");
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		(void)close(fds[0]);
		serve(fds[1]);
	}
	(void)close(fds[1]);
	msgbuf_init(&pipe_end, fds[0]);

	begin = now();
	for (asked = answered = 0; asked < window;)
		put(1, asked++);
	while (answered < QUESTIONS)
		if (!turn(ask_again))
			errx(1, "the child ended");
	took = now() - begin;
	msgbuf_clear(&pipe_end);
	if (waitpid(pid, &status, 0) == -1 || status != 0)
		errx(1, "the child failed");
	printf("%2u in flight %8.0f questions/s %6.2f us CPU each\n", window,
	    QUESTIONS / took, (both() - cpu_begin) * 1e6 / QUESTIONS);
	fflush(stdout);
}

int
main(void)
{
	static const uint32_t	windows[] = { 1, 4, 10 };
	static const char	octets[OCTETS];
	size_t			i;

	put_raw(&body, octets, sizeof(octets));
	for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		measure(windows[i]);
	wbuf_clear(&body);
	return 0;
}
