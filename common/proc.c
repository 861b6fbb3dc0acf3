/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The life of a child process: see proc.h.
 *
 * A child trusts its parent: a bad frame from there is fatal.  It does not
 * trust its siblings: a bad frame from one closes that pipe, and the parent,
 * which sees neither end, is told and makes a new one.
 *
 * The generations that live are a list, the newest committed one last.  At
 * most one more is being built, between CONF_BEGIN and CONF_COMMIT.
 *
 * Signals are the parent's business: a child ends when it is told to, when
 * its pipe to the parent ends, or by SIGKILL.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "id.h"
#include "log.h"
#include "mono.h"
#include "proc.h"
#include "sandbox.h"
#include "timer.h"
#include "util.h"

#define PARENT_FD	3

struct generation {
	TAILQ_ENTRY(generation)	 entry;
	struct config		*conf;
};

TAILQ_HEAD(generations, generation);

static struct {
	const struct proc_class		*class;
	struct proto_init		 init;
	struct peer			 parent;
	TAILQ_HEAD(, peer)		 peers;
	TAILQ_HEAD(, peer)		 lost;	/* freed at the turn's end */
	struct generations		 gens;
	struct config			*building;
	struct config			*newest;
	struct peer_handler		*parent_handlers;
	bool				 quit;
	bool				 log_lost;
} proc;

struct config *
proc_conf(void)
{
	return proc.newest;
}

struct config *
proc_conf_gen(uint32_t generation)
{
	struct generation	*g;

	TAILQ_FOREACH(g, &proc.gens, entry)
		if (g->conf->generation == generation)
			return g->conf;
	return NULL;
}

static struct conf_obj *
find_obj(struct config *conf, size_t map_offset, uint32_t id)
{
	return conf_find_id((struct conf_map *)(void *)((char *)conf +
	    map_offset), id);
}

/*
 * Also in the one that is not committed: who asks for an object of it has
 * been told to commit already, and is only faster than our parent's pipe.
 */
struct conf_obj *
proc_conf_obj(size_t map_offset, uint32_t id)
{
	struct generation	*g;
	struct conf_obj		*o;

	TAILQ_FOREACH_REVERSE(g, &proc.gens, generations, entry)
		if ((o = find_obj(g->conf, map_offset, id)) != NULL)
			return o;
	return proc.building == NULL ? NULL :
	    find_obj(proc.building, map_offset, id);
}

void
proc_gen_ended(uint32_t generation)
{
	peer_send(&proc.parent, MSG_GEN_ENDED, 0, generation, -1, NULL);
}

unsigned int
proc_index(void)
{
	return proc.init.index;
}

bool
proc_is_check(void)
{
	return (proc.init.flags & INIT_CHECK) != 0;
}

const char *
proc_source(void)
{
	return proc.init.source;
}

struct peer *
proc_parent(void)
{
	return &proc.parent;
}

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	struct peer	*p;

	TAILQ_FOREACH(p, &proc.peers, entry)
		if (p->role == role && p->index == index)
			return p;
	return NULL;
}

void
proc_exit(void)
{
	proc.quit = true;
}

/* --- siblings ------------------------------------------------------------ */

/* From peer.c, or because a new pipe takes its place. */
static void
sibling_lost(struct peer *p, bool broken)
{
	struct proto_peer	pp = { .role = p->role, .index = p->index };
	struct wbuf		w = { 0 };

	if (broken) {
		log_warnx("closed the pipe to %s/%u: it broke the rules",
		    role_name(p->role), p->index);
		put_peer(&w, &pp);
		peer_send(&proc.parent, MSG_PEER_BROKE, 0, 0, -1, &w);
	} else
		log_debug("lost %s/%u", role_name(p->role), p->index);
	TAILQ_REMOVE(&proc.peers, p, entry);
	TAILQ_INSERT_TAIL(&proc.lost, p, entry);
	if (proc.class->peer_down != NULL)
		proc.class->peer_down(p);
}

static void
free_lost(void)
{
	struct peer	*p;

	while ((p = TAILQ_FIRST(&proc.lost)) != NULL) {
		TAILQ_REMOVE(&proc.lost, p, entry);
		peer_close(p);
		free(p);
	}
}

static int
on_peer(struct peer *parent, struct msg *m)
{
	struct proto_peer	 pp;
	struct peer		*p;

	(void)parent;
	if (get_peer(m, &pp) == -1)
		return -1;
	if ((p = proc_peer(pp.role, pp.index)) != NULL) {
		peer_close(p);
		sibling_lost(p, false);
	}
	if ((p = calloc(1, sizeof(*p))) == NULL)
		fatal("peer");
	peer_init(p, msg_take_fd(m), proc.class->role, pp.role, pp.index,
	    proc.class->handlers, sibling_lost);
	TAILQ_INSERT_TAIL(&proc.peers, p, entry);
	if (proc.class->peer_up != NULL)
		proc.class->peer_up(p);
	return 0;
}

/* --- the configuration --------------------------------------------------- */

static void
release(struct config *conf)
{
	if (conf == NULL)
		return;
	if (proc.class->conf_release != NULL)
		proc.class->conf_release(conf);
	conf_unref(conf);
}

static int
on_conf_begin(struct peer *p, struct msg *m)
{
	(void)p;
	if (proc.building != NULL || get_end(&m->body) == -1)
		return -1;
	if ((proc.building = conf_new(m->seq)) == NULL)
		fatal("configuration");
	return 0;
}

static int
on_conf_item(struct peer *p, struct msg *m)
{
	(void)p;
	if (proc.building == NULL || proc.building->generation != m->seq)
		return -1;
	return conf_get(&m->body, proc.building, proc.class->role);
}

static int
on_conf_fd(struct peer *p, struct msg *m)
{
	struct proto_conf_fd	f;

	(void)p;
	if (proc.building == NULL || proc.building->generation != m->seq ||
	    get_conf_fd(m, &f) == -1)
		return -1;
	return conf_fd_take(proc.building, proc.class->role, f.map, f.id,
	    msg_take_fd(m));
}

/* All of it is here: judge it. */
static int
on_conf_end(struct peer *p, struct msg *m)
{
	struct proto_conf_err	err = { 0 };
	struct wbuf		w = { 0 };
	int			n = 0;

	if (proc.building == NULL || proc.building->generation != m->seq)
		return -1;
	if (proc.class->conf_prepare != NULL)
		n = proc.class->conf_prepare(proc.building, &err);
	if (n == -1) {
		put_conf_err(&w, &err);
		peer_send(p, MSG_CONF_ERR, 0, m->seq, -1, &w);
	} else if (n != PROC_CONF_LATER)
		peer_send(p, MSG_CONF_OK, 0, m->seq, -1, NULL);
	return 0;
}

static int
on_conf_commit(struct peer *p, struct msg *m)
{
	struct generation	*g;
	struct config		*old = proc.newest;

	(void)p;
	if (proc.building == NULL || proc.building->generation != m->seq)
		return -1;
	if ((g = calloc(1, sizeof(*g))) == NULL)
		fatal("generation");
	g->conf = proc.newest = proc.building;
	proc.building = NULL;
	TAILQ_INSERT_TAIL(&proc.gens, g, entry);
	log_set((int)g->conf->log.level, g->conf->log.format == LOGF_JSON);
	if (proc.class->conf_commit != NULL)
		proc.class->conf_commit(proc.newest, old);
	return 0;
}

static int
on_conf_abort(struct peer *p, struct msg *m)
{
	(void)p;
	if (proc.building != NULL && proc.building->generation == m->seq) {
		release(proc.building);
		proc.building = NULL;
	}
	return 0;
}

static int
on_conf_drop(struct peer *p, struct msg *m)
{
	struct generation	*g;

	(void)p;
	TAILQ_FOREACH(g, &proc.gens, entry)
		if (g->conf->generation == m->seq)
			break;
	if (g == NULL || g->conf == proc.newest)
		return -1;
	TAILQ_REMOVE(&proc.gens, g, entry);
	release(g->conf);
	free(g);
	return 0;
}

/* --- the parent's other wishes ------------------------------------------- */

static int
on_log_fd(struct peer *p, struct msg *m)
{
	struct proto_log	l;

	(void)p;
	if (get_log(m, &l) == -1 || (m->fd == -1 &&
	    l.dest != LOG_TO_NOTHING && proc.class->log_through == NULL))
		return -1;
	proc.log_lost = false;
	if (proc.class->log_through != NULL)
		log_through(l.dest, proc.class->log_through);
	else if (l.dest == LOG_TO_STDERR)
		log_to(LOG_TO_STDERR, STDERR_FILENO);
	else
		log_to(l.dest, msg_take_fd(m));
	return 0;
}

static int
on_verbose(struct peer *p, struct msg *m)
{
	struct proto_flag	f;

	(void)p;
	if (get_flag(m, &f) == -1)
		return -1;
	log_verbose(f.on);
	return 0;
}

static int
on_ping(struct peer *p, struct msg *m)
{
	peer_send(p, MSG_PONG, 0, m->seq, -1, NULL);
	return 0;
}

static int
on_stop(struct peer *p, struct msg *m)
{
	(void)p;
	if (proc.class->stop != NULL)
		proc.class->stop(m->seq);
	else
		proc_exit();
	return 0;
}

static int
on_ctl(struct peer *p, struct msg *m)
{
	struct proto_ctl	c;
	int			fd;

	(void)p;
	if (get_ctl(m, &c) == -1)
		return -1;
	fd = msg_take_fd(m);
	if (proc.class->ctl != NULL)
		proc.class->ctl(c.request, fd);
	else
		(void)close(fd);
	return 0;
}

static const struct peer_handler	common_handlers[] = {
	{ MSG_PEER,		on_peer },
	{ MSG_LOG_FD,		on_log_fd },
	{ MSG_VERBOSE,		on_verbose },
	{ MSG_CONF_BEGIN,	on_conf_begin },
	{ MSG_CONF_ITEM,	on_conf_item },
	{ MSG_CONF_FD,		on_conf_fd },
	{ MSG_CONF_END,		on_conf_end },
	{ MSG_CONF_COMMIT,	on_conf_commit },
	{ MSG_CONF_ABORT,	on_conf_abort },
	{ MSG_CONF_DROP,	on_conf_drop },
	{ MSG_PING,		on_ping },
	{ MSG_STOP,		on_stop },
	{ MSG_CTL,		on_ctl }
};

#define NCOMMON	(sizeof(common_handlers) / sizeof(common_handlers[0]))

/* The common handlers and the class's own, one behind the other. */
static struct peer_handler *
join_handlers(const struct peer_handler *own)
{
	struct peer_handler	*all;
	size_t			 n = 0;

	while (own != NULL && own[n].type != 0)
		n++;
	all = xcalloc(NCOMMON + n + 1, sizeof(*all));
	memcpy(all, common_handlers, sizeof(common_handlers));
	if (n > 0)
		memcpy(all + NCOMMON, own, n * sizeof(*own));
	return all;
}

/* --- start --------------------------------------------------------------- */

/* Without its parent a child has no purpose. */
static void
parent_lost(struct peer *p, bool broken)
{
	(void)p;
	if (broken)
		fatalx("the parent sent a bad frame");
	log_debug("the parent is gone");
	(void)log_flush();
	_exit(proc_is_check() ? 0 : 1);
}

static int
take_init(void *arg, struct msg *m)
{
	int	*root = arg;

	if (m->type != MSG_INIT || get_init(m, &proc.init) == -1)
		return -1;
	*root = msg_take_fd(m);
	return 0;
}

/* INIT is read alone, before libraries or the loop begin anything. */
static int
read_init(void)
{
	struct msgbuf	mb;
	struct pollfd	pfd = { .fd = PARENT_FD, .events = POLLIN };
	int		root = -1;

	msgbuf_init(&mb, PARENT_FD);
	proc.init.index = UINT32_MAX;
	while (proc.init.index == UINT32_MAX) {
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			fatal("poll");
		switch (msg_read(&mb, take_init, &root)) {
		case MSG_READ_OK:
		case MSG_READ_AGAIN:
			break;
		case MSG_READ_EOF:
			_exit(1);
		case MSG_READ_BAD:
			fatalx("no INIT: this program is started by postern");
		}
	}
	/* The parent sends nothing behind INIT before READY. */
	if (mb.in.len > 0 || !TAILQ_EMPTY(&mb.in_fds))
		fatalx("more than INIT");
	mb.fd = -1;
	msgbuf_clear(&mb);
	return root;
}

static void
set_limit(int what, rlim_t n)
{
	struct rlimit	rl;

	if (getrlimit((__rlimit_resource_t)what, &rl) == -1)
		fatal("getrlimit");
	if (n < rl.rlim_max || rl.rlim_max == RLIM_INFINITY)
		rl.rlim_max = n;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &rl) == -1)
		fatal("setrlimit");
}

void
proc_jail(unsigned int role, const struct proto_init *init, int root)
{
	gid_t	gid = init->gid;
	uid_t	uid = init->uid;

	if (root != -1) {
		if (fchdir(root) == -1 || chroot(".") == -1)
			fatal("chroot");
		(void)close(root);
	}
	if ((init->flags & INIT_IDS) != 0 && (setgroups(1, &gid) == -1 ||
	    setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1))
		fatal("cannot become uid %u", uid);
	set_limit(RLIMIT_CORE, 0);
	set_limit(RLIMIT_NPROC, 0);
	if (init->files != 0)
		set_limit(RLIMIT_NOFILE, (rlim_t)init->files);
#ifdef __linux__
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("prctl");
#endif
	sandbox_enter(role, (init->flags & INIT_DEBUG) != 0);
}

/* What a turn of the loop ends with. */
static void
turn(void)
{
	if (proc.class->turn != NULL)
		proc.class->turn();
	peer_flush_all();
	free_lost();
	if (log_flush() == -1 && !proc.log_lost) {
		proc.log_lost = true;
		peer_send(&proc.parent, MSG_LOG_LOST, 0, 0, -1, NULL);
		peer_flush_all();
	}
	mono_turn();
}

/* Are there several processes of its role? */
static bool
is_one_of_many(void)
{
	return (proc.class->role & (R_SMTPD | R_PROXYD |
	    R_LOOKUPD)) != 0;
}

void
proc_run(const struct proc_class *class, int argc, char **argv)
{
	int	root;

	setproctitle_init(argc, argv, environ);
	setprogname("postern");		/* in the title: postern: smtpd 0 */
	proc.class = class;
	TAILQ_INIT(&proc.peers);
	TAILQ_INIT(&proc.lost);
	TAILQ_INIT(&proc.gens);
	log_init(class->name, -1);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	root = read_init();
	log_init(class->name, is_one_of_many() ?
	    (int)proc.init.index : -1);
	log_verbose((proc.init.flags & INIT_VERBOSE) != 0);
	id_init(proc.init.index);
	if (is_one_of_many())
		setproctitle("%s %u", class->name, proc.init.index);
	else
		setproctitle("%s", class->name);
	(void)event_init();
	timer_start();
	if (class->prepare != NULL)
		class->prepare();
	explicit_bzero(proc.init.source, sizeof(proc.init.source));
	proc_jail(class->role, &proc.init, root);
	proc.parent_handlers = join_handlers(class->parent_handlers);
	peer_init(&proc.parent, PARENT_FD, class->role, R_PARENT, 0,
	    proc.parent_handlers, parent_lost);
	if (class->start != NULL)
		class->start();
	log_debug("started, jail: %s", sandbox_kind());
	peer_send(&proc.parent, MSG_READY, 0, 0, -1, NULL);
	turn();
	while (!proc.quit) {
		if (event_loop(EVLOOP_ONCE) == -1)
			fatal("event_loop");
		turn();
	}
	peer_drain(&proc.parent, 1000);
	(void)log_flush();
	_exit(0);
}
