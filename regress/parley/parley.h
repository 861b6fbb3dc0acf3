/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * parley plays one file, a talk: named actors, which are SMTP clients and
 * servers, hold the conversation the file describes, with a daemon between
 * them or with each other.  One process, one poll loop, no threads.
 *
 *	parley.c	options, the loop, the outcome
 *	talk.c		the statements at the top level of a talk
 *	wish.c		those that expect something
 *	text.c		lines, comments, text in braces
 *	cdb.c		files of keys and values
 *	sqlite.c	files of SQLite
 *	script.c	text -> statements, actors and steps
 *	actor.c		connections: from accept or connect to the end
 *	net.c		sockets: listen, accept, connect
 *	step.c		what each line inside an actor does
 *	expect.c	those of them that receive
 *	match.c		bytes, globs, escapes, macros, the dot
 *	child.c		programs run, and what they print
 *	daemon.c	the daemon under test, its log, posternctl
 *	dns.c		a name server for the daemon
 *	tls.c		certificates, handshake, octets in and out
 *	trace.c		the transcript and the failure
 *
 * A failure is said once, to fail(), which notes where; everything then
 * unwinds by return values.  Memory of the parsed talk lives until exit.
 */
#ifndef PARLEY_H
#define PARLEY_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS		1000		/* in microseconds, as all times */
#define SECOND		(1000 * MS)
#define FRAME_MAX	16		/* nested repeats and procs */
#define GROUP_MAX	10		/* ${0}..${9} of a regular expression */
#define ARG_MAX_PROC	9		/* $1..$9 */

struct tls;
struct conn;
struct step;

/* A growing string of octets; those before off are taken already. */
struct bytes {
	char	*p;
	size_t	 off;
	size_t	 n;			/* end of the octets, counted from p */
	size_t	 size;
};

enum res {
	R_DONE,				/* go on with the next step */
	R_WAIT,				/* for conn.want or until conn.until */
	R_FAIL				/* fail() was called */
};

/* --- the parsed talk --------------------------------------------------- */

TAILQ_HEAD(block, step);

/* A word that may begin a line inside an actor. */
struct verb {
	const char	 *word;
	enum res	(*act)(struct conn *, struct step *);
	int		  flags;
#define V_SENDS		0x01		/* -g may hold its octets back */
#define V_EXACT		0x02		/* only one blank is cut off the text */
#define V_QUOTED	0x04		/* the text is a C string */
#define V_TEXT		0x08		/* "{" may stand for the text */
#define V_BODY		0x10		/* steps in braces follow */
#define V_ARG		0x20		/* the text must not be empty */
#define V_NOARG		0x40		/* the text must be empty */
};

struct step {
	TAILQ_ENTRY(step)	 entry;
	const struct verb	*verb;
	char			*arg;	/* macros not yet expanded */
	char			*text;	/* lines in braces, or NULL */
	struct block		*body;	/* of a repeat or of the proc called */
	int			 line;
};

struct proc {
	TAILQ_ENTRY(proc)	 entry;
	char			*name;
	struct block		*body;
};
TAILQ_HEAD(procs, proc);

struct actor {
	TAILQ_ENTRY(actor)	 entry;
	char			*name;
	bool			 server;
	int			 line;
	struct block		*body;	/* lines outside any connection { } */
	struct block		**blocks; /* the body, or one a connection */
	size_t			 nblocks;
	bool			 again;	/* the last block serves all others */
	char			*from;	/* address to bind, or NULL */
	char			*to;	/* port or address:port, or NULL */
	char			*path;	/* of a unix socket, or NULL */
	bool			 unix_socket;
	int			 fd;	/* listening, or -1 */
	size_t			 slot;
	unsigned int		 connections;
	unsigned int		 busy;	/* connections not yet at their end */
};
TAILQ_HEAD(actors, actor);

/* A statement at the top level. */
struct stmt;
struct stmt_word {
	const char	 *word;
	int		(*act)(struct stmt *);
	bool		  text;		/* text in braces follows */
};
struct stmt {
	TAILQ_ENTRY(stmt)	 entry;
	const struct stmt_word	*word;
	char			*arg;
	char			*text;
	int			 line;
};
TAILQ_HEAD(stmts, stmt);

/* --- a conversation ---------------------------------------------------- */

enum conn_state {
	CONN_CONNECTING,
	CONN_TALKING,
	CONN_LINGERING			/* said all; waits for the peer's end */
};

struct frame {
	struct block	 *body;
	struct step	 *next;
	int		  left;		/* rounds after this one */
	int64_t		  since;	/* when it began */
	bool		  call;		/* a proc: owns argv */
	int		  argc;
	char		**argv;
};

struct conn {
	TAILQ_ENTRY(conn)	 entry;
	struct actor		*actor;
	unsigned int		 number;
	enum conn_state		 state;
	int			 fd;
	size_t			 slot;
	struct frame		 frames[FRAME_MAX];
	int			 depth;

	short			 want;	/* poll events, 0 for time or sync */
	int64_t			 until;	/* wake then; 0 never */
	int64_t			 since;	/* of the last progress */
	bool			 kick;	/* run at the next turn regardless */

	struct bytes		 in;
	struct bytes		 out;
	size_t			 chunk;	/* a write to be repeated as it was */
	size_t			 sent;	/* octets of out sent since it began */
	bool			 bulk;	/* out is a message */
	bool			 eof;	/* the peer's end was seen */
	bool			 broken; /* writing failed: the peer is gone */
	size_t			 slow;	/* octets a time, 0 all */
	int64_t			 gap;
	int64_t			 paced;	/* no octet before then */

	struct tls		*tls;
	struct tls		*tls_server;
	bool			 tls_on;

	/* Of the present step; cleared before the next. */
	bool			 begun;
	struct bytes		 got;
	const char		*sync;	/* the barrier waited at */

	char			*group[GROUP_MAX];
};
TAILQ_HEAD(conns, conn);

struct pollset {
	struct pollfd	*fds;
	size_t		 n;
	size_t		 size;
	int64_t		 until;
};

/* A child whose stdout and stderr are collected. */
struct child {
	TAILQ_ENTRY(child)	 entry;
	pid_t			 pid;
	int			 fd;	/* -1 once all its writers ended */
	size_t			 slot;
	struct bytes		 out;
	bool			 exited;
	int			 status; /* exit status, or 128 + signal */
};

struct talk {
	const char	*path;
	char		*dir;		/* where path is */
	char		*tmp;
	char		*build;
	bool		 trickle;
	bool		 glue;
	bool		 keep;
	bool		 tap;
	bool		 verbose;
	bool		 ending;	/* pauses are over */
	bool		 reap;		/* a child may have ended */
	int		 factor;	/* -x: all deadlines times this */
	int64_t		 start;
	int64_t		 deadline;
	char		*must_fail;	/* glob for the message */
	char		*skip;		/* the reason, if so */
	unsigned int	 failures;
	struct actors	 actors;
	struct conns	 conns;
	struct procs	 procs;
	struct stmts	 stmts;
};
extern struct talk talk;

/* --- parley.c ---------------------------------------------------------- */

/* The monotonic clock in microseconds. */
int64_t	 now_us(void);
void	*xcalloc(size_t, size_t);
char	*xstrdup(const char *);
char	*xasprintf(const char *, ...) __attribute__((format(printf, 1, 2)));
/* "250ms", "5s", "2m" -> microseconds; -1 if it is none of these. */
int64_t	 duration(const char *);
/* Add a descriptor to those waited for; returns its slot. */
size_t	 pollset_add(struct pollset *, int, short);
/* Wake at this time at the latest. */
void	 pollset_until(struct pollset *, int64_t);
/*
 * Turn the loop while busy(arg) is true.  0 when it no longer is; -1 on a
 * failure of whatever kind meanwhile, or with ETIMEDOUT at the limit.
 */
int	 loop_while(bool (*)(void *), void *, int64_t);

/* --- talk.c ------------------------------------------------------------ */

const struct stmt_word	*stmt_find(const char *);
/* Do all statements in turn; 0, or -1 after fail() or a reason to skip. */
int	 talk_play(void);

/* Fail for a statement that is not like this. */
int	 bad(const struct stmt *, const char *);

/* --- wish.c ------------------------------------------------------------ */

int	 do_expect(struct stmt *);
/* Keep what was printed for expect conf-error; it is taken over. */
void	 say_keep(struct bytes *);

/* --- script.c ---------------------------------------------------------- */

/* Read the talk's file; -1 after fail(). */
int	 script_read(void);

/* --- text.c ------------------------------------------------------------ */

/* Read lines from this text, which is cut up on the way and kept. */
void	 text_begin(char *);
/* The number of the line read last. */
int	 line_number(void);
/* A line as it was written; NULL if there is none of this number. */
const char	*script_line(int);
/*
 * The next line with something in it, without its comment and indentation;
 * it lasts until the next call.  NULL at the end.
 */
char	*line_content(void);
/* The text up to the brace below the line read last; NULL after fail(). */
char	*text_read(void);
/* Cut a brace off the end; false if there is none. */
bool	 brace_cut(char *);
/* Cut the next word off the text, NULL when there is none. */
char	*next_word(char **);

/* --- net.c ------------------------------------------------------------- */

/* Bind a server and set its macro; -1 after fail(). */
int	 actor_listen(struct actor *);
/* Begin a client's conversation; -1 after fail(). */
int	 actor_run(struct actor *);
void	 actor_accept(struct actor *);

/* --- actor.c ----------------------------------------------------------- */

struct actor	*actor_find(const char *);
/* A connection at the first step of this block; it owns the descriptor. */
struct conn	*conn_new(struct actor *, int, struct block *);
/* Do steps until one has to wait. */
void	 conn_talk(struct conn *);
void	 actors_poll(struct pollset *);
void	 actors_ready(const struct pollset *);
/* True while a server is in the midst of its lines. */
bool	 actors_busy(void *);
void	 conns_close(void);
/* Half close; the peer's octets may still be read. */
void	 conn_shut(struct conn *);
/*
 * Enter the steps in a step: so many times, or as a proc whose $1 and so
 * on are these words, which it takes over.
 */
enum res conn_enter(struct conn *, const struct step *, int, int, char **);
/* Read some octets into conn.in.  R_DONE also at the end: see conn.eof. */
enum res conn_fill(struct conn *);
/* Until when the present step may wait. */
int64_t	 conn_limit(const struct conn *);
/* Wait for these poll events, or for the limit only; R_FAIL once there. */
enum res conn_wait(struct conn *, short);

/* --- step.c ------------------------------------------------------------ */

/* The verb of this name; any other word calls a proc. */
const struct verb	*verb_find(const char *);
/* For what repeats its lines until one comes, the step that looks; or NULL. */
const struct verb	*verb_found(const struct verb *);
bool	 verb_is_call(const struct verb *);
/* Does the block, or a proc it calls, wait at the barrier? */
bool	 block_syncs(const struct block *, const char *, int);

/* The text's macros and its escapes -> octets. */
enum res exact_bytes(struct conn *, struct step *, struct bytes *);
/* The text in the step's braces, or else the file of this name. */
enum res load(struct conn *, struct step *, const char *, struct bytes *);

/* --- expect.c ---------------------------------------------------------- */

enum res act_line(struct conn *, struct step *);
enum res act_reply(struct conn *, struct step *);
enum res act_ere(struct conn *, struct step *);
enum res act_skip(struct conn *, struct step *);
enum res act_found(struct conn *, struct step *);
enum res act_exact(struct conn *, struct step *);
enum res act_count(struct conn *, struct step *);
enum res act_data(struct conn *, struct step *);
enum res act_eof(struct conn *, struct step *);
enum res act_nodot(struct conn *, struct step *);

/* --- match.c ----------------------------------------------------------- */

void	 bytes_add(struct bytes *, const void *, size_t);
void	 bytes_adds(struct bytes *, const char *);
/* Make room for n more octets; returns where they go. */
char	*bytes_room(struct bytes *, size_t);
void	 bytes_take(struct bytes *, size_t);
void	 bytes_free(struct bytes *);
size_t	 bytes_len(const struct bytes *);
char	*bytes_head(const struct bytes *);
/* NUL-terminate and hand over the string; the bytes are empty then. */
char	*bytes_str(struct bytes *);
bool	 glob(const char *, const char *, size_t);
/* As glob(), anywhere in the line. */
bool	 glob_in(const char *, const char *, size_t);
/* Octets as printable text, at most 400 of them. */
char	*escape(const char *, size_t);
/* A C string literal with its quotes -> octets; an error text or NULL. */
const char	*unescape(const char *, struct bytes *);
void	 macro_set(const char *, const char *);
const char	*macro_get(const char *);
/* Expand ${name}, and $1.. inside a proc; NULL after fail(). */
char	*expand(const struct conn *, int, const char *);
/* Read a file, relative to the temporary directory; -1 with errno. */
int	 file_load(const char *, struct bytes *);
/* Every line of the message ends in CRLF. */
void	 crlf(const struct bytes *, struct bytes *);
/* The message dot-stuffed, with the final dot. */
void	 stuff(const struct bytes *, struct bytes *);

/* --- cdb.c ------------------------------------------------------------- */

/* A constant database of lines "KEY VALUE"; the text is cut up. */
void	 cdb_make(char *, struct bytes *);

/* --- sqlite.c ---------------------------------------------------------- */

/* A database made, or changed, by the SQL; on what line, for failures. */
int	 sqlite_make(int, const char *, const char *);

/* --- child.c ----------------------------------------------------------- */

void	 child_spawn(struct child *, char *const *);
/* Does it run, or does anybody hold its stderr?  For loop_while(). */
bool	 child_lives(void *);
/* Whatever is left of it ends now; what it printed stays. */
void	 child_end(struct child *);
/* Run a program to its end; its status, or -1 after fail(). */
int	 child_run(int, char *const *, struct bytes *);
void	 children_poll(struct pollset *);
void	 children_ready(const struct pollset *);
void	 children_end(void);

/* --- daemon.c ---------------------------------------------------------- */

/* A free port for "port", "port2".."port9"; NULL for another name. */
const char	*port_reserve(const char *);
/* Write the configuration, with what every talk needs added; its path. */
char	*conf_write(const char *, const char *);
/* Is there a configuration, and no daemon was started yet? */
bool	 daemon_wanted(void);
/* Start it; -1 after fail().  If it may exit, that is no failure. */
int	 daemon_start(int, bool);
/* Ask it to end and wait for that; -1 after fail(). */
int	 daemon_stop(int);
/* Wait until it ends by itself; its status, -1 after fail(). */
int	 daemon_status(int);
/* "ROLE [INDEX] SIGNAL" */
int	 daemon_kill(int, char *, bool may_ask);
/* Can that be done without asking anybody?  "ROLE ..." */
bool	 daemon_knows(const char *);
/* Run posternctl with one or two words; its exit status, -1 after fail(). */
int	 daemon_control(int, const char *, struct bytes *);
/* Run postern -n on this file; likewise. */
int	 daemon_check(int, const char *, struct bytes *);
/* How many of these lines, or of all logs', match the glob. */
unsigned int	 lines_count(const struct bytes *, const char *);
unsigned int	 log_count(const char *);
/* No line of any log may match, up to the end. */
void	 log_forbid(int, const char *);
/* End the daemon, after a failure too, and judge its exit and its log. */
void	 daemon_finish(void);
void	 daemon_print_log(void);

/* --- dns.c ------------------------------------------------------------- */

/* The records from now on. */
int	 do_dns(struct stmt *);
void	 dns_poll(struct pollset *);
void	 dns_ready(const struct pollset *);

/* --- tls.c ------------------------------------------------------------- */

/* "tls.cert", "tls.key", "tls.cert2", "tls.key2": made when first asked. */
const char	*tls_file(const char *);
/* Go on with the handshake that the options describe. */
enum res tls_step(struct conn *, int, const char *);
/* Octets, 0 at the end, -1 to wait (conn.want), -2 when it is broken. */
ssize_t	 conn_read(struct conn *, char *, size_t);
ssize_t	 conn_write(struct conn *, const char *, size_t);
void	 tls_end(struct conn *);
void	 tls_drop(struct conn *);

/* --- trace.c ----------------------------------------------------------- */

/* Note an event: connection or NULL, line or 0, a prefix and octets. */
void	 trace(const struct conn *, int, const char *, const char *, size_t);
void	 tracef(const struct conn *, int, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
/* The talk fails.  The first message is the outcome, all are events. */
void	 fail(const struct conn *, int, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
const char	*fail_message(void);
int	 fail_line(void);
void	 trace_print(void);

#endif /* PARLEY_H */
