/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * parley: play a talk, exit 0 when it went as written, 1 when it did not,
 * 77 when it cannot be played here.
 *
 * There is one loop.  Whatever waits says for which descriptor and until
 * when, and everything has a deadline; nothing sleeps.  SIGCHLD and the
 * signals that interrupt are open only inside ppoll(2), so none is missed
 * between looking and waiting.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "parley.h"

#define DEADLINE	(5 * SECOND)
#define TALK_LIMIT	60		/* deadlines that a talk may last */

struct talk talk = {
	.factor = 1,
	.actors = TAILQ_HEAD_INITIALIZER(talk.actors),
	.conns = TAILQ_HEAD_INITIALIZER(talk.conns),
	.procs = TAILQ_HEAD_INITIALIZER(talk.procs),
	.stmts = TAILQ_HEAD_INITIALIZER(talk.stmts)
};

static volatile sig_atomic_t	got_chld, got_stop;

/* --- small things ------------------------------------------------------ */

int64_t
now_us(void)
{
	struct timespec	ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}

void *
xcalloc(size_t n, size_t size)
{
	void	*p = calloc(n, size);

	if (p == NULL)
		err(1, NULL);
	return p;
}

char *
xstrdup(const char *s)
{
	char	*copy = strdup(s);

	if (copy == NULL)
		err(1, NULL);
	return copy;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list	 ap;
	char	*s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		err(1, NULL);
	va_end(ap);
	return s;
}

int64_t
duration(const char *s)
{
	const char	*why, *unit = s + strspn(s, "0123456789");
	char		*number = strndup(s, unit - s);
	int64_t		 n = strtonum(number, 0, 86400000, &why);

	free(number);
	if (why != NULL)
		return -1;
	if (strcmp(unit, "ms") == 0)
		return n * MS;
	if (strcmp(unit, "s") == 0)
		return n * SECOND;
	if (strcmp(unit, "m") == 0)
		return n * 60 * SECOND;
	return -1;
}

/* --- the loop ---------------------------------------------------------- */

size_t
pollset_add(struct pollset *ps, int fd, short events)
{
	if (ps->n == ps->size) {
		ps->size = ps->size * 2 + 16;
		ps->fds = reallocarray(ps->fds, ps->size, sizeof(*ps->fds));
		if (ps->fds == NULL)
			err(1, NULL);
	}
	ps->fds[ps->n] = (struct pollfd){ .fd = fd, .events = events };
	return ps->n++;
}

void
pollset_until(struct pollset *ps, int64_t at)
{
	if (at != 0 && (ps->until == 0 || at < ps->until))
		ps->until = at;
}

/* Wait for the set; events of the kernel are in it afterwards. */
static void
pollset_wait(struct pollset *ps)
{
	struct timespec	 ts;
	sigset_t	 open;
	int64_t		 t;

	if ((t = ps->until - now_us()) < 0)
		t = 0;
	ts.tv_sec = t / SECOND;
	ts.tv_nsec = t % SECOND * 1000;
	sigemptyset(&open);
	if (ppoll(ps->fds, ps->n, ps->until == 0 ? NULL : &ts, &open) == -1) {
		if (errno != EINTR)
			err(1, "ppoll");
		while (ps->n > 0)	/* the events are not valid then */
			ps->fds[--ps->n].revents = 0;
	}
}

static void
loop_turn(int64_t limit)
{
	static struct pollset	ps;

	ps.n = 0;
	ps.until = 0;
	pollset_until(&ps, limit);
	pollset_until(&ps, talk.start + TALK_LIMIT * talk.deadline);
	children_poll(&ps);
	actors_poll(&ps);
	dns_poll(&ps);
	if (talk.trickle)
		sched_yield();		/* let them see the octet by itself */
	pollset_wait(&ps);
	if (got_chld) {
		got_chld = 0;
		talk.reap = true;
	}
	children_ready(&ps);
	actors_ready(&ps);
	dns_ready(&ps);
}

int
loop_while(bool (*busy)(void *), void *arg, int64_t limit)
{
	unsigned int	failures = talk.failures;
	int64_t		end = talk.start + TALK_LIMIT * talk.deadline;

	while (busy(arg)) {
		if (limit != 0 && now_us() >= limit) {
			errno = ETIMEDOUT;
			return -1;
		}
		loop_turn(limit);
		if (got_stop && failures == 0 && talk.failures == 0)
			fail(NULL, 0, "interrupted");
		if (now_us() >= end && talk.failures == 0)
			fail(NULL, 0, "the talk takes too long");
		if (talk.failures > failures) {
			errno = ECANCELED;
			return -1;
		}
	}
	return 0;
}

static void
on_signal(int number)
{
	if (number == SIGCHLD)
		got_chld = 1;
	else
		got_stop = 1;
}

static void
signals_setup(void)
{
	static const int numbers[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t	 set;
	size_t		 i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i], &sa, NULL);
		sigaddset(&set, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --- the temporary directory ------------------------------------------- */

/* Readable for all: the daemon's processes give up who we are. */
static void
tmp_make(void)
{
	const char	*dir = getenv("TMPDIR");

	talk.tmp = xasprintf("%s/parley.XXXXXXXXXX",
	    dir == NULL ? "/tmp" : dir);
	if (mkdtemp(talk.tmp) == NULL || chmod(talk.tmp, 0755) == -1)
		err(1, "%s", talk.tmp);
	macro_set("tmp", talk.tmp);
}

static int
tmp_unlink(const char *path, const struct stat *sb, int kind, struct FTW *ftw)
{
	(void)sb;
	(void)kind;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void
tmp_remove(void)
{
	if (talk.keep)
		printf("kept: %s\n", talk.tmp);
	else
		nftw(talk.tmp, tmp_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- the outcome ------------------------------------------------------- */

/* Let everybody come to their end, and then the daemon. */
static void
finish(bool well)
{
	talk.ending = true;
	if (well) {
		daemon_finish();
		if (talk.failures == 0 && loop_while(actors_busy, NULL,
		    now_us() + 3 * talk.deadline) == -1 && errno == ETIMEDOUT)
			fail(NULL, 0, "timeout: a server is not at its end");
		conns_close();
	} else {
		conns_close();
		daemon_finish();
	}
}

/* Did it go as it should?  NULL, or what is to be complained about. */
static char *
verdict(void)
{
	const char	*message = fail_message();

	if (talk.must_fail == NULL)
		return talk.failures == 0 ? NULL : xstrdup(message);
	if (talk.failures == 0)
		return xasprintf("%s: went well, but must-fail %s",
		    talk.path, talk.must_fail);
	if (!glob_in(talk.must_fail, message, strlen(message)))
		return xasprintf("%s\n%s: failed, but not as must-fail %s",
		    message, talk.path, talk.must_fail);
	return NULL;
}

static void
complain(const char *why)
{
	const char	*source = script_line(fail_line());

	trace_print();
	daemon_print_log();
	printf("%s\n", why);
	if (source != NULL)
		printf("    %s\n", source + strspn(source, " \t"));
}

static int
report(void)
{
	char	*why;
	int	 rv;

	if (talk.skip != NULL && talk.failures == 0) {
		if (talk.tap)
			printf("1..1\nok 1 - %s # SKIP %s\n", talk.path,
			    talk.skip);
		else
			printf("%s: skipped: %s\n", talk.path, talk.skip);
		return 77;
	}
	why = verdict();
	if (talk.tap)
		printf("1..1\n%sok 1 - %s\n", why == NULL ? "" : "not ",
		    talk.path);
	if (why != NULL)
		complain(why);
	else if (talk.verbose) {
		trace_print();
		daemon_print_log();
	}
	rv = why == NULL ? 0 : 1;
	free(why);
	return rv;
}

static void
usage(void)
{
	fprintf(stderr, "usage: parley [-gkTtv] [-B directory] "
	    "[-D name=value] [-x factor] file\n");
	exit(1);
}

static void
define(char *arg)
{
	char	*value = strchr(arg, '=');

	if (value == NULL)
		usage();
	*value++ = '\0';
	macro_set(arg, value);
}

static void
options(int argc, char **argv)
{
	const char	*why, *build = ".";
	int		 ch;

	while ((ch = getopt(argc, argv, "B:D:gkTtvx:")) != -1) {
		switch (ch) {
		case 'B':
			build = optarg;
			break;
		case 'D':
			define(optarg);
			break;
		case 'g':
			talk.glue = true;
			break;
		case 'k':
			talk.keep = true;
			break;
		case 'T':
			talk.tap = true;
			break;
		case 't':
			talk.trickle = true;
			break;
		case 'v':
			talk.verbose = true;
			break;
		case 'x':
			talk.factor = (int)strtonum(optarg, 1, 1000, &why);
			if (why != NULL)
				errx(1, "-x: %s", why);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 1)
		usage();
	talk.path = argv[optind];
	if ((talk.build = realpath(build, NULL)) == NULL)
		err(1, "%s", build);
	macro_set("build", talk.build);
}

int
main(int argc, char **argv)
{
	char	*path;
	bool	 well;
	int	 rv;

	setvbuf(stdout, NULL, _IOFBF, 0);
	options(argc, argv);
	talk.start = now_us();
	talk.deadline = DEADLINE * talk.factor;
	signals_setup();
	tmp_make();
	if ((path = realpath(talk.path, NULL)) != NULL) {
		talk.dir = xstrdup(dirname(path));
		macro_set("dir", talk.dir);
		free(path);
	}
	well = script_read() == 0 && talk_play() == 0;
	finish(well);
	rv = report();
	tmp_remove();
	return rv;
}
