/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * For tests of whole child processes: play the parent and the siblings.
 *
 * The program is started with a pipe on descriptor 3, as the parent does
 * it, gets INIT, generations of a configuration built here, and pipes of
 * its siblings, whose other ends the test holds.  What it logs goes to a
 * file that the test can look into.
 *
 * Nothing here sleeps: every wait is for a message, an end, or a condition
 * that other_fds() brings about, and fails the test after WAIT_MAX.
 */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "msg.h"
#include "proto.h"
#include "schema.h"
#include "t.h"
#include "wire.h"

#define WAIT_MAX	10000		/* ms; a test that waits longer fails */

/* A message that came in. */
struct got {
	struct got	*next;
	uint16_t	 type;
	uint64_t	 sid;
	uint32_t	 seq;
	int		 fd;
	size_t		 len;
	uint8_t		*data;
};

/* A pipe to the process, as its parent or a sibling. */
struct conn {
	struct msgbuf	 mb;
	struct got	*first;
	bool		 open;
};

struct child {
	pid_t		 pid;
	struct conn	 parent;
	int		 log;		/* what it logged */
	int		 status;	/* once it is gone */
	uint32_t	 generation;
};

static struct conn	*conns[16];
static size_t		 nconns;
/* More descriptors to serve while waiting: a server that the test plays. */
static const char	*child_source;	/* INIT to a lookupd: its URIs */
static size_t		(*other_fds)(struct pollfd *, size_t max);
static void		(*other_ready)(const struct pollfd *);

static int64_t
now_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void __attribute__((__noreturn__))
die(const char *what)
{
	printf("not ok: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- pipes ---------------------------------------------------------------- */

static void
conn_init(struct conn *c, int fd)
{
	memset(c, 0, sizeof(*c));
	msgbuf_init(&c->mb, fd);
	c->open = true;
	if (nconns == nitems(conns))
		die("conns");
	conns[nconns++] = c;
}

static void
got_free(struct got *g)
{
	if (g == NULL)
		return;
	if (g->fd != -1)
		(void)close(g->fd);
	free(g->data);
	free(g);
}

static void
conn_close(struct conn *c)
{
	struct got	*g;
	size_t		 i;

	for (i = 0; i < nconns; i++)
		if (conns[i] == c)
			conns[i] = conns[--nconns];
	while ((g = c->first) != NULL) {
		c->first = g->next;
		got_free(g);
	}
	if (c->mb.fd != -1)
		msgbuf_clear(&c->mb);
	c->mb.fd = -1;
	c->open = false;
}

static int
conn_got(void *arg, struct msg *m)
{
	struct conn	*c = arg;
	struct got	*g, **p;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		die("calloc");
	g->type = m->type;
	g->sid = m->sid;
	g->seq = m->seq;
	g->fd = msg_take_fd(m);
	g->len = (size_t)(m->body.end - m->body.p);
	if ((g->data = malloc(g->len + 1)) == NULL)
		die("malloc");
	memcpy(g->data, m->body.p, g->len);
	for (p = &c->first; *p != NULL; p = &(*p)->next)
		continue;
	*p = g;
	return 0;
}

static void
conn_send(struct conn *c, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *w)
{
	(void)msg_put(&c->mb, type, sid, seq, fd, w);
	if (w != NULL)
		wbuf_clear(w);
	(void)msg_flush(&c->mb);
}

/* A turn of ours: up to ms milliseconds. */
static void
turn(int64_t ms)
{
	struct pollfd	pfd[64];
	struct conn	*c;
	size_t		i, n = 0, all;

	for (i = 0; i < nconns; i++) {
		if (!conns[i]->open)
			continue;
		(void)msg_flush(&conns[i]->mb);
		pfd[n].fd = conns[i]->mb.fd;
		pfd[n++].events = POLLIN;
	}
	all = n;
	if (other_fds != NULL)
		all += other_fds(pfd + n, nitems(pfd) - n);
	if (poll(pfd, all, (int)ms) == -1 && errno != EINTR)
		die("poll");
	for (i = n; i < all; i++)
		if (pfd[i].revents != 0)
			other_ready(&pfd[i]);
	for (i = 0; i < nconns; i++) {
		c = conns[i];
		if (!c->open)
			continue;
		switch (msg_read(&c->mb, conn_got, c)) {
		case MSG_READ_OK:
		case MSG_READ_AGAIN:
			break;
		case MSG_READ_EOF:
		case MSG_READ_BAD:
			c->open = false;
			break;
		}
	}
}

/*
 * The next message of a type (0: any) from a pipe, taken out of the order;
 * NULL after ms milliseconds or when the other end is gone.
 */
static struct got *
conn_wait_ms(struct conn *c, uint16_t type, int64_t ms)
{
	struct got	**p, *g;
	int64_t		 end = now_ms() + ms;

	for (;;) {
		for (p = &c->first; *p != NULL; p = &(*p)->next) {
			if (type != 0 && (*p)->type != type)
				continue;
			g = *p;
			*p = g->next;
			return g;
		}
		if (!c->open || now_ms() >= end)
			return NULL;
		turn(end - now_ms());
	}
}

static inline struct got *
conn_wait(struct conn *c, uint16_t type)
{
	return conn_wait_ms(c, type, WAIT_MAX);
}

/* Wait for a message whose arrival says it all. */
static inline void
conn_expect(struct conn *c, uint16_t type, const char *what)
{
	struct got	*g = conn_wait(c, type);

	ok(g != NULL, "%s", what);
	got_free(g);
}

/* The view that the getters of proto.h want; the descriptor stays g's. */
static inline struct msg
got_msg(const struct got *g)
{
	struct msg	m = { .type = g->type, .sid = g->sid, .seq = g->seq,
			    .fd = g->fd };

	rbuf_init(&m.body, g->data, g->len);
	return m;
}

/* True once the other end has closed; what came before stays readable. */
static inline bool
conn_ended(struct conn *c)
{
	int64_t	end = now_ms() + WAIT_MAX;

	while (c->open && now_ms() < end)
		turn(end - now_ms());
	return !c->open;
}

/* --- the process ---------------------------------------------------------- */

static void
pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fd) == -1)
		die("socketpair");
}

static int
log_file(void)
{
	char	path[] = "/tmp/postern-unit.XXXXXX";
	int	fd;

	if ((fd = mkostemp(path, O_CLOEXEC | O_APPEND)) == -1)
		die("mkostemp");
	(void)unlink(path);
	return fd;
}

/*
 * The program to test: as named on the command line, or the one of the tree
 * in $B, or of this one.
 */
static const char *
child_program(int argc, char **argv, const char *name)
{
	static char	 path[1024];
	const char	*tree = getenv("B");

	if (argc > 1)
		return argv[1];
	(void)snprintf(path, sizeof(path), "%s/%s/%s",
	    tree == NULL ? "." : tree,
	    strcmp(name, "lookupd") == 0 || strcmp(name, "proxyd") == 0 ?
	    "proxyd" : "verifyd", name);
	return path;
}

/* Start, INIT, READY.  files: its limit of descriptors, 0 = as it is. */
static void
child_start(struct child *ch, const char *program, uint64_t files)
{
	struct proto_init	init = { .flags = INIT_DEBUG | INIT_VERBOSE,
				    .files = files };
	struct wbuf		w = { 0 };
	struct got		*g;
	int			 fd[2];

	memset(ch, 0, sizeof(*ch));
	if (child_source != NULL)
		(void)strlcpy(init.source, child_source, sizeof(init.source));
	pair(fd);
	ch->log = log_file();
	if ((ch->pid = fork()) == -1)
		die("fork");
	if (ch->pid == 0) {
		if (fd[1] == 3 ? fcntl(3, F_SETFD, 0) == -1 :
		    dup2(fd[1], 3) == -1)
			_exit(126);
		(void)dup2(ch->log, STDERR_FILENO);
		(void)execl(program, program, (char *)NULL);
		_exit(127);
	}
	(void)close(fd[1]);
	conn_init(&ch->parent, fd[0]);
	put_init(&w, &init);
	conn_send(&ch->parent, MSG_INIT, 0, 0, -1, &w);
	g = conn_wait(&ch->parent, MSG_READY);
	if (!ok(g != NULL, "%s is ready", program))
		exit(done("child"));
	got_free(g);
}

/* A pipe of a sibling. */
static inline void
child_peer(struct child *ch, struct conn *c, unsigned int role,
    unsigned int index)
{
	struct proto_peer	p = { role, index };
	struct wbuf		w = { 0 };
	int			fd[2];

	pair(fd);
	conn_init(c, fd[0]);
	put_peer(&w, &p);
	conn_send(&ch->parent, MSG_PEER, 0, 0, fd[1], &w);
}

/* Numbers that a test did not set, and that may not be 0: the least. */
static void
conf_fill(const struct schema *s, void *base)
{
	const struct key	*k;
	int64_t			*num;

	for (k = s->keys; k->name != NULL; k++) {
		if (k->off == KEY_NOWHERE)
			continue;
		num = field(base, k);
		if (k->type == T_STRUCT)
			conf_fill(k->sub, num);
		else if ((k->type == T_INT || k->type == T_DURATION ||
		    k->type == T_SIZE) && *num == 0)
			*num = k->min;
	}
}

static inline void
conf_fill_all(struct config *conf)
{
	const struct key	*row;
	struct conf_map		*map;
	size_t			 i, m;

	conf_fill(&schema_top, conf);
	for (m = 0; (row = conf_map_row(conf, m, &map)) != NULL; m++)
		for (i = 0; i < map->n; i++)
			conf_fill(row->sub, map->v[i]);
}

/* Send a generation; commit it. */
static inline void
child_conf(struct child *ch, struct config *conf, unsigned int role)
{
	struct proto_conf_fd f;
	struct wbuf	w = { 0 };
	struct got	*g;
	uint32_t	 gen = conf->generation;
	size_t		 n;
	int		 fd;

	conf_fill_all(conf);
	conn_send(&ch->parent, MSG_CONF_BEGIN, 0, gen, -1, NULL);
	for (n = 0; conf_put(&w, conf, role, n); n++)
		conn_send(&ch->parent, MSG_CONF_ITEM, 0, gen, -1, &w);
	wbuf_clear(&w);
	for (n = 0; (fd = conf_fd(conf, role, n, &f.map, &f.id)) != -1; n++) {
		put_conf_fd(&w, &f);
		conn_send(&ch->parent, MSG_CONF_FD, 0, gen, dup(fd), &w);
	}
	conn_send(&ch->parent, MSG_CONF_END, 0, gen, -1, NULL);
	g = conn_wait(&ch->parent, MSG_CONF_OK);
	ok(g != NULL && g->seq == gen, "generation %u is good", gen);
	got_free(g);
	conn_send(&ch->parent, MSG_CONF_COMMIT, 0, gen, -1, NULL);
}

/*
 * Wait until it has read all that the parent sent: messages to its siblings'
 * ends that are sent after this one find what those brought about.
 */
static inline void
child_sync(struct child *ch)
{
	struct got	*g;

	conn_send(&ch->parent, MSG_PING, 0, 1, -1, NULL);
	g = conn_wait(&ch->parent, MSG_PONG);
	ok(g != NULL, "it answers");
	got_free(g);
}

/* What it says to posternctl. */
static inline void
child_ctl(struct child *ch, const char *request, char *text, size_t size)
{
	struct proto_ctl	 ctl;
	struct wbuf		 w = { 0 };
	size_t			 len = 0;
	ssize_t			 n;
	int			 fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		die("socketpair");
	(void)strlcpy(ctl.request, request, sizeof(ctl.request));
	put_ctl(&w, &ctl);
	conn_send(&ch->parent, MSG_CTL, 0, 0, fd[1], &w);
	while (len < size - 1 &&
	    (n = read(fd[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(fd[0]);
	text[len] = '\0';
}

/* A number of "show stats"; -1 if it is not there. */
static inline long long
child_stat(struct child *ch, const char *name)
{
	char	text[16384], *p;

	child_ctl(ch, "show stats", text, sizeof(text));
	for (p = text; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, strlen(name)) == 0 &&
		    p[strlen(name)] == ' ')
			return strtoll(p + strlen(name), NULL, 10);
	}
	return -1;
}

/*
 * How often a text stands in its log so far: that of a turn is written
 * before the next one's messages are read.
 */
static inline size_t
child_logged(struct child *ch, const char *what)
{
	char	*text, *p;
	off_t	 size;
	size_t	 n = 0;

	child_sync(ch);
	size = lseek(ch->log, 0, SEEK_END);
	if (size == -1 || (text = calloc(1, (size_t)size + 1)) == NULL ||
	    pread(ch->log, text, (size_t)size, 0) == -1)
		die("log");
	for (p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	free(text);
	return n;
}

static inline void
child_show_log(const struct child *ch)
{
	char	text[4096];
	ssize_t	n;
	off_t	at = 0;

	while ((n = pread(ch->log, text, sizeof(text), at)) > 0) {
		at += n;
		if (fwrite(text, (size_t)n, 1, stdout) != 1)
			return;
	}
}

/* Wait for its end: its status as of wait(2), -1 if it goes on. */
static int
child_wait(struct child *ch)
{
	int	status;

	if (!conn_ended(&ch->parent)) {
		(void)kill(ch->pid, SIGKILL);
		(void)waitpid(ch->pid, &status, 0);
		return -1;
	}
	if (waitpid(ch->pid, &status, 0) == -1)
		die("waitpid");
	return status;
}

/* End it, at once; say so if it did not end well. */
static void
child_stop(struct child *ch)
{
	conn_send(&ch->parent, MSG_STOP, 0, 0, -1, NULL);
	is_int(child_wait(ch), 0, "it ends well");
	if (t_failed > 0)
		child_show_log(ch);
	conn_close(&ch->parent);
	(void)close(ch->log);
}

#endif
