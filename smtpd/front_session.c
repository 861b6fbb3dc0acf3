/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The life of a session.
 *
 * A session reads commands while it waits for nothing (wait is WAIT_NONE);
 * in any wait the input is paused and TCP holds the client back.  Exactly
 * one timer is set: the deadline of the present command, of the wait, or
 * the next look at the rate of the body; a question to another process has
 * its own (front_ask.c).
 *
 * It ends in one way: session_end marks it S_DEAD and closes the stream,
 * and the end of the turn frees it (session_reap), when nobody up the stack
 * holds it any more.  A session that ends gives its next hop's connection
 * back, or breaks it where content is under way: nothing then ends upstream
 * with a dot.
 *
 * Rejected: a fiber for each session (memory, and a stack that a bug
 * smashes), and parsing on while a command waits (an answer would then have
 * to find out what has become of the session meanwhile).  Only RCPT and
 * DATA may be read while earlier RCPTs wait, as the slots of front_reply.c
 * keep their order; and not without end, as each is memory.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "front.h"
#include "front_hook.h"
#include "front_limit.h"
#include "id.h"
#include "log.h"
#include "proc.h"
#include "tlsctx.h"

#define LINGER		2000		/* ms to read on at the end */
#define RATE_EVERY	10000		/* ms between looks at the rate */
#define HOP_SLACK	60000		/* ms over all of a next hop's own */
#define SLOTS_MAX	1000		/* replies that wait, and no more */

static TAILQ_HEAD(sessions, session)	live = TAILQ_HEAD_INITIALIZER(live);
static TAILQ_HEAD(, session)		dead = TAILQ_HEAD_INITIALIZER(dead);
static size_t				count;

static void	session_io(struct io *, enum io_event);
static void	session_timer(void *);

size_t
session_count(void)
{
	return count;
}

void
session_state(struct session *s, enum sess_state state)
{
	s->state = state;
}

void
session_wait(struct session *s, enum sess_wait wait, int64_t ms)
{
	s->wait = wait;
	/* The tarpit ends with the client, so its end must be seen. */
	if (wait != WAIT_TARPIT || io_has_input(&s->io))
		io_pause(&s->io);
	if (wait == WAIT_ASK)
		timer_del(&s->timer);	/* the question has its own */
	else if (ms > 0)
		timer_set(&s->timer, ms);
	else if (wait == WAIT_HOP && s->tx != NULL && s->tx->remote != NULL)
		timer_set(&s->timer, s->tx->remote->timeout.connect * 2 +
		    s->tx->remote->timeout.command *
		    (4 + (int64_t)s->tx->accepted) +
		    s->tx->remote->timeout.final + HOP_SLACK);
	else
		timer_set(&s->timer, wait == WAIT_HOP ?
		    s->conf->session.timeout : ms);
}

/* The timer for whatever the session reads now. */
static void
set_deadline(struct session *s)
{
	int64_t	ms = s->conf->session.timeout;

	if (s->state == S_BODY && ms > RATE_EVERY)
		ms = RATE_EVERY;
	timer_set(&s->timer, ms);
}

void
session_go(struct session *s)
{
	if (s->state == S_DEAD || s->state == S_CLOSING)
		return;
	if (!LIST_EMPTY(&s->asks)) {
		session_wait(s, WAIT_ASK, 0);
		ask_resume(s);
		return;
	}
	if (proxy_holds(s))
		return;
	s->wait = WAIT_NONE;
	set_deadline(s);
	io_resume(&s->io);
}

/* No session at all: one line, and goodbye. */
static void
turn_away(int fd, const char *host, const char *code, const char *why)
{
	char	line[SMTP_REPLY_LINE_MAX];
	int	n;

	n = snprintf(line, sizeof(line), "%s %s %s\r\n", code, host, why);
	if (n > 0)
		(void)send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
	stats.sessions_refused++;
}

/* Of the process that connected to a socket in the file system. */
static int64_t
peer_uid(int fd)
{
	uid_t	uid;
	gid_t	gid;

	return getpeereid(fd, &uid, &gid) == -1 ? -1 : (int64_t)uid;
}

static struct session *
session_alloc(int fd, struct config *conf, struct conf_listener *l,
    const struct addr *remote, const struct addr *local)
{
	struct session	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	if (limit_add(remote, l->obj.id) == -1) {
		free(s);
		return NULL;
	}
	s->sid = id_new();
	s->conf = front_conf_ref(conf);
	s->listener = l;
	s->remote = *remote;
	s->uid = remote->family == ADDR_UNIX ? peer_uid(fd) : -1;
	s->cert_error = TLS_NO_CERT;
	s->local = *local;
	if (local->family != ADDR_NONE)
		s->flags |= SF_LOCAL;
	s->began = mono_now();
	TAILQ_INIT(&s->slots);
	LIST_INIT(&s->asks);
	LIST_INIT(&s->quiet);
	timer_init(&s->timer, session_timer, s);
	io_init(&s->io, fd, IO_CHUNK, session_io, s);
	TAILQ_INSERT_TAIL(&live, s, entry);
	count++;
	stats.sessions_total++;
	stats.sessions_now = count;
	return s;
}

bool
session_has_more(const struct session *s)
{
	char	c;

	return io_has_input(&s->io) ||
	    recv(s->io.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

void
session_new(int fd, struct config *conf, struct conf_listener *l,
    const struct addr *remote, const struct addr *local)
{
	struct session	*s;
	const char	*why;

	if (front_is_draining()) {
		turn_away(fd, conf->hostname, "421 4.3.2", "shutting down");
		return;
	}
	if ((why = limit_refusal(l, remote)) != NULL) {
		flog_refused(remote, l->obj.name, why);
		turn_away(fd, conf->hostname, "421 4.7.0", why);
		return;
	}
	if ((s = session_alloc(fd, conf, l, remote, local)) == NULL) {
		turn_away(fd, conf->hostname, "421 4.3.0", "no memory");
		return;
	}
	flog_connect(s);
	limit_connect(s);
	if (s->state == S_DEAD)
		return;
	if (conf->session.reverse_dns == RDNS_ALWAYS)
		ptr_early(s);
	if (l->tls == LTLS_IMPLICIT) {
		ftls_start(s, true);
		return;
	}
	/* Octets before the banner: it does not wait its turn. */
	if (conf->session.early_talker == EARLY_REJECT &&
	    session_has_more(s)) {
		s->why = "talked before the banner";
		io_start(&s->io);
		session_reply(s, REPLY_CLOSE, "554 5.5.0 %s you talk first",
		    conf->hostname);
		return;
	}
	verb_banner(s);
	if (s->state != S_DEAD)
		io_start(&s->io);
}

const struct addr *
session_local(struct session *s)
{
	struct sockaddr_storage	ss;
	socklen_t		len = sizeof(ss);

	if (!(s->flags & SF_LOCAL) && s->io.fd != -1) {
		s->flags |= SF_LOCAL;
		if (getsockname(s->io.fd, (struct sockaddr *)&ss, &len) == 0)
			addr_from_sa(&s->local, (struct sockaddr *)&ss, len);
	}
	return &s->local;
}

void
session_env(struct session *s, struct rule_env *env)
{
	const char	*at;

	memset(env, 0, sizeof(*env));
	/* A socket in the file system has no address: they are empty. */
	if (s->remote.family != ADDR_UNIX) {
		env->remote_ip = s->remote;
		env->local_ip = *session_local(s);
	}
	env->str[RV_LISTENER] = s->listener->obj.name;
	env->str[RV_HELO_DOMAIN] = s->helo_normal;
	env->str[RV_TLS] = (s->flags & SF_TLS) ? "true" : "";
	env->str[RV_TLS_VERIFIED] = s->cert_error == 0 ? "true" : "";
	if (s->tx != NULL) {
		env->str[RV_SENDER] = s->tx->sender_normal;
		at = s->tx->sender_normal == NULL ? NULL :
		    strrchr(s->tx->sender_normal, '@');
		env->str[RV_SENDER_DOMAIN] = at == NULL ? "" : at + 1;
		env->message_size = s->tx->size;
	}
	env->list = front_in_list;
}

/* --- input ---------------------------------------------------------------- */

/*
 * One line of input.  false: no whole line, or it must wait for answers that
 * are owed; it stays in the input then.  The line is copied, so that it is
 * consumed before its command is looked at: STARTTLS must see what is left.
 */
static bool
take_line(struct session *s)
{
	static char		copy[SMTP_LINE_MAX];
	struct smtp_lines	saved = s->lines;
	struct slice		line;
	const char		*data;
	size_t			n, used;
	enum smtp_line		r;
	enum smtp_verb		meant;

	data = io_data(&s->io, &n);
	r = smtp_line_next(&s->lines, data, n, SMTP_LINE_MAX, &line, &used);
	if (r == LINE_MORE) {
		io_consume(&s->io, used);
		return false;
	}
	if (!TAILQ_EMPTY(&s->slots) && (s->nslots >= SLOTS_MAX ||
	    r != LINE_OK || slots_close(s) || !verb_may_overlap(s, line))) {
		s->lines = saved;
		session_wait(s, WAIT_HOP, 0);
		return false;
	}
	stats.commands++;
	meant = used > 4 && strncasecmp(data, "BDAT", 4) == 0 ? VERB_BDAT :
	    VERB_NONE;
	if (r == LINE_OK) {
		memcpy(copy, line.p, line.n);
		line.p = copy;
	}
	io_consume(&s->io, used);
	proxy_new_line(s);
	if (r == LINE_OK)
		verb_line(s, line);
	else {
		verb_bad_line(s, r, meant);
		proxy_bad_line(s);
	}
	return s->state != S_DEAD;
}

/* Octets of a BDAT that was refused. */
static void
skip_input(struct session *s)
{
	size_t	n;

	(void)io_data(&s->io, &n);
	if (n > s->skip)
		n = (size_t)s->skip;
	io_consume(&s->io, n);
	s->skip -= n;
	if (s->skip == 0)
		verb_bdat_over(s);
}

/* Behind a command, or content: the next command has a time of its own. */
static void
next_command(struct session *s)
{
	if (s->state == S_COMMAND && s->wait == WAIT_NONE)
		set_deadline(s);
}

static void
session_input(struct session *s)
{
	const char	*data;
	size_t		 n;

	if (s->wait == WAIT_TARPIT)
		io_pause(&s->io);
	while (s->wait == WAIT_NONE && !(s->flags & SF_FULL)) {
		data = io_data(&s->io, &n);
		if (n == 0 && s->state != S_COMMAND)
			return;
		switch (s->state) {
		case S_COMMAND:
			if (n == 0 || !take_line(s))
				return;
			next_command(s);
			break;
		case S_BODY:
			io_consume(&s->io, body_input(s, data, n));
			next_command(s);
			break;
		case S_SKIP:
			skip_input(s);
			next_command(s);
			break;
		case S_CLOSING:
			io_consume(&s->io, n);
			return;
		case S_START:
		case S_DEAD:
			return;
		}
	}
}

/* The handshake is over; with STARTTLS the client speaks next. */
static void
session_tls(struct session *s)
{
	stats.sessions_tls++;
	ftls_judge(s);
	flog_tls(s);
	hook_secured(s);
	proxy_forget(s);
	s->wait = WAIT_NONE;
	if (s->state != S_START)
		session_forget(s);
	else if (s->flags & SF_NO_CERT)
		ftls_refuse(s);
	else
		verb_banner(s);
	session_go(s);
}

static void
session_io(struct io *io, enum io_event ev)
{
	struct session	*s = io->arg;

	switch (ev) {
	case IO_DATA:
		session_input(s);
		break;
	case IO_TLS:
		session_tls(s);
		break;
	case IO_TLS_FAIL:
		s->why = io_error(io);
		session_end(s, s->why);
		break;
	case IO_DRAINED:
		break;
	case IO_EOF:
		session_end(s, "client closed");
		break;
	case IO_FAIL:
		session_end(s, io_error(io));
		break;
	}
}

/* --- time ----------------------------------------------------------------- */

/* In the body: is the client fast enough? */
static void
check_rate(struct session *s)
{
	const struct conf_session	*cs = &s->conf->session;
	bool				 stalled;

	stalled = (s->flags & (SF_FULL | SF_STALLED)) != 0;
	s->flags &= ~(unsigned int)SF_STALLED;
	switch (rate_check(&s->tx->rate, s->io.octets_in - s->tx->body_start,
	    stalled, mono_now(), cs->timeout, cs->min_rate)) {
	case RATE_OK:
		set_deadline(s);
		break;
	case RATE_IDLE:
		s->why = "idle in DATA";
		session_reply(s, REPLY_CLOSE, "421 4.4.2 no data from you");
		break;
	case RATE_SLOW:
		s->why = "below the minimum rate";
		session_reply(s, REPLY_CLOSE,
		    "421 4.4.2 your data come too slowly");
		break;
	}
}

static void
session_timer(void *arg)
{
	struct session	*s = arg;

	if (s->state == S_CLOSING || s->state == S_START) {
		session_end(s, s->why != NULL ? s->why : "TLS timeout");
		return;
	}
	switch (s->wait) {
	case WAIT_TARPIT:
		slots_tarpit_over(s);
		return;
	case WAIT_TLS:
		session_end(s, "TLS timeout");
		return;
	case WAIT_HOP:
		log_warnx("no answer of the next hop in any of its times");
		session_end(s, "next hop does not answer");
		return;
	case WAIT_ASK:
		return;
	case WAIT_NONE:
		break;
	}
	if (s->state == S_BODY) {
		check_rate(s);
		return;
	}
	/* It is the next hop that lets us wait, and it has its times. */
	if (s->flags & SF_FULL) {
		set_deadline(s);
		return;
	}
	s->why = "timeout";
	session_reply(s, REPLY_CLOSE, "421 4.4.2 %s timeout",
	    s->conf->hostname);
}

/* --- end ------------------------------------------------------------------ */

void
session_reset(struct session *s)
{
	struct tx	*tx = s->tx;
	size_t		 i;

	if (tx == NULL)
		return;
	s->tx = NULL;
	hook_reset(s);
	s->flags &= ~(unsigned int)(SF_FULL | SF_STALLED);
	for (i = 0; i < tx->nrcpts; i++)
		tx->rcpts[i].slot = NULL;
	relay_abandon(tx);
	tx_free(tx);
}

void
session_forget(struct session *s)
{
	session_reset(s);
	hook_greeted(s);
	s->flags &= ~(unsigned int)(SF_HELO | SF_ESMTP);
	s->offered = 0;
	s->withheld = 0;
	free(s->helo);
	s->helo = NULL;
	free(s->helo_normal);
	s->helo_normal = NULL;
}

/* No transaction any more, and none will come. */
static void
session_over(struct session *s)
{
	s->ending = true;
	session_reset(s);
	hook_end(s);
	proxy_end(s);
	hop_leave(s);
}

void
session_end(struct session *s, const char *why)
{
	if (s->state == S_DEAD)
		return;
	if (s->state != S_CLOSING)
		s->why = why;
	session_over(s);
	ptr_forget(s);
	slots_clear(s);
	ask_forget(s);
	take_end(s);
	session_state(s, S_DEAD);
	timer_del(&s->timer);
	flog_end(s);
	io_close(&s->io);
	limit_remove(&s->remote, s->listener->obj.id);
	TAILQ_REMOVE(&live, s, entry);
	TAILQ_INSERT_TAIL(&dead, s, entry);
	count--;
	stats.sessions_now = count;
}

void
session_linger(struct session *s, const char *why)
{
	if (s->state == S_DEAD || s->state == S_CLOSING)
		return;
	s->why = why;
	io_flush(&s->io);
	if (s->state == S_DEAD)
		return;
	if (io_queued(&s->io) == 0 &&
	    ((s->flags & SF_QUIT) || !session_has_more(s))) {
		session_end(s, why);
		return;
	}
	/*
	 * Unread input would turn close(2) into a reset, which can overtake
	 * our last reply: read on until the client has seen it.
	 */
	session_over(s);
	slots_clear(s);
	ask_forget(s);
	session_state(s, S_CLOSING);
	s->wait = WAIT_NONE;
	if (s->io.tls == NULL && io_queued(&s->io) == 0)
		(void)shutdown(s->io.fd, SHUT_WR);
	io_resume(&s->io);
	timer_set(&s->timer, LINGER);
}

void
session_reap(void)
{
	struct session	*s;

	if (TAILQ_EMPTY(&dead))
		return;
	while ((s = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, s, entry);
		command_free(s);
		hook_free(s);
		proxy_free(s);
		front_conf_unref(s->conf);
		free(s->skip_wire);
		free(s->helo);
		free(s->helo_normal);
		free(s);
	}
	listen_resume();
}

void
session_each(void (*fn)(struct session *, void *), void *arg)
{
	struct session	*s;

	TAILQ_FOREACH(s, &live, entry)
		fn(s, arg);
}

size_t
session_drain(void)
{
	struct session	*s, *next;

	for (s = TAILQ_FIRST(&live); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->state != S_COMMAND || s->wait != WAIT_NONE ||
		    s->tx != NULL || io_has_input(&s->io))
			continue;
		s->why = "shutdown";
		session_reply(s, REPLY_CLOSE, "421 4.3.2 %s shutting down",
		    s->conf->hostname);
	}
	return count;
}

void
session_kill_all(void)
{
	while (!TAILQ_EMPTY(&live))
		session_end(TAILQ_FIRST(&live), "shutdown");
}
