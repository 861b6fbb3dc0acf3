/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The PROXY protocol's header: pure functions from addresses to octets.
 *
 * Both addresses of a header are of one family.  Where the client's and ours
 * differ (the client's was told to us by somebody else), the v4 one is
 * written as v4-mapped.  No TLVs are sent: nobody who takes mail looks at
 * them.
 *
 * A version 2 header without addresses is LOCAL, not PROXY of the family
 * UNSPEC: a receiver may refuse the latter, and takes the connection's own
 * addresses for the former.
 */

#include <stdio.h>
#include <string.h>

#include "proxy_header.h"

#define V2_LOCAL	0x20		/* version and command */
#define V2_PROXY	0x21
#define V2_UNSPEC	0x00		/* family and transport */
#define V2_TCP4		0x11
#define V2_TCP6		0x21

static const char	v2_signature[12] = {
	'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'
};

static bool
is_ip(const struct addr *a)
{
	return a->family == ADDR_V4 || a->family == ADDR_V6;
}

/* The 16 octets of an address in v6. */
static void
as_v6(const struct addr *a, uint8_t ip[16])
{
	static const uint8_t	mapped[12] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
	};

	if (a->family == ADDR_V6) {
		memcpy(ip, a->ip, 16);
		return;
	}
	memcpy(ip, mapped, sizeof(mapped));
	memcpy(ip + sizeof(mapped), a->ip, 4);
}

/* An address as version 1 writes it; v6: where the other one is v6. */
static const char *
v1_text(const struct addr *a, bool v6, char *buf, size_t size)
{
	char	ip[ADDR_TEXT_MAX];

	(void)snprintf(buf, size, "%s%s",
	    v6 && a->family == ADDR_V4 ? "::ffff:" : "",
	    addr_text(a, ip, sizeof(ip)));
	return buf;
}

static size_t
v1(char *buf, const struct addr *src, const struct addr *dst, bool v6)
{
	char	from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	char	line[PROXY_HEADER_MAX + 1];
	int	n;

	n = snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n",
	    v6 ? "TCP6" : "TCP4", v1_text(src, v6, from, sizeof(from)),
	    v1_text(dst, v6, to, sizeof(to)), src->port, dst->port);
	memcpy(buf, line, (size_t)n);
	return (size_t)n;
}

static char *
put(char *p, const void *octets, size_t n)
{
	memcpy(p, octets, n);
	return p + n;
}

static char *
put_port(char *p, uint16_t port)
{
	*p++ = (char)(port >> 8);
	*p++ = (char)(port & 0xff);
	return p;
}

static size_t
v2(char *buf, const struct addr *src, const struct addr *dst, bool v6)
{
	uint8_t	 from[16], to[16];
	size_t	 n = v6 ? 16 : 4;
	char	*p = put(buf, v2_signature, sizeof(v2_signature));

	*p++ = V2_PROXY;
	*p++ = v6 ? V2_TCP6 : V2_TCP4;
	p = put_port(p, (uint16_t)(2 * n + 4));		/* the length */
	if (v6) {
		as_v6(src, from);
		as_v6(dst, to);
	}
	p = put(p, v6 ? from : src->ip, n);
	p = put(p, v6 ? to : dst->ip, n);
	p = put_port(p, src->port);
	p = put_port(p, dst->port);
	return (size_t)(p - buf);
}

/* A connection without addresses. */
static size_t
unknown(char *buf, unsigned int version)
{
	static const char	line[] = "PROXY UNKNOWN\r\n";
	static const char	rest[4] = { V2_LOCAL, V2_UNSPEC, 0, 0 };

	if (version == 1) {
		memcpy(buf, line, sizeof(line) - 1);
		return sizeof(line) - 1;
	}
	(void)put(put(buf, v2_signature, sizeof(v2_signature)), rest,
	    sizeof(rest));
	return sizeof(v2_signature) + sizeof(rest);
}

size_t
proxy_header_make(char *buf, unsigned int version, const struct addr *src,
    const struct addr *dst)
{
	bool	v6 = src->family == ADDR_V6 || dst->family == ADDR_V6;

	if (!is_ip(src) || !is_ip(dst))
		return unknown(buf, version);
	return version == 1 ? v1(buf, src, dst, v6) : v2(buf, src, dst, v6);
}
