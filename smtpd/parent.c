/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * postern: the parent of all processes, and the only program that rc(8)
 * knows.
 *
 * It begins in this order: the configuration is read; users, programs and
 * the control socket's place are looked at; a daemon is forked; everything
 * that may fail is opened or bound; the children are started and judge the
 * configuration; then they are let at their sockets, and when all of them
 * have said so, the control socket is opened and we are ready.  Until that
 * moment errors go to stderr, and whoever started a daemon waits for its
 * exit status.
 *
 * It ends when SIGTERM, SIGINT or posternctl says so: the smtpds first,
 * which may have sessions to finish and need the others for that, then all
 * others.  The children end by themselves if we are killed.
 *
 * Signals come through the event loop, so no handler obeys any rule.
 */

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "parent_print.h"
#include "util.h"

struct parent	parent = { .file = SYSCONFDIR "/postern/postern.yaml" };

static bool	print_version;
static int	waiting = -1;		/* who started the daemon reads this */

static void __attribute__((__noreturn__))
usage(void)
{
	fprintf(stderr, "usage: postern [-dnvV] [-D name=value] [-f file]\n");
	exit(1);
}

static void
options(int argc, char *argv[])
{
	int	ch;

	while ((ch = getopt(argc, argv, "dD:f:nvV")) != -1) {
		switch (ch) {
		case 'd':
			parent.debug = true;
			break;
		case 'D':
			if (macros_add(&parent.macros, optarg) == -1)
				usage();
			break;
		case 'f':
			parent.file = optarg;
			break;
		case 'n':
			parent.check = true;
			break;
		case 'v':
			parent.verbose = true;
			break;
		case 'V':
			print_version = true;
			break;
		default:
			usage();
		}
	}
	if (argc != optind)
		usage();
}

/* --- the end --------------------------------------------------------- */

static void
stop_role(bool smtpd, bool drain)
{
	struct child	*c, *next;

	for (c = TAILQ_FIRST(&children); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if ((c->prog->role == R_SMTPD) == smtpd)
			child_stop(c, drain);
	}
}

void
parent_stop(bool drain)
{
	if (!parent.stopping) {
		if (parent.ready)
			log_info("%s", drain ? "draining" : "stopping");
		parent.stopping = true;
		reload_cancel();
		listen_close();
	}
	stop_role(true, drain);
}

/* At the end of a turn: who is still there? */
static void
stopping_turn(void)
{
	struct child	*c;

	if (!parent.stopping)
		return;
	TAILQ_FOREACH(c, &children, entry)
		if (c->prog->role == R_SMTPD)
			return;
	if (!TAILQ_EMPTY(&children) && !TAILQ_FIRST(&children)->leaving)
		stop_role(false, false);
	parent.quit = TAILQ_EMPTY(&children) && !cache_is_busy();
}

void
parent_give_up(int status)
{
	if (parent.status == 0)
		parent.status = status;
	if (!parent.stopping)
		parent_stop(false);
}

/* --- a daemon -------------------------------------------------------- */

/* A daemon's working directory is another one. */
static void
absolute_file(void)
{
	char	cwd[PATH_MAX], *path;

	if (parent.file[0] == '/')
		return;
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		fatal("getcwd");
	xasprintf(&path, "%s/%s", cwd, parent.file);
	parent.file = path;
}

/* Returns in the daemon only. */
static void
daemon_fork(void)
{
	char	status;
	int	p[2];
	ssize_t	n;

	if (pipe2(p, O_CLOEXEC) == -1)
		fatal("pipe");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		break;
	default:
		(void)close(p[1]);
		do
			n = read(p[0], &status, 1);
		while (n == -1 && errno == EINTR);
		_exit(n == 1 ? 0 : 1);
	}
	(void)close(p[0]);
	waiting = p[1];
	if (setsid() == -1 || chdir("/") == -1)
		fatal("daemon");
}

/* Nothing of our starter's is kept open; he may go. */
static void
daemon_release(void)
{
	int	fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
		fatal("/dev/null");
	(void)close(fd);
	if (write(waiting, "", 1) == -1)
		log_debug("nobody waits for the daemon");
	close_fd(&waiting);
}

void
parent_ready(void)
{
	if (parent.stopping)
		return;
	ctl_open(reload_conf()->control);
	parent.ready = true;
	plog_adopt();
	log_info("postern " VERSION " is ready, generation %u",
	    reload_conf()->generation);
	(void)log_flush();
	if (parent.debug)
		dprintf(STDERR_FILENO, "ready\n");
	else
		daemon_release();
}

/* --- signals --------------------------------------------------------- */

static void
on_signal(int sig, short events, void *arg)
{
	(void)events;
	(void)arg;
	switch (sig) {
	case SIGHUP:
		log_info("reload: SIGHUP");
		(void)reload_request();
		break;
	case SIGUSR1:
		plog_reopen();
		break;
	case SIGCHLD:
		spawn_reap();
		break;
	case SIGTERM:
	case SIGINT:
		parent_stop(!parent.stopping && parent.ready);
		break;
	}
}

static void
signals_init(void)
{
	static const int	wanted[] = { SIGHUP, SIGUSR1, SIGCHLD, SIGTERM,
				    SIGINT };
	static struct event	events[sizeof(wanted) / sizeof(wanted[0])];
	size_t			i;

	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		signal_set(&events[i], wanted[i], on_signal, NULL);
		(void)signal_add(&events[i], NULL);
	}
}

/* --- the beginning --------------------------------------------------- */

/* Descriptors 0 to 2 are there, and nothing of our starter's behind them. */
static void
std_fds(void)
{
	int	fd;

	closefrom(STDERR_FILENO + 1);
	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		(void)close(fd);
}

static struct config *
load(struct node **tree)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;

	conf = parent_conf_load(parent.file, &parent.macros, &errs, tree);
	conf_errors_print(&errs, stderr);
	conf_errors_clear(&errs);
	return conf;
}

/* Keys are in our memory. */
static void
no_core(void)
{
	struct rlimit	none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
}

static void
run(struct config *conf)
{
	if (event_init() == NULL)
		fatalx("event_init");
	timer_start();
	signals_init();
	parent.started = mono_now();
	reload_boot(conf);
	for (;;) {
		reload_turn();
		stopping_turn();
		peer_flush_all();
		if (log_flush() == -1)
			plog_lost();
		mono_turn();
		if (parent.quit)
			break;
		if (event_loop(EVLOOP_ONCE) == -1)
			fatal("event_loop");
	}
	ctl_close();
	if (parent.ready)
		log_info("postern has ended");
	(void)log_flush();
}

int
main(int argc, char *argv[])
{
	struct config	*conf;
	struct node	*tree = NULL;

	std_fds();
	setproctitle_init(argc, argv, environ);
	log_init("postern", -1);
	options(argc, argv);
	if (print_version) {
		printf("postern " VERSION "\n");
		return 0;
	}
	log_verbose(parent.verbose && !parent.check);
	if (!parent.debug && !parent.check)
		absolute_file();
	no_core();
	if ((conf = load(parent.check ? &tree : NULL)) == NULL)
		return 1;
	users_init(&conf->user);
	program_init(argv[0]);
	if (!parent.check)
		ctl_probe(conf->control);
	setproctitle("parent");
	if (!parent.debug && !parent.check)
		daemon_fork();
	run(conf);
	if (parent.check && parent.status == 0) {
		fprintf(stderr, "configuration OK\n");
		if (parent.verbose)
			parent_conf_print(stdout, tree);
	}
	node_free(tree);
	macros_clear(&parent.macros);
	return parent.status;
}
