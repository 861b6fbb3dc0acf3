/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The control socket.
 *
 * A connection carries one request, a line of less than CTL_MAX octets, and
 * its answer, which ends with the line "end"; a line "error: WHY" in it means
 * that it failed.
 *
 *	show status	postern - pid PID up SECONDSs generation N
 *			ROLE INDEX pid PID up SECONDSs restarts N generation N
 *			and so on, a line each; PID and SECONDS are "-" while
 *			there is no process; behind that, of a lookupd,
 *			"datasource NAME", and "leaving" of one that will not
 *			be started again
 *	show stats	pipe ROLE INDEX, a line and a descriptor for each
 *			process: a socket on which that process answers
 *	show cache, show routes, show scripts, cache get WORDS,
 *	cache delete WORDS, cache flush WORDS
 *			pipe ROLE INDEX, for those processes that it is for
 *	reload		ok generation N, when it is in force everywhere
 *	drain, stop	ok; the end has begun
 *	log verbose, log brief
 *			ok
 *
 * A request may be followed by " -j", which is handed to the processes; what
 * we answer ourselves is the same, posternctl makes JSON of it.
 *
 * Root reads one line here, from a user who could as well kill it, and
 * parses it by comparing.  What the processes say goes past us: no text
 * from a network is ever in this one's memory.
 *
 * Asker, number and time are limited, and nothing waits: there is at most
 * one descriptor on its way on a connection, and the next process is asked
 * when it has left.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "parent.h"
#include "util.h"

#define ANSWER_MAX	(256 * 1024)
#define CONNS_MAX	32
#define REQUEST_TIME	5000		/* to send it, and to read ours */
#define RELOAD_TIME	(LIST_DEADLINE + CONF_DEADLINE * 3)

struct ctl {
	TAILQ_ENTRY(ctl)	 entry;
	int			 fd;
	struct event		 rev, wev;
	struct timer		 timer;
	char			 line[CTL_MAX];
	size_t			 len;
	struct buf		 out;
	int			 out_fd;	/* goes with out; -1 = none */
	uint32_t		 ticket;	/* of the reload it waits for */
	unsigned int		 asking;	/* roles, with line; 0 = none */
	unsigned int		 asked;		/* so many so far */
	bool			 done;		/* close it when out is sent */
};

TAILQ_HEAD(ctls, ctl);

static struct {
	int		 fd;
	char		*path;
	dev_t		 dev;
	ino_t		 ino;
	struct event	 ev;
	struct ctls	 conns;
	unsigned int	 n;
} sock = { .fd = -1, .conns = TAILQ_HEAD_INITIALIZER(sock.conns) };

static void	ctl_flush(struct ctl *);

static void
ctl_free(struct ctl *c)
{
	(void)event_del(&c->rev);
	(void)event_del(&c->wev);
	timer_del(&c->timer);
	(void)close(c->fd);
	close_fd(&c->out_fd);
	buf_clear(&c->out);
	TAILQ_REMOVE(&sock.conns, c, entry);
	sock.n--;
	free(c);
}

static void __attribute__((__format__(printf, 2, 3)))
ctl_say(struct ctl *c, const char *fmt, ...)
{
	char	text[1280];
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	(void)strlcat(text, "\n", sizeof(text));
	if (buf_add(&c->out, text, strlen(text)) == -1)
		log_warn("control");
}

/* The answer is complete. */
static void
ctl_end(struct ctl *c)
{
	ctl_say(c, "end");
	c->done = true;
	c->asking = 0;
	timer_set(&c->timer, REQUEST_TIME);
}

/* --- what we answer ourselves ---------------------------------------- */

static void
status_of(struct ctl *c, const struct child *ch)
{
	const struct conf_datasource	*ds = NULL;
	char				 pid[24] = "-", up[24] = "-";

	if (ch->source != 0)
		ds = reload_source(ch->source);
	if (ch->pid != 0) {
		(void)snprintf(pid, sizeof(pid), "%ld", (long)ch->pid);
		(void)snprintf(up, sizeof(up), "%llds",
		    (long long)mono_diff(mono_now(), ch->since) / 1000);
	}
	ctl_say(c, "%s %u pid %s up %s restarts %u generation %u%s%s%s",
	    ch->prog->name, ch->index, pid, up, ch->restarts,
	    ch->generation, ds == NULL ? "" : " datasource ",
	    ds == NULL ? "" : ds->obj.name, ch->leaving ? " leaving" : "");
}

static void
do_status(struct ctl *c)
{
	struct child	*ch;

	ctl_say(c, "postern - pid %ld up %llds generation %u",
	    (long)getpid(),
	    (long long)mono_diff(mono_now(), parent.started) / 1000,
	    reload_conf()->generation);
	TAILQ_FOREACH(ch, &children, entry)
		status_of(c, ch);
	ctl_end(c);
}

static void
do_reload(struct ctl *c)
{
	if (parent.stopping) {
		ctl_say(c, "error: shutting down");
		ctl_end(c);
		return;
	}
	c->ticket = reload_request();
	timer_set(&c->timer, RELOAD_TIME);
}

void
ctl_reload_done(uint32_t ticket, uint32_t generation,
    const struct conf_errors *errs)
{
	struct ctl	*c, *next;
	size_t		 i;

	for (c = TAILQ_FIRST(&sock.conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->ticket != ticket || c->done)
			continue;
		for (i = 0; i < errs->errors.n; i++)
			ctl_say(c, "error: %s", errs->errors.v[i].text);
		if (generation != 0)
			ctl_say(c, "ok generation %u", generation);
		else if (errs->errors.n == 0)
			ctl_say(c, "error: shutting down");
		ctl_end(c);
		ctl_flush(c);
	}
}

static void
do_drain(struct ctl *c)
{
	parent_stop(true);
	ctl_say(c, "ok");
	ctl_end(c);
}

static void
do_stop(struct ctl *c)
{
	parent_stop(false);
	ctl_say(c, "ok");
	ctl_end(c);
}

static void
do_verbose(struct ctl *c)
{
	children_verbose(true);
	ctl_say(c, "ok");
	ctl_end(c);
}

static void
do_brief(struct ctl *c)
{
	children_verbose(false);
	ctl_say(c, "ok");
	ctl_end(c);
}

/* --- what the processes answer --------------------------------------- */

/* Number n of those of some roles that can be asked. */
static struct child *
nth_child(unsigned int roles, unsigned int n)
{
	struct child	*ch;

	TAILQ_FOREACH(ch, &children, entry)
		if (child_is_wired(ch) && (ch->prog->role & roles) != 0 &&
		    n-- == 0)
			return ch;
	return NULL;
}

/* Ask the next process; the answer is complete when there is none. */
static void
ask_next(struct ctl *c)
{
	struct child		*ch = nth_child(c->asking, c->asked++);
	struct proto_ctl	 pc;
	struct wbuf		 w = { 0 };
	int			 pair[2];

	if (ch == NULL) {
		ctl_end(c);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1) {
		ctl_say(c, "error: socketpair: %s", strerror(errno));
		ctl_end(c);
		return;
	}
	(void)strlcpy(pc.request, c->line, sizeof(pc.request));
	put_ctl(&w, &pc);
	peer_send(&ch->peer, MSG_CTL, 0, 0, pair[0], &w);
	c->out_fd = pair[1];
	ctl_say(c, "pipe %s %u", ch->prog->name, ch->index);
}

/* --- a connection ---------------------------------------------------- */

static const struct {
	const char	*request;
	void		(*fn)(struct ctl *);	/* NULL: roles are asked */
	unsigned int	 roles;
	bool		 args;			/* something may follow */
} requests[] = {
	{ "show status",	do_status, 0, false },
	{ "show stats",		NULL, R_ALL, false },
	{ "show cache",		NULL, R_VERIFYD, false },
	{ "show routes",	NULL, R_VERIFYD | R_DIALER | R_SMTPD, false },
	{ "show scripts",	NULL, R_PROXYD, false },
	{ "cache get",		NULL, R_VERIFYD, true },
	{ "cache delete",	NULL, R_VERIFYD, true },
	{ "cache flush",	NULL, R_VERIFYD, true },
	{ "reload",		do_reload, 0, false },
	{ "drain",		do_drain, 0, false },
	{ "stop",		do_stop, 0, false },
	{ "log verbose",	do_verbose, 0, false },
	{ "log brief",		do_brief, 0, false }
};

static bool
is_request(size_t i, const char *line, size_t n)
{
	size_t	len = strlen(requests[i].request);

	return n >= len && strncmp(requests[i].request, line, len) == 0 &&
	    (n == len || (requests[i].args && line[len] == ' '));
}

static void
ctl_request(struct ctl *c)
{
	size_t	i, n = strlen(c->line);

	if (n > 3 && strcmp(c->line + n - 3, " -j") == 0)
		n -= 3;
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (is_request(i, c->line, n)) {
			log_debug("control: %s", c->line);
			c->asking = requests[i].roles;
			if (requests[i].fn != NULL)
				requests[i].fn(c);
			return;
		}
	ctl_say(c, "error: no such request");
	ctl_end(c);
}

/* Some of the answer, with its descriptor if there is one. */
static ssize_t
send_some(struct ctl *c)
{
	union {
		struct cmsghdr	hdr;
		char		space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec	 iov = { buf_data(&c->out), c->out.len };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*cmsg;

	if (c->out_fd != -1) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control.space);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &c->out_fd, sizeof(int));
	}
	return sendmsg(c->fd, &mh, MSG_NOSIGNAL);
}

static void
ctl_flush(struct ctl *c)
{
	ssize_t	n;

	for (;;) {
		if (c->out.len == 0) {
			if (c->done) {
				ctl_free(c);
				return;
			}
			if (c->asking == 0)
				return;
			ask_next(c);
		}
		if ((n = send_some(c)) == -1) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == ENOBUFS)
				(void)event_add(&c->wev, NULL);
			else
				ctl_free(c);
			return;
		}
		close_fd(&c->out_fd);
		buf_drain(&c->out, (size_t)n);
	}
}

static void
on_writable(int fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	ctl_flush(arg);
}

static void
on_readable(int fd, short events, void *arg)
{
	struct ctl	*c = arg;
	char		*nl;
	ssize_t		 n;

	(void)events;
	n = read(fd, c->line + c->len, sizeof(c->line) - c->len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ctl_free(c);
		return;
	}
	c->len += (size_t)n;
	if ((nl = memchr(c->line, '\n', c->len)) == NULL) {
		if (c->len == sizeof(c->line))
			ctl_free(c);
		return;
	}
	*nl = '\0';
	(void)event_del(&c->rev);
	ctl_request(c);
	ctl_flush(c);
}

static void
on_timeout(void *arg)
{
	ctl_free(arg);
}

static void
ctl_accept(int fd, short events, void *arg)
{
	struct ctl	*c;
	uid_t		 uid;
	gid_t		 gid;
	int		 conn;

	(void)events;
	(void)arg;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn == -1)
		return;
	if (getpeereid(conn, &uid, &gid) == -1 ||
	    (uid != 0 && uid != geteuid()) || sock.n >= CONNS_MAX) {
		(void)close(conn);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->fd = conn;
	c->out_fd = -1;
	buf_init(&c->out, ANSWER_MAX);
	event_set(&c->rev, conn, EV_READ | EV_PERSIST, on_readable, c);
	event_set(&c->wev, conn, EV_WRITE, on_writable, c);
	(void)event_add(&c->rev, NULL);
	timer_init(&c->timer, on_timeout, c);
	timer_set(&c->timer, REQUEST_TIME);
	TAILQ_INSERT_TAIL(&sock.conns, c, entry);
	sock.n++;
}

/* --- the socket ------------------------------------------------------ */

static int
unix_address(struct sockaddr_un *sun, const char *path)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlcpy(sun->sun_path, path, sizeof(sun->sun_path)) >=
	    sizeof(sun->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

bool
ctl_answers(const char *path)
{
	struct sockaddr_un	sun;
	bool			answers;
	int			fd;

	if (unix_address(&sun, path) == -1 ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		fatal("control: %s", path);
	answers = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	(void)close(fd);
	return answers;
}

void
ctl_probe(const char *path)
{
	if (ctl_answers(path))
		fatalx("control: %s: postern is running already", path);
}

void
ctl_open(const char *path)
{
	struct sockaddr_un	sun;
	struct stat		st;
	mode_t			mask;

	if (unix_address(&sun, path) == -1)
		fatal("control: %s", path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	sock.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (sock.fd == -1)
		fatal("control: %s", path);
	mask = umask(0177);
	if (bind(sock.fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(sock.fd, 16) == -1 || lstat(path, &st) == -1)
		fatal("control: %s", path);
	(void)umask(mask);
	sock.path = xstrdup(path);
	sock.dev = st.st_dev;
	sock.ino = st.st_ino;
	event_set(&sock.ev, sock.fd, EV_READ | EV_PERSIST, ctl_accept, NULL);
	(void)event_add(&sock.ev, NULL);
}

/* The path may be somebody else's by now. */
void
ctl_close(void)
{
	struct stat	st;

	if (sock.fd == -1)
		return;
	(void)event_del(&sock.ev);
	close_fd(&sock.fd);
	while (!TAILQ_EMPTY(&sock.conns))
		ctl_free(TAILQ_FIRST(&sock.conns));
	if (lstat(sock.path, &st) == 0 && st.st_dev == sock.dev &&
	    st.st_ino == sock.ino)
		(void)unlink(sock.path);
	free(sock.path);
}
