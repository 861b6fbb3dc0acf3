/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * For t_probe.c: all that call-forward has around it, in one process.  The
 * clock and the timers, in place of mono.c and timer.c: time passes when the
 * test says so.  The dialer, whose connections lead to servers played here;
 * the cache, a table; the configuration, one remote.
 *
 * A server answers RCPT by the local part: "550.5.1.1.joe" is told "550 5.1.1
 * said", "450.joe" "450 said", and all others exist.
 */
#ifndef PROBE_PLAY_H
#define PROBE_PLAY_H

#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <event.h>
#include <signal.h>
#include <unistd.h>

#include "../clock.h"
#include "cache.h"
#include "config.h"
#include "id.h"
#include "io.h"
#include "log.h"
#include "mono.h"
#include "peer.h"
#include "probe.h"
#include "proc.h"
#include "t.h"
#include "timer.h"
#include "verify.h"
#include "verifyd.h"

/* --- time ----------------------------------------------------------------- */

/* Run the next timer within ms; false: there is none, and they are over. */
static bool
next_timer(int64_t end)
{
	struct timer	*first = timer_first();

	if (first == NULL || first->when.ms > end) {
		now.ms = end;
		return false;
	}
	timer_run(first);
	return true;
}

/* --- servers -------------------------------------------------------------- */

#define SERVERS	32

struct server {
	int		 fd;			/* -1: none */
	char		 in[65536];
	size_t		 n;
	size_t		 rcpts;			/* of this transaction */
	size_t		 answered;		/* RCPTs in all */
	bool		 mail;
	bool		 deaf;
};

static struct server	servers[SERVERS];

/* How they are, and what they have seen since reset(). */
static struct {
	const char	*greeting;	/* NULL: the good one; "": silence */
	const char	*ehlo;
	const char	*mail;
	const char	*vrfy;
	size_t		 max;		/* recipients of a transaction */
	size_t		 lost_at;	/* RCPTs of a connection, and gone */
	size_t		 bye_at;	/* likewise, with a 421 */
	const char	*lost_over;	/* gone at this local part */
	const char	*bye_over;	/* a 421 there */
	bool		 dies;		/* and what it had to say with it */
	bool		 mute;		/* no answer to RCPT */
	bool		 stays_mute;	/* nor to anything behind it, ever */
	const char	*octets;	/* instead of an answer */
	size_t		 repeat;	/* of them */
	const uint8_t	*says;		/* all that servers say: fuzz_probe */
	size_t		 nsays;
} how;
static struct {
	size_t	connections, reads, mails, rcpts, rsets, quits, first;
	size_t	closed, most;
	char	last_mail[1024], last_rcpt[1024], last_ehlo[256];
} seen;

static void
server_close(struct server *s)
{
	(void)close(s->fd);
	s->fd = -1;
	seen.closed++;
}

static void
say(struct server *s, const char *text)
{
	if (s->fd != -1)
		(void)send(s->fd, text, strlen(text), MSG_NOSIGNAL);
}

/* The next piece of what was given to be said. */
static void
say_piece(struct server *s)
{
	size_t	n = 0;

	while (n < how.nsays && how.says[n] > 2)
		n++;
	(void)send(s->fd, how.says, n, MSG_NOSIGNAL);
	if (n < how.nsays && how.says[n] == 2)
		server_close(s);
	n += n < how.nsays;
	how.says += n;
	how.nsays -= n;
}

static void
server_new(int fd)
{
	struct server	*s = servers;

	while (s < servers + SERVERS && s->fd != -1)
		s++;
	if (s == servers + SERVERS)
		abort();
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	seen.connections++;
	if (how.says != NULL) {
		say_piece(s);
		return;
	}
	say(s, how.greeting != NULL ? how.greeting : "220 here\r\n");
	if (how.greeting != NULL && strncmp(how.greeting, "close", 5) == 0)
		server_close(s);
}

/* "550.5.1.1.joe@d.test" and so on. */
static void
say_for(struct server *s, const char *local)
{
	char	text[128];
	int	code, a, b, c;

	if (sscanf(local, "%d.%d.%d.%d.", &code, &a, &b, &c) == 4)
		snprintf(text, sizeof(text), "%d %d.%d.%d said\r\n", code, a,
		    b, c);
	else if (sscanf(local, "%3d.", &code) == 1)
		snprintf(text, sizeof(text), "%d said\r\n", code);
	else
		snprintf(text, sizeof(text), "250 2.1.5 fine\r\n");
	say(s, text);
}

static void
on_rcpt(struct server *s, const char *line)
{
	size_t	i;

	seen.rcpts++;
	strlcpy(seen.last_rcpt, line, sizeof(seen.last_rcpt));
	s->deaf = how.mute && how.stays_mute;
	if (how.mute)
		return;
	for (i = 0; i < how.repeat && s->fd != -1; i++)
		say(s, how.octets);
	if (how.repeat > 0)
		return;
	if (how.lost_over != NULL && strstr(line, how.lost_over) != NULL) {
		server_close(s);
		return;
	}
	if (how.bye_over != NULL && strstr(line, how.bye_over) != NULL) {
		say(s, "421 4.7.0 enough\r\n");
		server_close(s);
		return;
	}
	s->answered++;
	if (!s->mail)
		say(s, "503 5.5.1 MAIL first\r\n");
	else if (how.bye_at != 0 && s->answered >= how.bye_at) {
		say(s, "421 4.7.0 enough\r\n");
		server_close(s);
	} else if (how.max != 0 && s->rcpts >= how.max)
		say(s, "452 4.5.3 too many\r\n");
	else {
		s->rcpts++;
		say_for(s, line + strlen("RCPT TO:<"));
	}
	if (how.lost_at != 0 && s->answered >= how.lost_at && s->fd != -1)
		server_close(s);
}

static void
on_mail(struct server *s, const char *line)
{
	const char	*reply = how.mail != NULL ? how.mail : "250 ok\r\n";

	seen.mails++;
	strlcpy(seen.last_mail, line, sizeof(seen.last_mail));
	if (s->mail)
		reply = "503 nested\r\n";
	s->mail = reply[0] == '2';
	s->rcpts = 0;
	say(s, reply);
}

static void
on_line(struct server *s, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0 || strncmp(line, "LHLO", 4) == 0) {
		strlcpy(seen.last_ehlo, line, sizeof(seen.last_ehlo));
		say(s, how.ehlo != NULL ? how.ehlo :
		    "250-here\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n"
		    "250-VRFY\r\n250-EXPN\r\n250 ENHANCEDSTATUSCODES\r\n");
	} else if (strncmp(line, "MAIL", 4) == 0)
		on_mail(s, line);
	else if (strncmp(line, "RCPT", 4) == 0)
		on_rcpt(s, line);
	else if (strncmp(line, "RSET", 4) == 0) {
		seen.rsets++;
		s->mail = false;
		say(s, "250 ok\r\n");
	} else if (strncmp(line, "VRFY", 4) == 0 ||
	    strncmp(line, "EXPN", 4) == 0)
		say(s, how.vrfy != NULL ? how.vrfy : "252 who knows\r\n");
	else if (strncmp(line, "QUIT", 4) == 0) {
		seen.quits++;
		say(s, "221 bye\r\n");
		server_close(s);
	} else
		say(s, "500 what\r\n");
}

/* One read of what there is, and the answers. */
static void
server_turn(struct server *s)
{
	char	*end;
	ssize_t	 n;

	n = read(s->fd, s->in + s->n, sizeof(s->in) - 1 - s->n);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		server_close(s);
		return;
	}
	seen.reads++;
	if (how.says != NULL) {
		say_piece(s);
		return;
	}
	s->n += (size_t)n;
	s->in[s->n] = '\0';
	if (how.dies && strstr(s->in, how.lost_over) != NULL) {
		server_close(s);
		return;
	}
	if (strncmp(s->in, "PROXY ", 6) == 0)
		seen.first++;
	while (s->fd != -1 && (end = strstr(s->in, "\r\n")) != NULL) {
		*end = '\0';
		if (strncmp(s->in, "PROXY ", 6) != 0 && !s->deaf)
			on_line(s, s->in);
		s->n -= (size_t)(end + 2 - s->in);
		memmove(s->in, end + 2, s->n + 1);
	}
}

static size_t
open_servers(void)
{
	size_t	i, n = 0;

	for (i = 0; i < SERVERS; i++)
		n += servers[i].fd != -1;
	return n;
}

/* --- the dialer ----------------------------------------------------------- */

static struct peer	dialer;
static uint64_t		asked[64];	/* DIAL_REQs not answered */
static size_t		nasked;
static struct {
	bool		refuse, mute;
	enum dial_error	error;		/* refuse: with this; 0: refused */
	size_t		reqs, cancels, done, useless;
	size_t		hosts;
	struct proto_dial_host	host;	/* the last DIAL_HOST */
} dial;
/* Messages that are not the dialer's. */
static void	(*on_message)(uint16_t, uint64_t, uint32_t,
		    const struct wbuf *);

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	(void)index;
	return role == R_DIALER ? &dialer : NULL;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct msg	m = { .sid = sid, .fd = -1 };

	(void)p;
	(void)fd;
	switch (type) {
	case MSG_DIAL_HOST:
		rbuf_init(&m.body, body->data, body->len);
		is_int(get_dial_host(&m, &dial.host), 0, "DIAL_HOST");
		dial.hosts++;
		/* FALLTHROUGH */
	case MSG_DIAL_REQ:
		dial.reqs++;
		if (nasked == nitems(asked))
			abort();
		asked[nasked++] = sid;
		break;
	case MSG_DIAL_CANCEL:
		dial.cancels++;
		break;
	case MSG_DIAL_DONE:
		dial.done++;
		dial.useless += seq == DONE_USELESS;
		break;
	default:
		if (on_message != NULL)
			on_message(type, sid, seq, body);
		break;
	}
	if (body != NULL)
		wbuf_clear(body);
}

static void
dial_answer(uint64_t sid)
{
	struct proto_dial_fd	 f = { .host = "mx.test" };
	struct proto_dial_err	 e = { .error = DIAL_REFUSED,
				    .why = "refused" };
	struct msg		 m = { .sid = sid, .fd = -1 };
	struct wbuf		 w = { 0 };
	int			 fd[2];

	if (dial.refuse) {
		if (dial.error != 0)
			e.error = (uint8_t)dial.error;
		put_dial_err(&w, &e);
		rbuf_init(&m.body, w.data, w.len);
		is_int(probe_dial_err(&dialer, &m), 0, "DIAL_ERR");
	} else {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
		    fd) == -1)
			abort();
		m.fd = fd[0];
		server_new(fd[1]);
		put_dial_fd(&w, &f);
		rbuf_init(&m.body, w.data, w.len);
		is_int(probe_dial_fd(&dialer, &m), 0, "DIAL_FD");
		if (m.fd != -1)
			(void)close(m.fd);
	}
	wbuf_clear(&w);
}

/* --- the configuration ---------------------------------------------------- */

static struct config		*conf;
static struct conf_remote	*remote;

struct config *
proc_conf(void)
{
	return conf;
}

struct conf_obj *
proc_conf_obj(size_t map_offset, uint32_t id)
{
	(void)map_offset;
	return conf == NULL ? NULL : conf_find_id(&conf->remotes, id);
}

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		abort();
	return p;
}

static void
configure(uint32_t generation)
{
	if ((conf = conf_new(generation)) == NULL ||
	    (remote = calloc(1, sizeof(*remote))) == NULL)
		abort();
	conf->hostname = copy("us.test");
	remote->obj.name = copy("store");
	remote->obj.id = 7;
	remote->helo = copy("hostname");
	remote->mail_from = copy("");
	remote->timeout.connect = 5000;
	remote->timeout.command = 20000;
	remote->timeout.idle = 30000;
	remote->probes = 4;
	remote->limits.recipients = 50;
	remote->limits.errors = 1000;
	remote->ttl.positive = 1000;
	if (strs_add(&remote->address, copy("mx.test")) == -1 ||
	    conf_map_add(&conf->remotes, &remote->obj) == -1)
		abort();
}

static inline void
set_text(char **field, const char *to)
{
	free(*field);
	*field = copy(to);
}

/* --- the cache ------------------------------------------------------------ */

static struct {
	enum cache_view		 view;		/* of everything */
	struct cache_verdict	 verdict;
	size_t			 stores, deletes, put_off;
	struct cache_verdict	 stored;
	char			 rcpt[512], sender[512], remote[64];
	bool			 probe;
	struct conf_ttl		 ttl;
} cache;

enum cache_view
cache_find(const struct cache_key *k, uint64_t t, struct cache_verdict *v)
{
	(void)k;
	(void)t;
	*v = cache.verdict;
	return cache.view;
}

void
cache_store(const struct cache_key *k, const struct cache_verdict *v,
    const struct conf_ttl *ttl, uint64_t t, bool probe)
{
	(void)t;
	if (strcmp(k->remote, "store") == 0)
		is_int(ttl->positive, 1000, "the remote's ttl");
	cache.ttl = *ttl;
	cache.stores++;
	cache.stored = *v;
	cache.probe = probe;
	strlcpy(cache.remote, k->remote, sizeof(cache.remote));
	strlcpy(cache.rcpt, k->rcpt, sizeof(cache.rcpt));
	strlcpy(cache.sender, k->sender, sizeof(cache.sender));
}

void
cache_put_off(const struct cache_key *k, uint64_t t)
{
	(void)k;
	(void)t;
	cache.put_off++;
}

bool
cache_delete(const struct cache_key *k, uint64_t t)
{
	(void)t;
	cache.deletes++;
	strlcpy(cache.rcpt, k->rcpt, sizeof(cache.rcpt));
	return true;
}

void
caps_met(uint32_t r, uint32_t caps)
{
	is_int(r, remote->obj.id, "whose offer it is");
	(void)caps;
}

/* --- asking --------------------------------------------------------------- */

struct answer {
	struct verify	*v;
	size_t		 times;
	enum lookup_answer answer;
	enum judge_by	 by;
	uint32_t	 remote;
	char		 why[256];
	size_t		 nvalues;
	char		 value[3][256];
};

static void
on_answer(void *arg, const struct look_answer *a)
{
	struct answer	*to = arg;
	size_t		 i;

	to->v = NULL;
	to->times++;
	to->answer = a->answer;
	to->by = a->by;
	to->remote = a->remote;
	strlcpy(to->why, a->why, sizeof(to->why));
	to->nvalues = a->nvalues;
	for (i = 0; i < a->nvalues && i < nitems(to->value); i++)
		strlcpy(to->value[i], a->values[i], sizeof(to->value[i]));
}

static void
ask_what(struct answer *a, const char *rcpt, const char *sender,
    enum look_what what, unsigned int flags)
{
	struct verify_question	q = { remote, what, flags, rcpt, sender,
				    0 };

	memset(a, 0, sizeof(*a));
	a->v = verify_ask(&q, on_answer, a);
}

static inline void
ask(struct answer *a, const char *rcpt)
{
	ask_what(a, rcpt, "c@client.test", LOOK_ADDRESS, 0);
}

/* A turn of all who are here. */
static void
turn_all(void)
{
	size_t	i;

	(void)event_loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
	probe_turn();
	io_flush_all();
	while (nasked > 0 && !dial.mute)
		dial_answer(asked[--nasked]);
	for (i = 0; i < SERVERS; i++)
		if (servers[i].fd != -1)
			server_turn(&servers[i]);
	if (open_servers() > seen.most)
		seen.most = open_servers();
}

/* Let happen what can happen without time. */
static void
settle(void)
{
	int	i;

	for (i = 0; i < 60; i++)
		turn_all();
}

static void
pass(int64_t ms)
{
	int64_t	end = now.ms + ms;

	settle();
	while (next_timer(end))
		settle();
	settle();
}

static void
reset(void)
{
	nasked = 0;
	memset(&how, 0, sizeof(how));
	memset(&seen, 0, sizeof(seen));
	memset(&dial, 0, sizeof(dial));
	memset(&cache, 0, sizeof(cache));
}

/* A number of the statistics. */
static long long
stat_of(const char *name)
{
	char	text[2048], *p;
	int	n;

	n = probe_stats(text, sizeof(text));
	n += target_stats(text + n, sizeof(text) - (size_t)n);
	(void)verify_stats(text + n, sizeof(text) - (size_t)n);
	p = strstr(text, name);
	return p == NULL ? -1 : strtoll(p + strlen(name), NULL, 10);
}

static void
play_init(void)
{
	size_t	i;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)event_init();
	id_init(0);
	for (i = 0; i < SERVERS; i++)
		servers[i].fd = -1;
	configure(1);
	verify_start();
}

#endif
