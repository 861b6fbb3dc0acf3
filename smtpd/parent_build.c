/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Large lists are made into files that processes share: who asks for that,
 * and what comes of it.
 *
 * A process is started for the lists of one configuration: a verifyd, jailed
 * and without root's rights, that is given nothing but the text of one list
 * after the other and a file in memory to write to (verifyd/list_build.c).
 * When it says that a file is done the file is sealed: nobody, we neither,
 * can change what the others have mapped.  Meanwhile the loop goes on.  A
 * process that ends before it is done, or is not done in time, makes the
 * reload fail.
 *
 * The files of the last configuration that was good are kept, by the text's
 * place and time on the disk: what did not change is not read again.  A text
 * that was changed within the clock's coarseness of when we looked cannot be
 * told from one that is changed once more, and is read again.
 */

#include <sys/types.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "util.h"

#define FILE_URI	"file:"
#define COARSE		2		/* seconds of a disk's clock */

/* Which text it is. */
struct stamp {
	dev_t		dev;
	ino_t		ino;
	off_t		size;
	struct timespec	mtime;
	bool		sure;
};

/* A file that was made; once for every text. */
struct made {
	TAILQ_ENTRY(made)	 entry;
	char			*path;		/* of the text */
	struct stamp		 stamp;
	int			 fd;
	int64_t			 size;
	char			 hash[33];
	bool			 wanted;	/* by the newest */
};

TAILQ_HEAD(mades, made);

/* One list of the configuration. */
struct job {
	const char		*path;
	int			*fd;		/* text, then file */
	struct conf_list	*list;		/* NULL: a datasource's */
};

static struct {
	struct conf_errors	*errs;		/* NULL: nothing to do */
	struct job		*jobs;
	size_t			 n, at;
	bool			 ready;		/* the process is */
	bool			 asked;		/* it has job at */
	bool			 bad;		/* that has errors */
	bool			 done;
	int			 file;		/* that it writes to */
	struct stamp		 stamp;
	pid_t			 pid;
	struct peer		 peer;
	struct timer		 timer;
	struct mades		 mades;
} b = { .file = -1, .peer = { .dead = true },
	.mades = TAILQ_HEAD_INITIALIZER(b.mades) };

/* --- what was made -------------------------------------------------------- */

static void
stamp_take(int fd, struct stamp *s)
{
	struct stat	st;

	memset(s, 0, sizeof(*s));
	if (fstat(fd, &st) == -1)
		return;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->size = st.st_size;
	s->mtime = st.st_mtim;
	s->sure = time(NULL) - st.st_mtim.tv_sec > COARSE;
}

static bool
stamp_same(const struct stamp *x, const struct stamp *y)
{
	return x->sure && y->sure && x->dev == y->dev && x->ino == y->ino &&
	    x->size == y->size && x->mtime.tv_sec == y->mtime.tv_sec &&
	    x->mtime.tv_nsec == y->mtime.tv_nsec;
}

static void
made_free(struct made *m)
{
	TAILQ_REMOVE(&b.mades, m, entry);
	close_fd(&m->fd);
	free(m->path);
	free(m);
}

/* Those that the new configuration does not have go. */
static void
forget_unwanted(void)
{
	struct made	*m, *next;

	for (m = TAILQ_FIRST(&b.mades); m != NULL; m = next) {
		next = TAILQ_NEXT(m, entry);
		if (!m->wanted)
			made_free(m);
	}
}

/* The job has its file.  The descriptor is a copy of ours. */
static int
take(struct job *j, struct made *m)
{
	int	fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	(void)close(*j->fd);
	*j->fd = fd;
	m->wanted = true;
	if (j->list == NULL)
		return 0;
	j->list->size = m->size;
	free(j->list->hash);
	j->list->hash = xstrdup(m->hash);
	return 0;
}

/* --- the file ------------------------------------------------------------- */

/* One without a name. */
static int
file_new(void)
{
#ifdef MFD_ALLOW_SEALING
	return memfd_create("postern list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
#else
	char	path[] = "/tmp/postern.XXXXXXXXXX";
	int	fd = mkostemp(path, O_CLOEXEC);

	if (fd != -1)
		(void)unlink(path);
	return fd;
#endif
}

static int
file_seal(int fd)
{
#ifdef F_ADD_SEALS
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_WRITE | F_SEAL_SEAL);
#else
	(void)fd;
	return 0;
#endif
}

/* --- the process ---------------------------------------------------------- */

static void __attribute__((__format__(printf, 1, 2)))
failed(const char *fmt, ...)
{
	char	what[256];
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	/* It may have ended, or sent nonsense, behind its last answer. */
	if (b.at < b.n)
		conf_error(b.errs, b.jobs[b.at].path, 0, 0, NULL, "%s", what);
	b.done = true;
}

static void
on_lost(struct peer *p, bool broken)
{
	(void)p;
	if (broken && b.pid != 0)
		(void)kill(b.pid, SIGKILL);
	if (!b.done)
		failed("the process that was to read it ended");
}

static void
on_deadline(void *arg)
{
	(void)arg;
	if (b.pid != 0)
		(void)kill(b.pid, SIGKILL);
	if (!b.done)
		failed("not read within %d seconds",
		    LIST_DEADLINE / 1000);
}

static int
on_ready(struct peer *p, struct msg *m)
{
	(void)p;
	if (b.ready || get_end(&m->body) == -1)
		return -1;
	b.ready = true;
	return 0;
}

static int
on_err(struct peer *p, struct msg *m)
{
	struct proto_conf_err	err;

	(void)p;
	if (!b.asked || m->seq != b.at || get_conf_err(m, &err) == -1)
		return -1;
	conf_error(b.errs, b.jobs[b.at].path, err.line, 0, NULL, "%s",
	    err.why);
	b.bad = true;
	return 0;
}

static struct made *
made_new(const struct proto_list *l)
{
	struct made	*m = xcalloc(1, sizeof(*m));
	struct stat	 st;
	size_t		 i;

	m->path = xstrdup(b.jobs[b.at].path);
	m->stamp = b.stamp;
	m->fd = b.file;
	b.file = -1;
	for (i = 0; i < sizeof(l->hash); i++)
		(void)snprintf(m->hash + 2 * i, 3, "%02x", l->hash[i]);
	TAILQ_INSERT_TAIL(&b.mades, m, entry);
	if (file_seal(m->fd) == 0 && fstat(m->fd, &st) == 0) {
		m->size = st.st_size;
		log_debug("%s: %llu entries, %lld octets", m->path,
		    (unsigned long long)l->entries, (long long)m->size);
		return m;
	}
	failed("%s", strerror(errno));
	made_free(m);
	return NULL;
}

/* What has errors is not kept: it would be taken for a good one later. */
static int
on_done(struct peer *p, struct msg *m)
{
	struct proto_list	 l;
	struct made		*made;

	(void)p;
	if (!b.asked || m->seq != b.at || get_list(m, &l) == -1)
		return -1;
	b.asked = false;
	if (b.bad)
		close_fd(&b.file);
	else if ((made = made_new(&l)) != NULL &&
	    take(&b.jobs[b.at], made) == -1)
		failed("%s", strerror(errno));
	b.at++;
	return 0;
}

static const struct peer_handler	handlers[] = {
	{ MSG_READY,		on_ready },
	{ MSG_LIST_ERR,		on_err },
	{ MSG_LIST_DONE,	on_done },
	{ 0,			NULL }
};

static int
start(void)
{
	const struct program	*prog = programs;
	int			 pair[2];

	while (prog->role != R_VERIFYD)
		prog++;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		return -1;
	b.pid = program_fork(prog, pair[1], -1);
	(void)close(pair[1]);
	if (b.pid == -1) {
		b.pid = 0;
		(void)close(pair[0]);
		return -1;
	}
	peer_init(&b.peer, pair[0], R_PARENT, R_VERIFYD, 0, handlers,
	    on_lost);
	spawn_init(&b.peer, prog, 0, 0);
	timer_set(&b.timer, LIST_DEADLINE);
	return 0;
}

/* --- one job after the other ---------------------------------------------- */

/* It is made already: of an earlier configuration, or an earlier job. */
static struct made *
find_made(const struct job *j, const struct stamp *s)
{
	struct made	*m;

	TAILQ_FOREACH(m, &b.mades, entry)
		if (strcmp(m->path, j->path) == 0 &&
		    stamp_same(&m->stamp, s))
			break;
	return m;
}

static void
ask(const struct job *j)
{
	int	text = fcntl(*j->fd, F_DUPFD_CLOEXEC, 0), file;

	if (text == -1 || (b.file = file_new()) == -1 ||
	    (file = fcntl(b.file, F_DUPFD_CLOEXEC, 0)) == -1) {
		failed("%s", strerror(errno));
		close_fd(&text);
		return;
	}
	peer_send(&b.peer, MSG_LIST_TEXT, 0, (uint32_t)b.at, text, NULL);
	peer_send(&b.peer, MSG_LIST_FILE, 0, (uint32_t)b.at, file, NULL);
	timer_set(&b.timer, LIST_DEADLINE);
	b.asked = true;
	b.bad = false;
}

/* A process that was just started is asked when it is ready. */
static void
next_job(void)
{
	struct job	*j = NULL;
	struct made	*m;

	for (; b.at < b.n && !b.done; b.at++) {
		j = &b.jobs[b.at];
		stamp_take(*j->fd, &b.stamp);
		if ((m = find_made(j, &b.stamp)) == NULL)
			break;
		if (take(j, m) == -1)
			failed("%s", strerror(errno));
	}
	if (b.at == b.n)
		b.done = true;
	if (b.done)
		return;
	if (b.peer.dead && start() == -1)
		failed("no process to read it: %s", strerror(errno));
	else if (b.ready)
		ask(j);
}

static void
add_job(const char *path, int *fd, struct conf_list *list)
{
	b.jobs = xreallocarray(b.jobs, b.n + 1, sizeof(*b.jobs));
	b.jobs[b.n++] = (struct job){ path, fd, list };
}

static void
add_source(struct conf_datasource *ds)
{
	size_t	i;

	for (i = 0; i < ds->uri.n && i < ds->files.n; i++)
		if (strncmp(ds->uri.v[i], FILE_URI, strlen(FILE_URI)) == 0)
			add_job(ds->uri.v[i] + strlen(FILE_URI),
			    &ds->files.v[i], NULL);
}

void
lists_begin(struct config *conf, struct conf_errors *errs)
{
	struct conf_list	*list;
	struct made		*m;
	size_t			 i;

	timer_init(&b.timer, on_deadline, NULL);
	b.errs = errs;
	TAILQ_FOREACH(m, &b.mades, entry)
		m->wanted = false;
	for (i = 0; i < conf->lists.n; i++) {
		list = (struct conf_list *)(void *)conf->lists.v[i];
		if (list->big)
			add_job(list->path, &list->files.v[0], list);
	}
	for (i = 0; i < conf->datasources.n; i++)
		add_source((struct conf_datasource *)(void *)
		    conf->datasources.v[i]);
}

bool
lists_turn(void)
{
	if (!b.done && !b.asked)
		next_job();
	if (!b.done)
		return false;
	if (b.errs->errors.n == 0)
		forget_unwanted();
	lists_cancel();
	return true;
}

void
lists_cancel(void)
{
	if (b.errs == NULL)
		return;
	timer_del(&b.timer);
	peer_close(&b.peer);		/* the process ends by that */
	close_fd(&b.file);
	free(b.jobs);
	b.jobs = NULL;
	b.n = b.at = 0;
	b.errs = NULL;
	b.ready = b.asked = b.bad = b.done = false;
}

void
lists_reaped(pid_t pid)
{
	if (b.pid == pid)
		b.pid = 0;
}
