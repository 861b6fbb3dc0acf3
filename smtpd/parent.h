/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The parent: what its files share.
 *
 *	parent.c	options, order of the start, signals, the end
 *	parent_program.c where the programs are; fork and exec
 *	parent_spawn.c	the processes: start, end, respawn
 *	parent_child.c	links[]; what the children say; pings
 *	parent_user.c	as whom, and in which root, a child runs
 *	parent_reload.c	generations of the configuration
 *	parent_build.c	large lists, before a generation begins
 *	parent_listen.c	listening sockets
 *	parent_unix.c	those of them that are in the file system
 *	parent_dial.c	connections to sockets of the file system
 *	parent_cache.c	the file of verdicts
 *	parent_log.c	where log lines go
 *	parent_ctl.c	posternctl's socket
 *
 * The parent is root and has everything; so it reads nothing that came over
 * a network, and of what its children say only frames of a few numbers.
 */
#ifndef PARENT_H
#define PARENT_H

#include <sys/queue.h>
#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "mono.h"
#include "parent_conf.h"
#include "peer.h"
#include "timer.h"

#ifndef VERSION
#define VERSION		"0.1"
#endif
#ifndef SYSCONFDIR
#define SYSCONFDIR	"/etc"
#endif
#ifndef LIBEXEC
#define LIBEXEC		"/usr/local/libexec/postern"
#endif

/* Milliseconds; a debugger's or a slow machine's owner may raise them. */
#define CONF_DEADLINE	10000	/* all answer a new configuration */
#define START_DEADLINE	60000	/* a child reports READY; the first start */
#define LIST_DEADLINE	60000	/* a large list is read */
#define PING_EVERY	5000
#define PING_PROXYD	1000
#define PINGS_MISSED	4	/* so many unanswered: it hangs */
#define STOP_GRACE	5000	/* from STOP to SIGKILL */
#define LINGER		1000	/* process gone, pipe open; or vice versa */
#define RESPAWN_MIN	100
#define RESPAWN_MAX	5000
#define RESPAWN_PROXYD	500	/* no more, whatever a script does to it */
#define RESPAWN_CALM	10000	/* who lived so long starts anew at once */

struct parent {
	const char	*file;		/* postern.yaml */
	struct macros	 macros;
	bool		 debug;		/* -d */
	bool		 check;		/* -n */
	bool		 verbose;	/* -v, posternctl log verbose */
	bool		 ready;
	bool		 stopping;	/* no reload, no new smtpd */
	bool		 quit;		/* leave the loop */
	int		 status;	/* to exit with */
	struct mono	 started;
};
extern struct parent	parent;

/* --- parent.c -------------------------------------------------------- */

/*
 * End: sessions may go on for `shutdown' (drain), or not.  A second call
 * without drain makes an end of the first.
 */
void	parent_stop(bool drain);
/* The first configuration is in force everywhere. */
void	parent_ready(void);
/* The start failed, or the check of -n is done: exit with status, soon. */
void	parent_give_up(int status);

/* --- parent_program.c ------------------------------------------------ */

struct program {
	unsigned int	 role;
	const char	*name;
	const char	*dir;		/* where it is in the build tree */
	bool		 empty_root;
	bool		 many_files;	/* wants all descriptors there are */
};

#define NPROGRAMS	6
/* smtpd is the first. */
extern const struct program	programs[NPROGRAMS];

/* Find them; fatal if one is missing.  Takes all descriptors we may have. */
void	program_init(const char *argv0);
/*
 * Start one, with these as its descriptors 3 and 2 (-1: ours).  -1 and
 * errno if there is no process.
 */
pid_t	program_fork(const struct program *, int pipe_fd, int err_fd);
/* How many descriptors a process may have. */
uint64_t program_files(void);

/* --- parent_spawn.c, parent_child.c ---------------------------------- */

enum child_state {
	CHILD_DOWN,		/* no process; the timer will start one */
	CHILD_STARTING,		/* the timer ends it if it is not READY */
	CHILD_UP,		/* the timer is the next ping */
	CHILD_ENDING		/* process or pipe gone, the other not yet */
};

struct child {
	TAILQ_ENTRY(child)	 entry;
	const struct program	*prog;
	unsigned int		 index;
	uint32_t		 source;	/* lookupd: datasource's id */
	enum child_state	 state;
	struct timer		 timer;		/* see the states */
	pid_t			 pid;		/* 0: none, or reaped */
	struct peer		 peer;		/* dead: its pipe is */
	int			 err_fd;	/* its stderr; -1 with -d */
	struct event		 err_ev;
	struct mono		 accused;	/* last PEER_BROKE about it */
	struct mono		 since;		/* when the process started */
	unsigned int		 restarts;
	unsigned int		 quick;		/* early deaths in a row */
	/* proxyd: octets of its log that may come, and lines too many. */
	int64_t			 log_room;
	struct mono		 log_at;
	unsigned long		 log_dropped;
	/* STOP was sent: it is not started again. */
	bool			 leaving;
	bool			 draining;
	bool			 surplus;	/* others have its sockets */
	struct timer		 end;		/* the limit of that */
	/* Its pings, and the one that was sent behind the last COMMIT. */
	uint32_t		 ping, pong, sync;
	/* Generations: the newest committed, the last answered. */
	uint32_t		 generation;
	uint32_t		 answered;
	uint32_t		 born;		/* planned by; 0 = at boot */
	/* smtpd: generations that it has not reported as ended. */
	uint32_t		*held;
	size_t			 nheld;
	/* smtpd: the keys of the sockets that it has. */
	uint32_t		*keys;
	size_t			 nkeys;
};

TAILQ_HEAD(children, child);
/* Ordered by role, then index. */
extern struct children	children;

/*
 * Enter into the table, without starting it yet: one of each role of which
 * there is one; another smtpd or proxyd, or another lookupd of a datasource,
 * with the lowest index that nobody has (born: the generation that wants it).
 * spawn_planned starts them.
 */
void	spawn_plan_others(void);
void	spawn_plan_smtpd(uint32_t born);
void	spawn_plan_lookupd(uint32_t source, uint32_t born);
void	spawn_plan_proxyd(uint32_t born);
void	spawn_planned(void);
/* INIT of a process of this program. */
void	spawn_init(struct peer *, const struct program *, unsigned int index,
	    uint32_t source);
/* SIGCHLD: wait for whoever has ended. */
void	spawn_reap(void);
/* Number of processes of a role (not those that leave). */
unsigned int spawn_count(unsigned int role);
/* No more of them than wanted: those with the highest numbers go. */
void	spawn_stop_proxyd(unsigned int wanted);
/* The lookupds whose datasource is in no configuration any more go. */
void	spawn_stop_lookupd(void);
/* Tell a child to go; it is freed when it has gone. */
void	child_stop(struct child *, bool drain);
/* End it, as broken or hung; another one is started. */
void	child_kill(struct child *, const char *why);
/* There is a process at the other end of the pipe. */
bool	child_is_wired(const struct child *);
/* "smtpd/1"; static. */
const char *child_name(const struct child *);

extern const struct peer_handler	child_handlers[];
/* Say how many lines of it were too many, if any were. */
void	child_log_dropped(struct child *);
/* Ask for a sign of life; it has handled all before when it answers. */
void	child_ping(struct child *);
/* The timer of a process that is up. */
void	child_ping_due(struct child *);
/* Has it handled its last COMMIT? */
bool	child_is_settled(const struct child *);
/* Verbose on or off, in all. */
void	children_verbose(bool);

/* --- parent_user.c --------------------------------------------------- */

struct ids {
	bool	set;
	uid_t	uid;
	gid_t	gid;
};

/* Look all users up; fatal without -d or -n if root lacks one. */
void	users_init(const struct conf_users *);
struct ids users_of(const struct program *);
/* The empty root, or -1: a descriptor of the caller's. */
int	users_root(const struct program *);
/* Does the new configuration want others?  They are taken at a restart. */
bool	users_differ(const struct conf_users *);

/* --- parent_reload.c ------------------------------------------------- */

/* Begin the first generation, or in check mode the only one. */
void	reload_boot(struct config *);
/* We are about to end: an attempt that is under way fails. */
void	reload_cancel(void);
/*
 * Load the file anew when the present attempt, if any, has ended; returns
 * the number under which ctl_reload_done reports.
 */
uint32_t reload_request(void);
/* At the end of every turn. */
void	reload_turn(void);
/* A new process: send it all live generations, and the one at hand. */
void	reload_feed(struct child *);
/* CONF_OK, CONF_ERR (err not NULL).  -1: it was not asked. */
int	reload_answer(struct child *, uint32_t generation,
	    const struct proto_conf_err *err);
/* CONF_NOTE.  -1: it was not asked. */
int	reload_note(struct child *, uint32_t generation,
	    const struct proto_conf_note *);
/* GEN_ENDED.  -1: it does not hold it. */
int	reload_ended(struct child *, uint32_t generation);
/* The process, and with it whatever it held, is gone. */
void	reload_gone(struct child *);
/* Something has happened that a reload may wait for. */
void	reload_progress(void);
/* The configuration in force; NULL before the first. */
struct config	*reload_conf(void);
/*
 * A remote of any configuration that is alive; NULL with *gone: there was
 * one with this id, or something else has it.
 */
const struct conf_remote *reload_remote(uint32_t id, bool *gone);
/* A datasource of those, or of the one at hand; NULL if there is none. */
const struct conf_datasource *reload_source(uint32_t id);

/* --- parent_build.c -------------------------------------------------- */

/*
 * Have the large lists of a new configuration made into the files that the
 * others are sent.  To be followed by lists_turn at the end of every turn,
 * until that is true: all are there, or there are more errors than before.
 */
void	lists_begin(struct config *, struct conf_errors *);
bool	lists_turn(void);
/* Nobody waits for them any more. */
void	lists_cancel(void);
/* A process has been waited for. */
void	lists_reaped(pid_t);

/* --- parent_listen.c ------------------------------------------------- */

/*
 * Bind what a configuration wants for the smtpd processes that are there
 * and stay, n of them; what is bound already is kept.  -1 with errors.
 */
int	listen_prepare(const struct config *, unsigned int n,
	    struct conf_errors *);
/* -n: what would a start find at the paths of unix: sockets? */
void	listen_check(const struct config *, struct conf_errors *);
/* Drop what prepare made. */
void	listen_abort(void);
/* Listen; close what is not wanted any more. */
void	listen_commit(void);
/* The sockets in force, to one child. */
void	listen_send(struct child *, uint32_t generation);
void	listen_close(void);

/* --- parent_unix.c --------------------------------------------------- */

struct usock;
/* One at the path, with the listener's rights.  NULL and why. */
struct usock *usock_new(const struct conf_listener *, const char *path,
	    char *why, size_t);
const char *usock_path(const struct usock *);
/* The same path and the same rights? */
bool	usock_same(const struct usock *, const struct usock *);
/* Is it at this path, and nobody else there meanwhile? */
bool	usock_is_placed(const struct usock *, const char *path);
/*
 * May a socket be put there?  may_live: over one that is in use.  -1 and
 * why.
 */
int	usock_check(const struct usock *, bool may_live, char *why, size_t);
/*
 * Make it, aside: a descriptor that does not listen, or -1 and why.
 * replaces: one of our own is at the path.
 */
int	usock_bind(struct usock *, bool replaces, char *why, size_t);
/* Give it its path.  -1 and errno. */
int	usock_place(struct usock *);
/* Remove it where it is still ours.  To be done before its close(2). */
void	usock_free(struct usock *);

/* --- parent_dial.c ---------------------------------------------------- */

/* UNIX_REQ of the dialer; -1: it may not ask that. */
int	unix_request(struct peer *, struct msg *);

/* --- parent_cache.c --------------------------------------------------- */

/*
 * Before a configuration is committed: tell verifyd, if it is that and does
 * not know it, which file there is.
 */
void	cache_feed(struct child *, const struct config *);
/* CACHE_WANT, CACHE_DONE; -1: it may not say that now. */
int	cache_want(struct peer *, struct msg *);
int	cache_done(struct peer *, struct msg *);
/* A process has ended.  False: it was none of ours. */
bool	cache_reaped(pid_t, int status);
/* The process is gone. */
void	cache_gone(const struct child *);
/* A file is on its way to its place. */
bool	cache_is_busy(void);

/* --- parent_log.c ---------------------------------------------------- */

/* Open a new target; kept aside.  -1 with errors. */
int	plog_prepare(const struct conf_log *, struct conf_errors *);
void	plog_abort(void);
/* Take it, and its level; tell the children if they are to know. */
void	plog_commit(const struct conf_log *);
/* Send a new process its descriptor. */
void	plog_feed(struct child *);
/* SIGUSR1. */
void	plog_reopen(void);
/* The other end went away: connect again, in a while. */
void	plog_lost(void);
/* The parent's own lines go there too from now on. */
void	plog_adopt(void);

/* --- parent_ctl.c ---------------------------------------------------- */

/* Does a postern answer at that socket? */
bool	ctl_answers(const char *path);
/* Fatal if so. */
void	ctl_probe(const char *path);
void	ctl_open(const char *path);
/* Take no more requests, remove the socket. */
void	ctl_close(void);
/* generation 0: it failed. */
void	ctl_reload_done(uint32_t ticket, uint32_t generation,
	    const struct conf_errors *);

#endif
