/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A name server for tests, on UDP and TCP of one port of loopback: what it
 * says of a name stands in zones[], lies and silence included.
 */
#ifndef NAMESERVER_H
#define NAMESERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>

#include <strings.h>

#include "addr.h"
#include "child.h"

enum { A = 1, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28 };
enum { NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

#define SILENT	0x01		/* no answer to this family */
#define TRUNC	0x02		/* over UDP: cut, ask over TCP */
#define GARBAGE	0x04		/* noise, a lie and noise before the answer */
#define CUT	0x08		/* the answer ends in the middle */
#define ALIAS	0x10		/* the address is that of another name */
#define COUNTS	0x20		/* says that there are more records */

struct zone {
	const char	*name;
	int		 rcode;
	const char	*a, *aaaa;	/* NULL: none */
	unsigned int	 flags_a, flags_aaaa;
	uint32_t	 ttl;
};

static const struct zone	zones[] = {
	{ "both.test", NOERROR, "192.0.2.1", "2001:db8::1", 0, 0, 100 },
	{ "four.test", NOERROR, "192.0.2.1 192.0.2.2", NULL, 0, 0, 100 },
	{ "six.test", NOERROR, NULL, "2001:db8::1", 0, 0, 100 },
	{ "nodata.test", NOERROR, NULL, NULL, 0, 0, 100 },
	{ "nx.test", NXDOMAIN, NULL, NULL, 0, 0, 100 },
	{ "fail.test", SERVFAIL, NULL, NULL, 0, 0, 100 },
	{ "refused.test", REFUSED, NULL, NULL, 0, 0, 100 },
	{ "formerr.test", FORMERR, NULL, NULL, 0, 0, 100 },
	{ "silent.test", NOERROR, NULL, NULL, SILENT, SILENT, 100 },
	{ "half.test", NOERROR, "192.0.2.1", NULL, 0, SILENT, 100 },
	{ "halfnone.test", NOERROR, NULL, NULL, 0, SILENT, 100 },
	{ "mapped.test", NOERROR, "192.0.2.1", "::ffff:192.0.2.1", 0, 0, 9 },
	{ "twice.test", NOERROR, "192.0.2.1 192.0.2.1", NULL, 0, 0, 100 },
	{ "zero.test", NOERROR, "0.0.0.0", "::", 0, 0, 100 },
	{ "trunc.test", NOERROR, "192.0.2.1", NULL, TRUNC, 0, 100 },
	{ "garbage.test", NOERROR, "192.0.2.1", NULL, GARBAGE, 0, 100 },
	{ "cut.test", NOERROR, "192.0.2.1 192.0.2.2", NULL, CUT, 0, 100 },
	{ "alias.test", NOERROR, "192.0.2.1", NULL, ALIAS, 0, 100 },
	{ "counts.test", NOERROR, "192.0.2.1", NULL, COUNTS, 0, 100 }
};

/*
 * Records of other types.  Of a name in data, "@" is a pointer to the name
 * that was asked for, "." the root and "^" a pointer to itself.  A name in
 * this table exists; one without data has no more than that.
 */
struct rr {
	const char	*name;
	int		 type;
	unsigned int	 pref;
	const char	*data;
	unsigned int	 flags;		/* as above */
};

static const struct rr	rrs[] = {
	{ "mx.test", MX, 20, "b.mx.test", 0 },
	{ "mx.test", MX, 10, "a.mx.test", 0 },
	{ "mx.test", MX, 30, "c.mx.test", 0 },
	{ "mx.test", MX, 5, "B.mx.test", 0 },
	{ "equal.test", MX, 10, "a.mx.test", 0 },
	{ "equal.test", MX, 10, "b.mx.test", 0 },
	{ "null.test", MX, 0, ".", 0 },
	{ "nullandmore.test", MX, 0, ".", 0 },
	{ "nullandmore.test", MX, 10, "a.mx.test", 0 },
	{ "self.test", MX, 10, "@", 0 },
	{ "loop.test", MX, 10, "^", 0 },
	{ "odd.test", MX, 10, "a b.mx.test", 0 },
	{ "odd.test", MX, 20, "192.0.2.1", 0 },
	{ "mxcut.test", MX, 10, "a.mx.test", CUT },
	{ "mxcounts.test", MX, 10, "a.mx.test", COUNTS },
	{ "mxsilent.test", MX, 10, "a.mx.test", SILENT },
	{ "nomx.test", 0, 0, NULL, 0 },
	{ "txt.test", TXT, 0, "v=spf1|-all", 0 },
	{ "txt.test", TXT, 0, "tab\there \303\251", 0 },
	{ "1.2.0.192.in-addr.arpa", PTR, 0, "both.test", 0 },
	{ "1.2.0.192.in-addr.arpa", PTR, 0, "nx.test", 0 },
	{ "1.2.0.192.in-addr.arpa", PTR, 0, "six.test", 0 },
	{ "1.2.0.192.in-addr.arpa", PTR, 0, "192.0.2.1", 0 },
	{ "1.2.0.192.in-addr.arpa", PTR, 0, "four.test", 0 },
	{ "9.2.0.192.in-addr.arpa", PTR, 0, "four.test", 0 },
	{ "8.2.0.192.in-addr.arpa", PTR, 0, "fail.test", 0 },
	{ "8.2.0.192.in-addr.arpa", PTR, 0, "four.test", 0 },
	{ "7.2.0.192.in-addr.arpa", PTR, 0, "half.test", 0 },
	{ "6.2.0.192.in-addr.arpa", PTR, 0, "silent.test", 0 },
	{ "5.2.0.192.in-addr.arpa", 0, 0, NULL, 0 },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	    "ip6.arpa", PTR, 0, "six.test", 0 }
};

static struct {
	int		udp, tcp;
	int		tcp_conn;	/* -1: none */
	uint16_t	port;
	unsigned int	asked;		/* questions for something */
	unsigned int	over_tcp;
	bool		mute;
} ns = { .udp = -1, .tcp = -1, .tcp_conn = -1 };

static inline const struct zone *
zone_find(const char *name)
{
	size_t	i;

	for (i = 0; i < nitems(zones); i++)
		if (strcasecmp(zones[i].name, name) == 0)
			return &zones[i];
	return NULL;
}

static inline void
put16(uint8_t **p, unsigned int v)
{
	*(*p)++ = (v >> 8) & 0xff;
	*(*p)++ = v & 0xff;
}

static inline void
put_record(uint8_t **p, int type, uint32_t ttl, const void *data, size_t len)
{
	put16(p, 0xc00c);		/* the name that was asked for */
	put16(p, (unsigned int)type);
	put16(p, 1);
	put16(p, ttl >> 16);
	put16(p, ttl & 0xffff);
	put16(p, (unsigned int)len);
	memcpy(*p, data, len);
	*p += len;
}

/* "many.test" has more addresses than there is room for in an answer. */
static inline unsigned int
put_many(uint8_t **p, int type)
{
	uint8_t		ip[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	unsigned int	i;

	for (i = 1; i <= 40; i++) {
		ip[15] = (uint8_t)i;
		ip[3] = type == A ? (uint8_t)i : 0xb8;
		put_record(p, type, 100, ip, type == A ? 4 : 16);
	}
	return 40;
}

static inline unsigned int
put_addrs(uint8_t **p, const struct zone *z, int type, const char *list)
{
	char		*all = strdup(list), *rest = all, *w;
	uint8_t		 ip[16];
	unsigned int	 n = 0;

	while ((w = strsep(&rest, " ")) != NULL) {
		/* addr_parse() would make a mapped one v4. */
		if (inet_pton(type == A ? AF_INET : AF_INET6, w, ip) != 1)
			die(w);
		put_record(p, type, z->ttl + n, ip, type == A ? 4 : 16);
		n++;
	}
	free(all);
	return n;
}

/* Octets of a name, in the form of RFC 1035. */
static inline size_t
put_name(uint8_t *p, const char *name, size_t at)
{
	uint8_t		*begin = p;
	const char	*dot;
	size_t		 n;

	if (strcmp(name, "@") == 0 || strcmp(name, "^") == 0) {
		put16(&p, 0xc000U | (name[0] == '@' ? 12 : (unsigned int)at));
		return 2;
	}
	for (; *name != '\0' && strcmp(name, ".") != 0; name += n) {
		dot = strchr(name, '.');
		n = dot == NULL ? strlen(name) : (size_t)(dot - name);
		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		n += dot != NULL;
	}
	*p++ = 0;
	return (size_t)(p - begin);
}

/* Strings of a TXT record, between bars. */
static inline size_t
put_text(uint8_t *p, const char *text)
{
	uint8_t	*begin = p;
	size_t	 n;

	for (; *text != '\0'; text += n) {
		n = strcspn(text, "|");
		*p++ = (uint8_t)n;
		memcpy(p, text, n);
		p += n;
		n += text[n] == '|';
	}
	return (size_t)(p - begin);
}

/* "manymx.test" has forty, the best of them last. */
static inline unsigned int
put_many_mx(uint8_t **p)
{
	uint8_t		data[64];
	unsigned int	i;
	char		name[32];

	for (i = 0; i < 40; i++) {
		data[0] = 0;
		data[1] = (uint8_t)(40 - i);
		(void)snprintf(name, sizeof(name), "m%u.test", 40 - i);
		put_record(p, MX, 100, data, 2 + put_name(data + 2, name, 0));
	}
	return 40;
}

/* begin: of the whole reply. */
static inline unsigned int
put_rrs(uint8_t **p, const uint8_t *begin, const char *name, int type)
{
	uint8_t		data[300];
	size_t		i, n;
	unsigned int	count = 0;

	for (i = 0; i < nitems(rrs); i++) {
		if (strcasecmp(rrs[i].name, name) != 0 ||
		    rrs[i].type != type)
			continue;
		data[0] = 0;
		data[1] = (uint8_t)rrs[i].pref;
		n = type == MX ? 2 : 0;
		n += type == TXT ? put_text(data, rrs[i].data) :
		    put_name(data + n, rrs[i].data,
		    (size_t)(*p - begin) + 12 + n);
		put_record(p, type, 100 + count++, data, n);
	}
	return count;
}

static inline const struct rr *
rr_find(const char *name)
{
	size_t	i;

	for (i = 0; i < nitems(rrs); i++)
		if (strcasecmp(rrs[i].name, name) == 0)
			return &rrs[i];
	return NULL;
}

static inline unsigned int
name_flags(const char *name, int type)
{
	const struct rr	*r = rr_find(name);

	return r != NULL && r->type == type ? r->flags : 0;
}

static inline unsigned int
zone_flags(const struct zone *z, int type)
{
	if (z == NULL)
		return 0;
	return type == A ? z->flags_a : type == AAAA ? z->flags_aaaa : 0;
}

/* The answers section; returns how many. */
static inline unsigned int
put_answers(uint8_t **p, const struct zone *z, const char *name, int type)
{
	static const uint8_t	other[] = "\5other\4test";
	const char		*list;
	unsigned int		 n = 0;
	uint8_t			*at;

	if (strcmp(name, "many.test") == 0)
		return put_many(p, type);
	list = z == NULL ? NULL : type == A ? z->a : type == AAAA ?
	    z->aaaa : NULL;
	if (list == NULL)
		return 0;
	if ((zone_flags(z, type) & ALIAS) == 0)
		return put_addrs(p, z, type, list);
	put_record(p, CNAME, 7, other, sizeof(other));
	n = 1;
	at = *p;
	n += put_addrs(p, z, type, list);
	/* The address is other.test's: its name begins in that record. */
	at[1] = (uint8_t)(12 + strlen(name) + 2 + 4 + 12);
	return n;
}

/*
 * Make the reply to a question of len octets: its length, 0 = none.  What is
 * asked for is told.
 */
static inline size_t
reply(const uint8_t *q, size_t len, uint8_t *out, bool tcp, char *name,
    int *type)
{
	const struct zone	*z;
	uint8_t			*p;
	size_t			 i = 12, n;
	unsigned int		 answers, flags;
	int			 rcode;

	name[0] = '\0';
	while (i < len && q[i] != 0) {
		n = q[i++];
		if (name[0] != '\0')
			(void)strlcat(name, ".", 256);
		(void)strlcat(name, (const char *)q + i, strlen(name) + n + 1);
		i += n;
	}
	if (len < 17 || i + 5 > len)
		die("a question that is none");
	*type = q[i + 2];
	ns.asked++;
	ns.over_tcp += tcp;
	z = zone_find(name);
	flags = zone_flags(z, *type) | name_flags(name, *type);
	if (ns.mute || (flags & SILENT))
		return 0;
	memcpy(out, q, i + 5);
	p = out + i + 5;
	answers = put_answers(&p, z, name, *type);
	answers += put_rrs(&p, out, name, *type);
	if (strcmp(name, "manymx.test") == 0)
		answers += put_many_mx(&p);
	if (flags & COUNTS)
		answers++;
	rcode = z != NULL ? z->rcode : answers > 0 || rr_find(name) != NULL ?
	    NOERROR : NXDOMAIN;
	out[2] = 0x81;
	out[3] = (uint8_t)(0x80 | rcode);
	out[6] = 0;
	out[7] = (uint8_t)answers;
	out[8] = out[9] = out[10] = out[11] = 0;
	if (!tcp && ((flags & TRUNC) || p - out > 512)) {
		out[2] |= 0x02;
		out[7] = 0;
		return i + 5;
	}
	return (size_t)(p - out) - (flags & CUT ? 5 : 0);
}

static inline void
send_noise(const uint8_t *out, size_t n, const struct sockaddr *sa,
    socklen_t salen)
{
	uint8_t	lie[1024], noise[64];

	(void)sendto(ns.udp, "", 0, 0, sa, salen);
	arc4random_buf(noise, sizeof(noise));
	(void)sendto(ns.udp, noise, sizeof(noise), 0, sa, salen);
	(void)sendto(ns.udp, out, 11, 0, sa, salen);
	/* The right id for another question, another id for the right one. */
	memcpy(lie, out, n);
	lie[13] ^= 1;
	lie[n - 1] = 66;
	(void)sendto(ns.udp, lie, n, 0, sa, salen);
	memcpy(lie, out, n);
	lie[0] ^= 0x55;
	lie[n - 1] = 66;
	(void)sendto(ns.udp, lie, n, 0, sa, salen);
}

static inline void
on_udp(void)
{
	struct sockaddr_storage	ss;
	socklen_t		salen = sizeof(ss);
	uint8_t			q[1024], out[4096];
	char			name[256];
	int			type;
	ssize_t			n;
	size_t			len;

	n = recvfrom(ns.udp, q, sizeof(q), MSG_DONTWAIT,
	    (struct sockaddr *)&ss, &salen);
	if (n <= 0)
		return;
	if ((len = reply(q, (size_t)n, out, false, name, &type)) == 0)
		return;
	if (zone_flags(zone_find(name), type) & GARBAGE)
		send_noise(out, len, (struct sockaddr *)&ss, salen);
	(void)sendto(ns.udp, out, len, 0, (struct sockaddr *)&ss, salen);
}

/* One question, whole: that is what c-ares sends. */
static inline void
on_tcp(void)
{
	uint8_t	q[1024], out[4096];
	char	name[256];
	int	type;
	ssize_t	n;
	size_t	len, at, qlen;

	n = recv(ns.tcp_conn, q, sizeof(q), 0);
	if (n <= 0) {
		(void)close(ns.tcp_conn);
		ns.tcp_conn = -1;
		return;
	}
	for (at = 0; at + 2 <= (size_t)n; at += 2 + qlen) {
		qlen = (size_t)q[at] << 8 | q[at + 1];
		len = reply(q + at + 2, qlen, out + 2, true, name, &type);
		out[0] = (uint8_t)(len >> 8);
		out[1] = (uint8_t)len;
		if (len > 0)
			(void)send(ns.tcp_conn, out, len + 2, 0);
	}
}

static inline size_t
ns_fds(struct pollfd *pfd, size_t max)
{
	size_t	n = 0;

	if (max < 3)
		return 0;
	pfd[n].fd = ns.udp;
	pfd[n++].events = POLLIN;
	pfd[n].fd = ns.tcp;
	pfd[n++].events = POLLIN;
	if (ns.tcp_conn != -1) {
		pfd[n].fd = ns.tcp_conn;
		pfd[n++].events = POLLIN;
	}
	return n;
}

static inline void
ns_ready(const struct pollfd *pfd)
{
	if (pfd->fd == ns.udp)
		on_udp();
	else if (pfd->fd == ns.tcp_conn)
		on_tcp();
	else if (pfd->fd == ns.tcp) {
		if (ns.tcp_conn != -1)
			(void)close(ns.tcp_conn);
		ns.tcp_conn = accept4(ns.tcp, NULL, NULL, SOCK_CLOEXEC);
	}
}

/* UDP and TCP on one port. */
static inline void
ns_start(void)
{
	struct sockaddr_in	sin;
	socklen_t		len = sizeof(sin);
	int			i;

	for (i = 0; i < 100; i++) {
		memset(&sin, 0, sizeof(sin));
		sin.sin_family = AF_INET;
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ns.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ns.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(ns.udp, (struct sockaddr *)&sin, len) == -1 ||
		    getsockname(ns.udp, (struct sockaddr *)&sin, &len) == -1)
			die("bind");
		ns.port = ntohs(sin.sin_port);
		if (bind(ns.tcp, (struct sockaddr *)&sin, len) == 0 &&
		    listen(ns.tcp, 5) == 0)
			return;
		(void)close(ns.udp);
		(void)close(ns.tcp);
	}
	die("no port for the name server");
}

#endif
