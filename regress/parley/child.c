/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Children: the daemon under test, posternctl, and postern -n.  What they
 * print is collected by the loop, so the actors go on talking meanwhile.
 *
 * A child leads a process group of its own and dies with us, so that no
 * talk, however it ends, leaves a daemon behind.  SIGCHLD says only that
 * somebody ended (talk.reap); each is then asked for by its pid.
 */
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

#define NO_SLOT		SIZE_MAX

static TAILQ_HEAD(, child) children = TAILQ_HEAD_INITIALIZER(children);

static void
child_exec(char *const *argv, int fd)
{
	sigset_t	none;
	int		null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null == -1 || dup2(null, 0) == -1 || dup2(fd, 1) == -1 ||
	    dup2(fd, 2) == -1)
		_exit(127);
	closefrom(3);
	execv(argv[0], argv);
	warn("%s", argv[0]);
	_exit(127);
}

void
child_spawn(struct child *ch, char *const *argv)
{
	int	fds[2];

	memset(ch, 0, sizeof(*ch));
	fflush(NULL);
	if (pipe2(fds, O_CLOEXEC) == -1 ||
	    fcntl(fds[0], F_SETFL, O_NONBLOCK) == -1 ||
	    (ch->pid = fork()) == -1)
		err(1, "cannot run %s", argv[0]);
	if (ch->pid == 0)
		child_exec(argv, fds[1]);
	setpgid(ch->pid, ch->pid);
	close(fds[1]);
	ch->fd = fds[0];
	ch->slot = NO_SLOT;
	TAILQ_INSERT_TAIL(&children, ch, entry);
}

static void
child_reap(struct child *ch, int flags)
{
	int	status;

	if (ch->exited || waitpid(ch->pid, &status, flags) != ch->pid)
		return;
	ch->exited = true;
	ch->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
	    WEXITSTATUS(status);
}

static void
child_read(struct child *ch)
{
	ssize_t	n;

	n = read(ch->fd, bytes_room(&ch->out, 16384), 16384);
	if (n > 0)
		ch->out.n += n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(ch->fd);
		ch->fd = -1;
	}
}

void
child_end(struct child *ch)
{
	if (!ch->exited || ch->fd != -1)
		kill(-ch->pid, SIGKILL);
	child_reap(ch, 0);
	if (ch->fd != -1)
		close(ch->fd);
	ch->fd = -1;
	TAILQ_REMOVE(&children, ch, entry);
}

bool
child_lives(void *arg)
{
	const struct child	*ch = arg;

	return !ch->exited || ch->fd != -1;
}

void
children_poll(struct pollset *ps)
{
	struct child	*ch;

	TAILQ_FOREACH(ch, &children, entry)
		ch->slot = ch->fd == -1 ? NO_SLOT :
		    pollset_add(ps, ch->fd, POLLIN);
}

void
children_ready(const struct pollset *ps)
{
	struct child	*ch;

	TAILQ_FOREACH(ch, &children, entry) {
		if (ch->slot != NO_SLOT && ps->fds[ch->slot].revents != 0)
			child_read(ch);
		if (talk.reap)
			child_reap(ch, WNOHANG);
	}
	talk.reap = false;
}

int
child_run(int line, char *const *argv, struct bytes *out)
{
	struct child	ch;
	int		rv;

	child_spawn(&ch, argv);
	rv = loop_while(child_lives, &ch, now_us() + talk.deadline);
	if (rv == -1 && errno == ETIMEDOUT)
		fail(NULL, line, "timeout: %s does not end", argv[0]);
	child_end(&ch);
	*out = ch.out;
	return rv == -1 ? -1 : ch.status;
}

void
children_end(void)
{
	while (!TAILQ_EMPTY(&children))
		child_end(TAILQ_FIRST(&children));
}
