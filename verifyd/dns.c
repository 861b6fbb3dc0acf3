/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * c-ares on the event loop.
 *
 * What is taken of it is sending a packet, sending it again, to the next
 * server or over TCP, and finding addresses in answers (other records are
 * dns_reply.c's, as its functions for them do not tell the TTL).  The rest
 * is not used:
 *
 *  - ares_getaddrinfo() asks for both families and tells the status of the
 *    one that came last, so that a failure may look like "no such name".
 *    Here each family is a question of its own.
 *  - The library takes query ids from a generator that it seeds by opening a
 *    file, or badly where that fails, as in a jail.  Here they come from
 *    arc4random(3).
 *  - Names are complete: nothing is appended to them.
 *  - No EDNS: the records of a name fit into 512 octets, or come over TCP,
 *    and no server or firewall takes offence.
 *
 * There is one channel, replaced when the configuration changes.  Questions
 * on the old one are called back as destroyed, and asked on the new one.
 *
 * Where resolver.server is empty, resolv.conf is read again with each new
 * channel.  In a jail that does not show it, the servers that were found
 * before the jail are used, and not what c-ares falls back to.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <netinet/in.h>
#include <arpa/nameser.h>

#include <ares.h>
#include <event.h>
#include <fcntl.h>
#include <paths.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "resolved.h"
#include "timer.h"

#define RESOLV_CONF	"/etc/resolv.conf"
#define TRIES		2		/* of each server */
#define TRY_MIN		100		/* ms that a try waits at least */
#define DNS_PORT	53

/* A socket of the channel. */
struct sock {
	LIST_ENTRY(sock)	entry;
	struct event		ev;
	int			fd;
};

struct query {
	char			name[256];
	int			type;		/* ns_t_* */
	void			(*fn)(void *, enum dns_status,
				    const uint8_t *, size_t);
	void			*arg;
};

static ares_channel			channel;
static LIST_HEAD(, sock)		socks = LIST_HEAD_INITIALIZER(socks);
static struct timer			timer;
static struct ares_addr_port_node	*system_servers;

static void	query_send(struct query *);

/* --- the loop ------------------------------------------------------------- */

static void
arm_timer(void)
{
	struct timeval	tv;

	if (ares_timeout(channel, NULL, &tv) == NULL)
		timer_del(&timer);
	else
		timer_set(&timer, (int64_t)tv.tv_sec * 1000 +
		    tv.tv_usec / 1000 + 1);
}

static void
on_socket(int fd, short events, void *arg)
{
	(void)arg;
	ares_process_fd(channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
	    events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_timer();
}

static void
on_timer(void *arg)
{
	(void)arg;
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer();
}

/* c-ares opens, closes or wants something of a socket. */
static void
on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct sock	*s;
	short		 events = EV_PERSIST;

	(void)arg;
	LIST_FOREACH(s, &socks, entry)
		if (s->fd == fd)
			break;
	if (s != NULL)
		(void)event_del(&s->ev);
	if (!readable && !writable) {
		if (s != NULL) {
			LIST_REMOVE(s, entry);
			free(s);
		}
		return;
	}
	if (s == NULL) {
		/* Without it the question times out. */
		if ((s = calloc(1, sizeof(*s))) == NULL)
			return;
		s->fd = fd;
		LIST_INSERT_HEAD(&socks, s, entry);
	}
	if (readable)
		events |= EV_READ;
	if (writable)
		events |= EV_WRITE;
	event_set(&s->ev, fd, events, on_socket, NULL);
	(void)event_add(&s->ev, NULL);
}

/* --- the channel ---------------------------------------------------------- */

int
dns_server_parse(struct addr *a, const char *s)
{
	char		 host[ADDR_TEXT_MAX];
	const char	*end, *err;
	size_t		 skip = s[0] == '[';

	if (addr_parse(a, s) == 0) {
		a->port = DNS_PORT;
		return 0;
	}
	end = skip ? strchr(s, ']') : strrchr(s, ':');
	if (end == NULL || (size_t)(end - s) - skip >= sizeof(host))
		return -1;
	memcpy(host, s + skip, (size_t)(end - s) - skip);
	host[(size_t)(end - s) - skip] = '\0';
	if (addr_parse(a, host) == -1)
		return -1;
	end += skip;
	a->port = DNS_PORT;
	if (skip && *end == '\0')
		return 0;
	if (*end != ':')
		return -1;
	a->port = (uint16_t)strtonum(end + 1, 1, 65535, &err);
	return err == NULL ? 0 : -1;
}

static int
use_configured(ares_channel ch, const struct strs *servers)
{
	struct ares_addr_port_node	*node;
	struct addr			 a;
	size_t				 i;
	int				 rc;

	node = calloc(servers->n, sizeof(*node));
	if (node == NULL)
		return ARES_ENOMEM;
	for (i = 0; i < servers->n; i++) {
		if (dns_server_parse(&a, servers->v[i]) == -1) {
			free(node);
			return ARES_EBADSTR;
		}
		node[i].family = a.family == ADDR_V4 ? AF_INET : AF_INET6;
		memcpy(&node[i].addr, a.ip, a.family == ADDR_V4 ? 4 : 16);
		node[i].udp_port = node[i].tcp_port = a.port;
		node[i].next = i + 1 < servers->n ? &node[i + 1] : NULL;
	}
	rc = ares_set_servers_ports(ch, node);
	free(node);
	return rc;
}

static bool
is_readable(const char *path)
{
	int	fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return false;
	(void)close(fd);
	return true;
}

static int
use_system(ares_channel ch)
{
	if (system_servers == NULL || is_readable(RESOLV_CONF))
		return ARES_SUCCESS;
	return ares_set_servers_ports(ch, system_servers);
}

static size_t
count_servers(const struct conf_resolver *conf)
{
	struct ares_addr_port_node	*node;
	size_t				 n = 0;

	if (conf != NULL && conf->server.n > 0)
		return conf->server.n;
	for (node = system_servers; node != NULL; node = node->next)
		n++;
	return n == 0 ? 1 : n;
}

/*
 * The second try waits twice as long as the first: with all servers silent
 * it takes about resolver.timeout until c-ares gives up too.
 */
static int
channel_new(ares_channel *ch, const struct conf_resolver *conf)
{
	struct ares_options	o = { 0 };
	char			lookups[] = "b";
	int64_t			timeout = conf == NULL ? 5000 : conf->timeout;
	int			rc;

	o.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
	o.timeout = (int)(timeout / (3 * (int64_t)count_servers(conf)));
	if (o.timeout < TRY_MIN)
		o.timeout = TRY_MIN;
	o.tries = TRIES;
	o.lookups = lookups;
	o.sock_state_cb = on_sock_state;
	rc = ares_init_options(ch, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS |
	    ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
	    ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS)
		return rc;
	if (conf != NULL && conf->server.n > 0)
		rc = use_configured(*ch, &conf->server);
	else
		rc = use_system(*ch);
	if (rc != ARES_SUCCESS)
		ares_destroy(*ch);
	return rc;
}

void
dns_prepare(void)
{
	int	rc;

	timer_init(&timer, on_timer, NULL);
	if ((rc = ares_library_init(ARES_LIB_INIT_ALL)) != ARES_SUCCESS ||
	    (rc = channel_new(&channel, NULL)) != ARES_SUCCESS ||
	    (rc = ares_get_servers_ports(channel, &system_servers)) !=
	    ARES_SUCCESS)
		fatalx("c-ares: %s", ares_strerror(rc));
}

int
dns_setup(const struct conf_resolver *conf)
{
	ares_channel	fresh, old = channel;
	int		rc;

	if ((rc = channel_new(&fresh, conf)) != ARES_SUCCESS) {
		log_warnx("resolver: %s", ares_strerror(rc));
		return -1;
	}
	channel = fresh;
	ares_destroy(old);
	arm_timer();
	return 0;
}

/* --- questions ------------------------------------------------------------ */

static void
query_end(struct query *q, enum dns_status status, const uint8_t *p,
    size_t len)
{
	q->fn(q->arg, status, p, len);
	free(q);
}

static void
add_one(struct dns_result *r, int family, const void *ip, int ttl)
{
	struct sockaddr_in	sin = { .sin_family = AF_INET };
	struct sockaddr_in6	sin6 = { .sin6_family = AF_INET6 };
	struct addr		a;
	uint32_t		t = ttl < 0 ? 0 : (uint32_t)ttl;

	if (family == AF_INET) {
		memcpy(&sin.sin_addr, ip, 4);
		addr_from_sa(&a, (struct sockaddr *)&sin, sizeof(sin));
	} else {
		memcpy(&sin6.sin6_addr, ip, 16);
		addr_from_sa(&a, (struct sockaddr *)&sin6, sizeof(sin6));
	}
	result_add(r, &a);
	if (t < r->ttl)
		r->ttl = t;
}

/* c-ares follows the aliases in the reply. */
void
dns_addrs(enum addr_family family, const uint8_t *p, size_t len,
    struct dns_result *r)
{
	struct ares_addrttl	a[DNS_ADDRS_MAX];
	struct ares_addr6ttl	aaaa[DNS_ADDRS_MAX];
	int			i, rc, n = DNS_ADDRS_MAX;

	memset(r, 0, sizeof(*r));
	r->ttl = UINT32_MAX;
	if (family == ADDR_V4) {
		rc = ares_parse_a_reply(p, (int)len, NULL, a, &n);
		for (i = 0; rc == ARES_SUCCESS && i < n; i++)
			add_one(r, AF_INET, &a[i].ipaddr, a[i].ttl);
	} else {
		rc = ares_parse_aaaa_reply(p, (int)len, NULL, aaaa, &n);
		for (i = 0; rc == ARES_SUCCESS && i < n; i++)
			add_one(r, AF_INET6, &aaaa[i].ip6addr, aaaa[i].ttl);
	}
	r->status = rc == ARES_SUCCESS || rc == ARES_ENODATA ? DNS_OK :
	    DNS_FAIL;
	if (r->n == 0)
		r->ttl = 0;
}

static void
use_reply(struct query *q, const unsigned char *p, int len)
{
	if (len >= NS_HFIXEDSZ && (p[3] & 0xf) == ns_r_noerror)
		query_end(q, DNS_OK, p, (size_t)len);
	else if (len >= NS_HFIXEDSZ && (p[3] & 0xf) == ns_r_nxdomain)
		query_end(q, DNS_NONE, NULL, 0);
	else
		query_end(q, DNS_FAIL, NULL, 0);
}

static void
on_reply(void *arg, int status, int timeouts, unsigned char *p, int len)
{
	struct query	*q = arg;

	(void)timeouts;
	switch (status) {
	case ARES_SUCCESS:
		use_reply(q, p, len);
		break;
	case ARES_ETIMEOUT:
		query_end(q, DNS_TIMEOUT, NULL, 0);
		break;
	case ARES_EDESTRUCTION:
		query_send(q);		/* on the channel that is new */
		break;
	default:
		query_end(q, DNS_FAIL, NULL, 0);
		break;
	}
}

static void
query_send(struct query *q)
{
	unsigned char	*packet;
	int		 len;

	if (ares_create_query(q->name, ns_c_in, q->type,
	    (unsigned short)arc4random_uniform(0x10000), 1, &packet, &len,
	    0) != ARES_SUCCESS) {
		query_end(q, DNS_FAIL, NULL, 0);
		return;
	}
	ares_send(channel, packet, len, on_reply, q);
	ares_free_string(packet);
	arm_timer();
}

void
dns_ask(const char *name, int type, void (*fn)(void *, enum dns_status,
    const uint8_t *, size_t), void *arg)
{
	struct query	*q;

	if ((q = calloc(1, sizeof(*q))) == NULL) {
		fn(arg, DNS_FAIL, NULL, 0);
		return;
	}
	(void)strlcpy(q->name, name, sizeof(q->name));
	q->type = type;
	q->fn = fn;
	q->arg = arg;
	query_send(q);
}
