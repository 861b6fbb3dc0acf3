/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What children that have been taken over can do to the parent by what they
 * send: a process that is to read a list (parent_build.c), and a verifyd
 * that wants files for its verdicts (parent_cache.c).  The rest of the parent
 * is played here.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "parent.h"
#include "t.h"

#define TURNS	1000

struct parent		parent;
const struct program	programs[NPROGRAMS] = {
	{ .role = R_VERIFYD, .name = "verifyd" }
};

static char	dir[] = "/tmp/t_parent.XXXXXXXXXX";

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		abort();
	return p;
}

/* --- a process that is to read lists -------------------------------------- */

struct said {
	uint16_t	type;
	uint32_t	seq;
};

/* What it says once it is asked; a type of 0 is the end. */
static const struct said	*script;
static unsigned int		 readies;

static void
say(struct msgbuf *mb, uint16_t type, uint32_t seq)
{
	struct proto_conf_err	err = { .line = 1, .why = "bad" };
	struct proto_list	l = { .entries = 1 };
	struct wbuf		w = { 0 };

	if (type == MSG_LIST_DONE)
		put_list(&w, &l);
	else if (type == MSG_LIST_ERR)
		put_conf_err(&w, &err);
	(void)msg_put(mb, type, 0, seq, -1, &w);
	wbuf_clear(&w);
}

static void __attribute__((__noreturn__))
play(int fd)
{
	struct pollfd	pfd = { .fd = fd, .events = POLLIN };
	struct msgbuf	mb;
	unsigned int	i;

	msgbuf_init(&mb, fd);
	for (i = 0; i < readies; i++)
		say(&mb, MSG_READY, 0);
	(void)msg_flush(&mb);
	(void)poll(&pfd, 1, 10000);
	for (; script->type != 0; script++)
		say(&mb, script->type, script->seq);
	(void)msg_flush(&mb);
	(void)poll(&pfd, 0, 10000);
	_exit(0);
}

pid_t
program_fork(const struct program *prog, int pipe_fd, int err_fd)
{
	pid_t	pid = fork();

	(void)prog;
	(void)err_fd;
	if (pid == 0)
		play(pipe_fd);
	return pid;
}

void
spawn_init(struct peer *p, const struct program *prog, unsigned int index,
    uint32_t source)
{
	(void)p;
	(void)prog;
	(void)index;
	(void)source;
}

/* One list; how many errors there are when it is over, -1: it never was. */
static int
build(const struct said *what, unsigned int n)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf = conf_new(1);
	struct conf_list	*list = calloc(1, sizeof(*list));
	char			 path[64];
	int			 fd, i, result = -1;

	script = what;
	readies = n;
	(void)snprintf(path, sizeof(path), "%s/list", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (conf == NULL || list == NULL || fd == -1 ||
	    write(fd, "a\n", 2) != 2 || fds_add(&list->files, fd) == -1)
		abort();
	list->obj.name = copy("l");
	list->path = copy(path);
	list->big = true;
	if (conf_map_add(&conf->lists, &list->obj) == -1)
		abort();
	lists_begin(conf, &errs);
	for (i = 0; i < TURNS && result == -1; i++) {
		if (lists_turn())
			result = (int)errs.errors.n;
		else {
			peer_flush_all();
			(void)event_loop(EVLOOP_ONCE);
		}
	}
	lists_cancel();
	conf_errors_clear(&errs);
	conf_unref(conf);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	return result;
}

static void
test_build(void)
{
	static const struct said	good[] = {
		{ MSG_LIST_DONE, 0 }, { 0, 0 }
	}, more[] = {
		{ MSG_LIST_DONE, 0 }, { MSG_LIST_ERR, 0 }, { 0, 0 }
	}, twice[] = {
		{ MSG_LIST_DONE, 0 }, { MSG_LIST_DONE, 1 }, { 0, 0 }
	}, other[] = {
		{ MSG_LIST_DONE, 7 }, { 0, 0 }
	}, bad[] = {
		{ MSG_LIST_ERR, 0 }, { MSG_LIST_DONE, 0 }, { 0, 0 }
	}, nothing[] = { { 0, 0 } };

	is_int(build(good, 1), 0, "a list is read");
	is_int(build(more, 1), 0, "an error behind its end");
	is_int(build(twice, 1), 0, "a second end");
	is_int(build(other, 1), 1, "the end of another one");
	is_int(build(bad, 1), 1, "an error in it");
	is_int(build(nothing, 1), 1, "it dies when asked");
	is_int(build(good, 0), 1, "it dies before that");
	is_int(build(good, 2), 1, "it is ready twice");
}

/* --- verifyd and its file ------------------------------------------------- */

static struct child	verifyd;
static int		other;		/* its end of the pipe */

bool
child_is_wired(const struct child *c)
{
	return c == &verifyd;
}

static const struct peer_handler	none[] = { { 0, NULL } };

static void
on_lost(struct peer *p, bool broken)
{
	(void)p;
	(void)broken;
}

struct seen {
	uint16_t	type;
	unsigned int	n, fds;
};

static int
on_seen(void *arg, struct msg *m)
{
	struct seen	*s = arg;

	if (m->type == s->type) {
		s->n++;
		s->fds += m->fd != -1;
	}
	return 0;
}

/* What has come to verifyd; descriptors are closed. */
static struct seen
seen(uint16_t type)
{
	static struct msgbuf	mb = { .fd = -1 };
	struct seen		s = { .type = type };

	if (mb.fd == -1)
		msgbuf_init(&mb, other);
	peer_flush_all();
	while (msg_read(&mb, on_seen, &s) == MSG_READ_OK)
		(void)msg_flush(&verifyd.peer.mb);
	return s;
}

static void
begin(void)
{
	static const struct program	prog = { .role = R_VERIFYD };
	int				pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		abort();
	other = pair[1];
	verifyd.prog = &prog;
	peer_init(&verifyd.peer, pair[0], R_PARENT, R_VERIFYD, 0, none,
	    on_lost);
	verifyd.peer.arg = &verifyd;
}

static int
say_to(int (*fn)(struct peer *, struct msg *), uint32_t seq)
{
	struct msg	m = { .seq = seq, .fd = -1 };

	return fn(&verifyd.peer, &m);
}

/* Is there a file at that path that it is given?  Its name there. */
static bool
is_given(const char *name)
{
	struct config	*conf = conf_new(1);
	char		 path[64];
	struct seen	 s;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	conf->verify_cache.path = copy(path);
	cache_feed(&verifyd, conf);
	conf_unref(conf);
	s = seen(MSG_CACHE_FILE);
	is_int(s.n, 1, "CACHE_FILE of %s", name);
	return s.fds == 1;
}

static void
make(const char *name, mode_t mode)
{
	char	path[64];
	int	fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || fchmod(fd, mode) == -1)
		abort();
	(void)close(fd);
}

static void
test_file(void)
{
	char	path[64];

	make("mine", 0600);
	make("open", 0666);
	(void)snprintf(path, sizeof(path), "%s/link", dir);
	if (symlink("mine", path) == -1)
		abort();
	(void)snprintf(path, sizeof(path), "%s/dir", dir);
	if (mkdir(path, 0700) == -1)
		abort();
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	if (mkfifo(path, 0600) == -1)
		abort();
	ok(is_given("mine"), "ours");
	ok(!is_given("link"), "a link");
	ok(!is_given("dir"), "a directory");
	ok(!is_given("fifo"), "a fifo");
	ok(!is_given("none"), "nothing");
	ok(!is_given("open"), "one that all can write");
	if (geteuid() == 0) {
		(void)snprintf(path, sizeof(path), "%s/mine", dir);
		if (chown(path, 65534, 65534) == -1)
			abort();
		ok(!is_given("mine"), "one of another owner");
	}
}

static void
test_want(void)
{
	unsigned int	i;
	struct seen	s;

	ok(!is_given("verify.cdb"), "none yet");
	for (i = 0; i < 2000; i++)
		if (say_to(cache_want, 0) == 0)
			(void)say_to(cache_done, 1);
	s = seen(MSG_CACHE_TMP);
	is_int(s.n, 2000, "each has its answer");
	ok(s.fds >= 1 && s.fds <= 100, "a few have files: %u", s.fds);
	is_int(say_to(cache_done, 0), -1, "none is being written");
}

static void
test_refused(void)
{
	struct seen	s;

	/* Its own, from a moment ago: the flood is over. */
	do {
		(void)poll(NULL, 0, 10);
		mono_turn();
		is_int(say_to(cache_want, 0), 0, "asked again");
		s = seen(MSG_CACHE_TMP);
	} while (s.n == 1 && s.fds == 0);
	is_int(s.fds, 1, "and has one");
	is_int(say_to(cache_want, 0), -1, "two at a time");
	is_int(say_to(cache_done, 2), -1, "neither done nor given up");
	is_int(say_to(cache_done, 0), 0, "written");
	ok(cache_is_busy(), "it is on its way");
	is_int(say_to(cache_done, 0), -1, "done twice");
	cache_gone(&verifyd);
}

static void
clean(void)
{
	char	command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		printf("%s\n", command);
}

int
main(void)
{
	int	status;
	pid_t	pid;

	(void)signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL || event_init() == NULL)
		abort();
	timer_start();
	test_build();
	begin();
	test_file();
	test_want();
	test_refused();
	while ((pid = waitpid(-1, &status, 0)) > 0)
		ok(cache_reaped(pid, status), "the process that placed it");
	ok(!cache_is_busy(), "nothing is left");
	clean();
	return done("parent");
}
