/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A name server for the daemon: UDP on a port of 127.0.0.1, with the records
 * of the talk's last dns statement.
 *
 * A name with any record exists; asked for another type of it the answer is
 * empty, and of a name that is not there NXDOMAIN.  SERVFAIL, NXDOMAIN and
 * SILENT in place of a type are what happens to every question for the name,
 * NODATA only makes it exist.  An alias is followed, once for each record.
 *
 * Answers go out whole, up to 4096 octets: nothing here speaks TCP.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "parley.h"

#define REPLY_MAX	4096
#define HEAD		12		/* octets before the question */
#define ALIASES_MAX	8

enum {
	TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_MX = 15,
	TYPE_TXT = 16, TYPE_AAAA = 28,
	TYPE_NODATA = 1000, TYPE_SERVFAIL, TYPE_NXDOMAIN, TYPE_SILENT
};

static const struct {
	const char	*word;
	int		 type;
} types[] = {
	{ "A", TYPE_A }, { "AAAA", TYPE_AAAA }, { "CNAME", TYPE_CNAME },
	{ "MX", TYPE_MX }, { "PTR", TYPE_PTR }, { "TXT", TYPE_TXT },
	{ "NODATA", TYPE_NODATA }, { "SERVFAIL", TYPE_SERVFAIL },
	{ "NXDOMAIN", TYPE_NXDOMAIN }, { "SILENT", TYPE_SILENT }
};

struct record {
	TAILQ_ENTRY(record)	 entry;
	char			*name;
	int			 type;
	uint8_t			 data[512];
	size_t			 len;
};

static struct {
	int			 fd;		/* -1 = none */
	size_t			 slot;
	TAILQ_HEAD(, record)	 records;
} dns = { .fd = -1, .records = TAILQ_HEAD_INITIALIZER(dns.records) };

/* A reply as it grows; what does not fit is left out. */
struct reply {
	uint8_t	 p[REPLY_MAX];
	size_t	 n;
	unsigned int answers;
};

/* --- the statement ------------------------------------------------------- */

static int
wrong(const struct stmt *st, const char *what)
{
	fail(NULL, st->line, "dns: bad record: %s", what);
	return -1;
}

/* Octets of a name as in RFC 1035, section 3.1; 0 if it is none. */
static size_t
name_wire(const char *name, uint8_t *p, size_t size)
{
	size_t	len, n = 0;

	if (strcmp(name, ".") == 0)
		name++;
	while (*name != '\0') {
		len = strcspn(name, ".");
		if (len == 0 || len > 63 || n + len + 2 > size)
			return 0;
		p[n++] = (uint8_t)len;
		memcpy(p + n, name, len);
		n += len;
		name += len;
		if (*name == '.')
			name++;
	}
	p[n++] = 0;
	return n;
}

/* Text, perhaps a C string: strings of at most 255 octets. */
static size_t
text_wire(const char *text, uint8_t *p, size_t size)
{
	struct bytes	 b = { 0 };
	size_t		 len, n = 0;

	if (text[0] != '"')
		bytes_adds(&b, text);
	else if (unescape(text, &b) != NULL)
		return 0;
	do {
		len = bytes_len(&b) > 255 ? 255 : bytes_len(&b);
		if (n + len + 1 > size) {
			n = 0;
			break;
		}
		p[n++] = (uint8_t)len;
		memcpy(p + n, bytes_head(&b), len);
		n += len;
		bytes_take(&b, len);
	} while (bytes_len(&b) > 0);
	bytes_free(&b);
	return n;
}

static size_t
mx_wire(char *rest, uint8_t *p, size_t size)
{
	const char	*why, *pref = next_word(&rest), *host;
	long long	 n;
	size_t		 len;

	if (pref == NULL || (host = next_word(&rest)) == NULL)
		return 0;
	n = strtonum(pref, 0, 65535, &why);
	if (why != NULL)
		return 0;
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
	len = name_wire(host, p + 2, size - 2);
	return len == 0 ? 0 : len + 2;
}

/* What a record holds; -1 if it cannot. */
static int
data_read(struct record *r, char *rest)
{
	switch (r->type) {
	case TYPE_A:
		r->len = inet_pton(AF_INET, rest, r->data) == 1 ? 4 : 0;
		break;
	case TYPE_AAAA:
		r->len = inet_pton(AF_INET6, rest, r->data) == 1 ? 16 : 0;
		break;
	case TYPE_CNAME:
	case TYPE_PTR:
		r->len = name_wire(rest, r->data, sizeof(r->data));
		break;
	case TYPE_MX:
		r->len = mx_wire(rest, r->data, sizeof(r->data));
		break;
	case TYPE_TXT:
		r->len = text_wire(rest, r->data, sizeof(r->data));
		break;
	default:
		return rest[0] == '\0' ? 0 : -1;
	}
	return r->len == 0 ? -1 : 0;
}

/* The name of an address for PTR; any other name is itself. */
static char *
owner_name(const char *name)
{
	uint8_t	 ip[16];
	char	*text, *p;
	int	 i;

	if (inet_pton(AF_INET, name, ip) == 1)
		return xasprintf("%u.%u.%u.%u.in-addr.arpa", ip[3], ip[2],
		    ip[1], ip[0]);
	if (inet_pton(AF_INET6, name, ip) != 1)
		return xstrdup(name);
	text = p = xcalloc(1, 16 * 4 + sizeof("ip6.arpa"));
	for (i = 15; i >= 0; i--, p += 4)
		snprintf(p, 5, "%x.%x.", ip[i] & 0xf, ip[i] >> 4);
	memcpy(p, "ip6.arpa", sizeof("ip6.arpa"));
	return text;
}

/* "NAME TYPE VALUE" */
static int
record_read(const struct stmt *st, char *line)
{
	char		*whole = xstrdup(line), *name, *word;
	struct record	*r = xcalloc(1, sizeof(*r));
	size_t		 i;
	int		 rv = -1;

	name = next_word(&line);
	word = next_word(&line);
	for (i = 0; word != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].word, word) == 0)
			r->type = types[i].type;
	line += line == NULL ? 0 : strspn(line, " \t");
	if (r->type == 0 || data_read(r, line) == -1)
		wrong(st, whole);
	else {
		r->name = owner_name(name);
		TAILQ_INSERT_TAIL(&dns.records, r, entry);
		rv = 0;
	}
	if (rv == -1)
		free(r);
	free(whole);
	return rv;
}

static void
records_clear(void)
{
	struct record	*r;

	while ((r = TAILQ_FIRST(&dns.records)) != NULL) {
		TAILQ_REMOVE(&dns.records, r, entry);
		free(r->name);
		free(r);
	}
}

static void
dns_open(void)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	socklen_t		 len = sizeof(sin);
	char			*port;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (dns.fd == -1 ||
	    bind(dns.fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(dns.fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "dns");
	port = xasprintf("%d", ntohs(sin.sin_port));
	macro_set("dns.port", port);
	free(port);
}

int
do_dns(struct stmt *st)
{
	char	*text = expand(NULL, st->line, st->text), *p = text, *line;
	int	 rv = 0;

	if (text == NULL)
		return -1;
	if (dns.fd == -1)
		dns_open();
	records_clear();
	while (rv == 0 && (line = strsep(&p, "\n")) != NULL) {
		line += strspn(line, " \t");
		if (line[0] != '\0' && line[0] != '#')
			rv = record_read(st, line);
	}
	free(text);
	return rv;
}

/* --- answers ------------------------------------------------------------- */

static void
put16(struct reply *out, unsigned int v)
{
	out->p[out->n++] = (uint8_t)(v >> 8);
	out->p[out->n++] = (uint8_t)v;
}

/* owner: the place of the name in the reply. */
static void
put_record(struct reply *out, const struct record *r, size_t owner)
{
	if (out->n + HEAD + r->len > sizeof(out->p))
		return;
	put16(out, 0xc000 | (unsigned int)owner);
	put16(out, (unsigned int)r->type);
	put16(out, 1);
	put16(out, 0);
	put16(out, 60);			/* its TTL */
	put16(out, (unsigned int)r->len);
	memcpy(out->p + out->n, r->data, r->len);
	out->n += r->len;
	out->answers++;
}

/* Text of a name; where it ends, 0 if it is none. */
static size_t
name_text(const uint8_t *p, size_t n, size_t at, char *buf, size_t size)
{
	size_t	len;

	buf[0] = '\0';
	while (at < n && (len = p[at]) != 0) {
		if (len > 63 || len >= n - at ||
		    strlen(buf) + len + 2 > size)
			return 0;
		if (buf[0] != '\0')
			strlcat(buf, ".", size);
		at++;
		strlcat(buf, (const char *)p + at,
		    strlen(buf) + len + 1 < size ? strlen(buf) + len + 1 :
		    size);
		at += len;
	}
	return at < n ? at + 1 : 0;
}

static struct record *
record_find(const char *name, int type)
{
	struct record	*r;

	TAILQ_FOREACH(r, &dns.records, entry)
		if (strcasecmp(r->name, name) == 0 &&
		    (type == 0 || r->type == type))
			return r;
	return NULL;
}

/* Records of the name, or behind its aliases; false: there is no such. */
static bool
answer_put(struct reply *out, char *name, size_t size, int type)
{
	struct record	*r;
	size_t		 owner = HEAD, data;
	int		 i;

	for (i = 0; i < ALIASES_MAX; i++) {
		TAILQ_FOREACH(r, &dns.records, entry)
			if (r->type == type && strcasecmp(r->name, name) == 0)
				put_record(out, r, owner);
		if ((r = record_find(name, TYPE_CNAME)) == NULL ||
		    type == TYPE_CNAME)
			return record_find(name, 0) != NULL;
		data = out->n + HEAD;
		put_record(out, r, owner);
		owner = data;
		name_text(r->data, r->len, 0, name, size);
	}
	return true;
}

static bool
answer_make(const uint8_t *q, size_t len, struct reply *out)
{
	char	name[256];
	size_t	end;
	int	type, code = 0;

	if (len < HEAD || (end = name_text(q, len, HEAD, name,
	    sizeof(name))) == 0 || len - end < 4)
		return false;
	type = q[end] << 8 | q[end + 1];
	tracef(NULL, 0, "dns: %s, type %d", name, type);
	if (record_find(name, TYPE_SILENT) != NULL)
		return false;
	memcpy(out->p, q, end + 4);
	out->n = end + 4;
	if (record_find(name, TYPE_SERVFAIL) != NULL)
		code = 2;
	else if (record_find(name, TYPE_NXDOMAIN) != NULL ||
	    !answer_put(out, name, sizeof(name), type))
		code = 3;
	out->p[2] = 0x81;		/* an answer, to one that may recurse */
	out->p[3] = (uint8_t)(0x80 | code);
	memset(out->p + 4, 0, 8);
	out->p[5] = 1;
	out->p[7] = (uint8_t)out->answers;
	return true;
}

void
dns_poll(struct pollset *ps)
{
	if (dns.fd != -1)
		dns.slot = pollset_add(ps, dns.fd, POLLIN);
}

void
dns_ready(const struct pollset *ps)
{
	struct sockaddr_storage	 ss;
	socklen_t		 salen = sizeof(ss);
	struct reply		 out = { .n = 0 };
	uint8_t			 q[1024];
	ssize_t			 n;

	if (dns.fd == -1 || dns.slot >= ps->n ||
	    ps->fds[dns.slot].fd != dns.fd || ps->fds[dns.slot].revents == 0)
		return;
	n = recvfrom(dns.fd, q, sizeof(q), 0, (struct sockaddr *)&ss, &salen);
	if (n > 0 && answer_make(q, (size_t)n, &out))
		(void)sendto(dns.fd, out.p, out.n, 0, (struct sockaddr *)&ss,
		    salen);
}
