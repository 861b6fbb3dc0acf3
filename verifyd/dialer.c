/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dialer process: who asks, and what each is told.
 *
 * A question (struct ask) is a lease from its beginning: it waits in the
 * remote's queue, becomes a dial, and with a connection a lease that counts
 * until its holder ends it.  All within one deadline, set when the question
 * comes: the queue's part of it is not given back to the dial.
 *
 * When somebody has to wait, those who hold connections to that remote are
 * told so at once, and again while the queue lasts: an asker that was busy
 * the first time may have an idle one now.
 *
 * Connections are made by the queue's order only, in pump(): whoever ends a
 * question or a lease leaves it at that.
 *
 * To drain means to go on until the last asker has gone: their sessions may
 * still need connections.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialer.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "timer.h"

#define WANT_AGAIN	500		/* ms between DIAL_WANTs */
#define QUESTIONS_MAX	65536		/* open ones of one asker */

struct ask {
	struct lease	 lease;
	struct proto_dial asked;
	uint16_t	 port;		/* a host: its name is asked.domain;
					   0: a remote */
	struct mono	 deadline;
	struct timer	 timer;		/* in the queue */
	struct dial	*dial;
	struct addr	 to;		/* held: where it leads */
};

static LIST_HEAD(, asker)	askers = LIST_HEAD_INITIALIZER(askers);
static struct timer		want_timer;
static bool			draining;
static struct {
	uint64_t	dials;
	uint64_t	hosts;		/* of these */
	uint64_t	failed;
} count;

const struct conf_remote *
dialer_remote(uint32_t id)
{
	return (const struct conf_remote *)(void *)
	    proc_conf_obj(offsetof(struct config, remotes), id);
}

static struct peer *
asker_peer(const struct asker *a)
{
	return a->arg;
}

/* --- answers -------------------------------------------------------------- */

static void
send_error(struct peer *p, uint64_t sid, const struct proto_dial *asked,
    enum dial_error error, const char *why)
{
	struct proto_dial_err	e = { .error = (uint8_t)error };
	struct wbuf		w = { 0 };

	count.failed++;
	if (log_begin(LOG_LEVEL_DEBUG, asked->session, "dial-failed")) {
		log_num("remote", asked->remote);
		if (asked->domain[0] != '\0')
			log_str("domain", asked->domain);
		log_str("error", why);
		log_end();
	}
	(void)strlcpy(e.why, why, sizeof(e.why));
	put_dial_err(&w, &e);
	peer_send(p, MSG_DIAL_ERR, sid, 0, -1, &w);
}

static void
send_fd(struct peer *p, uint64_t sid, uint64_t session,
    const struct dial_result *r)
{
	struct proto_dial_fd	f = { .to = r->to };
	struct wbuf		w = { 0 };
	char			text[ADDR_TEXT_MAX];

	if (log_begin(LOG_LEVEL_DEBUG, session, "dialled")) {
		log_str("to", addr_port_text(&r->to, text, sizeof(text)));
		log_str("host", r->host);
		log_end();
	}
	(void)strlcpy(f.host, r->host, sizeof(f.host));
	put_dial_fd(&w, &f);
	peer_send(p, MSG_DIAL_FD, sid, 0, r->fd, &w);
}

static void
send_want(struct asker *a, uint32_t remote, const char *domain)
{
	struct proto_dial	d = { .remote = remote };
	struct wbuf		w = { 0 };

	(void)strlcpy(d.domain, domain, sizeof(d.domain));
	put_dial(&w, &d);
	peer_send(asker_peer(a), MSG_DIAL_WANT, 0, 0, -1, &w);
}

/* --- questions ------------------------------------------------------------ */

static void
ask_free(struct ask *q)
{
	dial_free(q->dial);
	timer_del(&q->timer);
	lease_end(&q->lease);
	free(q);
}

static void
ask_fail(struct ask *q, enum dial_error error, const char *why)
{
	send_error(asker_peer(q->lease.asker), q->lease.sid, &q->asked, error,
	    why);
	ask_free(q);
}

static void
on_dialled(void *arg, const struct dial_result *r)
{
	struct ask	*q = arg;

	q->dial = NULL;
	if (r->fd == -1) {
		ask_fail(q, r->error, r->why);
		return;
	}
	q->to = r->to;
	lease_given(&q->lease);
	send_fd(asker_peer(q->lease.asker), q->lease.sid, q->asked.session,
	    r);
}

/* Its time in the queue is over. */
static void
on_waited(void *arg)
{
	ask_fail(arg, DIAL_LIMIT, "no connection came free in time");
}

static void
on_want_timer(void *arg)
{
	(void)arg;
	if (lease_waiting() == 0)
		return;
	lease_wanted(send_want);
	timer_set(&want_timer, WANT_AGAIN);
}

/* Begin what may begin. */
static void
pump(void)
{
	struct lease	*l;
	struct ask	*q;

	while ((l = lease_next()) != NULL) {
		q = l->owner;
		timer_del(&q->timer);
		q->dial = dial_new(q->asked.remote, q->asked.domain,
		    q->asked.session, &l->asker->sockets, q->deadline,
		    on_dialled, q);
		if (q->dial == NULL) {
			ask_fail(q, DIAL_LIMIT, "no memory");
			continue;
		}
		if (q->port != 0)
			dial_to_host(q->dial, q->port);
		dial_go(q->dial);
	}
}

/* It has to wait: tell those who could make room. */
static void
announce(const struct lease *l)
{
	lease_holders(l, send_want);
	if (!timer_is_set(&want_timer))
		timer_set(&want_timer, WANT_AGAIN);
}

/* The time for all of it; a little less, as timers come a tick late. */
static int64_t
time_allowed(int64_t ms)
{
	return ms > 4 * TIMER_TICK ? ms - 2 * TIMER_TICK : ms / 2;
}

static struct ask *
ask_new(int64_t ms)
{
	struct ask	*q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	q->deadline = mono_add(mono_now(), time_allowed(ms));
	q->lease.owner = q;
	timer_init(&q->timer, on_waited, q);
	return q;
}

/* Queue it; it is answered here, or will be. */
static void
ask_join(struct peer *p, uint64_t sid, struct ask *q, size_t limit)
{
	const struct proto_dial	 asked = q->asked;
	struct asker		*a = p->arg;
	struct lease		*l;

	if (lease_join(&q->lease, a, sid, asked.remote, asked.domain,
	    limit) == -1) {
		free(q);
		send_error(p, sid, &asked, DIAL_LIMIT, "no memory");
		return;
	}
	timer_set(&q->timer, mono_diff(q->deadline, mono_now()));
	pump();
	/* It may be answered by now, and gone. */
	if ((l = lease_find(a, sid)) != NULL && l->state == LEASE_WAITING)
		announce(l);
}

static int
on_dial_req(struct peer *p, struct msg *m)
{
	const struct conf_remote	*remote;
	struct asker			*a = p->arg;
	struct proto_dial		 req;
	struct ask			*q;

	if (get_dial(m, &req) == -1 || lease_find(a, m->sid) != NULL)
		return -1;
	count.dials++;
	if ((remote = dialer_remote(req.remote)) == NULL) {
		send_error(p, m->sid, &req, DIAL_UNKNOWN_REMOTE,
		    "no such remote");
		return 0;
	}
	if (remote->mx != (req.domain[0] != '\0')) {
		send_error(p, m->sid, &req, DIAL_NO_ADDRESS,
		    "mx and a domain go together");
		return 0;
	}
	if (a->questions >= QUESTIONS_MAX ||
	    (q = ask_new(remote->timeout.connect)) == NULL) {
		send_error(p, m->sid, &req, DIAL_LIMIT,
		    "too many questions");
		return 0;
	}
	q->asked = req;
	ask_join(p, m->sid, q, (size_t)remote->connections);
	return 0;
}

/* Hosts have pools too, by name, but no limit: who asks has one. */
static int
on_dial_host(struct peer *p, struct msg *m)
{
	struct asker		*a = p->arg;
	struct proto_dial_host	 req;
	struct proto_dial	 asked = { .remote = 0 };
	struct ask		*q;

	if (get_dial_host(m, &req) == -1 || lease_find(a, m->sid) != NULL)
		return -1;
	count.dials++;
	count.hosts++;
	asked.session = req.session;
	(void)strlcpy(asked.domain, req.host, sizeof(asked.domain));
	if (a->questions >= QUESTIONS_MAX ||
	    (q = ask_new(req.timeout)) == NULL) {
		send_error(p, m->sid, &asked, DIAL_LIMIT,
		    "too many questions");
		return 0;
	}
	q->asked = asked;
	q->port = req.port;
	ask_join(p, m->sid, q, 0);
	return 0;
}

static int
on_dial_cancel(struct peer *p, struct msg *m)
{
	struct lease	*l = lease_find(p->arg, m->sid);

	if (get_end(&m->body) == -1)
		return -1;
	/* Answered already: the asker ends the lease when it reads that. */
	if (l != NULL && l->state != LEASE_HELD)
		ask_free(l->owner);
	return 0;
}

/* What a dialer before this one gave away counts on. */
static int
on_dial_hold(struct peer *p, struct msg *m)
{
	const struct conf_remote	*remote;
	struct asker			*a = p->arg;
	struct proto_dial		 req;
	struct ask			*q;

	if (get_dial(m, &req) == -1 || lease_find(a, m->sid) != NULL)
		return -1;
	if ((remote = dialer_remote(req.remote)) == NULL ||
	    (q =
	    ask_new(remote->timeout.connect)) == NULL)
		return 0;
	q->asked = req;
	if (lease_hold(&q->lease, a, m->sid, req.remote, req.domain,
	    (size_t)remote->connections) == -1)
		free(q);
	return 0;
}

/* One that is not known was given away by a dialer before this one. */
static int
on_dial_done(struct peer *p, struct msg *m)
{
	struct lease	*l = lease_find(p->arg, m->sid);
	struct ask	*q;
	char		 text[ADDR_TEXT_MAX];

	if (get_end(&m->body) == -1)
		return -1;
	if (l == NULL)
		return 0;
	if (l->state != LEASE_HELD)
		return -1;
	q = l->owner;
	if (m->seq == DONE_USELESS && q->to.family != ADDR_NONE &&
	    hold_failed(&q->to, false, mono_now()))
		log_info("%s connects but does not serve: held down",
		    addr_port_text(&q->to, text, sizeof(text)));
	ask_free(q);
	return 0;
}

static const struct peer_handler	handlers[] = {
	{ MSG_DIAL_REQ,		on_dial_req },
	{ MSG_DIAL_HOST,	on_dial_host },
	{ MSG_DIAL_CANCEL,	on_dial_cancel },
	{ MSG_DIAL_DONE,	on_dial_done },
	{ MSG_DIAL_HOLD,	on_dial_hold },
	{ MSG_DNS_ADDR_ANS,	names_on_answer },
	{ MSG_DNS_ANS,		names_on_records },
	{ 0,			NULL }
};

static const struct peer_handler	parent_handlers[] = {
	{ MSG_UNIX_FD,		local_on_fd },
	{ 0,			NULL }
};

/* --- the process ---------------------------------------------------------- */

static void
start(void)
{
	connect_prepare();
	timer_init(&want_timer, on_want_timer, NULL);
}

static void
peer_up(struct peer *p)
{
	struct asker	*a;

	if (p->role == R_RESOLVED) {
		names_up(p);
		return;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal("asker");
	RB_INIT(&a->leases);
	LIST_INIT(&a->shares);
	a->apart = p->role == R_VERIFYD;
	a->arg = p;
	p->arg = a;
	LIST_INSERT_HEAD(&askers, a, entry);
}

static void
end_if_drained(void)
{
	if (draining && LIST_EMPTY(&askers))
		proc_exit();
}

static void
peer_down(struct peer *p)
{
	struct asker	*a = p->arg;
	struct lease	*l;

	if (p->role == R_RESOLVED) {
		names_down();
		return;
	}
	while ((l = RB_ROOT(&a->leases)) != NULL)
		ask_free(l->owner);
	LIST_REMOVE(a, entry);
	free(a);
	p->arg = NULL;
	end_if_drained();
}

static void
stop(uint32_t how)
{
	if (how == STOP_NOW) {
		proc_exit();
		return;
	}
	draining = true;
	end_if_drained();
}

static const char *
remote_name(uint32_t id)
{
	const struct conf_obj	*obj;

	obj = proc_conf_obj(offsetof(struct config, remotes), id);
	return obj == NULL ? NULL : obj->name;
}

static void
ctl(const char *request, int fd)
{
	char	text[512];
	int	n;

	if (strcmp(request, "show stats") == 0) {
		n = snprintf(text, sizeof(text),
		    "dialer.dials %llu\n"
		    "dialer.hosts %llu\n"
		    "dialer.failed %llu\n"
		    "dialer.leases %zu\n"
		    "dialer.waiting %zu\n"
		    "dialer.held %zu\n",
		    (unsigned long long)count.dials,
		    (unsigned long long)count.hosts,
		    (unsigned long long)count.failed, lease_held(),
		    lease_waiting(), hold_count(mono_now()));
		if (write(fd, text, (size_t)n) == -1)
			log_debug("show stats: %s", strerror(errno));
	} else if (strcmp(request, "show routes") == 0)
		lease_show(remote_name, fd);
	(void)close(fd);
}

static const struct proc_class	class = {
	.name = "dialer",
	.role = R_DIALER,
	.handlers = handlers,
	.parent_handlers = parent_handlers,
	.start = start,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.stop = stop,
	.ctl = ctl,
	.turn = pump
};

int
main(int argc, char **argv)
{
	proc_run(&class, argc, argv);
}
