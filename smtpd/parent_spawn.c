/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The processes: starting them, noticing their end, telling them to go.
 *
 * A child is told INIT at once and all else when it says READY: from then
 * on it is CHILD_UP.  A process is gone only when it has been waited for and
 * its pipe has been read to its end, in whichever order: so nothing it said
 * is lost, and no zombie is left.  Whichever comes first starts a short timer
 * that forces the other.
 *
 * A child that must go (a surplus smtpd, the end) is told STOP and is not
 * started again; if it outstays its limit it is told STOP at once, then it
 * is killed.
 *
 * Rejected: handing our stderr to the children of a daemon, since it would
 * hold the terminal of whoever started it: they get a pipe whose lines we
 * log, which is what shows an abort(3) or a failed assertion.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"
#include "util.h"

struct children	children = TAILQ_HEAD_INITIALIZER(children);

static void	child_start(struct child *);
static void	child_timer(void *);
static void	child_end(void *);

const char *
child_name(const struct child *c)
{
	static char	name[32];

	(void)snprintf(name, sizeof(name), "%s/%u", c->prog->name, c->index);
	return name;
}

bool
child_is_wired(const struct child *c)
{
	return c->state == CHILD_UP;
}

/* --- fork ------------------------------------------------------------ */

/* What a daemon's child writes to its stderr: our log's. */
static void
read_stderr(int fd, short events, void *arg)
{
	struct child	*c = arg;
	char		 text[1024], *p = text, *line;
	ssize_t		 n;

	(void)events;
	if ((n = read(fd, text, sizeof(text) - 1)) == -1 &&
	    (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		(void)event_del(&c->err_ev);
		close_fd(&c->err_fd);
		return;
	}
	text[n] = '\0';
	while ((line = strsep(&p, "\n")) != NULL)
		if (line[0] != '\0')
			log_warnx("%s: %s", child_name(c), line);
}

static void
watch_stderr(struct child *c, int fd)
{
	if (fd == -1)
		return;
	c->err_fd = fd;
	event_set(&c->err_ev, fd, EV_READ | EV_PERSIST, read_stderr, c);
	(void)event_add(&c->err_ev, NULL);
}

/* A lookupd is told where its database is before its jail is built. */
static void
init_source(uint32_t source, struct proto_init *init)
{
	const struct conf_datasource	*ds = reload_source(source);
	size_t				 i;

	for (i = 0; ds != NULL && i < ds->uri.n; i++) {
		(void)strlcat(init->source, ds->uri.v[i],
		    sizeof(init->source));
		(void)strlcat(init->source, "\n", sizeof(init->source));
	}
}

void
spawn_init(struct peer *p, const struct program *prog, unsigned int index,
    uint32_t source)
{
	struct proto_init	init = { .index = index };
	struct ids		ids = users_of(prog);
	struct wbuf		w = { .secret = true };

	if (parent.debug)
		init.flags |= INIT_DEBUG;
	if (parent.check)
		init.flags |= INIT_CHECK;
	if (parent.verbose && !parent.check)
		init.flags |= INIT_VERBOSE;
	if (ids.set) {
		init.flags |= INIT_IDS;
		init.uid = ids.uid;
		init.gid = ids.gid;
	}
	if (prog->many_files)
		init.files = program_files();
	if (source != 0)
		init_source(source, &init);
	put_init(&w, &init);
	explicit_bzero(&init, sizeof(init));
	peer_send(p, MSG_INIT, 0, 0, users_root(prog), &w);
}

static void	child_lost(struct peer *, bool);

static int
child_fork(struct child *c)
{
	int	pair[2], err[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		return -1;
	if (!parent.debug && !parent.check &&
	    pipe2(err, O_CLOEXEC | O_NONBLOCK) == -1)
		goto fail;
	if ((c->pid = program_fork(c->prog, pair[1], err[1])) == -1)
		goto fail;
	(void)close(pair[1]);
	close_fd(&err[1]);
	watch_stderr(c, err[0]);
	peer_init(&c->peer, pair[0], R_PARENT, c->prog->role, c->index,
	    child_handlers, child_lost);
	c->peer.arg = c;
	return 0;
fail:
	c->pid = 0;
	(void)close(pair[0]);
	(void)close(pair[1]);
	close_fd(&err[0]);
	close_fd(&err[1]);
	return -1;
}

/*
 * Later, and later still if it goes on like that.  But who can make a script
 * end its worker shall not keep scripts away from all others.
 */
static int64_t
backoff(struct child *c)
{
	int64_t	ms = RESPAWN_MIN, max = c->prog->role == R_PROXYD ?
		    RESPAWN_PROXYD : RESPAWN_MAX;

	if (mono_diff(mono_now(), c->since) >= RESPAWN_CALM)
		c->quick = 0;
	else
		c->quick++;
	if (c->quick <= 1)
		return 0;
	if (c->quick > 16)
		return max;
	ms <<= c->quick - 2;
	return ms > max ? max : ms;
}

static void
child_start(struct child *c)
{
	c->since = mono_now();
	c->ping = c->pong = c->sync = 0;
	c->generation = c->answered = 0;
	if (child_fork(c) == -1) {
		if (!parent.ready)
			fatal("cannot start %s", child_name(c));
		log_warn("cannot start %s", child_name(c));
		c->state = CHILD_DOWN;
		timer_set(&c->timer, backoff(c) + RESPAWN_MIN);
		return;
	}
	c->state = CHILD_STARTING;
	timer_set(&c->timer, START_DEADLINE);
	spawn_init(&c->peer, c->prog, c->index, c->source);
	log_debug("%s is pid %ld", child_name(c), (long)c->pid);
}

/* --- the table ------------------------------------------------------- */

static void
child_insert(struct child *c)
{
	struct child	*o;

	TAILQ_FOREACH(o, &children, entry)
		if (o->prog > c->prog ||
		    (o->prog == c->prog && o->index > c->index))
			break;
	if (o == NULL)
		TAILQ_INSERT_TAIL(&children, c, entry);
	else
		TAILQ_INSERT_BEFORE(o, c, entry);
}

static struct child *
child_new(const struct program *prog, unsigned int index, uint32_t born)
{
	struct child	*c = xcalloc(1, sizeof(*c));

	c->prog = prog;
	c->index = index;
	c->born = born;
	c->err_fd = -1;
	c->peer.dead = true;
	timer_init(&c->timer, child_timer, c);
	timer_init(&c->end, child_end, c);
	child_insert(c);
	return c;
}

static void
child_free(struct child *c)
{
	timer_del(&c->timer);
	timer_del(&c->end);
	TAILQ_REMOVE(&children, c, entry);
	free(c->held);
	free(c->keys);
	free(c);
}

void
spawn_plan_others(void)
{
	size_t	i;

	for (i = 1; i < NPROGRAMS; i++)
		if (programs[i].role != R_LOOKUPD &&
		    programs[i].role != R_PROXYD)
			(void)child_new(&programs[i], 0, 0);
}

/*
 * One that still leaves keeps its index: the dialer knows its leases by it.
 */
static unsigned int
free_index(unsigned int role)
{
	struct child	*c;
	unsigned int	 index = 0;

	TAILQ_FOREACH(c, &children, entry)
		if (c->prog->role == role && c->index == index)
			index++;	/* they are in order */
	return index;
}

void
spawn_plan_smtpd(uint32_t born)
{
	(void)child_new(&programs[0], free_index(R_SMTPD), born);
}

static const struct program *
program_of(unsigned int role)
{
	size_t	i;

	for (i = 0; programs[i].role != role; i++)
		continue;
	return &programs[i];
}

void
spawn_plan_lookupd(uint32_t source, uint32_t born)
{
	struct child	*c;

	c = child_new(program_of(R_LOOKUPD), free_index(R_LOOKUPD), born);
	c->source = source;
}

void
spawn_plan_proxyd(uint32_t born)
{
	(void)child_new(program_of(R_PROXYD), free_index(R_PROXYD), born);
}

void
spawn_stop_lookupd(void)
{
	struct child	*c, *next;

	for (c = TAILQ_FIRST(&children); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->source != 0 && !c->leaving &&
		    reload_source(c->source) == NULL)
			child_stop(c, false);
	}
}

void
spawn_planned(void)
{
	struct child	*c;

	TAILQ_FOREACH(c, &children, entry)
		if (c->state == CHILD_DOWN && !timer_is_set(&c->timer))
			child_start(c);
}

unsigned int
spawn_count(unsigned int role)
{
	struct child	*c;
	unsigned int	 n = 0;

	TAILQ_FOREACH(c, &children, entry)
		n += c->prog->role == role && !c->leaving;
	return n;
}

void
spawn_stop_proxyd(unsigned int wanted)
{
	struct child	*c, *last;

	while (spawn_count(R_PROXYD) > wanted) {
		last = NULL;
		TAILQ_FOREACH(c, &children, entry)
			if (c->prog->role == R_PROXYD && !c->leaving)
				last = c;
		child_stop(last, false);
	}
}

/* --- the end of one -------------------------------------------------- */

static const char *
reason(int status)
{
	static char	text[64];

	if (WIFSIGNALED(status))
		(void)snprintf(text, sizeof(text), "killed by signal %d",
		    WTERMSIG(status));
	else
		(void)snprintf(text, sizeof(text), "exited with status %d",
		    WEXITSTATUS(status));
	return text;
}

/* Not by the timer if at once: that would wait for a tick. */
static void
child_again(struct child *c, int64_t ms)
{
	if (ms == 0)
		child_start(c);
	else
		timer_set(&c->timer, ms);
}

/* Both its process and its pipe are gone. */
static void
child_gone(struct child *c)
{
	timer_del(&c->timer);
	if (c->err_fd != -1) {
		read_stderr(c->err_fd, EV_READ, c);	/* its last words */
		if (c->err_fd != -1)
			(void)event_del(&c->err_ev);
		close_fd(&c->err_fd);
	}
	child_log_dropped(c);
	c->state = CHILD_DOWN;
	c->nheld = c->nkeys = 0;
	reload_gone(c);
	cache_gone(c);
	if (c->leaving || parent.quit || parent.check)
		child_free(c);
	else {
		c->restarts++;
		child_again(c, backoff(c));
	}
	reload_progress();
}

static void
child_half_gone(struct child *c)
{
	if (c->pid == 0 && c->peer.dead) {
		child_gone(c);
		return;
	}
	c->state = CHILD_ENDING;
	timer_set(&c->timer, LINGER);
}

static void
child_lost(struct peer *p, bool broken)
{
	struct child	*c = p->arg;

	if (broken) {
		log_warnx("%s pid %ld broke the rules: killed",
		    child_name(c), (long)c->pid);
		if (c->pid != 0)
			(void)kill(c->pid, SIGKILL);
	}
	child_half_gone(c);
}

static void
child_reaped(struct child *c, int status)
{
	long	pid = (long)c->pid;
	bool	again = !c->leaving && !parent.quit;

	c->pid = 0;
	if (!parent.ready && !parent.stopping && !parent.check) {
		log_warnx("%s pid %ld %s", child_name(c), pid,
		    reason(status));
		parent_give_up(1);
	} else if (again && !parent.check)
		log_warnx("%s pid %ld %s; starting another", child_name(c),
		    pid, reason(status));
	else if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
		log_warnx("%s pid %ld %s", child_name(c), pid,
		    reason(status));
	else
		log_debug("%s pid %ld is gone", child_name(c), pid);
	child_half_gone(c);
}

void
spawn_reap(void)
{
	struct child	*c;
	pid_t		 pid;
	int		 status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		TAILQ_FOREACH(c, &children, entry)
			if (c->pid == pid)
				break;
		if (c != NULL)
			child_reaped(c, status);
		else if (!cache_reaped(pid, status))
			lists_reaped(pid);
	}
}

void
child_kill(struct child *c, const char *why)
{
	if (c->pid == 0)
		return;
	log_warnx("%s pid %ld %s: killed", child_name(c), (long)c->pid, why);
	(void)kill(c->pid, SIGKILL);
}

static void
child_timer(void *arg)
{
	struct child	*c = arg;

	switch (c->state) {
	case CHILD_DOWN:
		child_start(c);
		break;
	case CHILD_STARTING:
		child_kill(c, "does not get ready");
		break;
	case CHILD_UP:
		child_ping_due(c);
		break;
	case CHILD_ENDING:
		if (c->pid != 0)
			(void)kill(c->pid, SIGKILL);
		if (!c->peer.dead) {
			/* Somebody has a copy of its end: not our child. */
			peer_close(&c->peer);
			child_half_gone(c);
		}
		break;
	}
}

/* --- telling one to go ----------------------------------------------- */

static void
send_stop(struct child *c)
{
	int64_t	ms = STOP_GRACE;

	if (c->draining && reload_conf() != NULL)
		ms += reload_conf()->shutdown;
	if (child_is_wired(c))
		peer_send(&c->peer, MSG_STOP, 0, !c->draining ? STOP_NOW :
		    c->surplus ? STOP_LEAVE : STOP_DRAIN, -1, NULL);
	else if (c->pid != 0)
		(void)kill(c->pid, SIGKILL);
	timer_set(&c->end, ms);
}

void
child_stop(struct child *c, bool drain)
{
	if (c->leaving && (drain || !c->draining))
		return;
	c->leaving = true;
	c->draining = drain;
	if (c->state == CHILD_DOWN)
		child_free(c);
	else
		send_stop(c);
}

/* It has outstayed its limit. */
static void
child_end(void *arg)
{
	struct child	*c = arg;

	if (c->draining) {
		c->draining = false;
		send_stop(c);
	} else
		child_kill(c, "does not end");
}
