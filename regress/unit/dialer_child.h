/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * For tests of the dialer: play its askers and its resolved, and the servers
 * that it connects to.
 */
#ifndef DIALER_CHILD_H
#define DIALER_CHILD_H

#include "child.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "addr.h"

static const char	*program;
static struct child	 dialer;
static struct conn	 smtpd0, smtpd1, resolved;
static struct config	*conf;

/* --- sockets -------------------------------------------------------------- */

/* A socket bound to an address; port 0 = any, and the one it got. */
static inline int
bound(const char *ip, uint16_t *port, bool listening)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	struct addr		 a;
	int			 fd, on = 1;

	if (addr_parse(&a, ip) == -1)
		die(ip);
	a.port = *port;
	len = addr_to_sa(&a, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)) == -1 || (a.family == ADDR_V6 && setsockopt(fd,
	    IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1) ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1 ||
	    (listening && listen(fd, 16) == -1) ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		die(ip);
	addr_from_sa(&a, (struct sockaddr *)&ss, len);
	*port = a.port;
	return fd;
}

#define HOLE_FDS	4

/* A listener that answers nobody: its queue is full. */
struct hole {
	int	 fd[HOLE_FDS];
};

static inline void
hole_open(struct hole *h, const char *ip, uint16_t *port)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	struct addr		 a;
	struct pollfd		 pfd;
	int			 i;

	h->fd[0] = bound(ip, port, false);
	if (listen(h->fd[0], 0) == -1 || addr_parse(&a, ip) == -1)
		die("listen");
	a.port = *port;
	len = addr_to_sa(&a, &ss);
	for (i = 1; i < HOLE_FDS; i++) {
		h->fd[i] = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
		(void)connect(h->fd[i], (struct sockaddr *)&ss, len);
	}
	/* The first fills the queue; the last must hang for the test. */
	pfd.fd = h->fd[1];
	pfd.events = POLLOUT;
	ok(poll(&pfd, 1, WAIT_MAX) == 1, "the hole takes one");
	pfd.fd = h->fd[HOLE_FDS - 1];
	ok(poll(&pfd, 1, 50) == 0, "the hole takes no more");
}

static inline void
hole_close(struct hole *h)
{
	int	i;

	for (i = 0; i < HOLE_FDS; i++)
		(void)close(h->fd[i]);
}

/* --- the configuration ---------------------------------------------------- */

static inline char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

/* Words, one blank between them. */
static inline void
words(struct strs *to, const char *s)
{
	char	*all = copy(s), *p = all, *w;

	while ((w = strsep(&p, " ")) != NULL)
		if (*w != '\0' && strs_add(to, copy(w)) == -1)
			die("strs_add");
	free(all);
}

static inline void
remote(uint32_t id, const char *address, uint16_t port, int64_t connect_ms,
    int64_t connections, const char *source)
{
	struct conf_remote	*r;
	char			 name[16];

	if ((r = calloc(1, sizeof(*r))) == NULL)
		die("calloc");
	(void)snprintf(name, sizeof(name), "r%u", id);
	r->obj.name = copy(name);
	r->obj.id = id;
	words(&r->address, address);
	words(&r->source, source);
	r->port = port;
	r->timeout.connect = connect_ms;
	r->connections = connections;
	if (conf_map_add(&conf->remotes, &r->obj) == -1)
		die("conf_map_add");
}

/* The remote that is called mx. */
static inline void
remote_mx(uint32_t id, uint16_t port, int64_t connect_ms, int64_t connections,
    const char *source)
{
	struct conf_remote	*r;

	remote(id, "", port, connect_ms, connections, source);
	r = (struct conf_remote *)(void *)conf_find_id(&conf->remotes, id);
	r->mx = true;
}

/* Where DNS may lead although it is private. */
static inline void
network(const char *s)
{
	struct cidr	c;

	if (cidr_parse(&c, s) == -1 || nets_add(&conf->remote_networks,
	    &c) == -1)
		die(s);
}

static inline void
listener(uint32_t id, const char *bind)
{
	struct conf_listener	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		die("calloc");
	l->obj.name = copy("in");
	l->obj.id = id;
	words(&l->bind, bind);
	if (conf_map_add(&conf->listeners, &l->obj) == -1)
		die("conf_map_add");
}

static inline void
conf_start(uint32_t generation)
{
	if ((conf = conf_new(generation)) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	conf->hostname = copy("us.example");
}

static inline void
conf_send(void)
{
	child_conf(&dialer, conf, R_DIALER);
	child_sync(&dialer);
	conf_unref(conf);
	conf = NULL;
}

/* --- talking to it -------------------------------------------------------- */

static inline void
dial_domain(struct conn *c, uint64_t sid, uint32_t id, const char *domain)
{
	struct proto_dial	d = { .remote = id };
	struct wbuf		w = { 0 };

	(void)strlcpy(d.domain, domain, sizeof(d.domain));
	put_dial(&w, &d);
	conn_send(c, MSG_DIAL_REQ, sid, 0, -1, &w);
}

static inline void
dial(struct conn *c, uint64_t sid, uint32_t id)
{
	dial_domain(c, sid, id, "");
}

static inline void
dial_host(struct conn *c, uint64_t sid, const char *host, uint16_t port,
    uint32_t ms)
{
	struct proto_dial_host	d = { .port = port, .timeout = ms };
	struct wbuf		w = { 0 };

	(void)strlcpy(d.host, host, sizeof(d.host));
	put_dial_host(&w, &d);
	conn_send(c, MSG_DIAL_HOST, sid, 0, -1, &w);
}

static inline void
say(struct conn *c, uint16_t type, uint64_t sid)
{
	conn_send(c, type, sid, 0, -1, NULL);
}

/* An error is expected; the text that must be in it. */
static inline void
want_error(struct conn *c, uint64_t sid, enum dial_error error,
    const char *why)
{
	struct got		*g = conn_wait(c, MSG_DIAL_ERR);
	struct proto_dial_err	 e;
	struct msg		 m;

	if (!ok(g != NULL, "sid %llu: an error", (unsigned long long)sid))
		return;
	m = got_msg(g);
	is_int(get_dial_err(&m, &e), 0, "DIAL_ERR is whole");
	is_int(g->sid, sid, "its sid");
	is_int(e.error, error, "sid %llu: error (%s)",
	    (unsigned long long)sid, e.why);
	ok(strstr(e.why, why) != NULL, "\"%s\" says \"%s\"", e.why, why);
	got_free(g);
}

/* A connection is expected, to this address.  Returns the descriptor. */
static inline int
want_fd(struct conn *c, uint64_t sid, const char *ip, const char *host)
{
	struct got		*g = conn_wait(c, MSG_DIAL_FD);
	struct proto_dial_fd	 f;
	struct msg		 m;
	char			 text[ADDR_TEXT_MAX];
	int			 fd;

	if (!ok(g != NULL, "sid %llu: a connection",
	    (unsigned long long)sid)) {
		child_show_log(&dialer);
		return -1;
	}
	m = got_msg(g);
	is_int(get_dial_fd(&m, &f), 0, "DIAL_FD is whole");
	is_int(g->sid, sid, "its sid");
	is_str(addr_text(&f.to, text, sizeof(text)), ip, "where it leads");
	is_str(f.host, host, "what was asked for");
	fd = g->fd;
	g->fd = -1;
	got_free(g);
	return fd;
}

static inline void
want_nothing(struct conn *c, int64_t ms)
{
	struct got	*g = conn_wait_ms(c, 0, ms);

	ok(g == NULL, "no message, not %s", g == NULL ? "" :
	    msg_name(g->type));
	got_free(g);
}

/* A question to resolved: its name is checked, its sid returned. */
static inline uint64_t
want_question(const char *name)
{
	struct got		*g = conn_wait(&resolved, MSG_DNS_ADDR);
	struct proto_dns	 d;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "a question for %s", name))
		return 0;
	m = got_msg(g);
	is_int(get_dns(&m, &d), 0, "DNS_ADDR is whole");
	is_str(d.name, name, "the name asked for");
	ok(d.timeout > 0, "a time-out");
	sid = g->sid;
	got_free(g);
	return sid;
}

static inline void
answer_as(uint64_t sid, enum dns_status status, const char *addrs, bool here)
{
	struct proto_dns_ans	 a = { .status = (uint8_t)status, .ttl = 60,
				    .here = here };
	struct wbuf		 w = { 0 };
	struct strs		 list = { 0 };

	words(&list, addrs);
	for (a.n = 0; a.n < list.n; a.n++)
		if (addr_parse(&a.addr[a.n], list.v[a.n]) == -1)
			die(list.v[a.n]);
	strs_clear(&list);
	put_dns_ans(&w, &a);
	conn_send(&resolved, MSG_DNS_ADDR_ANS, sid, 0, -1, &w);
}

static inline void
answer(uint64_t sid, enum dns_status status, const char *addrs)
{
	answer_as(sid, status, addrs, false);
}

/* The same for a domain's MX, and "PREF HOST ..." as an answer. */
static inline uint64_t
want_mx_question(const char *domain)
{
	struct got		*g = conn_wait(&resolved, MSG_DNS_ASK);
	struct proto_dns_ask	 d;
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "a question for MX of %s", domain))
		return 0;
	m = got_msg(g);
	is_int(get_dns_ask(&m, &d), 0, "DNS_ASK is whole");
	is_int(d.type, DNS_TYPE_MX, "its type");
	is_str(d.name, domain, "the domain asked for");
	sid = g->sid;
	got_free(g);
	return sid;
}

static inline void
answer_mx(uint64_t sid, enum dns_status status, const char *records)
{
	static struct proto_dns_records	 r;
	struct wbuf			 w = { 0 };
	struct strs			 list = { 0 };
	size_t				 i;

	memset(&r, 0, sizeof(r));
	r.status = (uint8_t)status;
	r.ttl = 60;
	words(&list, records);
	for (i = 0; i + 1 < list.n; i += 2) {
		r.record[r.n].pref = (uint16_t)strtonum(list.v[i], 0, 65535,
		    NULL);
		if (strcmp(list.v[i + 1], ".") != 0)
			(void)strlcpy(r.record[r.n].text, list.v[i + 1],
			    sizeof(r.record[0].text));
		r.n++;
	}
	strs_clear(&list);
	put_dns_records(&w, &r);
	conn_send(&resolved, MSG_DNS_ANS, sid, 0, -1, &w);
}

/* Give a connection back. */
static inline void
hang_up(struct conn *c, uint64_t sid, int fd)
{
	if (fd != -1)
		(void)close(fd);
	say(c, MSG_DIAL_DONE, sid);
}

/* A connection is expected, and given back at once. */
static inline void
want_hung_up(struct conn *c, uint64_t sid, const char *ip, const char *host)
{
	hang_up(c, sid, want_fd(c, sid, ip, host));
}

/*
 * Wait until it has read what this asker sent, and done what could be done
 * at once: a remote that is not there is answered in its turn.
 */
static inline void
settle(struct conn *c)
{
	dial(c, UINT64_MAX, 999);
	want_error(c, UINT64_MAX, DIAL_UNKNOWN_REMOTE, "no such remote");
}

/* --- begin and end -------------------------------------------------------- */

static inline void
begin(uint64_t files)
{
	child_start(&dialer, program, files);
	child_peer(&dialer, &smtpd0, R_SMTPD, 0);
	child_peer(&dialer, &smtpd1, R_SMTPD, 1);
	child_peer(&dialer, &resolved, R_RESOLVED, 0);
	conf_start(1);
}

static inline void
end(void)
{
	child_stop(&dialer);
	conn_close(&smtpd0);
	conn_close(&smtpd1);
	conn_close(&resolved);
}

#endif
